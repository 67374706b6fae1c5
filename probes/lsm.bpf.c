// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
/*
 * The `lsm` backend's programs, one object: labels, recognition and network as in `hooks`, and a refusal in the
 * kernel for every act. Compiled twice from this source: attached to LSM hooks (`lsm.bpf.o`), and, where `bpf` is
 * not among the started security modules, to the functions that call them (`fmod_ret.bpf.o`).
 *
 *   labels, recognise, allowed, exec, begin, net, keys    as in hooks.bpf.c
 *   objects.bpf.h   what an object is: its own inode, its ancestors across mounts, names
 *   stops.bpf.h     whose author is stopped for its line
 *   judge.bpf.h     the one way to an answer about a file
 *   lsm_files.bpf.h     opens, names, sizes, modes; programs and mapped code
 *   lsm_peers.bpf.h     unix sockets, families without addresses, signals, memory
 *   lsm_kernel.bpf.h    kernel programs, namespaces, mounts, rings, identities
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
#include "keys.bpf.h"

#include "objects.bpf.h"
#include "stops.bpf.h"
#include "judge.bpf.h"
#include "lsm_files.bpf.h"
#include "lsm_peers.bpf.h"
#include "lsm_kernel.bpf.h"

char LICENSE[] SEC("license") = "GPL";
