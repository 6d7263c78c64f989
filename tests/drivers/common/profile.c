// SPDX-License-Identifier: GPL-2.0
/* See profile.h; called with ports_lock held. */
#include <linux/debugfs.h>
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
