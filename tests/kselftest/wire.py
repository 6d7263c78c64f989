#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0
"""Plays connections over the test bed, frame by frame, and records every frame that arrives at the other end.

    wire.py        reads plays from stdin, one a line: [OPTION...] OUTPUT ADDRESS4 ADDRESS6 PORT

    --client HEADERS    the headers between the MACs and IP on the wire of the client, "-" for none: one or more of
    --server HEADERS    8021q:VID[:PCP[:DEI]], 8021ad:VID[:PCP[:DEI]] and pppoe:SESSION, outermost first, joined by "/";
                        the priorities are those of sent frames
    --router MAC        the MAC of the router on the wire of the client
    --mtu N             the body ends with a packet of this size in each direction
    --rules FILE        the list of rules of the NIC
    --hardware FAMILIES the families whose rules have to be in the NIC before the bodies: 46, 4 or 6
    --only PROTOCOL     tcp or udp: only the connections of this protocol

A play flushes conntrack and plays four connections to PORT: TCP and UDP, over IPv4 and IPv6. The frames are made here and are
the same in every run, so that the records differ only where the router makes a difference: addresses, ports, MACs, tags, hop
limits, checksums, padding, order. A play opens the connections, waits for their rules, sends the bodies, and closes the
connections. The record of PROTOCOL over FAMILY is OUTPUT.PROTOCOL.FAMILY, with lines of "client HEX" or "server HEX" for the
frames that the side has received; "body" and "close" separate the parts.

Prints "PROTOCOL FAMILY SENT SLOW CARRIED RULES" for each connection: the frames of its body, the packets of its protocol and
family that the IP layer of the router has forwarded during the bodies, the packets that its rules in the NIC have counted, and
the number of these rules. Ends with "done 0", or "done 1" if a frame was lost, came twice, or came with other headers than
those of its wire.
"""
import argparse
import ctypes
import json
import os
import random
import re
import select
import socket
import struct
import subprocess
import sys
import time

TCP, UDP = 6, 17
NAMES = {TCP: "tcp", UDP: "udp"}
FAMILIES = (4, 6)
FIN, SYN, RST, PSH, ACK, ECE, CWR = 0x01, 0x02, 0x04, 0x08, 0x10, 0x40, 0x80
CLIENT_PORT, SERVER_PORT = 7777, 5001
CLIENT = {4: "10.0.1.2", 6: "fd00:1::2"}
TPIDS = {"8021q": 0x8100, "8021ad": 0x88A8}
ETHERTYPES, PPP_PROTOCOLS = {4: 0x0800, 6: 0x86DD}, {4: 0x0021, 6: 0x0057}
PPPOE = 0x8864
# <linux/if_packet.h>
SOL_PACKET, PACKET_AUXDATA = 263, 8
AUXDATA = struct.Struct("=IIIHHHH")
VLAN_VALID, VLAN_TPID_VALID = 0x10, 0x40
# A connection that has lost this many frames has failed; the rest would only take time.
GIVE_UP = 3


def in_namespace(namespace, function):
    """Calls a function in another network namespace."""
    libc = ctypes.CDLL(None, use_errno=True)
    home = os.open("/proc/self/ns/net", os.O_RDONLY)
    there = os.open(f"/run/netns/{namespace}", os.O_RDONLY)
    if libc.setns(there, 0x40000000):
        raise OSError(ctypes.get_errno(), f"setns {namespace}")
    result = function()
    libc.setns(home, 0x40000000)
    os.close(home)
    os.close(there)
    return result


def packet_socket():
    """Opens a packet socket on the device of a host."""
    sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
    sock.setsockopt(SOL_PACKET, PACKET_AUXDATA, 1)
    sock.bind(("eth", 3))
    return sock


