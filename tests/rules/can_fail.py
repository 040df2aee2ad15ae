#!/usr/bin/env python3
"""rules.can_fail: each rule passes a small clean tree and finds each of the
violations that are planted in it, one at a time, by its file and reason."""
import os
import shutil
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
OPENING = "/* f.c - a file\n * of a planted\n * tree. */\n"
FUNCTION = "int mm_f(void);\nint mm_f(void)\n{\n%s    return 0;\n}\n"
HEADER = ("/* thread: any */\n#ifndef MM_H\n#define MM_H\n"
          "#include <stddef.h>\nsize_t mm_h(void);\n#endif\n")
PUBLIC = "#ifndef M_H\n#define M_H\nint mailmod_m(void);\n#endif\n"

CLEAN = {
    "src/base/f.c": OPENING + '#include "base/h.h"\n\n' + FUNCTION % "",
    "src/base/h.h": HEADER,
    "src/wire/w.c": OPENING + FUNCTION % "",
    "src/io/io.h": HEADER,
    "src/io/loop.h": HEADER,
    "src/platform/p.h": HEADER,
    "src/config/smallsrv/name.h": HEADER,
    "src/server/s.c": OPENING + '#include "io/io.h"\n',
    "queue/q.c": OPENING + '#include "base/h.h"\n',
    "include/mailmod.h": PUBLIC,
    "tools/t/t.c": OPENING + '#include "mailmod.h"\n#include "own.h"\n',
    "tools/t/own.h": "int own(void);\n",
}


def include(name):
    return OPENING + "#include %s\n" % name


def body(line, count=1):
    return OPENING + FUNCTION % (("    " + line + "\n") * count)


# Rule, file, its planted text, what the rule must say.
PLANTED = [
    ("layers", "src/base/f.c", include('"platform/p.h"'), "may not include"),
    ("layers", "src/wire/w.c", include('"io/io.h"'), "may not include"),
    ("layers", "src/server/s.c", include('"io/loop.h"'), "only io/io.h"),
    ("layers", "src/server/s.c", include('"mailmod.h"'), "belongs to api"),
    ("layers", "src/base/f.c", include('"h.h"'), "source root"),
    ("layers", "src/server/s.c", include("<uv.h>"), "belongs to io"),
    ("layers", "src/io/x.c", include("<sqlite3.h>"), "belongs to store"),
    ("layers", "src/store/x.c", include("<openssl/evp.h>"), "io and crypto"),
    ("layers", "src/server/s.c", include("<ares.h>"), "belongs to io"),
    ("layers", "src/config/x.c", include('"config/smallsrv/name.h"'),
     "only config/smallsrv/smallsrv.h"),
    ("layers", "queue/q.c", include('"server/s.h"'), "no such file"),
    ("layers", "src/base/f.c", include("<time.h>"), "belongs to platform"),
    ("layers", "src/wire/w.c", include("<unistd.h>"), "belongs to platform"),
    ("layers", "src/esmtp/x.c", include('"base/h.h"'), "may not include"),
    ("layers", "src/esmtp/x.c", include("<unistd.h>"), "belongs to platform"),
    ("layers", "src/other/x.c", OPENING, "not in the table"),
    ("layers", "tools/t/t.c", include('"base/h.h"'), "a tool includes"),
    ("layers", "include/mailmod.h", include("<stdio.h>"), "public header"),
    ("layers", "src/io/x.c", OPENING + "#ifdef _WIN32\n#endif\n",
     "_WIN32 outside"),
    ("layers", "src/server/s.c", body("(void)mm_store_put_entry(t);"),
     "outside post"),
    ("headers", "src/base/h.h", HEADER.replace("#include <stddef.h>\n", ""),
     "src/base/h.h"),
    ("headers", "src/base/h.h", "/* thread: any */\nstruct s {\n    int i;\n};\n",
     "redefinition"),
    ("headers", "include/mailmod.h", PUBLIC.replace("int m", "// x\nint m"),
     "c89"),
    ("headers", "include/mailmod.h", PUBLIC.replace("(void)", "(int class)"),
     "c++17"),
    ("banned", "src/base/f.c", body("strcpy(a, b);"), "strcpy"),
    ("banned", "src/base/f.c", body("free (a);"), "base/mem.h"),
    ("banned", "src/wire/w.c", body("x = time(NULL);"), "time"),
    ("banned", "queue/q.c", body("exit(1);"), "host's"),
    ("banned", "tools/t/t.c", body("sprintf(a, b);"), "sprintf"),
    ("banned", "queue/q.c", body("sscanf(a, b);"), "bound"),
    ("sizes", "src/base/f.c", body("f();", 57), "61 lines"),
    ("sizes", "tests/t/t.c", body("f();", 97), "101 lines"),
    ("sizes", "src/base/f.c", OPENING + "int a;\n" * 798, "801 lines"),
    ("sizes", "src/base/f.c", OPENING + "int %s;\n" % ("a" * 76),
     "81 columns"),
    ("sizes", "src/base/f.c", OPENING + "int\ta;\n", "tab"),
    ("sizes", "src/base/f.c", OPENING + "int a; \n", "trailing"),
    ("sizes", "src/base/f.c", OPENING + "int a; // x\n", "// comment"),
    ("sizes", "src/base/f.c", OPENING + "int a;", "no line end"),
    ("dialect", "src/base/f.c", body("int a;\n\n    f();\n    a = 1;"),
     "a is declared"),
    ("dialect", "queue/q.c", body("struct s *a;\n    a = mm_alloc(sizeof *a);"),
     "a is declared"),
    ("dialect", "tools/t/t.c",
     body("if (b) {\n        size_t a;\n        f();\n        a =\n"
          "            f();\n    }"), "a is declared"),
    ("format", "src/base/f.c", OPENING + "int  a;\n", "src/base/f.c"),
    ("opening", "src/base/f.c", "/* f.c */\nint a;\n", "has 1 lines"),
    ("opening", "queue/q.c", "int a;\n", "no comment"),
    ("opening", "src/base/h.h", "/* h.h */\n", "names no thread"),
]
if shutil.which("pmccabe"):
    PLANTED.append(("sizes", "src/base/f.c",
                    body("if (a) {\n        f();\n    }", 26), "decisions"))
