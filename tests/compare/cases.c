// SPDX-License-Identifier: GPL-2.0
/* The flows that are compared. */
#include <linux/if_ether.h>
#include "compare.h"

#define V4		NFPROTO_IPV4
#define V6		NFPROTO_IPV6
#define TCP		IPPROTO_TCP
#define UDP		IPPROTO_UDP
#define GRE		IPPROTO_GRE
#define NEIGH		.xmit = FLOW_OFFLOAD_XMIT_NEIGH
#define XFRM		.xmit = FLOW_OFFLOAD_XMIT_XFRM
#define Q(vid)		{ ETH_P_8021Q, vid }
#define AD(vid)		{ ETH_P_8021AD, vid }
#define PPPOE(sid)	{ ETH_P_PPP_SES, sid }
#define ENCAP(...)	.encap = { __VA_ARGS__ }
#define IP		LWTUNNEL_ENCAP_IP
#define IP6		LWTUNNEL_ENCAP_IP6
#define MPLS		LWTUNNEL_ENCAP_MPLS

const struct cmp_case cmp_cases[] = {
	/* Addresses and ports. */
	{ "v4 tcp", V4, TCP },
	{ "v4 udp", V4, UDP },
	{ "v4 tcp snat", V4, TCP, .snat = true },
	{ "v4 udp snat", V4, UDP, .snat = true },
	{ "v4 tcp dnat", V4, TCP, .dnat = true },
	{ "v4 udp dnat", V4, UDP, .dnat = true },
	{ "v4 tcp snat+dnat", V4, TCP, .snat = true, .dnat = true },
	{ "v4 udp snat+dnat", V4, UDP, .snat = true, .dnat = true },
	{ "v6 tcp", V6, TCP },
	{ "v6 udp", V6, UDP },
	{ "v6 tcp snat", V6, TCP, .snat = true },
	{ "v6 udp snat", V6, UDP, .snat = true },
	{ "v6 tcp dnat", V6, TCP, .dnat = true },
	{ "v6 udp dnat", V6, UDP, .dnat = true },
	{ "v6 tcp snat+dnat", V6, TCP, .snat = true, .dnat = true },
	{ "v6 udp snat+dnat", V6, UDP, .snat = true, .dnat = true },
	{ "v4 gre", V4, GRE },
	{ "v6 gre", V6, GRE },
	{ "v4 gre snat", V4, GRE, .snat = true },

	/* Tags and PPPoE. */
	{ "v4 tag on lan", V4, TCP, .original = { ENCAP(Q(10)) } },
	{ "v4 tag on wan", V4, TCP, .reply = { ENCAP(Q(20)) } },
	{ "v4 tag on both", V4, UDP, .original = { ENCAP(Q(10)) }, .reply = { ENCAP(Q(20)) } },
	{ "v4 tag on both snat", V4, UDP, .snat = true, .original = { ENCAP(Q(10)) }, .reply = { ENCAP(Q(20)) } },
	{ "v6 tag on both", V6, UDP, .original = { ENCAP(Q(10)) }, .reply = { ENCAP(Q(20)) } },
	{ "v4 tag by bridge", V4, TCP, .original = { ENCAP(Q(10)), .in_vlan_ingress = 1 } },
	{ "v4 Q+Q outer by bridge", V4, TCP, .reply = { ENCAP(Q(100), Q(200)), .in_vlan_ingress = 1 } },
	{ "v4 Q+Q", V4, TCP, .reply = { ENCAP(Q(100), Q(200)) } },
	{ "v4 AD+Q", V4, TCP, .reply = { ENCAP(AD(100), Q(200)) } },
	{ "v4 AD", V4, TCP, .reply = { ENCAP(AD(100)) } },
	{ "v4 tag / Q+Q", V4, TCP, .original = { ENCAP(Q(10)) }, .reply = { ENCAP(Q(100), Q(200)) } },
	{ "v4 tag / AD", V4, TCP, .original = { ENCAP(Q(10)) }, .reply = { ENCAP(AD(100)) } },
	{ "v4 pppoe", V4, UDP, .reply = { ENCAP(PPPOE(0x1234)) } },
	{ "v4 pppoe snat", V4, TCP, .snat = true, .reply = { ENCAP(PPPOE(0x1234)) } },
	{ "v6 pppoe", V6, TCP, .reply = { ENCAP(PPPOE(0x1234)) } },
	{ "v4 tag+pppoe snat", V4, TCP, .snat = true, .reply = { ENCAP(Q(7), PPPOE(0x1234)) } },
	{ "v4 tag / tag+pppoe snat", V4, UDP, .snat = true,
	  .original = { ENCAP(Q(10)) }, .reply = { ENCAP(Q(7), PPPOE(0x1234)) } },
	{ "v4 AD+pppoe", V4, UDP, .reply = { ENCAP(AD(100), PPPOE(0x1234)) } },

	/* Sent through a neighbour. */
	{ "v4 neigh both", V4, TCP, .original = { NEIGH }, .reply = { NEIGH } },
	{ "v4 neigh original", V4, UDP, .original = { NEIGH } },
	{ "v4 neigh reply snat", V4, TCP, .snat = true, .reply = { NEIGH } },
	{ "v6 neigh both", V6, TCP, .original = { NEIGH }, .reply = { NEIGH } },
	{ "v4 neigh upper", V4, TCP, .original = { NEIGH, .route = CMP_UPPER } },
	{ "v4 neigh unresolved", V4, TCP, .original = { NEIGH, .unresolved = true } },
	{ "v6 neigh unresolved", V6, UDP, .original = { NEIGH, .unresolved = true } },
	{ "v4 neigh gre", V4, TCP, .wan = CMP_GRE, .original = { NEIGH } },
	{ "v4 neigh raw", V4, TCP, .wan = CMP_RAW, .original = { NEIGH } },
	{ "v6 neigh gre", V6, TCP, .wan = CMP_GRE, .original = { NEIGH } },

	/* Routes with a tunnel. */
	{ "v4 in ip tunnel", V4, UDP, .original = { NEIGH, .tunnel = IP } },
	{ "v4 in ip tunnel snat", V4, TCP, .snat = true, .original = { NEIGH, .tunnel = IP } },
	{ "v4 in ip6 tunnel", V4, UDP, .original = { NEIGH, .tunnel = IP6 } },
	{ "v6 in ip tunnel", V6, TCP, .original = { NEIGH, .tunnel = IP } },
	{ "v4 in ip tunnel gre", V4, TCP, .wan = CMP_GRE, .original = { NEIGH, .tunnel = IP } },
	{ "v4 in bare ip tunnel", V4, TCP, .original = { NEIGH, .tunnel = IP, .bare = true } },
	{ "v4 in ip tunnel both", V4, TCP, .original = { NEIGH, .tunnel = IP }, .reply = { NEIGH, .tunnel = IP } },
	{ "v4 in mpls", V4, TCP, .original = { NEIGH, .tunnel = MPLS } },
	{ "v4 gretap", V4, TCP, .wan = CMP_GRETAP },
	{ "v4 ipip", V4, TCP, .reply = { .tun_num = 1 } },

	/* What no rule should be for. */
	{ "v4 xfrm", V4, TCP, .original = { XFRM } },
	{ "v4 xfrm both", V4, TCP, .original = { XFRM }, .reply = { XFRM } },
	{ "v4 mtu original", V4, TCP, .original = { .mtu = 1400 } },
	{ "v6 mtu reply", V6, UDP, .reply = { .mtu = 1400 } },
	{ "v4 mtu pppoe", V4, TCP, .original = { .mtu = 1492 }, .reply = { ENCAP(PPPOE(0x1234)) } },
};

const unsigned int cmp_case_count = ARRAY_SIZE(cmp_cases);
