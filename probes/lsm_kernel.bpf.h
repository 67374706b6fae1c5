/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/*
 * hook → threat
 *   bpf, perf_event_open, kernel_read_file, kernel_load_data   code in the kernel; this guard undone
 *   userns_create, sb_mount, move_mount, sb_umount, sb_pivotroot   another view of the files
 *   inode_init_security_anon    rings where the policy forbids them (their acts pass by all other hooks here
 *                               like everybody's), userfaultfd
 *   task_fix_setuid             rights gained
 */

#define READING_MODULE 2
#define READING_KEXEC_INITRAMFS 4

/* Numbers of the calls that a record names, for the two architectures. */
#define CALL_NUMBER(x86, arm64) (bpf_core_field_exists(((struct pt_regs___x86 *)0)->orig_ax) ? (x86) : (arm64))

static __noinline int judge_call(__u32 act, __u32 number, bool always, bool quiet)
{
	struct label *label = current_label();
	struct call_record record = { .number = number };
	bool no;

	if (!label)
		return 0;
	begin(&record.head, label, RECORD_CALL, act);
	record.head.ppid = parent_of((void *)bpf_get_current_task());
	decide(&record.head, GROUP_NONE);
	if (always && confined())
		deny(&record.head);
	if (!minded(&record.head))
		return 0;
	no = refused(&record.head);
	if (no)
		record.error = EPERM;
	if (!quiet)
		send(&record.head, sizeof(record), no);
	return no;
}

/* Nothing labelled loads programs, whoever it is: with them it could take ours off. */
static __always_inline int judge_bpf(void)
{
	return judge_call(ACT_KERNEL_BPF, CALL_NUMBER(321, 280), true, false);
}

HOOK(bpf)
long BPF_PROG(on_bpf, int command, void *attributes, unsigned int size, int before)
{
	return verdict(before || judge_bpf());
}

/* From 6.15 on it also says whether the kernel itself asks. */
HOOK(bpf)
long BPF_PROG(on_bpf_kernel, int command, void *attributes, unsigned int size, bool kernel, int before)
{
	return verdict(before || (!kernel && judge_bpf()));
}

HOOK(perf_event_open)
long BPF_PROG(on_perf_attributes, void *attributes, int type, int before)
{
	return verdict(before || judge_call(ACT_KERNEL_BPF, CALL_NUMBER(298, 241), false, false));
}

/* Later kernels say only the type. */
HOOK(perf_event_open)
long BPF_PROG(on_perf, int type, int before)
{
	return verdict(before || judge_call(ACT_KERNEL_BPF, CALL_NUMBER(298, 241), false, false));
}

HOOK(kernel_read_file)
long BPF_PROG(on_read_file, struct file *file, int id, bool contents, int before)
{
	if (before)
		return -EPERM;
	if (id < READING_MODULE || id > READING_KEXEC_INITRAMFS)
		return 0;
	return verdict(judge_call(ACT_KERNEL_BPF, CALL_NUMBER(313, 273), false, false));
}

HOOK(kernel_load_data)
long BPF_PROG(on_load_data, int id, bool contents, int before)
{
	if (before)
		return -EPERM;
	if (id < READING_MODULE || id > READING_KEXEC_INITRAMFS)
		return 0;
	return verdict(judge_call(ACT_KERNEL_BPF, CALL_NUMBER(175, 105), false, false));
}

#ifdef FMOD_RET
HOOK(create_user_ns)
#else
HOOK(userns_create)
#endif
long BPF_PROG(on_userns, const struct cred *cred, int before)
{
	return verdict(before || judge_call(ACT_NS_ENTER, CALL_NUMBER(272, 97), false, false));
}

HOOK(sb_mount)
long BPF_PROG(on_mount, const char *device, const struct path *path, const char *type, unsigned long flags, void *data,
	      int before)
{
	return verdict(before || judge_call(ACT_MOUNT, CALL_NUMBER(165, 40), false, false));
}

HOOK(move_mount)
long BPF_PROG(on_move_mount, const struct path *from, const struct path *to, int before)
{
	return verdict(before || judge_call(ACT_MOUNT, 429, false, false));
}

HOOK(sb_umount)
long BPF_PROG(on_umount, struct vfsmount *mounted, int flags, int before)
{
	return verdict(before || judge_call(ACT_MOUNT, CALL_NUMBER(166, 39), false, false));
}

HOOK(sb_pivotroot)
long BPF_PROG(on_pivot, const struct path *old, const struct path *new, int before)
{
	return verdict(before || judge_call(ACT_MOUNT, CALL_NUMBER(155, 41), false, false));
}

HOOK(inode_init_security_anon)
long BPF_PROG(on_anonymous, struct inode *inode, const struct qstr *name, const struct inode *context, int before)
{
	char text[8] = {};

	if (before)
		return -EPERM;
	if (!current_label())
		return 0;
	bpf_probe_read_kernel_str(text, sizeof(text), BPF_CORE_READ(name, name));
	/* Unsaid: every node asks for a ring and goes on without it. */
	if (text[1] == 'i' && text[2] == 'o' && text[3] == '_')
		return verdict(judge_call(ACT_RING, 425, false, true));
	if (text[1] == 'u' && text[2] == 's' && text[3] == 'e' && text[4] == 'r')
		return verdict(judge_call(ACT_KERNEL_BPF, CALL_NUMBER(323, 282), false, false));
	return 0;
}

HOOK(task_fix_setuid)
long BPF_PROG(on_setuid, struct cred *new, const struct cred *old, int flags, int before)
{
	if (before)
		return -EPERM;
	if (new->euid.val || !old->uid.val || !old->euid.val)
		return 0;
	return verdict(judge_call(ACT_PRIV_GAIN, CALL_NUMBER(117, 147), false, false));
}
