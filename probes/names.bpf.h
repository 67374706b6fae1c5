/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/*
 * Names of the network: what an origin may ask for and reach, and which address was the answer to which name.
 * A name is compared whole, never by a hash: package code chooses the names it asks for.
 */

/* A name as it was asked for. */
struct answer {
	struct host_key key;
	char text[256];
};

struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 16384);
	__type(key, struct host_key);
	__type(value, struct host_allow);
} hosts SEC(".maps");

/* The resolvers that the host is set up with. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 64);
	__type(key, struct address_key);
	__type(value, __u8);
} resolvers SEC(".maps");

/* What a resolver answered. A lost old entry costs a retry of the look-up, not a guard. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 2048);
	__type(key, struct address_key);
	__type(value, struct answer);
} answers SEC(".maps");

static __always_inline struct address_key address_key_of(const struct net_record *net, __u32 origin)
{
	struct address_key key = { .family = net->family, .origin = origin };

	__builtin_memcpy(key.address, net->address, 16);
	return key;
}

static __always_inline bool is_resolver(const struct net_record *net)
{
	struct address_key key = address_key_of(net, 0);

	return net->port == PORT_DNS && net->type == SOCK_DGRAM && bpf_map_lookup_elem(&resolvers, &key);
}

static __always_inline struct answer *name_of(const struct net_record *net)
{
	struct address_key key = address_key_of(net, net->head.origin);

	return bpf_map_lookup_elem(&answers, &key);
}

/* Whether nobody may ask for this name. It must be the caller's own, for its key is changed meanwhile. */
static __always_inline bool name_blocked(struct answer *name)
{
	__u32 origin = name->key.origin;
	bool found;

	name->key.origin = ORIGIN_ANY;
	found = bpf_map_lookup_elem(&hosts, &name->key);
	name->key.origin = origin;
	return found;
}

/* Whether the origin may reach this name at the port. */
static __always_inline bool name_allowed(const struct answer *name, __u16 port)
{
	struct host_allow *allow = bpf_map_lookup_elem(&hosts, &name->key);
	bool found = false;

	if (!allow)
		return false;
#pragma unroll
	for (int i = 0; i < HOST_PORTS; i++)
		found |= allow->port[i] == port;
	return found;
}
