#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0
"""Says what the rules do that sfc's driver gives to the match-action engine of an EF100.

    flow.py [MAC=NAME...]      reads the file "messages" of nfto_sfc from stdin

Written from the protocol of the messages, not from the driver: the positions of all fields are below. Every bit of the match and
of the action set is accounted for. What a rule should not have is printed as "odd: ...", after what it does:

    lan: tcp+udp 10.0.1.2:7777 > 10.0.2.2:5001, any tags becomes one hop less, wan > server, out of wan

"any tags" is a rule that does not say whether a frame has tags. The engine pops before it pushes; the first tag is the outer one.
"""
import ipaddress
import struct
import sys

COUNTER_ALLOC, SET_ALLOC, RULE_INSERT, MAC_ALLOC = 0x143, 0x14D, 0x15C, 0x15E
NONE = 0xFFFFFFFF
MATCH = 372
NAMES = {6: "tcp", 17: "udp", 47: "gre"}
# Of what is beyond a port: the wire, the virtual function.
MPORTS = {0x02000000: "lan", 0x04000021: "wan"}
TPIDS = {0x8100: "tag", 0x88A8: "service tag"}
FIN_SYN_RST = 0x07
ONE_HOP = 1 << 12


def text_of_tag(tpid, vid, priority=0):
    """A tag as text."""
    return f"{TPIDS.get(tpid, hex(tpid))} {vid}" + (f" priority {priority}" if priority else "")


class Rule:
    """A rule."""

    def __init__(self, engine, request):
        self.odd, self.engine, self.left = [], engine, set(range(MATCH))
        priority, asl, action_set, control, counter, reserved, rest = struct.unpack_from("<7I", request)
        self.expect("priority", priority, 0)
        self.expect("response", (asl, control, counter, reserved, rest), (NONE, 0, 0, 0, 0))
        self.match = request[28:]
        self.expect("length", len(self.match), MATCH)
        self.before, self.arrival = self.read_match(), self.arrived()
        self.expect("other bits of the match", [i for i in sorted(self.left) if self.match[i]], [])
        self.after = self.read_actions(engine.sets.get(action_set))

    def expect(self, what, value, wanted):
        """Notes a value that is not the wanted one."""
        if value != wanted:
            self.odd.append(f"{what} {value!r} for {wanted!r}")

    def field(self, value, mask, size):
        """The value and the mask of a field."""
        self.left -= set(range(value, value + size)) | set(range(mask, mask + size))
        return self.match[value:value + size], self.match[mask:mask + size]

    def exact(self, what, value, mask, size):
        """A field that is compared as a whole."""
        found, bits = self.field(value, mask, size)
        self.expect(f"mask of {what}", bits, b"\xff" * size)
        return found

    def number(self, what, value, mask, size, order="big"):
        """The same as a number."""
        return int.from_bytes(self.exact(what, value, mask, size), order)

    def unused(self, what, value, mask, size):
        """A field that is not compared."""
        self.expect(what, self.field(value, mask, size), (bytes(size), bytes(size)))

    def read_match(self):
        """Reads what a packet is like."""
        mport = self.number("m-port", 0, 4, 4, "little")
        self.port = MPORTS.get(mport, hex(mport))
        self.expect("recirculation", self.number("recirculation", 368, 370, 1), 0)
        ethertype = self.number("Ethertype", 16, 18, 2)
        self.proto = self.number("protocol", 140, 141, 1)
        form, used, unused = {
            0x0800: ("{}:{}", ((60, 64, 4), (100, 104, 4)), ((68, 84, 16), (108, 124, 16))),
            0x86DD: ("[{}]:{}", ((68, 84, 16), (108, 124, 16)), ((60, 64, 4), (100, 104, 4))),
        }.get(ethertype, ("{}:{}", (), ()))
        self.expect("Ethertype", len(used), 2)
        ends = [ipaddress.ip_address(self.exact("addresses", *place)) for place in used]
        for place in unused:
            self.unused("addresses of the other family", *place)
        if self.proto in (6, 17):
            ports = [self.number("ports", *place) for place in ((156, 158, 2), (160, 162, 2))]
        else:
            ports = ["-", "-"]
            self.unused("source port", 156, 158, 2)
            self.unused("destination port", 160, 162, 2)
        flags, bits = (int.from_bytes(part, "big") for part in self.field(164, 166, 2))
        self.expect("flags of TCP", (flags, bits), (0, FIN_SYN_RST if self.proto == 6 else 0))
        # Bit 0: the packet is a fragment.
        flags, bits = (int.from_bytes(part, "little") for part in self.field(344, 348, 4))
        self.expect("flags", (flags, bits), (0, 1))
        return " > ".join(form.format(*end) for end in zip(ends, ports))

    def arrived(self):
        """Reads the tags that a packet has."""
        tags = []
        for tci, proto in (((20, 22, 2), (24, 26, 2)), ((28, 30, 2), (32, 34, 2))):
            (value, bits), (tpid, tpid_bits) = self.field(*tci), self.field(*proto)
            if bits == tpid_bits == bytes(2):
                self.expect("a tag that is not matched", (value, tpid), (bytes(2), bytes(2)))
                continue
            self.expect("masks of a tag", (bits, tpid_bits), (b"\x0f\xff", b"\xff\xff"))
            tags.append((int.from_bytes(tpid, "big"), int.from_bytes(value, "big")))
        return tags

    def read_actions(self, request):
        """Reads what is done to it."""
        if request is None:
            return ["an action set that does not exist"]
        flags, = struct.unpack_from("<I", request)
        tci0, tpid0, tci1, tpid1 = struct.unpack_from(">4H", request, 4)
        reserved, header, mport, counters, counter, mark, source, destination = struct.unpack_from("<8I", request, 12)
        pushes, pops = flags & 3, flags >> 4 & 3
        self.expect("flags of the actions", flags & ~(3 | 3 << 4), ONE_HOP)
        self.expect("unused actions", (reserved, header, counters, mark), (0, NONE, NONE, 0))
        self.expect("counter", counter in self.engine.counters, True)
        parts = ["one hop less"] if flags & ONE_HOP else ["the same hops"]
        parts.append(f"{self.engine.mac(source)} > {self.engine.mac(destination)}")
        # Popped are tags that the packet is known to have.
        self.expect("pops", pops, len(self.arrival))
        pushed = [(tpid0, tci0), (tpid1, tci1)]
        for tpid, tci in pushed[pushes:]:
            self.expect("an unused tag", (tpid, tci), (0, 0))
        parts += [text_of_tag(tpid, tci & 0xFFF, tci >> 13) for tpid, tci in pushed[:pushes]]
        for _, tci in pushed[:pushes]:
            self.expect("drop eligibility", tci & 0x1000, 0)
        return parts + [f"out of {MPORTS.get(mport, hex(mport))}"]

    def text(self):
        """What the rule does."""
        tags = ", ".join(text_of_tag(*tag) for tag in self.arrival) or "any tags"
        return f"{self.before}, {tags} becomes " + ", ".join(self.after + [f"odd: {o}" for o in self.odd])


