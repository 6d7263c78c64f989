// SPDX-License-Identifier: GPL-2.0
/* See generate.h. */
#include <linux/debugfs.h>
#include <linux/netdevice.h>
#include <linux/rtnetlink.h>
#include <linux/sched/signal.h>
#include <linux/seq_file.h>
#include <linux/slab.h>
#include <net/net_namespace.h>

#include "generate.h"
#include "ports.h"
#include "rule_text.h"

#define TEXT_SIZE	4096
/* Of the rules that disagree, enough to see what they have in common. */
#define DISAGREEMENTS_MAX	4

static DEFINE_MUTEX(generate_lock);
static const struct generate_driver *driver;
static struct generate_devices devices;

static struct {
	unsigned int rules, accepted, refused, not_compared, disagree;
	u64 seed;
	int err;
} last;

/* The callback of each port, as a flowtable has it. */
static struct binding {
	struct net_device *dev;
	struct flow_block block;
	bool locked;
} bindings[GENERATE_DEVICES];
static unsigned int n_bindings;

/* ---- binding ---- */

static int setup(struct binding *b, enum flow_block_command command)
{
	struct flow_block_offload bo = {
		.command	= command,
		.binder_type	= FLOW_BLOCK_BINDER_TYPE_CLSACT_INGRESS,
		.net		= &init_net,
		.block		= &b->block,
		.cb_list_head	= &b->block.cb_list,
	};
	enum tc_setup_type type = driver->block ? TC_SETUP_BLOCK : TC_SETUP_FT;
	struct flow_block_cb *cb, *next;
	int err;

	INIT_LIST_HEAD(&bo.cb_list);
	rtnl_lock();
	err = b->dev->netdev_ops->ndo_setup_tc(b->dev, type, &bo);
	rtnl_unlock();
	if (command == FLOW_BLOCK_BIND) {
		list_splice(&bo.cb_list, &b->block.cb_list);
		b->locked = !bo.unlocked_driver_cb;
		return err ?: list_empty(&b->block.cb_list) ? -EOPNOTSUPP : 0;
	}
	list_for_each_entry_safe(cb, next, &bo.cb_list, list) {
		list_del(&cb->list);
		flow_block_cb_free(cb);
	}
	return err;
}

static void unbind(void)
{
	while (n_bindings)
		WARN_ON(setup(&bindings[--n_bindings], FLOW_BLOCK_UNBIND));
}

static int bind(void)
{
	struct net_device *dev, *user = driver->user_port ? driver->user_port() : NULL;
	unsigned int i;
	int err;

	memset(&devices, 0, sizeof(devices));
	for (i = 0; i < GENERATE_DEVICES - 1 && (dev = ports_get(i)); i++) {
		struct binding *b = &bindings[i];

		devices.own[devices.n_own++] = dev;
		b->dev = dev;
		INIT_LIST_HEAD(&b->block.cb_list);
		err = setup(b, FLOW_BLOCK_BIND);
		if (err)
			return err;
		n_bindings = i + 1;
	}
	if (user)
		devices.own[devices.n_own++] = user;
	devices.foreign[devices.n_foreign++] = init_net.loopback_dev;
	return n_bindings ? 0 : -ENODEV;
}

/* ---- a rule ---- */

static int command(const struct binding *b, struct flow_cls_offload *f, enum flow_cls_command c)
{
	struct flow_block_cb *cb = list_first_entry(&b->block.cb_list, struct flow_block_cb, list);
	struct netlink_ext_ack extack = {};
	int err;

	f->command = c;
	/* As tc calls a driver that does not say that it needs no RTNL. */
	if (b->locked)
		rtnl_lock();
	f->common.extack = &extack;
	err = cb->cb(TC_SETUP_CLSFLOWER, f, cb->cb_priv);
	f->common.extack = NULL;
	if (b->locked)
		rtnl_unlock();
	return err;
}

static void expect(const struct binding *b, struct flow_cls_offload *f, enum flow_cls_command c,
		   const char *what, int wanted)
{
	int err = command(b, f, c);

	if (err == wanted)
		return;
	mutex_lock(&ports_lock);
	profile_disagree("%s: %s: the profile says %d, the driver %d\n", b->dev->name, what,
			 wanted, err);
	mutex_unlock(&ports_lock);
}

static const char *name_of(int ifindex)
{
	static char name[IFNAMSIZ];
	struct net_device *dev;

	rcu_read_lock();
	dev = dev_get_by_index_rcu(&init_net, ifindex);
	strscpy(name, dev ? dev->name : "?");
	rcu_read_unlock();
	return name;
}

