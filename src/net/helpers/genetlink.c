// SPDX-License-Identifier: GPL-2.0

#include <net/genetlink.h>
#include "bindings_helper.h"

struct net *nfto_genl_net(const struct genl_info *info)
{
	return genl_info_net(info);
}

const struct genl_info *nfto_genl_dump_info(struct netlink_callback *cb)
{
	return genl_info_dump(cb);
}

int nfto_genl_reply(struct sk_buff *skb, struct genl_info *info)
{
	return genlmsg_reply(skb, info);
}

/* The text must be a constant. */
void nfto_genl_refuse(const struct genl_info *info, const struct nlattr *attr,
		      const char *text)
{
	if (info->extack)
		info->extack->_msg = text;
	if (attr)
		NL_SET_BAD_ATTR(info->extack, attr);
}

void nfto_genl_missing(const struct genl_info *info, struct nlattr *nest,
		       unsigned int type)
{
	NL_SET_ERR_ATTR_MISS(info->extack, nest, type);
}

bool nfto_genl_listens(const struct genl_family *family, struct net *net)
{
	return genl_has_listeners(family, net, 0);
}

/* Consumes the packet. */
void nfto_genl_multicast(const struct genl_family *family, struct net *net,
			 struct sk_buff *skb)
{
	genlmsg_multicast_netns(family, net, skb, 0, 0, GFP_KERNEL);
}
