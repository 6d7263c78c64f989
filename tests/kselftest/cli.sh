# SPDX-License-Identifier: GPL-2.0
# Shared by the tests of the command line nft-offload. Sourced after lib.sh.
# shellcheck shell=bash

# The build's directory may be closed to others.
TOOL=/tmp/nft-offload
install -m 755 "${VM_TOOL:?the command line is built by make tools}" $TOOL

# as_nobody NAMESPACE CMD...: without privileges. cli: the tool in the router, by $CLI_BY.
as_nobody() { in_ns "$1" setpriv --reuid 65534 --regid 65534 --clear-groups --inh-caps=-all "${@:2}"; }
CLI_BY=in_ns
cli() { $CLI_BY router $TOOL "$@"; }
# cli_get FILTER ARGUMENT...: what jq makes of its JSON.
cli_get() {
	local filter=$1
	shift
	cli --json "$@" | jq -cr "$filter"
}
# ends STATUS TEXT ARGUMENT...: it ends so, and says that. nobody_ends: without privileges.
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
# show ARGUMENT...: what it prints on a terminal of 80 columns, which has to fit, but for commands to be copied.
show() {
	local longest
	script -qec "stty cols 80; nsenter --net=/run/netns/router -- $TOOL $*" /dev/null </dev/null | tr -d '\r' |
		sed 's/\x1b\[[0-9;]*m//g' >/tmp/shown
	diag "\$ nft-offload $*"
	diag "$(</tmp/shown)"
	longest=$(sed '/^ *\$ /d' /tmp/shown | wc -L)
	check_between "80 columns: $1" "$longest" 20 80
}
