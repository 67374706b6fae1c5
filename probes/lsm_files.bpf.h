/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/*
 * hook → threat
 *   file_open               a secret read, a guarded place written, another's memory through /proc
 *   path_mknod (also O_CREAT), path_mkdir, path_symlink, path_link      a place brought into being
 *   path_rename             a place replaced; a secret or the directory of a place moved away
 *   path_unlink, path_rmdir, path_truncate, file_truncate (6.2 on)      a place emptied, a mass removal
 *   path_chmod, path_chown  a place re-marked
 *   bprm_check_security     a listed program; one without a name, deleted, hidden, in shared memory
 *   mmap_file, file_mprotect    the same program by `ld.so FILE`, or code mapped by other means
 * All of them see the object that the kernel resolved, whatever string, link, ring or ABI led to it.
 */

static __always_inline bool is_regular(struct inode *inode)
{
	return (BPF_CORE_READ(inode, i_mode) & S_IFMT) == S_IFREG;
}

static __always_inline bool is_directory(struct inode *inode)
{
	return (BPF_CORE_READ(inode, i_mode) & S_IFMT) == 0040000;
}

/* Fresh from now on; the first change of a file that was there before this code is told. */
static __always_inline __u32 writing(const struct label *label, struct file *file, bool created)
{
	struct inode_key key = key_of(file->f_inode);
	__u64 run = label->run;

	if (!fresh_code(label) || bpf_map_lookup_elem(&written, &key))
		return USE_WRITE;
	bpf_map_update_elem(&written, &key, &run, BPF_ANY);
	return created ? USE_WRITE : USE_WRITE | USE_TOLD;
}

static __always_inline int judge_proc(const struct label *label, struct file *file);

HOOK(file_open)
long BPF_PROG(on_file_open, struct file *file, int before)
{
	struct label *label = current_label();
	struct dentry *dentry;
	struct vfsmount *mounted;
	bool created, changed;
	__u32 act, mode;
	int no = 0;

	if (!label)
		return verdict(before);
	if (before)
		return -EPERM;
	count(COUNT_OPEN);
	if (BPF_CORE_READ(file, f_inode, i_sb, s_magic) == PROC_SUPER_MAGIC)
		return verdict(judge_proc(label, file));
	if (is_directory(file->f_inode))
		return 0;
	dentry = file->f_path.dentry;
	mounted = file->f_path.mnt;
	mode = file->f_mode;
	created = mode & FMODE_CREATED;
	changed = mode & FMODE_WRITE || created || file->f_flags & O_TRUNC;
	if (mode & FMODE_READ)
		no = judge_file(dentry, mounted, ACT_FILE_READ, USE_READ);
	if (no || !changed || !is_regular(file->f_inode))
		return verdict(no);
	act = created ? ACT_FILE_CREATE : file->f_flags & O_TRUNC ? ACT_FILE_TRUNCATE : ACT_FILE_WRITE;
	return verdict(judge_file(dentry, mounted, act, writing(label, file, created)));
}

HOOK(path_mknod)
long BPF_PROG(on_mknod, const struct path *dir, struct dentry *dentry, unsigned short mode, unsigned int device,
	      int before)
{
	return verdict(before || judge_file(dentry, dir->mnt, ACT_FILE_CREATE, USE_WRITE));
}

HOOK(path_mkdir)
long BPF_PROG(on_mkdir, const struct path *dir, struct dentry *dentry, unsigned short mode, int before)
{
	return verdict(before || judge_file(dentry, dir->mnt, ACT_FILE_CREATE, USE_WRITE));
}

HOOK(path_symlink)
long BPF_PROG(on_symlink, const struct path *dir, struct dentry *dentry, const char *target, int before)
{
	return verdict(before || judge_file(dentry, dir->mnt, ACT_FILE_LINK, USE_WRITE));
}

