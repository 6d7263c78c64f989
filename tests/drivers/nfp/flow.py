#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0
"""Says what the rules do that nfp's driver sends to the firmware.

    flow.py [MAC=NAME...]      reads the file "messages" of nfto_nfp from stdin

Written from the layout of the messages, not from the driver: the positions of all fields are below. Every bit of key, mask and
actions is accounted for. What a rule should not have is printed as "odd: ...", after what it does:

    lan: tcp+udp 10.0.1.2:7777 > 10.0.2.2:5001 at 64, any tag becomes 10.0.2.1:7777 > 10.0.2.2:5001 at 63, wan > server, out of wan

"at 64" is the hop limit or TTL, "any tag" a rule that does not say whether a frame has a tag. The actions are executed one
after the other; a tag is put in front of the others.
"""
import ipaddress
import struct
import sys

FLOW_ADD = 0
# What follows in the key, by the bits of its first byte, and of the extension.
EXTENSION, PORT, MAC, PORTS, IPV4, IPV6, CT, VXLAN = (1 << n for n in range(8))
TAGS = 1 << 4
# Bits of the flags of a key with IP.
FIN, SYN, RST, FRAGMENT = 0x01, 0x02, 0x04, 0x40
TAG = 0x1000
NAMES = {6: "tcp", 17: "udp", 47: "gre"}
PORT_NAMES = {0x10000000: "lan", 0x10000001: "wan"}
LAST = 0x8000
TPIDS = {0x8100: "tag", 0x88A8: "service tag"}


class Odd(Exception):
    """What ends the reading of a message."""


class Reader:
    """Takes fields from bytes."""

    def __init__(self, data):
        self.data, self.at = data, 0

    def take(self, layout):
        """The next fields."""
        layout = ">" + layout
        size = struct.calcsize(layout)
        if self.at + size > len(self.data):
            raise Odd(f"{len(self.data) - self.at} bytes for {size}")
        fields = struct.unpack_from(layout, self.data, self.at)
        self.at += size
        return fields

    def left(self):
        """The number of bytes that are left."""
        return len(self.data) - self.at


class Packet:
    """A packet, as far as the rule knows it."""

    def __init__(self):
        self.tags, self.hops, self.ends, self.ports, self.macs, self.proto, self.family = [], None, [], [], [None, None], 0, 4

    def flow(self):
        """Addresses and ports as text."""
        form = "{}:{}" if self.family == 4 else "[{}]:{}"
        ends = [form.format(ipaddress.ip_address(a), p) for a, p in zip(self.ends, self.ports or ("-", "-"))]
        return " > ".join(ends) + ("" if self.hops is None else f" at {self.hops}")


