#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Generates the files with the numbers of the netlink interface from its specification,
# docs/netlink/nft_offload.yaml, with the kernel's own generators (tools/net/ynl/pyynl):
#
#   src/uapi/nft_offload.h                  the C header, from which bindgen makes the module's
#                                           constants (Kbuild)
#   tools/nft-offload/src/netlink/uapi.rs   the same constants for the command line tool and the
#                                           host tests
#
#   uapi.sh make KERNEL_SOURCE       writes both
#   uapi.sh check KERNEL_SOURCE      fails if they differ from the output of "make", or if a
#                                    generator of the kernel rejects the specification; each checks
#                                    it by the schema
#   uapi.sh user KERNEL_SOURCE DIR   writes C code for programs: DIR/nft_offload-user.h and .c
#
# The file for the command line tool is checked in, because cargo builds the tool where there is
# neither bindgen nor a kernel source, as in the package build of a distribution.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
load_env

USAGE="usage: uapi.sh make|check KERNEL_SOURCE, or user KERNEL_SOURCE DIR"
[ $# -ge 2 ] || die "$USAGE"
KSRC=$(readlink -f "$2") || die "$2 is not a kernel source tree"
YNL=$KSRC/tools/net/ynl/pyynl
[ -r "$YNL/ynl_gen_c.py" ] || die "$2 has no tools/net/ynl/pyynl/ynl_gen_c.py"
SPEC=docs/netlink/nft_offload.yaml
HEADER=src/uapi/nft_offload.h
RUST=tools/nft-offload/src/netlink/uapi.rs

# A tree with the specification, and with the kernel's schemas where the generators expect them. The
# generators name the specification by its path from the directory with the file MAINTAINERS.
TREE=$(mktemp -d)
trap 'rm -rf "$TREE"' EXIT
mkdir -p "$TREE/docs/netlink"
cp "$TOP/$SPEC" "$TREE/docs/netlink/"
cp "$KSRC"/Documentation/netlink/genetlink*.yaml "$TREE/docs/"
touch "$TREE/MAINTAINERS"

# Leaves no cache of compiled Python in the kernel source.
ynl() { (cd "$TREE" && /usr/bin/python3 -B "$YNL/$1.py" "${@:2}"); }
gen_c() { ynl ynl_gen_c --mode "$1" "--$2" --spec "$TREE/$SPEC" -o "$3"; }

header() { gen_c uapi header "$TREE/nft_offload.h"; }

# Prints the constants as bindgen reads them, with the types of the wire: 16 bits for attributes, 8
# for commands.
rust() {
	head -n 1 "$TREE/nft_offload.h" | sed 's,^/\* \(.*\) \*/$,// \1,'
	cat <<-'END'

		//! The numbers of the generic netlink family, by the names of `src/uapi/nft_offload.h`.
		//!
		//! Generated from that header by `scripts/uapi.sh`; do not edit.

		#![allow(missing_docs, dead_code)]

	END
	"$BINDGEN" "$TREE/nft_offload.h" --rust-target 1.85 --no-doc-comments --disable-header-comment --no-layout-tests \
		--no-prepend-enum-name --generate-cstr |
		sed -E '/^pub type /d; s/&::std::ffi::CStr = c"/\&str = "/
			s/: (_bindgen_ty_[0-9]+|nft_offload_[a-z]+) = /: u32 = /
			/^pub const NFT_OFFLOAD_A_/s/: u32 = /: u16 = /; /^pub const NFT_OFFLOAD_CMD_/s/: u32 = /: u8 = /
			/^pub const (__)?NFT_OFFLOAD_(A_.*|CMD)_MAX:/d'
}

make_all() {
	header
	rust >"$TREE/uapi.rs"
	mkdir -p "$TOP/${HEADER%/*}"
	cp "$TREE/nft_offload.h" "$TOP/$HEADER"
	cp "$TREE/uapi.rs" "$TOP/$RUST"
}

# same GENERATED FILE: fails if the files differ.
same() {
	diff -u "$TOP/$2" "$1" >"$TREE/diff" 2>&1 && return
	head -n 20 "$TREE/diff"
	echo "$2 differs from the output generated from $SPEC; run: make uapi"
	return 1
}

check() {
	local rc=0
	header
	rust >"$TREE/uapi.rs"
	same "$TREE/nft_offload.h" "$HEADER" || rc=1
	same "$TREE/uapi.rs" "$RUST" || rc=1
	gen_c user header "$TREE/nft_offload-user.h" || rc=1
	gen_c user source "$TREE/nft_offload-user.c" || rc=1
	ynl ynl_gen_rst -i "$TREE/$SPEC" -o "$TREE/nft_offload.rst" || rc=1
	[ -s "$TREE/nft_offload.rst" ] || rc=1
	return "$rc"
}

case $1 in
make) make_all ;;
check) check ;;
user)
	[ $# -eq 3 ] || die "$USAGE"
	gen_c user header "$3/nft_offload-user.h"
	gen_c user source "$3/nft_offload-user.c"
	;;
*) die "$USAGE" ;;
esac
