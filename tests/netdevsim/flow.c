// SPDX-License-Identifier: GPL-2.0
/*
 * The simulated switch NIC, which receives flowtable rules without a real NIC.
 *
 * The kernel's netdevsim accepts TC_SETUP_FT and binds nothing. These files
 * make every netdevsim device one switch ASIC. Its ports share a rule table,
 * which is filled through real flow_block callbacks with the checks of a
 * driver, and a datapath: a frame that arrives on the wire of a port (from its
 * link_device peer) and hits a rule is rewritten and leaves on the wire of the
 * egress port; the host stack of the router never sees it. All other frames,
 * and every exception that a NIC leaves to the CPU, take the same way as
 * without these files.
 *
 *   flow.c		debugfs, ethtool, the life of ports and switches
 *   flow_bind.c	the interfaces by which a flowtable binds, the bindings
 *   flow_table.c	the rule table, the block callback
 *   flow_path.c	the datapath
 *   profile_*.c	the hardware: what its driver requires, its messages,
 *			and what the hardware does without a rule
 *
 * The NIC is written from tc's definitions and from what drivers do. It shares
 * no code and no table with the module that it tests.
 *
 * Locks: nsim_flow::lock (mutex) guards the table, the bindings and the life of
 * the ports; it nests inside RTNL, the devlink lock and nft's commit_mutex, and
 * only bind_lock and the allocator's locks are taken inside it. bind_lock
 * guards which rules of a PPE are in hardware; the datapath takes it for a
 * frame of a rule that may not be in hardware. Otherwise the datapath takes no
 * lock: it finds rules under RCU, and a port waits for a grace period before it
 * goes.
 *
 * debugfs: /sys/kernel/debug/netdevsim/netdevsimN/flow/
 *   enabled		N: no frame is forwarded
 *   profile		the kind of hardware: tc, mlx5, mtk, airoha, sfc; a
 *			change gives -EBUSY while there are rules
 *   rules, stats	the contents of the table, the counters
 *   refusal		the last command that failed, why, and its errno; also
 *			the reason that a silent driver does not give
 *   count, high_water	number of rules, now and at most
 *   capacity		number of rules that fit; for a PPE, those in hardware
 *   bind_after		for a PPE: a rule enters the hardware once this many of
 *			its frames have reached the CPU; 0: at once
 *   delay_us		the time that a command takes
 *   fail_next		number of commands of the kind fail_cmd that fail with
 *			fail_errno
 *   fail_skip		number of commands of that kind that succeed before
 *   lie		how the NIC's reports differ from what it does, or what
 *			they lack: no_counters, no_lastused, no_use (neither)
 *   bind_as		how the driver can be bound: ft (TC_SETUP_FT), block
 *			(TC_SETUP_BLOCK), both of these, indirect-ft and
 *			indirect-block (for its ports and the devices above
 *			them, as a driver that has loaded with the write), none
 *   one_binding	the ports share one binding, as those of a DSA switch do
 *			whose conduit can be bound once: -EBUSY for a second one
 *   locked_driver_cb	the driver's callback needs RTNL: it does not set
 *			unlocked_driver_cb when it is bound
 *   orphans		number of rules left when their port went
 *   forget		N: the N oldest rules disappear silently, as after a
 *			reset of the firmware; 0: all of them
 *
 * stats: indr_replays counts binds that the kernel replayed to a driver that
 * has loaded, indr_dead those with a device that is not registered.
 *
 * Ports have hw-tc-offload, and it is on, as in drivers. Profile tc ignores it.
 */

#include <linux/debugfs.h>
#include <linux/ethtool.h>
#include <linux/if_vlan.h>
#include <linux/netdevice.h>
#include <linux/seq_file.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/uaccess.h>
#include <net/flow_offload.h>

#include "netdevsim.h"
#include "flow_priv.h"

#define NSIM_FLOW_CAPACITY	65536

