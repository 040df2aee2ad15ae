"""What the rules share: which files there are, and C without its comments."""
import os
import re
import sys

LIBRARY = ("src", "queue", "dnsbl")
TOKEN = re.compile(
    r"/\*.*?\*/|//[^\n]*|\"(?:\\.|[^\"\\\n])*\"|'(?:\\.|[^'\\\n])*'",
    re.DOTALL)


class Source:
    """One file: `text` as it is, `code` without comments, `bare` without
    comments and the contents of literals; all three with the same lines."""

    def __init__(self, root, path):
        self.path = path
        with open(os.path.join(root, path), encoding="utf-8",
                  errors="surrogateescape", newline="") as file:
            self.text = file.read()
        self.line_comments = []
        self.code = TOKEN.sub(lambda m: self._blank(m, False), self.text)
        self.bare = TOKEN.sub(lambda m: self._blank(m, True), self.text)

    def _blank(self, match, literals_too):
        token = match.group(0)
        if token.startswith("//") and literals_too:
            self.line_comments.append(self.line_of(match.start()))
        if token[0] == "/":
            return re.sub(r"[^\n]", " ", token)
        if literals_too:
            return token[0] + " " * (len(token) - 2) + token[-1]
        return token

    def line_of(self, offset):
        return self.text.count("\n", 0, offset) + 1

    def includes(self):
        """(line, "quote" or "angle", name) of each #include."""
        pattern = r'^[ \t]*#[ \t]*include[ \t]*(?:"([^"\n]+)"|<([^>\n]+)>)'
        for match in re.finditer(pattern, self.code, re.MULTILINE):
            kind = "quote" if match.group(1) else "angle"
            yield (self.line_of(match.start()), kind,
                   match.group(1) or match.group(2))


def paths(root, folders, endings=(".c", ".h")):
    found = []
    for folder in folders:
        for place, names, files in os.walk(os.path.join(root, folder)):
            names[:] = [n for n in names if not n.startswith((".", "build"))]
            for name in files:
                if name.endswith(endings):
                    path = os.path.join(place, name)
                    found.append(os.path.relpath(path, root).replace("\\", "/"))
    return sorted(found)


def sources(root, folders, endings=(".c", ".h")):
    return [Source(root, path) for path in paths(root, folders, endings)]


def finish(rule, problems, count, what="files"):
    """Prints all problems and ends the program. No file is a problem too: a
    rule that looks in the wrong place must not pass."""
    for problem in problems:
        print(problem)
    if count == 0:
        print("no %s found" % what)
    is_bad = bool(problems) or count == 0
    print("rules.%s: %d %s, %d problems" % (rule, count, what, len(problems)))
    sys.exit(1 if is_bad else 0)
