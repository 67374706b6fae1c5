/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/* Birth and death of labelled processes. */
#ifndef PRATIQUE_PROCESS_H
#define PRATIQUE_PROCESS_H

#include "record.h"

struct fork_record {
	struct record head;
	__u32 child;
	/* 1: the two have one table of descriptors, so each can use what the other opened */
	__u32 shares;
};

struct exit_record {
	struct record head;
	/* as wait(2) reports it */
	__s32 status;
	__u32 reserved;
};

/* The label map was full: the parent was killed, and userspace must kill this unlabelled child. */
struct lost_label_record {
	struct record head;
	__u32 child;
	/* 1 when the kernel could kill the child itself */
	__u32 killed;
};

#endif
