#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0
"""Prints the IP packets that arrive on devices of the hosts, with their headers.

    frames.py NAMESPACE:DEVICE[:NAME]...

One line per frame that was received, with the time of its arrival in microseconds:

    TIME NAME DMAC SMAC HEADERS PROTOCOL SRC SPORT DST DPORT SIZE

NAME is the namespace unless given. HEADERS are those between the MACs and IP, as 8021q:20/pppoe:4660, or "-". PROTOCOL
is udp, tcp/FLAGS, or icmp/TYPE/CODE; an ICMP error has the addresses of the error and the ports of the packet that it is
about. SIZE is that of the IP packet. Prints "ready" first.
"""
import ctypes
import ipaddress
import os
import select
import socket
import struct
import sys

SOL_PACKET, PACKET_AUXDATA = 263, 8
SO_TIMESTAMPNS = 35
AUXDATA = struct.Struct("=IIIHHHH")
VLAN_VALID, VLAN_TPID_VALID = 0x10, 0x40
TAGS = {0x8100: "8021q", 0x88A8: "8021ad"}
PPPOE, PPP = 0x8864, {0x0021: 0x0800, 0x0057: 0x86DD}
FLAGS = "FSRPAU"


def open_in(namespace, device):
    """A packet socket in another network namespace, for good."""
    libc = ctypes.CDLL(None, use_errno=True)
    there = os.open(f"/run/netns/{namespace}", os.O_RDONLY)
    if libc.setns(there, 0x40000000):
        raise OSError(ctypes.get_errno(), f"setns {namespace}")
    os.close(there)
    sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
    sock.setsockopt(SOL_PACKET, PACKET_AUXDATA, 1)
    sock.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
    sock.bind((device, 3))
    return sock


def receive(sock):
    """(time, frame) as it was on the wire, or None for what the host has sent itself."""
    data, ancillary, _, address = sock.recvmsg(4096, 512)
    if address[2] == socket.PACKET_OUTGOING:
        return None
    time = 0
    for level, kind, value in ancillary:
        if (level, kind) == (socket.SOL_SOCKET, SO_TIMESTAMPNS):
            seconds, nanoseconds = struct.unpack("=qq", value)
            time = seconds * 1000000 + nanoseconds // 1000
        if (level, kind) == (SOL_PACKET, PACKET_AUXDATA):
            status, _, _, _, _, tci, tpid = AUXDATA.unpack(value)
            if status & VLAN_VALID:
                tpid = tpid if status & VLAN_TPID_VALID else 0x8100
                data = data[:12] + struct.pack("!HH", tpid, tci) + data[12:]
    return time, data


def transport(proto, data):
    """(protocol, source port, destination port) of what follows an IP header."""
    if proto == 17:
        return ("udp", *struct.unpack_from("!HH", data))
    if proto == 6:
        flags = "".join(name for bit, name in enumerate(FLAGS) if data[13] >> bit & 1) if len(data) > 13 else ""
        return (f"tcp/{flags}", *struct.unpack_from("!HH", data))
    if proto in (1, 58):
        name = f"icmp/{data[0]}/{data[1]}"
        if data[0] == 3 and proto == 1:
            return (name, *transport(data[8 + 9], data[8 + 4 * (data[8] & 15) :])[1:])
        if data[0] < 128 and proto == 58:
            return (name, *transport(data[8 + 6], data[8 + 40 :])[1:])
        return name, 0, 0
    return str(proto), 0, 0


def describe(data):
    """The line about a frame, without its time; None if it is not IP."""
    headers, at = [], 14
    (kind,) = struct.unpack_from("!H", data, 12)
    while kind in TAGS:
        tci, following = struct.unpack_from("!HH", data, at)
        headers.append(f"{TAGS[kind]}:{tci & 0xFFF}")
        kind, at = following, at + 4
    if kind == PPPOE:
        _, _, session, _, protocol = struct.unpack_from("!BBHHH", data, at)
        headers.append(f"pppoe:{session}")
        kind, at = PPP.get(protocol, 0), at + 8
    packet = data[at:]
    if kind == 0x0800:
        size, proto, source, to = struct.unpack("!xxH5xB2x4s4s", packet[:20])
        rest = packet[4 * (packet[0] & 15) :]
    elif kind == 0x86DD:
        size, proto, source, to = struct.unpack("!4xHBx16s16s", packet[:40])
        size, rest = size + 40, packet[40:]
    else:
        return None
    name, sport, dport = transport(proto, rest)
    macs = data[:6].hex(":"), data[6:12].hex(":")
    addresses = ipaddress.ip_address(source), sport, ipaddress.ip_address(to), dport
    return " ".join(map(str, (*macs, "/".join(headers) or "-", name, *addresses, size)))


def main():
    """As the module says."""
    sockets = {}
    for word in sys.argv[1:]:
        namespace, device, *name = word.split(":")
        sockets[open_in(namespace, device)] = name[0] if name else namespace
    print("ready", flush=True)
    poll = select.poll()
    by_fd = {sock.fileno(): sock for sock in sockets}
    for fd in by_fd:
        poll.register(fd, select.POLLIN)
    while True:
        for fd, _ in poll.poll():
            sock = by_fd[fd]
            try:
                frame = receive(sock)
                line = frame and describe(frame[1])
            except (OSError, struct.error, IndexError):
                # The device is down; or a frame that is cut short.
                continue
            if line:
                print(frame[0], sockets[sock], line, flush=True)


main()
