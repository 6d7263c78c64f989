#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Boots the test kernel with virtme-ng on the root file system of the host, read-only, and runs a
# script in it as root.
#
#   vm.sh run [OPTIONS] SCRIPT [ARG...]     runs SCRIPT, streams its output, returns its exit status
#   vm.sh shell [OPTIONS] [SCRIPT [ARG...]] runs SCRIPT, then an interactive shell
#   vm.sh plain [OPTIONS] COMMAND [ARG...]  runs COMMAND as "vng --run KERNEL -- COMMAND" does:
#                                           nothing is prepared in the guest, and --module, --out
#                                           and --env have no effect
#
#   --timeout S      end the guest after S seconds (default 300; run only)
#   --memory M       default 1G
#   --cpus N         default 2
#   --append ARGS    more kernel arguments
#   --module FILE    a .ko that replaces or joins the kernel's own modules (repeatable)
#   --out DIR        a directory of the host that the guest can write; there its path is $VM_OUT
#   --env NAME[=V]   pass a variable (repeatable); NFT_OFFLOAD_* are always passed
#   --dmesg FILE     the file for the guest's kernel log
#
# The guest sees the host's files at their own paths. NFT_OFFLOAD_KERNEL=DIR uses another kernel
# build directory, or a distribution's image as unpacked by stock.sh; NFT_OFFLOAD_NO_KVM=1 never
# tries KVM.
#
# Status 124: timeout; 125: the guest died (panic) or never started.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

usage() { die "usage: vm.sh run|shell|plain [--timeout S] [--memory M] [--cpus N] [--append ARGS] [--module FILE] [--out DIR] [--env NAME[=V]] [--dmesg FILE] SCRIPT [ARG...]"; }

# find_image: sets IMAGE, MODULE_TREE (its lib/modules) and VNG_MODULES for KERNEL.
find_image() {
	VNG_MODULES=(--skip-modules)
	IMAGE=$KERNEL/arch/x86/boot/bzImage MODULE_TREE=$KERNEL/.mods/lib/modules
	if [ ! -e "$IMAGE" ] && compgen -G "$KERNEL/boot/vmlinuz-*" >/dev/null; then
		# The drivers are modules: virtme-ng puts those that the guest needs to start into an initramfs.
		IMAGE=$(compgen -G "$KERNEL/boot/vmlinuz-*") MODULE_TREE=$KERNEL/lib/modules VNG_MODULES=()
	fi
	[ -r "$IMAGE" ] || die "no test kernel in $KERNEL; run: make kernel"
	[ -d "$MODULE_TREE" ] || die "the test kernel in $KERNEL has no installed modules; run: make kernel"
}

