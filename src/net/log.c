// SPDX-License-Identifier: GPL-2.0
/*
 * The rate limits of log lines.
 */
#include <linux/jiffies.h>
#include <linux/ratelimit.h>
#include "bindings_helper.h"

/*
 * Rate limit as in pr_warn_ratelimited(), for each kind of line: twenty lines
 * in five seconds. For lines about devices it is twenty lines in five minutes,
 * as each new flowtable logs its own.
 */
bool nfto_log_allows(enum nfto_log kind)
{
#define NFTO_LIMIT(seconds) RATELIMIT_STATE_INIT(limits, (seconds) * HZ, 20)
	static struct ratelimit_state limits[NFTO_LOG_KINDS] = {
		[0 ... NFTO_LOG_KINDS - 1] = NFTO_LIMIT(5),
		[NFTO_LOG_DEVICE_IN_SOFTWARE] = NFTO_LIMIT(300),
		[NFTO_LOG_DEVICE_BOUND] = NFTO_LIMIT(300),
	};
#undef NFTO_LIMIT

	return kind < NFTO_LOG_KINDS && __ratelimit(&limits[kind]);
}
