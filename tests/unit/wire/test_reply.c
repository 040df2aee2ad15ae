/* test_reply.c - the table, the writer, and the parser cut at every place. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/mem.h"
#include "wire/smtp/reply.h"

#include <stdio.h>
#include <string.h>

#define BYTES(text) (text), sizeof(text) - 1

static void table_is_whole(void **state)
{
    (void)state;
    for (int id = 0; id < MM_REPLY_COUNT; id++) {
        const struct mm_reply *reply = mm_reply_get((enum mm_reply_id)id);
        assert_true(reply->code >= 200 && reply->code <= 599);
        assert_non_null(reply->text);
        assert_true(strlen(reply->text) < 400);
        if (reply->enhanced == NULL) {
            assert_int_equal(id, MM_REPLY_START_INPUT);
        } else {
            assert_int_equal(reply->enhanced[0], '0' + reply->code / 100);
        }
    }
    assert_int_equal(mm_reply_get(MM_REPLY_BARE_NEWLINE)->code, 550);
    assert_string_equal(mm_reply_get(MM_REPLY_BARE_NEWLINE)->enhanced,
                        "5.6.11");
    assert_int_equal(mm_reply_get(MM_REPLY_BAD_PARAMETER)->code, 555);
}

struct write_case {
    const char *name;
    struct mm_reply reply;
    bool with_enhanced;
    const char *expected;
};

static const struct write_case write_cases[] = {
    {"plain", {250, "2.0.0", "OK"}, false, "250 OK\r\n"},
    {"enhanced", {250, "2.0.0", "OK"}, true, "250 2.0.0 OK\r\n"},
    {"none", {354, NULL, "Go"}, true, "354 Go\r\n"},
    {"standard text", {250, "2.1.0", NULL}, true, "250 2.1.0 Sender OK\r\n"},
    {"standard of the code", {250, "2.9.9", NULL}, true, "250 2.9.9 OK\r\n"},
    {"standard of the class",
     {459, "4.0.0", NULL},
     true,
     "459 4.0.0 Temporary failure; try again later\r\n"},
    {"several lines",
     {250, NULL, "a\nb\nc"},
     true,
     "250-a\r\n250-b\r\n250 c\r\n"},
    {"several, enhanced",
     {550, "5.1.1", "a\nb"},
     true,
     "550-5.1.1 a\r\n550 5.1.1 b\r\n"},
    {"empty challenge", {334, NULL, ""}, true, "334 \r\n"},
    {"empty line inside",
     {250, NULL, "a\n\nb"},
     true,
     "250-a\r\n250-\r\n250 b\r\n"},
    {"last line empty", {250, NULL, "a\n"}, true, "250-a\r\n250 \r\n"},
    {"CR cannot forge", {550, NULL, "a\r250 b"}, true, "550 a?250 b\r\n"},
    {"CRLF cannot end",
     {550, NULL, "a\r\n250 b"},
     true,
     "550-a?\r\n550 250 b\r\n"},
    {"controls and 8-bit",
     {550, NULL, "a\x1b[0m\x7f\xc3\xa9\t."},
     true,
     "550 a?[0m???\t.\r\n"},
    {"class differs", {550, "2.1.1", "no"}, true, "550 no\r\n"},
    {"not an enhanced code", {550, "5.1.1\r\n250", "no"}, true, "550 no\r\n"},
    {"with more behind it", {550, "5.1.1 x", "no"}, true, "550 no\r\n"},
};

static void writes(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof write_cases / sizeof write_cases[0]; i++) {
        const struct write_case *c = &write_cases[i];
        struct mm_buf out;
        mm_buf_init(&out, 1024);
        assert_int_equal(mm_reply_write(&out, &c->reply, c->with_enhanced),
                         MAILMOD_OK);
        if (strcmp(mm_buf_cstr(&out), c->expected) != 0) {
            fail_msg("%s: %s", c->name, mm_buf_cstr(&out));
        }
        mm_buf_fini(&out);
    }
}

static void writes_all_or_nothing(void **state)
{
    (void)state;
    const struct mm_reply reply = {550, "5.1.1", "first line\nsecond line"};
    const size_t size = strlen("550-5.1.1 first line\r\n"
                               "550 5.1.1 second line\r\n");
    for (size_t room = 0; room <= size; room++) {
        struct mm_buf out;
        mm_buf_init(&out, room + 3);
        mm_buf_append_cstr(&out, "was");
        enum mailmod_error error = mm_reply_write(&out, &reply, true);
        assert_int_equal(error, room < size ? MAILMOD_ERROR_LIMIT : MAILMOD_OK);
        assert_int_equal(mm_buf_size(&out), room < size ? 3 : size + 3);
        mm_buf_fini(&out);
    }
    for (int code = -1; code < 1000; code += 13) {
        const struct mm_reply odd = {code, NULL, NULL};
        struct mm_buf out;
        mm_buf_init(&out, 100);
        bool is_code = code >= 200 && code <= 599;
        assert_int_equal(mm_reply_write(&out, &odd, true) == MAILMOD_OK,
                         is_code);
        mm_buf_fini(&out);
    }
}

/* RFC 5321 4.5.3.1.5: no line past 512 octets; a challenge stays one line. */
static void long_texts_are_folded(void **state)
{
    (void)state;
    static char text[3000];
    for (int with_blanks = 0; with_blanks < 2; with_blanks++) {
        memset(text, 'x', sizeof text - 1);
        for (size_t i = 9; with_blanks != 0 && i < sizeof text - 1; i += 10) {
            text[i] = ' ';
        }
        struct mm_buf out;
        mm_buf_init(&out, 8192);
        const struct mm_reply reply = {550, "5.7.1", text};
        assert_int_equal(mm_reply_write(&out, &reply, true), MAILMOD_OK);
        struct mm_span rest = mm_buf_span(&out);
        struct mm_span line;
        size_t octets = 0;
        while (mm_span_cut(rest, '\n', &line, &rest)) {
            assert_true(line.size + 1 <= 512);
            assert_int_equal(line.data[3], rest.size == 0 ? ' ' : '-');
            assert_memory_equal(line.data + 4, "5.7.1 ", 6);
            octets += line.size - 11;
        }
        assert_true(octets >= sizeof text - 1 - 10);
        mm_buf_clear(&out);
        const struct mm_reply challenge = {334, NULL, text};
        assert_int_equal(mm_reply_write(&out, &challenge, true), MAILMOD_OK);
        assert_int_equal(mm_buf_size(&out), 4 + sizeof text - 1 + 2);
        mm_buf_fini(&out);
    }
}

