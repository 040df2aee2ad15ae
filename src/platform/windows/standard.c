/* standard.c - nothing to do on Windows.
 *
 * Files and sockets are handles there, whose numbers are never those of the
 * standard files; only the C runtime counts from 0, and we open nothing by it.
 * Thread: any. */
#include "platform/standard.h"

enum mailmod_error mm_standard_hold(void)
{
    return MAILMOD_OK;
}

enum mailmod_error mm_standard_fill(void)
{
    return MAILMOD_OK;
}

void mm_standard_close(intptr_t descriptor)
{
    (void)descriptor;
}

void mm_standard_let(void)
{
}
