// SPDX-License-Identifier: GPL-2.0
/*
 * Events of routes, neighbours, bridges and devices: copies the data out of the
 * structures of the notifiers. No decision is taken here.
 */
#include <linux/etherdevice.h>
#include <linux/hashtable.h>
#include <linux/if_arp.h>
#include <linux/if_bridge.h>
#include <linux/jhash.h>
#include <linux/module.h>
#include <linux/netdevice.h>
#include <linux/rtnetlink.h>
#include <linux/slab.h>
#include <net/arp.h>
#include <net/fib_notifier.h>
#include <net/ip6_fib.h>
#include <net/ip_fib.h>
#include <net/ndisc.h>
#include <net/neighbour.h>
#include <net/net_namespace.h>
#include <net/netns/generic.h>
#include <net/switchdev.h>
#include "bindings_helper.h"

/* ---- routes and rules, and the number of bridges, per namespace ---- */

struct nfto_fib {
	/* Serialises nfto_watch_fib(). */
	struct mutex		lock;
	struct notifier_block	block;
	bool			registered;
	/* Whether the routes that existed before have been reported. */
	bool			live;
	struct net		*net;
	atomic_t		bridges;
};

static unsigned int nfto_fib_id;

static int __net_init nfto_fib_init(struct net *net)
{
	struct nfto_fib *fib = net_generic(net, nfto_fib_id);

	mutex_init(&fib->lock);
	fib->net = net;
	return 0;
}

static void __net_exit nfto_fib_exit(struct net *net)
{
	struct nfto_fib *fib = net_generic(net, nfto_fib_id);

	if (fib->registered)
		unregister_fib_notifier(net, &fib->block);
	fib->registered = false;
}

static struct pernet_operations nfto_fib_ops = {
	.init	= nfto_fib_init,
	.exit	= nfto_fib_exit,
	.id	= &nfto_fib_id,
	.size	= sizeof(struct nfto_fib),
};

int nfto_watch_init(void)
{
	return register_pernet_subsys(&nfto_fib_ops);
}

void nfto_watch_exit(void)
{
	unregister_pernet_subsys(&nfto_fib_ops);
}

/*
 * Makes the FIB of a namespace call `call` for each change of routes and rules.
 * May sleep.
 */
int nfto_watch_fib(struct net *net, notifier_fn_t call)
{
	struct nfto_fib *fib = net_generic(net, nfto_fib_id);
	int err = 0;

	mutex_lock(&fib->lock);
	if (!fib->registered) {
		fib->block.notifier_call = call;
		err = register_fib_notifier(net, &fib->block, NULL, NULL);
		fib->registered = !err;
		WRITE_ONCE(fib->live, !err);
	}
	mutex_unlock(&fib->lock);
	return err;
}

/*
 * Reads an event of a FIB notifier. Returns the namespace, and the prefix,
 * whose family is 0 if the change is not that of a route. NULL: the event is
 * not relevant.
 */
struct net *nfto_fib_news(const struct notifier_block *block,
			  unsigned long event, const void *info,
			  struct nfto_prefix *prefix)
{
	const struct fib_notifier_info *about = info;
	const struct fib6_entry_notifier_info *route6;
	const struct fib_entry_notifier_info *route4;
	const struct nfto_fib *fib;

	fib = container_of(block, struct nfto_fib, block);
	memset(prefix, 0, sizeof(*prefix));
	if (!READ_ONCE(fib->live))
		return NULL;
	switch (event) {
	case FIB_EVENT_ENTRY_REPLACE:
	case FIB_EVENT_ENTRY_APPEND:
	case FIB_EVENT_ENTRY_ADD:
	case FIB_EVENT_ENTRY_DEL:
		break;
	case FIB_EVENT_RULE_ADD:
	case FIB_EVENT_RULE_DEL:
	case FIB_EVENT_NH_ADD:
	case FIB_EVENT_NH_DEL:
		return fib->net;
	default:
		return NULL;
	}
	if (about->family == AF_INET) {
		route4 = container_of(about, struct fib_entry_notifier_info,
				      info);
		prefix->family = NFPROTO_IPV4;
		prefix->len = route4->dst_len;
		/* Host order. */
		put_unaligned_be32(route4->dst, prefix->address);
	} else if (about->family == AF_INET6) {
		route6 = container_of(about, struct fib6_entry_notifier_info,
				      info);
		prefix->family = NFPROTO_IPV6;
		prefix->len = route6->rt->fib6_dst.plen;
		memcpy(prefix->address, &route6->rt->fib6_dst.addr,
		       sizeof(prefix->address));
	} else {
		/* Multicast routes. */
		return NULL;
	}
	return fib->net;
}

