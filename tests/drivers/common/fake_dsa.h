/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Included before a driver's file that asks for the port of a DSA switch. The test
 * kernel is without DSA, and so is its struct net_device, so it begins here.
 */
#ifndef NFTO_DRIVERS_FAKE_DSA_H
#define NFTO_DRIVERS_FAKE_DSA_H

#include "fake.h"

#include <linux/etherdevice.h>
#include <linux/if_vlan.h>
#include <net/dsa.h>
#include <net/flow_offload.h>
#include <net/pkt_cls.h>

#if !IS_ENABLED(CONFIG_NET_DSA)
#define CONFIG_NET_DSA 1
#endif

struct dsa_port *fake_dsa_port(struct net_device *dev);
#define dsa_port_from_netdev fake_dsa_port

#endif