static void say(u64 seed, const struct flow_cls_offload *f)
{
	char *text = kmalloc(TEXT_SIZE, GFP_KERNEL);
	struct seq_buf out;

	if (!text)
		return;
	seq_buf_init(&out, text, TEXT_SIZE);
	rule_text(&out, f, name_of);
	mutex_lock(&ports_lock);
	profile_disagree("which is the rule of seed %llu:\n%s\n", seed, seq_buf_str(&out));
	mutex_unlock(&ports_lock);
	kfree(text);
}

static int one(u64 seed, struct flow_cls_offload *f)
{
	/* Not one of nft_offload's, which count from 0. */
	static unsigned long cookie = ULONG_MAX / 2;
	unsigned int before = profile_disagreements();
	int unknown = driver->profile->unknown_errno;
	const struct binding *b;
	bool not_compared;
	int err;

	err = generate_rule(seed, &driver->style, &devices, f);
	if (err)
		return err;
	f->cookie = cookie++;
	b = &bindings[seed % n_bindings];
	not_compared = driver->not_compared && driver->not_compared(f->rule);
	profile_pause(not_compared);
	err = command(b, f, FLOW_CLS_REPLACE);
	profile_pause(false);
	if (!err) {
		expect(b, f, FLOW_CLS_REPLACE, "the rule once more", -EEXIST);
		expect(b, f, FLOW_CLS_STATS, "its counters", 0);
		expect(b, f, FLOW_CLS_DESTROY, "its end", 0);
	}
	expect(b, f, FLOW_CLS_STATS, "counters of no rule", unknown);
	expect(b, f, FLOW_CLS_DESTROY, "the end of no rule", unknown);
	if (profile_disagreements() != before) {
		say(seed, f);
		last.disagree++;
	}
	last.rules++;
	last.seed = seed;
	last.err = err;
	if (not_compared)
		last.not_compared++;
	else if (err)
		last.refused++;
	else
		last.accepted++;
	return 0;
}

static int run(u64 seed, u64 count)
{
	struct flow_cls_offload f;
	int err = bind();

	memset(&last, 0, sizeof(last));
	mutex_lock(&ports_lock);
	profile_clear();
	mutex_unlock(&ports_lock);
	while (!err && count-- && last.disagree < DISAGREEMENTS_MAX) {
		err = one(seed++, &f);
		cond_resched();
		if (signal_pending(current))
			err = -EINTR;
	}
	unbind();
	return err;
}

bool generate_without_addresses(const struct flow_rule *rule)
{
	struct flow_match_control control;

	if (!flow_rule_match_key(rule, FLOW_DISSECTOR_KEY_CONTROL))
		return false;
	flow_rule_match_control(rule, &control);
	switch (control.key->addr_type) {
	case 0:
		return flow_rule_match_key(rule, FLOW_DISSECTOR_KEY_ETH_ADDRS);
	case FLOW_DISSECTOR_KEY_IPV4_ADDRS:
	case FLOW_DISSECTOR_KEY_IPV6_ADDRS:
		return !flow_rule_match_key(rule, control.key->addr_type);
	default:
		return false;
	}
}

/* ---- files ---- */

static ssize_t generate_write(struct file *file, const char __user *from, size_t len, loff_t *at)
{
	char text[48];
	u64 seed, count;
	int err;

	if (len >= sizeof(text) || copy_from_user(text, from, len))
		return -EINVAL;
	text[len] = 0;
	if (sscanf(text, "%llu %llu", &seed, &count) != 2)
		return -EINVAL;
	mutex_lock(&generate_lock);
	err = run(seed, count);
	mutex_unlock(&generate_lock);
	return err ?: len;
}

static const struct file_operations generate_fops = {
	.open	= simple_open,
	.write	= generate_write,
};

static int generated_show(struct seq_file *s, void *v)
{
	char *text = kmalloc(TEXT_SIZE, GFP_KERNEL);
	struct flow_cls_offload f;
	struct seq_buf out;

	if (!text)
		return -ENOMEM;
	mutex_lock(&generate_lock);
	seq_printf(s, "rules %u accepted %u refused %u not_compared %u disagree %u\n",
		   last.rules, last.accepted, last.refused, last.not_compared, last.disagree);
	if (last.rules && !generate_rule(last.seed, &driver->style, &devices, &f)) {
		seq_buf_init(&out, text, TEXT_SIZE);
		rule_text(&out, &f, name_of);
		seq_printf(s, "%sthe driver: %d\n", seq_buf_str(&out), last.err);
	}
	mutex_unlock(&generate_lock);
	kfree(text);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(generated);

void generate_files(struct dentry *dir, const struct generate_driver *d)
{
	driver = d;
	debugfs_create_file("generate", 0200, dir, NULL, &generate_fops);
	debugfs_create_file("generated", 0400, dir, NULL, &generated_fops);
}

void generate_stop(void)
{
	memset(&last, 0, sizeof(last));
	generate_rule_stop();
}
