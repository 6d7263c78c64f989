// SPDX-License-Identifier: GPL-2.0
/*
 * The commands, one a write to debugfs nfto_bench/command:
 *
 *   devices N [TABLES]	instead of those that there are: an even number for each of so many
 *		flowtables (without a number, for one); 0 for none
 *   table N		the following commands are for the flowtable of the N-th devices, from 0
 *   adders N		so many processors add flows; 1 at first
 *   hide		nf_tables no longer finds the type of this flowtable, so that the type of
 *		another module can hold its family; the flowtable keeps it
 *   show		nf_tables finds all hidden types again
 *   add N SHAPE [PACKETS]	so many flows more; their connections have this number of
 *		packets in each direction, if connections are counted
 *   refresh		each flow, as if a packet of it had reached the CPU
 *   stats		the core asks for the counters of each flow
 *   remove		each flow ends
 *   packets N		so many packets of the flows (at most one tag) to the hook
 *   ask N		the first flow's rules so many times of nft_offload, as a REPLACE does:
 *		they are in and unchanged, or refused. "flows" counts REPLACEs.
 *   clear_hw		the type's garbage collection looks at each flow with NF_FLOW_HW cleared,
 *		as a kernel would have it that does not send DESTROYs after an error
 *   grow		waits until the core's table of the flows has the size that it is to have
 *   forget		the flows, which went with their flowtable
 *
 * nfto_bench/last then has the flows, "ns" and the calls of the driver (REPLACE, DESTROY,
 * STATS) in one line; nfto_bench/result has all, a name and a number a line: "flows",
 * "ns" (from the first to the last, until the core was done; processor time, see
 * bench_cpu_ns()), "core_ns" (the part of the caller), the calls of the driver, and
 * those since the module was loaded ("all_replaces" and so on), and when the last
 * DESTROY of all was done ("last_destroy_ns", by the monotonic clock).
 *
 * The core's work once a second is stopped while there are flows: it looks at each of
 * them, whatever the type is.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt
#include <linux/debugfs.h>
#include <linux/delay.h>
#include <linux/module.h>
#include <linux/seq_file.h>
#include <net/netfilter/nf_conntrack.h>
#include <net/netfilter/nf_tables.h>
#include "bench.h"

/* The number of flows that are created, and then added, at a time. */
#define BENCH_BATCH	20000

/* The capacity of the core's rules (NF_FLOW_RULE_ACTION_MAX). */
#define BENCH_ACTIONS	24

static DEFINE_MUTEX(lock);
static struct dentry *dir;

/* The flows in one flowtable. */
struct bench_table {
	struct flow_offload **flows;
	unsigned int flow_count;
	unsigned int capacity;
	/* The flowtable of the flows, and how often devices had been unbound. */
	struct nf_flowtable *flowtable;
	u64 unbinds;
};

static struct bench_table tables[BENCH_TABLES];
/* The table that commands are for. */
static struct bench_table *here = tables;

#define BENCH_ADDERS	8

/* The number of processors that add flows. */
static unsigned int adders = 1;

/* The types that nf_tables does not find at present. */
static struct nf_flowtable_type *hidden[8];
static unsigned int hidden_count;

static struct bench_result {
	u64 flows;
	u64 ns;
	u64 core_ns;
	u64 replaces;
	u64 destroys;
	u64 stats;
} result;

static void begin(struct bench_result *r)
{
	r->replaces = atomic64_read(&bench_driver.replaces);
	r->destroys = atomic64_read(&bench_driver.destroys);
	r->stats = atomic64_read(&bench_driver.stats);
}

static void end(struct bench_result *r)
{
	result.replaces += atomic64_read(&bench_driver.replaces) - r->replaces;
	result.destroys += atomic64_read(&bench_driver.destroys) - r->destroys;
	result.stats += atomic64_read(&bench_driver.stats) - r->stats;
}

static void forget(void)
{
	kvfree(here->flows);
	here->flows = NULL;
	here->flow_count = 0;
	here->capacity = 0;
	here->flowtable = NULL;
}

/* Returns the flowtable of the flows; they end with their ruleset. */
static struct nf_flowtable *present(void)
{
	if (here->flowtable &&
	    (here->flowtable != bench_flowtable() ||
	     here->unbinds != atomic64_read(&bench_driver.unbinds)))
		forget();
	return here->flowtable;
}

