/* test_content_rule.c - T-100: rules about content: each variable, each action,
 * and lines that are no rules. Thread: the test's. */
#include "server/content_rule.h"

#include "fake_world.h"

#include <string.h>

#define LETTER                                                                 \
    "Received: from x\r\nReceived: from\r\n y\r\nSubject: =?utf-8?B?YnV5?= "   \
    "now\r\nFrom: a@c.test\r\nX-Zero: 0\r\nContent-Transfer-Encoding: "        \
    "base64\r\n\r\nY2hlYXA=\r\n"

struct row {
    const char *expression;
    bool is_true;
};

static const struct row rows[] = {
    {"$size = 500000", true},
    {"$size > 400000 && $size < 600000", true},
    {"$size > 99999 && $size < 5000", false},
    {"$sender = A@C.test", true},
    {"$hello ~ mx", true},
    {"$peer =~ /^192\\.0\\./", true},
    {"$user", false},
    {"$recipients = 2", true},
    {"$recipient ~ other@", true},
    {"$recipient =~ /^other@b\\.test$/", true},
    {"$header:subject = 'buy now'", true},
    {"$header:Received =~ /^from y$/", true},
    {"$header:Received =~ /^from x y$/", false},
    {"$count:received = 2", true},
    {"$count:Message-ID = 0 && !$header:Message-ID", true},
    {"$header:X-Zero", false},
    {"$count:X-Zero", true},
    {"$text = cheap", true},
    {"$text =~ /CHEAP/i", true},
    {"$text =~ /CHEAP/", false},
    {"$body ~ Y2hl", true},
    {"$body ~ received", false},
    {"$text ~ $header:X-None", true}, /* nothing is a part of everything */
    {"$header:X-Added = yes", true},
    {"$header:From = b@d.test", true},
    {"$header:From ~ c.test", false},
};

static const struct mm_content_facts facts = {
    .text = {LETTER, sizeof LETTER - 1},
    .size = 500000,
    .sender = "a@c.test",
    .hello = "mx.c.test",
    .peer = "192.0.2.7",
    .user = "",
    .recipients = {"demo@b.test\n"
                   "other@b.test",
                   24},
    .recipient_count = 2};

static struct mm_content_rule *parse(const char *line)
{
    struct mm_content_rule *rule = NULL;
    struct mm_buf words;

    mm_buf_init(&words, 512);
    enum mailmod_error error =
        mm_content_rule_parse(&rule, mm_span_cstr(line), &words);
    if (error != MAILMOD_OK) {
        fail_msg("%s: %s", line, mm_buf_cstr(&words));
    }
    mm_buf_fini(&words);
    return rule;
}

static bool ask(const char *line, const struct mm_content_facts *about)
{
    struct mm_content_rule *rule = parse(line);
    struct mm_content_view *view;
    bool is_meant;

    assert_int_equal(mm_content_view_new(&view, about), MAILMOD_OK);
    assert_int_equal(mm_content_rule_ask(rule, view, &is_meant), MAILMOD_OK);
    mm_content_view_free(&view);
    mm_content_rule_free(&rule);
    return is_meant;
}

/* What filters want added or set is seen. */
static void test_variables(void **state)
{
    static const struct mm_change wanted[] = {
        {MM_CHANGE_ADD_FIELD, 0, "X-Added", "yes"},
        {MM_CHANGE_SET_FIELD, 1, "From", "b@d.test"},
        {MM_CHANGE_QUARANTINE, 0, "x", "y"}};
    struct mm_content_facts about = facts;
    struct mm_changes changes;

    (void)state;
    mm_changes_init(&changes);
    for (size_t i = 0; i < sizeof wanted / sizeof wanted[0]; i++) {
        assert_int_equal(mm_changes_add(&changes, &wanted[i]), MAILMOD_OK);
    }
    about.changes = &changes;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char line[200];

        (void)snprintf(line, sizeof line, "accept if %s", rows[i].expression);
        if (ask(line, &about) != rows[i].is_true) {
            fail_msg("%s", line);
        }
    }
    mm_changes_clear(&changes);
}

/* No header, no body, a header without its end, NUL octets. */
static void test_hostile(void **state)
{
    static const struct mm_span texts[] = {{"", 0},
                                           {"\r\n", 2},
                                           {"Subject", 7},
                                           {"Subject: a", 10},
                                           {"a\0b: c\r\n", 8},
                                           {": x\r\n", 5},
                                           {"\0\0\n\n", 4}};

    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        struct mm_content_facts about = facts;

        about.text = texts[i];
        assert_false(
            ask("accept if $text ~ zz || $header:x || $body =~ /zz/", &about));
        assert_int_equal(ask("accept if $count:Subject", &about), i == 3);
    }
}

