/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/* Labels, decisions by table, and the way a record reaches the ring. */
#ifndef PRATIQUE_COMMON_BPF_H
#define PRATIQUE_COMMON_BPF_H

/* The reader is woken by amount: a wake-up per event is 16 times dearer than the event. */
#define WAKE_BYTES (256 * 1024)

static __always_inline __u32 current_tgid(void)
{
	return bpf_get_current_pid_tgid() >> 32;
}

static __always_inline struct label *current_label(void)
{
	__u32 tgid = current_tgid();

	return bpf_map_lookup_elem(&labels, &tgid);
}

/* Whose acts are judged as those of fresh code. */
static __always_inline bool fresh_code(const struct label *label)
{
	return label->actor == ACTOR_PACKAGE || label->actor == ACTOR_PROJECT;
}

static __always_inline bool is_manager(__u8 actor)
{
	return actor == ACTOR_MANAGER || actor == ACTOR_MIXED;
}

static __always_inline void count(enum counter which)
{
	__u32 zero = 0;
	struct counters *counters = bpf_map_lookup_elem(&stats, &zero);

	if (counters)
		__sync_fetch_and_add(&counters->value[which], 1);
}

static __always_inline __u8 tainted(const struct label *label)
{
	struct origin_key key = { .run = label->run, .origin = label->origin };
	__u32 *flags = bpf_map_lookup_elem(&origins, &key);

	return flags && (*flags & ORIGIN_TAINTED);
}

/* Fill the head. `ppid` is left 0: not every hook may look at the task. */
static __always_inline void begin(struct record *head, const struct label *label, __u16 kind, __u8 act)
{
	__u64 id = bpf_get_current_pid_tgid();

	head->time = bpf_ktime_get_boot_ns();
	head->run = label->run;
	head->pid = id >> 32;
	head->tid = id;
	head->ppid = 0;
	head->origin = label->origin;
	head->kind = kind;
	head->flags = label->flags;
	head->stage = label->stage;
	head->actor = label->actor;
	head->act = act;
	head->action = ACTION_ALLOW;
	head->would = 0;
	head->level = 0;
	head->tainted = tainted(label);
	head->stopped = 0;
	head->group = GROUP_NONE;
	head->rule = 0;
	bpf_get_current_comm(head->comm, sizeof(head->comm));
}

static __always_inline __u64 wakeup(bool urgent)
{
	if (urgent || bpf_ringbuf_query(&ring, BPF_RB_AVAIL_DATA) >= WAKE_BYTES)
		return BPF_RB_FORCE_WAKEUP;
	return BPF_RB_NO_WAKEUP;
}

/* True when the record is in the ring; a loss is counted for its run. */
static __always_inline bool send(const struct record *head, __u64 size, bool urgent)
{
	if (!bpf_ringbuf_output(&ring, (void *)head, size, wakeup(urgent)))
		return true;
	count(LOST_RING);
	return false;
}

static __always_inline __u8 rank(const struct cell *cell)
{
	return cell->would > cell->action ? cell->would : cell->action;
}

static __always_inline struct cell *look_up(const struct record *head, __u16 group)
{
	struct cell_key key = {
		.stage = head->stage,
		.actor = head->actor,
		.act = head->act,
		.tainted = head->tainted,
		.group = group,
		.generation = generation,
	};

	return bpf_map_lookup_elem(&cells, &key);
}

/*
 * Let the table decide about one of the object's groups: the record keeps the strongest answer so far.
 * Returns whether an [[allow]] may not override that answer.
 */
static __always_inline bool decide(struct record *head, __u16 group)
{
	struct cell *cell = look_up(head, group);

	if (!cell || rank(cell) <= (head->would > head->action ? head->would : head->action))
		return false;
	head->action = cell->action;
	head->would = cell->would;
	head->rule = cell->rule;
	head->group = group;
	return cell->locked;
}

static __always_inline bool minded(const struct record *head)
{
	return head->action || head->would;
}

/* The answer cannot be an error any more, so a refusal becomes the author's death. */
static __always_inline bool kill_if_refused(struct record *head, __u8 level)
{
	if (head->action < ACTION_DENY)
		return false;
	bpf_send_signal(SIGKILL);
	head->action = ACTION_KILL;
	head->level = level;
	return true;
}

static __always_inline struct inode_key key_of(struct inode *inode)
{
	struct inode_key key = {
		.inode = BPF_CORE_READ(inode, i_ino),
		.device = BPF_CORE_READ(inode, i_sb, s_dev),
		.generation = BPF_CORE_READ(inode, i_generation),
	};

	return key;
}

static __always_inline __u32 parent_of(struct task_struct *task)
{
	return BPF_CORE_READ(task, real_parent, tgid);
}

#endif
