#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0
"""
Dumps the devices of the family nft_offload in several datagrams, and runs a command after the first one. Prints the number of
datagrams with devices, and whether one of them is marked as inconsistent (NLM_F_DUMP_INTR).

  interrupt.py COMMAND...       for example: nft add flowtable ...
"""

import pathlib
import re
import socket
import struct
import subprocess
import sys

NETLINK_GENERIC, CTRL, GETFAMILY = 16, 16, 3
REQUEST, DUMP, DUMP_INTR, DONE, ERROR = 1, 0x300, 0x10, 3, 2
FAMILY_ID, FAMILY_NAME = 1, 2
HEADER = (pathlib.Path(__file__).parents[3] / "src/uapi/nft_offload.h").read_text(encoding="ascii")
DEVICE_GET = int(re.search(r"NFT_OFFLOAD_CMD_DEVICE_GET = (\d+)", HEADER)[1])
# A datagram of a dump is as large as what was read before, or a page.
ROOM = 4096


def request(fd, family, flags, command, attributes=b""):
    body = struct.pack("=BBH", command, 1, 0) + attributes
    fd.send(struct.pack("=IHHII", 16 + len(body), family, REQUEST | flags, 1, 0) + body)


def messages(data):
    while len(data) >= 16:
        length, kind, flags = struct.unpack_from("=IHH", data)
        yield kind, flags, data[16:length]
        data = data[(length + 3) & ~3:]


def family_id(fd):
    name = b"nft_offload\0"
    request(fd, CTRL, 0, GETFAMILY, struct.pack("=HH", 4 + len(name), FAMILY_NAME) + name)
    (_, _, body), *_ = messages(fd.recv(ROOM))
    attributes = body[4:]
    while attributes:
        length, kind = struct.unpack_from("=HH", attributes)
        if kind == FAMILY_ID:
            return struct.unpack_from("=H", attributes, 4)[0]
        attributes = attributes[(length + 3) & ~3:]
    sys.exit("no family nft_offload")


def main():
    fd = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_GENERIC)
    fd.settimeout(20)
    family = family_id(fd)
    request(fd, family, DUMP, DEVICE_GET)
    subprocess.run(sys.argv[1:], check=True)
    datagrams, interrupted = 0, False
    while True:
        kinds = set()
        for kind, flags, _ in messages(fd.recv(ROOM)):
            kinds.add(kind)
            interrupted |= bool(flags & DUMP_INTR)
        datagrams += family in kinds
        if kinds & {DONE, ERROR}:
            break
    print(datagrams, "interrupted" if interrupted else "whole")


main()
