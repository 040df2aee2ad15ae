/* fuzz_pop3_client.c - any octets as what a POP3 server says to a client that
 * lists and fetches. What is said is whole lines without bare newlines; each
 * question gets at most one answer, in order; rows and octets come inside an
 * answer alone; nothing of a login goes out in clear where TLS must be; after
 * the end nothing is told. */
#include "tests/fuzz/fuzz.h"
#include "wire/pop3/client.h"

#include <string.h>

#define ROUNDS 3
#define VERBS 8

struct run {
    struct mm_pop3c *engine;
    struct mm_buf output;
    bool must_tls;
    bool is_tls;
    bool is_over;
    bool in_answer;
    unsigned rounds;
    unsigned asked;
    unsigned answered;
    unsigned challenges;
};

static void need_login(struct run *run, const struct mm_pop3c_info *info)
{
    unsigned lowest = info->ways & (~info->ways + 1);
    enum mailmod_error error;
    FUZZ_CHECK(lowest != 0 && (run->is_tls || !run->must_tls));
    if (lowest == MM_POP3C_WAY_APOP) {
        FUZZ_CHECK(info->data.size >= 5);
        error =
            mm_pop3c_apop(run->engine, "u", "c4c9334bac560ecc979e58001b3e22fb");
    } else if (lowest == MM_POP3C_WAY_USER) {
        error = mm_pop3c_user(run->engine, "u", "p");
    } else {
        error = mm_pop3c_auth(run->engine, (enum mm_sasl_mechanism)lowest,
                              lowest == MM_SASL_PLAIN, mm_span("\0u\0p", 4));
    }
    FUZZ_CHECK(error == MAILMOD_OK);
}

static void need_response(struct run *run)
{
    run->challenges++;
    FUZZ_CHECK((run->challenges % 4 == 0
                    ? mm_pop3c_auth_cancel(run->engine)
                    : mm_pop3c_auth_response(run->engine, mm_span("u", 1))) ==
               MAILMOD_OK);
}

static void ready(struct run *run)
{
    FUZZ_CHECK(run->is_tls || !run->must_tls);
    FUZZ_CHECK(run->asked == run->answered && !run->in_answer);
    run->rounds++;
    if (run->rounds > ROUNDS) {
        mm_pop3c_quit(run->engine);
        return;
    }
    for (unsigned verb = 0; verb < VERBS; verb++) {
        bool has_number = verb >= MM_POP3C_RETR && verb <= MM_POP3C_DELE;
        uint64_t number =
            has_number || (verb < MM_POP3C_RETR && verb > MM_POP3C_STAT &&
                           run->rounds == 2)
                ? run->rounds
                : 0;
        FUZZ_CHECK(mm_pop3c_ask(run->engine, (enum mm_pop3c_verb)verb, number,
                                3) == MAILMOD_OK);
        run->asked++;
    }
}

static void answer(struct run *run, const struct mm_pop3c_info *info)
{
    FUZZ_CHECK(!run->in_answer && info->reply != NULL);
    FUZZ_CHECK((unsigned)info->verb == run->answered % VERBS);
    bool is_list =
        (info->verb == MM_POP3C_LIST || info->verb == MM_POP3C_UIDL) &&
        run->rounds != 2;
    bool is_body = info->verb == MM_POP3C_RETR || info->verb == MM_POP3C_TOP;
    run->in_answer = info->reply->is_ok && (is_list || is_body);
    run->answered += !run->in_answer;
}

static void settle(struct run *run, enum mm_pop3c_event event,
                   const struct mm_pop3c_info *info)
{
    FUZZ_CHECK(!run->is_over);
    switch (event) {
    case MM_POP3C_STLS:
        FUZZ_CHECK(!run->is_tls);
        run->is_tls = mm_pop3c_tls_begun(run->engine) == MAILMOD_OK;
        break;
    case MM_POP3C_LOGIN:
        need_login(run, info);
        break;
    case MM_POP3C_CHALLENGE:
        need_response(run);
        break;
    case MM_POP3C_READY:
        ready(run);
        break;
    case MM_POP3C_ANSWER:
        answer(run, info);
        break;
    case MM_POP3C_ROW:
        FUZZ_CHECK(run->in_answer && info->number > 0);
        FUZZ_CHECK(info->data.size <= 70);
        break;
    case MM_POP3C_BODY:
        FUZZ_CHECK(run->in_answer && info->data.size > 0);
        mm_pop3c_body_taken(run->engine, (info->data.size + 1) / 2);
        break;
    case MM_POP3C_END:
        FUZZ_CHECK(run->in_answer);
        run->in_answer = false;
        run->answered++;
        break;
    case MM_POP3C_CLOSED:
    case MM_POP3C_FAILED:
        FUZZ_CHECK(event == MM_POP3C_CLOSED || info->error != MAILMOD_OK);
        run->is_over = true;
        break;
    default:
        break;
    }
}

static void pump(struct run *run)
{
    struct mm_pop3c_info info;
    enum mm_pop3c_event event = mm_pop3c_next(run->engine, &info);
    while (event != MM_POP3C_NEED_INPUT) {
        FUZZ_CHECK(info.phase < MM_POP3C_PHASE_COUNT);
        settle(run, event, &info);
        event = mm_pop3c_next(run->engine, &info);
    }
    struct mm_span output = mm_pop3c_output(run->engine);
    FUZZ_CHECK(mm_buf_append_span(&run->output, output) == MAILMOD_OK);
    mm_pop3c_sent(run->engine, output.size);
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
    struct mm_pop3c_options given = {
        .tls = (enum mm_pop3c_tls)(options & 3),
        .allows_clear_auth = (options & 4) != 0,
        .tries_twice = (options & 8) != 0 ? MM_SASL_BEARER : 0,
    };
    struct run run = {.must_tls = given.tls == MM_POP3C_TLS_MUST,
                      .is_tls = given.tls == MM_POP3C_TLS_ON};
    mm_buf_init(&run.output, 1u << 20);
    FUZZ_CHECK(mm_pop3c_new(&run.engine, &given) == MAILMOD_OK);
    pump(&run);
    while (input.size > 0) {
        struct mm_span piece = fuzz_piece(&input, piece_size);
        size_t taken = mm_pop3c_feed(run.engine, piece.data, piece.size);
        FUZZ_CHECK(taken == piece.size);
        pump(&run);
    }
    check_output(&run);
    mm_pop3c_free(&run.engine);
    mm_buf_fini(&run.output);
    return 0;
}
