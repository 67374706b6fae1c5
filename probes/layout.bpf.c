// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
/* Never loaded: its BTF holds every shared structure, so that a test can compare them with Python's mirrors. */
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

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

/* A structure is left out of BTF unless something refers to it. */
#define KEEP(STRUCT) const struct STRUCT *keep_##STRUCT

KEEP(label);
KEEP(origin_key);
KEEP(record);
KEEP(fork_record);
KEEP(exit_record);
KEEP(lost_label_record);
KEEP(exec_record);
KEEP(net_record);
KEEP(name_record);
KEEP(file_record);
KEEP(ipc_record);
KEEP(memory_record);
KEEP(call_record);
KEEP(inode_key);
KEEP(named_key);
KEEP(cell_key);
KEEP(cell);
KEEP(net4_key);
KEEP(net6_key);
KEEP(port_key);
KEEP(allow4_key);
KEEP(allow6_key);
KEEP(host_key);
KEEP(host_allow);
KEEP(address_key);
KEEP(guarded);
KEEP(allowed_key);
KEEP(path_key);
KEEP(object);
KEEP(name_key);
KEEP(glob_key);
KEEP(glob);
KEEP(settings);
KEEP(token_key);
KEEP(beginnings);
KEEP(watch);
KEEP(counters);

const enum actor keep_actor;
const enum stage keep_stage;
const enum act keep_act;
const enum action keep_action;
const enum level keep_level;
const enum label_flag keep_label_flag;
const enum origin_flag keep_origin_flag;
const enum record_kind keep_record_kind;
const enum exec_flag keep_exec_flag;
const enum code_bit keep_code_bit;
const enum net_flag keep_net_flag;
const enum memory_how keep_memory_how;
const enum code_group keep_code_group;
const enum token_role keep_token_role;
const enum allowed_use keep_allowed_use;
const enum object_flag keep_object_flag;
const enum watch_kind keep_watch_kind;
const enum watch_flag keep_watch_flag;
const enum counter keep_counter;
