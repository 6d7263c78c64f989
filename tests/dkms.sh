#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# The module by DKMS, with Debian's own dkms in a root of trixie: built and installed for kernel trees laid out as in Debian, Ubuntu,
# Arch and Gentoo; skipped where it cannot be built, while other modules are built; removed. TAP.
#
#   dkms.sh [quick]    quick: without rebuilding metadata, which takes minutes
#
# The trees hold the configuration, headers and Rust metadata of Debian's newest kernel, for the compilers of that root.
# shellcheck source=scripts/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/../scripts/common.sh"
set +e
[ "$(id -u)" = 0 ] || die "this test makes a root directory and has to be run as root"
VERSION=$(cat "$TOP/VERSION")
KVER=$("$TOP/scripts/stock.sh" newest)
[ -n "$KVER" ] || die "no kernel of Debian to test with"
LOWER=$("$TOP/scripts/stock.sh" root "$KVER") && KDIR=$("$TOP/scripts/stock.sh" kdir "$KVER") || exit 1
STOCK=$CACHE/stock/$KVER
need_space "$CACHE" 6000 "kernel trees of four layouts"
WORK=$(mktemp -d "$CACHE/dkms.XXXXXX")
trap 'umount -R "$WORK/root" 2>/dev/null; rm -rf --one-file-system "$WORK"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP
R=$WORK/root
COUNT=0 FAILED=0

ok() {
	COUNT=$((COUNT + 1))
	echo "ok $COUNT $1"
}
not_ok() {
	COUNT=$((COUNT + 1)) FAILED=$((FAILED + 1))
	echo "not ok $COUNT $1"
	[ -z "${2:-}" ] || tail -n 25 <<<"$2" | sed 's/^/# /'
}

# check DESCRIPTION CMD...
check() {
	local description=$1 output
	shift
	if output=$("$@" 2>&1); then ok "$description"; else not_ok "$description" "$* 
$output"; fi
}

in_root() {
	chroot "$R" env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C.UTF-8 \
		DEBIAN_FRONTEND=noninteractive "$@" </dev/null
}

make_root() {
	mkdir "$WORK"/{upper,work,root} &&
		mount -t overlay overlay -o "lowerdir=$LOWER,upperdir=$WORK/upper,workdir=$WORK/work" "$R" &&
		mount -t proc proc "$R/proc" && mount --rbind --make-rslave /dev "$R/dev" &&
		cp -L /etc/resolv.conf "$R/etc/resolv.conf" &&
		sed 's/ trixie main/ trixie-backports main/' "$R/etc/apt/sources.list" >"$R/etc/apt/sources.list.d/backports.list" &&
		in_root apt-get update -q &&
		in_root apt-get install -y -q --no-install-recommends dkms "linux-headers-$KVER"
}

# release TREE KVER: sets the kernel release of a tree.
release() {
	echo "$2" >"$1/include/config/kernel.release"
	echo "#define UTS_RELEASE \"$2\"" >"$1/include/generated/utsrelease.h"
}

# flat TREE: creates a prepared kernel tree in one directory, from packaged files: headers, Makefiles, Kconfig, scripts, tools.
flat() {
	mkdir -p "$1" &&
		(cd "$KDIR/src" && find . -type f \( -path './include/*' -o -path './arch/x86/*.h' -o -path './scripts/*' \
			-o -path './tools/*' -o -name 'Makefile*' -o -name 'Kconfig*' -o -name Kbuild \) -print0 |
			cpio -pdm0 --quiet "$1") &&
		(cd "$KDIR" && find . -path ./src -prune -o ! -name source ! -path ./Makefile ! -path ./make-vars ! -name .complete \
			! -type d -print0 | cpio -pdmu0 --quiet "$1")
}

# build_link KVER DIR
build_link() {
	mkdir -p "$R/usr/lib/modules/$1"
	ln -sfn "$2" "$R/usr/lib/modules/$1/build"
}

# Gentoo's dist-kernel: /usr/src/linux-KVER, the prepared tree.
layout_gentoo() {
	flat "$R/usr/src/linux-$1" && release "$R/usr/src/linux-$1" "$1" && build_link "$1" "../../../src/linux-$1"
}

# Arch and CachyOS: below /usr/lib/modules; of rust/ only the metadata and the macros, no object files.
layout_arch() {
	local d=$R/usr/lib/modules/$1/build
	flat "$d" && release "$d" "$1" && find "$d/rust" ! -type d ! -name '*.rmeta' ! -name '*.so' -delete &&
		find "$d" -name '*.o' -delete
}

