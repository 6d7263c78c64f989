// SPDX-License-Identifier: GPL-2.0

#include <net/flow_offload.h>
#include "bindings_helper.h"

void nfto_blocks_init(struct nfto_blocks *blocks)
{
	flow_block_init(&blocks->bound);
	flow_block_init(&blocks->late);
}

bool nfto_blocks_empty(const struct nfto_blocks *blocks)
{
	return list_empty(&blocks->bound.cb_list) &&
	       list_empty(&blocks->late.cb_list);
}

void nfto_block_offload_init(struct flow_block_offload *bo,
			     struct flow_block *block, struct net *net,
			     struct flow_block *late,
			     enum flow_block_command cmd,
			     struct netlink_ext_ack *extack)
{
	memset(bo, 0, sizeof(*bo));
	bo->net = net;
	bo->block = block;
	bo->command = cmd;
	bo->binder_type = FLOW_BLOCK_BINDER_TYPE_CLSACT_INGRESS;
	bo->extack = extack;
	bo->cb_list_head = &late->cb_list;
	INIT_LIST_HEAD(&bo->cb_list);
}

void nfto_block_splice(struct flow_block_offload *bo)
{
	list_splice_init(&bo->cb_list, &bo->block->cb_list);
}

void nfto_block_free_cbs(struct list_head *cb_list)
{
	struct flow_block_cb *cb, *next;

	list_for_each_entry_safe(cb, next, cb_list, list) {
		list_del(&cb->list);
		flow_block_cb_free(cb);
	}
}

/* As a driver's cleanup of an indirect callback (nft_indr_block_cleanup). */
void nfto_block_cb_take_out(struct flow_block_cb *cb)
{
	list_del(&cb->driver_list);
	list_del(&cb->list);
}
