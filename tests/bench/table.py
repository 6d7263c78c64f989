#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Makes the tables of a run of the benchmark out of the output of its scripts.

    table.py DIRECTORY MACHINE

Writes performance.md, the lines with a target and what they mean for a router, and details.md, all measurements, into
DIRECTORY, which has the output of run.sh: round.N, parallel, forward, and the comments of the other scripts.
"""
import pathlib
import re
import statistics
import sys
from typing import NamedTuple

# The lines with a target: how they are called, what is measured, and the most that ours may take of what the in-tree type
# takes.
RATIOS = [
    ("add, 2 devices, driver 0 µs, 20,000 flows", "add 2 devices, driver 0 µs", 1.0),
    ("add, 2 devices, driver 0 µs, 200,000 flows", "add 2 devices, driver 0 µs, 200,000 flows", 1.0),
    ("add, 2 devices, driver 1 µs", "add 2 devices, driver 1 µs", 0.65),
    ("add, 64 devices, driver 1 µs", "add 64 devices, driver 1 µs", 0.05),
    ("translated, IPv4", "translated, v4tcp", 1.0),
    ("translated, IPv4 with SNAT", "translated, v4snat", 1.0),
    ("translated, IPv6 with NAT", "translated, v6nat", 1.0),
    ("translated, a VLAN tag", "translated, vlan", 1.0),
    ("refresh, in hardware", "refresh 2 devices, driver 0 µs", 0.5),
    ("refresh, refused", "refresh, refused", 0.5),
    ("removal, driver 1 µs", "remove 2 devices, driver 1 µs", 1.0),
    ("software path, IPv4 TCP", "packet, v4tcp", 1.0),
    ("software path, IPv4 UDP", "packet, v4udp", 1.0),
    ("software path, IPv6 UDP", "packet, v6udp", 1.0),
    ("software path, a VLAN tag", "packet, v4udpvlan", 1.0),
]
# The most bytes for a flow, the least flows a second of a dump, and the least speed of this number of processors, as a
# multiple of that of one.
MEMORY, DUMP, PROCESSORS, SPEED = 160, 2e6, 4, 3
# The most packets of a million that the CPU of a router may see.
CPU_PACKETS = 100


class Sample(NamedTuple):
    """A line: the value and the calls of the driver, per flow."""

    value: float
    replaces: float = 0
    destroys: float = 0
    stats: float = 0


def read(files):
    """Returns {what: {type: [Sample]}}, in the order of the files."""
    found = {}
    for name in files:
        with open(name, encoding="utf-8") as lines:
            for line in lines:
                what, *fields = line.rstrip("\n").split("\t")
                if len(fields) == 5:
                    sample = Sample(*map(float, fields[1:]))
                    found.setdefault(what, {}).setdefault(fields[0], []).append(sample)
    return found


def values(found, what, kind):
    return [s.value for s in found.get(what, {}).get(kind, [])]


def translated(found):
    """Adds what each type itself takes for a flow: the difference of two flows that were added in the same round."""
    for what in [w for w in found if w.startswith("add, shape ")]:
        c, none, ours, waits = (values(found, what, kind) for kind in ("c", "none", "ours", "waits"))
        found["translated, " + what.rpartition(" ")[2]] = {
            "c": [Sample(a - b) for a, b in zip(c, none)],
            "ours": [Sample(a - b) for a, b in zip(ours, waits)],
        }


def among(found):
    """Returns {number of flows: {type: [ns to add one more]}}."""
    sizes = {}
    for what, types in found.items():
        match = re.fullmatch(r"add among (\d+) flows", what)
        if match:
            sizes[int(match[1])] = {kind: [s.value for s in samples] for kind, samples in types.items()}
    return sizes


def number(n):
    """Formats a number with three digits or more."""
    if abs(n) >= 1000:
        return f"{n:,.0f}"
    return f"{n:.3g}"


def spread(numbers, form):
    """Formats the median and the range."""
    text = form(statistics.median(numbers))
    if len(numbers) > 1:
        text += f" ({form(min(numbers))}–{form(max(numbers))})"
    return text


def ratios(c, ours):
    """Returns our share of what the in-tree type takes, for each round."""
    return [b / a for a, b in zip(c, ours) if a > 0]


def ratio(n):
    return f"{n:.2f}"


def verdict(met):
    return "met" if met else "**missed**"


class Row(NamedTuple):
    """A line of the table with targets; met is None if it cannot be measured."""

    name: str
    c: str
    ours: str
    ratio: str
    target: str
    met: bool | None


def ratio_row(found, name, what, limit):
    c, ours = values(found, what, "c"), values(found, what, "ours")
    shares = ratios(c, ours)
    if not shares:
        return Row(name, "", "", "", f"≤ {limit:g}", None)
    return Row(name, number(statistics.median(c)) + " ns", number(statistics.median(ours)) + " ns", spread(shares, ratio),
               f"≤ {limit:g}", statistics.median(shares) <= limit)


def growth_row(found):
    sizes = among(found)
    if len(sizes) < 2:
        return None
    few, many = min(sizes), max(sizes)
    grown = {kind: ratios(sizes[few][kind], sizes[many][kind]) for kind in ("c", "ours")}
    shares = ratios(grown["c"], grown["ours"])
    return Row(f"growth, from {few:,} to {many:,} flows", *("× " + ratio(statistics.median(grown[k])) for k in ("c", "ours")),
               spread(shares, ratio), "≤ 1", statistics.median(shares) <= 1)


def dump_rates(found):
    """Returns what is measured, and the flows a second of the largest dump."""
    dumps = [w for w in found if w.startswith("dump, ")]
    return [(w, [1e9 / v for v in values(found, w, "ours")]) for w in dumps[-1:]]


def parallel_row(found):
    """Returns the row of flows that go into hardware from several processors at once."""
    counts = sorted(int(m[1]) for m in (re.fullmatch(r"parallel, (\d+) processors", w) for w in found) if m)
    name = f"{PROCESSORS} processors at once, QEMU"
    if not counts:
        return Row(name, "", "", "", f"≥ {SPEED}", None)
    most = counts[-1]
    one, all_of = found["parallel, 1 processors"], found[f"parallel, {most} processors"]
    speed = {kind: [a.value / b.value for a, b in zip(one[kind], all_of[kind])] for kind in one}
    cells = ["× " + spread(speed[kind], ratio) if speed.get(kind) else "" for kind in ("c", "ours")]
    if most < PROCESSORS:
        return Row(f"{most} processors at once, QEMU", *cells, "", f"≥ {SPEED} with {PROCESSORS}", None)
    return Row(name, *cells, "", f"≥ {SPEED}", statistics.median(speed["ours"]) >= SPEED)


def comments(file):
    """Returns the comments of a script's TAP output."""
    if not file.exists():
        return []
    return [line[2:] for line in file.read_text(encoding="utf-8").splitlines() if line.startswith("# ")]


