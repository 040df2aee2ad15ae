"""What the Windows build installs is enough: a host is built on it by MinGW,
with pkg-config and with CMake, and run by wine beside the DLL.
"""
import os
import shutil
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
from test_prefix import CMAKE, CC, find, run  # noqa: E402
from harness import SOURCE, main, need  # noqa: E402

PROJECT = os.path.join(HERE, "windows")
TOOLCHAIN = os.path.join(SOURCE, "tools", "cmake", "mingw.cmake")
RUN = os.path.join(SOURCE, "tools", "windows", "run")
PARTS = ("bin/mailmod.dll", "bin/mailmodd.exe", "bin/mailmodctl.exe",
         "include/mailmod.h", "lib/libmailmod.dll.a", "lib/libmailmod.a", "lib/mailmod.def",
         "lib/pkgconfig/mailmod.pc",
         "lib/cmake/mailmod/mailmod-config.cmake",
         "share/doc/mailmod/mailmod.cfg")


def build_by_cmake(prefix, folder, name="host"):
    work = os.path.join(folder, "project-" + name)
    shutil.copytree(PROJECT, work)
    run(CMAKE, "-S", work, "-B", work + "/build",
        "-DCMAKE_TOOLCHAIN_FILE=" + TOOLCHAIN, "-DWANTED=0.2",
        "-Dmailmod_DIR=" + os.path.join(prefix, "lib/cmake/mailmod"))
    run(CMAKE, "--build", work + "/build")
    return os.path.join(work, "build", name + ".exe")


def build_by_pkg_config(prefix, folder):
    program = os.path.join(folder, "plain.exe")
    flags = run(need("pkg-config"), "--cflags", "--libs", "mailmod", env=dict(
        os.environ, PKG_CONFIG_LIBDIR=prefix + "/lib/pkgconfig")).split()
    run(CC, os.path.join(PROJECT, "host.c"), "-o", program, *flags)
    return program


def test_host(build):
    with tempfile.TemporaryDirectory(prefix="mailmod-install-") as folder:
        prefix = os.path.join(folder, "prefix")
        run(CMAKE, "--install", build, "--prefix", prefix)
        for part in PARTS:
            assert find(prefix, os.path.basename(part)) == part, part
        for make in (build_by_cmake, build_by_pkg_config):
            program = make(prefix, folder)
            shutil.copy(program, prefix + "/bin")
            out = run(RUN, os.path.join(prefix, "bin",
                                        os.path.basename(program)),
                      os.path.basename(program) + "-data", cwd=folder)
            assert out.strip().endswith(", served"), out


def test_static(build):
    """T-021: a host with the library in it, run where there is no DLL."""
    with tempfile.TemporaryDirectory(prefix="mailmod-install-") as folder:
        prefix = os.path.join(folder, "prefix")
        run(CMAKE, "--install", build, "--prefix", prefix)
        program = build_by_cmake(prefix, folder, "whole")
        out = run(RUN, program, "whole-data", cwd=folder)
        assert out.strip().endswith(", served"), out


main(__name__, test_host, test_static)
