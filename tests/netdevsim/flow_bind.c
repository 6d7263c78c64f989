// SPDX-License-Identifier: GPL-2.0
/*
 * The interfaces by which a flowtable, or tc, binds to the simulated switch
 * NIC, and the bindings. Process context.
 *
 * As an indirect driver the NIC also accepts the devices above its ports. It
 * may be called with or without RTNL, and holds nsim_flow::lock for a moment
 * inside the lock of the indirect blocks. It registers and unregisters without
 * a lock that a command takes.
 */

#include <linux/netdevice.h>
#include <linux/slab.h>
#include <net/bonding.h>
#include <net/flow_offload.h>
#include <net/pkt_cls.h>

#include "netdevsim.h"
#include "flow_priv.h"

const char * const nsim_flow_door_names[] = {
	[NSIM_FLOW_DOOR_FT]		= "ft",
	[NSIM_FLOW_DOOR_BLOCK]		= "block",
	[NSIM_FLOW_DOOR_BOTH]		= "both",
	[NSIM_FLOW_DOOR_INDR_FT]	= "indirect-ft",
	[NSIM_FLOW_DOOR_INDR_BLOCK]	= "indirect-block",
	[NSIM_FLOW_DOOR_NONE]		= "none",
};

/* ---- devices above the ports ---- */

struct nsim_flow_lower {
	const struct nsim_flow *fl;
	struct netdevsim *ns;
	bool running;
};

static struct netdevsim *nsim_flow_own_port(const struct nsim_flow *fl,
					    const struct net_device *dev)
{
	struct netdevsim *ns;

	if (!netdev_is_nsim((struct net_device *)dev))
		return NULL;
	ns = netdev_priv(dev);
	return ns->nsim_dev->flow == fl ? ns : NULL;
}

static int nsim_flow_pick_lower(struct net_device *dev,
				struct netdev_nested_priv *priv)
{
	struct nsim_flow_lower *lower = priv->data;

	if (lower->running && !netif_running(dev))
		return 0;
	lower->ns = nsim_flow_own_port(lower->fl, dev);
	return lower->ns ? 1 : 0;
}

static struct netdevsim *nsim_flow_lower(const struct nsim_flow *fl,
					 const struct net_device *dev,
					 bool running)
{
	struct nsim_flow_lower lower = { .fl = fl, .running = running };
	struct netdev_nested_priv priv = { .data = &lower };

	rcu_read_lock();
	netdev_walk_all_lower_dev_rcu((struct net_device *)dev,
				      nsim_flow_pick_lower, &priv);
	rcu_read_unlock();
	return lower.ns;
}

/*
 * Returns the port that sends for dev: dev itself, the active port of a bond as
 * mlx5 determines it (get_fdb_out_dev()), or a running port below a LAG.
 */
struct netdevsim *nsim_flow_port_of(const struct nsim_flow *fl,
				    const struct net_device *dev)
{
	const struct net_device *active = NULL;

	if (!netif_is_lag_master(dev))
		return nsim_flow_own_port(fl, dev);
	rcu_read_lock();
	if (netif_is_bond_master(dev))
		active = bond_option_active_slave_get_rcu(netdev_priv(dev));
	rcu_read_unlock();
	return active ? nsim_flow_own_port(fl, active) :
			nsim_flow_lower(fl, dev, true);
}

/* Looks up the port of a device above ports, under RCU or the lock. */
struct nsim_flow_port *nsim_flow_upper(const struct nsim_flow *fl,
				       const struct net_device *dev)
{
	struct nsim_flow_port *port;

	if (!dev)
		return NULL;
	list_for_each_entry_rcu(port, &fl->uppers, list,
				lockdep_is_held(&fl->lock))
		if (port->upper == dev)
			return port;
	return NULL;
}

static struct nsim_flow_port *nsim_flow_upper_get(struct nsim_flow *fl,
						  struct net_device *dev)
{
	struct nsim_flow_port *port = nsim_flow_upper(fl, dev);

