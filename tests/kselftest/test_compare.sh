#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# The same synthetic flows through the in-tree flowtable type and through ours: for each driver profile the rules differ as
# tests/compare/expected lists it, and not otherwise.
. "$(dirname "$0")/lib.sh"

COMPARE=$TOP/tests/compare
require_file "$COMPARE/expected"
modinfo nfto_compare >/dev/null 2>&1 || skip_all "the module nfto_compare of tests/compare is missing"
RULES=${VM_OUT:-/tmp}/compare
rm -rf "$RULES"

# run PROFILE: nfto_compare runs the flows when it is loaded. The in-tree types are registered as well, after ours.
run() {
	local dev profiles=() rc=0
	for dev in cmp0 cmp1 cmp2 cmpgre cmpraw cmptap; do profiles+=("$dev:$1"); done
	modprobe nft_offload profile="$(IFS=, && echo "${profiles[*]}")" && modprobe nf_flow_table_inet &&
		modprobe nfto_compare &&
		mkdir -p "$RULES/$1" && cp /sys/kernel/debug/nfto_compare/{c,ours} "$RULES/$1" || rc=1
	rmmod nfto_compare nf_flow_table_inet nft_offload || rc=1
	return $rc
}

for profile in tc mlx5 mtk airoha default; do
	check "profile $profile: the flows ran" run $profile
done

while IFS= read -r line; do
	case $line in
	"ok "*) ok "${line#ok }" ;;
	"not ok "*) not_ok "${line#not ok }" ;;
	*) printf '%s\n' "$line" ;;
	esac
done < <("$COMPARE/compare.py" "$COMPARE/expected" "$RULES" 2>&1 || echo "not ok the rules could be compared")
