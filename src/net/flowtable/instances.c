// SPDX-License-Identifier: GPL-2.0
/*
 * The list of the instances of a network namespace. It is changed under a mutex
 * and read under RCU. A reader of an instance holds a reference to it.
 */
#include <linux/rculist.h>
#include <linux/refcount.h>
#include <linux/wait_bit.h>
#include <net/genetlink.h>
#include <net/net_namespace.h>
#include "bindings_helper.h"
#include "flowtable.h"

unsigned int nfto_net_id;

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
static unsigned int nfto_instances_generation(struct net *net)
{
	return READ_ONCE(nfto_net(net)->generation) ?: UINT_MAX;
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