struct parse_case {
    const char *name;
    const char *input;
    size_t size;
    enum mailmod_error error;
    int code; /* 0: not complete */
    const char *enhanced;
    unsigned line_count;
    const char *text;
    size_t left; /* octets not used */
};

static const struct parse_case parse_cases[] = {
    {"simple", BYTES("250 OK\r\n"), MAILMOD_OK, 250, "", 1, "OK", 0},
    {"LF only", BYTES("250 OK\n"), MAILMOD_OK, 250, "", 1, "OK", 0},
    {"no blank", BYTES("354\r\n"), MAILMOD_OK, 354, "", 1, "", 0},
    {"no text", BYTES("250 \r\n"), MAILMOD_OK, 250, "", 1, "", 0},
    {"several", BYTES("250-a\r\n250-b\r\n250 c\r\n"), MAILMOD_OK, 250, "", 3,
     "a\nb\nc", 0},
    {"last without blank", BYTES("250-a\r\n250\r\n"), MAILMOD_OK, 250, "", 2,
     "a\n", 0},
    {"enhanced", BYTES("550 5.1.1 no user\r\n"), MAILMOD_OK, 550, "5.1.1", 1,
     "5.1.1 no user", 0},
    {"enhanced, long", BYTES("450 4.999.123\r\n"), MAILMOD_OK, 450, "4.999.123",
     1, "4.999.123", 0},
    {"enhanced of two lines", BYTES("550-5.1.1 a\r\n550 5.7.1 b\r\n"),
     MAILMOD_OK, 550, "5.7.1", 2, "5.1.1 a\n5.7.1 b", 0},
    {"not of its class", BYTES("550 4.1.1 x\r\n"), MAILMOD_OK, 550, "", 1,
     "4.1.1 x", 0},
    {"no enhanced code", BYTES("550 5.1.1234 x\r\n"), MAILMOD_OK, 550, "", 1,
     "5.1.1234 x", 0},
    {"354 has none", BYTES("354 3.1.1 x\r\n"), MAILMOD_OK, 354, "", 1,
     "3.1.1 x", 0},
    {"two replies", BYTES("220 a\r\n250 b\r\n"), MAILMOD_OK, 220, "", 1, "a",
     7},
    {"unfinished", BYTES("250-a\r\n25"), MAILMOD_OK, 0, "", 1, "a", 0},
    {"NUL and escape", BYTES("550 a\0b\x1b[1m\x7f\r\n"), MAILMOD_OK, 550, "", 1,
     "a?b?[1m?", 0},
    {"CR inside", BYTES("550 a\r250 b\r\n"), MAILMOD_OK, 550, "", 1, "a?250 b",
     0},
    {"tab", BYTES("550 a\tb\r\n"), MAILMOD_OK, 550, "", 1, "a b", 0},
    {"Latin-1", BYTES("550 caf\xe9\r\n"), MAILMOD_OK, 550, "", 1, "caf?", 0},
    {"UTF-8", BYTES("550 caf\xc3\xa9\r\n"), MAILMOD_OK, 550, "", 1,
     "caf\xc3\xa9", 0},
    {"C1 control", BYTES("550 a\xc2\x9b\x31m\r\n"), MAILMOD_OK, 550, "", 1,
     "a?1m", 0},
    {"text behind the code", BYTES("354foo\r\n"), MAILMOD_ERROR_PROTOCOL, 0,
     NULL, 0, NULL, 0},
    {"two digits", BYTES("25 a\r\n"), MAILMOD_ERROR_PROTOCOL, 0, NULL, 0, NULL,
     0},
    {"four digits", BYTES("2500 a\r\n"), MAILMOD_ERROR_PROTOCOL, 0, NULL, 0,
     NULL, 0},
    {"666", BYTES("666 a\r\n"), MAILMOD_ERROR_PROTOCOL, 0, NULL, 0, NULL, 0},
    {"1xx", BYTES("150 a\r\n"), MAILMOD_ERROR_PROTOCOL, 0, NULL, 0, NULL, 0},
    {"code changes", BYTES("250-a\r\n251 b\r\n"), MAILMOD_ERROR_PROTOCOL, 0,
     NULL, 0, NULL, 0},
    {"empty line", BYTES("\r\n"), MAILMOD_ERROR_PROTOCOL, 0, NULL, 0, NULL, 0},
    {"HTTP", BYTES("HTTP/1.1 400 Bad\r\n"), MAILMOD_ERROR_PROTOCOL, 0, NULL, 0,
     NULL, 0},
};

