#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Renders the text on a terminal, with its colours, as SVG.

terminal_svg.py TITLE WIDTH <TEXT >SVG: the frame shows TITLE; lines are cut off at WIDTH columns. The
only supported escape sequences are those for colours and attributes (SGR), as `tmux capture-pane -e`
prints them.
"""
import re
import sys
from html import escape
from itertools import groupby

CELL, LINE, EDGE, BAR = 8.4, 18, 14, 30
COLOURS = ["#21262d", "#ff7b72", "#7ee787", "#e3b341", "#79c0ff", "#d2a8ff", "#56d4dd", "#c9d1d9",
           "#6e7681", "#ffa198", "#aff5b4", "#f2cc60", "#a5d6ff", "#e2c5ff", "#b3f0ff", "#ffffff"]
BARS = "▁▂▃▄▅▆▇█"
PAPER, INK = "#0d1117", "#c9d1d9"
PLAIN = {"fg": None, "bg": None, "bold": False, "dim": False, "reverse": False}
FLAGS = {1: ("bold", True), 2: ("dim", True), 7: ("reverse", True), 27: ("reverse", False)}


def palette(n):
    """Returns one of the 256 colours."""
    if n < 16:
        return COLOURS[n]
    if n > 231:
        return "#" + f"{8 + 10 * (n - 232):02x}" * 3
    levels = (0, 95, 135, 175, 215, 255)
    n -= 16
    return "#" + "".join(f"{levels[i]:02x}" for i in (n // 36, n // 6 % 6, n % 6))


def sgr(style, codes):
    """Returns the style after an escape sequence."""
    style, codes = dict(style), [int(code or 0) for code in re.split("[;:]", codes)]
    while codes:
        code = codes.pop(0)
        if code == 0:
            style = dict(PLAIN)
        elif code == 22:
            style["bold"] = style["dim"] = False
        elif code in FLAGS:
            style[FLAGS[code][0]] = FLAGS[code][1]
        elif code in (38, 48):
            kind = codes.pop(0)
            colour = palette(codes.pop(0)) if kind == 5 else "#%02x%02x%02x" % tuple(codes[:3])
            codes = codes if kind == 5 else codes[3:]
            style["fg" if code == 38 else "bg"] = colour
        elif code in (39, 49):
            style["fg" if code == 39 else "bg"] = None
        elif code // 10 in (3, 4, 9, 10):
            bright = 8 if code >= 90 else 0
            style["fg" if code // 10 in (3, 9) else "bg"] = COLOURS[code % 10 + bright]
    return style


def cells(line, style, width):
    """Returns the characters of a line with their styles, and the style after it."""
    row = []
    for text, codes in re.findall(r"([^\x1b]+)|\x1b\[([0-9;:]*)m", line):
        if text:
            row += [(character, style) for character in text]
        else:
            style = sgr(style, codes)
    if len(row) > width:
        row[width - 1:] = [("…", row[width - 1][1])]
    return row, style


def draw(row, y):
    """Yields the elements of a line: one for each run of a style."""
    x = 0
    for (style, is_bar), run in groupby(row, key=lambda cell: (cell[1], cell[0] in BARS)):
        text = "".join(character for character, _ in run)
        fg, bg = style["fg"] or INK, style["bg"]
        if style["reverse"]:
            fg, bg = bg or PAPER, fg
        left, size = EDGE + x * CELL, len(text) * CELL
        x += len(text)
        if bg:
            yield f'<rect x="{left:.1f}" y="{y - 13}" width="{size:.1f}" height="{LINE}" fill="{bg}"/>'
        if is_bar:
            # Glyphs of two lines would leave a gap between them.
            for at, character in enumerate(text):
                tall = LINE * (BARS.index(character) + 1) / 8
                yield (f'<rect x="{left + at * CELL:.1f}" y="{y - 13 + LINE - tall:.2f}" width="{CELL}" '
                       f'height="{tall:.2f}" fill="{fg}" shape-rendering="crispEdges"/>')
            continue
        if not text.strip():
            continue
        more = ' font-weight="bold"' if style["bold"] else ""
        more += ' opacity="0.6"' if style["dim"] else ""
        # textLength keeps columns aligned in any font.
        yield (f'<text x="{left:.1f}" y="{y}" fill="{fg}"{more} textLength="{size:.1f}" '
               f'lengthAdjust="spacingAndGlyphs" xml:space="preserve">{escape(text)}</text>')


def main():
    title, limit = sys.argv[1], int(sys.argv[2])
    style, rows = PLAIN, []
    for line in sys.stdin.read().rstrip().splitlines():
        row, style = cells(line.expandtabs(), style, limit)
        rows.append(row)
    width = 2 * EDGE + max(map(len, rows)) * CELL
    height = BAR + len(rows) * LINE + EDGE
    print(f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {height}" '
          f'width="{width:.0f}" height="{height}" font-size="14" '
          'font-family="DejaVu Sans Mono, Menlo, Consolas, monospace">')
    print("<!-- SPDX-License-Identifier: GPL-2.0 -->")
    print(f'<rect width="100%" height="100%" rx="8" fill="{PAPER}"/>')
    print(f'<text x="{EDGE}" y="20" fill="#8b949e">{escape(title)}</text>')
    for number, row in enumerate(rows):
        for element in draw(row, BAR + 13 + number * LINE):
            print(element)
    print("</svg>")


if __name__ == "__main__":
    main()
