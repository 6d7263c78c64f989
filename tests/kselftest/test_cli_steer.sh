#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# nft-offload: flows evicted by hand, device settings, events, the screen of top. Users other than root can look only.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/cli.sh"

begin
router sysctl -qw net.netfilter.nf_flowtable_udp_timeout=1000

# listeners: prints the number of sockets in the router that listen to a group of generic netlink.
# shellcheck disable=SC2016 # the words of awk
listeners() { router awk '$2 == 16 && $4 !~ /^0*$/' /proc/net/netlink | wc -l; }
# monitor FILE ARGUMENT...: starts nft-offload monitor in the background; returns when it listens; $! is the process.
monitor() {
	local before
	before=$(listeners)
	nsenter --net=/run/netns/router -- $TOOL "${@:2}" >"$1" 2>&1 &
	busywait 10 eval "[ \$(listeners) -gt $before ]"
}
# told FILTER: prints each event through jq.
told() { jq -r "$1" /tmp/events.json; }
# has TEXT FILE: a condition: the file has a line with this text.
has() { grep -q -- "$1" "$2"; }
# standing: prints the flows, each with its place or the reason.
standing() { cli_get '.flows | map("\(.original.source_port) \(.reason.name // .state)") | sort | join(", ")' flows; }
standing_is() { [ "$(standing)" = "$1" ]; }
# of_device NAME FILTER: prints a device through jq.
of_device() { cli_get ".devices | map(select(.name == \"$1\")) | .[0] | $2" devices; }

monitor /tmp/events monitor
MONITOR=$!
monitor /tmp/events.json --json monitor
MONITOR_JSON=$!
monitor /tmp/events.few monitor --event flow-out,flow-refused --port 42002
MONITOR_FEW=$!

# --- flows evicted ---

ruleset forward
check "a flow" open_flow udp $SERVER4 42001
exchange udp $SERVER4 -b 42002 -n 5 -i 20 >/dev/null
exchange udp $SERVER6 -b 42003 -n 5 -i 20 >/dev/null
check "three flows in hardware" busywait 5 standing_is "42001 in-hardware, 42002 in-hardware, 42003 in-hardware"
check "evict: without root it says who may, status 4" nobody_ends 4 "the kernel refused: only root may do this" evict --all
check_is "evict: without root, in JSON" "$(CLI_BY=as_nobody cli_get '[.error.kind, .error.errno]' evict --all 2>/dev/null)" '["kernel",1]'
check_is "evict: then all are there" "$(rules)" 6
check "evict: neither a filter nor --all, status 2" ends 2 "which flows?" evict
check "evict: a filter and --all, status 2" ends 2 "not both" evict --all --port 42001
check "evict: a filter" ends 0 "1 flow taken out of hardware" evict --port 42002
check_is "evict: the others are still there" "$(standing) $(rules)" "42001 in-hardware, 42002 operator, 42003 in-hardware 4"
exchange udp $SERVER4 -b 42002 -n 50 -i 20 >/dev/null
check_is "evict: more packets do not bring it back" "$(standing)" "42001 in-hardware, 42002 operator, 42003 in-hardware"
check "evict: why says so" ends 0 "operator (58)" why $CLIENT4:42002 $SERVER4:5001
check "evict: nothing fits" ends 0 "0 flows taken out of hardware" evict --address 192.0.2.1
check "evict: a reason that does not exist, status 2" ends 2 "there is no reason 'tired'" evict --reason tired
check_is "evict: all, in JSON" "$(router $TOOL --json evict --all)" '{"schema":1,"evicted":2}'
check_is "evict: no rule is left" "$(standing) $(rules)" "42001 operator, 42002 operator, 42003 operator 0"
router conntrack -D -p udp --orig-port-src 42003 >/dev/null 2>&1
router conntrack -D -p udp --orig-port-src 42002 >/dev/null 2>&1
exchange udp $SERVER4 -b 42002 -n 5 -i 20 >/dev/null
check "evict: a new connection goes into hardware" busywait 5 standing_is "42001 operator, 42002 in-hardware"

# --- device settings ---

