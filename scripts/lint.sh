#!/bin/bash
# The static checks: formatting, clippy without warnings, checkpatch, shellcheck. All of them run; one line says which
# failed, its output is above.
#
#   lint.sh [rustfmt|clippy|checkpatch|shellcheck]...
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
load_env
cd "$TOP"
KDIR=${NFT_OFFLOAD_KERNEL:-$(scripts/kernel.sh path)}
KSRC=$(readlink -f "$KDIR/source")

# files PATTERN...: the project's own files, without what was built.
files() {
	local p args=()
	for p; do args+=(-o -name "$p"); done
	find . \( -name .git -o -name build -o -name target \) -prune -o -type f \( "${args[@]:1}" \) -print | sort
}

check_rustfmt() {
	files '*.rs' | xargs -r "$RUSTFMT" --check --edition 2021
}

# The module with the kernel's own clippy settings, then each cargo crate with the toolchain that cargo belongs to.
check_clippy() {
	local crate rc=0
	NFT_OFFLOAD_BUILD=$TOP/build/lint scripts/module.sh "$KDIR" modules CLIPPY=1 KRUSTFLAGS=-Dwarnings || rc=1
	while IFS= read -r crate; do
		(cd "${crate%/*}" && env -u RUSTC -u RUSTDOC -u RUSTFMT CARGO_TARGET_DIR="$TOP/build/lint/cargo" \
			"$CARGO" clippy --quiet --all-targets -- -D warnings) || rc=1
	done < <(files Cargo.toml)
	return "$rc"
}

check_checkpatch() {
	local f rc=0
	while IFS= read -r f; do
		perl "$KSRC/scripts/checkpatch.pl" --root="$KSRC" --quiet --terse --no-signoff --max-line-length=120 \
			--ignore=LINUX_VERSION_CODE,FILE_PATH_CHANGES --file "$f" || rc=1
	done < <(files '*.c' '*.h' | grep -E '^\./(src|tests/netdevsim)/')
	return "$rc"
}

check_shellcheck() {
	{
		files '*.sh'
		if [ -f .ci/run ]; then echo .ci/run; fi
	} | xargs -r shellcheck -x -P SCRIPTDIR
}

[ $# -gt 0 ] || set -- rustfmt clippy checkpatch shellcheck
failed=()
for c; do
	declare -F "check_$c" >/dev/null || die "usage: lint.sh [rustfmt|clippy|checkpatch|shellcheck]..."
	say "$c"
	"check_$c" >&2 || failed+=("$c")
done
[ "${#failed[@]}" -eq 0 ] || die "failed: ${failed[*]}"
