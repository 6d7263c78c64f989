#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Sets up devices that ip(8) creates but does not configure, without wireguard-tools and libteam.

wireguard DEVICE PRIVATE_KEY PORT [PEER_PUBLIC_KEY ADDRESS PEER_PORT]
    Keys are in hex. The peer may use any address. Prints the public key.
team DEVICE ACTIVE_PORT
    A team without ports becomes an active-backup one; ACTIVE_PORT joins it and is the active port.
"""

import errno
import ipaddress
import socket
import struct
import subprocess
import sys

# include/uapi/linux/{netlink,genetlink}.h
NETLINK_GENERIC = 16
NLM_F_REQUEST, NLM_F_ACK, NLM_F_DUMP = 1, 4, 0x300
NLMSG_ERROR, NLMSG_DONE = 2, 3
NLA_F_NESTED = 0x8000
CTRL_CMD_GETFAMILY, CTRL_ATTR_FAMILY_ID, CTRL_ATTR_FAMILY_NAME = 3, 1, 2
# include/uapi/linux/wireguard.h
WG_CMD_GET_DEVICE, WG_CMD_SET_DEVICE = 0, 1
WGDEVICE_A_IFNAME, WGDEVICE_A_PRIVATE_KEY, WGDEVICE_A_PUBLIC_KEY = 2, 3, 4
WGDEVICE_A_LISTEN_PORT, WGDEVICE_A_PEERS = 6, 8
WGPEER_A_PUBLIC_KEY, WGPEER_A_ENDPOINT, WGPEER_A_ALLOWEDIPS = 1, 4, 9
WGALLOWEDIP_A_FAMILY, WGALLOWEDIP_A_IPADDR, WGALLOWEDIP_A_CIDR_MASK = 1, 2, 3
# include/uapi/linux/if_team.h, include/uapi/linux/netlink.h (NLA_*)
TEAM_CMD_OPTIONS_SET = 1
TEAM_ATTR_TEAM_IFINDEX, TEAM_ATTR_LIST_OPTION, TEAM_ATTR_ITEM_OPTION = 1, 2, 1
TEAM_ATTR_OPTION_NAME, TEAM_ATTR_OPTION_TYPE, TEAM_ATTR_OPTION_DATA = 1, 3, 4
NLA_U32, NLA_STRING = 3, 5


def attribute(kind, value):
    padding = -len(value) % 4
    return struct.pack("=HH", 4 + len(value), kind) + value + bytes(padding)


def nested(kind, *values):
    return attribute(kind | NLA_F_NESTED, b"".join(values))


def attributes(data):
    found = {}
    while len(data) >= 4:
        length, kind = struct.unpack_from("=HH", data)
        found[kind & ~NLA_F_NESTED] = data[4:length]
        data = data[(length + 3) & ~3 :]
    return found


class Genetlink:
    """A socket that waits for the answer to each request."""

    def __init__(self):
        self.socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_GENERIC)

    def ask(self, family, command, payload, flags=NLM_F_ACK, expected=0):
        """The attributes of the answer, or None. An error is the end of the program, but for the expected one."""
        body = struct.pack("=BBH", command, 1, 0) + payload
        header = struct.pack("=IHHII", 16 + len(body), family, NLM_F_REQUEST | flags, 1, 0)
        self.socket.send(header + body)
        answer = None
        while True:
            data = self.socket.recv(1 << 16)
            while data:
                length, kind = struct.unpack_from("=IH", data)
                if kind in (NLMSG_ERROR, NLMSG_DONE):
                    (error,) = struct.unpack_from("=i", data, 16)
                    if error not in (0, -expected):
                        sys.exit(f"error {-error}")
                    return answer
                answer = attributes(data[20:length])
                data = data[(length + 3) & ~3 :]

    def family(self, name):
        name = attribute(CTRL_ATTR_FAMILY_NAME, name.encode() + b"\0")
        answer = self.ask(NETLINK_GENERIC, CTRL_CMD_GETFAMILY, name)
        return struct.unpack("=H", answer[CTRL_ATTR_FAMILY_ID])[0]


def wireguard(device, key, port, peer=None, address=None, peer_port=None):
    genetlink = Genetlink()
    family = genetlink.family("wireguard")
    name = attribute(WGDEVICE_A_IFNAME, device.encode() + b"\0")
    request = name
    request += attribute(WGDEVICE_A_PRIVATE_KEY, bytes.fromhex(key))
    request += attribute(WGDEVICE_A_LISTEN_PORT, struct.pack("=H", int(port)))
    if peer:
        end = ipaddress.ip_address(address)
        if end.version == 4:
            endpoint = struct.pack("=H", socket.AF_INET) + struct.pack("!H", int(peer_port)) + end.packed + bytes(8)
        else:
            endpoint = struct.pack("=H", socket.AF_INET6) + struct.pack("!HI", int(peer_port), 0) + end.packed + bytes(4)
        anything = [
            nested(
                0,
                attribute(WGALLOWEDIP_A_FAMILY, struct.pack("=H", of)),
                attribute(WGALLOWEDIP_A_IPADDR, bytes(size)),
                attribute(WGALLOWEDIP_A_CIDR_MASK, b"\0"),
            )
            for of, size in ((socket.AF_INET, 4), (socket.AF_INET6, 16))
        ]
        request += nested(
            WGDEVICE_A_PEERS,
            nested(
                0,
                attribute(WGPEER_A_PUBLIC_KEY, bytes.fromhex(peer)),
                attribute(WGPEER_A_ENDPOINT, endpoint),
                nested(WGPEER_A_ALLOWEDIPS, *anything),
            ),
        )
    genetlink.ask(family, WG_CMD_SET_DEVICE, request)
    print(genetlink.ask(family, WG_CMD_GET_DEVICE, name, NLM_F_DUMP)[WGDEVICE_A_PUBLIC_KEY].hex())


def team(device, port):
    genetlink = Genetlink()
    family = genetlink.family("team")
    index = struct.pack("=I", socket.if_nametoindex(device))

    def option(name, kind, data):
        item = nested(
            TEAM_ATTR_ITEM_OPTION,
            attribute(TEAM_ATTR_OPTION_NAME, name + b"\0"),
            attribute(TEAM_ATTR_OPTION_TYPE, bytes([kind])),
            attribute(TEAM_ATTR_OPTION_DATA, data),
        )
        request = attribute(TEAM_ATTR_TEAM_IFINDEX, index) + nested(TEAM_ATTR_LIST_OPTION, item)
        # The option is set, but nobody listens to the event that says so.
        genetlink.ask(family, TEAM_CMD_OPTIONS_SET, request, expected=errno.ESRCH)

    option(b"mode", NLA_STRING, b"activebackup\0")
    subprocess.run(["ip", "link", "set", port, "master", device], check=True)
    option(b"activeport", NLA_U32, struct.pack("=I", socket.if_nametoindex(port)))


if __name__ == "__main__":
    {"wireguard": wireguard, "team": team}[sys.argv[1]](*sys.argv[2:])
