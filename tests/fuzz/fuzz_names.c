/* fuzz_names.c - any octets as a name, a password, a domain, a block list.
 * A form of a form is itself, and what is given out is UTF-8 or ASCII. */
#include "base/unicode.h"
#include "dnsbl/dnsbl.h"
#include "platform/idn.h"
#include "store/store.h"
#include "tests/fuzz/fuzz.h"

#include <string.h>

static void check_forms(struct mm_span input)
{
    static const enum mm_unicode_form forms[] = {
        MM_UNICODE_NFC, MM_UNICODE_NFKC, MM_UNICODE_FOLDED};
    for (size_t i = 0; i < sizeof forms / sizeof forms[0]; i++) {
        struct mm_buf once;
        struct mm_buf twice;
        mm_buf_init(&once, MM_UNICODE_RESULT_MAX);
        mm_buf_init(&twice, MM_UNICODE_RESULT_MAX);
        if (mm_unicode_append(&once, forms[i], input) == MAILMOD_OK) {
            struct mm_span text = mm_buf_span(&once);
            FUZZ_CHECK(mm_span_is_utf8(text));
            if (text.size <= MM_UNICODE_TEXT_MAX) {
                FUZZ_CHECK(mm_unicode_append(&twice, forms[i], text) ==
                           MAILMOD_OK);
                FUZZ_CHECK(mm_span_equal(text, mm_buf_span(&twice)));
            }
        }
        mm_buf_fini(&once);
        mm_buf_fini(&twice);
    }
}

static void check_password(struct mm_span input)
{
    struct mm_buf prepared;
    mm_buf_init(&prepared, MM_UNICODE_RESULT_MAX);
    if (mm_saslprep(&prepared, input) == MAILMOD_OK) {
        FUZZ_CHECK(mm_buf_size(&prepared) > 0);
        FUZZ_CHECK(mm_span_is_utf8(mm_buf_span(&prepared)));
    }
    mm_buf_fini(&prepared);
}

static void check_user(struct mm_span input)
{
    char once[MM_STORE_USER_MAX];
    char twice[MM_STORE_USER_MAX];
    if (mm_user_name_canonical(input, once) == MAILMOD_OK) {
        FUZZ_CHECK(mm_user_name_canonical(mm_span_cstr(once), twice) ==
                   MAILMOD_OK);
        FUZZ_CHECK(strcmp(once, twice) == 0);
    } else {
        FUZZ_CHECK(!mm_user_name_is_good(input));
    }
}

static void check_domain(struct mm_span input)
{
    char once[MM_LIMIT_DOMAIN + 1];
    char twice[MM_LIMIT_DOMAIN + 1];
    if (mm_idn_to_ascii(input, once) == MAILMOD_OK) {
        FUZZ_CHECK(!mm_span_has_8bit(mm_span_cstr(once)));
        FUZZ_CHECK(mm_idn_to_ascii(mm_span_cstr(once), twice) == MAILMOD_OK);
        FUZZ_CHECK(strcmp(once, twice) == 0);
        FUZZ_CHECK(mm_idn_is_same(once, twice));
    }
}

/* What is shown of a list is no list again, unless nothing was hidden. */
static void check_zone(struct mm_span input)
{
    struct dnsbl_zone zone;
    struct mm_buf shown;
    mm_buf_init(&shown, 2 * input.size + DNSBL_NAME_MAX);
    if (dnsbl_zone_parse(input, &zone) == MAILMOD_OK) {
        FUZZ_CHECK(dnsbl_zone_mask(input, &shown) == MAILMOD_OK);
        FUZZ_CHECK(mm_span_equal(mm_buf_span(&shown), input) ||
                   dnsbl_zone_parse(mm_buf_span(&shown), &zone) ==
                       MAILMOD_ERROR_SYNTAX);
    }
    mm_buf_fini(&shown);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct mm_span input = mm_span((const char *)data, size);
    check_forms(input);
    check_password(input);
    check_user(input);
    check_domain(input);
    check_zone(input);
    return 0;
}
