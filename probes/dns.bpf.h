/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/*
 * Questions to the host's own resolvers, refused by name before they leave, and their answers, noted before the
 * asker sees them: so a connect is judged, and told, by name. Threat: data carried out in names; an allow for a
 * host that sits on changing or shared addresses.
 *
 * Only sockets that a labelled process connected to, or sent on to, a resolver are looked into. Other servers,
 * TCP and port 853 are judged by address in net.bpf.h, and refused to package code.
 */

#define ETH_P_IP 0x0800
#define ETH_P_IPV6 0x86DD
#define IPV6_HEADER 40
#define UDP_HEADER 8
#define DNS_HEADER 12
#define DNS_ANSWER 0x80
#define DNS_TYPE_A 1
#define DNS_TYPE_AAAA 28
#define WIRE 2048
#define LONGEST_QUESTION 512
#define MOST_STEPS 512

enum reading_state {
	READ_ON = 0,
	READ_NAME = 1,
	READ_BAD = 2,
};

/*
 * State of the loops is kept in a map (see recognise.bpf.h), and not one per CPU: a sender may be preempted in
 * the middle by another, which must not be able to write its name over the one that is being judged.
 */
struct reading {
	__u32 busy;
	__u32 state;
	/* bytes of the message, position, what is left of a label or of the records */
	__u32 size, at, left;
	__u32 length;
	/* the name of a record is behind us */
	__u32 fixed;
	struct answer name;
	struct name_record record;
	__u8 wire[WIRE + 64];
};

#define READINGS 64
#define TRIES 8

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, READINGS);
	__type(key, __u32);
	__type(value, struct reading);
} readings SEC(".maps");

struct question_key {
	__u64 socket;
	__u64 id;
};

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 1024);
	__type(key, struct question_key);
	__type(value, struct answer);
} questions SEC(".maps");

struct walking {
	struct reading *reading;
};

static __always_inline struct reading *take_reading(void)
{
	__u32 first = bpf_get_smp_processor_id();

	for (int i = 0; i < TRIES; i++) {
		__u32 key = (first * TRIES + i) % READINGS;
		struct reading *reading = bpf_map_lookup_elem(&readings, &key);

		if (reading && !__sync_lock_test_and_set(&reading->busy, 1))
			return reading;
	}
	return NULL;
}

static __always_inline void give_back(struct reading *reading)
{
	__sync_lock_test_and_set(&reading->busy, 0);
}

/* The socket's memory when questions are looked into on it. */
static __always_inline struct socket_memory *asking(struct __sk_buff *skb)
{
	struct bpf_sock *sock = skb->sk;
	struct socket_memory *memory;

	if (!sock)
		return NULL;
	sock = bpf_sk_fullsock(sock);
	if (!sock || sock->protocol != IPPROTO_UDP)
		return NULL;
	memory = bpf_sk_storage_get(&sockets, sock, NULL, 0);
	return memory && memory->asks ? memory : NULL;
}

/* Where the UDP header is; 0 when it is not right behind the address header. */
static __always_inline __u32 udp_at(struct __sk_buff *skb)
{
	__u8 byte = 0;

	if (skb->protocol == bpf_htons(ETH_P_IP)) {
		bpf_skb_load_bytes(skb, 0, &byte, 1);
		return (byte & 0xf) * 4;
	}
	bpf_skb_load_bytes(skb, 6, &byte, 1);
	return byte == IPPROTO_UDP ? IPV6_HEADER : 0;
}

/* Copy the message, at most `most` bytes of it; its whole size, or 0. */
static __always_inline __u32 load(struct __sk_buff *skb, struct reading *reading, __u32 at, __u32 most)
{
	__u32 start = at + UDP_HEADER;
	__u32 whole = skb->len > start ? skb->len - start : 0;
	__u32 size = whole < most ? whole : most;

	/* Or the compiler bounds a copy, and 6.1 does not see that it is one. */
	barrier_var(size);
	if (size <= DNS_HEADER || size > WIRE)
		return 0;
	if (bpf_skb_load_bytes(skb, start, reading->wire, size))
		return 0;
	reading->size = size;
	return whole;
}

static __always_inline void put(struct reading *reading, __u8 c)
{
	/* One stays for the zero that ends a whole name. */
	if (reading->length >= HOST_KEPT - 1) {
		reading->state = READ_BAD;
		return;
	}
	reading->name.text[reading->length & 0xff] = c;
	reading->length++;
}

