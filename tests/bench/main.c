// SPDX-License-Identifier: GPL-2.0
/*
 * The commands, one a write to debugfs nfto_bench/command:
 *
 *   devices N		instead of those that there are; an even number, 0 for none
 *   add N SHAPE	so many flows more
 *   refresh		each flow, as if a packet of it had reached the CPU
 *   stats		the core asks for the counters of each flow
 *   remove		each flow ends
 *   packets N		so many packets of the flows (UDP, at most one tag) to the hook
 *   translate N	the first flow so many times, one direction after the other, by the
 *		type's function "action": the in-tree type's writes the actions. That of
 *		nft_offload does all of a REPLACE; built with NFT_OFFLOAD_BENCH=1 it
 *		translates only, match and actions. "flows" counts directions.
 *   ask N		the first flow's rules so many times of nft_offload, as a REPLACE does:
 *		they are in and unchanged, or refused. "flows" counts REPLACEs.
 *   clear_hw		the type's garbage collection looks at each flow with NF_FLOW_HW cleared,
 *		as a kernel would have it that does not send DESTROYs after an error
 *   forget		the flows, which went with their flowtable
 *
 * nfto_bench/result then has what was measured, a name and a number a line: "flows",
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
#include "bench.h"

/* The number of flows that are created, and then added, at a time. */
#define BENCH_BATCH	20000

static DEFINE_MUTEX(lock);
static struct dentry *dir;
static struct flow_offload **flows;
static unsigned int flow_count;
/* The flowtable of the flows, and how often its devices had been unbound. */
static struct nf_flowtable *flowtable;
static u64 flowtable_unbinds;

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
	kvfree(flows);
	flows = NULL;
	flow_count = 0;
	flowtable = NULL;
}

/* Returns the flowtable of the flows; they end with their ruleset. */
static struct nf_flowtable *present(void)
{
	if (flowtable && (flowtable != bench_flowtable() ||
			  flowtable_unbinds != atomic64_read(&bench_driver.unbinds)))
		forget();
	return flowtable;
}

/* Runs a round of the core's work now. */
static void collect(void)
{
	mod_delayed_work(system_power_efficient_wq, &flowtable->gc_work, 0);
	flush_delayed_work(&flowtable->gc_work);
	cancel_delayed_work_sync(&flowtable->gc_work);
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

	err = wait_for(flows[first + count - 1], flag, set);
	for (i = 0; i < count && !err; i++)
		err = wait_for(flows[first + i], flag, set);
	return err;
}

static int add_batch(unsigned int first, unsigned int count, const struct bench_shape *shape)
{
	struct bench_result before;
	unsigned int i;
	u64 start, added;
	int err = 0;

	for (i = 0; i < count; i++) {
		struct flow_offload *flow = bench_flow_new(shape, first + i);

		if (IS_ERR(flow)) {
			while (i--)
				flow_offload_free(flows[first + i]);
			return PTR_ERR(flow);
		}
		flows[first + i] = flow;
		cond_resched();
	}
	begin(&before);
	start = bench_cpu_ns();
	for (i = 0; i < count && !err; i++) {
		err = flow_offload_add(flowtable, flows[first + i]);
		if (!err)
			flow_count++;
		/* The table of the core grows in a separate work. */
		cond_resched();
	}
	added = bench_cpu_ns();
	if (!err)
		err = wait_for_all(first, count, NF_FLOW_PENDING, false);
	result.ns += bench_cpu_ns() - start;
	result.core_ns += added - start;
	end(&before);
	for (i = flow_count; i < first + count; i++)
		flow_offload_free(flows[i]);
	return err;
}

