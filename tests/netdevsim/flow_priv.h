/* SPDX-License-Identifier: GPL-2.0 */
/* The simulated switch NIC: shared by flow.c, flow_table.c and flow_path.c. */
#ifndef NSIM_FLOW_PRIV_H
#define NSIM_FLOW_PRIV_H

#include <linux/atomic.h>
#include <linux/kref.h>
#include <linux/list.h>
#include <linux/mutex.h>
#include <linux/rhashtable.h>
#include <linux/spinlock.h>

#include "flow_profile.h"

enum nsim_flow_counter {
	NSIM_FLOW_BINDS,
	NSIM_FLOW_UNBINDS,
	NSIM_FLOW_ADDS,
	NSIM_FLOW_DELS,
	NSIM_FLOW_QUERIES,
	NSIM_FLOW_REFUSED,
	NSIM_FLOW_INJECTED,
	NSIM_FLOW_UNKNOWN_COOKIE,
	NSIM_FLOW_STALE,
	NSIM_FLOW_LEAKED_BINDINGS,
	NSIM_FLOW_INDR_REPLAYS,
	NSIM_FLOW_INDR_DEAD,
	NSIM_FLOW_FORWARDED,
	NSIM_FLOW_CPU_NOT_IP,
	NSIM_FLOW_CPU_MALFORMED,
	NSIM_FLOW_CPU_TAGS,
	NSIM_FLOW_CPU_PPPOE,
	NSIM_FLOW_CPU_IP4_OPTIONS,
	NSIM_FLOW_CPU_IP4_CSUM,
	NSIM_FLOW_CPU_IP6_EXT,
	NSIM_FLOW_CPU_FRAGMENT,
	NSIM_FLOW_CPU_NO_RULE,
	NSIM_FLOW_CPU_UNBOUND,
	NSIM_FLOW_CPU_TTL,
	NSIM_FLOW_CPU_TCP_SYN,
	NSIM_FLOW_CPU_TCP_FIN_RST,
	NSIM_FLOW_CPU_GRE_VERSION,
	NSIM_FLOW_CPU_MTU,
	NSIM_FLOW_CPU_NO_EGRESS,
	NSIM_FLOW_DROP_EGRESS_DOWN,
	NSIM_FLOW_DROP_NO_PEER,
	NSIM_FLOW_DROP_PEER,
	NSIM_FLOW_DROP_NOMEM,
	NSIM_FLOW_DROP_LOOP,
	NSIM_FLOW_COUNTERS
};

/* Counters per port, in the order in which `ethtool -S` shows them. */
enum nsim_flow_port_counter {
	NSIM_FLOW_PORT_RX_PACKETS,
	NSIM_FLOW_PORT_RX_BYTES,
	NSIM_FLOW_PORT_TX_PACKETS,
	NSIM_FLOW_PORT_TX_BYTES,
	NSIM_FLOW_PORT_TO_CPU,
	NSIM_FLOW_PORT_DROPPED,
	NSIM_FLOW_PORT_RULES,
	NSIM_FLOW_PORT_ADDS,
	NSIM_FLOW_PORT_DELS,
	NSIM_FLOW_PORT_REFUSED,
	NSIM_FLOW_PORT_COUNTERS
};

/* The command that the injected failures apply to. */
enum nsim_flow_cmd {
	NSIM_FLOW_CMD_ANY,
	NSIM_FLOW_CMD_BIND,
	NSIM_FLOW_CMD_REPLACE,
	NSIM_FLOW_CMD_DESTROY,
	NSIM_FLOW_CMD_STATS,
	NSIM_FLOW_CMDS
};

/* How the NIC's reports differ from what it does. */
enum nsim_flow_lie {
	NSIM_FLOW_LIE_NONE,
	NSIM_FLOW_LIE_LASTUSED_FUTURE,
	NSIM_FLOW_LIE_LASTUSED_STALE,
	NSIM_FLOW_LIE_STATS_ERROR,
	NSIM_FLOW_LIE_SILENT,
	NSIM_FLOW_LIE_DESTROY_KEEPS,
	NSIM_FLOW_LIE_NO_COUNTERS,
	NSIM_FLOW_LIE_NO_LASTUSED,
	NSIM_FLOW_LIE_NO_USE,
	NSIM_FLOW_LIES
};

/* The interface by which the driver can be bound. */
enum nsim_flow_door {
	NSIM_FLOW_DOOR_FT,
	NSIM_FLOW_DOOR_BLOCK,
	NSIM_FLOW_DOOR_BOTH,
	NSIM_FLOW_DOOR_INDR_FT,
	NSIM_FLOW_DOOR_INDR_BLOCK,
	NSIM_FLOW_DOOR_NONE,
	NSIM_FLOW_DOORS
};

enum nsim_flow_profile_id {
	NSIM_FLOW_PROFILE_TC,
	NSIM_FLOW_PROFILE_MLX5,
	NSIM_FLOW_PROFILE_MTK,
	NSIM_FLOW_PROFILE_AIROHA,
	NSIM_FLOW_PROFILE_SFC,
	NSIM_FLOW_PROFILES
};

/* A debugfs file that holds one word out of a list. */
struct nsim_flow_choice {
	const char * const *names;
	unsigned int n;
	unsigned int val;
	struct nsim_flow *fixed;	/* no change while this has rules */
};

/* A cookie, unique per port where the driver keeps its cookies by port. */
struct nsim_flow_cookie {
	unsigned long cookie;
	struct nsim_flow_port *scope;
};

