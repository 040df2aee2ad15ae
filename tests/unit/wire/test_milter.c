/* test_milter.c - the mail server's side of the milter protocol: what is said,
 * octet for octet, and what answers are taken, whole and octet by octet. */
#include "wire/milter/client.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

/* A packet of literal data, which may have NULs. */
#define ROW(letter, data)                                                      \
    {                                                                          \
        letter, data, sizeof(data) - 1                                         \
    }
#define PACKET(letter, data) ((struct packet)ROW(letter, data))

struct packet {
    char letter;
    const char *data;
    size_t size;
};

static size_t write_packet(struct packet packet, char *out)
{
    size_t size = packet.size + 1;

    out[0] = (char)(size >> 24);
    out[1] = (char)(size >> 16);
    out[2] = (char)(size >> 8);
    out[3] = (char)size;
    out[4] = packet.letter;
    memcpy(out + 5, packet.data, packet.size);
    return size + 4;
}

/* What the engine says of it. */
static enum mm_milter_event hear(struct mm_milter *milter, struct packet packet,
                                 size_t piece, struct mm_milter_info *info)
{
    char octets[2048];
    struct mm_span rest = mm_span(octets, write_packet(packet, octets));
    enum mm_milter_event event = MM_MILTER_NEED_INPUT;

    while (rest.size > 0) {
        size_t size = rest.size < piece ? rest.size : piece;

        assert_int_equal(event, MM_MILTER_NEED_INPUT);
        size = mm_milter_feed(milter, mm_span(rest.data, size));
        assert_true(size > 0);
        rest = mm_span_from(rest, size);
        event = mm_milter_next(milter, info);
    }
    return event;
}

/* What is owed is this packet, at its front. */
static void expect_said(struct mm_milter *milter, struct packet packet)
{
    char octets[512];
    size_t size = write_packet(packet, octets);
    struct mm_span said = mm_milter_output(milter);

    assert_true(said.size >= size);
    assert_memory_equal(said.data, octets, size);
    mm_milter_sent(milter, size);
}

#define V6 "\0\0\0\6"
#define ALL_ACTIONS "\0\0\1\xff"
#define NO_STEPS "\0\0\0\0"

static void begin(struct mm_milter *milter, struct packet answer)
{
    struct mm_milter_info info;

    mm_milter_init(milter);
    expect_said(milter, PACKET('O', V6 ALL_ACTIONS "\0\x1f\xf7\xff"));
    assert_false(mm_milter_can_send(milter));
    assert_int_equal(hear(milter, answer, 1, &info), MM_MILTER_READY);
    assert_true(mm_milter_can_send(milter));
}

static void to_end(struct mm_milter *milter)
{
    begin(milter, PACKET('O', V6 ALL_ACTIONS NO_STEPS));
    mm_milter_plain(milter, MM_MILTER_END, NULL, 0);
    expect_said(milter, PACKET('E', ""));
}

