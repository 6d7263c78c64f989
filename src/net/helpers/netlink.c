// SPDX-License-Identifier: GPL-2.0

#include <net/netlink.h>
#include "bindings_helper.h"

struct sk_buff *nfto_genl_skb(unsigned int size)
{
	return nlmsg_new(size, GFP_KERNEL);
}

void nfto_genl_free(struct sk_buff *skb)
{
	nlmsg_free(skb);
}

const void *nfto_nla_data(const struct nlattr *attr)
{
	return nla_data(attr);
}

unsigned int nfto_nla_len(const struct nlattr *attr)
{
	return nla_len(attr);
}

struct nlattr *nfto_nla_find_nested(const struct nlattr *nest, int type)
{
	return nla_find_nested(nest, type);
}
