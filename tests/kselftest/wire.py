#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0
"""Plays connections over the test bed, frame by frame, and writes down every frame that came out at the other end.

    wire.py OUTPUT RULES ADDRESS4 ADDRESS6 PORT

Four connections to PORT: TCP and UDP, over IPv4 and IPv6. The frames are made here, the same ones in every run, so what
is written differs only where the router made a difference: addresses, ports, MACs, hop limits, checksums, padding,
order. Each connection is opened; if RULES is a file (the NIC's list of rules, else "-"), the play waits until both of its
rules are there; the body is sent; the connection is closed. What PROTOCOL over FAMILY gave goes to OUTPUT.PROTOCOL.FAMILY,
lines of "client HEX" or "server HEX": who received the frame. With RULES, prints "PROTOCOL FAMILY SENT CARRIED" for each
connection: frames of its body, and packets that the rules say they have carried. Exits with 1 if a frame is missing.
"""
import ctypes
import os
import random
import re
import select
import socket
import struct
import sys
import time

TCP, UDP = 6, 17
NAMES = {TCP: "tcp", UDP: "udp"}
FIN, SYN, RST, PSH, ACK, ECE, CWR = 0x01, 0x02, 0x04, 0x08, 0x10, 0x40, 0x80
CLIENT_PORT, SERVER_PORT = 7777, 5001
ADDRESSES = {4: ("10.0.1.2", "10.0.1.1"), 6: ("fd00:1::2", "fd00:1::1")}


def packet_socket(namespace, device):
    """A packet socket on a device of another network namespace, and the device's MAC."""
    libc = ctypes.CDLL(None, use_errno=True)
    home = os.open("/proc/self/ns/net", os.O_RDONLY)
    there = os.open(f"/run/netns/{namespace}", os.O_RDONLY)
    if libc.setns(there, 0x40000000):
        raise OSError(ctypes.get_errno(), f"setns {namespace}")
    sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
    sock.bind((device, 3))
    libc.setns(home, 0x40000000)
    os.close(home)
    os.close(there)
    return sock, sock.getsockname()[4]


def neighbour_mac(namespace, device, address):
    """The MAC that a namespace knows for an address."""
    out = os.popen(f"ip -n {namespace} neigh show {address} dev {device}").read().split()
    return bytes.fromhex(out[out.index("lladdr") + 1].replace(":", ""))


def ones_complement(data):
    """The Internet checksum."""
    if len(data) % 2:
        data += b"\0"
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total > 0xFFFF:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


class Frame:
    """A TCP or UDP frame, built or taken apart."""

    def __init__(self, family, protocol, **fields):
        self.family, self.protocol = family, protocol
        self.tos, self.hops, self.ident, self.dont_fragment = 0, 64, 0, True
        self.flags, self.seq, self.ack, self.options, self.checksum = ACK, 0, 0, b"", True
        self.label, self.payload = 0, b""
        self.__dict__.update(fields)

    def build(self):
        """The frame's bytes."""
        ports = struct.pack("!HH", self.sport, self.dport)
        if self.protocol == TCP:
            offset = (20 + len(self.options)) // 4
            head = struct.pack("!IIBBHHH", self.seq, self.ack, offset << 4, self.flags, 0x4000, 0, 0)
            l4, at = ports + head + self.options + self.payload, 16
        else:
            l4, at = ports + struct.pack("!HH", 8 + len(self.payload), 0) + self.payload, 6
        if self.checksum:
            pseudo = self.src + self.dst + struct.pack("!II", len(l4), self.protocol)
            value = ones_complement(pseudo + l4) or (0xFFFF if self.protocol == UDP else 0)
            l4 = l4[:at] + struct.pack("!H", value) + l4[at + 2 :]
        if self.family == 4:
            fragment = 0x4000 if self.dont_fragment else 0
            head = struct.pack(
                "!BBHHHBBH", 0x45, self.tos, 20 + len(l4), self.ident, fragment, self.hops, self.protocol, 0
            )
            value = ones_complement(head + self.src + self.dst)
            l3 = head[:10] + struct.pack("!H", value) + self.src + self.dst
            ethertype = b"\x08\x00"
        else:
            first = 6 << 28 | self.tos << 20 | self.label
            l3 = struct.pack("!IHBB", first, len(l4), self.protocol, self.hops) + self.src + self.dst
            ethertype = b"\x86\xdd"
        return self.dmac + self.smac + ethertype + l3 + l4

    @staticmethod
    def ends(data):
        """(source, destination, source port, destination port) of a frame's bytes; None if it is no TCP or UDP."""
        if data[12:14] == b"\x08\x00" and data[23] in (TCP, UDP):
            return data[26:30], data[30:34], *struct.unpack("!HH", data[34:38])
        if data[12:14] == b"\x86\xdd" and data[20] in (TCP, UDP):
            return data[22:38], data[38:54], *struct.unpack("!HH", data[54:58])
        return None


