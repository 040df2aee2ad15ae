"""What is installed is enough: other projects find it, build and run.

Installs the build into a temporary prefix, moves that, and builds host.c from
there outside of the tree, with pkg-config and with CMake, as C and as C++.
"""
import os
import re
import shutil
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "integration"))
from harness import SANITIZER, SOURCE, Skip, main, need  # noqa: E402

PROJECT = os.path.join(HERE, "project")
CMAKE = os.environ.get("MAILMOD_CMAKE", "cmake")
CC = os.environ.get("MAILMOD_CC", "cc")
CXX = os.environ.get("MAILMOD_CXX", "c++")
FLAGS = os.environ.get("MAILMOD_FLAGS", "").split()
STRICT = ["-Wall", "-Wextra", "-Wpedantic", "-Werror"]


def run(*command, **options):
    result = subprocess.run(command, capture_output=True, text=True,
                            timeout=240, check=False, **options)
    assert result.returncode == 0, "%s\n%s%s" % (
        " ".join(command), result.stdout, result.stderr)
    assert not SANITIZER.search(result.stderr), result.stderr
    return result.stdout


def find(prefix, name):
    """The one file of that name, as a path below the prefix."""
    found = [os.path.relpath(os.path.join(place, name), prefix)
             for place, _, files in os.walk(prefix) if name in files]
    assert len(found) == 1, (name, found)
    return found[0]


class Installed:
    """The build in a prefix that was moved after the installation, so that
    nothing can still point to where it was."""

    def __init__(self, build):
        self.folder = tempfile.TemporaryDirectory(prefix="mailmod-install-")
        before = os.path.join(self.folder.name, "before")
        self.prefix = os.path.join(self.folder.name, "a prefix")
        run(CMAKE, "--install", build, "--prefix", before)
        self.unit = before + "/sbin/mailmodd"
        os.rename(before, self.prefix)
        self.library = os.path.join(
            self.prefix, os.path.dirname(find(self.prefix, "libmailmod.so")))
        self.environment = dict(
            os.environ, PKG_CONFIG_PATH=self.library + "/pkgconfig")
        self.count = 0

    def work(self):
        """A new empty folder outside of the tree."""
        self.count += 1
        path = os.path.join(self.folder.name, "work%d" % self.count)
        os.mkdir(path)
        return path

    def pkg_config(self, *words):
        need("pkg-config")
        out = run("pkg-config", *words, "mailmod", env=self.environment)
        return [word.replace("\\ ", " ") for word in
                re.findall(r"(?:\\.|\S)+", out)]

    def serve(self, program, library=None):
        """Runs a host: one life, one message in and out."""
        environment = dict(os.environ)
        if library:
            environment["LD_LIBRARY_PATH"] = library
        data = os.path.join(self.work(), "data")
        out = run(program, data, env=environment)
        assert out == "version %s, served\n" % self.version(), out

    def version(self):
        return self.pkg_config("--modversion")[0]

    def __enter__(self):
        return self

    def __exit__(self, *rest):
        self.folder.cleanup()


def project_version():
    with open(os.path.join(SOURCE, "CMakeLists.txt"), encoding="utf-8") as f:
        return re.search(r"project\(mailmod VERSION (\S+)", f.read())[1]


def test_layout(build):
    with Installed(build) as it:
        for name in ("mailmod.h", "error.h", "srv.h", "mailmod.pc",
                     "mailmod-config.cmake", "mailmod-config-version.cmake",
                     "mailmod-targets.cmake", "mailmodd", "mailmodctl",
                     "mailmod.cfg", "README.md", "LICENSE", "abi.md",
                     "config.md", "daemon.md", "mailmodd.service"):
            find(it.prefix, name)
        headers = os.path.join(it.prefix, "include")
        assert sorted(os.listdir(headers)) == [
            "mailmod", "mailmod-esmtp", "mailmod.h"]
        assert sorted(os.listdir(it.prefix + "/sbin")) == [
            "mailmod-sendmail", "mailmodd"]
        with open(os.path.join(it.prefix, find(it.prefix,
                                               "mailmodd.service")),
                  encoding="utf-8") as f:
            assert f"\nExecStart={it.unit} -c" in f.read()
        # Each program finds the library from where it lies now.
        for name in ("sbin/mailmodd", "sbin/mailmod-sendmail",
                     "bin/mailmodctl"):
            out = run(os.path.join(it.prefix, name), "--version")
            assert it.version() in out, out
        # No installed text names the tree or the build it came from.
        for place, _, files in os.walk(it.prefix):
            for name in files:
                if name.endswith((".pc", ".cmake", ".h", ".service")):
                    with open(os.path.join(place, name),
                              encoding="utf-8") as f:
                        text = f.read()
                    assert SOURCE not in text and build not in text, name


