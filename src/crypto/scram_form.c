/* scram_form.c - the attributes of SCRAM's messages, read and written.
 *
 * Pure. Strict on what it reads: an attribute is one letter, "=", and a value
 * that is not empty; a name's "=" must be "=2C" or "=3D"; base64 must be
 * canonical. A message that is cut anywhere fails here or at the proof.
 * Thread: any. RFC 5802 sections 5.1 and 7. */
#include "crypto/scram_form.h"
#include "base/base64.h"

#include <string.h>

/* value = 1*value-char; value-char: any UTF-8 but NUL, "=" and "," - or "=".
 */
static bool is_value(struct mm_span text)
{
    return text.size > 0 && memchr(text.data, '\0', text.size) == NULL &&
           mm_span_is_utf8(text);
}

bool mm_scram_take(struct mm_span *text, char name, struct mm_span *value_out)
{
    struct mm_span head;
    struct mm_span tail;
    bool is_cut = mm_span_cut(*text, ',', &head, &tail);
    if (head.size < 3 || head.data[0] != name || head.data[1] != '=' ||
        !is_value(mm_span_from(head, 2))) {
        return false;
    }
    /* A comma promises another attribute. */
    if (is_cut && tail.size == 0) {
        return false;
    }
    *value_out = mm_span_from(head, 2);
    *text = tail;
    return true;
}

bool mm_scram_are_extensions(struct mm_span text)
{
    struct mm_span value;
    while (text.size > 0) {
        if (!mm_ascii_is_alpha((unsigned char)text.data[0]) ||
            !mm_scram_take(&text, text.data[0], &value)) {
            return false;
        }
    }
    return true;
}

bool mm_scram_is_nonce(struct mm_span text)
{
    for (size_t i = 0; i < text.size; i++) {
        char c = text.data[i];
        if (c == ' ' || c == ',' || !mm_ascii_is_printable((unsigned char)c)) {
            return false;
        }
    }
    return text.size > 0;
}

bool mm_scram_is_credential(struct mm_span text)
{
    for (size_t i = 0; i < text.size; i++) {
        unsigned char c = (unsigned char)text.data[i];
        if (c < 0x20 || c == 0x7f) {
            return false;
        }
        /* C1 controls: U+0080 to U+009F. */
        if (c == 0xc2 && i + 1 < text.size &&
            (unsigned char)text.data[i + 1] < 0xa0) {
            return false;
        }
    }
    return text.size > 0 && mm_span_is_utf8(text);
}

enum mailmod_error mm_scram_encode_name(struct mm_buf *out, struct mm_span name)
{
    enum mailmod_error error = MAILMOD_OK;
    for (size_t i = 0; i < name.size && error == MAILMOD_OK; i++) {
        char c = name.data[i];
        if (c == ',') {
            error = mm_buf_append_cstr(out, "=2C");
        } else if (c == '=') {
            error = mm_buf_append_cstr(out, "=3D");
        } else {
            error = mm_buf_append_char(out, c);
        }
    }
    return error;
}

enum mailmod_error mm_scram_decode_name(struct mm_span text, char *name_out,
                                        size_t size)
{
    size_t used = 0;
    while (text.size > 0) {
        char c = text.data[0];
        size_t length = 1;
        if (c == '=') {
            /* "=2C" and "=3D" alone: RFC 5802 5.1, and as written there. */
            struct mm_span escape = mm_span(text.data, text.size < 3 ? 0 : 3);
            c = mm_span_is(escape, "=2C") ? ',' : '=';
            if (c == '=' && !mm_span_is(escape, "=3D")) {
                return MAILMOD_ERROR_SYNTAX;
            }
            length = 3;
        }
        if (used + 1 >= size) {
            return MAILMOD_ERROR_TOO_LARGE;
        }
        name_out[used] = c;
        used++;
        text = mm_span_from(text, length);
    }
    if (!mm_scram_is_credential(mm_span(name_out, used))) {
        return MAILMOD_ERROR_SYNTAX;
    }
    name_out[used] = '\0';
    return MAILMOD_OK;
}

bool mm_scram_decode_exact(struct mm_span text, uint8_t *bytes_out, size_t size)
{
    struct mm_buf bytes;
    mm_buf_init(&bytes, size);
    bool is_exact = mm_base64_decode(&bytes, text) == MAILMOD_OK &&
                    mm_buf_size(&bytes) == size;
    if (is_exact) {
        memcpy(bytes_out, mm_buf_span(&bytes).data, size);
    }
    mm_buf_fini(&bytes);
    return is_exact;
}

enum mailmod_error mm_scram_append_nonce(struct mm_buf *out,
                                         const uint8_t random[18])
{
    return mm_base64_encode(out, random, 18);
}
