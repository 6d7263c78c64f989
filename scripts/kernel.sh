#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Fetches the newest Debian source of the test kernel, builds it with a small configuration
# (kernel.config over allnoconfig) and with Rust, and keeps it in the cache, so that a second run
# has nothing to do.
#
#   kernel.sh fetch         downloads and unpacks the source
#   kernel.sh build [KIND]  fetches, configures and builds; prints nothing on stdout
#   kernel.sh path [KIND]   prints the build directory of the finished kernel (a KDIR)
#   kernel.sh srcdir        prints its source directory
#   kernel.sh clean         removes kernels, sources and the private apt directory
#
# KIND is empty for QEMU; umltest for a kernel that runs as a program (ARCH=um) with the same
# network features and checks; uml for one without checks, for measurements. All are built from the
# same source.
#
# KERNEL=7.2 selects this series instead of the newest tested one (KERNELS_TESTED in common.sh).
# KERNEL_SRC=DIR builds this source tree instead of Debian's package.
#
# The cache: linux/VERSION/src, the unpacked source; linux/VERSION/build-HASH (or umltest-HASH,
# uml-HASH), a kernel, finished only if .complete exists and is still correct; linux/current (or
# current-umltest, current-uml), the last one.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
# shellcheck source=scripts/archive.sh
. "$TOP/scripts/archive.sh"

KIND=${2:-build}
case $KIND in
build)
	WHAT="test kernel" CURRENT=current MAKE_TARGET=kernel
	IMAGE=arch/x86/boot/bzImage TARGET=bzImage ESTIMATE=750 LINES_OF_LOG=2330 KIND_VARS=()
	;;
uml)
	WHAT="kernel of the measurements" CURRENT=current-uml MAKE_TARGET=uml
	IMAGE=linux TARGET=linux ESTIMATE=600 LINES_OF_LOG=1430 KIND_VARS=(ARCH=um)
	;;
umltest)
	WHAT="test kernel that runs as a program" CURRENT=current-umltest MAKE_TARGET=testbed
	IMAGE=linux TARGET=linux ESTIMATE=1250 LINES_OF_LOG=1700 KIND_VARS=(ARCH=um)
	;;
*) die "usage: kernel.sh fetch|build [KIND]|path [KIND]|srcdir|clean" ;;
esac
# fragment: prints the configuration that is merged over allnoconfig.
fragment() {
	local dir=$TOP/scripts
	case $KIND in
	build) cat "$dir/kernel.config" ;;
	uml) cat "$dir/uml.config" ;;
	umltest)
		sed '/^# Networking/,$d' "$dir/uml.config"
		cat "$dir/umltest.config"
		sed -n '/^# Networking/,$p' "$dir/kernel.config"
		;;
	esac
}
# Patches of the test kernel that Debian's kernel does not have; each file gives the reason. A tree
# given as KERNEL_SRC is not patched.
PATCHES=$TOP/scripts/kernel-patches
LINUX=$CACHE/linux

