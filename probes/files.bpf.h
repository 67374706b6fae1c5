/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/*
 * What the returns of system calls tell: files that fresh code wrote, changes of names, refusals by the static
 * layer, unix sockets reached. The arguments are still in the task's registers at exit, so nothing has to be
 * kept between entry and return.
 */

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct file_record);
} file_scratches SEC(".maps");

/* In kernels from 6.2: loads through what it returns are plain ones, where each read by helper costs 15 ns. */
extern void *bpf_rdonly_cast(const void *object, __u32 type) __ksym __weak;

static __always_inline struct files_struct *own_files(void)
{
	void *task = (void *)bpf_get_current_task();
	struct task_struct *typed;

	if (!bpf_rdonly_cast)
		return bpf_get_current_task_btf()->files;
	typed = bpf_rdonly_cast(task, bpf_core_type_id_kernel(struct task_struct));
	return typed->files;
}

static __always_inline struct file *file_of(__u64 fd)
{
	struct fdtable *table = own_files()->fdt;
	struct file **files = table->fd;
	struct file *file = NULL;

	if (fd >= table->max_fds)
		return NULL;
	bpf_probe_read_kernel(&file, sizeof(file), files + fd);
	return file;
}

/* Errors by which the static layer, permissions and our own hooks say no; others are everyday probing. */
static __always_inline bool refusal(long ret)
{
	return ret == -EPERM || ret == -EACCES || ret == -EROFS || ret == -EBUSY;
}

static __always_inline int directory(const struct call *call, __u8 index)
{
	return index == WATCH_NO_ARGUMENT ? AT_FDCWD : (int)argument(call, index);
}

/* Fill a record; returns how much of it is used. */
static __always_inline __u64 describe_file(struct file_record *file, const struct label *label,
					   const struct call *call, __u8 act, long ret)
{
	struct task_struct *task = (void *)bpf_get_current_task();
	__u64 size;
	long length;

	begin(&file->head, label, RECORD_FILE, act);
	file->head.ppid = parent_of(task);
	file->error = ret < 0 ? -ret : 0;
	if (ret < 0) {
		file->head.action = ACTION_DENY;
		file->head.level = LEVEL_ENFORCED;
	}
	file->dirfd = directory(call, call->watch->dir);
	file->dirfd_to = directory(call, call->watch->dir_to);
	file->found = 0;
	length = bpf_probe_read_user_str(file->path, sizeof(file->path), (void *)argument(call, call->watch->path));
	if (length < 1 || length > FILE_PATH_MAX) {
		file->path[0] = 0;
		length = 1;
	}
	size = __builtin_offsetof(struct file_record, path) + length;
	if (call->watch->to != WATCH_NO_ARGUMENT) {
		size = sizeof(*file);
		if (bpf_probe_read_user_str(file->to, sizeof(file->to), (void *)argument(call, call->watch->to)) < 1)
			file->to[0] = 0;
	}
	return size;
}

static __always_inline void tell_file(const struct label *label, const struct call *call, __u8 act, long ret)
{
	__u32 zero = 0;
	struct file_record *file = bpf_map_lookup_elem(&file_scratches, &zero);

	if (file)
		send(&file->head, describe_file(file, label, call, act, ret), ret < 0);
}

static __always_inline void path_returned(const struct label *label, const struct call *call, long ret)
{
	if (refusal(ret) || (ret == 0 && call->watch->flags & WATCH_DONE))
		tell_file(label, call, call->watch->act, ret);
}

static __always_inline __u64 open_flags(const struct call *call)
{
	__u64 flags;

	if (call->watch->open_flags == WATCH_NO_ARGUMENT)
		return O_CREAT | O_WRONLY | O_TRUNC;
	flags = argument(call, call->watch->open_flags);
	if (call->watch->flags & WATCH_INDIRECT && bpf_probe_read_user(&flags, sizeof(flags), (void *)flags))
		return 0;
	return flags;
}

struct guard_state {
	struct dentry *at;
	__u32 origin;
	__u16 group;
	__u8 allowed;
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct guard_state);
} guards SEC(".maps");

struct guard_climber {
	struct guard_state *state;
};

static long guard_once(__u32 index, struct guard_climber *climber)
{
	struct guard_state *state = climber->state;
	struct dentry *at = state->at;
	struct dentry *parent = BPF_CORE_READ(at, d_parent);
	struct inode_key key;
	struct guarded *found;

	if (parent == at)
		return 1;
	key = key_of(BPF_CORE_READ(parent, d_inode));
	found = bpf_map_lookup_elem(&guarded, &key);
	if (found && found->below) {
		state->group = found->group;
		return 1;
	}
	state->at = parent;
	return 0;
}