static void check_parse(const struct parse_case *c, size_t first, size_t second)
{
    struct mm_reply_parser parser;
    const size_t ends[] = {first, second, c->size};
    enum mailmod_error error = MAILMOD_OK;
    size_t at = 0;
    mm_reply_parser_init(&parser);
    for (size_t i = 0; i < 3 && error == MAILMOD_OK; i++) {
        size_t used = 0;
        error =
            mm_reply_parser_feed(&parser, c->input + at, ends[i] - at, &used);
        assert_true(used <= ends[i] - at);
        at += used;
        if (parser.is_complete) {
            break;
        }
    }
    if (error != c->error) {
        fail_msg("%s: error %d", c->name, (int)error);
    }
    if (error == MAILMOD_OK) {
        assert_int_equal(parser.is_complete, c->code != 0);
        if (c->code != 0) {
            assert_int_equal(parser.reply.code, c->code);
        }
        assert_string_equal(parser.reply.enhanced, c->enhanced);
        assert_int_equal(parser.reply.line_count, c->line_count);
        if (strcmp(mm_buf_cstr(&parser.reply.text), c->text) != 0) {
            fail_msg("%s: %s", c->name, mm_buf_cstr(&parser.reply.text));
        }
        assert_int_equal(c->size - at, c->left);
    } else {
        assert_false(parser.is_complete);
    }
    mm_reply_parser_fini(&parser);
}

static void parses_cut_everywhere(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof parse_cases / sizeof parse_cases[0]; i++) {
        const struct parse_case *c = &parse_cases[i];
        for (size_t first = 0; first <= c->size; first++) {
            for (size_t second = first; second <= c->size; second++) {
                check_parse(c, first, second);
            }
        }
    }
}

static void complete_takes_nothing(void **state)
{
    (void)state;
    struct mm_reply_parser parser;
    size_t used = 9;
    mm_reply_parser_init(&parser);
    assert_int_equal(
        mm_reply_parser_feed(&parser, BYTES("250 2.1.0 a\r\n"), &used),
        MAILMOD_OK);
    assert_true(parser.is_complete);
    assert_int_equal(mm_reply_parser_feed(&parser, BYTES("550 b\r\n"), &used),
                     MAILMOD_OK);
    assert_int_equal(used, 0);
    assert_int_equal(parser.reply.code, 250);
    mm_reply_parser_reset(&parser);
    assert_int_equal(mm_reply_parser_feed(&parser, BYTES("550 b\r\n"), &used),
                     MAILMOD_OK);
    assert_int_equal(parser.reply.code, 550);
    assert_string_equal(parser.reply.enhanced, "");
    assert_string_equal(mm_buf_cstr(&parser.reply.text), "b");
    mm_reply_parser_fini(&parser);
}