static const char * const nsim_flow_counter_names[NSIM_FLOW_COUNTERS] = {
	[NSIM_FLOW_BINDS]		= "binds",
	[NSIM_FLOW_UNBINDS]		= "unbinds",
	[NSIM_FLOW_ADDS]		= "adds",
	[NSIM_FLOW_DELS]		= "dels",
	[NSIM_FLOW_QUERIES]		= "queries",
	[NSIM_FLOW_REFUSED]		= "refused",
	[NSIM_FLOW_INJECTED]		= "injected",
	[NSIM_FLOW_UNKNOWN_COOKIE]	= "unknown_cookie",
	[NSIM_FLOW_STALE]		= "stale_at_unbind",
	[NSIM_FLOW_INDR_REPLAYS]	= "indr_replays",
	[NSIM_FLOW_INDR_DEAD]		= "indr_dead",
	[NSIM_FLOW_LEAKED_BINDINGS]	= "leaked_bindings",
	[NSIM_FLOW_FORWARDED]		= "forwarded",
	[NSIM_FLOW_CPU_NOT_IP]		= "cpu_not_ip",
	[NSIM_FLOW_CPU_MALFORMED]	= "cpu_malformed",
	[NSIM_FLOW_CPU_TAGS]		= "cpu_tags",
	[NSIM_FLOW_CPU_PPPOE]		= "cpu_pppoe",
	[NSIM_FLOW_CPU_IP4_OPTIONS]	= "cpu_ip4_options",
	[NSIM_FLOW_CPU_IP4_CSUM]	= "cpu_ip4_csum",
	[NSIM_FLOW_CPU_IP6_EXT]		= "cpu_ip6_ext",
	[NSIM_FLOW_CPU_FRAGMENT]	= "cpu_fragment",
	[NSIM_FLOW_CPU_NO_RULE]		= "cpu_no_rule",
	[NSIM_FLOW_CPU_UNBOUND]		= "cpu_unbound",
	[NSIM_FLOW_CPU_TTL]		= "cpu_ttl",
	[NSIM_FLOW_CPU_TCP_SYN]		= "cpu_tcp_syn",
	[NSIM_FLOW_CPU_TCP_FIN_RST]	= "cpu_tcp_fin_rst",
	[NSIM_FLOW_CPU_GRE_VERSION]	= "cpu_gre_version",
	[NSIM_FLOW_CPU_MTU]		= "cpu_mtu",
	[NSIM_FLOW_CPU_NO_EGRESS]	= "cpu_no_egress",
	[NSIM_FLOW_DROP_EGRESS_DOWN]	= "drop_egress_down",
	[NSIM_FLOW_DROP_NO_PEER]	= "drop_no_peer",
	[NSIM_FLOW_DROP_PEER]		= "drop_peer",
	[NSIM_FLOW_DROP_NOMEM]		= "drop_nomem",
	[NSIM_FLOW_DROP_LOOP]		= "drop_loop",
};

static const char * const
nsim_flow_port_counter_names[NSIM_FLOW_PORT_COUNTERS] = {
	[NSIM_FLOW_PORT_RX_PACKETS]	= "offload_rx_packets",
	[NSIM_FLOW_PORT_RX_BYTES]	= "offload_rx_bytes",
	[NSIM_FLOW_PORT_TX_PACKETS]	= "offload_tx_packets",
	[NSIM_FLOW_PORT_TX_BYTES]	= "offload_tx_bytes",
	[NSIM_FLOW_PORT_TO_CPU]		= "offload_to_cpu",
	[NSIM_FLOW_PORT_DROPPED]	= "offload_dropped",
	[NSIM_FLOW_PORT_RULES]		= "offload_rules",
	[NSIM_FLOW_PORT_ADDS]		= "offload_adds",
	[NSIM_FLOW_PORT_DELS]		= "offload_dels",
	[NSIM_FLOW_PORT_REFUSED]	= "offload_refused",
};

static const char * const nsim_flow_lie_names[] = {
	[NSIM_FLOW_LIE_NONE]		= "none",
	[NSIM_FLOW_LIE_LASTUSED_FUTURE]	= "lastused_future",
	[NSIM_FLOW_LIE_LASTUSED_STALE]	= "lastused_stale",
	[NSIM_FLOW_LIE_STATS_ERROR]	= "stats_error",
	[NSIM_FLOW_LIE_SILENT]		= "silent",
	[NSIM_FLOW_LIE_DESTROY_KEEPS]	= "destroy_keeps",
	[NSIM_FLOW_LIE_NO_COUNTERS]	= "no_counters",
	[NSIM_FLOW_LIE_NO_LASTUSED]	= "no_lastused",
	[NSIM_FLOW_LIE_NO_USE]		= "no_use",
};