check "set: without root it says who may, status 4" nobody_ends 4 "only root may do this" set lan off
check "set: no setting, status 2" ends 2 "SETTING" set lan
check "set: half a setting, status 2" ends 2 "expected a number or 'none'" set lan limit
check "set: a device that does not exist, status 2" ends 2 "there is no device 'eth42'" set eth42 off
check "set: a device of no flowtable, status 4" ends 4 "device is not in a flowtable" set lo off
check "set: a flowtable that does not exist, status 4" ends 4 "device is not in a flowtable" set lan off --flowtable tf
check "set: a profile that does not exist, status 4" ends 4 "attribute profile" set lan profile best
check "set: off" ends 0 "switched off: nft-offload set lan on" set lan off
check_is "set: off: it has no rule" "$(of_device lan '[.enabled, .rules]') $(rules)" "[false,0] 0"
check_is "set: off: the other device is as it was" "$(of_device wan .enabled)" true
exchange udp $SERVER4 -b 42004 -n 20 -i 20 >/dev/null
check "set: off: a new flow stays in software" busywait 5 standing_is "42001 operator, 42002 device-off, 42004 device-off"
check "set: off: status shows it" bash -c "nsenter --net=/run/netns/router -- $TOOL status | grep -qE '^lan .* off$'"
check "set: off: why has the command" ends 0 "nft-offload set lan on" why $CLIENT4:42004 $SERVER4:5001
fix=$(router $TOOL --json doctor | jq -r '.findings[] | select(.id == "switched-off") | .fix')
check_is "set: off: the doctor has the command" "$fix" "nft-offload set lan on"
check "set: on, with the doctor's command" router env PATH="/tmp:$PATH" bash -c "$fix"
check_is "set: on: the doctor has no finding of it" "$(router $TOOL --json doctor | jq '.findings | map(select(.id == "switched-off")) | length')" 0
exchange udp $SERVER4 -b 42005 -n 5 -i 20 >/dev/null
in_hardware() { [ "$(cli_get '.flows | map(.original.source_port) | index('"$1"') != null' flows --state hardware)" = true ]; }
check "set: on: a new flow goes into hardware" busywait 5 in_hardware 42005
exchange udp $SERVER4 -b 42006 -n 5 -i 20 >/dev/null
check "set: more than one rule" busywait 5 in_hardware 42006
check "set: a limit" ends 0 "1 rule, limit 1; direct" set lan limit 1
check_is "set: the limit holds" "$(of_device lan '[.rules, .limit]') $(rules)" "[1,1] 2"
exchange udp $SERVER4 -b 42007 -n 30 -i 20 >/dev/null
check_is "set: one flow too many" "$(cli_get '.flows[] | .reason.name' flows --port 42007)" "limit"
check_is "set: no limit, in JSON" "$(router $TOOL --json set lan limit none | jq -c '[.schema, .device.name, .device.limit]')" '[1,"lan",0]'
check "set: a profile" ends 0 "flowtable inet router ft: profile mtk" set lan profile mtk --table router
check_is "set: the profile is there" "$(of_device lan .profile) $(of_device wan .profile)" "mtk tc"
check "set: several at a time" ends 0 "profile tc, 0 rules, limit 1000; direct" set lan profile tc limit 1000 on
no_ruleset
ruleset forward
check_is "set: it lasts as long as the device is in the flowtable" "$(of_device lan '[.limit, .profile, .enabled]')" '[0,"tc",true]'

# --- events ---

echo replace >"$NIC/fail_cmd"
echo -95 >"$NIC/fail_errno"
echo 1000 >"$NIC/fail_next"
exchange udp $SERVER4 -b 42010 -n 30 -i 20 >/dev/null
echo 0 >"$NIC/fail_next"
check "monitor: a refusal" busywait 5 has '"driver-refused".*"source_port":42010' /tmp/events.json
check_is "monitor: devices that take rules" "$(told 'select(.event == "device-bound") | .device.name' | sort -u | paste -sd ' ')" "lan wan"
check_is "monitor: what went in" \
	"$(told 'select(.event == "flow-in" and .flow.state == "in-hardware") | .flow.original.source_port' | head -n 3 | sort -u | paste -sd ' ')" "42001 42002 42003"
check_is "monitor: what was taken out" \
	"$(told 'select(.event == "flow-out" and .flow.reason.name == "operator") | "\(.flow.original.source_port) \(.flow.state)"' | sort | paste -sd ,)" \
	"42001 software,42002 software,42003 software"
