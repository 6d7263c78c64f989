/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Input of bindgen: the kernel headers that the kernel crate does not bind, and
 * the functions of the C files of this folder that Rust calls, or that one of
 * these files calls in another.
 */
#ifndef NFT_OFFLOAD_BINDINGS_HELPER_H
#define NFT_OFFLOAD_BINDINGS_HELPER_H

#include <linux/if_ether.h>
#include <linux/netdevice.h>
#include <linux/netfilter.h>
#include <linux/netlink.h>
#include <linux/notifier.h>
#include <linux/percpu-rwsem.h>
#include <linux/rcupdate.h>
#include <linux/rtnetlink.h>
#include <linux/skbuff.h>
#include <linux/slab.h>
#include <linux/tc_act/tc_csum.h>
#include <linux/workqueue.h>
#include <net/flow_offload.h>
#include <net/genetlink.h>
#include <net/netevent.h>
#include <net/netfilter/nf_flow_table.h>
#include <net/netfilter/nf_tables.h>

enum nfto_csum {
	NFTO_CSUM_IPV4HDR	= TCA_CSUM_UPDATE_FLAG_IPV4HDR,
	NFTO_CSUM_TCP		= TCA_CSUM_UPDATE_FLAG_TCP,
	NFTO_CSUM_UDP		= TCA_CSUM_UPDATE_FLAG_UDP,
};

/* bindgen does not evaluate BIT(). */
enum nfto_mcast {
	NFTO_MCAST_ADMIN	= GENL_MCAST_CAP_NET_ADMIN,
};

/* The next hop of a flow: see nfto_flow_nexthop(). */
struct nfto_nexthop {
	u32	ifindex;
	u8	h_source[ETH_ALEN];
	u8	h_dest[ETH_ALEN];
};

/* A header between Ethernet and IP; host order. */
struct nfto_way_encap {
	u16	id;
	u16	protocol;
};

/* The path that the packets of a direction would take: see nfto_flow_way(). */
struct nfto_way {
	/* The lowest device. */
	u32	ifindex;
	u32	mtu;
	u8	source[ETH_ALEN];
	u8	destination[ETH_ALEN];
	/* The outermost first; a bit for each that the switch handles. */
	struct nfto_way_encap encap[NF_FLOW_TABLE_ENCAP_MAX];
	u8	encaps;
	u8	by_switch;
	/* Whether the route's device is up, and forwards what it receives. */
	bool	up;
	bool	forwards;
	/* Whether a bridge on the path blocks: see nfto_bridge_forwards(). */
	bool	blocked;
};

/* A route's destination: network order, an IPv4 address in the first bytes. */
struct nfto_prefix {
	u8	family;
	u8	len;
	u8	address[16];
};

#define NFTO_MAC_PLACES 1024

/* The lightweight tunnel of a route: see nfto_flow_tunnel(). */
enum nfto_tunnel_kind {
	NFTO_TUNNEL_NONE,
	NFTO_TUNNEL_IP,
	NFTO_TUNNEL_OTHER,
};

struct nfto_tunnel {
	bool	has_id;
	bool	ipv6;
	u8	id[4];
	u8	source[16];
	u8	destination[16];
	u8	port[2];
};

/* The properties of a device that a rule needs: see nfto_port(). */
struct nfto_port {
	u32	mtu;
	u8	address[ETH_ALEN];
	bool	tunnel;
};

/*
 * The key that drivers read: the C core's key, which has no room for PPPoE and
 * for the UDP port of a tunnel, followed by these.
 */
struct nfto_key {
	struct nf_flow_key			nf;
	struct flow_dissector_key_pppoe		pppoe;
	struct flow_dissector_key_ports		enc_tp;
} __aligned(BITS_PER_LONG / 8);

struct nfto_match {
	struct flow_dissector	dissector;
	struct nfto_key		key;
	struct nfto_key		mask;
};

/*
 * The maximum number of actions of a rule, as in the core
 * (NF_FLOW_RULE_ACTION_MAX); drivers size their buffers by it.
 */
#define NFTO_RULE_ACTIONS 24

/* A rule and its match: see nfto_rule_get(). */
struct nfto_rule {
	struct nfto_match	matching;
	struct flow_rule	rule;
};

/* The names of a flowtable in nf_tables: see nfto_flowtable_names(). */
struct nfto_names {
	const char	*table;
	const char	*flowtable;
	u8		family;
};

/* A flowtable of this module in the list of its network namespace. */
struct nfto_instance {
	struct list_head	list;
	refcount_t		users;
	u64			number;
	struct rcu_head		rcu;
};

/*
 * The block to which drivers add their callbacks, and the one to which
 * flow_indr_dev_register() adds callbacks later, under a lock of its own.
 */
