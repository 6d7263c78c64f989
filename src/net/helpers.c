// SPDX-License-Identifier: GPL-2.0
/*
 * Wrappers of inline functions and macros of the kernel's headers that Rust
 * cannot call, one small function each. No decision is taken here.
 */
#include <linux/delay.h>
#include <linux/etherdevice.h>
#include <linux/if_arp.h>
#include <linux/if_pppox.h>
#include <linux/if_vlan.h>
#include <linux/jhash.h>
#include <linux/jiffies.h>
#include <linux/module.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/prefetch.h>
#include <linux/random.h>
#include <linux/ratelimit.h>
#include <net/devlink.h>
#include <net/dst.h>
#include <net/genetlink.h>
#include <net/geneve.h>
#include <net/gre.h>
#include <net/ip_tunnels.h>
#include <net/lwtunnel.h>
#include <net/neighbour.h>
#include <net/net_namespace.h>
#include <net/netfilter/nf_conntrack.h>
#include <net/netfilter/nf_conntrack_acct.h>
#include <net/netfilter/nf_conntrack_core.h>
#include <net/netfilter/nf_conntrack_l4proto.h>
#include <net/netfilter/nf_conntrack_zones.h>
#include <net/netns/generic.h>
#include <net/rtnetlink.h>
#include <net/vxlan.h>
#include "bindings_helper.h"

#define CREATE_TRACE_POINTS
#include "trace.h"

MODULE_VERSION(NFT_OFFLOAD_VERSION);

static char *nfto_profile = "";
module_param_named(profile, nfto_profile, charp, 0444);
MODULE_PARM_DESC(profile, "driver profile of a device instead of the one that its driver's name gives: DEVICE:PROFILE[,...]; tc, mlx5, mtk, airoha, default");

static char *nfto_limit = "";
module_param_named(limit, nfto_limit, charp, 0444);
MODULE_PARM_DESC(limit, "how many rules a device may hold at most: DEVICE:RULES[,...]");

static char *nfto_block = "";
module_param_named(block, nfto_block, charp, 0444);
MODULE_PARM_DESC(block, "devices whose driver may be given rules through its block of tc, which nobody else can use then: DEVICE[,...]");

static char *nfto_unsupported = "software";
module_param_named(unsupported, nfto_unsupported, charp, 0444);
MODULE_PARM_DESC(unsupported, "what to do with a device whose driver takes no rules: software (default) or reject, which fails the ruleset as the C type does");

static char *nfto_directions = "both";
module_param_named(directions, nfto_directions, charp, 0444);
MODULE_PARM_DESC(directions, "what to do with a flow of which hardware takes one direction only: both (default: both in hardware or none) or any");

static char *nfto_admit = "0";
module_param_named(admit, nfto_admit, charp, 0444);
MODULE_PARM_DESC(admit, "how many packets a flow must have passed before it is offloaded, by conntrack's counters (needs 'counter' in the flowtable and nf_conntrack_acct); default 0");

static bool nfto_flush_on_reload;
module_param_named(flush_on_reload, nfto_flush_on_reload, bool, 0444);
MODULE_PARM_DESC(flush_on_reload, "when the ruleset changes, end all flows of flowtables with flags offload, so that their next packets pass it: default no");

const char *nfto_param_profile(void)
{
	return nfto_profile;
}

const char *nfto_param_limit(void)
{
	return nfto_limit;
}

const char *nfto_param_block(void)
{
	return nfto_block;
}

const char *nfto_param_unsupported(void)
{
	return nfto_unsupported;
}

const char *nfto_param_directions(void)
{
	return nfto_directions;
}

const char *nfto_param_admit(void)
{
	return nfto_admit;
}

bool nfto_param_flush_on_reload(void)
{
	return nfto_flush_on_reload;
}

/*
 * Rate limit as in pr_warn_ratelimited(), for each kind of line: twenty lines
 * in five seconds. For lines about devices it is twenty lines in five minutes,
 * as each new flowtable logs its own.
 */
bool nfto_log_allows(enum nfto_log kind)
{
#define NFTO_LIMIT(seconds) RATELIMIT_STATE_INIT(limits, (seconds) * HZ, 20)
	static struct ratelimit_state limits[NFTO_LOG_KINDS] = {
		[0 ... NFTO_LOG_KINDS - 1] = NFTO_LIMIT(5),
		[NFTO_LOG_DEVICE_IN_SOFTWARE] = NFTO_LIMIT(300),
		[NFTO_LOG_DEVICE_BOUND] = NFTO_LIMIT(300),
	};
#undef NFTO_LIMIT

	return kind < NFTO_LOG_KINDS && __ratelimit(&limits[kind]);
}

void nfto_prefetch(const void *place)
{
	prefetchw(place);
}

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

/* Data of a network namespace. The lock is held only to change the list. */
struct nfto_net {
	struct mutex		lock;
	struct list_head	instances;
	u64			last_number;
	unsigned int		generation;
	/* Number of IP tunnels that are up: over IPv4, over IPv6. */
	atomic_t		tunnels[2];
};

/* Number of IP tunnels that are up in all namespaces. */
static atomic_t nfto_tunnels = ATOMIC_INIT(0);

static unsigned int nfto_net_id;

static struct nfto_net *nfto_net(const struct net *net)
{
	return net_generic(net, nfto_net_id);
}

static int __net_init nfto_net_init(struct net *net)
{
	struct nfto_net *of = nfto_net(net);

	mutex_init(&of->lock);
	INIT_LIST_HEAD(&of->instances);
	return 0;
}

/* nf_tables may free its flowtables later than this; the memory stays. */
static struct pernet_operations nfto_net_ops = {
	.init	= nfto_net_init,
	.id	= &nfto_net_id,
	.size	= sizeof(struct nfto_net),
};

int nfto_instances_init(void)
{
	return register_pernet_subsys(&nfto_net_ops);
}

static void nfto_module_settle(void);

void nfto_instances_exit(void)
{
	nfto_module_settle();
	unregister_pernet_subsys(&nfto_net_ops);
}

void nfto_instances_changed(struct net *net)
{
	struct nfto_net *of = nfto_net(net);

	mutex_lock(&of->lock);
	WRITE_ONCE(of->generation, of->generation + 1);
	mutex_unlock(&of->lock);
}

/* Never returns 0, which a dump interprets as no generation. */
unsigned int nfto_instances_generation(struct net *net)
{
	return READ_ONCE(nfto_net(net)->generation) ?: UINT_MAX;
}

void nfto_instance_add(struct net *net, struct nfto_instance *instance)
{
	struct nfto_net *of = nfto_net(net);

	refcount_set(&instance->users, 1);
	mutex_lock(&of->lock);
	instance->number = ++of->last_number;
	WRITE_ONCE(of->generation, of->generation + 1);
	list_add_tail_rcu(&instance->list, &of->instances);
	mutex_unlock(&of->lock);
}

bool nfto_instance_get(struct nfto_instance *instance)
{
	return refcount_inc_not_zero(&instance->users);
}

void nfto_instance_put(struct nfto_instance *instance)
{
	/*
	 * It may be freed after the last reference, but not before this section
	 * ends.
	 */
	rcu_read_lock();
	if (refcount_dec_and_test(&instance->users))
		wake_up_var(&instance->users);
	rcu_read_unlock();
}

