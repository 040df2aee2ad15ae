#!/usr/bin/env python3
"""rules.sizes: long functions, files and lines; tabs, // and trailing blanks.

Fails on the last column of docs/architecture.md 11 alone, and prints the top
ten by length and (where pmccabe is installed) by decisions."""
import os
import re
import shutil
import subprocess
import sys

import source

FUNCTION_MAX = 60
FUNCTION_MAX_TESTS = 100  # a test may be one long story
FILE_MAX = 800
LINE_MAX = 80
DECISIONS_MAX = 25


def functions(file):
    """(lines, first line, name) of each function. clang-format puts the
    braces of functions, and of nothing else, alone in the first column."""
    lines = file.bare.split("\n")
    start = None
    for number, line in enumerate(lines):
        if line.rstrip() == "{":
            start = number
        elif line.startswith("}") and start is not None:
            head = start
            while head > 0 and re.search(r"[^\s;}]\s*$", lines[head - 1]) and (
                    not lines[head - 1].startswith("#")):
                head -= 1
            text = " ".join(lines[head:start])
            name = re.search(r"(\w+)\s*\(", text)
            yield (number - head + 1, head + 1,
                   name.group(1) if name else "?")
            start = None


def check_lines(file, problems):
    lines = file.text.split("\n")
    if lines and lines[-1] != "":
        problems.append("%s: no line end at the end" % file.path)
    if len(lines) - 1 > FILE_MAX:
        problems.append("%s: %d lines" % (file.path, len(lines) - 1))
    for number, line in enumerate(lines, 1):
        place = "%s:%d: " % (file.path, number)
        if len(line) > LINE_MAX:
            problems.append(place + "%d columns" % len(line))
        if "\t" in line:
            problems.append(place + "tab")
        if line != line.rstrip():
            problems.append(place + "trailing blank")
    for number in file.line_comments:
        problems.append("%s:%d: // comment" % (file.path, number))


def check_decisions(root, files, problems):
    program = shutil.which("pmccabe")
    if program is None:
        print("pmccabe is not installed: decisions were not counted")
        return
    names = [os.path.join(root, f.path) for f in files
             if f.path.endswith(".c") and not f.path.startswith("tests/")]
    if not names:
        return
    result = subprocess.run([program] + names, capture_output=True, text=True,
                            check=False)
    rows = []
    for line in result.stdout.splitlines():
        parts = line.split("\t")
        if len(parts) >= 6 and parts[0].isdigit():
            place = os.path.relpath(parts[5].split("(")[0], root)
            rows.append((int(parts[0]), place, parts[5].split(": ")[-1]))
    rows.sort(reverse=True)
    print("top ten by decisions:")
    for count, path, name in rows[:10]:
        print("  %4d  %s: %s" % (count, path, name))
    for count, path, name in rows:
        if count > DECISIONS_MAX:
            problems.append("%s: %s: %d decisions" % (path, name, count))


def main(root):
    problems = []
    rows = []
    folders = source.LIBRARY + ("include", "tools", "tests")
    files = source.sources(root, folders)
    for file in files:
        check_lines(file, problems)
        is_test = file.path.startswith("tests/")
        limit = FUNCTION_MAX_TESTS if is_test else FUNCTION_MAX
        for length, line, name in functions(file):
            rows.append((length, file.path, line, name))
            if length > limit:
                problems.append("%s:%d: %s: %d lines" %
                                (file.path, line, name, length))
    rows.sort(reverse=True)
    print("top ten by length, of %d functions:" % len(rows))
    for length, path, line, name in rows[:10]:
        print("  %4d  %s:%d: %s" % (length, path, line, name))
    check_decisions(root, files, problems)
    source.finish("sizes", problems, len(files))


if __name__ == "__main__":
    main(sys.argv[1])
