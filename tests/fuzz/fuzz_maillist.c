/* fuzz_maillist.c - any octets as a message to a list: what the list reads in
 * it, and what it writes of it for its members, its owner and who asked.
 *
 * The header for members has each field of the list's once and none of another
 * list's; all other fields are there octet for octet and in their order; the
 * rest begins where the header ends. Notices and answers are whole lines of
 * printable ASCII, however the post looks. */
#include "post/maillist_text.h"
#include "tests/fuzz/fuzz.h"
#include "wire/msg/field.h"

#include <string.h>

static size_t count_of(struct mm_span text, const char *name)
{
    struct mm_span field;
    size_t count = 0;

    while (mm_header_next(&text, &field)) {
        count += mm_header_is(field, name) ? 1 : 0;
    }
    return count;
}

/* Fields that are neither the list's nor changed, one behind the other. */
static void take_others(struct mm_span text, struct mm_buf *out)
{
    static const char *const names[] = {"From",
                                        "Reply-To",
                                        "DKIM-Signature",
                                        "Precedence",
                                        "Delivered-To",
                                        "X-Original-To",
                                        "Return-Path",
                                        "Return-Receipt-To",
                                        "Disposition-Notification-To",
                                        "Errors-To",
                                        "Bcc"};
    struct mm_span field;

    while (mm_header_next(&text, &field)) {
        bool is_other = !mm_span_starts_nocase(field, "List-");

        for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
            is_other = is_other && !mm_header_is(field, names[i]);
        }
        if (is_other) {
            (void)mm_buf_append_span(out, field);
        }
    }
}

static void check_header(const struct mm_maillist *list, struct mm_span text)
{
    static const char *const once[] = {"List-Id", "List-Post", "List-Owner",
                                       "List-Unsubscribe", "Precedence"};
    struct mm_span rest;
    struct mm_buf out;
    struct mm_buf others[2];

    mm_buf_init(&out, 1 << 22);
    mm_buf_init(&others[0], 1 << 22);
    mm_buf_init(&others[1], 1 << 22);
    enum mailmod_error error =
        mm_maillist_write_header(&out, list, text, &rest);
    FUZZ_CHECK(rest.size <= text.size);
    FUZZ_CHECK(error == (rest.size > 0 ? MAILMOD_OK : MAILMOD_ERROR_TOO_LARGE));
    if (error == MAILMOD_OK) {
        FUZZ_CHECK(rest.data + rest.size == text.data + text.size);
        struct mm_span header = mm_buf_span(&out);
        for (size_t i = 0; i < sizeof once / sizeof once[0]; i++) {
            FUZZ_CHECK(count_of(header, once[i]) == 1);
        }
        FUZZ_CHECK(count_of(header, "List-Archive") == 0);
        FUZZ_CHECK(count_of(header, "Bcc") == 0);
        FUZZ_CHECK(count_of(header, "Return-Path") == 0);
        FUZZ_CHECK(!list->rewrites_from || count_of(header, "From") <= 1);
        take_others(text, &others[0]);
        take_others(header, &others[1]);
        FUZZ_CHECK(
            mm_span_equal(mm_buf_span(&others[0]), mm_buf_span(&others[1])));
        struct mm_maillist_facts facts;
        (void)mm_buf_append_span(&out, rest);
        mm_maillist_read_facts(list, mm_buf_span(&out), &facts);
        FUZZ_CHECK(facts.is_ours && facts.is_automatic);
    }
    mm_buf_fini(&out);
    mm_buf_fini(&others[0]);
    mm_buf_fini(&others[1]);
}

static void check_lines(struct mm_span text)
{
    struct mm_span line;

    while (mm_span_cut(text, '\n', &line, &text)) {
        FUZZ_CHECK(line.size > 0 && line.size <= 999 &&
                   line.data[line.size - 1] == '\r');
        for (size_t i = 0; i + 1 < line.size; i++) {
            FUZZ_CHECK(mm_ascii_is_printable((unsigned char)line.data[i]));
        }
    }
    FUZZ_CHECK(text.size == 0);
}

static void check_notice(const struct mm_maillist *list, struct mm_span text)
{
    struct mm_maillist_notice notice = {.identifier = "A1",
                                        .approve = "a1=x=y",
                                        .reject = "r1=x=y",
                                        .text = text};
    struct mm_buf out;

    mm_buf_init(&out, 1 << 20);
    FUZZ_CHECK(mm_maillist_write_notice(&out, list, &notice, 1, "N1") ==
               MAILMOD_OK);
    check_lines(mm_buf_span(&out));
    FUZZ_CHECK(mm_buf_size(&out) < 70000);
    FUZZ_CHECK(count_of(mm_buf_span(&out), "From") == 1);
    mm_buf_clear(&out);
    FUZZ_CHECK(mm_maillist_write_answer(
                   &out, list, MM_MAILLIST_SUBSCRIBE, "bob@far.test",
                   text.size % 2 != 0 ? "s1=a" : NULL, 1, "N2") == MAILMOD_OK);
    check_lines(mm_buf_span(&out));
    mm_buf_fini(&out);
}

/* A row of any kind is read to a list and a member that are sound. */
static void check_rows(struct mm_span text, uint8_t number)
{
    struct mm_store_record record = {
        .kind = MM_RECORD_MAILLIST,
        .name = "news@example.org",
        .key = "k",
        .number = (int64_t)(number * UINT64_C(0x0123456789abcd)),
        .value = text};
    struct mm_maillist list;
    struct mm_maillist_member member;
    struct mm_store_record again;
    struct mm_maillist back;

    mm_maillist_of(&record, &list);
    FUZZ_CHECK((unsigned)list.rule <= MM_MAILLIST_MODERATED);
    FUZZ_CHECK(strlen(list.owner) < sizeof list.owner);
    mm_maillist_record(&list, &again);
    mm_maillist_of(&again, &back);
    FUZZ_CHECK(memcmp(&list, &back, sizeof list) == 0);
    mm_maillist_member_of(&record, &member);
    FUZZ_CHECK(strlen(member.address) < sizeof member.address);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct mm_span text = mm_span((const char *)data, size);
    uint8_t flags = fuzz_octet(&text);
    struct mm_maillist list = {.name = "news@example.org",
                               .owner = "boss@example.org",
                               .rule = MM_MAILLIST_MODERATED,
                               .rewrites_from = (flags & 1) != 0,
                               .is_closed = (flags & 2) != 0};
    struct mm_maillist_facts facts;
    struct mm_buf message;

    /* In front of a stored message stands a field of ours. */
    mm_buf_init(&message, 1 << 22);
    (void)mm_buf_append_cstr(&message, "Received: from x\r\n");
    (void)mm_buf_append_span(&message, text);
    text = mm_buf_span(&message);
    mm_maillist_read_facts(&list, text, &facts);
    FUZZ_CHECK(!facts.is_ours || facts.is_automatic);
    FUZZ_CHECK(strlen(facts.from) < sizeof facts.from);
    check_header(&list, text);
    check_notice(&list, text);
    check_rows(text, flags);
    mm_buf_fini(&message);
    return 0;
}
