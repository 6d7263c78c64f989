#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# The packages of each format: built twice, linted, listed; then, in a clean root, installed, used, upgraded and removed by the
# package manager of that format. TAP.
#
#   packages.sh [all|turn|deb|rpm|apk|arch]...    turn: one of them, selected by the number of commits
#
# The root is the trixie root of stock.sh, with dkms, rpm, pacman and the linters; its kernels are packages built here from the
# modules of Debian's newest kernel, named as in each distribution. Debian has no apk: on a machine without it, the files of an apk
# package are unpacked and its scripts run as apk would do it.
# shellcheck source=scripts/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/../scripts/common.sh"
# shellcheck source=scripts/nfpm.sh
. "$TOP/scripts/nfpm.sh"
set +e
ALL=(deb rpm apk arch)
ROOT_PACKAGES='dkms rpm pacman-package-manager lintian rpmlint openssl zstd python3-zstandard'
VERSION=$(cat "$TOP/VERSION")
# An older version of the same length.
OLDER=$(tr 1-9 0 <<<"$VERSION")
TOOL=$TOP/build/package/nft-offload
COUNT=0 FAILED=0

ok() {
	COUNT=$((COUNT + 1))
	echo "ok $COUNT $FORMAT: $1"
}
not_ok() {
	COUNT=$((COUNT + 1)) FAILED=$((FAILED + 1))
	echo "not ok $COUNT $FORMAT: $1"
	[ -z "${2:-}" ] || tail -n 25 <<<"$2" | sed 's/^/# /'
}

# check DESCRIPTION CMD...
check() {
	local description=$1 output
	shift
	if output=$("$@" 2>&1); then ok "$description"; else not_ok "$description" "$*: $output"; fi
}

# is DESCRIPTION FOUND EXPECTED
is() { if [ "$2" = "$3" ]; then ok "$1"; else not_ok "$1" "$(diff <(printf '%s\n' "$3") <(printf '%s\n' "$2"))"; fi; }

# refuses DESCRIPTION PATTERN CMD...: a result: the command fails with one line that matches.
refuses() {
	local description=$1 pattern=$2 output
	shift 2
	if output=$("$@" 2>&1 </dev/null); then
		not_ok "$description" "did not fail: $*"
	elif [ "$(grep -c . <<<"$output")" -eq 1 ] && grep -qE "error:.*$pattern" <<<"$output"; then
		ok "$description"
	else
		not_ok "$description" "$output"
	fi
}

in_root() {
	chroot "$R" env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C.UTF-8 \
		DEBIAN_FRONTEND=noninteractive "$@" </dev/null
}

# mount_root LOWER UPPER: mounts the root R; writes go to UPPER.
mount_root() {
	mkdir -p "$R" "$WORK/work" "$2" &&
		mount -t overlay overlay -o "lowerdir=$1,upperdir=$2,workdir=$WORK/work" "$R" &&
		mount -t proc proc "$R/proc" && mount --rbind --make-rslave /dev "$R/dev"
}

umount_root() {
	umount -R "$R" 2>/dev/null || umount -R -l "$R" 2>/dev/null
	rm -rf --one-file-system "$WORK/work"
}

# make_layer: creates the additions to the root of stock.sh.
make_layer() {
	[ ! -d "$LAYER" ] || return 0
	say "a root of trixie with package managers and linters (about 1 min, once)"
	rm -rf "$CACHE"/roots/packages-*/ "$LAYER.tmp"
	mount_root "$LOWER" "$LAYER.tmp" && run_logged "$CACHE/log/packages-root.log" 60 fill_layer
	local rc=$?
	umount_root
	[ "$rc" -eq 0 ] || die "cannot make a root with package managers: no network? (log: $CACHE/log/packages-root.log)"
	mv "$LAYER.tmp" "$LAYER"
}

