// SPDX-License-Identifier: GPL-2.0
/* Makes a flow of the flowtable core out of a case, without a packet. */
#include <linux/etherdevice.h>
#include <net/arp.h>
#include <net/ip6_route.h>
#include <net/ip_tunnels.h>
#include <net/ndisc.h>
#include <net/netfilter/nf_conntrack.h>
#include <net/netfilter/nf_conntrack_core.h>
#include <net/netfilter/nf_conntrack_zones.h>
#include <net/route.h>
#include "compare.h"

/* No two bytes alike, so that one in the wrong place is seen. */
#define CMP_CLIENT_PORT		0x9c41
#define CMP_SERVER_PORT		0x1389
#define CMP_OUTSIDE_PORT	0xc352
#define CMP_VIRTUAL_PORT	0x1f43

static const struct in6_addr cmp_prefix = { { .u6_addr16 = {
	htons(0xfd00), htons(0x1234), htons(0x5678),
	htons(0x9abc), htons(0xdef1), htons(0x2357),
} } };

__be32 cmp_ipv4(unsigned int number, enum cmp_role role)
{
	return htonl(10 << 24 | role << 16 | number << 8 | 2);
}

bool cmp_is_ipv4(__be32 addr, unsigned int *number, enum cmp_role *role)
{
	u32 host = ntohl(addr);

	*role = (host >> 16) & 0xff;
	*number = (host >> 8) & 0xff;
	return *number < cmp_case_count && addr == cmp_ipv4(*number, *role);
}

struct in6_addr cmp_ipv6(unsigned int number, enum cmp_role role)
{
	struct in6_addr addr = cmp_prefix;

	addr.s6_addr32[3] = cmp_ipv4(number, role);
	return addr;
}

bool cmp_is_ipv6(const struct in6_addr *addr, unsigned int *number,
		 enum cmp_role *role)
{
	return ipv6_prefix_equal(addr, &cmp_prefix, 96) &&
	       cmp_is_ipv4(addr->s6_addr32[3], number, role);
}

static void address(union nf_inet_addr *addr, const struct cmp_case *c,
		    enum cmp_role role)
{
	unsigned int number = c - cmp_cases;

	if (c->l3proto == NFPROTO_IPV4)
		addr->ip = cmp_ipv4(number, role);
	else
		addr->in6 = cmp_ipv6(number, role);
}

static __be16 port(const struct cmp_case *c, enum cmp_role role)
{
	static const u16 ports[] = {
		[CMP_CLIENT] = CMP_CLIENT_PORT,
		[CMP_SERVER] = CMP_SERVER_PORT,
		[CMP_OUTSIDE] = CMP_OUTSIDE_PORT,
		[CMP_VIRTUAL] = CMP_VIRTUAL_PORT,
	};

	return c->l4proto == IPPROTO_GRE ? 0 : htons(ports[role]);
}

static struct nf_conntrack_tuple tuple(const struct cmp_case *c,
				       enum cmp_role from, enum cmp_role to)
{
	struct nf_conntrack_tuple t = {};

	address(&t.src.u3, c, from);
	address(&t.dst.u3, c, to);
	t.src.u.all = port(c, from);
	t.dst.u.all = port(c, to);
	t.src.l3num = c->l3proto;
	t.dst.protonum = c->l4proto;
	return t;
}

/* As a connection that has seen packets in both directions. */
static struct nf_conn *conntrack(const struct cmp_case *c)
{
	struct nf_conntrack_tuple original, reply;
	struct nf_conn *ct;

	original = tuple(c, CMP_CLIENT, c->dnat ? CMP_VIRTUAL : CMP_SERVER);
	reply = tuple(c, CMP_SERVER, c->snat ? CMP_OUTSIDE : CMP_CLIENT);
	ct = nf_conntrack_alloc(&init_net, &nf_ct_zone_dflt, &original, &reply,
				GFP_KERNEL);
	if (IS_ERR(ct))
		return ct;
	ct->status = IPS_CONFIRMED | IPS_SEEN_REPLY | IPS_ASSURED | IPS_OFFLOAD;
	if (c->snat)
		ct->status |= IPS_SRC_NAT;
	if (c->dnat)
		ct->status |= IPS_DST_NAT;
	if (c->l4proto == IPPROTO_TCP)
		ct->proto.tcp.state = TCP_CONNTRACK_ESTABLISHED;
	refcount_set(&ct->ct_general.use, 1);
	return ct;
}

