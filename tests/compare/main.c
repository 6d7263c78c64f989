// SPDX-License-Identifier: GPL-2.0
/*
 * Runs every case through the flowtable types of nf_flow_table_inet and of
 * nft_offload while the module loads, and keeps what the driver got in debugfs:
 * nfto_compare/c and nfto_compare/ours.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt
#include <linux/debugfs.h>
#include <linux/delay.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/module.h>
#include <net/netfilter/nf_tables.h>
#include "compare.h"

#define CMP_TEXT_SIZE	(512 * 1024)

/*
 * A flow that is learned soon after a change of routes or neighbours is
 * checked against them, and no route leads to the addresses of these flows.
 */
#define CMP_SETTLE_MS	3500

static struct dentry *dir;

static struct cmp_text {
	const char *file;
	const char *owner;
	struct debugfs_blob_wrapper blob;
} texts[] = {
	{ "c", "nf_flow_table_inet" },
	{ "ours", "nft_offload" },
};

/* One flowtable and its flows. */
struct cmp_run {
	const struct nf_flowtable_type *type;
	struct nft_table table;
	struct nft_flowtable flowtable;
	struct cmp_record *records;
	struct flow_offload **flows;
	unsigned int bound;
	struct seq_buf *out;
};

/*
 * The list of nf_tables has no name for modules. A type that is added last is
 * followed by the head of the list.
 */
static const struct nf_flowtable_type *find_type(const char *owner)
{
	static struct nf_flowtable_type probe = { .family = NFPROTO_UNSPEC };
	const struct nf_flowtable_type *type, *found = NULL;
	struct list_head *head;

	nft_register_flowtable_type(&probe);
	nfnl_lock(NFNL_SUBSYS_NFTABLES);
	head = probe.list.next;
	list_for_each_entry(type, head, list) {
		if (type->family == NFPROTO_INET && type->owner &&
		    !strcmp(module_name(type->owner), owner) &&
		    try_module_get(type->owner)) {
			found = type;
			break;
		}
	}
	nfnl_unlock(NFNL_SUBSYS_NFTABLES);
	nft_unregister_flowtable_type(&probe);
	synchronize_rcu();
	if (!found)
		pr_err("%s has no flowtable type\n", owner);
	return found;
}

static bool is_unresolved(const struct cmp_case *c)
{
	return c->original.unresolved || c->reply.unresolved;
}

static void print(struct cmp_run *run, unsigned int number, const char *suffix)
{
	static const char * const names[] = { "original", "reply" };
	unsigned int dir;

	for (dir = 0; dir < FLOW_OFFLOAD_DIR_MAX; dir++) {
		seq_buf_printf(run->out, "[%s%s: %s]\n", cmp_cases[number].name,
			       suffix, names[dir]);
		cmp_record_print(&run->records[number * FLOW_OFFLOAD_DIR_MAX + dir],
				 run->out);
	}
}

/* Until the core is done with what it was told for this flow. */
static int wait_for(const struct flow_offload *flow)
{
	unsigned int tries;

	for (tries = 0; tries < 500; tries++) {
		if (!test_bit(NF_FLOW_PENDING, &flow->flags))
			return 0;
		msleep(20);
	}
	pr_err("a flow is not dealt with in 10 s\n");
	return -ETIMEDOUT;
}

static int add_flow(struct cmp_run *run, unsigned int number)
{
	struct flow_offload *flow;
	int err;

	flow = cmp_flow_new(number);
	if (IS_ERR(flow))
		return PTR_ERR(flow);
	err = flow_offload_add(&run->flowtable.data, flow);
	if (err) {
		flow_offload_free(flow);
		return err;
	}
	run->flows[number] = flow;
	return 0;
}

/* The next hop is found, and a packet comes along. */
static int resolve(struct cmp_run *run, unsigned int number)
{
	int err;

	err = cmp_neighbours(number, true);
	if (err)
		return err;
	msleep(20);
	cmp_records_clear(run->records, number);
	flow_offload_refresh(&run->flowtable.data, run->flows[number], true);
	return wait_for(run->flows[number]);
}

