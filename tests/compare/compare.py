#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Compares the rules of nft_offload with those of the C core, and the differences with the list of those expected.

    compare.py [--print] LIST DIRECTORY

DIRECTORY holds PROFILE/c and PROFILE/ours for each driver profile, as the module nfto_compare prints them; make test
TEST=compare leaves it in build/test/kselftest/compare. Prints one line a case: "ok TEXT" or "not ok TEXT", then "# " and
what is wrong. With --print only the differences that are not in the list, in its format; what the id of each is, a
person has to say.

The list (its format is explained in its head) is strict: a difference that is not in it fails, and so does one in it
that does not occur.
"""

import difflib
import fnmatch
import os
import re
import sys
from collections import Counter

DIRECTIONS = ("original", "reply")
NO_RULE = "no rule"
SOLICITED = "next hop solicited"
SCOPE = re.compile(r"\[(.+?)\] (.+): (original|reply|both)$")
LINE = re.compile(r"([-+]) (.*?)\s{2,}([ABC]\d+)(?:\s+(.*))?$")
ACTION = re.compile(r"\d+\. ")


class Listed:
    """A line of the list, with the rules that it is about."""

    def __init__(self, number, scope, difference, ident):
        self.number = number
        self.profiles, self.cases, self.directions = scope
        self.difference = difference
        self.ident = ident
        self.occurs = False

    def is_about(self, profile, case, direction):
        excluded = [p[1:] for p in self.cases if p.startswith("!")]
        included = [p for p in self.cases if not p.startswith("!")]
        return (
            direction in self.directions
            and any(fnmatch.fnmatchcase(profile, p) for p in self.profiles)
            and any(fnmatch.fnmatchcase(case, p) for p in included)
            and not any(fnmatch.fnmatchcase(case, p) for p in excluded)
        )


def read_list(path):
    """The lines of the list."""
    lines, scope = [], None
    with open(path, encoding="utf-8") as file:
        for number, text in enumerate(file, 1):
            text = text.rstrip()
            if not text or text.startswith("#"):
                continue
            if match := SCOPE.match(text):
                profiles, cases, direction = match.groups()
                scope = (
                    profiles.split(),
                    [case.strip() for case in cases.split(",")],
                    DIRECTIONS if direction == "both" else (direction,),
                )
            elif scope and (match := LINE.match(text)):
                sign, line, ident, _ = match.groups()
                lines.append(Listed(number, scope, f"{sign} {line}", ident))
            else:
                sys.exit(f"{path}:{number}: neither a scope nor a difference with an id: {text}")
    return lines


def read_rules(path):
    """{(case, direction): lines}, in the order of the file."""
    rules, lines = {}, None
    with open(path, encoding="utf-8") as file:
        for text in file.read().splitlines():
            if text.startswith("["):
                case, direction = text.strip("[]").rsplit(": ", 1)
                lines = rules.setdefault((case, direction), [])
            else:
                lines.append(text)
    return rules


def is_rule(lines):
    return NO_RULE not in lines


def is_presence(difference):
    """Whether it says that there is a rule or not, rather than what is in it."""
    return difference[2:] in (NO_RULE, SOLICITED)


def split(lines):
    """What has no order, and the actions without their numbers."""
    actions = [line for line in lines if ACTION.match(line)]
    return [line for line in lines if line not in actions], [ACTION.sub("", line) for line in actions]


def differences(c, ours):
    """What only the C core ("- ") and what only we ("+ ") give the driver. An action has its place in its list."""
    (c_rest, c_actions), (our_rest, our_actions) = split(c), split(ours)
    found = [f"- {line}" for line in (Counter(c_rest) - Counter(our_rest)).elements()]
    found += [f"+ {line}" for line in (Counter(our_rest) - Counter(c_rest)).elements()]
    matcher = difflib.SequenceMatcher(None, c_actions, our_actions, autojunk=False)
    for tag, c_from, c_to, our_from, our_to in matcher.get_opcodes():
        if tag != "equal":
            found += [f"- {i + 1}. {c_actions[i]}" for i in range(c_from, c_to)]
            found += [f"+ {i + 1}. {our_actions[i]}" for i in range(our_from, our_to)]
    # Of a rule that we do not give the driver, that is all there is to say.
    return found if is_rule(ours) else [line for line in found if is_presence(line)]


class Rule:
    """One rule in both forms, and what the list says of it."""

    def __init__(self, profile, case, direction, c, ours, listed):
        self.name = f"[{profile}] {case}: {direction}"
        self.profile, self.case, self.direction = profile, case, direction
        actual = Counter(differences(c, ours))
        # What is in a rule can only differ if there are two.
        relevant = [
            line
            for line in listed
            if line.is_about(profile, case, direction)
            and (is_presence(line.difference) or is_rule(ours) and (is_rule(c) or line.difference[0] == "+"))
        ]
        expected = Counter(line.difference for line in relevant)
        self.unlisted = list((actual - expected).elements())
        self.absent = list((expected - actual).elements())
        self.idents = set()
        for line in relevant:
            if line.difference in actual:
                line.occurs = True
                self.idents.add(line.ident)


def by_letter_and_number(ident):
    return ident[0], int(ident[1:])


def report(rules, listed, profiles):
    """One line a case."""
    for case in dict.fromkeys(rule.case for rule in rules):
        mine = [rule for rule in rules if rule.case == case]
        idents = sorted(set().union(*(rule.idents for rule in mine)), key=by_letter_and_number)
        wrong = [rule for rule in mine if rule.unlisted or rule.absent]
        if wrong:
            print(f"not ok {case}: differs from the C core, but not as listed")
        elif idents:
            print(f"ok {case}: differs from the C core as listed ({', '.join(idents)})")
        else:
            print(f"ok {case}: as the C core")
        for rule in wrong:
            print(f"# {rule.name}")
            for line in rule.unlisted:
                print(f"#   not in the list:  {line}")
            for line in rule.absent:
                print(f"#   does not occur:   {line}")
    idle = [
        line
        for line in listed
        if not line.occurs and any(fnmatch.fnmatchcase(name, p) for p in line.profiles for name in profiles)
    ]
    print("not ok" if idle else "ok", "every difference in the list occurs")
    for line in idle:
        print(f"#   line {line.number}: {line.difference}")


def print_unlisted(rules):
    """The differences that the list lacks, those that are alike together."""
    groups = {}
    for rule in rules:
        if rule.unlisted:
            cases = groups.setdefault((tuple(rule.unlisted), rule.direction), {})
            cases.setdefault(rule.case, []).append(rule.profile)
    blocks = {}
    for (lines, direction), cases in groups.items():
        for case, profiles in cases.items():
            blocks.setdefault((lines, tuple(profiles)), {}).setdefault(case, []).append(direction)
    for (lines, profiles), cases in blocks.items():
        scopes = {}
        for case, directions in cases.items():
            scopes.setdefault("both" if len(directions) == 2 else directions[0], []).append(case)
        for direction, names in scopes.items():
            print(f"[{' '.join(profiles)}] {', '.join(names)}: {direction}")
            for line in lines:
                print(f"{line:<60}  A?")
            print()


def main():
    args = sys.argv[1:]
    only_print = "--print" in args
    args = [arg for arg in args if arg != "--print"]
    if len(args) != 2:
        sys.exit(__doc__)
    listed = read_list(args[0])
    profiles = sorted(os.listdir(args[1]))
    rules, first = [], None
    for profile in profiles:
        c = read_rules(os.path.join(args[1], profile, "c"))
        ours = read_rules(os.path.join(args[1], profile, "ours"))
        if not c or list(c) != list(ours) or c != (first := first or c):
            sys.exit(f"{profile}: not the same cases or C rules as elsewhere")
        rules += [Rule(profile, *key, c[key], ours[key], listed) for key in c]
    if not rules:
        sys.exit(f"nothing to compare in {args[1]}")
    if only_print:
        print_unlisted(rules)
    else:
        report(rules, listed, profiles)


main()
