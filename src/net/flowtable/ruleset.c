// SPDX-License-Identifier: GPL-2.0
/*
 * Ends the flows of a flowtable that a changed ruleset may not accept any more.
 */
#include <linux/rhashtable.h>
#include <net/netfilter/nf_conntrack.h>
#include "bindings_helper.h"
#include "flowtable.h"

/*
 * Tears down the flows of a flowtable for which wants() returns true, in a
 * single RCU read-side section, as the core's garbage collection does. Only the
 * garbage collection frees flows, and only those that were torn down. If a flow
 * is not torn down after a reference of its connection was taken, it held that
 * connection when the reference was taken.
 */
u64 nfto_flowtable_teardown(struct nf_flowtable *ft,
			    bool (*wants)(struct flow_offload *flow, void *data),
			    void *data)
{
	struct flow_offload_tuple_rhash *found;
	struct rhashtable_iter iter;
	struct flow_offload *flow;
	struct nf_conn *ct;
	u64 ended = 0;

	rhashtable_walk_enter(&ft->rhashtable, &iter);
	rhashtable_walk_start(&iter);
	while ((found = rhashtable_walk_next(&iter))) {
		/* The walk starts again when the table was resized. */
		if (IS_ERR(found) || found->tuple.dir)
			continue;
		flow = container_of(found, struct flow_offload, tuplehash[0]);
		ct = flow->ct;
		if (test_bit(NF_FLOW_TEARDOWN, &flow->flags) ||
		    !refcount_inc_not_zero(&ct->ct_general.use))
			continue;
		/* As in __nf_conntrack_find_get(). */
		smp_acquire__after_ctrl_dep();
		if (!test_bit(NF_FLOW_TEARDOWN, &flow->flags) &&
		    wants(flow, data)) {
			nfto_teardown(flow);
			ended++;
		}
		nf_ct_put(ct);
	}
	rhashtable_walk_stop(&iter);
	rhashtable_walk_exit(&iter);
	return ended;
}