	if (port) {
		kref_get(&port->ref);
		return port;
	}
	port = kzalloc_obj(*port);
	if (!port)
		return NULL;
	kref_init(&port->ref);
	kref_get(&fl->ref);
	port->fl = fl;
	port->upper = dev;
	list_add_tail_rcu(&port->list, &fl->uppers);
	return port;
}

/* Removes a device without bindings; rules that it still has are orphans. */
static void nsim_flow_upper_exit(struct nsim_flow_port *port)
{
	struct nsim_flow_rule *rule, *tmp;
	struct nsim_flow *fl = port->fl;

	list_for_each_entry_safe(rule, tmp, &fl->rules, list) {
		if (rule->port != port)
			continue;
		nsim_flow_rule_remove(fl, rule);
		fl->orphans++;
	}
	list_del_rcu(&port->list);
}

/* ---- bindings ---- */

bool nsim_flow_is_tc_block(const struct nsim_flow_draft *d)
{
	return READ_ONCE(d->port->tc_block);
}

static void nsim_flow_bound(struct nsim_flow_port *port)
{
	struct nsim_flow *fl = port->fl;

	port->n_bound++;
	WRITE_ONCE(fl->n_bound, fl->n_bound + 1);
	nsim_flow_inc(fl, NSIM_FLOW_BINDS);
}

/* The rules of the port stay in place, as in mtk and mlx5: no flush. */
static void nsim_flow_unbound(struct nsim_flow_port *port)
{
	struct nsim_flow *fl = port->fl;

	port->n_bound--;
	WRITE_ONCE(fl->n_bound, fl->n_bound - 1);
	nsim_flow_inc(fl, NSIM_FLOW_UNBINDS);
	if (port->n_bound)
		return;
	atomic64_add(atomic64_read(&port->counters[NSIM_FLOW_PORT_RULES]),
		     &fl->counters[NSIM_FLOW_STALE]);
	if (port->upper)
		nsim_flow_upper_exit(port);
}

/* Returns 0 if the port can be bound by a callback of its own. */
static int nsim_flow_may_bind(struct nsim_flow_port *port,
			      struct flow_block_offload *bo)
{
	struct nsim_flow *fl = port->fl;
	int err;

	if (nsim_flow_inject(fl, NSIM_FLOW_CMD_BIND, bo->extack, &err))
		return err;
	if (fl->one_binding && !list_empty(&fl->bindings)) {
		NL_SET_ERR_MSG_MOD(bo->extack, "another port has the binding");
		return -EBUSY;
	}
	if (!nsim_flow_profile(fl)->shared_bind &&
	    flow_block_cb_is_busy(nsim_flow_block_cb, port, &fl->bindings)) {
		if (nsim_flow_profile(fl)->talks)
			NL_SET_ERR_MSG_MOD(bo->extack,
					   "the port is bound to a block");
		return -EBUSY;
	}
	return 0;
}

static int nsim_flow_bind(struct nsim_flow_port *port,
			  struct flow_block_offload *bo)
{
	struct nsim_flow *fl = port->fl;
	struct flow_block_cb *block_cb;
	int err;

	err = nsim_flow_may_bind(port, bo);
	if (err)
		return err;
	if (nsim_flow_profile(fl)->shared_bind) {
		block_cb = flow_block_cb_lookup(bo->block, nsim_flow_block_cb,
						port);
		if (block_cb) {
			flow_block_cb_incref(block_cb);
			return 0;
		}
	}

	block_cb = flow_block_cb_alloc(nsim_flow_block_cb, port, port,
				       nsim_flow_port_put);
	if (IS_ERR(block_cb))
		return nsim_flow_refuse(bo->extack, PTR_ERR(block_cb),
					"no memory for the binding");

	kref_get(&port->ref);
	flow_block_cb_incref(block_cb);
	flow_block_cb_add(block_cb, bo);
	bo->unlocked_driver_cb = !READ_ONCE(port->fl->locked_driver_cb);
	list_add_tail(&block_cb->driver_list, &fl->bindings);
	nsim_flow_bound(port);
	return 0;
}

static int nsim_flow_unbind(struct nsim_flow_port *port,
			    struct flow_block_offload *bo)
{
	struct flow_block_cb *block_cb;

