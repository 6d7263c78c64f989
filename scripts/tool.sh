#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Builds the command line tool nft-offload (tools/nft-offload) with the toolchain of cargo. The
# cache keeps compiled crates (tool-target).
#
#   tool.sh build          builds it as build/nft-offload
#   tool.sh static         builds it without shared libraries and symbols, for the packages, as
#                          build/package/nft-offload
#   tool.sh test           runs its unit tests, and checks the size of the program
#   tool.sh install DIR    installs it with its man pages and completions below DIR, as bin,
#                          share/man, ...
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
load_env

TARGET=${CARGO_TARGET_DIR:-$CACHE/tool-target}
CRATE=$TOP/tools/nft-offload
LARGEST=3000000 # bytes of the program
USAGE="usage: tool.sh build | static | test | install DIR | install-static DIR [FILE]"

# in_crate CMD...: runs a cargo command in the crate.
in_crate() {
	own_target "$TARGET" "$CRATE"/src/{lib,main}.rs
	(cd "$CRATE" && env -u RUSTC -u RUSTDOC -u RUSTFMT CARGO_TARGET_DIR="$TARGET" "$@")
}

# check_size FILE: fails if the program is too large.
check_size() {
	local size
	size=$(stat -c %s "$1")
	[ "$size" -le "$LARGEST" ] || die "$1 has $size bytes; the limit is $LARGEST"
}

build() {
	local log=$CACHE/log/tool.log
	mkdir -p "$TOP/build"
	run_logged "$log" 120 in_crate "$CARGO" build --quiet --release --locked ||
		die "cargo could not build nft-offload: no network, or see $log"
	check_size "$TARGET/release/nft-offload"
	# Replace the file rather than overwrite it, as the old one may be running.
	cp "$TARGET/release/nft-offload" "$TOP/build/nft-offload.tmp"
	mv "$TOP/build/nft-offload.tmp" "$TOP/build/nft-offload"
}

# The binary contains no path of this machine, so that two machines build the same one.
build_static() {
	local log=$CACHE/log/tool-static.log host flags d
	host=$("$CARGO" -vV | sed -n 's/^host: //p')
	in_crate "$CARGO" fetch --quiet --locked || die "cargo could not fetch the dependencies of nft-offload: no network?"
	# Packed relocations take 1 KB instead of 90.
	flags=$(printf '%s\x1f' -C target-feature=+crt-static -C link-arg=-Wl,-z,pack-relative-relocs \
		"--remap-path-prefix=$TOP=.")
	for d in "${CARGO_HOME:-$HOME/.cargo}"/registry/src/*/; do
		flags+="--remap-path-prefix=${d%/}=/deps"$'\x1f'
	done
	mkdir -p "$TOP/build/package"
	# With --target, the flags do not apply to build scripts and macros, which have to be shared
	# objects.
	run_logged "$log" 120 in_crate env CARGO_ENCODED_RUSTFLAGS="${flags%$'\x1f'}" \
		"$CARGO" build --quiet --release --locked --target "$host" ||
		die "cargo could not build nft-offload: no network, or see $log"
	check_size "$TARGET/$host/release/nft-offload"
	install -m 755 "$TARGET/$host/release/nft-offload" "$TOP/build/package/nft-offload"
}

install_below() {
	local to=$1 tool=${2:-$TOP/build/nft-offload}
	install -D -m 755 "$tool" "$to/bin/nft-offload"
	install -D -m 644 "$TOP/docs/man/nft-offload.8" "$to/share/man/man8/nft-offload.8"
	install -D -m 644 "$TOP/docs/man/nft_offload.4" "$to/share/man/man4/nft_offload.4"
	mkdir -p "$to/share/bash-completion/completions" "$to/share/zsh/site-functions" "$to/share/fish/vendor_completions.d"
	"$tool" completion bash >"$to/share/bash-completion/completions/nft-offload"
	"$tool" completion zsh >"$to/share/zsh/site-functions/_nft-offload"
	"$tool" completion fish >"$to/share/fish/vendor_completions.d/nft-offload.fish"
}

case ${1:-} in
build) build ;;
static) build_static ;;
test)
	in_crate env NEXTEST_HIDE_PROGRESS_BAR=1 "$NEXTEST" nextest run --locked --no-fail-fast
	build
	;;
install)
	[ $# -eq 2 ] || die "$USAGE"
	build
	install_below "$2"
	;;
# For scripts/package.sh: installs the file in build/package, or FILE.
install-static)
	[ $# -eq 2 ] || [ $# -eq 3 ] || die "$USAGE"
	install_below "$2" "${3:-$TOP/build/package/nft-offload}"
	;;
*) die "$USAGE" ;;
esac
