/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/*
 * The closed lists of words, with their wire numbers. agent/pratique/words.py and
 * proto/pratique/api/v1/words.proto repeat them; tests/unit/test_words.py compares the three.
 * Numbers are never reused.
 */
#ifndef PRATIQUE_WORDS_H
#define PRATIQUE_WORDS_H

enum actor {
	ACTOR_COMMAND = 1,
	ACTOR_MANAGER = 2,
	ACTOR_HELPER = 3,
	ACTOR_PROJECT = 4,
	ACTOR_PACKAGE = 5,
	ACTOR_MIXED = 6,
};

enum stage {
	STAGE_RESOLVE = 1,
	STAGE_BUILD = 2,
	STAGE_SCRIPT = 3,
	STAGE_FIRST_RUN = 4,
};

enum act {
	ACT_EXEC = 1,
	ACT_EXEC_MAP = 2,
	ACT_FILE_READ = 3,
	ACT_FILE_WRITE = 4,
	ACT_FILE_CREATE = 5,
	ACT_FILE_LINK = 6,
	ACT_FILE_RENAME = 7,
	ACT_FILE_REMOVE = 8,
	ACT_FILE_TRUNCATE = 9,
	ACT_FILE_SETATTR = 10,
	ACT_NET_CONNECT = 11,
	ACT_NET_LISTEN = 12,
	ACT_NET_DNS = 13,
	ACT_IPC_CONNECT = 14,
	ACT_PROC_MEMORY = 15,
	ACT_PROC_SIGNAL = 16,
	ACT_KERNEL_BPF = 17,
	ACT_NS_ENTER = 18,
	ACT_MOUNT = 19,
	ACT_RING = 20,
	ACT_PRIV_GAIN = 21,
};

enum action {
	ACTION_ALLOW = 0,
	ACTION_AUDIT = 1,
	ACTION_DENY = 2,
	ACTION_KILL = 3,
};

enum level {
	LEVEL_ENFORCED = 1,
	LEVEL_KILLED_BEFORE = 2,
	LEVEL_KILLED_AFTER = 3,
	LEVEL_SEEN = 4,
	LEVEL_BLIND = 5,
};

#endif
