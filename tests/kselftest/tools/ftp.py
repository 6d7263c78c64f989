#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""The part of FTP that a connection tracking helper parses.

server ADDRESS PORT
    Serves clients one after the other, on this address. The name of a file is its size in bytes.
client ADDRESS PORT passive|active BYTES
    Fetches such a file, with PORT or PASV. Prints "received=BYTES".
"""

import socket
import sys


def lines(connection):
    return connection.makefile("rw", newline="\r\n")


def numbers(address, port):
    return ",".join(address.split(".") + [str(port >> 8), str(port & 255)])


def address_of(text):
    fields = text.strip(" ().\r\n").split(",")
    return ".".join(fields[:4]), int(fields[4]) * 256 + int(fields[5])


def send_file(connection, size):
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    connection.sendall(bytes(size))
    connection.shutdown(socket.SHUT_WR)
    connection.recv(1)
    connection.close()


def serve(control):
    file = lines(control)

    def say(text):
        file.write(text + "\r\n")
        file.flush()

    connect = None
    say("220 ready")
    for line in file:
        command, _, argument = line.strip().partition(" ")
        if command == "PASV":
            listener = socket.create_server((control.getsockname()[0], 0))
            say(f"227 Entering Passive Mode ({numbers(*listener.getsockname())})")
            connect = lambda listener=listener: listener.accept()[0]
        elif command == "PORT":
            peer = address_of(argument)
            say("200 ok")
            connect = lambda peer=peer: socket.create_connection(peer, 10)
        elif command == "RETR":
            say("150 here it comes")
            send_file(connect(), int(argument))
            say("226 done")
        elif command == "QUIT":
            say("221 bye")
            break
        else:
            say("230 ok")


def server(address, port):
    with socket.create_server((address, int(port))) as listener:
        while True:
            control, _ = listener.accept()
            with control:
                serve(control)


def client(address, port, mode, size):
    control = socket.create_connection((address, int(port)), 10)
    file = lines(control)

    def expect(code):
        line = file.readline()
        if not line.startswith(code):
            sys.exit(f"{line!r} instead of {code}")
        return line

    def ask(text, code):
        file.write(text + "\r\n")
        file.flush()
        return expect(code)

    expect("220")
    ask("USER test", "230")
    if mode == "passive":
        answer = ask("PASV", "227")
        data = socket.create_connection(address_of(answer[answer.index("(") :]), 10)
        ask(f"RETR {size}", "150")
    else:
        listener = socket.create_server((control.getsockname()[0], 0))
        listener.settimeout(10)
        ask("PORT " + numbers(*listener.getsockname()), "200")
        ask(f"RETR {size}", "150")
        data, _ = listener.accept()
    received = 0
    while True:
        piece = data.recv(1 << 16)
        if not piece:
            break
        received += len(piece)
    print(f"received={received}", flush=True)
    data.close()
    expect("226")
    # More of the control connection than its beginning.
    for _ in range(100):
        ask("NOOP", "230")
    ask("QUIT", "221")


{"server": server, "client": client}[sys.argv[1]](*sys.argv[2:])
