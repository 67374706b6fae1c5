/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/*
 * Loops of the same connect by one thread are told once a second, with their number: a record costs its reader a
 * hundred times what the connect cost. Only what no rule minds is folded, and nothing is lost by it: what is held
 * back is told before a connect of the thread to elsewhere, before its next image, and before its end.
 */

#define FOLD_NANOSECONDS 1000000000ULL

/* The connect last told of each thread, so nobody else writes to it; `times` is how many like it came since. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 65536);
	__type(key, __u32);
	__type(value, struct net_record);
} folds SEC(".maps");

static __always_inline bool alike(const struct net_record *one, const struct net_record *other)
{
	const __u64 *first = (const __u64 *)one->address, *second = (const __u64 *)other->address;

	return first[0] == second[0] && first[1] == second[1] && one->port == other->port &&
	       one->family == other->family && one->type == other->type && one->protocol == other->protocol &&
	       one->flags == other->flags && one->head.origin == other->head.origin &&
	       one->head.actor == other->head.actor && one->head.stage == other->head.stage &&
	       one->head.group == other->head.group && one->head.tainted == other->head.tainted;
}

static __always_inline void tell_fold(struct net_record *last)
{
	if (!last->times)
		return;
	last->head.time = bpf_ktime_get_boot_ns();
	send(&last->head, sizeof(*last), false);
}

static __always_inline void end_fold(__u32 tid)
{
	struct net_record *last = bpf_map_lookup_elem(&folds, &tid);

	if (!last)
		return;
	tell_fold(last);
	bpf_map_delete_elem(&folds, &tid);
}

/* Whether it was counted with others like it, and need not be told. */
static __always_inline bool folded(const struct net_record *net)
{
	__u32 tid = net->head.tid;
	struct net_record *last = bpf_map_lookup_elem(&folds, &tid);
	struct net_record first;

	if (last && alike(last, net) && net->head.time - last->head.time < FOLD_NANOSECONDS) {
		last->times++;
		return true;
	}
	first = *net;
	first.times = 0;
	if (last) {
		tell_fold(last);
		*last = first;
	} else {
		/* A full map folds nothing. */
		bpf_map_update_elem(&folds, &tid, &first, BPF_ANY);
	}
	return false;
}
