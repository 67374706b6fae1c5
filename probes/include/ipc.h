/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/* connect(2) on a unix socket. */
#ifndef PRATIQUE_IPC_H
#define PRATIQUE_IPC_H

#include "record.h"
#include "tables.h"

#define IPC_NAME_MAX 108

struct ipc_record {
	struct record head;
	/* the peer's socket file; zero for an abstract or failed connect */
	struct inode_key peer;
	__s32 error;
	__u32 length;
	/* done: as the peer bound it; refused: as the caller wrote it. A leading NUL: abstract */
	char name[IPC_NAME_MAX];
	__u32 reserved;
};

#endif