struct nsim_flow_rule {
	struct rhlist_head match_node;
	struct rhash_head cookie_node;
	struct list_head list;
	struct rcu_head rcu;

	struct nsim_flow_key key;
	struct nsim_flow_extra extra;
	struct nsim_flow_cookie cookie;
	const struct nsim_flow_profile *profile;
	struct nsim_flow_port *port;	/* that got the command */
	struct netdevsim *egress;	/* valid under RCU and under the lock */
	bool in_datapath;

	bool bound;			/* written under bind_lock */
	bool dead;			/* under bind_lock */
	u32 seen;			/* under bind_lock */

	atomic64_t packets;
	atomic64_t bytes;
	unsigned long lastused;
	u64 reported_packets;
	u64 reported_bytes;

	unsigned int pppoe_out;
	unsigned int n_ops;
	struct nsim_flow_op ops[] __counted_by(n_ops);
};

/* One switch. */
struct nsim_flow {
	struct kref ref;
	struct mutex lock;		/* see the top of flow.c */
	spinlock_t bind_lock;		/* guards the rules in PPE hardware */
	struct rhltable by_match;
	struct rhashtable by_cookie;
	struct list_head rules;
	struct list_head bindings;
	struct list_head uppers;	/* changed under the lock, read under RCU */
	unsigned int n_bound;
	struct mutex door_lock;		/* for `door`; taken before lock */
	unsigned int door;
	bool one_binding;
	bool locked_driver_cb;
	struct dentry *ddir;

	bool enabled;
	u32 count;
	u32 high_water;
	u32 capacity;
	u32 n_hw;			/* under bind_lock */
	u32 bind_after;
	u32 orphans;
	u32 delay_us;
	s32 fail_errno;
	atomic_t fail_next;
	atomic_t fail_skip;
	struct nsim_flow_choice fail_cmd;
	struct nsim_flow_choice lie;
	struct nsim_flow_choice profile;
	struct nsim_flow_draft draft;	/* of the running command */
	int refusal_errno;
	char refusal[128];

	atomic64_t counters[NSIM_FLOW_COUNTERS];
};

/*
 * One port, or a device above ports that was bound indirectly, whose rules
 * apply to every port below. It outlives its netdev if a binding does.
 */
struct nsim_flow_port {
	struct kref ref;
	struct rcu_head rcu;
	struct nsim_flow *fl;
	struct netdevsim *ns;		/* NULL once the port is gone */
	struct net_device *upper;	/* NULL for a port */
	struct list_head list;		/* in nsim_flow::uppers */
	unsigned int n_bound;
	bool tc_block;			/* bound as tc binds its blocks */
	atomic64_t counters[NSIM_FLOW_PORT_COUNTERS];
};

/* Static, in this header: the inline functions of rhashtable need constants. */
static const struct rhashtable_params nsim_flow_match_params = {
	.key_offset	= offsetof(struct nsim_flow_rule, key),
	.key_len	= sizeof(struct nsim_flow_key),
	.head_offset	= offsetof(struct nsim_flow_rule, match_node),
	.automatic_shrinking = true,
};

static const struct rhashtable_params nsim_flow_cookie_params __maybe_unused = {
	.key_offset	= offsetof(struct nsim_flow_rule, cookie),
	.key_len	= sizeof(struct nsim_flow_cookie),
	.head_offset	= offsetof(struct nsim_flow_rule, cookie_node),
	.automatic_shrinking = true,
};

extern const struct nsim_flow_profile * const
nsim_flow_profiles[NSIM_FLOW_PROFILES];
extern const char * const nsim_flow_cmd_names[NSIM_FLOW_CMDS];

static inline void nsim_flow_inc(struct nsim_flow *fl, enum nsim_flow_counter c)
{
	atomic64_inc(&fl->counters[c]);
}

static inline void nsim_flow_port_inc(struct nsim_flow_port *port,
				      enum nsim_flow_port_counter c)
{
	atomic64_inc(&port->counters[c]);
}

static inline struct net_device *
nsim_flow_port_dev(const struct nsim_flow_port *port)
{
	return port->ns ? port->ns->netdev : port->upper;
}

static inline const struct nsim_flow_profile *
nsim_flow_profile(const struct nsim_flow *fl)
{
	return nsim_flow_profiles[READ_ONCE(fl->profile.val)];
}

/* flow.c */
void nsim_flow_port_put(void *cb_priv);

/* flow_bind.c */
extern const char * const nsim_flow_door_names[NSIM_FLOW_DOORS];
int nsim_flow_set_door(struct nsim_flow *fl, unsigned int door);
struct netdevsim *nsim_flow_port_of(const struct nsim_flow *fl,
				    const struct net_device *dev);
struct nsim_flow_port *nsim_flow_upper(const struct nsim_flow *fl,
				       const struct net_device *dev);

/* flow_table.c */
int nsim_flow_block_cb(enum tc_setup_type type, void *type_data, void *cb_priv);
bool nsim_flow_inject(struct nsim_flow *fl, enum nsim_flow_cmd cmd,
		      struct netlink_ext_ack *extack, int *err);
void nsim_flow_delay(struct nsim_flow *fl);
void nsim_flow_rule_remove(struct nsim_flow *fl, struct nsim_flow_rule *rule);
struct nsim_flow_rule *nsim_flow_ppe_bind(struct nsim_flow *fl,
					  struct rhlist_head *list,
					  u32 bind_after);

#endif