/* ---- neighbours ---- */

/*
 * The last reported address of each neighbour: 16 bits of the hash of its key,
 * and the address, in one word. A bucket, which 10 other bits select, is a
 * cache line. A bucket that was full once may have lost neighbours.
 */
#define NFTO_BUCKETS	1024
#define NFTO_BUCKET	8

static u64 nfto_neighbours[NFTO_BUCKETS][NFTO_BUCKET] __aligned(64);
static DECLARE_BITMAP(nfto_was_full, NFTO_BUCKETS);

#define NFTO_ADDRESS	GENMASK_ULL(47, 0)
/* The address is not known. */
#define NFTO_UNKNOWN	U64_MAX

/* Replaces an address, which is 0 if there is none. Returns the former one. */
static u64 nfto_neighbour_replace(const struct neighbour *n, u64 is)
{
	u32 hash = jhash(n->primary_key, n->tbl->key_len,
			 net_hash_mix(dev_net(n->dev)) ^ n->dev->ifindex);
	u32 number = hash % NFTO_BUCKETS;
	u64 *bucket = nfto_neighbours[number], *place, *vacant, was, tag;
	unsigned int i;

	tag = (u64)(hash >> 16 ?: 1) << 48;
again:
	vacant = NULL;
	for (i = 0; i < NFTO_BUCKET; i++) {
		place = &bucket[i];
		was = READ_ONCE(*place);
		if (!was && !vacant)
			vacant = place;
		if ((was & ~NFTO_ADDRESS) != tag)
			continue;
		if (cmpxchg(place, was, is ? tag | is : 0) != was)
			goto again;
		return was & NFTO_ADDRESS;
	}
	if (is && vacant && cmpxchg(vacant, 0, tag | is))
		goto again;
	if (is && !vacant) {
		set_bit(number, nfto_was_full);
		/* Any entry of the bucket may be replaced. */
		WRITE_ONCE(bucket[hash >> 10 & (NFTO_BUCKET - 1)], tag | is);
	}
	/* A neighbour that was never seen is not the next hop of any flow. */
	return test_bit(number, nfto_was_full) ? NFTO_UNKNOWN : 0;
}

/* Records the current address, 0 if it is not valid. Returns the former one. */
static u64 nfto_neighbour_note(struct neighbour *n, u64 *is)
{
	u64 was;

	*is = 0;
	/* Under the lock, so that the last address recorded is the latest. */
	read_lock_bh(&n->lock);
	if (n->nud_state & NUD_VALID && !n->dead)
		*is = ether_addr_to_u64(n->ha);
	was = nfto_neighbour_replace(n, *is);
	read_unlock_bh(&n->lock);
	return was;
}

/*
 * Reads an event of a netevent notifier. Returns the namespace of a neighbour
 * whose address has changed, and its former address, zeros if that is not
 * known. NULL: no address has changed.
 */
struct net *nfto_neighbour_news(unsigned long event, void *info, u8 *had)
{
	struct neighbour *n = info;
	u64 was, is;

	if (event != NETEVENT_NEIGH_UPDATE || n->dev->type != ARPHRD_ETHER ||
	    n->dev->addr_len != ETH_ALEN)
		return NULL;
	was = nfto_neighbour_note(n, &is);
	if (!was || was == is)
		return NULL;
	if (was == NFTO_UNKNOWN)
		eth_zero_addr(had);
	else
		u64_to_ether_addr(was, had);
	return dev_net(n->dev);
}

static void nfto_neighbour_seed(struct neighbour *n, void *unused)
{
	u64 is;

	if (n->dev->type == ARPHRD_ETHER && n->dev->addr_len == ETH_ALEN)
		nfto_neighbour_note(n, &is);
}

void nfto_neighbours_seed(void)
{
	neigh_for_each(&arp_tbl, nfto_neighbour_seed, NULL);
	neigh_for_each(&nd_tbl, nfto_neighbour_seed, NULL);
}

struct nfto_probing {
	const struct net	*net;
	const u64		*used;
};

static void nfto_neighbour_use(struct neighbour *n, void *data)
{
	const struct nfto_probing *probing = data;
	u8 address[ETH_ALEN];
	u64 bits;
	u32 word;

	if (dev_net(n->dev) != probing->net || n->dev->addr_len != ETH_ALEN ||
	    !(READ_ONCE(n->nud_state) & NUD_VALID))
		return;
	neigh_ha_snapshot(address, n, n->dev);
	word = nfto_mac_place(address, &bits);
	if ((probing->used[word] & bits) == bits)
		neigh_event_send(n, NULL);
}

