/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/*
 * What a labelled process becomes at exec. Runs after the new image is in place and before its first user
 * instruction, so SIGKILL here means it never ran, and SIGSTOP that it waits to be settled.
 */

struct climb_state {
	struct dentry *at;
	__u32 code;
	__u8 ended;
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct climb_state);
} climbs SEC(".maps");

struct climber {
	struct climb_state *state;
};

static long climb_once(__u32 index, struct climber *climber)
{
	struct climb_state *state = climber->state;
	struct dentry *at = state->at;
	struct dentry *parent = BPF_CORE_READ(at, d_parent);
	struct inode *inode;
	struct inode_key key;
	__u32 *bits;

	if (parent == at) {
		state->ended = 1;
		return 1;
	}
	inode = BPF_CORE_READ(parent, d_inode);
	key = key_of(inode);
	bits = bpf_map_lookup_elem(&exec_dirs, &key);
	if (bits)
		state->code |= *bits;
	state->at = parent;
	return 0;
}

/* CODE_SHM or CODE_HIDDEN_TEMP when an ancestor is such a directory; a path too long to know counts as both. */
static __always_inline __u32 listed_above(struct dentry *dentry)
{
	__u32 zero = 0;
	struct climber climber = { .state = bpf_map_lookup_elem(&climbs, &zero) };

	if (!climber.state)
		return 0;
	climber.state->at = dentry;
	climber.state->code = 0;
	climber.state->ended = 0;
	bpf_loop(CLIMB_MAX, climb_once, &climber, 0);
	return climber.state->ended ? climber.state->code : CODE_SHM | CODE_HIDDEN_TEMP;
}

static __always_inline bool is_memfd(const char name[8])
{
	return name[0] == 'm' && name[1] == 'e' && name[2] == 'm' && name[3] == 'f' && name[4] == 'd' && name[5] == ':';
}

static __always_inline __u32 code_of(struct file *file, const struct inode_key *key)
{
	struct dentry *dentry = BPF_CORE_READ(file, f_path.dentry);
	struct inode *inode = BPF_CORE_READ(file, f_inode);
	const unsigned char *name = BPF_CORE_READ(dentry, d_name.name);
	char start[8] = {};
	__u32 code;

	bpf_probe_read_kernel_str(start, sizeof(start), name);
	code = listed_above(dentry);
	if (start[0] != '.')
		code &= ~CODE_HIDDEN_TEMP;
	if (BPF_CORE_READ(inode, i_nlink) == 0)
		code |= is_memfd(start) ? CODE_MEMFD : CODE_DELETED;
	if (bpf_map_lookup_elem(&written, key))
		code |= CODE_FRESH;
	return code;
}

static __always_inline void read_argv(struct exec_record *exec, struct mm_struct *mm)
{
	__u64 start = BPF_CORE_READ(mm, arg_start);
	__u64 length = BPF_CORE_READ(mm, arg_end) - start;

	if (length > EXEC_ARGV_MAX) {
		length = EXEC_ARGV_MAX;
		exec->flags |= EXEC_TRUNCATED;
	}
	exec->argv_length = length;
	if (bpf_probe_read_user(exec->argv, length, (void *)start) == 0)
		return;
	exec->flags |= EXEC_UNREAD;
	exec->argv_length = 0;
	count(LOST_READS);
}

static __always_inline void describe(struct exec_record *exec, const struct label *label, struct task_struct *task,
				     struct linux_binprm *bprm)
{
	struct file *file = BPF_CORE_READ(bprm, file);

	begin(&exec->head, label, RECORD_EXEC, ACT_EXEC);
	exec->head.ppid = parent_of(task);
	exec->exe = key_of(BPF_CORE_READ(file, f_inode));
	exec->patterns = 0;
	exec->argc = BPF_CORE_READ(bprm, argc);
	exec->flags = 0;
	exec->path[0] = 0;
	bpf_probe_read_kernel_str(exec->filename, sizeof(exec->filename), BPF_CORE_READ(bprm, filename));
	bpf_probe_read_kernel_str(exec->interp, sizeof(exec->interp), BPF_CORE_READ(bprm, interp));
	read_argv(exec, BPF_CORE_READ(task, mm));
	exec->code = code_of(file, &exec->exe);
}

static __always_inline void decide_code(struct exec_record *exec, struct file *file)
{
	bool locked = decide(&exec->head, GROUP_NONE);
	__u32 zero = 0;
	struct path_state *state = bpf_map_lookup_elem(&paths, &zero);

	for (int bit = 0; bit < 5; bit++)
		if (exec->code & (1 << bit))
			locked |= decide(&exec->head, bit + 1);
	/* What has no name any more cannot be allowed by one. */
	if (!state || !minded(&exec->head) || exec->code & (CODE_MEMFD | CODE_DELETED) ||
	    !(exec->code & (CODE_SHM | CODE_HIDDEN_TEMP)))
		return;
	if (path_allowed(state, file, exec->head.origin, ALLOWED_EXEC) && !locked)
		pardon(&exec->head);
	else
		tell_path(state, exec->path);
}

/*
 * The command, or the project's own scripts, may start a manager; nothing below them climbs back. What it loads into
 * itself is known only to userspace: until that has looked, it has no more rights than if it were others' code.
 */
static __always_inline void become_manager(struct scratch *scratch, struct label *label)
{
	struct exec_record *exec = &scratch->record;

	exec->patterns = recognise(scratch);
	if (!exec->patterns)
		return;
	label->actor = ACTOR_MIXED;
	label->stage = STAGE_RESOLVE;
	exec->head.actor = ACTOR_MIXED;
	exec->head.stage = STAGE_RESOLVE;
}

/* What a manager or helper starts is package code until its identity has been read and settled. */
static __always_inline void become_pending(struct exec_record *exec, struct label *label)
{
	label->actor = ACTOR_PACKAGE;
	label->flags |= LABEL_PENDING;
	exec->head.actor = ACTOR_PACKAGE;
	exec->head.flags = label->flags;
	exec->flags |= EXEC_PENDING;
}

SEC("tp_btf/sched_process_exec")
int BPF_PROG(on_exec, struct task_struct *task, int old_pid, struct linux_binprm *bprm)
{
	struct label *label = current_label();
	struct scratch *scratch;
	struct exec_record *exec;
	bool pending, killed, urgent;
	__u64 length;
	__u32 zero = 0;

	if (!label)
		return 0;
	count(COUNT_EXEC);
	end_fold(old_pid);
	scratch = bpf_map_lookup_elem(&scratches, &zero);
	if (!scratch)
		return 0;
	exec = &scratch->record;
	pending = is_manager(label->actor) || label->actor == ACTOR_HELPER || label->flags & LABEL_PENDING;
	describe(exec, label, task, bprm);
	if (pending)
		become_pending(exec, label);
	else if ((label->actor == ACTOR_COMMAND || label->actor == ACTOR_PROJECT) && !(label->flags & LABEL_OFF))
		become_manager(scratch, label);
	decide_code(exec, BPF_CORE_READ(bprm, file));
	killed = kill_if_refused(&exec->head, LEVEL_KILLED_BEFORE);
	if (pending && !killed)
		bpf_send_signal(SIGSTOP);
	length = exec->argv_length;
	if (length > EXEC_ARGV_MAX)
		length = EXEC_ARGV_MAX;
	/* Nobody would ever settle a stopped process whose record was lost. */
	urgent = pending || killed || is_manager(exec->head.actor);
	if (!send(&exec->head, __builtin_offsetof(struct exec_record, argv) + length, urgent) && pending)
		bpf_send_signal(SIGKILL);
	return 0;
}