# Ubuntu: two directories of headers, and the metadata in that of linux-lib-rust, which a link points to.
layout_ubuntu() {
	local common=$R/usr/src/linux-headers-${1%-*} d=$R/usr/src/linux-headers-$1 lib=$R/usr/src/linux-lib-rust-$1 e
	flat "$common" && mkdir -p "$d/include" "$lib" && mv "$common/rust" "$lib/rust" || return
	mv "$common"/{.config,Module.symvers,scripts} "$d/" && mv "$common"/include/{config,generated} "$d/include/" || return
	mkdir -p "$d/arch/x86/include" && mv "$common/arch/x86/include/generated" "$d/arch/x86/include/" || return
	for e in "$common"/*; do [ -e "$d/${e##*/}" ] || ln -s "../${common##*/}/${e##*/}" "$d/${e##*/}"; done
	for e in "$common"/include/*; do ln -s "../../${common##*/}/include/${e##*/}" "$d/include/${e##*/}"; done
	for e in "$common"/arch/x86/*; do
		[ "${e##*/}" = include ] || ln -s "../../../${common##*/}/arch/x86/${e##*/}" "$d/arch/x86/${e##*/}"
	done
	for e in "$common"/arch/x86/include/*; do
		ln -s "../../../../${common##*/}/arch/x86/include/${e##*/}" "$d/arch/x86/include/${e##*/}"
	done
	ln -s "../linux-lib-rust-$1/rust" "$d/rust"
	release "$d" "$1" && build_link "$1" "../../../src/linux-headers-$1"
}

# Debian: its own headers, without metadata, as apt installs them, and its own linux-source, from which the metadata is rebuilt.
layout_debian() {
	cp -a "$STOCK/source/usr" "$R/" && build_link "$1" "../../../src/linux-headers-$1"
}

# variant KVER: creates a kernel tree like Arch's, to be damaged: links, and its own configuration and rust/.
variant() {
	local d=$R/usr/lib/modules/$1/build from=/usr/lib/modules/$ARCH/build e
	mkdir -p "$d/include"
	for e in "$R$from"/*; do
		case ${e##*/} in include | rust | Makefile) ;; *) ln -s "$from/${e##*/}" "$d/${e##*/}" ;; esac
	done
	for e in "$R$from"/include/*; do
		case ${e##*/} in config | generated | net) ;; *) ln -s "$from/include/${e##*/}" "$d/include/${e##*/}" ;; esac
	done
	cp -a "$R$from"/{.config,Makefile,rust} "$d/"
	cp -a "$R$from"/include/{config,generated,net} "$d/include/"
	release "$d" "$1"
}

# A second module, in C, which always builds.
other_module() {
	local d=$R/usr/src/other-1.0
	mkdir -p "$d"
	cat >"$d/dkms.conf" <<-'END'
		PACKAGE_NAME=other
		PACKAGE_VERSION=1.0
		BUILT_MODULE_NAME[0]=other
		DEST_MODULE_LOCATION[0]=/updates/dkms
		MAKE[0]="make -C $kernel_source_dir M=$dkms_tree/other/1.0/build CC=x86_64-linux-gnu-gcc-14"
		AUTOINSTALL=yes
	END
	echo 'obj-m := other.o' >"$d/Makefile"
	printf '%s\n' '#include <linux/module.h>' 'MODULE_LICENSE("GPL");' 'MODULE_DESCRIPTION("Another module");' >"$d/other.c"
}

# installed KVER NAME: prints the file of a module that dkms has installed for this kernel.
installed() { find "$R/usr/lib/modules/$1/updates/dkms" -name "$2.ko*" 2>/dev/null | grep .; }

# built KVER: results: the module is there, has this version and kernel, and needs only symbols that the kernel exports.
built() {
	local ko missing
	ko=$(installed "$1" nft_offload) || { echo "no nft_offload.ko" && return 1; }
	case $ko in *.xz) unxz -k "$ko" && ko=${ko%.xz} ;; esac
	[ "$(modinfo -F version "$ko")" = "$VERSION" ] || { echo "version $(modinfo -F version "$ko")" && return 1; }
	[ "$(modinfo -F vermagic "$ko" | cut -d' ' -f1)" = "$1" ] || { echo "vermagic $(modinfo -F vermagic "$ko")" && return 1; }
	missing=$(LC_ALL=C comm -23 <(nm -u "$ko" | awk '{ print $2 }' | LC_ALL=C sort -u) <(cut -f2 "$KDIR/Module.symvers" | LC_ALL=C sort -u))
	[ -z "$missing" ] || { echo "not exported: $missing" && return 1; }
}

# install_for DESCRIPTION KVER: installs it by hand, step by step.
install_for() {
	local output
	if output=$(in_root dkms build "nft-offload/$VERSION" -k "$2" 2>&1 && in_root dkms install "nft-offload/$VERSION" -k "$2" 2>&1); then
		check "$1" built "$2"
	else
		not_ok "$1" "$output
$(tail -n 15 "$R/var/lib/dkms/nft-offload/$VERSION/build/make.log" 2>/dev/null)"
	fi
	LAST=$output
}