fill_layer() {
	# The other root excludes documentation.
	# shellcheck disable=SC2086 # a list
	rm -f "$R/etc/dpkg/dpkg.cfg.d/99mmdebstrap" &&
		cp -L /etc/resolv.conf "$R/etc/resolv.conf" && in_root apt-get update -q &&
		in_root apt-get install -y -q --no-install-recommends $ROOT_PACKAGES && in_root apt-get clean &&
		rm -rf "$R/var/lib/apt/lists" && mkdir -p "$R/var/lib/apt/lists/partial"
}

# remake_ko RELEASE VERSION FILE: creates the module as if built from that version for that kernel.
remake_ko() {
	objcopy --dump-section ".modinfo=$WORK/modinfo" "$KO" "$WORK/scratch.ko" &&
		tr '\0' '\n' <"$WORK/modinfo" | sed -e "s/^vermagic=[^ ]*/vermagic=$1/" -e "s/^version=.*/version=$2/" | tr '\n' '\0' >"$WORK/modinfo.new" &&
		objcopy --update-section ".modinfo=$WORK/modinfo.new" "$KO" "$3" && rm "$WORK"/modinfo* "$WORK/scratch.ko"
}

# copy_tree DIR: copies the files of the project.
copy_tree() {
	mkdir -p "$1"
	(cd "$TOP" && git ls-files -z --cached --others --exclude-standard | xargs -0 cp --parents -t "$1")
}

# package TREE OUT KO [NAME=VALUE...]: builds the packages with the scripts of that tree.
package() {
	env TOOL="$TOOL" OUT="$2" SOURCE_DATE_EPOCH="$EPOCH" MAINTAINER='A Tester <tester@example.org>' "${@:4}" \
		"$1/scripts/package.sh" "$(packager)" "$3" "$ABI"
}

packager() { if [ "$FORMAT" = arch ]; then echo archlinux; else echo "$FORMAT"; fi; }

# stub NAME VERSION ROOT [PROVIDES]: creates a package of the distribution.
stub() {
	cat >"$WORK/stub.yaml" <<-END
		{ name: "$1", version: "$2", version_schema: none, arch: amd64, maintainer: A Tester <tester@example.org>,
		  description: stands in for the distribution's package, license: GPL-2.0-only, provides: [${4:-}],
		  contents: [{ src: "$3/", dst: /, type: tree }] }
	END
	"$NFPM" package --packager "$(packager)" --config "$WORK/stub.yaml" --target "$WORK/stubs/" >/dev/null || die "nfpm cannot make $1"
}

# make_stubs: creates the kernel ABI and the other dependencies of the packages.
make_stubs() {
	setup_nfpm
	local kernel=$WORK/kernel empty=$WORK/empty series=${KVER%%[+-]*}
	rm -rf "$WORK/stubs" "$kernel" "$empty"
	mkdir -p "$WORK/stubs" "$empty/usr/share/stubs" "$kernel/usr/lib/modules"
	cp -a "$IMAGE/lib/modules/$KVER" "$kernel/usr/lib/modules/$ABI"
	rm -f "$kernel/usr/lib/modules/$ABI"/modules.{dep,alias,symbols,softdep,devname,builtin.alias}{.bin,}
	case $FORMAT in
	deb) stub "linux-image-$ABI" 1 "$kernel" ;;
	rpm)
		stub kernel-core 1 "$kernel" "\"kernel-uname-r = $ABI\""
		stub kmod 34 "$empty"
		stub dkms 3.2.2 "$empty"
		;;
	apk)
		stub linux-lts "$series-r0" "$kernel"
		stub kmod 34 "$empty"
		;;
	arch)
		stub linux "$series.arch1" "$kernel"
		stub kmod 34 "$empty"
		stub dkms 3.2.2 "$empty"
		;;
	esac
}

kernel_stub() { compgen -G "$WORK/stubs/linux*" || compgen -G "$WORK/stubs/kernel*"; }

# The package managers. A package is named by its name here, without the version: tool, dkms, kmod.

# file DIR WHICH: prints the package in DIR.
file() {
	local f
	for f in "$1"/*; do
		case $2:${f##*/} in
		tool:nft-offload-dkms* | kmod:nft-offload* | dkms:nft-offload[_-][0-9]*) ;;
		tool:nft-offload[_-]* | dkms:nft-offload-dkms* | kmod:kmod-nft-offload*) printf '%s\n' "$f" ;;
		esac
	done
}

