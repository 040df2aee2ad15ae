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

    return mm_fail(error, "%s", text != NULL ? text : mm_error_text(error));
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
