// SPDX-License-Identifier: GPL-2.0
/*
 * The rule table of the simulated switch NIC, and the block callback that fills
 * it. Process context, under nsim_flow::lock. The profile decides which rules
 * are valid.
 */

#include <linux/delay.h>
#include <linux/jiffies.h>
#include <linux/netdevice.h>
#include <linux/slab.h>
#include <net/flow_offload.h>
#include <net/pkt_cls.h>

#include "netdevsim.h"
#include "flow_priv.h"

#define NSIM_FLOW_LIE_SHIFT	(3600UL * HZ)

/* Refuses not because of the rule; sets an extack if the driver does so. */
#define nsim_flow_deny(d, profile, err, fmt, ...)			\
	((profile)->talks ?						\
	 nsim_flow_refuse((d)->extack, err, fmt, ##__VA_ARGS__) :	\
	 nsim_flow_quiet(d, err, fmt, ##__VA_ARGS__))

const struct nsim_flow_profile * const nsim_flow_profiles[] = {
	[NSIM_FLOW_PROFILE_TC]		= &nsim_flow_profile_tc,
	[NSIM_FLOW_PROFILE_MLX5]	= &nsim_flow_profile_mlx5,
	[NSIM_FLOW_PROFILE_MTK]		= &nsim_flow_profile_mtk,
	[NSIM_FLOW_PROFILE_AIROHA]	= &nsim_flow_profile_airoha,
	[NSIM_FLOW_PROFILE_SFC]		= &nsim_flow_profile_sfc,
};

const char * const nsim_flow_cmd_names[] = {
	[NSIM_FLOW_CMD_ANY]	= "any",
	[NSIM_FLOW_CMD_BIND]	= "bind",
	[NSIM_FLOW_CMD_REPLACE]	= "replace",
	[NSIM_FLOW_CMD_DESTROY]	= "destroy",
	[NSIM_FLOW_CMD_STATS]	= "stats",
};

/* ---- functions for the profiles ---- */

bool nsim_flow_same_switch(const struct nsim_flow_draft *d,
			   const struct net_device *dev)
{
	return nsim_flow_port_of(d->port->fl, dev);
}

int nsim_flow_set_egress(struct nsim_flow_draft *d, struct net_device *dev)
{
	struct netdevsim *egress = nsim_flow_port_of(d->port->fl, dev);

	/* The port is being removed. */
	if (!egress || !egress->flow)
		return nsim_flow_quiet(d, -ENODEV, "%s is gone", dev->name);
	d->egress = egress;
	return 0;
}

/* ---- rules in the hardware of a PPE ---- */

/*
 * Binds a rule for a frame that matches @list: rules with the same key, newest
 * first, none of which was in hardware a moment ago. Returns the rule that is
 * in hardware now, or NULL if the frame stays with the CPU.
 */
struct nsim_flow_rule *nsim_flow_ppe_bind(struct nsim_flow *fl,
					  struct rhlist_head *list,
					  u32 bind_after)
{
	struct nsim_flow_rule *rule, *pick = NULL;
	struct rhlist_head *pos;

	spin_lock_bh(&fl->bind_lock);
	rhl_for_each_entry_rcu(rule, pos, list, match_node) {
		if (rule->dead)
			continue;
		if (rule->bound) {
			pick = rule;
			goto out;
		}
		if (!pick || rule->profile->ppe_oldest_wins)
			pick = rule;
	}
	if (!pick)
		goto out;
	if (pick->seen < bind_after) {
		pick->seen++;
		pick = NULL;
	} else if (fl->n_hw >= READ_ONCE(fl->capacity)) {
		pick = NULL;
	} else {
		fl->n_hw++;
		WRITE_ONCE(pick->lastused, jiffies);
		WRITE_ONCE(pick->bound, true);
	}
out:
	spin_unlock_bh(&fl->bind_lock);
	return pick;
}

static void nsim_flow_ppe_try(struct nsim_flow *fl,
			      const struct nsim_flow_key *key)
{
	struct rhlist_head *list;

	if (READ_ONCE(fl->bind_after))
		return;
	rcu_read_lock();
	list = rhltable_lookup(&fl->by_match, key, nsim_flow_match_params);
	if (list)
		nsim_flow_ppe_bind(fl, list, 0);
	rcu_read_unlock();
}

static void nsim_flow_unbind_hw(struct nsim_flow *fl,
				struct nsim_flow_rule *rule)
{
	lockdep_assert_held(&fl->bind_lock);

	if (!rule->bound)
		return;
	WRITE_ONCE(rule->bound, false);
	rule->seen = 0;
	fl->n_hw--;
}

/* ---- rule table ---- */

void nsim_flow_rule_remove(struct nsim_flow *fl, struct nsim_flow_rule *rule)
{
	struct rhlist_head *list, *pos;
	struct nsim_flow_rule *twin;

	if (rule->in_datapath)
		rhltable_remove(&fl->by_match, &rule->match_node,
				nsim_flow_match_params);

	/* A frame that has found the rule before must not bind it now. */
	spin_lock_bh(&fl->bind_lock);
	rule->dead = true;
	nsim_flow_unbind_hw(fl, rule);
	spin_unlock_bh(&fl->bind_lock);

	/* airoha_ppe_foe_insert_entry() writes the hash of the one hardware
	 * entry into every rule that fits it, and removing any of these rules
	 * invalidates the entry.
	 */
	if (rule->profile->ppe_oldest_wins) {
		rcu_read_lock();
		list = rhltable_lookup(&fl->by_match, &rule->key,
				       nsim_flow_match_params);
		spin_lock_bh(&fl->bind_lock);
		rhl_for_each_entry_rcu(twin, pos, list, match_node)
			nsim_flow_unbind_hw(fl, twin);
		spin_unlock_bh(&fl->bind_lock);
		rcu_read_unlock();
	}

	rhashtable_remove_fast(&fl->by_cookie, &rule->cookie_node,
			       nsim_flow_cookie_params);
	list_del(&rule->list);
	fl->count--;
	atomic64_dec(&rule->port->counters[NSIM_FLOW_PORT_RULES]);
	kfree_rcu(rule, rcu);
}

static int nsim_flow_rule_insert(struct nsim_flow *fl,
				 struct nsim_flow_rule *rule,
				 struct nsim_flow_draft *d)
{
	bool ppe = rule->profile->ppe, taken;
	int err;

	rcu_read_lock();
	taken = rhltable_lookup(&fl->by_match, &rule->key,
				nsim_flow_match_params);
	rcu_read_unlock();

	if (taken && !ppe)
		return nsim_flow_deny(d, rule->profile, -EEXIST,
				      "another rule has this match");
	if (fl->count >= READ_ONCE(fl->capacity) && !ppe)
		return nsim_flow_deny(d, rule->profile, -ENOSPC,
				      "table full: %u rules", fl->count);

	err = rhashtable_insert_fast(&fl->by_cookie, &rule->cookie_node,
				     nsim_flow_cookie_params);
	if (err)
		return nsim_flow_quiet(d, err, "no memory for the rule");

	if (READ_ONCE(fl->lie.val) != NSIM_FLOW_LIE_SILENT) {
		/* The datapath may use the rule from here on. */
		rule->in_datapath = true;
		if (!ppe) {
			spin_lock_bh(&fl->bind_lock);
			rule->bound = true;
			fl->n_hw++;
			spin_unlock_bh(&fl->bind_lock);
		}
		err = rhltable_insert(&fl->by_match, &rule->match_node,
				      nsim_flow_match_params);
		if (err) {
			rhashtable_remove_fast(&fl->by_cookie,
					       &rule->cookie_node,
					       nsim_flow_cookie_params);
			spin_lock_bh(&fl->bind_lock);
			nsim_flow_unbind_hw(fl, rule);
			spin_unlock_bh(&fl->bind_lock);
			return nsim_flow_quiet(d, err, "no memory for the rule");
		}
		if (ppe)
			nsim_flow_ppe_try(fl, &rule->key);
	}

	list_add_tail(&rule->list, &fl->rules);
	fl->count++;
	fl->high_water = max(fl->high_water, fl->count);
	nsim_flow_port_inc(rule->port, NSIM_FLOW_PORT_RULES);
	return 0;
}

/* Looks up a rule by its cookie. The table belongs to the switch, so that a
 * command for any port finds the rule, except with a driver that keeps its
 * cookies by port.
 */
static struct nsim_flow_rule *nsim_flow_rule_find(struct nsim_flow_draft *d)
{
	struct nsim_flow *fl = d->port->fl;
	struct nsim_flow_cookie cookie = { .cookie = d->f->cookie };

	if (nsim_flow_profile(fl)->cookie_per_port)
		cookie.scope = d->port;
	return rhashtable_lookup_fast(&fl->by_cookie, &cookie,
				      nsim_flow_cookie_params);
}

static int nsim_flow_replace(struct nsim_flow_draft *d)
{
	struct nsim_flow_port *port = d->port;
	const struct nsim_flow_profile *profile;
	struct nsim_flow *fl = port->fl;
	struct nsim_flow_rule *rule;
	int err;

	profile = nsim_flow_profile(fl);
	if (!nsim_flow_port_dev(port))
		return nsim_flow_quiet(d, -ENODEV, "the port is gone");
	if (!d->f->rule)
		return nsim_flow_quiet(d, -EINVAL, "no rule");
	if (nsim_flow_rule_find(d)) {
		if (!profile->known_text)
			return nsim_flow_quiet(d, -EEXIST, "cookie is known");
		return nsim_flow_refuse(d->extack, -EEXIST, "%s",
					profile->known_text);
	}

	err = profile->parse(d);
	if (err)
		return err;

	rule = kzalloc_flex(*rule, ops, d->n_ops);
	if (!rule)
		return nsim_flow_quiet(d, -ENOMEM, "no memory for the rule");
	rule->n_ops = d->n_ops;
	memcpy(rule->ops, d->ops, array_size(d->n_ops, sizeof(*d->ops)));
	rule->key = d->key;
	rule->extra = d->extra;
	rule->egress = d->egress;
	rule->pppoe_out = d->pppoe_out;
	rule->cookie.cookie = d->f->cookie;
	rule->cookie.scope = profile->cookie_per_port ? port : NULL;
	rule->profile = profile;
	rule->port = port;
	rule->lastused = jiffies;

	err = nsim_flow_rule_insert(fl, rule, d);
	if (err) {
		/* A frame may have found the rule. */
		kfree_rcu(rule, rcu);
		return err;
	}

	nsim_flow_inc(fl, NSIM_FLOW_ADDS);
	nsim_flow_port_inc(port, NSIM_FLOW_PORT_ADDS);
	return 0;
}

static int nsim_flow_unknown(struct nsim_flow_draft *d)
{
	const struct nsim_flow_profile *profile;

	profile = nsim_flow_profile(d->port->fl);
	nsim_flow_inc(d->port->fl, NSIM_FLOW_UNKNOWN_COOKIE);
	return nsim_flow_deny(d, profile, profile->unknown_errno,
			      "cookie 0x%lx is unknown", d->f->cookie);
}

static int nsim_flow_destroy(struct nsim_flow_draft *d)
{
	struct nsim_flow_rule *rule = nsim_flow_rule_find(d);
	struct nsim_flow *fl = d->port->fl;

	if (!rule)
		return nsim_flow_unknown(d);
	if (READ_ONCE(fl->lie.val) == NSIM_FLOW_LIE_DESTROY_KEEPS)
		return 0;

	nsim_flow_inc(fl, NSIM_FLOW_DELS);
	nsim_flow_port_inc(rule->port, NSIM_FLOW_PORT_DELS);
	nsim_flow_rule_remove(fl, rule);
	return 0;
}

/*
 * A PPE stores the second of the last frame, in a few bits. The driver
 * subtracts the difference to the current second, in whole seconds, from the
 * jiffies. A rule that is not in hardware has a second of 0, so that it gets a
 * time at which nothing happened.
 */
static u64 nsim_flow_lastused(struct nsim_flow_rule *rule)
{
	unsigned long lastused = READ_ONCE(rule->lastused);
	u32 mask = rule->profile->ppe_timestamp_mask;
	unsigned long idle = jiffies / HZ;

	if (!mask)
		return lastused;
	if (READ_ONCE(rule->bound))
		idle -= lastused / HZ;
	return jiffies - (idle & mask) * HZ;
}

static int nsim_flow_stats(struct nsim_flow_draft *d)
{
	struct nsim_flow_rule *rule = nsim_flow_rule_find(d);
	struct flow_stats *stats = &d->f->stats;
	struct nsim_flow *fl = d->port->fl;
	u64 packets, bytes, lastused;

	if (!rule)
		return nsim_flow_unknown(d);
	nsim_flow_inc(fl, NSIM_FLOW_QUERIES);

	lastused = nsim_flow_lastused(rule);
	switch (READ_ONCE(fl->lie.val)) {
	case NSIM_FLOW_LIE_STATS_ERROR:
		return nsim_flow_refuse(d->extack, -EIO,
					"counters cannot be read");
	case NSIM_FLOW_LIE_LASTUSED_FUTURE:
		lastused = jiffies + NSIM_FLOW_LIE_SHIFT;
		break;
	case NSIM_FLOW_LIE_LASTUSED_STALE:
		lastused = jiffies - NSIM_FLOW_LIE_SHIFT;
		break;
	}

	packets = atomic64_read(&rule->packets);
	bytes = atomic64_read(&rule->bytes);
	switch (READ_ONCE(fl->lie.val)) {
	case NSIM_FLOW_LIE_NO_USE:
		return 0;
	case NSIM_FLOW_LIE_NO_COUNTERS:
		stats->lastused = lastused;
		return 0;
	case NSIM_FLOW_LIE_NO_LASTUSED:
		lastused = 0;
		break;
	}
	if (rule->profile->stats_type) {
		flow_stats_update(stats, bytes - rule->reported_bytes,
				  packets - rule->reported_packets, 0, lastused,
				  rule->profile->stats_type);
	} else {
		stats->lastused = lastused;
		stats->pkts += packets - rule->reported_packets;
		stats->bytes += bytes - rule->reported_bytes;
	}
	rule->reported_packets = packets;
	rule->reported_bytes = bytes;
	return 0;
}

/* ---- the block callback ---- */

/* Returns whether this command must fail, with the errno as written, even 0. */
bool nsim_flow_inject(struct nsim_flow *fl, enum nsim_flow_cmd cmd,
		      struct netlink_ext_ack *extack, int *err)
{
	unsigned int want = READ_ONCE(fl->fail_cmd.val);

	if (want != NSIM_FLOW_CMD_ANY && want != cmd)
		return false;
	if (!atomic_read(&fl->fail_next) ||
	    atomic_dec_if_positive(&fl->fail_skip) >= 0)
		return false;
	if (atomic_dec_if_positive(&fl->fail_next) < 0)
		return false;

	nsim_flow_inc(fl, NSIM_FLOW_INJECTED);
	*err = READ_ONCE(fl->fail_errno);
	NL_SET_ERR_MSG_FMT_MOD(extack, "injected failure %d of %s", *err,
			       nsim_flow_cmd_names[cmd]);
	return true;
}

void nsim_flow_delay(struct nsim_flow *fl)
{
	u32 delay = READ_ONCE(fl->delay_us);

	if (delay)
		fsleep(delay);
}

static int nsim_flow_command(struct nsim_flow_draft *d, enum nsim_flow_cmd cmd)
{
	const struct nsim_flow_profile *profile;
	int err;

	profile = nsim_flow_profile(d->port->fl);
	if (nsim_flow_inject(d->port->fl, cmd, d->extack, &err))
		return err;
	if (profile->gate) {
		err = profile->gate(d);
		if (err)
			return err;
	}

	switch (cmd) {
	case NSIM_FLOW_CMD_REPLACE:
		return nsim_flow_replace(d);
	case NSIM_FLOW_CMD_DESTROY:
		return nsim_flow_destroy(d);
	default:
		return nsim_flow_stats(d);
	}
}

int nsim_flow_block_cb(enum tc_setup_type type, void *type_data, void *cb_priv)
{
	struct flow_cls_offload *f = type_data;
	struct nsim_flow_port *port = cb_priv;
	struct nsim_flow *fl = port->fl;
	struct nsim_flow_draft *d;
	enum nsim_flow_cmd cmd;
	int err;

	might_sleep();

	if (type != TC_SETUP_CLSFLOWER)
		return -EOPNOTSUPP;

	switch (f->command) {
	case FLOW_CLS_REPLACE:
		cmd = NSIM_FLOW_CMD_REPLACE;
		break;
	case FLOW_CLS_DESTROY:
		cmd = NSIM_FLOW_CMD_DESTROY;
		break;
	case FLOW_CLS_STATS:
		cmd = NSIM_FLOW_CMD_STATS;
		break;
	default:
		return nsim_flow_refuse(f->common.extack, -EOPNOTSUPP,
					"flower command %d", f->command);
	}

	nsim_flow_delay(fl);

	mutex_lock(&fl->lock);
	d = &fl->draft;
	memset(d, 0, sizeof(*d));
	d->port = port;
	d->dev = nsim_flow_port_dev(port);
	d->f = f;
	d->extack = f->common.extack;
	d->key.port = port;

	err = nsim_flow_command(d, cmd);
	if (err) {
		fl->refusal_errno = err;
		snprintf(fl->refusal, sizeof(fl->refusal), "%s: %s",
			 nsim_flow_cmd_names[cmd],
			 d->extack && d->extack->_msg ? d->extack->_msg :
			 d->why);
	}
	if (err && cmd == NSIM_FLOW_CMD_REPLACE) {
		nsim_flow_inc(fl, NSIM_FLOW_REFUSED);
		nsim_flow_port_inc(port, NSIM_FLOW_PORT_REFUSED);
	}
	d->f = NULL;
	d->extack = NULL;
	mutex_unlock(&fl->lock);

	return err;
}