/*
 * Uses the neighbours of a namespace whose addresses are marked in a set of
 * NFTO_MAC_PLACES bits, as a packet sent to them does: a stale neighbour is
 * probed.
 */
void nfto_neighbours_use(const struct net *net, const u64 *used)
{
	struct nfto_probing probing = { .net = net, .used = used };

	neigh_for_each(&arp_tbl, nfto_neighbour_use, &probing);
	neigh_for_each(&nd_tbl, nfto_neighbour_use, &probing);
}

/*
 * Returns the place of an address in a set of NFTO_MAC_PLACES bits: a word, and
 * two bits in it, so that both are set and cleared at once.
 */
u32 nfto_mac_place(const u8 *address, u64 *bits)
{
	u32 hash = hash_64(get_unaligned((const u32 *)address) |
			   (u64)get_unaligned((const u16 *)(address + 4)) << 32,
			   32);

	/* The high bits of a product depend on all of the address. */
	*bits = BIT_ULL(hash >> 26) | BIT_ULL(hash >> 20 & 63);
	return (hash >> 8) % (NFTO_MAC_PLACES / 64);
}

/* ---- bridges ---- */

/*
 * The path of a bridge (br_fill_forward_path()) may contain ports that do not
 * forward, and VLANs in which the bridge itself is not. What that function does
 * not check is tracked here: the state of the ports by the events of switchdev,
 * as it can be read with RTNL only, and the VLANs by asking the bridge. The
 * bridge may be a module that is not loaded, so its functions are looked up by
 * name.
 */

/* A port that does not forward. In the table until it does, or is removed. */
struct nfto_blocked {
	struct hlist_node	node;
	struct rcu_head		rcu;
	const struct net_device	*dev;
};

/* Changed with RTNL held, read under RCU. */
static DEFINE_HASHTABLE(nfto_blocked, 6);

/* Number of bridges in all namespaces. With RTNL held. */
static unsigned int nfto_bridges;

/*
 * br_vlan_get_info_rcu(), as long as there is a bridge. No reference to its
 * module is needed: the caller has found a bridge under RCU, and the module is
 * not unloaded before its bridges are gone and a grace period has passed.
 */
static typeof(&br_vlan_get_info_rcu) nfto_vlan_info;

static struct nfto_blocked *nfto_blocked_port(const struct net_device *dev)
{
	struct nfto_blocked *port;

	hash_for_each_possible_rcu(nfto_blocked, port, node, (unsigned long)dev,
				   lockdep_rtnl_is_held())
		if (port->dev == dev)
			return port;
	return NULL;
}

static void nfto_port_forwards(const struct net_device *dev, bool forwards)
{
	struct nfto_blocked *port = nfto_blocked_port(dev);

	ASSERT_RTNL();
	if (forwards) {
		if (!port)
			return;
		hash_del_rcu(&port->node);
		kfree_rcu(port, rcu);
		return;
	}
	if (port)
		return;
	port = kzalloc_obj(*port);
	if (!port)
		return;
	port->dev = dev;
	hash_add_rcu(nfto_blocked, &port->node, (unsigned long)dev);
}

/* For a port that was in a bridge before this module was loaded. */
static void nfto_port_seed(const struct net_device *dev)
{
	typeof(&br_port_get_stp_state) state = symbol_get(br_port_get_stp_state);

	if (!state)
		return;
	nfto_port_forwards(dev, state(dev) == BR_STATE_FORWARDING);
	symbol_put(br_port_get_stp_state);
}

/*
 * Handles the events of bridges and their ports of the netdevice notifier. With
 * RTNL held. The notifier reports all existing devices when it is registered,
 * and when it is unregistered.
 */
void nfto_bridge_changed(unsigned long event, const void *info)
{
	const struct net_device *dev = netdev_notifier_info_to_dev(info);
	const struct netdev_notifier_changeupper_info *upper = info;
	struct nfto_fib *of = net_generic(dev_net(dev), nfto_fib_id);

	switch (event) {
	case NETDEV_REGISTER:
		if (netif_is_bridge_port(dev))
			nfto_port_seed(dev);
		if (!netif_is_bridge_master(dev))
			break;
		atomic_inc(&of->bridges);
		if (!nfto_bridges++ || !nfto_vlan_info) {
			WRITE_ONCE(nfto_vlan_info,
				   symbol_get(br_vlan_get_info_rcu));
			if (nfto_vlan_info)
				symbol_put(br_vlan_get_info_rcu);
		}
		break;
	case NETDEV_UNREGISTER:
		nfto_port_forwards(dev, true);
		/*
		 * This is repeated every second as long as the device is
		 * referenced.
		 */
		if (!netif_is_bridge_master(dev) ||
		    READ_ONCE(dev->reg_state) == NETREG_UNREGISTERED)
			break;
		atomic_dec(&of->bridges);
		if (!--nfto_bridges)
			WRITE_ONCE(nfto_vlan_info, NULL);
		break;
	case NETDEV_CHANGEUPPER:
		if (!upper->linking && netif_is_bridge_master(upper->upper_dev))
			nfto_port_forwards(dev, true);
		break;
	}
}

