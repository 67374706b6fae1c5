/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/* Keys and values of the maps that userspace fills. */
#ifndef PRATIQUE_TABLES_H
#define PRATIQUE_TABLES_H

#include "label.h"

/* An inode as the kernel names it: stat(2) shows other device numbers on overlayfs and btrfs. */
struct inode_key {
	__u64 inode;
	__u32 device;
	__u32 generation;
};

/* What iter/task_file writes for each descriptor. */
struct named_key {
	struct inode_key key;
	__u32 fd;
	__u32 reserved;
};

/* Numbers of the code groups, in the order of CODE_GROUPS in plan.py. */
enum code_group {
	GROUP_NONE = 0,
	GROUP_MEMFD = 1,
	GROUP_DELETED = 2,
	GROUP_SHM = 3,
	GROUP_HIDDEN_TEMP = 4,
	GROUP_FRESH = 5,
	GROUP_OWN_PORT = 6,
	GROUP_RAW_SOCKET = 7,
	GROUP_OUTSIDE = 8,
	GROUP_BLOCKED_HOST = 9,
};

struct cell_key {
	__u8 stage;
	__u8 actor;
	__u8 act;
	__u8 tainted;
	/* GROUP_NONE: whatever the object */
	__u16 group;
	__u16 generation;
};

struct cell {
	__u8 action;
	/* in audit mode, the action that the rule asks for */
	__u8 would;
	__u8 locked;
	__u8 reserved;
	__u16 rule;
	__u16 reserved2;
};

/* The generation's 32 bits always count. */
struct net4_key {
	__u32 prefix;
	__u32 generation;
	__u8 address[4];
};

struct net6_key {
	__u32 prefix;
	__u32 generation;
	__u8 address[16];
};

struct port_key {
	/* host order */
	__u16 port;
	__u16 generation;
};

/* Allows of one origin: the first 64 bits always count. Port 0 is any. */
struct allow4_key {
	__u32 prefix;
	__u32 origin;
	__u16 port;
	__u16 reserved;
	__u8 address[4];
};

struct allow6_key {
	__u32 prefix;
	__u32 origin;
	__u16 port;
	__u16 reserved;
	__u8 address[16];
};

#define HOST_KEPT 248

/*
 * A name of the network and one origin. Spelt backwards, so that `*.example.org` is a prefix of what it covers;
 * a whole name ends in a zero. The first 32 bits always count.
 */
/* What is said of everybody: the names that nobody may ask for. No origin has this number. */
#define ORIGIN_ANY 0xffffffff

struct host_key {
	__u32 prefix;
	__u32 origin;
	char name[HOST_KEPT];
};

#define HOST_PORTS 8

/* The origin may ask for the name, and reach it at these ports (host order; 0 ends the list). */
struct host_allow {
	__u16 port[HOST_PORTS];
};

/* An address, v4-mapped ones as IPv4, as it was answered to one origin; origin 0 in the table of resolvers. */
struct address_key {
	__u8 address[16];
	__u32 family;
	__u32 origin;
};

/* An existing place that its managers may write and fresh code may not. */
struct guarded {
	__u16 group;
	/* a directory: all below it counts */
	__u8 below;
	__u8 reserved;
};

enum allowed_use {
	ALLOWED_WRITE = 1,
	ALLOWED_IPC = 2,
	ALLOWED_EXEC = 3,
	ALLOWED_READ = 4,
};

enum object_flag {
	/* a directory: the read group, the write group counts for all below it */
	OBJECT_READ_BELOW = 1,
	OBJECT_WRITE_BELOW = 2,
	/* a directory with entries in `names`, in `globs` */
	OBJECT_NAMES = 4,
	OBJECT_GLOBS = 8,
};

/* Which groups one object is in, per use (the `lsm` backend). GROUP_NONE: in none. */
struct object {
	__u16 read;
	__u16 write;
	__u16 exec;
	__u16 ipc;
	/* of the places below it: for directories that may not be renamed away */
	__u16 above;
	/* enum object_flag */
	__u16 flags;
};

#define NAME_KEPT 64

/* Whatever is found under this name in this directory; zero-padded. */
struct name_key {
	struct inode_key directory;
	char name[NAME_KEPT];
};

#define GLOB_WORDS 3
#define GLOB_KEPT (GLOB_WORDS * 8)
#define GLOBS_MAX 16

struct glob_key {
	struct inode_key directory;
	/* from 0, without holes */
	__u32 index;
	__u32 reserved;
};

