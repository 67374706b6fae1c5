/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/*
 * Egress of labelled processes, refused in the kernel by address and port. The hooks see the kernel's copy of
 * the address, so nothing can be swapped after the decision.
 */

#define IPPROTO_TCP 6
#define IPPROTO_UDP 17
#define IPPROTO_MPTCP 262
#define SOCK_STREAM 1
#define SOCK_DGRAM 2

#define PORT_DNS 53
#define PORT_DNS_TLS 853

#include "names.bpf.h"

/* Made with the socket, gone with it, and it stays when the descriptor is passed on. */
struct {
	__uint(type, BPF_MAP_TYPE_SK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct socket_memory);
} sockets SEC(".maps");

/* Static prefix of an allow key (origin, port, reserved) in bits. */
#define ALLOW_FIXED_BITS 64

struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 65536);
	__type(key, struct allow4_key);
	__type(value, __u8);
} allows4 SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 65536);
	__type(key, struct allow6_key);
	__type(value, __u8);
} allows6 SEC(".maps");

/* 0.0.0.0 and :: reach the loopback interface; v4-mapped addresses are IPv4. */
static __always_inline void set_address(struct net_record *net, const __u32 words[4], bool six)
{
	__u32 *to = (__u32 *)net->address;

	net->family = six ? AF_INET6 : AF_INET;
	if (six && !words[0] && !words[1] && words[2] == bpf_htonl(0xffff)) {
		net->family = AF_INET;
		to[0] = words[3];
	} else {
		to[0] = words[0];
		to[1] = words[1];
		to[2] = words[2];
		to[3] = words[3];
	}
	if (net->family == AF_INET && !to[0])
		to[0] = bpf_htonl(0x7f000001);
	if (net->family == AF_INET6 && !to[0] && !to[1] && !to[2] && !to[3])
		to[3] = bpf_htonl(1);
	if (net->family == AF_INET)
		to[1] = to[2] = to[3] = 0;
}

static __always_inline bool is_loopback(const struct net_record *net)
{
	const __u32 *words = (const __u32 *)net->address;

	if (net->family == AF_INET)
		return net->address[0] == 127;
	return !words[0] && !words[1] && !words[2] && words[3] == bpf_htonl(1);
}

static __always_inline __u32 class_of(const struct net_record *net)
{
	struct net4_key four = { .prefix = 32 + 32, .generation = generation };
	struct net6_key six = { .prefix = 32 + 128, .generation = generation };
	__u32 *group;

	if (net->family == AF_INET) {
		__builtin_memcpy(four.address, net->address, 4);
		group = bpf_map_lookup_elem(&nets4, &four);
	} else {
		__builtin_memcpy(six.address, net->address, 16);
		group = bpf_map_lookup_elem(&nets6, &six);
	}
	return group ? *group : GROUP_NONE;
}

static __always_inline struct bpf_sock *listener(struct bpf_sock_addr *ctx, const struct net_record *net)
{
	struct bpf_sock_tuple tuple = {};
	bool tcp = net->protocol != IPPROTO_UDP;

	if (net->family == AF_INET) {
		tuple.ipv4.saddr = bpf_htonl(0x7f000001);
		tuple.ipv4.daddr = *(const __u32 *)net->address;
		tuple.ipv4.dport = bpf_htons(net->port);
		return tcp ? bpf_sk_lookup_tcp(ctx, &tuple, sizeof(tuple.ipv4), BPF_F_CURRENT_NETNS, 0)
			   : bpf_sk_lookup_udp(ctx, &tuple, sizeof(tuple.ipv4), BPF_F_CURRENT_NETNS, 0);
	}
	tuple.ipv6.saddr[3] = bpf_htonl(1);
	__builtin_memcpy(tuple.ipv6.daddr, net->address, 16);
	tuple.ipv6.dport = bpf_htons(net->port);
	return tcp ? bpf_sk_lookup_tcp(ctx, &tuple, sizeof(tuple.ipv6), BPF_F_CURRENT_NETNS, 0)
		   : bpf_sk_lookup_udp(ctx, &tuple, sizeof(tuple.ipv6), BPF_F_CURRENT_NETNS, 0);
}

/*
 * Whether the socket that would answer was made in the same run. Asking for the socket itself, not for a port
 * number noted at bind: binding 127.0.0.2 or UDP with a broker's port number proves nothing.
 */
static __always_inline bool own_listener(struct bpf_sock_addr *ctx, const struct net_record *net)
{
	struct bpf_sock *sock = listener(ctx, net);
	struct socket_memory *memory;
	bool own;

	if (!sock)
		return false;
	memory = bpf_sk_storage_get(&sockets, sock, NULL, 0);
	own = memory && memory->run == net->head.run;
	bpf_sk_release(sock);
	return own;
}

