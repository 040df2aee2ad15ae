/* lines.h - how the host programs read and write on Windows; it is put before
 * each of their sources. The C library there has no line buffer, and its text
 * mode would change what the tests send. Thread: any. */
#ifndef TESTS_WINDOWS_LINES_H
#define TESTS_WINDOWS_LINES_H

#include <fcntl.h>
#include <io.h>
#include <stdarg.h>
#include <stdio.h>

static inline int lines_at_once(void)
{
    return _setmode(_fileno(stdin), _O_BINARY) == -1 ||
           _setmode(_fileno(stdout), _O_BINARY) == -1;
}

__attribute__((format(gnu_printf, 1, 2))) static inline int
lines_printf(const char *format, ...)
{
    va_list values;
    int size;

    va_start(values, format);
    size = vfprintf(stdout, format, values);
    va_end(values);
    (void)fflush(stdout);
    return size;
}

#define setvbuf(stream, buffer, mode, size) lines_at_once()
#define printf(...) lines_printf(__VA_ARGS__)

#endif
