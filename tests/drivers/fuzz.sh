#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Runs in a guest, started by "run.sh fuzz": new generated rules for all drivers that have them, in turn, until the file
# $VM_OUT/stop exists; or one rule of each.
#
#   fuzz.sh from SEED DRIVER...     this seed and those that follow
#   fuzz.sh rule SEED DRIVER...     prints the rule of this seed, and what the drivers say
#
# It counts rules, not seconds: while it is busy, the clock of the guest stands still.
set -u
# shellcheck source=tests/drivers/generate.sh
. "$(dirname "${BASH_SOURCE[0]}")/generate.sh"

CHUNK=20000
declare -A rules=()

# load DRIVER OPTIONS
load() {
	local options
	read -ra options <<<"$2"
	modprobe "nfto_$1" "${options[@]}"
}

# turn SEED DRIVER...: a chunk for each kind of hardware.
turn() {
	local seed=$1 driver line
	shift
	for driver; do
		while read -r line; do
			load "$driver" "$line" || return 1
			if ! generate "$seed" $CHUNK; then
				echo "finding:   $driver $line"
				echo "reproduce: make fuzz RULE_SEED=N, with the seed N of a rule above"
				return 1
			fi
			modprobe -r "nfto_$driver" || return 1
			rules[$driver $line]=$((${rules[$driver $line]:-0} + CHUNK))
		done < <(generate_options "$driver")
	done
}

what=$1 seed=$2 rc=0
shift 2
case $what in
rule)
	for driver; do
		while read -r line; do
			echo "$driver $line"
			load "$driver" "$line" || exit 1
			generate "$seed" 1 || rc=1
			cat "$GENERATED/generated"
			modprobe -r "nfto_$driver"
		done < <(generate_options "$driver")
	done
	;;
from)
	while [ ! -e "$VM_OUT/stop" ]; do
		turn "$seed" "$@" || {
			rc=1
			break
		}
		seed=$((seed + CHUNK))
		# Time passes only when nothing runs: for what the kernel does later.
		sleep 1
	done
	for line in "${!rules[@]}"; do printf '%-32s %10d rules, nothing found\n' "$line" "${rules[$line]}"; done | sort
	;;
esac
exit "$rc"