class Engine:
    """The tables of the engine."""

    def __init__(self, names):
        self.names, self.macs, self.sets, self.counters, self.lines = names, {}, {}, set(), {}

    def mac(self, number):
        """The name of a MAC address."""
        if number == NONE:
            return "the same"
        address = self.macs.get(number, "unknown")
        return self.names.get(address, address)

    def take(self, command, request, answer):
        """Reads a request that was granted."""
        if command == MAC_ALLOC:
            # Of the words of the request, the address is the first six bytes.
            self.macs[struct.unpack_from("<I", answer)[0]] = request[:6].hex(":")
        elif command == COUNTER_ALLOC:
            self.counters.add(struct.unpack_from("<3I", answer)[2])
        elif command == SET_ALLOC:
            self.sets[struct.unpack_from("<I", answer)[0]] = request
        elif command == RULE_INSERT:
            rule = Rule(self, request)
            protocols = self.lines.setdefault((rule.port, rule.text()), [])
            name = NAMES.get(rule.proto, str(rule.proto))
            if name not in protocols:
                protocols.append(name)


def main():
    """Reads requests."""
    engine = Engine(dict(arg.split("=") for arg in sys.argv[1:]))
    for line in sys.stdin:
        message = bytes.fromhex(line)
        command, length = struct.unpack_from(">2I", message)
        engine.take(command, message[8:8 + length], message[8 + length:])
    for (port, text), protocols in sorted(engine.lines.items()):
        print(f"{port}: {'+'.join(sorted(protocols))} {text}")


main()
