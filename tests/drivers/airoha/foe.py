#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Says what the entries of an Airoha flow table (FOE) do.

    foe.py SOC GDM,GDM USER [MAC=NAME...]      reads the file "bound" of nfto_airoha from stdin

GDM are the numbers of the ports lan and wan. USER is the port of the DSA switch behind the first one, lan or wan, or "-".

Written from the layout of the hardware, not from the driver: the positions of all fields are below. The text is that of
common/foe_entry.py.
"""
import sys
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parent.parent / "common"))
from foe_entry import FoeEntry, decode, mac, split

# engines, whether the NPU counts
SOCS = {"en7581": (2, True), "an7583": (1, False)}
WORDS, SRAM = 20, 8192
# Bits of the words, low to high: name, width.
HEAD = [("time", 15), ("keepalive", 1), ("tags", 4), ("vpm", 2), ("pppoe", 1), ("decap", 1), ("ttl", 1), ("type", 3),
        ("state", 2), ("udp", 1), ("static", 1)]
OUT = [("nbq", 5), ("port", 4), ("qos", 1), ("fast", 1), ("multicast", 1), ("pcp", 1), ("ag", 11), ("dscp", 8)]
QUEUE = [("tunnel id", 6), ("tunnel", 1), ("dpi", 1), ("queue", 3), ("channel", 5), ("shaper", 8), ("action", 8)]
METER = [("group 2", 5), ("group 3", 4), ("account", 7), ("copy", 16)]
# Ports of the switch fabric (PSE).
GDM = {1: 1, 2: 2, 3: 3, 9: 4}
NPU, KEEP_SOURCE = 6, 15
NO_VLAN = 1 << 15


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

    def port(self, pse):
        """The port behind one of the switch fabric. GDM2 stands for the uplink."""
        if self.uplink and pse == 2:
            return self.uplink
        return next((p for p, n in self.number.items() if n == GDM.get(pse) and p != self.uplink), f"port {pse}")


class Entry(FoeEntry):
    """One entry."""

    def __init__(self, board, line):
        port, engine, index, *words = line.split()
        port, index = board.user if port == "eth0" else port, int(index, 16)
        super().__init__(port, [int(w, 16) for w in words], HEAD)
        self.board = board
        self.expect("words", len(words), WORDS)
        self.expect("engine", int(engine), int(port == board.uplink) if board.engines > 1 else 0)
        # The NPU has counters for half of the SRAM of each engine.
        self.counted = board.counts and index < board.engines * SRAM
        if index < board.engines * SRAM:
            self.expect("index", index // SRAM, int(engine))
            self.expect("half", index % SRAM >= SRAM // 2 and self.counted, False)

    def rest(self, family):
        words = self.words
        if family == 4:
            out, l2, rest = words[4], words[11:16], words[8:10]
        else:
            out, l2, rest = words[11], words[12:16], []
        self.expect("reserved", any(rest + words[17:]), False)
        tags = self.tags(l2, family)
        out = self.way_out(split(out, OUT), split(words[10], QUEUE), split(words[16], METER))
        macs = f"{self.source(l2, family, out)} > {mac(l2[1], l2[2] >> 16, self.board.names)}"
        return [macs] + tags + [f"out of {out}"]

    def source(self, l2, family, out):
        """The source address. That of IPv6 is the number of a port."""
        if family == 4:
            return mac(l2[3], l2[4] >> 16, self.board.names)
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

    def tags(self, l2, family):
        """Tags and session, outermost first."""
        etype, tags, count = l2[0] >> 16, [l2[0] & 0xFFFF, l2[2] & 0xFFFF], self.head["tags"]
        parts = []
        self.expect("tags", count, 0, 1, 2)
        self.expect("vpm", self.head["vpm"], count)
        self.expect("unused tags", any(tags[count:]), False)
        if not etype:
            parts.append("no type")
        elif etype != self.frame_type(family):
            # The type of the frame is the tag of a switch: a bit for the port, and one for the absence of a VLAN.
            ports = etype & 0x7F
            self.switch_port = max(ports.bit_length() - 1, 0)
            self.expect("type of frame", etype & ~0x807F, 0)
            self.expect("ports", ports, 1 << self.switch_port)
            self.expect("no VLAN", bool(etype & NO_VLAN), not count)
            parts.append(f"port {self.switch_port} of the switch")
        return parts + self.headers(tags[:count], (l2[4] if family == 4 else l2[3]) & 0xFFFF)


BOARD = Board(*sys.argv[1:4], dict(argument.split("=", 1) for argument in sys.argv[4:]))
decode(lambda line: Entry(BOARD, line))
