#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# nft-offload metrics: without root, once, into a file for a real node_exporter, and over HTTP for a real Prometheus, which also
# evaluates every query of the dashboard; without the module; slow and broken clients; signals.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/cli.sh"

PATH=$PATH:$CACHE/toolchain/prometheus/usr/bin
NODE_EXPORTER=$(command -v prometheus-node-exporter || command -v node_exporter)
DASHBOARD=$SELFTEST/../../docs/grafana/nft-offload.json
PORT=10311 NODE_PORT=9100 PROMETHEUS_PORT=9090

# http PORT PATH [HEADER]: prints a response. body ARGUMENT...: without its headers. code ARGUMENT...: its status.
http() {
	printf 'GET %s HTTP/1.0\r\nHost: router\r\n%s\r\n' "$2" "${3:+$3$'\r\n'}" | router timeout 20 nc 127.0.0.1 "$1"
}
body() { http "$@" | sed '1,/^\r*$/d'; }
code() { http "$@" | head -n 1 | cut -d' ' -f2; }
answers() { [ "$(code "$1" /metrics)" = 200 ]; }
# exposed LINE: a condition: the exporter has this sample.
exposed() { body $PORT /metrics | grep -qxF "$1"; }
# carried: prints the number of packets in the metrics, over all devices.
carried() { cli metrics | awk '/^nft_offload_packets_total/ { n += $2 } END { print n }'; }
all_carried() { [ "$(carried)" = "$(hw_packets)" ]; }
# query EXPRESSION: prints the values that Prometheus has, by job.
query() {
	body $PROMETHEUS_PORT "/api/v1/query?query=$(jq -rn --arg q "$1" '$q | @uri')" |
		jq -r '.data.result | sort_by(.metric.job) | map(.metric.job + " " + .value[1]) | join(", ")'
}
query_is() { [ "$(query "$1")" = "$2" ]; }
# background COMMAND...: runs a command in the router; $! is its process. exporter ARGUMENT...: with the privileges of its unit.
PRIVILEGE=(setpriv --reuid 65534 --regid 65534 --clear-groups "--inh-caps=-all,+net_admin" "--ambient-caps=-all,+net_admin")
background() { nsenter --net=/run/netns/router -- "$@" & }
exporter() {
	background "${PRIVILEGE[@]}" $TOOL metrics "$@" >/tmp/exporter.out 2>&1
	EXPORTER=$!
	busywait 10 grep -q ^listening /tmp/exporter.out
}
# samples: prints the metrics of the devices and flows as they should be, from nft-offload --json status.
# shellcheck disable=SC2016 # the words of jq
SAMPLES='def quoted: tostring | gsub("\\\\"; "\\\\") | gsub("\""; "\\\"");
	(.stats | ["in-hardware", .flows_in_hardware], ["one-direction", .flows_one_direction], ["software", .flows_in_software],
		["removing", .flows_removing] | "nft_offload_flows{state=\"\(.[0])\"} \(.[1])"),
	"nft_offload_flowtables \(.stats.flowtables)",
	(.stats.by_reason[] | "nft_offload_software_flows{reason=\"\(.reason.name)\"} \(.flows)"),
	(.devices[] | "family=\"\(.flowtable.family)\",table=\"\(.flowtable.table | quoted)\",flowtable=\"\(.flowtable.name | quoted)\",device=\"\(.name)\"" as $d |
		"nft_offload_rules{\($d)} \(.rules)", "nft_offload_rules_high_water{\($d)} \(.high_water)",
		(select(.limit > 0) | "nft_offload_rules_limit{\($d)} \(.limit)"),
		"nft_offload_rule_adds_total{\($d)} \(.adds)", "nft_offload_rule_deletes_total{\($d)} \(.deletes)",
		"nft_offload_packets_total{\($d)} \(.packets)", "nft_offload_bytes_total{\($d)} \(.bytes)",
		"nft_offload_hardware_misses_total{\($d)} \(.hardware_misses)", "nft_offload_evictions_total{\($d)} \(.evictions)",
		"nft_offload_device_takes_rules{\($d)} \(if .enabled and .reason == null then 1 else 0 end)",
		"nft_offload_device_info{\($d),driver=\"\(.driver)\",profile=\"\(.profile)\",bound=\"\(.bound)\"} 1",
		(.refusals[] | "nft_offload_refusals_total{\($d),reason=\"\(.reason.name)\"} \(.count)"))'
