/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the rest of netdevsim calls in flow.c, the simulated switch NIC, and
 * the one function of netdev.c that flow.c calls back. Included at the top of
 * netdevsim.h, so it needs no definition from there.
 */
#ifndef NSIM_FLOW_H
#define NSIM_FLOW_H

#include <linux/types.h>

struct ethtool_stats;
struct flow_block_offload;
struct net_device;
struct netdevsim;
struct nsim_dev;
struct nsim_rq;
struct sk_buff;
struct skb_ext;

/* The switch comes and goes with the debugfs directory of the device. */
int nsim_flow_init(struct nsim_dev *nsim_dev);
void nsim_flow_exit(struct nsim_dev *nsim_dev);

/* A port: init before the netdev is registered, exit (may sleep) after it is
 * unregistered and before it is freed.
 */
int nsim_flow_port_init(struct netdevsim *ns);
void nsim_flow_port_exit(struct netdevsim *ns);

int nsim_flow_setup_ft(struct netdevsim *ns, struct flow_block_offload *bo);
/* False: a block of tc that the rest of netdevsim takes as it always did. */
bool nsim_flow_takes_block(struct netdevsim *ns,
			   const struct flow_block_offload *bo);
int nsim_flow_setup_block(struct netdevsim *ns, struct flow_block_offload *bo);

/* A frame from tx_dev arrives at the port rx_ns. Consumes skb; NET_RX_*. */
int nsim_flow_rx(struct net_device *tx_dev, struct netdevsim *rx_ns,
		 struct sk_buff *skb, struct nsim_rq *rq,
		 struct skb_ext *psp_ext);

/* A frame has been put on a receive queue of the port. */
void nsim_flow_interrupt(struct netdevsim *ns, struct nsim_rq *rq);

int nsim_flow_get_sset_count(struct net_device *dev, int sset);
void nsim_flow_get_strings(struct net_device *dev, u32 sset, u8 *data);
void nsim_flow_get_ethtool_stats(struct net_device *dev,
				 struct ethtool_stats *stats, u64 *data);

/* netdev.c: put a frame on a receive queue of the host. */
int nsim_forward_skb(struct net_device *tx_dev, struct net_device *rx_dev,
		     struct sk_buff *skb, struct nsim_rq *rq,
		     struct skb_ext *psp_ext);

#endif
