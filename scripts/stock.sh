#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Builds the module for an unmodified kernel of a distribution.
#
#   stock.sh module KVER           builds build/stock/KVER/module/nft_offload.ko for that kernel
#   stock.sh sim KVER              builds the simulated NIC, build/stock/KVER/netdevsim/netdevsim.ko
#   stock.sh image KVER            unpacks its image and modules; prints the directory (boot/,
#                                  lib/modules/)
#   stock.sh install KVER [DIR]    builds it and installs it below DIR (/), then runs depmod there
#   stock.sh kdir KVER             prints its build directory
#   stock.sh root KVER             prints a root directory with the compilers of its suite
#   stock.sh newest [SUITE [X.Y]]  prints the newest KVER of a suite (trixie-backports), or of a
#                                  series in it
#   stock.sh clean                 removes its files from the cache
#
# KVER is a release as uname -r prints it. If the installed headers of a kernel have Rust metadata,
# they are used as they are. Kernels of Debian ship none; for these the metadata is rebuilt
# (metadata.sh) in a root of the kernel's suite with exactly the compilers that built the image, or
# with the same compilers on this machine if they are installed.
#
# The cache: stock/root-SUITE-HASH, roots with compilers; stock/KVER/{headers,source,image,kdir}.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
# shellcheck source=scripts/archive.sh
. "$TOP/scripts/archive.sh"

STOCK=$CACHE/stock
# The oldest kernel that the module supports.
KERNEL_MIN=7.2
# The packages that build the metadata and modules, besides the gcc of the suite.
ROOT_PACKAGES=rustc,rust-src,bindgen,libclang-dev,make,pahole,flex,bison,bc,libelf-dev,libssl-dev,python3-minimal,xz-utils,kmod,perl,patch

usage() { die "usage: stock.sh module KVER | install KVER [DIR] | sim KVER | image KVER | kdir KVER | root KVER | newest [SUITE [X.Y]] | clean"; }

need_archive() {
	refresh_archive || die "the Debian archive is out of reach (no network?)"
}

# releases: prints the releases of Debian's plain amd64 kernels with Rust whose headers and images
# are in the archive, with the suite of each, one per line. An image appears later than its headers,
# once it has been signed.
releases() {
	local release packages=()
	while read -r release; do
		! version_ge "$release" "$KERNEL_MIN" || packages+=("linux-headers-$release" "linux-binary-$release")
	done < <(apt_private apt-cache pkgnames linux-headers- 2>/dev/null | sed -nE 's/^linux-headers-([0-9.]+\+deb[0-9]+-amd64)$/\1/p')
	apt_private apt-cache madison ${packages[@]+"${packages[@]}"} 2>/dev/null |
		awk -F' *[|] *' '{
			release = $1; sub(/^ *linux-(headers|binary)-/, "", release)
			suite = $3; sub(/^[^ ]* /, "", suite); sub(/\/.*/, "", suite)
			if (++seen[release " " suite] == 2) print release, suite
		}'
}

# newest SUITE [SERIES]: prints the newest of them in a suite, or in a series of it.
newest() {
	need_archive
	releases | awk -v suite="$1" -v series="${2:+$2.}" '$2 == suite && index($1, series) == 1 { print $1 }' | sort -V | tail -n 1
}

# find_suite: sets SUITE to the suite that has this kernel, VERSION to the version of its package,
# and GCC to the package of its compiler.
find_suite() {
	need_archive
	for SUITE in trixie-backports sid; do
		VERSION=$(newest_version "linux-headers-$KVER" "$SUITE")
		[ -z "$VERSION" ] || break
	done
	if [ -z "$VERSION" ]; then
		die "KVER=$KVER: no headers with Rust metadata are installed for it (/lib/modules/$KVER/build), and Debian's archive has no such kernel with Rust; it has $(releases | cut -d' ' -f1 | sort -Vu | paste -sd ' ')"
	fi
	GCC=$(apt_private apt-cache show "linux-headers-$KVER=$VERSION" 2>/dev/null | sed -n 's/^Depends:.*\(gcc-[0-9]*\)-for-host.*/\1/p' | head -n 1)
	[ -n "$GCC" ] || die "linux-headers-$KVER does not say which gcc it was built with"
}

