/* test_smtp_client_chunks.c - a body by BDAT: the octets of DATA, however it is
 * cut and however slowly the server reads; replies in any order of coming; no
 * memory. RFC 3030. */
#include "base/mem.h"
#include "wire/smtp/client.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { BODY_SIZE = 200000 };

static const char plain[] = "220 x\r\n250-x\r\n250 PIPELINING\r\n";
static const char chunks[] = "220 x\r\n250-x\r\n250-PIPELINING\r\n"
                             "250 CHUNKING\r\n";

static const struct mm_smtpc_recipient recipient = {"c@d.example", 0, ""};

static struct mm_smtpc *open_engine(const char *hello)
{
    struct mm_smtpc *engine = NULL;
    struct mm_smtpc_info info;
    struct mm_smtpc_options options = {.host_name = "client.example",
                                       .chunks = true};
    assert_int_equal(mm_smtpc_new(&engine, &options), MAILMOD_OK);
    assert_int_equal(mm_smtpc_feed(engine, hello, strlen(hello)),
                     strlen(hello));
    assert_int_equal(mm_smtpc_next(engine, &info), MM_SMTPC_NEED_MESSAGE);
    mm_smtpc_sent(engine, mm_smtpc_output(engine).size);
    return engine;
}

static enum mailmod_error begin(struct mm_smtpc *engine, uint64_t size)
{
    const struct mm_smtpc_message message = {.reverse_path = "a@b.example",
                                             .size = size,
                                             .envelope_id = "",
                                             .recipients = &recipient,
                                             .recipient_count = 1};
    return mm_smtpc_send(engine, &message);
}

static void feed(struct mm_smtpc *engine, const char *text)
{
    assert_int_equal(mm_smtpc_feed(engine, text, strlen(text)), strlen(text));
}

/* At most `slow` octets go out. */
static void take(struct mm_smtpc *engine, struct mm_buf *out, size_t slow)
{
    struct mm_span output = mm_smtpc_output(engine);
    size_t size = output.size < slow ? output.size : slow;

    assert_true(output.size <= MM_LIMIT_OUTPUT);
    assert_int_equal(mm_buf_append(out, output.data, size), MAILMOD_OK);
    mm_smtpc_sent(engine, size);
}

/* All of the body, in pieces; what was said is in `out`. */
static void send_body(struct mm_smtpc *engine, const char *body, size_t piece,
                      size_t slow, struct mm_buf *out)
{
    struct mm_smtpc_info info;
    size_t at = 0;
    bool is_ended = false;

    while (!is_ended) {
        enum mm_smtpc_event event = mm_smtpc_next(engine, &info);
        assert_true(event == MM_SMTPC_NEED_BODY ||
                    event == MM_SMTPC_RCPT_REPLY ||
                    event == MM_SMTPC_NEED_INPUT);
        if (event == MM_SMTPC_NEED_BODY && at < BODY_SIZE) {
            size_t size = BODY_SIZE - at < piece ? BODY_SIZE - at : piece;
            at += mm_smtpc_body(engine, body + at, size);
        } else if (event == MM_SMTPC_NEED_BODY) {
            assert_int_equal(mm_smtpc_body_end(engine), MAILMOD_OK);
            is_ended = true;
        }
        take(engine, out, slow);
    }
    while (mm_smtpc_output(engine).size > 0) {
        take(engine, out, slow);
        (void)mm_smtpc_next(engine, &info); /* what found no room before */
    }
}

/* The body in what was said, without what carries it. */
static size_t read_chunks(struct mm_span said, char *body_out, bool *is_last)
{
    size_t size = 0;
    struct mm_span line;

    *is_last = false;
    while (mm_span_cut(said, '\n', &line, &said)) {
        size_t count = 0;
        if (sscanf(line.data, "BDAT %zu", &count) != 1) {
            assert_false(*is_last);
            continue;
        }
        assert_true(count > 0 && count <= said.size);
        *is_last = memcmp(line.data + line.size - 5, "LAST\r", 5) == 0;
        memcpy(body_out + size, said.data, count);
        size += count;
        said = mm_span_from(said, count);
    }
    return size;
}