/* Runs a round of the core's work now. */
static void collect(void)
{
	mod_delayed_work(system_power_efficient_wq, &here->flowtable->gc_work, 0);
	flush_delayed_work(&here->flowtable->gc_work);
	cancel_delayed_work_sync(&here->flowtable->gc_work);
}

/* Waits until the core has finished its work on this flow. */
static int wait_for(const struct flow_offload *flow, enum nf_flow_flags flag, bool set)
{
	unsigned long end = jiffies + 300 * HZ, again = jiffies + HZ;

	while (test_bit(flag, &flow->flags) != set) {
		if (time_after(jiffies, end)) {
			pr_err("a flow is not dealt with in 300 s\n");
			return -ETIMEDOUT;
		}
		usleep_range(200, 300);
		/* A flow is ending that the core could not remove yet, or had no memory for. */
		if (set && time_after(jiffies, again)) {
			collect();
			again = jiffies + HZ;
		}
	}
	return 0;
}

/* The last one first: then the others are finished, or nearly. */
static int wait_for_all(unsigned int first, unsigned int count, enum nf_flow_flags flag,
			bool set)
{
	unsigned int i;
	int err;

	err = wait_for(here->flows[first + count - 1], flag, set);
	for (i = 0; i < count && !err; i++)
		err = wait_for(here->flows[first + i], flag, set);
	return err;
}

/* A share of a batch, added on a processor of its own. */
struct bench_share {
	struct work_struct work;
	unsigned int first;
	unsigned int count;
	int err;
};

static void add_share(struct work_struct *work)
{
	struct bench_share *share = container_of(work, struct bench_share, work);
	unsigned int i;

	for (i = share->first; i < share->first + share->count; i++) {
		share->err = flow_offload_add(here->flowtable, here->flows[i]);
		if (share->err)
			break;
		/* The table of the core grows in a separate work. */
		cond_resched();
	}
	/* Those before stay in the flowtable until it goes. */
	for (; i < share->first + share->count; i++)
		flow_offload_free(here->flows[i]);
}

/* Adds flows on the first adders processors, an equal share on each. */
static int add_shares(unsigned int first, unsigned int count)
{
	static struct bench_share shares[BENCH_ADDERS];
	unsigned int i, given = 0;
	int err = 0;

	for (i = 0; i < adders; i++) {
		shares[i].first = first + given;
		shares[i].count = (count - given) / (adders - i);
		shares[i].err = 0;
		given += shares[i].count;
		INIT_WORK(&shares[i].work, add_share);
		if (adders > 1)
			queue_work_on(i, system_percpu_wq, &shares[i].work);
		else
			add_share(&shares[i].work);
	}
	for (i = 0; i < adders; i++) {
		if (adders > 1)
			flush_work(&shares[i].work);
		err = err ?: shares[i].err;
	}
	return err;
}

static int add_batch(unsigned int first, unsigned int count, const struct bench_shape *shape,
		     unsigned int packets)
{
	struct bench_result before;
	unsigned int i;
	u64 start, added;
	int err;

	for (i = 0; i < count; i++) {
		struct flow_offload *flow = bench_flow_new(shape, first + i, packets);

		if (IS_ERR(flow)) {
			while (i--)
				flow_offload_free(here->flows[first + i]);
			return PTR_ERR(flow);
		}
		here->flows[first + i] = flow;
		cond_resched();
	}
	begin(&before);
	start = bench_cpu_ns();
	err = add_shares(first, count);
	if (!err)
		here->flow_count += count;
	added = bench_cpu_ns();
	if (!err)
		err = wait_for_all(first, count, NF_FLOW_PENDING, false);
	result.ns += bench_cpu_ns() - start;
	result.core_ns += added - start;
	end(&before);
	return err;
}

/* Makes room for so many flows more. Seldom: to free much memory takes time, later. */
static int reserve(unsigned int count)
{
	unsigned int capacity = max(here->flow_count + count, 2 * here->capacity);
	struct flow_offload **more;

	if (here->flow_count + count <= here->capacity)
		return 0;
	more = kvmalloc_array(capacity, sizeof(*more), GFP_KERNEL);
	if (!more)
		return -ENOMEM;
	if (here->flows)
		memcpy(more, here->flows, here->flow_count * sizeof(*more));
	kvfree(here->flows);
	here->flows = more;
	here->capacity = capacity;
	return 0;
}

