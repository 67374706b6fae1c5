/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/* Which system calls are watched: by number, filled by userspace, since numbers differ between architectures. */

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, WATCH_CALLS);
	__type(key, __u32);
	__type(value, struct watch);
} watches SEC(".maps");

struct call {
	const struct watch *watch;
	void *registers;
	__u32 number;
};

/* Plain loads: the verifier knows the type of what a BTF tracepoint hands over, and a helper call costs 20 ns each. */
static __always_inline __u64 argument(const struct call *call, __u8 index)
{
	struct pt_regs___x86 *x86 = call->registers;
	struct pt_regs___arm64 *arm64 = call->registers;

	if (!bpf_core_field_exists(x86->di)) {
		if (index == 0)
			return arm64->orig_x0;
		if (index == 1)
			return arm64->regs[1];
		if (index == 2)
			return arm64->regs[2];
		return index == 3 ? arm64->regs[3] : arm64->regs[4];
	}
	if (index == 0)
		return x86->di;
	if (index == 1)
		return x86->si;
	if (index == 2)
		return x86->dx;
	return index == 3 ? x86->r10 : x86->r8;
}

static __always_inline __u32 number_of(void *registers)
{
	struct pt_regs___x86 *x86 = registers;
	struct pt_regs___arm64 *arm64 = registers;

	if (bpf_core_field_exists(x86->orig_ax))
		return x86->orig_ax;
	return arm64->syscallno;
}
