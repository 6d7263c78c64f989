#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0
"""Says what the filters do that cxgb4's driver writes to the card.

    flow.py [MAC=NAME...]      reads the file "messages" of nfto_cxgb4 from stdin

Written from the layout of the work requests, not from the driver: the positions of all fields are below. Every bit of a filter
is accounted for. What a filter should not have is printed as "odd: ...", after what it does:

    lan: tcp+udp 10.0.1.2:7777 > 10.0.2.2:5001, any tag becomes 10.0.2.1:7777 > 10.0.2.2:5001, hop limit stays, wan > server, out of wan

A filter is a work request (TCAM), or an active open with writes into its control block (hash). Both name an entry of the table
of destinations (MAC and tag), and one of the table of source MACs.
"""
import ipaddress
import struct
import sys

# Work requests.
FILTER, FILTER2, ULPTX, TP = 0x02, 0x77, 0x04, 0x05
# Messages in a work request TP.
OPEN, OPEN6, SET_FIELD, L2T, SMT = 0x03, 0x83, 0x05, 0x12, 0x14
# FILTER2, from its third word on, big-endian.
FIELDS = (
    ("r3", "Q"), ("tid", "I"), ("actions", "I"), ("ethertype", "H"), ("ethertype mask", "H"), ("frag", "B"), ("smac", "B"),
    ("reply", "H"), ("port", "I"), ("proto", "B"), ("proto mask", "B"), ("tos", "B"), ("tos mask", "B"), ("ivlan", "H"),
    ("ivlan mask", "H"), ("ovlan", "H"), ("ovlan mask", "H"), ("lip", "16s"), ("lip mask", "16s"), ("fip", "16s"),
    ("fip mask", "16s"), ("lport", "H"), ("lport mask", "H"), ("fport", "H"), ("fport mask", "H"), ("r7", "H"), ("sma", "6s"),
    ("r8", "H"), ("type", "B"), ("nat", "B"), ("new lport", "H"), ("new fport", "H"), ("new lip", "16s"), ("new fip", "16s"),
    ("rest", "40s"),
)
# Bits of actions.
DROP, STEER, LOOPBACK, DMAC, SMAC, INSERT, REMOVE, COUNT = (1 << n for n in (24, 23, 20, 19, 18, 17, 16, 15))
DELETE = 1 << 31
# Bits of frag.
FRAGM, IVLAN_VALID, IVLAN_VALIDM = 1 << 6, 1 << 5, 1 << 3
# What a mode of translation writes: the destination's address and port (l), the source's (f).
NAT_MODES = {0: "", 1: "L", 2: "Ll", 3: "LlF", 4: "Llf", 5: "Ff", 6: "LFf", 7: "LlFf"}
TCPDDP = 5
EVENT_QUEUE = 9
PORT_NAMES = {0: "lan", 1: "wan"}
NAMES = {6: "tcp", 17: "udp", 47: "gre"}
# Flags in the control block of a connection.
T_LOOPBACK, T_DMAC, T_SMAC, T_INSERT = 59, 60, 61, 62