static int add(unsigned int count, const struct bench_shape *shape)
{
	struct flow_offload **more;
	unsigned int i, n;
	int err = 0;

	if (!shape)
		return -EINVAL;
	if (!present()) {
		flowtable = bench_flowtable();
		flowtable_unbinds = atomic64_read(&bench_driver.unbinds);
	}
	if (!flowtable)
		return -ENOENT;
	cancel_delayed_work_sync(&flowtable->gc_work);
	more = kvmalloc_array(flow_count + count, sizeof(*more), GFP_KERNEL);
	if (!more)
		return -ENOMEM;
	if (flows)
		memcpy(more, flows, flow_count * sizeof(*more));
	kvfree(flows);
	flows = more;
	for (i = 0; i < count && !err; i += n) {
		n = min_t(unsigned int, count - i, BENCH_BATCH);
		err = add_batch(flow_count, n, shape);
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
	for (first = 0; first < flow_count && !err; first += n) {
		n = min_t(unsigned int, flow_count - first, BENCH_BATCH);
		start = bench_cpu_ns();
		for (i = 0; i < n; i++)
			flow_offload_refresh(flowtable, flows[first + i], true);
		done = bench_cpu_ns();
		err = wait_for_all(first, n, NF_FLOW_PENDING, false);
		result.ns += bench_cpu_ns() - start;
		result.core_ns += done - start;
	}
	end(&before);
	result.flows = flow_count;
	return err;
}

static int sweep(void)
{
	struct bench_result before;
	unsigned int i;
	u64 start, done;
	int err;

	/* The core queries after a tenth of the timeout of a flow. */
	for (i = 0; i < flow_count; i++) {
		u32 now = nf_flowtable_time_stamp;

		WRITE_ONCE(flows[i]->timeout, now + nf_flow_timeout_delta(flows[i]->timeout) / 2);
	}
	begin(&before);
	start = bench_cpu_ns();
	collect();
	done = bench_cpu_ns();
	err = wait_for_all(0, flow_count, NF_FLOW_PENDING, false);
	result.ns = bench_cpu_ns() - start;
	result.core_ns = done - start;
	end(&before);
	result.flows = flow_count;
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
	for (i = 0; i < flow_count; i++)
		flow_offload_teardown(flows[i]);
	collect();
	done = bench_cpu_ns();
	err = wait_for_all(0, flow_count, NF_FLOW_HW_DEAD, true);
	if (!err)
		err = wait_for_all(0, flow_count, NF_FLOW_PENDING, false);
	result.ns = bench_cpu_ns() - start;
	result.core_ns = done - start;
	end(&before);
	result.flows = flow_count;
	if (err)
		return err;
	collect();
	mod_delayed_work(system_power_efficient_wq, &flowtable->gc_work, HZ);
	forget();
	rcu_barrier();
	return 0;
}

static bool is_ours(const struct nf_flowtable_type *type)
{
	return !strcmp(module_name(type->owner), "nft_offload");
}

static int translate(unsigned int rounds)
{
	const struct nf_flowtable_type *type = flowtable->type;
	struct net *net = read_pnet(&flowtable->net);
	struct nf_flow_rule rule = {};
	struct flow_action_entry *entry;
	unsigned int i, j;
	u64 start;
	int err = 0;

	/* The capacity of the core. */
	rule.rule = flow_rule_alloc(24);
	if (!rule.rule)
		return -ENOMEM;
	start = bench_cpu_ns();
	for (i = 0; i < rounds && !err; i++) {
		unsigned int dir = i % FLOW_OFFLOAD_DIR_MAX;

		if (is_ours(type)) {
			/* It has a rule of its own, and takes a number for one. */
			unsigned int n = rounds / FLOW_OFFLOAD_DIR_MAX;

			err = type->action(net, flows[0], dir + FLOW_OFFLOAD_DIR_MAX,
					   (void *)(unsigned long)n);
			if (dir)
				break;
			continue;
		}
		rule.rule->action.num_entries = 0;
		err = type->action(net, flows[0], dir, &rule);
		flow_action_for_each(j, entry, &rule.rule->action) {
			if (entry->id == FLOW_ACTION_REDIRECT)
				dev_put(entry->dev);
		}
	}
	result.ns = bench_cpu_ns() - start;
	result.flows = rounds;
	kfree(rule.rule);
	return err;
}

static int ask(unsigned int rounds)
{
	const struct nf_flowtable_type *type = flowtable->type;
	struct net *net = read_pnet(&flowtable->net);
	struct nf_flow_rule rule = {};
	struct bench_result before;
	unsigned int i;
	u64 start;

	if (!is_ours(type))
		return -EOPNOTSUPP;
	begin(&before);
	start = bench_cpu_ns();
	for (i = 0; i < rounds; i++)
		type->action(net, flows[0], FLOW_OFFLOAD_DIR_ORIGINAL, &rule);
	result.ns = bench_cpu_ns() - start;
	end(&before);
	result.flows = rounds;
	return 0;
}

#define BENCH_PACKETS	256

/* Packets of the flows in turn, as if received on bench0. */
static int forward(unsigned int count)
{
	static struct sk_buff *skbs[BENCH_PACKETS];
	nf_hookfn *hook = flowtable->type->hook;
	struct net_device *dev = bench_port(0);
	struct nf_hook_state state = {
		.hook = NF_NETDEV_INGRESS, .pf = NFPROTO_NETDEV, .in = dev, .net = &init_net,
	};
	unsigned int done, i, verdict, lost = 0;
	u64 start;

	for (done = 0; done < count; done += BENCH_PACKETS) {
		for (i = 0; i < BENCH_PACKETS; i++) {
			unsigned int flow = (done + i) % flow_count;

			skbs[i] = bench_packet_new(flows[flow], dev);
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
			verdict = hook(flowtable, skbs[i], &state);
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

	if (!flowtable->type->gc)
		return -EOPNOTSUPP;
	for (i = 0; i < flow_count; i++) {
		clear_bit(NF_FLOW_HW, &flows[i]->flags);
		flowtable->type->gc(flows[i]);
		set_bit(NF_FLOW_HW, &flows[i]->flags);
	}
	return 0;
}

static int run(char *text)
{
	const char *command = strsep(&text, " ");
	const char *number = text ? strsep(&text, " ") : NULL;
	unsigned int n = 0;

	if (number && kstrtouint(number, 0, &n))
		return -EINVAL;
	memset(&result, 0, sizeof(result));
	if (!strcmp(command, "devices")) {
		forget();
		return bench_ports_create(n);
	}
	if (!strcmp(command, "add"))
		return n && text ? add(n, bench_shape(text)) : -EINVAL;
	if (!strcmp(command, "forget")) {
		forget();
		rcu_barrier();
		return 0;
	}
	if (!present() || !flow_count)
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
	if (!strcmp(command, "ask"))
		return ask(n);
	if (!strcmp(command, "translate"))
		return translate(n);
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
	seq_printf(m, "rules %lld\ntrace %lld\nerrors %lld\n", atomic64_read(&bench_driver.rules),
		   atomic64_read(&bench_driver.trace), atomic64_read(&bench_driver.errors));
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
	debugfs_create_file("cpu_ns", 0400, dir, NULL, &cpu_ns_fops);
	debugfs_create_u32("cost_ns", 0600, dir, &bench_driver.cost_ns);
	debugfs_create_u32("refuse", 0600, dir, &bench_driver.refuse);
	debugfs_create_u32("spare", 0600, dir, &bench_driver.spare);
	return 0;
}

static void __exit bench_exit(void)
{
	debugfs_remove(dir);
	forget();
	bench_ports_destroy();
}

module_init(bench_init);
module_exit(bench_exit);
MODULE_LICENSE("GPL");
MODULE_AUTHOR("The nft_offload developers");
MODULE_DESCRIPTION("Measures flowtable types");
