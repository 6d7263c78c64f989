#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""What measure.sh has printed, as a table: medians, spread, our part of the in-tree type's.

    table.py ROUND...
"""
import re
import statistics
import sys

# What is measured, and the most that we may take of what the in-tree type takes.
TARGETS = [
    (r"add 2 devices, driver 0 µs", 1.15),
    (r"add 64 devices, driver 1 µs", 0.15),
    (r"refresh 2 devices, driver 0 µs", 0.5),
    (r"refresh, refused", 0.3),
    (r"packet, .*", 1.0),
]
# Flows a second at least.
DUMP = 1e6

NOTES = """\
Processor time of the kernel, which is a process: what else the machine does, and waiting, do not count. Calls are those of
the drivers.

- add: from `flow_offload_add` until the core is done with the flow. Without a size: 20,000 flows, or 1,000 with 20 µs.
- refresh: the core asks again for the rules of a flow, as it does every second for one whose packets it sees.
- direction: in-tree, the type's `action` alone, without the match; ours, all that is done for rules that turn out unchanged:
  locks, look-ups, reading the flow, match and actions.
- stats, remove: the core asks for the counters of all flows; all flows end and are freed.
- packet: the type's hook, from the packet to the device.
"""


def read(files):
    """{what: {type: [(value, calls)]}} in the order of the first file."""
    found = {}
    for name in files:
        with open(name, encoding="utf-8") as lines:
            for line in lines:
                fields = line.rstrip("\n").split("\t")
                if len(fields) == 4:
                    what, kind, value, calls = fields
                    found.setdefault(what, {}).setdefault(kind, []).append((float(value), float(calls)))
    return found


def figure(values, unit):
    """The median, and from where to where."""
    numbers = [value / unit for value, _ in values]
    digits = 0 if statistics.median(numbers) >= 100 else 1
    return f"{statistics.median(numbers):.{digits}f} ({min(numbers):.{digits}f}–{max(numbers):.{digits}f})"


def calls(values):
    return f"{statistics.median(n for _, n in values):g}"


def row(what, types):
    dump = what.startswith("dump")
    unit = 1e6 if dump else 1
    c, ours = types.get("c"), types.get("ours")
    cells = [what + (", M flows/s" if dump else ", ns")]
    for values in (c, ours):
        cells.append(figure(values, unit) if values else "")
    ratio = None
    if c and ours:
        ratio = statistics.median(v for v, _ in ours) / statistics.median(v for v, _ in c)
    cells.append(f"{ratio:.2f}" if ratio is not None else "")
    target = ""
    for pattern, most in TARGETS:
        if re.fullmatch(pattern, what) and ratio is not None:
            target = f"≤ {most:g}: {'met' if ratio <= most else 'missed'}"
    if dump and ours:
        target = f"≥ 1.0: {'met' if statistics.median(v for v, _ in ours) >= DUMP else 'missed'}"
    cells.append(target)
    for values in (c, ours):
        cells.append(calls(values) if values and not dump else "")
    return cells


def main():
    found = read(sys.argv[1:])
    rounds = max((len(v) for types in found.values() for v in types.values()), default=0)
    print(f"Median (least–most) of {rounds} rounds, for one flow, packet or action.\n")
    print(NOTES)
    print("| | in-tree | ours | ratio | target | calls, in-tree | calls, ours |")
    print("|---|---:|---:|---:|---|---:|---:|")
    for what, types in found.items():
        print("| " + " | ".join(row(what, types)) + " |")


main()
