#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Says what the entries of an Airoha flow table (FOE) do.

    foe.py SOC GDM,GDM USER [MAC=NAME...]      reads the file "bound" of nfto_airoha from stdin

GDM are the numbers of the ports lan and wan. USER is the port of the DSA switch behind the first one, lan or wan, or "-".

Written from the layout of the hardware, not from the driver: the positions of all fields are below. Every bit of an entry
is accounted for. What an entry should not have is printed as "odd: FIELD=VALUE", after what it does:

    lan: tcp+udp 10.0.1.2:7777 > 10.0.2.2:5001 becomes 10.0.2.1:7777 > 10.0.2.2:5001, wan > server, tag 20, out of wan
"""
import ipaddress
import sys

# engines, whether the NPU counts
SOCS = {"en7581": (2, True), "an7583": (1, False)}
WORDS, SRAM = 20, 8192
# Bits of the words, low to high: name, width.
HEAD = [("time", 15), ("keepalive", 1), ("tags", 4), ("vpm", 2), ("pppoe", 1), ("decap", 1), ("ttl", 1), ("type", 3),
        ("state", 2), ("udp", 1), ("static", 1)]
OUT = [("nbq", 5), ("port", 4), ("qos", 1), ("fast", 1), ("multicast", 1), ("pcp", 1), ("ag", 11), ("dscp", 8)]
QUEUE = [("tunnel id", 6), ("tunnel", 1), ("dpi", 1), ("queue", 3), ("channel", 5), ("shaper", 8), ("action", 8)]
METER = [("group 2", 5), ("group 3", 4), ("account", 7), ("copy", 16)]
BIND, HNAPT, ROUTE_5 = 2, 0, 5
# Ports of the switch fabric (PSE).
GDM = {1: 1, 2: 2, 3: 3, 9: 4}
NPU, KEEP_SOURCE = 6, 15
IPV4, IPV6, PPP = 0x0800, 0x86DD, 0x8864
NO_VLAN = 1 << 15


def split(word, layout):
    """The fields of a word."""
    fields = {}
    for name, width in layout:
        fields[name] = word & ((1 << width) - 1)
        word >>= width
    return fields


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


class Board:
    """The ports of the SoC."""

    def __init__(self, soc, numbers, user, names):
        self.engines, self.counts = SOCS[soc]
        numbers = [int(n) for n in numbers.split(",")]
        ports = {"lan": ["lan", "wan"], "wan": ["wan", "lan"], "-": ["lan", "wan"]}[user]
        self.number = dict(zip(ports, numbers))
        self.user = user
        # GDM2, or else the first one of GDM3 and GDM4, is the uplink.
        uplinks = [n for n in (2, 3, 4) if n in numbers]
        self.uplink = next((p for p in ports if self.number[p] == uplinks[0]), None) if uplinks else None
        self.names = names

    def mac(self, high, low):
        """A MAC, or its name."""
        text = (high << 16 | low).to_bytes(6, "big").hex(":")
        return self.names.get(text, text)

    def port(self, pse):
        """The port behind one of the switch fabric. GDM2 stands for the uplink."""
        if self.uplink and pse == 2:
            return self.uplink
        return next((p for p, n in self.number.items() if n == GDM.get(pse) and p != self.uplink), f"port {pse}")


class Entry:
    """One entry."""

    def __init__(self, board, line):
        self.odd, self.protocol, self.switch_port, self.board = [], None, None, board
        port, engine, index, *words = line.split()
        self.port = board.user if port == "eth0" else port
        self.words, index = [int(w, 16) for w in words], int(index, 16)
        self.expect("words", len(self.words), WORDS)
        uplink = self.port == board.uplink
        self.expect("engine", int(engine), int(uplink) if board.engines > 1 else 0)
        # The NPU has counters for half of the SRAM of each engine.
        self.counted = board.counts and index < board.engines * SRAM
        if index < board.engines * SRAM:
            self.expect("index", index // SRAM, int(engine))
            self.expect("half", index % SRAM >= SRAM // 2 and self.counted, False)
        self.head = split(self.words[0], HEAD)

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
        self.expect("ttl", head["ttl"], 1)
        for name in ("keepalive", "decap", "static"):
            self.expect(name, head[name], 0)
        self.protocol = "udp" if head["udp"] else "tcp"
        if family == 4:
            out, l2, rest = words[4], words[11:16], words[8:10]
            what = f"{ends(words[1:4], 4)} becomes {ends(words[5:8], 4)}"
        else:
            out, l2, rest = words[11], words[12:16], []
            what = ends(words[1:10], 6)
        self.expect("reserved", any(rest + words[17:]), False)
        headers = self.headers(l2, family)
        out = self.way_out(split(out, OUT), split(words[10], QUEUE), split(words[16], METER))
        source = self.source(l2, family, out)
        parts = [what, f"{source} > {self.board.mac(l2[1], l2[2] >> 16)}"] + headers + [f"out of {out}"]
        return ", ".join(parts) + "".join(f"; odd: {odd}" for odd in self.odd)

    def source(self, l2, family, out):
        """The source address. That of IPv6 is the number of a port."""
        if family == 4:
            return self.board.mac(l2[3], l2[4] >> 16)
        if l2[3] >> 16 == KEEP_SOURCE:
            return "its source"
        self.expect("source", l2[3] >> 16, self.board.number.get(out))
        return out

    def way_out(self, out, queue, meter):
        """Checks the words about the way out; the egress port."""
        for name, value in {"multicast": 0, "pcp": 0, "ag": 0x1F, "dscp": 0}.items():
            self.expect(name, out[name], value)
        real = split(meter["copy"], OUT[:4] + [("rest", 5)]) if self.counted else out
        self.expect("rest", real.get("rest", 0), 0)
        port = self.board.port(real["port"])
        number = self.board.number.get(port, 0)
        # Behind a switch, its port selects the queues.
        self.expect("nbq", real["nbq"], self.switch_port or 0)
        self.expect("qos", real["qos"], 1)
        for which in (out, real):
            self.expect("fast", which["fast"], int(port != self.board.uplink))
        channel = (number if self.switch_port is None else self.switch_port) % 4
        wanted = {"queue": 0, "channel": channel, "shaper": 0x7F, "tunnel": 0, "tunnel id": 0, "dpi": 0, "action": 0}
        if self.counted:
            # By way of the NPU, which sends it on as the copy says.
            self.expect("to the NPU", out["port"], NPU)
            self.expect("queue of the NPU", out["nbq"], 6 if real["port"] == 1 else 5)
            self.expect("qos of the NPU", out["qos"], 0)
            wanted["action"] = channel << 3
        else:
            self.expect("copy", meter["copy"], 0)
        for name, value in wanted.items():
            self.expect(name, queue[name], value)
        for name in ("group 2", "group 3", "account"):
            self.expect(name, meter[name], 0)
        return port

    def headers(self, l2, family):
        """Tags and session, outermost first."""
        etype, tags, count = l2[0] >> 16, [l2[0] & 0xFFFF, l2[2] & 0xFFFF], self.head["tags"]
        session, parts = (l2[4] if family == 4 else l2[3]) & 0xFFFF, []
        self.expect("tags", count, 0, 1, 2)
        self.expect("vpm", self.head["vpm"], count)
        self.expect("unused tags", any(tags[count:]), False)
        wanted = PPP if self.head["pppoe"] else IPV4 if family == 4 else IPV6
        if not etype:
            parts.append("no type")
        elif etype != wanted:
            # The type of the frame is the tag of a switch: a bit for the port, and one for the absence of a VLAN.
            ports = etype & 0x7F
            self.switch_port = max(ports.bit_length() - 1, 0)
            self.expect("type of frame", etype & ~0x807F, 0)
            self.expect("ports", ports, 1 << self.switch_port)
            self.expect("no VLAN", bool(etype & NO_VLAN), not count)
            parts.append(f"port {self.switch_port} of the switch")
        parts += [f"tag {tag}" for tag in tags[:count]]
        if self.head["pppoe"]:
            parts.append(f"session {session:#x}")
        else:
            self.expect("session", session, 0)
        return parts


def main():
    """Decodes stdin. The protocols of entries that otherwise do the same are joined."""
    board = Board(*sys.argv[1:4], dict(argument.split("=", 1) for argument in sys.argv[4:]))
    protocols = {}
    for line in sys.stdin:
        entry = Entry(board, line)
        protocols.setdefault((entry.port, entry.text()), set()).add(entry.protocol or "?")
    for (port, text), found in sorted(protocols.items()):
        print(f"{port}: {'+'.join(sorted(found))} {text}")


main()
