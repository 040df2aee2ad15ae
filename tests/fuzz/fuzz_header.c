/* fuzz_header.c - any octets as a message's header, as an xtext, and as what
 * a peer calls itself. The edit does not depend on how the octets were cut;
 * xtext comes back; the fields that we write are whole lines. */
#include "tests/fuzz/fuzz.h"
#include "wire/msg/header_edit.h"
#include "wire/msg/message.h"
#include "wire/msg/report.h"

#include <string.h>

/* What stays of a header, and what is known of it. */
static void edit(struct mm_header_edit *edit, struct mm_span input,
                 size_t piece_size, struct mm_buf *out)
{
    mm_header_edit_init(edit,
                        MM_HEADER_DROPS_RETURN_PATH | MM_HEADER_DROPS_BCC);
    while (input.size > 0) {
        struct mm_span piece = fuzz_piece(&input, piece_size);

        while (piece.size > 0) {
            size_t used = 0;

            (void)mm_buf_append_span(out,
                                     mm_header_edit_next(edit, piece, &used));
            piece = mm_span_from(piece, used);
        }
    }
    (void)mm_buf_append_span(out, mm_header_edit_end(edit));
    FUZZ_CHECK(mm_buf_error(out) == MAILMOD_OK);
}

static void check_edit(struct mm_span input, size_t piece_size)
{
    struct mm_header_edit whole;
    struct mm_header_edit cut;
    struct mm_buf whole_text;
    struct mm_buf cut_text;
    mm_buf_init(&whole_text, input.size + MM_HEADER_KEPT_MAX);
    mm_buf_init(&cut_text, input.size + MM_HEADER_KEPT_MAX);
    edit(&whole, input, input.size, &whole_text);
    edit(&cut, input, piece_size, &cut_text);
    FUZZ_CHECK(mm_span_equal(mm_buf_span(&whole_text), mm_buf_span(&cut_text)));
    FUZZ_CHECK(whole.is_done == cut.is_done);
    FUZZ_CHECK(whole.received_count == cut.received_count);
    FUZZ_CHECK(whole.has_date == cut.has_date);
    FUZZ_CHECK(whole.has_from == cut.has_from);
    FUZZ_CHECK(whole.has_message_id == cut.has_message_id);
    mm_buf_fini(&whole_text);
    mm_buf_fini(&cut_text);
}

static void check_xtext(struct mm_span input)
{
    struct mm_buf encoded;
    struct mm_buf decoded;
    mm_buf_init(&encoded, 3 * input.size);
    mm_buf_init(&decoded, 3 * input.size);
    bool is_printable = true;
    for (size_t i = 0; i < input.size; i++) {
        unsigned char c = (unsigned char)input.data[i];
        is_printable = is_printable && mm_ascii_is_printable(c);
    }
    FUZZ_CHECK(mm_xtext_encode(&encoded, input) == MAILMOD_OK);
    enum mailmod_error error = mm_xtext_decode(&decoded, mm_buf_span(&encoded));
    FUZZ_CHECK((error == MAILMOD_OK) == is_printable);
    if (error == MAILMOD_OK) {
        FUZZ_CHECK(mm_span_equal(mm_buf_span(&decoded), input));
    }
    mm_buf_clear(&decoded);
    if (mm_xtext_decode(&decoded, input) == MAILMOD_OK) {
        FUZZ_CHECK(mm_buf_size(&decoded) <= input.size);
    } else {
        FUZZ_CHECK(mm_buf_size(&decoded) == 0);
    }
    mm_buf_fini(&encoded);
    mm_buf_fini(&decoded);
}

/* CRLF lines of at most 998 octets without control characters; the number of
 * those that begin a field. */
static unsigned check_lines(struct mm_span text)
{
    unsigned fields = 0;
    struct mm_span line;
    while (mm_span_cut(text, '\n', &line, &text)) {
        FUZZ_CHECK(line.size > 0 && line.size <= 999);
        FUZZ_CHECK(line.data[line.size - 1] == '\r');
        for (size_t i = 0; i + 1 < line.size; i++) {
            unsigned char c = (unsigned char)line.data[i];
            FUZZ_CHECK(c == '\t' || (c >= 32 && c != 127));
        }
        fields += line.data[0] != '\t' && line.data[0] != ' ' ? 1 : 0;
    }
    FUZZ_CHECK(text.size == 0);
    return fields;
}

static void check_received(struct mm_span name, unsigned flags)
{
    static const uint8_t ip[4] = {192, 0, 2, 1};
    struct mm_received received = {
        .helo_name = name,
        .peer = mm_netaddr_v4(ip, 25),
        .host_name = "mx.example",
        .identifier = "A1",
        .recipient = "u@x.org",
        .is_extended = (flags & 1) != 0,
        .is_tls = (flags & 2) != 0,
        .is_authenticated = (flags & 4) != 0,
        .is_smtputf8 = (flags & 8) != 0,
    };
    struct mm_buf out;
    mm_buf_init(&out, 4096);
    FUZZ_CHECK(mm_received_write(&out, &received) == MAILMOD_OK);
    FUZZ_CHECK(check_lines(mm_buf_span(&out)) == 1);
    FUZZ_CHECK(received.is_smtputf8 || !mm_span_has_8bit(mm_buf_span(&out)));
    mm_buf_fini(&out);
}

/* A peer's text as diagnostic, host and recipient of a report. */
static void check_report(struct mm_span text)
{
    char copy[1025];
    struct mm_report_recipient recipient = {
        .recipient = "u@x.org",
        .original_recipient = copy,
        .status = "5.0.0",
        .remote_host = copy,
        .diagnostic = copy,
    };
    struct mm_report report = {
        .host_name = "mx.example",
        .identifier = copy,
        .report_identifier = "R1",
        .reverse_path = "s@y.org",
        .envelope_id = copy,
        .recipients = &recipient,
        .recipient_count = 1,
    };
    struct mm_buf out;
    mm_buf_init(&out, 65536);
    if (!mm_span_copy(text, copy, sizeof copy)) {
        return;
    }
    FUZZ_CHECK(mm_report_write_begin(&out, &report) == MAILMOD_OK);
    FUZZ_CHECK(mm_report_write_end(&out, &report) == MAILMOD_OK);
    check_lines(mm_buf_span(&out));
    const char *end = strstr(mm_buf_cstr(&out), "\r\n--=_R1--");
    FUZZ_CHECK(end != NULL && strcmp(end, "\r\n--=_R1--\r\n") == 0);
    mm_buf_fini(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct mm_span input = mm_span((const char *)data, size);
    unsigned flags = fuzz_octet(&input);
    check_edit(input, flags);
    check_xtext(input);
    check_received(input, flags);
    check_report(input);
    return 0;
}
