# SPDX-License-Identifier: GPL-2.0
# Access to the Debian archive through a private apt, which can use suites other than the machine's.
# It uses the mirror of the machine, checks signatures, and changes nothing on the machine. Sourced
# after common.sh.
# shellcheck shell=bash

KEYRING=/usr/share/keyrings/debian-archive-keyring.gpg
APT=$CACHE/apt

# apt_private CMD...: runs apt with its own state, so that it can use other suites and changes
# nothing on the machine.
apt_private() { "$1" -c "$APT/apt.conf" "${@:2}"; }

# debian_mirror: prints the Debian archive that the machine's own apt uses.
debian_mirror() {
	local format='$(REPO_URI)' uris
	uris=$(apt-get indextargets --format "$format" 'Identifier: Packages' 'Label: Debian' 2>/dev/null || :)
	[ -n "$uris" ] || uris=$(apt-get indextargets --format "$format" 'Identifier: Packages' 2>/dev/null | grep '/debian/*$' || :)
	printf '%s\n' "$uris" | head -n 1
}

write_apt_conf() {
	local mirror suite
	command -v apt-get >/dev/null && command -v dpkg-deb >/dev/null ||
		die "fetching kernels requires apt, which this machine does not have; give a kernel source tree: KERNEL_SRC=/path/to/linux"
	[ -r "$KEYRING" ] || die "$KEYRING is missing (package debian-archive-keyring); install it, or give KERNEL_SRC=/path/to/linux"
	mirror=$(debian_mirror)
	[ -n "$mirror" ] || die "apt has no Debian archive configured here; give a kernel source tree: KERNEL_SRC=/path/to/linux"
	mkdir -p "$APT"/{etc/preferences.d,state/lists/partial,cache/archives/partial}
	: >"$APT/status"
	for suite in sid trixie trixie-backports; do
		printf 'deb [arch=amd64 signed-by=%s] %s %s main\n' "$KEYRING" "$mirror" "$suite"
	done >"$APT/etc/sources.list"
	cat >"$APT/apt.conf" <<-END
		#clear APT::Update::Pre-Invoke;
		#clear APT::Update::Post-Invoke;
		#clear APT::Update::Post-Invoke-Success;
		#clear APT::Architectures;
		APT::Architecture "amd64";
		APT::Architectures { "amd64"; };
		APT::Sandbox::User "$(id -un)";
		Acquire::Languages "none";
		Acquire::Retries "3";
		Acquire::IndexTargets::deb::DEP-11::DefaultEnabled "false";
		Acquire::IndexTargets::deb::Contents-deb::DefaultEnabled "false";
		Dir::Etc::sourcelist "$APT/etc/sources.list";
		Dir::Etc::sourceparts "-";
		Dir::Etc::preferences "-";
		Dir::Etc::preferencesparts "-";
		Dir::State "$APT/state";
		Dir::State::status "$APT/status";
		Dir::Cache "$APT/cache";
	END
}

# refresh_archive: fetches the package lists, at most once a day. Fails if there are none and none
# can be fetched.
refresh_archive() {
	local fresh=$APT/fresh
	[ -z "$(find "$fresh" -mmin -1440 2>/dev/null)" ] || return 0
	write_apt_conf
	say "reading the package lists of trixie-backports and sid"
	if LOG_TAIL=0 run_logged "$CACHE/log/kernel-apt.log" 15 apt_private apt-get -o APT::Update::Error-Mode=any update -q; then
		touch "$fresh"
	elif [ -e "$fresh" ]; then
		info "the Debian archive is out of reach; using its package lists of $(date -r "$fresh" +%F)"
	else
		return 1
	fi
}

# newest_version PACKAGE [SUITE]: prints the newest version of a package in the archive, or in one
# of its suites; nothing if there is none.
newest_version() {
	apt_private apt-cache madison "$1" 2>/dev/null | awk -F' *[|] *' -v suite="${2:-}" \
		'suite == "" || index($3, " " suite "/") { print $2 }' | sort -V | tail -n 1
}
