#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Makes the pictures of the README from real runs (make pictures).
#
#   pictures.sh           both: runs the demonstration, then nft-offload top with traffic
#   pictures.sh demo|top  one of them
#
# The captured text is in build/pictures, the SVG in docs/pictures.
set -euo pipefail
# shellcheck source=scripts/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

OUT=$TOP/build/pictures

# picture NAME TITLE WIDTH
picture() {
	local to=$TOP/docs/pictures/$1.svg
	[ -s "$OUT/$1" ] || die "$OUT/$1 is empty: nothing was captured"
	mkdir -p "${to%/*}"
	"$TOP/scripts/terminal_svg.py" "$2" "$3" <"$OUT/$1" >"$to.tmp" || die "cannot render $OUT/$1"
	mv "$to.tmp" "$to"
	say "wrote ${to#"$TOP"/}"
}

mkdir -p "$OUT"
[ $# -gt 0 ] || set -- demo top
for name; do
	case $name in
	demo)
		"$TOP/scripts/demo.sh" | tee "$OUT/demo.all"
		# Keep the results of the traffic, without the ruleset, which the README has, and what fits of
		# the lines of conntrack: the tuple of the original direction, and the flag.
		sed -nE '/^1\. /,$ { s/ packets=.* (\[HW_OFFLOAD\]).*/ … \1/; p }' "$OUT/demo.all" >"$OUT/demo"
		picture demo "$ make demo" 100
		;;
	top)
		"$TOP/scripts/demo.sh" "$TOP/scripts/pictures-guest.sh" >"$OUT/top"
		picture top "$ nft-offload top" 100
		;;
	*) die "usage: pictures.sh [demo | top]" ;;
	esac
done
