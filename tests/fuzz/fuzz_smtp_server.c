/* fuzz_smtp_server.c - any octets as what an SMTP client says. The host says
 * yes to all but the recipient "no". What is said back is whole reply lines;
 * what is told does not depend on how the octets were cut; a body is as long
 * as its end says and, where newlines are mended, has no bare one; and no
 * event comes outside its transaction. */
#include "base/siphash.h"
#include "tests/fuzz/fuzz.h"
#include "wire/smtp/server.h"

#include <string.h>

enum {
    NORMALIZES = 1,
    IS_TLS = 2,
    HAS_STARTTLS = 4,
    IS_SMALL = 8,
    COUNTS = 16,
    IS_LENIENT = 32
};

struct run {
    struct mm_smtpd *engine;
    struct mm_buf output;
    uint64_t told; /* a hash of the events, bodies put together */
    uint64_t body_hash;
    uint64_t body_size;
    bool has_8bit;
    bool normalizes;
    char last; /* octet of the body */
    bool has_transaction;
    bool is_over;
};

static void tell(struct run *run, const void *data, size_t size)
{
    run->told = mm_siphash(mm_span(data, size), run->told, size);
}

static void check_body(struct run *run, struct mm_span data)
{
    FUZZ_CHECK(data.size > 0 && data.size <= MM_LIMIT_INPUT);
    for (size_t i = 0; i < data.size; i++) {
        char c = data.data[i];
        run->body_hash = run->body_hash * 31 + (unsigned char)c;
        if (run->normalizes) {
            FUZZ_CHECK((run->last == '\r') == (c == '\n'));
        }
        run->has_8bit = run->has_8bit || (unsigned char)c > 127;
        run->last = c;
    }
    run->body_size += data.size;
}

static void check_end(struct run *run, const struct mm_smtpd_info *info)
{
    FUZZ_CHECK(info->size == run->body_size);
    FUZZ_CHECK(info->has_8bit == run->has_8bit);
    FUZZ_CHECK(!run->normalizes || run->last != '\r');
    tell(run, &run->body_hash, sizeof run->body_hash);
}

static void check_path(struct run *run, const struct mm_address *path)
{
    FUZZ_CHECK(path != NULL && strpbrk(path->text, "\r\n") == NULL);
    tell(run, path->text, strlen(path->text));
}

static enum mailmod_error answer_auth(struct run *run, struct mm_span data)
{
    tell(run, data.data, data.size);
    return data.size % 3 == 0 ? mm_smtpd_challenge(run->engine, data)
                              : mm_smtpd_answer(run->engine, NULL);
}

static enum mailmod_error answer_rcpt(struct run *run,
                                      const struct mm_address *path)
{
    bool is_no = strcmp(path->local_part, "no") == 0;
    return mm_smtpd_answer(run->engine,
                           is_no ? mm_reply_get(MM_REPLY_NO_SUCH_USER) : NULL);
}

static void check_transaction(struct run *run, enum mm_smtpd_event event)
{
    bool is_inside = event == MM_SMTPD_RCPT || event == MM_SMTPD_DATA ||
                     event == MM_SMTPD_BODY || event == MM_SMTPD_END ||
                     event == MM_SMTPD_RESET;
    bool is_outside = event == MM_SMTPD_MAIL || event == MM_SMTPD_HELO ||
                      event == MM_SMTPD_AUTH || event == MM_SMTPD_STARTTLS;
    FUZZ_CHECK(!is_inside || run->has_transaction);
    FUZZ_CHECK(!is_outside || !run->has_transaction);
    run->has_transaction = event == MM_SMTPD_MAIL ||
                           (run->has_transaction && event != MM_SMTPD_END &&
                            event != MM_SMTPD_RESET);
    if (event == MM_SMTPD_DATA) {
        run->body_hash = 0;
        run->body_size = 0;
        run->has_8bit = false;
        run->last = '\0';
    }
}

static void settle(struct run *run, enum mm_smtpd_event event,
                   const struct mm_smtpd_info *info)
{
    enum mailmod_error error;
    FUZZ_CHECK(!run->is_over);
    check_transaction(run, event);
    if (event == MM_SMTPD_BODY) {
        check_body(run, info->data);
        FUZZ_CHECK(mm_smtpd_answer(run->engine, NULL) == MAILMOD_OK);
        return;
    }
    tell(run, &event, sizeof event);
    switch (event) {
    case MM_SMTPD_AUTH:
    case MM_SMTPD_AUTH_DATA:
        error = answer_auth(run, info->data);
        break;
    case MM_SMTPD_MAIL:
        check_path(run, info->path);
        error = mm_smtpd_answer(run->engine, NULL);
        break;
    case MM_SMTPD_RCPT:
        check_path(run, info->path);
        error = answer_rcpt(run, info->path);
        break;
    case MM_SMTPD_END:
        check_end(run, info);
        error = mm_smtpd_answer(run->engine, NULL);
        break;
    default:
        run->is_over = event == MM_SMTPD_QUIT || event == MM_SMTPD_BROKEN;
        error = mm_smtpd_answer(run->engine, NULL);
        break;
    }
    FUZZ_CHECK(error == MAILMOD_OK);
}

