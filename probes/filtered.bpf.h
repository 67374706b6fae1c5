/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/*
 * Calls that the filter of the static layer answers: its refusals leave no other trace. Where no filter is (a run
 * that only records), what succeeded is judged instead, too late to prevent it.
 */

static __always_inline bool filtered(long ret)
{
	return ret == -EPERM || ret == -EACCES || ret == -ENOSYS || ret == -EAFNOSUPPORT;
}

/* Other families are tried by libraries everywhere: a host without IPv6, AF_ALG, Bluetooth. */
static __always_inline bool unseen_family(__u64 family)
{
	return family == AF_PACKET || family == AF_VSOCK || family == AF_XDP;
}

static __always_inline bool concerns(const struct call *call, __u64 argument)
{
	if (call->watch->flags & WATCH_FAMILY)
		return unseen_family((__u32)argument);
	return !(call->watch->flags & WATCH_NAMESPACE) || argument & CLONE_NEW_ANY;
}

static __always_inline void filtered_returned(const struct label *label, const struct call *call, long ret)
{
	struct call_record record = { .number = call->number, .argument = argument(call, 0) };
	bool killed = false;

	if ((ret < 0 && !filtered(ret)) || !concerns(call, record.argument))
		return;
	begin(&record.head, label, RECORD_CALL, call->watch->act);
	record.head.ppid = parent_of((void *)bpf_get_current_task());
	decide(&record.head, GROUP_NONE);
	if (call->watch->flags & WATCH_FAMILY) {
		decide(&record.head, GROUP_RAW_SOCKET);
		record.head.group = GROUP_RAW_SOCKET;
	}
	if (ret >= 0) {
		if (!minded(&record.head))
			return;
		killed = kill_if_refused(&record.head, LEVEL_KILLED_AFTER);
	} else if (record.head.action >= ACTION_DENY) {
		record.head.action = ACTION_DENY;
		record.head.level = LEVEL_ENFORCED;
	}
	record.error = ret < 0 ? -ret : 0;
	send(&record.head, sizeof(record), killed);
}
