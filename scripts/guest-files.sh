# SPDX-License-Identifier: GPL-2.0
# What a guest needs of what was built: the modules and the tools in C. Sourced after common.sh.
# shellcheck shell=bash

# shellcheck disable=SC2120 # most want the guest in QEMU
# guest_files [umltest|DIR]: for the test kernel, the one that runs as a program, or the modules in DIR. Builds the tools and sets GUEST_ARGS, the arguments for vm.sh, or for uml.sh. An array, as paths may
# have spaces.
guest_files() {
	local tool module dir=$TOP/build
	case ${1:-} in
	umltest) dir=$TOP/build/umltest ;;
	/*) dir=$1 ;;
	esac
	for module in "$dir/module/nft_offload.ko" "$dir/netdevsim/netdevsim.ko"; do
		[ -r "$module" ] || die "$module is not built; run: make testbed"
	done
	mkdir -p "$TOP/build"
	for tool in traffic genl; do
		[ "$TOP/tests/kselftest/tools/$tool.c" -nt "$TOP/build/$tool" ] || continue
		gcc -O2 -Wall -Wextra -o "$TOP/build/$tool.tmp" "$TOP/tests/kselftest/tools/$tool.c" &&
			mv "$TOP/build/$tool.tmp" "$TOP/build/$tool" || die "cannot build $TOP/build/$tool"
	done
	# shellcheck disable=SC2034 # for who sources this
	GUEST_ARGS=(--module "$dir/module/nft_offload.ko" --module "$dir/netdevsim/netdevsim.ko"
		--env "NFT_OFFLOAD_TRAFFIC=$TOP/build/traffic" --env "NFT_OFFLOAD_GENL=$TOP/build/genl")
	# What compares our rules with the C core's, where it has been built (make test).
	[ ! -r "$dir/compare/nfto_compare.ko" ] || GUEST_ARGS+=(--module "$dir/compare/nfto_compare.ko")
	# The command line, where it has been built (make tools).
	[ ! -x "$TOP/build/nft-offload" ] || GUEST_ARGS+=(--env "NFT_OFFLOAD_TOOL=$TOP/build/nft-offload")
}
