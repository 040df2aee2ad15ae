#!/usr/bin/env python3
"""rules.dialect: a local is declared at its first use.

The core that a text can show: in the product, no declaration without a value
whose name is next met, in the same block, at the left of a plain assignment.
That assignment should have been the declaration. clang-format gives a
statement its line and a block its indent: the rule reads by both."""
import re
import sys

import source

DECLARED = re.compile(
    r"( +)(?!(?:return|goto|else|case|static|extern|typedef)\b)"
    r"(?:(?:const|volatile|struct|union|enum|unsigned|signed|long|short) )*"
    r"\w+(?: const)? [*]*(\w+);\s*$")


def indent_of(line):
    return len(line) - len(line.lstrip(" "))


def statement(lines, at):
    """The text from this line to its semicolon."""
    text = lines[at]
    while not text.rstrip().endswith((";", "{", "}")) and at + 1 < len(lines):
        at += 1
        text += " " + lines[at].strip()
    return text


def assigned_later(lines, at, indent, name):
    """The line of the plain assignment that is the name's first use in its
    block; None if it has another first use. A label or a jump between them
    keeps the declaration where it is."""
    uses = re.compile(r"(?<![\w.>])%s\b(?!:)" % name)
    assigns = re.compile(r" *%s = (.*)" % name, re.DOTALL)
    for number in range(at + 1, len(lines)):
        line = lines[number]
        if line.strip() == "":
            continue
        if indent_of(line) < indent or re.match(r"\s*(#|goto\b|case\b)", line):
            return None
        if not uses.search(line):
            continue
        found = assigns.match(statement(lines, number))
        if not found or indent_of(line) > indent:
            return None
        value = re.sub(r"sizeof \*?%s\b" % name, "", found.group(1))
        return None if uses.search(value) else number
    return None


def main(root):
    problems = []
    files = source.sources(root, source.LIBRARY + ("tools",))
    for file in files:
        lines = file.bare.split("\n")
        for at, line in enumerate(lines):
            found = DECLARED.match(line)
            # A member's declaration stands under its struct.
            if not found:
                continue
            indent, name = len(found.group(1)), found.group(2)
            number = assigned_later(lines, at, indent, name)
            if number is not None:
                problems.append("%s:%d: %s is declared here and first used "
                                "(assigned) in line %d: declare it there" %
                                (file.path, at + 1, name, number + 1))
    source.finish("dialect", problems, len(files))


if __name__ == "__main__":
    main(sys.argv[1])
