/* test_rule.c - rules of lists: each form, whom it means, and what is no rule.
 * Thread: the test's. */
#include "fake_world.h"
#include "server/rule.h"

static const char *const lines[] = {"", "  ", "# a comment", " #x"};

struct row {
    const char *rule;
    const char *peer, *helo, *sender;
    enum mm_rule_answer answer;
};

#define IP "192.0.2.7"
#define HELO "mx.example.com"
#define SENDER "Joe@Example.com"

static const struct row rows[] = {
    {"192.0.2.7", IP, HELO, SENDER, MM_RULE_YES},
    {"192.0.2.0/24", IP, HELO, SENDER, MM_RULE_YES},
    {"192.0.2.9/24", IP, HELO, SENDER, MM_RULE_YES},
    {"192.0.2.1-192.0.2.6", IP, HELO, SENDER, MM_RULE_NO},
    {"192.0.2.1-192.0.2.7", IP, HELO, SENDER, MM_RULE_YES},
    {"192.0.2.", IP, HELO, SENDER, MM_RULE_YES},
    {"192.0.", "192.1.2.7", HELO, SENDER, MM_RULE_NO},
    {"79.181.", "4.79.181.1", HELO, SENDER, MM_RULE_NO},
    {"2001:db8::/32", "2001:db8:1::1", HELO, SENDER, MM_RULE_YES},
    {"2001:db8::-2001:db8::ff", "2001:db8::100", HELO, SENDER, MM_RULE_NO},
    {"::/0", IP, HELO, SENDER, MM_RULE_NO},
    {"0.0.0.0/0", "2001:db8::1", HELO, SENDER, MM_RULE_NO},
    {"joe@example.com", IP, HELO, SENDER, MM_RULE_YES},
    {"joe@example.com", IP, HELO, "xjoe@example.com", MM_RULE_NO},
    {"joe@example.com", IP, HELO, "joe@example.com.evil.test", MM_RULE_NO},
    {"*@example.com", IP, HELO, SENDER, MM_RULE_YES},
    {"*@*.example.com", IP, HELO, SENDER, MM_RULE_NO},
    {"*e@ex*", IP, HELO, SENDER, MM_RULE_YES},
    {"*@*", IP, HELO, "", MM_RULE_NO}, /* the null path is nobody's */
    {"@example.com", IP, "x", SENDER, MM_RULE_YES},
    {"@example.com", IP, "x", "joe@mail.example.com", MM_RULE_NO},
    {"@example.com", IP, "x", "joe@example.com.evil.test", MM_RULE_NO},
    {"@yahoo", IP, "x", "joe@yahoo.co.uk", MM_RULE_YES},
    {"@yahoo", IP, "x", "joe@yahoofake.test", MM_RULE_NO},
    {"example.com", IP, "x", "joe@mail.example.com", MM_RULE_YES},
    {"example.com", IP, "x", "joe@badexample.com", MM_RULE_NO},
    {"example.com", IP, HELO, "", MM_RULE_YES},
    {"*.dyn.example", IP, "a.dyn.example", SENDER, MM_RULE_YES},
    {"*.dyn.example", IP, "dyn.example", SENDER, MM_RULE_NO},
    {"helo:mx.*", IP, HELO, SENDER, MM_RULE_YES},
    {"helo:joe*", IP, HELO, SENDER, MM_RULE_NO},
    {"HELO:MX.EXAMPLE.COM", IP, HELO, SENDER, MM_RULE_YES},
    {"lotto", IP, HELO, "win@LOTTO.test", MM_RULE_YES},
    {"lotto", IP, HELO, SENDER, MM_RULE_NO},
    {"From joe", IP, HELO, SENDER, MM_RULE_YES},
    {"For rcpt@", IP, HELO, SENDER, MM_RULE_YES},
    {"? $sender == joe@example.com", IP, HELO, SENDER, MM_RULE_YES},
    {"?$sender=\"joe@example.com\"", IP, HELO, SENDER, MM_RULE_YES},
    {"? $sender != joe@example.com", IP, HELO, SENDER, MM_RULE_NO},
    {"? ! $hello =~ /.+\\.[a-z]{2,4}/", IP, "localhost", SENDER, MM_RULE_YES},
    {"? ! $hello =~ /.+\\.[a-z]{2,4}/", IP, HELO, SENDER, MM_RULE_NO},
    {"? $control =~ /\\[192.0.2.*\\]/", IP, HELO, SENDER, MM_RULE_YES},
    {"? $sender =~ /JOE/i && $hello ~ 'example'", IP, HELO, SENDER,
     MM_RULE_YES},
    {"? $sender =~ /JOE/", IP, HELO, SENDER, MM_RULE_NO},
    {"? $sender = a || ($hello ~ mx && ! $hello ~ zz)", IP, HELO, SENDER,
     MM_RULE_YES},
    {"? 10 > 9", IP, HELO, SENDER, MM_RULE_YES},
    {"? 10 <= 9 || a < b && b >= b", IP, HELO, SENDER, MM_RULE_YES},
    {"? $sender", IP, HELO, "", MM_RULE_NO},
    {"? $checkhello == 0", IP, HELO, SENDER, MM_RULE_WANTS_HELO},
    {"?? a.example b.example", IP, HELO, SENDER, MM_RULE_NO},
};