struct nfto_blocks {
	struct flow_block	bound;
	struct flow_block	late;
};

/*
 * The key of a flow's packets: see nfto_flow_find(). An IPv4 address is in the
 * first four bytes.
 */
struct nfto_tuple {
	u8	family;
	u8	protocol;
	u8	source[16];
	u8	destination[16];
	u8	source_port[2];
	u8	destination_port[2];
};

/* Lines of the kernel log that users can cause: see nfto_log_allows(). */
enum nfto_log {
	NFTO_LOG_DEVICE_IN_SOFTWARE,
	NFTO_LOG_DEVICE_BOUND,
	NFTO_LOG_FLOW_IN_SOFTWARE,
	NFTO_LOG_ADMISSION_IS_BLIND,
	NFTO_LOG_RULE_REFUSED,
	NFTO_LOG_RULE_KEPT,
	NFTO_LOG_RULES_LEFT,
	NFTO_LOG_CALLBACK_KEPT,
	NFTO_LOG_KINDS,
};

/* helpers/delay.c */
void nfto_sleep_ms(unsigned int ms);

/* helpers/flow_offload.c */
void nfto_blocks_init(struct nfto_blocks *blocks);
bool nfto_blocks_empty(const struct nfto_blocks *blocks);
void nfto_block_offload_init(struct flow_block_offload *bo,
			     struct flow_block *block, struct net *net,
			     struct flow_block *late,
			     enum flow_block_command cmd,
			     struct netlink_ext_ack *extack);
void nfto_block_splice(struct flow_block_offload *bo);
void nfto_block_free_cbs(struct list_head *cb_list);
void nfto_block_cb_take_out(struct flow_block_cb *cb);

/* helpers/genetlink.c */
struct net *nfto_genl_net(const struct genl_info *info);
const struct genl_info *nfto_genl_dump_info(struct netlink_callback *cb);
int nfto_genl_reply(struct sk_buff *skb, struct genl_info *info);
void nfto_genl_refuse(const struct genl_info *info, const struct nlattr *attr,
		      const char *text);
void nfto_genl_missing(const struct genl_info *info, struct nlattr *nest,
		       unsigned int type);
bool nfto_genl_listens(const struct genl_family *family, struct net *net);
void nfto_genl_multicast(const struct genl_family *family, struct net *net,
			 struct sk_buff *skb);

/* helpers/if_vlan.c */
bool nfto_notifier_is_vlan(const void *info);

/* helpers/jiffies.c */
u64 nfto_jiffies64(void);

/* helpers/module.c */
const char *nfto_module_name(struct module *mod);

/* helpers/net_namespace.c */
bool nfto_net_is_initial(const struct net *net);

/* helpers/netdevice.c */
struct net *nfto_dev_net(const struct net_device *dev);
int nfto_dev_ifindex(const struct net_device *dev);
const char *nfto_dev_name(const struct net_device *dev);
void nfto_dev_hold(struct net_device *dev);
void nfto_dev_put(struct net_device *dev);
struct net *nfto_notifier_net(const void *info);
u32 nfto_notifier_upper(const void *info);
bool nfto_setup_tc_supported(const struct net_device *dev);
int nfto_setup_tc(struct net_device *dev, enum tc_setup_type type,
		  struct flow_block_offload *bo);

/* helpers/netlink.c */
struct sk_buff *nfto_genl_skb(unsigned int size);
void nfto_genl_free(struct sk_buff *skb);
const void *nfto_nla_data(const struct nlattr *attr);
unsigned int nfto_nla_len(const struct nlattr *attr);
struct nlattr *nfto_nla_find_nested(const struct nlattr *nest, int type);

/* helpers/nf_conntrack.c */
struct net *nfto_flow_net(const struct flow_offload *flow);
bool nfto_flow_ct_is_dying(const struct flow_offload *flow);
void nfto_flow_set_hw_offload(struct flow_offload *flow, bool on);
u32 nfto_flow_ct_id(const struct flow_offload *flow);
u32 nfto_flow_mark(const struct flow_offload *flow);
u16 nfto_flow_zone(const struct flow_offload *flow);

/* helpers/nf_conntrack_acct.c */
void nfto_flow_account(struct flow_offload *flow, unsigned int dir,
		       u64 packets, u64 bytes);
bool nfto_flow_packets(const struct flow_offload *flow, u64 *packets);

/* helpers/nf_conntrack_core.c */
bool nfto_ct_has(struct net *net, const struct nfto_tuple *of, u16 zone);

/* helpers/nf_flow_table.c */
struct net *nfto_flowtable_net(const struct nf_flowtable *ft);
bool nfto_flowtable_is_going(const struct nf_flowtable *ft);
void nfto_flowtable_collect(struct nf_flowtable *ft);
void nfto_flowtable_add_cb(struct nf_flowtable *ft, struct flow_block_cb *cb);
void nfto_flowtable_del_cb(struct nf_flowtable *ft, struct flow_block_cb *cb);
struct flow_offload *nfto_flow_from_cookie(unsigned long cookie,
					   unsigned int *dir);
