#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# A network namespace that an unprivileged user owns: devices that no driver takes are refused, as by the in-tree type, and nothing
# is logged; a port of the NIC in a container works; its administrator can see its flows, other users cannot.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/cli.sh"

# contain: starts a container of an unprivileged user, with a shell of its administrator. inside COMMAND...: runs a command there.
contain() {
	mkfifo -m 666 /tmp/inside.in /tmp/inside.out
	# shellcheck disable=SC2016 # for the inner shell
	setpriv --reuid 65534 --regid 65534 --clear-groups unshare -Urn bash -c '
		while read -r line; do
			eval "$line" 2>&1
			printf "\\0"
		done' </tmp/inside.in >/tmp/inside.out &
	CONTAINER=$!
	exec 26>/tmp/inside.in 27</tmp/inside.out
	[ "$(inside id -u)" = 0 ]
}
inside() {
	local output
	printf '%q ' "$@" >&26
	echo >&26
	read -r -t 60 -d '' output <&27
	printf '%s\n' "$output"
}
# flowtable NAME DEVICE FLAGS: loads a flowtable in the container.
flowtable() {
	inside nft "table inet $1 { flowtable ft { hook ingress priority filter; devices = { $2 }; $3 }; }"
}
mark() {
	MARK="nft-offload-namespace $RANDOM$RANDOM"
	echo "$MARK" >/dev/kmsg
}
logged() { dmesg | sed -n "/$MARK/,\$p" | grep -c 'nft_offload: '; }
logged_is() { [ "$(logged)" -eq "$1" ]; }

refused_as_by_the_in_tree_type() {
	check_is "a device without offload: a flowtable without flags" "$(flowtable software dummy0 '')" ""
	inside nft delete table inet software
	mark
	check_is "a device without offload: refused, as by the in-tree type" \
		"$(flowtable refused dummy0 'flags offload;' | grep -c 'Operation not supported')" 1
	for i in {1..100}; do flowtable "t$i" dummy0 'flags offload;'; done >/tmp/out
	check_is "a hundred times" "$(grep -c 'Operation not supported' /tmp/out)" 100
	check_is "no line in the log" "$(logged)" 0
	check_is "no flowtable is left" "$(inside nft list flowtables)" ""
	check_is "the module is not in use" "$(module_refs)" 0
}

taken_in_a_namespace_of_root() {
	defer router ip link del dummy1
	defer router nft delete table inet t
	mark
	check "the same device in a namespace of root's is taken" router bash -c 'ip link add dummy1 type dummy && ip link set dummy1 up &&
		nft "table inet t { flowtable ft { hook ingress priority filter; devices = { dummy1 }; flags offload; }; }"'
	check "and logged" busywait 5 logged_is 1
}

in_container() { inside $TOOL --json "$@"; }

# The container ends with this case.
port_in_a_container() {
	check "a port of the NIC is moved into the container" ip -n router link set lan netns "$CONTAINER"
	inside ip link set lan up
	check_is "its flowtable is taken" "$(flowtable container lan 'flags offload;')" ""
	check_is "and bound to the driver" "$(in_container devices | jq -c '[.devices[] | [.name, .bound]]')" '[["lan","direct"]]'
	check_is "its administrator may look at its flows" "$(in_container flows | jq -c .flows)" "[]"
	check_is "a user without privileges there may not" \
		"$(inside setpriv --bounding-set=-all --inh-caps=-all --no-new-privs $TOOL --json flows | jq -c '[.error.errno]')" "[1]"
	check_is "a device without offload beside it: refused" \
		"$(inside nft 'add flowtable inet container ft { devices = { dummy0 }; }' | grep -c 'Operation not supported')" 1
	check_is "and the port stays bound" "$(in_container devices | jq -c '[.devices[] | [.name, .bound]]')" '[["lan","direct"]]'
	exec 26>&-
	wait "$CONTAINER" 2>/dev/null
	check "the namespace goes, and its flowtable" busywait 10 module_free
	check_is "no rule is left in the NIC" "$(rules)" 0
}

begin
check "a container" contain
inside ip link add dummy0 type dummy
inside ip link set dummy0 up
tests_run refused_as_by_the_in_tree_type taken_in_a_namespace_of_root port_in_a_container