def module_bytes(memory):
    match = [re.fullmatch(r"module: (\d+) bytes a flow, all of it", line) for line in memory]
    return next((int(m[1]) for m in match if m), None)


def core_bytes(memory):
    match = [re.fullmatch(r"core and conntrack: (\d+) bytes a flow", line) for line in memory]
    return next((int(m[1]) for m in match if m), None)


def target_rows(found, memory):
    rows = [ratio_row(found, *line) for line in RATIOS]
    grown = growth_row(found)
    if grown:
        rows.append(grown)
    size = module_bytes(memory)
    if size is not None:
        rows.append(Row("memory of a flow, all of it", "", f"{size} bytes", "", f"≤ {MEMORY} bytes", size <= MEMORY))
    for what, rates in dump_rates(found):
        million = [r / 1e6 for r in rates]
        rows.append(Row(f"dump of {int(re.findall('[0-9]+', what)[0]):,} flows", "", spread(million, ratio) + " M flows/s", "", f"≥ {DUMP / 1e6:g} M flows/s",
                        statistics.median(rates) >= DUMP))
    rows.append(parallel_row(found))
    return rows


def router(found, memory):
    """Returns what the figures mean for a router."""

    def rate(what, kind):
        return number(round(1e9 / statistics.median(values(found, what, kind)), -3))

    lines = []
    add, wide, packet = "add 2 devices, driver 1 µs", "add 64 devices, driver 1 µs", "packet, v4tcp"
    if add in found and wide in found:
        lines.append(f"- One processor puts {rate(add, 'ours')} flows a second into hardware with 2 devices, and "
                     f"{rate(wide, 'ours')} with\n  64, if a call of the driver takes 1 µs. The in-tree type: "
                     f"{rate(add, 'c')} and {rate(wide, 'c')}.")
    seen = [values(found, f"CPU packets per million, offload, {p}", "ours") for p in ("TCP", "UDP")]
    if all(seen) and packet in found:
        tcp, udp = (f"{statistics.median(v):.0f}" for v in seen)
        lines.append(f"- Of a million packets in hardware the CPU sees {tcp} of a TCP connection, and {udp} of a UDP flow.\n"
                     f"  In software it sees them all, at {number(statistics.median(values(found, packet, 'ours')))} ns each "
                     "from the hook to the device.")
    ours, core = module_bytes(memory), core_bytes(memory)
    if ours is not None and core is not None:
        lines.append(f"- A million flows take {ours} MB of memory in the module, beside {core} MB in the core and conntrack.")
    return lines