static long allow_once(__u32 index, struct guard_climber *climber)
{
	struct guard_state *state = climber->state;
	struct dentry *at = state->at;
	struct dentry *parent = BPF_CORE_READ(at, d_parent);
	struct inode_key key;

	if (parent == at)
		return 1;
	key = key_of(BPF_CORE_READ(parent, d_inode));
	if (object_allowed(&key, state->origin, ALLOWED_WRITE)) {
		state->allowed = 1;
		return 1;
	}
	state->at = parent;
	return 0;
}

/* The group of the place that the file is, or lies below; GROUP_NONE for any other file. */
static __always_inline __u16 guarding(struct guard_state *state, struct file *file, const struct inode_key *key)
{
	struct guarded *own = bpf_map_lookup_elem(&guarded, key);
	struct guard_climber climber = { .state = state };

	if (own)
		return own->group;
	state->at = BPF_CORE_READ(file, f_path.dentry);
	state->group = GROUP_NONE;
	bpf_loop(CLIMB_MAX, guard_once, &climber, 0);
	return state->group;
}

static __always_inline bool write_allowed(struct guard_state *state, struct file *file, const struct inode_key *key,
					  __u32 origin)
{
	struct guard_climber climber = { .state = state };

	if (object_allowed(key, origin, ALLOWED_WRITE))
		return true;
	state->at = BPF_CORE_READ(file, f_path.dentry);
	state->origin = origin;
	state->allowed = 0;
	bpf_loop(CLIMB_MAX, allow_once, &climber, 0);
	return state->allowed;
}

/* The descriptor is there before the kill: a second thread may have used it by then. */
static __always_inline bool has_threads(void)
{
	return BPF_CORE_READ((struct task_struct *)bpf_get_current_task(), signal, live.counter) > 1;
}

/* Its author dies before the first write; only what the open itself did has happened. True when a rule minded. */
static __always_inline bool guard_write(const struct label *label, const struct call *call, struct file *file,
					const struct inode_key *key, bool created, bool truncated)
{
	__u32 zero = 0;
	struct guard_state *state = bpf_map_lookup_elem(&guards, &zero);
	struct file_record *told = bpf_map_lookup_elem(&file_scratches, &zero);
	struct path_state *path = bpf_map_lookup_elem(&paths, &zero);
	__u16 group;
	bool killed, locked, pardoned;

	if (!state || !told || !path)
		return false;
	group = guarding(state, file, key);
	if (!group)
		return false;
	describe_file(told, label, call, created ? ACT_FILE_CREATE : ACT_FILE_WRITE, 0);
	locked = decide(&told->head, group);
	if (!minded(&told->head))
		return false;
	pardoned = write_allowed(state, file, key, label->origin) ||
		   path_allowed(path, file, label->origin, ALLOWED_WRITE);
	if (pardoned && !locked)
		return false;
	if (!pardoned) {
		tell_path(path, told->to);
		told->found = told->to[0] != 0;
	}
	killed = kill_if_refused(&told->head, created || truncated || has_threads() ? LEVEL_KILLED_AFTER :
										       LEVEL_KILLED_BEFORE);
	send(&told->head, sizeof(*told), killed);
	return true;
}

/* Fresh from now on; the first change of a file that was there before this code is told. */
static __always_inline void opened_for_writing(const struct label *label, const struct call *call, struct file *file)
{
	struct inode *inode = BPF_CORE_READ(file, f_inode);
	struct inode_key key = key_of(inode);
	__u64 run = label->run;
	bool known = bpf_map_lookup_elem(&written, &key);
	bool created = BPF_CORE_READ(file, f_mode) & FMODE_CREATED;
	bool truncated = open_flags(call) & O_TRUNC;
	bool told;

	/* Always: one origin's file may be another's forbidden place. */
	told = guard_write(label, call, file, &key, created, truncated);
	if (known)
		return;
	bpf_map_update_elem(&written, &key, &run, BPF_ANY);
	if (!created && !told)
		tell_file(label, call, truncated ? ACT_FILE_TRUNCATE : ACT_FILE_WRITE, 0);
}

static __always_inline void opened_in_proc(const struct label *label, struct file *file);
static __always_inline bool refused_in_proc(const struct label *label, const struct call *call, long ret);

/* What says whether an open matters: most do not, so this is read of each. */
struct opened_file {
	__u32 mode;
	__u16 inode_mode;
	bool proc;
};

static __always_inline struct opened_file glance(struct file *file)
{
	struct opened_file seen = {};

	if (bpf_rdonly_cast) {
		struct file *typed = bpf_rdonly_cast(file, bpf_core_type_id_kernel(struct file));

		seen.mode = typed->f_mode;
		seen.inode_mode = typed->f_inode->i_mode;
		seen.proc = typed->f_inode->i_sb->s_magic == PROC_SUPER_MAGIC;
	} else {
		struct inode *inode = BPF_CORE_READ(file, f_inode);

		seen.mode = BPF_CORE_READ(file, f_mode);
		seen.inode_mode = BPF_CORE_READ(inode, i_mode);
		seen.proc = BPF_CORE_READ(inode, i_sb, s_magic) == PROC_SUPER_MAGIC;
	}
	return seen;
}

