/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/* An attempt on another process's memory, environment or descriptors. */
#ifndef PRATIQUE_MEMORY_H
#define PRATIQUE_MEMORY_H

#include "record.h"

enum memory_how {
	MEMORY_PTRACE = 1,
	MEMORY_VM_READ = 2,
	MEMORY_VM_WRITE = 3,
	MEMORY_PIDFD_GETFD = 4,
	MEMORY_PROC_MEM = 5,
	MEMORY_PROC_ENVIRON = 6,
	/* the act is proc.signal */
	MEMORY_SIGNAL = 7,
};

struct memory_record {
	struct record head;
	__u32 victim;
	__u32 how;
	/* who asked, where a file that was refused might not have been that user's anyway; else 0 */
	__u32 user;
	__u32 reserved;
};

#endif