static void test_what_is_said(void **state)
{
    static const struct mm_milter_macro macros[] = {
        {"i", "ABC"}, {"{auth_type}", NULL}, {"j", "mx.test"}};
    const uint8_t v4[] = {192, 0, 2, 1};
    const struct mm_netaddr peer = mm_netaddr_v4(v4, 0x0102);
    const struct mm_netaddr none = {.family = MM_NETADDR_NONE};
    struct mm_milter_info info;
    struct mm_milter milter;

    (void)state;
    begin(&milter, PACKET('O', V6 ALL_ACTIONS NO_STEPS));
    mm_milter_connect(&milter, "host.test", &peer, macros, 3);
    expect_said(&milter, PACKET('D', "Ci\0ABC\0j\0mx.test\0"));
    expect_said(&milter, PACKET('C', "host.test\0004\1\002192.0.2.1\0"));
    assert_true(mm_milter_is_waiting(&milter));
    assert_false(mm_milter_can_send(&milter));
    assert_int_equal(hear(&milter, PACKET('c', ""), 1, &info),
                     MM_MILTER_ANSWER);
    mm_milter_connect(&milter, "h", &none, NULL, 0);
    expect_said(&milter, PACKET('C', "h\0U"));
    (void)hear(&milter, PACKET('c', ""), 1, &info);
    mm_milter_helo(&milter, "c.test", NULL, 0);
    expect_said(&milter, PACKET('H', "c.test\0"));
    (void)hear(&milter, PACKET('c', ""), 1, &info);
    mm_milter_path(&milter, MM_MILTER_MAIL, "a@b.test", "SIZE=1 BODY=8BITMIME",
                   NULL, 0);
    expect_said(&milter, PACKET('M', "<a@b.test>\0SIZE=1\0BODY=8BITMIME\0"));
    (void)hear(&milter, PACKET('c', ""), 1, &info);
    mm_milter_path(&milter, MM_MILTER_RCPT, "", "", NULL, 0);
    expect_said(&milter, PACKET('R', "<>\0"));
    (void)hear(&milter, PACKET('c', ""), 1, &info);
    mm_milter_plain(&milter, MM_MILTER_DATA, NULL, 0);
    expect_said(&milter, PACKET('T', ""));
    (void)hear(&milter, PACKET('c', ""), 1, &info);
    mm_milter_field(&milter, "Subject", mm_span_cstr("x\n y"));
    expect_said(&milter, PACKET('L', "Subject\0x\n y\0"));
    (void)hear(&milter, PACKET('c', ""), 1, &info);
    mm_milter_plain(&milter, MM_MILTER_FIELDS_END, NULL, 0);
    expect_said(&milter, PACKET('N', ""));
    (void)hear(&milter, PACKET('c', ""), 1, &info);
    mm_milter_body(&milter, mm_span_cstr("x\r\n"));
    expect_said(&milter, PACKET('B', "x\r\n"));
    (void)hear(&milter, PACKET('c', ""), 1, &info);
    mm_milter_abort(&milter);
    expect_said(&milter, PACKET('A', ""));
    mm_milter_quit(&milter);
    expect_said(&milter, PACKET('Q', ""));
    assert_int_equal(mm_milter_output(&milter).size, 0);
    mm_milter_fini(&milter);
}

/* Steps that it does not want to hear, or to answer. */
static void test_steps(void **state)
{
    struct mm_milter milter;

    (void)state;
    begin(&milter, PACKET('O', V6 "\0\0\0\1"
                                  "\0\x10\x10\x22"));
    assert_false(mm_milter_wants(&milter, MM_MILTER_HELO));
    assert_false(mm_milter_wants(&milter, MM_MILTER_FIELD));
    assert_true(mm_milter_wants(&milter, MM_MILTER_MAIL));
    assert_true(mm_milter_wants(&milter, MM_MILTER_END));
    assert_true(mm_milter_wants_blank(&milter));
    const struct mm_netaddr none = {.family = MM_NETADDR_NONE};
    mm_milter_connect(&milter, "h", &none, NULL, 0);
    assert_false(mm_milter_is_waiting(&milter));
    assert_true(mm_milter_can_send(&milter));
    mm_milter_plain(&milter, MM_MILTER_END, NULL, 0);
    assert_true(mm_milter_is_waiting(&milter));
    mm_milter_fini(&milter);
    begin(&milter, PACKET('O', "\0\0\0\2\0\0\0\1\0\0\0\0"));
    assert_false(mm_milter_wants(&milter, MM_MILTER_DATA));
    mm_milter_fini(&milter);
}

