/* idn.c - A-labels by the system, which knows IDNA 2003.
 *
 * Promises: a name that IDNA 2003 and IDNA 2008 lead to different domains is
 * refused, not sent to a stranger; all others come out as on Linux. Letters
 * that are younger than IDNA 2003 are let by, folded by our own tables first,
 * for the system's mapping does not know them.
 * Thread: any. RFC 3490 4.1, RFC 5894 7.2 (the four deviations). */
#include "platform/idn.h"
#include "base/mem.h"
#include "base/unicode.h"
#include "platform/windows/system.h"

#include <string.h>

/* Sharp s, final sigma, zero width non-joiner and joiner. */
static bool has_deviation(const char *name)
{
    static const char *const deviations[] = {"\xc3\x9f", "\xcf\x82",
                                             "\xe2\x80\x8c", "\xe2\x80\x8d"};
    for (size_t i = 0; i < sizeof deviations / sizeof deviations[0]; i++) {
        if (strstr(name, deviations[i]) != NULL) {
            return true;
        }
    }
    return false;
}

static enum mailmod_error encode_wide(const WCHAR *wide,
                                      char name_out[MM_LIMIT_DOMAIN + 1])
{
    WCHAR ascii[MM_LIMIT_DOMAIN + 1];
    int size = IdnToAscii(IDN_ALLOW_UNASSIGNED, wide, -1, ascii,
                          (int)(sizeof ascii / sizeof ascii[0]));
    if (size <= 0) {
        return MAILMOD_ERROR_SYNTAX;
    }
    return mm_windows_utf8(ascii, name_out, MM_LIMIT_DOMAIN + 1) == MAILMOD_OK
               ? MAILMOD_OK
               : MAILMOD_ERROR_SYNTAX;
}

enum mailmod_error mm_idn_encode(const char *name,
                                 char name_out[MM_LIMIT_DOMAIN + 1])
{
    struct mm_buf folded;
    WCHAR *wide = NULL;
    if (has_deviation(name)) {
        return MAILMOD_ERROR_SYNTAX;
    }
    mm_buf_init(&folded, MM_UNICODE_TEXT_MAX * 4);
    enum mailmod_error error =
        mm_unicode_append(&folded, MM_UNICODE_FOLDED, mm_span_cstr(name));
    if (error == MAILMOD_OK) {
        const char *text = mm_buf_cstr(&folded);
        error =
            text == NULL ? mm_buf_error(&folded) : mm_windows_wide(text, &wide);
    }
    if (error == MAILMOD_OK) {
        error = encode_wide(wide, name_out);
    }
    mm_free(wide);
    mm_buf_fini(&folded);
    return error;
}
