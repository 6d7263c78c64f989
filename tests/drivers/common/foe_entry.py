# SPDX-License-Identifier: GPL-2.0
"""What the flow tables (FOE) of MediaTek and Airoha have in common: what an entry does, as text.

Every bit of an entry is accounted for. What an entry should not have is printed as "odd: FIELD=VALUE", after what it does:

    lan: tcp+udp 10.0.1.2:7777 > 10.0.2.2:5001 becomes 10.0.2.1:7777 > 10.0.2.2:5001, wan > server, tag 20, out of wan
"""
import ipaddress
import sys

BIND, HNAPT, ROUTE_5 = 2, 0, 5
IPV4, IPV6, PPP = 0x0800, 0x86DD, 0x8864


def split(word, layout):
    """The fields of a word, low to high: name, width."""
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


class FoeEntry:
    """One entry. A class for a kind of table has "rest", which gives the parts of the text behind the tuple."""

    # Fields of word 0 that are always the same, where the table has them.
    FIXED = {"state": BIND, "ttl": 1, "keepalive": 0, "decap": 0, "static": 0}

    def __init__(self, port, words, layout):
        self.odd, self.protocol, self.switch_port, self.port, self.words = [], None, None, port, words
        self.head = split(words[0], layout)

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
        for name, value in self.FIXED.items():
            self.expect(name, head.get(name, value), value)
        self.protocol = "udp" if head["udp"] else "tcp"
        if family == 4:
            what = f"{ends(words[1:4], 4)} becomes {ends(words[5:8], 4)}"
        else:
            what = ends(words[1:10], 6)
        return ", ".join([what] + self.rest(family)) + "".join(f"; odd: {odd}" for odd in self.odd)

    def rest(self, family):
        """MACs, tags, session, the way out."""
        raise NotImplementedError

    def frame_type(self, family):
        """The Ethertype of what is in the frame."""
        return PPP if self.head["pppoe"] else IPV4 if family == 4 else IPV6

    def headers(self, tags, session):
        """Tags and session as text."""
        parts = [f"tag {tag}" for tag in tags]
        if self.head["pppoe"]:
            parts.append(f"session {session:#x}")
        else:
            self.expect("session", session, 0)
        return parts


def decode(entry):
    """Decodes stdin: entry(line) is an entry. The protocols of entries that otherwise do the same are joined."""
    protocols = {}
    for line in sys.stdin:
        e = entry(line)
        protocols.setdefault((e.port, e.text()), set()).add(e.protocol or "?")
    for (port, text), found in sorted(protocols.items()):
        print(f"{port}: {'+'.join(sorted(found))} {text}")