static size_t read_data(struct mm_span said, char *body_out)
{
    size_t size = 0;
    bool in_body = false;
    struct mm_span line;

    while (mm_span_cut(said, '\n', &line, &said)) {
        bool has_dot = in_body && line.data[0] == '.';
        if (in_body && line.size == 2 && has_dot) {
            break;
        }
        if (in_body) {
            memcpy(body_out + size, line.data + has_dot,
                   line.size + 1 - has_dot);
            size += line.size + 1 - has_dot;
        }
        in_body = in_body || mm_span_is(line, "DATA\r");
    }
    return size;
}

/* Lines of all kinds: dots, bare newlines, long and empty ones. */
static void make_body(char *body)
{
    uint32_t random = 7;

    for (size_t i = 0; i < BODY_SIZE; i++) {
        static const char few[] = "..\r\n\n\rabcdefgh";
        random = random * 1664525u + 1013904223u;
        body[i] = i % 30000 < 3000 ? 'x' : few[(random >> 24) % 14];
    }
}

static void test_octets_of_data(void **unused)
{
    (void)unused;
    static char body[BODY_SIZE];
    static char by_data[2 * BODY_SIZE];
    static char by_chunks[2 * BODY_SIZE];
    static const size_t pieces[] = {1, 7, 4096, 65535, 65536, BODY_SIZE};
    static const size_t slow[] = {900, 1u << 20};

    make_body(body);
    for (size_t i = 0; i < 12; i++) {
        struct mm_buf out;
        bool is_last = false;
        mm_buf_init(&out, 1u << 20);
        struct mm_smtpc *engine = open_engine(plain);
        assert_int_equal(begin(engine, BODY_SIZE), MAILMOD_OK);
        feed(engine, "250 ok\r\n250 ok\r\n354 go\r\n");
        send_body(engine, body, pieces[i / 2], slow[i % 2], &out);
        size_t wanted = read_data(mm_buf_span(&out), by_data);
        mm_smtpc_free(&engine);
        mm_buf_clear(&out);
        engine = open_engine(chunks);
        assert_int_equal(begin(engine, BODY_SIZE), MAILMOD_OK);
        feed(engine, "250 ok\r\n250 ok\r\n");
        send_body(engine, body, pieces[i / 2], slow[i % 2], &out);
        size_t size = read_chunks(mm_buf_span(&out), by_chunks, &is_last);
        assert_true(is_last);
        assert_int_equal(size, wanted);
        assert_memory_equal(by_chunks, by_data, wanted);
        mm_smtpc_free(&engine);
        mm_buf_fini(&out);
    }
}

/* Refused in the middle: no more of it is asked for, what is under way is
 * answered, and the next message begins with RSET. */
static void test_refused_chunk(void **unused)
{
    (void)unused;
    static char body[BODY_SIZE];
    struct mm_smtpc_info info;
    struct mm_smtpc *engine = open_engine(chunks);

    memset(body, 'x', sizeof body);
    assert_int_equal(begin(engine, BODY_SIZE), MAILMOD_OK);
    feed(engine, "250 ok\r\n250 ok\r\n");
    assert_int_equal(mm_smtpc_next(engine, &info), MM_SMTPC_RCPT_REPLY);
    assert_int_equal(mm_smtpc_next(engine, &info), MM_SMTPC_NEED_BODY);
    assert_true(mm_smtpc_is_chunking(engine));
    size_t taken = mm_smtpc_body(engine, body, 70000);
    assert_int_equal(taken, 70000);
    mm_smtpc_sent(engine, mm_smtpc_output(engine).size);
    assert_int_equal(mm_smtpc_phase(engine), MM_SMTPC_PHASE_BODY);
    feed(engine, "452 4.3.1 full\r\n");
    assert_int_equal(mm_smtpc_next(engine, &info), MM_SMTPC_MESSAGE_DONE);
    assert_int_equal(info.reply->code, 452);
    assert_false(info.was_sent);
    assert_int_equal(info.error, MAILMOD_OK);
    assert_int_equal(mm_smtpc_body(engine, body, 1), 0);
    assert_int_equal(mm_smtpc_next(engine, &info), MM_SMTPC_NEED_MESSAGE);
    assert_int_equal(begin(engine, 1), MAILMOD_OK);
    assert_memory_equal(mm_smtpc_output(engine).data, "RSET\r\nMAIL", 10);
    mm_smtpc_free(&engine);
}

