/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Profiles of the simulated switch NIC. Each describes one kind of hardware:
 * what its driver accepts, what it refuses and with which message, and what the
 * hardware does without any rule. A profile converts a rule as the driver gets
 * it into a draft: a key to look frames up by, and a list of operations. The
 * datapath executes the operations and does not depend on profiles, except for
 * the few flags of struct nsim_flow_profile.
 *
 * A profile is written from the driver that it is named after, and shares no
 * code and no table with the module that it tests.
 */
#ifndef NSIM_FLOW_PROFILE_H
#define NSIM_FLOW_PROFILE_H

#include <linux/bits.h>
#include <linux/if_ether.h>
#include <linux/netlink.h>
#include <linux/types.h>
#include <net/flow_offload.h>
#include <net/pkt_cls.h>

#define NSIM_FLOW_MAX_TAGS	2
#define NSIM_FLOW_MAX_ACTIONS	32
#define NSIM_FLOW_MAX_OPS	40
#define NSIM_FLOW_KEY(name)	BIT_ULL(FLOW_DISSECTOR_KEY_##name)

/* Sets the extack of a refusal, and yields its errno. 68 characters at most. */
#define nsim_flow_refuse(extack, err, fmt, ...)				\
({									\
	NL_SET_ERR_MSG_FMT_MOD(extack, fmt, ##__VA_ARGS__);		\
	err;								\
})

/*
 * Refuses without an extack, as many drivers do. The text goes to the debugfs
 * file `refusal` instead, for debugging.
 */
#define nsim_flow_quiet(draft, err, fmt, ...)				\
({									\
	scnprintf((draft)->why, sizeof((draft)->why), fmt, ##__VA_ARGS__); \
	err;								\
})

struct nsim_flow_port;
struct netdevsim;

/* One 802.1Q or 802.1ad tag as it is matched, in network order. */
struct nsim_flow_tag {
	__be16 tpid;
	__be16 vid;
};

/* The key of a rule, by which a frame is looked up; exact, no padding. */
struct nsim_flow_key {
	struct nsim_flow_port *port;
	__be32 src[4];			/* an IPv4 address is in [0] */
	__be32 dst[4];
	__be16 sport;
	__be16 dport;
	struct nsim_flow_tag tag[NSIM_FLOW_MAX_TAGS];	/* outermost first */
	__be16 n_proto;
	u8 ip_proto;
	u8 n_tags;
	__be16 pppoe_sid;
	u8 pppoe;			/* 1: there is a PPPoE header */
	u8 zero[5];
};

static_assert(sizeof(struct nsim_flow_key) ==
	      offsetofend(struct nsim_flow_key, zero));

/* The match of a rule besides its key; a mask of 0 matches all frames. */
struct nsim_flow_extra {
	u8 eth[2 * ETH_ALEN];		/* as on the wire: dst, src */
	u8 eth_mask[2 * ETH_ALEN];
	u8 prio, prio_mask;		/* of the outer tag */
	u8 tos, tos_mask;
	u8 ttl, ttl_mask;
	u8 tcp_flags, tcp_flags_mask;
};

enum nsim_flow_op_id {
	NSIM_FLOW_OP_SET,		/* pedit's set on a word */
	NSIM_FLOW_OP_ADD,		/* pedit's add on a word */
	NSIM_FLOW_OP_CSUM,		/* act_csum */
	NSIM_FLOW_OP_POP,		/* the outermost tag */
	NSIM_FLOW_OP_PUSH,
	NSIM_FLOW_OP_VID,		/* of the outermost tag, no other bit */
	NSIM_FLOW_OP_PPPOE_PUSH,	/* below the tags: there are none */
	NSIM_FLOW_OP_STRIP,		/* all tags and the PPPoE header */
	NSIM_FLOW_OP_TTL,		/* decrement TTL or hop limit */
	NSIM_FLOW_OP_FIX,		/* checksums follow what was rewritten */
	NSIM_FLOW_OP_PORT_SMAC,		/* source MAC: the egress port's */
	NSIM_FLOW_OP_OUT,		/* the last one */
};

struct nsim_flow_op {
	enum nsim_flow_op_id id;
	union {
		struct {
			enum flow_action_mangle_base htype;
			u32 offset;
			u32 mask;	/* bits to keep, as they lie in memory */
			u32 val;
		} mangle;
		struct {
			__be16 proto;
			u16 tci;
		} vlan;
		u32 csum_flags;
		u16 sid;
	};
};

/* A command in progress: its input, and for REPLACE what the profile made. */
struct nsim_flow_draft {
	struct nsim_flow_port *port;
	struct net_device *dev;		/* of the port, NULL once it is gone */
	struct flow_cls_offload *f;
	struct netlink_ext_ack *extack;
	char why[96];

	struct nsim_flow_key key;
	struct nsim_flow_extra extra;
	struct netdevsim *egress;	/* NULL: to the CPU, as rewritten */
	unsigned int pppoe_out;		/* PPPoE headers on a frame that leaves */
	unsigned int n_ops;
	struct nsim_flow_op ops[NSIM_FLOW_MAX_OPS];
};

struct nsim_flow_profile {
	/* Called first for every command. Returns 0, or an errno for it. */
	int (*gate)(struct nsim_flow_draft *d);
	/* REPLACE: reads d->f->rule, and fills in the rest of the draft. */
	int (*parse)(struct nsim_flow_draft *d);

	/* The driver's extack for a cookie that exists; NULL without one. */
	const char *known_text;
	int unknown_errno;
	bool cookie_per_port;		/* else one name space for the switch */
	bool talks;			/* extack if no rule is at fault, too */

	/* A port can have further bindings; repeated ones are counted. */
	bool shared_bind;

	/*
	 * Works as a PPE: the driver keeps the rules, and the hardware learns
	 * a rule after frames of it have reached the CPU. Rules with the same
	 * key can coexist, and a full table is no error. Frames are looked up
	 * by addresses, protocol and ports alone.
	 */
	bool ppe;
	bool ppe_oldest_wins;
	u32 ppe_timestamp_mask;		/* seconds */

	bool trap_tcp;			/* SYN, FIN, RST go to the CPU */
	bool trap_gre_version;		/* so does GRE other than version 0 */

	/* 0: the driver assigns `lastused`, and does not set a type. */
	enum flow_action_hw_stats stats_type;
};

extern const struct nsim_flow_profile nsim_flow_profile_tc;
extern const struct nsim_flow_profile nsim_flow_profile_mlx5;
extern const struct nsim_flow_profile nsim_flow_profile_mtk;
extern const struct nsim_flow_profile nsim_flow_profile_airoha;
extern const struct nsim_flow_profile nsim_flow_profile_sfc;

/* Appends an operation. Returns NULL if there are too many. */
static inline struct nsim_flow_op *nsim_flow_add_op(struct nsim_flow_draft *d,
						    enum nsim_flow_op_id id)
{
	struct nsim_flow_op *op;

	if (d->n_ops == NSIM_FLOW_MAX_OPS)
		return NULL;
	op = &d->ops[d->n_ops++];
	memset(op, 0, sizeof(*op));
	op->id = id;
	return op;
}

/* Returns whether dev is a port of the switch that the command is for. */
bool nsim_flow_same_switch(const struct nsim_flow_draft *d,
			   const struct net_device *dev);

/* Returns whether the driver is bound by TC_SETUP_BLOCK, as with tc. */
bool nsim_flow_is_tc_block(const struct nsim_flow_draft *d);

/* Sets the egress port of the draft to dev, a port of this switch. */
int nsim_flow_set_egress(struct nsim_flow_draft *d, struct net_device *dev);

#endif
