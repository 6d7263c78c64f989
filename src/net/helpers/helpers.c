// SPDX-License-Identifier: GPL-2.0
/*
 * Wrappers of inline functions and macros of the kernel's headers that Rust
 * cannot call. Each included file wraps the header of its name; no decision is
 * taken in them. C code that is more than a wrapper is in a file beside the
 * Rust file that calls it.
 *
 * Sorted alphabetically.
 */

#include "delay.c"
#include "flow_offload.c"
#include "genetlink.c"
#include "if_vlan.c"
#include "jiffies.c"
#include "module.c"
#include "net_namespace.c"
#include "netdevice.c"
#include "netlink.c"
#include "nf_conntrack.c"
#include "nf_conntrack_acct.c"
#include "nf_conntrack_core.c"
#include "nf_flow_table.c"
#include "nf_tables.c"
#include "nfnetlink.c"
#include "percpu_rwsem.c"
#include "random.c"
#include "rtnetlink.c"
#include "sched.c"
#include "skbuff.c"
#include "timekeeping.c"
#include "workqueue.c"