/* `PREFIX*SUFFIX`: what the first and the last bytes of a name must be; the masks say which of them count. */
struct glob {
	struct object object;
	__u16 prefix_length;
	__u16 suffix_length;
	__u64 prefix[GLOB_WORDS];
	__u64 prefix_mask[GLOB_WORDS];
	__u64 suffix[GLOB_WORDS];
	__u64 suffix_mask[GLOB_WORDS];
};

/* What the `lsm` programs know of the run beside its plan. */
struct settings {
	/* the process that settles and records: nothing labelled signals or traces it */
	__u32 agent;
	/* 1: refuse what a wrapped run refuses without a rule */
	__u32 confine;
	/* when the agent last said that it reads lines (CLOCK_BOOTTIME, ns); 0: it does not */
	__u64 beat;
};

/* As many as the agent queues; see stacks.py. */
#define STOPPED_MOST 8
/* By one run, for one rule. */
#define STOPS_MOST 8

/* An object that one origin may use although a rule minds; a directory counts with all below it. */
struct allowed_key {
	struct inode_key object;
	__u32 origin;
	__u32 use;
};

#define PATH_KEPT 248

/* The same by name, for what does not exist yet. Spelt from the leaf up, each name followed by a slash. */
struct path_key {
	__u32 origin;
	__u16 use;
	/* any name directly in the directory `path` */
	__u16 children;
	char path[PATH_KEPT];
};

/* The kernel's memory of one socket made in a run. */
struct socket_memory {
	__u64 run;
	__u64 last_address[2];
	__u32 last_port;
	/* who connected it, or sent on it, to a resolver last */
	__u32 asks;
	struct label asker;
	__u32 pid;
	__u32 tid;
	char comm[16];
};

/* What a word means to the recogniser; see recognise.bpf.h. */
enum token_role {
	TOKEN_INTERPRETER = 1,
	TOKEN_NATIVE = 2,
	TOKEN_TARGET = 3,
	TOKEN_MODULE = 4,
	TOKEN_VERB = 5,
	TOKEN_INTERPRETER_VALUE = 6,
	TOKEN_VALUE = 7,
	TOKEN_STOP = 8,
	TOKEN_LETTER_MODULE = 9,
	TOKEN_LETTER_VALUE = 10,
	TOKEN_LETTER_STOP = 11,
	/* hash 0: patterns that need no verb */
	TOKEN_BARE = 12,
};

struct token_key {
	/* FNV-1a of the word, or the letter itself */
	__u64 hash;
	__u32 role;
	__u32 reserved;
};

/* How managers that nobody wrapped begin runs; all zero: they do not. */
struct beginnings {
	/* upper half of the number of each such run */
	__u64 family;
	/* the next lower half */
	__u64 begun;
	/* only processes of `scoped_users` */
	__u32 scoped;
	/* changes when another agent takes over */
	__u32 keeper;
};

enum watch_kind {
	WATCH_NOTHING = 0,
	WATCH_PATH = 1,
	WATCH_OPEN = 2,
	WATCH_CONNECT = 3,
	WATCH_PTRACE = 4,
	WATCH_VM_READ = 5,
	WATCH_VM_WRITE = 6,
	WATCH_PIDFD_GETFD = 7,
	/* answered by the filter of the static layer, where there is one */
	WATCH_FILTERED = 8,
};

enum watch_flag {
	/* told also when it succeeds */
	WATCH_DONE = 1,
	/* the open flags are behind a pointer (openat2) */
	WATCH_INDIRECT = 2,
	/* socket(2): only families that no guard sees into */
	WATCH_FAMILY = 4,
	/* clone and unshare: only when they ask for a namespace */
	WATCH_NAMESPACE = 8,
};

/* One system call, and in which argument each thing is that is told of it. */
struct watch {
	__u8 kind;
	__u8 act;
	__u8 path;
	__u8 to;
	__u8 dir;
	__u8 dir_to;
	__u8 open_flags;
	/* enum watch_flag */
	__u8 flags;
};

#define WATCH_CALLS 512
#define WATCH_NO_ARGUMENT 0xff

enum counter {
	COUNT_EXEC = 0,
	COUNT_FORK = 1,
	COUNT_EXIT = 2,
	COUNT_CONNECT = 3,
	COUNT_DNS = 4,
	COUNT_OPEN = 5,
	COUNT_LISTEN = 6,
	COUNT_IPC = 7,
	LOST_RING = 8,
	LOST_LABELS = 9,
	LOST_READS = 10,
};

#define COUNTERS (LOST_READS + 1)

struct counters {
	__u64 value[COUNTERS];
};

#endif
