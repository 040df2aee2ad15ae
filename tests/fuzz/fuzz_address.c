/* fuzz_address.c - any octets as a path, an address, a domain, a literal.
 * What is taken holds no control octet, keeps its limits, and reads back from
 * its canonical text to the same value. */
#include "tests/fuzz/fuzz.h"
#include "wire/addr/address.h"

#include <string.h>

static void check_text(const char *text, size_t size_max)
{
    FUZZ_CHECK(strlen(text) <= size_max);
    for (; *text != '\0'; text++) {
        unsigned char c = (unsigned char)*text;
        FUZZ_CHECK(c >= 32 && c != 127);
    }
}

static void check_value(const struct mm_address *address, bool is_reverse,
                        bool allow_utf8)
{
    struct mm_address again;
    check_text(address->text, MM_LIMIT_PATH - 2);
    check_text(address->local_part, MM_LIMIT_LOCAL_PART);
    check_text(address->domain, MM_LIMIT_DOMAIN);
    FUZZ_CHECK(allow_utf8 || !address->needs_smtputf8);
    FUZZ_CHECK(mm_span_is_utf8(mm_span_cstr(address->text)));
    FUZZ_CHECK(mm_address_parse(mm_span_cstr(address->text), is_reverse,
                                allow_utf8, &again) == MAILMOD_OK);
    FUZZ_CHECK(strcmp(address->local_part, again.local_part) == 0);
    FUZZ_CHECK(strcmp(address->domain, again.domain) == 0);
    FUZZ_CHECK(strcmp(address->text, again.text) == 0);
    FUZZ_CHECK(address->needs_smtputf8 == again.needs_smtputf8);
    /* In angle brackets it is a path: this is how it goes out again. */
    char path[MM_ADDRESS_TEXT_MAX + 2];
    struct mm_span rest;
    int size = snprintf(path, sizeof path, "<%s>", address->text);
    FUZZ_CHECK(mm_path_parse(mm_span(path, (size_t)size), is_reverse,
                             allow_utf8, &again, &rest) == MAILMOD_OK);
    FUZZ_CHECK(rest.size == 0 && strcmp(address->text, again.text) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct mm_span input = mm_span((const char *)data, size);
    unsigned flags = fuzz_octet(&input);
    bool is_reverse = (flags & 1) != 0;
    bool allow_utf8 = (flags & 2) != 0;
    struct mm_address address;
    struct mm_span rest;
    if (mm_path_parse(input, is_reverse, allow_utf8, &address, &rest) ==
        MAILMOD_OK) {
        FUZZ_CHECK(rest.data + rest.size == input.data + input.size);
        check_value(&address, is_reverse, allow_utf8);
    }
    if (mm_address_parse(input, is_reverse, allow_utf8, &address) ==
        MAILMOD_OK) {
        check_value(&address, is_reverse, allow_utf8);
    }
    char domain[MM_LIMIT_DOMAIN + 1];
    char again[MM_LIMIT_DOMAIN + 1];
    if (mm_domain_parse(input, allow_utf8, domain)) {
        check_text(domain, MM_LIMIT_DOMAIN);
        FUZZ_CHECK(mm_domain_parse(mm_span_cstr(domain), allow_utf8, again));
        FUZZ_CHECK(strcmp(domain, again) == 0);
    }
    enum mm_domain_form form;
    struct mm_netaddr ip;
    if (mm_domain_literal_parse(input, &form, domain, &ip)) {
        check_text(domain, MM_LIMIT_DOMAIN);
        FUZZ_CHECK(
            mm_domain_literal_parse(mm_span_cstr(domain), &form, again, &ip));
        FUZZ_CHECK(strcmp(domain, again) == 0);
    }
    return 0;
}
