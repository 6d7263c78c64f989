#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0
"""Says what the rules do that mlx5's driver hands to its flow steering.

    flow.py [uplink] [MAC=NAME...]      reads the file "messages" of nfto_mlx5 from stdin; uplink: wan is the uplink

Written from the layout of the card's interface, not from the driver: the positions of all fields are below. Every bit of match and
actions is accounted for. What a rule should not have is printed as "odd: ...", after what it does:

    lan: tcp+udp 10.0.1.2:7777 > 10.0.2.2:5001, tag 10 becomes 10.0.2.1:7777 > 10.0.2.2:5001, hop limit minus one, wan > server, out of wan

"tag 10 and others" is a rule that does not say whether another tag follows, "never reached" one in a table to which no packet goes.
"""
import ipaddress
import struct
import sys

RULE, ACTIONS = 1, 2
WORDS = 8 + 4 * 3 + 2 * 3
PARAM = 512
# The parts of a match, each of 64 bytes, and the bits that say that it is looked at.
PARTS = {"outer": (0, 1 << 0), "misc": (0x40, 1 << 1), "inner": (0x80, 1 << 2), "registers": (0xC0, 1 << 3)}
# Of the outer headers: the bit at which a field begins, and its size.
OUTER = {
    "smac": (0x00, 48), "ethertype": (0x30, 16), "dmac": (0x40, 48), "priority": (0x70, 3), "drop": (0x73, 1), "vid": (0x74, 12),
    "proto": (0x80, 8), "tos": (0x88, 8), "c-tag": (0x90, 1), "s-tag": (0x91, 1), "fragment": (0x92, 1), "version": (0x93, 4),
    "tcp flags": (0x97, 9), "tcp sport": (0xA0, 16), "tcp dport": (0xB0, 16), "rest": (0xC0, 24), "hops": (0xD8, 8),
    "udp sport": (0xE0, 16), "udp dport": (0xF0, 16), "src": (0x100, 128), "dst": (0x180, 128),
}
MISC = {
    "gre": (0x00, 8), "queue": (0x08, 24), "source owner": (0x20, 16), "source port": (0x30, 16), "second priority": (0x40, 3),
    "second drop": (0x43, 1), "second vid": (0x44, 12), "second inner": (0x50, 16), "second c-tag": (0x60, 1),
    "second inner c-tag": (0x61, 1), "second s-tag": (0x62, 1), "second inner s-tag": (0x63, 1), "rest": (0x64, 412),
}
REGISTERS = {"before": (0x00, 352), "c0": (0x160, 32), "after": (0x180, 128)}
# What a register has in its upper half, by the number of the port.
SOURCE = 0x100
FIN, SYN, RST = 1, 2, 4
# What a rule does.
FORWARD, COUNT, REWRITE, POP, PUSH, POP_2, PUSH_2 = 0x4, 0x8, 0x40, 0x80, 0x100, 0x400, 0x800
TO_PORT, TO_TABLE, TO_COUNTER = 1, 2, 3
UPLINK = 0xFFFF
SET, ADD = 1, 2
# The fields of a rewrite, with their sizes.
FIELDS = {
    0x01: ("smac high", 32), 0x02: ("smac low", 16), 0x04: ("dmac high", 32), 0x05: ("dmac low", 16), 0x08: ("tcp sport", 16),
    0x09: ("tcp dport", 16), 0x0A: ("ttl", 8), 0x0B: ("udp sport", 16), 0x0C: ("udp dport", 16), 0x15: ("src", 32), 0x16: ("dst", 32),
    0x17: ("vid", 12), 0x47: ("hop limit", 8),
    **{0x0D + i: (f"src {i}", 32) for i in range(4)}, **{0x11 + i: (f"dst {i}", 32) for i in range(4)},
}
NAMES = {6: "tcp", 17: "udp", 47: "gre"}
TPIDS = {0x8100: "tag", 0x88A8: "service tag"}