# name WHICH
name() {
	case $1:$FORMAT in
	tool:*) echo nft-offload ;;
	dkms:*) echo nft-offload-dkms ;;
	kmod:deb) echo "kmod-nft-offload-$ABI" ;;
	kmod:*) echo kmod-nft-offload ;;
	esac
}

# list FILE: prints its files, without directories.
list() {
	local query=$R/tmp/query
	cp "$1" "$query"
	case $FORMAT in
	deb) dpkg-deb --fsys-tarfile "$1" | tar t ;;
	rpm) in_root rpm -qplv --nosignature /tmp/query | sed -n 's,^-.* /,/,p' ;;
	apk) tar tzf "$1" 2>/dev/null ;;
	arch) in_root tar tf /tmp/query --zstd ;;
	esac | sed -E 's,^\.?/,,; s,^,/,' | grep -vE '/$|^/\.[A-Z]|^/\.post' | LC_ALL=C sort
	rm "$query"
}

# add FILE...: installs or upgrades packages.
add() {
	local f names=()
	mkdir -p "$R/tmp/add"
	cp "$@" "$R/tmp/add/"
	for f; do names+=("/tmp/add/${f##*/}"); done
	case $FORMAT in
	deb) in_root apt-get install -y -q --no-install-recommends "${names[@]}" ;;
	rpm) in_root rpm --dbpath /var/lib/rpm -U --nosignature "${names[@]}" ;;
	arch) in_root pacman --config /etc/test-pacman.conf -U --noconfirm --noprogressbar "${names[@]}" ;;
	apk) apk_run add "$@" ;;
	esac
	local rc=$?
	rm -r "$R/tmp/add"
	return "$rc"
}

# drop NAME...
drop() {
	case $FORMAT in
	deb) in_root apt-get remove -y -q "$@" ;;
	rpm) in_root rpm --dbpath /var/lib/rpm -e "$@" ;;
	arch) in_root pacman --config /etc/test-pacman.conf -R --noconfirm "$@" ;;
	apk) apk_run del "$@" ;;
	esac
}

# A real apk if there is one.
apk_run() {
	local init=()
	if command -v apk >/dev/null; then
		[ "$1" != add ] || [ -e "$R/lib/apk/db/installed" ] || init=(--initdb)
		apk --root "$R" --arch "$(uname -m)" --allow-untrusted --no-network --repositories-file /dev/null --no-progress \
			"${init[@]}" "$@" </dev/null
	else
		"$TOP/tests/apk.sh" "$1" "$R" "${@:2}"
	fi
}

# The tests.

# expected WHICH: prints the files that a package has to have.
expected() {
	local f lib=/usr doc
	doc=/usr/share/licenses/$(name "$1")/COPYING
	[ "$FORMAT" != deb ] || doc="/usr/share/doc/$(name "$1")/copyright /usr/share/doc/$(name "$1")/changelog.Debian.gz"
	# shellcheck disable=SC2086 # a list
	printf '%s\n' $doc
	case $1 in
	tool)
		printf '%s\n' /usr/bin/nft-offload /usr/lib/modprobe.d/nft-offload.conf /usr/share/bash-completion/completions/nft-offload \
			/usr/share/fish/vendor_completions.d/nft-offload.fish /usr/share/man/man4/nft_offload.4.gz /usr/share/man/man8/nft-offload.8.gz
		if [ "$FORMAT" = deb ]; then
			printf '%s\n' /usr/share/zsh/vendor-completions/_nft-offload /usr/share/lintian/overrides/nft-offload
		else
			echo /usr/share/zsh/site-functions/_nft-offload
		fi
		for f in "$TOP"/packaging/systemd/*; do [ ! -e "$f" ] || echo "/usr/lib/systemd/system/${f##*/}"; done
		;;
	kmod)
		case $FORMAT in rpm | apk) lib= ;; esac
		echo "$lib/lib/modules/$ABI/$KODIR/nft_offload.ko"
		;;
	dkms)
		for f in dkms.conf pre-build.sh scripts/metadata.sh Kbuild VERSION COPYING; do echo "/usr/src/nft-offload-$VERSION/$f"; done
		(cd "$TOP" && git ls-files --cached --others --exclude-standard src | grep -E '\.(rs|c|h)$|/bindgen_parameters$') |
			sed "s,^,/usr/src/nft-offload-$VERSION/,"
		;;
	esac
}