# agrees: a condition: the metrics are those of status; others are reasons without a flow, or do not come from the module.
agrees() {
	cli_get "$SAMPLES" status | sort >/tmp/wanted
	cli metrics | grep -v '^#' | grep -vE '^nft_offload_(software_flows.* 0|up 1|info.*|module_info.*)$' | sort >/tmp/is
	grep -vE '^nft_offload_software_flows.* 0$' /tmp/wanted | diff /tmp/is -
}
# unit NAME: prints the command of a unit of the package, as a script.
unit() {
	sed -n 's/^Environment=/export /p; s,^ExecStart=/usr/bin/nft-offload,exec '"$TOOL"',p' "$SELFTEST/../../packaging/systemd/$1" |
		sed 's,/var/lib/prometheus/node-exporter,/tmp/textfile,'
}
lint() { promtool check metrics </tmp/metrics; }

bed_up || exit 1
for tool in promtool prometheus "${NODE_EXPORTER:-node_exporter}"; do
	check "${tool##*/} is there (make setup SETUP=--tests)" command -v "$tool"
done

# --- without the module ---

cli metrics >/tmp/metrics 2>/tmp/err
check_is "without the module: status 3" $? 3
check_is "without the module: it is not up" "$(grep -v '^#' /tmp/metrics)" \
	"nft_offload_up 0"$'\n'"nft_offload_info{version=\"$(<"$TOP/VERSION")\"} 1"
check_is "without the module: one line says what to do" "$(</tmp/err)" "nft-offload: nft_offload is not loaded: modprobe nft_offload"
check "without the module: promtool has no complaint" lint
mkdir -m 777 /tmp/textfile
check "without the module: a file, status 3" ends 3 "is not loaded" metrics --output /tmp/textfile/nft-offload.prom
check "without the module: the file says so" grep -qx "nft_offload_up 0" /tmp/textfile/nft-offload.prom
check "a directory that is not there: status 5" ends 5 "cannot write /tmp/none/x.prom: no such directory; create it: mkdir -p /tmp/none" metrics -o /tmp/none/x.prom
check "a file that may not be written: status 5" ends 5 "cannot write /sys/x.prom: " metrics -o /sys/x.prom
check "what is no file: status 5" ends 5 "cannot write /dev/null: it is not a regular file" metrics -o /dev/null
check "JSON: status 2" ends 2 "nft-offload --json status" --json metrics
check "an address that is none: status 2" ends 2 "127.0.0.1:10311" metrics --listen localhost
check "an address of another machine: status 5" ends 5 "cannot listen on 192.0.2.1:10311: " metrics --listen 192.0.2.1
check "a file and an address: status 2" ends 2 "cannot be used with" metrics --listen -o /tmp/x
check "by HTTP without the module: it listens on loopback" exporter --listen
check_is "by HTTP without the module: where" "$(head -n 1 /tmp/exporter.out)" "listening on http://127.0.0.1:$PORT/metrics"
check_is "by HTTP without the module: it answers" "$(code $PORT /metrics)" 200
check "by HTTP without the module: it is not up" exposed "nft_offload_up 0"
check "the same address twice: status 5" ends 5 "ss -ltnp 'sport = :$PORT'" metrics --listen
check_is "no address but loopback" "$(router ss -Hltn "sport = :$PORT" | awk '{ print $4 }')" "127.0.0.1:$PORT"

# --- with the module, and flows ---

