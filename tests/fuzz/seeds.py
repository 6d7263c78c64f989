#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Writes the seeds, which the fuzzer starts from, to seeds/TARGET/NAME. An input is what checks/flow.rs reads, in the
same order. The name of a translation says how it ends: refused-WHY-..., or taken in both directions."""

import shutil
import struct
from pathlib import Path

SEEDS = Path(__file__).parent / "seeds"

# The order of `profile::ALL`, of `Family`, `Protocol` and of what an egress can be.
TC, MLX5, MTK, AIROHA, DEFAULT, SFC, ANY = 0, 1, 2, 3, 4, 5, 255
IPV4, IPV6 = 0, 1
TCP, UDP, GRE = 0, 1, 2
XFRM, NOT_ETHERNET, UNRESOLVED, TRANSMIT, NO_EGRESS, LWTUNNEL, TUNNEL_DEVICE = range(7)

CLIENT, SERVER, ROUTER, INSIDE = ("192.168.1.2", 40000), ("203.0.113.9", 443), ("198.51.100.1", 61234), ("10.0.0.7", 8443)
LAN, WAN = 3, 4
LAN_MAC, CLIENT_MAC, WAN_MAC, SERVER_MAC = (bytes([2, 0, 0, 0, 0, n]) for n in range(1, 5))


def address(text):
    return bytes(map(int, text.split("."))) + bytes(12)


def end(of, family):
    """An address and a port; IPv6 has the IPv4 address at its end."""
    a = address(of[0])
    return (b"\x20\x01\x0d\xb8" + bytes(8) + a[:4] if family == IPV6 else a), struct.pack(">H", of[1])


def vlan(vid, priority=0, by_switch=False, tpid=0x8100):
    kind = {0x8100: b"\x03", 0x88A8: b"\x04"}.get(tpid, b"\x05" + struct.pack(">H", tpid))
    return kind + struct.pack(">HBB", vid, priority, by_switch)


def pppoe(session):
    return struct.pack(">BH", 1, session)


def other(ethertype):
    return struct.pack(">BH", 2, ethertype)


def tunnel(number, port=4789, family=IPV4):
    key = b"\0" if number is None else b"\1" + struct.pack(">I", number)
    addresses = address("192.0.2.1") + address("192.0.2.2")
    return b"\1" + key + bytes([family]) + addresses + struct.pack(">H", port)


def ethernet(ifindex, source, destination, own_source=True):
    return b"\0" + struct.pack(">I", ifindex) + source + destination + bytes([own_source])


def into_tunnel(ifindex):
    return b"\1" + struct.pack(">I", ifindex)


def impossible(why):
    return bytes([2, why])


def side(source, destination, ingress, egress, layers=(), mtu=(1500, 1500, 1500), tunnel=b"\0"):
    layers = b"".join((list(layers) + [b"\0", b"\0"])[:2])
    return b"".join((source[0], destination[0], source[1], destination[1], struct.pack(">I", ingress), layers,
                     struct.pack(">III", *mtu), tunnel, egress))


def flow(profile=TC, family=IPV4, protocol=TCP, seen=CLIENT, served=SERVER, original=None, reply=None, semantics=b""):
    """The client opens it to the server; `served` sees it come from `seen`."""
    client, dialled, seen_end, served_end = (end(e, family) for e in (CLIENT, SERVER, seen, served))
    there = {"egress": ethernet(WAN, WAN_MAC, SERVER_MAC), **(original or {})}
    back = {"egress": ethernet(LAN, LAN_MAC, CLIENT_MAC), **(reply or {})}
    return (bytes([profile]) + semantics + bytes([family, protocol, seen != CLIENT, served != SERVER])
            + side(client, dialled, LAN, **there) + side(served_end, seen_end, WAN, **back))


def translations():
    nat = {"plain": {}, "snat": {"seen": ROUTER}, "dnat": {"served": INSIDE}, "both": {"seen": ROUTER, "served": INSIDE}}
    for name, ends in nat.items():
        yield f"ipv4-tcp-{name}", flow(**ends)
        yield f"ipv6-udp-{name}", flow(family=IPV6, protocol=UDP, **ends)
        yield f"mtk-ipv4-udp-{name}", flow(MTK, protocol=UDP, **ends)
    yield "gre", flow(protocol=GRE)
    yield "sfc-ipv4-tcp-plain", flow(SFC)
    yield "sfc-ipv6-gre-plain", flow(SFC, family=IPV6, protocol=GRE)
    tag, service, session = {"layers": [vlan(10, 5)]}, {"layers": [vlan(100, tpid=0x88A8), vlan(7)]}, {"layers": [pppoe(0x1234)]}
    small = {"mtu": (1492, 1500, 1492)}
    yield "tag-off", flow(original=tag)
    yield "tag-on", flow(MTK, reply=tag)
    yield "tag-for-tag-mlx5", flow(MLX5, original=tag, reply={"layers": [vlan(20)]}, seen=ROUTER)
    yield "tag-for-tag-sfc", flow(SFC, original=tag, reply={"layers": [vlan(20, tpid=0x88A8)]})
    yield "two-tags-on-tc", flow(reply=service)
    yield "two-tags-both-sides-tc", flow(original={"layers": [vlan(1), vlan(2)]}, reply=service)
    yield "two-tags-on-airoha", flow(AIROHA, reply={"layers": [vlan(1), vlan(2)]})
    yield "tag-of-the-switch", flow(MTK, original={"layers": [vlan(1, by_switch=True)]}, reply=tag)
    yield "pppoe-mtk", flow(MTK, seen=ROUTER, original=small, reply={**session, **small})
    yield "pppoe-in-tag-mtk", flow(MTK, original=small, reply={"layers": [vlan(7), pppoe(1)], **small})
    yield "vxlan", flow(original={"tunnel": tunnel(42), "egress": into_tunnel(9)})
    yield "gre-tunnel-both-sides", flow(family=IPV6, original={"tunnel": tunnel(7, 0)}, reply={"tunnel": tunnel(None, 0, IPV6)})
    yield "most-actions", flow(family=IPV6, seen=ROUTER, served=INSIDE, original={"tunnel": tunnel(1), **service},
                               reply={"tunnel": tunnel(2), **service})
    yield "any-driver", flow(ANY, family=IPV6, semantics=bytes([1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0]), reply=session)
    yield "mtu-checked-by-mtk", flow(MTK, original=small, reply={**session, "mtu": (1500, 1500, 1500)})

    yield "refused-oversize", flow(original={"mtu": (9000, 1500, 1500)})
    yield "refused-nat4-sfc", flow(SFC, seen=ROUTER)
    yield "refused-nat6-mtk", flow(MTK, family=IPV6, seen=ROUTER)
    yield "refused-gre-mtk", flow(MTK, protocol=GRE)
    yield "refused-grenat", flow(protocol=GRE, seen=ROUTER)
    yield "refused-pppoe-tc", flow(original=small, reply={**session, **small})
    yield "refused-servicetag-mtk", flow(MTK, reply=service)
    yield "refused-layerorder-default", flow(DEFAULT, reply={"layers": [vlan(1), vlan(2)]})
    yield "refused-layerorder-sfc", flow(SFC, original=service)
    yield "refused-retag-mlx5", flow(MLX5, original=tag, reply=service)
    yield "refused-sourcemac-airoha", flow(AIROHA, family=IPV6, reply={"egress": ethernet(LAN, WAN_MAC, CLIENT_MAC, False)})
    yield "refused-tunnel-mtk", flow(MTK, original={"tunnel": tunnel(42)})
    yield "refused-encapsulation-mpls", flow(original={"layers": [other(0x8847)]})
    yield "refused-encapsulation-tpid", flow(original={"layers": [vlan(1, tpid=0x9100)]})
    yield "refused-encapsulation-tag-in-pppoe", flow(MTK, original={"layers": [pppoe(1), vlan(1)]})
    for name, why in (("xfrm", XFRM), ("notethernet", NOT_ETHERNET), ("unresolved", UNRESOLVED), ("transmit", TRANSMIT),
                      ("noegress", NO_EGRESS), ("lwtunnel", LWTUNNEL), ("tunneldevice", TUNNEL_DEVICE)):
        yield f"refused-{name}", flow(original={"egress": impossible(why)}, reply={"egress": impossible(why)})


def profiles():
    for name, text in (("empty", ""), ("one", "eth0:mtk"), ("two", "lan1:mtk,wan:mlx5\n"), ("last-counts", "a:tc,a:airoha,"),
                       ("longest-name", "fifteen-letters:default"), ("no-colon", "eth0"), ("no-device", ":tc"),
                       ("name-too-long", "sixteen--letters:tc"), ("no-such-profile", "eth0:e1000"), ("driver", "mlx5_core")):
        yield name, text.encode()


def frames():
    macs = CLIENT_MAC + LAN_MAC
    for name, protocol, frame in (("ipv4", 0x0800, ""), ("ipv6", 0x86DD, ""), ("arp", 0x0806, ""), ("tag-ipv4", 0x8100, "8100000a0800"),
                                  ("tag-ipv6", 0x8100, "8100000a86dd"), ("pppoe-ipv4", 0x8864, "8864110000010028" "0021"),
                                  ("pppoe-ipv6", 0x8864, "8864110000010028" "0057"), ("tag-cut-off", 0x8100, "8100")):
        yield name, struct.pack(">H", protocol) + macs + bytes.fromhex(frame)


def reports():
    boot = 0xFFFFFFFF - 75000
    for name, values in (("idle", (0, 0, boot, 0, boot & 0xFFFFFFFF, 7500)),
                         ("busy", (100, 151400, boot + 5000, boot + 4990, boot + 7500, 7500)),
                         ("wrapped", (10, 9000, (7 << 32) + 3, 0xFFFFFFF9, 5000, 7500)),
                         ("in-the-future", (1, 60, 1 << 33, (1 << 33) + 99, 100, 7500)),
                         ("lies", (2**64 - 1, 2**64 - 1, 2**64 - 1, 2**64 - 1, 2**32 - 1, 2**64 - 1))):
        yield name, struct.pack(">QQQQIQ", *values)


def main():
    shutil.rmtree(SEEDS, ignore_errors=True)
    for target, seeds in (("translation", translations()), ("profile", profiles()), ("demux", frames()), ("counters", reports())):
        (SEEDS / target).mkdir(parents=True)
        for name, data in seeds:
            (SEEDS / target / name).write_bytes(data)


if __name__ == "__main__":
    main()