# What looks like a violation and is none.
INNOCENT = [
    ("layers", "src/io/x.c", include("<uv.h>")),
    ("layers", "src/base/f.c",
     OPENING + '/* #include "io/io.h" and _WIN32 */\n'),
    ("layers", "src/esmtp/x.c", include('"mailmod.h"')),
    ("banned", "src/base/mem.c", body("free(a);")),
    ("banned", "src/base/f.c",
     body('/* free(a) */ x = "exit(1)"; s->free(a); mm_free(a);')),
    ("sizes", "src/base/f.c", body("f();", 56)),
    ("sizes", "tests/t/t.c", body("f();", 96)),
    ("dialect", "src/base/f.c", body("int a;\n    f(&a);\n    a = 1;")),
    ("dialect", "src/base/f.c", body("int a;\n    if (b) {\n        a = 1;\n"
                                     "    }")),
    ("dialect", "src/base/f.c", body("int a;\n    goto end;\n    a = 1;")),
    ("dialect", "src/base/f.c", body("int a;\n    a = f(&a);")),
    ("dialect", "src/base/f.c", body("return a;\n    a = 1;")),
    ("sizes", "src/base/f.c", OPENING + 'const char *a = "https://x";\n'),
]


def write_tree(root, changes):
    shutil.copyfile(os.path.join(HERE, "..", "..", ".clang-format"),
                    os.path.join(root, ".clang-format"))
    for path, text in {**CLEAN, **changes}.items():
        full = os.path.join(root, path)
        os.makedirs(os.path.dirname(full), exist_ok=True)
        with open(full, "w", encoding="utf-8", newline="") as file:
            file.write(text)


def run(rule, compilers, changes):
    with tempfile.TemporaryDirectory() as root:
        write_tree(root, changes)
        command = [sys.executable, "-B", os.path.join(HERE, rule + ".py"), root]
        if rule == "headers":
            command += compilers
        result = subprocess.run(command, capture_output=True, text=True,
                                check=False)
    return result.returncode, result.stdout + result.stderr


def check_exports(problems):
    """The one rule that reads a library: here a list of names is the nm."""
    with tempfile.TemporaryDirectory() as root:
        nm = os.path.join(root, "nm")
        names = os.path.join(root, "exports.txt")
        with open(nm, "w", encoding="ascii") as file:
            file.write("#!/bin/sh\necho '00 T mailmod_a'\n"
                       "echo '00 T mailmod_b'\n")
        os.chmod(nm, 0o700)
        for listed, code in (("mailmod_a mailmod_b", 0), ("mailmod_a", 1),
                             ("mailmod_a mailmod_b mailmod_c", 1)):
            with open(names, "w", encoding="ascii") as file:
                file.write(listed)
            command = [sys.executable, "-B", os.path.join(HERE, "exports.py"),
                       nm, "x.so", names]
            result = subprocess.run(command, capture_output=True, text=True,
                                    check=False)
            if result.returncode != code:
                problems.append("exports: %s: %d" %
                                (listed, result.returncode))


def main(cc, cxx):
    problems = []
    compilers = [cc, cxx]
    missing = set()
    for rule in sorted({row[0] for row in PLANTED}):
        code, text = run(rule, compilers, {})
        if code == 77:
            missing.add(rule)
        elif code != 0:
            problems.append("%s fails a clean tree:\n%s" % (rule, text))
    for rule, path, text, wanted in PLANTED:
        if rule in missing or (wanted == "c++17" and not cxx):
            continue
        code, said = run(rule, compilers, {path: text})
        if code != 1 or wanted not in said or path not in said:
            problems.append("%s does not find \"%s\" in %s:\n%s" %
                            (rule, wanted, path, said))
    for rule, path, text in INNOCENT:
        code, said = run(rule, compilers, {path: text})
        if code != 0:
            problems.append("%s blames %s:\n%s" % (rule, path, said))
    if os.name == "posix":
        check_exports(problems)
    for problem in problems:
        print(problem)
    print("rules.can_fail: %d violations planted, %d problems" %
          (len(PLANTED), len(problems)))
    sys.exit(1 if problems else 0)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
