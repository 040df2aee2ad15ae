"""The blocks of code of a page, and the programs that they make.

A block is named by a comment on the line before it, which a reader of the page
does not see:

    <!-- test: NAME -->          the block is the whole program NAME
    <!-- test: FRAME.PART -->    a part of the program frames/FRAME.c (or .cpp),
                                 which says #include "PART.inc" where it belongs

Several blocks make one frame. What a program must do is the function
check_NAME of test_docs.py. A block of C or C++ without such a comment, a frame
that lacks a part, a part that its frame does not take and a name without a
check are mistakes.

The programs of the pages listen on ports, and send to hosts, that the test
cannot have as they are: PORTS are replaced in the text by free ones, and
world.c gives the names of the pages to the test's own servers.
"""
import os
import re
import subprocess

HERE = os.path.dirname(os.path.abspath(__file__))
SOURCE = os.path.dirname(os.path.dirname(HERE))
FRAMES = os.path.join(HERE, "frames")
LANGUAGES = {"c": ".c", "cpp": ".cpp"}
OTHERS = ("", "sh", "cmake")  # languages that are not run as programs
OUTPUT = "<!-- test: output %s -->"  # before a block: what the program prints
NAME = re.compile(r"^<!-- test: (\w+)(?:\.(\w+))? -->$")
PORTS = ("2525", "2110", "587", "110")
ALONE = ("by_name",)  # not linked with the library, so without world.c


class Block:
    def __init__(self, page, line, language, name, part, text):
        self.place = f"{page}:{line}"
        self.page = page
        self.line = line
        self.language = language
        self.name = name
        self.part = part
        self.text = text


def fences(page):
    """(line before it, language, number of its first line, text) of each."""
    with open(os.path.join(SOURCE, page), encoding="utf-8") as file:
        lines = file.read().splitlines()
    start = None
    for number, line in enumerate(lines):
        if not line.lstrip().startswith("```"):
            continue
        if start is None:
            start = number
            continue
        text = "".join(inner + "\n" for inner in lines[start + 1:number])
        yield (lines[start - 1].strip() if start else "",
               lines[start].strip()[3:].strip(), start + 2, text)
        start = None
    if start is not None:
        yield "", "a fence without an end", start + 2, ""


def blocks_of(page, languages=LANGUAGES):
    """The blocks of these languages, each with its name or with None."""
    found = []
    for before, language, line, text in fences(page):
        if language in languages:
            name = NAME.match(before)
            found.append(Block(page, line, language, name and name[1],
                               name and name[2], text))
    return found


class Program:
    """One or several blocks that make a program."""

    def __init__(self, name, blocks):
        self.name = name
        self.blocks = blocks
        self.ending = LANGUAGES[blocks[0].language]
        self.frame = None
        if blocks[0].part is not None:
            self.frame = os.path.join(FRAMES, name + self.ending)

    @property
    def places(self):
        return ", ".join(block.place for block in self.blocks)

    def mistakes(self):
        found = []
        if self.frame is None:
            if len({block.text for block in self.blocks}) > 1:
                found.append("is not the same on every page")
            return found
        if not os.path.isfile(self.frame):
            return [f"there is no {os.path.relpath(self.frame, SOURCE)}"]
        with open(self.frame, encoding="utf-8") as file:
            wanted = re.findall(r'#include "(\w+)\.inc"', file.read())
        given = [block.part for block in self.blocks]
        if sorted(wanted) != sorted(given):
            found.append(f"the frame takes {wanted}, the page gives {given}")
        return found

    def write(self, folder, ports):
        """The source in `folder`; mistakes of the compiler's name the page."""
        path = os.path.join(folder, self.name + self.ending)
        for block in self.blocks:
            place = path
            if self.frame is not None:
                place = os.path.join(folder, block.part + ".inc")
            write(place, f'#line {block.line} "{block.page}"\n' +
                  with_ports(block.text, ports))
        if self.frame is not None:
            with open(self.frame, encoding="utf-8") as source:
                write(path, with_ports(source.read(), ports))
        return path


def with_ports(text, ports):
    for known, port in ports.items():
        text = text.replace(f"*:{known}", f"127.0.0.1:{known}")
        text = re.sub(rf"\b{known}\b", str(port), text)
    return text


def write(path, text):
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)


def programs_of(pages):
    """(programs by name, mistakes)."""
    programs, mistakes = {}, []
    for page in pages:
        blocks = blocks_of(page)
        if not blocks:
            mistakes.append(f"{page}: no block of C at all")
        mistakes += [f"{page}:{line}: \"{language}\" is none of ours"
                     for _, language, line, _ in fences(page)
                     if language not in (*LANGUAGES, *OTHERS)]
        for block in blocks:
            if block.name is None:
                mistakes.append(f"{block.place}: a block without a way to be "
                                "run: no <!-- test: NAME --> before it")
            elif block.name in programs:
                programs[block.name].blocks.append(block)
            else:
                programs[block.name] = Program(block.name, [block])
    for program in programs.values():
        mistakes += [f"{program.places}: {program.name} {mistake}"
                     for mistake in program.mistakes()]
    return programs, mistakes


class Compiler:
    def __init__(self, build):
        self.library = os.path.join(build, "src")
        self.tools = {}
        for ending, key, default, standard in (
                (".c", "MAILMOD_C", "cc", "c11"),
                (".cpp", "MAILMOD_CXX", "c++", "c++17")):
            self.tools[ending] = (
                [os.environ.get("MAILMOD_CC" if ending == ".c" else key,
                                default), "-std=" + standard] +
                os.environ.get(key + "_FLAGS",
                               "-Wall -Wextra -Wpedantic -Werror").split())

    def run(self, *command):
        result = subprocess.run(command, capture_output=True, text=True,
                                timeout=120, check=False)
        assert result.returncode == 0, result.stdout + result.stderr

    def build(self, program, folder, ports):
        """The path of the program."""
        source = program.write(folder, ports)
        path = os.path.join(folder, program.name)
        include = "-I" + os.path.join(SOURCE, "include")
        linked = ["-pthread", "-ldl"]
        if program.name not in ALONE:
            world = os.path.join(folder, "world.o")
            # world.c is ours, not the page's: it may be GNU's C.
            self.run(self.tools[".c"][0], *self.tools[".c"][2:], include,
                     "-c", os.path.join(HERE, "world.c"), "-o", world)
            linked = [world, "-Wl,--wrap=mailmod_new", "-L" + self.library,
                      "-Wl,-rpath," + self.library, "-lmailmod", *linked]
        self.run(*self.tools[program.ending], include, source, "-o", path,
                 *linked)
        return path