# fetch_deb PACKAGE VERSION DIR: unpacks a package of the archive into DIR, once and completely.
fetch_deb() {
	local package=$1 version=$2 dir=$3 tmp
	[ ! -e "$dir/.complete" ] || return 0
	need_space "$(dirname "$dir")" 1500 "kernel packages"
	rm -rf "$dir" "$dir".tmp.*
	tmp=$(mktemp -d "$dir.tmp.XXXXXX")
	chmod 755 "$tmp"
	(cd "$tmp" && run_logged "$CACHE/log/stock-download.log" 20 apt_private apt-get -q download "$package=$version") || {
		rm -rf "$tmp"
		die "cannot download $package $version (no network?)"
	}
	dpkg-deb -x "$tmp"/*.deb "$tmp" || {
		rm -rf "$tmp"
		die "cannot unpack $package $version: is the disk full?"
	}
	rm "$tmp"/*.deb
	touch "$tmp/.complete"
	mv "$tmp" "$dir"
}

# get_packages: sets HEADERS and SOURCE to directories unpacked from the archive.
get_packages() {
	local series
	series=$(series_of "$KVER")
	HEADERS=$DIR/headers/usr/src/linux-headers-$KVER SOURCE=$DIR/source/usr/src/linux-source-$series.tar.xz
	mkdir -p "$DIR"
	fetch_deb "linux-headers-$KVER" "$VERSION" "$DIR/headers"
	[ "$(sed -n 's/^CONFIG_RUST=//p' "$HEADERS/.config")" = y ] ||
		die "kernel $KVER of Debian has no Rust (CONFIG_RUST is not set): no module in Rust can be built for it"
	fetch_deb "linux-source-$series" "$VERSION" "$DIR/source"
}

make_root() {
	local tmp mirror valid suite=${SUITE%-backports}
	tmp=$ROOT.tmp
	mirror=$(debian_mirror)
	rm -rf "$tmp"
	# A mirror of an old state of the archive is older than the archive's metadata allows. The
	# machine's own apt is configured for such a mirror if it uses one.
	valid=$(apt-config dump --format '%v' Acquire::Check-Valid-Until)
	mmdebstrap --mode=root --variant=minbase --aptopt='Acquire::Languages "none"' \
		--aptopt="Acquire::Check-Valid-Until \"${valid:-true}\"" \
		--dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/man/*' --dpkgopt='path-exclude=/usr/share/locale/*' \
		--include="$ROOT_PACKAGES,$GCC" "$suite" "$tmp" "deb [signed-by=$KEYRING] $mirror $suite main" || {
		rm -rf "$tmp"
		return 1
	}
	mv "$tmp" "$ROOT"
}

# get_root: sets ROOT to a root of the suite with its compilers.
get_root() {
	local list
	# The compilers in the archive change; the key of a root contains their versions.
	list=$(for p in rustc bindgen pahole "$GCC"; do newest_version "$p" "${SUITE%-backports}"; done)
	ROOT=$STOCK/root-${SUITE%-backports}-$(sha256sum <<<"$ROOT_PACKAGES $GCC $list" | cut -c1-8)
	[ ! -d "$ROOT" ] || return 0
	[ "$(id -u)" = 0 ] || die "a root of ${SUITE%-backports} with the compilers of kernel $KVER has to be made: run this as root, or install them: apt install rustc rust-src bindgen $GCC pahole"
	command -v mmdebstrap >/dev/null || die "mmdebstrap is missing; run: apt install mmdebstrap"
	need_space "$STOCK" 2500 "a root with the compilers"
	say "making a root of ${SUITE%-backports} with the compilers of kernel $KVER (about 1 min, once)"
	run_logged "$CACHE/log/stock-root.log" 60 make_root || die "cannot make a root of ${SUITE%-backports} (log: $CACHE/log/stock-root.log)"
}

get_compilers() {
	find_suite
	with_lock stock get_root
}

# in_root CMD...: runs the command in ROOT, or on this machine if ROOT is empty. It sees only the
# project and the kernels in the cache.
in_root() {
	if [ -z "$ROOT" ]; then
		"$@"
		return
	fi
	mkdir -p "$ROOT$STOCK" "$ROOT$TOP"
	# shellcheck disable=SC2016 # for the inner shell
	unshare --mount --propagation private bash -c '
		set -e
		root=$1 stock=$2 top=$3
		shift 3
		mount --bind "$stock" "$root$stock"
		mount --bind "$top" "$root$top"
		mount -t proc proc "$root/proc"
		mount --rbind /dev "$root/dev"
		exec chroot "$root" env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root JOBS="$JOBS" NFT_OFFLOAD_CACHE="$CACHE" NFT_OFFLOAD_BUILD="${NFT_OFFLOAD_BUILD:-}" "$@"
	' bash "$ROOT" "$STOCK" "$TOP" "$@"
}

# ready_made: succeeds if the machine has a build directory with metadata for this kernel.
ready_made() { [ -e "/lib/modules/$KVER/build/rust/libkernel.rmeta" ]; }

# native: succeeds if the compilers, headers and source of this kernel are installed on this
# machine.
native() {
	local headers=/usr/src/linux-headers-$KVER wanted
	[ -r "$headers/.config" ] || return 1
	wanted=$(sed -n 's/^CONFIG_RUSTC_VERSION_TEXT="\(.*\)"/\1/p' "$headers/.config")
	[ "$(rustc --version 2>/dev/null)" = "$wanted" ] || return 1
	wanted=$(sed -n 's/^CONFIG_CC_VERSION_TEXT="\(.*\)"/\1/p' "$headers/.config")
	[ "$("${wanted%% *}" --version 2>/dev/null | head -n 1)" = "$wanted" ] || return 1
	compgen -G "/usr/src/linux-source-$(series_of "$KVER").tar.xz" >/dev/null
}

# get_kdir: sets KDIR and ROOT.
get_kdir() {
	ROOT=
	if ready_made; then
		KDIR=/lib/modules/$KVER/build
		return
	fi
	KDIR=$DIR/kdir
	if native; then
		with_lock "stock-$KVER" "$TOP/scripts/metadata.sh" "$KVER" "$KDIR" || exit 1
		return
	fi
	get_compilers
	with_lock "stock-$KVER" get_packages
	[ -s "$KDIR/.complete" ] || say "rebuilding the Rust metadata of kernel $KVER (about 2 min, once)"
	with_lock "stock-$KVER" rebuild_metadata ||
		die "$(sed -n 's/.*error:[^ ]* //p' "$CACHE/log/stock-build.log" | tail -n 1)"
}

# metadata.sh writes its own log; LOG_LINES is its approximate length.
rebuild_metadata() {
	LOG_TAIL=0 PROGRESS_LOG=$KDIR.log LOG_LINES=230 run_logged "$CACHE/log/stock-build.log" 130 \
		in_root "$TOP/scripts/metadata.sh" "$KVER" "$KDIR" "$HEADERS" "$SOURCE"
}

# check_symbols MODULE: checks that the image exports every symbol that the module needs.
check_symbols() {
	local missing needed symvers=$KDIR/Module.symvers vermagic
	needed=$(nm -u "$1" | awk '{ print $2 }' | LC_ALL=C sort -u)
	missing=$(LC_ALL=C comm -23 <(echo "$needed") <(cut -f2 "$symvers" | LC_ALL=C sort -u))
	vermagic=$(modinfo -F vermagic "$1" | cut -d' ' -f1)
	if [ -n "$missing" ]; then
		rm -f "$1"
		die "kernel $KVER lacks $(wc -l <<<"$missing") of the symbols that the module needs, $(head -n 1 <<<"$missing") among them"
	fi
	if [ "$vermagic" != "$KVER" ]; then
		rm -f "$1"
		die "the module was built for kernel $vermagic, not for $KVER"
	fi
	info "$(basename "$1") for kernel $KVER: needs $(wc -l <<<"$needed") symbols, all exported ($(grep -c '^_R' <<<"$needed") of Rust)"
}

build_module() {
	local log=$CACHE/log/stock-module.log
	get_kdir
	export NFT_OFFLOAD_BUILD=$TOP/build/stock/$KVER
	mkdir -p "$NFT_OFFLOAD_BUILD" || die "cannot create $NFT_OFFLOAD_BUILD: is the disk full or read-only?"
	LOG_TAIL=${LOG_TAIL:-15} run_logged "$log" 15 in_root "$TOP/scripts/module.sh" "$KDIR" modules ||
		die "the module does not build for kernel $KVER: $(sed -n 's/.*error:[^ ]* //p' "$log" | head -n 1) (log: $log)"
	if grep -E 'warning: .*(objtool|falls through)|^warning:' "$log" >&2; then
		info "(from $log)"
	fi
	check_symbols "$NFT_OFFLOAD_BUILD/module/nft_offload.ko"
}

# install_module DIR: installs the module into updates/, where depmod looks first.
install_module() {
	local root=${1%/} dir
	dir=$root/lib/modules/$KVER
	build_module
	[ -d "$dir" ] || [ -n "$root" ] || die "kernel $KVER is not installed here: there is no $dir"
	install -D -m 644 "$NFT_OFFLOAD_BUILD/module/nft_offload.ko" "$dir/updates/nft_offload.ko" ||
		die "cannot install into $dir/updates (not root?)"
	depmod -b "${root:-/}" "$KVER" || die "depmod failed for kernel $KVER"
	info "installed $dir/updates/nft_offload.ko"
}

# The source that metadata.sh unpacks contains that of netdevsim.
build_sim() {
	get_kdir
	mkdir -p "$TOP/build/stock/$KVER"
	[ -e "$KDIR/make-vars" ] || die "the simulated NIC can only be built for kernels of Debian"
	in_root env MAKEVARS="CC=$(sed -n 's/^CC=//p' "$KDIR/make-vars")" \
		"$TOP/tests/netdevsim/build.sh" "$KDIR/src" "$KDIR" "$TOP/build/stock/$KVER/netdevsim"
}

get_image() {
	local kernel tree layout
	mkdir -p "$DIR"
	find_suite
	fetch_deb "linux-binary-$KVER" "$VERSION" "$DIR/binary"
	fetch_deb "linux-modules-$KVER" "$VERSION" "$DIR/modules"
	fetch_deb "linux-base-$KVER" "$VERSION" "$DIR/base"
	layout=$(sha256sum <"${BASH_SOURCE[0]}")
	if [ "$layout" != "$(cat "$DIR/image/.complete" 2>/dev/null)" ]; then
		rm -rf "$DIR/image"
		mkdir -p "$DIR/image/boot" "$DIR/image/lib"
		kernel=$(find "$DIR/binary" -name "vmlinuz*" -type f -print -quit)
		tree=$(find "$DIR/modules" -maxdepth 5 -type d -path "*/lib/modules/$KVER" -print -quit)
		[ -n "$kernel" ] && [ -n "$tree" ] || die "the packages of kernel $KVER have no image, or no modules"
		ln -s "$kernel" "$DIR/image/boot/vmlinuz-$KVER"
		# Keep the modules of a router in a VM; reading the rest of the 4,000 modules again and again
		# would only take time.
		mkdir -p "$DIR/image/lib/modules/$KVER/kernel"
		find "$DIR/base" -name 'modules.*' -exec cp -t "$DIR/image/lib/modules/$KVER" {} +
		(cd "$tree" && cp -al --parents kernel/{net,lib,crypto,arch/x86/crypto} \
			kernel/fs/{9p,netfs,overlayfs,fuse} kernel/drivers/{virtio,char,ptp,bus} kernel/drivers/net/{bonding,ppp} \
			kernel/drivers/net/*.ko* "$DIR/image/lib/modules/$KVER/" 2>/dev/null) || :
		depmod -b "$DIR/image" "$KVER" || die "depmod cannot read the modules of kernel $KVER"
		echo "$layout" >"$DIR/image/.complete"
	fi
}

# bash reads this block as a whole before it runs.
{
	command=${1:-}
	case $command in
	newest)
		newest "${2:-trixie-backports}" "${3:-}"
		exit
		;;
	clean)
		rm -rf "$STOCK"
		exit
		;;
	esac
	[ $# -eq 2 ] || [ "$command" = install ] && [ $# -le 3 ] || usage
	KVER=$2
	case $KVER in
	*/* | '' | .* | *[!A-Za-z0-9.+~_-]*) die "KVER=$KVER is not a kernel release" ;;
	esac
	DIR=$STOCK/$KVER
	case $command in
	module) build_module ;;
	install) install_module "${3:-}" ;;
	sim) build_sim ;;
	image)
		with_lock "stock-image-$KVER" get_image
		echo "$DIR/image"
		;;
	kdir)
		get_kdir
		echo "$KDIR"
		;;
	root)
		get_compilers
		echo "$ROOT"
		;;
	*) usage ;;
	esac
	exit
}
