#!/usr/bin/env python3
"""rules.opening: each .c says at its top what it is, in three lines or more;
each internal header names its thread on its first line."""
import re
import sys

import source

LINES_MIN = 3
# architecture.md 7 knows these, and the one writer of the store.
THREAD = re.compile(r"/\* thread: .*\b(loop|worker|writer|any)\b")


def main(root):
    problems = []
    files = source.sources(root, source.LIBRARY + ("tools",))
    for file in files:
        first = file.text.split("\n", 1)[0]
        if file.path.endswith(".h"):
            if not file.path.startswith("tools/") and not THREAD.match(first):
                problems.append("%s: the first line names no thread" %
                                file.path)
            continue
        comment = re.match(r"/\*.*?\*/", file.text, re.DOTALL)
        if comment is None:
            problems.append("%s: begins with no comment" % file.path)
        elif comment.group(0).count("\n") + 1 < LINES_MIN:
            problems.append("%s: the opening has %d lines" %
                            (file.path, comment.group(0).count("\n") + 1))
    source.finish("opening", problems, len(files))


if __name__ == "__main__":
    main(sys.argv[1])
