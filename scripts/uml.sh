#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Runs a script as root in a kernel that is a program (kernel.sh build umltest or uml), on the root
# file system of the host, which is not changed. It runs at native speed, without emulation, on one
# processor; vm.sh has more.
#
#   uml.sh run [OPTIONS] SCRIPT [ARG...]    runs SCRIPT, streams its output, returns its exit status
#
#   --kind KIND      the kernel: umltest (the default) or uml
#   --timeout S      end it after S seconds (default 300)
#   --memory M       default 512M
#   --append ARGS    more kernel arguments
#   --module FILE    a .ko that replaces or joins the kernel's modules (repeatable, umltest only)
#   --out DIR        a directory of the host that the script can write; its path there is $VM_OUT
#   --env NAME[=V]   pass a variable (repeatable); NFT_OFFLOAD_* are always passed
#   --dmesg FILE     the file for the kernel log
#
# The script sees the host's files at their own paths. Its writes reach the host only in $VM_OUT.
# Status 124: timeout; 125: the kernel died or never started.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

usage() {
	die "usage: uml.sh run [--kind KIND] [--timeout S] [--memory M] [--append ARGS] [--module FILE] [--out DIR] [--env NAME[=V]] [--dmesg FILE] SCRIPT [ARG...]"
}

# memory_dir: prints the directory for the file that holds the memory of the kernel: /dev/shm,
# unless it is too small or its pages cannot be executed.
memory_dir() {
	local free
	free=$(df --output=avail -B 1 /dev/shm 2>/dev/null | tail -n 1)
	if [ "${free:-0}" -ge "$(numfmt --from=iec "$MEMORY")" ] &&
		! awk '$2 == "/dev/shm" && $4 ~ /(^|,)noexec(,|$)/ { bad = 1 } END { exit !bad }' /proc/mounts; then
		echo /dev/shm
	else
		echo "$RUN"
	fi
}

clean_up() {
	[ -z "${GUEST:-}" ] || kill -TERM "$GUEST" 2>/dev/null || :
	if [ -n "${RUN:-}" ]; then rm -rf "$RUN"; fi
}

# write_job: writes all settings for the kernel, as a bash file that uml-init.sh sources.
write_job() {
	local m v modules=''
	mkdir -p "$RUN/modules"
	for m in ${MODULES[@]+"${MODULES[@]}"}; do
		[ -r "$m" ] || die "no such module: $m"
		cp "$m" "$RUN/modules/" || die "cannot copy $m to $RUN: is the disk full?"
		modules=$KERNEL/.mods/lib/modules
	done
	{
		printf 'VM_COMMAND=('
		printf '%q ' "$@"
		printf ')\n'
		printf 'VM_EXCHANGE=%q VM_MODULES=%q\n' "$RUN" "$modules"
		printf 'export TOP=%q CACHE=%q VM_OUT=%q VM_KERNEL=%q VM_ACCEL=uml TERM=%q\n' "$TOP" "$CACHE" "$OUT" "$KERNEL" "${TERM:-dumb}"
		printf 'export PATH=%q\n' "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
		for v in $(compgen -e NFT_OFFLOAD_ || :); do printf 'export %s=%q\n' "$v" "${!v}"; done
		for v in ${PASS[@]+"${PASS[@]}"}; do
			case $v in
			*=*) printf 'export %s=%q\n' "${v%%=*}" "${v#*=}" ;;
			*) if [ -n "${!v+set}" ]; then printf 'export %s=%q\n' "$v" "${!v}"; fi ;;
			esac
		done
	} >"$RUN/job"
}

# bash reads this block as a whole before it runs, so that an edit during a long run does no harm.
{
	[ "${1:-}" = run ] || usage
	shift
	KIND=umltest TIMEOUT=300 MEMORY=512M APPEND='' MODULES=() OUT='' DMESG='' PASS=()
	while [ $# -gt 0 ]; do
		case $1 in
		--kind | --timeout | --memory | --append | --module | --out | --env | --dmesg) [ $# -ge 2 ] || usage ;;
		esac
		case $1 in
		--timeout) TIMEOUT=$2 ;;
		--kind) KIND=$2 ;;
		--memory) MEMORY=$2 ;;
		--append) APPEND="$APPEND $2" ;;
		--module) MODULES+=("$2") ;;
		--out) OUT=$(realpath -m "$2") ;;
		--env) PASS+=("$2") ;;
		--dmesg) DMESG=$2 ;;
		--)
			shift
			break
			;;
		-*) usage ;;
		*) break ;;
		esac
		shift 2
	done
	[ $# -gt 0 ] || usage
	[ -r "$1" ] || die "no such script: $1"
	set -- "$(realpath "$1")" "${@:2}"
	KERNEL=$("$TOP/scripts/kernel.sh" path "$KIND") || exit 1

	trap clean_up EXIT
	trap 'exit 130' INT
	trap 'exit 143' TERM HUP
	mkdir -p "$CACHE/run" || die "cannot write in $CACHE: is the disk full or read-only?"
	RUN=$(mktemp -d "$CACHE/run/XXXXXX")
	# A lock as in vm.sh, which removes the directories that no process holds.
	exec 8<"$RUN"
	flock 8
	OUT=${OUT:-$RUN}
	mkdir -p "$OUT"
	write_job "$@"
	# Idle time is skipped, except for measurements.
	ARGS=(seccomp=auto)
	[ "$KIND" = uml ] || ARGS+=(time-travel)
	# shellcheck disable=SC2206 # a list
	ARGS+=($APPEND)
	rc=0
	# The console is our stdout; the kernel log is a file.
	TMPDIR=$(memory_dir) setpriv --pdeathsig TERM timeout -k 5 "$TIMEOUT" "$KERNEL/linux" "mem=$MEMORY" \
		"uml_dir=$RUN/" root=/dev/root rootfstype=hostfs rootflags=/ ro "init=$TOP/scripts/uml-init.sh" \
		"nfto_job=$RUN/job" con=null con0=null,fd:1 ssl=null console=stderr0 panic=-1 oops=panic log_buf_len=1M "${ARGS[@]}" \
		</dev/null 2>"$RUN/console" &
	GUEST=$!
	wait "$GUEST" || rc=$?
	GUEST=
	log=$RUN/console
	if [ -s "$RUN/dmesg" ]; then log=$RUN/dmesg; fi
	if [ -n "$DMESG" ]; then cp "$log" "$DMESG" 2>/dev/null || info "cannot write $DMESG"; fi
	if [ -s "$RUN/status" ]; then exit "$(cat "$RUN/status")"; fi
	tail -n 30 "$RUN/console" | tr -d '\r' | sed 's/^/    | /' >&2
	if [ "$rc" -eq 124 ] || [ "$rc" -eq 137 ]; then
		printf '\033[31merror:\033[0m the guest did not finish within %s s and was ended (its last log lines are above)\n' "$TIMEOUT" >&2
		exit 124
	fi
	printf '\033[31merror:\033[0m the kernel ended (status %s) before its script did (its last log lines are above)\n' "$rc" >&2
	exit 125
}
