/* fuzz_auto_reply.c - any octets as a message that is answered by a program,
 * and as the answer's own words.
 *
 * The rules answer the same however the message goes on behind its header. The
 * answer is whole lines of ASCII (UTF-8 in addresses alone), has each field
 * once, shows the words that were given, and is not answered itself; its row in
 * the store reads back to it, and a row of any octets is read or is damage. */
#include "post/auto_reply_text.h"
#include "tests/fuzz/fuzz.h"
#include "wire/msg/field.h"
#include "wire/msg/plain_text.h"

#include <string.h>

static bool is_alice(void *context, const struct mm_address *address)
{
    (void)context;
    return mm_cstr_equal_nocase(address->text, "alice@example.net");
}

static size_t count_of(struct mm_span text, const char *name)
{
    struct mm_span field;
    size_t count = 0;

    while (mm_header_next(&text, &field)) {
        count += mm_header_is(field, name) ? 1 : 0;
    }
    return count;
}

static void check_answer(const struct mm_auto_reply_question *question,
                         const struct mm_auto_reply *reply)
{
    static const char *const once[] = {
        "From",         "To",           "Date",
        "Message-ID",   "Subject",      "Auto-Submitted",
        "Precedence",   "MIME-Version", "Content-Transfer-Encoding",
        "Content-Type",
    };
    static const char *const may[] = {"In-Reply-To", "References"};
    struct mm_buf out;
    struct mm_buf shown;
    struct mm_span line;

    mm_buf_init(&out, 1 << 20);
    mm_buf_init(&shown, 1 << 20);
    FUZZ_CHECK(mm_auto_reply_write(&out, question, reply, 1, "R1",
                                   "mx.example") == MAILMOD_OK);
    struct mm_span text = mm_buf_span(&out);
    for (size_t i = 0; i < sizeof once / sizeof once[0]; i++) {
        FUZZ_CHECK(count_of(text, once[i]) == 1);
    }
    for (size_t i = 0; i < sizeof may / sizeof may[0]; i++) {
        FUZZ_CHECK(count_of(text, may[i]) <= 1);
    }
    struct mm_span rest = text;
    while (mm_span_cut(rest, '\n', &line, &rest)) {
        FUZZ_CHECK(line.size > 0 && line.size <= 999 &&
                   line.data[line.size - 1] == '\r');
        FUZZ_CHECK(!mm_span_has_8bit(line));
    }
    FUZZ_CHECK(rest.size == 0);
    FUZZ_CHECK(mm_plain_text_body(text, &shown) == MAILMOD_OK);
    /* The words with CRLF line ends, and one at the end. */
    struct mm_buf wanted;
    mm_buf_init(&wanted, 1 << 20);
    for (size_t i = 0; i < reply->text.size; i++) {
        char c = reply->text.data[i];
        (void)mm_buf_append_cstr(&wanted, c == '\n' ? "\r" : "");
        if (c != '\r') {
            (void)mm_buf_append_char(&wanted, c);
        }
    }
    if (reply->text.size == 0 ||
        reply->text.data[reply->text.size - 1] != '\n') {
        (void)mm_buf_append_cstr(&wanted, "\r\n");
    }
    FUZZ_CHECK(mm_span_equal(mm_buf_span(&shown), mm_buf_span(&wanted)));
    struct mm_auto_reply_question of_answer = *question;
    of_answer.text = text;
    of_answer.reverse_path = "alice@example.org";
    FUZZ_CHECK(mm_auto_reply_refusal(&of_answer) != NULL);
    mm_buf_fini(&wanted);
    mm_buf_fini(&shown);
    mm_buf_fini(&out);
}

static void check_row(const struct mm_auto_reply *reply, struct mm_span octets)
{
    struct mm_store_record record;
    struct mm_auto_reply back;
    struct mm_buf value;

    mm_buf_init(&value, MM_STORE_RECORD_VALUE_MAX);
    if (mm_auto_reply_record("alice", reply, &value, &record) == MAILMOD_OK) {
        FUZZ_CHECK(mm_auto_reply_of(&record, &back));
        FUZZ_CHECK(strcmp(back.subject, reply->subject) == 0);
        FUZZ_CHECK(back.from_ms == reply->from_ms &&
                   back.until_ms == reply->until_ms &&
                   back.days == reply->days);
        FUZZ_CHECK(mm_span_equal(back.text, reply->text));
        record.value = octets;
        if (mm_auto_reply_of(&record, &back)) {
            FUZZ_CHECK(back.text.size <= octets.size);
            FUZZ_CHECK(strlen(back.subject) < sizeof back.subject);
            (void)mm_auto_reply_is_on(&back, 1);
        }
    }
    mm_buf_fini(&value);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct mm_span rest = mm_span((const char *)data, size);
    struct mm_span words;
    struct mm_span line;
    struct mm_auto_reply reply = {.days = 7};
    char path[MM_STORE_REVERSE_PATH_MAX];

    reply.from_ms = fuzz_octet(&rest);
    reply.until_ms = fuzz_octet(&rest);
    (void)mm_span_cut(rest, '\n', &line, &rest);
    if (!mm_span_copy(line, path, sizeof path) || mm_span_has_8bit(line)) {
        path[0] = '\0';
    }
    (void)mm_span_cut(rest, '\n', &line, &rest);
    (void)mm_span_copy(line, reply.subject, sizeof reply.subject);
    (void)mm_span_cut(rest, '\f', &words, &rest);
    words.size = words.size < MM_AUTO_REPLY_TEXT_MAX ? words.size
                                                     : MM_AUTO_REPLY_TEXT_MAX;
    reply.text = words;
    struct mm_auto_reply_question question = {.reverse_path = path,
                                              .text = rest,
                                              .path = "alice@example.org",
                                              .more = "info@example.org",
                                              .wants_name = size % 2 != 0,
                                              .is_own = is_alice};
    const char *refusal = mm_auto_reply_refusal(&question);
    struct mm_address address;
    if (refusal == NULL && mm_address_parse(mm_span_cstr(path), false, true,
                                            &address) == MAILMOD_OK) {
        question.reverse_path = address.text;
        check_answer(&question, &reply);
    }
    check_row(&reply, rest);
    return 0;
}