# snapshot: prints all files of the root except those of the package managers, man-db and DKMS themselves, and of depmod.
snapshot() {
	(cd "$R" && find . -xdev \( -path ./proc -o -path ./dev -o -path ./tmp -o -path ./run -o -path ./var/lib/dpkg \
		-o -path ./var/lib/apt -o -path ./var/cache/apt -o -path ./var/cache/debconf -o -path ./var/cache/ldconfig \
		-o -path ./var/log -o -path ./var/lib/rpm -o -path ./var/lib/pacman -o -path ./var/cache/pacman -o -path ./lib/apk \
		-o -path ./var/cache/man -o -path './var/lib/dkms/mok.*' \
		-o -path ./usr/lib/apk -o -path ./etc/apk -o -path ./var/cache/apk -o -path ./var/lib/apk \) \
		-prune -o \( -type f -printf '%p %s %m\n' -o -printf '%p %y\n' \)) | grep -vF '/modules.' | LC_ALL=C sort
	(cd "$R/usr/lib/modules/$ABI" && for f in modules.{dep,alias,softdep,symbols}; do echo "$f"; LC_ALL=C sort "$f"; done)
}

# module VERSION: results: kmod finds the module, in this version and with its dependencies, and loads it before the in-tree type.
module() {
	local found
	found=$(in_root modinfo -k "$ABI" -F filename nft_offload)
	[ "${found#/usr}" = "/lib/modules/$ABI/$KODIR/nft_offload.ko" ] || { echo "modinfo finds $found" && return 1; }
	found=$(in_root modinfo -k "$ABI" -F version nft_offload)
	[ "$found" = "$1" ] || { echo "version $found" && return 1; }
	found=$(loads nft_offload)
	case $found in *'nf_flow_table '*'nft_offload ') ;; *) echo "modprobe would load: $found" && return 1 ;; esac
}

# loads NAME: prints the modules that modprobe would load, in this order.
loads() { in_root modprobe -S "$ABI" --show-depends "$1" | sed -nE 's,^insmod .*/([a-z0-9_-]+)\.ko.*,\1,p' | tr '\n' ' '; }

# By its name, and by the alias that the kernel requests when a ruleset has a flowtable.
softdep() {
	local name found
	for name in nf_flow_table_inet nf-flowtable-1; do
		found=$(loads "$name")
		case $found in *'nft_offload nf_flow_table_inet '*) ;; *) echo "modprobe $name would load: $found" && return 1 ;; esac
	done
}
in_tree() {
	local found
	found=$(loads nf-flowtable-1)
	case $found in *nft_offload*) ;; *'nf_flow_table_inet ') return ;; esac
	echo "modprobe would load: $found"
	return 1
}

# The tool is a single program without dependencies in the root.
tool_runs() { in_root nft-offload --version | grep -qF " $VERSION"; }
completes() { bash -n "$R/usr/share/bash-completion/completions/nft-offload" && grep -q nft-offload "$R/usr/share/bash-completion/completions/nft-offload"; }
manual() { zcat "$R/usr/share/man/man8/nft-offload.8.gz" | grep -q '^\.TH'; }