static void test_answers(void **state)
{
    static const struct {
        struct packet packet;
        enum mm_milter_event event;
        enum mm_milter_answer answer;
        int code;
        const char *text;
    } rows[] = {
        {ROW('c', ""), MM_MILTER_ANSWER, MM_MILTER_CONTINUE, 0, ""},
        {ROW('a', ""), MM_MILTER_ANSWER, MM_MILTER_ACCEPT, 0, ""},
        {ROW('r', ""), MM_MILTER_ANSWER, MM_MILTER_REJECT, 0, ""},
        {ROW('t', ""), MM_MILTER_ANSWER, MM_MILTER_TEMPFAIL, 0, ""},
        {ROW('d', ""), MM_MILTER_ANSWER, MM_MILTER_DISCARD, 0, ""},
        {ROW('4', ""), MM_MILTER_ANSWER, MM_MILTER_TEMPFAIL, 0, ""},
        {ROW('f', ""), MM_MILTER_ANSWER, MM_MILTER_TEMPFAIL, 0, ""},
        {ROW('p', ""), MM_MILTER_PROGRESS, MM_MILTER_CONTINUE, 0, ""},
        {ROW('y', "550 5.7.1 no\0"), MM_MILTER_ANSWER, MM_MILTER_REPLY, 550,
         "5.7.1 no"},
        {ROW('y', "451-4.7.1 a\r\n451 4.7.1 b\r\n\0"), MM_MILTER_ANSWER,
         MM_MILTER_REPLY, 451, "4.7.1 a\n4.7.1 b"},
        {ROW('y', "250 fine\0"), MM_MILTER_BROKEN, 0, 0, ""},
        {ROW('y', "354 go\0"), MM_MILTER_BROKEN, 0, 0, ""},
        {ROW('y', "999 x\0"), MM_MILTER_BROKEN, 0, 0, ""},
        {ROW('y', "550 no NUL"), MM_MILTER_BROKEN, 0, 0, ""},
        {ROW('y', "\0"), MM_MILTER_BROKEN, 0, 0, ""},
        {ROW('s', ""), MM_MILTER_BROKEN, 0, 0, ""}, /* to END */
        {ROW('O', V6 ALL_ACTIONS NO_STEPS), MM_MILTER_BROKEN, 0, 0, ""},
        {ROW('!', ""), MM_MILTER_BROKEN, 0, 0, ""},
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        for (size_t piece = 1; piece < 99; piece += 97) {
            struct mm_milter_info info;
            struct mm_milter milter;

            print_message("%u\n", (unsigned)i);
            to_end(&milter);
            assert_int_equal(hear(&milter, rows[i].packet, piece, &info),
                             rows[i].event);
            if (rows[i].event == MM_MILTER_ANSWER) {
                assert_int_equal(info.answer, rows[i].answer);
                assert_int_equal(info.code, rows[i].code);
                assert_string_equal(info.text, rows[i].text);
                assert_true(mm_milter_can_send(&milter));
            }
            assert_true((mm_milter_failure(&milter)[0] != '\0') ==
                        (rows[i].event == MM_MILTER_BROKEN));
            mm_milter_fini(&milter);
        }
    }
}

static void test_changes(void **state)
{
    static const struct {
        struct packet packet;
        enum mm_milter_change change;
        unsigned number;
        const char *name, *value, *arguments;
    } rows[] = {
        {ROW('h', "X\0y\0"), MM_MILTER_ADD_FIELD, 0, "X", "y", ""},
        {ROW('i', "\0\0\0\2X\0y\0"), MM_MILTER_INSERT_FIELD, 2, "X", "y", ""},
        {ROW('m', "\0\0\0\1X\0\0"), MM_MILTER_SET_FIELD, 1, "X", "", ""},
        {ROW('e', "<a@b>\0"), MM_MILTER_SENDER, 0, "", "<a@b>", ""},
        {ROW('+', "<a@b>\0"), MM_MILTER_ADD_RCPT, 0, "", "<a@b>", ""},
        {ROW('2', "<a@b>\0NOTIFY=NEVER\0"), MM_MILTER_ADD_RCPT, 0, "", "<a@b>",
         "NOTIFY=NEVER"},
        {ROW('-', "<a@b>\0"), MM_MILTER_REMOVE_RCPT, 0, "", "<a@b>", ""},
        {ROW('b', "new\r\n"), MM_MILTER_SET_BODY, 0, "", "", ""},
        {ROW('q', "why\0"), MM_MILTER_QUARANTINE, 0, "", "why", ""},
    };
    struct mm_milter_info info;
    struct mm_milter milter;

    (void)state;
    to_end(&milter);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        print_message("%u\n", (unsigned)i);
        assert_int_equal(hear(&milter, rows[i].packet, 1 + i, &info),
                         MM_MILTER_CHANGE);
        assert_int_equal(info.change, rows[i].change);
        assert_int_equal(info.number, rows[i].number);
        assert_string_equal(info.name, rows[i].name);
        assert_string_equal(info.value, rows[i].value);
        assert_string_equal(info.arguments, rows[i].arguments);
        if (info.change == MM_MILTER_SET_BODY) {
            assert_true(mm_span_is(info.data, "new\r\n"));
        }
    }
    assert_int_equal(hear(&milter, PACKET('c', ""), 1, &info),
                     MM_MILTER_ANSWER);
    mm_milter_fini(&milter);
    /* Cut short. */
    static const struct packet cut[] = {ROW('h', "X"),    ROW('h', "X\0y"),
                                        ROW('i', "\0\0"), ROW('m', ""),
                                        ROW('+', ""),     ROW('q', "why")};
    for (size_t i = 0; i < sizeof cut / sizeof cut[0]; i++) {
        to_end(&milter);
        assert_int_equal(hear(&milter, cut[i], 1, &info), MM_MILTER_BROKEN);
        mm_milter_fini(&milter);
    }
    /* What was not negotiated; and at another step. */
    begin(&milter, PACKET('O', V6 "\0\0\0\1" NO_STEPS));
    mm_milter_plain(&milter, MM_MILTER_END, NULL, 0);
    assert_int_equal(hear(&milter, PACKET('h', "X\0y\0"), 1, &info),
                     MM_MILTER_CHANGE);
    assert_int_equal(hear(&milter, PACKET('q', "why\0"), 1, &info),
                     MM_MILTER_BROKEN);
    mm_milter_fini(&milter);
    begin(&milter, PACKET('O', V6 ALL_ACTIONS NO_STEPS));
    mm_milter_body(&milter, mm_span_cstr("x"));
    assert_int_equal(hear(&milter, PACKET('h', "X\0y\0"), 1, &info),
                     MM_MILTER_BROKEN);
    mm_milter_fini(&milter);
}

