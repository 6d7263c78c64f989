/* SPDX-License-Identifier: GPL-2.0 */
/* A rule as text: one line a key and one an action, nothing left out. */
#ifndef NFTO_RULE_TEXT_H
#define NFTO_RULE_TEXT_H

#include <linux/seq_buf.h>

struct flow_cls_offload;

/* @name_of: the name of a device. */
void rule_text(struct seq_buf *out, const struct flow_cls_offload *cls,
	       const char *(*name_of)(int ifindex));

#endif