static void test_rows(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct mm_rule *rule;
        struct mm_netaddr peer;
        char control[512];

        assert_true(mm_netaddr_parse_ip(mm_span_cstr(rows[i].peer), &peer));
        snprintf(control, sizeof control,
                 "From %s (%s [%s]) Mon, 30 Nov 2026 07:00:00 +0000 For "
                 "rcpt@example.org",
                 rows[i].sender, rows[i].helo, rows[i].peer);
        struct mm_rule_facts facts = {.peer = &peer,
                                      .peer_text = rows[i].peer,
                                      .helo = rows[i].helo,
                                      .sender = rows[i].sender,
                                      .control = control,
                                      .helo_is_peers = MM_RULE_WANTS_HELO};
        if (mm_rule_parse(&rule, mm_span_cstr(rows[i].rule), NULL) !=
                MAILMOD_OK ||
            mm_rule_ask(rule, &facts) != rows[i].answer) {
            fail_msg("%s: %s %s %s", rows[i].rule, rows[i].peer, rows[i].helo,
                     rows[i].sender);
        }
        assert_string_equal(mm_rule_text(rule), rows[i].rule);
        mm_rule_free(&rule);
    }
}

static void test_hidden_peer_and_helo(void **state)
{
    struct mm_rule *rule;
    struct mm_rule_facts facts = {
        .helo = "", .sender = "", .control = "", .helo_is_peers = MM_RULE_YES};

    (void)state;
    assert_int_equal(mm_rule_parse(&rule, mm_span_cstr("0.0.0.0/0"), NULL),
                     MAILMOD_OK);
    assert_int_equal(mm_rule_ask(rule, &facts), MM_RULE_NO);
    mm_rule_free(&rule);
    assert_int_equal(mm_rule_parse(&rule, mm_span_cstr("? $checkhello"), NULL),
                     MAILMOD_OK);
    assert_int_equal(mm_rule_ask(rule, &facts), MM_RULE_YES);
    facts.helo_is_peers = MM_RULE_NO;
    assert_int_equal(mm_rule_ask(rule, &facts), MM_RULE_NO);
    mm_rule_free(&rule);
    assert_int_equal(mm_rule_parse(&rule, mm_span_cstr("?? a.example"), NULL),
                     MAILMOD_OK);
    assert_string_equal(mm_rule_zones(rule), "a.example");
    mm_rule_free(&rule);
}

static void test_no_rules(void **state)
{
    static const char *const wrong[] = {"?",
                                        "??",
                                        "? $msg ~ a",
                                        "? $1 != $sender",
                                        "? exist(file)",
                                        "? $sender =~ abc",
                                        "? $sender =~ /abc",
                                        "? $sender =~ /(/",
                                        "? (a",
                                        "? a b",
                                        "? \"a",
                                        "? a &&",
                                        "a\x01"};

    (void)state;
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
        struct mm_rule *rule;

        assert_int_equal(mm_rule_parse(&rule, mm_span_cstr(lines[i]), NULL),
                         MAILMOD_OK);
        assert_null(rule);
    }
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        struct mm_rule *rule;
        struct mm_buf words;

        mm_buf_init(&words, 200);
        if (mm_rule_parse(&rule, mm_span_cstr(wrong[i]), &words) !=
                MAILMOD_ERROR_SYNTAX ||
            rule != NULL || mm_buf_size(&words) == 0) {
            fail_msg("%s", wrong[i]);
        }
        mm_buf_fini(&words);
    }
}

static void test_no_memory(void **state)
{
    struct mm_rule *rule;
    enum mailmod_error error = MAILMOD_ERROR_MEMORY;

    (void)state;
    for (unsigned n = 1; error == MAILMOD_ERROR_MEMORY; n++) {
        mm_mem_set_fault(n, 1);
        error = mm_rule_parse(
            &rule, mm_span_cstr("? $sender =~ /a/ && ! ($hello ~ b)"), NULL);
        mm_mem_set_fault(0, 0);
        assert_true((rule == NULL) == (error != MAILMOD_OK));
    }
    assert_int_equal(error, MAILMOD_OK);
    mm_rule_free(&rule);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows),
        cmocka_unit_test(test_hidden_peer_and_helo),
        cmocka_unit_test(test_no_rules),
        cmocka_unit_test(test_no_memory),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
