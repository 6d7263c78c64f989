# SPDX-License-Identifier: GPL-2.0
# The first steps of both kinds of guest: modules that modprobe and the kernel can load, debugfs and
# tracefs, the directories that namespaces need, a loopback device. Sourced by vm-init.sh and
# uml-init.sh.
# shellcheck shell=bash

# guest_modules MODULES NEW: makes the kernel's modules in MODULES (its lib/modules) available, and
# those in NEW, which take precedence.
guest_modules() {
	local release
	release=$(uname -r)
	if [ -d "$1/$release/updates" ]; then # prepared on the host
		mkdir -p /lib/modules && mount --bind "$1" /lib/modules || return 1
		mkdir -p /etc/modprobe.d && mount -t tmpfs -o mode=755 none /etc/modprobe.d
		return
	fi
	mkdir -p /lib/modules && mount -t tmpfs -o mode=755 modules /lib/modules || return 1
	mkdir -p "/lib/modules/$release/updates" || return 1
	cp -r "$1/$release"/{kernel,modules.*} "/lib/modules/$release/" || return 1
	cp "$2"/*.ko "/lib/modules/$release/updates/" 2>/dev/null
	# The module settings of the host do not apply to the guest.
	mkdir -p /etc/modprobe.d /etc/depmod.d && mount -t tmpfs -o mode=755 none /etc/modprobe.d && mount -t tmpfs -o mode=755 none /etc/depmod.d
	echo 'search updates built-in' >/etc/depmod.d/nft-offload.conf
	depmod "$release"
}

guest_mounts() {
	mountpoint -q /sys/kernel/debug || mount -t debugfs none /sys/kernel/debug || return 1
	mountpoint -q /sys/kernel/tracing || mount -t tracefs none /sys/kernel/tracing
	mkdir -p /etc/netns /run/netns /run/home
	mount -t tmpfs -o mode=755 none /etc/netns
	export HOME=/run/home
	ip link set lo up
	sysctl -qw kernel.printk_ratelimit=0 net.core.warnings=1 2>/dev/null
	return 0
}
