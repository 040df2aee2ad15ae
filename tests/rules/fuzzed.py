#!/usr/bin/env python3
"""rules.fuzzed: each file of src/wire has its row in docs/reliability.md, in the
table of what the fuzz targets reach, with targets that exist.

A row is "| `wire/line.c` | lines | targets |", the targets names of
tests/fuzz/fuzz_NAME.c with commas between them. A file of other folders may
stand there too; one that is gone may not. Each target has a corpus."""
import os
import re
import sys

import source

PAGE = "docs/reliability.md"
FOLDER = "src/wire"
ROW = re.compile(r"^\| `([a-z0-9_/]+\.c)` \| (\d+) of (\d+) \| ([^|]+) \|$",
                 re.MULTILINE)


def main(root):
    problems = []
    with open(os.path.join(root, PAGE), encoding="utf-8") as file:
        rows = ROW.findall(file.read())
    named = set()
    for path, reached, lines, targets in rows:
        named.add(path)
        if not any(os.path.exists(os.path.join(root, base, path))
                   for base in ("src", "")):
            problems.append("%s: %s is gone" % (PAGE, path))
        if not 0 < int(reached) <= int(lines):
            problems.append("%s: %s: %s of %s lines" %
                            (PAGE, path, reached, lines))
        for target in targets.split(","):
            place = "tests/fuzz/fuzz_%s.c" % target.strip()
            if not os.path.exists(os.path.join(root, place)):
                problems.append("%s: %s: there is no %s" % (PAGE, path, place))
    files = source.paths(root, (FOLDER,), (".c",))
    for path in files:
        if path[len("src/"):] not in named:
            problems.append("%s: no fuzz target is named for it in %s" %
                            (path, PAGE))
    targets = [name[len("fuzz_"):-len(".c")]
               for name in os.listdir(os.path.join(root, "tests/fuzz"))
               if name.startswith("fuzz_") and name.endswith(".c")]
    for name in targets:
        corpus = os.path.join(root, "tests/fuzz/corpus", name)
        if not os.path.isdir(corpus) or not os.listdir(corpus):
            problems.append("tests/fuzz/fuzz_%s.c: it has no corpus" % name)
    source.finish("fuzzed", problems, len(files))


if __name__ == "__main__":
    main(sys.argv[1])