class Fields:
    """Key and mask of a part of the match, whose bits are taken one field after the other."""

    def __init__(self, key, mask, layout):
        self.key, self.mask, self.layout, self.left = self.number(key), self.number(mask), layout, set(layout)

    @staticmethod
    def number(data):
        """The bits as a number of 512 bits."""
        return int.from_bytes(data, "big")

    def take(self, name):
        """Key and mask of a field, each as a number."""
        self.left.discard(name)
        at, size = self.layout[name]
        shift, bits = 512 - at - size, (1 << size) - 1
        return self.key >> shift & bits, self.mask >> shift & bits

    def rest(self):
        """The fields that have not been taken, and are not empty."""
        return sorted(name for name in list(self.left) if any(self.take(name)))


class Rule:
    """A rule, as far as it can be read."""

    def __init__(self, message, ports):
        self.odd, self.ports = [], ports
        words = struct.unpack_from(f"<{WORDS}I", message)
        _, self.table, self.reached, self.action, self.actions, self.parts, self.source, count = words[:8]
        dests = [words[8 + 3 * i:11 + 3 * i] for i in range(4)]
        self.tags = [words[20 + 3 * i:23 + 3 * i] for i in range(2)]
        self.expect("number of destinations", count <= 4, True)
        self.dests = dests[:count]
        self.mask, self.key = message[WORDS * 4:][:PARAM], message[WORDS * 4 + PARAM:]
        self.expect("length", len(self.key), PARAM)

    def expect(self, what, value, wanted):
        """Notes a value that is not the wanted one."""
        if value != wanted:
            self.odd.append(f"{what} {value!r} for {wanted!r}")

    def part(self, name, layout):
        """A part of the match."""
        at, bit = PARTS[name]
        key, mask = self.key[at:at + 64], self.mask[at:at + 64]
        self.expect(f"{name} is looked at", bool(self.parts & bit), any(mask))
        return Fields(key, mask, layout)

    def exact(self, fields, name, wanted=None):
        """A field that is compared as a whole."""
        value, mask = fields.take(name)
        self.expect(f"mask of {name}", mask, (1 << fields.layout[name][1]) - 1)
        if wanted is not None:
            self.expect(name, value, wanted)
        return value

    def match(self):
        """What frames are matched by."""
        self.expect("other parts", any(self.mask[0x100:] + self.key[0x100:]), False)
        outer, misc = self.part("outer", OUTER), self.part("misc", MISC)
        registers, inner = self.part("registers", REGISTERS), self.part("inner", OUTER)
        value, mask = registers.take("c0")
        self.expect("mask of the port", mask, 0xFFFF0000)
        port = (value >> 16) - SOURCE
        self.expect("source", self.source, 1 if self.ports.get(port) == UPLINK else 2)
        version = self.exact(outer, "version")
        value, mask = outer.take("ethertype")
        self.expect("ethertype", (value, mask), (0, 0))
        proto = self.exact(outer, "proto")
        size = {4: 4, 6: 16}.get(version, 16)
        ends = []
        for name in ("src", "dst"):
            value, mask = outer.take(name)
            self.expect(f"mask of {name}", mask, (1 << size * 8) - 1)
            ends.append(value.to_bytes(16, "big")[16 - size:])
        transport = NAMES.get(proto, "?")
        ports = None
        if proto in (6, 17):
            ports = [self.exact(outer, f"{transport} {name}") for name in ("sport", "dport")]
        if proto == 6:
            value, mask = outer.take("tcp flags")
            self.expect("flags", (value, mask), (0, FIN | SYN | RST))
        self.exact(outer, "fragment", 0)
        tags = self.match_tags(outer, misc)
        for name, part in (("outer", outer), ("misc", misc), ("registers", registers), ("inner", inner)):
            self.expect(f"rest of {name}", part.rest(), [])
        return port, version, proto, ends, ports, tags

    def match_tags(self, outer, misc):
        """The tags that a frame has to have, and whether another one may follow."""
        tags, more = [], False
        value, mask = outer.take("c-tag")
        service, service_mask = outer.take("s-tag")
        if not value and not service:
            # No tag: neither of the two kinds.
            self.expect("no tag", (mask, service_mask), (1, 0))
            self.expect("first tag", (outer.take("vid"), outer.take("priority")), ((0, 0), (0, 0)))
            return tags, more
        self.expect("kind of the tag", (mask, service_mask), (value, service))
        priority, mask = outer.take("priority")
        self.expect("mask of the priority", mask in (0, 7), True)
        tags.append((0x8100 if value else 0x88A8, self.exact(outer, "vid"), priority if mask else None))
        value, mask = misc.take("second c-tag")
        service, service_mask = misc.take("second s-tag")
        if value or service:
            self.expect("kind of the second tag", (mask, service_mask), (value, service))
            tags.append((0x8100 if value else 0x88A8, self.exact(misc, "second vid"), None))
            self.expect("priority of the second tag", misc.take("second priority"), (0, 0))
        else:
            more = not mask
        return tags, more

    def rewrite(self, actions):
        """The fields that are rewritten."""
        fields = {}
        for at in range(0, len(actions), 8):
            word, data = struct.unpack_from(">II", actions, at)
            kind, number, offset, length = word >> 28, word >> 16 & 0xFFF, word >> 8 & 0x1F, word & 0x1F
            name, size = FIELDS.get(number, (f"field {number:#x}", 32))
            # An addition is to the whole field, without a length.
            self.expect(f"part of {name}", (word & 0xE0E0, offset, length), (0, 0, size % 32 if kind == SET else 0))
            self.expect(f"{name} is written once", name in fields, False)
            self.expect(f"{name} is added to", kind == ADD, name in ("ttl", "hop limit"))
            self.expect(f"kind of {name}", kind in (SET, ADD), True)
            fields[name] = data
        return fields


