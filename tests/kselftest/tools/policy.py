#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0
"""
What the kernel enforces of a generic netlink family: who may send each command, and what each attribute may be.

  policy.py SPEC            prints it as two tables in Markdown
  policy.py SPEC --check DOCUMENT
                            prints the differences to the spec and to the tables in the document; fails if there are any

The kernel is asked for the flags of the operations (CTRL_CMD_GETFAMILY) and for their policies (CTRL_CMD_GETPOLICY): the tables
are those of the code that runs, not of a copy.
"""

import itertools
import socket
import struct
import sys

import yaml
from genetlink import CTRL_ATTR_FAMILY_ID, CTRL_ATTR_FAMILY_NAME, CTRL_CMD_GETFAMILY, NETLINK_GENERIC
from genetlink import NLM_F_DUMP, NLM_F_REQUEST, NLMSG_DONE, NLMSG_ERROR, Genetlink, attribute, attributes

# include/uapi/linux/genetlink.h
CTRL_CMD_GETPOLICY = 10
CTRL_ATTR_OPS, CTRL_ATTR_POLICY, CTRL_ATTR_OP_POLICY = 6, 8, 9
CTRL_ATTR_OP_ID, CTRL_ATTR_OP_FLAGS = 1, 2
CTRL_ATTR_POLICY_DO, CTRL_ATTR_POLICY_DUMP = 1, 2
GENL_ADMIN_PERM, GENL_CMD_CAP_DO, GENL_CMD_CAP_DUMP, GENL_UNS_ADMIN_PERM = 1, 2, 4, 16
# include/uapi/linux/netlink.h: enum netlink_attribute_type, enum netlink_policy_type_attr
TYPES = "invalid flag u8 u16 u32 u64 s8 s16 s32 s64 binary string string nested array bitfield32 sint uint".split()
TYPE, MIN_VALUE, MAX_VALUE, MIN_LENGTH, MAX_LENGTH, POLICY_IDX = 1, 4, 5, 6, 7, 8

WHO = {
    0: "every user",
    GENL_UNS_ADMIN_PERM: "`CAP_NET_ADMIN` in the user namespace that owns the network namespace",
    GENL_ADMIN_PERM: "`CAP_NET_ADMIN` in the initial user namespace",
}
WHO_IN_SPEC = {"uns-admin-perm": GENL_UNS_ADMIN_PERM, "admin-perm": GENL_ADMIN_PERM}
BEGIN, END = "<!-- policy: begin -->\n", "<!-- policy: end -->\n"


def number(data):
    return int.from_bytes(data, sys.byteorder)


def merge(into, values):
    for key, value in values.items():
        into.setdefault(key, {}).update(value)


class Kernel:
    """The operations and the policies of a family."""

    def __init__(self, name):
        self.netlink = Genetlink()
        payload = attribute(CTRL_ATTR_FAMILY_NAME, name.encode() + b"\0")
        family = self.netlink.ask(NETLINK_GENERIC, CTRL_CMD_GETFAMILY, payload)
        self.flags = {}
        for operation in attributes(family[CTRL_ATTR_OPS]).values():
            fields = attributes(operation)
            self.flags[number(fields[CTRL_ATTR_OP_ID])] = number(fields[CTRL_ATTR_OP_FLAGS])
        family = attribute(CTRL_ATTR_FAMILY_ID, family[CTRL_ATTR_FAMILY_ID])
        self.of_operation, self.policies = {}, {}
        for message in self.dump(CTRL_CMD_GETPOLICY, family):
            for operation, policies in attributes(message.get(CTRL_ATTR_OP_POLICY, b"")).items():
                self.of_operation[operation] = {way: number(at) for way, at in attributes(policies).items()}
            for index, policy in attributes(message.get(CTRL_ATTR_POLICY, b"")).items():
                merge(self.policies, {index: {at: attributes(value) for at, value in attributes(policy).items()}})

    def dump(self, command, payload):
        header = struct.pack("=IHHII", 20 + len(payload), NETLINK_GENERIC, NLM_F_REQUEST | NLM_F_DUMP, 1, 0)
        self.netlink.socket.send(header + struct.pack("=BBH", command, 1, 0) + payload)
        while True:
            data = self.netlink.socket.recv(1 << 16, socket.MSG_TRUNC)
            while data:
                length, kind = struct.unpack_from("=IH", data)
                if kind == NLMSG_ERROR:
                    sys.exit(f"error {-struct.unpack_from('=i', data, 16)[0]}")
                if kind == NLMSG_DONE:
                    return
                yield attributes(data[20:length])
                data = data[(length + 3) & ~3 :]

    def accepted(self, operation, way):
        """Maps the attributes that a request may have to their limits."""
        index = self.of_operation.get(operation, {}).get(way)
        return {at: limits for at, limits in self.policies.get(index, {}).items() if TYPES[number(limits[TYPE])] != "invalid"}


