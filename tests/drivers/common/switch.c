// SPDX-License-Identifier: GPL-2.0
/*
 * A DSA switch behind the conduit: its user port, as net/dsa/user.c makes it,
 * and the switch itself on the wire, which puts MediaTek's tag on and off.
 *
 *   host ──wire── port 3 [ switch ] ──tagged── conduit [ SoC ]
 *
 * The tag is between the MACs and the rest: a byte that says whether the frame
 * has a VLAN tag as well (to the switch only), a byte with the port (from the
 * switch: its number; to the switch: a bit for each), and the VLAN.
 */
#include <linux/etherdevice.h>
#include <linux/if_vlan.h>
#include <linux/rtnetlink.h>
#include <net/dsa.h>
#include <net/rtnetlink.h>

#include "switch.h"

struct dsa_port *fake_dsa_port(struct net_device *dev);

static struct net_device *user;
static const struct dsa_device_ops tag_ops = { .proto = DSA_TAG_PROTO_MTK };
static struct dsa_port cpu_port = { .tag_ops = &tag_ops };
static struct dsa_port user_port = { .cpu_dp = &cpu_port, .index = SWITCH_PORT };

/* dsa_port_from_netdev() */
struct dsa_port *fake_dsa_port(struct net_device *dev)
{
	return user && dev == user ? &user_port : ERR_PTR(-ENODEV);
}

/* ---- the switch ---- */

unsigned int switch_tag_len(const struct net_device *dev)
{
	return user && dev == cpu_port.conduit ? SWITCH_TAG_LEN : 0;
}

bool switch_tag(struct net_device *conduit, struct sk_buff *skb)
{
	u8 *tag;

	if (!switch_tag_len(conduit))
		return true;
	if (skb_cow_head(skb, SWITCH_TAG_LEN))
		return false;
	skb_push(skb, SWITCH_TAG_LEN);
	memmove(skb->data, skb->data + SWITCH_TAG_LEN, 2 * ETH_ALEN);
	skb_reset_mac_header(skb);
	tag = skb->data + 2 * ETH_ALEN;
	put_unaligned_be16(SWITCH_PORT, tag);
	put_unaligned_be16(0, tag + 2);
	return true;
}

static void take_off(struct sk_buff *skb)
{
	memmove(skb->data + SWITCH_TAG_LEN, skb->data, 2 * ETH_ALEN);
	skb_pull(skb, SWITCH_TAG_LEN);
	skb_reset_mac_header(skb);
}

void switch_to_cpu(struct sk_buff *skb)
{
	take_off(skb);
	dev_forward_skb(user, skb);
}

bool switch_untag(struct net_device *conduit, struct sk_buff *skb)
{
	u8 *tag = skb->data + 2 * ETH_ALEN;

	if (!switch_tag_len(conduit))
		return true;
	if (skb->len < ETH_HLEN + SWITCH_TAG_LEN || tag[1] != BIT(SWITCH_PORT))
		return false;
	switch (tag[0]) {
	case 0:
		take_off(skb);
		return true;
	case 1:
		/* The tag takes the place of that of the VLAN. */
		put_unaligned_be16(ETH_P_8021Q, tag);
		return true;
	default:
		return false;
	}
}

/* ---- the user port, as in net/dsa/user.c ---- */

static netdev_tx_t user_xmit(struct sk_buff *skb, struct net_device *dev)
{
	u8 *tag;

	if (skb_cow_head(skb, SWITCH_TAG_LEN)) {
		kfree_skb(skb);
		return NETDEV_TX_OK;
	}
	/* mtk_tag_xmit() */
	if (skb->protocol == htons(ETH_P_8021Q)) {
		tag = skb->data + 2 * ETH_ALEN;
		tag[0] = 1;
	} else {
		skb_push(skb, SWITCH_TAG_LEN);
		memmove(skb->data, skb->data + SWITCH_TAG_LEN, 2 * ETH_ALEN);
		tag = skb->data + 2 * ETH_ALEN;
		tag[0] = 0;
		put_unaligned_be16(0, tag + 2);
	}
	tag[1] = BIT(SWITCH_PORT);
	skb->dev = cpu_port.conduit;
	dev_queue_xmit(skb);
	return NETDEV_TX_OK;
}

static int user_setup_tc(struct net_device *dev, enum tc_setup_type type,
			 void *type_data)
{
	struct net_device *conduit = cpu_port.conduit;

	if (type != TC_SETUP_FT)
		return -EOPNOTSUPP;
	return conduit->netdev_ops->ndo_setup_tc(conduit, type, type_data);
}

static int user_fill_forward_path(struct net_device_path_ctx *ctx,
				  struct net_device_path *path)
{
	path->dev = ctx->dev;
	path->type = DEV_PATH_DSA;
	path->dsa.proto = DSA_TAG_PROTO_MTK;
	path->dsa.port = SWITCH_PORT;
	ctx->dev = NULL;
	return 0;
}

static int user_get_iflink(const struct net_device *dev)
{
	return READ_ONCE(cpu_port.conduit->ifindex);
}

static const struct net_device_ops user_ops = {
	.ndo_start_xmit		= user_xmit,
	.ndo_setup_tc		= user_setup_tc,
	.ndo_fill_forward_path	= user_fill_forward_path,
	.ndo_get_iflink		= user_get_iflink,
	.ndo_set_mac_address	= eth_mac_addr,
	.ndo_validate_addr	= eth_validate_addr,
};

static struct rtnl_link_ops user_link_ops = { .kind = "dsa" };

struct net_device *switch_user(void)
{
	return user;
}

bool switch_port(const struct net_device *dev)
{
	return user && dev == user;
}

int switch_create(struct net_device *conduit, const char *name)
{
	struct net_device *dev;
	int err;

	dev = alloc_netdev(0, name, NET_NAME_USER, ether_setup);
	if (!dev)
		return -ENOMEM;
	dev->netdev_ops = &user_ops;
	dev->rtnl_link_ops = &user_link_ops;
	dev->priv_flags |= IFF_NO_QUEUE;
	dev->lltx = true;
	dev->hw_features |= NETIF_F_HW_TC;
	dev->features |= NETIF_F_HW_TC;
	dev_addr_set(dev, conduit->dev_addr);
	cpu_port.conduit = conduit;
	rtnl_lock();
	/* dsa_conduit_setup(): room for the tag. */
	err = dev_set_mtu(conduit, ETH_DATA_LEN + SWITCH_TAG_LEN);
	if (!err)
		err = register_netdevice(dev);
	if (!err) {
		err = netdev_upper_dev_link(conduit, dev, NULL);
		if (err)
			unregister_netdevice(dev);
	}
	rtnl_unlock();
	if (err) {
		free_netdev(dev);
		return err;
	}
	user = dev;
	return 0;
}

void switch_destroy(void)
{
	struct net_device *dev = user;

	if (!dev)
		return;
	rtnl_lock();
	netdev_upper_dev_unlink(cpu_port.conduit, dev);
	unregister_netdevice(dev);
	rtnl_unlock();
	user = NULL;
	free_netdev(dev);
}
