#!/usr/bin/env python3
"""rules.rfc: docs/rfc.md, docs/security.md and the promises of
docs/reliability.md held to the tree: what they name exists.

A row's test is "suite.name: case, case; suite.name: case". A case is a dialogue
of tests/transcripts, a function of the unit test or of the suite that it shares
with others of its folder, or one of the script; words in parentheses are
remarks. A file is a path below src/ or at the top, or a name beside the file
named before it; a function in parentheses behind it must stand in it. Each
attack of docs/security.md has its number and a test, one of which says that
number in its name or at its head, or a dash and the reason.
The table of promises is the one whose head begins with "promise".
"""
import os
import re
import sys

ROOT = sys.argv[1]
RFC = "docs/rfc.md"
SECURITY = "docs/security.md"
RELIABILITY = "docs/reliability.md"
ATTACKS = 110
SUITES = "transcripts|unit|integration|host|field|fault|fuzz|windows"

SCRIPTS = ("integration", "host", "field", "windows")


def find_unit(module, name):
    """The test, and what the module's tests share."""
    test = None
    shared = []
    for folder, _, files in os.walk(os.path.join(ROOT, "tests/unit", module)):
        if f"test_{name}.c" in files:
            test = os.path.join(folder, f"test_{name}.c")
        shared += [os.path.join(folder, f) for f in files
                   if f.endswith(".c") and not f.startswith("test_")]
    return None if test is None else [test] + shared


def read(path):
    with open(path, encoding="utf-8") as f:
        return f.read()


def check_cases(path, cases, pattern):
    """The cases that do not stand in the file."""
    text = read(path)
    return [c for c in cases if not re.search(pattern % re.escape(c), text,
                                              re.M)]


def check_test(suite, cases):
    parts = suite.split(".")
    if parts[0] == "transcripts" and len(parts) == 2:
        folder = os.path.join(ROOT, "tests/transcripts", parts[1])
        return [c for c in cases
                if not os.path.exists(os.path.join(folder, c + ".txt"))]
    if parts[0] == "unit" and len(parts) == 3:
        paths = find_unit(parts[1], parts[2])
        if paths is None:
            return [suite]
        for path in paths:
            cases = check_cases(path, cases, r"^(?:static )?void %s\(")
        return cases
    if parts[0] == "fault" and len(parts) == 2:
        path = os.path.join(ROOT, f"tests/fault/test_{parts[1]}.c")
        return [suite] if not os.path.exists(path) else check_cases(
            path, cases, r"^(?:static )?void %s\(")
    if parts[0] in SCRIPTS and len(parts) == 2:
        path = os.path.join(ROOT, f"tests/{parts[0]}/test_{parts[1]}.py")
        return [suite] if not os.path.exists(path) else check_cases(
            path, cases, r"^def %s\(")
    if parts[0] == "fuzz" and len(parts) == 2:
        path = os.path.join(ROOT, f"tests/fuzz/fuzz_{parts[1]}.c")
        return [] if os.path.exists(path) else [suite]
    return [suite]


def check_tests(cell):
    cell = re.sub(r"\([^)]*\)", "", cell)
    wrong = []
    count = 0
    for item in cell.replace(". ", "; ").split(";"):
        found = re.match(
            r"\s*((?:%s)\.[a-z0-9_.]+)(?::\s*(.*))?$" % SUITES,
            item.strip())
        if found:
            count += 1
            cases = [c.strip() for c in (found.group(2) or "").split(",")]
            wrong += check_test(found.group(1).rstrip("."),
                                [c for c in cases if c])
        elif re.search(r"(%s)\." % SUITES, item):
            wrong.append(item.strip())
    return wrong + ([] if count else ["no test"])


def says_attack(text, number):
    """"attack 12", "attacks 24 and 88", "attack_90_91", "attacks 1 to 3"."""
    for match in re.finditer(r"(?i)attacks?[ _](\d+(?:(?:, | and | to |_)\d+)*)",
                             text):
        numbers = [int(n) for n in re.findall(r"\d+", match[1])]
        if number in numbers or (" to " in match[1] and
                                 numbers[0] <= number <= numbers[-1]):
            return True
    return False


