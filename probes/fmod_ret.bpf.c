// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
/* The programs of lsm.bpf.c, attached to the functions that call the security modules. */
#define FMOD_RET 1
#include "lsm.bpf.c"
