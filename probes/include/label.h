/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/* What the kernel keeps per process (thread group): docs/policy.md section 1. */
#ifndef PRATIQUE_LABEL_H
#define PRATIQUE_LABEL_H

enum label_flag {
	/* Stopped before its first instruction; counts as package until userspace has settled it. */
	LABEL_PENDING = 1,
	/* A manager that loaded code it could not refuse: manager's egress, package's secrets. */
	LABEL_MIXED = 2,
	/* `pratique off`: a manager in this tree is none */
	LABEL_OFF = 4,
};

enum origin_flag {
	/* The tree of this origin has read a secret. */
	ORIGIN_TAINTED = 1,
};

struct label {
	__u64 run;
	__u32 origin;
	__u8 stage;
	__u8 actor;
	__u16 flags;
};

struct origin_key {
	__u64 run;
	__u32 origin;
	__u32 reserved;
};

#endif
