/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/* A system call that the filter of the static layer, or the system itself, refused. */
#ifndef PRATIQUE_CALL_H
#define PRATIQUE_CALL_H

#include "record.h"

struct call_record {
	struct record head;
	__s32 error;
	__u32 number;
	/* the first argument: of socket(2) the family */
	__u64 argument;
};

#endif