check "monitor: what hardware has carried" test "$(told 'select(.event == "flow-out") | .flow.original.bytes' | sort -n | tail -n 1)" -gt 0
check_is "monitor: what left with the device" \
	"$(told 'select(.event == "flow-out" and .flow.reason.name == "device-off") | .flow.original.source_port' | paste -sd ' ')" 42002
check "monitor: the limit" test -n "$(told 'select(.event == "device-full" and .device.name == "lan" and .device.limit == 1) | .event')"
check_is "monitor: one that is refused is told once" \
	"$(told 'select(.event == "flow-refused" and .flow.original.source_port == 42010) | "\(.flow.reason.name) \(.flow.errno)"')" "driver-refused 95"
check_is "monitor: each has the schema and a time" "$(told 'select(.schema != 1 or .time_ms < 1000) | .event')" ""
check_is "monitor: lines are those of JSON" "$(awk '{ print $2 }' /tmp/events | sort | uniq -c)" "$(told .event | sort | uniq -c)"
stamp='^\[[0-9]*\.[0-9]\{3\}\]'
check "monitor: a line of a flow that went in" \
	has "$stamp flow-in        udp  lan>wan    $CLIENT4:42001 > $SERVER4:5001: in-hardware\$" /tmp/events
check "monitor: a line of one that was taken out" \
	has "$stamp flow-out       udp  lan>wan    $CLIENT4:42002 > $SERVER4:5001: software, operator; original [0-9]* packets [0-9]* bytes, reply [0-9]*" /tmp/events
check "monitor: a line of one that was refused" \
	has "$stamp flow-refused   udp  lan>wan    $CLIENT4:42010 > $SERVER4:5001: driver-refused, EOPNOTSUPP\$" /tmp/events
check "monitor: a line of a device" has "$stamp device-bound   lan  flowtable inet router ft: direct\$" /tmp/events
check_is "monitor: a filter" "$(awk '{ print $2 }' /tmp/events.few | sort -u | paste -sd ' ') $(grep -vc ':42002 > ' /tmp/events.few)" "flow-out 0"
diag "$(head -n 12 /tmp/events)"
check "monitor: a kind of event that does not exist: status 2" ends 2 "flow-refused" monitor --event flow-lost
kill -INT $MONITOR $MONITOR_FEW
wait $MONITOR
check_is "monitor: SIGINT ends it well" "$?" 0
wait $MONITOR_FEW
kill -TERM $MONITOR_JSON
wait $MONITOR_JSON
check_is "monitor: so does SIGTERM" "$?" 0
check_is "monitor: its JSON is whole" "$(jq -s 'length > 10' /tmp/events.json)" true
check "monitor: nobody reads it" timeout 10 bash -c "set -o pipefail; nsenter --net=/run/netns/router -- $TOOL monitor | true"

# Too fast: the process is stopped while flows come, until its socket has lost events.
# shellcheck disable=SC2016 # the words of awk
drops() { router awk '$2 == 16 && $4 !~ /^0*$/ { n += $9 } END { print n + 0 }' /proc/net/netlink; }
monitor /tmp/events.json --json monitor
MONITOR=$!
kill -STOP $MONITOR
for ((n = 0; n < 60 && $(drops) == 0; n++)); do
	exchange udp $SERVER4 -b $((43000 + 100 * n)) -n 3 -c 100 >/dev/null
	cli evict --all >/dev/null
done
kill -CONT $MONITOR
check "monitor: events that are lost are told" busywait 20 has '"event":"lost"' /tmp/events.json
# sum_is_all: a condition: the events lost and received are all events.
sum_is_all() { [ "$(told 'if .event == "flow-in" then 1 else .lost // 0 end' | awk '{ n += $1 } END { print n }')" -ge 100 ]; }
check "monitor: and how many" busywait 5 sum_is_all
diag "$(jq -c 'select(.event == "lost")' /tmp/events.json)"
exchange udp $SERVER4 -b 42011 -n 5 -i 20 >/dev/null
check "monitor: and it goes on" busywait 5 has '"source_port":42011' /tmp/events.json
kill $MONITOR
wait $MONITOR

# --- top ---

exchange udp $SERVER4 -b 60000 -n 3 -c 100 >/dev/null
check_is "top: frames in a file" "$(cli top -n 2 -i 0.5 | grep -c '^DEVICE')" 2
check_is "top: in JSON" "$(cli --json top -n 2 -i 1 | jq -c '[.schema, (.rates == null), (.devices | length), (.flows | length)]' | paste -sd ' ')" \
	"[1,true,2,20] [1,false,2,20]"
