#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0
"""
A generic YNL client, which knows nothing but the spec of the family. Uses the library of the kernel source.

  ynl.py KERNEL_SOURCE SPEC [--unprivileged] [--user-namespace] [--namespaces-of PID] [--answers FILE]
  ynl.py KERNEL_SOURCE SPEC --validate      only checks the spec against the kernel's schemas

Reads requests from stdin, one a line, and answers each with a line of JSON: a list, an object, or
{"error": errno, "msg": text, "bad-attr": name, ...}. With --answers the answer goes to FILE, and only its length to stdout: a
shell reads a pipe byte by byte.

--unprivileged is without privileges; with --user-namespace as well, the client has all of them, in a user namespace of its own.
--namespaces-of joins the user namespace and the network namespace of a process.

  do OPERATION JSON
  dump OPERATION JSON
  raw OPERATION do|dump [ATTRIBUTE=HEX]...  attributes with these bytes, whether they are right or not; OPERATION and
                                    ATTRIBUTE are names, or numbers that the spec does not have
  listen GROUP                      joins a multicast group
  events                            the events since the last request: a list of [name, attributes]
  again                             looks the family up again after a reload of the module
"""

import ctypes
import importlib
import json
import os
import struct
import sys
import tempfile

import yaml

# include/uapi/linux/sched.h
CLONE_NEWUSER = 0x10000000

# The library asks for the slow one.
yaml.safe_load = lambda text: yaml.load(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))


def validate(spec_path, schemas):
    """As genetlink-legacy, and as genetlink but for the underscore in the name."""
    jsonschema = importlib.import_module("jsonschema")
    with open(spec_path, encoding="utf-8") as file:
        spec = yaml.safe_load(file)
    for name in ("genetlink-legacy", "genetlink"):
        with open(f"{schemas}/{name}.yaml", encoding="utf-8") as file:
            schema = yaml.safe_load(file)
        if name == "genetlink":
            spec["name"] = spec["name"].replace("_", "-")
            del spec["protocol"]
        jsonschema.validate(spec, schema)


def encode(operation, name, value):
    """An attribute of an operation."""
    payload = bytes.fromhex(value)
    known = operation and name in operation.attr_set
    kind = operation.attr_set[name].value if known else int(name)
    return struct.pack("HH", 4 + len(payload), kind) + payload + bytes(-len(payload) % 4)


def error_of(error, extack):
    answer = {"error": -error}
    for key, value in (extack or {}).items():
        answer[key] = value if isinstance(value, (str, int)) else str(value)
    return answer


def raw(family, lib, operation, kind, attributes):
    """Sends attributes as they are; the answer to the last message, without its attributes."""
    of_spec = family.ops.get(operation)
    command = of_spec.req_value if of_spec else int(operation)
    attributes = b"".join(encode(of_spec, *attribute.split("=")) for attribute in attributes.split())
    flags = lib.Netlink.NLM_F_REQUEST | lib.Netlink.NLM_F_ACK
    if kind == "dump":
        flags |= lib.Netlink.NLM_F_DUMP
    message = family.nlproto.message(flags, command, 1, 77) + attributes
    # The library's message has no length yet.
    family.sock.send(struct.pack("I", len(message) + 4) + message)
    answers = 0
    while True:
        for answer in lib.NlMsgs(family.sock.recv(1 << 17)):
            if answer.error:
                return error_of(answer.error, answer.extack)
            if answer.done:
                return {"answers": answers}
            answers += 1


def answer_to(family, lib, line):
    kind, what, rest = (line.split(" ", 2) + ["", ""])[:3]
    if kind == "listen":
        family.ntf_subscribe(what)
        return "listening"
    if kind == "events":
        # The library asks not to wait, which a timeout would overrule.
        family.sock.settimeout(None)
        family.check_ntf()
        family.sock.settimeout(30)
        events = []
        while not family.async_msg_queue.empty():
            event = family.async_msg_queue.get_nowait()
            events.append([event["name"], event["msg"]])
        return events
    if kind == "raw":
        direction, _, attributes = rest.partition(" ")
        return raw(family, lib, what, direction, attributes)
    values = json.loads(rest or "{}")
    try:
        return family.do(what, values) if kind == "do" else family.dump(what, values)
    except lib.NlError as error:
        return error_of(error.nl_msg.error, error.nl_msg.extack)


def main():
    kernel, spec = sys.argv[1:3]
    answers = open(sys.argv[sys.argv.index("--answers") + 1], "w", encoding="utf-8") if "--answers" in sys.argv else None

    def say(answer):
        if answers:
            answers.seek(0)
            answers.truncate()
            answers.write(answer + "\n")
            answers.flush()
            answer = str(len(answer))
        print(answer, flush=True)

    sys.dont_write_bytecode = True
    sys.path.insert(0, f"{kernel}/tools/net/ynl/pyynl")
    lib = importlib.import_module("lib.ynl")
    if "--validate" in sys.argv:
        return validate(spec, f"{kernel}/Documentation/netlink")
    with tempfile.NamedTemporaryFile(suffix=".yaml") as copy, open(spec, "rb") as file:
        copy.write(file.read())
        copy.flush()
        os.chmod(copy.name, 0o644)
        if "--unprivileged" in sys.argv:
            os.setgroups([])
            os.setgid(65534)
            os.setuid(65534)
        libc = ctypes.CDLL(None, use_errno=True)
        if "--user-namespace" in sys.argv and libc.unshare(CLONE_NEWUSER):
            sys.exit(f"unshare: {os.strerror(ctypes.get_errno())}")
        if "--namespaces-of" in sys.argv:
            pid = sys.argv[sys.argv.index("--namespaces-of") + 1]
            # Both are opened before the first is joined, which takes the right to do so.
            spaces = [os.open(f"/proc/{pid}/ns/{kind}", os.O_RDONLY) for kind in ("user", "net")]
            for space in spaces:
                if libc.setns(space, 0):
                    sys.exit(f"setns: {os.strerror(ctypes.get_errno())}")

        def connect():
            # The library remembers the numbers of families.
            lib.GenlProtocol.genl_family_name_to_id = {}
            family = lib.YnlFamily(copy.name, schema="")
            family.sock.settimeout(30)
            return family

        family = connect()
        say('"ready"')
        for line in sys.stdin:
            try:
                if line.strip() == "again":
                    family = connect()
                    say('"ready"')
                    continue
                answer = answer_to(family, lib, line.strip())
            except Exception as error:  # whatever it is, the test has to see it
                answer = {"exception": repr(error)}
            say(json.dumps(answer, default=lambda value: value.hex()))
        os._exit(0)


main()
