/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/* A connect, an addressed send, a bind, or the making of a socket, as the cgroup hooks saw it. */
#ifndef PRATIQUE_NET_H
#define PRATIQUE_NET_H

#include "record.h"

enum net_flag {
	/* an [[allow]] of the origin overrode the table */
	NET_ALLOWED = 1,
	/* sendto and friends, not connect */
	NET_SEND = 2,
	/* socket(2): only the kind of socket is known */
	NET_SOCKET = 4,
	/* a question that is none: no name can be told */
	NET_MALFORMED = 8,
};

struct net_record {
	struct record head;
	/* IPv4 in the first four bytes; v4-mapped addresses come as IPv4 */
	__u8 address[16];
	/* host order */
	__u16 port;
	/* 2 for IPv4, 10 for IPv6 */
	__u16 family;
	__u16 type;
	__u16 protocol;
	__u16 flags;
	__u16 reserved;
	/* how many like it this record stands for */
	__u32 times;
};

/* The same with the name that is asked for, or that the address was an answer to. */
struct name_record {
	struct net_record net;
	/* text, as far as it was read */
	char name[256];
};

#endif
