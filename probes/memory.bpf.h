/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/*
 * Reaching into other processes, judged when the call returns: Landlock has refused what lies outside a wrapped
 * run, which is told, so what is left are victims inside it. Their attacker dies before it can use what it got: an
 * attached process, an open /proc/PID/mem. The other calls have happened by then.
 */

#define PTRACE_ATTACH 16
#define PTRACE_SEIZE 0x4206

static __always_inline __u32 tgid_of(struct pid *pid)
{
	struct hlist_node *node = BPF_CORE_READ(pid, tasks[PIDTYPE_PID].first);
	struct task_struct *task;

	if (!node)
		return 0;
	task = (void *)node - bpf_core_field_offset(struct task_struct, pid_links);
	return BPF_CORE_READ(task, tgid);
}

static __always_inline bool outside(const struct label *label, __u32 victim)
{
	struct label *other;

	if (victim == current_tgid())
		return false;
	other = bpf_map_lookup_elem(&labels, &victim);
	return !other || other->run != label->run || other->origin != label->origin;
}

/* A function of its own: it is called from six places, and what is loaded is paid for at every start. */
static __noinline void judge_memory(const struct label *label, __u32 victim, __u32 how, __u8 level, long ret)
{
	struct memory_record memory = { .victim = victim, .how = how };
	bool killed = false;

	if (!victim || !outside(label, victim) || (ret < 0 && !refusal(ret)))
		return;
	if (level == LEVEL_ENFORCED)
		memory.user = bpf_get_current_uid_gid();
	begin(&memory.head, label, RECORD_MEMORY, ACT_PROC_MEMORY);
	memory.head.ppid = parent_of((void *)bpf_get_current_task());
	decide(&memory.head, GROUP_OUTSIDE);
	memory.head.group = GROUP_OUTSIDE;
	if (ret >= 0)
		killed = kill_if_refused(&memory.head, level);
	else if (memory.head.action >= ACTION_DENY) {
		memory.head.action = ACTION_DENY;
		memory.head.level = LEVEL_ENFORCED;
	}
	send(&memory.head, sizeof(memory), killed);
}

static __always_inline void opened_in_proc(const struct label *label, struct file *file)
{
	struct dentry *dentry = BPF_CORE_READ(file, f_path.dentry);
	const unsigned char *name = BPF_CORE_READ(dentry, d_name.name);
	struct inode *inode = BPF_CORE_READ(file, f_inode);
	struct proc_inode *proc;
	char text[8] = {};
	bool mem;

	bpf_probe_read_kernel_str(text, sizeof(text), name);
	mem = text[0] == 'm' && text[1] == 'e' && text[2] == 'm' && !text[3];
	if (!mem && !(text[0] == 'e' && text[1] == 'n' && text[2] == 'v' && text[3] == 'i'))
		return;
	proc = (void *)inode - bpf_core_field_offset(struct proc_inode, vfs_inode);
	judge_memory(label, tgid_of(BPF_CORE_READ(proc, pid)), mem ? MEMORY_PROC_MEM : MEMORY_PROC_ENVIRON,
		     has_threads() ? LEVEL_KILLED_AFTER : LEVEL_KILLED_BEFORE, 0);
}

/* A number names a process of the caller's pid namespace; in an inner one only its own descendants have any. */
static __always_inline bool numbers_are_ours(void)
{
	struct task_struct *task = bpf_get_current_task_btf();

	return BPF_CORE_READ(task, thread_pid, level) == 0;
}

/* /proc/4194304/task/4194304/environ, and its end */
#define PROC_PATH_MAX 35
#define PROC_NUMBER 6
#define PROC_DIGITS 7

/* Which of its files the path names below /proc/NUMBER/ or /proc/NUMBER/task/NUMBER/; 0 for every other path. */
static __always_inline __u32 named_in_proc(const char *path, long size, __u32 *number)
{
	const char *mem, *environ;
	__u32 at, digit;

	if (size < PROC_NUMBER + 6 || size > PROC_PATH_MAX)
		return 0;
	if (path[0] != '/' || path[1] != 'p' || path[2] != 'r' || path[3] != 'o' || path[4] != 'c' || path[5] != '/')
		return 0;
	for (at = PROC_NUMBER; at < PROC_NUMBER + PROC_DIGITS; at++) {
		digit = path[at] - '0';
		if (digit > 9)
			break;
		*number = *number * 10 + digit;
	}
	if (path[at] != '/')
		return 0;
	mem = path + size - 5;
	if (mem[0] == '/' && mem[1] == 'm' && mem[2] == 'e' && mem[3] == 'm')
		return path[at + 1] == 'm' || path[at + 1] == 't' ? MEMORY_PROC_MEM : 0;
	environ = path + size - 9;
	if (environ[0] == '/' && environ[1] == 'e' && environ[2] == 'n' && environ[3] == 'v')
		return path[at + 1] == 'e' || path[at + 1] == 't' ? MEMORY_PROC_ENVIRON : 0;
	return 0;
}

/*
 * Landlock refuses before there is a file, so all there is to know is the path, and a relative one is not followed:
 * this is evidence, which decides nothing. Permissions refuse just so on every host: `ps e` asks for everybody's
 * environment, and gets that of its user. Such a refusal is no attempt. Whose the process is cannot be asked here in
 * 6.1, so userspace drops the record (`translate`) unless who asked is root, or the owner of that file. What is left
 * would have been had but for us: it is told as an open that succeeds is, and a ptrace that is refused.
 */
static __always_inline bool refused_in_proc(const struct label *label, const struct call *call, long ret)
{
	char path[PROC_PATH_MAX + 1] = {};
	__u32 number = 0, how;
	long size;

	size = bpf_probe_read_user_str(path, sizeof(path), (void *)argument(call, call->watch->path));
	how = named_in_proc(path, size, &number);
	if (!how || !number || !numbers_are_ours())
		return false;
	judge_memory(label, number, how, LEVEL_ENFORCED, ret);
	return true;
}

static __always_inline __u32 pidfd_process(__u64 fd)
{
	struct file *file = file_of(fd);
	/* pidfs (6.9) keeps the process in the inode, older kernels in the file. */
	struct inode *inode = BPF_CORE_READ(file, f_inode);
	struct pid *pid = BPF_CORE_READ(inode, i_private);

	if (!pid)
		pid = BPF_CORE_READ(file, private_data);
	return tgid_of(pid);
}

static __always_inline void ptrace_returned(const struct label *label, const struct call *call, long ret)
{
	__u64 request = argument(call, 0);

	if (request == PTRACE_ATTACH || request == PTRACE_SEIZE)
		judge_memory(label, argument(call, 1), MEMORY_PTRACE, LEVEL_KILLED_AFTER, ret);
}

static __always_inline void memory_returned(const struct label *label, const struct call *call, long ret)
{
	__u8 kind = call->watch->kind;

	if (kind == WATCH_PIDFD_GETFD)
		judge_memory(label, pidfd_process(argument(call, 0)), MEMORY_PIDFD_GETFD, LEVEL_KILLED_AFTER, ret);
	if (!numbers_are_ours())
		return;
	if (kind == WATCH_PTRACE)
		ptrace_returned(label, call, ret);
	else if (kind == WATCH_VM_READ)
		judge_memory(label, argument(call, 0), MEMORY_VM_READ, LEVEL_KILLED_AFTER, ret);
	else if (kind == WATCH_VM_WRITE)
		judge_memory(label, argument(call, 0), MEMORY_VM_WRITE, LEVEL_KILLED_AFTER, ret);
}
