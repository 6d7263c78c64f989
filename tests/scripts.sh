#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# The errors of the scripts: one line that names the cause, and nothing half done is left. TAP.
# shellcheck source=scripts/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/../scripts/common.sh"
set +e
WORK=$(mktemp -d)
trap 'umount "$WORK/small" 2>/dev/null; rm -rf "$WORK"' EXIT
KDIR=$("$TOP/scripts/kernel.sh" path)
COUNT=0 FAILED=0

# says DESCRIPTION PATTERN CMD...: a result: the command fails, and the last line that it prints matches.
says() {
	local description=$1 pattern=$2 output
	shift 2
	COUNT=$((COUNT + 1))
	if output=$("$@" 2>&1 </dev/null); then
		echo "not ok $COUNT $description"
		echo "# did not fail: $*"
	elif ! tail -n 1 <<<"$output" | grep -qE "$pattern"; then
		echo "not ok $COUNT $description"
		printf '%s\n' "$output" | tail -n 3 | sed 's/^/# /'
	elif [ "$(grep -c 'error:' <<<"$output")" != 1 ]; then
		echo "not ok $COUNT $description: in one line"
		printf '%s\n' "$output" | tail -n 5 | sed 's/^/# /'
	else
		echo "ok $COUNT $description"
		return
	fi
	FAILED=$((FAILED + 1))
}

# is_true DESCRIPTION CMD...: a result: the command succeeds.
is_true() {
	local output
	COUNT=$((COUNT + 1))
	if output=$("${@:2}" 2>&1 </dev/null); then
		echo "ok $COUNT $1"
	else
		echo "not ok $COUNT $1"
		printf '%s\n' "$output" | tail -n 5 | sed 's/^/# /'
		FAILED=$((FAILED + 1))
	fi
}

# fake_kdir DIR: a kernel tree with another configuration: links to the real one, and its own configuration files.
fake_kdir() {
	mkdir -p "$1/include/config"
	for f in "$KDIR"/*; do
		[ "${f##*/}" = include ] || ln -s "$f" "$1/${f##*/}"
	done
	cp "$KDIR/.config" "$1/.config"
	cp "$KDIR"/include/config/{auto.conf,kernel.release} "$1/include/config/"
}

check_kdir() { "$TOP/scripts/check-kdir.sh" "$@"; }

says "a KDIR that does not exist" 'does not exist' check_kdir "$WORK/nowhere"
mkdir "$WORK/empty"
says "a KDIR that is no kernel tree" 'kernel' check_kdir "$WORK/empty"
fake_kdir "$WORK/norust"
sed -i '/^CONFIG_RUST=y/d' "$WORK/norust/.config" "$WORK/norust/include/config/auto.conf"
says "a kernel without CONFIG_RUST" 'CONFIG_RUST' check_kdir "$WORK/norust"
fake_kdir "$WORK/otherrust"
sed -i 's/^CONFIG_RUSTC_VERSION_TEXT=.*/CONFIG_RUSTC_VERSION_TEXT="rustc 1.80.0 (0000000 2024-01-01)"/' \
	"$WORK/otherrust/.config" "$WORK/otherrust/include/config/auto.conf"
says "a kernel of another rustc" 'rustc' check_kdir "$WORK/otherrust"
fake_kdir "$WORK/nometa"
rm "$WORK/nometa/rust" && mkdir "$WORK/nometa/rust"
says "headers without Rust metadata" 'metadata' check_kdir "$WORK/nometa"
says "no bindgen" 'bindgen' env BINDGEN=/nonexistent/bindgen "$TOP/scripts/check-kdir.sh" "$KDIR"
make_modules() {
	make --no-print-directory -s -C "$TOP" modules KDIR="$1" 2>&1 | grep -v '^make'
	return "${PIPESTATUS[0]}"
}
says "make with a wrong KDIR" 'does not exist' make_modules "$WORK/nowhere"
# Caches with the tools and the state of apt only.
mkdir "$WORK/cache" "$WORK/small"
cp -r "$CACHE/toolchain" "$WORK/cache/"
says "no network and nothing in the cache" 'no network' \
	env -u KERNEL_SRC NFT_OFFLOAD_CACHE="$WORK/cache" unshare -n "$TOP/scripts/kernel.sh" build
if [ -d "$CACHE/apt" ] && mount -t tmpfs -o size=200m none "$WORK/small" 2>/dev/null; then
	mkdir "$WORK/small/toolchain"
	cp "$TOOLS/env.sh" "$WORK/small/toolchain/"
	cp -r "$CACHE/apt" "$WORK/small/"
	says "no space for the kernel" 'no space for the kernel.* MiB are needed' \
		env -u KERNEL_SRC NFT_OFFLOAD_CACHE="$WORK/small" "$TOP/scripts/kernel.sh" build
	says "no space for an unmodified kernel" 'no space for .* MiB are needed' \
		env NFT_OFFLOAD_CACHE="$WORK/small" "$TOP/scripts/stock.sh" module "$("$TOP/scripts/stock.sh" newest)"
	says "and no half state is left" 'no test kernel' env NFT_OFFLOAD_CACHE="$WORK/small" "$TOP/scripts/kernel.sh" path
