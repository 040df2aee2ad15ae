#!/usr/bin/env python3
"""rules.abi: what include/ promises to programs that are compiled already is
what abi.txt says: prototypes, callback types, values, and the place of each
member of a structure on a 64-bit system.

    python3 tests/rules/abi.py ROOT CC            compares
    python3 tests/rules/abi.py ROOT CC --write    writes abi.txt anew

docs/abi.md says which changes a version may bring; the list changes in the
commit that means one."""
import os
import re
import struct
import subprocess
import sys
import tempfile

import source

LIST = os.path.join(os.path.dirname(os.path.abspath(__file__)), "abi.txt")
HEADERS = ("include/mailmod.h", "include/mailmod/srv.h",
           "include/mailmod/error.h", "include/mailmod/terms.h",
           "include/mailmod/changes.h",
           "include/mailmod/fetch.h", "include/mailmod/mailbox.h",
           "include/mailmod/received.h", "include/mailmod/names.h",
           "include/mailmod/kept.h", "include/mailmod/loop.h",
           "include/mailmod/peers.h",
           "include/mailmod/client.h", "include/mailmod/wire.h",
           "include/mailmod/provider.h", "include/mailmod/session.h")


def one_line(text):
    text = re.sub(r"\s+", " ", text).strip()
    text = re.sub(r"([(*]) ", r"\1", text)
    return re.sub(r" MAILMOD_DEFAULT\(\w+\)", "", text)


def promised(root):
    """Declarations, names of constants, and (structure, member) pairs."""
    declarations, constants, members = [], [], []
    for path in HEADERS:
        code = source.Source(root, path).code.replace("\\\n", "  ")
        declarations += [one_line(found) for found in re.findall(
            r"(?m)^MAILMOD_API\s+(\w[^;#]*\([^;]*\));", code)]
        declarations += [one_line(found) for found in re.findall(
            r"typedef\s+([^;{]*\(\*\w+\)[^;]*);", code)]
        for body in re.findall(r"\benum\s+\w+\s*\{([^}]*)\}", code):
            constants += re.findall(r"(?:^|,)\s*(MAILMOD_\w+)\b(?!\()",
                                    body)
        constants += ["MAILMOD_ERROR_" + name for name in
                      re.findall(r"\bX\((\w+), -", code)]
        # The version's own number is another one in each version.
        constants += re.findall(r"(?m)^#define (?!MAILMOD_VERSION_NUMBER)"
                                r"(\w+)[ \t]+-?\d+u?\s*$", code)
        for name, body in re.findall(r"\bstruct\s+(\w+)\s*\{([^}]*)\}", code):
            members.append((name, None))
            for line in body.split(";"):
                members += [(name, member) for member in re.findall(
                    r"(\w+)(?:\[\w+\])*\s*(?:,|$)", line.strip())]
    return declarations, constants, members


def figures(root, compiler, constants, members):
    """The compiler's word for values, sizes and places."""
    lines = ['#include "mailmod/srv.h"', '#include "mailmod/received.h"',
             '#include "mailmod/client.h"', '#include "mailmod/wire.h"',
             "#include <stdio.h>", "int main(void)",
             "{"]
    for name in constants:
        lines.append('    printf("%s = %%lld\\n", (long long)%s);' %
                     (name, name))
    for name, member in members:
        if member is None:
            lines.append('    printf("struct %s: %%zu octets\\n", '
                         "sizeof(struct %s));" % (name, name))
        else:
            lines.append('    printf("struct %s: %s at %%zu, %%zu octets\\n", '
                         "offsetof(struct %s, %s), "
                         "sizeof(((struct %s *)0)->%s));" %
                         (name, member, name, member, name, member))
    lines += ["    return 0;", "}", ""]
    with tempfile.TemporaryDirectory() as folder:
        program = os.path.join(folder, "figures")
        subprocess.run([compiler, "-std=c11", "-x", "c", "-", "-o", program,
                        "-I" + os.path.join(root, "include")],
                       input="\n".join(lines), text=True, check=True)
        return subprocess.run([program], capture_output=True, text=True,
                              check=True).stdout.splitlines()


def main(root, compiler, is_writing):
    if struct.calcsize("P") != 8:
        print("SKIPPED: the list is that of a 64-bit system")
        sys.exit(77)
    declarations, constants, members = promised(root)
    now = sorted(declarations) + figures(root, compiler, constants, members)
    if is_writing:
        with open(LIST, "w", encoding="ascii") as file:
            file.writelines(line + "\n" for line in now)
        return
    with open(LIST, encoding="ascii") as file:
        listed = file.read().splitlines()
    problems = ["not in the list: " + line for line in now
                if line not in listed]
    problems += ["only in the list: " + line for line in listed
                 if line not in now]
    if problems:
        problems.append("meant so (docs/abi.md)? then write the list anew: "
                        "python3 tests/rules/abi.py . cc --write")
    source.finish("abi", problems, len(now), "promises")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], "--write" in sys.argv[3:])
