/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/*
 * A manager that nobody wrapped begins a run of its own, before its first user instruction. Attached after
 * `on_exec`, which then finds no label yet, and only by the daemon: a wrapped run looks at no stranger.
 */

static __always_inline bool in_scope(const struct beginnings *how)
{
	__u32 user = bpf_get_current_uid_gid();

	return !how->scoped || bpf_map_lookup_elem(&scoped_users, &user);
}

/* Without room for a label the manager would run free: it dies instead, and the loss is told. */
static __always_inline bool label_new(struct beginnings *how, struct label *label)
{
	__u32 tgid = current_tgid();

	label->run = how->family | (__u32)__sync_fetch_and_add(&how->begun, 1);
	label->actor = ACTOR_MIXED; /* as in become_manager() */
	label->stage = STAGE_RESOLVE;
	if (!bpf_map_update_elem(&labels, &tgid, label, BPF_NOEXIST))
		return true;
	bpf_send_signal(SIGKILL);
	count(LOST_LABELS);
	return false;
}

SEC("tp_btf/sched_process_exec")
int BPF_PROG(on_begin, struct task_struct *task, int old_pid, struct linux_binprm *bprm)
{
	struct label label = {};
	struct beginnings *how;
	struct scratch *scratch;
	struct exec_record *exec;
	__u64 patterns, length;
	__u32 zero = 0;

	how = bpf_map_lookup_elem(&begun, &zero);
	if (!how || !how->family || current_label() || !in_scope(how))
		return 0;
	scratch = bpf_map_lookup_elem(&scratches, &zero);
	if (!scratch)
		return 0;
	exec = &scratch->record;
	exec->flags = 0;
	read_argv(exec, BPF_CORE_READ(task, mm));
	patterns = recognise(scratch);
	if (!patterns || !label_new(how, &label))
		return 0;
	count(COUNT_EXEC);
	describe(exec, &label, task, bprm);
	exec->patterns = patterns;
	exec->flags |= EXEC_BEGAN;
	length = exec->argv_length;
	if (length > EXEC_ARGV_MAX)
		length = EXEC_ARGV_MAX;
	send(&exec->head, __builtin_offsetof(struct exec_record, argv) + length, true);
	return 0;
}