# resolve: sets SERIES, VERSION and SRC. It queries the archive at most once a day; without a
# network it uses the package lists of the last query.
resolve() {
	if [ -n "${KERNEL_SRC:-}" ]; then
		SRC=$(realpath -m "$KERNEL_SRC")
		[ -r "$SRC/Kconfig" ] && [ -r "$SRC/rust/Makefile" ] || die "KERNEL_SRC=$KERNEL_SRC is not a kernel source tree with Rust"
		[ ! -e "$SRC/.config" ] || die "KERNEL_SRC=$KERNEL_SRC has been built in place; run 'make mrproper' there first"
		VERSION=own-$({ echo "$SRC"; git -C "$SRC" rev-parse HEAD 2>/dev/null || stat -c %Y "$SRC/Makefile"; } | sha256sum | cut -c1-12)
		return
	fi
	if ! refresh_archive; then
		if current >/dev/null; then
			VERSION=
			return
		fi
		die "cannot fetch linux-source: the Debian archive is out of reach (no network?), and no kernel is in the cache"
	fi
	choose_series
	LINUX_PACKAGE=linux-source-$SERIES
	DEB_VERSION=$(newest_version "$LINUX_PACKAGE")
	VERSION=$DEB_VERSION.$(cat "$PATCHES"/*.patch | sha256sum | cut -c1-6)
	SRC=$LINUX/$VERSION/src
}

# choose_series: sets SERIES to the requested series, or, if the archive no longer has it, to the
# newest one there that the module has been tested with.
choose_series() {
	local wanted=${KERNEL:-${KERNELS_TESTED%% *}} s
	case $wanted in
	*[!0-9.]* | *.*.* | .* | *.) die "KERNEL=$wanted is not a kernel series; these are tested: $KERNELS_TESTED" ;;
	esac
	for s in "$wanted" $KERNELS_TESTED; do
		[ -n "$(newest_version "linux-source-$s")" ] || continue
		SERIES=$s
		[ "$s" = "$wanted" ] || info "the Debian archive no longer has linux-source-$wanted; using $s"
		return
	done
	die "the Debian archive (sid, trixie-backports) has none of the tested kernels ($KERNELS_TESTED); try a newer one with KERNEL="
}

source_sum() { (cd "$1" && find . -type f ! -name .sum -printf '%P %s\n' | LC_ALL=C sort | sha256sum); }

unpack() {
	local tmp=$1 deb=$2 patch
	dpkg-deb --fsys-tarfile "$deb" | tar -xO "./usr/src/$LINUX_PACKAGE.tar.xz" | xz -dc -T2 | tar -x --strip-components=1 -C "$tmp" || return 1
	for patch in "$PATCHES"/*.patch; do
		patch -d "$tmp" -p1 --silent <"$patch" || return 1
	done
	source_sum "$tmp" >"$tmp/.sum"
}

# fetch: unpacks SRC completely: the directory gets its name only when it is complete.
fetch() {
	local dir=$LINUX/$VERSION deb tmp
	[ -z "${KERNEL_SRC:-}" ] || return 0
	rm -rf "$dir"/src.tmp.*
	[ ! -s "$SRC/Makefile" ] || return 0
	need_space "$dir" 4000 "the kernel source and its build"
	[ -r "$APT/apt.conf" ] || write_apt_conf
	mkdir -p "$dir/deb"
	rm -f "$dir"/deb/*
	say "downloading $LINUX_PACKAGE $VERSION (about 160 MB)"
	(cd "$dir/deb" && run_logged "$CACHE/log/kernel-download.log" 30 apt_private apt-get -q download "$LINUX_PACKAGE=$DEB_VERSION") || return 2
	deb=$(find "$dir/deb" -name '*.deb' | head -n 1)
	say "unpacking $LINUX_PACKAGE $VERSION"
	rm -rf "$SRC"
	tmp=$(mktemp -d "$dir/src.tmp.XXXXXX")
	chmod 755 "$tmp"
	run_logged "$CACHE/log/kernel-unpack.log" 40 unpack "$tmp" "$deb" || {
		rm -rf "$tmp"
		die "could not unpack $LINUX_PACKAGE $VERSION: is the disk full, or does a patch of scripts/kernel-patches not apply? (log: $CACHE/log/kernel-unpack.log)"
	}
	mv "$tmp" "$SRC"
	rm -rf "$dir/deb"
}

# Prints the files that a usable build directory needs, with their sizes; .complete records them.
key_files() {
	(cd "$1" && stat -c '%n %s' .config "$IMAGE" Module.symvers include/config/auto.conf \
		rust/libcore.rmeta rust/libkernel.rmeta .mods/lib/modules/*/modules.order 2>/dev/null)
}

is_complete() { [ -s "$1/.complete" ] && [ "$(cat "$1/.complete")" = "$(key_files "$1" || :)" ]; }

# current: prints the last finished kernel.
current() {
	local dir
	dir=$(readlink -f "$LINUX/$CURRENT" 2>/dev/null) && [ -e "$dir/.complete" ] && echo "$dir"
}

set_build_dir() {
	local hash
	hash=$({
		fragment
		echo "$VERSION"
		"$RUSTC" --version
		"$BINDGEN" --version
		gcc --version | head -n 1
		echo "$LIBCLANG_PATH"
	} | sha256sum | cut -c1-12)
	BUILD=$LINUX/$VERSION/$KIND-$hash
}

configure() {
	local line missing=()
	fragment >"$BUILD/.fragment"
	KCONFIG_ALLCONFIG=$BUILD/.fragment make -C "$SRC" O="$BUILD" "${VARS[@]}" allnoconfig >"$CACHE/log/kernel-config.log" 2>&1 || {
		tail -n 5 "$CACHE/log/kernel-config.log" | sed 's/^/    | /' >&2
		return 1
	}
	while IFS= read -r line; do
		case $line in CONFIG_*) grep -qxF "$line" "$BUILD/.config" || missing+=("$line") ;; esac
	done <"$BUILD/.fragment"
	if [ "${#missing[@]}" -gt 0 ]; then
		case " ${missing[*]} " in
		*' CONFIG_RUST=y '*) info "make rustavailable says:" && make -C "$SRC" O="$BUILD" "${VARS[@]}" rustavailable 2>&1 | grep '\*\*\*' | head -n 3 >&2 || : ;;
		esac
		die "the kernel's Kconfig dropped: ${missing[*]} (from scripts/*.config)"
	fi
}

