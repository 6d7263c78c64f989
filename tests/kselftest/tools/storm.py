#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0
"""Changes routes or neighbours of this network namespace RATE times a second.

    storm.py RATE SECONDS neighbours DEVICE [COUNT]     COUNT neighbours of DEVICE in turn get another MAC
    storm.py RATE SECONDS routes DEVICE [COUNT]         COUNT routes through DEVICE in turn are added and deleted
    storm.py RATE SECONDS next-hop DEVICE ADDRESS MAC...  one neighbour has these MACs in turn
    storm.py RATE SECONDS blackhole PREFIX              is added and deleted

COUNT is 1000 unless given. Half of them are IPv6, unless it is disabled; they are in the prefixes 100.64.0.0/10 and fd64::/16.
The remaining ones are removed at the end. Prints "sent N failed N ms N first_ns N": the duration, and the time of the first
message by the monotonic clock.
"""
import ipaddress
import itertools
import socket
import struct
import sys
import time

NEWROUTE, DELROUTE, NEWNEIGH, DELNEIGH = 24, 25, 28, 29
REQUEST, REPLACE, CREATE = 0x1, 0x100, 0x400
NUD_PERMANENT = 0x80
NDA_DST, NDA_LLADDR = 1, 2
RTA_DST, RTA_OIF = 1, 4
TABLE_MAIN, PROTO_STATIC, SCOPE_LINK, SCOPE_UNIVERSE, UNICAST, BLACKHOLE = 254, 4, 253, 0, 1, 6
ERROR = 2
TICK = 0.01


def attribute(kind, data):
    """One attribute, padded."""
    return struct.pack("=HH", 4 + len(data), kind) + data + bytes(-len(data) % 4)


def message(kind, payload):
    """One request without an answer, unless it fails."""
    flags = REQUEST | (REPLACE | CREATE if kind in (NEWROUTE, NEWNEIGH) else 0)
    return struct.pack("=IHHII", 16 + len(payload), kind, flags, 0, 0) + payload


def family(address):
    """AF_INET or AF_INET6."""
    return socket.AF_INET if address.version == 4 else socket.AF_INET6


def neighbour(kind, device, address, mac=b""):
    """A neighbour that has this MAC, or goes."""
    head = struct.pack("=BxxxiHBB", family(address), socket.if_nametoindex(device), NUD_PERMANENT, 0, 0)
    lladdr = attribute(NDA_LLADDR, mac) if mac else b""
    return message(kind, head + attribute(NDA_DST, address.packed) + lladdr)


def route(kind, prefix, device=None):
    """A route through a device, or one to nowhere, that comes or goes."""
    what = UNICAST if device else BLACKHOLE
    scope = SCOPE_LINK if device and prefix.version == 4 else SCOPE_UNIVERSE
    head = struct.pack("=BBBBBBBBI", family(prefix), prefix.prefixlen, 0, 0, TABLE_MAIN, PROTO_STATIC, scope, what, 0)
    oif = attribute(RTA_OIF, struct.pack("=i", socket.if_nametoindex(device))) if device else b""
    return message(kind, head + attribute(RTA_DST, prefix.network_address.packed) + oif)


def has_ipv6(device):
    """Whether IPv6 is there for a device."""
    try:
        with open(f"/proc/sys/net/ipv6/conf/{device}/disable_ipv6", encoding="ascii") as file:
            return file.read().strip() == "0"
    except OSError:
        return False


def prefixes(six, count):
    """That many, of lengths as they are on the Internet, none of which has another one in it."""
    for i in range(count):
        if six and i % 2:
            yield ipaddress.ip_network((0xFD64 << 112 | i << 88, 40 + i % 9))
        else:
            yield ipaddress.ip_network((0x64400000 | i // (2 if six else 1) << 12, 20 + i % 5))


def storm(words):
    """(the messages without end, those that remove what is left)"""
    kind, *words = words
    if kind == "neighbours":
        addresses = [prefix.network_address + 1 for prefix in prefixes(has_ipv6(words[0]), int((words[1:] or [1000])[0]))]
        macs = (struct.pack("!HI", 0x0264, n) for n in itertools.count())
        changes = (neighbour(NEWNEIGH, words[0], *pair) for pair in zip(itertools.cycle(addresses), macs))
        return changes, [neighbour(DELNEIGH, words[0], address) for address in addresses]
    if kind == "routes":
        ways = list(prefixes(has_ipv6(words[0]), int((words[1:] or [1000])[0])))
        changes = itertools.cycle([route(kind, way, words[0]) for kind in (NEWROUTE, DELROUTE) for way in ways])
        return changes, [route(DELROUTE, way, words[0]) for way in ways]
    if kind == "next-hop":
        address = ipaddress.ip_address(words[1])
        macs = [bytes.fromhex(mac.replace(":", "")) for mac in words[2:]]
        return itertools.cycle([neighbour(NEWNEIGH, words[0], address, mac) for mac in macs]), []
    if kind == "blackhole":
        return itertools.cycle([route(kind, ipaddress.ip_network(words[0])) for kind in (NEWROUTE, DELROUTE)]), []
    raise SystemExit(__doc__)


def failures(sock):
    """How many errors have come back."""
    failed = 0
    while True:
        try:
            answer = sock.recv(65536, socket.MSG_DONTWAIT)
        except BlockingIOError:
            return failed
        while answer:
            length, kind = struct.unpack_from("=IH", answer)
            failed += kind == ERROR
            answer = answer[(length + 3) & ~3 :]


def main():
    """As the module says."""
    if len(sys.argv) < 5:
        raise SystemExit(__doc__)
    rate, seconds = float(sys.argv[1]), float(sys.argv[2])
    changes, last = storm(sys.argv[3:])
    total, sent, failed = round(rate * seconds), 0, 0
    sock = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE)
    sock.bind((0, 0))
    # What a tick has is built before: it is sent at once.
    batch = b"".join(itertools.islice(changes, 1))
    first = time.monotonic_ns()
    sock.send(batch)
    sent = 1
    while sent < total:
        due = min(total, int((time.monotonic_ns() - first) * rate / 1e9) + 1)
        if due > sent:
            # A machine that is slow catches up, a little at a time.
            due = min(due, sent + 100)
            sock.send(b"".join(itertools.islice(changes, due - sent)))
            failed += failures(sock)
            sent = due
        time.sleep(TICK)
    took = time.monotonic_ns() - first
    failed += failures(sock)
    for change in last:
        sock.send(change)
        # Not all of them are there.
        failures(sock)
    print(f"sent {sent} failed {failed} ms {took // 1000000} first_ns {first}")


main()
