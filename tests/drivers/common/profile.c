// SPDX-License-Identifier: GPL-2.0
/* See profile.h; called with ports_lock held. */
#include <linux/debugfs.h>
#include <linux/etherdevice.h>
#include <linux/ip.h>
#include <linux/seq_file.h>
#include <linux/slab.h>

#include "ports.h"
#include "profile.h"

static struct nsim_flow_draft draft;
static struct netlink_ext_ack said_extack;
static int said;
static unsigned int compared, disagreements;
static bool paused;
static char text[8192];
static size_t used;

/* ---- what the profiles call ---- */

bool nsim_flow_same_switch(const struct nsim_flow_draft *d,
			   const struct net_device *dev)
{
	return profile_own_port(dev);
}

/* The egress of the draft stands for the device itself. */
int nsim_flow_set_egress(struct nsim_flow_draft *d, struct net_device *dev)
{
	d->egress = (struct netdevsim *)dev;
	return 0;
}

/* ---- the comparison ---- */

void profile_disagree(const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	used += vscnprintf(text + used, sizeof(text) - used, fmt, args);
	va_end(args);
	disagreements++;
}

unsigned int profile_disagreements(void)
{
	return disagreements;
}

void profile_pause(bool pause)
{
	paused = pause;
}

void profile_before(const struct nsim_flow_profile *profile,
		    struct net_device *dev, struct flow_cls_offload *f)
{
	if (f->command != FLOW_CLS_REPLACE)
		return;
	memset(&draft, 0, sizeof(draft));
	memset(&said_extack, 0, sizeof(said_extack));
	draft.dev = dev;
	draft.f = f;
	/* What the profile says must not reach the caller. */
	draft.extack = &said_extack;
	said = profile->gate(&draft);
	if (!said)
		said = profile->parse(&draft);
	draft.extack = NULL;
}

/* The text of a refusal, without the name of the module. */
static const char *text_of(const struct netlink_ext_ack *extack)
{
	const char *from = extack && extack->_msg ? extack->_msg : "";
	const char *colon = strstr(from, ": ");

	return colon ? colon + 2 : from;
}

const struct nsim_flow_draft *profile_after(struct net_device *dev,
					    struct flow_cls_offload *f, int err)
{
	/* A rule that the driver has already, or no memory for it. */
	if (paused || f->command != FLOW_CLS_REPLACE || err == -EEXIST || err == -ENOMEM)
		return NULL;
	compared++;
	if (said != err)
		profile_disagree("%s: the profile says %d (%s), the driver %d\n",
				 dev->name, said, draft.why, err);
	else if (err && strcmp(text_of(&said_extack), text_of(f->common.extack)))
		profile_disagree("%s: the profile says \"%s\", the driver \"%s\"\n", dev->name,
				 text_of(&said_extack), text_of(f->common.extack));
	return said || err ? NULL : &draft;
}

static void set_word(u8 *at, const struct nsim_flow_op *op)
{
	u32 w = get_unaligned((u32 *)at);

	put_unaligned((w & op->mangle.mask) | (op->mangle.val & ~op->mangle.mask), (u32 *)at);
}

