/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/*
 * Every system call of the host passes here from the moment that a run has fresh code, so there is one program, at
 * the return only, and it looks at the number first. What the command and the manager do is not judged here, also
 * when it is attached, but whom a mixed manager reached. (Per-syscall perf events are cheaper, but closing each one waits 20 to 70 ms for the whole
 * machine.)
 */

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

	if (!call.watch || !call.watch->kind)
		return 0;
	label = current_label();
	if (!label || !(fresh_code(label) || (label->actor == ACTOR_MIXED && call.watch->kind == WATCH_CONNECT)))
		return 0;
	if (call.watch->kind == WATCH_OPEN)
		open_returned(label, &call, ret);
	else if (call.watch->kind == WATCH_CONNECT)
		connect_returned(label, &call, ret);
	else if (call.watch->kind >= WATCH_PTRACE && call.watch->kind <= WATCH_PIDFD_GETFD)
		memory_returned(label, &call, ret);
	else if (call.watch->kind == WATCH_FILTERED)
		filtered_returned(label, &call, ret);
	else
		path_returned(label, &call, ret);
	return 0;
}
