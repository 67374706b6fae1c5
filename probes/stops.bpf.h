/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/*
 * Who is refused a file in a first run may be stopped on the way back to its code, so that the agent can read the very
 * line. Evidence only: the refusal stands whatever comes of it. Nobody is stopped whom nobody would let go on: not
 * without a record, a place in `stopped`, an agent that has been heard of lately. And nobody whose parent would mind.
 */

/* Since when (CLOCK_BOOTTIME, ns), by thread group; who lets it go on takes it out. No more than the agent reads. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, STOPPED_MOST);
	__type(key, __u32);
	__type(value, __u64);
} stopped SEC(".maps");

struct stop_key {
	__u64 run;
	__u32 rule;
	__u32 reserved;
};

/* How often a run was stopped for a rule: a loop of refused opens is not to become one of stops. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 4096);
	__type(key, struct stop_key);
	__type(value, __u32);
} stops SEC(".maps");

#define BEAT_NANOSECONDS 2000000000ULL

static __always_inline bool handles(struct task_struct *task, int signal, unsigned long unless)
{
	struct k_sigaction *how = &task->sighand->action[signal - 1];

	/* SIG_DFL and SIG_IGN are 0 and 1 */
	return (unsigned long)BPF_CORE_READ(how, sa.sa_handler) > 1 && !(BPF_CORE_READ(how, sa.sa_flags) & unless);
}

/* The options of the wait for children that the task is in, or was in last; -1 when that is another call. */
static __always_inline int waits(struct task_struct *task)
{
	struct call call = { .registers = (void *)bpf_task_pt_regs(task) };
	bool x86 = bpf_core_field_exists(((struct pt_regs___x86 *)0)->orig_ax);

	call.number = number_of(call.registers);
	if (call.number == (x86 ? 61 : 260)) /* wait4 */
		return argument(&call, 2);
	if (call.number == (x86 ? 247 : 95)) /* waitid */
		return argument(&call, 3);
	return -1;
}

/*
 * A shell takes the terminal back when its job stops, and `su`, `sudo` without a terminal of its own or `nsenter` stop
 * themselves: all of them wait for stops, or handle the signal that tells of them. Who waits for ends only hears nothing.
 */
static __always_inline bool minds_stops(struct task_struct *parent)
{
	int options = waits(parent);

	return options < 0 ? handles(parent, SIGCHLD, SA_NOCLDSTOP) : options & WUNTRACED;
}

static __always_inline bool stoppable(void)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct task_struct *parent = task->real_parent;

	return !BPF_CORE_READ(task, ptrace) && !handles(task, SIGCONT, 0) &&
	       BPF_CORE_READ(task, signal, pids[PIDTYPE_PGID]) == BPF_CORE_READ(parent, signal, pids[PIDTYPE_PGID]) &&
	       !minds_stops(parent);
}

static __always_inline bool agent_lives(__u64 now)
{
	struct settings *held = set();

	return held && now < held->beat + BEAT_NANOSECONDS;
}

/* Whether the run may be stopped for the rule once more; counts it. */
static __always_inline bool spend(const struct record *head)
{
	struct stop_key key = { .run = head->run, .rule = head->rule };
	__u32 *spent = bpf_map_lookup_elem(&stops, &key);
	__u32 first = 1;

	if (!spent)
		return !bpf_map_update_elem(&stops, &key, &first, BPF_ANY);
	return __sync_fetch_and_add(spent, 1) < STOPS_MOST;
}

/* True when it was told, and its author stops before its next instruction. */
static __always_inline bool stop_and_tell(struct file_record *told)
{
	__u64 now = told->head.time;
	__u32 tgid = told->head.pid;
	struct file_record *sent;

	if (told->head.stage != STAGE_FIRST_RUN || told->head.act < ACT_FILE_READ ||
	    told->head.act > ACT_FILE_SETATTR || !agent_lives(now) || !stoppable() || !spend(&told->head))
		return false;
	/* One that is stopped already, or just going on, is not stopped again. */
	if (bpf_map_update_elem(&stopped, &tgid, &now, BPF_NOEXIST))
		return false;
	sent = bpf_ringbuf_reserve(&ring, sizeof(*sent), 0);
	if (!sent) {
		bpf_map_delete_elem(&stopped, &tgid);
		return false;
	}
	told->head.stopped = 1;
	bpf_probe_read_kernel(sent, sizeof(*sent), told);
	/* Before the agent can hear of it: what it lets go on must have been stopped. */
	bpf_send_signal(SIGSTOP);
	bpf_ringbuf_submit(sent, BPF_RB_FORCE_WAKEUP);
	return true;
}
