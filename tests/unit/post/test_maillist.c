/* test_maillist.c - a list's addresses and signatures, what it reads in a
 * header, what it writes for the members, and members that bounce.
 * Thread: the test's (the loop). */
#include "people.h"
#include "post/maillist_text.h"

struct world {
    struct mm_store *store;
    struct mm_maillist list;
};

struct put {
    struct mm_store_job job;
    const struct mm_store_record *record; /* NULL: one bounce more */
    const char *member;
};

static enum mailmod_error run_put(struct mm_store_job *job,
                                  struct mm_store_transaction *t)
{
    const struct put *put = MM_LIST_OBJECT(job, struct put, job);

    return put->record != NULL
               ? mm_store_keep_record(t, put->record)
               : mm_maillist_bounced(t, NULL, "news@example.org", put->member,
                                     3);
}

static void keep(struct world *w, const struct mm_store_record *record)
{
    struct put put = {.job.run = run_put, .record = record};

    assert_int_equal(mm_store_run(w->store, &put.job), MAILMOD_OK);
}

static int begin(void **state)
{
    struct world *w = mm_alloc(sizeof *w);
    struct mm_store_record record;

    assert_non_null(w);
    assert_int_equal(mm_store_open_memory(&w->store, NULL), MAILMOD_OK);
    w->list.rule = MM_MAILLIST_MODERATED;
    w->list.rewrites_from = true;
    assert_int_equal(
        mm_maillist_name(mm_span_cstr("News@Example.org"), w->list.name),
        MAILMOD_OK);
    snprintf(w->list.owner, sizeof w->list.owner, "boss@example.org");
    mm_maillist_record(&w->list, &record);
    keep(w, &record);
    *state = w;
    return 0;
}

static int end(void **state)
{
    struct world *w = *state;

    mm_store_close(&w->store);
    mm_free(w);
    return 0;
}

static void test_addresses(void **state)
{
    struct world *w = *state;
    static const struct {
        const char *path;
        int command; /* -1: none of the list's */
        const char *argument;
    } rows[] = {
        {"<news@example.org>", MM_MAILLIST_POST, ""},
        {"<NEWS@EXAMPLE.ORG>", MM_MAILLIST_POST, ""},
        {"<news+x@example.org>", MM_MAILLIST_POST, "x"},
        {"<news-subscribe@example.org>", MM_MAILLIST_SUBSCRIBE, ""},
        {"<News-Unsubscribe@example.org>", MM_MAILLIST_UNSUBSCRIBE, ""},
        {"<news-owner@example.org>", MM_MAILLIST_OWNER, ""},
        {"<news-confirm+s1=a=b.test@example.org>", MM_MAILLIST_CONFIRM,
         "s1=a=b.test"},
        {"<news-bounces+t@example.org>", MM_MAILLIST_BOUNCES, "t"},
        {"<news-other@example.org>", -1, ""},
        {"<news@example.net>", -1, ""},
        {"<-subscribe@example.org>", -1, ""},
        {"<new@example.org>", -1, ""},
    };

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct mm_address address = rig_address(rows[i].path);
        struct mm_maillist list;
        enum mm_maillist_command command;
        char argument[MM_LIMIT_LOCAL_PART + 1];
        enum mailmod_error error =
            mm_maillist_address(w->store, &address, &list, &command, argument);

        if (error !=
                (rows[i].command < 0 ? MAILMOD_ERROR_NOT_FOUND : MAILMOD_OK) ||
            (error == MAILMOD_OK &&
             ((int)command != rows[i].command ||
              strcmp(argument, rows[i].argument) != 0 ||
              memcmp(&list, &w->list, sizeof list) != 0))) {
            fail_msg("%s: %d", rows[i].path, (int)error);
        }
    }
}

/* A member whose address has no room beside a signature: no half of one. */
static void test_long_member(void **state)
{
    struct world *w = *state;
    char member[MM_STORE_USER_MAX];
    char path[MM_STORE_REVERSE_PATH_MAX];
    char token[MM_LIMIT_LOCAL_PART + 1];

    memset(member, 'm', sizeof member);
    strcpy(member + sizeof member - sizeof "@m.test", "@m.test");
    mm_maillist_verp(w->store, &w->list, member, path);
    assert_string_equal(path, "news-bounces@example.org");
    assert_int_equal(mm_maillist_token(w->store, &w->list,
                                       MM_MAILLIST_SUBSCRIBE, member, 1, token),
                     MAILMOD_ERROR_TOO_LARGE);
    /* Nor one that would be read back to another place of its "@". */
    mm_maillist_verp(w->store, &w->list, "a@[x:b=c]", path);
    assert_string_equal(path, "news-bounces@example.org");
    assert_int_equal(mm_maillist_token(w->store, &w->list,
                                       MM_MAILLIST_SUBSCRIBE, "a@[x:b=c]", 1,
                                       token),
                     MAILMOD_ERROR_TOO_LARGE);
}

