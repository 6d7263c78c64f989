#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Prints a screen of nft-offload top with its colours, inside the VM, during TCP and UDP traffic of
# several rates.
# shellcheck source=tests/kselftest/lib.sh
. "$TOP/tests/kselftest/lib.sh"
screen() { tmux -L pictures -f /dev/null "$@"; }
trap '{ screen kill-server; bed_down; } >/dev/null 2>&1' EXIT
export TERM=xterm-256color LC_ALL=C.UTF-8

# flow PORT RATE: sends UDP in both directions while the script runs.
flow() {
	server nice -n 19 iperf3 -s -p "$1" -D
	client nice -n 19 iperf3 -c $SERVER4 -p "$1" -u -b "$2" -l 1200 --bidir -t 300 -i 0 &
}
# shows PATTERN: succeeds if the screen shows it now.
shows() { screen capture-pane -p -t top | grep -qE -- "$1"; }

{
	modprobe nft_offload && bed_up && ruleset forward || exit 1
	server nice -n 19 iperf3 -s -p 5201 -D
	client nice -n 19 iperf3 -c $SERVER4 -p 5201 --bidir -t 300 -b 20M -i 0 &
	flow 5202 4M
	flow 5203 1M
	flow 5204 200K
	busywait 60 eval '[ "$(rules)" -ge 16 ]' || exit 1
	screen new-session -d -s top -x 100 -y 24 \
		"nsenter --net=/run/netns/router -- ${NFT_OFFLOAD_TOOL:?the command line is not built} top -i 2"
	busywait 60 shows '(lan|wan) .*[1-9]' || exit 1
	# Rates are those of the last ten seconds.
	sleep 30
} >/dev/null 2>&1
screen capture-pane -e -p -t top