/* Feeds `unit` over and over until an error; the octets taken. */
static size_t feed_forever(const char *unit, size_t size,
                           enum mailmod_error *error_out)
{
    struct mm_reply_parser parser;
    size_t total = 0;
    mm_reply_parser_init(&parser);
    *error_out = MAILMOD_OK;
    while (*error_out == MAILMOD_OK && total < 10 * 1000 * 1000) {
        size_t used = 0;
        *error_out = mm_reply_parser_feed(&parser, unit, size, &used);
        total += used;
    }
    mm_reply_parser_fini(&parser);
    return total;
}

static void endless_replies_end(void **state)
{
    (void)state;
    enum mailmod_error error = MAILMOD_OK;
    char line[1024];
    assert_true(feed_forever(BYTES("250-\r\n"), &error) <=
                (MM_LIMIT_REPLY_LINES + 1) * 6);
    assert_int_equal(error, MAILMOD_ERROR_LIMIT);
    assert_true(feed_forever(BYTES("250 "), &error) <=
                MM_LIMIT_REPLY_WHOLE + 4);
    assert_int_equal(error, MAILMOD_ERROR_LIMIT);
    memset(line, 'x', sizeof line);
    memcpy(line, "250-", 4);
    memcpy(line + sizeof line - 2, "\r\n", 2);
    assert_true(feed_forever(line, sizeof line, &error) <=
                MM_LIMIT_REPLY_WHOLE + 2048);
    assert_int_equal(error, MAILMOD_ERROR_LIMIT);
}

/* S25: the code of a line that is too long to keep still counts. */
static void test_S25_long_lines_are_cut(void **state)
{
    (void)state;
    static char text[20000];
    struct mm_reply_parser parser;
    size_t used = 0;
    memset(text, 'x', sizeof text);
    memcpy(text, "550-5.7.1 ", 10);
    memcpy(text + 9998, "\r\n550 5.7.1 ", 12);
    memcpy(text + sizeof text - 2, "\r\n", 2);
    mm_reply_parser_init(&parser);
    assert_int_equal(mm_reply_parser_feed(&parser, text, sizeof text, &used),
                     MAILMOD_OK);
    assert_int_equal(used, sizeof text);
    assert_true(parser.is_complete);
    assert_int_equal(parser.reply.code, 550);
    assert_string_equal(parser.reply.enhanced, "5.7.1");
    assert_int_equal(parser.reply.line_count, 2);
    assert_int_equal(mm_buf_size(&parser.reply.text),
                     2 * (MM_LIMIT_REPLY_LINE - 4) + 1);
    mm_reply_parser_fini(&parser);
}

static void written_replies_are_read(void **state)
{
    (void)state;
    for (int id = 0; id < MM_REPLY_COUNT; id++) {
        const struct mm_reply *reply = mm_reply_get((enum mm_reply_id)id);
        struct mm_reply_parser parser;
        struct mm_buf wire;
        size_t used = 0;
        mm_buf_init(&wire, 1024);
        mm_reply_parser_init(&parser);
        assert_int_equal(mm_reply_write(&wire, reply, true), MAILMOD_OK);
        struct mm_span bytes = mm_buf_span(&wire);
        assert_int_equal(
            mm_reply_parser_feed(&parser, bytes.data, bytes.size, &used),
            MAILMOD_OK);
        assert_int_equal(used, bytes.size);
        assert_int_equal(parser.reply.code, reply->code);
        assert_string_equal(parser.reply.enhanced,
                            reply->enhanced != NULL ? reply->enhanced : "");
        mm_reply_parser_fini(&parser);
        mm_buf_fini(&wire);
    }
}

static void no_memory_is_told(void **state)
{
    (void)state;
    for (unsigned long number = 1; number < 3; number++) {
        struct mm_reply_parser parser;
        size_t used = 0;
        mm_reply_parser_init(&parser);
        mm_mem_set_fault(number, 0);
        enum mailmod_error error =
            mm_reply_parser_feed(&parser, BYTES("250 OK\r\n"), &used);
        mm_mem_set_fault(0, 0);
        assert_int_equal(error, MAILMOD_ERROR_MEMORY);
        assert_false(parser.is_complete);
        mm_reply_parser_fini(&parser);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(table_is_whole),
        cmocka_unit_test(writes),
        cmocka_unit_test(writes_all_or_nothing),
        cmocka_unit_test(long_texts_are_folded),
        cmocka_unit_test(test_S25_long_lines_are_cut),
        cmocka_unit_test(parses_cut_everywhere),
        cmocka_unit_test(complete_takes_nothing),
        cmocka_unit_test(endless_replies_end),
        cmocka_unit_test(written_replies_are_read),
        cmocka_unit_test(no_memory_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