/* Of a damaged row: the rule is one that there is, and lets nobody post. */
static void test_row_without_rule(void **state)
{
    struct world *w = *state;
    struct mm_store_record record;
    struct mm_maillist list;

    mm_maillist_record(&w->list, &record);
    record.number |= 3;
    mm_maillist_of(&record, &list);
    assert_int_equal(list.rule, MM_MAILLIST_MODERATED);
}

static void argument_of(const char *path, char out[MM_LIMIT_LOCAL_PART + 1])
{
    const char *plus = strchr(path, '+');
    const char *at = strrchr(path, '@');

    assert_non_null(plus);
    assert_true(mm_span_copy(mm_span(plus + 1, (size_t)(at - plus - 1)), out,
                             MM_LIMIT_LOCAL_PART + 1));
}

/* What was not written here is nobody's; another member's is another one. */
static void test_signatures(void **state)
{
    struct world *w = *state;
    char path[MM_STORE_REVERSE_PATH_MAX];
    char text[MM_LIMIT_LOCAL_PART + 1];
    char member[MM_STORE_REVERSE_PATH_MAX];
    enum mm_maillist_command command;
    int64_t now_ms = INT64_C(1700000000000);
    int64_t day_ms = INT64_C(24) * 3600 * 1000;

    mm_maillist_verp(w->store, &w->list, "Bob=x+1@Far.test", path);
    argument_of(path, text);
    assert_true(mm_maillist_read_verp(w->store, &w->list, text, member));
    assert_string_equal(member, "bob=x+1@far.test");
    text[10] = 'c';
    assert_false(mm_maillist_read_verp(w->store, &w->list, text, member));
    assert_false(mm_maillist_read_verp(w->store, &w->list, "", member));
    char longest[MM_STORE_REVERSE_PATH_MAX];
    memset(longest, 'a', 250);
    strcpy(longest + 250, "@far.test");
    mm_maillist_verp(w->store, &w->list, longest, path);
    assert_string_equal(path, "news-bounces@example.org");

    static const enum mm_maillist_command asks[] = {
        MM_MAILLIST_SUBSCRIBE, MM_MAILLIST_UNSUBSCRIBE, MM_MAILLIST_APPROVE,
        MM_MAILLIST_REJECT};
    for (size_t i = 0; i < sizeof asks / sizeof asks[0]; i++) {
        enum mm_maillist_command asked = asks[i];

        assert_int_equal(mm_maillist_token(w->store, &w->list, asked,
                                           "bob@far.test", now_ms, text),
                         MAILMOD_OK);
        assert_true(mm_maillist_read_token(
            w->store, &w->list, text, now_ms + 6 * day_ms, &command, member));
        assert_int_equal(command, asked);
        assert_string_equal(member, "bob@far.test");
        assert_false(mm_maillist_read_token(
            w->store, &w->list, text, now_ms + 8 * day_ms, &command, member));
        text[0] = text[0] == 's' ? 'u' : 's';
        assert_false(mm_maillist_read_token(w->store, &w->list, text, now_ms,
                                            &command, member));
    }
}

static void test_held(void **state)
{
    char held[MM_STORE_REVERSE_PATH_MAX];
    uint64_t id = 0;
    unsigned number = 0;
    static const char *const bad[] = {"", "a@b.test", "0000000000001.x@held",
                                      "0000000000001.1@other",
                                      "0000000000001.4294967296@held"};

    (void)state;
    mm_maillist_write_held(UINT64_C(1) << 60, (1u << 27) + 3, held);
    assert_true(mm_maillist_read_held(held, &id, &number));
    assert_true(id == UINT64_C(1) << 60 && number == (1u << 27) + 3);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_false(mm_maillist_read_held(bad[i], &id, &number));
    }
}