static __always_inline __u32 loopback_group(struct bpf_sock_addr *ctx, const struct net_record *net, __u32 class)
{
	struct port_key port = { .port = net->port, .generation = generation };
	__u32 *broker = bpf_map_lookup_elem(&ports, &port);

	if (broker)
		return *broker;
	return own_listener(ctx, net) ? GROUP_OWN_PORT : class;
}

static __always_inline bool allowed_at(const struct net_record *net, __u16 port)
{
	struct allow4_key four = { .prefix = ALLOW_FIXED_BITS + 32, .origin = net->head.origin, .port = port };
	struct allow6_key six = { .prefix = ALLOW_FIXED_BITS + 128, .origin = net->head.origin, .port = port };

	if (net->family == AF_INET) {
		__builtin_memcpy(four.address, net->address, 4);
		return bpf_map_lookup_elem(&allows4, &four);
	}
	__builtin_memcpy(six.address, net->address, 16);
	return bpf_map_lookup_elem(&allows6, &six);
}

/* A name that is answered with a loopback address opens nothing: other programs listen there. */
static __always_inline bool allowed_by_name(const struct net_record *net, const struct answer *name)
{
	return name && !is_loopback(net) && name_allowed(name, net->port);
}

static __always_inline void apply_allows(struct net_record *net, const struct answer *name)
{
	if (!net->head.action && !net->head.would)
		return;
	if (!allowed_at(net, net->port) && !allowed_at(net, 0) && !allowed_by_name(net, name))
		return;
	net->flags |= NET_ALLOWED;
	net->head.action = ACTION_ALLOW;
	net->head.would = 0;
}

/* An error is the answer here, also where a rule asks for a kill: the act does not happen either way. */
static __always_inline int answer(struct net_record *net)
{
	if (net->head.action < ACTION_DENY)
		return 1;
	net->head.action = ACTION_DENY;
	net->head.level = LEVEL_ENFORCED;
	return 0;
}

static __always_inline void decide_address(struct bpf_sock_addr *ctx, struct net_record *net,
					   const struct answer *name)
{
	__u32 group = class_of(net);
	bool locked;

	if (is_loopback(net))
		group = loopback_group(ctx, net, group);
	locked = decide(&net->head, GROUP_NONE);
	if (group) {
		/* A group's own cell, when it is stronger, also says whether it is locked. */
		__u8 before = net->head.action | net->head.would;
		bool group_locked = decide(&net->head, group);

		if (before != (net->head.action | net->head.would))
			locked = group_locked;
		net->head.group = group;
	}
	if (!locked)
		apply_allows(net, name);
}

/* Loops of sends to one place are told once; a refusal is always told. */
static __always_inline bool repeated(struct bpf_sock_addr *ctx, const struct net_record *net)
{
	const __u64 *address = (const __u64 *)net->address;
	struct socket_memory *memory;
	bool same;

	if (!ctx->sk)
		return false;
	memory = bpf_sk_storage_get(&sockets, ctx->sk, NULL, 0);
	if (!memory)
		return false;
	same = memory->last_port == net->port && memory->last_address[0] == address[0] &&
	       memory->last_address[1] == address[1];
	memory->last_address[0] = address[0];
	memory->last_address[1] = address[1];
	memory->last_port = net->port;
	return same && net->head.action == ACTION_ALLOW;
}

/* What the socket sends will be judged by the names in it: see dns.bpf.h. */
static __always_inline bool note_asker(struct bpf_sock_addr *ctx, const struct net_record *net)
{
	struct socket_memory *memory = NULL;

	if (ctx->sk)
		memory = bpf_sk_storage_get(&sockets, ctx->sk, NULL, BPF_SK_STORAGE_GET_F_CREATE);
	if (!memory)
		return false;
	memory->run = net->head.run;
	memory->asker.run = net->head.run;
	memory->asker.origin = net->head.origin;
	memory->asker.stage = net->head.stage;
	memory->asker.actor = net->head.actor;
	memory->asker.flags = net->head.flags;
	memory->pid = net->head.pid;
	memory->tid = net->head.tid;
	__builtin_memcpy(memory->comm, net->head.comm, sizeof(memory->comm));
	memory->asks = 1;
	return true;
}

static __always_inline void tell(struct net_record *net, const struct answer *name, bool urgent)
{
	struct name_record *record;

	if (!name) {
		send(&net->head, sizeof(*net), urgent);
		return;
	}
	record = bpf_ringbuf_reserve(&ring, sizeof(*record), 0);
	if (!record) {
		count(LOST_RING);
		return;
	}
	record->net = *net;
	__builtin_memcpy(record->name, name->text, sizeof(record->name));
	bpf_ringbuf_submit(record, wakeup(urgent));
}

/*
 * getaddrinfo() connects a datagram socket to port 0 of each address, to learn its route; nothing is sent. It is
 * refused where the address is, since a later send on that socket would pass by these hooks, but it is no finding.
 */
