/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/* The kernel's own names of inodes: the agent opens objects O_PATH and reads its own descriptors back. */

SEC("iter/task_file")
int name_keys(struct bpf_iter__task_file *ctx)
{
	struct file *file = ctx->file;
	struct named_key named = { .fd = ctx->fd };

	if (!file)
		return 0;
	named.key = key_of(BPF_CORE_READ(file, f_inode));
	bpf_seq_write(ctx->meta->seq, &named, sizeof(named));
	return 0;
}
