/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/*
 * What an object is, found by the kernel's own pointers: its inode, then every directory above it, on its own
 * file system and then on those that it is mounted in. A bind mount, a symbolic link, /proc/self/root, a new
 * mount namespace and a ring all end here. A directory may also name entries, so that what is replaced,
 * renamed into place or not there yet counts as well.
 */

/* Inodes → their groups. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 65536);
	__type(key, struct inode_key);
	__type(value, struct object);
} objects SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 16384);
	__type(key, struct name_key);
	__type(value, struct object);
} names SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 4096);
	__type(key, struct glob_key);
	__type(value, struct glob);
} globs SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct settings);
} settings SEC(".maps");

static __always_inline struct settings *set(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&settings, &zero);
}

#define LONGEST_NAME 256

/* What a climb finds on its way. */
struct look {
	struct object found;
	struct dentry *at;
	struct mount *mount;
	/* the entry of `at` that the climb came from; NULL for none */
	struct dentry *below;
	struct name_key named;
	struct glob_key globbed;
	__u64 name[LONGEST_NAME / 8];
	__u64 tail[GLOB_WORDS];
	const unsigned char *text;
	__u32 length;
	__u32 origin;
	/* enum code_bit of the directories above */
	__u32 code;
	__u16 use;
	/* `at` is the object itself; `below` is */
	__u8 at_leaf;
	__u8 below_leaf;
	/* the top was reached: nothing above was missed */
	__u8 whole;
	__u8 allowed;
};

#define CANDIDATES 10

/* A cell that may decide: what is done, to which group. */
struct candidate {
	__u16 group;
	__u8 act;
	__u8 reserved;
};

/*
 * What one answer needs. By task: a map by CPU would be shared by whoever is preempted in the middle of it, and the
 * stack is too small and its loop state mis-verified on 6.1.
 */
struct work {
	struct look look;
	struct path_state path;
	struct file_record told;
	struct dentry *dentry;
	struct vfsmount *mounted;
	struct candidate candidates[CANDIDATES];
	__u8 locked;
};

struct {
	__uint(type, BPF_MAP_TYPE_TASK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct work);
} works SEC(".maps");

static __always_inline struct work *work_here(void)
{
	return bpf_task_storage_get(&works, bpf_get_current_task_btf(), NULL, BPF_LOCAL_STORAGE_GET_F_CREATE);
}

struct looker {
	struct look *look;
};

/* The nearest one counts: an object's own groups before those of a directory above it. */
static __always_inline void take(struct look *look, const struct object *object, bool leaf)
{
	if (!look->found.read && (leaf || object->flags & OBJECT_READ_BELOW))
		look->found.read = object->read;
	if (!look->found.write && (leaf || object->flags & OBJECT_WRITE_BELOW))
		look->found.write = object->write;
	if (!leaf)
		return;
	look->found.exec = look->found.exec ?: object->exec;
	look->found.ipc = look->found.ipc ?: object->ipc;
	look->found.above = look->found.above ?: object->above;
}

static __always_inline bool same(const __u64 *name, const __u64 *wanted, const __u64 *mask)
{
	return !((name[0] & mask[0]) ^ wanted[0]) && !((name[1] & mask[1]) ^ wanted[1]) &&
	       !((name[2] & mask[2]) ^ wanted[2]);
}

static long compare_glob(__u32 index, struct looker *looker)
{
	struct look *look = looker->look;
	struct glob *glob;

	look->globbed.index = index;
	glob = bpf_map_lookup_elem(&globs, &look->globbed);
	if (!glob)
		return 1;
	if (look->length < (__u32)glob->prefix_length + glob->suffix_length)
		return 0;
	bpf_probe_read_kernel(look->tail, GLOB_KEPT, look->text + look->length - glob->suffix_length);
	if (same(look->name, glob->prefix, glob->prefix_mask) && same(look->tail, glob->suffix, glob->suffix_mask))
		take(look, &glob->object, look->below_leaf);
	return 0;
}

static __always_inline void take_named(struct look *look, const struct inode_key *directory, __u16 flags)
{
	struct looker looker = { .look = look };
	struct dentry *below = look->below;
	struct object *object;
	long read;

	__builtin_memset(look->name, 0, NAME_KEPT);
	look->text = BPF_CORE_READ(below, d_name.name);
	read = bpf_probe_read_kernel_str(look->name, LONGEST_NAME, look->text);
	if (read < 2 || read > LONGEST_NAME)
		return;
	look->length = read - 1;
	if (flags & OBJECT_NAMES && read <= NAME_KEPT) {
		look->named.directory = *directory;
		__builtin_memcpy(look->named.name, look->name, NAME_KEPT);
		object = bpf_map_lookup_elem(&names, &look->named);
		if (object)
			take(look, object, look->below_leaf);
	}
	if (flags & OBJECT_GLOBS) {
		look->globbed.directory = *directory;
		bpf_loop(GLOBS_MAX, compare_glob, &looker, 0);
	}
}

static __always_inline void look_here(struct look *look)
{
	struct dentry *at = look->at;
	struct inode *inode = BPF_CORE_READ(at, d_inode);
	struct inode_key key;
	struct object *object;

	if (!inode)
		return; /* a name that is yet to be made */
	key = key_of(inode);
	if (look->use && object_allowed(&key, look->origin, look->use))
		look->allowed = 1;
	if (look->use == ALLOWED_EXEC) {
		__u32 *bits = bpf_map_lookup_elem(&exec_dirs, &key);

		if (bits && !look->at_leaf)
			look->code |= *bits;
	}
	object = bpf_map_lookup_elem(&objects, &key);
	if (!object)
		return;
	take(look, object, look->at_leaf);
	if (look->below && object->flags & (OBJECT_NAMES | OBJECT_GLOBS))
		take_named(look, &key, object->flags);
}

static long look_once(__u32 index, struct looker *looker)
{
	struct look *look = looker->look;
	struct dentry *at = look->at;
	struct dentry *parent = BPF_CORE_READ(at, d_parent);
	struct mount *mount = look->mount;
	struct mount *above;

	look_here(look);
	look->below_leaf = look->at_leaf;
	look->at_leaf = 0;
	look->below = at;
	if (parent != at) {
		look->at = parent;
		return 0;
	}
	/* A handle gave an object that nobody has looked up by name yet: its directories are not known. */
	if (BPF_CORE_READ(at, d_flags) & DCACHE_DISCONNECTED)
		return 1;
	look->below = NULL;
	above = mount ? BPF_CORE_READ(mount, mnt_parent) : NULL;
	if (!above || above == mount) {
		look->whole = 1;
		return 1;
	}
	look->at = BPF_CORE_READ(mount, mnt_mountpoint);
	look->mount = above;
	return 0;
}

/* Fill `found`. With `use`, also whether an [[allow]] of the origin names the object or a directory above it. */
static __always_inline void climb(struct look *look, struct dentry *dentry, struct vfsmount *mounted, __u32 origin,
				  __u16 use)
{
	struct looker looker = { .look = look };

	__builtin_memset(&look->found, 0, sizeof(look->found));
	look->at = dentry;
	look->mount = mounted ? (void *)mounted - bpf_core_field_offset(struct mount, mnt) : NULL;
	look->below = NULL;
	look->at_leaf = 1;
	look->below_leaf = 0;
	look->whole = 0;
	look->allowed = 0;
	look->origin = origin;
	look->use = use;
	look->code = 0;
	bpf_loop(CLIMB_MAX, look_once, &looker, 0);
}