static int add(unsigned int count, const struct bench_shape *shape, unsigned int packets)
{
	unsigned int i, n;
	int err;

	if (!shape)
		return -EINVAL;
	if (!present()) {
		here->flowtable = bench_flowtable();
		here->unbinds = atomic64_read(&bench_driver.unbinds);
	}
	if (!here->flowtable)
		return -ENOENT;
	cancel_delayed_work_sync(&here->flowtable->gc_work);
	err = reserve(count);
	if (err)
		return err;
	for (i = 0; i < count && !err; i += n) {
		n = min_t(unsigned int, count - i, BENCH_BATCH);
		err = add_batch(here->flow_count, n, shape, packets);
	}
	result.flows = i;
	return err;
}

static int refresh(void)
{
	struct bench_result before;
	unsigned int first, n, i;
	u64 start, done;
	int err = 0;

	begin(&before);
	for (first = 0; first < here->flow_count && !err; first += n) {
		n = min_t(unsigned int, here->flow_count - first, BENCH_BATCH);
		start = bench_cpu_ns();
		for (i = 0; i < n; i++)
			flow_offload_refresh(here->flowtable, here->flows[first + i], true);
		done = bench_cpu_ns();
		err = wait_for_all(first, n, NF_FLOW_PENDING, false);
		result.ns += bench_cpu_ns() - start;
		result.core_ns += done - start;
	}
	end(&before);
	result.flows = here->flow_count;
	return err;
}

static int sweep(void)
{
	struct bench_result before;
	unsigned int i;
	u64 start, done;
	int err;

	/* The core queries after a tenth of the timeout of a flow. */
	for (i = 0; i < here->flow_count; i++) {
		u32 now = nf_flowtable_time_stamp;

		WRITE_ONCE(here->flows[i]->timeout,
			   now + nf_flow_timeout_delta(here->flows[i]->timeout) / 2);
	}
	begin(&before);
	start = bench_cpu_ns();
	collect();
	done = bench_cpu_ns();
	err = wait_for_all(0, here->flow_count, NF_FLOW_PENDING, false);
	result.ns = bench_cpu_ns() - start;
	result.core_ns = done - start;
	end(&before);
	result.flows = here->flow_count;
	return err;
}

static int remove(void)
{
	struct bench_result before;
	unsigned int i;
	u64 start, done;
	int err;

	begin(&before);
	start = bench_cpu_ns();
	for (i = 0; i < here->flow_count; i++)
		flow_offload_teardown(here->flows[i]);
	collect();
	done = bench_cpu_ns();
	err = wait_for_all(0, here->flow_count, NF_FLOW_HW_DEAD, true);
	if (!err)
		err = wait_for_all(0, here->flow_count, NF_FLOW_PENDING, false);
	result.ns = bench_cpu_ns() - start;
	result.core_ns = done - start;
	end(&before);
	result.flows = here->flow_count;
	if (err)
		return err;
	collect();
	mod_delayed_work(system_power_efficient_wq, &here->flowtable->gc_work, HZ);
	forget();
	rcu_barrier();
	return 0;
}

static bool is_ours(const struct nf_flowtable_type *type)
{
	return !strcmp(module_name(type->owner), "nft_offload");
}

/* Calls the type as the core does, but not from its work. */
static int ask(unsigned int rounds)
{
	const struct nf_flowtable_type *type = here->flowtable->type;
	struct net *net = read_pnet(&here->flowtable->net);
	struct bench_result before;
	struct nf_flow_rule *rule;
	unsigned int i;
	u64 start;

	if (!is_ours(type))
		return -EOPNOTSUPP;
	rule = kzalloc_obj(*rule);
	if (!rule)
		return -ENOMEM;
	rule->rule = flow_rule_alloc(BENCH_ACTIONS);
	if (!rule->rule) {
		kfree(rule);
		return -ENOMEM;
	}
	rule->rule->match.dissector = &rule->match.dissector;
	rule->rule->match.mask = &rule->match.mask;
	rule->rule->match.key = &rule->match.key;
	begin(&before);
	start = bench_cpu_ns();
	for (i = 0; i < rounds; i++) {
		rule->rule->action.num_entries = 0;
		type->action(net, here->flows[0], FLOW_OFFLOAD_DIR_ORIGINAL, rule);
	}
	result.ns = bench_cpu_ns() - start;
	end(&before);
	result.flows = rounds;
	kfree(rule->rule);
	kfree(rule);
	return 0;
}

