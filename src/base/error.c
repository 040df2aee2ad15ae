/* error.c - texts and names of the errors.
 *
 * Owns nothing: two switches made from the one list in mailmod/error.h, so
 * that a code without a text cannot exist. Promises a static text for any
 * value, even one that is no code of ours (a host may hand back anything).
 * Thread: any. */
#include "base/error.h"

const char *mm_error_text(enum mailmod_error error)
{
    switch ((int)error) {
    case MAILMOD_OK:
        return "success";
#define ERROR_TEXT(name, code, text)                                           \
    case code:                                                                 \
        return text;
        MAILMOD_ERROR_LIST(ERROR_TEXT)
#undef ERROR_TEXT
    default:
        return "unknown error";
    }
}

const char *mm_error_name(enum mailmod_error error)
{
    switch ((int)error) {
    case MAILMOD_OK:
        return "OK";
#define ERROR_NAME(name, code, text)                                           \
    case code:                                                                 \
        return #name;
        MAILMOD_ERROR_LIST(ERROR_NAME)
#undef ERROR_NAME
    default:
        return "UNKNOWN";
    }
}