def value_of(limits):
    """Says what an attribute may be."""
    kind = TYPES[number(limits[TYPE])]
    low, high = (number(limits[at]) if at in limits else None for at in (MIN_VALUE, MAX_VALUE))
    if kind == "binary":
        return f"{number(limits[MIN_LENGTH])} to {number(limits[MAX_LENGTH])} bytes"
    if kind == "string":
        return f"string of at most {number(limits[MAX_LENGTH])} bytes"
    if kind in ("flag", "nested"):
        return kind
    bits = {"u8": 8, "u16": 16, "u32": 32, "uint": 64}[kind]
    if (low, high) == (0, (1 << bits) - 1):
        return f"{kind}, any"
    return f"{kind}, {low} to {high}"


class Spec:
    """The spec of the family, as far as the tables need it."""

    def __init__(self, path):
        with open(path, encoding="utf-8") as file:
            spec = yaml.safe_load(file)
        self.name = spec["name"]
        self.sets, self.unreported = {}, set()
        for each in spec["attribute-sets"]:
            following = itertools.count(1)
            self.sets[each["name"]] = names = {}
            for attribute_of_set in each["attributes"]:
                at = attribute_of_set.get("value") or next(following)
                following = itertools.count(at + 1)
                names[at] = attribute_of_set["name"]
                if attribute_of_set.get("byte-order") == "big-endian":
                    # netlink_policy_dump_write() does not know NLA_BE16.
                    self.unreported.add(attribute_of_set["name"])
        self.nests = {
            (each["name"], one["name"]): one["nested-attributes"]
            for each in spec["attribute-sets"]
            for one in each["attributes"]
            if "nested-attributes" in one
        }
        self.operations, at = {}, 0
        for operation in spec["operations"]["list"]:
            at = operation.get("value", at + 1)
            if "do" in operation or "dump" in operation:
                self.operations[at] = operation


WAYS = {"do": (GENL_CMD_CAP_DO, CTRL_ATTR_POLICY_DO), "dump": (GENL_CMD_CAP_DUMP, CTRL_ATTR_POLICY_DUMP)}


def tables(kernel, spec):
    """Returns the tables, and the differences to the spec."""
    wrong = []
    rows = ["| command | requests | who may send it |", "|---|---|---|"]
    limits = {}
    if set(kernel.flags) != set(spec.operations):
        wrong.append(f"the operations are {sorted(kernel.flags)}, in the spec {sorted(spec.operations)}")
    for at, operation in spec.operations.items():
        name, flags, of_set = operation["name"], kernel.flags.get(at, 0), operation["attribute-set"]
        who = flags & (GENL_ADMIN_PERM | GENL_UNS_ADMIN_PERM)
        wanted = [WHO_IN_SPEC[flag] for flag in operation.get("flags", [])]
        if wanted != ([who] if who else []):
            wrong.append(f"{name}: the flags are {flags:#x}, in the spec {operation.get('flags')}")
        ways = [way for way, (has, _) in WAYS.items() if flags & has]
        if ways != [way for way in WAYS if way in operation]:
            wrong.append(f"{name}: the kernel has {ways}")
        rows.append(f"| {name} | {', '.join(ways)} | {WHO[who]} |")
        for way, (_, index) in WAYS.items():
            accepted = kernel.accepted(at, index)
            names = {spec.sets[of_set].get(one, one): values for one, values in accepted.items()}
            known = (operation.get(way) or {}).get("request", {}).get("attributes", [])
            if set(names) != set(known) - spec.unreported:
                wrong.append(f"{name} {way}: takes {sorted(names)}, in the spec {sorted(known)}")
            for one, values in names.items():
                note(limits, wrong, (of_set, one), value_of(values), name)
                nest = spec.nests.get((of_set, one))
                inner = kernel.policies.get(number(values[POLICY_IDX]), {}) if POLICY_IDX in values else {}
                for part, value in inner.items():
                    if TYPES[number(value[TYPE])] != "invalid":
                        note(limits, wrong, (nest, spec.sets[nest].get(part, part)), value_of(value), name)
    rows += ["", "| attribute | value | in requests of |", "|---|---|---|"]
    order = {(of_set, one): i for i, (of_set, one) in enumerate((s, n) for s, names in spec.sets.items() for n in names.values())}
    for key in sorted(limits, key=lambda key: order.get(key, 0)):
        (value, names) = limits[key]
        rows.append(f"| {key[0]}: {key[1]} | {value} | {', '.join(names)} |")
    return "\n".join(rows) + "\n", wrong


def note(limits, wrong, key, value, name):
    before = limits.setdefault(key, (value, []))
    if before[0] != value:
        wrong.append(f"{name}: {key[1]} is {value}, elsewhere {before[0]}")
    if name not in before[1]:
        before[1].append(name)


def main():
    spec = Spec(sys.argv[1])
    text, wrong = tables(Kernel(spec.name), spec)
    if "--check" in sys.argv:
        with open(sys.argv[3], encoding="utf-8") as file:
            document = file.read().split(BEGIN)[-1].split(END)[0].strip("\n") + "\n"
        are, should = document.splitlines(), text.splitlines()
        wrong += [f"not in the document: {row}" for row in should if row not in are]
        wrong += [f"only in the document: {row}" for row in are if row not in should]
        if not wrong and are != should:
            wrong.append("the rows in the document have another order")
    else:
        print(text, end="")
    print(*wrong, sep="\n", end="\n" if wrong else "")
    return bool(wrong)


if __name__ == "__main__":
    sys.exit(main())
