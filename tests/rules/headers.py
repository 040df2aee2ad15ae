#!/usr/bin/env python3
"""rules.headers: each header compiles alone, twice included, without a
warning: the internal ones as C11, the public ones also as C89, C99, C++17.

headers.py ROOT CC CXX [FOLDER OF HEADERS...]; an empty CXX leaves C++ out."""
import concurrent.futures
import os
import subprocess
import sys

import source

PUBLIC = [("cc", ["-std=c89", "-pedantic"]), ("cc", ["-std=c99", "-pedantic"]),
          ("cc", ["-std=c11", "-pedantic"]),
          ("cxx", ["-std=c++17", "-pedantic"])]
INTERNAL = [("cc", ["-std=c11", "-pedantic", "-D_POSIX_C_SOURCE=200809L",
                    "-D_DEFAULT_SOURCE"])]


# Installed too: libmailmod-esmtp's.
PUBLIC_PLACES = ("include/", "src/esmtp/include/")


def compile_alone(root, compiler, language, flags, path):
    full = os.path.join(os.path.abspath(root), path)
    text = '#include "%s"\n#include "%s"\nint mm_alone;\n' % (full, full)
    command = compiler.split() + ["-x", language, "-fsyntax-only", "-Wall",
                                  "-Wextra", "-Werror"] + flags + ["-"]
    result = subprocess.run(command, input=text, capture_output=True,
                            text=True, check=False)
    if result.returncode == 0:
        return None
    return "%s (%s %s):\n%s" % (path, language, flags[0], result.stderr)


def main(root, cc, cxx, folders):
    jobs = []
    include = ["-I" + os.path.join(root, place)
               for place in ("src", ".", "include")]
    include += ["-isystem" + folder for folder in folders]
    other = "windows" if os.name == "posix" else "posix"
    headers = source.paths(root, source.LIBRARY + ("include",), (".h",))
    headers = [h for h in headers if "/platform/%s/" % other not in h]
    for path in headers:
        is_public = path.startswith(PUBLIC_PLACES)
        for which, flags in PUBLIC if is_public else INTERNAL:
            if which == "cc":
                jobs.append((root, cc, "c", flags + include, path))
            elif cxx:
                jobs.append((root, cxx, "c++", flags + include, path))
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        results = pool.map(lambda job: compile_alone(*job), jobs)
        problems = [result for result in results if result]
    source.finish("headers", problems, len(headers), "headers")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], sys.argv[3], sys.argv[4:])