class Rule:
    """A rule."""

    def __init__(self, message, names):
        self.names, self.odd, self.packet, self.before, self.out = names, [], Packet(), "", []
        head = Reader(message)
        pad, self.type, version = head.take("HBB")
        self.expect("header", (pad, version), (0, 1))
        if self.type != FLOW_ADD:
            return
        *words, flags, _, _, _, shortcut = head.take("BBBBIQQI")
        self.expect("flags", flags & ~0x80, 0)
        self.expect("shortcut", shortcut, 0)
        key, mask, actions = (bytes(b"".join(head.take(f"{n * 4}s"))) for n in words)
        self.expect("rest", head.left(), 0)
        self.port = None
        try:
            self.match(Reader(key), Reader(mask))
            self.before = self.packet.flow()
            self.arrival = self.packet.tags[:]
            self.act(Reader(actions))
        except Odd as odd:
            self.odd.append(str(odd))

    def expect(self, what, value, wanted):
        """Notes a value that is not the wanted one."""
        if value != wanted:
            self.odd.append(f"{what} {value!r} for {wanted!r}")

    def exact(self, what, key, mask, layout, wanted=None):
        """A field that is compared as a whole."""
        (value,), (bits,) = key.take(layout), mask.take(layout)
        full = wanted if wanted is not None else (1 << 8 * struct.calcsize(">" + layout)) - 1
        self.expect(f"mask of {what}", bits, full)
        return value

    def tag(self, what, tci, bits, tpid):
        """A tag in the key, of any priority."""
        if bits == 0:
            self.expect(what, tci, 0)
            return
        self.expect(f"mask of {what}", bits, 0x1FFF)
        self.expect(f"{what} is there", tci & ~0x0FFF, TAG)
        self.packet.tags.append((tpid, tci & 0x0FFF))

    def match(self, key, mask):
        """Reads key and mask."""
        layers, _, tci = key.take("BBH")
        layers2, mask_id, tci_bits = mask.take("BBH")
        self.expect("layers of the mask", (layers2, mask_id), (layers, 0xFF))
        extension = 0
        if layers & EXTENSION:
            ((extension,), (extension2,)) = key.take("I"), mask.take("I")
            self.expect("extension of the mask", extension2, extension)
        self.expect("layers", layers & ~(EXTENSION | PORTS | IPV4 | IPV6), PORT)
        self.expect("extension", extension & ~TAGS, 0)
        port = self.exact("port", key, mask, "I")
        self.port = PORT_NAMES.get(port, f"{port:#x}")
        if layers & PORTS:
            self.packet.ports = [self.exact("ports", key, mask, "H") for _ in range(2)]
        tos, self.packet.proto, hops, flags = key.take("BBBB")
        tos_bits, proto_bits, hops_bits, flags_bits = mask.take("BBBB")
        self.expect("tos", (tos, tos_bits), (0, 0))
        self.expect("mask of the protocol", proto_bits, 0xFF)
        if hops_bits:
            self.expect("mask of the hop limit", hops_bits, 0xFF)
            self.packet.hops = hops
        self.expect("flags", flags, 0)
        ends = FIN | SYN | RST if self.packet.proto == 6 else 0
        self.expect("mask of the flags", flags_bits, FRAGMENT | ends)
        if layers & IPV4:
            self.packet.ends = [self.exact("addresses", key, mask, "I") for _ in range(2)]
        elif layers & IPV6:
            self.packet.family = 6
            self.exact("flow label", key, mask, "I", 0)
            for _ in range(2):
                (value,), (bits,) = key.take("16s"), mask.take("16s")
                self.expect("mask of an address", bits, b"\xff" * 16)
                self.packet.ends.append(value)
        self.tag("the tag", tci, tci_bits, 0)
        if extension & TAGS:
            for what in ("outer tag", "inner tag"):
                (tpid, tci), (tpid_bits, tci_bits) = key.take("HH"), mask.take("HH")
                if tci_bits or tpid_bits:
                    self.expect(f"mask of the type of the {what}", tpid_bits, 0xFFFF)
                self.tag(what, tci, tci_bits, tpid)
        self.expect("rest of the key", (key.left(), mask.left()), (0, 0))

    def end(self, i, bits, value, full):
        """Rewrites an address."""
        if bits:
            self.expect("mask of a rewritten address", bits, full)
            self.packet.ends[i] = value
        else:
            self.expect("an address that stays", value, type(value)(0) if isinstance(value, int) else bytes(16))

    def act(self, a):
        """Executes the actions."""
        packet = self.packet
        while a.left():
            if self.out:
                raise Odd("actions after the last one")
            start = a.at
            opcode, words = a.take("BB")
            if opcode == 0:
                flags, port = a.take("HI")
                self.expect("flags of the output", flags, LAST)
                self.out.append(PORT_NAMES.get(port, f"{port:#x}"))
            elif opcode == 1:
                reserved, tpid, tci = a.take("HHH")
                self.expect("a push", (reserved, tci & 0x1000), (0, 0))
                packet.tags.insert(0, (tpid, tci & 0x0FFF, tci >> 13))
            elif opcode == 2:
                self.expect("a pop", a.take("H"), (0,))
                if packet.tags:
                    del packet.tags[0]
                else:
                    self.odd.append("a pop without a tag")
            elif opcode == 7:
                reserved, *fields = a.take("H12s6s6s")
                self.expect("masks of the MACs", (reserved, fields[0]), (0, b"\xff" * 12))
                packet.macs = [self.names.get(m.hex(":"), m.hex(":")) for m in reversed(fields[1:])]
            elif opcode == 9:
                self.expect("family", packet.family, 4)
                reserved, *fields = a.take("HIIII")
                self.expect("reserved", reserved, 0)
                for i in range(2):
                    self.end(i, fields[2 * i], fields[2 * i + 1], 0xFFFFFFFF)
            elif opcode == 10:
                self.expect("family", packet.family, 4)
                bits, tos_bits, value, tos, reserved = a.take("BBBBH")
                self.expect("TTL", (bits, tos_bits, tos, reserved), (0xFF, 0, 0, 0))
                packet.hops = value
            elif opcode in (11, 12):
                self.expect("family", packet.family, 6)
                reserved, *fields = a.take("H" + "4s4s" * 4)
                self.expect("reserved", reserved, 0)
                self.end(opcode - 11, b"".join(fields[0::2]), b"".join(fields[1::2]), b"\xff" * 16)
            elif opcode == 13:
                self.expect("family", packet.family, 6)
                tc_bits, bits, reserved, tc, value, label_bits, label = a.take("BBHBBII")
                self.expect("hop limit", (tc_bits, bits, reserved, tc, label_bits, label), (0, 0xFF, 0, 0, 0, 0))
                packet.hops = value
            elif opcode in (14, 15):
                self.expect("protocol", packet.proto, 17 if opcode == 14 else 6)
                reserved, *fields = a.take("HHHHH")
                for i in range(2):
                    if fields[i]:
                        self.expect("mask of a port", (reserved, fields[i]), (0, 0xFFFF))
                        packet.ports[i] = fields[2 + i]
                    else:
                        self.expect("a port that stays", fields[2 + i], 0)
            else:
                raise Odd(f"action {opcode} of {words} words")
            if a.at - start != words * 4:
                raise Odd(f"action {opcode} has {words} words")
        self.expect("the way out", len(self.out), 1)

    def text(self):
        """What the rule does."""
        if self.port is None:
            return None, "odd: " + ", ".join(self.odd)
        packet = self.packet
        parts = [self.before, ", ".join(self.tags(self.arrival)) or "any tag"]
        after = [packet.flow(), "{} > {}".format(*packet.macs), *self.tags(packet.tags)]
        after += [f"out of {o}" for o in self.out] + [f"odd: {o}" for o in self.odd]
        return NAMES.get(packet.proto, packet.proto), ", ".join(parts) + " becomes " + ", ".join(after)

    @staticmethod
    def tags(tags):
        """Tags as text."""
        for tpid, vid, *priority in tags:
            name = TPIDS.get(tpid, "tag of any type")
            yield f"{name} {vid}" + "".join(f" priority {p}" for p in priority if p)


def main():
    """Reads messages."""
    names = dict(arg.split("=") for arg in sys.argv[1:])
    lines = {}
    for line in sys.stdin:
        rule = Rule(bytes.fromhex(line), names)
        if rule.type == FLOW_ADD:
            proto, text = rule.text()
            protocols = lines.setdefault((rule.port, text), [])
            if proto not in protocols:
                protocols.append(proto)
    for (port, text), protocols in sorted(lines.items()):
        print(f"{port}: {'+'.join(sorted(protocols))} {text}")


main()