# compile: makes one attempt. setpriv ends make when the script ends, even if it is killed.
compile() {
	configure || return 1
	LOG_LINES=$LINES_OF_LOG run_logged "$CACHE/log/kernel-build.log" $((ESTIMATE / JOBS + 30)) setpriv --pdeathsig TERM \
		make -C "$SRC" O="$BUILD" "${VARS[@]}" -j"$JOBS" "$TARGET" modules || return 1
	rm -rf "$BUILD/.mods"
	run_logged "$CACHE/log/kernel-install.log" 10 setpriv --pdeathsig TERM \
		make -C "$SRC" O="$BUILD" "${VARS[@]}" modules_install INSTALL_MOD_PATH="$BUILD/.mods" DEPMOD=true || return 1
}

# prune: removes all but the two newest kernels, and the sources that they or this version need.
prune() {
	local d
	find "$LINUX" -mindepth 3 -maxdepth 3 -path "*/$KIND-*/.complete" -printf '%T@ %h\n' | sort -rn | tail -n +3 |
		while read -r _ d; do rm -rf "$d"; done
	for d in "$LINUX/$VERSION/$KIND"-*; do
		[ "$d" = "$BUILD" ] || [ -e "$d/.complete" ] || rm -rf "$d"
	done
	for d in "$LINUX"/*/; do
		d=${d%/}
		[ ! -L "$d" ] && [ "$d" != "$LINUX/$VERSION" ] || continue
		compgen -G "$d/build-*" >/dev/null || compgen -G "$d/uml*-*" >/dev/null || rm -rf "$d"
	done
}

build() {
	local ok=0 rc=0
	resolve
	if [ -z "$VERSION" ]; then
		info "the Debian archive is out of reach; using the kernel in the cache: $(current)"
		return
	fi
	set_build_dir
	if is_complete "$BUILD"; then
		ln -sfn "$VERSION/${BUILD##*/}" "$LINUX/$CURRENT"
		return
	fi
	fetch || rc=$?
	if [ "$rc" -ne 0 ]; then
		if current >/dev/null; then
			info "cannot download $LINUX_PACKAGE $VERSION; using the kernel in the cache: $(current)"
			return
		fi
		die "cannot download $LINUX_PACKAGE $VERSION (no network?), and no kernel is in the cache"
	fi
	mapfile -t VARS < <(make_vars)
	VARS+=("${KIND_VARS[@]}" KBUILD_BUILD_USER=nft-offload KBUILD_BUILD_HOST=localhost)
	mkdir -p "$BUILD" "$CACHE/log"
	need_space "$BUILD" 1500 "the kernel build"
	if [ -e "$BUILD/Makefile" ]; then
		say "continuing a kernel build that was cut off: $VERSION"
	else
		say "building the $WHAT $VERSION with $("$RUSTC" --version | cut -d' ' -f1,2) (about $((ESTIMATE / JOBS / 60 + 1)) min on $JOBS cores, once)"
	fi
	rm -f "$BUILD/.complete"
	if compile; then
		ok=1
	else
		info "the build failed; trying again from the start, in case the cache is damaged"
		rm -rf "$BUILD"
		if [ -s "$SRC/.sum" ] && [ "$(cat "$SRC/.sum")" != "$(source_sum "$SRC")" ]; then
			info "the unpacked source is damaged; unpacking it again"
			rm -rf "$SRC"
			fetch || die "cannot download $LINUX_PACKAGE $VERSION again (no network?)"
		fi
		mkdir -p "$BUILD"
		need_space "$BUILD" 1500 "the kernel build"
		if compile; then ok=1; fi
	fi
	[ "$ok" = 1 ] || die "the kernel does not build (log: $CACHE/log/kernel-build.log)"
	key_files "$BUILD" >"$BUILD/.complete.tmp"
	mv "$BUILD/.complete.tmp" "$BUILD/.complete"
	ln -sfn "$VERSION/${BUILD##*/}" "$LINUX/$CURRENT"
	prune
	info "kernel $VERSION is ready in $BUILD"
}

fetch_only() {
	resolve
	[ -n "$VERSION" ] || die "cannot fetch linux-source: the Debian archive is out of reach (no network?)"
	fetch || die "cannot download $LINUX_PACKAGE $VERSION (no network?)"
}

# bash reads this block as a whole before it runs, so that a pull that replaces this file during a
# long build does no harm.
{
	case ${1:-} in
	fetch) with_lock kernel fetch_only ;;
	build)
		load_env
		with_lock kernel build
		;;
	path) current || die "no $WHAT in $CACHE; run: make $MAKE_TARGET" ;;
	srcdir)
		dir=$(current) || die "no test kernel in $CACHE; run: make kernel"
		readlink -f "$dir/source"
		;;
	clean) rm -rf "$LINUX" "$APT" "$CACHE"/kvm.* ;;
	*) die "usage: kernel.sh fetch|build [KIND]|path [KIND]|srcdir|clean" ;;
	esac
	exit
}
