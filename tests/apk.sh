#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# A stand-in for apk where there is none: inspects a package as apk does, unpacks it into a root, runs its scripts there, and removes
# it. Supports unsigned packages and dependencies on a name or on one version.
#
#   apk.sh add ROOT FILE... | del ROOT NAME...
set -euo pipefail
COMMAND=$1 ROOT=$2
shift 2
DB=$ROOT/lib/apk/db

# split FILE DIR: a package is two compressed tar archives, one after the other: control and data. The control archive has the
# checksum of the data, and its tar has no end, so that both together are a valid archive as well.
split() {
	python3 - "$1" "$2" <<-'END'
		import hashlib, sys, zlib
		rest, parts = open(sys.argv[1], "rb").read(), []
		while rest:
		    stream = zlib.decompressobj(31)
		    text = stream.decompress(rest)
		    parts.append((rest[:len(rest) - len(stream.unused_data)], text))
		    rest = stream.unused_data
		if len(parts) != 2:
		    sys.exit(f"{len(parts)} streams, expected control and data")
		if parts[0][1].endswith(bytes(1024)):
		    sys.exit("the control archive ends, and apk would not read on")
		info = parts[0][1][512:].split(b"\0")[0].decode()
		fields = {}
		for line in info.splitlines():
		    if line.startswith("#"):
		        continue
		    key, sep, value = line.partition(" = ")
		    if not sep:
		        sys.exit(f"a line of .PKGINFO that is no field: {line!r}")
		    fields.setdefault(key, []).append(value)
		if fields.get("datahash") != [hashlib.sha256(parts[1][0]).hexdigest()]:
		    sys.exit("the checksum of the data is not what .PKGINFO says")
		for name, (_, text) in zip(("control.tar", "data.tar"), parts):
		    open(f"{sys.argv[2]}/{name}", "wb").write(text)
	END
}

script() { # NAME SCRIPT VERSION...
	[ ! -e "$DB/$1/$2" ] || chroot "$ROOT" /bin/sh "/lib/apk/db/$1/$2" "${@:3}"
}

field() { sed -n "s/^$2 = //p" "$DB/$1/.PKGINFO"; }

# files NAME: prints the files of a package, without directories.
files() { tar tf "$DB/$1/data.tar" | grep -v '/$' | LC_ALL=C sort; }

installed() { # DEPENDENCY
	[ -d "$DB/${1%%=*}" ] && { [ "${1#*=}" = "$1" ] || [ "$(field "${1%%=*}" pkgver)" = "${1#*=}" ]; }
}

add() {
	local new=$DB/.new name dep old=''
	rm -rf "$new"
	mkdir -p "$new"
	split "$1" "$new"
	tar xf "$new/control.tar" -C "$new" --warning=no-unknown-keyword --ignore-zeros
	name=$(field .new pkgname)
	[ "$(field .new arch)" = "$(uname -m)" ] || { echo "$name is for $(field .new arch)" && return 1; }
	for dep in $(field .new depend); do
		installed "$dep" || { echo "$name needs $dep" && return 1; }
	done
	if [ -d "$DB/$name" ]; then
		old=$(field "$name" pkgver)
		LC_ALL=C comm -23 <(files "$name") <(files .new) | (cd "$ROOT" && xargs -r rm -f)
		rm -rf "${DB:?}/$name"
	fi
	mv "$new" "$DB/$name"
	tar xf "$DB/$name/data.tar" -C "$ROOT" --keep-directory-symlink --warning=no-unknown-keyword
	if [ -n "$old" ]; then
		script "$name" .post-upgrade "$(field "$name" pkgver)" "$old"
	else
		script "$name" .post-install "$(field "$name" pkgver)"
	fi
}

del() {
	local f
	files "$1" | (cd "$ROOT" && xargs -r rm -f)
	tar tf "$DB/$1/data.tar" | grep '/$' | LC_ALL=C sort -r | while IFS= read -r f; do
		[ -L "$ROOT/${f%/}" ] || rmdir "$ROOT/$f" 2>/dev/null || :
	done
	script "$1" .post-deinstall "$(field "$1" pkgver)"
	rm -rf "${DB:?}/$1"
}

for what; do "$COMMAND" "$what"; done