#define BENCH_PACKETS	256

/* Packets of the flows in turn, as if received on bench0. */
static int forward(unsigned int count)
{
	static struct sk_buff *skbs[BENCH_PACKETS];
	nf_hookfn *hook = here->flowtable->type->hook;
	struct net_device *dev = bench_port(0);
	struct nf_hook_state state = {
		.hook = NF_NETDEV_INGRESS, .pf = NFPROTO_NETDEV, .in = dev, .net = &init_net,
	};
	unsigned int done, i, verdict, lost = 0;
	u64 start;

	for (done = 0; done < count; done += BENCH_PACKETS) {
		for (i = 0; i < BENCH_PACKETS; i++) {
			unsigned int flow = (done + i) % here->flow_count;

			skbs[i] = bench_packet_new(here->flows[flow], dev);
			if (!skbs[i]) {
				while (i--)
					kfree_skb(skbs[i]);
				return -ENOMEM;
			}
		}
		local_bh_disable();
		rcu_read_lock();
		start = bench_cpu_ns();
		for (i = 0; i < BENCH_PACKETS; i++) {
			verdict = hook(here->flowtable, skbs[i], &state);
			if (verdict == NF_STOLEN)
				continue;
			kfree_skb(skbs[i]);
			lost++;
		}
		result.ns += bench_cpu_ns() - start;
		rcu_read_unlock();
		local_bh_enable();
		cond_resched();
	}
	result.flows = done;
	if (!lost)
		return 0;
	pr_err("%u of %u packets were not forwarded\n", lost, done);
	return -EIO;
}

static int clear_hw(void)
{
	unsigned int i;

	if (!here->flowtable->type->gc)
		return -EOPNOTSUPP;
	for (i = 0; i < here->flow_count; i++) {
		clear_bit(NF_FLOW_HW, &here->flows[i]->flags);
		here->flowtable->type->gc(here->flows[i]);
		set_bit(NF_FLOW_HW, &here->flows[i]->flags);
	}
	return 0;
}

/* The work queues itself again while there is more to do. */
static void grow(void)
{
	while (flush_work(&here->flowtable->rhashtable.run_work))
		;
	rcu_barrier();
}

/* nf_tables takes the first type of a family that it finds. */
static int hide(void)
{
	const struct nf_flowtable *flowtable = bench_flowtable();
	struct nf_flowtable_type *type;
	unsigned int i;

	if (!flowtable)
		return -ENOENT;
	/* The owner registered it, and unregisters it in the end. */
	type = (struct nf_flowtable_type *)flowtable->type;
	for (i = 0; i < hidden_count; i++) {
		if (hidden[i] == type)
			return -EALREADY;
	}
	if (hidden_count == ARRAY_SIZE(hidden))
		return -ENOSPC;
	__module_get(type->owner);
	nft_unregister_flowtable_type(type);
	synchronize_rcu();
	hidden[hidden_count++] = type;
	return 0;
}

static void show(void)
{
	while (hidden_count) {
		struct nf_flowtable_type *type = hidden[--hidden_count];

		nft_register_flowtable_type(type);
		module_put(type->owner);
	}
}

static void forget_all(void)
{
	for (here = tables; here < tables + BENCH_TABLES; here++)
		forget();
	here = tables;
	bench_use(0);
}

