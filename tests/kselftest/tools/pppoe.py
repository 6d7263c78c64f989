#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0
"""A PPPoE session without pppd: the state after discovery, LCP and IPCP.

    pppoe.py DEVICE SESSION MAC

Makes a PPP device for the session with the access concentrator MAC on DEVICE, prints its name, and holds it until killed.
"""
import ctypes
import fcntl
import os
import signal
import socket
import struct
import sys

# <linux/if_pppox.h>, <linux/ppp-ioctl.h>
AF_PPPOX, PX_PROTO_OE = 24, 0
PPPIOCGCHAN, PPPIOCATTCHAN, PPPIOCNEWUNIT, PPPIOCCONNECT = 0x80047437, 0x40047438, 0xC004743E, 0x4004743A
PPPIOCSNPMODE, PPP_PROTOCOLS, NPMODE_PASS = 0x4008744B, (0x21, 0x57), 0


def ioctl_int(fd, request, value):
    """An ioctl that takes an int and may give one."""
    return struct.unpack("i", fcntl.ioctl(fd, request, struct.pack("i", value)))[0]


def main():
    """Makes the session."""
    device, session, mac = sys.argv[1], int(sys.argv[2], 0), bytes.fromhex(sys.argv[3].replace(":", ""))
    sock = socket.socket(AF_PPPOX, socket.SOCK_STREAM, PX_PROTO_OE)
    address = struct.pack("=HI", AF_PPPOX, PX_PROTO_OE) + struct.pack("!H6s16s", session, mac, device.encode())
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.connect(sock.fileno(), address, len(address)):
        raise OSError(ctypes.get_errno(), f"session {session:#x} on {device}")
    channel, unit = os.open("/dev/ppp", os.O_RDWR), os.open("/dev/ppp", os.O_RDWR)
    ioctl_int(channel, PPPIOCATTCHAN, ioctl_int(sock, PPPIOCGCHAN, 0))
    number = ioctl_int(unit, PPPIOCNEWUNIT, -1)
    ioctl_int(channel, PPPIOCCONNECT, number)
    for protocol in PPP_PROTOCOLS:
        fcntl.ioctl(unit, PPPIOCSNPMODE, struct.pack("ii", protocol, NPMODE_PASS))
    print(f"ppp{number}", flush=True)
    signal.pause()


main()
