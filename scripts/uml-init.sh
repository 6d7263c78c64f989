#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# The first process of a kernel started by uml.sh. It mounts the usual file systems, runs the
# script, leaves its exit status and the kernel log in the exchange directory, and ends the kernel.
# The root file system is that of the host, and is not changed: writes go to memory if the kernel
# has overlayfs; otherwise it is read-only.
export PATH=/usr/sbin:/usr/bin:/sbin:/bin
if [ -z "${NFTO_ROOT:-}" ]; then
	mount -n -t proc proc /proc
	export NFTO_ROOT=1
	if grep -q overlay /proc/filesystems; then
		umount -n /proc
		mount -n -t tmpfs tmpfs /mnt && mkdir /mnt/{upper,work,root} &&
			mount -n -t overlay -o lowerdir=/,upperdir=/mnt/upper,workdir=/mnt/work overlay /mnt/root &&
			cd /mnt/root && mount -n --move . / || exit 1
		exec chroot . "$0"
	fi
	umount -n /proc
fi
mount -n -t proc proc /proc
mount -n -t sysfs sysfs /sys
mount -n -t devtmpfs devtmpfs /dev
mkdir -p /dev/pts /dev/shm
mount -n -t devpts devpts /dev/pts 2>/dev/null
ln -sfn /proc/self/fd /dev/fd
ln -sfn /proc/self/fd/0 /dev/stdin
ln -sfn /proc/self/fd/1 /dev/stdout
ln -sfn /proc/self/fd/2 /dev/stderr
exec </dev/null >/dev/tty0 2>&1
stty -F /dev/tty0 -opost

status=125
job=$(sed 's/.*nfto_job=\([^ ]*\).*/\1/' /proc/cmdline)
# shellcheck source=/dev/null
. "$job"
# shellcheck source=scripts/guest-init.sh
. "$TOP/scripts/guest-init.sh"

# writable DIRECTORY: mounts this directory of the host for writing.
writable() { mount -n -t hostfs -o "$1" none "$1"; }

prepare() {
	# Before other mounts cover /tmp and /run: the directory may be below them.
	writable "$VM_EXCHANGE" || return 1
	[ "$VM_OUT" = "$VM_EXCHANGE" ] || writable "$VM_OUT" || return 1
	case $VM_EXCHANGE/:$VM_OUT/ in
	*:/tmp/* | /tmp/*) ;;
	*) mount -n -t tmpfs -o mode=1777 tmpfs /tmp || return 1 ;;
	esac
	mount -n -t tmpfs -o mode=755 tmpfs /run || return 1
	if [ -n "$VM_MODULES" ]; then guest_modules "$VM_MODULES" "$VM_EXCHANGE/modules" || return 1; fi
	guest_mounts 2>/dev/null && cd "$TOP" || return 1
}

if prepare; then
	bash "${VM_COMMAND[@]}"
	status=$?
else
	echo "uml-init: the guest could not be prepared" >&2
fi
dmesg >"$VM_EXCHANGE/dmesg" 2>/dev/null
echo "$status" >"$VM_EXCHANGE/status"
sync
# LINUX_REBOOT_CMD_POWER_OFF
python3 -c 'import ctypes; ctypes.CDLL(None).reboot(0x4321fedc)'