# prepare_modules: collects the modules of a distribution's kernel and the given ones in a tree on
# the host, as depmod is slow in a guest without KVM.
prepare_modules() {
	local release
	[ "${#VNG_MODULES[@]}" -eq 0 ] || return 0
	release=${IMAGE##*/vmlinuz-}
	mkdir -p "$RUN/lib/modules"
	cp -a "$MODULE_TREE/$release" "$RUN/lib/modules/" || die "cannot copy the modules of $release to $RUN: is the disk full?"
	mkdir "$RUN/lib/modules/$release/updates"
	cp "$RUN/modules"/*.ko "$RUN/lib/modules/$release/updates/" 2>/dev/null || :
	depmod -b "$RUN" "$release" || die "depmod cannot read the modules for kernel $release"
	MODULE_TREE=$RUN/lib/modules
}

# kvm_works: succeeds if a guest really boots under KVM here. Guests may hang or abort although
# /dev/kvm exists, so one is booted, for at most 20 s. The result is kept for this kernel until the
# host reboots.
kvm_works() {
	local id file
	[ -z "${NFT_OFFLOAD_NO_KVM:-}" ] && [ -r /dev/kvm ] && [ -w /dev/kvm ] || return 1
	id=$({ cat /proc/sys/kernel/random/boot_id; stat -L -c '%n %Y' "$IMAGE"; } | sha256sum | cut -c1-16)
	file=$CACHE/kvm.$id
	if [ ! -s "$file" ]; then
		info "trying KVM (at most 20 s, once)"
		rm -f "$CACHE"/kvm.*
		if TMPDIR=$RUN timeout -k 2 20 "$VNG" --run "$IMAGE" "${VNG_MODULES[@]}" --force-9p --disable-microvm \
			--user root --memory 512M --cpus 1 --qemu-opts="-accel kvm" --exec true </dev/null >"$RUN/kvm.log" 2>&1; then
			echo yes >"$file.$$"
		else
			echo no >"$file.$$"
			info "KVM does not work here; using TCG (slower)"
		fi
		mv "$file.$$" "$file"
	fi
	[ "$(cat "$file")" = yes ]
}

# make_run_dir: makes the directory for the exchange of files with this guest. A killed run leaves
# its directory behind; the lock of the directory is free then (a QEMU that is still alive holds
# it).
make_run_dir() {
	local d
	mkdir -p "$CACHE/run" 2>/dev/null || die "cannot write in $CACHE: is the disk full or read-only?"
	for d in "$CACHE"/run/*/; do
		[ -d "$d" ] || continue
		if [ -n "$(find "$d" -maxdepth 0 -mmin +1)" ] && flock -n "$d" true 2>/dev/null; then rm -rf "$d"; fi
	done
	RUN=$(mktemp -d "$CACHE/run/XXXXXX")
	exec 8<"$RUN"
	flock 8
}

clean_up() {
	[ -z "${GUEST:-}" ] || kill -TERM "$GUEST" 2>/dev/null || :
	if [ -n "${RUN:-}" ]; then rm -rf "$RUN"; fi
}

# write_job: writes all settings for the guest, as a bash file that vm-init.sh sources.
write_job() {
	local m v
	mkdir -p "$RUN/modules" "$OUT"
	for m in ${MODULES[@]+"${MODULES[@]}"}; do
		[ -r "$m" ] || die "no such module: $m"
		cp "$m" "$RUN/modules/" || die "cannot copy $m to $RUN: is the disk full?"
	done
	prepare_modules
	{
		printf 'VM_MODE=%q VM_MODULES=%q\n' "$MODE" "$MODULE_TREE"
		printf 'VM_COMMAND=('
		for v in "$@"; do printf '%q ' "$v"; done
		printf ')\n'
		printf 'export TOP=%q CACHE=%q VM_OUT=%q VM_KERNEL=%q VM_ACCEL=%q TERM=%q\n' \
			"$TOP" "$CACHE" "$OUT" "$KERNEL" "$ACCEL" "${TERM:-dumb}"
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

# run_plain COMMAND...: the output of the command goes to stdout, that of the kernel to the console.
# It uses pipes for the same reason as run_guest.
run_plain() {
	local rc=0 out klog
	mkfifo "$RUN/stdout" "$RUN/klog"
	cat <"$RUN/stdout" &
	out=$!
	cat <"$RUN/klog" >"$RUN/console" &
	klog=$!
	TMPDIR=$RUN setpriv --pdeathsig TERM timeout -k 5 "$TIMEOUT" "$VNG" --run "$KERNEL" --force-9p --disable-microvm \
		"${VNG_ACCEL[@]}" --user root --memory "$MEMORY" --cpus "$CPUS" --append "oops=panic$APPEND" --verbose \
		--exec "$(printf '%q ' "$@")" </dev/null >"$RUN/stdout" 2>"$RUN/klog" &
	GUEST=$!
	wait "$GUEST" || rc=$?
	GUEST=
	wait "$out" "$klog" || :
	if [ -n "$DMESG" ]; then tr -d '\r' <"$RUN/console" >"$DMESG" 2>/dev/null || info "cannot write $DMESG"; fi
	if [ "$rc" -ge 124 ]; then last_lines "$RUN/console"; fi
	return "$rc"
}

last_lines() {
	tail -n 40 "$1" 2>/dev/null | tr -d '\r' | sed 's/^/    | /' >&2 || :
}

run_guest() {
	local rc=0 status=''
	# The script's stdout and stderr use ports of their own; virtme-ng's stderr is the kernel's
	# console. Pipes instead of the caller's files, because QEMU truncates a file that it is given.
	mkfifo "$RUN/stdout" "$RUN/stderr" "$RUN/klog"
	cat <"$RUN/stdout" &
	local out=$!
	cat <>"$RUN/stderr" >&2 &
	local err=$!
	cat <"$RUN/klog" >"$RUN/console" &
	local klog=$!
	TMPDIR=$RUN setpriv --pdeathsig TERM timeout -k 5 "$TIMEOUT" "$VNG" "${VNG_ARGS[@]}" \
		--exec "/bin/bash $TOP/scripts/vm-init.sh $RUN" </dev/null >"$RUN/stdout" 2>"$RUN/klog" &
	GUEST=$!
	wait "$GUEST" || rc=$?
	GUEST=
	wait "$out" "$klog" || :
	# Let the rest of stderr arrive. Its reader never sees the end of the pipe, which QEMU may never
	# have opened.
	sleep 0.05
	kill "$err" 2>/dev/null || :
	if [ -s "$RUN/dmesg" ]; then
		LOG=$RUN/dmesg
	else
		LOG=$RUN/console
	fi
	if [ -n "$DMESG" ]; then tr -d '\r' <"$LOG" >"$DMESG" 2>/dev/null || info "cannot write $DMESG"; fi
	if [ -s "$RUN/status" ]; then
		status=$(cat "$RUN/status")
		return "$status"
	fi
	if [ "$rc" -eq 124 ] || [ "$rc" -eq 137 ]; then
		last_lines "$RUN/console"
		printf '\033[31merror:\033[0m the guest did not finish within %s s and was ended (its last log lines are above)\n' "$TIMEOUT" >&2
		return 124
	fi
	last_lines "$RUN/console"
	if grep -q 'Kernel panic' "$RUN/console" 2>/dev/null; then
		printf '\033[31merror:\033[0m the guest kernel panicked (its last log lines are above)\n' >&2
	else
		printf '\033[31merror:\033[0m the guest ended (status %s) before its script did (its last log lines are above)\n' "$rc" >&2
	fi
	return 125
}

# bash reads this block as a whole before it runs, so that an edit during a long test does no harm.
{
	MODE=${1:-}
	case $MODE in run | shell | plain) shift ;; *) usage ;; esac
	TIMEOUT=300 MEMORY=1G CPUS=2 APPEND='' MODULES=() OUT='' DMESG='' PASS=()
	while [ $# -gt 0 ]; do
		case $1 in
		--timeout | --memory | --cpus | --append | --module | --out | --env | --dmesg) [ $# -ge 2 ] || usage ;;
		esac
		case $1 in
		--timeout) TIMEOUT=$2 ;;
		--memory) MEMORY=$2 ;;
		--cpus) CPUS=$2 ;;
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
	case $TIMEOUT in '' | *[!0-9]*) usage ;; esac
	[ "$MODE" = shell ] || [ $# -gt 0 ] || usage
	if [ "$MODE" != plain ] && [ $# -gt 0 ]; then
		[ -r "$1" ] || die "no such script: $1"
		set -- "$(realpath "$1")" "${@:2}"
	fi
	load_env
	KERNEL=${NFT_OFFLOAD_KERNEL:-$("$TOP/scripts/kernel.sh" path)} || exit 1
	KERNEL=$(realpath "$KERNEL")
	find_image

	trap clean_up EXIT
	trap 'exit 130' INT
	trap 'exit 143' TERM HUP
	make_run_dir
	OUT=${OUT:-$RUN/out}
	if kvm_works; then
		ACCEL=kvm
		VNG_ACCEL=()
	else
		ACCEL=tcg
		VNG_ACCEL=(--disable-kvm)
	fi
	if [ "$MODE" = plain ]; then
		rc=0
		run_plain "$@" || rc=$?
		exit "$rc"
	fi
	write_job "$@"
	VNG_ARGS=(--run "$IMAGE" "${VNG_MODULES[@]}" --force-9p --disable-microvm "${VNG_ACCEL[@]}"
		--user root --name nft-offload --memory "$MEMORY" --cpus "$CPUS" --rwdir "$RUN"
		--append "log_buf_len=1M oops=panic dummy.numdummies=0 bonding.max_bonds=0$APPEND")
	case $OUT/ in "$RUN"/*) ;; *) VNG_ARGS+=(--rwdir "$OUT") ;; esac

	if [ "$MODE" = run ]; then
		VNG_ARGS+=(--verbose --qemu-opts="-global virtio-serial-pci.ioeventfd=off -device virtio-serial-pci,id=vm -chardev file,id=vmerr,path=$RUN/stderr -device virtserialport,bus=vm.0,name=vm.stderr,chardev=vmerr")
		rc=0
		run_guest || rc=$?
		exit "$rc"
	fi
	if ! [ -t 0 ] || ! [ -t 1 ]; then die "vm.sh shell needs a terminal"; fi
	printf '#!/bin/bash\nexec /bin/bash %q %q\n' "$TOP/scripts/vm-init.sh" "$RUN" >"$RUN/shell"
	VNG_ARGS+=(--append "loglevel=4")
	chmod +x "$RUN/shell"
	TMPDIR=$RUN "$VNG" "${VNG_ARGS[@]}" --shell "$RUN/shell"
	exit
}
