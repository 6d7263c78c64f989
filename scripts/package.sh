#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# shellcheck disable=SC2034 # fill reads variables by name
# Builds the packages of one format in build/packages with nFPM, from packaging/nfpm.
#
#   package.sh deb|rpm|apk|archlinux [KO RELEASE]
#
# Without KO it packages the tool and the source for DKMS; with KO also the module, compiled for the
# kernel RELEASE. Environment:
#
#   KEY, CERT            the private key and the certificate that sign the module
#   MAINTAINER           the maintainer named in the packages: 'Name <address>'
#   TOOL                 the tool, linked statically, if it has been built elsewhere
#   SOURCE_DATE_EPOCH    the time of every file (default: that of the last commit)
#   OUT                  another directory for the packages
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
# shellcheck source=scripts/nfpm.sh
. "$TOP/scripts/nfpm.sh"
FORMAT=${1:-} KO=${2:-} ABI=${3:-}
case $FORMAT:$# in deb:[13] | rpm:[13] | apk:[13] | archlinux:[13]) ;; *) die "usage: package.sh deb|rpm|apk|archlinux [KO RELEASE]" ;; esac
OUT=$(realpath -m "${OUT:-$TOP/build/packages}")
VERSION=$(cat "$TOP/VERSION")
SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git -C "$TOP" log -1 --format=%ct)}
# The default is the same for all builds of a commit, so that the packages are the same as well.
NO_MAINTAINER='nft_offload developers <maintainers@nft-offload.invalid>'
MAINTAINER=${MAINTAINER:-$NO_MAINTAINER}
export SOURCE_DATE_EPOCH
umask 022

# fill FILE: prints the template with its @NAMES@ replaced by the variables of these names.
fill() {
	local text name
	text=$(cat "$@")
	for name in VERSION MAINTAINER HOMEPAGE MTIME ARCH ABI STAGE NAME PROVIDES DEPENDS RECOMMENDS KODIR CONTENTS; do
		text=${text//"@$name@"/"${!name:-}"}
	done
	printf '%s\n' "$text"
}

# common_files NAME: stages the licence and the changelog.
common_files() {
	local doc=$STAGE/root/usr/share/doc/$1
	if [ "$FORMAT" = deb ]; then
		install -D -m 644 "$TOP/packaging/copyright" "$doc/copyright"
	else
		install -D -m 644 "$TOP/COPYING" "$STAGE/root/usr/share/licenses/$1/COPYING"
	fi
	cat >"$STAGE/changelog.yaml" <<-END
		- semver: "$VERSION-1"
		  date: $MTIME
		  packager: "$MAINTAINER"
		  deb: { urgency: medium, distributions: [unstable] }
		  changes:
		    - note: "Release $VERSION; see CHANGELOG.md."
	END
}

# list_contents: lists the staged files one by one, as nFPM requires. A listed directory belongs to
# the package. Only rpm needs this, and only for directories that no package of the distribution is
# certain to own.
list_contents() {
	local f type
	find "$STAGE/root" -mindepth 1 -printf '%y %P\n' | LC_ALL=C sort -k 2 | while read -r kind f; do
		type=
		case $FORMAT:$kind:$f in
		rpm:d:usr/share/licenses/?* | rpm:d:usr/src/?* | rpm:d:lib/modules/*/* | rpm:d:usr/share/bash-completion* | \
			rpm:d:usr/share/fish* | rpm:d:usr/share/zsh*) type=dir ;;
		*:d:*) continue ;;
		rpm:f:usr/share/licenses/*) type=license ;;
		rpm:f:usr/share/man/*) type=doc ;;
		esac
		if [ "$type" = dir ]; then
			printf '  - { dst: "/%s", type: dir }\n' "$f"
		else
			printf '  - { src: "%s", dst: "/%s"%s }\n' "$STAGE/root/$f" "$f" "${type:+, type: $type}"
		fi
	done
}

# pack NAME TEMPLATE
pack() {
	local CONTENTS
	find "$STAGE" -exec touch -h -d "@$SOURCE_DATE_EPOCH" {} +
	CONTENTS=$(list_contents)
	fill "$TOP/packaging/nfpm/common.yaml.in" "$TOP/packaging/nfpm/$2" >"$STAGE/nfpm.yaml"
	# These two formats have a description field of one line.
	case $FORMAT in apk | archlinux) sed -i '/^description: |-$/ { N; :a; N; s/\n  [^\n]*$//; ta }' "$STAGE/nfpm.yaml" ;; esac
	mkdir -p "$OUT"
	(cd "$OUT" && "$NFPM" package --packager "$FORMAT" --config "$STAGE/nfpm.yaml" --target "$OUT/" >&2) ||
		die "nfpm could not make the package $1"
}

# elf_arch FILE: prints the architecture of a program or module by nFPM's name, which nFPM maps to
# that of each format.
elf_arch() {
	local machine
	machine=$(LC_ALL=C readelf -h "$1" 2>/dev/null | sed -n 's/^ *Machine: *//p')
	case $machine in
	*X86-64) echo amd64 ;;
	AArch64) echo arm64 ;;
	*) die "$1 is for the machine '$machine'; packages are made for x86-64 and AArch64" ;;
	esac
}

