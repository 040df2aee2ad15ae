/* test_pop3_memory.c - every allocation of a POP3 conversation fails once, and
 * once for good: no crash, no leak, and never a reply that is cut in its line
 * or a list or message that ends with its terminator and is not whole.
 * One thread. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/wire/pop3_host.h"

#include <stdio.h>

static struct pop3_host host;
static char whole[1 << 16];
static size_t whole_size;

static const struct mm_pop3d_options options = {
    .host_name = "mail.example",
    .apop_stamp = POP3_HOST_STAMP,
    .implementation = "mailmod",
    .extensions = ~0u & ~(unsigned)MM_POP3D_MULTI_LINE_IND,
    .mechanisms_clear = MM_SASL_PLAIN,
    .mechanisms_tls = MM_SASL_PLAIN,
    .has_stls = true,
    .allows_clear_login = true,
};

/* Lines as they are fed; STLS must be alone in its piece. */
static const char *const pieces[] = {
    "CAPA\r\nUSER tim\r\nPASS wrong\r\nAUTH\r\n",
    "APOP tim 00c9334bac560ecc979e58001b3e22fb\r\n",
    "AUTH PLAIN\r\nAHRpb",
    "QB0YW5zdGFhZg=\r\n",
    "AUTH PLAIN\r\n*\r\nSTLS\r\n",
    "AUTH PLAIN\r\n",
    "AHRpbQB0YW5zdGFhZg==\r\n",
    "STAT\r\nLIST\r\nLIST 2\r\nUIDL\r\nUIDL 1\r\n",
    "RETR 2\r\nTOP 1 1\r\nDELE 1\r\nRSET\r\nNOOP\r\nCAPA\r\n",
    "DELE UID:id-1\r\nDELI UID:id-3\r\nSLEE\r\nSTAT\r\nWAKE\r\nCORE\r\n",
    "QAUT\r\nXLOG tim tanstaaf\r\nUIDL UID:id-2\r\n",
    "DELE 2\r\nQUIT\r\n",
};

static enum mailmod_error converse(void)
{
    enum mailmod_error error = pop3_host_open(&host, &options);
    if (error != MAILMOD_OK) {
        return error;
    }
    host.starts_tls = true;
    pop3_host_pump(&host);
    for (size_t i = 0; i < sizeof pieces / sizeof pieces[0]; i++) {
        pop3_host_feed(&host, pieces[i], strlen(pieces[i]));
    }
    pop3_host_close(&host);
    return MAILMOD_OK;
}

/* A conversation that was broken off is the beginning of the whole one; where
 * it did not break off inside a list or message, it ends with a line. */
static void check_outcome(unsigned long number)
{
    if (host.output_size > whole_size ||
        memcmp(host.output, whole, host.output_size) != 0) {
        fail_msg("allocation %lu: the server said something else", number);
    }
    if (host.output_size < whole_size) {
        assert_true(host.is_closed);
        assert_true(host.broken[0] != '\0');
    }
    bool is_in_message = strcmp(host.broken, "no memory for a message") == 0;
    if (host.output_size > 0 && !is_in_message) {
        assert_int_equal(host.output[host.output_size - 1], '\n');
    }
}

static unsigned long run_faults(int is_sticky)
{
    unsigned long failed = 0;
    for (unsigned long number = 1;; number++) {
        mm_mem_set_fault(number, is_sticky);
        enum mailmod_error error = converse();
        unsigned long made = mm_mem_set_fault(0, 0);
        if (made < number) {
            assert_int_equal(host.output_size, whole_size);
            return failed;
        }
        failed++;
        if (error == MAILMOD_OK) {
            check_outcome(number);
        } else {
            assert_int_equal(error, MAILMOD_ERROR_MEMORY);
            assert_null(host.engine);
        }
    }
}

static void test_each_allocation_fails(void **state)
{
    (void)state;
    assert_int_equal(converse(), MAILMOD_OK);
    assert_true(host.is_updated);
    assert_true(host.output_size < sizeof whole);
    whole_size = host.output_size;
    memcpy(whole, host.output, whole_size);
    unsigned long once = run_faults(0);
    unsigned long for_good = run_faults(1);
    printf("%lu allocations\n", once);
    assert_true(once > 10);
    assert_int_equal(once, for_good);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_allocation_fails),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