class Router:
    """The router between the hosts."""

    TABLE = "table inet forwarded"

    def __init__(self):
        self.conntrack = in_namespace("router", lambda: socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 12))
        rules = " ".join(
            f"meta nfproto ipv{family} meta l4proto {name} counter name {name}{family};"
            for name in NAMES.values()
            for family in FAMILIES
        )
        counters = " ".join(f"counter {name}{family} {{ }};" for name in NAMES.values() for family in FAMILIES)
        self.nft(f"{self.TABLE} {{ {counters} chain forward {{ type filter hook forward priority -300; {rules} }}; }}")

    @staticmethod
    def nft(command):
        """Runs nft in the router; returns its output."""
        args = ["nsenter", "--net=/run/netns/router", "--", "nft", "-j", command]
        return subprocess.run(args, check=True, stdout=subprocess.PIPE).stdout

    def flush_conntrack(self):
        """As conntrack -F: IPCTNL_MSG_CT_DELETE for all, with NLM_F_REQUEST and NLM_F_ACK."""
        self.conntrack.send(struct.pack("=IHHIIBBH", 20, 0x0102, 0x05, 0, 0, socket.AF_UNSPEC, 0, 0))
        (error,) = struct.unpack_from("=i", self.conntrack.recv(4096), 16)
        if error:
            raise OSError(-error, "conntrack")

    def forwarded(self):
        """Returns the packets of each protocol and family that the IP layer has forwarded since the last call, that is all
        but those of a fast path. The counters of the IP layer itself include other packets, such as ICMP."""
        counters = json.loads(self.nft(f"reset counters {self.TABLE}"))["nftables"]
        return {entry["counter"]["name"]: entry["counter"]["packets"] for entry in counters if "counter" in entry}


def receive_frame(sock):
    """Returns the next frame as it was on the wire, None for a sent one."""
    data, ancillary, _, address = sock.recvmsg(4096, socket.CMSG_SPACE(AUXDATA.size))
    if address[2] == socket.PACKET_OUTGOING:
        return None
    # The kernel has taken the outermost tag out of the frame.
    for level, kind, value in ancillary:
        if (level, kind) == (SOL_PACKET, PACKET_AUXDATA):
            status, _, _, _, _, tci, tpid = AUXDATA.unpack(value)
            if status & VLAN_VALID:
                tpid = tpid if status & VLAN_TPID_VALID else TPIDS["8021q"]
                data = data[:12] + struct.pack("!HH", tpid, tci) + data[12:]
    return data


def mac_bytes(text):
    """Converts a MAC to bytes."""
    return bytes.fromhex(text.replace(":", ""))


def ones_complement(data):
    """The Internet checksum."""
    if len(data) % 2:
        data += b"\0"
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total > 0xFFFF:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


class Headers:
    """The tags and the PPPoE header on the wire of one side."""

    def __init__(self, text):
        self.names, self.tags, self.session = [], b"", None
        for part in [] if text == "-" else text.split("/"):
            kind, *numbers = part.split(":")
            number, pcp, dei = ([int(n, 0) for n in numbers] + [0, 0])[:3]
            self.names.append((kind, number))
            if kind == "pppoe":
                self.session = number
            else:
                self.tags += struct.pack("!HH", TPIDS[kind], pcp << 13 | dei << 12 | number)

    def wrap(self, family, packet):
        """Returns the bytes after the MACs."""
        if self.session is None:
            return self.tags + struct.pack("!H", ETHERTYPES[family]) + packet
        pppoe = struct.pack("!HBBHHH", PPPOE, 0x11, 0, self.session, 2 + len(packet), PPP_PROTOCOLS[family])
        return self.tags + pppoe + packet

    @staticmethod
    def unwrap(data):
        """(names, family, packet) of a frame; the family is None if it is neither IPv4 nor IPv6."""
        names, at, kinds = [], 14, ETHERTYPES
        (kind,) = struct.unpack("!H", data[12:at])
        while kind in TPIDS.values() and len(data) >= at + 4:
            tci, following = struct.unpack("!HH", data[at : at + 4])
            names.append((next(name for name, tpid in TPIDS.items() if tpid == kind), tci & 0xFFF))
            kind, at = following, at + 4
        if kind == PPPOE and len(data) >= at + 8:
            _, _, session, _, kind = struct.unpack("!BBHHH", data[at : at + 8])
            names.append(("pppoe", session))
            kinds, at = PPP_PROTOCOLS, at + 8
        return names, next((family for family, value in kinds.items() if value == kind), None), data[at:]


class Frame:
    """A TCP or UDP frame."""

    def __init__(self, family, protocol, **fields):
        self.family, self.protocol = family, protocol
        self.tos, self.hops, self.ident, self.dont_fragment = 0, 64, 0, True
        self.flags, self.seq, self.ack, self.options, self.checksum = ACK, 0, 0, b"", True
        self.label, self.payload = 0, b""
        self.__dict__.update(fields)

    def build(self, headers):
        """Returns the bytes of the frame."""
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
        else:
            first = 6 << 28 | self.tos << 20 | self.label
            l3 = struct.pack("!IHBB", first, len(l4), self.protocol, self.hops) + self.src + self.dst
        return self.dmac + self.smac + headers.wrap(self.family, l3 + l4)

    @staticmethod
    def ends(family, packet):
        """(protocol, source, destination, source port, destination port) of a TCP or UDP packet, else None."""
        if family == 4 and packet[9] in (TCP, UDP):
            return packet[9], packet[12:16], packet[16:20], *struct.unpack("!HH", packet[20:24])
        if family == 6 and packet[6] in (TCP, UDP):
            return packet[6], packet[8:24], packet[24:40], *struct.unpack("!HH", packet[40:44])
        return None


