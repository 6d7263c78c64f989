// SPDX-License-Identifier: GPL-2.0

#include <net/netfilter/nf_tables.h>
#include "bindings_helper.h"

/* For a flowtable that nf_tables is initialising or has initialised. */
void nfto_flowtable_names(const struct nf_flowtable *ft,
			  struct nfto_names *names)
{
	const struct nft_flowtable *nft;

	nft = container_of(ft, struct nft_flowtable, data);
	names->table = nft->table->name;
	names->flowtable = nft->name;
	names->family = nft->table->family;
}

/*
 * Whether the transaction that creates the flowtable, which may be a dry run,
 * was committed.
 */
bool nfto_flowtable_is_committed(const struct nf_flowtable *ft)
{
	const struct nft_flowtable *nft;

	nft = container_of(ft, struct nft_flowtable, data);
	return !(nft->genmask & nft_genmask_cur(read_pnet(&ft->net)));
}

/* Both change when a transaction is committed, the cursor a moment later. */
u32 nfto_ruleset_generation(const struct net *net, u8 *cursor)
{
	*cursor = READ_ONCE(net->nft.gencursor);
	return READ_ONCE(net->nft.base_seq);
}
