/* fuzz_report.c - reports about deliveries, from anything that hosts said and
 * senders wrote, read back by who gets them.
 *
 * A reply goes through the reader of replies first, as it does on its way; then
 * each text of the report is whole lines of ASCII (UTF-8 where an address is),
 * it has the three parts of RFC 6522, one group of fields of RFC 3464 2.3 for
 * each recipient with one Action and one Status each, and nothing of the texts
 * begins a field, a part or a line of its own. A list's reader of bounces knows
 * it as a report when, and only when, a delivery failed. */
#include "post/maillist_text.h"
#include "tests/fuzz/fuzz.h"
#include "wire/msg/field.h"
#include "wire/msg/report.h"
#include "wire/smtp/reply.h"

#include <string.h>

enum { RECIPIENTS_MAX = 3, TEXT_MAX = 1100 };

struct texts {
    char recipient[TEXT_MAX], original[TEXT_MAX], host[TEXT_MAX];
    char diagnostic[TEXT_MAX], status[12];
};
static struct texts texts[RECIPIENTS_MAX];

/* A line of the input, without its end. */
static void take(struct mm_span *rest, char *out, size_t size)
{
    struct mm_span line;

    (void)mm_span_cut(*rest, '\n', &line, rest);
    line.size = line.size < size - 1 ? line.size : size - 1;
    if (!mm_span_copy(line, out, size)) {
        out[0] = '\0';
    }
}

/* What a host says, as our client reads it; else the octets as they are. */
static void take_reply(struct mm_span *rest, struct texts *out)
{
    struct mm_reply_parser parser;
    struct mm_span line;
    struct mm_buf octets;
    size_t used;

    (void)mm_span_cut(*rest, '\n', &line, rest);
    mm_buf_init(&octets, 1 << 20);
    for (size_t i = 0; i < line.size; i++) {
        char c = line.data[i];
        (void)mm_buf_append_cstr(&octets, c == '\f' ? "\r\n550 " : "");
        (void)mm_buf_append_char(&octets, c == '\f' ? '-' : c);
    }
    (void)mm_buf_append_cstr(&octets, "\r\n");
    mm_reply_parser_init(&parser);
    struct mm_span text = mm_buf_span(&octets);
    if (mm_reply_parser_feed(&parser, text.data, text.size, &used) ==
            MAILMOD_OK &&
        parser.is_complete) {
        (void)snprintf(out->diagnostic, sizeof out->diagnostic, "%d %s",
                       parser.reply.code, mm_buf_cstr(&parser.reply.text));
    } else {
        line.size = line.size < TEXT_MAX - 1 ? line.size : TEXT_MAX - 1;
        (void)mm_span_copy(line, out->diagnostic, TEXT_MAX);
    }
    mm_reply_parser_fini(&parser);
    mm_buf_fini(&octets);
}

static size_t count_lines(struct mm_span text, const char *begin)
{
    struct mm_span line;
    size_t count = 0;

    while (mm_span_cut(text, '\n', &line, &text)) {
        count += mm_span_starts_nocase(line, begin) ? 1 : 0;
    }
    return count;
}

static void check_lines(struct mm_span text, bool may_be_utf8)
{
    struct mm_span line;

    while (mm_span_cut(text, '\n', &line, &text)) {
        FUZZ_CHECK(line.size > 0 && line.data[line.size - 1] == '\r');
        line.size--;
        /* An address may be as long as it is, and ninefold in its encoding. */
        FUZZ_CHECK(line.size <= 998 || mm_span_has_nocase(line, "recipient:") ||
                   line.data[0] == '<' || mm_span_starts_nocase(line, "to:"));
        for (size_t i = 0; i < line.size; i++) {
            unsigned char c = (unsigned char)line.data[i];
            FUZZ_CHECK(c == '\t' || (c >= ' ' && c < 127) ||
                       (may_be_utf8 && c >= 128));
        }
    }
    FUZZ_CHECK(text.size == 0);
}

/* Between this boundary's n-th and the next one. */
static struct mm_span part_of(struct mm_span text, unsigned number)
{
    struct mm_span part = mm_span(NULL, 0);
    const char *mark = "\r\n--=_R1";
    const char *at = text.data;

    for (unsigned i = 0; i <= number && at != NULL; i++) {
        at = strstr(at, mark);
        at = at != NULL ? at + strlen(mark) : NULL;
    }
    if (at != NULL) {
        const char *end = strstr(at, mark);
        FUZZ_CHECK(end != NULL);
        part = mm_span(at, (size_t)(end - at) + 2);
    }
    return part;
}