class Filter:
    """A filter: what it matches, and what a frame becomes."""

    def __init__(self, card):
        self.card, self.odd = card, []
        self.family, self.proto, self.port, self.tag = 4, 0, None, "any tag"
        self.ends, self.ports, self.new_ends, self.new_ports = [], [], [None, None], [None, None]
        self.nat, self.out, self.channel, self.l2t, self.smt, self.insert, self.remove, self.dmac, self.whole = 0, None, None, None, None, 0, 0, 0, True

    def expect(self, what, value, wanted):
        """Notes a value that is not the wanted one."""
        if value != wanted:
            self.odd.append(f"{what} {value!r} for {wanted!r}")

    def flow(self, ends, ports):
        """Addresses and ports as text."""
        form = "{}:{}" if self.family == 4 else "[{}]:{}"
        return " > ".join(form.format(ipaddress.ip_address(e), p) for e, p in zip(ends, ports))

    def tcam(self, message):
        """Reads a work request."""
        f, at = {}, 8
        for name, layout in FIELDS:
            (f[name],) = struct.unpack_from(">" + layout, message, at)
            at += struct.calcsize(">" + layout)
        self.expect("length", len(message), at)
        self.family = 6 if f["tid"] >> 11 & 1 else 4
        self.expect("steering", f["tid"] & 0x7FF & ~0x800, 0)
        size = 4 if self.family == 4 else 16
        self.expect("ethertype", (f["ethertype"], f["ethertype mask"]), (0x0800 if self.family == 4 else 0x86DD, 0xFFFF))
        self.whole = bool(f["frag"] & FRAGM)
        valid = f["frag"] & ~FRAGM
        if valid:
            self.expect("tag is there", valid, IVLAN_VALID | IVLAN_VALIDM)
            self.expect("mask of the tag", f["ivlan mask"], 0x0FFF)
            self.tag = f"tag {f['ivlan']}"
        else:
            self.expect("tag", (f["ivlan"], f["ivlan mask"]), (0, 0))
        self.expect("reply", f["reply"], EVENT_QUEUE)
        self.expect("mask of the port", f["port"] & ~(7 << 9), 7 << 6)
        self.port = f["port"] >> 9 & 7
        self.expect("mask of the protocol", f["proto mask"], 0xFF)
        self.proto = f["proto"]
        self.expect("unused", (f["r3"], f["tos"], f["tos mask"], f["ovlan"], f["ovlan mask"], f["r7"], f["sma"], f["r8"], f["type"],
                    any(f["rest"])), (0, 0, 0, 0, 0, 0, bytes(6), 0, 0, False))
        for name in ("fip", "lip"):
            self.ends.append(f[name][:size])
            self.expect(f"mask of {name}", f[f"{name} mask"], b"\xff" * size + bytes(16 - size))
            self.expect(f"rest of {name}", any(f[name][size:]), False)
        for name in ("fport", "lport"):
            self.ports.append(f[name])
            self.expect(f"mask of {name}", f[f"{name} mask"], 0xFFFF)
        actions = f["actions"]
        self.expect("actions", actions & ~(LOOPBACK | DMAC | SMAC | INSERT | REMOVE | COUNT | 3 << 13 | 0xFFF), 0)
        self.expect("counts", bool(actions & COUNT), True)
        if actions & LOOPBACK:
            self.out = actions >> 13 & 3
        self.insert, self.remove, self.dmac = (actions & b for b in (INSERT, REMOVE, DMAC))
        if actions & (DMAC | INSERT | REMOVE):
            self.l2t = actions & 0xFFF
        if actions & SMAC:
            self.smt = f["smac"]
        self.nat = f["nat"] >> 5
        self.expect("mode of the translation", f["nat"] & 0x1F, TCPDDP if self.nat else 0)
        self.new_ends = [f["new fip"], f["new lip"]]
        self.new_ports = [f["new fport"], f["new lport"]]

    def text(self):
        """What the filter does."""
        before = self.flow(self.ends, self.ports)
        size = 4 if self.family == 4 else 16
        ends, ports = self.ends[:], self.ports[:]
        for what in NAT_MODES[self.nat]:
            i = 0 if what in "Ff" else 1
            if what in "LF":
                ends[i] = self.new_ends[i][:size]
                self.expect("rest of a new address", any(self.new_ends[i][size:]), False)
            else:
                ports[i] = self.new_ports[i]
        parts = [self.flow(ends, ports), "hop limit stays"]
        dmac, vlan, port = self.card.l2t.get(self.l2t, ("?", 0, None))
        if self.l2t is not None:
            self.expect("port of the destination", port, self.out)
        parts.append("{} > {}".format(self.card.smt.get(self.smt, "?") if self.smt is not None else "-", dmac if self.dmac else "-"))
        if self.insert:
            parts.append(f"tag {vlan}" + ("" if self.remove or self.tag == "any tag" else " more"))
        elif self.remove:
            parts.append("one tag less" if self.tag == "any tag" else "no tag")
        else:
            self.expect("tag of the destination", vlan, 0)
        parts.append("out of " + PORT_NAMES.get(self.out, str(self.out)))
        odd = "".join(f", odd: {o}" for o in self.odd)
        whole = "" if self.whole else " or a fragment"
        return f"{before}{whole}, {self.tag} becomes {', '.join(parts)}{odd}"

    def open(self, message):
        """Reads an active open, the message of a hash filter."""
        self.family = 4 if message[16] == OPEN else 6
        size = 4 if self.family == 4 else 16
        queue = struct.unpack_from(">I", message, 16)[0] >> 14 & 0x3FF
        self.expect("reply", queue, EVENT_QUEUE)
        lport, fport = struct.unpack_from(">HH", message, 20)
        lip, fip = message[24:24 + size], message[24 + size:24 + 2 * size]
        at = 24 + 2 * size
        opt0, _, opt2, params = struct.unpack_from(">QIIQ", message, at)
        self.ends, self.ports = [fip, lip], [fport, lport]
        # The tuple: port, protocol, Ethertype, fragment.
        self.expect("below the tuple", params & 0xFFFFFF, 0)
        tuple_ = params >> 24
        self.port, self.proto, ethertype, fragment = tuple_ & 7, tuple_ >> 3 & 0xFF, tuple_ >> 11 & 0xFFFF, tuple_ >> 27
        self.expect("ethertype", ethertype, 0x0800 if self.family == 4 else 0x86DD)
        self.expect("fragment", fragment, 0)
        self.remove, self.channel, self.l2t = opt0 >> 49 & 1, opt0 >> 2 & 3, opt0 >> 36 & 0xFFF
        self.nat = opt2 >> 23 & 7
        mode = TCPDDP if self.nat else 0
        viid = opt0 >> 28 & 0xFF
        self.expect("option 0", opt0 & ~(1 << 49 | 3 << 2 | 0xFFF << 36 | 0xFF << 28), 1 << 48 | 1 << 5 | mode << 8 | 1 << 7)
        self.expect("interface", viid, (0x80 + self.port) << 1 & 0xFF)
        self.expect("option 2", opt2 & ~(7 << 23), 1 << 31 | 1 << 10)

    def set_field(self, message):
        """Reads a write into the control block."""
        word, mask, value = struct.unpack_from(">2xHQQ", message, 20)
        word &= 0x1F
        size = 4 if self.family == 4 else 16
        raw = struct.pack(">I", value & 0xFFFFFFFF)
        if word == 1:
            self.expect("a flag", bin(mask).count("1") == 1 and value == mask, True)
            flag = mask.bit_length() - 1
            if flag == T_LOOPBACK:
                self.out = self.channel
            elif flag == T_DMAC:
                self.dmac = 1
            elif flag == T_INSERT:
                self.insert = 1
            else:
                self.expect("a flag", flag, T_SMAC)
        elif word == 0:
            self.expect("mask of the source", mask, 0xFF << 24)
            self.smt = value >> 24
        elif word in (5, 6):
            self.expect("the counters", (mask, value), (0xFFFFFFFF, 0))
        elif word == 31:
            self.new_ports = [value >> 16, value & 0xFFFF]
        elif word in (29, 30) and size == 4:
            self.new_ends[0 if word == 30 else 1] = raw
        elif word in range(10, 14) or word in range(27, 31):
            i, n = (1, word - 10) if word < 14 else (0, word - 27)
            old = self.new_ends[i] or bytes(16)
            at = 12 - 4 * n
            self.new_ends[i] = old[:at] + raw + old[at + 4:]
        else:
            self.odd.append(f"word {word}")