pack_tool() {
	local share=$WORK/tool/root/usr/share
	STAGE=$WORK/tool RECOMMENDS=kmod
	[ -n "${TOOL:-}" ] || "$TOP/scripts/tool.sh" static
	ARCH=$(elf_arch "${TOOL:-$TOP/build/package/nft-offload}")
	"$TOP/scripts/tool.sh" install-static "$STAGE/root/usr" ${TOOL:+"$TOOL"}
	gzip -9n "$share"/man/man*/*
	if [ "$FORMAT" = deb ]; then
		RECOMMENDS='kmod, nft-offload-dkms | nft-offload-modules'
		mv "$share/zsh/site-functions" "$share/zsh/vendor-completions"
	fi
	install -D -m 644 "$TOP/packaging/modprobe.d/nft-offload.conf" "$STAGE/root/usr/lib/modprobe.d/nft-offload.conf"
	if compgen -G "$TOP/packaging/systemd/*" >/dev/null; then
		install -D -m 644 -t "$STAGE/root/usr/lib/systemd/system" "$TOP"/packaging/systemd/*
	fi
	common_files nft-offload
	if [ "$FORMAT" = deb ]; then
		install -D -m 644 "$TOP/packaging/lintian-overrides" "$share/lintian/overrides/nft-offload"
	fi
	pack nft-offload nft-offload.yaml.in
}

# Packages the source that DKMS builds the module from. Alpine has no DKMS.
pack_dkms() {
	local script
	STAGE=$WORK/dkms NAME=nft-offload-dkms ARCH=all
	"$TOP/packaging/dkms/install.sh" "$STAGE/root"
	for script in postinst prerm postrm; do
		if [ -e "$TOP/packaging/nfpm/dkms-$script-$FORMAT.sh.in" ]; then
			fill "$TOP/packaging/nfpm/dkms-$script-$FORMAT.sh.in" >"$STAGE/$script"
		else
			printf '#!/bin/sh\nexit 0\n' >"$STAGE/$script"
		fi
	done
	common_files "$NAME"
	pack "$NAME" dkms.yaml.in
}

check_ko() {
	local found
	[ -r "$KO" ] || die "there is no module $KO; build it first: make KVER=$ABI"
	case $ABI in *[!A-Za-z0-9.+_~-]* | '') die "'$ABI' is not a kernel release, as uname -r prints it" ;; esac
	found=$(modinfo -F vermagic "$KO" 2>/dev/null | cut -d' ' -f1)
	[ "$found" = "$ABI" ] || die "$KO is for the kernel '$found', not for $ABI; build it: make KVER=$ABI"
	found=$(modinfo -F version "$KO")
	[ "$found" = "$VERSION" ] || die "$KO is version '$found', not $VERSION; build it again: make KVER=$ABI"
	elf_arch "$KO" >/dev/null
}

# public_of FILE: prints the public key of a private key or of a certificate, in PEM or DER.
public_of() {
	case $(LC_ALL=C grep -aom 1 -E -- '-----BEGIN [A-Z ]*' "$1" || :) in
	*CERTIFICATE*) openssl x509 -in "$1" -noout -pubkey ;;
	*KEY*) openssl pkey -in "$1" -pubout ;;
	*) openssl x509 -in "$1" -inform DER -noout -pubkey ;;
	esac 2>/dev/null </dev/null
}

# check_key: sets SIGN_FILE. The kernel refuses to load a module that was signed by a key other than
# that of the certificate.
check_key() {
	local key cert f
	[ -r "${KEY:-}" ] && [ -r "${CERT:-}" ] || die "KEY= and CERT= must both be readable files"
	key=$(public_of "$KEY") || die "KEY=$KEY is not a private key that openssl can read without a passphrase"
	cert=$(public_of "$CERT") || die "CERT=$CERT is not a certificate that openssl can read"
	[ "$key" = "$cert" ] || die "KEY=$KEY is not the key of the certificate CERT=$CERT"
	for f in "/lib/modules/$ABI/build/scripts/sign-file" "$CACHE/stock/$ABI/kdir/scripts/sign-file" \
		/usr/lib/linux-kbuild-*/scripts/sign-file "$CACHE"/stock/*/kdir/scripts/sign-file; do
		[ -x "$f" ] || continue
		SIGN_FILE=$f
		return
	done
	die "there is no sign-file for kernel $ABI (in scripts/ of its build directory); on Debian run: apt install linux-kbuild-${ABI%-*}"
}

# arch_kernel: prints the package of Arch with this kernel ABI: 7.3.4-arch1-1 is
# linux=7.3.4.arch1-1, 7.3.4-1-lts is linux-lts=7.3.4-1, 7.3.4-zen1-1-zen is linux-zen=7.3.4.zen1-1.
arch_kernel() {
	local pattern='^([0-9.]+)(-[a-z]+[0-9]+)?-([0-9]+(\.[0-9]+)?)(-([a-z][a-z0-9-]*))?$'
	[[ $ABI =~ $pattern ]] || return 0
	[ -n "${BASH_REMATCH[2]}${BASH_REMATCH[5]}" ] || return 0
	printf 'linux%s=%s%s-%s\n' "${BASH_REMATCH[5]}" "${BASH_REMATCH[1]}" "${BASH_REMATCH[2]/-/.}" "${BASH_REMATCH[3]}"
}

# alpine_kernel: prints the package of Alpine with this kernel ABI: 7.3.4-0-lts is
# linux-lts=7.3.4-r0.
alpine_kernel() {
	local pattern='^([0-9.]+)-([0-9]+)-([a-z][a-z0-9]*)$'
	[[ $ABI =~ $pattern ]] || return 0
	printf 'linux-%s=%s-r%s\n' "${BASH_REMATCH[3]}" "${BASH_REMATCH[1]}" "${BASH_REMATCH[2]}"
}

pack_kmod() {
	local kernel ko objcopy=objcopy
	STAGE=$WORK/kmod KODIR=/lib/modules/$ABI/updates NAME=kmod-nft-offload
	PROVIDES='' DEPENDS=kmod
	ARCH=$(elf_arch "$KO")
	case $FORMAT in
	deb) NAME+=-$ABI PROVIDES="\"nft-offload-modules (= $VERSION)\"" DEPENDS="kmod, linux-image-$ABI" ;;
	rpm)
		KODIR=/lib/modules/$ABI/extra/nft_offload
		PROVIDES="\"kmod(nft_offload.ko) = $VERSION\", \"nft-offload-kmod = $VERSION\""
		DEPENDS="kmod, \"kernel-uname-r = $ABI\""
		;;
	apk | archlinux)
		if [ "$FORMAT" = apk ]; then kernel=$(alpine_kernel); else kernel=$(arch_kernel); fi
		if [ -n "$kernel" ]; then
			DEPENDS="kmod, \"$kernel\""
		else
			info "no package of this distribution has a kernel named $ABI: the package depends on none"
		fi
		;;
	esac
	case $FORMAT in deb | archlinux) KODIR=/usr$KODIR ;; esac
	ko=$STAGE/root$KODIR/nft_offload.ko
	install -D -m 644 "$KO" "$ko"
	if [ "$ARCH" = arm64 ] && [ "$(uname -m)" != aarch64 ]; then objcopy=aarch64-linux-gnu-objcopy; fi
	"$objcopy" --strip-debug "$ko" || die "$objcopy cannot strip $KO"
	if [ -n "${KEY:-}${CERT:-}" ]; then
		"$SIGN_FILE" sha256 "$KEY" "$CERT" "$ko" || die "$SIGN_FILE could not sign the module"
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

case $MAINTAINER in
*\"* | *\\* | *$'\n'*) die "MAINTAINER=$MAINTAINER has a character that packages cannot contain" ;;
?*' <'?*@?*'>') ;;
*) die "MAINTAINER=$MAINTAINER is not of the form 'Name <address>'" ;;
esac
[ -z "$KO" ] || check_ko
if [ -n "$KO" ] && [ -n "${KEY:-}${CERT:-}" ]; then check_key; fi
[ -z "${TOOL:-}" ] || [ -x "$TOOL" ] || die "TOOL=$TOOL is not a program"
[ "$MAINTAINER" != "$NO_MAINTAINER" ] || info "the packages name no real maintainer; give one as MAINTAINER='Name <address>'"
setup_nfpm
WORK=$(mktemp -d)
trap 'rm -rf "$WORK"' EXIT
HOMEPAGE='' ARCH=
MTIME=$(date -u -d "@$SOURCE_DATE_EPOCH" +%Y-%m-%dT%H:%M:%SZ)
pack_tool
[ "$FORMAT" = apk ] || pack_dkms
[ -z "$KO" ] || pack_kmod
