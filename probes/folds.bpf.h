/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/*
 * Loops of the same connect by one process are told once a second, with their number: a record costs its reader a
 * hundred times what the connect cost. Only what no rule minds is folded, and nothing is lost by it: what is held
 * back is told before a connect of the process to elsewhere, before its next image, and before its end.
 */

#define FOLD_NANOSECONDS 1000000000ULL

/* The connect last told of each process; `times` is how many like it came since. */
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

/* Threads of the process may add meanwhile: the exchange loses none of them, at worst one counts for the next. */
static __always_inline void tell_fold(struct net_record *last)
{
	struct net_record told = *last;

	told.times = __sync_lock_test_and_set(&last->times, 0);
	if (!told.times)
		return;
	told.head.time = bpf_ktime_get_boot_ns();
	send(&told.head, sizeof(told), false);
}

static __always_inline void end_fold(__u32 tgid)
{
	struct net_record *last = bpf_map_lookup_elem(&folds, &tgid);

	if (!last)
		return;
	tell_fold(last);
	bpf_map_delete_elem(&folds, &tgid);
}

/* Whether it was counted with others like it, and need not be told. */
static __always_inline bool folded(const struct net_record *net)
{
	__u32 tgid = net->head.pid;
	struct net_record *last = bpf_map_lookup_elem(&folds, &tgid);
	struct net_record first;

	if (last && alike(last, net) && net->head.time - last->head.time < FOLD_NANOSECONDS) {
		__sync_fetch_and_add(&last->times, 1);
		return true;
	}
	if (last)
		tell_fold(last);
	first = *net;
	first.times = 0;
	/* A full map folds nothing. */
	bpf_map_update_elem(&folds, &tgid, &first, BPF_ANY);
	return false;
}
