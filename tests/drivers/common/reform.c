// SPDX-License-Identifier: GPL-2.0
/* See reform.h. */
#include <linux/slab.h>
#include <linux/string.h>
#include <net/pkt_cls.h>

#include "reform.h"

#define HOPS		64
#define KEY_ROOM	64

/* The sizes of the keys that a flowtable's rules have. */
static const u8 key_size[FLOW_DISSECTOR_KEY_MAX] = {
	[FLOW_DISSECTOR_KEY_CONTROL]	= sizeof(struct flow_dissector_key_control),
	[FLOW_DISSECTOR_KEY_BASIC]	= sizeof(struct flow_dissector_key_basic),
	[FLOW_DISSECTOR_KEY_IPV4_ADDRS]	= sizeof(struct flow_dissector_key_ipv4_addrs),
	[FLOW_DISSECTOR_KEY_IPV6_ADDRS]	= sizeof(struct flow_dissector_key_ipv6_addrs),
	[FLOW_DISSECTOR_KEY_PORTS]	= sizeof(struct flow_dissector_key_ports),
	[FLOW_DISSECTOR_KEY_TCP]	= sizeof(struct flow_dissector_key_tcp),
	[FLOW_DISSECTOR_KEY_VLAN]	= sizeof(struct flow_dissector_key_vlan),
	[FLOW_DISSECTOR_KEY_CVLAN]	= sizeof(struct flow_dissector_key_vlan),
	[FLOW_DISSECTOR_KEY_META]	= sizeof(struct flow_dissector_key_meta),
	[FLOW_DISSECTOR_KEY_IP]		= sizeof(struct flow_dissector_key_ip),
};

static struct {
	struct flow_dissector dissector;
	u8 key[FLOW_DISSECTOR_KEY_MAX][KEY_ROOM];
	u8 mask[FLOW_DISSECTOR_KEY_MAX][KEY_ROOM];
} match;
static struct flow_rule *rule;

static bool has(const char *form, const char *word)
{
	size_t len = strlen(word);
	const char *at = form;

	while ((at = strstr(at, word))) {
		if ((at == form || at[-1] == ',') && (!at[len] || at[len] == ','))
			return true;
		at += len;
	}
	return false;
}

static void copy_match(const struct flow_match *from, const char *form)
{
	u64 keys = from->dissector->used_keys;
	unsigned int id;

	if (has(form, "meta"))
		keys &= ~BIT_ULL(FLOW_DISSECTOR_KEY_META);
	if (has(form, "tcp"))
		keys &= ~BIT_ULL(FLOW_DISSECTOR_KEY_TCP);
	if (has(form, "vlan"))
		keys &= ~(BIT_ULL(FLOW_DISSECTOR_KEY_VLAN) | BIT_ULL(FLOW_DISSECTOR_KEY_CVLAN));
	memset(&match, 0, sizeof(match));
	match.dissector.used_keys = keys;
	for (id = 0; id < FLOW_DISSECTOR_KEY_MAX; id++) {
		if (!(keys & BIT_ULL(id)))
			continue;
		if (WARN_ON(!key_size[id] || key_size[id] > KEY_ROOM))
			continue;
		match.dissector.offset[id] = id * KEY_ROOM;
		memcpy(match.key[id], from->key + from->dissector->offset[id], key_size[id]);
		memcpy(match.mask[id], from->mask + from->dissector->offset[id], key_size[id]);
	}
	if (has(form, "fragments")) {
		((struct flow_dissector_key_control *)match.key[FLOW_DISSECTOR_KEY_CONTROL])->flags = 0;
		((struct flow_dissector_key_control *)match.mask[FLOW_DISSECTOR_KEY_CONTROL])->flags = 0;
	}
	if (has(form, "hops")) {
		match.dissector.used_keys |= BIT_ULL(FLOW_DISSECTOR_KEY_IP);
		match.dissector.offset[FLOW_DISSECTOR_KEY_IP] = FLOW_DISSECTOR_KEY_IP * KEY_ROOM;
		((struct flow_dissector_key_ip *)match.key[FLOW_DISSECTOR_KEY_IP])->ttl = HOPS;
		((struct flow_dissector_key_ip *)match.mask[FLOW_DISSECTOR_KEY_IP])->ttl = 0xff;
	}
}

static bool left_out(const struct flow_action_entry *a, const char *form)
{
	switch (a->id) {
	case FLOW_ACTION_CSUM:
		return has(form, "csum");
	case FLOW_ACTION_ADD:
		return has(form, "keep");
	case FLOW_ACTION_MANGLE:
		return a->mangle.htype == FLOW_ACT_MANGLE_HDR_TYPE_ETH && has(form, "macs");
	default:
		return false;
	}
}

void reform(struct flow_cls_offload *f, const char *form)
{
	const struct flow_action *from;
	unsigned int i;

	if (f->command != FLOW_CLS_REPLACE || !*form)
		return;
	from = &f->rule->action;
	kfree(rule);
	rule = flow_rule_alloc(from->num_entries);
	if (!rule)
		return;
	copy_match(&f->rule->match, form);
	rule->match = (struct flow_match){ &match.dissector, match.mask, match.key };
	rule->action.num_entries = 0;
	for (i = 0; i < from->num_entries; i++) {
		struct flow_action_entry *a;

		if (left_out(&from->entries[i], form))
			continue;
		a = &rule->action.entries[rule->action.num_entries++];
		*a = from->entries[i];
		if (a->id == FLOW_ACTION_ADD && has(form, "hops")) {
			a->id = FLOW_ACTION_MANGLE;
			a->mangle.val = ~a->mangle.mask & (0x01010101 * (HOPS - 1));
		}
	}
	f->rule = rule;
}

void reform_stop(void)
{
	kfree(rule);
	rule = NULL;
}
