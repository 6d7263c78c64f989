#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Runs inside the guest, started by vm.sh. It prepares what a test expects of a machine (modules
# that modprobe and the kernel can load, debugfs, writable /run, /tmp and /etc, a loopback device),
# runs the script, and leaves its exit status and the kernel log in the exchange directory.
#
#   vm-init.sh RUN_DIRECTORY
set -uo pipefail
RUN=$1
# shellcheck source=/dev/null
. "$RUN/job"
if [ "$VM_MODE" = run ]; then
	# Through a pipe, as a port can be opened only once and scripts open /dev/stderr again.
	exec 2> >(exec cat >/dev/virtio-ports/vm.stderr)
	ln -sfn /proc/self/fd/2 /dev/stderr
fi

# shellcheck source=scripts/guest-init.sh
. "$TOP/scripts/guest-init.sh"

prepare() {
	# udev has set up virtme's own ports. If it kept running, it would rename the devices that tests
	# create.
	udevadm control --exit 2>/dev/null || :
	guest_modules "$VM_MODULES" "$RUN/modules" && guest_mounts && cd "$TOP" || return 1
}

status=125
if prepare; then
	status=0
	if [ "${#VM_COMMAND[@]}" -gt 0 ]; then
		if [ -x "${VM_COMMAND[0]}" ]; then
			"${VM_COMMAND[@]}"
		else
			bash "${VM_COMMAND[@]}"
		fi
		status=$?
	fi
	if [ "$VM_MODE" = shell ]; then
		printf '\n  A shell in the guest; the host is read-only. Ctrl-D ends it.\n\n'
		PS1='guest# ' bash --norc -i
	fi
else
	echo "vm-init: the guest could not be prepared" >&2
fi
dmesg >"$RUN/dmesg" 2>/dev/null
sleep 0.1 # lets the rest of stderr arrive
echo "$status" >"$RUN/status.tmp" && mv "$RUN/status.tmp" "$RUN/status"
if [ "$VM_MODE" = shell ]; then
	sync
	echo o >/proc/sysrq-trigger
	sleep 5
fi
exit "$status"
