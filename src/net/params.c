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
MODULE_PARM_DESC(profile, "driver profile of a device instead of the one that its driver's name gives: DEVICE:PROFILE[,...]; tc, mlx5, mtk, airoha, default");

static char *nfto_limit = "";
module_param_named(limit, nfto_limit, charp, 0444);
MODULE_PARM_DESC(limit, "how many rules a device may hold at most: DEVICE:RULES[,...]");

static char *nfto_block = "";
module_param_named(block, nfto_block, charp, 0444);
MODULE_PARM_DESC(block, "devices whose driver may be given rules through its block of tc, which nobody else can use then: DEVICE[,...]");

static char *nfto_unsupported = "software";
module_param_named(unsupported, nfto_unsupported, charp, 0444);
MODULE_PARM_DESC(unsupported, "what to do with a device whose driver takes no rules: software (default) or reject, which fails the ruleset as the C type does");

static char *nfto_directions = "both";
module_param_named(directions, nfto_directions, charp, 0444);
MODULE_PARM_DESC(directions, "what to do with a flow of which hardware takes one direction only: both (default: both in hardware or none) or any");

static char *nfto_admit = "0";
module_param_named(admit, nfto_admit, charp, 0444);
MODULE_PARM_DESC(admit, "how many packets a flow must have passed before it is offloaded, by conntrack's counters (needs 'counter' in the flowtable and nf_conntrack_acct); default 0");

static bool nfto_flush_on_reload;
module_param_named(flush_on_reload, nfto_flush_on_reload, bool, 0444);
MODULE_PARM_DESC(flush_on_reload, "when the ruleset changes, end all flows of flowtables with flags offload, so that their next packets pass it: default no");

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
