#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Checks that the files of a Rust crate do not import each other in a circle.

Reads the paths that start with crate::, super:: or self::, in `use` items and in code, and resolves
each to the file of the module that it names. The declaration of a module (`mod x;`) is no import.
Prints each circle, and fails if there is one.

usage: circles.py ROOT.rs [--list]      --list: prints the imports instead, one line a file
"""
import pathlib
import re
import sys


def modules(root):
    """Maps each module path of the crate, such as ("net", "flow"), to its file."""
    found = {(): root}
    todo = [((), root)]
    while todo:
        path, file = todo.pop()
        base = file.parent if file.name == "mod.rs" or file == root else file.with_suffix("")
        for name in re.findall(r"^\s*(?:pub(?:\([^)]*\))?\s+)?mod\s+(\w+)\s*;", file.read_text(), re.M):
            for candidate in (base / f"{name}.rs", base / name / "mod.rs"):
                if candidate.is_file():
                    found[(*path, name)] = candidate
                    todo.append(((*path, name), candidate))
                    break
            else:
                sys.exit(f"{file}: no file of module {name}")
    return found


def code(text):
    """Returns the text without comments, strings and test modules."""
    text = re.sub(r'//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\])*"', " ", text, flags=re.S)
    return re.split(r"#\[cfg\(test\)\]\s*mod\s+\w+\s*\{", text)[0]


def tree(text, at):
    """Yields each path of the use tree that starts at `at`, and the end of the tree."""
    paths, prefix, parts = [], [], []
    stack = []
    token = re.compile(r"\s*(::|\w+|\{|\}|,|\*|;)")
    while match := token.match(text, at):
        at, word = match.end(), match[1]
        if word == "{":
            stack.append((prefix, parts))
            prefix, parts = prefix + parts, []
        elif word in "},;":
            if parts:
                paths.append(prefix + parts)
            parts = []
            if word == "}":
                prefix, _ = stack.pop()
            if word == ";":
                break
            if word == "}" and not stack:
                break
        elif word != "::":
            parts = parts if parts[-1:] == ["as"] else [*parts, word]
    return paths


def imports(text, children):
    """Yields the paths that the code of a module names, as lists of words."""
    text = code(text)
    rest = text
    first = "|".join(["crate", "super", "self", *children])
    for match in re.finditer(rf"\buse\s+(?=(?:{first})\b)", text):
        yield from tree(text, match.end())
        end = text.index(";", match.end())
        rest = rest[: match.start()] + " " * (end - match.start()) + rest[end:]
    for match in re.finditer(rf"(?<!::)\b(?:{first})(?:::\w+)+", rest):
        yield match[0].split("::")


def graph(found):
    """Maps each file to the files that it imports, with an item imported from each."""
    edges = {file: {} for file in found.values()}
    for path, file in found.items():
        children = [module[-1] for module in found if module and module[:-1] == path]
        for words in imports(file.read_text(), children):
            at, words = (list(path), words[:])
            if words[0] == "crate":
                at, words = [], words[1:]
            while words and words[0] in ("super", "self"):
                at = at[:-1] if words.pop(0) == "super" else at
            while words and (*at, words[0]) in found:
                at.append(words.pop(0))
            target = found[tuple(at)]
            if target != file:
                edges[file].setdefault(target, words[0] if words else "*")
    return edges


def circles(edges):
    """Returns the groups of files that reach each other (strongly connected, by Tarjan)."""
    index, low, stack, groups = {}, {}, [], []

    def visit(file):
        index[file] = low[file] = len(index)
        stack.append(file)
        for target in edges[file]:
            if target not in index:
                visit(target)
            if target in stack:
                low[file] = min(low[file], low[target])
        if low[file] == index[file]:
            at = stack.index(file)
            groups.append(stack[at:])
            del stack[at:]

    for file in edges:
        if file not in index:
            visit(file)
    return [group for group in groups if len(group) > 1]


def shortest(edges, group):
    """Returns a shortest circle among the files of the group."""
    best = None
    for start in group:
        before, todo = {start: None}, [start]
        while todo:
            file = todo.pop(0)
            for target in edges[file]:
                if target == start:
                    way = [start]
                    while file:
                        way.append(file)
                        file = before[file]
                    if best is None or len(way) < len(best):
                        best = way[::-1]
                    todo = []
                    break
                if target in group and target not in before:
                    before[target] = file
                    todo.append(target)
    return best


def main():
    root = pathlib.Path(sys.argv[1])
    edges = graph(modules(root))
    if "--list" in sys.argv:
        for file in sorted(edges):
            print(file, "->", *sorted(map(str, edges[file])))
        return 0
    found = circles(edges)
    for group in found:
        way = shortest(edges, group)
        print(f"{len(group)} files import each other in a circle, for example:")
        for file, target in zip(way, way[1:]):
            print(f"  {file} imports {edges[file][target]} of {target}")
    return bool(found)


if __name__ == "__main__":
    sys.exit(main())
