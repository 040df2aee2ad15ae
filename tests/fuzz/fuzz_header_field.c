/* fuzz_header_field.c - any octets as names and values of fields that a host
 * program or a filter gives.
 *
 * What is written is one field, in ASCII, in lines of a bounded length; read
 * back it has the value that was given. A change in a header leaves all other
 * fields octet for octet, and makes one field and no more. What goes out of a
 * host's settings has each field once that may be there once. */
#include "tests/fuzz/fuzz.h"
#include "wire/msg/field.h"
#include "wire/msg/header_change.h"
#include "wire/msg/header_rules.h"
#include "wire/msg/plain_text.h"

#include <string.h>

/* Whole CRLF lines; how many of them begin a field. */
static unsigned count_fields(struct mm_span text, size_t line_max)
{
    unsigned fields = 0;
    struct mm_span line;

    while (mm_span_cut(text, '\n', &line, &text)) {
        FUZZ_CHECK(line.size > 0 && line.data[line.size - 1] == '\r');
        FUZZ_CHECK(line.size <= line_max + 1);
        FUZZ_CHECK(memchr(line.data, '\r', line.size) ==
                   line.data + line.size - 1);
        fields += line.data[0] != '\t' && line.data[0] != ' ' ? 1 : 0;
    }
    FUZZ_CHECK(text.size == 0);
    return fields;
}

static void check_written(struct mm_span name, struct mm_span value)
{
    struct mm_buf field;
    struct mm_buf unfolded;
    struct mm_buf back;

    mm_buf_init(&field, 1 << 20);
    mm_buf_init(&unfolded, 1 << 20);
    mm_buf_init(&back, 1 << 20);
    if (mm_header_field_write(&field, name, value) == MM_HEADER_FIELD_OK) {
        struct mm_span text = mm_buf_span(&field);

        FUZZ_CHECK(count_fields(text, 998) == 1);
        FUZZ_CHECK(!mm_span_has_8bit(text));
        text = mm_span_from(text, name.size + 1);
        for (size_t i = 0; i < text.size; i++) {
            char c = text.data[i];
            if (c != '\r' && c != '\n') {
                (void)mm_buf_append_char(&unfolded, c);
            }
        }
        FUZZ_CHECK(mm_plain_text_value(mm_span_trim(mm_buf_span(&unfolded)),
                                       &back) == MAILMOD_OK);
        /* An encoded word that the value had itself is one to its reader. */
        if (memchr(value.data, '?', value.size) == NULL) {
            FUZZ_CHECK(mm_span_equal(mm_buf_span(&back), mm_span_trim(value)));
        }
    }
    mm_buf_fini(&field);
    mm_buf_fini(&unfolded);
    mm_buf_fini(&back);
}

/* A header of the input's lines, each of which is a field or continues one. */
static void make_header(struct mm_buf *out, struct mm_span rest)
{
    struct mm_span line;

    while (rest.size > 0 && mm_buf_size(out) < 4096) {
        (void)mm_span_cut(rest, '\n', &line, &rest);
        for (size_t i = 0; i < line.size; i++) {
            (void)mm_buf_append_char(out,
                                     line.data[i] == '\r' ? 'r' : line.data[i]);
        }
        (void)mm_buf_append_cstr(out, "\r\n");
    }
}

/* The fields of a header that are not of the name, one behind the other. */
static void others_of(struct mm_span header, const char *name,
                      struct mm_buf *out)
{
    while (header.size > 0) {
        size_t size = 0;
        do {
            const char *lf =
                memchr(header.data + size, '\n', header.size - size);
            size = (size_t)(lf - header.data) + 1;
        } while (size < header.size &&
                 (header.data[size] == ' ' || header.data[size] == '\t'));
        struct mm_span field = mm_span(header.data, size);
        if (!mm_header_is(field, name)) {
            (void)mm_buf_append_span(out, field);
        }
        header = mm_span_from(header, size);
    }
}

static void check_change(const char *name, const char *value,
                         struct mm_span lines, unsigned steering)
{
    struct mm_header_change change = {
        .kind = (enum mm_header_change_kind)(steering % 3),
        .number = 1 + steering / 3 % 5,
        .name = name,
        .value = value};
    struct mm_buf before;
    struct mm_buf after;
    struct mm_buf others[2];

    if (!mm_header_change_is_sound(name, value)) {
        return;
    }
    mm_buf_init(&before, 1 << 20);
    mm_buf_init(&after, 1 << 20);
    mm_buf_init(&others[0], 1 << 20);
    mm_buf_init(&others[1], 1 << 20);
    make_header(&before, lines);
    FUZZ_CHECK(mm_header_change_apply(mm_buf_span(&before), &change, &after) ==
               MAILMOD_OK);
    unsigned had = count_fields(mm_buf_span(&before), 1 << 20);
    unsigned has = count_fields(mm_buf_span(&after), 1 << 20);
    FUZZ_CHECK(change.kind == MM_HEADER_CHANGE_SET
                   ? has <= had + 1 && has + 1 >= had
                   : has == had + 1);
    /* A line in front of all fields may begin with a blank: it is a field
     * there, and would continue one that is put above it. */
    if (mm_buf_size(&before) > 0 && mm_buf_cstr(&before)[0] > ' ') {
        others_of(mm_buf_span(&before), name, &others[0]);
        others_of(mm_buf_span(&after), name, &others[1]);
        FUZZ_CHECK(
            mm_span_equal(mm_buf_span(&others[0]), mm_buf_span(&others[1])));
    }
    mm_buf_fini(&before);
    mm_buf_fini(&after);
    mm_buf_fini(&others[0]);
    mm_buf_fini(&others[1]);
}