class Side:
    """One end of the test bed."""

    def __init__(self, name):
        self.name, self.headers = name, None
        self.sock = in_namespace(name, packet_socket)
        self.mac = self.sock.getsockname()[4]

    def frames(self, timeout):
        """Yields the frames until the timeout: (frame, its headers, family and ends)."""
        end = time.monotonic() + timeout
        while select.select([self.sock], [], [], max(0, end - time.monotonic()))[0]:
            data = receive_frame(self.sock)
            if not data:
                continue
            names, family, packet = Headers.unwrap(data)
            ends = Frame.ends(family, packet)
            if ends:
                yield data, names, family, ends


class Connection:
    """One connection, played from both ends."""

    def __init__(self, args, sides, protocol, family):
        self.args, self.protocol, self.family = args, protocol, family
        self.client, self.server = sides
        # pylint: disable-next=consider-using-with
        self.output = open(f"{args.output}.{NAMES[protocol]}.{family}", "w", encoding="ascii")
        self.rng = random.Random(f"{protocol} {family}")
        parse = lambda a: socket.inet_pton(socket.AF_INET if family == 4 else socket.AF_INET6, a)
        self.to_server = {
            "smac": self.client.mac,
            "dmac": bytes.fromhex(args.router.replace(":", "")),
            "src": parse(CLIENT[family]),
            "dst": parse(args.address4 if family == 4 else args.address6),
            "sport": CLIENT_PORT,
            "dport": args.port,
        }
        # Where answers go is learned from the first frame that reaches the server.
        self.to_client = {"smac": self.server.mac}
        self.lost = self.sent = 0
        self.seq, self.ack = 101, 501

    def receive(self, side, port):
        """Waits for the frame of this connection and writes it down."""
        for data, names, family, ends in side.frames(2):
            if (family, ends[0], ends[4]) != (self.family, self.protocol, port):
                continue
            print(side.name, data.hex(), file=self.output)
            if names != side.headers.names:
                print(side.name, "has other headers:", names, file=self.output)
                self.lost += 1
            return data, ends
        print(side.name, "missing", file=self.output)
        self.lost += 1
        return None, None

    def send_up(self, **fields):
        """Client to server."""
        if self.lost >= GIVE_UP:
            return
        self.client.sock.send(Frame(self.family, self.protocol, **self.to_server, **fields).build(self.client.headers))
        data, ends = self.receive(self.server, SERVER_PORT)
        if data and "dst" not in self.to_client:
            _, src, dst, sport, dport = ends
            self.to_client.update(dmac=data[6:12], src=dst, dst=src, sport=dport, dport=sport)

    def send_down(self, **fields):
        """Server to client."""
        if self.lost >= GIVE_UP or "dst" not in self.to_client:
            return
        self.server.sock.send(Frame(self.family, self.protocol, **self.to_client, **fields).build(self.server.headers))
        self.receive(self.client, CLIENT_PORT)

    def open(self):
        """Sends the frames that open the connection."""
        if self.protocol == TCP:
            mss = b"\x02\x04\x05\xb4"
            self.send_up(flags=SYN, seq=100, options=mss)
            self.send_down(flags=SYN | ACK, seq=500, ack=101, options=mss)
            self.send_up(seq=101, ack=501)
        else:
            for _ in range(2):
                self.send_up(payload=b"hello")
                self.send_down(payload=b"there")

    def rules(self):
        """Returns the packet count of each rule of this connection in the NIC."""
        kind = r"src=[0-9.]+ " if self.family == 4 else r"src=[0-9a-f]*:"
        with open(self.args.rules, encoding="ascii") as rules:
            return [
                int(re.search(r"packets=(\d+)", line).group(1))
                for line in rules
                if f"proto={NAMES[self.protocol]} " in line and re.search(kind, line)
            ]

    def wait_for_rules(self, end):
        """Waits until the NIC has the rules of this connection."""
        while self.lost < GIVE_UP and len(self.rules()) != 2:
            if time.monotonic() > end:
                print("not in hardware", file=self.output)
                self.lost += GIVE_UP
            time.sleep(0.02)

    def frames(self):
        """Yields the frames of the body: pairs of (towards the server, fields)."""
        rng, sizes = self.rng, [0, 1, 2, 3, 63, 64, 65, 511, 1000, 1400]
        for i in range(20):
            up = rng.random() < 0.5
            size = sizes[i % len(sizes)]
            if self.protocol == TCP and not size:
                size = 5
            fields = {
                "payload": rng.randbytes(size),
                "tos": rng.randrange(256),
                "hops": rng.choice([2, 3, 64, 128, 255]),
                "ident": rng.randrange(65536),
                "dont_fragment": rng.random() < 0.5,
                "label": rng.randrange(1 << 20),
            }
            if self.protocol == TCP:
                fields["flags"] = ACK | rng.choice([0, PSH, ECE, CWR, PSH | ECE])
                fields["options"] = rng.choice([b"", b"\x01\x01\x08\x0a" + rng.randbytes(8)])
            elif self.family == 4:
                fields["checksum"] = rng.random() < 0.7
            yield up, fields
        if self.args.mtu:
            size = self.args.mtu - (20 if self.family == 4 else 40) - (20 if self.protocol == TCP else 8)
            for up in (True, False):
                yield up, {"payload": rng.randbytes(size)}
        if self.protocol == UDP:
            # A payload that makes the checksum come out as zero, which is sent as all ones, has to stay so.
            for up in (True, False):
                yield up, {"payload": b"\0\0", "hops": 9}

    def body(self):
        """Sends the body."""
        print("body", file=self.output)
        for up, fields in self.frames():
            size = len(fields["payload"])
            if up:
                self.send_up(**fields, seq=self.seq, ack=self.ack)
                self.seq += size
            else:
                self.send_down(**fields, seq=self.ack, ack=self.seq)
                self.ack += size
            self.sent += 1

    def report(self, forwarded):
        """Prints what became of the body of this connection."""
        rules = self.rules() if self.args.rules else []
        name = NAMES[self.protocol]
        print(name, self.family, self.sent, forwarded[f"{name}{self.family}"], sum(rules), len(rules))

    def close(self):
        """Sends the frames that close the connection."""
        print("close", file=self.output)
        if self.protocol == TCP:
            self.send_up(flags=FIN | ACK, seq=self.seq, ack=self.ack)
            self.send_down(flags=FIN | ACK, seq=self.ack, ack=self.seq + 1)
            self.send_up(seq=self.seq + 1, ack=self.ack + 1)
        self.output.close()


