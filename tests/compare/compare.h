/* SPDX-License-Identifier: GPL-2.0 */
/*
 * nfto_compare: the same flows through the C core's flowtable type and through
 * nft_offload's, and what a driver gets from each.
 *
 * main.c	finds the types, runs the cases, shows the result in debugfs
 * cases.c	the cases
 * flows.c	makes a flow of the flowtable core out of a case
 * ports.c	the devices and their driver, which records its rules
 * rule.c	which case a rule is for
 * rule_text.c	a rule as text
 */
#ifndef NFTO_COMPARE_H
#define NFTO_COMPARE_H

#include <linux/netdevice.h>
#include <linux/seq_buf.h>
#include <net/lwtunnel.h>
#include <net/netfilter/nf_flow_table.h>

/* The devices. */
enum cmp_port {
	CMP_LAN,	/* Ethernet, to the client */
	CMP_WAN,	/* Ethernet, to the server */
	CMP_UPPER,	/* Ethernet, the device of a route above CMP_WAN */
	CMP_GRE,	/* ARPHRD_IPGRE, an address of four bytes */
	CMP_RAW,	/* ARPHRD_NONE, no address */
	CMP_GRETAP,	/* Ethernet, a tunnel that is a device */
	CMP_PORTS,
};

/* Who has an address, and the second byte of that address (IPv4). */
enum cmp_role {
	CMP_CLIENT = 1,
	CMP_SERVER = 2,
	CMP_OUTSIDE = 3,	/* what the client becomes by SNAT */
	CMP_VIRTUAL = 4,	/* what the client dials, with DNAT */
};

/* One direction of a flow: how its packets arrive, how they leave. */
struct cmp_side {
	/* Encapsulations on arrival, outermost first. */
	struct {
		u16 proto;
		u16 id;
	} encap[NF_FLOW_TABLE_ENCAP_MAX];
	/* As in struct flow_offload_tuple. */
	u8 in_vlan_ingress;
	u8 tun_num;
	/* 0: FLOW_OFFLOAD_XMIT_DIRECT, out of the lowest device. */
	enum flow_offload_xmit_type xmit;
	/* Otherwise the route: its device, if it is not the lowest one, ... */
	enum cmp_port route;
	/* ... its tunnel, one with an address only or one with all that a tunnel
	 * can have, ...
	 */
	enum lwtunnel_encap_types tunnel;
	bool bare;
	/* ... and that nobody knows the address of the next hop yet. */
	bool unresolved;
	/* 0: that of the devices. */
	u16 mtu;
};

/* A flow. */
struct cmp_case {
	const char *name;
	u8 l3proto;
	u8 l4proto;
	bool snat;
	bool dnat;
	/* The lowest device to the server; 0: CMP_WAN. */
	enum cmp_port wan;
	union {
		struct {
			struct cmp_side original;
			struct cmp_side reply;
		};
		/* By enum flow_offload_tuple_dir. */
		struct cmp_side side[FLOW_OFFLOAD_DIR_MAX];
	};
};

extern const struct cmp_case cmp_cases[];
extern const unsigned int cmp_case_count;

static inline enum cmp_port cmp_case_wan(const struct cmp_case *c)
{
	return c->wan ?: CMP_WAN;
}

/* Cases are told apart by the addresses of their flows. */
__be32 cmp_ipv4(unsigned int number, enum cmp_role role);
struct in6_addr cmp_ipv6(unsigned int number, enum cmp_role role);
/* The case and the role, if it is an address of ours. */
bool cmp_is_ipv4(__be32 addr, unsigned int *number, enum cmp_role *role);
bool cmp_is_ipv6(const struct in6_addr *addr, unsigned int *number,
		 enum cmp_role *role);

/* What the driver got for one direction of a case. */
struct cmp_record {
	/* The rule that the device got on which the packets arrive, ... */
	char *rule;
	/* ... how often it got it, and how often other devices did. */
	unsigned int times;
	unsigned int elsewhere;
	/* The next hop of this direction was asked for its address. */
	bool solicited;
};

struct cmp_record *cmp_records_new(void);
void cmp_records_free(struct cmp_record *records);
/* Forgets what was recorded. */
void cmp_records_clear(struct cmp_record *records, unsigned int number);
void cmp_record_print(const struct cmp_record *record, struct seq_buf *out);

/* Creates the devices; what their driver gets goes to records. */
int cmp_ports_create(struct cmp_record *records);
void cmp_ports_destroy(void);
struct net_device *cmp_port(enum cmp_port port);
/* "cmp0" and so on, or "?". */
const char *cmp_port_name(int ifindex);

struct flow_offload *cmp_flow_new(unsigned int number);
/* Makes the next hops of a case known: those that are, or those that are not
 * known from the start.
 */
int cmp_neighbours(unsigned int number, bool unresolved);
int cmp_flows_init(void);
void cmp_flows_exit(void);

/* Which direction of which case a rule is for. */
bool cmp_rule_case(const struct flow_rule *rule, unsigned int *number,
		   enum flow_offload_tuple_dir *dir);
/* The device on which the packets of a rule arrive. */
int cmp_rule_ingress(const struct flow_rule *rule);

#endif
