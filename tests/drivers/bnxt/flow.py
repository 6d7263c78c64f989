#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0
"""Says what the flows do that bnxt's driver asks its firmware for.

    flow.py [MAC=NAME...]      reads the file "messages" of nfto_bnxt from stdin

Written from the layout of the message CFA_FLOW_ALLOC, not from the driver: the positions of all fields are below. Every bit is
accounted for. What a flow should not have is printed as "odd: ...", after what it does:

    lan: tcp+udp 10.0.1.2:7777 > 10.0.2.2:5001, no tag becomes 10.0.2.1:7777 > 10.0.2.2:5001, hop limit stays, wan > server, out of wan

What a frame becomes is in the byte order of little-endian words, unlike what it is matched by.
"""
import ipaddress
import struct
import sys

ALLOC, FREE = 0x103, 0x104
HEADER = "<HHHHQ"
# Little-endian, and big-endian where the name ends with an asterisk.
FIELDS = (
    ("flags", "H"), ("source", "H"), ("tunnel", "I"), ("actions", "H"), ("out", "H"), ("new tag type*", "H"), ("new tag*", "H"),
    ("meter", "H"), ("reference", "H"), ("ethertype*", "H"), ("outer tag*", "H"), ("dmac", "6s"), ("inner tag*", "H"),
    ("smac", "6s"), ("dst bits", "B"), ("src bits", "B"), ("dst", "16s"), ("src", "16s"), ("sport*", "H"), ("sport mask*", "H"),
    ("dport*", "H"), ("dport mask*", "H"), ("nat", "16s"), ("new dmac", "6s"), ("nat port", "H"), ("new smac", "6s"),
    ("proto", "B"), ("tunnel type", "B"),
)
# Flags: tunnel, the number of tags, the type of the flow.
ONE_TAG, FLOW4, FLOW6 = 1 << 1, 1 << 3, 2 << 3
# Actions.
FORWARD, NAT_SRC, NAT_DST, NAT4, REWRITE, DECREMENT = 1, 0x20, 0x40, 0x80, 0x100, 0x200
PORT_NAMES = {1: "lan", 133: "wan"}
NAMES = {6: "tcp", 17: "udp", 47: "gre"}
TPIDS = {0x8100: "tag", 0x88A8: "service tag"}


def words(data, size):
    """Bytes as the firmware reads them, which takes words of this size for little-endian ones."""
    return b"".join(data[i:i + size][::-1] for i in range(0, len(data), size))