# lint: a result: no errors; warnings and the reasons for overrides are printed.
lint_deb() {
	local f
	rm -rf "$R/tmp/lint" && mkdir "$R/tmp/lint" && cp "$1"/* "$R/tmp/lint/"
	in_root sh -c 'lintian --fail-on error,warning --suppress-tags initial-upload-closes-no-bugs /tmp/lint/*.deb'
}
lint_rpm() {
	local output
	rm -rf "$R/tmp/lint" && mkdir "$R/tmp/lint" && cp "$1"/*.rpm "$TOP/packaging/rpmlintrc" "$R/tmp/lint/"
	output=$(in_root sh -c 'rpmlint -r /tmp/lint/rpmlintrc /tmp/lint/*.rpm' 2>&1)
	echo "$output"
	grep -qE '[0-9]+ packages and .* checked; 0 errors' <<<"$output" && ! grep -q ': E: ' <<<"$output"
}

# fields FILE: prints the fields of a package, one a line, as 'name = value'.
fields() {
	cp "$1" "$R/tmp/query"
	case $FORMAT in
	apk) tar xzOf "$1" .PKGINFO 2>/dev/null ;;
	arch) in_root tar xOf /tmp/query --zstd .PKGINFO ;;
	deb) dpkg-deb -f "$1" | sed 's/: / = /' ;;
	rpm) in_root rpm -qp --nosignature --qf 'pkgver = %{VERSION}\narch = %{ARCH}\npackager = %{PACKAGER}\n' /tmp/query ;;
	esac
	rm "$R/tmp/query"
}

has_fields() { # FILE LINE...
	local line found
	found=$(fields "$1")
	for line in "${@:2}"; do grep -qixF -- "$line" <<<"$found" || { echo "no '$line' in: $found" && return 1; }; done
	# One line, one field.
	case $FORMAT in apk | arch) ! grep -vE '^#|^[a-z]+ = ' <<<"$found" ;; esac
}

# built_twice: from another directory, by a user with other settings.
built_twice() {
	local f
	copy_tree "$WORK/elsewhere"
	(umask 077 && TZ=Asia/Tokyo package "$WORK/elsewhere" "$WORK/second" "$WORK/new.ko") || return
	[ "$(cd "$NEW" && echo ./*)" = "$(cd "$WORK/second" && echo ./*)" ] || { ls "$NEW" "$WORK/second" && return 1; }
	for f in "$NEW"/*; do cmp "$f" "$WORK/second/${f##*/}" || return; done
}

# valid_signature KO CERT: a condition: the module ends with a signature of the rest of it, by the key of that certificate.
valid_signature() {
	python3 - "$1" "$WORK" <<-'END' || return
		import struct, sys
		data, magic = open(sys.argv[1], "rb").read(), b"~Module signature appended~\n"
		if not data.endswith(magic):
		    sys.exit("no signature")
		data = data[:-len(magic)]
		length, = struct.unpack(">I", data[-4:])
		open(f"{sys.argv[2]}/signature", "wb").write(data[-12 - length:-12])
		open(f"{sys.argv[2]}/signed", "wb").write(data[:-12 - length])
	END
	openssl cms -verify -binary -inform DER -in "$WORK/signature" -content "$WORK/signed" -certfile "$2" -nointern -noverify -out /dev/null
}

make_key() { # NAME
	openssl req -new -x509 -newkey rsa:2048 -sha256 -nodes -days 2 -subj "/CN=nft_offload test $1" -outform DER \
		-keyout "$WORK/$1.priv" -out "$WORK/$1.der" 2>/dev/null
}

signing() {
	local ko=$WORK/signed-ko
	make_key ours
	make_key other
	refuses "a key that is not the certificate's" 'is not the key of the certificate' \
		package "$TOP" "$WORK/none" "$WORK/new.ko" KEY="$WORK/other.priv" CERT="$WORK/ours.der"
	refuses "a key without its certificate" 'must both be readable files' package "$TOP" "$WORK/none" "$WORK/new.ko" KEY="$WORK/ours.priv"
	check "with a key" package "$TOP" "$WORK/signed-packages" "$WORK/new.ko" KEY="$WORK/ours.priv" CERT="$WORK/ours.der"
	if ! add "$(file "$WORK/signed-packages" kmod)" >"$WORK/log" 2>&1; then not_ok "installs a signed module" "$(cat "$WORK/log")"; fi
	is "modinfo shows who signed it" "$(in_root modinfo -k "$ABI" -F signer nft_offload)" 'nft_offload test ours'
	cp "$R/usr/lib/modules/$ABI/$KODIR/nft_offload.ko" "$ko"
	check "the signature is valid" valid_signature "$ko" "$WORK/ours.der"
	sed -i "s/version=$VERSION/version=$OLDER/" "$ko"
	if [ ! -s "$ko" ] || valid_signature "$ko" "$WORK/ours.der" >/dev/null 2>&1; then not_ok "and that of no other module"; else ok "and that of no other module"; fi
	drop "$(name kmod)" >/dev/null 2>&1
}