/* Drops the initial reference, and waits for the others. */
void nfto_instance_close(struct nfto_instance *instance)
{
	nfto_instance_put(instance);
	wait_var_event(&instance->users, !refcount_read(&instance->users));
	/* Pairs with the last put: its effects are visible below. */
	smp_acquire__after_ctrl_dep();
}

void nfto_instance_remove(struct net *net, struct nfto_instance *instance)
{
	struct nfto_net *of = nfto_net(net);

	mutex_lock(&of->lock);
	list_del_rcu(&instance->list);
	WRITE_ONCE(of->generation, of->generation + 1);
	mutex_unlock(&of->lock);
}

void nfto_instance_free(struct nfto_instance *instance)
{
	kfree_rcu(instance, rcu);
}

/*
 * Returns the next open instance with a reference; the first one after NULL.
 * Takes over the reference to the previous one, which kept that one in the
 * list.
 */
struct nfto_instance *nfto_instance_next(struct net *net,
					 struct nfto_instance *previous)
{
	struct list_head *head = &nfto_net(net)->instances;
	struct list_head *at = previous ? &previous->list : head;
	struct nfto_instance *next;

	rcu_read_lock();
	do {
		next = list_next_or_null_rcu(head, at, struct nfto_instance,
					     list);
		if (next)
			at = &next->list;
	} while (next && !nfto_instance_get(next));
	rcu_read_unlock();
	if (previous)
		nfto_instance_put(previous);
	return next;
}

/*
 * Returns the only instance of a namespace; NULL if it is being closed, if
 * there is none, or if there are several.
 */
struct nfto_instance *nfto_instance_only(struct net *net, bool *several)
{
	struct list_head *head = &nfto_net(net)->instances;
	struct nfto_instance *first;

	rcu_read_lock();
	first = list_first_or_null_rcu(head, struct nfto_instance, list);
	*several = first && list_next_or_null_rcu(head, &first->list,
						  struct nfto_instance, list);
	if (*several || (first && !refcount_read(&first->users)))
		first = NULL;
	rcu_read_unlock();
	return first;
}

int nfto_init_rwsem(struct percpu_rw_semaphore *sem)
{
	return percpu_init_rwsem(sem);
}

void nfto_free_rwsem(struct percpu_rw_semaphore *sem)
{
	percpu_free_rwsem(sem);
}

void nfto_down_read(struct percpu_rw_semaphore *sem)
{
	percpu_down_read(sem);
}

void nfto_up_read(struct percpu_rw_semaphore *sem)
{
	percpu_up_read(sem);
}

void nfto_down_write(struct percpu_rw_semaphore *sem)
{
	percpu_down_write(sem);
}

void nfto_up_write(struct percpu_rw_semaphore *sem)
{
	percpu_up_write(sem);
}

void nfto_delayed_work_init(struct delayed_work *work, work_func_t func)
{
	INIT_DELAYED_WORK(work, func);
}

void nfto_schedule_in_a_second(struct delayed_work *work)
{
	queue_delayed_work(system_power_efficient_wq, work, HZ);
}

/* Replaces an earlier request, to run either sooner or later. */
void nfto_schedule_in_ms(struct delayed_work *work, unsigned int ms)
{
	mod_delayed_work(system_power_efficient_wq, work, msecs_to_jiffies(ms));
}

void nfto_schedule_now(struct delayed_work *work)
{
	queue_delayed_work(system_highpri_wq, work, 0);
}

/* For the work itself: a request made in the meantime takes precedence. */
void nfto_schedule_again(struct delayed_work *work, unsigned int ms)
{
	queue_delayed_work(system_power_efficient_wq, work,
			   msecs_to_jiffies(ms));
}

struct net *nfto_flowtable_net(const struct nf_flowtable *ft)
{
	return read_pnet(&ft->net);
}

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

bool nfto_flowtable_is_going(const struct nf_flowtable *ft)
{
	return !check_net(read_pnet(&ft->net));
}

void nfto_flowtable_collect(struct nf_flowtable *ft)
{
	flush_delayed_work(&ft->gc_work);
}

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

bool nfto_setup_tc_supported(const struct net_device *dev)
{
	return dev->netdev_ops && dev->netdev_ops->ndo_setup_tc;
}

int nfto_setup_tc(struct net_device *dev, enum tc_setup_type type,
		  struct flow_block_offload *bo)
{
	return dev->netdev_ops->ndo_setup_tc(dev, type, bo);
}

/* As a driver's cleanup of an indirect callback (nft_indr_block_cleanup). */
void nfto_block_cb_take_out(struct flow_block_cb *cb)
{
	list_del(&cb->driver_list);
	list_del(&cb->list);
}

void nfto_module_get(void)
{
	__module_get(THIS_MODULE);
}

static bool nfto_was_put;

/* The caller still runs in this module: see nfto_module_settle(). */
void nfto_module_put(void)
{
	WRITE_ONCE(nfto_was_put, true);
	module_put(THIS_MODULE);
}

/*
 * Called on module exit: waits until the tasks that have dropped the last
 * reference have left the text of this module. They do not sleep before that.
 */
static void nfto_module_settle(void)
{
	if (READ_ONCE(nfto_was_put))
		synchronize_rcu_tasks();
}

/* As flow_rule_alloc(), with the match in the same memory and no entry used. */
struct nfto_rule *nfto_rule_alloc(unsigned int actions)
{
	struct nfto_rule *rule;
	unsigned int i;

	rule = kzalloc(struct_size(rule, rule.action.entries, actions),
		       GFP_KERNEL);
	if (!rule)
		return NULL;
	rule->rule.match.dissector = &rule->matching.dissector;
	rule->rule.match.key = &rule->matching.key;
	rule->rule.match.mask = &rule->matching.mask;
	/* The compiler may check an index against it (__counted_by). */
	rule->rule.action.num_entries = actions;
	for (i = 0; i < actions; i++)
		rule->rule.action.entries[i].hw_stats =
			FLOW_ACTION_HW_STATS_DONT_CARE;
	rule->rule.action.num_entries = 0;
	return rule;
}

/*
 * Looks up the flow of untagged, untunnelled packets received on a device.
 * Returns its address, or 0. The flow may be freed before this returns; the
 * address is only a key.
 */
unsigned long nfto_flow_find(struct nf_flowtable *ft,
			     const struct nfto_tuple *of, u32 ifindex)
{
	struct flow_offload_tuple_rhash *found;
	struct flow_offload_tuple tuple = {
		.l3proto = of->family,
		.l4proto = of->protocol,
		.iifidx = ifindex,
	};
	struct flow_offload *flow = NULL;

	memcpy(&tuple.src_v6, of->source, sizeof(tuple.src_v6));
	memcpy(&tuple.dst_v6, of->destination, sizeof(tuple.dst_v6));
	memcpy(&tuple.src_port, of->source_port, sizeof(tuple.src_port));
	memcpy(&tuple.dst_port, of->destination_port, sizeof(tuple.dst_port));
	rcu_read_lock();
	found = flow_offload_lookup(ft, &tuple);
	if (found)
		flow = container_of(found, struct flow_offload,
				    tuplehash[found->tuple.dir & 1]);
	rcu_read_unlock();
	return (unsigned long)flow;
}

