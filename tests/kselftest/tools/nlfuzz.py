#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0
"""
A fuzzer of a generic netlink family that knows its spec: valid and invalid requests of every operation, whose answers are
checked against the spec. The tables below have what the spec does not express.

  nlfuzz.py SPEC [--messages N] [--seed N]      N messages, all drawn from the seed
  nlfuzz.py SPEC --seed N --only INDEX...       only these cases of that seed
  nlfuzz.py SPEC --replay HEX [--unprivileged]  this datagram

Run as root. Prints "- WHAT" for an operation of the spec that the family does not have, "wrong: ..." for a wrong answer with
the case and its request, and figures. Status 1 if there was a wrong answer.
"""

import argparse
import collections
import errno
import os
import random
import socket
import struct
import subprocess
import sys
import time

import yaml

NETLINK_GENERIC, SOL_NETLINK = 16, 270
ADD_MEMBERSHIP, CAP_ACK, EXT_ACK = 1, 10, 11
ERROR, DONE = 2, 3
F_REQUEST, F_MULTI, F_ACK, F_ECHO, F_DUMP = 1, 2, 4, 8, 0x300
F_CAPPED, F_ACK_TLVS = 0x100, 0x200
MSG, OFFS, MISS_TYPE, MISS_NEST = 1, 2, 5, 6
NESTED, BYTEORDER, TYPE_MASK = 0x8000, 0x4000, 0x3FFF
CTRL, GETFAMILY = 16, 3
GENL_VERSION = 1
NOBODY = 65534
MOST_PACKETS = 2000
# What the kernel has of netlink families, other than this one, cannot be predicted.
OTHERS = range(CTRL, 1024)

WIDTH = {"u8": 1, "u16": 2, "u32": 4, "u64": 8, "s8": 1, "s16": 2, "s32": 4, "s64": 8}

# --- what the spec says in words only ---

# Without these there is no answer.
REQUIRED = {
    ("device-get", "do"): ["ifindex"],
    ("flow-get", "do"): ["protocol", "original"],
    ("reason-get", "do"): ["number"],
    ("device-set", "do"): ["ifindex"],
}
# Without one of these neither.
ONE_OF = {("device-set", "do"): ["limit", "profile", "block", "enabled"]}
# What undoes what a request may have changed for long.
UNDO = {"device-set": {"limit": 0, "block": 0, "enabled": 1}}
# Of these a request takes the tuple only.
TUPLE = ("source", "destination", "source-port", "destination-port")
# Whose values are of use for another.
ALSO = {"address": ("source", "destination"), "port": ("source-port", "destination-port"), "ifindex": ("ingress", "egress")}
# No value of these is refused as such.
PLAIN = {"table", "flowtable", "protocol", "mark", "zone", "port", "ifindex", "number", "source-port", "destination-port"}


def sides(names, answer):
    return [side[name] for side in (answer.get("original"), answer.get("reply")) if side for name in names if name in side]


def is_tuple(wanted, answer):
    """Whether a flow has this tuple in one of its directions."""
    zero = {"source-port": b"\0\0", "destination-port": b"\0\0"}
    return any(
        all(wanted.get(name, zero.get(name)) in (None, side.get(name)) for name in TUPLE)
        for side in (answer.get("original", {}), answer.get("reply", {}))
    )


def begins(address, wanted, bits):
    """Whether an address shares so many bits with another one, or all."""
    ignored = 8 * len(wanted) - number(bits) if bits else 0
    alike = (int.from_bytes(address, "big") ^ int.from_bytes(wanted, "big")) >> max(ignored, 0) == 0
    return len(address) == len(wanted) and alike


def is_part(wanted, side):
    """Whether a direction of a flow has this part of a tuple."""
    ports = all(wanted.get(name) in (None, side.get(name)) for name in ALSO["port"])
    return ports and all(
        name not in wanted or begins(side[name], wanted[name], wanted.get(name + "-prefix")) for name in ALSO["address"]
    )


def is_marked(wanted, answer, tree, _):
    return number(answer["mark"]) & number(tree.get("mark-mask", b"\xff" * 4)) == number(wanted)


# What an attribute of a request asks for that an answer does not have, or has elsewhere: by the value, the answer, the request and
# the kind of request.
FITS = {
    ("flow", "ifindex"): lambda wanted, answer, *_: wanted in sides(ALSO["ifindex"], answer),
    ("flow", "address"): lambda wanted, answer, tree, _: any(
        begins(address, wanted, tree.get("prefix")) for address in sides(ALSO["address"], answer)
    ),
    ("flow", "port"): lambda wanted, answer, *_: wanted in sides(ALSO["port"], answer),
    ("flow", "mark"): is_marked,
    ("flow", "original"): lambda wanted, answer, _, kind: (
        is_tuple(wanted, answer) if kind == "do" else is_part(wanted, answer["original"])
    ),
    ("flow", "reply"): lambda wanted, answer, *_: is_part(wanted, answer["reply"]),
}


def is_right(name, payload, tree):
    """Whether an attribute that asks for a flow together with others is right. None: it does not."""
    if name == "prefix":
        return number(payload) <= 8 * len(tree.get("address", b"")) and "address" in tree
    if name == "mark-mask":
        return "mark" in tree
    if name == "mark" and "mark-mask" in tree:
        return not number(payload) & ~number(tree["mark-mask"])
    return None


# The names of the values of the spec's enums; Spec fills it.
ENUMS = {}


def named(enum, value):
    """The name that a value has in an enum of the spec."""
    return ENUMS[enum].get(number(value))


def inconsistent_flow(flow):
    """What in a flow contradicts itself."""
    width = {"inet": None, "ipv4": 4, "ipv6": 16}.get(named("nfproto", flow["family"]))
    if any(len(address) != width for address in sides(ALSO["address"], flow)):
        return "an address is not of its family"
    state, hardware = named("state", flow["state"]), 0
    for side in ("original", "reply"):
        part = flow[side]
        held = named("state", part["state"]) == "in-hardware"
        hardware += held
        if held != ("cookie" in part) and state != "removing":
            return f"{side}: a cookie without a rule, or the other way round"
    if hardware != {"software": 0, "in-hardware": 2, "one-direction": 1}.get(state, hardware):
        return "the state of the flow is not that of its directions"
    if (state == "software") != ("reason" in flow) and state in ("software", "in-hardware"):
        return "in software without a reason, or in hardware with one"
    return None


INCONSISTENT = {"flow": inconsistent_flow}
# Of one that ends there may be several: its connection was offloaded, taken out and offloaded again.
ENDS = {"flow": lambda flow: named("state", flow["state"]) == "removing"}
# What no two answers of a dump can share, beside all that "do" asks for: a connection that is opened again has another number.
NAMES = {"flow": lambda flow: tuple(sides(["cookie"], flow)) or (flow["conntrack-id"], *sides(TUPLE, flow), flow["table"])}


