# SPDX-License-Identifier: GPL-2.0
# Shared by the tests of the command line nft-offload. Sourced after lib.sh.
#
#   test ── cli ──► in_ns or as_nobody ──► nft-offload in the router ──► the netlink family of the router
#
# Sourcing this file skips the test if there is no nft-offload (NFT_OFFLOAD_TOOL, or in PATH); TOOL is a copy of it.
#
#   cli ARGUMENT...                       runs the tool in the router, with the privileges that CLI_BY gives: in_ns
#                                         (root, the default) or as_nobody
#   cli_get FILTER ARGUMENT...            prints its JSON through jq
#   ends STATUS TEXT ARGUMENT...          a condition: the tool exits with this status, and prints this text; what it
#                                         printed is shown if a check fails
#   nobody_ends STATUS TEXT ARGUMENT...   the same without privileges
#   as_nobody NAMESPACE COMMAND...        runs a command without privileges
#   show ARGUMENT...                      runs the tool on a terminal of 80 columns; the output is printed as a comment
#                                         and kept in /tmp/shown; a result: whether it fits. Lines that start with "$" are
#                                         commands to be copied and may be longer
# shellcheck shell=bash

# The directory of the build may be inaccessible to other users.
TOOL=/tmp/nft-offload
require_file "${NFT_OFFLOAD_TOOL:=$(type -P nft-offload || echo nft-offload)}"
install -m 755 "$NFT_OFFLOAD_TOOL" $TOOL

as_nobody() { in_ns "$1" setpriv --reuid 65534 --regid 65534 --clear-groups --inh-caps=-all "${@:2}"; }
CLI_BY=in_ns
cli() { $CLI_BY router $TOOL "$@"; }
cli_get() {
	local filter=$1
	shift
	cli --json "$@" | jq -cr "$filter"
}
ends() { ends_by "$CLI_BY" "$@"; }
nobody_ends() { ends_by as_nobody "$@"; }
ends_by() { # as_nobody|in_ns STATUS TEXT ARGUMENT...
	local by=$1 wanted=$2 text=$3 output status
	shift 3
	output=$($by router $TOOL "$@" 2>&1 </dev/null)
	status=$?
	printf '%s\n(status %s)\n' "$output" $status
	[ $status -eq "$wanted" ] && grep -qF -- "$text" <<<"$output"
}
show() {
	local longest
	script -qec "stty cols 80; nsenter --net=/run/netns/router -- $TOOL $*" /dev/null </dev/null | tr -d '\r' |
		sed 's/\x1b\[[0-9;]*m//g' >/tmp/shown
	diag "\$ nft-offload $*"
	diag "$(</tmp/shown)"
	longest=$(sed '/^ *\$ /d' /tmp/shown | wc -L)
	check_between "80 columns: $1" "$longest" 20 80
}
