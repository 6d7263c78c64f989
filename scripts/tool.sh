#!/bin/bash
# The command line nft-offload (tools/nft-offload), with the toolchain that cargo belongs to. What is compiled is kept in
# the cache (tool-target).
#
#   tool.sh build          builds it into build/nft-offload
#   tool.sh test           its unit tests
#   tool.sh install DIR    installs it with its man pages and completions below DIR, as bin, share/man, ...
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
load_env

TARGET=$CACHE/tool-target
CRATE=$TOP/tools/nft-offload

# in_crate CMD...: a command of cargo.
in_crate() {
	(cd "$CRATE" && env -u RUSTC -u RUSTDOC -u RUSTFMT CARGO_TARGET_DIR="$TARGET" "$@")
}

build() {
	local log=$CACHE/log/tool.log
	mkdir -p "$TOP/build"
	run_logged "$log" 120 in_crate "$CARGO" build --quiet --release ||
		die "cargo could not build nft-offload: no network, or see $log"
	# A new file, as the old one may be running.
	cp "$TARGET/release/nft-offload" "$TOP/build/nft-offload.tmp"
	mv "$TOP/build/nft-offload.tmp" "$TOP/build/nft-offload"
}

install_below() {
	local to=$1 tool=$TOP/build/nft-offload
	build
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
test) in_crate env NEXTEST_HIDE_PROGRESS_BAR=1 "$NEXTEST" nextest run --no-fail-fast ;;
install)
	[ $# -eq 2 ] || die "usage: tool.sh build | test | install DIR"
	install_below "$2"
	;;
*) die "usage: tool.sh build | test | install DIR" ;;
esac
