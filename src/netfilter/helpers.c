// SPDX-License-Identifier: GPL-2.0
/*
 * The inline functions and macros of the kernel's headers that Rust cannot
 * call, one small function each. No decision is taken here.
 */
#include <linux/etherdevice.h>
#include <linux/if_arp.h>
#include <linux/jiffies.h>
#include <linux/module.h>
#include <linux/netfilter/nfnetlink.h>
#include <net/dst.h>
#include <net/neighbour.h>
#include <net/netfilter/nf_conntrack.h>
#include <net/netfilter/nf_conntrack_acct.h>
#include <net/netfilter/nf_conntrack_core.h>
#include <net/netfilter/nf_conntrack_l4proto.h>
#include "bindings_helper.h"

void nfto_nfnl_lock(void)
{
	nfnl_lock(NFNL_SUBSYS_NFTABLES);
}

void nfto_nfnl_unlock(void)
{
	nfnl_unlock(NFNL_SUBSYS_NFTABLES);
}

const char *nfto_module_name(struct module *mod)
{
	return mod ? module_name(mod) : "built into the kernel";
}

void nfto_init_rwsem(struct rw_semaphore *sem)
{
	init_rwsem(sem);
}

void nfto_down_read(struct rw_semaphore *sem)
{
	down_read(sem);
}

void nfto_up_read(struct rw_semaphore *sem)
{
	up_read(sem);
}

void nfto_down_write(struct rw_semaphore *sem)
{
	down_write(sem);
}

void nfto_up_write(struct rw_semaphore *sem)
{
	up_write(sem);
}

struct net *nfto_flowtable_net(const struct nf_flowtable *ft)
{
	return read_pnet(&ft->net);
}

void nfto_block_init(struct flow_block *block)
{
	flow_block_init(block);
}

void nfto_flowtable_add_cb(struct nf_flowtable *ft, struct flow_block_cb *cb)
{
	down_write(&ft->flow_block_lock);
	list_add_tail(&cb->list, &ft->flow_block.cb_list);
	up_write(&ft->flow_block_lock);
}

void nfto_flowtable_del_cb(struct nf_flowtable *ft, struct flow_block_cb *cb)
{
	down_write(&ft->flow_block_lock);
	list_del(&cb->list);
	up_write(&ft->flow_block_lock);
}

void nfto_block_offload_init(struct flow_block_offload *bo,
			     struct flow_block *block, struct net *net,
			     enum flow_block_command cmd,
			     struct netlink_ext_ack *extack)
{
	memset(bo, 0, sizeof(*bo));
	bo->net = net;
	bo->block = block;
	bo->command = cmd;
	bo->binder_type = FLOW_BLOCK_BINDER_TYPE_CLSACT_INGRESS;
	bo->extack = extack;
	bo->cb_list_head = &block->cb_list;
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

bool nfto_setup_tc_supported(const struct net_device *dev)
{
	return dev->netdev_ops && dev->netdev_ops->ndo_setup_tc;
}

int nfto_setup_tc_ft(struct net_device *dev, struct flow_block_offload *bo)
{
	return dev->netdev_ops->ndo_setup_tc(dev, TC_SETUP_FT, bo);
}

bool nfto_flow_test(const struct flow_offload *flow, unsigned int bit)
{
	return test_bit(bit, &flow->flags);
}

const struct flow_offload_tuple *
nfto_flow_tuple(const struct flow_offload *flow, unsigned int dir)
{
	return &flow->tuplehash[dir & 1].tuple;
}

struct flow_offload *nfto_flow_from_cookie(unsigned long cookie,
					   unsigned int *dir)
{
	struct flow_offload_tuple *tuple = (void *)cookie;
	struct flow_offload_tuple_rhash *rhash;

	*dir = tuple->dir & 1;
	rhash = container_of(tuple, struct flow_offload_tuple_rhash, tuple);
	return container_of(rhash, struct flow_offload, tuplehash[*dir]);
}

/*
 * The next hop of a flow that is sent through a neighbour (XMIT_NEIGH): the
 * device of its route, that device's address, and the neighbour's.
 * -EOPNOTSUPP: not an Ethernet device; -ENOENT: no neighbour entry;
 * -EAGAIN: the neighbour is not resolved; its resolution was started.
 */
int nfto_flow_nexthop(const struct flow_offload *flow, unsigned int dir,
		      struct nfto_nexthop *hop)
{
	const struct flow_offload_tuple *tuple = nfto_flow_tuple(flow, dir);
	const struct flow_offload_tuple *other = nfto_flow_tuple(flow, !dir);
	struct dst_entry *dst = tuple->dst_cache;
	const struct net_device *dev;
	struct neighbour *n;
	bool valid;

	if (!dst)
		return -EOPNOTSUPP;

	/* The route loses its device when that goes away. */
	rcu_read_lock();
	dev = dst_dev_rcu(dst);
	if (dev->type != ARPHRD_ETHER || dev->addr_len != ETH_ALEN) {
		rcu_read_unlock();
		return -EOPNOTSUPP;
	}
	hop->ifindex = READ_ONCE(dev->ifindex);
	ether_addr_copy(hop->h_source, dev->dev_addr);
	n = dst_neigh_lookup(dst, &other->src_v4);
	rcu_read_unlock();
	if (!n)
		return -ENOENT;

	read_lock_bh(&n->lock);
	valid = n->nud_state & NUD_VALID;
	ether_addr_copy(hop->h_dest, n->ha);
	read_unlock_bh(&n->lock);
	if (!valid)
		neigh_event_send(n, NULL);
	neigh_release(n);
	return valid ? 0 : -EAGAIN;
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

void nfto_flow_account(struct flow_offload *flow, unsigned int dir,
		       u64 packets, u64 bytes)
{
	nf_ct_acct_add(flow->ct, dir, packets, bytes);
}

void nfto_flow_set_hw_offload(struct flow_offload *flow, bool on)
{
	if (on)
		set_bit(IPS_HW_OFFLOAD_BIT, &flow->ct->status);
	else
		clear_bit(IPS_HW_OFFLOAD_BIT, &flow->ct->status);
}

int nfto_dev_ifindex(const struct net_device *dev)
{
	return READ_ONCE(dev->ifindex);
}

const char *nfto_dev_name(const struct net_device *dev)
{
	return dev->name;
}

const char *nfto_dev_driver(const struct net_device *dev)
{
	const struct device *parent = dev->dev.parent;
	const struct device_driver *driver = parent ? parent->driver : NULL;

	/* As netdev_drivername(), which is not exported. */
	return driver && driver->name ? driver->name : "";
}

void nfto_dev_put(struct net_device *dev)
{
	dev_put(dev);
}

__be16 nfto_skb_protocol(const struct sk_buff *skb)
{
	return skb->protocol;
}

/*
 * Copies len bytes at offset from the start of the frame's link-layer header.
 * False if the frame is too short or the header cannot be made linear.
 */
bool nfto_skb_mac_bytes(struct sk_buff *skb, unsigned int offset, void *to,
			unsigned int len)
{
	int need = skb_mac_offset(skb) + (int)(offset + len);

	if (need > 0 && !pskb_may_pull(skb, need))
		return false;

	memcpy(to, skb_mac_header(skb) + offset, len);
	return true;
}

u64 nfto_jiffies64(void)
{
	return get_jiffies_64();
}
