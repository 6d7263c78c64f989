#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Flows in hardware over a bond towards the server, bond1, whose ports are wan and wan2: another port becomes active, a port leaves,
# the bond gets another MAC, goes down or is deleted. The server has a wire at each port.
#
# There is no such test for macvlan and IPVLAN: no hardware accepts flows over them (test_virtual.sh).
. "$(dirname "$0")/lib.sh"
. "$SELFTEST/stale.sh"

PORTS="lan, bond1"
AT_FIRST='at == "server" && proto == "udp"' AT_SECOND='at == "server2" && proto == "udp"'
AT_SERVER='at != "client" && proto == "udp"'

# fourth_port: adds wan2 to the NIC of the router, and eth2, which has the MAC of eth, to the server.
fourth_port() {
	local dev
	ip netns exec router sh -c 'echo 2 >/sys/bus/netdevsim/devices/netdevsim2/new_port' || return 1
	dev=$(ip netns exec router ls /sys/bus/netdevsim/devices/netdevsim2/net | grep -vxE 'lan|wan' | head -n 1)
	ip -n router link set "$dev" name wan2 && new_nic server 4 eth2 && wire server eth2 router wan2 || return 1
	in_ns server ethtool -K eth2 tso off gso off gro off tx off 2>/dev/null
	in_ns router ethtool -K wan2 tso off gso off gro off tx off 2>/dev/null
	ip -n server link set eth2 address "$SERVER_MAC" up
	server sysctl -qw net.ipv6.conf.eth.keep_addr_on_down=1
	ip -n router addr flush dev wan scope global
	# The driver accepts flowtables of devices above its ports.
	echo indirect-ft >"$NIC/bind_as"
}

# bond_again: sets up bond1 as each case expects it, with wan active.
bond_again() {
	ip -n server link set eth up
	ip -n server -b - <<-END || return 1
		route replace default via $WAN4 dev eth
		route replace default via $WAN6 dev eth
	END
	ip -n router link del bond1 2>/dev/null
	ip -n router link set wan2 nomaster 2>/dev/null
	ip -n router -b - <<-END || return 1
		link add bond1 type bond mode active-backup miimon 100
		link set wan down
		link set wan2 down
		link set wan master bond1
		link set wan2 master bond1
		link set bond1 address $WAN_MAC
		link set bond1 up
		addr add $WAN4/24 dev bond1
		addr add $WAN6/64 dev bond1 nodad
		neigh replace $SERVER4 lladdr $SERVER_MAC dev bond1 nud permanent
		neigh replace $SERVER6 lladdr $SERVER_MAC dev bond1 nud permanent
	END
	busywait 5 wan_runs && ip -n router link set bond1 type bond active_slave wan &&
		busywait 10 client ping -q -c 1 -W 1 $SERVER4 && busywait 10 client ping -q -c 1 -W 1 $SERVER6
}
wan_runs() { [ "$(router cat /proc/net/bonding/bond1 | grep -A1 'Interface: wan$' | grep -c 'MII Status: up')" -eq 1 ]; }

# The rule of the bond stays the same; only the driver knows which port sends the frames. The simulated NIC uses the port that was
# active when it was given the rule, as mlx5 does.
fails_over() {
	WRONG=$AT_FIRST RIGHT=$AT_SECOND
	changes "IPv$FAMILY, another port is made the active one" "ip -n router link set bond1 type bond active_slave wan2" bond_again
	WRONG=$AT_FIRST RIGHT=$AT_SECOND
	changes "IPv$FAMILY, the active port goes down" "ip -n router link set wan down" bond_again
	USUAL=$AT_FIRST RIGHT=$AT_SECOND
	changes "IPv$FAMILY, the active port has no carrier" "ip -n server link set eth down" bond_again
}

a_port_leaves() {
	WRONG=$AT_FIRST RIGHT=$AT_SECOND
	changes "IPv$FAMILY, the active port leaves" "ip -n router link set wan nomaster" bond_again
}

bond_itself() {
	WRONG="$AT_FIRST && smac == \"$WAN_MAC\"" RIGHT="$AT_FIRST && smac == \"$STRANGE_MAC\""
	changes "IPv$FAMILY, the bond has another MAC" "ip -n router link set bond1 address $STRANGE_MAC" bond_again
	WRONG=$AT_SERVER
	changes "IPv$FAMILY, the bond goes down" "ip -n router link set bond1 down" bond_again
	WRONG=$AT_SERVER
	changes "IPv$FAMILY, the bond is deleted" "ip -n router link del bond1" bond_again
}

stale_up
check "a fourth port" fourth_port
watch_frames server:eth2:server2
check "a bond" bond_again
for version in 4 6; do
	family $version
	tests_run fails_over a_port_leaves bond_itself
done
stale_end