	block_cb = flow_block_cb_lookup(bo->block, nsim_flow_block_cb, port);
	if (!block_cb)
		return -ENOENT;
	if (flow_block_cb_decref(block_cb))
		return 0;

	flow_block_cb_remove(block_cb, bo);
	list_del(&block_cb->driver_list);
	nsim_flow_unbound(port);
	return 0;
}

static bool nsim_flow_has_door(const struct nsim_flow *fl,
			       enum nsim_flow_door door)
{
	unsigned int open = READ_ONCE(fl->door);

	return open == door || open == NSIM_FLOW_DOOR_BOTH;
}

static int nsim_flow_setup(struct netdevsim *ns, struct flow_block_offload *bo,
			   enum nsim_flow_door door)
{
	struct nsim_flow_port *port = ns->flow;
	struct nsim_flow *fl = port->fl;
	int err;

	if (bo->binder_type != FLOW_BLOCK_BINDER_TYPE_CLSACT_INGRESS)
		return nsim_flow_refuse(bo->extack, -EOPNOTSUPP,
					"binder type %d is not clsact ingress",
					bo->binder_type);

	bo->driver_block_list = &fl->bindings;
	if (bo->command == FLOW_BLOCK_BIND) {
		if (!nsim_flow_has_door(fl, door))
			return -EOPNOTSUPP;
		nsim_flow_delay(fl);
	}

	mutex_lock(&fl->lock);
	switch (bo->command) {
	case FLOW_BLOCK_BIND:
		err = nsim_flow_bind(port, bo);
		if (!err)
			WRITE_ONCE(port->tc_block, door == NSIM_FLOW_DOOR_BLOCK);
		break;
	case FLOW_BLOCK_UNBIND:
		err = nsim_flow_unbind(port, bo);
		break;
	default:
		err = -EOPNOTSUPP;
		break;
	}
	mutex_unlock(&fl->lock);

	return err;
}

int nsim_flow_setup_ft(struct netdevsim *ns, struct flow_block_offload *bo)
{
	return nsim_flow_setup(ns, bo, NSIM_FLOW_DOOR_FT);
}

bool nsim_flow_takes_block(struct netdevsim *ns,
			   const struct flow_block_offload *bo)
{
	struct nsim_flow_port *port = ns->flow;

	if (!bo->sch)
		return true;
	if (bo->command == FLOW_BLOCK_BIND)
		return nsim_flow_has_door(port->fl, NSIM_FLOW_DOOR_BLOCK);
	return flow_block_cb_lookup(bo->block, nsim_flow_block_cb, port);
}

int nsim_flow_setup_block(struct netdevsim *ns, struct flow_block_offload *bo)
{
	return nsim_flow_setup(ns, bo, NSIM_FLOW_DOOR_BLOCK);
}

/* ---- indirect bindings ---- */

/* After UNBIND, or when the driver unregisters. */
static void nsim_flow_indr_release(void *cb_priv)
{
	struct nsim_flow_port *port = cb_priv;
	struct nsim_flow *fl = port->fl;

	mutex_lock(&fl->lock);
	nsim_flow_unbound(port);
	mutex_unlock(&fl->lock);
	nsim_flow_port_put(port);
}

static int nsim_flow_indr_bind(struct nsim_flow *fl, struct net_device *dev,
			       struct Qdisc *sch, struct flow_block_offload *bo,
			       void *data,
			       void (*cleanup)(struct flow_block_cb *block_cb))
{
	struct netdevsim *ns = nsim_flow_own_port(fl, dev);
	struct flow_block_cb *block_cb;
	struct nsim_flow_port *port;
	int err;

	if (ns) {
		port = ns->flow;
		if (!port)
			return -ENODEV;
		kref_get(&port->ref);
	} else {
		if (!nsim_flow_lower(fl, dev, false))
			return -EOPNOTSUPP;
		port = nsim_flow_upper_get(fl, dev);
		if (!port)
			return -ENOMEM;
	}

	err = nsim_flow_may_bind(port, bo);
	if (err)
		goto err_put;
	block_cb = flow_indr_block_cb_alloc(nsim_flow_block_cb, port, port,
					    nsim_flow_indr_release, bo, dev,
					    sch, data, fl, cleanup);
	if (IS_ERR(block_cb)) {
		err = PTR_ERR(block_cb);
		goto err_put;
	}
	flow_block_cb_add(block_cb, bo);
	WRITE_ONCE(port->tc_block, fl->door == NSIM_FLOW_DOOR_INDR_BLOCK);
	bo->unlocked_driver_cb = !READ_ONCE(fl->locked_driver_cb);
	list_add_tail(&block_cb->driver_list, &fl->bindings);
	nsim_flow_bound(port);
	return 0;

err_put:
	if (port->upper && !port->n_bound)
		nsim_flow_upper_exit(port);
	nsim_flow_port_put(port);
	return err;
}

