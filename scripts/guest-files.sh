# What a guest needs of what was built: the modules and the tools in C. Sourced after common.sh.
# shellcheck shell=bash

# guest_files: builds the tools and sets GUEST_ARGS, the arguments for vm.sh. An array, as paths may have spaces.
guest_files() {
	local tool module
	for module in "$TOP/build/module/nft_offload.ko" "$TOP/build/netdevsim/netdevsim.ko"; do
		[ -r "$module" ] || die "$module is not built; run: make modules netdevsim"
	done
	mkdir -p "$TOP/build"
	for tool in traffic genl; do
		[ "$TOP/tests/kselftest/tools/$tool.c" -nt "$TOP/build/$tool" ] || continue
		gcc -O2 -Wall -Wextra -o "$TOP/build/$tool.tmp" "$TOP/tests/kselftest/tools/$tool.c" &&
			mv "$TOP/build/$tool.tmp" "$TOP/build/$tool" || die "cannot build $TOP/build/$tool"
	done
	# shellcheck disable=SC2034 # for who sources this
	GUEST_ARGS=(--module "$TOP/build/module/nft_offload.ko" --module "$TOP/build/netdevsim/netdevsim.ko"
		--env "VM_TRAFFIC=$TOP/build/traffic" --env "VM_GENL=$TOP/build/genl")
	# The command line, where it has been built (make tools).
	[ ! -x "$TOP/build/nft-offload" ] || GUEST_ARGS+=(--env "VM_TOOL=$TOP/build/nft-offload")
}
