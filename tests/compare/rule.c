// SPDX-License-Identifier: GPL-2.0
/* Whose rule it is: see compare.h. */
#include <net/flow_offload.h>
#include "compare.h"

static void *key_of(const struct flow_rule *rule, unsigned int id)
{
	return skb_flow_dissector_target(rule->match.dissector, id,
					 rule->match.key);
}

bool cmp_rule_case(const struct flow_rule *rule, unsigned int *number,
		   enum flow_offload_tuple_dir *dir)
{
	enum cmp_role role;
	bool known = false;

	if (flow_rule_match_key(rule, FLOW_DISSECTOR_KEY_IPV4_ADDRS)) {
		const struct flow_dissector_key_ipv4_addrs *key;

		key = key_of(rule, FLOW_DISSECTOR_KEY_IPV4_ADDRS);
		known = cmp_is_ipv4(key->src, number, &role);
	} else if (flow_rule_match_key(rule, FLOW_DISSECTOR_KEY_IPV6_ADDRS)) {
		const struct flow_dissector_key_ipv6_addrs *key;

		key = key_of(rule, FLOW_DISSECTOR_KEY_IPV6_ADDRS);
		known = cmp_is_ipv6(&key->src, number, &role);
	}
	if (!known || (role != CMP_CLIENT && role != CMP_SERVER))
		return false;
	*dir = role == CMP_CLIENT ? FLOW_OFFLOAD_DIR_ORIGINAL :
				    FLOW_OFFLOAD_DIR_REPLY;
	return true;
}

int cmp_rule_ingress(const struct flow_rule *rule)
{
	const struct flow_dissector_key_meta *key;

	if (!flow_rule_match_key(rule, FLOW_DISSECTOR_KEY_META))
		return 0;
	key = key_of(rule, FLOW_DISSECTOR_KEY_META);
	return key->ingress_ifindex;
}