static long read_letter_of_name(__u64 i, struct walking *walking)
{
	struct reading *reading = walking->reading;
	__u32 at = (DNS_HEADER + i) & (WIRE - 1);
	__u8 c = reading->wire[at];

	if (!reading->left) {
		if (!c)
			reading->state = READ_NAME;
		else if (c > 63)
			reading->state = READ_BAD;
		else if (reading->length)
			put(reading, '.');
		reading->left = c;
		return reading->state != READ_ON;
	}
	reading->left--;
	if (c >= 'A' && c <= 'Z')
		c |= 0x20;
	/* A dot inside a label would be read as another name. */
	if (c <= ' ' || c >= 0x7f || c == '.')
		reading->state = READ_BAD;
	else
		put(reading, c);
	return reading->state != READ_ON;
}

static long turn_letter(__u64 i, struct walking *walking)
{
	struct reading *reading = walking->reading;

	if (i >= reading->length || i >= HOST_KEPT)
		return 1;
	reading->name.key.name[i] = reading->name.text[(reading->length - 1 - i) & 0xff];
	return 0;
}

/* Read the question's name. Exactly one question, and nothing before it, is a question. */
static __always_inline bool read_question(struct reading *reading)
{
	struct walking walking = { .reading = reading };
	const __u8 *wire = reading->wire;

	reading->state = READ_ON;
	reading->left = 0;
	reading->length = 0;
	__builtin_memset(&reading->name, 0, sizeof(reading->name));
	if ((wire[2] & DNS_ANSWER) || wire[4] || wire[5] != 1 || wire[6] || wire[7])
		return false;
	bpf_loop((reading->size - DNS_HEADER) & 0x1ff, read_letter_of_name, &walking, 0);
	if (reading->state != READ_NAME)
		return false;
	bpf_loop(HOST_KEPT, turn_letter, &walking, 0);
	return true;
}

static __always_inline void begin_question(struct name_record *record, const struct socket_memory *memory)
{
	struct record *head = &record->net.head;

	__builtin_memset(record, 0, sizeof(*record));
	head->time = bpf_ktime_get_boot_ns();
	head->run = memory->asker.run;
	head->origin = memory->asker.origin;
	head->stage = memory->asker.stage;
	head->actor = memory->asker.actor;
	head->flags = memory->asker.flags;
	head->tainted = tainted(&memory->asker);
	head->pid = memory->pid;
	head->tid = memory->tid;
	head->kind = RECORD_NET;
	head->act = ACT_NET_DNS;
	__builtin_memcpy(head->comm, memory->comm, sizeof(head->comm));
	record->net.type = SOCK_DGRAM;
	record->net.protocol = IPPROTO_UDP;
	record->net.port = PORT_DNS;
	record->net.flags = NET_SEND;
	record->net.times = 1;
}

static __always_inline void set_resolver(struct __sk_buff *skb, struct net_record *net)
{
	if (skb->protocol == bpf_htons(ETH_P_IP)) {
		net->family = AF_INET;
		bpf_skb_load_bytes(skb, 16, net->address, 4);
	} else {
		net->family = AF_INET6;
		bpf_skb_load_bytes(skb, 24, net->address, 16);
	}
}

static __always_inline void tell_question(struct reading *reading, bool urgent)
{
	struct name_record *record = &reading->record;
	__u32 length = reading->length & 0xff;

	__builtin_memcpy(record->name, reading->name.text, sizeof(record->name));
	send(&record->net.head, sizeof(record->net) + length + 1, urgent);
}

static __always_inline int judge_question(struct __sk_buff *skb, struct reading *reading, bool sound)
{
	struct net_record *net = &reading->record.net;
	struct question_key key = { .socket = bpf_get_socket_cookie(skb) };
	bool locked = decide(&net->head, GROUP_NONE);
	int verdict;

	reading->name.key.prefix = 32 + 8 * HOST_KEPT;
	reading->name.key.origin = net->head.origin;
	/* A block is the strongest action there is, so it is decided whatever was before, and no allow undoes it. */
	if (sound && name_blocked(&reading->name))
		locked = decide(&net->head, GROUP_BLOCKED_HOST);
	if (!sound) {
		net->flags |= NET_MALFORMED;
	} else if (minded(&net->head) && !locked && bpf_map_lookup_elem(&hosts, &reading->name.key)) {
		net->flags |= NET_ALLOWED;
		net->head.action = ACTION_ALLOW;
		net->head.would = 0;
	}
	verdict = answer(net);
	if (verdict && sound) {
		key.id = reading->wire[0] << 8 | reading->wire[1];
		bpf_map_update_elem(&questions, &key, &reading->name, BPF_ANY);
	}
	tell_question(reading, !verdict);
	return verdict;
}

