/* test_asked_wait.c - how long greylisting wants us to wait, in the words of
 * those that are out there; and what is no such time. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "wire/smtp/asked_wait.h"

static const struct {
    const char *text;
    unsigned seconds;
} rows[] = {
    {"4.7.1 <a@b.example>: Recipient address rejected: Greylisted for 300 "
     "seconds (see http://isg.ee.ethz.ch/tools/postgrey/help/b.example.html)",
     300},
    {"4.7.1 Greylisting in action, please come back in 00:04:59", 299},
    {"Greylisted, please try again in 180 seconds", 180},
    {"4.2.0 Temporarily delayed for 5 minutes", 300},
    {"4.7.0 [192.0.2.25] Please retry in 2 min.", 120},
    {"Try again in 90s", 90},
    {"you are greylisted: wait 1 hour", 3600},
    {"come again\nin 30 SECS, thanks", 30},
    {"greylisted for 10m", 600},
    {"try again in 3 days or 7 hours", 3600}, /* the bound */
    {"try again in 99999 seconds", 3600},
    /* none */
    {"", 0},
    {"Greylisted; try again later", 0},
    {"4.2.2 Mailbox full, 10 minutes of mail", 0},
    {"4.7.1 try again, 192.0.2.10 is unknown", 0},
    {"try again: a5 seconds", 0},
    {"try again, 0 seconds", 0},
    {"try again 12:30", 0},
    {"try again at 12:30:61", 0},
    {"try again in 1234567 seconds", 0},
    {"wait 5 m", 0},
    {"wait 5 minutesx", 0},
    {"try again, see x.example/300s", 0},
};

static void test_rows(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        uint64_t wait_ms = mm_asked_wait_ms(mm_span_cstr(rows[i].text));
        if (wait_ms != (uint64_t)rows[i].seconds * 1000) {
            fail_msg("%s: %lu", rows[i].text, (unsigned long)wait_ms);
        }
    }
}

/* Cut anywhere, nothing past the end is read. */
static void test_cuts(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct mm_span text = mm_span_cstr(rows[i].text);
        for (size_t size = 0; size < text.size; size++) {
            assert_true(mm_asked_wait_ms(mm_span(text.data, size)) <= 3600000);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows),
        cmocka_unit_test(test_cuts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