def play(args, sides, router):
    """Plays the four connections; returns whether no frame was lost."""
    router.flush_conntrack()
    for side, headers in zip(sides, (args.client, args.server)):
        side.headers = Headers(headers)
        # The rest of the previous play.
        for _ in side.frames(0):
            pass
    protocols = [protocol for protocol, name in NAMES.items() if args.only in (None, name)]
    connections = [Connection(args, sides, protocol, family) for protocol in protocols for family in FAMILIES]
    for connection in connections:
        connection.open()
    end = time.monotonic() + 5
    for connection in connections:
        if str(connection.family) in args.hardware:
            connection.wait_for_rules(end)
    router.forwarded()
    for connection in connections:
        connection.body()
    forwarded = router.forwarded()
    for connection in connections:
        connection.report(forwarded)
    for connection in connections:
        connection.close()
    lost = sum(connection.lost for connection in connections)
    for side in sides:
        for data, *_ in side.frames(0):
            print(f"{side.name}: one too many: {data.hex()}", file=sys.stderr)
            lost += 1
    return not lost


def main():
    """Plays each line of stdin."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--client", default="-")
    parser.add_argument("--server", default="-")
    parser.add_argument("--router", required=True)
    parser.add_argument("--mtu", type=int, default=0)
    parser.add_argument("--rules")
    parser.add_argument("--hardware", default="")
    parser.add_argument("--only", choices=list(NAMES.values()))
    for name in ("output", "address4", "address6"):
        parser.add_argument(name)
    parser.add_argument("port", type=int)
    sides, router = (Side("client"), Side("server")), Router()
    for line in sys.stdin:
        print("done", int(not play(parser.parse_args(line.split()), sides, router)), flush=True)


main()
