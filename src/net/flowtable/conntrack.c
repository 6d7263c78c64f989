// SPDX-License-Identifier: GPL-2.0
/*
 * Keeps the connection of a flow in conntrack as long as the flow exists, where
 * the core does not do so.
 */
#include <net/ipv6.h>
#include <net/netfilter/nf_conntrack.h>
#include <net/netfilter/nf_conntrack_l4proto.h>
#include "bindings_helper.h"

/*
 * Sets IPS_OFFLOAD of the connection of a live flow again. The core clears it
 * in the last round of an expired flow, when the next flow of the connection
 * may already exist: nf_flow_offload_gc_step() calls flow_offload_teardown()
 * once more, which clears the bit regardless of the flow that has set it.
 * Without the bit the connection may expire.
 *
 * A teardown that begins at the same moment may leave it set: such a connection
 * is not offloaded again, and ends by its own timeout, which for GRE can be the
 * day that nfto_flow_keep_ct() has given it.
 */
void nfto_flow_hold_ct(const struct flow_offload *flow)
{
	struct nf_conn *ct = flow->ct;

	if (likely(test_bit(IPS_OFFLOAD_BIT, &ct->status)) ||
	    test_bit(NF_FLOW_TEARDOWN, &flow->flags))
		return;
	set_bit(IPS_OFFLOAD_BIT, &ct->status);
	/* Orders it with test_and_set_bit() of flow_offload_teardown(). */
	smp_mb__after_atomic();
	if (test_bit(NF_FLOW_TEARDOWN, &flow->flags))
		clear_bit(IPS_OFFLOAD_BIT, &ct->status);
}

static bool nfto_flow_is_multicast(const struct flow_offload *flow)
{
	const struct flow_offload_tuple *tuple;
	unsigned int dir;

	for (dir = 0; dir < FLOW_OFFLOAD_DIR_MAX; dir++) {
		tuple = &flow->tuplehash[dir].tuple;
		if (tuple->l3proto == NFPROTO_IPV4 ?
		    ipv4_is_multicast(tuple->dst_v4.s_addr) :
		    ipv6_addr_is_multicast(&tuple->dst_v6))
			return true;
	}
	return false;
}

/*
 * Refreshes a flow whose packets all take the slow path, as long as there are
 * packets. When such a flow expires, it would end its connection, which may be
 * unreplied (flow_offload_fixup_ct()). Each packet sets the timeout of the
 * entry anew, and the core then raises it to a day, after this.
 */
void nfto_flow_keep_slow(struct flow_offload *flow)
{
	s32 left;

	if (likely(!nfto_flow_is_multicast(flow) &&
		   !nfto_flow_is_mishandled(flow)))
		return;
	left = READ_ONCE(flow->ct->timeout) - nfct_time_stamp;
	if (left > 0 && left < 5 * 60 * HZ &&
	    !test_bit(NF_FLOW_TEARDOWN, &flow->flags))
		WRITE_ONCE(flow->timeout, nf_flowtable_time_stamp +
			   (u32)nfto_flow_offload_timeout(flow));
}

/*
 * Keeps the conntrack entry of an offloaded flow from expiring.
 * nf_flow_table_extend_ct_timeout() does that for other protocols, but has no
 * case for GRE: it warns and lets the entry expire at once.
 */
void nfto_flow_keep_ct(const struct flow_offload *flow)
{
	struct nf_conn *ct = flow->ct;
	u32 timeout = READ_ONCE(ct->timeout);
	s32 left = timeout - nfct_time_stamp;

	if (left <= 0 || left >= 5 * 60 * HZ)
		return;
	if (!nf_ct_is_confirmed(ct) || !test_bit(IPS_OFFLOAD_BIT, &ct->status))
		return;
	/*
	 * If conntrack sees a packet in the meantime, its timeout wins. If that
	 * is just before the core checks the timeout, the core still warns.
	 */
	while (!try_cmpxchg(&ct->timeout, &timeout,
			    nfct_time_stamp + NF_CT_DAY))
		;
}

/*
 * Resets the timeout of the entry of a flow that ends to the one that conntrack
 * gives GRE; flow_offload_fixup_ct() does so for TCP and UDP only.
 */
void nfto_flow_release_ct(const struct flow_offload *flow)
{
#ifdef CONFIG_NF_CT_PROTO_GRE
	struct nf_conn *ct = flow->ct;
	unsigned int time = nf_gre_pernet(nf_ct_net(ct))->timeouts[GRE_CT_REPLIED];
	u32 timeout = READ_ONCE(ct->timeout);

	/* The next flow of the connection may have begun. */
	if (test_bit(IPS_OFFLOAD_BIT, &ct->status))
		return;
	if ((s32)(timeout - nfct_time_stamp) > (s32)time)
		cmpxchg(&ct->timeout, timeout, nfct_time_stamp + time);
#endif
}

/* As flow_offload_get_timeout(), which is not exported. Unit: jiffies. */
unsigned long nfto_flow_offload_timeout(const struct flow_offload *flow)
{
	struct net *net = nf_ct_net(flow->ct);

	switch (nf_ct_protonum(flow->ct)) {
	case IPPROTO_TCP:
		return READ_ONCE(nf_tcp_pernet(net)->offload_timeout);
	case IPPROTO_UDP:
		return READ_ONCE(nf_udp_pernet(net)->offload_timeout);
	default:
		return NF_FLOW_TIMEOUT;
	}
}
