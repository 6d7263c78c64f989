# SPDX-License-Identifier: GPL-2.0
# The files that a guest needs: the modules, and the tools in C. Sourced after common.sh.
# shellcheck shell=bash

# ynl_dump: builds build/ynl_dump, a client that consists of the generated code of the kernel's
# generator for programs, and of the library in the kernel source. Without the source, as on a
# machine that only runs the demonstration, it builds nothing.
ynl_dump() {
	local source=$TOP/tests/kselftest/tools/ynl_dump.c program=$TOP/build/ynl_dump kernel dir
	kernel=$(readlink -e "$("$TOP/scripts/kernel.sh" path 2>/dev/null)/source") || return 0
	if [ "$program" -nt "$source" ] && [ "$program" -nt "$TOP/src/uapi/nft_offload.h" ] && [ "$program" -nt "$kernel/Makefile" ]; then
		return 0
	fi
	dir=$(mktemp -d)
	# The generated code includes the header by its name in the kernel.
	mkdir "$dir/linux"
	cp "$TOP/src/uapi/nft_offload.h" "$dir/linux/"
	"$TOP/scripts/uapi.sh" user "$kernel" "$dir" &&
		gcc -std=gnu11 -O2 -Wall -Wextra -Wno-unused-parameter -Werror -I "$dir" -I "$kernel/tools/net/ynl/lib" \
			-idirafter "$kernel/include/uapi" -o "$program.tmp" \
			"$source" "$dir/nft_offload-user.c" "$kernel/tools/net/ynl/lib/ynl.c" &&
		mv "$program.tmp" "$program" || {
		rm -rf "$dir"
		die "cannot build $program"
	}
	rm -rf "$dir"
}

# shellcheck disable=SC2120 # most callers use the guest in QEMU
# guest_files [umltest|DIR]: for the test kernel, the one that runs as a program, or the modules in
# DIR, builds the tools and sets GUEST_ARGS to the arguments for vm.sh or uml.sh. GUEST_ARGS is an
# array, as paths may contain blanks.
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
	ynl_dump
	# shellcheck disable=SC2034 # the script that sources this file reads it
	GUEST_ARGS=(--module "$dir/module/nft_offload.ko" --module "$dir/netdevsim/netdevsim.ko"
		--env "NFT_OFFLOAD_TRAFFIC=$TOP/build/traffic" --env "NFT_OFFLOAD_GENL=$TOP/build/genl")
	# The module that compares our rules with those of the C core, if it has been built (make test).
	[ ! -r "$dir/compare/nfto_compare.ko" ] || GUEST_ARGS+=(--module "$dir/compare/nfto_compare.ko")
	[ ! -x "$TOP/build/ynl_dump" ] || GUEST_ARGS+=(--env "NFT_OFFLOAD_YNL_DUMP=$TOP/build/ynl_dump")
	# The command line tool, if it has been built (make tools).
	[ ! -x "$TOP/build/nft-offload" ] || GUEST_ARGS+=(--env "NFT_OFFLOAD_TOOL=$TOP/build/nft-offload")
}