bool nfto_net_has_bridges(const struct net *net)
{
	const struct nfto_fib *of = net_generic(net, nfto_fib_id);

	return atomic_read(&of->bridges);
}

/*
 * Whether a bridge forwards between itself and a port: in a VLAN, or with vid 0
 * if it does not filter VLANs. Under RCU, under which the bridge was found.
 */
bool nfto_bridge_forwards(const struct net_device *bridge, u16 vid,
			  const struct net_device *port)
{
	typeof(&br_vlan_get_info_rcu) get = READ_ONCE(nfto_vlan_info);
	struct bridge_vlan_info info;

	if (port && nfto_blocked_port(port))
		return false;
	/* A VLAN that only ports are in is not a VLAN of the bridge. */
	return !vid || !get ||
	       (!get(bridge, vid, &info) &&
		info.flags & BRIDGE_VLAN_INFO_BRENTRY);
}

int nfto_register_switchdev(struct notifier_block *atomic,
			    struct notifier_block *blocking)
{
	int err = register_switchdev_notifier(atomic);

	if (err)
		return err;
	err = register_switchdev_blocking_notifier(blocking);
	if (err)
		unregister_switchdev_notifier(atomic);
	return err;
}

void nfto_unregister_switchdev(struct notifier_block *atomic,
			       struct notifier_block *blocking)
{
	struct nfto_blocked *port;
	struct hlist_node *next;
	int i;

	unregister_switchdev_blocking_notifier(blocking);
	unregister_switchdev_notifier(atomic);
	rtnl_lock();
	hash_for_each_safe(nfto_blocked, i, next, port, node)
		nfto_port_forwards(port->dev, true);
	rtnl_unlock();
}

/*
 * Returns the address of a station that a bridge has learnt or forgotten, and
 * its namespace; NULL for other events.
 */
struct net *nfto_station_news(unsigned long event, void *info, u8 *address)
{
	const struct switchdev_notifier_fdb_info *fdb = info;
	const struct net_device *dev;

	if (event != SWITCHDEV_FDB_ADD_TO_DEVICE &&
	    event != SWITCHDEV_FDB_DEL_TO_DEVICE)
		return NULL;
	dev = switchdev_notifier_info_to_dev(&fdb->info);
	ether_addr_copy(address, fdb->addr);
	return dev_net(dev);
}

/*
 * Returns the port whose VLANs or state a bridge changes, or the bridge itself;
 * NULL for other events. With RTNL held.
 */
const struct net_device *nfto_port_news(unsigned long event, void *info)
{
	const struct switchdev_notifier_port_attr_info *set = info;
	const struct switchdev_notifier_info *about = info;
	const struct net_device *dev;

	if (event != SWITCHDEV_PORT_OBJ_ADD &&
	    event != SWITCHDEV_PORT_OBJ_DEL &&
	    event != SWITCHDEV_PORT_ATTR_SET)
		return NULL;
	dev = switchdev_notifier_info_to_dev(about);
	if (event == SWITCHDEV_PORT_ATTR_SET &&
	    set->attr->id == SWITCHDEV_ATTR_ID_PORT_STP_STATE)
		nfto_port_forwards(dev, set->attr->u.stp_state ==
						BR_STATE_FORWARDING);
	return dev;
}

/* ---- devices ---- */

static int nfto_add_lower(struct net_device *lower,
			  struct netdev_nested_priv *priv)
{
	u64 *mask = priv->data;

	*mask |= BIT_ULL(lower->ifindex % 64);
	return 0;
}

/*
 * Returns a bit for the index of the device and of each device below it.
 * Returns all bits for PPP, whose lower devices are not registered as such.
 */
u64 nfto_dev_and_lower(const struct net_device *dev)
{
	u64 mask = BIT_ULL(dev->ifindex % 64);
	struct netdev_nested_priv priv = { .data = &mask };

	if (dev->type == ARPHRD_PPP)
		return U64_MAX;
	rcu_read_lock();
	netdev_walk_all_lower_dev_rcu((struct net_device *)dev, nfto_add_lower,
				      &priv);
	rcu_read_unlock();
	return mask;
}
