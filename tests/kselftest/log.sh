# SPDX-License-Identifier: GPL-2.0
# Errors in the kernel log. Sourced by lib.sh and run.sh.
#
#   log_mark NAME    writes a line to the kernel log from which the log is searched; sets LOG_MARK
#   log_errors       prints the lines since LOG_MARK that report an error, each with its line number, then the surroundings
#                    of the first one; status 0 if there are any
# shellcheck shell=bash

# What a healthy kernel does not log. The taint of the module is not part of it.
LOG_ERRORS='WARNING:|BUG[: ]|Poison|Redzone|Oops|UBSAN:|KASAN:|kmemleak:|INFO: (possible|task|rcu|trying)|possible (recursive|circular)|suspicious RCU|inconsistent lock|unregister_netdevice: waiting|ref_tracker:|refcount_t:|Call Trace|general protection|soft lockup|workqueue lockup|[Pp]anic|list_(add|del) corruption|DEBUG_LOCKS|scheduling while atomic|sleeping function'

log_mark() {
	LOG_MARK="nft-offload-test $1 $RANDOM$RANDOM"
	echo "$LOG_MARK" >/dev/kmsg
}

log_errors() {
	local log errors line
	log=$(dmesg | sed -n "/$LOG_MARK/,\$p")
	# The mark may have left the ring buffer.
	[ -n "$log" ] || log=$(dmesg)
	errors=$(grep -nE "$LOG_ERRORS" <<<"$log") || return 1
	head -n 5 <<<"$errors"
	line=${errors%%:*}
	sed -n "$((line > 3 ? line - 3 : 1)),$((line + 60))p" <<<"$log" | sed 's/^/  /'
}
