// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
/*
 * The `hooks` backend's programs, one object: a subject per file, maps shared by all of them.
 *
 *   folds.bpf.h      loops of the same connect, told with their number
 *   labels.bpf.h     who a process is: fork, exit                 tp_btf
 *   recognise.bpf.h  which manager an argv starts
 *   allowed.bpf.h    what one origin may use all the same
 *   exec.bpf.h       what a process becomes; code groups          tp_btf, killed before
 *   begin.bpf.h      managers that nobody wrapped                 tp_btf, the daemon only
 *   net.bpf.h        connect, addressed send, socket, bind        cgroup, enforced
 *   names.bpf.h      names of the network, and addresses that answered to them
 *   dns.bpf.h        questions and answers of resolvers           cgroup, enforced
 *   calls.bpf.h      which system calls are watched
 *   files.bpf.h      fresh and guarded files, refusals, unix     returns of calls
 *   memory.bpf.h     other processes' memory                      entries of calls, killed
 *   filtered.bpf.h   calls that the static layer refused          returns of calls
 *   watch.bpf.h      the way from a call to its subject           tp_btf
 *   keys.bpf.h       the kernel's names of inodes                 iterator
 */
#include <stdbool.h>
#include <linux/bpf.h>

#include "kernel.h"

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

#include "call.h"
#include "exec.h"
#include "file.h"
#include "ipc.h"
#include "label.h"
#include "memory.h"
#include "net.h"
#include "process.h"
#include "tables.h"
#include "words.h"

#include "maps.bpf.h"
#include "common.bpf.h"
#include "folds.bpf.h"
#include "labels.bpf.h"
#include "recognise.bpf.h"
#include "allowed.bpf.h"
#include "exec.bpf.h"
#include "begin.bpf.h"
#include "net.bpf.h"
#include "dns.bpf.h"
#include "calls.bpf.h"
#include "files.bpf.h"
#include "memory.bpf.h"
#include "filtered.bpf.h"
#include "watch.bpf.h"
#include "keys.bpf.h"

char LICENSE[] SEC("license") = "GPL";
