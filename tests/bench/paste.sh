#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Puts the last run of make bench into docs/: the plot, and the tables between the two marks of each page.
#
#   paste.sh
set -euo pipefail
# shellcheck source=scripts/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/../../scripts/common.sh"

OUT=$TOP/build/bench
[ -r "$OUT/details.md" ] || die "there is no run in $OUT; run: make bench"

# paste_into TABLE PAGE
paste_into() {
	[ "$(grep -cE '^<!-- the (run|end of the run) -->$' "$2")" = 2 ] || die "$2 has no two marks"
	awk -v table="$1" '
		/^<!-- the end of the run -->$/ { inside = 0 }
		!inside
		/^<!-- the run -->$/ { inside = 1; print ""; while ((getline line <table) > 0) print line; print "" }' "$2" >"$2.new"
	mv "$2.new" "$2"
}

paste_into "$OUT/performance.md" "$TOP/docs/performance.md"
paste_into "$OUT/details.md" "$TOP/docs/performance-details.md"
cp "$OUT/plot.svg" "$TOP/docs/performance.svg"