static unsigned count_of(struct mm_span header, const char *name)
{
    struct mm_span field;
    unsigned count = 0;

    while (mm_header_next(&header, &field)) {
        count += mm_header_is(field, name) ? 1 : 0;
    }
    return count;
}

/* Lines of the input: what to set, then the text. */
static void check_set(struct mm_span rest, unsigned steering)
{
    static const char *const once[] = {"From", "Sender", "Date", "Message-ID",
                                       "Subject"};
    static const char *const recipients[] = {"a@b.test", "c@d.test"};
    const struct mm_header_facts facts = {.host_name = "mx.example",
                                          .identifier = "A1",
                                          .reverse_path = "s@y.org",
                                          .now_ms = 1,
                                          .recipients = recipients,
                                          .recipient_count = 2};
    struct mm_header_set set = {0};
    struct mm_header_scan scan = {0};
    struct mm_header_scan slow = {0};
    struct mm_buf text;
    struct mm_buf out;
    struct mm_span line;

    for (unsigned i = 0; i < 1 + steering % 4; i++) {
        char copy[1024];
        enum mm_header_mistake mistake = MM_HEADER_SET_OK;
        struct mm_span value;
        struct mm_span name;

        (void)mm_span_cut(rest, '\n', &line, &rest);
        if (line.size < 2 || !mm_span_copy(line, copy, sizeof copy)) {
            continue;
        }
        (void)mm_span_cut(mm_span_cstr(copy + 1), ':', &name, &value);
        if (value.size > 0) {
            copy[1 + name.size] = '\0';
        }
        switch (copy[0] % 4) {
        case 0:
            mistake = mm_header_set_text(&set, copy + 1,
                                         value.size > 0 ? value.data : "");
            break;
        case 1:
            mistake = mm_header_set_add_mailbox(
                &set, copy + 1, value.size > 0 ? value.data : NULL, "x@y.test");
            break;
        case 2:
            mistake = mm_header_set_name_recipients(&set, copy + 1);
            break;
        default:
            mistake = mm_header_set_option(
                &set, copy + 1, (enum mm_header_option)(1 + i % 2), true);
            break;
        }
        FUZZ_CHECK(mistake < MM_HEADER_SET_FULL);
    }
    mm_buf_init(&text, 1 << 20);
    mm_buf_init(&out, 1 << 22);
    make_header(&text, rest);
    FUZZ_CHECK(mm_header_scan(&scan, mm_buf_span(&text), true));
    for (size_t size = 0;
         size < mm_buf_size(&text) &&
         !mm_header_scan(&slow, mm_span(text.data, size), false);
         size += 1 + steering % 7) {
    }
    FUZZ_CHECK(mm_header_scan(&slow, mm_buf_span(&text), true));
    FUZZ_CHECK(slow.size == scan.size && slow.body_at == scan.body_at);
    enum mailmod_error error =
        mm_header_set_write(&set, mm_span(text.data, scan.size), &facts, &out);
    if (error == MAILMOD_OK) {
        FUZZ_CHECK(mm_buf_size(&out) >= 2 &&
                   memcmp(mm_buf_span(&out).data + mm_buf_size(&out) - 2,
                          "\r\n", 2) == 0);
        for (size_t i = 0; i < sizeof once / sizeof once[0]; i++) {
            FUZZ_CHECK(count_of(mm_buf_span(&out), once[i]) <= 1);
        }
        FUZZ_CHECK(count_of(mm_buf_span(&out), "From") == 1);
        FUZZ_CHECK(count_of(mm_buf_span(&out), "Date") == 1);
        FUZZ_CHECK(count_of(mm_buf_span(&out), "Bcc") == 0);
    }
    mm_header_set_fini(&set);
    mm_buf_fini(&text);
    mm_buf_fini(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct mm_span input = mm_span((const char *)data, size);
    unsigned steering = fuzz_octet(&input);
    struct mm_span name;
    struct mm_span value;
    char texts[2][1024];

    struct mm_span rest = input;
    (void)mm_span_cut(rest, ':', &name, &rest);
    size_t value_size = fuzz_octet(&rest);
    value = fuzz_piece(&rest, value_size * 4);
    check_written(name, value);
    if (mm_span_copy(name, texts[0], sizeof texts[0]) &&
        mm_span_copy(value, texts[1], sizeof texts[1])) {
        check_change(texts[0], texts[1], rest, steering);
    }
    check_set(input, steering);
    return 0;
}