/* The names of the profiles in the file `profile`. */
static const char * const nsim_flow_profile_names[NSIM_FLOW_PROFILES] = {
	[NSIM_FLOW_PROFILE_TC]		= "tc",
	[NSIM_FLOW_PROFILE_MLX5]	= "mlx5",
	[NSIM_FLOW_PROFILE_MTK]		= "mtk",
	[NSIM_FLOW_PROFILE_AIROHA]	= "airoha",
	[NSIM_FLOW_PROFILE_SFC]		= "sfc",
};

/* ---- debugfs ---- */

static void *nsim_flow_rules_start(struct seq_file *s, loff_t *pos)
{
	struct nsim_flow *fl = s->private;

	mutex_lock(&fl->lock);
	return seq_list_start(&fl->rules, *pos);
}

static void *nsim_flow_rules_next(struct seq_file *s, void *v, loff_t *pos)
{
	struct nsim_flow *fl = s->private;

	return seq_list_next(v, &fl->rules, pos);
}

static void nsim_flow_rules_stop(struct seq_file *s, void *v)
{
	struct nsim_flow *fl = s->private;

	mutex_unlock(&fl->lock);
}

static const char *nsim_flow_out_name(const struct nsim_flow_rule *rule)
{
	return rule->egress ? rule->egress->netdev->name : "cpu";
}

static void nsim_flow_show_op(struct seq_file *s,
			      const struct nsim_flow_rule *rule,
			      const struct nsim_flow_op *op)
{
	static const char * const hdr[] = {
		[FLOW_ACT_MANGLE_HDR_TYPE_ETH]	= "eth",
		[FLOW_ACT_MANGLE_HDR_TYPE_IP4]	= "ip4",
		[FLOW_ACT_MANGLE_HDR_TYPE_IP6]	= "ip6",
		[FLOW_ACT_MANGLE_HDR_TYPE_TCP]	= "tcp",
		[FLOW_ACT_MANGLE_HDR_TYPE_UDP]	= "udp",
	};

	switch (op->id) {
	case NSIM_FLOW_OP_SET:
	case NSIM_FLOW_OP_ADD:
		seq_printf(s, "%s(%s+%u,val=%4phN,keep=%4phN)",
			   op->id == NSIM_FLOW_OP_ADD ? "add" : "set",
			   hdr[op->mangle.htype], op->mangle.offset,
			   &op->mangle.val, &op->mangle.mask);
		break;
	case NSIM_FLOW_OP_CSUM:
		seq_printf(s, "csum(0x%x)", op->csum_flags);
		break;
	case NSIM_FLOW_OP_POP:
		seq_puts(s, "pop");
		break;
	case NSIM_FLOW_OP_PUSH:
		seq_printf(s, "push(vid=%u,proto=0x%04x,prio=%u)",
			   op->vlan.tci & VLAN_VID_MASK,
			   ntohs(op->vlan.proto),
			   op->vlan.tci >> VLAN_PRIO_SHIFT);
		break;
	case NSIM_FLOW_OP_VID:
		seq_printf(s, "vid(%u)", op->vlan.tci & VLAN_VID_MASK);
		break;
	case NSIM_FLOW_OP_PPPOE_PUSH:
		seq_printf(s, "pppoe(sid=%u)", op->sid);
		break;
	case NSIM_FLOW_OP_STRIP:
		seq_puts(s, "strip");
		break;
	case NSIM_FLOW_OP_TTL:
		seq_puts(s, "ttl");
		break;
	case NSIM_FLOW_OP_FIX:
		seq_puts(s, "fix");
		break;
	case NSIM_FLOW_OP_PORT_SMAC:
		seq_puts(s, "port_smac");
		break;
	case NSIM_FLOW_OP_OUT:
		seq_printf(s, "redirect(%s)", nsim_flow_out_name(rule));
		break;
	}
}