/* Whether a flow that is not ending belongs to this flowtable. */
bool nfto_flowtable_has(struct nf_flowtable *ft, struct flow_offload *flow)
{
	struct flow_offload_tuple_rhash *mine, *found;

	mine = &flow->tuplehash[FLOW_OFFLOAD_DIR_ORIGINAL];
	rcu_read_lock();
	found = flow_offload_lookup(ft, &mine->tuple);
	rcu_read_unlock();
	return found == mine;
}

/* Whether conntrack has a connection with such packets in a zone. */
bool nfto_ct_has(struct net *net, const struct nfto_tuple *of, u16 zone)
{
	struct nf_conntrack_tuple tuple = {
		.src.l3num = of->family,
		.dst.protonum = of->protocol,
	};
	struct nf_conntrack_tuple_hash *found;
	struct nf_conntrack_zone in;

	memcpy(&tuple.src.u3, of->source, sizeof(tuple.src.u3));
	memcpy(&tuple.dst.u3, of->destination, sizeof(tuple.dst.u3));
	memcpy(&tuple.src.u.all, of->source_port, sizeof(tuple.src.u.all));
	memcpy(&tuple.dst.u.all, of->destination_port,
	       sizeof(tuple.dst.u.all));
	nf_ct_zone_init(&in, zone, NF_CT_DEFAULT_ZONE_DIR, 0);
	found = nf_conntrack_find_get(net, &in, &tuple);
	if (found)
		nf_ct_put(nf_ct_tuplehash_to_ctrack(found));
	return found;
}

/*
 * Skips a flow that is torn down already: flow_offload_teardown() would clear
 * IPS_OFFLOAD of the connection, which its next flow may have set.
 */
void nfto_flow_teardown(struct flow_offload *flow)
{
	if (!test_bit(NF_FLOW_TEARDOWN, &flow->flags))
		flow_offload_teardown(flow);
}

bool nfto_net_is_initial(const struct net *net)
{
	return net->user_ns == &init_user_ns;
}

bool nfto_flow_ct_is_dying(const struct flow_offload *flow)
{
	return nf_ct_is_dying(flow->ct);
}

static const struct flow_offload_tuple *
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
 * Looks up the next hop of a flow that is sent through a neighbour
 * (XMIT_NEIGH): the lowest egress device, the address of its route's device,
 * and the address of the neighbour.
 *
 * -EOPNOTSUPP: not an Ethernet device, but its index is valid; -ENOENT: no
 * route or no neighbour entry; -EAGAIN: the neighbour is not resolved; its
 * resolution was started.
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
		return -ENOENT;

	/* The route loses its device when the device goes away. */
	rcu_read_lock();
	dev = dst_dev_rcu(dst);
	hop->ifindex = tuple->ifidx ?: READ_ONCE(dev->ifindex);
	if (dev->type != ARPHRD_ETHER || dev->addr_len != ETH_ALEN) {
		rcu_read_unlock();
		return -EOPNOTSUPP;
	}
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

/*
 * Returns the tunnel that the route of a direction adds to its packets. A
 * direct flow has given up its route.
 */
static const struct lwtunnel_state *
nfto_flow_lwtunnel(const struct flow_offload *flow, unsigned int dir)
{
	const struct flow_offload_tuple *tuple = nfto_flow_tuple(flow, dir);

	if (tuple->xmit_type == FLOW_OFFLOAD_XMIT_DIRECT || !tuple->dst_cache)
		return NULL;
	return tuple->dst_cache->lwtstate;
}

/* Only in these two types the data of the state is an ip_tunnel_info. */
static const struct ip_tunnel_info *
nfto_lwtunnel_info(const struct lwtunnel_state *lwt)
{
	if (lwt->type != LWTUNNEL_ENCAP_IP && lwt->type != LWTUNNEL_ENCAP_IP6)
		return NULL;
	return lwt_tun_info((struct lwtunnel_state *)lwt);
}

enum nfto_tunnel_kind nfto_flow_tunnel(const struct flow_offload *flow,
				       unsigned int dir,
				       struct nfto_tunnel *tunnel)
{
	const struct lwtunnel_state *lwt = nfto_flow_lwtunnel(flow, dir);
	const struct ip_tunnel_info *info;
	const struct ip_tunnel_key *key;
	__be32 id;

	if (!lwt)
		return NFTO_TUNNEL_NONE;
	info = nfto_lwtunnel_info(lwt);
	if (!info || info->options_len)
		return NFTO_TUNNEL_OTHER;
	if (!(info->mode & IP_TUNNEL_INFO_TX))
		return NFTO_TUNNEL_NONE;

	key = &info->key;
	memset(tunnel, 0, sizeof(*tunnel));
	id = tunnel_id_to_key32(key->tun_id);
	tunnel->has_id = key->tun_id ||
			 test_bit(IP_TUNNEL_KEY_BIT, key->tun_flags);
	memcpy(tunnel->id, &id, sizeof(id));
	memcpy(tunnel->port, &key->tp_dst, sizeof(key->tp_dst));
	tunnel->ipv6 = ip_tunnel_info_af(info) == AF_INET6;
	if (tunnel->ipv6) {
		memcpy(tunnel->source, &key->u.ipv6.src, 16);
		memcpy(tunnel->destination, &key->u.ipv6.dst, 16);
	} else {
		memcpy(tunnel->source, &key->u.ipv4.src, 4);
		memcpy(tunnel->destination, &key->u.ipv4.dst, 4);
	}
	return NFTO_TUNNEL_IP;
}

/* Returns the argument of TUNNEL_ENCAP, which belongs to the flow's route. */
const struct ip_tunnel_info *
nfto_flow_tunnel_info(const struct flow_offload *flow, unsigned int dir)
{
	const struct lwtunnel_state *lwt = nfto_flow_lwtunnel(flow, dir);

	return lwt ? nfto_lwtunnel_info(lwt) : NULL;
}

/* Whether the route of a direction adds the same tunnel as dst does. */
bool nfto_flow_has_tunnel_of(const struct flow_offload *flow, unsigned int dir,
			     const struct dst_entry *dst)
{
	const struct lwtunnel_state *lwt = nfto_flow_lwtunnel(flow, dir);

	return !lwtunnel_cmp_encap((struct lwtunnel_state *)lwt, dst->lwtstate);
}

/*
 * Sets IPS_OFFLOAD of the connection of a live flow again. The core clears it
 * in the last round of an expired flow, when the next flow of the connection
 * may already exist: nf_flow_offload_gc_step() calls flow_offload_teardown()
 * once more, which clears the bit regardless of the flow that has set it.
 * Without the bit the connection may expire.
 *
 * A teardown that begins at the same moment may leave it set: such a connection
 * is not offloaded again, and ends by its own timeout, which for GRE can be the
 * day that nfto_flow_keep_ct() has given it.
 */