/* What a peer may write to make rules slow: its cost grows with its octets. */
static void test_floods(void **state)
{
    static const char *const pieces[] = {
        "A: b\r\n",
        "=?u?q?",
        "=?u?q?a?= ",
        "a: =?=?=?",
        "\r\n ",
        " ",
        "Content-Type: multipart/mixed; boundary=x\r\n\r\n--x\r\n",
        "Content-Type: message/rfc822\r\n\r\n",
        ";",
        "((((",
        "=",
        "--\n"};
    static const char head[] =
        "Content-Type: multipart/mixed; boundary=a\r\nA: ";
    enum { SIZE = 1 << 20, HEAD = sizeof head - 1 };
    char *text = malloc(SIZE);

    (void)state;
    assert_non_null(text);
    for (size_t i = 0; i < sizeof pieces / sizeof pieces[0]; i++) {
        struct mm_content_facts about = facts;
        size_t size = strlen(pieces[i]);

        memcpy(text, head, HEAD);
        for (size_t at = HEAD; at < SIZE; at++) {
            text[at] = pieces[i][(at - HEAD) % size];
        }
        about.text = mm_span(text, SIZE);
        about.size = SIZE;
        assert_false(ask("accept if $header:A ~ zz || $header:Content-Type ~ "
                         "zz || $text ~ $header:A && $text ~ zz || $body =~ "
                         "/(a|=)*zz/ || $count:A = 0",
                         &about));
    }
    free(text);
}

static void test_actions(void **state)
{
    static const struct {
        const char *line;
        int code;
        const char *text;
        enum mm_change_kind kind;
        const char *name, *value;
    } lines[] = {
        {"refuse", 550, "This message is not taken", 0, NULL, NULL},
        {"Refuse \"no adverts, please\" if 1", 550, "no adverts, please", 0,
         NULL, NULL},
        {"defer 'later'", 451, "later", 0, NULL, NULL},
        {"discard if $size", 0, NULL, MM_CHANGE_DISCARD, "", ""},
        {"quarantine", 0, NULL, MM_CHANGE_QUARANTINE, "content", "by a rule"},
        {"quarantine \"a look\" if 1", 0, NULL, MM_CHANGE_QUARANTINE, "content",
         "a look"},
        {"field \"X-Spam-Flag: YES\" if 1", 0, NULL, MM_CHANGE_ADD_FIELD,
         "X-Spam-Flag", "YES"},
        {"folder Spam if 1", 0, NULL, MM_CHANGE_FOLDER, "", "Spam"},
        {"redirect demo@b.test", 0, NULL, MM_CHANGE_REDIRECT, "",
         "demo@b.test"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
        struct mm_content_rule *rule = parse(lines[i].line);
        const struct mm_reply *reply = mm_content_rule_reply(rule);

        assert_int_equal(reply != NULL ? reply->code : 0, lines[i].code);
        if (reply != NULL) {
            assert_string_equal(reply->text, lines[i].text);
            assert_int_equal(mm_content_rule_changes(rule)->count, 0);
        } else {
            const struct mm_change *change =
                mm_changes_find(mm_content_rule_changes(rule), lines[i].kind);
            assert_non_null(change);
            assert_string_equal(change->name, lines[i].name);
            assert_string_equal(change->value, lines[i].value);
        }
        assert_int_equal(mm_content_rule_ends(rule),
                         reply != NULL || lines[i].kind == MM_CHANGE_DISCARD);
        mm_content_rule_free(&rule);
    }
    assert_null(parse(""));
    assert_null(parse("  # refuse"));
}

static void test_mistakes(void **state)
{
    static const struct {
        const char *line, *words;
    } lines[] = {
        {"reject", "begins with no action"},
        {"? $size", "begins with no action"},
        {"accept all", "between its action"},
        {"refuse \"x if 1", "not closed"},
        {"refuse \"x\" $size", "lacks \"if\""},
        {"refuse \"\xc3\xa4\"", "not ASCII"},
        {"refuse if", "lacks a value"},
        {"refuse if $colour", "$recipients"},
        {"refuse if $header", "there is not"},
        {"refuse if $header:", "lacks a name"},
        {"refuse if $size:x", "there is not"},
        {"refuse if $text =~ /(/", ""},
        {"refuse if $text =~ /((a{200}){200}){200}/", "too large"},
        {"field", "lacks an argument"},
        {"field if 1", "lacks an argument"},
        {"field X", "lacks a :"},
        {"field \"X Y: z\"", "cannot take"},
        {"folder a/b", "cannot take"},
        {"redirect nobody", "cannot take"},
        {"quarantine \"\x01\"", "cannot take"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
        struct mm_content_rule *rule;
        struct mm_buf words;

        mm_buf_init(&words, 512);
        assert_int_equal(
            mm_content_rule_parse(&rule, mm_span_cstr(lines[i].line), &words),
            MAILMOD_ERROR_SYNTAX);
        assert_null(rule);
        if (strstr(mm_buf_cstr(&words), lines[i].words) == NULL) {
            fail_msg("%s: %s", lines[i].line, mm_buf_cstr(&words));
        }
        mm_buf_fini(&words);
    }
}

/* What is not needed is not asked for, and costs are told. */
static void test_cost(void **state)
{
    struct mm_content_rule *light = parse("accept if $size > 1");
    struct mm_content_rule *heavy = parse("accept if $text =~ /(a|b){100}/");
    struct mm_content_rule *part = parse("accept if $text ~ $sender");

    (void)state;
    assert_in_range(mm_content_rule_cost(light), 1, 10);
    assert_in_range(mm_content_rule_cost(heavy), 100, 2000);
    assert_in_range(mm_content_rule_cost(part), 1000, 1010);
    mm_content_rule_free(&light);
    mm_content_rule_free(&heavy);
    mm_content_rule_free(&part);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_variables), cmocka_unit_test(test_hostile),
        cmocka_unit_test(test_floods),    cmocka_unit_test(test_actions),
        cmocka_unit_test(test_mistakes),  cmocka_unit_test(test_cost)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
