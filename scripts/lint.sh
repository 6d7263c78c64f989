#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# The static checks: formatting, clippy without warnings, checkpatch, sparse, shellcheck, no panic
# path, no unsafe code outside of its folder, no import cycles, licence headers, a single version, the
# numbers of netlink from its specification, systemd units, dependencies. All of them run; the last
# line names those that failed, whose output is above it.
#
#   lint.sh [CHECK]...    names of checks (default: all); list prints them
#
# The check advisories only runs if it is named: it fetches the RustSec database by git.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
load_env
cd "$TOP"
KDIR=${NFT_OFFLOAD_KERNEL:-$(scripts/kernel.sh path)}
KSRC=$(readlink -f "$KDIR/source")

# files PATTERN...: prints the project's own files, without build output.
files() {
	local p args=()
	for p; do args+=(-o -name "$p"); done
	find . \( -name .git -o -name build -o -name target \) -prune -o -type f \( "${args[@]:1}" \) -print | sort
}

check_rustfmt() {
	files '*.rs' | xargs -r "$RUSTFMT" --check --edition 2021
}

# Checks the module with the kernel's own clippy settings, then each cargo crate with the toolchain
# of cargo.
check_clippy() {
	local crate rc=0
	own_target "$CACHE/lint-target" tests/*/src/{lib,main}.rs tests/fuzz/*/*.rs tools/*/src/{lib,main}.rs
	NFT_OFFLOAD_BUILD=$TOP/build/lint scripts/module.sh "$KDIR" modules CLIPPY=1 KRUSTFLAGS=-Dwarnings || rc=1
	while IFS= read -r crate; do
		(cd "${crate%/*}" && env -u RUSTC -u RUSTDOC -u RUSTFMT CARGO_TARGET_DIR="$CACHE/lint-target" \
			"$CARGO" clippy --quiet --all-targets -- -D warnings) || rc=1
	done < <(files Cargo.toml)
	return "$rc"
}

# licences_in_git DIR: fills DIR with links to the kernel source, and with its licences in a git
# repository. The kernel's spdxcheck.py, which checkpatch runs, reads the valid licence identifiers
# from a commit, and Debian's source is no repository.
licences_in_git() {
	find "$KSRC" -mindepth 1 -maxdepth 1 ! -name '.*' ! -name LICENSES -exec ln -s -t "$1" {} + &&
		cp -r "$KSRC/LICENSES" "$1/" && git -C "$1" init --quiet && git -C "$1" add LICENSES &&
		git -C "$1" -c user.name=lint -c user.email=lint@localhost commit --quiet --no-gpg-sign --no-verify -m LICENSES
}

# Runs checkpatch on the C code. It takes a spdxcheck.py that cannot run for one that finds nothing
# wrong, so a wrong identifier is tried first.
check_checkpatch() (
	tree=$(mktemp -d)
	trap 'rm -rf "$tree"' EXIT
	licences_in_git "$tree" || die "cannot prepare the licences of $KSRC for checkpatch"
	echo '// SPDX-License-Identifier: none' >"$tree/none.c"
	export GIT_DIR=$tree/.git # checkpatch skips the identifiers without a repository
	found=$(perl "$tree/scripts/checkpatch.pl" --root="$tree" --terse --file "$tree/none.c" 2>&1 || :)
	case $found in
	*'is not supported in LICENSES'*) ;;
	*) die "checkpatch does not check licence identifiers (run: make setup): $found" ;;
	esac
	rc=0
	while IFS= read -r f; do
		perl "$tree/scripts/checkpatch.pl" --root="$tree" --quiet --terse --no-signoff --max-line-length=120 \
			--ignore=LINUX_VERSION_CODE,FILE_PATH_CHANGES --file "$f" || rc=1
	done < <(files '*.c' '*.h' | grep -E '^\./(src|tests/netdevsim|tests/compare|tests/bench)/')
	return "$rc"
)

# sparse_on PATTERN MAKE_ARGUMENT...: runs make with sparse; prints what sparse finds in the C files
# whose names match. Fails if it has checked none.
#
# sparse 0.6.4, the latest, does not know __typeof_unqual__, which the kernel asks it for: the
# qualifiers that remain are no finding, and neither is what it cannot compute in MODULE_INFO().
sparse_on() {
	local pattern="([^ ]*/)?$1" vars log
	shift
	mapfile -t vars < <(make_vars)
	log=$(mktemp)
	make --no-print-directory -C "$KDIR" -j"$JOBS" "${vars[@]}" C=2 CF=-D__typeof_unqual__=__typeof__ "$@" modules \
		>"$log" 2>&1 || {
		cat "$log"
		return 1
	}
	grep -qE "^ *CHECK +$pattern\$" "$log" || {
		echo "sparse has checked nothing with $*"
		return 1
	}
	grep -E "^$pattern:[0-9]+:[0-9]+: (error|warning):" "$log" |
		grep -vE 'bad constant expression$|\(different modifiers\)$' || :
	rm -f "$log"
}