/* LAST is out: whatever is not answered yet, the message may have been taken.
 */
static void test_phase(void **unused)
{
    (void)unused;
    struct mm_smtpc_info info;
    struct mm_smtpc *engine = open_engine(chunks);

    assert_int_equal(begin(engine, 3), MAILMOD_OK);
    assert_int_equal(mm_smtpc_next(engine, &info), MM_SMTPC_NEED_BODY);
    assert_int_equal(mm_smtpc_body(engine, "x\r\n", 3), 3);
    assert_int_equal(mm_smtpc_body_end(engine), MAILMOD_OK);
    assert_int_equal(mm_smtpc_phase(engine), MM_SMTPC_PHASE_END);
    feed(engine, "250 ok\r\n");
    assert_int_equal(mm_smtpc_next(engine, &info), MM_SMTPC_NEED_INPUT);
    assert_int_equal(mm_smtpc_phase(engine), MM_SMTPC_PHASE_END);
    feed(engine, "550 no\r\n");
    assert_int_equal(mm_smtpc_next(engine, &info), MM_SMTPC_RCPT_REPLY);
    assert_int_not_equal(mm_smtpc_phase(engine), MM_SMTPC_PHASE_END);
    feed(engine, "250 strange\r\n");
    assert_int_equal(mm_smtpc_next(engine, &info), MM_SMTPC_MESSAGE_DONE);
    assert_int_equal(info.reply->code, 550);
    mm_smtpc_free(&engine);
}

/* Over a connection that may be dead: until the envelope is answered a loss
 * means that nothing was taken. */
static void test_waits_for_replies(void **unused)
{
    (void)unused;
    struct mm_smtpc_info info;
    struct mm_smtpc *engine = open_engine(chunks);
    const struct mm_smtpc_message message = {.reverse_path = "a@b.example",
                                             .size = 3,
                                             .envelope_id = "",
                                             .recipients = &recipient,
                                             .recipient_count = 1,
                                             .waits_for_replies = true};

    assert_int_equal(mm_smtpc_send(engine, &message), MAILMOD_OK);
    assert_int_equal(mm_smtpc_next(engine, &info), MM_SMTPC_NEED_INPUT);
    assert_int_not_equal(mm_smtpc_phase(engine), MM_SMTPC_PHASE_END);
    mm_smtpc_sent(engine, mm_smtpc_output(engine).size);
    feed(engine, "250 ok\r\n250 ok\r\n");
    assert_int_equal(mm_smtpc_next(engine, &info), MM_SMTPC_RCPT_REPLY);
    assert_int_equal(mm_smtpc_next(engine, &info), MM_SMTPC_NEED_BODY);
    assert_int_equal(mm_smtpc_body(engine, "x\r\n", 3), 3);
    assert_int_equal(mm_smtpc_body_end(engine), MAILMOD_OK);
    assert_true(mm_span_is(mm_smtpc_output(engine), "BDAT 3 LAST\r\nx\r\n"));
    assert_int_equal(mm_smtpc_phase(engine), MM_SMTPC_PHASE_END);
    mm_smtpc_free(&engine);
}

/* Nothing was asked, and something comes: no octet of the next message may be
 * taken for its answer. */
static void test_unasked(void **unused)
{
    (void)unused;
    struct mm_smtpc_info info;
    struct mm_smtpc *engine = open_engine(chunks);

    assert_int_equal(begin(engine, BODY_SIZE), MAILMOD_OK);
    feed(engine, "250 ok\r\n250 ok\r\n250 more\r\n");
    assert_int_equal(mm_smtpc_next(engine, &info), MM_SMTPC_RCPT_REPLY);
    assert_int_equal(mm_smtpc_next(engine, &info), MM_SMTPC_FAILED);
    assert_int_equal(info.error, MAILMOD_ERROR_PROTOCOL);
    mm_smtpc_free(&engine);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_octets_of_data),
        cmocka_unit_test(test_refused_chunk),
        cmocka_unit_test(test_phase),
        cmocka_unit_test(test_waits_for_replies),
        cmocka_unit_test(test_unasked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