modprobe nft_offload
check "the module has come: the same process sees it" exposed "nft_offload_up 1"
check "its version" exposed "nft_offload_module_info{version=\"$(<"$TOP/VERSION")\"} 1"
check "no flowtable" exposed "nft_offload_flowtables 0"
# Drivers are asked for counters after a tenth of this time.
router sysctl -qw net.netfilter.nf_flowtable_udp_timeout=60
ip -n router link add dummy0 type dummy
sed 's/{ lan, wan }/{ lan, wan, dummy0 }/' "$RULESETS/forward.nft" | router nft -f -
router $TOOL set lan limit 100 >/dev/null
for port in 42001 42002 42003; do exchange udp $SERVER4 -b $port -n 5 -i 20 >/dev/null; done
echo replace >"$NIC/fail_cmd"
echo -95 >"$NIC/fail_errno"
echo 1000 >"$NIC/fail_next"
exchange udp $SERVER4 -b 42010 -n 60 -i 20 >/dev/null
busywait 5 exposed 'nft_offload_flows{state="software"} 1'
check "all samples are what status says" agrees
device='family="inet",table="router",flowtable="ft",device="lan"'
check_is "flows in hardware, in software and why, rules, limit" "$(cli metrics | grep -xE \
	-e 'nft_offload_flows\{state="(in-hardware|software)"\} .*' -e 'nft_offload_software_flows\{reason="driver-refused"\} .*' \
	-e "nft_offload_rules(_limit)?\{$device\} .*" | sed 's/.*"\(.*\)"} /\1 /' | paste -sd,)" \
	"in-hardware 3,software 1,driver-refused 1,lan 3,lan 100"
check "packets are those of the NIC, once its driver has been asked" busywait 60 all_carried
cli metrics >/tmp/metrics
check "promtool has no complaint" lint
check "no flow in it" bash -c '! grep -E "10\.0\.|4200|42010" /tmp/metrics'

# --- HTTP ---

openmetrics='Accept: application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5'
check_is "OpenMetrics for who wants it" "$(http $PORT /metrics "$openmetrics" | sed -n 's/\r$//; s/^content-type: //p; $p')" \
	"application/openmetrics-text; version=1.0.0; charset=utf-8"$'\n'"# EOF"
check_is "the older format for others" "$(http $PORT /metrics | sed -n 's/\r$//; s/^content-type: //p')" \
	"text/plain; version=0.0.4; charset=utf-8"
check_is "the same as the command prints" "$(body $PORT /metrics | md5sum)" "$(cli metrics | md5sum)"
check_is "the same as the command prints, OpenMetrics" "$(body $PORT /metrics "$openmetrics" | md5sum)" \
	"$(cli metrics --format openmetrics | md5sum)"
check_is "elsewhere: 404" "$(code $PORT /flows)" 404
check_is "what is no HTTP: 400" "$(printf 'hello\r\n\r\n' | router nc -N 127.0.0.1 $PORT | head -n 1 | cut -d' ' -f2)" 400
for _ in 1 2 3 4 5 6 7 8; do background timeout 60 nc -d 127.0.0.1 $PORT; done
check_is "while others say nothing: 200" "$(code $PORT /metrics)" 200

# --- node_exporter and Prometheus ---

# Three flows in hardware, and one that is refused as long as the test looks.
router conntrack -D -p udp --orig-port-src 42010 >/dev/null 2>&1
echo 0 >"$NIC/fail_next"
TALK=
for flow in "42001 20" "42002 100" "42003 100"; do
	talk_on -b "${flow% *}" -n 100000 -i "${flow#* }"
	TALK+=" $!"
done
check "flows that stay in hardware" busywait 30 exposed 'nft_offload_flows{state="in-hardware"} 3'
busywait 10 exposed 'nft_offload_flows{state="software"} 0'
echo 100000 >"$NIC/fail_next"
talk_on -b 42010 -n 100000 -i 100
TALK+=" $!"
check "one that stays in software" busywait 30 exposed 'nft_offload_flows{state="software"} 1'
check "a file, in one step, by the command of the service" router "${PRIVILEGE[@]}" bash -c "$(unit nft-offload-metrics.service)"
check "it is up" grep -qx "nft_offload_up 1" /tmp/textfile/nft-offload.prom
check_is "all may read it, and nothing else is there" "$(stat -c '%a %n' /tmp/textfile/* /tmp/textfile/.n* 2>/dev/null)" \
	"644 /tmp/textfile/nft-offload.prom"
