# What a guest needs of what was built: the modules and the traffic tool. Sourced after common.sh.
# shellcheck shell=bash

# guest_files: builds the traffic tool and sets GUEST_ARGS, the arguments for vm.sh. An array, as paths may have spaces.
guest_files() {
	local tool=$TOP/build/traffic source=$TOP/tests/kselftest/tools/traffic.c module
	for module in "$TOP/build/module/nft_offload.ko" "$TOP/build/netdevsim/netdevsim.ko"; do
		[ -r "$module" ] || die "$module is not built; run: make modules netdevsim"
	done
	if [ "$source" -nt "$tool" ]; then
		mkdir -p "$TOP/build"
		gcc -O2 -Wall -Wextra -o "$tool.tmp" "$source" && mv "$tool.tmp" "$tool" || die "cannot build $tool"
	fi
	# shellcheck disable=SC2034 # for who sources this
	GUEST_ARGS=(--module "$TOP/build/module/nft_offload.ko" --module "$TOP/build/netdevsim/netdevsim.ko"
		--env "VM_TRAFFIC=$tool")
}
