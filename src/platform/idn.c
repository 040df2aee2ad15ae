/* idn.c - what is the same on every system about names in A-labels.
 *
 * Owns nothing. Promises: what is given out is ASCII in lower case, and for
 * what was not ASCII letters, digits, hyphens, underscores and dots alone, so
 * that no mapping makes an "@" or a "/" out of a look-alike.
 * Thread: any. RFC 5890 2.3.2, RFC 5891 4 and 5, RFC 1035 2.3.4. */
#include "platform/idn.h"

#include <string.h>

enum { /* RFC 1035 2.3.4; 255 less the root and a length */
       LABEL_MAX = 63,
       NAME_OCTETS_MAX = 253
};

static bool is_label(struct mm_span label)
{
    for (size_t i = 0; i < label.size; i++) {
        int c = (unsigned char)label.data[i];
        if (!mm_ascii_is_alnum(c) && c != '-' && c != '_') {
            return false;
        }
    }
    return label.size > 0 && label.size <= LABEL_MAX;
}

static bool is_host_name(const char *name)
{
    struct mm_span rest = mm_span_cstr(name);
    struct mm_span label;
    bool has_more = rest.size <= NAME_OCTETS_MAX;
    bool is_good = has_more;
    while (is_good && has_more) {
        has_more = mm_span_cut(rest, '.', &label, &rest);
        is_good = is_label(label);
    }
    return is_good;
}

enum mailmod_error mm_idn_to_ascii(struct mm_span domain,
                                   char domain_out[MM_LIMIT_DOMAIN + 1])
{
    char name[MM_LIMIT_DOMAIN + 1];
    domain_out[0] = '\0';
    if (domain.size > MM_LIMIT_DOMAIN) {
        return MAILMOD_ERROR_TOO_LARGE;
    }
    if (!mm_span_copy(domain, name, sizeof name) || !mm_span_is_utf8(domain)) {
        return MAILMOD_ERROR_SYNTAX;
    }
    if (mm_span_has_8bit(domain)) {
        enum mailmod_error error = mm_idn_encode(name, domain_out);
        if (error != MAILMOD_OK || !is_host_name(domain_out)) {
            domain_out[0] = '\0';
            return error != MAILMOD_OK ? error : MAILMOD_ERROR_SYNTAX;
        }
    } else {
        memcpy(domain_out, name, domain.size + 1);
    }
    mm_ascii_lower_cstr(domain_out);
    return MAILMOD_OK;
}

bool mm_idn_is_same(const char *a, const char *b)
{
    char first[MM_LIMIT_DOMAIN + 1];
    char second[MM_LIMIT_DOMAIN + 1];
    if (mm_cstr_equal_nocase(a, b)) {
        return true;
    }
    return (mm_span_has_8bit(mm_span_cstr(a)) ||
            mm_span_has_8bit(mm_span_cstr(b))) &&
           mm_idn_to_ascii(mm_span_cstr(a), first) == MAILMOD_OK &&
           mm_idn_to_ascii(mm_span_cstr(b), second) == MAILMOD_OK &&
           strcmp(first, second) == 0;
}
