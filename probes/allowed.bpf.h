/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/*
 * What an [[allow]] lets one origin use although a rule minds. Looked up only once a rule has minded, so it may
 * take its time. Objects are known by key; what need not exist yet, by the path on which the kernel found it,
 * compared in full: a hash of it could be met on purpose.
 */

#define CLIMB_MAX 1024

struct path_state {
	struct path_key key;
	/* the longest name read at the last place where one may start */
	char slack[256];
	struct dentry *at;
	struct mount *mount;
	__u32 length;
	__u8 skip;
	__u8 whole;
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct path_state);
} paths SEC(".maps");

struct speller {
	struct path_state *state;
};

static __always_inline bool spell(struct path_state *state, const unsigned char *name)
{
	__u32 length = state->length;
	long read;

	if (length >= PATH_KEPT)
		return false;
	read = bpf_probe_read_kernel_str(state->key.path + length, sizeof(state->slack), name);
	if (read < 2 || read > (long)sizeof(state->slack) || length + read > PATH_KEPT)
		return false;
	state->key.path[length + read - 1] = '/';
	state->length = length + read;
	return true;
}

static long spell_once(__u32 index, struct speller *speller)
{
	struct path_state *state = speller->state;
	struct dentry *at = state->at;
	struct mount *mount = state->mount;
	struct dentry *parent;
	struct mount *above;

	if (at == BPF_CORE_READ(mount, mnt.mnt_root)) {
		above = BPF_CORE_READ(mount, mnt_parent);
		if (above == mount) {
			state->whole = 1;
			return 1;
		}
		state->at = BPF_CORE_READ(mount, mnt_mountpoint);
		state->mount = above;
		return 0;
	}
	parent = BPF_CORE_READ(at, d_parent);
	if (parent == at)
		return 1; /* moved away from its mount */
	if (state->skip)
		state->skip = 0;
	else if (!spell(state, BPF_CORE_READ(at, d_name.name)))
		return 1;
	state->at = parent;
	return 0;
}

static __always_inline bool spelt(struct path_state *state, struct dentry *dentry, struct vfsmount *mounted,
				  __u16 children)
{
	struct speller speller = { .state = state };

	__builtin_memset(state->key.path, 0, PATH_KEPT);
	state->key.children = children;
	state->at = dentry;
	state->mount = (void *)mounted - bpf_core_field_offset(struct mount, mnt);
	state->length = 0;
	state->skip = children;
	state->whole = 0;
	bpf_loop(CLIMB_MAX, spell_once, &speller, 0);
	return state->whole && bpf_map_lookup_elem(&allowed_paths, &state->key);
}

/*
 * Whether an allow names everything directly in the file's directory, or this path. If not, `state` holds the
 * path, unless it is too long.
 */
static __always_inline bool path_allowed(struct path_state *state, struct file *file, __u32 origin, __u16 use)
{
	struct dentry *dentry = BPF_CORE_READ(file, f_path.dentry);
	struct vfsmount *mounted = BPF_CORE_READ(file, f_path.mnt);

	state->key.origin = origin;
	state->key.use = use;
	return spelt(state, dentry, mounted, 1) || spelt(state, dentry, mounted, 0);
}

static __always_inline void tell_path(const struct path_state *state, char *to)
{
	__builtin_memcpy(to, state->key.path, PATH_KEPT);
	if (!state->whole)
		to[0] = 0;
}

static __always_inline bool object_allowed(const struct inode_key *object, __u32 origin, __u32 use)
{
	struct allowed_key key = { .object = *object, .origin = origin, .use = use };

	return origin && bpf_map_lookup_elem(&allowed, &key);
}

/* Take back what the table said. */
static __always_inline void pardon(struct record *head)
{
	head->action = ACTION_ALLOW;
	head->would = 0;
	head->rule = 0;
}
