/* fuzz_smtp_client.c - any octets as what an SMTP server says to a client
 * that sends two messages. What is said is whole lines without bare newlines;
 * a recipient is told at most one reply, a message exactly one settlement
 * while the conversation lives; nothing of envelope or login goes out in clear
 * where TLS must be; after the end nothing is told. */
#include "tests/fuzz/fuzz.h"
#include "wire/smtp/client.h"

#include <string.h>

#define RECIPIENTS 3
#define MESSAGES 2

struct run {
    struct mm_smtpc *engine;
    struct mm_buf output;
    bool must_tls;
    bool is_tls;
    bool is_over;
    bool in_message;
    unsigned messages;
    unsigned told[RECIPIENTS];
    unsigned challenges;
};

static const struct mm_smtpc_recipient recipients[RECIPIENTS] = {
    {"c@d.example", MM_DSN_NOTIFY_FAILURE, "rfc822;c@d.example"},
    {"e@d.example", 0, ""},
    {"f@d.example", 0, ""}};

static void need_message(struct run *run)
{
    struct mm_smtpc_message message = {
        .reverse_path = "a@b.example",
        .size = 20,
        .is_8bit = true,
        .envelope_id = "a+b",
        .recipients = recipients,
        .recipient_count = RECIPIENTS,
    };
    FUZZ_CHECK(!run->in_message);
    FUZZ_CHECK(run->is_tls || !run->must_tls);
    if (run->messages == MESSAGES) {
        mm_smtpc_quit(run->engine);
        return;
    }
    run->messages++;
    memset(run->told, 0, sizeof run->told);
    enum mailmod_error error = mm_smtpc_send(run->engine, &message);
    run->in_message = error == MAILMOD_OK;
    if (error == MAILMOD_ERROR_TOO_LARGE) {
        run->messages = MESSAGES;
        return;
    }
    FUZZ_CHECK(error == MAILMOD_OK || error == MAILMOD_ERROR_PROTOCOL);
}

static void need_auth(struct run *run, const struct mm_smtpc_info *info)
{
    unsigned lowest = info->mechanisms & (~info->mechanisms + 1);
    FUZZ_CHECK(lowest != 0 && (run->is_tls || !run->must_tls));
    FUZZ_CHECK(mm_smtpc_auth(run->engine, (enum mm_sasl_mechanism)lowest,
                             lowest == MM_SASL_PLAIN,
                             mm_span("\0u\0p", 4)) == MAILMOD_OK);
}

static void need_response(struct run *run)
{
    run->challenges++;
    FUZZ_CHECK((run->challenges % 4 == 0
                    ? mm_smtpc_auth_cancel(run->engine)
                    : mm_smtpc_auth_response(run->engine, mm_span("u", 1))) ==
               MAILMOD_OK);
}

static void need_body(struct run *run)
{
    static const char text[] = ".a\n.\r\r\n..b";
    FUZZ_CHECK(run->in_message);
    FUZZ_CHECK(mm_smtpc_body(run->engine, text, sizeof text - 1) ==
               sizeof text - 1);
    FUZZ_CHECK(mm_smtpc_body_end(run->engine) == MAILMOD_OK);
}

static void start_tls(struct run *run)
{
    FUZZ_CHECK(!run->is_tls);
    run->is_tls = mm_smtpc_tls_begun(run->engine) == MAILMOD_OK;
}

static void settle(struct run *run, enum mm_smtpc_event event,
                   const struct mm_smtpc_info *info)
{
    FUZZ_CHECK(!run->is_over);
    switch (event) {
    case MM_SMTPC_STARTTLS:
        start_tls(run);
        break;
    case MM_SMTPC_AUTH:
        need_auth(run, info);
        break;
    case MM_SMTPC_CHALLENGE:
        need_response(run);
        break;
    case MM_SMTPC_NEED_MESSAGE:
        need_message(run);
        break;
    case MM_SMTPC_RCPT_REPLY:
        FUZZ_CHECK(run->in_message && info->recipient < RECIPIENTS);
        FUZZ_CHECK(++run->told[info->recipient] == 1);
        FUZZ_CHECK(info->reply->code / 100 != 3);
        break;
    case MM_SMTPC_NEED_BODY:
        need_body(run);
        break;
    case MM_SMTPC_MESSAGE_DONE:
        FUZZ_CHECK(run->in_message && info->reply != NULL);
        FUZZ_CHECK(info->was_sent || info->reply->code >= 400);
        run->in_message = false;
        break;
    case MM_SMTPC_CLOSED:
    case MM_SMTPC_FAILED:
        FUZZ_CHECK(event == MM_SMTPC_CLOSED || info->error != MAILMOD_OK);
        run->is_over = true;
        break;
    default:
        break;
    }
}

static void pump(struct run *run)
{
    struct mm_smtpc_info info;
    enum mm_smtpc_event event = mm_smtpc_next(run->engine, &info);
    while (event != MM_SMTPC_NEED_INPUT) {
        FUZZ_CHECK(info.phase < MM_SMTPC_PHASE_COUNT);
        settle(run, event, &info);
        event = mm_smtpc_next(run->engine, &info);
    }
    struct mm_span output = mm_smtpc_output(run->engine);
    FUZZ_CHECK(mm_buf_append_span(&run->output, output) == MAILMOD_OK);
    mm_smtpc_sent(run->engine, output.size);
}

static void check_output(const struct run *run)
{
    struct mm_span output = mm_buf_span(&run->output);
    struct mm_span line;
    while (mm_span_cut(output, '\n', &line, &output)) {
        FUZZ_CHECK(line.size > 0 && line.data[line.size - 1] == '\r');
        FUZZ_CHECK(memchr(line.data, '\r', line.size) ==
                   line.data + line.size - 1);
    }
    FUZZ_CHECK(output.size == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct mm_span input = mm_span((const char *)data, size);
    uint8_t options = fuzz_octet(&input);
    size_t piece_size = fuzz_octet(&input);
    struct mm_smtpc_options given = {
        .host_name = "client.example",
        .tls = (enum mm_smtpc_tls)(options & 3),
        .mechanisms =
            (options & 4) != 0 ? MM_SASL_PASSWORD | MM_SASL_BEARER : 0,
        .tries_twice = (options & 16) != 0 ? MM_SASL_BEARER : 0,
        .allows_clear_auth = (options & 8) != 0,
        .chunks = (options & 32) != 0,
    };
    struct run run = {.must_tls = given.tls == MM_SMTPC_TLS_MUST,
                      .is_tls = given.tls == MM_SMTPC_TLS_ON};
    mm_buf_init(&run.output, 1u << 20);
    FUZZ_CHECK(mm_smtpc_new(&run.engine, &given) == MAILMOD_OK);
    pump(&run);
    while (input.size > 0) {
        struct mm_span piece = fuzz_piece(&input, piece_size);
        size_t taken = mm_smtpc_feed(run.engine, piece.data, piece.size);
        FUZZ_CHECK(taken == piece.size);
        pump(&run);
    }
    check_output(&run);
    mm_smtpc_free(&run.engine);
    mm_buf_fini(&run.output);
    return 0;
}
