/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/*
 * hook → threat
 *   unix_stream_connect, unix_may_send   brokers: container engines, service managers, key agents, by whatever
 *                                        name; abstract sockets of processes outside the run
 *   socket_create           families that no address hook sees: packet, vsock, XDP
 *   ptrace_access_check     another's memory, descriptors, environment, root; the agent's
 *   task_kill               signals out of the run; to the agent
 */

#define PTRACE_MODE_ATTACH 2
#define PTRACE_MODE_FSCREDS 8

static __always_inline bool is_agent(__u32 tgid)
{
	struct settings *held = set();

	return held && held->confine && held->agent == tgid;
}

static __always_inline bool in_run(const struct label *label, __u32 tgid)
{
	struct label *other = bpf_map_lookup_elem(&labels, &tgid);

	return other && other->run == label->run;
}

/* An abstract socket is reached by a name that nothing guards: only one's own run listens there. */
static __always_inline bool foreign_abstract(const struct label *label, struct unix_sock *peer)
{
	if (label->actor != ACTOR_PACKAGE || !BPF_CORE_READ(peer, addr) || BPF_CORE_READ(peer, path.dentry))
		return false;
	return confined() && !in_run(label, tgid_of(BPF_CORE_READ(peer, sk.sk_peer_pid)));
}

/* The peer is in `work`, in the place of an object; a connect is told, a datagram only when somebody minds. */
__noinline int judge_peer(__u32 connecting)
{
	struct label *label = current_label();
	struct work *work = work_here();
	struct ipc_record ipc = {};
	struct unix_sock *peer;
	struct dentry *dentry;
	bool locked, no;

	if (!label || !work)
		return label && fresh_code(label);
	peer = (void *)work->dentry;
	if (connecting)
		count(COUNT_IPC);
	begin(&ipc.head, label, RECORD_IPC, ACT_IPC_CONNECT);
	ipc.head.ppid = parent_of((void *)bpf_get_current_task());
	name_peer(&ipc, peer);
	locked = decide(&ipc.head, GROUP_NONE);
	dentry = BPF_CORE_READ(peer, path.dentry);
	if (dentry) {
		climb(&work->look, dentry, BPF_CORE_READ(peer, path.mnt), label->origin, ALLOWED_IPC);
		if (work->look.found.ipc) {
			locked |= decide(&ipc.head, work->look.found.ipc);
			ipc.head.group = work->look.found.ipc;
		}
		if (minded(&ipc.head) && !locked && work->look.allowed)
			pardon(&ipc.head);
	}
	if (foreign_abstract(label, peer))
		deny(&ipc.head);
	no = refused(&ipc.head);
	if (connecting || minded(&ipc.head))
		send(&ipc.head, sizeof(ipc), no);
	return no;
}

static __always_inline bool reach_peer(struct sock *other, __u32 connecting)
{
	struct label *label = current_label();
	struct work *work;

	if (!label)
		return false;
	work = work_here();
	if (!work)
		return fresh_code(label);
	work->dentry = (void *)other;
	return judge_peer(connecting);
}

HOOK(unix_stream_connect)
long BPF_PROG(on_unix_connect, struct sock *sock, struct sock *other, struct sock *made, int before)
{
	return verdict(before || reach_peer(other, 1));
}

HOOK(unix_may_send)
long BPF_PROG(on_unix_send, struct socket *socket, struct socket *other, int before)
{
	return verdict(before || reach_peer(other->sk, 0));
}

HOOK(socket_create)
long BPF_PROG(on_socket_create, int family, int type, int protocol, int kern, int before)
{
	struct label *label;
	struct net_record net = { .flags = NET_SOCKET };
	int allowed;

	if (before)
		return -EPERM;
	label = current_label();
	if (!label || kern || !unseen_family(family))
		return 0;
	net.family = family;
	net.type = type;
	net.protocol = protocol;
	begin(&net.head, label, RECORD_NET, ACT_NET_CONNECT);
	decide(&net.head, GROUP_RAW_SOCKET);
	net.head.group = GROUP_RAW_SOCKET;
	allowed = answer(&net);
	if (minded(&net.head))
		send(&net.head, sizeof(net), !allowed);
	return verdict(!allowed);
}

/* `always`: also where no rule speaks of it. */
static __always_inline int judge_process(const struct label *label, __u32 victim, __u32 act, __u32 how, bool always,
					 bool quiet)
{
	struct memory_record memory = { .victim = victim, .how = how };
	bool no;

	begin(&memory.head, label, RECORD_MEMORY, act);
	memory.head.ppid = parent_of((void *)bpf_get_current_task());
	decide(&memory.head, GROUP_OUTSIDE);
	memory.head.group = GROUP_OUTSIDE;
	if (is_agent(victim) || (always && confined()))
		deny(&memory.head);
	if (!minded(&memory.head))
		return 0;
	no = refused(&memory.head);
	if (!quiet)
		send(&memory.head, sizeof(memory), no);
	return no;
}

/* The open of another's memory or environment names what is wanted; every other read of /proc is refused unsaid. */
static __always_inline int judge_proc(const struct label *label, struct file *file)
{
	const unsigned char *name = BPF_CORE_READ(file, f_path.dentry, d_name.name);
	struct inode *inode = file->f_inode;
	struct proc_inode *proc;
	char text[8] = {};
	bool mem, environ;
	__u32 victim;

	bpf_probe_read_kernel_str(text, sizeof(text), name);
	mem = text[0] == 'm' && text[1] == 'e' && text[2] == 'm' && !text[3];
	environ = text[0] == 'e' && text[1] == 'n' && text[2] == 'v' && text[3] == 'i';
	if (!mem && !environ)
		return 0;
	proc = (void *)inode - bpf_core_field_offset(struct proc_inode, vfs_inode);
	victim = tgid_of(BPF_CORE_READ(proc, pid));
	if (!victim || !outside(label, victim))
		return 0;
	return judge_process(label, victim, ACT_PROC_MEMORY, mem ? MEMORY_PROC_MEM : MEMORY_PROC_ENVIRON, false, false);
}

HOOK(ptrace_access_check)
long BPF_PROG(on_ptrace, struct task_struct *child, unsigned int mode, int before)
{
	struct label *label;
	__u32 victim;
	bool attach = mode & PTRACE_MODE_ATTACH;
	__u32 how = mode & PTRACE_MODE_FSCREDS ? MEMORY_PROC_MEM : MEMORY_PTRACE;

	if (before)
		return -EPERM;
	label = current_label();
	victim = child->tgid;
	if (!label || !outside(label, victim))
		return 0;
	return verdict(judge_process(label, victim, ACT_PROC_MEMORY, how, false, !attach));
}

HOOK(task_kill)
long BPF_PROG(on_kill, struct task_struct *victim, void *info, int number, void *cred, int before)
{
	struct label *label;
	__u32 tgid;

	if (before)
		return -EPERM;
	label = current_label();
	tgid = victim->tgid;
	if (!label || !outside(label, tgid))
		return 0;
	/* Without a rule as a wrapped run has it: nothing of the run signals what is outside the run. */
	return verdict(judge_process(label, tgid, ACT_PROC_SIGNAL, MEMORY_SIGNAL,
				     label->actor == ACTOR_PACKAGE && !in_run(label, tgid), false));
}
