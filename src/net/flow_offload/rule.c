// SPDX-License-Identifier: GPL-2.0
/*
 * The memory of rules. A rule is needed only while a driver reads it, so each
 * processor keeps the last one for the next flow.
 */
#include <linux/percpu.h>
#include <linux/slab.h>
#include <net/flow_offload.h>
#include "bindings_helper.h"

static DEFINE_PER_CPU(struct nfto_rule *, nfto_spare_rule);

/*
 * As flow_rule_alloc(), with the match in the same memory and room for
 * NFTO_RULE_ACTIONS entries. No entry is used; the match and the entries may be
 * those of an earlier rule.
 */
struct nfto_rule *nfto_rule_get(void)
{
	struct nfto_rule *rule = this_cpu_xchg(nfto_spare_rule, NULL);

	if (unlikely(!rule))
		rule = kzalloc(struct_size(rule, rule.action.entries,
					   NFTO_RULE_ACTIONS), GFP_KERNEL);
	if (!rule)
		return NULL;
	rule->rule.action.num_entries = 0;
	rule->rule.match.dissector = &rule->matching.dissector;
	rule->rule.match.key = &rule->matching.key;
	rule->rule.match.mask = &rule->matching.mask;
	return rule;
}

void nfto_rule_put(struct nfto_rule *rule)
{
	kfree(this_cpu_xchg(nfto_spare_rule, rule));
}

/* Frees the rules that are kept. No rule is in use. */
void nfto_rules_free(void)
{
	int cpu;

	for_each_possible_cpu(cpu) {
		kfree(per_cpu(nfto_spare_rule, cpu));
		per_cpu(nfto_spare_rule, cpu) = NULL;
	}
}