static __always_inline bool asks_route(const struct net_record *net)
{
	return !(net->flags & NET_SEND) && net->type == SOCK_DGRAM && !net->port;
}

static __always_inline int judge(struct bpf_sock_addr *ctx, const __u32 words[4], bool six, __u16 flags)
{
	struct label *label = current_label();
	struct net_record net = { .flags = flags, .times = 1 };
	struct answer *name;
	bool dns;
	int verdict;

	if (!label)
		return 1;
	net.port = bpf_ntohs(ctx->user_port);
	net.type = ctx->type;
	net.protocol = ctx->protocol;
	set_address(&net, words, six);
	dns = net.port == PORT_DNS || net.port == PORT_DNS_TLS;
	begin(&net.head, label, RECORD_NET, dns ? ACT_NET_DNS : ACT_NET_CONNECT);
	if (is_resolver(&net) && note_asker(ctx, &net))
		return 1;
	count(dns ? COUNT_DNS : COUNT_CONNECT);
	name = name_of(&net);
	decide_address(ctx, &net, name);
	verdict = answer(&net);
	if (asks_route(&net))
		return verdict;
	if (flags & NET_SEND ? !repeated(ctx, &net) : dns || name || minded(&net.head) || !folded(&net))
		tell(&net, name, !verdict);
	return verdict;
}

SEC("cgroup/connect4")
int on_connect4(struct bpf_sock_addr *ctx)
{
	__u32 words[4] = { ctx->user_ip4 };

	return judge(ctx, words, false, 0);
}

SEC("cgroup/connect6")
int on_connect6(struct bpf_sock_addr *ctx)
{
	__u32 words[4] = { ctx->user_ip6[0], ctx->user_ip6[1], ctx->user_ip6[2], ctx->user_ip6[3] };

	return judge(ctx, words, true, 0);
}

SEC("cgroup/sendmsg4")
int on_sendmsg4(struct bpf_sock_addr *ctx)
{
	__u32 words[4] = { ctx->user_ip4 };

	return judge(ctx, words, false, NET_SEND);
}

SEC("cgroup/sendmsg6")
int on_sendmsg6(struct bpf_sock_addr *ctx)
{
	__u32 words[4] = { ctx->user_ip6[0], ctx->user_ip6[1], ctx->user_ip6[2], ctx->user_ip6[3] };

	return judge(ctx, words, true, NET_SEND);
}

/* Kinds of socket whose later calls pass by the address hooks: SCTP, raw, ping, UDP-Lite. */
static __always_inline bool unusual(const struct net_record *net)
{
	if (net->type == SOCK_STREAM)
		return net->protocol && net->protocol != IPPROTO_TCP && net->protocol != IPPROTO_MPTCP;
	if (net->type == SOCK_DGRAM)
		return net->protocol && net->protocol != IPPROTO_UDP;
	return true;
}

SEC("cgroup/sock_create")
int on_sock_create(struct bpf_sock *ctx)
{
	struct label *label = current_label();
	struct net_record net = { .flags = NET_SOCKET, .times = 1 };
	struct socket_memory *memory;

	if (!label)
		return 1;
	memory = bpf_sk_storage_get(&sockets, ctx, NULL, BPF_SK_STORAGE_GET_F_CREATE);
	if (memory)
		memory->run = label->run;
	net.family = ctx->family;
	net.type = ctx->type;
	net.protocol = ctx->protocol;
	if (!unusual(&net))
		return 1;
	begin(&net.head, label, RECORD_NET, ACT_NET_CONNECT);
	decide(&net.head, GROUP_RAW_SOCKET);
	net.head.group = GROUP_RAW_SOCKET;
	int verdict = answer(&net);

	send(&net.head, sizeof(net), !verdict);
	return verdict;
}

static __always_inline int tell_bind(struct bpf_sock *ctx, const __u32 words[4], bool six)
{
	struct label *label = current_label();
	struct net_record net = { .times = 1 };

	if (!label)
		return 1;
	begin(&net.head, label, RECORD_NET, ACT_NET_LISTEN);
	net.family = six ? AF_INET6 : AF_INET;
	__builtin_memcpy(net.address, words, six ? 16 : 4);
	net.port = ctx->src_port;
	net.type = ctx->type;
	net.protocol = ctx->protocol;
	count(COUNT_LISTEN);
	send(&net.head, sizeof(net), false);
	return 1;
}

SEC("cgroup/post_bind4")
int on_bind4(struct bpf_sock *ctx)
{
	__u32 words[4] = { ctx->src_ip4 };

	return tell_bind(ctx, words, false);
}

SEC("cgroup/post_bind6")
int on_bind6(struct bpf_sock *ctx)
{
	__u32 words[4] = { ctx->src_ip6[0], ctx->src_ip6[1], ctx->src_ip6[2], ctx->src_ip6[3] };

	return tell_bind(ctx, words, true);
}
