// SPDX-License-Identifier: GPL-2.0
/*
 * The devices and their driver. The driver takes every rule and records it as
 * text, under the direction of the case that the rule is for.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt
#include <linux/delay.h>
#include <linux/etherdevice.h>
#include <linux/if_arp.h>
#include <linux/inetdevice.h>
#include <linux/rtnetlink.h>
#include <net/addrconf.h>
#include <net/flow_offload.h>
#include <net/ndisc.h>
#include "compare.h"
#include "rule_text.h"

/* The same in every run, so that the rules are. */
#define CMP_FIRST_IFINDEX	1000
#define CMP_MTU			1500
#define CMP_RULE_SIZE		4096

static const char * const cmp_port_names[CMP_PORTS] = {
	[CMP_LAN] = "cmp0",
	[CMP_WAN] = "cmp1",
	[CMP_UPPER] = "cmp2",
	[CMP_GRE] = "cmpgre",
	[CMP_RAW] = "cmpraw",
	[CMP_GRETAP] = "cmptap",
};

static struct net_device *ports[CMP_PORTS];
static LIST_HEAD(blocks);
static struct cmp_record *records;
static DEFINE_MUTEX(records_lock);

struct cmp_record *cmp_records_new(void)
{
	return kvcalloc(cmp_case_count * FLOW_OFFLOAD_DIR_MAX,
			sizeof(struct cmp_record), GFP_KERNEL);
}

static struct cmp_record *record_of(struct cmp_record *of, unsigned int number,
				    enum flow_offload_tuple_dir dir)
{
	return &of[number * FLOW_OFFLOAD_DIR_MAX + dir];
}

void cmp_records_clear(struct cmp_record *of, unsigned int number)
{
	unsigned int dir;

	mutex_lock(&records_lock);
	for (dir = 0; dir < FLOW_OFFLOAD_DIR_MAX; dir++) {
		struct cmp_record *record = record_of(of, number, dir);

		kfree(record->rule);
		memset(record, 0, sizeof(*record));
	}
	mutex_unlock(&records_lock);
}

void cmp_records_free(struct cmp_record *of)
{
	unsigned int i;

	for (i = 0; of && i < cmp_case_count; i++)
		cmp_records_clear(of, i);
	kvfree(of);
}

void cmp_record_print(const struct cmp_record *record, struct seq_buf *out)
{
	mutex_lock(&records_lock);
	seq_buf_puts(out, record->rule ?: "no rule\n");
	if (!record->rule && READ_ONCE(record->solicited))
		seq_buf_puts(out, "next hop solicited\n");
	if (record->times > 1)
		seq_buf_printf(out, "given %u times\n", record->times);
	if (record->elsewhere)
		seq_buf_printf(out, "given to %u other devices\n",
			       record->elsewhere);
	mutex_unlock(&records_lock);
}

static int record_rule(const struct net_device *dev,
		       const struct flow_cls_offload *cls)
{
	enum flow_offload_tuple_dir dir;
	struct cmp_record *record;
	unsigned int number;
	struct seq_buf out;
	char *text;

	if (!cmp_rule_case(cls->rule, &number, &dir)) {
		pr_err("a rule that is for none of the cases\n");
		return -EINVAL;
	}
	text = kmalloc(CMP_RULE_SIZE, GFP_KERNEL);
	if (!text)
		return -ENOMEM;
	seq_buf_init(&out, text, CMP_RULE_SIZE);
	rule_text(&out, cls, cmp_port_name);
	if (seq_buf_has_overflowed(&out))
		pr_err("a rule is too long\n");
	seq_buf_str(&out);

	mutex_lock(&records_lock);
	record = record_of(records, number, dir);
	if (cmp_rule_ingress(cls->rule) == dev->ifindex) {
		record->times++;
		swap(record->rule, text);
	} else {
		record->elsewhere++;
	}
	mutex_unlock(&records_lock);
	kfree(text);
	return 0;
}

static int cmp_block_cb(enum tc_setup_type type, void *type_data, void *cb_priv)
{
	const struct flow_cls_offload *cls = type_data;

	if (type != TC_SETUP_CLSFLOWER)
		return -EOPNOTSUPP;
	switch (cls->command) {
	case FLOW_CLS_REPLACE:
		return record_rule(cb_priv, cls);
	case FLOW_CLS_DESTROY:
	case FLOW_CLS_STATS:
		return 0;
	default:
		return -EOPNOTSUPP;
	}
}

static int cmp_setup_tc(struct net_device *dev, enum tc_setup_type type,
			void *type_data)
{
	if (type != TC_SETUP_FT)
		return -EOPNOTSUPP;
	return flow_block_cb_setup_simple(type_data, &blocks, cmp_block_cb, dev,
					  dev, true);
}

static void record_solicitation(unsigned int number, enum cmp_role role)
{
	enum flow_offload_tuple_dir dir;

	dir = role == CMP_SERVER ? FLOW_OFFLOAD_DIR_ORIGINAL :
				   FLOW_OFFLOAD_DIR_REPLY;
	WRITE_ONCE(record_of(records, number, dir)->solicited, true);
}

