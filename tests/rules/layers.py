#!/usr/bin/env python3
"""rules.layers: each #include against the table in docs/architecture.md 3.

Also: the system's names (_WIN32 and its like) only below src/platform and in
the export macro of include/mailmod.h; each library from outside only in its
own folder; the system's headers only in platform and io; mm_store_put_* is
called from post alone."""
import os
import re
import sys

import source

# Folder: the folders of ours that it may include, besides itself.
TABLE = {
    "base": [],
    "crypto": ["base"],
    "platform": ["base"],
    "wire": ["base"],
    "io": ["base", "platform"],
    "config": ["base", "platform", "dnsbl"],
    "store": ["base", "platform"],
    "mailbox": ["base", "platform", "store"],
    "queue": ["base", "platform", "store"],
    "dnsbl": ["base"],
    "post": ["base", "crypto", "platform", "wire", "io", "config", "store",
             "mailbox", "queue"],
    "server": ["base", "crypto", "platform", "wire", "io", "config", "store",
               "mailbox", "queue", "dnsbl", "post"],
    "client": ["base", "crypto", "platform", "wire", "io", "config", "store",
               "queue", "post"],
    "api": ["base", "crypto", "platform", "wire", "io", "config", "store",
            "mailbox", "queue", "dnsbl", "post", "server", "client"],
    # A library of its own, over the public headers.
    "esmtp": [],
}
# Who includes the public headers.
PUBLIC_USERS = ("api", "esmtp")
# Of these folders others see the contract alone; api, which puts them
# together, sees all.
CONTRACTS = {"io": ["io/io.h"], "store": ["store/store.h"]}
# Folders in a folder, and the one header that all others may include of each.
WALLS = {"config/smallsrv/": "config/smallsrv/smallsrv.h"}
# Libraries from outside: pattern of the header, folders that may have it.
OUTSIDE = [
    (r"uv\.h|uv/", ["io"]),
    (r"openssl/", ["io", "crypto"]),
    (r"ares(_\w+)?\.h", ["io"]),
    (r"sqlite3\w*\.h", ["store"]),
    (r"libpq.*|pg_\w+\.h", ["store"]),
    (r"idn2\.h", ["platform"]),
]
STANDARD = ["assert.h", "errno.h", "float.h", "inttypes.h", "limits.h",
            "stdalign.h", "stdarg.h", "stdatomic.h", "stdbool.h", "stddef.h",
            "stdint.h", "stdio.h", "stdlib.h", "stdnoreturn.h", "string.h"]
# libESMTP's interface has a time_t.
STANDARD_MORE = {"esmtp": ["time.h"]}
SYSTEM_FOLDERS = ["platform", "io"]
SYSTEM_NAMES = re.compile(
    r"\b(_WIN32|_WIN64|WIN32|__MINGW32__|__MINGW64__|__CYGWIN__|__linux__|"
    r"__linux|__unix__|__APPLE__|__FreeBSD__|__OpenBSD__|__NetBSD__)\b")
# Messages enter the store by the post office alone; the queue settles.
STORE_PUT = re.compile(r"\bmm_store_put_(?!(?:secret|seen|fetch)\b)\w+")
STORE_PUT_FOLDERS = ["post", "queue", "store"]
# A build tool that prints the tables of the config module.
BUILD_TOOLS = ("tools/configdoc/",)
# What the programs share.
TOOLS_SHARED = ("arguments.h", "identity.h")


def folder_of(path):
    parts = path.split("/")
    return parts[1] if parts[0] == "src" else parts[0]


def check_ours(root, path, folder, name):
    if name.startswith("mailmod/") or name == "mailmod.h":
        if name in ("mailmod/error.h", "mailmod/terms.h") or (
                folder in PUBLIC_USERS):
            return None
        return "the public header belongs to api"
    if not any(os.path.isfile(os.path.join(root, place, name))
               for place in ("src", ".")):
        return "not written from the source root, or no such file"
    other = name.split("/")[0]
    for wall, contract in WALLS.items():
        if name.startswith(wall) and name != contract and (
                not path.startswith("src/" + wall)):
            return "of %s only %s may be included" % (wall, contract)
    if other == folder:
        return None
    if other not in TABLE[folder]:
        return "%s may not include %s" % (folder, other)
    if folder != "api" and name not in CONTRACTS.get(other, [name]):
        return "of %s only %s may be included" % (
            other, ", ".join(CONTRACTS[other]))
    return None


def check_outside(folder, name):
    for pattern, folders in OUTSIDE:
        if re.match(pattern, name):
            if folder in folders:
                return None
            return "belongs to " + " and ".join(folders)
    if name in STANDARD or folder in SYSTEM_FOLDERS or (
            name in STANDARD_MORE.get(folder, ())):
        return None
    return "a header of the system belongs to platform"


def check_tool(root, path, name):
    if path.startswith(BUILD_TOOLS) or name.startswith("mailmod/") or (
            name == "mailmod.h" or name in TOOLS_SHARED):
        return None
    here = os.path.dirname(path)
    program = "/".join(path.split("/")[:2])
    for place in (here, program):
        target = os.path.normpath(os.path.join(root, place, name))
        inside = os.path.normpath(os.path.join(root, program)) + os.sep
        if target.startswith(inside) and os.path.isfile(target):
            return None
    return "a tool includes mailmod.h, mailmod/*.h and its own headers only"


def check_puts(file, folder):
    if folder in STORE_PUT_FOLDERS:
        return []
    return ["%s:%d: %s outside post" % (
        file.path, file.line_of(put.start()), put.group(0))
            for put in STORE_PUT.finditer(file.bare)]


def main(root):
    problems = []
    files = source.sources(root, source.LIBRARY + ("include", "tools"))
    for file in files:
        folder = folder_of(file.path)
        is_tool = file.path.startswith("tools/")
        is_public = file.path.startswith("include/")
        if not is_tool and not is_public and folder not in TABLE:
            problems.append("%s: folder %s is not in the table" %
                            (file.path, folder))
            continue
        for line, kind, name in file.includes():
            if is_tool:
                reason = kind == "quote" and check_tool(root, file.path, name)
            elif is_public:
                is_own = kind == "quote" and (
                    name.startswith("mailmod/") or name == "mailmod.h")
                reason = None if is_own or name in ("stddef.h", "stdint.h") \
                    else "a public header includes stddef.h and stdint.h only"
            elif kind == "quote":
                reason = check_ours(root, file.path, folder, name)
            else:
                reason = check_outside(folder, name)
            if reason:
                problems.append("%s:%d: \"%s\": %s" %
                                (file.path, line, name, reason))
        if not is_tool and not is_public:
            problems += check_puts(file, folder)
        if file.path.startswith("src/platform/"):
            continue
        for match in SYSTEM_NAMES.finditer(file.bare):
            if file.path == "include/mailmod.h" and match.group(1) == "_WIN32":
                continue
            problems.append("%s:%d: %s outside src/platform" % (
                file.path, file.line_of(match.start()), match.group(1)))
    source.finish("layers", problems, len(files))


if __name__ == "__main__":
    main(sys.argv[1])
