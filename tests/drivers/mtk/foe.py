#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0
"""Says what the entries of a MediaTek flow table (FOE) do.

    foe.py SOC[/PORT] [MAC=NAME...]      reads the file "bound" of nfto_mtk from stdin

PORT is the port of the DSA switch, lan or wan, if there is one.

Written from the layout of the hardware, not from the driver: the positions of all fields are below. Every bit of an entry
is accounted for. What an entry should not have is printed as "odd: FIELD=VALUE", after what it does:

    lan: tcp+udp 10.0.1.2:7777 > 10.0.2.2:5001 becomes 10.0.2.1:7777 > 10.0.2.2:5001, wan > server, tag 20, out of wan
"""
import ipaddress
import sys

# netsys version, offload version, engines, counters, bytes of an entry
SOCS = {
    "mt7621": (1, 1, 1, False, 80),
    "mt7622": (1, 2, 1, True, 80),
    "mt7623": (1, 1, 1, False, 80),
    "mt7981": (2, 2, 2, True, 96),
    "mt7986": (2, 2, 2, True, 96),
    "mt7988": (3, 2, 3, True, 128),
}
# Bits of word 0, low to high: name, width.
BIND_1 = [("time", 15), ("keepalive", 1), ("tags", 3), ("pppoe", 1), ("q", 1), ("sample", 1), ("cache", 1), ("decap", 1),
          ("ttl", 1), ("type", 3), ("state", 2), ("udp", 1), ("static", 1)]
BIND_2 = [("time", 8), ("source", 4), ("keepalive", 1), ("multicast", 1), ("tags", 3), ("pppoe", 1), ("q", 1), ("sample", 1),
          ("cache", 1), ("decap", 1), ("ttl", 1), ("type", 5), ("state", 2), ("udp", 1), ("static", 1)]
# Bits of the second word of information.
INFO_1 = [("queue", 4), ("qos", 1), ("out", 3), ("multicast", 1), ("r9", 1), ("count", 1), ("r11", 1), ("meter", 6),
          ("account", 6), ("dscp", 8)]
INFO_2 = [("queue", 7), ("meter", 1), ("qos", 1), ("out", 4), ("multicast", 1), ("r14", 1), ("count", 1), ("r16", 3),
          ("wdma", 1), ("account", 4), ("dscp", 8)]
BIND, HNAPT, ROUTE_5 = 2, 0, 5
# Ports of the switch fabric (PSE).
OUT = {1: "lan", 2: "wan", 15: "opt"}
IPV4, IPV6, PPP = 0x0800, 0x86DD, 0x8864


def split(word, layout):
    """The fields of a word."""
    fields = {}
    for name, width in layout:
        fields[name] = word & ((1 << width) - 1)
        word >>= width
    return fields


def mac(high, low, names):
    """A MAC, or its name."""
    text = (high << 16 | low).to_bytes(6, "big").hex(":")
    return names.get(text, text)


def ends(words, family):
    """A tuple as text."""
    if family == 4:
        src, dst = (str(ipaddress.ip_address(w)) for w in words[:2])
        ports = words[2]
    else:
        src, dst = (
            f"[{ipaddress.ip_address(b''.join(w.to_bytes(4, 'big') for w in words[at : at + 4]))}]" for at in (0, 4)
        )
        ports = words[8]
    return f"{src}:{ports >> 16} > {dst}:{ports & 0xFFFF}"


