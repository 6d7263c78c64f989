// SPDX-License-Identifier: GPL-2.0

#include <net/netfilter/nf_conntrack_acct.h>
#include "bindings_helper.h"

void nfto_flow_account(struct flow_offload *flow, unsigned int dir,
		       u64 packets, u64 bytes)
{
	nf_ct_acct_add(flow->ct, dir, packets, bytes);
}

/* Counts the packets of both directions; false if conntrack has no counters. */
bool nfto_flow_packets(const struct flow_offload *flow, u64 *packets)
{
	const struct nf_conn_acct *acct = nf_conn_acct_find(flow->ct);

	if (!acct)
		return false;
	*packets = atomic64_read(&acct->counter[IP_CT_DIR_ORIGINAL].packets) +
		   atomic64_read(&acct->counter[IP_CT_DIR_REPLY].packets);
	return true;
}