static int nsim_flow_rules_show(struct seq_file *s, void *v)
{
	const struct nsim_flow_rule *rule;
	const struct nsim_flow_key *key;
	unsigned int i;

	rule = list_entry(v, struct nsim_flow_rule, list);
	key = &rule->key;

	seq_printf(s, "cookie=0x%lx in=%s out=%s ", rule->cookie.cookie,
		   nsim_flow_port_dev(rule->port)->name,
		   nsim_flow_out_name(rule));
	switch (key->ip_proto) {
	case IPPROTO_TCP:
		seq_puts(s, "proto=tcp");
		break;
	case IPPROTO_UDP:
		seq_puts(s, "proto=udp");
		break;
	default:
		seq_printf(s, "proto=%u", key->ip_proto);
		break;
	}
	if (key->n_proto == htons(ETH_P_IP))
		seq_printf(s, " src=%pI4 dst=%pI4", key->src, key->dst);
	else
		seq_printf(s, " src=%pI6c dst=%pI6c", key->src, key->dst);
	seq_printf(s, " sport=%u dport=%u vlan=", ntohs(key->sport),
		   ntohs(key->dport));
	if (!key->n_tags)
		seq_puts(s, "none");
	for (i = 0; i < key->n_tags; i++)
		seq_printf(s, "%s%u/0x%04x", i ? "," : "",
			   ntohs(key->tag[i].vid), ntohs(key->tag[i].tpid));

	seq_puts(s, " pppoe=");
	if (key->pppoe)
		seq_printf(s, "%u", ntohs(key->pppoe_sid));
	else
		seq_puts(s, "none");

	seq_printf(s, " state=%s actions=",
		   !rule->in_datapath ? "silent" :
		   !rule->port->n_bound ? "stale" :
		   READ_ONCE(rule->bound) ? "live" : "unbound");
	for (i = 0; i < rule->n_ops; i++) {
		if (i)
			seq_putc(s, ';');
		nsim_flow_show_op(s, rule, &rule->ops[i]);
	}
	seq_printf(s, " packets=%lld bytes=%lld\n",
		   (s64)atomic64_read(&rule->packets),
		   (s64)atomic64_read(&rule->bytes));
	return 0;
}

static const struct seq_operations nsim_flow_rules_sops = {
	.start	= nsim_flow_rules_start,
	.next	= nsim_flow_rules_next,
	.stop	= nsim_flow_rules_stop,
	.show	= nsim_flow_rules_show,
};
DEFINE_SEQ_ATTRIBUTE(nsim_flow_rules);

