#!/bin/bash
# The first process of a kernel that uml.sh has started: mounts what a script expects, runs it, leaves its exit status
# and the kernel log in the exchange directory, and ends the kernel. The root file system is the host's, and stays
# read-only.
export PATH=/usr/sbin:/usr/bin:/sbin:/bin
mount -n -t proc proc /proc
mount -n -t sysfs sysfs /sys
mount -n -t devtmpfs devtmpfs /dev
exec </dev/null >/dev/tty0 2>&1
stty -F /dev/tty0 -opost

status=125
job=$(sed 's/.*nfto_job=\([^ ]*\).*/\1/' /proc/cmdline)
# shellcheck source=/dev/null
. "$job"

# writable DIRECTORY: that of the host, for writing.
writable() { mount -n -t hostfs -o "$1" none "$1"; }

prepare() {
	# Before /tmp and /run are covered: a directory below them has to be reached.
	writable "$UML_EXCHANGE" || return 1
	[ "$UML_OUT" = "$UML_EXCHANGE" ] || writable "$UML_OUT" || return 1
	case $UML_EXCHANGE/:$UML_OUT/ in
	*:/tmp/* | /tmp/*) ;;
	*) mount -n -t tmpfs -o mode=1777 tmpfs /tmp || return 1 ;;
	esac
	mount -n -t tmpfs -o mode=755 tmpfs /run || return 1
	mount -n -t debugfs debugfs /sys/kernel/debug || return 1
	mkdir -p /run/home /run/netns
	export HOME=/run/home
	ip link set lo up
	cd "$TOP" || return 1
}

if prepare; then
	bash "${UML_COMMAND[@]}"
	status=$?
else
	echo "uml-init: cannot prepare" >&2
fi
dmesg >"$UML_EXCHANGE/dmesg" 2>/dev/null
echo "$status" >"$UML_EXCHANGE/status"
sync
# LINUX_REBOOT_CMD_POWER_OFF
python3 -c 'import ctypes; ctypes.CDLL(None).reboot(0x4321fedc)'
