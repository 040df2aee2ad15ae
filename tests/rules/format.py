#!/usr/bin/env python3
"""rules.format: clang-format would change nothing. Skipped (77) where there
is no clang-format 14: other versions want other blanks."""
import os
import re
import shutil
import subprocess
import sys

import source

VERSION = "14"


def find_program():
    for name in ("clang-format-" + VERSION, "clang-format"):
        program = shutil.which(name)
        if program is None:
            continue
        answer = subprocess.run([program, "--version"], capture_output=True,
                                text=True, check=False).stdout
        match = re.search(r"version (\d+)", answer)
        if match and match.group(1) == VERSION:
            return program
    return None


def main(root):
    program = find_program()
    if program is None:
        print("SKIPPED: clang-format %s is not installed; the form of the "
              "sources was NOT checked" % VERSION)
        sys.exit(77)
    folders = source.LIBRARY + ("include", "tools", "tests")
    files = source.paths(root, folders)
    problems = []
    for start in range(0, len(files), 50):
        names = [os.path.join(root, path) for path in files[start:start + 50]]
        result = subprocess.run(
            [program, "--dry-run", "-Werror", "--style=file"] + names,
            capture_output=True, text=True, check=False)
        lines = [line for line in result.stderr.splitlines()
                 if "error:" in line]
        if result.returncode != 0:
            problems += lines or [result.stderr]
    source.finish("format", problems, len(files))


if __name__ == "__main__":
    main(sys.argv[1])