class Reader:
    """Rules and rewrites."""

    def __init__(self, names):
        self.names = names
        self.actions, self.rules, self.ports = {}, [], {}

    def mac(self, fields, which):
        """A new address."""
        high, low = fields.pop(f"{which} high", None), fields.pop(f"{which} low", None)
        if high is None or low is None:
            return f"no {which}"
        mac = (high << 16 | low).to_bytes(6, "big").hex(":")
        return self.names.get(mac, mac)

    @staticmethod
    def flow(version, ends, ports):
        """Addresses and ports as text."""
        ends = [str(ipaddress.ip_address(e)) for e in ends]
        if ports is None:
            return " > ".join(ends)
        form = "{}:{}" if version == 4 else "[{}]:{}"
        return " > ".join(form.format(e, p) for e, p in zip(ends, ports))

    @staticmethod
    def tag(tag):
        """A tag as text."""
        tpid, vid, priority = tag
        return f"{TPIDS.get(tpid, hex(tpid))} {vid}" + (f" priority {priority}" if priority is not None else "")

    def translate(self, rule, version, proto, ends, ports, fields):
        """Applies what is rewritten to addresses and ports."""
        for i, name in enumerate(("src", "dst")):
            if version == 4:
                if name in fields:
                    ends[i] = fields.pop(name).to_bytes(4, "big")
                continue
            # Words that do not change may be left out.
            words = [fields.pop(f"{name} {w}", None) for w in range(4)]
            old = [ends[i][4 * w:4 * w + 4] for w in range(4)]
            ends[i] = b"".join(o if n is None else n.to_bytes(4, "big") for o, n in zip(old, words))
        for i, name in enumerate(("sport", "dport")):
            name = f"{NAMES.get(proto)} {name}"
            if name in fields:
                value = fields.pop(name)
                rule.expect(f"size of {name}", value < 1 << 16, True)
                ports[i] = value

    def out(self, rule):
        """Follows a rule to the ports that it sends to, with the tags that are pushed on the way."""
        action, tags, ports = rule.action, [t for t, bit in zip(rule.tags, (PUSH, PUSH_2)) if rule.action & bit], []
        for kind, number, flags in rule.dests:
            if kind == TO_COUNTER:
                rule.expect("counter", bool(action & COUNT), True)
            elif kind == TO_PORT:
                rule.expect("flags of the way out", flags, 0)
                ports.append(number)
            elif kind == TO_TABLE:
                # A table of its own, for what the card cannot do in the first one.
                ends = [r for r in self.rules if r.table == number]
                rule.expect("rules of the last table", len(ends), 1)
                for end in ends[:1]:
                    rule.expect("actions of the last table", end.action & ~(FORWARD | PUSH | PUSH_2), 0)
                    rule.expect("tags before the last table", tags, [])
                    rule.expect("match of the last table", end.parts, 0)
                    more, sent = self.out(end)
                    tags, ports = tags + more, ports + sent
            else:
                rule.odd.append(f"destination {kind}")
        return tags, ports

    def text(self, rule):
        """What a rule does."""
        port, version, proto, ends, ports, (tags, more) = rule.match()
        before = [self.flow(version, ends, ports), ", ".join(map(self.tag, tags)) + (" and others" if more else "") or "no tag"]
        rule.expect("actions", rule.action & ~(FORWARD | COUNT | REWRITE | POP | PUSH | POP_2 | PUSH_2), 0)
        rule.expect("forwards", bool(rule.action & FORWARD), True)
        rule.expect("rewrites", bool(rule.action & REWRITE), bool(rule.actions))
        fields = rule.rewrite(self.actions.get(rule.actions, b""))
        self.translate(rule, version, proto, ends, ports, fields)
        after = [self.flow(version, ends, ports)]
        hops = fields.pop("ttl" if version == 4 else "hop limit", None)
        after.append({None: "hop limit stays", 0xFF: "hop limit minus one"}.get(hops, f"hop limit plus {hops}"))
        after.append(f"{self.mac(fields, 'smac')} > {self.mac(fields, 'dmac')}")
        left = [tpid_vid for tpid_vid in tags]
        for bit in (POP, POP_2):
            if rule.action & bit:
                rule.expect("a tag to take off", bool(left), True)
                left = left[1:]
        if "vid" in fields:
            rule.expect("a tag to rewrite", bool(left), True)
            left = [(left[0][0], fields.pop("vid"), left[0][2])] + left[1:] if left else []
        # Each tag goes in front of the others.
        pushed, sent = self.out(rule)
        for tpid, vid, priority in pushed:
            left.insert(0, (tpid, vid, priority or None))
        after += map(self.tag, left)
        rule.expect("rest of the rewrites", sorted(fields), [])
        names = {number: name for name, number in zip(("lan", "wan", "pf"), self.numbers)}
        after += [f"out of {names.get(number, number)}" for number in sent]
        rule.expect("ways out", len(sent), 1)
        after += [] if rule.reached else ["never reached"]
        after += [f"odd: {o}" for o in rule.odd]
        name = dict(enumerate(("lan", "wan", "pf"))).get(port, port)
        return name, NAMES.get(proto, proto), ", ".join(before) + " becomes " + ", ".join(after)

    # The numbers of the ports: representors have that of their virtual function.
    numbers = (1, 2, UPLINK)

    def read(self, lines):
        """Reads messages; yields what each rule does."""
        for line in lines:
            message = bytes.fromhex(line)
            kind, number, count = struct.unpack_from("<III", message)
            if kind == ACTIONS:
                self.actions[number] = message[12:12 + 8 * count]
            else:
                self.rules.append(Rule(message, dict(enumerate(self.numbers))))
        for rule in self.rules:
            if rule.parts:
                yield self.text(rule)


def main():
    """Reads messages."""
    reader = Reader(dict(arg.split("=") for arg in sys.argv[1:] if "=" in arg))
    if "uplink" in sys.argv[1:]:
        reader.numbers = (1, UPLINK, 3)
    lines = {}
    for port, proto, text in reader.read(sys.stdin):
        protocols = lines.setdefault((port, text), [])
        if proto not in protocols:
            protocols.append(proto)
    for (port, text), protocols in sorted(lines.items()):
        print(f"{port}: {'+'.join(sorted(protocols))} {text}")


main()