static int run_cases(struct cmp_run *run, unsigned int cases,
		     const char *suffix)
{
	unsigned int i;
	int err = 0;

	/* All of them before the first is waited for. */
	for (i = 0; i < cases && !err; i++)
		err = add_flow(run, i);
	for (i = 0; i < cases && !err; i++)
		err = wait_for(run->flows[i]);
	for (i = 0; i < cases && !err; i++)
		print(run, i, suffix);
	for (i = 0; i < cases && !err; i++) {
		if (!is_unresolved(&cmp_cases[i]))
			continue;
		err = resolve(run, i);
		print(run, i, " then resolved");
	}
	return err;
}

/* As nf_tables does it. */
static int run_table(struct cmp_run *run, unsigned int cases,
		     const char *suffix)
{
	struct nf_flowtable *table = &run->flowtable.data;
	unsigned int i;
	int err;

	for (i = 0; i < cases; i++) {
		err = cmp_neighbours(i, false);
		if (err)
			return err;
	}
	msleep(CMP_SETTLE_MS);
	err = table->type->init(table);
	if (err)
		return err;
	while (run->bound < CMP_PORTS && !err) {
		err = table->type->setup(table, cmp_port(run->bound),
					 FLOW_BLOCK_BIND);
		if (!err)
			run->bound++;
	}
	if (!err)
		err = run_cases(run, cases, suffix);
	while (run->bound) {
		run->bound--;
		table->type->setup(table, cmp_port(run->bound),
				   FLOW_BLOCK_UNBIND);
	}
	synchronize_rcu();
	table->type->free(table);
	return err;
}

/* The first cases with a flowtable of this priority. */
static int run(const struct nf_flowtable_type *type, int priority,
	       unsigned int cases, const char *suffix, struct seq_buf *out)
{
	struct cmp_run *run;
	int err = -ENOMEM;

	run = kzalloc_obj(*run);
	if (!run)
		return err;
	run->out = out;
	run->table.name = "compare";
	run->table.family = NFPROTO_INET;
	run->flowtable.table = &run->table;
	run->flowtable.name = "compare";
	run->flowtable.data.type = type;
	run->flowtable.data.flags = NF_FLOWTABLE_HW_OFFLOAD | NF_FLOWTABLE_COUNTER;
	run->flowtable.data.priority = priority;
	write_pnet(&run->flowtable.data.net, &init_net);
	run->flows = kcalloc(cmp_case_count, sizeof(*run->flows), GFP_KERNEL);
	run->records = cmp_records_new();
	if (run->flows && run->records)
		err = cmp_ports_create(run->records);
	if (!err) {
		err = run_table(run, cases, suffix);
		/* The flows and their routes have references of the devices. */
		rcu_barrier();
		cmp_ports_destroy();
	}
	cmp_records_free(run->records);
	kfree(run->flows);
	kfree(run);
	return err;
}

static int run_type(struct cmp_text *text)
{
	const struct nf_flowtable_type *type;
	struct seq_buf out;
	int err;

	text->blob.data = kvmalloc(CMP_TEXT_SIZE, GFP_KERNEL);
	if (!text->blob.data)
		return -ENOMEM;
	type = find_type(text->owner);
	if (!type)
		return -ENOENT;
	seq_buf_init(&out, text->blob.data, CMP_TEXT_SIZE);
	err = run(type, 0, cmp_case_count, "", &out);
	if (!err)
		err = run(type, -300, 1, " priority -300", &out);
	if (!err && seq_buf_has_overflowed(&out))
		err = -E2BIG;
	text->blob.size = seq_buf_used(&out);
	module_put(type->owner);
	return err;
}

static void forget(void)
{
	unsigned int i;

	debugfs_remove(dir);
	for (i = 0; i < ARRAY_SIZE(texts); i++)
		kvfree(texts[i].blob.data);
}

static int __init cmp_init(void)
{
	unsigned int i;
	int err;

	err = cmp_flows_init();
	if (err)
		return err;
	for (i = 0; i < ARRAY_SIZE(texts) && !err; i++)
		err = run_type(&texts[i]);
	cmp_flows_exit();
	dir = debugfs_create_dir(KBUILD_MODNAME, NULL);
	for (i = 0; i < ARRAY_SIZE(texts) && !err; i++)
		debugfs_create_blob(texts[i].file, 0400, dir, &texts[i].blob);
	if (err)
		forget();
	return err;
}

static void __exit cmp_exit(void)
{
	forget();
}

module_init(cmp_init);
module_exit(cmp_exit);
MODULE_LICENSE("GPL");
MODULE_AUTHOR("The nft_offload developers");
MODULE_DESCRIPTION("Compares the rules of two flowtable types");
