/* user_name.c - the one form of a user's name: what is stored and looked up.
 *
 * Promises: names that look alike to a person who types them are the same
 * octets: the local part is case folded and in NFC, the domain in A-labels.
 * So every door (RCPT, USER, APOP, every mechanism of AUTH, the configuration,
 * the tools) finds the same user. ASCII names come out as 0.1 kept them.
 * Thread: any. RFC 5321 2.4 leaves the case of local parts to the receiving
 * system; RFC 6532 3.1 and RFC 5198 3 want NFC; RFC 5890 2.3.2.4. */
#include "base/unicode.h"
#include "platform/idn.h"
#include "store/store.h"

#include <string.h>

static enum mailmod_error append_domain(struct mm_buf *out,
                                        struct mm_span domain)
{
    char ascii[MM_LIMIT_DOMAIN + 1];
    enum mailmod_error error = mm_idn_to_ascii(domain, ascii);
    if (error == MAILMOD_OK) {
        error = mm_buf_append_char(out, '@');
    }
    return error == MAILMOD_OK ? mm_buf_append_cstr(out, ascii) : error;
}

enum mailmod_error mm_user_name_canonical(struct mm_span name,
                                          char name_out[MM_STORE_USER_MAX])
{
    struct mm_buf text;
    size_t at = name.size;
    while (at > 0 && name.data[at - 1] != '@') {
        at--;
    }
    size_t local = at > 0 ? at - 1 : name.size;
    name_out[0] = '\0';
    mm_buf_init(&text, MM_STORE_USER_MAX - 1);
    enum mailmod_error error =
        mm_unicode_append(&text, MM_UNICODE_FOLDED, mm_span(name.data, local));
    if (error == MAILMOD_OK && at > 0) {
        error = append_domain(&text, mm_span_from(name, at));
    }
    if (error == MAILMOD_OK &&
        !mm_span_copy(mm_buf_span(&text), name_out, MM_STORE_USER_MAX)) {
        error = MAILMOD_ERROR_SYNTAX; /* a NUL */
    }
    mm_buf_fini(&text);
    return error == MAILMOD_ERROR_LIMIT ? MAILMOD_ERROR_TOO_LARGE : error;
}

/* The rest of what an address would have to quote (RFC 5321 4.1.2 Atom). */
static bool has_special(struct mm_span text)
{
    for (size_t i = 0; i < text.size; i++) {
        if (strchr(" \"<>(),:;\\[]", text.data[i]) != NULL) {
            return true;
        }
    }
    return false;
}

/* A dot at an end, or two in a row, needs quotes too (Dot-string). */
static bool has_loose_dot(struct mm_span local)
{
    for (size_t i = 0; i < local.size; i++) {
        if (local.data[i] == '.' &&
            (i == 0 || i + 1 == local.size || local.data[i + 1] == '.')) {
            return true;
        }
    }
    return false;
}

/* A letter that NFKC changes looks like another one, or like several: of two
 * users who differ in it alone one could pass for the other. */
static bool has_look_alike(struct mm_span local)
{
    struct mm_buf composed;
    struct mm_buf compatible;
    mm_buf_init(&composed, 4 * MM_STORE_USER_MAX);
    mm_buf_init(&compatible, 4 * MM_STORE_USER_MAX);
    bool is_same =
        mm_unicode_append(&composed, MM_UNICODE_NFC, local) == MAILMOD_OK &&
        mm_unicode_append(&compatible, MM_UNICODE_NFKC, local) == MAILMOD_OK &&
        mm_span_equal(mm_buf_span(&composed), mm_buf_span(&compatible));
    mm_buf_fini(&composed);
    mm_buf_fini(&compatible);
    return !is_same;
}

bool mm_user_name_is_good(struct mm_span name)
{
    char canonical[MM_STORE_USER_MAX];
    struct mm_span local;
    struct mm_span domain;
    bool has_domain = mm_span_cut(name, '@', &local, &domain);
    return local.size > 0 && !has_special(name) && !has_loose_dot(local) &&
           mm_unicode_is_seen(name) && !has_look_alike(local) &&
           (!has_domain || (domain.size > 0 &&
                            memchr(domain.data, '@', domain.size) == NULL)) &&
           mm_user_name_canonical(name, canonical) == MAILMOD_OK;
}