static struct lwtunnel_state *tunnel(enum lwtunnel_encap_types type, bool bare)
{
	struct lwtunnel_state *state;
	struct ip_tunnel_info *info;

	/* The C core reads every kind of tunnel as this one. */
	state = lwtunnel_state_alloc(sizeof(*info));
	if (!state)
		return NULL;
	state->type = type;
	info = (struct ip_tunnel_info *)state->data;
	if (type == LWTUNNEL_ENCAP_MPLS) {
		memset(info, IP_TUNNEL_INFO_TX, sizeof(*info));
		return state;
	}
	info->mode = IP_TUNNEL_INFO_TX;
	if (type == LWTUNNEL_ENCAP_IP6) {
		info->mode |= IP_TUNNEL_INFO_IPV6;
		info->key.u.ipv6.src.s6_addr32[0] = htonl(0xfd00feed);
		info->key.u.ipv6.src.s6_addr32[3] = htonl(1);
		info->key.u.ipv6.dst.s6_addr32[0] = htonl(0xfd00feed);
		info->key.u.ipv6.dst.s6_addr32[3] = htonl(2);
	} else {
		info->key.u.ipv4.src = bare ? 0 : htonl(0xc0000201);
		info->key.u.ipv4.dst = htonl(0xc0000202);
	}
	if (bare)
		return state;
	info->key.tun_id = cpu_to_be64(42);
	info->key.tos = 4;
	info->key.ttl = 63;
	info->key.tp_dst = htons(4789);
	return state;
}

/* The lowest device to the side that a direction goes to. */
static enum cmp_port lowest(const struct cmp_case *c,
			    enum flow_offload_tuple_dir dir)
{
	return dir == FLOW_OFFLOAD_DIR_ORIGINAL ? cmp_case_wan(c) : CMP_LAN;
}

static enum cmp_port route_port(const struct cmp_case *c,
				enum flow_offload_tuple_dir dir)
{
	return c->side[dir].route ?: lowest(c, dir);
}

static struct dst_entry *route(const struct cmp_case *c,
			       enum flow_offload_tuple_dir dir)
{
	struct net_device *dev = cmp_port(route_port(c, dir));
	const struct cmp_side *side = &c->side[dir];
	struct lwtunnel_state *state;
	struct dst_entry *dst;

	if (c->l3proto == NFPROTO_IPV4) {
		struct rtable *rt = rt_dst_alloc(dev, 0, RTN_UNICAST, false);

		dst = rt ? &rt->dst : NULL;
	} else {
		struct rt6_info *rt = ip6_dst_alloc(&init_net, dev, 0);

		dst = rt ? &rt->dst : NULL;
	}
	if (!dst || side->tunnel == LWTUNNEL_ENCAP_NONE)
		return dst;
	state = tunnel(side->tunnel, side->bare);
	if (!state) {
		dst_release(dst);
		return NULL;
	}
	dst->lwtstate = lwtstate_get(state);
	return dst;
}

static void mac_of(u8 *mac, enum cmp_role role, unsigned int number)
{
	const u8 bytes[ETH_ALEN] = { 0x02, 0x5e, 0x21, 0x22, role, number };

	ether_addr_copy(mac, bytes);
}

static enum cmp_role next_hop(enum flow_offload_tuple_dir dir)
{
	return dir == FLOW_OFFLOAD_DIR_ORIGINAL ? CMP_SERVER : CMP_CLIENT;
}

static int fill(struct flow_offload_tuple *t, const struct cmp_case *c,
		enum flow_offload_tuple_dir dir)
{
	const struct cmp_side *side = &c->side[dir];
	struct net_device *out = cmp_port(lowest(c, dir));
	unsigned int i;