bad_input() {
	refuses "a module of another kernel" 'is for the kernel' env TOOL="$TOOL" "$TOP/scripts/package.sh" "$(packager)" "$WORK/new.ko" 7.3.4-other
	refuses "a module of another version" "is version .$OLDER" env TOOL="$TOOL" "$TOP/scripts/package.sh" "$(packager)" "$WORK/old.ko" "$ABI"
	refuses "a maintainer without address" "of the form 'Name <address>'" package "$TOP" "$WORK/none" "$WORK/new.ko" MAINTAINER=Someone
	if [ -e "$WORK/none" ]; then not_ok "nothing is left of them"; else ok "nothing is left of them"; fi
}

# life: results: installed in an older version, upgraded, used, removed.
life() {
	local before output
	refuses_kernel
	if ! output=$(add "$(kernel_stub)" 2>&1); then
		not_ok "a kernel's package" "$output"
		return
	fi
	in_root depmod "$ABI"
	before=$(snapshot)
	check "without the module, the kernel's own type is loaded" in_tree
	check "installs an older version" add "$(file "$OLD" tool)" "$(file "$OLD" kmod)"
	check "kmod finds it" module "$OLDER"
	check "upgrades" add "$(file "$NEW" tool)" "$(file "$NEW" kmod)"
	check "kmod finds the new one" module "$VERSION"
	check "modprobe.d makes it the first type" softdep
	check "the tool runs" tool_runs
	check "the completion is one" completes
	check "the man page is one" manual
	if [ "$FORMAT" = rpm ]; then
		is "weak-modules was told" "$(cat "$R/var/log/weak-modules")" "$(printf '%s\n' {--add-modules,--add-modules,--remove-modules}" /lib/modules/$ABI/$KODIR/nft_offload.ko")"
	fi
	check "removes" drop "$(name tool)" "$(name kmod)"
	if [ "$FORMAT" = rpm ]; then
		is "weak-modules was told of that" "$(tail -n 1 "$R/var/log/weak-modules")" "--remove-modules /lib/modules/$ABI/$KODIR/nft_offload.ko"
	fi
	[ "$FORMAT" != deb ] || check "purges" in_root apt-get purge -y -q "$(name tool)" "$(name kmod)"
	is "nothing is left, and depmod's files are as before" "$(snapshot)" "$before"
}