# Runs sparse on the C code of the module and of the simulated NIC, after a mistake that it has to
# find.
check_sparse() {
	local found
	command -v sparse >/dev/null || die "no sparse (run: make setup)"
	found=$(echo 'typedef unsigned short __attribute__((bitwise)) be16; be16 five(void); be16 five(void) { return 5; }' |
		sparse -Wbitwise - 2>&1 || :)
	case $found in
	*'incorrect type in return'*) ;;
	*) die "sparse finds no mistake in the byte order: $found" ;;
	esac
	scripts/module.sh "$KDIR" modules
	found=$(sparse_on 'src/[^ ]*\.[ch]' "M=$TOP" "MO=$TOP/build/module") || {
		echo "$found"
		return 1
	}
	found+=$(scripts/netdevsim.sh "$TOP/build/netdevsim" &&
		sparse_on '(flow|profile)[a-z_]*\.[ch]' "M=$TOP/build/netdevsim" CONFIG_NETDEVSIM=m) || {
		echo "$found"
		return 1
	}
	[ -z "$found" ] || {
		echo "$found"
		return 1
	}
}

check_shellcheck() {
	{
		files '*.sh'
		if [ -f .ci/run ]; then echo .ci/run; fi
	} | xargs -r shellcheck -x -P SCRIPTDIR
}

# Checks that no code can panic: code that could refers to the functions of core::panicking.
check_panics() {
	local found
	scripts/module.sh "$KDIR" modules
	if found=$(nm build/module/nft_offload.ko | grep -E 'panicking|rust_begin_unwind'); then
		echo "the module can panic: $found"
		objdump -dr build/module/nft_offload.ko | awk '/^[0-9a-f]+ </ { f = $2 } /panicking/ { print "  in " f }' | sort -u
		return 1
	fi
}

# Checks that unsafe code is only in src/net/, each with the reason why it is correct, and that
# docs/unsafe.md lists it.
check_unsafe() {
	python3 scripts/unsafe.py
}

# Checks that no file of the module imports, directly or through others, one that imports it.
check_circles() {
	python3 scripts/circles.py src/nft_offload.rs
}

# Checks that each source file names its licence in one of its first three lines.
check_spdx() {
	local f rc=0
	while IFS= read -r f; do
		head -n 3 "$f" | grep -q 'SPDX-License-Identifier: ' || {
			echo "$f: no SPDX-License-Identifier in its first three lines"
			rc=1
		}
	done < <(files '*.rs' '*.c' '*.h' '*.sh' '*.py' '*.toml' '*.yaml' '*.nft' '*.[48]' '*.in' '*.service' '*.timer' Makefile Kbuild bindgen_parameters)
	return "$rc"
}

# Checks that each file that has to state the version states that of the file VERSION.
check_versions() {
	local version rc=0
	version=$(cat VERSION)
	# says FILE PATTERN: checks that the first match of PATTERN in FILE is the version.
	says() {
		local found
		found=$(sed -nE "s/$2/\\1/p" "$1" | head -n 1)
		[ "$found" = "$version" ] && return
		echo "$1 says version '$found', the file VERSION says '$version'"
		rc=1
	}
	says tools/nft-offload/Cargo.toml '^version = "(.*)"'
	says docs/man/nft-offload.8 '^\.TH .*"nft_offload (.*)" .*'
	says docs/man/nft_offload.4 '^\.TH .*"nft_offload (.*)" .*'
	says CHANGELOG.md '^## ([^ ]*) .*'
	if [ -f packaging/dkms/dkms.conf ]; then says packaging/dkms/dkms.conf '^PACKAGE_VERSION="?([^"]*)"?'; fi
	[ ! -f build/module/nft_offload.ko ] || {
		[ "$(modinfo -F version build/module/nft_offload.ko)" = "$version" ] || {
			echo "build/module/nft_offload.ko is of another version; build it again"
			rc=1
		}
	}
	return "$rc"
}

# Checks that the numbers of the netlink interface are those that the kernel's generators derive
# from its specification.
check_uapi() { scripts/uapi.sh check "$KSRC"; }

# Checks that the units in the packages are valid for systemd, and that their services have few
# privileges (systemd's "exposure level", times 10).
check_units() (
	units=$(mktemp -d)
	trap 'rm -rf "$units"' EXIT
	cp packaging/systemd/* "$units"
	# The programs that the units run are not installed here.
	sed -i 's,^ExecStart=/usr/bin/nft-offload,ExecStart=/bin/sh,' "$units"/*.service
	systemd-analyze verify --man=no "$units"/* 2>"$units/said" && [ ! -s "$units/said" ] || {
		cat "$units/said"
		exit 1
	}
	for unit in "$units"/*.service; do
		systemd-analyze security --no-pager --offline=true --threshold=20 "$unit" >"$units/said" || {
			tail -n 1 "$units/said"
			exit 1
		}
	done
)

# Checks the dependencies of the command line tool: their licences, their sources, and that no crate
# has two versions.
check_deny() {
	"$DENY" --manifest-path tools/nft-offload/Cargo.toml --locked check -D warnings licenses bans sources
}

# Checks that the dependencies of the command line tool have no known vulnerability.
check_advisories() {
	"$DENY" --manifest-path tools/nft-offload/Cargo.toml --locked check advisories
}

CHECKS=(rustfmt clippy checkpatch sparse shellcheck panics unsafe circles spdx versions uapi units deny)
[ "${1:-}" != list ] || exec printf '%s\n' "${CHECKS[@]}"
[ $# -gt 0 ] || set -- "${CHECKS[@]}"
failed=()
for c; do
	declare -F "check_$c" >/dev/null || die "usage: lint.sh [CHECK]...; the checks are ${CHECKS[*]} advisories"
	say "$c"
	"check_$c" >&2 || failed+=("$c")
done
[ "${#failed[@]}" -eq 0 ] || die "failed: ${failed[*]}"
