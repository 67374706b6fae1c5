/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/*
 * A change of a name or a file by guarded code, done or refused by the system itself. The paths were read
 * from the caller's memory when the call returned: evidence, never a decision.
 */
#ifndef PRATIQUE_FILE_H
#define PRATIQUE_FILE_H

#include "record.h"

#define FILE_PATH_MAX 256

struct file_record {
	struct record head;
	/* 0 when it was done */
	__s32 error;
	/* what the paths are relative to, when they are: AT_FDCWD or a descriptor */
	__s32 dirfd;
	__s32 dirfd_to;
	/* 1: `to` holds where the kernel found the object, spelt as in struct path_key */
	__u32 found;
	char path[FILE_PATH_MAX];
	char to[FILE_PATH_MAX];
};

#endif
