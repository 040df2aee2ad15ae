/* mistake.c - words about a value that was refused.
 *
 * Owns nothing. Promises that no more than a few printable octets of what was
 * given are repeated; a secret's text is never handed here.
 * Thread: any. */
#include "config/mistake.h"

#include <stdarg.h>
#include <stdio.h>

enum mailmod_error mm_config_refuse(struct mm_buf *mistake_out,
                                    const char *format, ...)
{
    if (mistake_out == NULL) {
        return MAILMOD_ERROR_ARGUMENT;
    }
    va_list arguments;
    va_start(arguments, format);
    char words[256];
    vsnprintf(words, sizeof words, format, arguments);
    va_end(arguments);
    /* Without room for the words the error alone must do. */
    (void)mm_buf_append_cstr(mistake_out, words);
    return MAILMOD_ERROR_ARGUMENT;
}

struct mm_config_echo mm_config_echo(struct mm_span text)
{
    size_t size = 0;
    struct mm_config_echo echo;
    while (size < text.size && size + 4 < sizeof echo.text) {
        unsigned char c = (unsigned char)text.data[size];
        echo.text[size] = mm_ascii_is_printable(c) ? (char)c : '?';
        size++;
    }
    snprintf(echo.text + size, sizeof echo.text - size, "%s",
             size < text.size ? "..." : "");
    return echo;
}