class Card:
    """The tables of the card, and the filter that is being written."""

    def __init__(self, names):
        self.names, self.l2t, self.smt, self.filter, self.texts = names, {}, {}, None, []

    def mac(self, mac):
        """A MAC as text."""
        return self.names.get(mac.hex(":"), mac.hex(":"))

    def done(self):
        """Ends the filter, which has the entries of the tables that were written before it."""
        f, self.filter = self.filter, None
        if f:
            self.texts.append((PORT_NAMES.get(f.port, f.port), NAMES.get(f.proto, f.proto), f.text()))

    def message(self, message):
        """Reads a message."""
        request, opcode = message[0], message[16]
        if request == TP and opcode == SET_FIELD:
            self.filter.set_field(message)
            return
        self.done()
        if request in (FILTER, FILTER2):
            (actions,) = struct.unpack_from(">I", message, 20)
            if not actions & DELETE:
                self.filter = Filter(self)
                self.filter.tcam(message)
        elif request == TP and opcode == L2T:
            params, index, vlan, mac = struct.unpack_from(">HHH6s", message, 20)
            self.l2t[index] = (self.mac(mac), vlan, params >> 8 & 0x7F)
        elif request == TP and opcode == SMT:
            (params,) = struct.unpack_from(">I", message, 20)
            self.smt[params >> 20 & 0xFF] = self.mac(message[34:40])
        elif request == TP and opcode in (OPEN, OPEN6):
            self.filter = Filter(self)
            self.filter.open(message)


def main():
    """Reads messages."""
    card = Card(dict(arg.split("=") for arg in sys.argv[1:]))
    lines = {}
    for line in sys.stdin:
        card.message(bytes.fromhex(line))
    card.done()
    for port, proto, text in card.texts:
        protocols = lines.setdefault((port, text), [])
        if proto not in protocols:
            protocols.append(proto)
    for (port, text), protocols in sorted(lines.items()):
        print(f"{port}: {'+'.join(sorted(protocols))} {text}")


main()
