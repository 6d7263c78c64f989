// SPDX-License-Identifier: GPL-2.0
/*
 * Finds all flows with the same packets in the core's table; the core's own
 * lookup stops at the first one. The core keeps a flow that was torn down in its
 * table until the DESTROY of the flow has ended, and inserts the next flow of the
 * connection beside it.
 */
#include <linux/rhashtable.h>
#include "bindings_helper.h"
#include "flowtable.h"

/* What is searched, and what was found so far. */
struct nfto_twins {
	const struct flow_offload_tuple *key;
	/* The entry of the flow that has the key, which is no twin; or NULL. */
	const struct flow_offload_tuple_rhash *of;
	/* Flows that were torn down do not count. */
	bool live;
	unsigned long *found;
	unsigned int skip;
	unsigned int room;
	unsigned int count;
	/* The flow itself was met. */
	bool met;
};

static bool nfto_tuple_is(const struct flow_offload_tuple *a,
			  const struct flow_offload_tuple *b)
{
	/* The first words of the addresses and the ports tell most apart. */
	return a->src_v4.s_addr == b->src_v4.s_addr &&
	       a->dst_v4.s_addr == b->dst_v4.s_addr &&
	       a->src_port == b->src_port && a->dst_port == b->dst_port &&
	       !memcmp(a, b, offsetof(struct flow_offload_tuple, __hash));
}

static void nfto_twins_look(struct nfto_twins *twins, struct rhash_head *head)
{
	struct flow_offload_tuple_rhash *other;

	other = container_of(head, struct flow_offload_tuple_rhash, node);
	if (other == twins->of) {
		twins->met = true;
		return;
	}
	if (likely(!nfto_tuple_is(&other->tuple, twins->key)) ||
	    twins->count >= twins->room)
		return;
	if (twins->live &&
	    test_bit(NF_FLOW_TEARDOWN, &nfto_flow_of(other)->flags))
		return;
	if (twins->skip) {
		twins->skip--;
		return;
	}
	twins->found[twins->count++] = (unsigned long)nfto_flow_of(other) |
				       (other->tuple.dir & 1);
}

/*
 * Returns the bucket that the flow is in; NULL without a flow. It needs no hash: the chain of a bucket
 * ends with the bucket's address (RHT_NULLS_MARKER). While entries move to another
 * table, it can be the bucket of another flow.
 */
static struct rhash_lock_head __rcu *const *
nfto_twins_bucket(const struct nfto_twins *twins)
{
	struct rhash_head *head;

	if (!twins->of)
		return NULL;
	head = rcu_dereference(twins->of->node.next);
	while (!rht_is_a_nulls(head))
		head = rcu_dereference(head->next);
	return (void *)((unsigned long)head & ~1UL);
}

static void nfto_twins_in_bucket(struct nfto_twins *twins,
				 struct rhash_lock_head __rcu *const *bkt)
{
	const struct nfto_twins before = *twins;
	struct rhash_head *head;

	do {
		*twins = before;
		twins->met = false;
		for (head = rht_ptr_rcu(bkt); !rht_is_a_nulls(head);
		     head = rcu_dereference(head->next))
			nfto_twins_look(twins, head);
		/* An entry may have moved on to another chain. */
	} while (head != RHT_NULLS_MARKER(bkt));
}

/*
 * Looks through the bucket of each table: there are several while the core's
 * table is being resized. Twins are in the same bucket, so a hash is computed
 * only for tables in whose bucket the flow is not met.
 */
static void nfto_twins_search(struct nfto_twins *twins, struct rhashtable *ht)
{
	struct rhash_lock_head __rcu *const *own = nfto_twins_bucket(twins);
	struct nfto_twins before;
	struct bucket_table *tbl;
	unsigned int hash;

	for (tbl = rht_dereference_rcu(ht->tbl, ht); tbl;
	     tbl = rht_dereference_rcu(tbl->future_tbl, ht)) {
		before = *twins;
		twins->met = false;
		if (likely(!tbl->nest && own >= tbl->buckets &&
			   own < tbl->buckets + tbl->size))
			nfto_twins_in_bucket(twins, own);
		if (unlikely(!twins->met)) {
			*twins = before;
			hash = rht_key_hashfn(ht, tbl, twins->key, ht->p);
			nfto_twins_in_bucket(twins, rht_bucket(tbl, hash));
		}
		/* As in rhashtable_lookup(). */
		smp_rmb();
	}
}

/*
 * Finds the other flows in the table that have packets as those of a direction
 * of flow, which is in the table: the same addresses, ports, protocols, ingress
 * device, tags and tunnel. Skips the first ones and writes the addresses of at
 * most room of the others, the direction in the lowest bit; returns their
 * number. The flows may be freed before this returns; the addresses are only
 * keys. One flow may be found twice while the table is being resized.
 */
unsigned int nfto_flow_twins(struct nf_flowtable *ft,
			     const struct flow_offload *flow, unsigned int dir,
			     unsigned int skip, unsigned long *found,
			     unsigned int room)
{
	struct nfto_twins twins = {
		.key	= nfto_flow_tuple(flow, dir),
		.of	= &flow->tuplehash[dir & 1],
		.found	= found,
		.skip	= skip,
		.room	= room,
	};

	rcu_read_lock();
	nfto_twins_search(&twins, &ft->rhashtable);
	rcu_read_unlock();
	return twins.count;
}

struct flow_offload *nfto_flow_live(struct nf_flowtable *ft,
				    const struct flow_offload_tuple *key)
{
	unsigned long found = 0;
	struct nfto_twins twins = {
		.key	= key,
		.live	= true,
		.found	= &found,
		.room	= 1,
	};

	nfto_twins_search(&twins, &ft->rhashtable);
	/* Without the direction. */
	return twins.count ? (void *)(found & ~1UL) : NULL;
}

/* Whether two directions of flows have the same packets. */
bool nfto_flow_is_twin(const struct flow_offload *flow, unsigned int dir,
		       const struct flow_offload *other, unsigned int other_dir)
{
	return nfto_tuple_is(nfto_flow_tuple(flow, dir),
			     nfto_flow_tuple(other, other_dir));
}