static void check_report(const struct mm_report *report, struct mm_span text)
{
    struct mm_span status = part_of(text, 1);
    struct mm_maillist_facts facts;
    struct mm_maillist list = {.name = "news@example.org"};
    bool has_failed = false;

    FUZZ_CHECK(count_lines(text, "--=_R1") == 4);
    FUZZ_CHECK(count_lines(text, "--=_R1--") == 1);
    FUZZ_CHECK(mm_span_has_nocase(status, "delivery-status"));
    FUZZ_CHECK(count_lines(status, "final-recipient:") ==
               report->recipient_count);
    FUZZ_CHECK(count_lines(status, "action:") == report->recipient_count);
    FUZZ_CHECK(count_lines(status, "status:") == report->recipient_count);
    FUZZ_CHECK(count_lines(status, "reporting-mta:") == 1);
    FUZZ_CHECK(count_lines(status, "original-envelope-id:") <= 1);
    FUZZ_CHECK(count_lines(status, "diagnostic-code:") <=
               report->recipient_count);
    FUZZ_CHECK(count_lines(status, "remote-mta:") <= report->recipient_count);
    /* Empty: the ends of both boundaries' lines, of the part's header, and one
     * in front of each recipient's group. */
    FUZZ_CHECK(count_lines(status, "\r") == 3 + report->recipient_count);
    for (size_t i = 0; i < report->recipient_count; i++) {
        has_failed =
            has_failed || report->recipients[i].action == MM_REPORT_FAILED;
    }
    mm_maillist_read_facts(&list, text, &facts);
    FUZZ_CHECK(facts.is_automatic);
    FUZZ_CHECK(facts.is_report == has_failed);
    FUZZ_CHECK(strcmp(facts.from, "postmaster@mx.example") == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct mm_span rest = mm_span((const char *)data, size);
    uint8_t flags = fuzz_octet(&rest);
    struct mm_report_recipient recipients[RECIPIENTS_MAX];
    char path[TEXT_MAX];
    char envelope_id[TEXT_MAX];
    struct mm_report report = {.host_name = "mx.example",
                               .identifier = "A1",
                               .report_identifier = "R1",
                               .reverse_path = path,
                               .envelope_id = envelope_id,
                               .arrival_ms = INT64_C(1700000000000),
                               .now_ms = INT64_C(1700000100000),
                               .retry_until_ms = INT64_C(1700000900000),
                               .recipients = recipients,
                               .recipient_count = 1 + flags % RECIPIENTS_MAX,
                               .is_original_smtputf8 = (flags & 0x20) != 0,
                               .is_original_8bit = (flags & 0x40) != 0,
                               .includes_body = (flags & 0x80) != 0};
    struct mm_buf out;

    take(&rest, path, sizeof path);
    take(&rest, envelope_id, sizeof envelope_id);
    for (size_t i = 0; i < report.recipient_count; i++) {
        uint8_t kind = fuzz_octet(&rest);
        take(&rest, texts[i].recipient, TEXT_MAX);
        take(&rest, texts[i].original, TEXT_MAX);
        take(&rest, texts[i].host, TEXT_MAX);
        take_reply(&rest, &texts[i]);
        (void)snprintf(texts[i].status, sizeof texts[i].status, "5.%u.%u",
                       kind % 8u, kind / 8u);
        recipients[i] = (struct mm_report_recipient){
            .recipient = texts[i].recipient,
            .original_recipient = texts[i].original,
            .action = (enum mm_report_action)(kind % 5),
            .status = texts[i].status,
            .remote_host = texts[i].host,
            .diagnostic = texts[i].diagnostic,
            .is_reply = (kind & 0x80) != 0};
    }
    mm_buf_init(&out, 1 << 20);
    enum mailmod_error error = mm_report_write_begin(&out, &report);
    FUZZ_CHECK((error == MAILMOD_OK) == (path[0] != '\0'));
    if (error == MAILMOD_OK) {
        (void)mm_buf_append_cstr(&out, "Subject: the original\r\n");
        FUZZ_CHECK(mm_report_write_end(&out, &report) == MAILMOD_OK);
        check_lines(mm_buf_span(&out), true);
        check_report(&report, mm_span_cstr(mm_buf_cstr(&out)));
    }
    mm_buf_fini(&out);
    return 0;
}
