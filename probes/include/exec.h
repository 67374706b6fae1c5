/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/* A labelled process replaced its image; sent with as much of `argv` as there is. */
#ifndef PRATIQUE_EXEC_H
#define PRATIQUE_EXEC_H

#include "record.h"
#include "tables.h"

#define EXEC_NAME_MAX 256
#define EXEC_ARGV_MAX 3584

enum exec_flag {
	EXEC_TRUNCATED = 1,
	EXEC_PENDING = 2,
	/* argv could not be read: counted as a lost read */
	EXEC_UNREAD = 4,
	/* the first of a run that nobody started through us */
	EXEC_BEGAN = 8,
};

/* Bit n is code group n + 1: the order of CODE_GROUPS in plan.py. */
enum code_bit {
	CODE_MEMFD = 1 << 0,
	CODE_DELETED = 1 << 1,
	CODE_SHM = 1 << 2,
	CODE_HIDDEN_TEMP = 1 << 3,
	CODE_FRESH = 1 << 4,
};

struct exec_record {
	struct record head;
	struct inode_key exe;
	/* bit n: pattern n recognised it as a manager */
	__u64 patterns;
	__u32 code;
	__u32 argc;
	__u16 flags;
	__u16 argv_length;
	__u32 reserved;
	char filename[EXEC_NAME_MAX];
	char interp[EXEC_NAME_MAX];
	/* where the kernel found it, spelt as in struct path_key; only when a rule minds its place */
	char path[PATH_KEPT];
	/* NUL-separated */
	char argv[EXEC_ARGV_MAX];
};

#endif