def is_tracked(flow):
    """Whether conntrack still has a flow's connection. Without it a dump has the flow until the core's next round."""
    family = named("nfproto", flow["family"])
    listing = subprocess.run(["conntrack", "-L", "-f", family, "-o", "id"], capture_output=True, check=True, text=True)
    return f"id={number(flow['conntrack-id'])}" in listing.stdout.split()


# What else has to hold for "do" to find what a dump has.
FOUND = {"flow": is_tracked}


class Wrong(Exception):
    """An answer is wrong."""


# --- the spec --------------------------------------------------------------------------------------------------------


def number(payload):
    return int.from_bytes(payload, sys.byteorder)


class Attribute:
    """An attribute as the spec has it."""

    def __init__(self, raw, value, consts, enums):
        checks = {key: consts.get(limit, limit) for key, limit in raw.get("checks", {}).items()}
        self.name, self.number, self.type = raw["name"], value, raw["type"]
        self.big = raw.get("byte-order") == "big-endian"
        self.multi = raw.get("multi-attr", False)
        self.low, self.high = checks.get("min"), checks.get("max")
        exact = checks.get("exact-len")
        self.min_len, self.max_len = checks.get("min-len", exact or 0), checks.get("max-len", exact)
        self.enum = enums.get(raw.get("enum"))
        self.nest = raw.get("nested-attributes")
        self.width = WIDTH.get(self.type)

    def of(self, payload):
        """A value to compare by: a string without its end, a number of any width as one."""
        if self.type == "string":
            return payload.split(b"\0", 1)[0]
        return number(payload) if self.type in ("uint", "sint") else payload

    def integer(self, payload):
        return int.from_bytes(payload, "big" if self.big else sys.byteorder)

    def pack(self, value):
        width = self.width or (4 if value < 1 << 32 else 8)
        return (value & ((1 << 8 * width) - 1)).to_bytes(width, "big" if self.big else sys.byteorder)

    def out_of_range(self, payload):
        if self.low is None and self.high is None:
            return False
        value = self.integer(payload)
        return not (self.low if self.low is not None else value) <= value <= (self.high if self.high is not None else value)


class Operation:
    """A command, do or dump: the attributes of its request and its answer by name."""

    def __init__(self, name, value, kind, attributes, raw, admin):
        side = raw.get(kind) or {}
        self.name, self.value, self.kind, self.admin = name, value, kind, admin
        self.set = attributes
        self.request = [attributes[key] for key in (side.get("request") or {}).get("attributes", [])]
        self.reply = [attributes[key] for key in (side.get("reply") or {}).get("attributes", [])]
        self.taken = {attribute.number: attribute for attribute in self.request}
        self.given = {attribute.number: attribute for attribute in self.reply}
        self.required, self.one_of = REQUIRED.get((name, kind), []), ONE_OF.get((name, kind), [])
        self.title = f"{name} {kind}"
        self.here = False


