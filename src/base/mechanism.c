/* mechanism.c - the table of SASL mechanisms, strongest first.
 *
 * Pure. Any thread. RFC 4422 3.1 (names). */
#include "base/mechanism.h"

struct mechanism {
    enum mm_sasl_mechanism bit;
    const char *name;
};

/* Strongest first: a key, what proves the password without showing it, tokens,
 * then the weak proof, then what shows it in one step, then in two. */
static const struct mechanism mechanisms_known[] = {
    {MM_SASL_EXTERNAL, "EXTERNAL"},
    {MM_SASL_SCRAM_SHA_256, "SCRAM-SHA-256"},
    {MM_SASL_OAUTHBEARER, "OAUTHBEARER"},
    {MM_SASL_XOAUTH2, "XOAUTH2"},
    {MM_SASL_CRAM_MD5, "CRAM-MD5"},
    {MM_SASL_PLAIN, "PLAIN"},
    {MM_SASL_LOGIN, "LOGIN"},
};
#define MECHANISM_COUNT (sizeof mechanisms_known / sizeof mechanisms_known[0])

const char *mm_sasl_name(enum mm_sasl_mechanism mechanism)
{
    for (size_t i = 0; i < MECHANISM_COUNT; i++) {
        if (mechanisms_known[i].bit == mechanism) {
            return mechanisms_known[i].name;
        }
    }
    return "";
}

unsigned mm_sasl_find(struct mm_span name)
{
    for (size_t i = 0; i < MECHANISM_COUNT; i++) {
        if (mm_span_is_nocase(name, mechanisms_known[i].name)) {
            return mechanisms_known[i].bit;
        }
    }
    return 0;
}

enum mailmod_error mm_sasl_write_names(struct mm_buf *out, unsigned mechanisms)
{
    for (size_t i = 0; i < MECHANISM_COUNT; i++) {
        if ((mechanisms & (unsigned)mechanisms_known[i].bit) == 0) {
            continue;
        }
        enum mailmod_error error = mm_buf_append_char(out, ' ');
        if (error == MAILMOD_OK) {
            error = mm_buf_append_cstr(out, mechanisms_known[i].name);
        }
        if (error != MAILMOD_OK) {
            return error;
        }
    }
    return MAILMOD_OK;
}

bool mm_sasl_read_names(struct mm_span text, unsigned *mechanisms_out)
{
    *mechanisms_out = 0;
    while (text.size > 0) {
        size_t size = 0;
        while (size < text.size && text.data[size] != ' ' &&
               text.data[size] != ',') {
            size++;
        }
        unsigned bit = mm_sasl_find(mm_span(text.data, size));
        if (size > 0 && bit == 0) {
            return false;
        }
        *mechanisms_out |= bit;
        text = mm_span_from(text, size < text.size ? size + 1 : size);
    }
    return *mechanisms_out != 0;
}