	t->iifidx = cmp_port(lowest(c, !dir))->ifindex;
	t->mtu = side->mtu ?: out->mtu;
	for (i = 0; i < NF_FLOW_TABLE_ENCAP_MAX && side->encap[i].proto; i++) {
		t->encap[i].proto = htons(side->encap[i].proto);
		t->encap[i].id = side->encap[i].id;
	}
	t->encap_num = i;
	t->in_vlan_ingress = side->in_vlan_ingress;
	t->tun_num = side->tun_num;
	t->xmit_type = side->xmit ?: FLOW_OFFLOAD_XMIT_DIRECT;
	if (t->xmit_type == FLOW_OFFLOAD_XMIT_DIRECT) {
		t->out.ifidx = out->ifindex;
		ether_addr_copy(t->out.h_source, out->dev_addr);
		mac_of(t->out.h_dest, next_hop(dir), c - cmp_cases);
		return 0;
	}
	t->ifidx = cmp_port(route_port(c, dir))->ifindex;
	t->dst_cache = route(c, dir);
	return t->dst_cache ? 0 : -ENOMEM;
}

struct flow_offload *cmp_flow_new(unsigned int number)
{
	const struct cmp_case *c = &cmp_cases[number];
	unsigned int dir;
	struct flow_offload *flow;
	struct nf_conn *ct;
	int err;

	ct = conntrack(c);
	if (IS_ERR(ct))
		return ERR_CAST(ct);
	flow = flow_offload_alloc(ct);
	/* The flow has a reference of its own. */
	nf_ct_put(ct);
	if (!flow)
		return ERR_PTR(-ENOMEM);
	flow->type = NF_FLOW_OFFLOAD_ROUTE;
	__set_bit(NF_FLOW_HW_BIDIRECTIONAL, &flow->flags);
	for (dir = 0; dir < FLOW_OFFLOAD_DIR_MAX; dir++) {
		err = fill(&flow->tuplehash[dir].tuple, c, dir);
		if (err) {
			flow_offload_free(flow);
			return ERR_PTR(err);
		}
	}
	return flow;
}

static int neighbour(const struct cmp_case *c, enum flow_offload_tuple_dir dir)
{
	struct net_device *dev = cmp_port(route_port(c, dir));
	union nf_inet_addr addr;
	struct neighbour *n;
	u8 mac[ETH_ALEN];
	int err;

	/* Without link-layer addresses there is nothing to resolve. */
	if (!dev->header_ops)
		return 0;
	address(&addr, c, next_hop(dir));
	n = __neigh_lookup_errno(c->l3proto == NFPROTO_IPV4 ? &arp_tbl : &nd_tbl,
				 &addr, dev);
	if (IS_ERR(n))
		return PTR_ERR(n);
	mac_of(mac, next_hop(dir), c - cmp_cases);
	err = neigh_update(n, mac, NUD_PERMANENT,
			   NEIGH_UPDATE_F_OVERRIDE | NEIGH_UPDATE_F_ADMIN, 0);
	neigh_release(n);
	return err;
}

int cmp_neighbours(unsigned int number, bool unresolved)
{
	const struct cmp_case *c = &cmp_cases[number];
	unsigned int dir;
	int err = 0;

	for (dir = 0; dir < FLOW_OFFLOAD_DIR_MAX && !err; dir++) {
		if (c->side[dir].xmit == FLOW_OFFLOAD_XMIT_NEIGH &&
		    c->side[dir].unresolved == unresolved)
			err = neighbour(c, dir);
	}
	return err;
}

/*
 * The kernel of the tests has no MPLS; a tunnel state is freed through the
 * functions of its kind.
 */
static const struct lwtunnel_encap_ops cmp_mpls_ops;

int cmp_flows_init(void)
{
	return lwtunnel_encap_add_ops(&cmp_mpls_ops, LWTUNNEL_ENCAP_MPLS);
}

void cmp_flows_exit(void)
{
	lwtunnel_encap_del_ops(&cmp_mpls_ops, LWTUNNEL_ENCAP_MPLS);
}
