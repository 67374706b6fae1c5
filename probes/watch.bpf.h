/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/*
 * Every system call of the host passes here while a run lives, so the number is looked at first: +30 ns per
 * program (per-syscall perf events cost 10 ns, but closing each one waits 20 to 70 ms for the whole machine).
 */

static __always_inline bool told_at_return(__u8 kind)
{
	return (kind >= WATCH_PATH && kind <= WATCH_CONNECT) || kind == WATCH_FILTERED;
}

SEC("tp_btf/sys_exit")
int BPF_PROG(on_return, struct pt_regs *registers, long ret)
{
	__u32 number = number_of(registers);
	struct call call = {
		.watch = bpf_map_lookup_elem(&watches, &number),
		.registers = registers,
		.number = number,
	};
	struct label *label;

	if (!call.watch || !told_at_return(call.watch->kind))
		return 0;
	label = current_label();
	if (!label)
		return 0;
	if (call.watch->kind == WATCH_OPEN)
		open_returned(label, &call, ret);
	else if (call.watch->kind == WATCH_CONNECT)
		connect_returned(label, &call, ret);
	else if (fresh_code(label) && call.watch->kind == WATCH_FILTERED)
		filtered_returned(label, &call, ret);
	else if (fresh_code(label))
		path_returned(label, &call, ret);
	return 0;
}

SEC("tp_btf/sys_enter")
int BPF_PROG(on_call, struct pt_regs *registers, long id)
{
	__u32 number = id;
	struct call call = { .watch = bpf_map_lookup_elem(&watches, &number), .registers = registers };
	struct label *label;

	if (!call.watch || !call.watch->kind || told_at_return(call.watch->kind))
		return 0;
	label = current_label();
	if (label)
		memory_entered(label, &call);
	return 0;
}