class Spec:
    """The spec, as far as it matters."""

    def __init__(self, path):
        with open(path, encoding="utf-8") as file:
            spec = yaml.load(file, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
        self.family, consts, enums, self.sets = spec["name"], {}, {}, {}
        for raw in spec["definitions"]:
            if raw["type"] == "const":
                consts[raw["name"]] = raw["value"]
            elif raw["type"] == "enum":
                values, value = {}, raw.get("value-start", 0)
                for entry in raw["entries"]:
                    value = entry.get("value", value) if isinstance(entry, dict) else value
                    values[value] = entry["name"] if isinstance(entry, dict) else entry
                    value += 1
                enums[raw["name"]] = set(values)
                ENUMS[raw["name"]] = values
        for raw in spec["attribute-sets"]:
            value, attributes = 0, {}
            for entry in raw["attributes"]:
                value = entry.get("value", value + 1)
                attributes[entry["name"]] = Attribute(entry, value, consts, enums)
            self.sets[raw["name"]] = attributes
        self.by_number = {
            name: {attribute.number: attribute for attribute in attributes.values()} for name, attributes in self.sets.items()
        }
        self.operations, self.events, value, names = {}, {}, 0, {}
        for raw in spec["operations"]["list"]:
            value = raw.get("value", value + 1)
            names[raw["name"]] = raw
            of = names[raw["notify"]] if "notify" in raw else raw
            name, attributes = of["attribute-set"], self.sets[of["attribute-set"]]
            admin = any(flag.endswith("admin-perm") for flag in raw.get("flags", []))
            for kind in ("do", "dump"):
                if kind in raw:
                    self.operations[value, kind] = Operation(raw["name"], value, kind, attributes, raw, admin)
                    self.operations[value, kind].about = name
            if "notify" in raw:
                self.events[value] = Operation(raw["name"], value, "do", attributes, of, False)
                self.events[value].about = name
        for (value, _), operation in self.operations.items():
            do = self.operations.get((value, "do"))
            operation.key = [a.name for a in (do.request if do else []) if a.number in operation.given]


# --- attributes ------------------------------------------------------------------------------------------------------


def encode(kind, payload):
    return struct.pack("=HH", len(payload) + 4, kind) + payload + bytes(-len(payload) % 4)


def split(data, at, end):
    """The attributes in a stretch of bytes, as (offset, number with flags, payload), and how many bytes are left."""
    found = []
    while end - at >= 4:
        length, kind = struct.unpack_from("=HH", data, at)
        if length < 4 or length > end - at:
            break
        found.append((at, kind, data[at + 4 : at + length]))
        at += (length + 3) & ~3
    return found, max(end - at, 0)


class Verdict:
    """What has to be answered: "ack" (if asked for), "refusal" or "answer"."""

    def __init__(self, kind, errors=(), offset=None, told=False):
        self.kind, self.errors, self.offset = kind, errors, offset
        # Whether the refusal comes with a text.
        self.told = told
        # Of a request that the spec allows: its attributes by name, and by offset; those that the family need not take.
        self.tree, self.at, self.maybe = {}, {}, {}

    def __str__(self):
        where = "" if self.offset is None else f" at {self.offset}"
        return " or ".join(errno.errorcode[e] for e in self.errors) + where if self.errors else self.kind


class Judge:
    """What the policy that the spec stands for says of a request."""

    def __init__(self, spec):
        self.spec = spec

    def attribute(self, attribute, kind, payload):
        """The errno of what is wrong with one that is no nest, or 0; the rules are those of lib/nlattr.c."""
        if bool(kind & NESTED) != (attribute.type == "nest"):
            return errno.EINVAL
        length = len(payload)
        if attribute.width:
            if length != attribute.width:
                return errno.EINVAL
        elif attribute.type in ("uint", "sint"):
            if length not in (4, 8):
                return errno.EINVAL
        elif attribute.type == "string":
            end = payload.find(b"\0")
            if end < 0 or (attribute.max_len is not None and end > attribute.max_len):
                return errno.EINVAL
            if attribute.max_len is not None and length - (payload[-1] == 0) > attribute.max_len:
                return errno.ERANGE
            return 0
        elif attribute.type == "flag":
            return errno.ERANGE if length else 0
        elif attribute.type == "nest":
            return errno.ERANGE if 0 < length < 4 else 0
        else:
            within = attribute.min_len <= length and (attribute.max_len is None or length <= attribute.max_len)
            return 0 if within else errno.ERANGE
        return errno.ERANGE if attribute.out_of_range(payload) else 0

    def walk(self, data, at, end, taken, verdict, tree, nested):
        """Whether the attributes from here to there are right; fills the verdict."""
        attributes, left = split(data, at, end)
        for offset, kind, payload in attributes:
            attribute = taken.get(kind & TYPE_MASK)
            error = self.attribute(attribute, kind, payload) if attribute else errno.EINVAL
            # How long it may be is not said.
            if not error and attribute.type == "string" and attribute.max_len is None and len(payload) > 64:
                verdict.maybe[offset] = attribute
            if error:
                verdict.kind, verdict.errors, verdict.offset, verdict.told = "refusal", (error,), offset, True
                return False
            if nested and attribute.name not in TUPLE:
                verdict.maybe[offset] = attribute
            value = payload
            if attribute.nest:
                value = {}
                within = self.spec.by_number[attribute.nest]
                if not self.walk(data, offset + 4, offset + 4 + len(payload), within, verdict, value, True):
                    return False
            # Of several the last one counts, in a nest the first.
            if not nested or attribute.name not in tree:
                tree[attribute.name] = value
            verdict.at[offset] = (attribute, payload, nested)
        if left:
            verdict.kind, verdict.errors, verdict.offset, verdict.told = "refusal", (errno.EINVAL,), None, True
            return False
        return True

    def message(self, data, family, privileged):
        """What has to be answered to a message, and by which operation. None: nobody can say."""
        length, kind, flags = struct.unpack_from("=IHH", data)
        if not flags & F_REQUEST or kind < CTRL:
            return Verdict("ack"), None
        if kind != family:
            return (None, None) if kind in OTHERS else (Verdict("refusal", (errno.ENOENT,)), None)
        if length < 20:
            return Verdict("refusal", (errno.EINVAL,)), None
        command, _, reserved = struct.unpack_from("=BBH", data, 16)
        dump = flags & F_DUMP == F_DUMP
        rest = flags & ~F_DUMP if dump else flags
        if reserved or rest & ~(F_REQUEST | F_ACK | F_ECHO):
            return Verdict("refusal", (errno.EINVAL,), told=True), None
        operation = self.spec.operations.get((command, "dump" if dump else "do"))
        if not operation or not operation.here:
            return Verdict("refusal", (errno.EOPNOTSUPP,)), operation
        if operation.admin and not privileged:
            return Verdict("refusal", (errno.EPERM,)), operation
        verdict = Verdict("answer")
        self.walk(data, 20, length, operation.taken, verdict, verdict.tree, False)
        return verdict, operation


class Reader:
    """Reads answers, by what the spec says of them."""

    def __init__(self, spec):
        self.spec = spec
        # Answers come again and again, nests even more so.
        self.known = {}

    def attributes(self, data, given, what):
        if len(self.known) > 20000:
            self.known.clear()
        attributes, left = split(data, 0, len(data))
        if left:
            raise Wrong(f"{what}: {left} bytes are left over")
        answer, end = {}, 0
        for offset, kind, payload in attributes:
            end = offset + 4 + len(payload)
            attribute = given.get(kind & TYPE_MASK)
            if not attribute:
                raise Wrong(f"{what}: attribute {kind & TYPE_MASK} is not in the spec's answer")
            if end % 4 and any(data[end : (end + 3) & ~3]):
                raise Wrong(f"{what}: {attribute.name}: the bytes after it are not zero")
            if attribute.name in answer and not attribute.multi:
                raise Wrong(f"{what}: {attribute.name} twice")
            if attribute.nest:
                if not kind & NESTED:
                    raise Wrong(f"{what}: {attribute.name}: a nest without NLA_F_NESTED")
                payload = self.nest(attribute, payload, what)
            elif kind != attribute.number:
                raise Wrong(f"{what}: {attribute.name}: flags {kind:#x}")
            else:
                self.value(attribute, payload, what)
            if attribute.multi:
                answer.setdefault(attribute.name, []).append(payload)
            else:
                answer[attribute.name] = payload
        if (end + 3) & ~3 != len(data):
            raise Wrong(f"{what}: the last attribute is not padded")
        return answer

    def nest(self, attribute, payload, what):
        key = (attribute.nest, payload)
        answer = self.known.get(key)
        if answer is None:
            answer = self.attributes(payload, self.spec.by_number[attribute.nest], f"{what}: {attribute.name}")
            self.known[key] = answer
        return answer

    @staticmethod
    def value(attribute, payload, what):
        length = len(payload)
        if attribute.width:
            right = length == attribute.width
        elif attribute.type in ("uint", "sint"):
            right = length == 4 or (length == 8 and number(payload) >= 1 << 32)
        elif attribute.type == "string":
            right = payload.find(b"\0") == length - 1 and (attribute.max_len is None or length - 1 <= attribute.max_len)
            payload.decode()
        elif attribute.type == "flag":
            right = length == 0
        else:
            right = attribute.min_len <= length and (attribute.max_len is None or length <= attribute.max_len)
        if not right:
            raise Wrong(f"{what}: {attribute.name}: its value is {payload.hex()}")
        if attribute.enum is not None and attribute.integer(payload) not in attribute.enum:
            raise Wrong(f"{what}: {attribute.name}: {payload.hex()} is not in the enum")
        if attribute.width and attribute.out_of_range(payload):
            raise Wrong(f"{what}: {attribute.name}: {payload.hex()} is out of range")

    def answer(self, operation, payload):
        key = (operation, payload)
        answer = self.known.get(key)
        if answer is None:
            answer = self.attributes(payload, operation.given, operation.title)
            for name in getattr(operation, "key", ()):
                if name not in answer:
                    raise Wrong(f"{operation.title}: an answer without {name}")
            about = INCONSISTENT.get(operation.about) if operation.value in self.whole else None
            if about and about(answer):
                raise Wrong(f"{operation.title}: {about(answer)}: {answer}")
            self.known[key] = answer
        return answer

    # Operations that answer with all of a thing.
    whole = ()


# --- requests --------------------------------------------------------------------------------------------------------

STRINGS = [b"", b"\0", b"a", b"ft\0x", b"router\0\0", b"\xff\xfe\x80\0", b"x" * 254 + b"\0", b"x" * 255 + b"\0", b"x" * 256 + b"\0",
           b"x" * 255, b"x" * 256, b"ft\0" + b"y" * 253, b"ft\0" + b"y" * 252 + b"\0", b"\0" * 256, b"\0" * 257, b"rooter\0"]
NUMBERS = [0, 1, 2, 3, 4, 5, 10, 16, 31, 32, 127, 128, 255, 256, 0x7FFF, 0xFFFF, 0x10000, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF,
           1 << 32, (1 << 63) - 1, 1 << 63, (1 << 64) - 1]


class Maker:
    """Makes requests. Everything is drawn from `random`, but for the values that the family has answered."""

    def __init__(self, spec, family):
        self.spec, self.family = spec, family
        self.random = random.Random()
        # What was answered lately: whole answers by attribute set, values by name.
        self.answers, self.hits = collections.defaultdict(list), collections.defaultdict(list)
        self.operations = list(spec.operations.values())
        # One that is not there, or asks for nothing, less often.
        self.weights = [1 if not o.here else 3 if not o.request else 6 for o in self.operations]

    def learn(self, answers):
        self.answers.update(answers)
        self.hits.clear()
        for each in self.answers.values():
            for answer in each:
                self.learn_values(answer)
        for name, values in self.hits.items():
            self.hits[name] = list(dict.fromkeys(values))

    def learn_values(self, answer):
        for name, value in answer.items():
            for one in value if isinstance(value, list) else [value]:
                if isinstance(one, dict):
                    self.learn_values(one)
                else:
                    self.hits[name].append(one)

    def hit(self, attribute, template):
        """A value that was answered, of this thing if possible."""
        names = [attribute.name, *ALSO.get(attribute.name, ())]
        if template:
            values = [template[name] for name in names if name in template and not isinstance(template[name], (dict, list))]
            values += sides(names[1:], template)
            if values:
                return self.random.choice(values)
        values = self.hits.get(self.random.choice(names))
        return self.random.choice(values) if values else None

    def value(self, attribute, template):
        r = self.random
        draw = r.random()
        if attribute.nest:
            within = self.spec.sets[attribute.nest]
            side = template.get(attribute.name) if template else None
            if side and draw < 0.8:
                return b"".join(encode(within[name].number, side[name]) for name in TUPLE if name in side)
            shares = {name: 0.8 if name in TUPLE else 0.2 if name.endswith("-prefix") else 0.05 for name in within}
            names = [name for name in within if r.random() < shares[name]]
            return b"".join(self.node(within[name], side) for name in names)
        if draw < 0.75:
            value = self.hit(attribute, template)
            if value is not None:
                return value
        if attribute.type == "flag":
            return b""
        if attribute.type == "string":
            return r.choice(STRINGS)
        if attribute.width or attribute.type in ("uint", "sint"):
            numbers = NUMBERS if draw < 0.9 else [r.getrandbits(8 * (attribute.width or 8))]
            if attribute.high is not None and draw < 0.95:
                numbers = [attribute.high, attribute.high + 1, attribute.high // 8, 0]
            elif attribute.enum and draw < 0.85:
                numbers = sorted(attribute.enum)
            return attribute.pack(r.choice(numbers))
        return r.randbytes(r.choice((0, 1, 3, 4, 4, 5, 15, 16, 16, 17, 64)))

    def node(self, attribute, template):
        return encode(attribute.number | (NESTED if attribute.nest else 0), self.value(attribute, template))

    def deep(self, levels):
        """Nests in nests."""
        data = b""
        for _ in range(levels):
            data = encode(self.random.choice((1, 14)) | NESTED, data)
        return data

    def spoil(self, nodes, operation):
        """Does one wrong thing to a list of attributes."""
        r = self.random
        what = r.randrange(10) if nodes else r.choice((1, 2, 5, 7))
        at = r.randrange(len(nodes)) if nodes else 0
        if nodes and len(nodes[at]) < 4:
            what = 7
        if what == 0 and operation:
            nodes.append(self.node(r.choice(operation.request), None) if operation.request else nodes[at])
        elif what == 1:
            nodes.insert(at, encode(r.choice((0, 0, 99, 0x3FFF, 23, 24, 28, r.getrandbits(14))), r.randbytes(r.choice((0, 1, 4, 8)))))
        elif what == 2 and operation:
            nodes.insert(at, self.node(r.choice(list(operation.set.values())), None))
        elif what == 3:
            length, kind = struct.unpack_from("=HH", nodes[at])
            payload = nodes[at][4:length]
            payload = r.choice((b"", payload[:-1], payload + b"\0", payload + b"\1", payload * 2, payload[: len(payload) // 2]))
            nodes[at] = encode(kind, payload)
        elif what == 4:
            length, kind = struct.unpack_from("=HH", nodes[at])
            kind ^= r.choice((NESTED, BYTEORDER, BYTEORDER, NESTED | BYTEORDER))
            nodes[at] = struct.pack("=HH", length, kind) + nodes[at][4:]
        elif what == 5:
            nodes.insert(at, r.choice((self.deep(r.randrange(2, 40)), encode(14 | NESTED, r.randbytes(r.randrange(20))))))
        elif what == 6:
            length, kind = struct.unpack_from("=HH", nodes[at])
            length = r.choice((0, 1, 3, 4, length - 1, length + 1, length + 4, 0xFFFF, r.getrandbits(16)))
            nodes[at] = struct.pack("=HH", length & 0xFFFF, kind) + nodes[at][4:]
        elif what == 7:
            nodes.append(r.randbytes(r.randrange(1, 8)))
        elif what == 8:
            data = bytearray(nodes[at])
            data[r.randrange(len(data))] ^= 1 << r.randrange(8)
            nodes[at] = bytes(data)
        else:
            length, kind = struct.unpack_from("=HH", nodes[at])
            nodes[at] = encode(kind, (nodes[at][4:length] or b"\0") * r.choice((2, 16, 100)) if length < 64 else b"")

    def body(self, operation):
        r = self.random
        answers = self.answers.get(operation.about)
        template = r.choice(answers) if answers and r.random() < 0.85 else None
        draw = r.random()
        if operation.kind == "do" and operation.required:
            share, all_of = (0.3 if draw < 0.9 else 0), operation.required if draw < 0.8 else ()
        else:
            share, all_of = (0.25 if draw < 0.85 else 0 if draw < 0.9 else 1), ()
            # What lets everything through is costly to check, and to evict.
            if draw < 0.85 and operation.request:
                all_of = (r.choice(operation.request).name,)
        return [self.node(a, template) for a in operation.request if a.name in all_of or r.random() < share]

    def message(self, sequence, operation=None, spoil=True):
        r = self.random
        operation = operation or r.choices(self.operations, self.weights)[0]
        nodes = self.body(operation)
        wrong = spoil and r.random()
        # One that changes something is wrong most of the time, so that there is something left to look at.
        if wrong and wrong < (0.95 if operation.admin else 0.45):
            for _ in range(1 if wrong < 0.3 else 3):
                self.spoil(nodes, operation)
        flags = F_REQUEST | (F_DUMP if operation.kind == "dump" else 0) | (F_ACK if r.random() < 0.5 else 0)
        command, version, reserved, kind, odd = operation.value, GENL_VERSION, 0, self.family, spoil and r.random()
        data = b"".join(nodes)
        length = 20 + len(data)
        if odd and odd < 0.1:
            odd = int(odd * 1000)
            if odd < 15:
                flags ^= 1 << r.randrange(16)
            elif odd < 35:
                command = r.choice((0, 7, 31, 32, 33, 34, 35, 36, 37, 38, 127, 255, r.getrandbits(8)))
            elif odd < 50:
                version = r.getrandbits(8)
            elif odd < 60:
                reserved = r.getrandbits(16)
            elif odd < 68:
                kind = r.choice((0, 1, 2, 3, 4, 15, 1024, 0xFFFF))
            elif odd < 80:
                length = r.choice((0, 15, 16, 17, 19, 20, length - 1, length - 3, length - 4, length + 1, length + 4, 0xFFFFFFFF))
            elif odd < 90:
                data = data[: r.randrange(len(data) + 1)]
                length = 20 + len(data)
            else:
                flags |= F_ECHO
        return struct.pack("=IHHIIBBH", length, kind, flags, sequence, 0, command, version, reserved) + data + bytes(-len(data) % 4)


# --- the family ------------------------------------------------------------------------------------------------------


class Socket:
    """A netlink socket. `opener`: whether who opened it may change something."""

    def __init__(self, ext_ack=True, cap_ack=True, room=65536, opener=True, receive_buffer=None):
        self.ext_ack, self.cap_ack, self.room, self.opener = ext_ack, cap_ack, room, opener
        self.sock = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_GENERIC)
        if ext_ack:
            self.sock.setsockopt(SOL_NETLINK, EXT_ACK, 1)
        if cap_ack:
            self.sock.setsockopt(SOL_NETLINK, CAP_ACK, 1)
        if receive_buffer is not None:
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.sock.bind((0, 0))
        self.port = self.sock.getsockname()[0]
        self.send, self.close = self.sock.send, self.sock.close

    def packets(self, most=MOST_PACKETS):
        """What there is to read, at most so many packets. All answers are there when a request is sent: the kernel answers at
        once."""
        found = []
        while len(found) < most:
            try:
                found.append(self.sock.recv(self.room, socket.MSG_DONTWAIT))
            except BlockingIOError:
                return found
        if most == MOST_PACKETS:
            raise Wrong("a dump without end")
        return found


def messages(packet):
    """The messages in a packet of answers, as (type, flags, sequence, port, payload)."""
    at = 0
    while at < len(packet):
        if len(packet) - at < 16:
            raise Wrong(f"a packet ends with {packet[at:].hex()}")
        length, kind, flags, sequence, port = struct.unpack_from("=IHHII", packet, at)
        if length < 16 or length > len(packet) - at:
            raise Wrong(f"a message says it has {length} bytes, of {len(packet) - at}")
        yield kind, flags, sequence, port, packet[at + 16 : at + length]
        at += (length + 3) & ~3


def family_of(name):
    """Its number, its (command, kind) and its groups, by the controller."""
    sock = Socket()
    request = struct.pack("=BBH", GETFAMILY, 1, 0) + encode(2, name.encode() + b"\0")
    sock.send(struct.pack("=IHHII", 16 + len(request), CTRL, F_REQUEST, 1, 0) + request)
    kind, _, _, _, payload = next(messages(sock.sock.recv(65536)))
    sock.close()
    if kind == ERROR:
        sys.exit(f"there is no family {name}")
    tops = {number & TYPE_MASK: value for _, number, value in split(payload, 4, len(payload))[0]}

    def lists(of):
        for _, _, entry in split(of, 0, len(of))[0]:
            yield {number & TYPE_MASK: value for _, number, value in split(entry, 0, len(entry))[0]}

    operations = set()
    for entry in lists(tops.get(6, b"")):
        command, flags = number(entry[1]), number(entry[2])
        operations |= {(command, kind) for kind, bit in (("do", 2), ("dump", 4)) if flags & bit}
    groups = {entry[1].rstrip(b"\0").decode(): number(entry[2]) for entry in lists(tops.get(7, b""))}
    return number(tops[1]), operations, groups


class Fuzzer:
    """Asks and checks."""

    def __init__(self, spec, seed):
        self.spec, self.seed = spec, seed
        self.family, has, groups = family_of(spec.family)
        self.counts, self.sequence = collections.Counter(), 0xFFFFF000
        self.wrong, self.sent, self.privileged, self.case = 0, 0, True, "in the beginning"
        for where, operation in spec.operations.items():
            operation.here = where in has
            if not operation.here:
                print(f"- {operation.title}: the family does not have it")
        for command, kind in sorted(has - set(spec.operations)):
            self.fail(f"the family has a command that the spec has not: {command} {kind}")
        self.judge, self.reader, self.maker = Judge(spec), Reader(spec), Maker(spec, self.family)
        self.reader.whole = {value for value, kind in spec.operations if kind == "dump"} | set(spec.events)
        self.sockets = [Socket(), Socket(room=8192), Socket(ext_ack=False), Socket(cap_ack=False)]
        self.sockets.append(Socket(ext_ack=False, cap_ack=False))
        os.seteuid(NOBODY)
        self.sockets.append(Socket(opener=False))
        os.seteuid(0)
        self.events = None
        if "events" in groups:
            self.events = Socket(receive_buffer=1 << 20)
            self.events.sock.setsockopt(SOL_NETLINK, ADD_MEMBERSHIP, groups["events"])
        else:
            print("- the group events: the family does not have it")

    def fail(self, text, datagram=b""):
        self.wrong += 1
        if self.wrong <= 10:
            request = f"\n  request {datagram.hex()}" if datagram else ""
            who = "privileged" if self.privileged else "unprivileged"
            print(f"wrong: {text}\n  seed {self.seed}, case {self.case}, {who}{request}", flush=True)

    def next_sequence(self):
        self.sequence = (self.sequence + 1) & 0xFFFFFFFF
        return self.sequence

    def become(self, privileged):
        if privileged != self.privileged:
            os.seteuid(0 if privileged else NOBODY)
            self.privileged = privileged

    # --- sending ---

    def ask(self, sock, datagrams):
        """Sends datagrams, one after the other, and checks what comes; gives back the answers of each message."""
        requests, strict = [], True
        for datagram in datagrams:
            requests += self.requests(datagram, self.privileged and sock.opener)
            try:
                sock.send(datagram)
            except OSError as error:
                self.fail(f"send: {error}", datagram)
        self.sent += max(len(requests), 1)
        sequences = [request[0] for request in requests]
        if len(set(sequences)) != len(sequences) or any(request[1] is None for request in requests):
            strict = False
        found = {sequence: [] for sequence in sequences}
        everything = b"".join(datagrams)
        try:
            packets = sock.packets(self.expected(requests))
            self.counts["more than one packet"] += len(packets) > len(datagrams) * 2
            for packet in packets:
                for kind, flags, sequence, port, payload in messages(packet):
                    if sequence not in found:
                        raise Wrong(f"an answer to nobody: sequence {sequence:#x}, type {kind}, {payload.hex()}")
                    if port != sock.port:
                        raise Wrong(f"an answer to another socket, {port}")
                    found[sequence].append((kind, flags, payload))
            answers = []
            running = False
            for sequence, verdict, operation, data in requests if strict else ():
                answers.append(self.check(sock, verdict, operation, data, found[sequence], running))
                running |= bool(operation and operation.kind == "dump" and answers[-1] is not None)
            return answers
        except (Wrong, UnicodeDecodeError, OSError, KeyError, struct.error) as error:
            self.fail(str(error) if isinstance(error, Wrong) else repr(error), everything)
            # What it still has to say is not for the next one.
            self.replace(sock)
            return []

    @staticmethod
    def expected(requests):
        """How many packets answer this, where that is certain: a look for more takes as long as all else. One that comes all the
        same is taken for an answer to the next request, and is wrong there."""
        if len(requests) == 1 and requests[0][1]:
            _, verdict, operation, data = requests[0]
            if verdict.kind == "refusal":
                return 1
            if verdict.kind == "answer" and operation.kind == "do" and not data[6] & F_ACK:
                return 1
        return MOST_PACKETS

    def replace(self, sock):
        sock.close()
        at = self.sockets.index(sock)
        os.seteuid(0 if sock.opener else NOBODY)
        self.sockets[at] = Socket(sock.ext_ack, sock.cap_ack, sock.room, sock.opener)
        os.seteuid(0 if self.privileged else NOBODY)

    def requests(self, datagram, privileged):
        """The messages that the kernel sees in a datagram, as (sequence, verdict, operation, bytes)."""
        at, found = 0, []
        while len(datagram) - at >= 16:
            length, _, _, sequence = struct.unpack_from("=IHHI", datagram, at)
            if length < 16 or length > len(datagram) - at:
                break
            data = datagram[at : at + length]
            verdict, operation = self.judge.message(data, self.family, privileged)
            found.append((sequence, verdict, operation, data))
            at += (length + 3) & ~3
        return found

    # --- checking ---

    def check(self, sock, verdict, operation, data, found, running):
        """Whether a request was answered as it has to be. The answers, None if it was refused."""
        flags = struct.unpack_from("=H", data, 6)[0]
        errors = [entry for entry in found if entry[0] == ERROR]
        if len(errors) > 1:
            raise Wrong(f"answered with {len(errors)} errors")
        told = {}
        refused = 0
        if errors:
            if found[-1][0] != ERROR:
                raise Wrong("there is more after the error")
            refused, told = self.error(sock, data, errors[0])
        self.counts[operation.title if operation else "other"] += 1
        if verdict.kind == "ack":
            if refused or len(found) != bool(flags & F_ACK):
                raise Wrong(f"it is no request, but answered with {len(found)} messages, error {refused}")
            return None
        if refused:
            if len(found) != 1:
                raise Wrong("refused and answered")
            self.refusal(sock, verdict, operation, refused, told, running)
            self.counts["refused: " + errno.errorcode[refused]] += 1
            if operation and operation.admin and refused == errno.EPERM:
                self.counts[operation.title + " without privileges: EPERM"] += 1
            return None
        if verdict.kind == "refusal":
            raise Wrong(f"answered, but it has to be refused: {verdict}")
        if not operation:
            raise Wrong("answered, whatever it was")
        answers = self.answers(operation, flags, found)
        for answer in answers:
            self.fits(operation, verdict, answer)
        missing = [name for name in operation.required if name not in verdict.tree]
        if missing or (operation.one_of and not any(name in verdict.tree for name in operation.one_of)):
            raise Wrong(f"answered without {missing or operation.one_of}")
        self.counts["answered: " + operation.title] += 1
        return answers

    def error(self, sock, data, entry):
        """The errno of an error message, positive, and what else it says. Checks its form."""
        _, flags, payload = entry
        if len(payload) < 20:
            raise Wrong(f"an error of {len(payload)} bytes")
        code = struct.unpack_from("=i", payload)[0]
        if code > 0 or -code not in errno.errorcode and code:
            raise Wrong(f"the error is {code}")
        if payload[4:20] != data[:16]:
            raise Wrong("the error is of another request")
        end = 20
        if not flags & F_CAPPED:
            end = 4 + len(data)
            if payload[20:end] != data[16:]:
                raise Wrong("the error has another request in it")
            end = min((end + 3) & ~3, len(payload))
        elif code and not sock.cap_ack:
            raise Wrong("the error is capped")
        attributes, left = split(payload, end, len(payload))
        if left or bool(attributes) != bool(flags & F_ACK_TLVS) or (attributes and not sock.ext_ack):
            raise Wrong(f"an error with {payload[end:].hex()}, flags {flags:#x}")
        told = {kind & TYPE_MASK: value for _, kind, value in attributes}
        if MSG in told and (told[MSG][-1:] != b"\0" or len(told[MSG]) < 6 or not told[MSG][:-1].decode().isprintable()):
            raise Wrong(f"the error's text is {told[MSG]}")
        return -code, told

    def refusal(self, sock, verdict, operation, code, told, running):
        name = errno.errorcode[code]
        if verdict.kind == "refusal":
            maybe = number(told[OFFS]) in verdict.maybe if OFFS in told else verdict.maybe and not sock.ext_ack
            if running and code == errno.EBUSY and operation and operation.kind == "dump":
                return
            if code not in verdict.errors and not maybe:
                raise Wrong(f"refused with {name}, it has to be {verdict}")
            if sock.ext_ack and not maybe:
                if verdict.told and MSG not in told:
                    raise Wrong(f"refused with {name} without a word")
                if verdict.offset is not None and (OFFS not in told or number(told[OFFS]) != verdict.offset):
                    raise Wrong(f"refused at {number(told.get(OFFS, b''))}, it has to be {verdict}")
                if MISS_TYPE in told or (verdict.offset is None and OFFS in told):
                    raise Wrong(f"refused with {told}, it has to be {verdict}")
            return
        if running and code == errno.EBUSY and operation.kind == "dump":
            return
        if code in (errno.ENOENT, errno.ENODEV):
            if operation.kind == "dump":
                raise Wrong(f"a dump of what it does not find: {name}")
        elif code not in (errno.EINVAL, errno.ERANGE, errno.EOPNOTSUPP):
            raise Wrong(f"refused with {name}, the spec allows it")
        if not sock.ext_ack:
            return
        if MSG not in told:
            raise Wrong(f"refused with {name} without a word")
        if MISS_TYPE in told:
            self.missing(verdict, operation, told)
        elif OFFS in told:
            self.refused_at(verdict, operation, code, number(told[OFFS]))
        elif not operation.one_of or any(name in verdict.tree for name in operation.one_of):
            raise Wrong(f"refused with {name}, but not what: {told[MSG]}")

    def missing(self, verdict, operation, told):
        """Whether what is said to be missing is."""
        kind, taken, tree = number(told[MISS_TYPE]), operation.taken, verdict.tree
        if MISS_NEST in told:
            attribute = verdict.at.get(number(told[MISS_NEST]), (None,))[0]
            if not attribute or not attribute.nest:
                raise Wrong(f"something is missing in a nest that is none, at {number(told[MISS_NEST])}")
            taken, tree = self.spec.by_number[attribute.nest], verdict.tree[attribute.name]
        if kind not in taken or taken[kind].name in tree:
            raise Wrong(f"attribute {kind} is said to be missing")
        if not told.get(MISS_NEST) and operation.required and taken[kind].name not in operation.required:
            raise Wrong(f"{taken[kind].name} is said to be missing")

    def refused_at(self, verdict, operation, code, offset):
        """Whether an attribute that the policy allows can be refused."""
        if offset not in verdict.at:
            raise Wrong(f"refused at {offset}, where no attribute is")
        attribute, payload, nested = verdict.at[offset]
        if offset in verdict.maybe:
            return
        if code in (errno.ENOENT, errno.ENODEV):
            if nested or attribute.name not in (operation.required or verdict.tree):
                raise Wrong(f"not found by {attribute.name}")
            return
        if attribute.name in ("address", "source", "destination") and attribute.type == "binary":
            parts = [value for value in verdict.tree.values() if isinstance(value, dict)]
            alike = all(len(p.get("source", payload)) == len(p.get("destination", payload)) for p in parts)
            right = len(payload) in (4, 16) and (not nested or alike)
        elif not nested and is_right(attribute.name, payload, verdict.tree) is not None:
            right = is_right(attribute.name, payload, verdict.tree)
        elif attribute.name == "reason":
            right = payload in self.maker.hits["number"]
        elif attribute.name in PLAIN or attribute.high is not None:
            right = True
        elif attribute.enum:
            right = number(payload) in attribute.enum
        else:
            right = payload in self.maker.hits[attribute.name]
        if right:
            raise Wrong(f"refused with {errno.errorcode[code]} at {attribute.name}, which is right: {payload.hex()}")

    def answers(self, operation, flags, found):
        """The answers in the messages of a request that was not refused."""
        if operation.kind == "do":
            wanted = 1 + bool(flags & F_ACK)
            if len(found) != wanted or (flags & F_ACK and found[-1][0] != ERROR):
                raise Wrong(f"{operation.title}: {len(found)} messages, it has to be {wanted}")
            found = found[:1]
        else:
            if not found or found[-1][0] != DONE:
                raise Wrong(f"{operation.title}: a dump of {len(found)} messages without DONE")
            kind, done, payload = found.pop()
            if number(payload[:4]) or len(payload) != 4 or done != F_MULTI:
                raise Wrong(f"{operation.title}: DONE with flags {done:#x}, {payload.hex()}")
        answers, once = [], {}
        for kind, flags, payload in found:
            if kind != self.family or flags != (F_MULTI if operation.kind == "dump" else 0):
                raise Wrong(f"{operation.title}: an answer of type {kind}, flags {flags:#x}")
            if payload[:4] != bytes((operation.value, GENL_VERSION, 0, 0)):
                raise Wrong(f"{operation.title}: the header of an answer is {payload[:4].hex()}")
            answers.append(self.reader.answer(operation, payload[4:]))
        if operation.kind == "dump":
            ends = ENDS.get(operation.about)
            for answer in answers:
                if ends and ends(answer):
                    continue
                name = self.name(operation, answer)
                # An old one, which ends, has another age.
                age = number(answer.get("since", b""))
                if name in once and abs(age - once[name][0]) < 20:
                    self.twice(operation, answer, once[name][1])
                once[name] = age, answer
        self.counts["answers"] += len(answers)
        for answer in answers if operation.about == "flow" and "state" in operation.set else ():
            self.counts[f"flow, state {number(answer['state'])}" if "state" in answer else "flow"] += 1
        return answers

    def twice(self, operation, answer, other):
        # While a ruleset is reloaded there are both, the old device and the new.
        self.counts["device twice"] += operation.about == "device"
        if operation.about != "device" or self.counts["device twice"] > 20 + self.sent / 1000:
            raise Wrong(f"{operation.title}: twice in a dump: {other}, {answer}")

    def fits(self, operation, verdict, answer):
        """Whether an answer is of what was asked for."""
        for name, wanted in verdict.tree.items():
            attribute = operation.set[name]
            special = FITS.get((operation.about, name))
            if special:
                right = not operation.reply or special(wanted, answer, verdict.tree, operation.kind) if "original" in answer else True
            elif attribute.number in operation.given and not isinstance(wanted, dict):
                right = name in answer and attribute.of(answer[name]) == attribute.of(wanted)
            else:
                right = True
            if not right:
                raise Wrong(f"{operation.title}: an answer that does not fit {name}: {answer}")

    # --- cases ---

    def dumps(self):
        return [operation for operation in self.spec.operations.values() if operation.here and operation.kind == "dump"]

    def look(self):
        """Dumps everything, to know what there is."""
        answers = {}
        for operation in self.dumps():
            answers[operation.about] = self.whole(operation) or []
        self.maker.learn(answers)

    def undo(self):
        for operation in self.spec.operations.values():
            for thing in self.maker.answers[operation.about] if operation.here and operation.name in UNDO else ():
                values = {name: operation.set[name].pack(value) for name, value in UNDO[operation.name].items()}
                values.update((name, thing[name]) for name in operation.required)
                nodes = [encode(operation.set[name].number, value) for name, value in values.items()]
                self.ask(self.sockets[0], [self.plain(operation, b"".join(nodes))])

    def plain(self, operation, nodes=b""):
        flags = F_REQUEST | (F_DUMP if operation.kind == "dump" else 0)
        head = struct.pack("=IHHII", 20 + len(nodes), self.family, flags, self.next_sequence(), 0)
        return head + bytes((operation.value, GENL_VERSION, 0, 0)) + nodes

    def whole(self, operation):
        answers = self.ask(self.sockets[0], [self.plain(operation)])
        return answers[0] if answers else None

    def complete(self):
        """A dump between two dumps of everything: whatever was there all the time and fits is in it."""
        r, maker = self.maker.random, self.maker
        choice = [operation for operation in self.dumps() if operation.request]
        if not choice:
            return
        operation = r.choice(choice)
        data = maker.message(self.next_sequence(), operation, spoil=False)
        verdict, _ = self.judge.message(data, self.family, self.privileged)
        start = time.monotonic()
        before = self.whole(operation)
        answers = self.ask(self.sockets[0], [data])
        after = self.whole(operation)
        took = (time.monotonic() - start) * 1000 + 20
        if verdict.kind != "answer" or not answers or answers[0] is None or before is None or after is None:
            return
        here = {self.name(operation, answer) for answer in answers[0]}
        stays = {self.name(operation, answer) for answer in before}
        for answer in after:
            name = self.name(operation, answer)
            if name not in stays or name in here or ("since" in answer and number(answer["since"]) < took):
                continue
            try:
                self.fits(operation, verdict, answer)
            except Wrong:
                continue
            if operation.about == "device":
                # It may have left a flowtable and come back.
                self.counts["device not there"] += 1
                if self.counts["device not there"] < 20 + self.sent / 1000:
                    continue
            self.fail(f"{operation.title}: what fits is not in the dump: {answer}", data)
        self.counts["complete"] += 1

    def name(self, operation, answer):
        if operation.about in NAMES:
            return NAMES[operation.about](answer)
        return tuple(str(answer.get(key)) for key in operation.key)

    def find(self):
        """A thing that is there, by what "do" asks for: it is found if it is still there afterwards."""
        r, maker = self.maker.random, self.maker
        dumps = {(operation.value, "do"): operation for operation in self.dumps()}
        choice = [o for where, o in self.spec.operations.items() if where in dumps and o.here and maker.answers[o.about]]
        if not choice:
            return
        operation = r.choice(choice)
        dump = dumps[operation.value, "do"]
        thing = r.choice(maker.answers[operation.about])
        nodes = b""
        for attribute in operation.request:
            if attribute.nest:
                within, side = self.spec.sets[attribute.nest], thing[r.choice(("original", "reply"))]
                nodes += encode(attribute.number | NESTED, b"".join(encode(within[name].number, side[name]) for name in TUPLE))
            else:
                nodes += encode(attribute.number, thing[attribute.name])
        data = self.plain(operation, nodes)
        answers = self.ask(self.sockets[0], [data])
        self.counts["asked for what is there"] += 1
        if not answers or answers[0] is not None:
            self.counts["found"] += bool(answers)
            return
        name = self.name(dump, thing)
        there = [a for a in self.whole(dump) or [] if self.name(dump, a) == name and number(a.get("since", b"\xff")) > 100]
        if there and operation.about != "device" and FOUND.get(operation.about, bool)(there[0]):
            self.fail(f"{operation.title}: it is there, but not found: {there[0]}", data)

    def several(self, sock):
        """Several messages in a datagram, or one after the other before anything is read."""
        parts = [self.maker.message(self.next_sequence()) for _ in range(self.maker.random.randrange(2, 7))]
        self.ask(sock, [b"".join(parts)] if self.maker.random.random() < 0.5 else parts)

    def interrupted(self):
        """A socket that is closed while a dump runs, with or without a look at it, with small buffers or large ones."""
        r = self.maker.random
        sock = Socket(receive_buffer=r.choice((None, None, 0, 2000, 5000, 20000)))
        dumps = self.dumps()
        for _ in range(r.randrange(1, 4)):
            data = self.maker.message(self.next_sequence(), r.choice(dumps), spoil=r.random() < 0.2)
            if r.random() < 0.3:
                data = struct.pack("=I", 20) + data[4:20]
            try:
                sock.sock.send(data, socket.MSG_DONTWAIT)
            except OSError as error:
                self.counts["send: " + errno.errorcode[error.errno]] += 1
            self.sent += 1
            for _ in range(r.randrange(3)):
                try:
                    sock.sock.recv(r.choice((1, 16, 100, 4096, 8192, 65536)), socket.MSG_DONTWAIT)
                except OSError as error:
                    self.counts["recv: " + errno.errorcode[error.errno]] += 1
        sock.close()
        self.counts["interrupted"] += 1

    def look_at_events(self):
        if not self.events:
            return
        while True:
            try:
                packet = self.events.sock.recv(65536, socket.MSG_DONTWAIT)
            except BlockingIOError:
                return
            except OSError as error:
                self.counts["events: " + errno.errorcode[error.errno]] += 1
                continue
            try:
                for kind, flags, sequence, port, payload in messages(packet):
                    event = self.spec.events.get(payload[0]) if kind == self.family else None
                    if not event or flags or sequence or port or payload[1:4] != bytes((GENL_VERSION, 0, 0)):
                        raise Wrong(f"an event of type {kind}, flags {flags:#x}, {payload.hex()}")
                    self.reader.answer(event, payload[4:])
                    self.counts["event: " + event.name] += 1
            except (Wrong, UnicodeDecodeError, KeyError) as error:
                self.fail(f"an event: {error!r}: {packet.hex()}")

    def run_case(self, index):
        r = self.maker.random
        self.case = index
        if index % 64 == 0:
            self.become(True)
            self.look_at_events()
        if index % 512 == 0:
            self.look()
        if index % 128 == 0:
            self.undo()
        r.seed(self.seed << 40 | index // 64)
        self.become(r.random() < 0.7)
        r.seed(self.seed << 40 | 1 << 39 | index)
        draw = r.random()
        sock = self.sockets[0] if draw < 0.5 else r.choice(self.sockets)
        what = r.random()
        if what < 0.90:
            self.ask(sock, [self.maker.message(self.next_sequence())])
        elif what < 0.94:
            self.several(sock)
        elif what < 0.96:
            self.interrupted()
        elif what < 0.98:
            self.find()
        elif what < 0.985:
            self.complete()
        else:
            part = self.maker.message(self.next_sequence())[: r.randrange(1, 30)]
            self.ask(sock, [r.choice((part, r.randbytes(r.randrange(1, 40))))])

    def run(self, budget):
        index, start = 0, time.monotonic()
        while self.sent < budget and self.wrong < 100:
            self.run_case(index)
            index += 1
        self.become(True)
        self.case = "in the end"
        self.look()
        self.look_at_events()
        self.no_memory_held()
        return index, time.monotonic() - start

    def no_memory_held(self):
        """Everything was read: no socket of ours holds anything."""
        ours = {str(sock.port) for sock in self.sockets}
        with open("/proc/net/netlink", encoding="ascii") as file:
            for line in file:
                fields = line.split()
                if fields[2] in ours and fields[1] == str(NETLINK_GENERIC) and (fields[4], fields[5]) != ("0", "0"):
                    self.fail(f"a socket still holds memory: {line.strip()}")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("spec")
    parser.add_argument("--messages", type=int, default=20000)
    parser.add_argument("--seed", type=int)
    parser.add_argument("--only", type=int, nargs="+")
    parser.add_argument("--replay", type=bytes.fromhex)
    parser.add_argument("--unprivileged", action="store_true")
    arguments = parser.parse_args()
    seed = random.SystemRandom().getrandbits(31) if arguments.seed is None else arguments.seed
    fuzzer = Fuzzer(Spec(arguments.spec), seed)
    print(f"seed {seed}", flush=True)
    fuzzer.look()
    if arguments.replay:
        fuzzer.become(not arguments.unprivileged)
        print(fuzzer.ask(fuzzer.sockets[0], [arguments.replay]))
    elif arguments.only:
        for index in arguments.only:
            fuzzer.run_case(index)
    else:
        cases, seconds = fuzzer.run(arguments.messages)
        for name, count in sorted(fuzzer.counts.items()):
            print(f"{count:8} {name}")
        print(f"{fuzzer.sent} messages in {cases} cases, {seconds:.1f} s, {fuzzer.sent / max(seconds, 0.001):.0f} a second")
    print(f"{fuzzer.wrong} wrong")
    sys.exit(1 if fuzzer.wrong else 0)


main()