static int nsim_flow_stats_show(struct seq_file *s, void *v)
{
	struct nsim_flow *fl = s->private;
	unsigned int i;

	for (i = 0; i < NSIM_FLOW_COUNTERS; i++)
		seq_printf(s, "%s %lld\n", nsim_flow_counter_names[i],
			   (s64)atomic64_read(&fl->counters[i]));
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(nsim_flow_stats);

static int nsim_flow_refusal_show(struct seq_file *s, void *v)
{
	struct nsim_flow *fl = s->private;

	mutex_lock(&fl->lock);
	if (fl->refusal_errno)
		seq_printf(s, "%s (%d)\n", fl->refusal, fl->refusal_errno);
	mutex_unlock(&fl->lock);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(nsim_flow_refusal);

static ssize_t nsim_flow_choice_read(struct file *file, char __user *data,
				     size_t count, loff_t *ppos)
{
	struct nsim_flow_choice *choice = file->private_data;
	char buf[32];
	int len;

	len = scnprintf(buf, sizeof(buf), "%s\n",
			choice->names[READ_ONCE(choice->val)]);
	return simple_read_from_buffer(data, count, ppos, buf, len);
}

static ssize_t nsim_flow_choice_write(struct file *file,
				      const char __user *data,
				      size_t count, loff_t *ppos)
{
	struct nsim_flow_choice *choice = file->private_data;
	char buf[32];
	bool busy;
	int i;

	if (*ppos || count >= sizeof(buf))
		return -EINVAL;
	if (copy_from_user(buf, data, count))
		return -EFAULT;
	buf[count] = '\0';

	i = match_string(choice->names, choice->n, strim(buf));
	if (i < 0)
		return -EINVAL;
	if (choice->fixed) {
		mutex_lock(&choice->fixed->lock);
		busy = choice->fixed->count && choice->val != i;
		if (!busy)
			WRITE_ONCE(choice->val, i);
		mutex_unlock(&choice->fixed->lock);
		if (busy)
			return -EBUSY;
	} else {
		WRITE_ONCE(choice->val, i);
	}
	*ppos += count;
	return count;
}

static const struct file_operations nsim_flow_choice_fops = {
	.open = simple_open,
	.read = nsim_flow_choice_read,
	.write = nsim_flow_choice_write,
	.llseek = generic_file_llseek,
	.owner = THIS_MODULE,
};

static ssize_t nsim_flow_door_read(struct file *file, char __user *data,
				   size_t count, loff_t *ppos)
{
	struct nsim_flow *fl = file->private_data;
	char buf[32];
	int len;

	len = scnprintf(buf, sizeof(buf), "%s\n",
			nsim_flow_door_names[READ_ONCE(fl->door)]);
	return simple_read_from_buffer(data, count, ppos, buf, len);
}

static ssize_t nsim_flow_door_write(struct file *file, const char __user *data,
				    size_t count, loff_t *ppos)
{
	struct nsim_flow *fl = file->private_data;
	char buf[32];
	int i;

	if (*ppos || count >= sizeof(buf))
		return -EINVAL;
	if (copy_from_user(buf, data, count))
		return -EFAULT;
	buf[count] = '\0';

	i = match_string(nsim_flow_door_names, NSIM_FLOW_DOORS, strim(buf));
	if (i >= 0)
		i = nsim_flow_set_door(fl, i);
	if (i < 0)
		return i;
	*ppos += count;
	return count;
}

static const struct file_operations nsim_flow_door_fops = {
	.open = simple_open,
	.read = nsim_flow_door_read,
	.write = nsim_flow_door_write,
	.llseek = generic_file_llseek,
	.owner = THIS_MODULE,
};

static int nsim_flow_fail_errno_get(void *data, u64 *val)
{
	*val = READ_ONCE(*(s32 *)data);
	return 0;
}

static int nsim_flow_fail_errno_set(void *data, u64 val)
{
	s64 errno = val;

	if (errno < S32_MIN || errno > S32_MAX)
		return -ERANGE;
	WRITE_ONCE(*(s32 *)data, errno);
	return 0;
}
DEFINE_DEBUGFS_ATTRIBUTE_SIGNED(nsim_flow_fail_errno_fops,
				nsim_flow_fail_errno_get,
				nsim_flow_fail_errno_set, "%lld\n");

static int nsim_flow_forget_set(void *data, u64 val)
{
	struct nsim_flow_rule *rule, *next;
	struct nsim_flow *fl = data;

	mutex_lock(&fl->lock);
	list_for_each_entry_safe(rule, next, &fl->rules, list) {
		nsim_flow_rule_remove(fl, rule);
		if (val && !--val)
			break;
	}
	mutex_unlock(&fl->lock);
	return 0;
}
DEFINE_DEBUGFS_ATTRIBUTE(nsim_flow_forget_fops, NULL, nsim_flow_forget_set,
			 "%llu\n");

static void nsim_flow_choice_create(const char *name,
				    struct nsim_flow_choice *choice,
				    const char * const *names, unsigned int n,
				    struct dentry *ddir)
{
	choice->names = names;
	choice->n = n;
	debugfs_create_file(name, 0600, ddir, choice, &nsim_flow_choice_fops);
}

static void nsim_flow_debugfs_init(struct nsim_flow *fl)
{
	struct dentry *ddir = fl->ddir;

	debugfs_create_bool("enabled", 0600, ddir, &fl->enabled);
	debugfs_create_file("rules", 0400, ddir, fl, &nsim_flow_rules_fops);
	debugfs_create_file("stats", 0400, ddir, fl, &nsim_flow_stats_fops);
	debugfs_create_file("refusal", 0400, ddir, fl, &nsim_flow_refusal_fops);
	debugfs_create_u32("count", 0400, ddir, &fl->count);
	debugfs_create_u32("high_water", 0600, ddir, &fl->high_water);
	debugfs_create_bool("one_binding", 0600, ddir, &fl->one_binding);
	debugfs_create_bool("locked_driver_cb", 0600, ddir,
			    &fl->locked_driver_cb);
	debugfs_create_file("bind_as", 0600, ddir, fl, &nsim_flow_door_fops);
	debugfs_create_u32("orphans", 0600, ddir, &fl->orphans);
	debugfs_create_file_unsafe("forget", 0200, ddir, fl,
				   &nsim_flow_forget_fops);
	debugfs_create_u32("capacity", 0600, ddir, &fl->capacity);
	debugfs_create_u32("bind_after", 0600, ddir, &fl->bind_after);
	debugfs_create_u32("delay_us", 0600, ddir, &fl->delay_us);
	debugfs_create_file_unsafe("fail_errno", 0600, ddir, &fl->fail_errno,
				   &nsim_flow_fail_errno_fops);
	debugfs_create_atomic_t("fail_next", 0600, ddir, &fl->fail_next);
	debugfs_create_atomic_t("fail_skip", 0600, ddir, &fl->fail_skip);
	nsim_flow_choice_create("fail_cmd", &fl->fail_cmd, nsim_flow_cmd_names,
				ARRAY_SIZE(nsim_flow_cmd_names), ddir);
	nsim_flow_choice_create("lie", &fl->lie, nsim_flow_lie_names,
				ARRAY_SIZE(nsim_flow_lie_names), ddir);
	fl->profile.fixed = fl;
	nsim_flow_choice_create("profile", &fl->profile,
				nsim_flow_profile_names,
				ARRAY_SIZE(nsim_flow_profile_names), ddir);
}

/* ---- ethtool -S ---- */

int nsim_flow_get_sset_count(struct net_device *dev, int sset)
{
	return sset == ETH_SS_STATS ? NSIM_FLOW_PORT_COUNTERS : -EOPNOTSUPP;
}

void nsim_flow_get_strings(struct net_device *dev, u32 sset, u8 *data)
{
	unsigned int i;

	if (sset != ETH_SS_STATS)
		return;
	for (i = 0; i < NSIM_FLOW_PORT_COUNTERS; i++)
		ethtool_puts(&data, nsim_flow_port_counter_names[i]);
}

void nsim_flow_get_ethtool_stats(struct net_device *dev,
				 struct ethtool_stats *stats, u64 *data)
{
	struct netdevsim *ns = netdev_priv(dev);
	unsigned int i;

	for (i = 0; i < NSIM_FLOW_PORT_COUNTERS; i++)
		data[i] = atomic64_read(&ns->flow->counters[i]);
}

/* ---- life of a port and of a switch ---- */

static void nsim_flow_free(struct kref *ref)
{
	struct nsim_flow *fl = container_of(ref, struct nsim_flow, ref);

	WARN_ON(!list_empty(&fl->rules));
	rhashtable_destroy(&fl->by_cookie);
	rhltable_destroy(&fl->by_match);
	mutex_destroy(&fl->door_lock);
	mutex_destroy(&fl->lock);
	kfree(fl);
}

static void nsim_flow_port_free(struct kref *ref)
{
	struct nsim_flow_port *port;

	port = container_of(ref, struct nsim_flow_port, ref);
	kref_put(&port->fl->ref, nsim_flow_free);
	/* A frame may be looking for the rules of an upper device. */
	kfree_rcu(port, rcu);
}

void nsim_flow_port_put(void *cb_priv)
{
	struct nsim_flow_port *port = cb_priv;

	kref_put(&port->ref, nsim_flow_port_free);
}

int nsim_flow_port_init(struct netdevsim *ns)
{
	struct nsim_flow *fl = ns->nsim_dev->flow;
	struct nsim_flow_port *port;

	port = kzalloc_obj(*port);
	if (!port)
		return -ENOMEM;

	kref_init(&port->ref);
	kref_get(&fl->ref);
	port->fl = fl;
	port->ns = ns;
	ns->flow = port;
	ns->netdev->features |= NETIF_F_HW_TC;
	return 0;
}

/*
 * The owner of rules on this port, or of rules that lead to it, could remove
 * them until the end of unregister_netdevice(); what is left is orphaned. The
 * counters let a test detect this; the removal keeps the simulation safe.
 */
void nsim_flow_port_exit(struct netdevsim *ns)
{
	struct nsim_flow_port *port = ns->flow;
	struct flow_block_cb *block_cb, *next;
	struct nsim_flow_rule *rule, *tmp;
	struct nsim_flow *fl;

	if (!port)
		return;
	fl = port->fl;

	mutex_lock(&fl->lock);
	list_for_each_entry_safe(rule, tmp, &fl->rules, list) {
		if (rule->port != port && rule->egress != ns)
			continue;
		/* The driver itself handles a port that leaves a LAG. */
		if (!rule->port->upper) {
			fl->orphans++;
			pr_info("netdevsim: %s goes with rule %lu on %s\n",
				netdev_name(ns->netdev), rule->cookie.cookie,
				rule->port->ns ? netdev_name(rule->port->ns->netdev) : "?");
		}
		nsim_flow_rule_remove(fl, rule);
	}
	list_for_each_entry_safe(block_cb, next, &fl->bindings, driver_list) {
		if (block_cb->cb_priv != port)
			continue;
		list_del_init(&block_cb->driver_list);
		port->n_bound--;
		WRITE_ONCE(fl->n_bound, fl->n_bound - 1);
		nsim_flow_inc(fl, NSIM_FLOW_LEAKED_BINDINGS);
	}
	port->ns = NULL;
	ns->flow = NULL;
	mutex_unlock(&fl->lock);

	/* A frame that found one of these rules may still be in flight. */
	synchronize_rcu();
	nsim_flow_port_put(port);
}

int nsim_flow_init(struct nsim_dev *nsim_dev)
{
	struct nsim_flow *fl;
	int err;

	fl = kzalloc_obj(*fl);
	if (!fl)
		return -ENOMEM;

	kref_init(&fl->ref);
	mutex_init(&fl->lock);
	spin_lock_init(&fl->bind_lock);
	INIT_LIST_HEAD(&fl->rules);
	INIT_LIST_HEAD(&fl->bindings);
	INIT_LIST_HEAD(&fl->uppers);
	mutex_init(&fl->door_lock);
	fl->enabled = true;
	fl->capacity = NSIM_FLOW_CAPACITY;
	fl->fail_errno = -EIO;

	err = rhltable_init(&fl->by_match, &nsim_flow_match_params);
	if (err)
		goto err_free;
	err = rhashtable_init(&fl->by_cookie, &nsim_flow_cookie_params);
	if (err)
		goto err_match;

	fl->ddir = debugfs_create_dir("flow", nsim_dev->ddir);
	if (IS_ERR(fl->ddir)) {
		err = PTR_ERR(fl->ddir);
		goto err_cookie;
	}
	nsim_flow_debugfs_init(fl);

	nsim_dev->flow = fl;
	return 0;

err_cookie:
	rhashtable_destroy(&fl->by_cookie);
err_match:
	rhltable_destroy(&fl->by_match);
err_free:
	mutex_destroy(&fl->lock);
	kfree(fl);
	return err;
}

/* Logs what debugfs can no longer show when the ports are gone. */
static void nsim_flow_epitaph(struct nsim_flow *fl)
{
	static const enum nsim_flow_counter ids[] = {
		NSIM_FLOW_BINDS, NSIM_FLOW_UNBINDS, NSIM_FLOW_LEAKED_BINDINGS,
		NSIM_FLOW_ADDS, NSIM_FLOW_DELS, NSIM_FLOW_REFUSED,
		NSIM_FLOW_INJECTED, NSIM_FLOW_FORWARDED,
	};
	char text[256];
	unsigned int i;
	int len;

	len = scnprintf(text, sizeof(text), "high_water %u orphans %u",
			fl->high_water, fl->orphans);
	for (i = 0; i < ARRAY_SIZE(ids); i++)
		len += scnprintf(text + len, sizeof(text) - len, " %s %lld",
				 nsim_flow_counter_names[ids[i]],
				 (s64)atomic64_read(&fl->counters[ids[i]]));
	pr_info("netdevsim: a switch goes: %s\n", text);
}

void nsim_flow_exit(struct nsim_dev *nsim_dev)
{
	struct nsim_flow *fl = nsim_dev->flow;

	nsim_flow_epitaph(fl);
	debugfs_remove_recursive(fl->ddir);
	nsim_flow_set_door(fl, NSIM_FLOW_DOOR_NONE);
	nsim_dev->flow = NULL;
	kref_put(&fl->ref, nsim_flow_free);
}
