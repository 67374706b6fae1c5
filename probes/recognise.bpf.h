/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/*
 * Which manager an argv starts. A positional matcher: interpreter, its options, script or `-m` module, the
 * manager's options, verb. It knows no manager: userspace fills `tokens` from the Pattern data of managers/.
 * Each bit of a mask is one pattern, so that all are followed at once.
 */

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 4096);
	__type(key, struct token_key);
	__type(value, __u64);
} tokens SEC(".maps");

#define FNV_OFFSET 0xcbf29ce484222325ULL
#define FNV_PRIME 0x100000001b3ULL

struct matcher {
	/* waiting for their script or module; for their verb; recognised */
	__u64 before, after, matched;
	/* the next word is an option's value; is the module */
	__u64 skip, module_next;
	/* inside a cluster such as -Im; whose rest is the module; the option's value */
	__u64 cluster, module_rest, value_rest;
	/* of the word so far: all of it, and its last path component up to a digit or dot */
	__u64 full, base;
	__u32 word, length, rest;
	__u8 cut, first;
};

/*
 * Kept in a map, not on the stack: 6.1 verifies a bpf_loop callback once with the initial constants and
 * cuts out branches that only later rounds take.
 */
struct scratch {
	struct matcher matcher;
	struct exec_record record;
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct scratch);
} scratches SEC(".maps");

static __u64 token(__u32 role, __u64 hash)
{
	struct token_key key = { .hash = hash, .role = role };
	__u64 *mask = bpf_map_lookup_elem(&tokens, &key);

	return mask ? *mask : 0;
}

static __always_inline void begin_word(struct matcher *m)
{
	m->full = FNV_OFFSET;
	m->base = FNV_OFFSET;
	m->length = 0;
	m->cut = 0;
	m->first = 0;
	m->cluster = 0;
	m->module_rest = 0;
	m->value_rest = 0;
}

static __always_inline void found(struct matcher *m, __u64 mask)
{
	__u64 bare = mask ? mask & token(TOKEN_BARE, 0) : 0;

	m->matched |= bare;
	m->after |= mask & ~bare;
}

/* One letter of a cluster; a letter that takes a value takes the rest of the word, or the next word. */
static __always_inline void feed_cluster(struct matcher *m, __u8 letter)
{
	__u64 module = m->cluster & token(TOKEN_LETTER_MODULE, letter);
	__u64 value = m->cluster & token(TOKEN_LETTER_VALUE, letter);
	__u64 stop = m->cluster & token(TOKEN_LETTER_STOP, letter);

	if (!(module | value | stop))
		return;
	m->module_rest |= module;
	m->value_rest |= value;
	m->before &= ~stop;
	m->cluster &= ~(module | value | stop);
	m->base = FNV_OFFSET;
	m->cut = 0;
	m->rest = 0;
}

static __always_inline void feed(struct matcher *m, __u8 c)
{
	__u64 cluster = m->cluster;

	m->full = (m->full ^ c) * FNV_PRIME;
	if (m->length == 0)
		m->first = c;
	if (m->length == 1 && m->first == '-' && c != '-')
		m->cluster = m->before & ~m->skip & ~m->module_next;
	m->length++;
	m->rest++;
	if (c == '/') {
		m->base = FNV_OFFSET;
		m->cut = 0;
	} else if (c == '.' || (c >= '0' && c <= '9')) {
		m->cut = 1;
	} else if (!m->cut) {
		m->base = (m->base ^ c) * FNV_PRIME;
	}
	if (m->cluster || cluster)
		feed_cluster(m, c);
}

static __always_inline void end_option(struct matcher *m, __u64 waiting)
{
	__u64 module = waiting & m->module_rest;
	__u64 value = waiting & m->value_rest;

	m->before &= ~token(TOKEN_STOP, m->full) | ~waiting;
	if (m->rest == 0) {
		m->module_next |= module;
		m->skip |= value;
	} else if (module) {
		m->before &= ~module;
		found(m, module & token(TOKEN_MODULE, m->base));
	}
	m->skip |= waiting & token(TOKEN_INTERPRETER_VALUE, m->full);
}

static __always_inline void end_before(struct matcher *m, __u64 waiting)
{
	__u64 module = waiting & m->module_next;

	if (module) {
		m->module_next = 0;
		m->before &= ~module;
		found(m, module & token(TOKEN_MODULE, m->base));
		waiting &= ~module;
	}
	if (!waiting)
		return;
	if (m->first == '-' && m->length > 1) {
		end_option(m, waiting);
		return;
	}
	m->before &= ~waiting;
	found(m, waiting & token(TOKEN_TARGET, m->base));
}

static __always_inline void end_after(struct matcher *m, __u64 waiting)
{
	if (m->first == '-' && m->length > 1) {
		m->skip |= waiting & token(TOKEN_VALUE, m->full);
		return;
	}
	m->after &= ~waiting;
	m->matched |= waiting & token(TOKEN_VERB, m->full);
}

static __always_inline void end_word(struct matcher *m)
{
	__u64 skipped = m->skip;
	__u64 after = m->after & ~skipped;

	if (m->word++ == 0) {
		m->before = token(TOKEN_INTERPRETER, m->base);
		found(m, token(TOKEN_NATIVE, m->base));
		return;
	}
	m->skip = 0;
	if (after)
		end_after(m, after);
	if (m->before & ~skipped)
		end_before(m, m->before & ~skipped);
}

struct walk {
	struct scratch *scratch;
};

static long read_letter(__u32 index, struct walk *walk)
{
	struct scratch *scratch = walk->scratch;
	struct matcher *m = &scratch->matcher;
	__u8 c;

	if (index >= EXEC_ARGV_MAX)
		return 1;
	c = scratch->record.argv[index];
	if (c) {
		feed(m, c);
		return 0;
	}
	end_word(m);
	begin_word(m);
	return m->matched || !(m->before | m->after);
}

/* Bits of the patterns that this argv matches. */
static __always_inline __u64 recognise(struct scratch *scratch)
{
	struct walk walk = { .scratch = scratch };
	struct matcher *m = &scratch->matcher;

	m->before = m->after = m->matched = m->skip = m->module_next = 0;
	m->word = 0;
	m->rest = 0;
	begin_word(m);
	bpf_loop(scratch->record.argv_length, read_letter, &walk, 0);
	/* A verb that is no word: `yarn` alone installs. A cut argv may go on: its end is not known. */
	if (scratch->record.argv_length < EXEC_ARGV_MAX)
		m->matched |= m->after & token(TOKEN_VERB, FNV_OFFSET);
	return m->matched;
}