/* Nothing is sent; who is asked for its address is recorded. */
static netdev_tx_t cmp_xmit(struct sk_buff *skb, struct net_device *dev)
{
	unsigned int number;
	enum cmp_role role;

	if (skb->protocol == htons(ETH_P_ARP) &&
	    arp_hdr(skb)->ar_op == htons(ARPOP_REQUEST)) {
		__be32 target;

		/* After struct arphdr: two Ethernet and one IPv4 address. */
		memcpy(&target, (u8 *)(arp_hdr(skb) + 1) + 2 * ETH_ALEN + 4, 4);
		if (cmp_is_ipv4(target, &number, &role))
			record_solicitation(number, role);
	} else if (skb->protocol == htons(ETH_P_IPV6) &&
		   ipv6_hdr(skb)->nexthdr == IPPROTO_ICMPV6 &&
		   icmp6_hdr(skb)->icmp6_type == NDISC_NEIGHBOUR_SOLICITATION) {
		const struct nd_msg *msg = (void *)skb_transport_header(skb);

		if (cmp_is_ipv6(&msg->target, &number, &role))
			record_solicitation(number, role);
	}
	dev_kfree_skb(skb);
	return NETDEV_TX_OK;
}

static const struct net_device_ops cmp_netdev_ops = {
	.ndo_start_xmit = cmp_xmit,
	.ndo_setup_tc = cmp_setup_tc,
};

static void ethernet_setup(struct net_device *dev)
{
	ether_setup(dev);
	dev->mtu = CMP_MTU;
}

/* A layer 3 device, as tunnels are. */
static void tunnel_setup(struct net_device *dev)
{
	dev->type = ARPHRD_NONE;
	dev->flags = IFF_NOARP;
	dev->mtu = CMP_MTU;
}

static void gre_setup(struct net_device *dev)
{
	tunnel_setup(dev);
	dev->type = ARPHRD_IPGRE;
	dev->addr_len = 4;
}

/* What netif_is_gretap() looks at. */
static const struct rtnl_link_ops cmp_gretap_ops = {
	.kind = "gretap",
};

static int create(enum cmp_port port)
{
	u8 mac[ETH_ALEN] = { 0x02, 0xc0, 0x11, 0x12, 0x13, port };
	void (*setup)(struct net_device *dev) = ethernet_setup;
	struct net_device *dev;
	struct inet6_dev *idev;
	int err;

	if (port == CMP_GRE)
		setup = gre_setup;
	else if (port == CMP_RAW)
		setup = tunnel_setup;
	dev = alloc_netdev(0, cmp_port_names[port], NET_NAME_USER, setup);
	if (!dev)
		return -ENOMEM;
	dev->netdev_ops = &cmp_netdev_ops;
	if (port == CMP_GRETAP)
		dev->rtnl_link_ops = &cmp_gretap_ops;
	dev->priv_flags |= IFF_NO_QUEUE;
	dev->lltx = true;
	dev->ifindex = CMP_FIRST_IFINDEX + port;
	dev_addr_set(dev, mac);
	err = register_netdevice(dev);
	if (err) {
		free_netdev(dev);
		return err;
	}
	ports[port] = dev;
	/* An address to solicit from, without the second of waiting. */
	idev = __in6_dev_get(dev);
	if (idev)
		idev->cnf.accept_dad = 0;
	return dev_open(dev, NULL);
}

static bool has_ipv6_address(struct net_device *dev)
{
	const struct inet6_ifaddr *addr;
	struct inet6_dev *idev;
	bool found = false;

	idev = in6_dev_get(dev);
	if (!idev)
		return false;
	read_lock_bh(&idev->lock);
	list_for_each_entry(addr, &idev->addr_list, if_list)
		found |= !(addr->flags & IFA_F_TENTATIVE);
	read_unlock_bh(&idev->lock);
	in6_dev_put(idev);
	return found;
}

int cmp_ports_create(struct cmp_record *to)
{
	unsigned int tries;
	enum cmp_port port;
	int err = 0;

	records = to;
	rtnl_lock();
	for (port = 0; port < CMP_PORTS && !err; port++)
		err = create(port);
	rtnl_unlock();
	for (tries = 0; !err && !has_ipv6_address(ports[CMP_WAN]); tries++) {
		if (tries == 250)
			err = -ETIMEDOUT;
		msleep(20);
	}
	if (err)
		cmp_ports_destroy();
	return err;
}

void cmp_ports_destroy(void)
{
	enum cmp_port port;
	LIST_HEAD(gone);

	rtnl_lock();
	for (port = 0; port < CMP_PORTS; port++) {
		if (ports[port])
			unregister_netdevice_queue(ports[port], &gone);
	}
	unregister_netdevice_many(&gone);
	rtnl_unlock();
	for (port = 0; port < CMP_PORTS; port++) {
		if (ports[port])
			free_netdev(ports[port]);
		ports[port] = NULL;
	}
}

struct net_device *cmp_port(enum cmp_port port)
{
	return ports[port];
}

const char *cmp_port_name(int ifindex)
{
	int port = ifindex - CMP_FIRST_IFINDEX;

	return port >= 0 && port < CMP_PORTS ? cmp_port_names[port] : "?";
}