fi
# Unmodified kernels.
stock() { "$TOP/scripts/stock.sh" "$@"; }
metadata() { "$TOP/scripts/metadata.sh" "$@"; }
says "a KVER that is no release" 'is not a kernel release' stock module ../7.3
says "a KVER that does not exist" "KVER=7.3.999-none: no headers with Rust metadata.* has no such kernel" stock module 7.3.999-none
says "a KVER without network" 'out of reach' env NFT_OFFLOAD_CACHE="$WORK/cache" unshare -n "$TOP/scripts/stock.sh" module 7.3.999-none
says "headers that are not installed" 'not installed; run: apt install linux-headers-' metadata 7.3.999-none "$WORK/metadata"
# headers: a directory like that of the headers package of a kernel, for one compiler or another.
headers() { # DIRECTORY RUSTC_VERSION_TEXT
	mkdir -p "$1/include/config"
	echo 7.3.999-none >"$1/include/config/kernel.release"
	: >"$1/Module.symvers"
	printf '%s\n' CONFIG_RUST=y CONFIG_NF_FLOW_TABLE=m "CONFIG_RUSTC_VERSION_TEXT=\"$2\"" "CONFIG_CC_VERSION_TEXT=\"$(gcc --version | head -n 1)\"" >"$1/.config"
}
here=$(rustc --version)
headers "$WORK/headers" "$here"
: >"$WORK/source.tar.xz"
says "headers without configuration" 'has no .config.*; run: apt install --reinstall' metadata 7.3.999-none "$WORK/metadata" "$WORK/empty"
says "headers of another kernel" 'are the headers of kernel 7.3.999-none, not of 7.3.5' metadata 7.3.5 "$WORK/metadata" "$WORK/headers"
says "a missing linux-source" 'source of kernel .* is missing .*; run: apt install linux-source-7.3' metadata 7.3.999-none "$WORK/metadata" "$WORK/headers" "$WORK/nowhere"
headers "$WORK/otherheaders" 'rustc 1.80.0 (0000000 2024-01-01)'
says "a compiler of another version" 'was built with rustc 1.80.0 .*, here is ' metadata 7.3.999-none "$WORK/metadata" "$WORK/otherheaders" "$WORK/source.tar.xz"
sed -i '/CONFIG_RUST=y/d' "$WORK/headers/.config"
says "a kernel without Rust" 'has no Rust' metadata 7.3.999-none "$WORK/metadata" "$WORK/headers" "$WORK/source.tar.xz"
sed -i '1i CONFIG_RUST=y\nCONFIG_MODVERSIONS=y' "$WORK/headers/.config"
says "a kernel with checksums of symbols" 'CONFIG_MODVERSIONS' metadata 7.3.999-none "$WORK/metadata" "$WORK/headers" "$WORK/source.tar.xz"
is_true "nothing half done is left" test ! -e "$WORK/metadata"
lost_series() { KERNEL=7.1 "$TOP/scripts/kernel.sh" fetch 2>&1 | grep 'no longer has linux-source-7.1; using 7'; }
is_true "a series that the archive has lost: the next one is taken, and a line says so" lost_series
says "a kernel series that is none" 'is not a kernel series' env KERNEL=latest "$TOP/scripts/kernel.sh" build
is_true "the netlink spec is valid by the kernel's own schemas" /usr/bin/python3 "$TOP/tests/kselftest/tools/ynl.py" \
	"$KDIR/source" "$TOP/docs/netlink/nft_offload.yaml" --validate
# The fragment for make run_tests has all network options of kernel.config, and some of the others.
ksft_config_is_complete() {
	! comm -13 <(sort "$TOP/scripts/kernel.config") <(sort "$TOP/tests/kselftest/config") | grep . &&
		! sed -n '/^# Networking/,/^# What makes a mistake visible/ { /^CONFIG/p }' "$TOP/scripts/kernel.config" | sort |
			comm -23 - <(sort "$TOP/tests/kselftest/config") | grep .
}
is_true "tests/kselftest/config: the options of the test kernel for the network, and no other value" ksft_config_is_complete
# A machine without apt, such as Fedora: all commands of this one except apt and mmdebstrap.
mkdir "$WORK/bin"
find /usr/local/bin /usr/bin /bin -mindepth 1 -maxdepth 1 ! -name 'apt*' ! -name mmdebstrap -exec ln -sf -t "$WORK/bin" {} +
is_true "no mmdebstrap is wanted where there is no apt" \
	env PATH="$WORK/bin" NFT_OFFLOAD_CACHE="$WORK/cache" NFT_OFFLOAD_NO_INSTALL=1 "$TOP/scripts/setup.sh" --demo