HOOK(path_link)
long BPF_PROG(on_link, struct dentry *old, const struct path *dir, struct dentry *dentry, int before)
{
	return verdict(before || judge_file(old, dir->mnt, ACT_FILE_LINK, USE_READ | USE_WRITE) ||
		       judge_file(dentry, dir->mnt, ACT_FILE_LINK, USE_WRITE));
}

HOOK(path_rename)
long BPF_PROG(on_rename, const struct path *old_dir, struct dentry *old, const struct path *dir, struct dentry *dentry,
	      unsigned int flags, int before)
{
	__u32 taken = USE_READ | USE_WRITE | USE_MOVE;

	return verdict(before || judge_file(old, old_dir->mnt, ACT_FILE_RENAME, taken | USE_TOLD) ||
		       judge_file(dentry, dir->mnt, ACT_FILE_RENAME, flags & RENAME_EXCHANGE ? taken : USE_WRITE));
}

HOOK(path_unlink)
long BPF_PROG(on_unlink, const struct path *dir, struct dentry *dentry, int before)
{
	return verdict(before || judge_file(dentry, dir->mnt, ACT_FILE_REMOVE, USE_WRITE | USE_TOLD));
}

HOOK(path_rmdir)
long BPF_PROG(on_rmdir, const struct path *dir, struct dentry *dentry, int before)
{
	return verdict(before || judge_file(dentry, dir->mnt, ACT_FILE_REMOVE, USE_WRITE | USE_TOLD));
}

HOOK(path_truncate)
long BPF_PROG(on_truncate, const struct path *path, int before)
{
	return verdict(before || judge_file(path->dentry, path->mnt, ACT_FILE_TRUNCATE, USE_WRITE | USE_TOLD));
}

HOOK(file_truncate)
long BPF_PROG(on_file_truncate, struct file *file, int before)
{
	return verdict(before || judge_file(file->f_path.dentry, file->f_path.mnt, ACT_FILE_TRUNCATE, USE_WRITE));
}

HOOK(path_chmod)
long BPF_PROG(on_chmod, const struct path *path, unsigned short mode, int before)
{
	return verdict(before || judge_file(path->dentry, path->mnt, ACT_FILE_SETATTR, USE_WRITE));
}

HOOK(path_chown)
long BPF_PROG(on_chown, const struct path *path, unsigned int uid, unsigned int gid, int before)
{
	return verdict(before || judge_file(path->dentry, path->mnt, ACT_FILE_SETATTR, USE_WRITE));
}

static __always_inline int judge_code(struct file *file, __u32 act)
{
	return judge_file(file->f_path.dentry, file->f_path.mnt, act, USE_EXEC);
}

#ifdef FMOD_RET
HOOK(bprm_check)
#else
HOOK(bprm_check_security)
#endif
long BPF_PROG(on_bprm_check, struct linux_binprm *bprm, int before)
{
	if (before)
		return -EPERM;
	return verdict(current_label() && judge_code(bprm->file, ACT_EXEC));
}

HOOK(mmap_file)
#ifdef FMOD_RET
/* The function makes `prot` of what was asked for; what makes a mapping executable unasked is no native code. */
long BPF_PROG(on_mmap, struct file *file, unsigned long prot, unsigned long flags, int before)
#else
long BPF_PROG(on_mmap, struct file *file, unsigned long asked, unsigned long prot, unsigned long flags, int before)
#endif
{
	if (before)
		return -EPERM;
	if (!file || !(prot & PROT_EXEC) || !current_label())
		return 0;
	return verdict(judge_code(file, ACT_EXEC_MAP));
}

HOOK(file_mprotect)
long BPF_PROG(on_mprotect, struct vm_area_struct *area, unsigned long asked, unsigned long prot, int before)
{
	struct file *file;

	if (before)
		return -EPERM;
	if (!(prot & PROT_EXEC) || area->vm_flags & VM_EXEC || !current_label())
		return 0;
	file = area->vm_file;
	return verdict(file && judge_code(file, ACT_EXEC_MAP));
}