class Wire:
    """Both ends of the test bed."""

    def __init__(self, sockets, output, protocol, family, address, port):
        self.protocol, self.family, self.output = protocol, family, output
        (self.client, client_mac), (self.server, server_mac) = sockets
        local, gateway = ADDRESSES[family]
        lan_mac = neighbour_mac("client", "eth", gateway)
        parse = lambda a: socket.inet_pton(socket.AF_INET if family == 4 else socket.AF_INET6, a)
        self.to_server = {
            "smac": client_mac,
            "dmac": lan_mac,
            "src": parse(local),
            "dst": parse(address),
            "sport": CLIENT_PORT,
            "dport": port,
        }
        # Where answers go is learned from the first frame that reaches the server.
        self.to_client = {"smac": server_mac}
        self.lost = 0

    def receive(self, name, sock, mine):
        """Waits for the frame of this connection and prints it."""
        end = time.monotonic() + 2
        while (left := end - time.monotonic()) > 0:
            if not select.select([sock], [], [], left)[0]:
                break
            data, (_, _, kind, _, _) = sock.recvfrom(4096)
            if kind == socket.PACKET_OUTGOING:
                continue
            ends = Frame.ends(data)
            if ends and mine(ends):
                print(name, data.hex(), file=self.output)
                return data
        print(name, "missing", file=self.output)
        self.lost += 1
        return None

    def send_up(self, **fields):
        """Client to server."""
        self.client.send(Frame(self.family, self.protocol, **self.to_server, **fields).build())
        data = self.receive("server", self.server, lambda e: e[3] == SERVER_PORT)
        if data and "dst" not in self.to_client:
            src, dst, sport, dport = Frame.ends(data)
            self.to_client.update(dmac=data[6:12], src=dst, dst=src, sport=dport, dport=sport)

    def send_down(self, **fields):
        """Server to client."""
        if "dst" not in self.to_client:
            self.lost += 1
            return
        self.server.send(Frame(self.family, self.protocol, **self.to_client, **fields).build())
        self.receive("client", self.client, lambda e: e[3] == CLIENT_PORT)


def body(rng, protocol, family):
    """What varies from frame to frame: pairs of (towards the server, fields)."""
    sizes = [0, 1, 2, 3, 63, 64, 65, 511, 1000, 1400]
    seq = {True: 101, False: 501}
    for i in range(40):
        up = rng.random() < 0.5
        size = sizes[i % len(sizes)]
        if protocol == TCP and not size:
            size = 5
        fields = {
            "payload": rng.randbytes(size),
            "tos": rng.randrange(256),
            "hops": rng.choice([2, 3, 64, 128, 255]),
            "ident": rng.randrange(65536),
            "dont_fragment": rng.random() < 0.5,
            "label": rng.randrange(1 << 20),
        }
        if protocol == TCP:
            fields["flags"] = ACK | rng.choice([0, PSH, ECE, CWR, PSH | ECE])
            fields["options"] = rng.choice([b"", b"\x01\x01\x08\x0a" + rng.randbytes(8)])
            fields["seq"], fields["ack"] = seq[up], seq[not up]
            seq[up] += size
        elif family == 4:
            fields["checksum"] = rng.random() < 0.7
        yield up, fields
    if protocol == UDP:
        # A payload that makes the checksum come out as zero, which is sent as all ones, has to stay so.
        for up in (True, False):
            yield up, {"payload": b"\0\0", "hops": 9}


def rules_of(path, protocol, family):
    """The packets of each rule of this connection that the NIC lists."""
    kind = r"src=[0-9.]+ " if family == 4 else r"src=[0-9a-f]*:"
    with open(path, encoding="ascii") as rules:
        return [
            int(re.search(r"packets=(\d+)", line).group(1))
            for line in rules
            if f"proto={NAMES[protocol]} " in line and re.search(kind, line)
        ]


def play(wire, protocol, family, rules):
    """Plays one connection; gives the frames of its body, and the packets that the NIC has carried."""
    rng = random.Random(f"{protocol} {family}")
    if protocol == TCP:
        mss = b"\x02\x04\x05\xb4"
        wire.send_up(flags=SYN, seq=100, options=mss)
        wire.send_down(flags=SYN | ACK, seq=500, ack=101, options=mss)
        wire.send_up(seq=101, ack=501)
    else:
        for _ in range(2):
            wire.send_up(payload=b"hello")
            wire.send_down(payload=b"there")
    end = time.monotonic() + 5
    while rules and len(rules_of(rules, protocol, family)) != 2:
        if time.monotonic() > end:
            print("not in hardware", file=wire.output)
            wire.lost += 1
            break
        time.sleep(0.02)
    seq, ack, sent = 101, 501, 0
    for up, fields in body(rng, protocol, family):
        if up:
            wire.send_up(**fields)
            seq += len(fields["payload"])
        else:
            wire.send_down(**fields)
            ack += len(fields["payload"])
        sent += 1
    carried = sum(rules_of(rules, protocol, family)) if rules else 0
    if protocol == TCP:
        wire.send_up(flags=FIN | ACK, seq=seq, ack=ack)
        wire.send_down(flags=FIN | ACK, seq=ack, ack=seq + 1)
        wire.send_up(seq=seq + 1, ack=ack + 1)
    return sent, carried


def main():
    """Plays the four connections."""
    output, rules, address4, address6, port = sys.argv[1:]
    rules = None if rules == "-" else rules
    sockets = packet_socket("client", "eth"), packet_socket("server", "eth")
    lost = 0
    for protocol, name in NAMES.items():
        for family, address in ((4, address4), (6, address6)):
            with open(f"{output}.{name}.{family}", "w", encoding="ascii") as file:
                wire = Wire(sockets, file, protocol, family, address, int(port))
                sent, carried = play(wire, protocol, family, rules)
                lost += wire.lost
            if rules:
                print(name, family, sent, carried)
    sys.exit(1 if lost else 0)


main()
