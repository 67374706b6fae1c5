/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/* Labels follow processes: copied before a child's first instruction, deleted with its last thread. */

/* In kernels from 6.13; the program does without it elsewhere. */
extern int bpf_send_signal_task(struct task_struct *task, int signal, enum pid_type type, __u64 value) __ksym __weak;

/* With the map full the child would run unlabelled: parent and child must die, and the run is incomplete. */
static __always_inline void lose_label(const struct label *label, struct task_struct *child, __u32 tgid)
{
	struct lost_label_record lost = {};

	bpf_send_signal(SIGKILL);
	if (bpf_send_signal_task)
		lost.killed = bpf_send_signal_task(child, SIGKILL, PIDTYPE_TGID, 0) == 0;
	count(LOST_LABELS);
	begin(&lost.head, label, RECORD_LOST_LABEL, 0);
	lost.child = tgid;
	send(&lost.head, sizeof(lost), true);
}

/* Runs in the parent before wake_up_new_task(): nothing the child does can come first. */
SEC("tp_btf/sched_process_fork")
int BPF_PROG(on_fork, struct task_struct *parent, struct task_struct *child)
{
	struct fork_record record = {};
	__u32 tgid = child->tgid;
	__u32 parent_tgid = parent->tgid;
	struct files_struct *files;
	struct label *label, copy;

	if (tgid == parent_tgid)
		return 0; /* a thread */
	label = bpf_map_lookup_elem(&labels, &parent_tgid);
	if (!label) {
		/* A reused pid must not find a dead process's label. */
		bpf_map_delete_elem(&labels, &tgid);
		return 0;
	}
	copy = *label;
	if (bpf_map_update_elem(&labels, &tgid, &copy, BPF_ANY)) {
		lose_label(&copy, child, tgid);
		return 0;
	}
	count(COUNT_FORK);
	begin(&record.head, &copy, RECORD_FORK, 0);
	record.child = tgid;
	files = BPF_CORE_READ(child, files);
	record.shares = files && files == BPF_CORE_READ(parent, files);
	send(&record.head, sizeof(record), false);
	return 0;
}

SEC("tp_btf/sched_process_exit")
int BPF_PROG(on_exit, struct task_struct *task)
{
	struct exit_record record = {};
	__u32 tgid = task->tgid;
	struct label *label;

	end_fold(task->pid);
	/* Not `pid == tgid`: a leader may exit and leave threads behind, or lose its place to an exec. */
	if (BPF_CORE_READ(task, signal, live.counter) != 0)
		return 0;
	label = bpf_map_lookup_elem(&labels, &tgid);
	if (!label)
		return 0;
	begin(&record.head, label, RECORD_EXIT, 0);
	record.head.ppid = parent_of(task);
	record.status = BPF_CORE_READ(task, signal, group_exit_code) ?: BPF_CORE_READ(task, exit_code);
	/* The last two threads may both see `live == 0`: only one of them deletes. */
	if (bpf_map_delete_elem(&labels, &tgid))
		return 0;
	count(COUNT_EXIT);
	/* What a manager installed may be run the moment it is gone. */
	send(&record.head, sizeof(record), is_manager(record.head.actor));
	return 0;
}
