#!/usr/bin/env python3
"""rules.rfc: docs/rfc.md, docs/security.md and the promises of
docs/reliability.md held to the tree: what they name exists.

A row's test is "suite.name: case, case; suite.name: case". A case is a dialogue
of tests/transcripts, a function of the unit test or of the suite that it shares
with others of its folder, or one of the script; words in parentheses are
remarks. A file is a path below src/ or at the top, or a name beside the file
named before it; a function in parentheses behind it must stand in it. Each
attack of docs/security.md has its number and a test, or a dash and the reason.
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
SUITES = "transcripts|unit|integration|host|field|fault|fuzz"


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
    if parts[0] in ("integration", "host", "field") and len(parts) == 2:
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
        yield f"{SECURITY}:{number}", [] if is_reason else check_tests(
            cells[-1])
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