/* Reading opens create and truncate too, when they are asked to. */
static __always_inline void opened(const struct label *label, const struct call *call, struct file *file)
{
	struct opened_file seen = glance(file);

	if (seen.proc)
		opened_in_proc(label, file);
	else if ((seen.inode_mode & S_IFMT) == S_IFREG &&
		 (seen.mode & (FMODE_WRITE | FMODE_CREATED) || open_flags(call) & O_TRUNC))
		opened_for_writing(label, call, file);
}

static __always_inline void open_returned(const struct label *label, const struct call *call, long ret)
{
	struct file *file;
	__u64 flags;

	count(COUNT_OPEN);
	if (ret >= 0) {
		file = file_of(ret);
		if (file)
			opened(label, call, file);
		return;
	}
	if (!refusal(ret) || refused_in_proc(label, call, ret))
		return;
	flags = open_flags(call);
	if (flags & (O_WRONLY | O_RDWR | O_CREAT | O_TRUNC))
		tell_file(label, call, flags & O_CREAT ? ACT_FILE_CREATE : ACT_FILE_WRITE, ret);
}

static __always_inline struct unix_sock *unix_of(__u64 fd)
{
	struct file *file = file_of(fd);
	struct inode *inode = BPF_CORE_READ(file, f_inode);
	struct socket *socket;
	struct sock *sock;

	if (!file || (BPF_CORE_READ(inode, i_mode) & S_IFMT) != S_IFSOCK)
		return NULL;
	socket = BPF_CORE_READ(file, private_data);
	sock = BPF_CORE_READ(socket, sk);
	return BPF_CORE_READ(sock, __sk_common.skc_family) == AF_UNIX ? (struct unix_sock *)sock : NULL;
}

static __always_inline void name_peer(struct ipc_record *ipc, struct unix_sock *peer)
{
	struct unix_address *address = BPF_CORE_READ(peer, addr);
	struct dentry *dentry = BPF_CORE_READ(peer, path.dentry);
	int length = BPF_CORE_READ(address, len) - 2;

	if (dentry)
		ipc->peer = key_of(BPF_CORE_READ(dentry, d_inode));
	if (!address || length <= 0)
		return;
	ipc->length = length > IPC_NAME_MAX ? IPC_NAME_MAX : length;
	bpf_core_read(ipc->name, IPC_NAME_MAX, &address->name[0].sun_path);
}

/* The peer is the kernel's own, so links and relative names change nothing. Its death precedes its first send. */
static __always_inline void reached(const struct label *label, struct unix_sock *peer)
{
	struct ipc_record ipc = {};
	__u32 *group;
	bool killed, locked;

	begin(&ipc.head, label, RECORD_IPC, ACT_IPC_CONNECT);
	ipc.head.ppid = parent_of((void *)bpf_get_current_task());
	name_peer(&ipc, peer);
	locked = decide(&ipc.head, GROUP_NONE);
	group = bpf_map_lookup_elem(&ipc_keys, &ipc.peer);
	if (group) {
		locked |= decide(&ipc.head, *group);
		ipc.head.group = *group;
	}
	if (minded(&ipc.head) && !locked && object_allowed(&ipc.peer, label->origin, ALLOWED_IPC))
		pardon(&ipc.head);
	killed = kill_if_refused(&ipc.head, LEVEL_KILLED_AFTER);
	send(&ipc.head, sizeof(ipc), killed);
}

static __always_inline void unreached(const struct label *label, const struct call *call, long ret)
{
	struct ipc_record ipc = {};
	void *address = (void *)argument(call, 1);
	__u64 length = argument(call, 2);
	__u16 family = 0;

	bpf_probe_read_user(&family, sizeof(family), address);
	if (family != AF_UNIX || length < 3)
		return;
	begin(&ipc.head, label, RECORD_IPC, ACT_IPC_CONNECT);
	ipc.head.ppid = parent_of((void *)bpf_get_current_task());
	ipc.head.action = refusal(ret) ? ACTION_DENY : ACTION_ALLOW;
	ipc.head.level = refusal(ret) ? LEVEL_ENFORCED : 0;
	ipc.error = -ret;
	length -= 2;
	if (length > IPC_NAME_MAX)
		length = IPC_NAME_MAX;
	ipc.length = length;
	bpf_probe_read_user(ipc.name, length, address + 2);
	send(&ipc.head, sizeof(ipc), true);
}

static __always_inline void connect_returned(const struct label *label, const struct call *call, long ret)
{
	struct unix_sock *sock, *peer;

	if (ret < 0) {
		if (refusal(ret) || ret == -ECONNREFUSED || ret == -ENOENT)
			unreached(label, call, ret);
		return;
	}
	sock = unix_of(argument(call, 0));
	if (!sock)
		return;
	count(COUNT_IPC);
	peer = (struct unix_sock *)BPF_CORE_READ(sock, peer);
	if (peer)
		reached(label, peer);
}