background "$NODE_EXPORTER" --collector.disable-defaults --collector.textfile --collector.textfile.directory=/tmp/textfile \
	--web.disable-exporter-metrics --web.listen-address=127.0.0.1:$NODE_PORT >/tmp/node.out 2>&1
check "node_exporter answers" busywait 60 answers $NODE_PORT
check_is "node_exporter takes it" "$(body $NODE_PORT /metrics | grep -xE 'node_textfile_scrape_error .*|nft_offload_up .*' | paste -sd,)" \
	"nft_offload_up 1,node_textfile_scrape_error 0"
# Prometheus sorts the labels.
values() { sed -n '/^nft_offload/s/{.*}//p; /^nft_offload_[a-z]* /p' | sort | uniq -c; }
check_is "node_exporter has all of it" "$(body $NODE_PORT /metrics | values)" "$(values </tmp/textfile/nft-offload.prom)"
cat >/tmp/prometheus.yml <<-END
	global: { scrape_interval: 1s }
	scrape_configs:
	- { job_name: exporter, static_configs: [ { targets: ['127.0.0.1:$PORT'] } ] }
	- { job_name: node, static_configs: [ { targets: ['127.0.0.1:$NODE_PORT'] } ] }
END
background prometheus --config.file=/tmp/prometheus.yml --storage.tsdb.path=/tmp/prometheus \
	--web.listen-address=127.0.0.1:$PROMETHEUS_PORT >/tmp/prometheus.out 2>&1
PROMETHEUS=$!
check "Prometheus scrapes both" busywait 60 query_is 'up' "exporter 1, node 1"
check_is "flows, by both ways" "$(query 'nft_offload_flows{state="in-hardware"}')" "exporter 3, node 3"
check_is "Prometheus asks for OpenMetrics, and takes it" \
	"$(body $PROMETHEUS_PORT '/api/v1/targets/metadata?metric=nft_offload_bytes' | jq -cr '.data | map([.target.job, .type])')" '[["exporter","counter"]]'
before=$(hw_packets) start=$(query 'sum by (job) (nft_offload_packets_total{job="exporter"})')
sleep 30
after=$(hw_packets) end=$(query 'sum by (job) (nft_offload_packets_total{job="exporter"})')
carried=$((after - before))
check_between "the NIC has carried packets" $carried 500 6000
# The driver is asked for counters every 6 s.
check_between "Prometheus has counted them" $((${end#* } - ${start#* })) $((carried / 2)) $((carried * 2))
check_between "and their rate, in 20 s" \
	"$(query '20 * sum by (job) (rate(nft_offload_packets_total{job="exporter"}[20s]))' | sed 's/.* //; s/\..*//')" \
	$((carried / 3)) $((carried * 4 / 3))
check "every expression of the dashboard has data" router python3 "$SELFTEST/tools/dashboard.py" "http://127.0.0.1:$PROMETHEUS_PORT" "$DASHBOARD"
check_is "no scrape has failed" "$(body $PROMETHEUS_PORT /api/v1/targets | jq -cr '.data.activeTargets | map(.health + .lastError) | unique')" '["up"]'
check "nor has a sample been dropped" bash -c '! grep -E "level=(warn|error)" /tmp/prometheus.out'
# shellcheck disable=SC2086 # a list
hush $TALK
kill $PROMETHEUS

# --- the module is unloaded, the exporter ends ---

echo 0 >"$NIC/fail_next"
no_ruleset
busywait 5 module_free
check "the module goes while it is asked for metrics" busywait 5 rmmod nft_offload
check "the module has gone: it is not up" exposed "nft_offload_up 0"
check_is "that is said once, and that it had come" "$(sed 1d /tmp/exporter.out)" \
	"nft-offload: nft_offload is not loaded: modprobe nft_offload"$'\n'"nft-offload: nft_offload answers again"$'\n'"nft-offload: nft_offload is not loaded: modprobe nft_offload"
for signal in TERM INT; do
	kill "-$signal" "$EXPORTER"
	wait "$EXPORTER"
	check_is "SIG$signal ends it" $? 0
	[ $signal = INT ] || check "another port" exporter --listen 10312
done
check "the command of the other service" timeout --preserve-status 2 bash -c "$(unit nft-offload-exporter.service)"