unsigned long nfto_flow_find(struct nf_flowtable *ft,
			     const struct nfto_tuple *of, u32 ifindex);
bool nfto_flowtable_has(struct nf_flowtable *ft, struct flow_offload *flow);

/* helpers/nf_tables.c */
void nfto_flowtable_names(const struct nf_flowtable *ft,
			  struct nfto_names *names);
bool nfto_flowtable_is_committed(const struct nf_flowtable *ft);
u32 nfto_ruleset_generation(const struct net *net, u8 *cursor);

/* helpers/nfnetlink.c */
void nfto_nfnl_lock(void);
void nfto_nfnl_unlock(void);

/* helpers/percpu_rwsem.c */
int nfto_init_rwsem(struct percpu_rw_semaphore *sem);
void nfto_free_rwsem(struct percpu_rw_semaphore *sem);
void nfto_down_read(struct percpu_rw_semaphore *sem);
void nfto_up_read(struct percpu_rw_semaphore *sem);
void nfto_down_write(struct percpu_rw_semaphore *sem);
void nfto_up_write(struct percpu_rw_semaphore *sem);

/* helpers/random.c */
u64 nfto_random(void);

/* helpers/rtnetlink.c */
const char *nfto_dev_kind(const struct net_device *dev);

/* helpers/sched.c */
void nfto_cond_resched(void);

/* helpers/skbuff.c */
void *nfto_genl_room(struct sk_buff *skb, unsigned int *len);
bool nfto_skb_vlan_tci(const struct sk_buff *skb, u16 *tci);
void nfto_skb_set_vlan_tci(struct sk_buff *skb, u16 tci);
bool nfto_skb_inner_tci(struct sk_buff *skb, u16 *tci);
bool nfto_skb_set_inner_tci(struct sk_buff *skb, u16 tci);
bool nfto_skb_mac_bytes(struct sk_buff *skb, unsigned int offset, void *to,
			unsigned int len);

/* helpers/timekeeping.c */
u64 nfto_now_ns(void);

/* helpers/workqueue.c */
void nfto_delayed_work_init(struct delayed_work *work, work_func_t func);
void nfto_schedule_in_a_second(struct delayed_work *work);
void nfto_schedule_in_ms(struct delayed_work *work, unsigned int ms);
void nfto_schedule_now(struct delayed_work *work);
void nfto_schedule_again(struct delayed_work *work, unsigned int ms);

/* flow_offload/block.c */
void nfto_module_get(void);
void nfto_module_put(void);
void nfto_module_settle(void);

/* flow_offload/rule.c */
struct nfto_rule *nfto_rule_get(void);
void nfto_rule_put(struct nfto_rule *rule);
void nfto_rules_free(void);

/* flowtable/conntrack.c */
void nfto_flow_hold_ct(const struct flow_offload *flow);
void nfto_flow_keep_slow(struct flow_offload *flow);
void nfto_flow_keep_ct(const struct flow_offload *flow);
void nfto_flow_release_ct(const struct flow_offload *flow);
unsigned long nfto_flow_offload_timeout(const struct flow_offload *flow);

/* flowtable/flow.c */
int nfto_flow_nexthop(const struct flow_offload *flow, unsigned int dir,
		      struct nfto_nexthop *hop);
u32 nfto_flow_egress(const struct flow_offload *flow, unsigned int dir);
enum nfto_tunnel_kind nfto_flow_tunnel(const struct flow_offload *flow,
				       unsigned int dir,
				       struct nfto_tunnel *tunnel);
const struct ip_tunnel_info *
nfto_flow_tunnel_info(const struct flow_offload *flow, unsigned int dir);
bool nfto_flow_has_tunnel_of(const struct flow_offload *flow, unsigned int dir,
			     const struct dst_entry *dst);
void nfto_flow_teardown(struct flow_offload *flow);

/* flowtable/hook.c */
const struct flow_offload *nfto_skb_flow_in_hw(const struct sk_buff *skb,
					       struct nf_flowtable *ft,
					       const struct nf_hook_state *state);
unsigned int nfto_skb_plain(const struct sk_buff *skb, struct nf_flowtable *ft);
u32 nfto_skb_head(const struct sk_buff *skb, struct nf_flowtable *ft,
		  const struct nf_hook_state *state);

