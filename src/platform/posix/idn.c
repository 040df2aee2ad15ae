/* idn.c - A-labels by libidn2.
 *
 * Promises: the locale of the host is not asked (the calls that take UTF-8
 * alone). Thread: any. RFC 5891 4, UTS 46 non-transitional. */
#include "platform/idn.h"

#include <idn2.h>

enum mailmod_error mm_idn_encode(const char *name,
                                 char name_out[MM_LIMIT_DOMAIN + 1])
{
    char *ascii = NULL;
    int status =
        idn2_to_ascii_8z(name, &ascii, IDN2_NFC_INPUT | IDN2_NONTRANSITIONAL);
    if (status != IDN2_OK) {
        return status == IDN2_MALLOC ? MAILMOD_ERROR_MEMORY
                                     : MAILMOD_ERROR_SYNTAX;
    }
    bool fits =
        mm_span_copy(mm_span_cstr(ascii), name_out, MM_LIMIT_DOMAIN + 1);
    idn2_free(ascii);
    return fits ? MAILMOD_OK : MAILMOD_ERROR_SYNTAX;
}