# skips DESCRIPTION KVER PATTERN: results: the hook of the installation of a kernel succeeds, gives the reason in one line why
# nft_offload is skipped, and builds the other module.
skips() {
	local output rc=0 lines reason others=1
	[ -e "$R/var/lib/dkms/other" ] || others=
	output=$(in_root /etc/kernel/postinst.d/dkms "$2" 2>&1) || rc=$?
	lines=$(grep '^nft-offload: skipped' <<<"$output")
	if [ "$rc" -ne 0 ]; then
		not_ok "$1: the kernel's installation goes on" "status $rc: $output"
	elif [ "$(grep -c . <<<"$lines")" -ne 1 ] || ! grep -qE "^nft-offload: skipped for kernel .*$3" <<<"$lines"; then
		not_ok "$1: one line says why" "$output"
	elif installed "$2" nft_offload >/dev/null; then
		not_ok "$1: nothing is installed" "$output"
	elif [ -n "$others" ] && ! installed "$2" other >/dev/null; then
		not_ok "$1: other modules are built" "$output"
	elif ! output=$(in_root dkms autoinstall -k "$2" 2>&1); then
		not_ok "$1: dkms autoinstall succeeds" "$output"
	else
		reason=${lines#*: skipped for kernel *: }
		ok "$1 (${reason:0:90})"
	fi
}

# rebuilds: Debian's kernel, by the hook of its installation; then once more.
rebuilds() {
	say "a kernel of Debian, its metadata rebuilt (2 to 3 minutes)"
	local start=$SECONDS output rc cached
	output=$(in_root /etc/kernel/postinst.d/dkms "$KVER" 2>&1)
	rc=$?
	[ "$rc" -eq 0 ] || not_ok "the hook of Debian's kernel succeeds" "$output"
	check "Debian's layout, by the hook of the kernel's installation ($((SECONDS - start)) s)" built "$KVER"
	if [ "$(grep -c '^nft-offload: rebuilding the Rust metadata' <<<"$output")" = 1 ]; then ok "one line says that it takes minutes"; else
		not_ok "one line says that it takes minutes" "$output"
	fi
	cached=$(stat -c %Y "$R/var/cache/nft-offload/metadata/$KVER/.complete" 2>/dev/null)
	in_root dkms uninstall "nft-offload/$VERSION" -k "$KVER" >/dev/null 2>&1
	in_root dkms unbuild "nft-offload/$VERSION" -k "$KVER" >/dev/null 2>&1
	start=$SECONDS
	install_for "built again from kept metadata" "$KVER"
	if [ -n "$cached" ] && [ "$cached" = "$(stat -c %Y "$R/var/cache/nft-offload/metadata/$KVER/.complete")" ]; then
		ok "the metadata was not rebuilt ($((SECONDS - start)) s, $(du -sm "$R/var/cache/nft-offload" | cut -f1) MB kept)"
	else
		not_ok "the metadata was not rebuilt" "$LAST"
	fi
}

say "a root of trixie with dkms, and kernel trees in four layouts"
make_root >"$WORK/root.log" 2>&1 || {
	tail -n 5 "$WORK/root.log" >&2
	die "cannot install dkms in a root of trixie (no network?)"
}
SERIES=${KVER%%[+-]*}
ARCH=$SERIES-arch1-1 UBUNTU=$SERIES-7-generic GENTOO=$SERIES-gentoo-dist
if ! layout_arch "$ARCH" || ! layout_ubuntu "$UBUNTU" || ! layout_gentoo "$GENTOO" || ! layout_debian "$KVER"; then
	die "cannot lay out the kernel trees"
fi
# ours: prints all installed files of this module.
ours() { (cd "$R" && find usr/lib/modules usr/src var/lib/dkms var/cache \( -name '*nft_offload*' -o -name '*nft-offload*' \) | sort); }
before=$(ours)
"$TOP/packaging/dkms/install.sh" "$R" || die "install.sh failed"
check "dkms add" in_root dkms add "nft-offload/$VERSION"

say "kernels whose headers have metadata"
install_for "Arch's layout" "$ARCH"
# The rustc in PATH is another one; the one of the kernel is in a versioned package.
mkdir -p "$R/usr/lib/rust-1.85/bin"
mv "$R/usr/bin/rustc" "$R/usr/lib/rust-1.85/bin/rustc"
printf '#!/bin/sh\necho "rustc 1.99.0 (000000000 2027-01-01)"\n' >"$R/usr/bin/rustc"
chmod 755 "$R/usr/bin/rustc"
install_for "Ubuntu's layout, the kernel's rustc beside a newer one" "$UBUNTU"
mv "$R/usr/lib/rust-1.85/bin/rustc" "$R/usr/bin/rustc"
rm -r "$R/usr/lib/rust-1.85"
install_for "Gentoo's layout" "$GENTOO"

say "kernels that it cannot be built for"
variant "$SERIES-norust"
sed -i '/^CONFIG_RUST=y/d' "$R/usr/lib/modules/$SERIES-norust/build/"{.config,include/config/auto.conf}
skips "the only module of DKMS" "$SERIES-norust" 'without CONFIG_RUST'
other_module
in_root dkms add other/1.0 >/dev/null 2>&1
skips "a kernel without CONFIG_RUST" "$SERIES-norust" 'without CONFIG_RUST'
output=$(in_root dkms build "nft-offload/$VERSION" -k "$SERIES-norust" 2>&1)
rc=$?
if [ "$rc" = 77 ] && [ "$(grep -c '^nft-offload: skipped' <<<"$output")" = 1 ]; then ok "a build by hand says so, with status 77"; else
	not_ok "a build by hand says so, with status 77" "status $rc: $output"
fi
variant "$SERIES-noflow"
sed -i '/^CONFIG_NF_FLOW_TABLE=/d' "$R/usr/lib/modules/$SERIES-noflow/build/"{.config,include/config/auto.conf}
skips "a kernel without flowtables" "$SERIES-noflow" 'without CONFIG_NF_FLOW_TABLE'
variant 6.12.99-old
skips "a kernel that is too old" 6.12.99-old 'older than 7.2'
variant "$SERIES-rustc"
LC_ALL=C sed -i '1,20s/rustc 1\.85\.1/rustc 1.85.9/' "$R/usr/lib/modules/$SERIES-rustc/build/rust/libcore.rmeta"
skips "metadata of another compiler" "$SERIES-rustc" 'built with rustc 1\.85\.9.*here is rustc 1\.85\.1'
variant "$SERIES-nometa"
rm -r "$R/usr/lib/modules/$SERIES-nometa/build/rust"
mv "$R/usr/src/linux-source-${SERIES%.*}.tar.xz" "$WORK/source.tar.xz"
skips "no metadata" "$SERIES-nometa" 'no Rust metadata'
variant "$SERIES-8-generic"
rm -r "$R/usr/lib/modules/$SERIES-8-generic/build/rust"
ln -s "../linux-lib-rust-$SERIES-8-generic/rust" "$R/usr/lib/modules/$SERIES-8-generic/build/rust"
skips "Ubuntu without linux-lib-rust" "$SERIES-8-generic" 'apt install linux-lib-rust-'
variant "$SERIES-damaged"
rm "$R/usr/lib/modules/$SERIES-damaged/build/rust/libmacros.so"
skips "metadata that is not complete" "$SERIES-damaged" 'libmacros.so is missing'
variant "$SERIES-bindgen"
mv "$R/usr/bin/bindgen" "$WORK/bindgen"
skips "no bindgen" "$SERIES-bindgen" 'bindgen is missing'
variant "$SERIES-libclang"
printf '#!/bin/sh\necho "Unable to find libclang" >&2\nexit 1\n' >"$R/usr/bin/bindgen"
chmod 755 "$R/usr/bin/bindgen"
skips "no libclang" "$SERIES-libclang" 'libclang'
mv "$WORK/bindgen" "$R/usr/bin/bindgen"
variant "$SERIES-future"
sed -i 's/struct nf_flowtable_type {/struct nf_flowtable_kind {/' "$R/usr/lib/modules/$SERIES-future/build/include/net/netfilter/nf_flow_table.h"
skips "a kernel with other interfaces" "$SERIES-future" 'does not compile.*error'
skips "a kernel of Debian without linux-source" "$KVER" 'apt install linux-source-'
mv "$WORK/source.tar.xz" "$R/usr/src/linux-source-${SERIES%.*}.tar.xz"
mv "$R/usr/src/rustc-"* "$WORK/"
skips "a rebuild of the metadata that fails" "$KVER" 'rust-src'
mv "$WORK"/rustc-* "$R/usr/src/"
check "that leaves nothing behind" test ! -e "$R/var/cache/nft-offload/metadata/$KVER"

if [ "${1:-}" != quick ]; then rebuilds; fi

say "removed"
check "dkms remove" in_root dkms remove "nft-offload/$VERSION" --all
# Files beyond those of the package that a purge removes.
rm -rf "$R/usr/src/nft-offload-$VERSION" "$R/var/cache/nft-offload"
left=$(ours)
if [ "$left" = "$before" ]; then ok "nothing is left"; else not_ok "nothing is left" "$left"; fi
check "the other module is still there" installed "$SERIES-norust" other
echo "1..$COUNT"
[ "$FAILED" -eq 0 ]