SEC("cgroup_skb/egress")
int on_egress(struct __sk_buff *skb)
{
	struct socket_memory *memory = asking(skb);
	struct reading *reading;
	__u16 port = 0;
	__u32 at, whole;
	int verdict;

	if (!memory)
		return 1;
	at = udp_at(skb);
	if (at)
		bpf_skb_load_bytes(skb, at + 2, &port, sizeof(port));
	if (at && port != bpf_htons(PORT_DNS))
		return 1;
	reading = take_reading();
	if (!reading)
		return 0;
	begin_question(&reading->record, memory);
	set_resolver(skb, &reading->record.net);
	reading->length = 0;
	reading->size = 0;
	count(COUNT_DNS);
	/* Segmentation offload would carry other questions behind the first. */
	whole = at && !skb->gso_size ? load(skb, reading, at, LONGEST_QUESTION) : 0;
	verdict = judge_question(skb, reading, whole && whole <= LONGEST_QUESTION && read_question(reading));
	give_back(reading);
	return verdict;
}

static __always_inline __u16 number_at(const struct reading *reading, __u32 at)
{
	return reading->wire[at & (WIRE - 1)] << 8 | reading->wire[(at + 1) & (WIRE - 1)];
}

static __always_inline void note_address(struct reading *reading, __u32 at, bool six)
{
	struct address_key key = { .family = six ? AF_INET6 : AF_INET, .origin = reading->name.key.origin };
	/* The room behind the message keeps its last bytes readable. */
	const __u8 *from = reading->wire + (at & (WIRE - 1));

	if (six)
		__builtin_memcpy(key.address, from, 16);
	else
		__builtin_memcpy(key.address, from, 4);
	bpf_map_update_elem(&answers, &key, &reading->name, BPF_ANY);
}

/* What follows a name: kind and address of a record; for the first, only the end of the question. */
static __always_inline void read_fixed(struct reading *reading)
{
	__u32 at = reading->at;
	__u16 type = number_at(reading, at), length = number_at(reading, at + 8);

	if (reading->fixed == 1) {
		reading->at += 4;
		return;
	}
	if (at + 10 + length > reading->size)
		reading->state = READ_BAD;
	else if (type == DNS_TYPE_A && length == 4)
		note_address(reading, at + 10, false);
	else if (type == DNS_TYPE_AAAA && length == 16)
		note_address(reading, at + 10, true);
	reading->at += 10 + length;
	reading->left--;
}

/* One label, or what follows the name. */
static long read_step(__u64 i, struct walking *walking)
{
	struct reading *reading = walking->reading;
	__u8 c = reading->wire[reading->at & (WIRE - 1)];

	if (reading->at >= reading->size || !reading->left)
		return 1;
	if (c && c < 0xc0) {
		reading->at += c + 1;
		return 0;
	}
	reading->at += c ? 2 : 1;
	reading->fixed++;
	read_fixed(reading);
	return reading->state != READ_ON;
}

/* Note every address that the answer gives to the name that was asked for, whatever aliases lie between. */
static __always_inline void read_answer(struct __sk_buff *skb, struct reading *reading)
{
	struct walking walking = { .reading = reading };
	struct question_key key = { .socket = bpf_get_socket_cookie(skb) };
	struct answer *asked;

	key.id = number_at(reading, 0);
	asked = bpf_map_lookup_elem(&questions, &key);
	if (!asked || !(reading->wire[2] & DNS_ANSWER) || number_at(reading, 4) != 1)
		return;
	reading->name = *asked;
	reading->state = READ_ON;
	reading->at = DNS_HEADER;
	reading->left = number_at(reading, 6);
	reading->fixed = 0;
	bpf_loop(MOST_STEPS, read_step, &walking, 0);
}

SEC("cgroup_skb/ingress")
int on_ingress(struct __sk_buff *skb)
{
	struct socket_memory *memory = asking(skb);
	struct reading *reading;
	__u16 port = 0;
	__u32 at;

	if (!memory)
		return 1;
	at = udp_at(skb);
	if (!at)
		return 1;
	bpf_skb_load_bytes(skb, at, &port, sizeof(port));
	if (port != bpf_htons(PORT_DNS))
		return 1;
	reading = take_reading();
	if (!reading)
		return 1;
	if (load(skb, reading, at, WIRE))
		read_answer(skb, reading);
	give_back(reading);
	return 1;
}
