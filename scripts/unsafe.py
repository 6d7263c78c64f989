#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Lists the unsafe code of the module, with the reason why each is correct, in docs/unsafe.md.

A block, an impl and a static need a comment with `SAFETY:` in the same statement or right above it.
A function needs a section `# Safety` in its documentation. All of them have to be in src/net/.
Prints a line for each that is not so, or if the page is not that of the source, and fails.

usage: unsafe.py [--write] [DIR]     DIR: the source tree (default: that of this script)
                                     --write: writes the page instead of comparing it
"""
import collections
import pathlib
import re
import sys
import textwrap

PAGE = "docs/unsafe.md"
TOKEN = re.compile(
    r"""(?P<comment>//[^\n]*)
      | (?P<open>/\*)
      | (?P<string>b?"(?:\\.|[^"\\])*"|c"(?:\\.|[^"\\])*")
      | (?P<raw>[bc]?r(?P<hashes>\#*)".*?"(?P=hashes))
      | (?P<char>b?'(?:\\(?:x..|u\{[^}]*\}|.)|[^'\\\n])')
      | (?P<lifetime>'\w+)
      | (?P<word>\w+)
      | (?P<arrow>->|=>|::|\.\.)
      | (?P<sign>[^\s\w])""",
    re.S | re.X,
)
KINDS = ("block", "fn", "impl", "static", "trait")
# What can follow a reason in the same comment.
TAGS = re.compile(r"^(CAST|INVARIANT|PANIC|OVERFLOW|SAFETY)(?: COMMENT)?:")


class Token(collections.namedtuple("Token", "kind text line")):
    """A word, a sign or a comment of the source."""


def tokens(text):
    """Returns the tokens of a file. Strings, characters and lifetimes have an empty text."""
    found, at, line = [], 0, 1
    while match := TOKEN.search(text, at):
        line += text.count("\n", at, match.start())
        start, at, kind = line, match.end(), match.lastgroup
        if kind == "hashes":
            kind = "raw"
        if kind == "open":  # Block comments nest.
            depth = 1
            while depth and (mark := re.compile(r"/\*|\*/").search(text, at)):
                depth += 1 if mark[0] == "/*" else -1
                at = mark.end()
            at = at if not depth else len(text)
            kind = "comment"
        value = text[match.start() : at]
        line += value.count("\n")
        shown = kind in ("comment", "word", "arrow", "sign")
        found.append(Token(kind, value if shown else "", start))
    return found


def plain_type(words):
    """Returns the name of the type in the head of an impl: behind `for`, if there is one."""
    depth, kept = 0, []
    for word in words:
        depth += (word == "<") - (word == ">")
        if not depth and word != ">":
            kept.append(word)
    if "where" in kept:
        kept = kept[: kept.index("where")]
    if "for" in kept:
        kept = kept[kept.index("for") + 1 :]
    names = [word for word in kept if re.fullmatch(r"(?!dyn$|mut$|const$)\w+", word)]
    return names[-1] if names else "?"


class Unsafe(collections.namedtuple("Unsafe", "kind name reason line")):
    """One use of unsafe: its kind, the item that it is in, and why it is correct."""


def comment_text(comments):
    """Returns the reason that the comments give after `SAFETY:`, or None."""
    words, found = [], False
    for comment in comments:
        # A documentation comment is no reason.
        if re.match(r"///(?!/)|//!", comment):
            found = found and False
            continue
        line = re.sub(r"^/+\*?\s?|\s*\*/$", "", comment).strip()
        if tag := TAGS.match(line):
            found = tag[1] == "SAFETY"
            if found:
                words = [line[tag.end() :].strip()]
        elif found:
            words.append(line)
    return " ".join(filter(None, words))


def section(docs):
    """Returns the section `# Safety` of a documentation, or an empty text."""
    lines = [re.sub(r"^///\s?", "", line).rstrip() for line in docs]
    if "# Safety" not in lines:
        return ""
    words = []
    for line in lines[lines.index("# Safety") + 1 :]:
        if line.startswith("# "):
            break
        words.append(line)
    return " ".join(filter(None, (word.strip() for word in words)))


def head(every, indexes):
    """Returns the words up to the body of an item."""
    words = []
    for i in indexes:
        if every[i].text in ("{", ";"):
            break
        words.append(every[i].text)
    return words


def uses(text):
    """Returns each use of unsafe in a file, and the names of its functions."""
    every = tokens(text)
    code = [i for i, token in enumerate(every) if token.kind != "comment"]
    stack, names = [], []  # open brackets with the name of the item that they are the body of
    boundary = -1  # the index in `every` of the end of the previous statement
    starts = []  # where the statement around each open bracket began
    found, functions, pending = [], set(), None
    for n, i in enumerate(code):
        token = every[i]
        after = [every[j].text for j in code[n + 1 : n + 4]] + [""] * 3
        before = every[code[n - 1]].text if n else ""
        if token.kind == "word" and token.text == "fn" and re.fullmatch(r"\w+", after[0]):
            pending = after[0]
            functions.add(after[0])
        elif token.text == "impl" and pending is None and before in ("", *";}{]", "unsafe"):
            pending = plain_type(head(every, code[n + 1 :]))
        elif token.text in ("mod", "trait", "macro_rules") and pending is None:
            pending = after[1] if token.text == "macro_rules" else after[0]
        elif token.text in ("static", "const") and pending is None:
            pending = after[0] if re.fullmatch(r"[A-Z_][A-Z0-9_]*", after[0]) else None
        if token.text == "unsafe" and token.kind == "word":
            kind, name = None, pending
            if after[0] == "{":
                kind = "block"
            elif after[0] in ("impl", "trait"):
                kind, words = after[0], head(every, code[n + 2 :])
                name = plain_type(words)
                if kind == "impl":
                    name = f"{trait_of(words)} for {name}"
            elif after[0] == "(":
                # `unsafe(uninit) static NAME` of the kernel's global locks, and attributes.
                kind = "static"
                words = [every[j].text for j in code[n + 1 : n + 12]]
                name = words[words.index("static") + 1] if "static" in words else "?"
            else:
                words = [every[j].text for j in code[n + 1 : n + 5] if every[j].text]
                if "fn" in words:
                    name = (words + [""])[words.index("fn") + 1]
                    # Without a name it is the type of a pointer.
                    kind = "fn" if re.fullmatch(r"\w+", name) else None
            if kind:
                near = every[boundary + 1 : i]
                near = [other.text for other in near if other.kind == "comment"]
                docs = [line for line in near if line.startswith("///")]
                reason = section(docs) if kind in ("fn", "trait") else comment_text(near)
                path = [item for item in names if item]
                if kind in ("impl", "trait"):
                    path = [name]
                elif name:
                    path.append(name)
                found.append(Unsafe(kind, "::".join(path[-2:]) or "?", reason, token.line))
        if token.text in ("(", "[", "{") and token.kind == "sign":
            stack.append((token.text, boundary))
            names.append(pending if token.text == "{" else None)
            if token.text == "{":
                pending, boundary = None, i
        elif token.text in (")", "]", "}") and token.kind == "sign" and stack:
            opened, outer = stack.pop()
            names.pop()
            # The rest of a statement after a block in brackets belongs to the same statement.
            boundary = i if opened == "{" else outer
        elif token.text == ";":
            if not stack or stack[-1][0] == "{":
                boundary, pending = i, None
        elif token.text == "," and stack and stack[-1][0] == "{":
            boundary = i
    return found, functions


def trait_of(words):
    """Returns the name of the trait in the head of an impl."""
    depth, name = 0, "?"
    for word in words:
        depth += (word == "<") - (word == ">")
        if not depth and word == "for":
            break
        if not depth and re.fullmatch(r"\w+", word):
            name = word
    return name


WORDS = {
    "block": "unsafe block",
    "fn": "unsafe function",
    "impl": "unsafe impl",
    "static": "unsafe static",
    "trait": "unsafe trait",
}


def complaints(path, found, functions):
    """Yields what is wrong with the uses of unsafe in a file."""
    for i, use in enumerate(found):
        where = f"{path}:{use.line}: {WORDS[use.kind]} in {use.name}"
        if not path.startswith("src/net/"):
            yield f"{where}: unsafe is allowed in src/net/ only"
        elif not use.reason:
            wanted = "section # Safety" if use.kind in ("fn", "trait") else "SAFETY comment"
            yield f"{where}: no {wanted}"
        elif re.match(r"(TODO|FIXME|XXX)\b", use.reason):
            yield f"{where}: the reason is yet to be written"
        elif re.match(r"As above\b", use.reason) and not i:
            yield f"{where}: the reason is \"as above\", and nothing is above"
        elif like := re.match(r"As (?:in )?\[?`(?:\w+::)*(\w+)`\]?", use.reason):
            if like[1] not in functions:
                yield f"{where}: the reason is that of {like[1]}, which is not in this file"


def page(files):
    """Returns the text of the page."""
    total = collections.Counter(use.kind for found in files.values() for use in found)
    others = total["static"] + total["trait"]
    lines = [
        "# Unsafe code",
        "",
        *textwrap.wrap(
            "Each use of `unsafe` in the module, with the reason why it is correct. All are in "
            "`src/net/`, which wraps the kernel's C interfaces; [design.md](design.md) says how. "
            "`make unsafe` writes this page, and `make lint` fails if it is not that of the "
            "source, or if a reason is missing. A block has its reason in a `SAFETY:` comment. A "
            "function says in its documentation what its callers have to guarantee.",
            width=100,
        ),
        "",
        *textwrap.wrap(
            f"{total['block']} blocks, {total['fn']} functions, {total['impl']} impls and {others} "
            f"statics in {len(files)} files:",
            width=100,
        ),
        "",
        "| file | blocks | functions | impls | statics |",
        "|---|---|---|---|---|",
    ]
    for path, found in files.items():
        count = collections.Counter(use.kind for use in found)
        name, anchor = path.removeprefix("src/"), slug(path.removeprefix("src/"))
        numbers = [count["block"], count["fn"], count["impl"], count["static"] + count["trait"]]
        cells = [f" {number} " if number else " " for number in numbers]
        lines.append(f"| [{name}](#{anchor}) |{'|'.join(cells)}|")
    label = {kind: f"{WORDS[kind].split()[1]} " for kind in KINDS} | {"block": ""}
    for path, found in files.items():
        name = path.removeprefix("src/")
        lines += ["", f"## {name}", "", f"In [`{path.rsplit('/', 1)[1]}`](../{path}):", ""]
        for (kind, item, reason), number in collections.Counter(use[:3] for use in found).items():
            times = f" ({number} times)" if number > 1 else ""
            lines += textwrap.wrap(
                f"- {label[kind]}`{item}`{times}: {reason}",
                width=100,
                subsequent_indent="  ",
                break_long_words=False,
                break_on_hyphens=False,
            )
    return "\n".join(lines) + "\n"


def slug(heading):
    """Returns the anchor of a heading, as GitHub makes it."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def main():
    args = [arg for arg in sys.argv[1:] if arg != "--write"]
    if len(args) > 1 or any(arg.startswith("-") for arg in args):
        sys.exit("usage: unsafe.py [--write] [DIR]")
    top = pathlib.Path(args[0]) if args else pathlib.Path(__file__).resolve().parent.parent
    files, wrong = {}, []
    for file in sorted((top / "src").rglob("*.rs")):
        if file.name.endswith("_generated.rs"):
            continue
        path = file.relative_to(top).as_posix()
        found, functions = uses(file.read_text())
        wrong += complaints(path, found, functions)
        if found:
            files[path] = found
    if wrong:
        print(*(f"error: {line}" for line in wrong), sep="\n")
        return 1
    text, file = page(files), top / PAGE
    if "--write" in sys.argv:
        file.write_text(text)
    elif not file.is_file() or file.read_text() != text:
        print(f"error: {PAGE} is not that of the source: run: make unsafe")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