def test_soname(build):
    """docs/abi.md: major.minor while the major version is 0."""
    readelf = need("readelf")
    version = project_version()
    major, minor, patch = version.split(".")
    with open(os.path.join(SOURCE, "include", "mailmod.h"),
              encoding="utf-8") as f:
        header = f.read()
    assert f'#define MAILMOD_VERSION "{version}"\n' in header
    number = int(major) * 1000000 + int(minor) * 1000 + int(patch)
    assert f"#define MAILMOD_VERSION_NUMBER {number}\n" in header
    soname = "libmailmod.so." + (f"0.{minor}" if major == "0" else major)
    with Installed(build) as it:
        assert it.version() == version
        names = sorted(n for n in os.listdir(it.library)
                       if n.startswith("libmailmod."))
        assert names == ["libmailmod.a", "libmailmod.so", soname,
                         "libmailmod.so." + version], names
        out = run(readelf, "-d", os.path.join(it.library, soname))
        assert f"Library soname: [{soname}]" in out, out
        assert "RUNPATH" not in out and "RPATH" not in out, out


def test_calls_stay_inside(build):
    """Beside another version of it in one process the library calls itself:
    no relocation of its own asks the loader for a name that it exports."""
    readelf = need("readelf")
    with Installed(build) as it:
        library = os.path.join(it.library, "libmailmod.so")
        out = run(readelf, "-W", "-r", library)
        assert "JUMP_SLO" in out or "GLOB_DAT" in out, out
        found = re.findall(r"(?:JUMP_SLO\w*|GLOB_DAT)\s+\S+\s+"
                           r"((?:mailmod_|SRV)\w+)", out)
        assert not found, found


def test_headers(build):
    with Installed(build) as it:
        flags = it.pkg_config("--cflags")
        for name in ("mailmod.h", "mailmod/error.h", "mailmod/terms.h",
                     "mailmod/changes.h", "mailmod/fetch.h",
                     "mailmod/mailbox.h", "mailmod/srv.h",
                     "mailmod/received.h", "mailmod/names.h",
                     "mailmod/kept.h", "mailmod/loop.h",
                     "mailmod/peers.h",
                     "mailmod/client.h",
                     "mailmod/provider.h", "mailmod/session.h"):
            for command in ((CC, "-x", "c", "-std=c99"),
                            (CC, "-x", "c", "-std=c11"),
                            (CXX, "-x", "c++", "-std=c++17")):
                run(*command, *flags, *STRICT, "-fsyntax-only", "-",
                    input=f"#include <{name}>\n")


def test_pkg_config(build):
    with Installed(build) as it:
        assert it.pkg_config("--print-requires-private") == []
        assert it.pkg_config("--print-requires") == []
        work = it.work()
        for compiler, name in ((CC, "host.c"), (CXX, "host.cc")):
            program = os.path.join(work, name + ".out")
            run(compiler, *FLAGS, *STRICT, *it.pkg_config("--cflags"),
                os.path.join(PROJECT, name), "-o", program,
                *it.pkg_config("--libs"))
            it.serve(program, it.library)


def configure(it, version):
    """The other project, copied out of the tree; its build folder."""
    work = os.path.join(it.work(), "project")
    shutil.copytree(PROJECT, work)
    build = os.path.join(work, "build")
    run(CMAKE, "-S", work, "-B", build, "-DWANTED=" + version,
        "-DCMAKE_PREFIX_PATH=" + it.prefix,
        "-DCMAKE_C_COMPILER=" + CC, "-DCMAKE_CXX_COMPILER=" + CXX,
        "-DCMAKE_C_FLAGS=" + " ".join(FLAGS + STRICT),
        "-DCMAKE_CXX_FLAGS=" + " ".join(FLAGS + STRICT))
    return build


