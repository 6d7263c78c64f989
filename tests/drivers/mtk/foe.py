#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0
"""Says what the entries of a MediaTek flow table (FOE) do.

    foe.py SOC[/PORT] [MAC=NAME...]      reads the file "bound" of nfto_mtk from stdin

PORT is the port of the DSA switch, lan or wan, if there is one.

Written from the layout of the hardware, not from the driver: the positions of all fields are below. The text is that of
common/foe_entry.py.
"""
import sys
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parent.parent / "common"))
from foe_entry import FoeEntry, decode, mac, split

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
# Ports of the switch fabric (PSE).
OUT = {1: "lan", 2: "wan", 15: "opt"}


class Entry(FoeEntry):
    """One entry."""

    FIXED = FoeEntry.FIXED | {"cache": 1, "sample": 0, "source": 0, "multicast": 0}

    def __init__(self, soc, line, names):
        soc, _, user = soc.partition("/")
        self.netsys, self.offload, self.engines, self.counts, size = SOCS[soc]
        self.out = dict(OUT) if user != "wan" else OUT | {1: "wan", 2: "lan"}
        self.names = names
        port, engine, _, *words = line.split()
        # The first port of the SoC is the conduit of the switch.
        port = user if port == "eth0" else port
        super().__init__(port, [int(w, 16) for w in words], BIND_1 if self.netsys == 1 else BIND_2)
        self.expect("words", len(words), size // 4)
        number = next(out for out, name in self.out.items() if name == port)
        self.expect("engine", int(engine), min(number - 1, 2) if self.engines > 1 else 0)

    def rest(self, family):
        words = self.words
        if family == 4:
            info, l2, rest = words[4], words[11:], words[8:11]
        else:
            info, l2, rest = words[14], words[15:], words[10:14]
        macs = f"{mac(l2[3], l2[4] >> 16, self.names)} > {mac(l2[1], l2[2] >> 16, self.names)}"
        tags = self.tags(l2, family)
        out = self.second(split(info, INFO_1 if self.netsys == 1 else INFO_2))
        self.expect("reserved", any(rest) or any(l2[5:]), False)
        return [macs] + tags + [f"out of {out}"]

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

    def tags(self, l2, family):
        """Tags and session, outermost first."""
        etype, tags, count = l2[0] >> 16, [l2[0] & 0xFFFF, l2[2] & 0xFFFF], self.head["tags"]
        parts = []
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
            self.expect("type of frame", etype, self.frame_type(family))
        return parts + self.headers(tags, l2[4] & 0xFFFF)


NAMES = dict(argument.split("=", 1) for argument in sys.argv[2:])
decode(lambda line: Entry(sys.argv[1], line, NAMES))
