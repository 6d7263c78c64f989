// SPDX-License-Identifier: GPL-2.0
/*
 * nfto_none: a flowtable type that does nothing for a flow. What an added flow takes
 * with it is the core's own; what another type takes beyond it is that type's share.
 */
#include <linux/module.h>
#include <net/netfilter/nf_flow_table.h>
#include <net/netfilter/nf_tables.h>

/* Binds no device, so no driver is called. */
static int none_setup(struct nf_flowtable *flowtable, struct net_device *dev,
		      enum flow_block_command command)
{
	return 0;
}

/* The core asks for no other rule after this. */
static int none_action(struct net *net, struct flow_offload *flow,
		       enum flow_offload_tuple_dir dir, struct nf_flow_rule *rule)
{
	return -EOPNOTSUPP;
}

static struct nf_flowtable_type none = {
	.family		= NFPROTO_INET,
	.init		= nf_flow_table_init,
	.setup		= none_setup,
	.action		= none_action,
	.free		= nf_flow_table_free,
	.hook		= nf_flow_offload_ip_hook,
	.owner		= THIS_MODULE,
};

static int __init none_init(void)
{
	nft_register_flowtable_type(&none);
	return 0;
}

static void __exit none_exit(void)
{
	nft_unregister_flowtable_type(&none);
}

module_init(none_init);
module_exit(none_exit);
MODULE_LICENSE("GPL");
MODULE_AUTHOR("The nft_offload developers");
MODULE_DESCRIPTION("A flowtable type that does nothing");