/* flowtable/instances.c */
int nfto_instances_init(void);
void nfto_instances_exit(void);
void nfto_instances_changed(struct net *net);
bool nfto_genl_dump_is_interrupted(struct netlink_callback *cb);
void nfto_instance_add(struct net *net, struct nfto_instance *instance);
bool nfto_instance_get(struct nfto_instance *instance);
void nfto_instance_put(struct nfto_instance *instance);
void nfto_instance_close(struct nfto_instance *instance);
void nfto_instance_remove(struct net *net, struct nfto_instance *instance);
void nfto_instance_free(struct nfto_instance *instance);
struct nfto_instance *nfto_instance_next(struct net *net,
					 struct nfto_instance *previous);
struct nfto_instance *nfto_instance_only(struct net *net, bool *several);

/* flowtable/ruleset.c */
u64 nfto_flowtable_teardown(struct nf_flowtable *ft,
			    bool (*wants)(struct flow_offload *flow, void *data),
			    void *data);

/* flowtable/tunnel.c */
void nfto_tunnel_changed(const void *info, bool up);
bool nfto_flow_is_mishandled(const struct flow_offload *flow);
bool nfto_flow_has_no_tunnel(const struct flow_offload *flow);
u32 nfto_flow_tunnel_hash(const struct flow_offload *flow);
u32 nfto_flow_tunnel_dev(const struct flow_offload *flow);

/* flowtable/twins.c */
unsigned int nfto_flow_twins(struct nf_flowtable *ft,
			     const struct flow_offload *flow, unsigned int dir,
			     unsigned int skip, unsigned long *found,
			     unsigned int room);
bool nfto_flow_is_twin(const struct flow_offload *flow, unsigned int dir,
		       const struct flow_offload *other, unsigned int other_dir);

/* log.c */
bool nfto_log_allows(enum nfto_log kind);

/* netdevice.c */
void nfto_dev_driver(struct net_device *dev, char *name, size_t size);
bool nfto_port(struct net *net, u32 ifindex, struct nfto_port *port);
void nfto_vlan_priorities(struct net *net,
			  const struct flow_offload_tuple *tuple, u8 *prio);

/* notifier.c */
u64 nfto_notifier_devices(unsigned long event, const void *info);

/* params.c */
const char *nfto_param_profile(void);
const char *nfto_param_limit(void);
const char *nfto_param_block(void);
const char *nfto_param_unsupported(void);
const char *nfto_param_directions(void);
const char *nfto_param_admit(void);
bool nfto_param_flush_on_reload(void);

/* route.c */
int nfto_flow_way(const struct flow_offload *flow, unsigned int dir, u32 mark,
		  struct nfto_way *way);
bool nfto_net_has_rules(const struct net *net, u8 family);
u64 nfto_net_routing(struct net *net);

/* trace.c */
void nfto_trace_translate(const struct flow_offload *flow, int dir,
			  unsigned int ifindex, u64 cookie, unsigned int reason,
			  int error);
void nfto_trace_install(const struct flow_offload *flow, int dir,
			unsigned int ifindex, u64 cookie, unsigned int reason,
			int error);
void nfto_trace_remove(const struct flow_offload *flow, int dir,
		       unsigned int ifindex, u64 cookie, unsigned int reason,
		       int error);
void nfto_trace_refuse(const struct flow_offload *flow, int dir,
		       unsigned int ifindex, u64 cookie, unsigned int reason,
		       int error);
void nfto_trace_evict(const struct flow_offload *flow, int dir,
		      unsigned int ifindex, u64 cookie, unsigned int reason,
		      int error);
void nfto_trace_stale(const struct flow_offload *flow, int dir,
		      unsigned int ifindex, u64 cookie, unsigned int reason,
		      int error);

/* watch.c */
int nfto_watch_init(void);
void nfto_watch_exit(void);
int nfto_watch_fib(struct net *net, notifier_fn_t call);
struct net *nfto_fib_news(const struct notifier_block *block,
			  unsigned long event, const void *info,
			  struct nfto_prefix *prefix);
struct net *nfto_neighbour_news(unsigned long event, void *info, u8 *had);
void nfto_neighbours_seed(void);
void nfto_neighbours_use(const struct net *net, const u64 *used);
u32 nfto_mac_place(const u8 *address, u64 *bits);
void nfto_bridge_changed(unsigned long event, const void *info);
bool nfto_net_has_bridges(const struct net *net);
bool nfto_bridge_forwards(const struct net_device *bridge, u16 vid,
			  const struct net_device *port);
int nfto_register_switchdev(struct notifier_block *atomic,
			    struct notifier_block *blocking);
void nfto_unregister_switchdev(struct notifier_block *atomic,
			       struct notifier_block *blocking);
struct net *nfto_station_news(unsigned long event, void *info, u8 *address);
const struct net_device *nfto_port_news(unsigned long event, void *info);
u64 nfto_dev_and_lower(const struct net_device *dev);

#endif /* NFT_OFFLOAD_BINDINGS_HELPER_H */