# Progress: by the estimate, or by the lines of the log.
seq 10 >"$WORK/ten"
progress_is() { # EXPECTED LOG_LINES SECONDS ESTIMATE
	[ "$(LOG_LINES=$2 progress "$3" "$4" "$WORK/ten")" = "$1" ]
}
is_true "progress: what the estimate leaves" progress_is '10 s, about 20 s left' '' 10 30
is_true "progress: later than the estimate" progress_is '40 s, more than the 30 s expected' '' 40 30
is_true "progress: what the log leaves" progress_is '40 s, about 120 s left' 40 40 30
is_true "progress: a log that is longer than expected" progress_is '40 s, about 10 s left' 5 40 30
is_true "progress: a log that has hardly begun" progress_is '10 s, about 20 s left' 1000 10 30
# The package of OpenWrt, with a stand-in for OpenWrt's include files that prints the definitions.
mkdir -p "$WORK/openwrt/include" "$WORK/openwrt/linux"
cat >"$WORK/openwrt/rules.mk" <<-'END'
	INCLUDE_DIR := $(TOPDIR)/include
	LINUX_DIR := $(TOPDIR)/linux
	PKG_BUILD_DIR = $(TOPDIR)/build
	LINUX_VERSION := 7.3.4
	KERNEL_MAKE := echo kernel-make
	CP := cp -fpR
END
cat >"$WORK/openwrt/include/kernel.mk" <<-'END'
	AutoLoad = $(1) $(2)
	define KernelPackage
	$(eval $(call KernelPackage/$(1)))
	show: ; @printf '%s\n' '$(PKG_NAME) $(PKG_VERSION)' '$(DEPENDS)' '$(PROVIDES)' '$(KCONFIG)' '$(notdir $(FILES))' '$(AUTOLOAD)'
	prepare: ; @$$(Build/Prepare)
	compile: ; @$$(Build/Compile)
	endef
