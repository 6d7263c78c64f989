#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Prints the output of measure.sh and forward.sh as a table: medians, spread, our share of the in-tree type's.

    table.py FILE...
"""
import re
import statistics
import sys
from typing import NamedTuple

# What is measured, and the most that we may take of what the in-tree type takes.
RATIOS = [
    (r"add 2 devices, driver 0 µs(, 200,000 flows)?", 1.15),
    (r"add 64 devices, driver 1 µs", 0.15),
    (r"refresh 2 devices, driver 0 µs", 0.5),
    (r"refresh, refused", 0.3),
    (r"packet, .*", 1.0),
    (r"translate, .*", 1.0),
]
# What is measured, its unit, by what it is divided for that, and what ours may be: at most, at least.
OTHERS = [
    (r"dump, .*", "M flows/s", 1e6, None, 1.0),
    (r"CPU packets per million, offload, .*", "", 1, 100, None),
    (r"CPU packets per million, .*", "", 1, None, None),
    (r".*", "ns", 1, None, None),
]

NOTES = """\
Processor time of the kernel, which is a process: what else the machine does, and waiting, do not count. Calls are those of
the drivers, of all devices.

- add: from `flow_offload_add` until the core is done with the flow. Without a size: 20,000 flows, or 1,000 with 20 µs.
- refresh: the core asks again for the rules of a flow, as it does every second for one whose packets it sees.
- translate: one direction, into a rule that is there. In-tree, the type's `action`: the actions only, as the core writes the
  match. Ours: the flow read as a whole, looked at for what a rule cannot say, the match and the actions.
- unchanged: a REPLACE for a flow whose rules are in and right. Flows with tags are translated once more to see it.
- stats: the core asks for the counters of all flows. In-tree, each device is asked.
- remove: all flows end while their table stays, until their rules are out. In-tree, each device gets a DESTROY for each
  direction; ours, the one device that has the rule, after it was asked for the last counters.
- delete table: the flows go with their table (`nft delete table`), until all is freed. In-tree, no DESTROY reaches the driver,
  as the devices are unbound before the flows end: all rules are forgotten and stay in the driver. Ours removes each of them.
- packet: the type's hook, from the packet to the device.
- CPU packets per million: of a million packets through a router with the simulated NIC (as mlx5), how many its CPU saw: one
  TCP connection, from SYN to FIN, or one UDP flow. "software": the flowtable without `flags offload`.
"""


class Sample(NamedTuple):
    """A line: the value and the calls of the driver, per flow."""

    value: float
    replaces: float
    destroys: float
    stats: float


def read(files):
    """{what: {type: [Sample]}} in the order of the files."""
    found = {}
    for name in files:
        with open(name, encoding="utf-8") as lines:
            for line in lines:
                what, *fields = line.rstrip("\n").split("\t")
                if len(fields) == 5:
                    sample = Sample(*map(float, fields[1:]))
                    found.setdefault(what, {}).setdefault(fields[0], []).append(sample)
    return found


def median(samples):
    return statistics.median(s.value for s in samples)


def figure(samples, unit):
    """Formats the median and the range."""
    numbers = [s.value / unit for s in samples]
    middle = statistics.median(numbers)
    digits = 0 if middle >= 100 or middle == 0 else 1
    text = f"{middle:,.{digits}f}"
    if len(numbers) > 1:
        text += f" ({min(numbers):,.{digits}f}–{max(numbers):,.{digits}f})"
    return text


def calls(samples):
    """Formats calls, as "2 STATS, 2 DESTROY"."""
    kinds = [("replaces", "REPLACE"), ("stats", "STATS"), ("destroys", "DESTROY")]
    numbers = [(statistics.median(getattr(s, field) for s in samples), name) for field, name in kinds]
    return ", ".join(f"{number:g} {name}" for number, name in numbers if number) or "0"


def row(what, types):
    """Returns the cells, and whether the target is met (None without a target)."""
    c, ours = types.get("c"), types.get("ours")
    unit, divisor, most, least = next(fields[1:] for fields in OTHERS if re.fullmatch(fields[0], what))
    ratio = median(ours) / median(c) if c and ours and median(c) else None
    target, met = "", None
    if ours:
        value = median(ours) / divisor
        limit = next((limit for pattern, limit in RATIOS if re.fullmatch(pattern, what)), None)
        if ratio is not None and limit is not None:
            target, met = f"ratio ≤ {limit:g}", ratio <= limit
        elif most is not None:
            target, met = f"≤ {most:g}", value <= most
        elif least is not None:
            target, met = f"≥ {least:g}", value >= least
    if met is not None:
        target += ": met" if met else ": missed"
    cells = [what + (f", {unit}" if unit else "")]
    cells += [figure(samples, divisor) if samples else "" for samples in (c, ours)]
    cells += ["" if ratio is None else f"{ratio:.2f}", target]
    cells += [calls(samples) if samples and unit == "ns" else "" for samples in (c, ours)]
    return cells, met


def main():
    found = read(sys.argv[1:])
    rounds = max((len(v) for types in found.values() for v in types.values()), default=0)
    rows = [row(what, types) for what, types in found.items()]
    print(f"Medians (least–most), rounds: {rounds}; for one flow, packet or action.\n")
    print(NOTES)
    print("| | in-tree | ours | ratio | target | calls, in-tree | calls, ours |")
    print("|---|---:|---:|---:|---|---|---|")
    for cells, _ in rows:
        print("| " + " | ".join(cells) + " |")
    verdicts = [met for _, met in rows if met is not None]
    print(f"\n{sum(verdicts)} of {len(verdicts)} targets met.")


if __name__ == "__main__":
    main()
