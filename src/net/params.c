// SPDX-License-Identifier: GPL-2.0
/*
 * The version and the parameters of the module. The kernel crate has no
 * parameters of these types (7.2).
 */
#include <linux/module.h>
#include "bindings_helper.h"

MODULE_VERSION(NFT_OFFLOAD_VERSION);

static char *nfto_profile = "";
module_param_named(profile, nfto_profile, charp, 0444);
MODULE_PARM_DESC(profile, "Driver profile of a device, overrides that of its driver: DEVICE:PROFILE[,...], PROFILE is tc, mlx5, mtk, airoha or default");

static char *nfto_limit = "";
module_param_named(limit, nfto_limit, charp, 0444);
MODULE_PARM_DESC(limit, "Maximum number of rules of a device: DEVICE:RULES[,...] (default: no limit)");

static char *nfto_block = "";
module_param_named(block, nfto_block, charp, 0444);
MODULE_PARM_DESC(block, "Devices whose tc block may be used, exclusively, if the driver lacks TC_SETUP_FT: DEVICE[,...]");

static char *nfto_unsupported = "software";
module_param_named(unsupported, nfto_unsupported, charp, 0444);
MODULE_PARM_DESC(unsupported, "Device whose driver accepts no rules: software (keep its flows in software, default) or reject (reject the ruleset)");

static char *nfto_directions = "both";
module_param_named(directions, nfto_directions, charp, 0444);
MODULE_PARM_DESC(directions, "Directions of a flow to offload: both (both or none, default) or any (also one alone)");

static char *nfto_admit = "0";
module_param_named(admit, nfto_admit, charp, 0444);
MODULE_PARM_DESC(admit, "Packets that a flow must have passed before it is offloaded (default: 0); needs 'counter' in the flowtable and net.netfilter.nf_conntrack_acct=1");

static bool nfto_flush_on_reload;
module_param_named(flush_on_reload, nfto_flush_on_reload, bool, 0444);
MODULE_PARM_DESC(flush_on_reload, "End all flows of flowtables with flags offload when the ruleset changes (default: no)");

const char *nfto_param_profile(void)
{
	return nfto_profile;
}

const char *nfto_param_limit(void)
{
	return nfto_limit;
}

const char *nfto_param_block(void)
{
	return nfto_block;
}

const char *nfto_param_unsupported(void)
{
	return nfto_unsupported;
}

const char *nfto_param_directions(void)
{
	return nfto_directions;
}

const char *nfto_param_admit(void)
{
	return nfto_admit;
}

bool nfto_param_flush_on_reload(void)
{
	return nfto_flush_on_reload;
}