def words_of(suite, case):
    """What a test says of itself: its file's opening, its name, the comment or
    docstring at its head."""
    parts = suite.split(".")
    paths = ([os.path.join(ROOT, "tests/transcripts", parts[1], case + ".txt")]
             if parts[0] == "transcripts" else
             find_unit(parts[1], parts[2]) if parts[0] == "unit" else
             [os.path.join(ROOT, "tests", parts[0],
                           f"fuzz_{parts[1]}.c" if parts[0] == "fuzz" else
                           f"test_{parts[1]}." + (
                               "py" if parts[0] in SCRIPTS else "c"))])
    for path in paths or []:
        text = read(path)
        if parts[0] in ("transcripts", "fuzz"):
            yield text
            continue
        yield text[:text.find("*/" if path.endswith(".c") else '"""', 3)]
        match = re.search(r"(?m)^(?:(?:static )?void|def) (%s)\(" %
                          re.escape(case), text) if case else None
        if match:
            before = text[:match.start()]
            yield before[before.rfind("\n\n"):] + " " + case
            yield text[match.start():match.start() + 600].split("\n\n\n")[0]


def check_number(cell, number):
    """At least one test of an attack says its number."""
    for suite, cases in re.findall(r"((?:%s)\.[a-z0-9_.]+)(?:: ([^;]*))?" %
                                   SUITES, re.sub(r"\([^)]*\)", "", cell)):
        for case in [c.strip() for c in cases.split(",")]:
            if any(says_attack(words, number) for words in
                   words_of(suite.rstrip("."), case)):
                return []
    return [f"no test says that it is of attack {number}"]


def check_files(cell):
    wrong = []
    folder = ""
    path = None
    for name in re.findall(r"`([^`]+)`", cell):
        if not name.endswith(".c"):
            if path is not None and name not in read(path):
                wrong.append(f"{name} in {path}")
            continue
        tries = [os.path.join(ROOT, "src", name), os.path.join(ROOT, name),
                 os.path.join(ROOT, "src", folder, name)]
        found = [t for t in tries if os.path.exists(t)]
        if not found:
            wrong.append(name)
            continue
        path = found[0]
        folder = os.path.relpath(os.path.dirname(path),
                                 os.path.join(ROOT, "src"))
    return wrong


def cells_of(line):
    cells = [c.strip() for c in line.strip("|").split(" | ")]
    return cells[:-1] + [cells[-1].rstrip(" |")]


def rows_of(page):
    """(line number, cells) of each row of the page's tables."""
    for number, line in enumerate(read(os.path.join(ROOT, page)).splitlines(),
                                  1):
        cells = cells_of(line)
        if line.startswith("| ") and cells[0] not in ("rule", "row", "attack"):
            yield number, cells


def check_reliability():
    is_inside = False
    count = 0
    text = read(os.path.join(ROOT, RELIABILITY))
    for number, line in enumerate(text.splitlines(), 1):
        is_head = line.startswith("| promise |")
        is_inside = is_head or (is_inside and line.startswith("|"))
        if is_inside and not is_head and not line.startswith("|-"):
            count += 1
            yield f"{RELIABILITY}:{number}", check_tests(cells_of(line)[-1])
    yield RELIABILITY, [] if count else ["no table of promises"]


def check_rfc():
    for number, cells in rows_of(RFC):
        wrong = check_tests(cells[-1])
        if len(cells) == 3:
            wrong += check_files(cells[1])
        yield f"{RFC}:{number}", wrong


def check_security():
    numbers = []
    for number, cells in rows_of(SECURITY):
        numbers.append(cells[0])
        is_reason = re.match("\u2013 .", cells[-1]) is not None
        wrong = [] if is_reason else check_tests(cells[-1])
        if not is_reason and not wrong and cells[0].isdigit():
            wrong = check_number(cells[-1], int(cells[0]))
        yield f"{SECURITY}:{number}", wrong
    yield SECURITY, [] if numbers == [
        str(n + 1) for n in range(ATTACKS)] else ["the numbers are not 1 to "
                                                  f"{ATTACKS}"]


def main():
    faults = 0
    rows = 0
    for place, wrong in [*check_rfc(), *check_security(),
                         *check_reliability()]:
        rows += 1
        for what in wrong:
            print(f"{place}: {what}")
            faults += 1
    print(f"{rows} rows, {faults} faults")
    return 1 if faults or rows <= ATTACKS else 0


sys.exit(main())