def summary(found, memory):
    rows = target_rows(found, memory)
    lines = ["For a router:", "", *router(found, memory), ""]
    lines += ["| | in-tree | nft_offload | ratio (least–most) | target | |", "|---|---:|---:|---|---|---|"]
    for row in rows:
        cells = [row.name, row.c, row.ours, row.ratio, row.target]
        lines.append("| " + " | ".join([*cells, "not measurable here" if row.met is None else verdict(row.met)]) + " |")
    verdicts = [row.met for row in rows if row.met is not None]
    met = sum(verdicts)
    lines += ["", f"{met} of {len(verdicts)} targets {'is' if met == 1 else 'are'} met."]
    return lines


def calls(samples):
    """Formats calls, as "2 STATS, 2 DESTROY"."""
    kinds = [("replaces", "REPLACE"), ("stats", "STATS"), ("destroys", "DESTROY")]
    numbers = [(statistics.median(getattr(s, field) for s in samples), name) for field, name in kinds]
    return ", ".join(f"{n:.3g} {name}" for n, name in numbers if n) or "0"


def details(found):
    lines = ["| ns for one flow or packet | in-tree | nft_offload | ratio (least–most) | rounds | calls, in-tree | calls, nft_offload |",
             "|---|---:|---:|---|---:|---|---|"]
    for what, types in found.items():
        if what.startswith(("CPU packets", "parallel")):
            continue
        c, ours = types.get("c", []), types.get("ours", [])
        shares = ratios([s.value for s in c], [s.value for s in ours])
        cells = [what]
        cells += [spread([s.value for s in samples], number) if samples else "" for samples in (c, ours)]
        cells += [spread(shares, ratio) if shares else "", str(max(len(c), len(ours)))]
        plain = what.startswith(("dump", "packet", "translated"))
        cells += [calls(samples) if samples and not plain else "" for samples in (c, ours)]
        lines.append("| " + " | ".join(cells) + " |")
    for kind, name in (("none", "a type that does nothing"), ("waits", "nft_offload, too few packets")):
        for what, types in found.items():
            if kind in types:
                cells = [f"{what}: {name}", "", spread([s.value for s in types[kind]], number), "", str(len(types[kind])), "", ""]
                lines.append("| " + " | ".join(cells) + " |")
    lines += ["", "| packets per million that the router's CPU sees | in-tree | nft_offload | target |", "|---|---:|---:|---|"]
    for what, types in found.items():
        if what.startswith("CPU packets"):
            c, ours = (statistics.median(s.value for s in types[kind]) for kind in ("c", "ours"))
            target = f"≤ {CPU_PACKETS}: {verdict(ours <= CPU_PACKETS)}" if ", offload," in what else ""
            lines.append(f"| {what.partition(', ')[2]} | {c:,.0f} | {ours:,.0f} | {target} |")
    lines += ["", "| 4 devices, driver 1 µs, QEMU | in-tree | nft_offload |", "|---|---:|---:|"]
    for what, types in found.items():
        if what.startswith("parallel"):
            cells = [spread([s.value for s in types[kind]], number) + " ns" if kind in types else "" for kind in ("c", "ours")]
            lines.append(f"| {what.partition(', ')[2]} | " + " | ".join(cells) + " |")
    return lines


def main():
    out, machine = pathlib.Path(sys.argv[1]), sys.argv[2]
    files = sorted(out.glob("round.*")) + [out / name for name in ("forward", "parallel") if (out / name).exists()]
    found = read(files)
    translated(found)
    memory = comments(out / "memory.txt")
    (out / "performance.md").write_text("\n".join([*summary(found, memory), "", machine + "."]) + "\n", encoding="utf-8")
    lines = [machine + ".", "", *details(found)]
    for title, name in (
        ("Memory", "memory.txt"),
        ("While a device leaves", "removal.txt"),
        ("With 2,000 flowtables in 500 other network namespaces", "neighbours.txt"),
        ("When routes and neighbours change", "storm.txt"),
    ):
        lines += ["", title + ":", "", *("    " + line for line in comments(out / name))]
    (out / "details.md").write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
