#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Plots the output of measure.sh (SVG): adding a flow by the number of devices, and costs by the number of flows.

    plot.py CAPTION FILE...
"""
import math
import re
import statistics
import sys
from html import escape
from typing import NamedTuple

from table import read

# It has a background of its own, as it is looked at in light and in dark.
STYLE = """\
text { font: 12px system-ui, 'Segoe UI', 'DejaVu Sans', Helvetica, Arial, sans-serif; fill: #1f2328 }
.title { font-size: 14px; font-weight: 600 }
.small { font-size: 11px; fill: #59636e }
.grid { stroke: #d1d9e0; stroke-width: 1 }
.minor { stroke: #eff2f5; stroke-width: 1 }
.axis { stroke: #818b98; stroke-width: 1; fill: none }
"""
COLOURS = {"c": "#bc4c00", "ours": "#0969da"}
NAMES = {"c": "in-tree", "ours": "nft_offload"}
WIDTH, HEIGHT = 960, 470
# Room for the labels at the lines' ends.
LABELS = 128


class Line(NamedTuple):
    """The values of one type: at x, the least, median and most."""

    kind: str
    label: str
    marker: str
    points: list


def number(n):
    """Formats a number for an axis: 10k, 1M."""
    for limit, letter in ((1e6, "M"), (1e3, "k")):
        if n >= limit:
            return f"{n / limit:g}{letter}"
    return f"{n:g}"


def nanoseconds(n):
    for limit, unit in ((1e6, "ms"), (1e3, "µs")):
        if n >= limit:
            return f"{n / limit:g} {unit}"
    return f"{n:g} ns"


def collect(found, pattern):
    """Returns {kind: [(x, least, median, most)]} of the matching lines, x being their number."""
    points = {}
    for what, types in found.items():
        match = re.fullmatch(pattern, what)
        for kind, samples in types.items() if match else ():
            values = [s.value for s in samples]
            points.setdefault(kind, []).append((int(match[1]), min(values), statistics.median(values), max(values)))
    return {kind: sorted(values) for kind, values in points.items()}


def marker(shape, kind, x, y):
    """Filled: ours; hollow: in-tree."""
    colour = COLOURS[kind]
    style = f'fill="{colour if kind == "ours" else "#fff"}" stroke="{colour}" stroke-width="1.8"'
    if shape == "circle":
        return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4" {style}/>'
    corners = {
        "square": [(-3.7, -3.7), (3.7, -3.7), (3.7, 3.7), (-3.7, 3.7)],
        "triangle": [(0, -5), (4.6, 3.4), (-4.6, 3.4)],
    }[shape]
    return f'<polygon points="{" ".join(f"{x + dx:.1f},{y + dy:.1f}" for dx, dy in corners)}" {style}/>'


def spread(wanted, gap, low, high):
    """Returns places near the wanted ones, in their order, at this distance, between low and high."""
    order = sorted(range(len(wanted)), key=lambda i: wanted[i])
    places = [wanted[i] for i in order]
    for _ in range(200):
        for i in range(len(places) - 1):
            lack = gap - (places[i + 1] - places[i])
            if lack > 0:
                places[i] -= lack / 2
                places[i + 1] += lack / 2
        places = [min(max(p, low), high) for p in places]
    result = [0.0] * len(wanted)
    for i, place in zip(order, places):
        result[i] = place
    return result


def panel(left, right, title, x_title, lines):
    """One of the plots, both axes logarithmic."""
    top, bottom = 96, HEIGHT - 70
    right -= LABELS
    xs = sorted({x for line in lines for x, *_ in line.points})
    ys = [y for line in lines for _, low, _, high in line.points for y in (low, high)]
    # Up to the next 1, 2 or 5.
    steps = [m * 10**e for e in range(0, 10) for m in (1, 2, 5)]
    y_low = max((s for s in steps if s <= min(ys)), default=1)
    y_high = min(s for s in steps if s >= max(ys))
    x_low, x_high = math.log(xs[0]), math.log(xs[-1])

    def place_x(x):
        return left + 16 + (math.log(x) - x_low) / ((x_high - x_low) or 1) * (right - left - 32)

    def place_y(y):
        return bottom - math.log(y / y_low) / math.log(y_high / y_low) * (bottom - top)

    out = [f'<text class="title" x="{left - 48}" y="30">{title}</text>']
    decades = [s for s in steps if y_low <= s <= y_high]
    few = y_high / y_low <= 200
    for y in decades:
        major = str(y)[0] == "1"
        out.append(f'<line class="{"grid" if major else "minor"}" x1="{left}" x2="{right}" '
                   f'y1="{place_y(y):.1f}" y2="{place_y(y):.1f}"/>')
        if major or few or y in (y_low, y_high):
            out.append(f'<text class="small" x="{left - 7}" y="{place_y(y) + 4:.1f}" text-anchor="end">{nanoseconds(y)}</text>')
    for x in xs:
        out.append(f'<line class="minor" x1="{place_x(x):.1f}" x2="{place_x(x):.1f}" y1="{top}" y2="{bottom}"/>')
        out.append(f'<line class="axis" x1="{place_x(x):.1f}" x2="{place_x(x):.1f}" y1="{bottom}" y2="{bottom + 5}"/>')
        out.append(f'<text class="small" x="{place_x(x):.1f}" y="{bottom + 19}" text-anchor="middle">{number(x)}</text>')
    out.append(f'<path class="axis" d="M{left} {top} V{bottom} H{right}"/>')
    out.append(f'<text x="{(left + right) / 2:.0f}" y="{bottom + 40}" text-anchor="middle">{x_title}</text>')
    out.append(f'<text x="{left - 48}" y="{top - 14}">processor time for one flow</text>')

    ends = [place_y(line.points[-1][2]) for line in lines]
    for line, end, label_y in zip(lines, ends, spread(ends, 15, top, bottom)):
        colour = COLOURS[line.kind]
        # Bars of the two types side by side.
        shift = 2.5 if line.kind == "ours" else -2.5
        path = " ".join(f"{place_x(x) + shift:.1f},{place_y(y):.1f}" for x, _, y, _ in line.points)
        out.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>')
        for x, low, _, high in line.points:
            at = place_x(x) + shift
            out.append(f'<path d="M{at - 3:.1f} {place_y(high):.1f} h6 m-3 0 V{place_y(low):.1f} m-3 0 h6" '
                       f'fill="none" stroke="{colour}" stroke-width="1"/>')
        out += [marker(line.marker, line.kind, place_x(x) + shift, place_y(y)) for x, _, y, _ in line.points]
        last = place_x(line.points[-1][0]) + shift
        out.append(f'<path d="M{last + 7:.1f} {end:.1f} L{right + 6} {label_y:.1f}" fill="none" stroke="{colour}" '
                   'stroke-width="0.7" stroke-opacity="0.6"/>')
        out.append(f'<text x="{right + 9}" y="{label_y + 4:.1f}" style="fill: {colour}">{escape(line.label)}</text>')
    return out


def legend(y):
    out, x = [], 20
    for kind in ("c", "ours"):
        out.append(f'<line x1="{x}" x2="{x + 30}" y1="{y}" y2="{y}" stroke="{COLOURS[kind]}" stroke-width="2"/>')
        out.append(marker("circle", kind, x + 15, y))
        out.append(f'<text x="{x + 37}" y="{y + 4}">{NAMES[kind]}</text>')
        x += 60 + 8 * len(NAMES[kind])
    out.append(f'<text class="small" x="{x}" y="{y + 4}">points: medians; bars: from the least to the most of all rounds</text>')
    return out


def main():
    caption, found = sys.argv[1], read(sys.argv[2:])
    devices, flows = [], []
    for cost, shape in ((1, "square"), (0, "circle")):
        for kind, points in collect(found, rf"add (\d+) devices, driver {cost} µs").items():
            devices.append(Line(kind, f"{NAMES[kind]}, {cost} µs", shape, points))
    for name, shape in (("add", "circle"), ("refresh", "square"), ("dump", "triangle")):
        for kind, points in collect(found, rf"{name}, (\d+) flows").items():
            flows.append(Line(kind, f"{NAMES[kind]}, {name}", shape, points))
    if not devices or not flows:
        sys.exit("plot.py: there is nothing to draw")
    half = WIDTH // 2
    print(f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}" '
          'role="img" aria-label="What a flow costs: in-tree type and nft_offload">')
    print(f"<style>\n{STYLE}</style>")
    print(f'<rect width="{WIDTH}" height="{HEIGHT}" rx="8" fill="#fff"/>')
    parts = panel(68, half, "Adding a flow: a call of the driver takes 0 or 1 µs", "devices in the flowtable", devices)
    parts += panel(half + 68, WIDTH, "More flows: 2 devices, a call takes no time", "flows in the flowtable", flows)
    parts += legend(54)
    parts.append(f'<text class="small" x="20" y="{HEIGHT - 10}">{escape(caption)}</text>')
    print("\n".join(parts))
    print("</svg>")


if __name__ == "__main__":
    main()