class Flow:
    """A flow that the driver asks for."""

    def __init__(self, message, names):
        self.names, self.odd, self.fields = names, [], {}
        self.type, ring, sequence, target, response = struct.unpack_from(HEADER, message)
        self.expect("header", (ring, sequence, target, response), (0xFFFF, 0, 0xFFFF, 0))
        if self.type != ALLOC:
            return
        at = struct.calcsize(HEADER)
        for name, layout in FIELDS:
            layout = (">" if name.endswith("*") else "<") + layout
            (self.fields[name.rstrip("*")],) = struct.unpack_from(layout, message, at)
            at += struct.calcsize(layout)
        self.expect("length", len(message), at)

    def expect(self, what, value, wanted):
        """Notes a value that is not the wanted one."""
        if value != wanted:
            self.odd.append(f"{what} {value!r} for {wanted!r}")

    def mac(self, name):
        """A new address."""
        mac = words(self.fields[name], 2).hex(":")
        return self.names.get(mac, mac)

    @staticmethod
    def flow(family, ends, ports):
        """Addresses and ports as text."""
        form = "{}:{}" if family == 4 else "[{}]:{}"
        return " > ".join(form.format(ipaddress.ip_address(e), p) for e, p in zip(ends, ports))

    def match(self):
        """What frames are matched by."""
        f = self.fields
        family = 4 if f["ethertype"] == 0x0800 else 6
        self.expect("ethertype", f["ethertype"], 0x0800 if family == 4 else 0x86DD)
        self.expect("type of the flow", f["flags"] & ~ONE_TAG, FLOW4 if family == 4 else FLOW6)
        size = 4 if family == 4 else 16
        ends = []
        for name in ("src", "dst"):
            ends.append(f[name][:size])
            self.expect(f"rest of {name}", any(f[name][size:]), False)
            self.expect(f"length of {name}", f[f"{name} bits"], size * 8)
        for name in ("sport", "dport"):
            self.expect(f"mask of {name}", f[f"{name} mask"], 0xFFFF)
        for name in ("dmac", "smac"):
            self.expect(name, f[name], bytes(6))
        self.expect("meter, tunnel, inner tag", [f[n] for n in ("meter", "tunnel", "tunnel type", "inner tag")], [0, 0, 0, 0])
        tag = "no tag"
        if f["flags"] & ONE_TAG:
            tag = f"tag {f['outer tag']}"
        else:
            self.expect("tag", f["outer tag"], 0)
        return family, ends, [f["sport"], f["dport"]], tag

    def become(self, family, ends, ports, tagged):
        """What a frame becomes."""
        f = self.fields
        parts = []
        actions = f["actions"]
        size = 4 if family == 4 else 16
        self.expect("actions", actions & ~(FORWARD | NAT_SRC | NAT_DST | NAT4 | REWRITE | DECREMENT), 0)
        nat = actions & (NAT_SRC | NAT_DST)
        if nat:
            self.expect("one translation", nat in (NAT_SRC, NAT_DST), True)
            self.expect("family of the translation", bool(actions & NAT4), family == 4)
            i = 0 if nat == NAT_SRC else 1
            ends[i] = words(f["nat"], 4)[:size]
            self.expect("rest of the new address", any(f["nat"][size:]), False)
            # The driver gives no port, if that stays.
            ports[i] = f["nat port"] or ports[i]
        else:
            self.expect("translation", (any(f["nat"]), f["nat port"], actions & NAT4), (False, 0, 0))
        parts.append(self.flow(family, ends, ports))
        parts.append("hop limit minus one" if actions & DECREMENT else "hop limit stays")
        if actions & REWRITE:
            parts.append(f"{self.mac('new smac')} > {self.mac('new dmac')}")
            if f["new tag type"]:
                name = TPIDS.get(f["new tag type"], hex(f["new tag type"]))
                parts.append(f"{name} {f['new tag']}" + (" more" if tagged else ""))
            else:
                # No type means that the tag is taken off. A flow without one says nothing by it.
                if tagged:
                    parts.append("no tag")
                self.expect("new tag", f["new tag"], 0)
        else:
            self.expect("rewrite", any(f["new smac"] + f["new dmac"]) or f["new tag type"] or f["new tag"], 0)
            parts.append("MACs stay")
        if actions & FORWARD:
            parts.append("out of " + PORT_NAMES.get(f["out"], str(f["out"])))
        else:
            self.odd.append("no way out")
        return ", ".join(parts)

    def text(self):
        """What the flow does."""
        family, ends, ports, tag = self.match()
        before = self.flow(family, ends, ports)
        after = self.become(family, ends[:], ports[:], tag != "no tag")
        odd = "".join(f", odd: {o}" for o in self.odd)
        return f"{before}, {tag} becomes {after}{odd}"


def main():
    """Reads messages."""
    names = dict(arg.split("=") for arg in sys.argv[1:])
    lines = {}
    for line in sys.stdin:
        flow = Flow(bytes.fromhex(line), names)
        if flow.type == FREE:
            continue
        port, proto, text = "?", "?", f"odd: message {flow.type:#x}"
        if flow.type == ALLOC:
            port = PORT_NAMES.get(flow.fields["source"], flow.fields["source"])
            proto, text = NAMES.get(flow.fields["proto"], flow.fields["proto"]), flow.text()
        protocols = lines.setdefault((port, text), [])
        if proto not in protocols:
            protocols.append(proto)
    for (port, text), protocols in sorted(lines.items()):
        print(f"{port}: {'+'.join(sorted(protocols))} {text}")


main()
