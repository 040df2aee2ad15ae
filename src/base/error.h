/* thread: any
 * error.h - the error type inside the library, and the must-use mark. */
#ifndef MM_BASE_ERROR_H
#define MM_BASE_ERROR_H

#include "mailmod/error.h"

#if defined(__clang__)
#define MM_CHECK __attribute__((warn_unused_result))
#define MM_PRINTF(string, first) __attribute__((format(printf, string, first)))
#elif defined(__GNUC__)
/* gnu_printf: C11's formats also where the system's own are fewer. */
#define MM_CHECK __attribute__((warn_unused_result))
#define MM_PRINTF(string, first)                                               \
    __attribute__((format(gnu_printf, string, first)))
#else
#define MM_CHECK
#define MM_PRINTF(string, first)
#endif

/* The text of an error for a person; never NULL, static. */
const char *mm_error_text(enum mailmod_error error);
/* The name of an error without prefix ("TIMEOUT"), for logs; static. */
const char *mm_error_name(enum mailmod_error error);

#endif