static void test_facts(void **state)
{
    struct world *w = *state;
    static const struct {
        const char *text;
        bool is_ours, is_automatic, is_report;
        const char *from;
    } rows[] = {
        {"From: A <a@b.test>\r\n\r\nx", false, false, false, "a@b.test"},
        {"from:\r\n a@b.test\r\n\r\nx", false, false, false, "a@b.test"},
        {"From: a@b.test\r\n (A)\r\n\r\nx", false, false, false, "a@b.test"},
        {"From: a@b.test\r\n , c@d.test\r\n\r\n", false, false, false,
         "a@b.test"},
        {"From: A\r\n\t<a@b.test>\r\n\r\nx", false, false, false, "a@b.test"},
        {"From: A\r\n\r\nFrom: <c@d.test>", false, false, false, ""},
        {"List-ID: N <NEWS.example.org>\r\n\r\n", true, true, false, ""},
        {"List-Id: <xnews.example.org>\r\n\r\n", false, true, false, ""},
        {"Auto-Submitted: auto-replied (x)\r\n\r\n", false, true, false, ""},
        {"Auto-Submitted: no\r\n\r\n", false, false, false, ""},
        {"Precedence: bulk\r\n\r\n", false, true, false, ""},
        {"Content-Type: multipart/report; report-type=delivery-status\r\n\r\n"
         "Final-Recipient: rfc822; a\r\nAction: failed\r\n",
         false, false, true, ""},
        {"Content-Type: multipart/report; report-type=delivery-status\r\n\r\n"
         "Action: delayed\r\n",
         false, false, false, ""},
        {"", false, false, false, ""},
        {"no header", false, false, false, ""},
    };

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct mm_maillist_facts facts;

        mm_maillist_read_facts(&w->list, mm_span_cstr(rows[i].text), &facts);
        if (facts.is_ours != rows[i].is_ours ||
            facts.is_automatic != rows[i].is_automatic ||
            facts.is_report != rows[i].is_report ||
            strcmp(facts.from, rows[i].from) != 0) {
            fail_msg("row %zu: %d %d %d %s", i, facts.is_ours,
                     facts.is_automatic, facts.is_report, facts.from);
        }
    }
}

static void test_header(void **state)
{
    struct world *w = *state;
    struct mm_buf out;
    struct mm_span rest;
    static const char text[] =
        "Received: x\r\n\ty\r\nList-Id: <old.test>\r\n\t more\r\n"
        "From: A <a@b.test>\r\nDKIM-Signature: v=1\r\nSubject: s\r\n\r\nbody";

    mm_buf_init(&out, 65536);
    assert_int_equal(
        mm_maillist_write_header(&out, &w->list, mm_span_cstr(text), &rest),
        MAILMOD_OK);
    assert_string_equal(
        mm_buf_cstr(&out),
        "List-Id: <news.example.org>\r\nList-Post: <mailto:news@example.org>"
        "\r\nList-Subscribe: <mailto:news-subscribe@example.org>\r\n"
        "List-Unsubscribe: <mailto:news-unsubscribe@example.org>\r\n"
        "List-Owner: <mailto:news-owner@example.org>\r\nPrecedence: list\r\n"
        "Received: x\r\n\ty\r\nSubject: s\r\nFrom: <news@example.org>\r\n"
        "Reply-To: A <a@b.test>\r\n");
    assert_true(mm_span_is(rest, "\r\nbody"));
    mm_buf_clear(&out);
    assert_int_equal(mm_maillist_write_header(
                         &out, &w->list, mm_span_cstr("From: a\r\n"), &rest),
                     MAILMOD_ERROR_TOO_LARGE); /* its end is not seen */
    mm_buf_fini(&out);
}

static void test_bounces(void **state)
{
    struct world *w = *state;
    struct mm_maillist_member member = {.is_moderator = true};
    struct mm_store_record record;
    struct put put = {.job.run = run_put, .member = "bob@far.test"};

    snprintf(member.address, sizeof member.address, "Bob@far.test");
    assert_int_equal(
        mm_maillist_member_record("news@example.org", &member, &record),
        MAILMOD_OK);
    keep(w, &record);
    for (unsigned i = 1; i <= 4; i++) {
        assert_int_equal(mm_store_run(w->store, &put.job), MAILMOD_OK);
        assert_int_equal(mm_maillist_find_member(w->store, "news@example.org",
                                                 "BOB@far.test", &member),
                         MAILMOD_OK);
        assert_int_equal(member.bounces, i);
        assert_int_equal(member.is_suspended, i >= 3);
        assert_true(member.is_moderator);
    }
    put.member = "gone@far.test";
    assert_int_equal(mm_store_run(w->store, &put.job), MAILMOD_OK);
    assert_int_equal(mm_maillist_find_member(w->store, "news@example.org",
                                             "gone@far.test", &member),
                     MAILMOD_ERROR_NOT_FOUND);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)
    const struct CMUnitTest tests[] = {
        TEST(test_addresses),
        TEST(test_signatures),
        TEST(test_facts),
        TEST(test_held),
        TEST(test_header),
        TEST(test_bounces),
        TEST(test_row_without_rule),
        TEST(test_long_member),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
