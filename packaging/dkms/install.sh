#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Installs the source from which DKMS builds the module into DESTDIR/usr/src/nft-offload-VERSION. It
# contains only the files that a build needs.
#
#   install.sh DESTDIR    DESTDIR is / for this machine; then run: dkms install nft-offload/VERSION
set -euo pipefail

TOP=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
if [ $# -ne 1 ] || [ -z "$1" ]; then
	echo "usage: install.sh DESTDIR" >&2
	exit 2
fi
VERSION=$(cat "$TOP/VERSION")
TREE=${1%/}/usr/src/nft-offload-$VERSION
if ! rm -rf "$TREE" || ! mkdir -p "$TREE"; then
	echo "error: cannot create $TREE: not root, or the disk is full or read-only?" >&2
	exit 1
fi
cd "$TOP"
find src -type f \( -name '*.rs' -o -name '*.[ch]' -o -name bindgen_parameters \) \
	! -name '*_generated.*' ! -name '*.mod.c' -exec install -D -m 644 {} "$TREE/{}" \;
install -m 644 -t "$TREE" Kbuild VERSION COPYING
install -m 755 packaging/dkms/pre-build.sh "$TREE/pre-build.sh"
install -D -m 755 scripts/metadata.sh "$TREE/scripts/metadata.sh"
sed "s/@VERSION@/$VERSION/" packaging/dkms/dkms.conf.in >"$TREE/dkms.conf"
chmod 644 "$TREE/dkms.conf"
