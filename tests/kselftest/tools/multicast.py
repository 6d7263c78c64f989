#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Multicast: the entries of a router for one group each of IPv4 and IPv6, and a sender.

route SOURCE4 GROUP4 SOURCE6 GROUP6 FROM TO...
    Forwards the groups from FROM to each of TO until it is killed; prints "ready".
send GROUP PORT COUNT MS DEVICE
    Sends COUNT packets, one every MS milliseconds.
"""

import ipaddress
import signal
import socket
import struct
import sys
import time

# include/uapi/linux/mroute.h, mroute6.h: the same numbers.
MRT_INIT, MRT_ADD_VIF, MRT_ADD_MFC = 200, 202, 204
VIFF_USE_IFINDEX = 8
MAXVIFS = 32


def route4(source, group, devices):
    """struct vifctl, struct mfcctl"""
    router = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_IGMP)
    router.setsockopt(socket.IPPROTO_IP, MRT_INIT, 1)
    for vif, device in enumerate(devices):
        router.setsockopt(
            socket.IPPROTO_IP,
            MRT_ADD_VIF,
            struct.pack("=HBBIiI", vif, VIFF_USE_IFINDEX, 1, 0, socket.if_nametoindex(device), 0),
        )
    ttls = bytes(1 if 0 < vif < len(devices) else 0 for vif in range(MAXVIFS))
    entry = socket.inet_aton(source) + socket.inet_aton(group) + struct.pack("=H32s2xIIIi", 0, ttls, 0, 0, 0, 0)
    router.setsockopt(socket.IPPROTO_IP, MRT_ADD_MFC, entry)
    return router


def route6(source, group, devices):
    """struct mif6ctl, struct mf6cctl"""
    router = socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_ICMPV6)
    router.setsockopt(socket.IPPROTO_IPV6, MRT_INIT, 1)
    for mif, device in enumerate(devices):
        router.setsockopt(
            socket.IPPROTO_IPV6, MRT_ADD_VIF, struct.pack("=HBBH2xI", mif, 0, 1, socket.if_nametoindex(device), 0)
        )
    addresses = b"".join(
        struct.pack("=HHI16sI", socket.AF_INET6, 0, 0, socket.inet_pton(socket.AF_INET6, address), 0)
        for address in (source, group)
    )
    outputs = sum(1 << mif for mif in range(1, len(devices)))
    router.setsockopt(socket.IPPROTO_IPV6, MRT_ADD_MFC, addresses + struct.pack("=H2x8I", 0, outputs, *[0] * 7))
    return router


def send(group, port, count, interval, device):
    """A datagram of 100 bytes at a time."""
    if ipaddress.ip_address(group).version == 4:
        sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        sock.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_TTL, 8)
    else:
        sock = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_HOPS, 8)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, device.encode())
    sock.bind(("", 41000))
    for _ in range(count):
        sock.sendto(bytes(100), (group, port))
        time.sleep(interval / 1000)


def main():
    """As the module says."""
    what, *words = sys.argv[1:]
    if what == "send":
        group, port, count, interval, device = words
        send(group, int(port), int(count), int(interval), device)
    else:
        source4, group4, source6, group6, *devices = words
        routers = route4(source4, group4, devices), route6(source6, group6, devices)
        print("ready", flush=True)
        signal.pause()
        del routers


main()
