/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/*
 * One way from an act on a file to an answer and its record. Programs return constants: 6.12 does not accept a
 * computed error. First line of each hook: whoever said no before us has said no.
 */

#ifdef FMOD_RET
#define HOOK(name) SEC("fmod_ret/security_" #name)
#else
#define HOOK(name) SEC("lsm/" #name)
#endif

/* One of two constants, by a branch: the compiler would rather compute it from the flag. */
static __always_inline long verdict(bool refused)
{
	long answer = 0;

	if (refused)
		asm volatile("%0 = %1" : "=r"(answer) : "i"(-EPERM));
	return answer;
}

enum use {
	USE_READ = 1,
	USE_WRITE = 2,
	USE_EXEC = 4,
	/* the act takes it away from where it is */
	USE_MOVE = 8,
	/* told also when nobody minds */
	USE_TOLD = 16,
};

static __always_inline bool confined(void)
{
	struct settings *held = set();

	return held && held->confine;
}

/* What a wrapped run refuses although no rule speaks of it. */
static __always_inline void deny(struct record *head)
{
	head->action = ACTION_DENY;
}

/* An error is the answer, also where a rule asks for a kill: the act does not happen either way. */
static __always_inline bool refused(struct record *head)
{
	if (head->action < ACTION_DENY)
		return false;
	head->action = ACTION_DENY;
	head->level = LEVEL_ENFORCED;
	return true;
}

static __always_inline void begin_file(struct file_record *file, const struct label *label, __u8 act)
{
	begin(&file->head, label, RECORD_FILE, act);
	file->head.ppid = parent_of((void *)bpf_get_current_task());
	file->error = 0;
	file->dirfd = AT_FDCWD;
	file->dirfd_to = AT_FDCWD;
	file->found = 1;
	file->path[0] = 0;
	file->to[0] = 0;
}

static __always_inline __u16 allowed_by(__u32 uses)
{
	if (uses & USE_EXEC)
		return ALLOWED_EXEC;
	return uses & USE_WRITE ? ALLOWED_WRITE : ALLOWED_READ;
}

static __always_inline void taint(const struct label *label)
{
	struct origin_key key = { .run = label->run, .origin = label->origin };
	__u32 tainted = ORIGIN_TAINTED;

	if (label->actor == ACTOR_PACKAGE)
		bpf_map_update_elem(&origins, &key, &tainted, BPF_ANY);
}

/* What a program is by where it lies, and by how it came here. */
static __always_inline __u32 code_here(const struct look *look, struct dentry *dentry)
{
	struct inode *inode = BPF_CORE_READ(dentry, d_inode);
	struct inode_key key = key_of(inode);
	__u32 code = look->code;
	char start[8] = {};

	bpf_probe_read_kernel_str(start, sizeof(start), BPF_CORE_READ(dentry, d_name.name));
	if (start[0] != '.')
		code &= ~CODE_HIDDEN_TEMP;
	if (BPF_CORE_READ(inode, i_nlink) == 0)
		code |= is_memfd(start) ? CODE_MEMFD : CODE_DELETED;
	if (bpf_map_lookup_elem(&written, &key))
		code |= CODE_FRESH;
	return code;
}

static __always_inline void propose(struct candidate *candidate, bool asked, __u16 group, __u8 act)
{
	candidate->group = asked ? group : GROUP_NONE;
	candidate->act = act;
}

/* What is only recorded of a program is recorded once, when it has started: exec.bpf.h. */
#define CODE_REFUSED (CODE_MEMFD | CODE_DELETED | CODE_SHM | CODE_HIDDEN_TEMP)

static __always_inline void propose_all(struct work *work, __u8 act, __u32 uses)
{
	struct candidate *to = work->candidates;
	struct object *found = &work->look.found;
	__u32 code = uses & USE_EXEC ? code_here(&work->look, work->dentry) : 0;

	if (act == ACT_EXEC)
		code &= CODE_REFUSED;
	/* A secret may not leave its directory by link or rename either: there it would be one no more. */
	propose(&to[0], uses & USE_READ, found->read, ACT_FILE_READ);
	propose(&to[1], uses & USE_WRITE, found->write, act);
	propose(&to[2], uses & USE_EXEC, found->exec, act);
	propose(&to[3], uses & USE_MOVE, found->above, act);
	for (int bit = 0; bit < 5; bit++)
		propose(&to[4 + bit], code & (1 << bit), bit + 1, act);
}

struct decider {
	struct work *work;
};

static long decide_once(__u32 index, struct decider *decider)
{
	struct work *work = decider->work;
	struct candidate *candidate;

	if (index >= CANDIDATES - 1)
		return 1;
	candidate = &work->candidates[index];
	if (!candidate->group)
		return 0;
	work->told.head.act = candidate->act;
	work->locked |= decide(&work->told.head, candidate->group);
	return 0;
}

static __always_inline bool pardoned(struct work *work, const struct label *label, __u16 use)
{
	struct path_state *path = &work->path;

	path->key.origin = label->origin;
	path->key.use = use;
	return spelt(path, work->dentry, work->mounted, 1) || spelt(path, work->dentry, work->mounted, 0) ||
	       work->look.allowed;
}

/*
 * The answer about the object in `work`: 1 is no. A function of its own to the verifier, which follows it once per
 * program and not once per way that leads here.
 */
__noinline int judge_work(__u32 act, __u32 uses)
{
	struct label *label = current_label();
	struct work *work = work_here();
	struct decider decider = { .work = work };
	bool no;

	if (!label || !work)
		return label && fresh_code(label);
	climb(&work->look, work->dentry, work->mounted, label->origin, allowed_by(uses));
	begin_file(&work->told, label, act);
	work->locked = 0;
	propose_all(work, act, uses);
	bpf_loop(CANDIDATES, decide_once, &decider, 0);
	work->told.head.act = act;
	if (!work->look.whole && fresh_code(label) && confined()) {
		deny(&work->told.head);
		work->locked = 1;
	}
	no = minded(&work->told.head);
	if (!no && !(uses & USE_TOLD && fresh_code(label))) {
		if (act == ACT_FILE_READ && work->look.found.read)
			taint(label);
		return 0;
	}
	if (pardoned(work, label, allowed_by(uses)) && !work->locked && no) {
		if (act == ACT_FILE_READ)
			taint(label);
		return 0;
	}
	tell_path(&work->path, work->told.to);
	no = refused(&work->told.head);
	if (!no && act == ACT_FILE_READ)
		taint(label);
	if (!no || !stop_and_tell(&work->told))
		send(&work->told.head, sizeof(work->told), no);
	return no;
}

/* On a process without a label: one look-up. */
static __always_inline bool judge_file(struct dentry *dentry, struct vfsmount *mounted, __u32 act, __u32 uses)
{
	struct label *label = current_label();
	struct work *work;

	if (!label)
		return false;
	work = work_here();
	if (!work)
		return fresh_code(label);
	work->dentry = dentry;
	work->mounted = mounted;
	return judge_work(act, uses);
}
