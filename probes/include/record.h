/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/* The head of every ring-buffer record. Strings after it come from hostile code. */
#ifndef PRATIQUE_RECORD_H
#define PRATIQUE_RECORD_H

enum record_kind {
	RECORD_FORK = 1,
	RECORD_EXEC = 2,
	RECORD_EXIT = 3,
	RECORD_LOST_LABEL = 4,
	RECORD_NET = 5,
	RECORD_FILE = 6,
	RECORD_IPC = 7,
	RECORD_MEMORY = 8,
	RECORD_CALL = 9,
};

struct record {
	/* CLOCK_BOOTTIME, nanoseconds */
	__u64 time;
	__u64 run;
	__u32 pid;
	/* 0 where a hook cannot know it (network) */
	__u32 ppid;
	__u32 origin;
	__u16 kind;
	/* enum label_flag */
	__u16 flags;
	__u8 stage;
	__u8 actor;
	__u8 act;
	/* what was done */
	__u8 action;
	/* what would have been done in audit mode; 0 for none */
	__u8 would;
	/* how a refusal was achieved; 0 where nothing was refused */
	__u8 level;
	__u8 tainted;
	/* 1: the author was sent SIGSTOP for it, and whoever reads this lets it go on */
	__u8 stopped;
	__u16 group;
	__u16 rule;
	__u32 tid;
	char comm[16];
};

#endif