static void test_offers(void **state)
{
    static const struct packet bad[] = {
        ROW('O', ""),
        ROW('O', V6 ALL_ACTIONS "\0\0\0"),
        ROW('O', "\0\0\0\1" ALL_ACTIONS NO_STEPS),
        ROW('O', "\0\0\0\7" ALL_ACTIONS NO_STEPS),
        ROW('O', V6 "\0\0\2\0" NO_STEPS),
        ROW('O', V6 ALL_ACTIONS "\0\0\x08\0"), /* refused recipients */
        ROW('O', V6 ALL_ACTIONS "\x10\0\0\0"), /* large packets */
        ROW('c', ""),
    };
    struct mm_milter_info info;
    struct mm_milter milter;

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        print_message("%u\n", (unsigned)i);
        mm_milter_init(&milter);
        assert_int_equal(hear(&milter, bad[i], 3, &info), MM_MILTER_BROKEN);
        assert_true(mm_milter_failure(&milter)[0] != '\0');
        assert_int_equal(mm_milter_feed(&milter, mm_span_cstr("x")), 1);
        mm_milter_fini(&milter);
    }
    /* Macros that it wants stand behind; they are let be. */
    begin(&milter, PACKET('O', V6 ALL_ACTIONS NO_STEPS "\0\0\0\0i j\0"));
    /* It speaks unasked. */
    assert_int_equal(hear(&milter, PACKET('c', ""), 1, &info),
                     MM_MILTER_BROKEN);
    mm_milter_fini(&milter);
}

static void test_lengths(void **state)
{
    static const char *const heads[] = {"\0\0\0\0", "\0\1\0\1",
                                        "\xff\xff\xff\xff"};
    struct mm_milter_info info;
    struct mm_milter milter;

    (void)state;
    for (size_t i = 0; i < sizeof heads / sizeof heads[0]; i++) {
        mm_milter_init(&milter);
        assert_int_equal(mm_milter_feed(&milter, mm_span(heads[i], 4)), 4);
        assert_int_equal(mm_milter_next(&milter, &info), MM_MILTER_BROKEN);
        mm_milter_fini(&milter);
    }
    /* The largest packet of ours, and one past it. */
    static char large[MM_MILTER_DATA_MAX + 1];
    begin(&milter, PACKET('O', V6 ALL_ACTIONS NO_STEPS));
    mm_milter_body(&milter, mm_span(large, MM_MILTER_DATA_MAX));
    assert_int_equal(mm_milter_output(&milter).size, MM_MILTER_DATA_MAX + 5);
    mm_milter_fini(&milter);
    begin(&milter, PACKET('O', V6 ALL_ACTIONS NO_STEPS));
    mm_milter_body(&milter, mm_span(large, MM_MILTER_DATA_MAX + 1));
    assert_int_equal(mm_milter_next(&milter, &info), MM_MILTER_BROKEN);
    mm_milter_fini(&milter);
}

/* Progress, or changes, without an end. */
static void test_endless(void **state)
{
    struct mm_milter_info info;
    struct mm_milter milter;
    unsigned count = 0;

    (void)state;
    to_end(&milter);
    while (hear(&milter, PACKET('p', ""), 5, &info) == MM_MILTER_PROGRESS) {
        count++;
    }
    assert_int_equal(count, MM_MILTER_ANSWERS_MAX);
    mm_milter_fini(&milter);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_is_said), cmocka_unit_test(test_steps),
        cmocka_unit_test(test_answers),      cmocka_unit_test(test_changes),
        cmocka_unit_test(test_offers),       cmocka_unit_test(test_lengths),
        cmocka_unit_test(test_endless),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