check_is "top: rates add up" "$(cli --json top -n 2 -i 1 | jq -s '.[1] | .rates.packets == (.devices | map(.rates.packets) | add)')" true
check "top: nobody reads it" timeout 10 bash -c "nsenter --net=/run/netns/router -- $TOOL top | head -n 1"
check "top: an interval that is none, status 2" ends 2 "a number of seconds" top -i 0
no_ruleset
# The core requests counters from the hardware after a tenth of this time.
router sysctl -qw net.netfilter.nf_flowtable_udp_timeout=10
ruleset forward
talk_on -b 42020 -n 100000 -i 1
talk=$!
check "top: a flow" busywait 10 in_hardware 42020
SERVER=first
screen() { tmux -L $SERVER "$@"; }
export LC_ALL=C.UTF-8
captured() { screen capture-pane -p -t test >/tmp/screen; }
# seen TEXT: a condition: the screen shows this text.
seen() { captured && grep -q -- "$1" /tmp/screen; }
screen new-session -d -s test -x 80 -y 24 "nsenter --net=/run/netns/router -- bash -c '$TOOL top -i 1; echo status \$?; cat'"
check "top: it shows itself" busywait 20 seen "q quit"
check "top: devices with their rates" busywait 30 seen '^lan  *1  *(1)  *[0-9.]*  *[1-9][0-9.k]* '
check "top: the flow with its rate" busywait 10 seen "^ *[1-9][0-9.k]* .* udp  *lan>wan  *$CLIENT4:42020 > $SERVER4:5001\$"
diag "$(</tmp/screen)"
check_is "top: 24 lines, none too long" "$(wc -l </tmp/screen) $(($(wc -L </tmp/screen) <= 80))" "24 1"
check "top: the header is that of status" grep -q "^1 flow in hardware, 0 in software" /tmp/screen
screen send-keys -t test s
check "top: s sorts otherwise" busywait 5 seen "sort: bytes"
screen send-keys -t test Space
check "top: space lets it stand still" busywait 5 seen "paused\$"
screen send-keys -t test Space
check "top: and go on" busywait 5 seen "every 1 s\$"
screen resize-window -t test -x 60 -y 15
check "top: another size" busywait 5 seen "^PKT/S"
check_is "top: 15 lines, none too long" "$(wc -l </tmp/screen) $(($(wc -L </tmp/screen) <= 60))" "15 1"
diag "$(</tmp/screen)"
screen resize-window -t test -x 80 -y 24
screen send-keys -t test h
check "top: h shows the keys" busywait 5 seen "reverse the order"
screen send-keys -t test h
hidden() { captured && ! grep -q -- "$1" /tmp/screen; }
check "top: and hides them" busywait 5 hidden "reverse the order"
check "top: a sparkline" busywait 5 seen "^packets per second: [0-9.k]*, peak [1-9]"
screen send-keys -t test / nothing
check "top: / begins a filter" busywait 5 seen "^filter: nothing_"
screen send-keys -t test Enter
check "top: which nothing passes" busywait 5 seen "^no flow matches the filter"
screen send-keys -t test / Escape
check "top: Escape clears it" busywait 5 seen "$CLIENT4:42020 > $SERVER4:5001\$"
screen send-keys -t test q
check "top: q ends it, and the terminal is as before" busywait 5 seen "^status 0\$"
check_is "top: nothing of it is left" "$(grep -c 'DEVICE' /tmp/screen)" 0
screen kill-server
# The first one takes a moment to exit.
SERVER=second
screen new-session -d -s test -x 80 -y 24 "nsenter --net=/run/netns/router -- bash -c '$TOOL top; echo status \$?; cat'"
check "top: again" busywait 20 seen "q quit"
kill "$(pgrep -x nft-offload)"
check "top: SIGTERM ends it, and the terminal is as before" busywait 5 seen "^status 0\$"
screen kill-server
hush $talk
close_flow

# --- without the module ---

no_ruleset
monitor /tmp/events monitor
MONITOR=$!
check "no reference is left" busywait 5 module_free
modprobe -r nft_offload
wait $MONITOR
check_is "monitor: the module goes: status 3" "$? $(tail -n 1 /tmp/events)" "3 nft-offload: nft_offload is not loaded: modprobe nft_offload"
