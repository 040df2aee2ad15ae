#!/usr/bin/env python3
"""rules.exports: what the shared library exports is what exports.txt says.

    python3 tests/rules/exports.py NM LIBRARY LIST            compares
    python3 tests/rules/exports.py NM LIBRARY LIST --write    writes LIST anew

For a .dll NM is objdump, and the names are those of its export table.

A name that is gone breaks hosts that are linked already; one that is new is
a promise for ever. So the list changes in the commit that means it."""
import re
import subprocess
import sys

import source

# What sanitizers put into a library that they are built into.
INSTRUMENTS = ("__asan", "__odr_asan", "__ubsan", "__tsan", "__sanitizer",
               "__sancov", "__start___sancov", "__stop___sancov", "__llvm",
               "__gcov", "__lsan")
# Marks of the sections' ends that the linker itself defines.
LINKER = ("__bss_start", "_edata", "_end")


def exported_by_dll(objdump, library):
    text = subprocess.run([objdump, "-p", library], capture_output=True,
                          text=True, check=True).stdout
    table = text.split("[Ordinal/Name Pointer] Table", 1)[1].split("\n\n")[0]
    return set(re.findall(r"^\s*\[ *\d+\] (\S+)$", table, re.MULTILINE))


def exported(nm, library):
    if library.endswith(".dll"):
        return exported_by_dll(nm, library)
    result = subprocess.run([nm, "-D", "--defined-only", library],
                            capture_output=True, text=True, check=True)
    names = set()
    for line in result.stdout.splitlines():
        name = line.split()[-1].split("@")[0]
        if not name.startswith(INSTRUMENTS) and name not in LINKER:
            names.add(name)
    return names


def main(nm, library, path, is_writing):
    names = exported(nm, library)
    if is_writing:
        with open(path, "w", encoding="ascii") as file:
            file.writelines(name + "\n" for name in sorted(names))
        return
    with open(path, encoding="ascii") as file:
        listed = set(file.read().split())
    problems = ["%s: exported, and not in the list" % name
                for name in sorted(names - listed)]
    problems += ["%s: in the list, and not exported" % name
                 for name in sorted(listed - names)]
    if problems:
        problems.append("meant so? then write the list anew: python3 "
                        "tests/rules/exports.py %s %s %s --write" %
                        (nm, library, path))
    source.finish("exports", problems, len(names), "names")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], sys.argv[3], "--write" in sys.argv[4:])