/* The operations are listed innermost first, as they are executed. */
static void meaning_of(const struct nsim_flow_draft *d, struct profile_meaning *m)
{
	const struct nsim_flow_key *k = &d->key;
	const struct nsim_flow_op *op;
	unsigned int i, n;

	memset(m, 0, sizeof(*m));
	/* An entry matches nothing else. */
	m->odd = k->port || k->n_tags || k->pppoe || memchr_inv(&d->extra, 0, sizeof(d->extra));
	m->v6 = k->n_proto == htons(ETH_P_IPV6);
	m->type = m->v6 ? ETH_P_IPV6 : ETH_P_IP;
	m->out = (const struct net_device *)d->egress;
	n = m->v6 ? 4 : 1;
	m->udp = k->ip_proto == IPPROTO_UDP;
	for (i = 0; i < n; i++) {
		m->key[i] = be32_to_cpu(k->src[i]);
		m->key[n + i] = be32_to_cpu(k->dst[i]);
	}
	m->key[2 * n] = (u32)be16_to_cpu(k->sport) << 16 | be16_to_cpu(k->dport);
	for (i = 0; i < d->n_ops; i++) {
		op = &d->ops[i];
		switch (op->id) {
		case NSIM_FLOW_OP_SET:
			if (op->mangle.htype == FLOW_ACT_MANGLE_HDR_TYPE_ETH)
				set_word(m->eth + op->mangle.offset, op);
			else if (op->mangle.htype != FLOW_ACT_MANGLE_HDR_TYPE_IP4)
				m->tuple[2] = be32_to_cpu((__force __be32)op->mangle.val);
			else if (op->mangle.offset == offsetof(struct iphdr, saddr))
				m->tuple[0] = be32_to_cpu((__force __be32)op->mangle.val);
			else
				m->tuple[1] = be32_to_cpu((__force __be32)op->mangle.val);
			break;
		case NSIM_FLOW_OP_PUSH:
			m->odd |= m->vlans == 2 || op->vlan.proto != htons(ETH_P_8021Q);
			m->vlan[1] = m->vlan[0];
			m->vlan[0] = op->vlan.tci;
			m->vlans++;
			break;
		case NSIM_FLOW_OP_PPPOE_PUSH:
			m->odd |= m->pppoe || m->vlans;
			m->session = op->sid;
			m->pppoe = true;
			m->type = ETH_P_PPP_SES;
			break;
		case NSIM_FLOW_OP_TTL:
			m->ttl = true;
			break;
		case NSIM_FLOW_OP_STRIP:
			m->strip = true;
			break;
		case NSIM_FLOW_OP_PORT_SMAC:
			memset(m->eth + ETH_ALEN, 0, ETH_ALEN);
			m->port_mac = true;
			break;
		case NSIM_FLOW_OP_FIX:
			m->checksums = true;
			break;
		case NSIM_FLOW_OP_OUT:
			m->odd |= i != d->n_ops - 1;
			break;
		default:
			m->odd = true;
			break;
		}
	}
	m->odd |= d->pppoe_out != m->pppoe;
}

void profile_eth(struct profile_meaning *m, u32 dst, u16 dst_low, u32 src, u16 src_low)
{
	put_unaligned_be32(dst, m->eth);
	put_unaligned_be16(dst_low, m->eth + 4);
	put_unaligned_be32(src, m->eth + ETH_ALEN);
	put_unaligned_be16(src_low, m->eth + ETH_ALEN + 4);
}

void profile_compare(const struct nsim_flow_draft *d, const struct profile_meaning *entry)
{
	struct profile_meaning m;

	meaning_of(d, &m);
	if (memcmp(m.key, entry->key, sizeof(m.key)) || m.udp != entry->udp || m.v6 != entry->v6)
		profile_disagree("other frames\n");
	if (memcmp(m.eth, entry->eth, sizeof(m.eth)) || m.port_mac != entry->port_mac)
		profile_disagree("MACs: the profile %pM > %pM, the driver %pM > %pM\n",
				 m.eth + ETH_ALEN, m.eth, entry->eth + ETH_ALEN, entry->eth);
	if (memcmp(m.tuple, entry->tuple, sizeof(m.tuple)))
		profile_disagree("translation: the profile %x %x %x, the driver %x %x %x\n",
				 m.tuple[0], m.tuple[1], m.tuple[2],
				 entry->tuple[0], entry->tuple[1], entry->tuple[2]);
	if (memcmp(m.vlan, entry->vlan, sizeof(m.vlan)) || m.vlans != entry->vlans)
		profile_disagree("tags: the profile %u, %u %u, the driver %u, %u %u\n",
				 m.vlans, m.vlan[0], m.vlan[1],
				 entry->vlans, entry->vlan[0], entry->vlan[1]);
	if (m.pppoe != entry->pppoe || m.session != entry->session)
		profile_disagree("session: the profile %x, the driver %x\n",
				 m.session, entry->session);
	if (m.ttl != entry->ttl)
		profile_disagree("TTL\n");
	if (m.strip != entry->strip)
		profile_disagree("tags on arrival\n");
	if (m.checksums != entry->checksums)
		profile_disagree("checksums\n");
	if (m.type != entry->type)
		profile_disagree("type: the profile %x, the driver %x\n", m.type, entry->type);
	if (m.out != entry->out)
		profile_disagree("way out: the profile %s, the driver %s\n",
				 m.out ? m.out->name : "none",
				 entry->out ? entry->out->name : "none");
	if (m.odd != entry->odd)
		profile_disagree("a match or an operation that no entry has\n");
}

static int disagreements_show(struct seq_file *s, void *v)
{
	mutex_lock(&ports_lock);
	seq_write(s, text, used);
	mutex_unlock(&ports_lock);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(disagreements);

void profile_clear(void)
{
	used = 0;
	disagreements = 0;
	compared = 0;
}

void profile_files(struct dentry *dir)
{
	debugfs_create_file("disagreements", 0400, dir, NULL, &disagreements_fops);
	debugfs_create_u32("compared", 0400, dir, &compared);
}