class Entry:
    """One entry."""

    def __init__(self, soc, line, names):
        soc, _, user = soc.partition("/")
        self.odd, self.protocol, self.switch_port = [], None, None
        self.out = dict(OUT) if user != "wan" else OUT | {1: "wan", 2: "lan"}
        self.netsys, self.offload, self.engines, self.counts, size = SOCS[soc]
        self.port, engine, _, *words = line.split()
        self.words = [int(w, 16) for w in words]
        self.expect("words", len(self.words), size // 4)
        # The first port of the SoC is the conduit of the switch.
        self.port = user if self.port == "eth0" else self.port
        number = next(out for out, name in self.out.items() if name == self.port)
        self.expect("engine", int(engine), min(number - 1, 2) if self.engines > 1 else 0)
        self.head = split(self.words[0], BIND_1 if self.netsys == 1 else BIND_2)
        self.names = names

    def expect(self, name, value, *wanted):
        """Notes a value that is none of those wanted."""
        if value not in wanted:
            self.odd.append(f"{name}={value:#x}" if isinstance(value, int) else f"{name}={value}")

    def text(self):
        """What the entry does."""
        head, words = self.head, self.words
        family = {HNAPT: 4, ROUTE_5: 6}.get(head["type"])
        self.expect("type", head["type"], HNAPT, ROUTE_5)
        if family is None:
            return " ".join(["odd:", *self.odd])
        self.expect("state", head["state"], BIND)
        for name in ("ttl", "cache"):
            self.expect(name, head[name], 1)
        for name in ("keepalive", "sample", "decap", "static", "source", "multicast"):
            self.expect(name, head.get(name, 0), 0)
        self.protocol = "udp" if head["udp"] else "tcp"
        if family == 4:
            info, l2, rest = words[4], words[11:], words[8:11]
            what = f"{ends(words[1:4], 4)} becomes {ends(words[5:8], 4)}"
        else:
            info, l2, rest = words[14], words[15:], words[10:14]
            what = ends(words[1:10], 6)
        headers = self.headers(l2, family)
        out = self.second(split(info, INFO_1 if self.netsys == 1 else INFO_2))
        self.expect("reserved", any(rest) or any(l2[5:]), False)
        parts = [what, self.macs(l2)] + headers + [f"out of {out}"]
        return ", ".join(parts) + "".join(f"; odd: {odd}" for odd in self.odd)

    def second(self, info):
        """Checks the second word of information; the egress port."""
        for name, value in info.items():
            wanted = {
                "qos": 1,
                "count": int(self.counts),
                # A queue for each port of a switch.
                "queue": info["out"] - 1 if self.switch_port is None else 3 + self.switch_port,
                # What the driver has always written: all meters off, or no metering group.
                "meter": 0x3F if self.offload == 1 else 0,
                "account": 0x1F if self.netsys == 1 else 0xF,
                "out": value,
            }.get(name, 0)
            self.expect(name, value, wanted)
        return self.out.get(info["out"], f"port {info['out']}")

    def macs(self, l2):
        """Source and destination."""
        return f"{mac(l2[3], l2[4] >> 16, self.names)} > {mac(l2[1], l2[2] >> 16, self.names)}"

    def headers(self, l2, family):
        """Tags and session, outermost first."""
        etype, tags, count = l2[0] >> 16, [l2[0] & 0xFFFF, l2[2] & 0xFFFF], self.head["tags"]
        session, parts = l2[4] & 0xFFFF, []
        self.expect("tags", count, 0, 1, 2)
        self.expect("unused tags", any(tags[count:]), False)
        tags = tags[:count]
        if tags and not self.head["q"]:
            # The type of the frame is the first half of the tag of a switch: whether it has a VLAN, and a bit for the port.
            ports = etype & 0xFF
            self.switch_port = ports.bit_length() - 1
            self.expect("ports", ports, 1 << max(self.switch_port, 0))
            self.expect("kind of tag", etype >> 8, 0, 1)
            parts.append(f"port {self.switch_port} of the switch")
            if not etype >> 8:
                self.expect("VLAN of the switch", tags.pop(0), 0)
        else:
            self.expect("q", self.head["q"], int(count > 0))
            wanted = PPP if self.head["pppoe"] else IPV4 if family == 4 else IPV6
            self.expect("type of frame", etype, wanted)
        parts += [f"tag {tag}" for tag in tags]
        if self.head["pppoe"]:
            parts.append(f"session {session:#x}")
        else:
            self.expect("session", session, 0)
        return parts


def main():
    """Decodes stdin. The protocols of entries that otherwise do the same are joined."""
    names = dict(argument.split("=", 1) for argument in sys.argv[2:])
    protocols = {}
    for line in sys.stdin:
        entry = Entry(sys.argv[1], line, names)
        protocols.setdefault((entry.port, entry.text()), set()).add(entry.protocol or "?")
    for (port, text), found in sorted(protocols.items()):
        print(f"{port}: {'+'.join(sorted(found))} {text}")


main()