# Without the kernel that it is built for, the package of the module is refused.
refuses_kernel() {
	local output others=() f
	for f in "$WORK/stubs"/*; do [ "$f" = "$(kernel_stub)" ] || others+=("$f"); done
	[ "${#others[@]}" -eq 0 ] || add "${others[@]}" >/dev/null 2>&1
	if output=$(add "$(file "$NEW" kmod)" 2>&1); then
		not_ok "refused without its kernel" "$output"
		drop "$(name kmod)" >/dev/null 2>&1
	elif grep -qE 'linux-image|kernel-uname-r|linux(-lts)?=' <<<"$output"; then
		ok "refused without its kernel"
	else
		not_ok "refused without its kernel" "$output"
	fi
}

# dkms_life: results: the source, built by dkms for the kernel of Debian that stock.sh has rebuilt the metadata for, and skipped for
# one without Rust.
dkms_life() {
	local before output built norust=$R/usr/lib/modules/7.3.0-norust tree=$R/usr/lib/modules/$KVER
	mkdir -p "$R$CACHE/stock" "$tree" "$norust/build/include/config"
	mount --bind "$CACHE/stock" "$R$CACHE/stock"
	mount -o remount,bind,ro "$R$CACHE/stock"
	ln -s "$KDIR" "$tree/build"
	touch "$tree"/modules.{order,builtin,builtin.modinfo}
	echo CONFIG_MODULES=y >"$norust/build/include/config/auto.conf"
	cp "$norust/build/include/config/auto.conf" "$norust/build/.config"
	in_root depmod "$KVER"
	before=$(snapshot)
	built=$tree/updates/dkms/nft_offload.ko
	if ! output=$(add "$(file "$OLD" dkms)" 2>&1); then not_ok "installs an older source" "$output"; else ok "installs an older source"; fi
	case $FORMAT in
	deb)
		is "one line says that a kernel is skipped" "$(grep -c '^nft-offload: skipped for kernel 7.3.0-norust: .*CONFIG_RUST' <<<"$output")" 1
		is "DKMS has built it" "$(modinfo -F version "$(compgen -G "$built*")")" "$OLDER"
		;;
	arch) check "where dkms's hooks find it" in_root dkms add "nft-offload/$OLDER" && in_root dkms remove "nft-offload/$OLDER" --all >/dev/null 2>&1 ;;
	esac
	if ! output=$(add "$(file "$NEW" dkms)" 2>&1); then not_ok "upgrades the source" "$output"; else ok "upgrades the source"; fi
	if [ "$FORMAT" = deb ]; then
		is "DKMS has built the new one" "$(modinfo -F version "$(compgen -G "$built*")")" "$VERSION"
		is "DKMS knows no other" "$(in_root dkms status nft-offload | sed 's/[,:].*//')" "nft-offload/$VERSION"
	fi
	[ "$FORMAT" != rpm ] || is "DKMS knows this version only" "$(in_root dkms status nft-offload | sed 's/[,:].*//' | sort -u)" "nft-offload/$VERSION"
	mkdir -p "$R/var/cache/nft-offload/metadata/$KVER"
	check "removes the source" drop nft-offload-dkms
	case $FORMAT in
	deb)
		check "keeps the metadata" test -d "$R/var/cache/nft-offload/metadata"
		check "purges the source" in_root apt-get purge -y -q nft-offload-dkms
		;;
	arch) rm -r "$R/var/cache/nft-offload" ;; # pacman has no purge
	esac
	is "nothing is left of the source" "$(snapshot)" "$before"
	umount "$R$CACHE/stock"
}

