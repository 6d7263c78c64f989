/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The interface between the rest of netdevsim and the simulated switch NIC:
 * the functions of flow.c, and the one function of netdev.c that flow.c calls
 * back. Included at the top of netdevsim.h, so it needs no definition from
 * there.
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

/* The switch exists as long as the debugfs directory of the device. */
int nsim_flow_init(struct nsim_dev *nsim_dev);
void nsim_flow_exit(struct nsim_dev *nsim_dev);

/* A port: call init before the netdev is registered, and exit (may sleep) after
 * it is unregistered and before it is freed.
 */
int nsim_flow_port_init(struct netdevsim *ns);
void nsim_flow_port_exit(struct netdevsim *ns);

int nsim_flow_setup_ft(struct netdevsim *ns, struct flow_block_offload *bo);
/* Returns false for a tc block that the rest of netdevsim handles as before. */
bool nsim_flow_takes_block(struct netdevsim *ns,
			   const struct flow_block_offload *bo);
int nsim_flow_setup_block(struct netdevsim *ns, struct flow_block_offload *bo);

/* Receives a frame from tx_dev at the port rx_ns. Consumes skb; NET_RX_*. */
int nsim_flow_rx(struct net_device *tx_dev, struct netdevsim *rx_ns,
		 struct sk_buff *skb, struct nsim_rq *rq,
		 struct skb_ext *psp_ext);

/* Notifies the host of a frame on a receive queue of the port. */
void nsim_flow_interrupt(struct netdevsim *ns, struct nsim_rq *rq);

int nsim_flow_get_sset_count(struct net_device *dev, int sset);
void nsim_flow_get_strings(struct net_device *dev, u32 sset, u8 *data);
void nsim_flow_get_ethtool_stats(struct net_device *dev,
				 struct ethtool_stats *stats, u64 *data);

/* netdev.c: puts a frame on a receive queue of the host. */
int nsim_forward_skb(struct net_device *tx_dev, struct net_device *rx_dev,
		     struct sk_buff *skb, struct nsim_rq *rq,
		     struct skb_ext *psp_ext);

#endif