static int run(char *text)
{
	const char *command = strsep(&text, " ");
	const char *number = text ? strsep(&text, " ") : NULL;
	const char *name = text ? strsep(&text, " ") : NULL;
	unsigned int n = 0, more = 0;

	if (number && kstrtouint(number, 0, &n))
		return -EINVAL;
	memset(&result, 0, sizeof(result));
	if (!strcmp(command, "devices")) {
		if (name && kstrtouint(name, 0, &more))
			return -EINVAL;
		forget_all();
		return bench_ports_create(n, name ? more : 1);
	}
	if (!strcmp(command, "table")) {
		if (n >= BENCH_TABLES)
			return -EINVAL;
		here = tables + n;
		bench_use(n);
		return 0;
	}
	if (!strcmp(command, "adders")) {
		if (!n || n > BENCH_ADDERS || n > num_online_cpus())
			return -EINVAL;
		adders = n;
		return 0;
	}
	if (!strcmp(command, "hide"))
		return hide();
	if (!strcmp(command, "show")) {
		show();
		return 0;
	}
	if (!strcmp(command, "add")) {
		if (!n || !name || (text && kstrtouint(text, 0, &more)))
			return -EINVAL;
		return add(n, bench_shape(name), more);
	}
	if (!strcmp(command, "forget")) {
		forget();
		rcu_barrier();
		return 0;
	}
	if (!present() || !here->flow_count)
		return -ENOENT;
	if (!strcmp(command, "refresh"))
		return refresh();
	if (!strcmp(command, "stats"))
		return sweep();
	if (!strcmp(command, "remove"))
		return remove();
	if (!strcmp(command, "packets"))
		return forward(n);
	if (!strcmp(command, "clear_hw"))
		return clear_hw();
	if (!strcmp(command, "grow")) {
		grow();
		return 0;
	}
	if (!strcmp(command, "ask"))
		return ask(n);
	return -EINVAL;
}

static ssize_t command_write(struct file *file, const char __user *from, size_t len,
			     loff_t *pos)
{
	char *text;
	int err;

	text = memdup_user_nul(from, min_t(size_t, len, 100));
	if (IS_ERR(text))
		return PTR_ERR(text);
	mutex_lock(&lock);
	err = run(strim(text));
	mutex_unlock(&lock);
	kfree(text);
	return err ?: len;
}

static const struct file_operations command_fops = {
	.owner = THIS_MODULE,
	.open = simple_open,
	.write = command_write,
};

static int cpu_ns_show(struct seq_file *m, void *unused)
{
	seq_printf(m, "%llu\n", bench_cpu_ns());
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(cpu_ns);

static int last_show(struct seq_file *m, void *unused)
{
	mutex_lock(&lock);
	seq_printf(m, "%llu %llu %llu %llu %llu\n", result.flows, result.ns, result.replaces,
		   result.destroys, result.stats);
	mutex_unlock(&lock);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(last);

static int result_show(struct seq_file *m, void *unused)
{
	mutex_lock(&lock);
	seq_printf(m, "flows %llu\nns %llu\ncore_ns %llu\n", result.flows, result.ns,
		   result.core_ns);
	seq_printf(m, "replaces %llu\ndestroys %llu\nstats %llu\n", result.replaces,
		   result.destroys, result.stats);
	mutex_unlock(&lock);
	seq_printf(m, "all_replaces %lld\nall_destroys %lld\nall_stats %lld\n",
		   atomic64_read(&bench_driver.replaces), atomic64_read(&bench_driver.destroys),
		   atomic64_read(&bench_driver.stats));
	seq_printf(m, "rules %lld\ntrace %lld\nerrors %lld\n",
		   atomic64_read(&bench_driver.held[here - tables].rules),
		   atomic64_read(&bench_driver.held[here - tables].trace),
		   atomic64_read(&bench_driver.errors));
	seq_printf(m, "last_destroy_ns %llu\n", READ_ONCE(bench_driver.destroyed_ns));
	seq_printf(m, "sizeof_flow %zu\nsizeof_conntrack %zu\n", sizeof(struct flow_offload),
		   sizeof(struct nf_conn));
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(result);

static int __init bench_init(void)
{
	bench_calibrate();
	dir = debugfs_create_dir(KBUILD_MODNAME, NULL);
	debugfs_create_file("command", 0200, dir, NULL, &command_fops);
	debugfs_create_file("result", 0400, dir, NULL, &result_fops);
	debugfs_create_file("last", 0400, dir, NULL, &last_fops);
	debugfs_create_file("cpu_ns", 0400, dir, NULL, &cpu_ns_fops);
	debugfs_create_u32("cost_ns", 0600, dir, &bench_driver.cost_ns);
	debugfs_create_u32("refuse", 0600, dir, &bench_driver.refuse);
	debugfs_create_u32("spare", 0600, dir, &bench_driver.spare);
	return 0;
}

static void __exit bench_exit(void)
{
	debugfs_remove(dir);
	forget_all();
	show();
	bench_ports_destroy();
}

module_init(bench_init);
module_exit(bench_exit);
MODULE_LICENSE("GPL");
MODULE_AUTHOR("The nft_offload developers");
MODULE_DESCRIPTION("Measures flowtable types");
