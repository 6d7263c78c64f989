// SPDX-License-Identifier: GPL-2.0
/* See profile.h; called with ports_lock held. */
#include <linux/debugfs.h>
#include <linux/ip.h>
#include <linux/seq_file.h>
#include <linux/slab.h>

#include "ports.h"
#include "profile.h"

static struct nsim_flow_draft draft;
static int said;
static unsigned int compared;
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
}

void profile_before(const struct nsim_flow_profile *profile,
		    struct net_device *dev, struct flow_cls_offload *f)
{
	struct netlink_ext_ack extack = {};

	if (f->command != FLOW_CLS_REPLACE)
		return;
	memset(&draft, 0, sizeof(draft));
	draft.dev = dev;
	draft.f = f;
	/* What the profile says must not reach the caller. */
	draft.extack = &extack;
	said = profile->gate(&draft);
	if (!said)
		said = profile->parse(&draft);
	draft.extack = NULL;
}

const struct nsim_flow_draft *profile_after(struct net_device *dev,
					    struct flow_cls_offload *f, int err)
{
	/* A rule that the driver has already, or no memory for it. */
	if (f->command != FLOW_CLS_REPLACE || err == -EEXIST || err == -ENOMEM)
		return NULL;
	compared++;
	if (said != err)
		profile_disagree("%s: the profile says %d (%s), the driver %d\n",
				 dev->name, said, draft.why, err);
	return said || err ? NULL : &draft;
}

/* The operations are listed innermost first, as they are executed. */
void profile_meaning(const struct nsim_flow_draft *d, struct profile_meaning *m)
{
	const struct nsim_flow_key *k = &d->key;
	unsigned int i, n = k->n_proto == htons(ETH_P_IPV6) ? 4 : 1;
	const struct nsim_flow_op *op;

	memset(m, 0, sizeof(*m));
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
				memcpy(m->eth + op->mangle.offset, &op->mangle.val, 4);
			else if (op->mangle.htype != FLOW_ACT_MANGLE_HDR_TYPE_IP4)
				m->tuple[2] = be32_to_cpu((__force __be32)op->mangle.val);
			else if (op->mangle.offset == offsetof(struct iphdr, saddr))
				m->tuple[0] = be32_to_cpu((__force __be32)op->mangle.val);
			else
				m->tuple[1] = be32_to_cpu((__force __be32)op->mangle.val);
			break;
		case NSIM_FLOW_OP_PUSH:
			m->vlan[1] = m->vlan[0];
			m->vlan[0] = op->vlan.tci;
			m->vlans++;
			break;
		case NSIM_FLOW_OP_PPPOE_PUSH:
			m->session = op->sid;
			m->pppoe = true;
			break;
		case NSIM_FLOW_OP_TTL:
			m->ttl = true;
			break;
		case NSIM_FLOW_OP_STRIP:
			m->strip = true;
			break;
		case NSIM_FLOW_OP_PORT_SMAC:
			m->port_mac = true;
			break;
		default:
			break;
		}
	}
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
	compared = 0;
}

void profile_files(struct dentry *dir)
{
	debugfs_create_file("disagreements", 0400, dir, NULL, &disagreements_fops);
	debugfs_create_u32("compared", 0400, dir, &compared);
}