void nfto_flow_hold_ct(const struct flow_offload *flow)
{
	struct nf_conn *ct = flow->ct;

	if (likely(test_bit(IPS_OFFLOAD_BIT, &ct->status)) ||
	    test_bit(NF_FLOW_TEARDOWN, &flow->flags))
		return;
	set_bit(IPS_OFFLOAD_BIT, &ct->status);
	/* Orders it with test_and_set_bit() of flow_offload_teardown(). */
	smp_mb__after_atomic();
	if (test_bit(NF_FLOW_TEARDOWN, &flow->flags))
		clear_bit(IPS_OFFLOAD_BIT, &ct->status);
}

struct net *nfto_flow_net(const struct flow_offload *flow)
{
	return nf_ct_net(flow->ct);
}

static bool nfto_flow_is_multicast(const struct flow_offload *flow)
{
	const struct flow_offload_tuple *tuple;
	unsigned int dir;

	for (dir = 0; dir < FLOW_OFFLOAD_DIR_MAX; dir++) {
		tuple = &flow->tuplehash[dir].tuple;
		if (tuple->l3proto == NFPROTO_IPV4 ?
		    ipv4_is_multicast(tuple->dst_v4.s_addr) :
		    ipv6_addr_is_multicast(&tuple->dst_v6))
			return true;
	}
	return false;
}

static bool nfto_dev_is_tunnel(const struct net_device *dev)
{
	return dev->type == ARPHRD_TUNNEL || dev->type == ARPHRD_TUNNEL6;
}

/*
 * Returns the byte after the addresses: the protocol of the packets inside the
 * tunnel, which is l3_proto in 7.2 and inner_proto in 7.3.
 */
static u8 *nfto_tunnel_proto(const struct flow_offload_tunnel *tunnel)
{
	return (u8 *)(&tunnel->dst_v6 + 1);
}

/* Returns the index of the tunnel to which a direction's route leads, or 0. */
static u32 nfto_tuple_route_tunnel(const struct flow_offload_tuple *tuple)
{
	const struct net_device *dev;
	u32 ifindex = 0;

	if (tuple->xmit_type != FLOW_OFFLOAD_XMIT_NEIGH || !tuple->dst_cache)
		return 0;
	rcu_read_lock();
	dev = dst_dev_rcu(tuple->dst_cache);
	if (nfto_dev_is_tunnel(dev))
		ifindex = READ_ONCE(dev->ifindex);
	rcu_read_unlock();
	return ifindex;
}

/* Whether the core loses packets that a direction sends into an IP tunnel. */
static bool nfto_tuple_is_mishandled(const struct flow_offload_tuple *tuple,
				     const struct flow_offload_tuple *other)
{
	u8 carries = tuple->l3proto == NFPROTO_IPV4 ? IPPROTO_IPIP :
						      IPPROTO_IPV6;
	u32 ifindex;

	/*
	 * With flags offload each flow whose lowest device is Ethernet is sent
	 * directly, also through a tunnel, for which no neighbour was looked up
	 * (nft_dev_path_info()).
	 */
	if (tuple->xmit_type == FLOW_OFFLOAD_XMIT_DIRECT &&
	    is_zero_ether_addr(tuple->out.h_dest))
		return true;
	/* IPv4 in IPv6 gets an outer header of IPv4 in 7.2. */
	if (other->tun_num)
		return *nfto_tunnel_proto(&other->tun) != carries;
	/*
	 * Or it gets no outer header, and leaves by the device below the
	 * tunnel.
	 */
	ifindex = nfto_tuple_route_tunnel(tuple);
	return ifindex && tuple->ifidx && tuple->ifidx != ifindex;
}

bool nfto_flow_is_mishandled(const struct flow_offload *flow)
{
	const struct flow_offload_tuple *original, *reply;

	original = nfto_flow_tuple(flow, FLOW_OFFLOAD_DIR_ORIGINAL);
	reply = nfto_flow_tuple(flow, FLOW_OFFLOAD_DIR_REPLY);
	return nfto_tuple_is_mishandled(original, reply) ||
	       nfto_tuple_is_mishandled(reply, original);
}

/*
 * Whether the flow can end: no tunnel is left in its namespace, so that the
 * hook does not look for such flows any more.
 */
bool nfto_flow_has_no_tunnel(const struct flow_offload *flow)
{
	const struct nfto_net *of = nfto_net(nf_ct_net(flow->ct));

	return !atomic_read(&of->tunnels[0]) && !atomic_read(&of->tunnels[1]);
}

/* Returns a hash of a flow's tunnel; 0 if the flow does not identify it. */
u32 nfto_flow_tunnel_hash(const struct flow_offload *flow)
{
	const struct flow_offload_tuple *tuple;
	unsigned int dir;
	u32 hash = 0;

	for (dir = 0; dir < FLOW_OFFLOAD_DIR_MAX && !hash; dir++) {
		tuple = nfto_flow_tuple(flow, dir);
		if (tuple->tun_num)
			hash = jhash(&tuple->tun, sizeof(tuple->tun), 0) ?: 1;
		else
			hash = nfto_tuple_route_tunnel(tuple);
	}
	return hash;
}

/* Returns the index of the device of a flow's tunnel; 0 if it is not found. */
u32 nfto_flow_tunnel_dev(const struct flow_offload *flow)
{
	const struct flow_offload_tuple *tuple;
	const struct net_device *dev;
	unsigned int dir, len;
	u32 ifindex = 0;

	rcu_read_lock();
	for (dir = 0; dir < FLOW_OFFLOAD_DIR_MAX && !ifindex; dir++) {
		tuple = nfto_flow_tuple(flow, dir);
		ifindex = nfto_tuple_route_tunnel(tuple);
		if (!tuple->tun_num)
			continue;
		for_each_netdev_rcu(nf_ct_net(flow->ct), dev) {
			len = dev->type == ARPHRD_TUNNEL ? 4 : 16;
			/* Packets on ingress come from the remote end. */
			if (nfto_dev_is_tunnel(dev) && dev->addr_len == len &&
			    !memcmp(dev->broadcast, &tuple->tun.src_v6, len))
				ifindex = READ_ONCE(dev->ifindex);
		}
	}
	rcu_read_unlock();
	return ifindex;
}

/*
 * Refreshes a flow whose packets all take the slow path, as long as there are
 * packets. When such a flow expires, it would end its connection, which may be
 * unreplied (flow_offload_fixup_ct()). Each packet sets the timeout of the
 * entry anew, and the core then raises it to a day, after this.
 */
void nfto_flow_keep_slow(struct flow_offload *flow)
{
	s32 left;

	if (likely(!nfto_flow_is_multicast(flow) &&
		   !nfto_flow_is_mishandled(flow)))
		return;
	left = READ_ONCE(flow->ct->timeout) - nfct_time_stamp;
	if (left > 0 && left < 5 * 60 * HZ &&
	    !test_bit(NF_FLOW_TEARDOWN, &flow->flags))
		WRITE_ONCE(flow->timeout, nf_flowtable_time_stamp +
			   (u32)nfto_flow_offload_timeout(flow));
}

/*
 * Keeps the conntrack entry of an offloaded flow from expiring.
 * nf_flow_table_extend_ct_timeout() does that for other protocols, but has no
 * case for GRE: it warns and lets the entry expire at once.
 */
