#!/usr/bin/env python3
"""rules.banned: functions that are not called, each with its reason."""
import re
import sys

import source

UNBOUNDED = "writes without a bound, or cuts in silence"
NUMBERS = "knows no error; use mm_span_to_u64"
PROCESS = "the process is the host's"
LOCALE = "depends on the host's locale"
SHARED = "keeps its state in one place for all threads"
HEAP = "memory is taken through base/mem.h"
CLOCK = "time comes from the caller, or platform/clock.h"
OUTPUT = "a library prints nothing; use base/log.h"
WEAK = "predictable; use platform/random.h"

# In all of our code that ships.
EVERYWHERE = {
    UNBOUNDED: "gets sprintf vsprintf strcpy strcat strncpy strncat stpcpy "
               "alloca wcscpy wcscat",
    NUMBERS: "atoi atol atoll atof",
    LOCALE: "setlocale",
    SHARED: "strtok tmpnam tempnam mktemp gethostbyname gethostbyaddr "
            "inet_ntoa readdir_r",
    WEAK: "rand srand random srandom drand48",
    PROCESS: "system popen",
}
# In the library, besides.
LIBRARY = {
    PROCESS: "exit _exit _Exit quick_exit abort atexit raise kill fork vfork "
             "execv execve execvp execl execlp signal sigaction umask chdir "
             "setenv putenv unsetenv getenv secure_getenv alarm setitimer "
             "longjmp setjmp daemon syslog openlog setrlimit "
             "uv_default_loop uv_queue_work uv_getaddrinfo uv_getnameinfo "
             "uv_signal_start uv_spawn uv_fs_open uv_fs_read uv_fs_write",
    LOCALE: "isalpha isdigit isalnum isspace isprint ispunct isupper islower "
            "isxdigit iscntrl isgraph isblank tolower toupper strcasecmp "
            "strncasecmp strcoll strxfrm strtod mbstowcs wcstombs",
    OUTPUT: "printf vprintf fprintf vfprintf puts fputs putchar fputc perror",
    UNBOUNDED: "scanf sscanf fscanf vsscanf",
    SHARED: "localtime gmtime ctime asctime strerror strtok_r localtime_r "
            "gmtime_r mktime timegm strftime strptime tzset getaddrinfo "
            "getnameinfo",
    HEAP: "malloc calloc realloc free strdup strndup reallocarray "
          "posix_memalign aligned_alloc asprintf vasprintf",
    CLOCK: "time gettimeofday clock_gettime clock sleep usleep nanosleep",
}
# Who may, where the others may not.
ALLOWED = {
    "src/base/mem.c": "malloc calloc realloc free",
    "src/platform/": "clock_gettime nanosleep",
    # libESMTP's programs hand over memory of malloc's, and their users' files
    # lie where the environment says.
    "src/esmtp/memory.c": "calloc free",
    "src/esmtp/files.c": "getenv",
}


def table(*lists):
    names = {}
    for one in lists:
        for reason, text in one.items():
            names.update((name, reason) for name in text.split())
    return names


def main(root):
    problems = []
    library = table(EVERYWHERE, LIBRARY)
    tools = table(EVERYWHERE)
    # A call: not a member (sink->free) and not part of a longer name.
    call = re.compile(r"(?<![\w.])(?<!->)([A-Za-z_]\w*)[ \t\n]*\(")
    files = source.sources(root, source.LIBRARY + ("include", "tools"))
    for file in files:
        names = tools if file.path.startswith("tools/") else library
        allowed = set()
        for place, text in ALLOWED.items():
            if file.path.startswith(place):
                allowed.update(text.split())
        for match in call.finditer(file.bare):
            name = match.group(1)
            if name in names and name not in allowed:
                problems.append("%s:%d: %s: %s" % (
                    file.path, file.line_of(match.start()), name,
                    names[name]))
    source.finish("banned", problems, len(files))


if __name__ == "__main__":
    main(sys.argv[1])