# one: all results for the format FORMAT.
one() {
	local series=${KVER%%[+-]*} which f arch
	KODIR=updates
	case $FORMAT in
	deb) ABI=$KVER ;;
	rpm) ABI=$series-200.fc44.$(uname -m) KODIR=extra/nft_offload ;;
	arch) ABI=$series-arch1-1 ;;
	apk) ABI=$series-0-lts ;;
	esac
	WORK=$(mktemp -d "$CACHE/packages.XXXXXX")
	R=$WORK/root NEW=$WORK/new OLD=$WORK/old
	mount_root "$LAYER:$LOWER" "$WORK/upper" || die "cannot mount an overlay of $LAYER"
	# The scripts of Arch packages run in bash.
	[ "$FORMAT" != arch ] || ln -sf bash "$R/usr/bin/sh"
	[ "$FORMAT" != arch ] || printf '[options]\nArchitecture = %s\nSigLevel = Never\nLocalFileSigLevel = Never\n' "$(uname -m)" >"$R/etc/test-pacman.conf"
	if [ "$FORMAT" = rpm ]; then
		mkdir -p "$R/usr/share/licenses" "$R/usr/share/man/man4" # which Fedora's package filesystem has
		# Not in /tmp: rpm gives scripts a /tmp of their own.
		# shellcheck disable=SC2016 # for that script
		printf '#!/bin/sh\nsed "s,^,$1 ," >>/var/log/weak-modules\n' >"$R/usr/sbin/weak-modules"
		chmod 755 "$R/usr/sbin/weak-modules"
	fi
	if ! remake_ko "$ABI" "$VERSION" "$WORK/new.ko" || ! remake_ko "$ABI" "$OLDER" "$WORK/old.ko"; then die "cannot rewrite $KO"; fi
	make_stubs
	if ! package "$TOP" "$NEW" "$WORK/new.ko" >"$WORK/log" 2>&1; then
		not_ok "builds" "$(cat "$WORK/log")"
		return
	fi
	check "builds the same in another directory" built_twice
	copy_tree "$WORK/older"
	echo "$OLDER" >"$WORK/older/VERSION"
	package "$WORK/older" "$OLD" "$WORK/old.ko" >"$WORK/log" 2>&1 || not_ok "builds an older version" "$(cat "$WORK/log")"
	case $FORMAT in
	deb | rpm) check "no errors by the linter" "lint_$FORMAT" "$NEW" ;;
	esac
	for which in tool kmod dkms; do
		f=$(file "$NEW" "$which")
		[ "$FORMAT:$which" != apk:dkms ] || continue
		is "what is in $(name "$which")" "$(list "$f")" "$(expected "$which" | LC_ALL=C sort)"
	done
	arch=$(uname -m)
	case $FORMAT in
	apk) check "what the module's package says of itself" has_fields "$(file "$NEW" kmod)" "arch = $arch" "depend = linux-lts=$series-r0" "maintainer = A Tester <tester@example.org>" ;;
	arch) check "what the module's package says of itself" has_fields "$(file "$NEW" kmod)" "arch = $arch" "depend = linux=$series.arch1-1" "packager = A Tester <tester@example.org>" ;;
	deb) check "what the module's package says of itself" has_fields "$(file "$NEW" kmod)" "architecture = $(dpkg --print-architecture)" "maintainer = A Tester <tester@example.org>" ;;
	rpm) check "what the module's package says of itself" has_fields "$(file "$NEW" kmod)" "arch = $arch" "packager = A Tester <tester@example.org>" ;;
	esac
	bad_input
	life
	signing
	[ "$FORMAT" = apk ] || dkms_life
	umount_root
	rm -rf --one-file-system "$WORK"
}

wanted=()
for f in "${@:-all}"; do
	case $f in
	all) wanted+=("${ALL[@]}") ;;
	turn) wanted+=("${ALL[$(($(git -C "$TOP" rev-list --count HEAD 2>/dev/null || echo 0) % ${#ALL[@]}))]}") ;;
	deb | rpm | apk | arch) wanted+=("$f") ;;
	*) die "PACKAGES=$f means nothing; there are all, turn, ${ALL[*]}" ;;
	esac
done
[ "$(id -u)" = 0 ] || die "this test makes a root directory and has to be run as root"
KVER=$("$TOP/scripts/stock.sh" newest)
[ -n "$KVER" ] || die "no kernel of Debian to test with"
"$TOP/scripts/stock.sh" module "$KVER" && LOWER=$("$TOP/scripts/stock.sh" root "$KVER") && KDIR=$("$TOP/scripts/stock.sh" kdir "$KVER") &&
	IMAGE=$("$TOP/scripts/stock.sh" image "$KVER") && "$TOP/scripts/tool.sh" static || exit 1
KO=$TOP/build/stock/$KVER/module/nft_offload.ko
EPOCH=$(git -C "$TOP" log -1 --format=%ct)
need_space "$CACHE" 2000 "roots with packages"
WORK=$(mktemp -d "$CACHE/packages.XXXXXX")
R=$WORK/root
trap 'umount_root; rm -rf --one-file-system "$WORK"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP
mkdir -p "$CACHE/roots"
LAYER=$CACHE/roots/packages-$(sha256sum <<<"$LOWER $ROOT_PACKAGES" | cut -c1-8)
with_lock packages make_layer
rm -rf --one-file-system "$WORK"
for FORMAT in "${wanted[@]}"; do
	say "packages: $FORMAT"
	one
done
echo "1..$COUNT"
[ "$FAILED" -eq 0 ]
