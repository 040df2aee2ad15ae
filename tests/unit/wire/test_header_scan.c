/* test_header_scan.c - fields found while a message streams past. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "wire/msg/message.h"

#include <string.h>

#define BYTES(text) (text), sizeof(text) - 1

struct scan_case {
    const char *name;
    const char *input;
    size_t size;
    unsigned received_count;
    bool has_date;
    bool has_from;
    bool has_message_id;
    bool is_done;
};

static const struct scan_case cases[] = {
    {"all of them",
     BYTES("Received: a\r\nDate: b\r\nFrom: c\r\nMessage-ID: d\r\n\r\n"), 1,
     true, true, true, true},
    {"any case", BYTES("rEcEiVeD: a\r\ndate:\r\nFROM:\r\nmessage-id:\r\n\r\n"),
     1, true, true, true, true},
    {"folded", BYTES("Received: a\r\n\tby b\r\n Received: c\r\nDate: d\r\n"), 1,
     true, false, false, false},
    {"three", BYTES("Received: a\r\nReceived: b\r\nReceived: c\r\n\r\n"), 3,
     false, false, false, true},
    {"blank before the colon", BYTES("Received : a\r\nDate\t:b\r\n\r\n"), 1,
     true, false, false, true},
    {"body is not looked at", BYTES("X: y\r\n\r\nReceived: a\r\nDate: b\r\n"),
     0, false, false, false, true},
    {"no header", BYTES("\r\nReceived: a\r\n"), 0, false, false, false, true},
    {"LF alone", BYTES("Received: a\nDate: b\n\nFrom: c\n"), 1, true, false,
     false, true},
    {"names that only begin so",
     BYTES("Received-SPF: a\r\nDated: b\r\nFrom-X: c\r\nResent-From: d\r\n"
           "X-Date: e\r\n\r\n"),
     0, false, false, false, true},
    {"long name",
     BYTES("Received-and-far-more-than-24-octets: a\r\nReceived: b\r\n"), 1,
     false, false, false, false},
    {"name of 24", BYTES("ReceivedReceivedReceived: a\r\nDate: b\r\n"), 0, true,
     false, false, false},
    {"no colon", BYTES("Received\r\nDate: a\r\n\r\n"), 0, true, false, false,
     true},
    {"colon first", BYTES(": Received: a\r\nDate: b\r\n\r\n"), 0, true, false,
     false, true},
    {"mbox line", BYTES("From a@b Sat Nov 21\r\nDate: a\r\n\r\n"), 0, true,
     false, false, true},
    {"CR that is no line end", BYTES("\rDate: a\r\nFrom: b\r\n\r\n"), 0, false,
     true, false, true},
    {"unfinished name", BYTES("Received"), 0, false, false, false, false},
    {"NUL in a name", BYTES("Received\0: a\r\n\r\n"), 0, false, false, false,
     true},
};

static void check(const struct scan_case *c, const struct mm_header_scan *scan)
{
    if (scan->received_count != c->received_count ||
        scan->has_date != c->has_date || scan->has_from != c->has_from ||
        scan->has_message_id != c->has_message_id ||
        scan->is_done != c->is_done) {
        fail_msg("%s: %u %d %d %d %d", c->name, scan->received_count,
                 scan->has_date, scan->has_from, scan->has_message_id,
                 scan->is_done);
    }
}

static void cut_everywhere(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const struct scan_case *c = &cases[i];
        for (size_t first = 0; first <= c->size; first++) {
            for (size_t second = first; second <= c->size; second++) {
                struct mm_header_scan scan;
                mm_header_scan_init(&scan);
                mm_header_scan_feed(&scan, mm_span(c->input, first));
                mm_header_scan_feed(&scan,
                                    mm_span(c->input + first, second - first));
                mm_header_scan_feed(
                    &scan, mm_span(c->input + second, c->size - second));
                check(c, &scan);
            }
        }
    }
}

static void many_lines(void **state)
{
    (void)state;
    struct mm_header_scan scan;
    mm_header_scan_init(&scan);
    for (int i = 0; i < 100000; i++) {
        mm_header_scan_feed(&scan, mm_span_cstr("Received: x\r\n\ty\r\n"));
    }
    assert_int_equal(scan.received_count, 100000);
    assert_false(scan.is_done);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cut_everywhere),
        cmocka_unit_test(many_lines),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