END
: >"$WORK/openwrt/include/package.mk"
openwrt() { make -s --no-print-directory -C "$TOP/packaging/openwrt" TOPDIR="$WORK/openwrt" "$@" 2>&1; }
openwrt_package() {
	local output
	output=$(openwrt show && openwrt prepare && echo CONFIG_RUST=y >"$WORK/openwrt/linux/.config" && openwrt compile)
	echo "$output"
	[ "$output" = "nft-offload-rs $(cat "$TOP/VERSION")
@IPV6 +kmod-nf-flow +kmod-nft-nat
kmod-nft-offload
CONFIG_RUST=y CONFIG_NFT_FLOW_OFFLOAD
nft_offload.ko nft_flow_offload.ko
31 nft_offload nft_flow_offload
kernel-make M=$WORK/openwrt/build modules" ] && [ -e "$WORK/openwrt/build/src/nft_offload.rs" ]
}
is_true "the package of OpenWrt" openwrt_package
: >"$WORK/openwrt/linux/.config"
openwrt_without_rust() {
	local output
	! output=$(openwrt compile) && grep 'kernel 7.3.4 is without CONFIG_RUST=y' <<<"$output"
}
is_true "the package of OpenWrt for a kernel without Rust" openwrt_without_rust
# The list of the unsafe code: a tree with one file of the text on standard input.
unsafe_tree() { # FILE
	rm -rf "$WORK/unsafe"
	mkdir -p "$WORK/unsafe/docs" "$WORK/unsafe/$(dirname "$1")"
	cat >"$WORK/unsafe/$1"
	"$TOP/scripts/unsafe.py" --write "$WORK/unsafe" >"$WORK/unsafe.said"
}
unsafe_check() { cat "$WORK/unsafe.said" && "$TOP/scripts/unsafe.py" "$WORK/unsafe"; }
# unsafe_is DESCRIPTION FILE PATTERN: a result: the text on standard input is refused with this line only.
unsafe_is() {
	unsafe_tree "$2"
	: >"$WORK/unsafe.said"
	says "unsafe.py: $1" "^error: $2:$3\$" unsafe_check
}
unsafe_is "a block without a reason" src/net/a.rs '2: unsafe block in f: no SAFETY comment' <<-'END'
	fn f() {
	    unsafe { g() };
	}
END
unsafe_is "the reason of the statement before is none" src/net/a.rs '4: unsafe block in A::f: no SAFETY comment' <<-'END'
	impl A { fn f() {
	    // SAFETY: It is.
	    let a = unsafe { g() };
	    let b = unsafe { g() };
	} }
END
unsafe_is "the reason of the field before is none" src/net/a.rs '5: unsafe block in f: no SAFETY comment' <<-'END'
	fn f() -> A {
	    A {
	        // SAFETY: It is.
	        a: unsafe { g() },
	        b: unsafe { g() },
	    }
	}
END
unsafe_is "a reason in a documentation comment is none" src/net/a.rs '3: unsafe block in f: no SAFETY comment' <<-'END'
	fn f() {
	    /// SAFETY: It is.
	    let a = unsafe { g() };
	}
END
unsafe_is "a reason in a string is none" src/net/a.rs '2: unsafe block in f: no SAFETY comment' <<-'END'
	fn f() {
	    let a = ("// SAFETY: It is.", unsafe { g() });
	}
END
unsafe_is "an empty reason" src/net/a.rs '4: unsafe block in f: no SAFETY comment' <<-'END'
	fn f() {
	    // SAFETY:
	    // CAST: It fits.
	    unsafe { g() };
	}
END
unsafe_is "a reason that is yet to be written" src/net/a.rs '3: unsafe block in f: the reason is yet to be written' <<-'END'
	fn f() {
	    // SAFETY: TODO
	    unsafe { g() };
	}
END
unsafe_is "as above, and nothing is above" src/net/a.rs '3: unsafe block in f: the reason is "as above", and nothing is above' <<-'END'
	fn f() {
	    // SAFETY: As above.
	    unsafe { g() };
	}
END
unsafe_is "the reason of a function elsewhere" src/net/a.rs '3: unsafe block in f: the reason is that of h, which is not in this file' <<-'END'
	fn f() {
	    // SAFETY: As in `h`.
	    unsafe { g() };
	}
END
unsafe_is "a function without a section" src/net/a.rs '2: unsafe function in f: no section # Safety' <<-'END'
	/// Does it.
	unsafe fn f() {}
END
unsafe_is "a callback without a section" src/net/a.rs '2: unsafe function in A::f: no section # Safety' <<-'END'
	impl B for A {
	    unsafe extern "C" fn f() {}
	}
END
unsafe_is "an impl without a reason" src/net/a.rs '2: unsafe impl in Send for A: no SAFETY comment' <<-'END'
	struct A;
	unsafe impl<T> Send for A<T> {}
END
unsafe_is "a static without a reason" src/net/a.rs '2: unsafe static in A: no SAFETY comment' <<-'END'
	global_lock! {
	    unsafe(uninit) static A: Mutex<()> = ();
	}
END
unsafe_is "a block outside of the wrappers" src/offload/a.rs '3: unsafe block in f: unsafe is allowed in src/net/ only' <<-'END'
	fn f() {
	    // SAFETY: It is.
	    unsafe { g() };
	}
END
# What is no unsafe code, and every form of a reason.
unsafe_tree src/net/a.rs <<-'END'
	//! unsafe { in a comment } /* unsafe impl */
	type Call = unsafe extern "C" fn(u8) -> u8;
	/// Does it.
	///
	/// # Safety
	///
	/// The caller
	/// says so.
	///
	/// # Errors
	unsafe fn f<'a>(a: &'a str) -> char {
	    let text = r#"unsafe { "in" a string }"#;
	    // CAST: It fits.
	    // SAFETY: It is,
	    // and long.
	    let it = g(
	        "'", '"', unsafe { h() }
	    );
	    match it { // SAFETY: As in `f`.
	        1 => unsafe { h() },
	        // SAFETY: As above.
	        _ => unsafe { h() },
	    }
	}
	// SAFETY: It is.
	#[cfg(x)]
	unsafe impl<T: A<B>> Sync for c::C<T> where T: D {}
END
# shellcheck disable=SC2016 # Markdown
unsafe_lists() {
	cat "$WORK/unsafe.said"
	grep -x '3 blocks, 1 functions, 1 impls and 0 statics in 1 files:' "$WORK/unsafe/docs/unsafe.md" &&
		[ "$(grep '^- ' "$WORK/unsafe/docs/unsafe.md")" = '- function `f`: The caller says so.
- `f`: It is, and long.
- `f`: As in `f`.
- `f`: As above.
- impl `Sync for C`: It is.' ] && "$TOP/scripts/unsafe.py" "$WORK/unsafe"
}
is_true "unsafe.py: the list has each use with its reason, and nothing else" unsafe_lists
sed -i 's/It is, and long/It is, but short/' "$WORK/unsafe/docs/unsafe.md"
says "unsafe.py: a stale page" 'docs/unsafe.md is not that of the source: run: make unsafe' unsafe_check
rm "$WORK/unsafe/docs/unsafe.md"
says "unsafe.py: no page" 'docs/unsafe.md is not that of the source' unsafe_check
says "an unknown test" 'no such test' "$TOP/tests/run.sh" nonsuch
echo "1..$COUNT"
[ "$FAILED" -eq 0 ]