static int nsim_flow_indr_unbind(struct nsim_flow *fl, struct net_device *dev,
				 struct flow_block_offload *bo)
{
	struct netdevsim *ns = nsim_flow_own_port(fl, dev);
	struct flow_block_cb *block_cb;
	struct nsim_flow_port *port;

	port = ns ? ns->flow : nsim_flow_upper(fl, dev);
	if (!port)
		return -ENOENT;
	block_cb = flow_block_cb_lookup(bo->block, nsim_flow_block_cb, port);
	if (!block_cb)
		return -ENOENT;
	flow_indr_block_cb_remove(block_cb, bo);
	list_del(&block_cb->driver_list);
	return 0;
}

static int nsim_flow_indr_setup(struct net_device *dev, struct Qdisc *sch,
				void *cb_priv, enum tc_setup_type type,
				void *type_data, void *data,
				void (*cleanup)(struct flow_block_cb *block_cb))
{
	struct flow_block_offload *bo = type_data;
	struct nsim_flow *fl = cb_priv;
	enum tc_setup_type mine;
	int err;

	mine = fl->door == NSIM_FLOW_DOOR_INDR_FT ? TC_SETUP_FT : TC_SETUP_BLOCK;
	if (!dev || !bo)
		return -EOPNOTSUPP;
	/* A bind that the kernel replays has no block. */
	if (!bo->block) {
		nsim_flow_inc(fl, NSIM_FLOW_INDR_REPLAYS);
		if (READ_ONCE(dev->reg_state) != NETREG_REGISTERED) {
			nsim_flow_inc(fl, NSIM_FLOW_INDR_DEAD);
			return -EOPNOTSUPP;
		}
	}
	if (type != mine ||
	    bo->binder_type != FLOW_BLOCK_BINDER_TYPE_CLSACT_INGRESS)
		return -EOPNOTSUPP;

	mutex_lock(&fl->lock);
	switch (bo->command) {
	case FLOW_BLOCK_BIND:
		err = nsim_flow_indr_bind(fl, dev, sch, bo, data, cleanup);
		break;
	case FLOW_BLOCK_UNBIND:
		err = nsim_flow_indr_unbind(fl, dev, bo);
		break;
	default:
		err = -EOPNOTSUPP;
		break;
	}
	mutex_unlock(&fl->lock);
	return err;
}

static bool nsim_flow_is_indr(unsigned int door)
{
	return door == NSIM_FLOW_DOOR_INDR_FT ||
	       door == NSIM_FLOW_DOOR_INDR_BLOCK;
}

/* An indirect driver unloads and loads; the others only change the setting. */
int nsim_flow_set_door(struct nsim_flow *fl, unsigned int door)
{
	int err = 0;

	mutex_lock(&fl->door_lock);
	if (fl->door == door)
		goto out;
	if (nsim_flow_is_indr(fl->door))
		flow_indr_dev_unregister(nsim_flow_indr_setup, fl,
					 nsim_flow_indr_release);
	WRITE_ONCE(fl->door, door);
	if (nsim_flow_is_indr(door))
		err = flow_indr_dev_register(nsim_flow_indr_setup, fl);
	if (err)
		WRITE_ONCE(fl->door, NSIM_FLOW_DOOR_NONE);
out:
	mutex_unlock(&fl->door_lock);
	return err;
}