static void pump(struct run *run)
{
    struct mm_smtpd_info info;
    enum mm_smtpd_event event = mm_smtpd_next(run->engine, &info);
    while (event != MM_SMTPD_NEED_INPUT) {
        settle(run, event, &info);
        event = mm_smtpd_next(run->engine, &info);
    }
    struct mm_span output = mm_smtpd_output(run->engine);
    FUZZ_CHECK(output.size <= MM_LIMIT_OUTPUT);
    FUZZ_CHECK(mm_buf_append_span(&run->output, output) == MAILMOD_OK);
    mm_smtpd_sent(run->engine, output.size);
}

static void run_once(struct run *run, uint8_t options, struct mm_span input,
                     size_t piece_size)
{
    unsigned mechanisms = MM_SASL_PLAIN | MM_SASL_LOGIN;
    struct mm_smtpd_options given = {
        .host_name = "mail.example",
        .message_size_max = (options & IS_SMALL) != 0 ? 50 : 0,
        .recipients_max = 3,
        .errors_max = (options & COUNTS) != 0 ? 5 : 0,
        .empty_commands_max = (options & COUNTS) != 0 ? 5 : 0,
        .normalizes_bare_newline = (options & NORMALIZES) != 0,
        .leniencies = (options & IS_LENIENT) != 0 ? MM_LENIENT_ALL : 0,
        .mechanisms_clear = (options & HAS_STARTTLS) != 0 ? 0 : mechanisms,
        .mechanisms_tls = mechanisms,
        .has_etrn = true,
        .has_starttls = (options & HAS_STARTTLS) != 0,
        .is_tls = (options & IS_TLS) != 0,
    };
    *run =
        (struct run){.normalizes = (options & (NORMALIZES | IS_LENIENT)) != 0};
    mm_buf_init(&run->output, 64u << 20);
    FUZZ_CHECK(mm_smtpd_new(&run->engine, &given) == MAILMOD_OK);
    pump(run);
    while (input.size > 0) {
        struct mm_span piece = fuzz_piece(&input, piece_size);
        while (piece.size > 0) {
            size_t taken = mm_smtpd_feed(run->engine, piece.data, piece.size);
            FUZZ_CHECK(taken > 0 && taken <= piece.size);
            piece = mm_span_from(piece, taken);
            pump(run);
        }
    }
    FUZZ_CHECK(mm_smtpd_state_name(run->engine) != NULL);
    mm_smtpd_free(&run->engine);
}

/* RFC 5321 4.2.1: whole lines; the lines of one reply have one code. */
static void check_output(struct mm_span output)
{
    struct mm_span line;
    struct mm_span code = mm_span(NULL, 0);
    while (mm_span_cut(output, '\n', &line, &output)) {
        FUZZ_CHECK(line.size >= 5 && line.data[line.size - 1] == '\r');
        FUZZ_CHECK(line.data[0] >= '2' && line.data[0] <= '5');
        FUZZ_CHECK(line.data[3] == ' ' || line.data[3] == '-');
        for (size_t i = 0; i + 1 < line.size; i++) {
            FUZZ_CHECK(mm_ascii_is_printable((unsigned char)line.data[i]));
        }
        FUZZ_CHECK(code.size == 0 ||
                   mm_span_equal(code, mm_span(line.data, 3)));
        code = mm_span(line.data, line.data[3] == '-' ? 3 : 0);
    }
    FUZZ_CHECK(output.size == 0 && code.size == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct mm_span input = mm_span((const char *)data, size);
    uint8_t options = fuzz_octet(&input);
    size_t piece_size = fuzz_octet(&input);
    struct run whole;
    struct run cut;
    if (input.size > 200000) {
        return 0;
    }
    run_once(&whole, options, input, input.size);
    run_once(&cut, options, input, piece_size);
    check_output(mm_buf_span(&whole.output));
    FUZZ_CHECK(whole.told == cut.told && whole.is_over == cut.is_over);
    FUZZ_CHECK(
        mm_span_equal(mm_buf_span(&whole.output), mm_buf_span(&cut.output)));
    mm_buf_fini(&whole.output);
    mm_buf_fini(&cut.output);
    return 0;
}
