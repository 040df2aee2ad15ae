/* error.c - the last error's words, for each thread, and the error texts.
 *
 * Owns: one small buffer a thread. Promises: words that do not fit are cut at
 * the end, never left out. Thread: any. */
#include "api/instance.h"

#include <stdarg.h>
#include <stdio.h>

#define LAST_ERROR_MAX 2048

static _Thread_local char last_error[LAST_ERROR_MAX];

enum mailmod_error mm_fail(enum mailmod_error error, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    (void)vsnprintf(last_error, sizeof last_error, format, arguments);
    va_end(arguments);
    return error;
}

enum mailmod_error mm_fail_buf(enum mailmod_error error, struct mm_buf *words)
{
    const char *text = mm_buf_size(words) > 0 ? mm_buf_cstr(words) : NULL;

    if (text == NULL) {
        return mm_fail(error, "%s", mm_error_text(error));
    }
    /* Of several lines the last one has no end, as of one. */
    size_t size = mm_buf_size(words);
    bool has_end = text[size - 1] == '\n';
    return mm_fail(error, "%.*s", (int)(has_end ? size - 1 : size), text);
}

const char *mailmod_error_text(enum mailmod_error error)
{
    return mm_error_text(error);
}

const char *mailmod_last_error_text(void)
{
    return last_error;
}

const char *mailmod_version(void)
{
    return MAILMOD_VERSION;
}

int mailmod_version_number(void)
{
    return MAILMOD_VERSION_NUMBER;
}