void nfto_flow_keep_ct(const struct flow_offload *flow)
{
	struct nf_conn *ct = flow->ct;
	u32 timeout = READ_ONCE(ct->timeout);
	s32 left = timeout - nfct_time_stamp;

	if (left <= 0 || left >= 5 * 60 * HZ)
		return;
	if (!nf_ct_is_confirmed(ct) || !test_bit(IPS_OFFLOAD_BIT, &ct->status))
		return;
	/*
	 * If conntrack sees a packet in the meantime, its timeout wins. If that
	 * is just before the core checks the timeout, the core still warns.
	 */
	while (!try_cmpxchg(&ct->timeout, &timeout,
			    nfct_time_stamp + NF_CT_DAY))
		;
}

/*
 * Resets the timeout of the entry of a flow that ends to the one that conntrack
 * gives GRE; flow_offload_fixup_ct() does so for TCP and UDP only.
 */
void nfto_flow_release_ct(const struct flow_offload *flow)
{
#ifdef CONFIG_NF_CT_PROTO_GRE
	struct nf_conn *ct = flow->ct;
	unsigned int time = nf_gre_pernet(nf_ct_net(ct))->timeouts[GRE_CT_REPLIED];
	u32 timeout = READ_ONCE(ct->timeout);

	/* The next flow of the connection may have begun. */
	if (test_bit(IPS_OFFLOAD_BIT, &ct->status))
		return;
	if ((s32)(timeout - nfct_time_stamp) > (s32)time)
		cmpxchg(&ct->timeout, timeout, nfct_time_stamp + time);
#endif
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

/* Counts the packets of both directions; false if conntrack has no counters. */
bool nfto_flow_packets(const struct flow_offload *flow, u64 *packets)
{
	const struct nf_conn_acct *acct = nf_conn_acct_find(flow->ct);

	if (!acct)
		return false;
	*packets = atomic64_read(&acct->counter[IP_CT_DIR_ORIGINAL].packets) +
		   atomic64_read(&acct->counter[IP_CT_DIR_REPLY].packets);
	return true;
}

void nfto_flow_set_hw_offload(struct flow_offload *flow, bool on)
{
	if (on)
		set_bit(IPS_HW_OFFLOAD_BIT, &flow->ct->status);
	else
		clear_bit(IPS_HW_OFFLOAD_BIT, &flow->ct->status);
}

/* Returns the lowest egress device of a direction; 0 if it is not known. */
u32 nfto_flow_egress(const struct flow_offload *flow, unsigned int dir)
{
	const struct flow_offload_tuple *tuple = nfto_flow_tuple(flow, dir);
	u32 ifindex;

	switch (tuple->xmit_type) {
	case FLOW_OFFLOAD_XMIT_DIRECT:
		return tuple->out.ifidx;
	case FLOW_OFFLOAD_XMIT_NEIGH:
		if (tuple->ifidx)
			return tuple->ifidx;
		fallthrough;
	case FLOW_OFFLOAD_XMIT_XFRM:
		if (!tuple->dst_cache)
			return 0;
		rcu_read_lock();
		ifindex = READ_ONCE(dst_dev_rcu(tuple->dst_cache)->ifindex);
		rcu_read_unlock();
		return ifindex;
	default:
		return 0;
	}
}

/* The values are those that ctnetlink shows; the ID is in host order. */
void nfto_flow_ct(const struct flow_offload *flow, struct nfto_ct *to)
{
	const struct nf_conn *ct = flow->ct;

	to->id = ntohl((__force __be32)nf_ct_get_id(ct));
#ifdef CONFIG_NF_CONNTRACK_MARK
	to->mark = READ_ONCE(ct->mark);
#else
	to->mark = 0;
#endif
	to->zone = nf_ct_zone(ct)->id;
}

struct net *nfto_genl_net(const struct genl_info *info)
{
	return genl_info_net(info);
}

/*
 * Whether flowtables or their devices were added or removed since the dump
 * began. prev_seq is left as it is, so that netlink_dump_done() reports it as
 * well.
 */
bool nfto_genl_dump_is_interrupted(struct netlink_callback *cb)
{
	cb->seq = nfto_instances_generation(sock_net(cb->skb->sk));
	if (!cb->prev_seq)
		cb->prev_seq = cb->seq;
	return cb->prev_seq != cb->seq;
}

const struct genl_info *nfto_genl_dump_info(struct netlink_callback *cb)
{
	return genl_info_dump(cb);
}

struct sk_buff *nfto_genl_skb(unsigned int size)
{
	return nlmsg_new(size, GFP_KERNEL);
}

void nfto_genl_free(struct sk_buff *skb)
{
	nlmsg_free(skb);
}

int nfto_genl_reply(struct sk_buff *skb, struct genl_info *info)
{
	return genlmsg_reply(skb, info);
}

/* The text must be a constant. */
void nfto_genl_refuse(const struct genl_info *info, const struct nlattr *attr,
		      const char *text)
{
	if (info->extack)
		info->extack->_msg = text;
	if (attr)
		NL_SET_BAD_ATTR(info->extack, attr);
}

void nfto_genl_missing(const struct genl_info *info, struct nlattr *nest,
		       unsigned int type)
{
	NL_SET_ERR_ATTR_MISS(info->extack, nest, type);
}

const void *nfto_nla_data(const struct nlattr *attr)
{
	return nla_data(attr);
}

unsigned int nfto_nla_len(const struct nlattr *attr)
{
	return nla_len(attr);
}

struct nlattr *nfto_nla_find_nested(const struct nlattr *nest, int type)
{
	return nla_find_nested(nest, type);
}

/* Returns the room that is left in a packet, which has no fragments. */
void *nfto_genl_room(struct sk_buff *skb, unsigned int *len)
{
	*len = skb_tailroom(skb);
	return skb_tail_pointer(skb);
}

struct net *nfto_notifier_net(const void *info)
{
	return dev_net(netdev_notifier_info_to_dev(info));
}

/* For NETDEV_CHANGEUPPER: the index of the upper device. */
u32 nfto_notifier_upper(const void *info)
{
	const struct netdev_notifier_changeupper_info *change = info;

	return READ_ONCE(change->upper_dev->ifindex);
}

bool nfto_notifier_is_vlan(const void *info)
{
	return is_vlan_dev(netdev_notifier_info_to_dev(info));
}

/* The device, those below it, and the bond or bridge of which it is a port. */
u64 nfto_notifier_devices(unsigned long event, const void *info)
{
	struct net_device *dev = netdev_notifier_info_to_dev(info);
	u64 devices = nfto_dev_and_lower(dev);
	const struct net_device *master;

	rcu_read_lock();
	master = netdev_master_upper_dev_get_rcu(dev);
	if (master)
		devices |= BIT_ULL(master->ifindex % 64);
	rcu_read_unlock();
	/* The upper device may no longer be the master of the port. */
	if (event == NETDEV_CHANGEUPPER)
		devices |= BIT_ULL(nfto_notifier_upper(info) % 64);
	return devices;
}

struct net *nfto_dev_net(const struct net_device *dev)
{
	return dev_net(dev);
}

int nfto_dev_ifindex(const struct net_device *dev)
{
	return READ_ONCE(dev->ifindex);
}

const char *nfto_dev_name(const struct net_device *dev)
{
	return dev->name;
}

/* For a registered device only. */
const char *nfto_dev_kind(const struct net_device *dev)
{
	return dev->rtnl_link_ops ? dev->rtnl_link_ops->kind : "";
}

static const char *nfto_driver_name(const struct net_device *dev)
{
	const struct device *parent = dev->dev.parent;
	const struct device_driver *driver;

#if IS_ENABLED(CONFIG_NET_DEVLINK)
	/* A representor may have no other parent, as with nfp. */
	if (!parent && dev->devlink_port)
		parent = devlink_to_dev(dev->devlink_port->devlink);
#endif
	driver = parent ? parent->driver : NULL;

	/* As netdev_drivername(), which is not exported. */
	return driver && driver->name ? driver->name : "";
}

/* The conduit's driver takes a DSA port's rules: dsa_user_setup_ft_block(). */
const char *nfto_dev_driver(struct net_device *dev)
{
	const struct rtnl_link_ops *ops = dev->rtnl_link_ops;
	struct net_device *conduit;
	const char *name = NULL;

	if (ops && !strcmp(ops->kind, "dsa")) {
		rcu_read_lock();
		conduit = dev_get_by_index_rcu(dev_net(dev),
					       dev_get_iflink(dev));
		/* In another namespace the index belongs to another device. */
		if (conduit && netdev_has_upper_dev_all_rcu(conduit, dev))
			name = nfto_driver_name(conduit);
		rcu_read_unlock();
	}
	return name ?: nfto_driver_name(dev);
}

/* Tunnels that look like Ethernet; the device type identifies the others. */
static bool nfto_is_tunnel(const struct net_device *dev)
{
	const struct rtnl_link_ops *ops = dev->rtnl_link_ops;

	return netif_is_vxlan(dev) || netif_is_geneve(dev) ||
	       netif_is_gretap(dev) || netif_is_ip6gretap(dev) ||
	       (ops && (!strcmp(ops->kind, "erspan") ||
			!strcmp(ops->kind, "ip6erspan")));
}

bool nfto_port(struct net *net, u32 ifindex, struct nfto_port *port)
{
	const struct net_device *dev;

	rcu_read_lock();
	dev = dev_get_by_index_rcu(net, ifindex);
	if (dev) {
		port->mtu = READ_ONCE(dev->mtu);
		port->tunnel = nfto_is_tunnel(dev);
		if (dev->addr_len == ETH_ALEN)
			ether_addr_copy(port->address, dev->dev_addr);
		else
			eth_zero_addr(port->address);
	}
	rcu_read_unlock();
	return dev;
}

/* Returns a VLAN device on dev, or on the bridge or bond above dev. */
static struct net_device *nfto_vlan_dev(struct net_device *dev, __be16 proto,
					u16 vid)
{
	struct net_device *vlan = __vlan_find_dev_deep_rcu(dev, proto, vid);

	/* That function only checks the port's own VLANs, if it has any. */
	if (!vlan) {
		dev = netdev_master_upper_dev_get_rcu(dev);
		if (dev)
			vlan = __vlan_find_dev_deep_rcu(dev, proto, vid);
	}
	return vlan;
}

/*
 * Returns the 802.1p priorities that the VLAN devices of a tuple's tags give to
 * a packet without a priority of its own, which is what the egress map has for
 * priority zero. It is 0 for a tag without a device, such as a tag of the
 * bridge.
 */
void nfto_vlan_priorities(struct net *net,
			  const struct flow_offload_tuple *tuple, u8 *prio)
{
	struct net_device *dev;
	unsigned int i;

	memset(prio, 0, NF_FLOW_TABLE_ENCAP_MAX);
	rcu_read_lock();
	dev = dev_get_by_index_rcu(net, tuple->iifidx);
	for (i = 0; dev && i < tuple->encap_num; i++) {
		if (!eth_type_vlan(tuple->encap[i].proto))
			break;
		dev = nfto_vlan_dev(dev, tuple->encap[i].proto,
				    tuple->encap[i].id);
		if (dev)
			prio[i] = vlan_dev_get_egress_qos_mask(dev, 0) >>
				  VLAN_PRIO_SHIFT;
	}
	rcu_read_unlock();
}

void nfto_dev_hold(struct net_device *dev)
{
	dev_hold(dev);
}

void nfto_dev_put(struct net_device *dev)
{
	dev_put(dev);
}

/*
 * Whether the packet is multicast or broadcast. Its Ethernet header may not
 * show it: a tunnel has none, and the one of PPPoE is always unicast. The
 * header inside an IP tunnel is checked as well, as the core decapsulates it.
 */
static bool nfto_skb_to_many(const struct sk_buff *skb)
{
	int at = skb_network_offset(skb);
	const struct ipv6hdr *ip6;
	const struct iphdr *ip;
	struct ipv6hdr _ip6;
	struct iphdr _ip;

	if (skb->pkt_type == PACKET_MULTICAST ||
	    skb->pkt_type == PACKET_BROADCAST)
		return true;
	if (skb->protocol == htons(ETH_P_8021Q))
		at += VLAN_HLEN;
	else if (skb->protocol == htons(ETH_P_PPP_SES))
		at += PPPOE_SES_HLEN;
	ip = skb_header_pointer(skb, at, sizeof(_ip), &_ip);
	if (ip && ip->version == 4 && unlikely(ip->protocol == IPPROTO_IPIP)) {
		at += ip->ihl * 4;
		ip = skb_header_pointer(skb, at, sizeof(_ip), &_ip);
	}
	if (!ip)
		return false;
	if (ip->version == 4)
		return ipv4_is_multicast(ip->daddr);
	if (ip->version != 6)
		return false;
	ip6 = skb_header_pointer(skb, at, sizeof(_ip6), &_ip6);
	if (ip6 && unlikely(ip6->nexthdr == IPPROTO_IPV6)) {
		at += sizeof(*ip6);
		ip6 = skb_header_pointer(skb, at, sizeof(_ip6), &_ip6);
	}
	return ip6 && ipv6_addr_is_multicast(&ip6->daddr);
}

/* Counts an IP tunnel that has come up, or goes down. */
void nfto_tunnel_changed(const void *info, bool up)
{
	const struct net_device *dev = netdev_notifier_info_to_dev(info);
	struct nfto_net *of = nfto_net(dev_net(dev));
	int by = up ? 1 : -1;

	if (!nfto_dev_is_tunnel(dev))
		return;
	atomic_add(by, &of->tunnels[dev->type == ARPHRD_TUNNEL6]);
	atomic_add(by, &nfto_tunnels);
}

/*
 * Reads an IP header into the key of a flow. Returns the offset of its end; 0
 * if there is no IP header, or for a fragment, which the core ignores.
 */
static int nfto_skb_ip(const struct sk_buff *skb, int at,
		       struct flow_offload_tuple *tuple)
{
	const struct ipv6hdr *ip6;
	const struct iphdr *ip;
	struct ipv6hdr _ip6;
	struct iphdr _ip;

	ip = skb_header_pointer(skb, at, sizeof(_ip), &_ip);
	if (!ip)
		return 0;
	if (ip->version == 4) {
		if (ip->ihl < 5 || ip_is_fragment(ip))
			return 0;
		tuple->l3proto = NFPROTO_IPV4;
		tuple->l4proto = ip->protocol;
		tuple->src_v4.s_addr = ip->saddr;
		tuple->dst_v4.s_addr = ip->daddr;
		return at + ip->ihl * 4;
	}
	ip6 = skb_header_pointer(skb, at, sizeof(_ip6), &_ip6);
	if (ip->version != 6 || !ip6)
		return 0;
	tuple->l3proto = NFPROTO_IPV6;
	tuple->l4proto = ip6->nexthdr;
	tuple->src_v6 = ip6->saddr;
	tuple->dst_v6 = ip6->daddr;
	return at + sizeof(*ip6);
}

/*
 * Reads the key by which the core looks up a packet (nf_flow_tuple_ip(),
 * nf_flow_tuple_encap()): with its tags and with the outer header of an IP
 * tunnel. Packets that the core ignores may have a key as well.
 */
static bool nfto_skb_tuple(const struct sk_buff *skb,
			   const struct net_device *in,
			   struct flow_offload_tuple *key)
{
	struct flow_offload_tuple outer, tuple = {};
	int at = skb_network_offset(skb);
	const struct pppoe_hdr *pppoe;
	const struct flow_ports *ports;
	const struct vlan_hdr *vlan;
	struct flow_ports _ports;
	struct pppoe_hdr _pppoe;
	struct vlan_hdr _vlan;
	unsigned int i = 0;

	tuple.iifidx = in->ifindex;
	if (skb_vlan_tag_present(skb)) {
		tuple.encap[i].id = skb_vlan_tag_get_id(skb);
		tuple.encap[i++].proto = skb->vlan_proto;
	}
	if (skb->protocol == htons(ETH_P_8021Q)) {
		vlan = skb_header_pointer(skb, at, sizeof(_vlan), &_vlan);
		if (!vlan)
			return false;
		tuple.encap[i].id = ntohs(vlan->h_vlan_TCI) & VLAN_VID_MASK;
		tuple.encap[i].proto = skb->protocol;
		at += VLAN_HLEN;
	} else if (skb->protocol == htons(ETH_P_PPP_SES)) {
		pppoe = skb_header_pointer(skb, at, sizeof(_pppoe), &_pppoe);
		if (!pppoe)
			return false;
		tuple.encap[i].id = ntohs(pppoe->sid);
		tuple.encap[i].proto = skb->protocol;
		at += PPPOE_SES_HLEN;
	}
	at = nfto_skb_ip(skb, at, &tuple);
	if (at && tuple.l4proto == (tuple.l3proto == NFPROTO_IPV4 ?
				    IPPROTO_IPIP : IPPROTO_IPV6)) {
		outer = tuple;
		tuple.tun.src_v6 = outer.src_v6;
		tuple.tun.dst_v6 = outer.dst_v6;
		*nfto_tunnel_proto(&tuple.tun) = outer.l4proto;
		memset(&tuple.src_v6, 0, sizeof(tuple.src_v6));
		memset(&tuple.dst_v6, 0, sizeof(tuple.dst_v6));
		at = nfto_skb_ip(skb, at, &tuple);
	}
	if (!at)
		return false;
	if (tuple.l4proto != IPPROTO_GRE) {
		if (tuple.l4proto != IPPROTO_TCP &&
		    tuple.l4proto != IPPROTO_UDP)
			return false;
		ports = skb_header_pointer(skb, at, sizeof(_ports), &_ports);
		if (!ports)
			return false;
		tuple.src_port = ports->source;
		tuple.dst_port = ports->dest;
	}
	*key = tuple;
	return true;
}

static struct flow_offload *
nfto_flow_of(struct flow_offload_tuple_rhash *tuplehash)
{
	return container_of(tuplehash, struct flow_offload,
			    tuplehash[tuplehash->tuple.dir & 1]);
}

/* Returns the flow of a packet, if the core finds one. */
static const struct flow_offload *nfto_skb_flow(const struct sk_buff *skb,
						struct nf_flowtable *ft,
						const struct net_device *in)
{
	struct flow_offload_tuple_rhash *found = NULL;
	struct flow_offload_tuple key;

	if (nfto_skb_tuple(skb, in, &key))
		found = flow_offload_lookup(ft, &key);
	return found ? nfto_flow_of(found) : NULL;
}

/*
 * Returns the flow with this key that was not torn down. The core stops at the
 * first match, which may be an earlier flow that was torn down. Under RCU.
 */
static struct flow_offload *
nfto_flow_live(struct nf_flowtable *ft, const struct flow_offload_tuple *key)
{
	struct rhashtable *ht = &ft->rhashtable;
	struct rhashtable_compare_arg arg = { .ht = ht, .key = key };
	struct rhash_lock_head __rcu *const *bkt;
	struct rhash_head *head;
	struct bucket_table *tbl;
	struct flow_offload *flow;
	unsigned int hash;

	for (tbl = rht_dereference_rcu(ht->tbl, ht); tbl;
	     tbl = rht_dereference_rcu(tbl->future_tbl, ht)) {
		hash = rht_key_hashfn(ht, tbl, key, ht->p);
		bkt = rht_bucket(tbl, hash);
		do {
			rht_for_each_rcu_from(head, rht_ptr_rcu(bkt), tbl, hash) {
				if (ht->p.obj_cmpfn(&arg, rht_obj(ht, head)))
					continue;
				flow = nfto_flow_of(rht_obj(ht, head));
				if (!test_bit(NF_FLOW_TEARDOWN, &flow->flags))
					return flow;
			}
			/* An entry may have moved on to another chain. */
		} while (head != RHT_NULLS_MARKER(bkt));
		/* As in rhashtable_lookup(). */
		smp_rmb();
	}
	return NULL;
}

/*
 * Whether the core would lose the packet in an IP tunnel. That can only happen
 * in a flowtable with flags offload, or in 7.2 with a tunnel over IPv6:
 * otherwise the packet is not examined.
 */
static bool nfto_skb_is_mishandled(const struct sk_buff *skb,
				   struct nf_flowtable *ft,
				   const struct nf_hook_state *state)
{
	const struct flow_offload *flow;
	const struct nfto_net *of;

	if (likely(!atomic_read(&nfto_tunnels)))
		return false;
	of = nfto_net(state->net);
	if (!atomic_read(&of->tunnels[1]) &&
	    (!nf_flowtable_hw_offload(ft) || !atomic_read(&of->tunnels[0])))
		return false;
	flow = nfto_skb_flow(skb, ft, state->in);
	return flow && nfto_flow_is_mishandled(flow);
}

/* Whether a packet ends a TCP connection: with FIN or RST. */
static bool nfto_skb_ends(const struct sk_buff *skb)
{
	int at = skb_network_offset(skb);
	struct flow_offload_tuple tuple;
	const struct tcphdr *tcp;
	struct tcphdr _tcp;

	if (skb->protocol == htons(ETH_P_8021Q))
		at += VLAN_HLEN;
	else if (skb->protocol == htons(ETH_P_PPP_SES))
		at += PPPOE_SES_HLEN;
	at = nfto_skb_ip(skb, at, &tuple);
	if (!at || tuple.l4proto != IPPROTO_TCP)
		return false;
	tcp = skb_header_pointer(skb, at, sizeof(_tcp), &_tcp);
	return tcp && (tcp->fin || tcp->rst);
}

/*
 * Returns the flow of a packet that ends its connection, if the core has it in
 * hardware; otherwise NULL. A flow that the core does not find for the packet
 * is torn down here: it would outlive its connection. Under RCU.
 */
const struct flow_offload *nfto_skb_flow_in_hw(const struct sk_buff *skb,
					       struct nf_flowtable *ft,
					       const struct nf_hook_state *state)
{
	struct flow_offload_tuple key;
	struct flow_offload *flow;

	if (!nfto_skb_tuple(skb, state->in, &key))
		return NULL;
	flow = nfto_flow_live(ft, &key);
	if (!flow || !test_bit(NF_FLOW_HW, &flow->flags))
		return NULL;
	if (!flow_offload_lookup(ft, &key))
		nfto_flow_teardown(flow);
	return flow;
}

/*
 * Called once per packet. Returns the protocol in the low half; above it,
 * whether there are tags, whether the packet takes the slow path, and whether
 * it ends a connection that may be in hardware.
 */
u32 nfto_skb_head(const struct sk_buff *skb, struct nf_flowtable *ft,
		  const struct nf_hook_state *state)
{
	bool tags = skb_vlan_tag_present(skb) ||
		    skb->protocol == htons(ETH_P_8021Q);
	bool slow = nfto_skb_to_many(skb) ||
		    nfto_skb_is_mishandled(skb, ft, state);
	bool ends = nf_flowtable_hw_offload(ft) && nfto_skb_ends(skb);

	return ntohs(skb->protocol) | tags << 16 | slow << 17 | ends << 18;
}

/* Reads the tag that the stack has removed. */
bool nfto_skb_vlan_tci(const struct sk_buff *skb, u16 *tci)
{
	*tci = skb->vlan_tci;
	return skb_vlan_tag_present(skb);
}

void nfto_skb_set_vlan_tci(struct sk_buff *skb, u16 tci)
{
	skb->vlan_tci = tci;
}

/*
 * Reads the 802.1Q tag that is still in the packet: at the start of its data.
 * The core reads it after the Ethernet header, which is the same place unless a
 * VLAN device has left its tag in (reorder_hdr off); the core finds no IP then.
 */
bool nfto_skb_inner_tci(struct sk_buff *skb, u16 *tci)
{
	if (skb->protocol != htons(ETH_P_8021Q) ||
	    !pskb_may_pull(skb, VLAN_HLEN))
		return false;
	*tci = ntohs(((struct vlan_hdr *)skb->data)->h_vlan_TCI);
	return true;
}

bool nfto_skb_set_inner_tci(struct sk_buff *skb, u16 tci)
{
	__be16 *at;

	if (skb_ensure_writable(skb, VLAN_HLEN))
		return false;
	at = &((struct vlan_hdr *)skb->data)->h_vlan_TCI;
	skb_postpull_rcsum(skb, at, sizeof(*at));
	*at = htons(tci);
	skb_postpush_rcsum(skb, at, sizeof(*at));
	return true;
}

/*
 * Copies len bytes at offset from the start of the frame's link-layer header.
 * Returns false if the frame is too short or the header cannot be made linear.
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

u64 nfto_random(void)
{
	return get_random_u64();
}

u64 nfto_jiffies64(void)
{
	return get_jiffies_64();
}

void nfto_sleep_ms(unsigned int ms)
{
	if (ms)
		fsleep(ms * USEC_PER_MSEC);
}

void nfto_cond_resched(void)
{
	cond_resched();
}

bool nfto_genl_listens(const struct genl_family *family, struct net *net)
{
	return genl_has_listeners(family, net, 0);
}

/* Consumes the packet. */
void nfto_genl_multicast(const struct genl_family *family, struct net *net,
			 struct sk_buff *skb)
{
	genlmsg_multicast_netns(family, net, skb, 0, 0, GFP_KERNEL);
}

void nfto_trace_translate(const struct flow_offload *flow, int dir,
			  unsigned int ifindex, u64 cookie, unsigned int reason,
			  int error)
{
	trace_translate(flow, dir, ifindex, cookie, reason, error);
}

void nfto_trace_install(const struct flow_offload *flow, int dir,
			unsigned int ifindex, u64 cookie, unsigned int reason,
			int error)
{
	trace_install(flow, dir, ifindex, cookie, reason, error);
}

void nfto_trace_remove(const struct flow_offload *flow, int dir,
		       unsigned int ifindex, u64 cookie, unsigned int reason,
		       int error)
{
	trace_remove(flow, dir, ifindex, cookie, reason, error);
}

void nfto_trace_refuse(const struct flow_offload *flow, int dir,
		       unsigned int ifindex, u64 cookie, unsigned int reason,
		       int error)
{
	trace_refuse(flow, dir, ifindex, cookie, reason, error);
}

void nfto_trace_evict(const struct flow_offload *flow, int dir,
		      unsigned int ifindex, u64 cookie, unsigned int reason,
		      int error)
{
	trace_evict(flow, dir, ifindex, cookie, reason, error);
}

void nfto_trace_stale(const struct flow_offload *flow, int dir,
		      unsigned int ifindex, u64 cookie, unsigned int reason,
		      int error)
{
	trace_stale(flow, dir, ifindex, cookie, reason, error);
}

/* Both change when a transaction is committed, the cursor a moment later. */
u32 nfto_ruleset_generation(const struct net *net, u8 *cursor)
{
	*cursor = READ_ONCE(net->nft.gencursor);
	return READ_ONCE(net->nft.base_seq);
}

/*
 * Tears down the flows of a flowtable for which wants() returns true, in a
 * single RCU read-side section, as the core's garbage collection does. Only the
 * garbage collection frees flows, and only those that were torn down. If a flow
 * is not torn down after a reference of its connection was taken, it held that
 * connection when the reference was taken.
 */
u64 nfto_flowtable_teardown(struct nf_flowtable *ft,
			    bool (*wants)(struct flow_offload *flow, void *data),
			    void *data)
{
	struct flow_offload_tuple_rhash *found;
	struct rhashtable_iter iter;
	struct flow_offload *flow;
	struct nf_conn *ct;
	u64 ended = 0;

	rhashtable_walk_enter(&ft->rhashtable, &iter);
	rhashtable_walk_start(&iter);
	while ((found = rhashtable_walk_next(&iter))) {
		/* The walk starts again when the table was resized. */
		if (IS_ERR(found) || found->tuple.dir)
			continue;
		flow = container_of(found, struct flow_offload, tuplehash[0]);
		ct = flow->ct;
		if (test_bit(NF_FLOW_TEARDOWN, &flow->flags) ||
		    !refcount_inc_not_zero(&ct->ct_general.use))
			continue;
		/* As in __nf_conntrack_find_get(). */
		smp_acquire__after_ctrl_dep();
		if (!test_bit(NF_FLOW_TEARDOWN, &flow->flags) &&
		    wants(flow, data)) {
			nfto_flow_teardown(flow);
			ended++;
		}
		nf_ct_put(ct);
	}
	rhashtable_walk_stop(&iter);
	rhashtable_walk_exit(&iter);
	return ended;
}