def test_cmake(build):
    with Installed(build) as it:
        project = configure(it, it.version())
        run(CMAKE, "--build", project)
        for name in ("host-c", "host-cc"):
            it.serve(os.path.join(project, name))


def needed(program):
    """The shared libraries that it asks the loader for."""
    return re.findall(r"NEEDED\W+Shared library: \[([^]]+)\]",
                      run(need("readelf"), "-d", program))


def test_static(build):
    """T-021: programs that have the library in them, and serve without it."""
    with Installed(build) as it:
        project = configure(it, it.version())
        run(CMAKE, "--build", project)
        work = it.work()
        program = os.path.join(work, "plain")
        flags = ["-l:libmailmod.a" if flag == "-lmailmod" else flag
                 for flag in it.pkg_config("--static", "--libs")]
        run(CC, *FLAGS, *STRICT, *it.pkg_config("--cflags"),
            os.path.join(PROJECT, "host.c"), "-o", program, *flags)
        for found in (program, os.path.join(project, "host-c-static"),
                      os.path.join(project, "host-cc-static")):
            names = needed(found)
            assert not [n for n in names if "mailmod" in n], names
            it.serve(found)


def test_esmtp(build):
    """A program for libESMTP, by its own names and by ours; one that is linked
    with libesmtp.so.6 finds it (docs/esmtp.md)."""
    need("pkg-config")
    source = ("#include <auth-client.h>\n#include <libesmtp.h>\n"
              "#include <stdio.h>\nint main(void)\n{\n"
              "    smtp_session_t session = smtp_create_session();\n"
              "    char text[64];\n"
              "    if (session == NULL || smtp_start_session(session))\n"
              "        return 1;\n"
              "    puts(smtp_strerror(smtp_errno(), text, sizeof text));\n"
              "    return !smtp_destroy_session(session);\n}\n")
    with Installed(build) as it:
        drop = os.path.join(it.library, "mailmod-esmtp")
        for package, folder in (("mailmod-esmtp", it.library),
                                ("libesmtp-1.0", drop)):
            out = run("pkg-config", "--cflags", "--libs", package,
                      env=dict(os.environ,
                               PKG_CONFIG_PATH=folder + "/pkgconfig"))
            flags = [word.replace("\\ ", " ") for word in
                     re.findall(r"(?:\\.|\S)+", out)]
            program = os.path.join(it.work(), "program")
            run(CC, *FLAGS, *STRICT, "-x", "c", "-", "-o", program, *flags,
                input=source)
            said = run(program, env=dict(os.environ,
                                         LD_LIBRARY_PATH=it.library))
            assert said == "no server is set\n", said
        run(CC, *FLAGS, "-x", "c", "-", "-o", program, "-L" + drop,
            "-I" + os.path.join(it.prefix, "include", "mailmod-esmtp"),
            "-lesmtp", "-Wl,-rpath-link," + it.library, input=source)
        assert run(program, env=dict(os.environ,
                                     LD_LIBRARY_PATH=it.library)) == said
        # What Debian compiled asks for libesmtp.so.6, and for nothing else.
        code = (f"import ctypes; ctypes.CDLL('libesmtp.so.6')"
                f".smtp_create_session")
        if not FLAGS:
            run(sys.executable, "-c", code,
                env=dict(os.environ, LD_LIBRARY_PATH=drop))


def test_another_abi_is_refused(build):
    """A project that was written for another minor version of 0.x."""
    major, minor, _ = project_version().split(".")
    if major != "0":
        raise Skip("from 1.0 on a minor version only adds")
    with Installed(build) as it:
        for version in (f"0.{int(minor) + 1}", "1.0"):
            try:
                configure(it, version)
            except AssertionError as error:
                assert "compatible with requested" in str(error), error
            else:
                raise AssertionError(f"{version} was satisfied")


main(__name__, test_layout, test_soname, test_calls_stay_inside,
     test_headers, test_pkg_config, test_cmake, test_static,
     test_esmtp, test_another_abi_is_refused)
