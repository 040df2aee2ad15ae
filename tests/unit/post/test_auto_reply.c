/* test_auto_reply.c - the rules of RFC 3834, the form of an answer, and who is
 * remembered.
 * Thread: the test's (the loop). */
#include "base/limits.h"
#include "people.h"
#include "post/auto_reply_text.h"

static bool is_alice(void *context, const struct mm_address *address)
{
    (void)context;
    return mm_cstr_equal_nocase(address->text, "alice@example.net");
}

static struct mm_auto_reply_question question(const char *reverse_path,
                                              const char *text)
{
    return (struct mm_auto_reply_question){.reverse_path = reverse_path,
                                           .text = mm_span_cstr(text),
                                           .path = "alice@example.org",
                                           .more = "info@example.org",
                                           .wants_name = true,
                                           .is_own = is_alice};
}

static void test_rules(void **state)
{
    static const char to[] = "To: Alice <alice@example.org>\r\n\r\n";
    static const struct {
        const char *reverse_path;
        const char *text;
        bool is_answered;
    } rows[] = {
        {"bob@far.test", to, true},
        {"", to, false},
        /* names of programs and lists */
        {"owner-news@far.test", to, false},
        {"news-request@far.test", to, false},
        {"News-Request@far.test", to, false},
        {"news-request+x@far.test", to, false},
        {"news-owner@far.test", to, false},
        {"news-bounces+a=b@far.test", to, false},
        {"bounces+1234-a=b@far.test", to, false},
        {"MAILER-DAEMON@far.test", to, false},
        {"no-reply@far.test", to, false},
        {"NoReply-shop@far.test", to, false},
        {"downer-x@far.test", to, true},
        {"request@far.test", to, true},
        {"bounce.house@far.test", to, true},
        /* fields */
        {"b@far.test", "Auto-Submitted: auto-replied\r\nTo: alice@example.org",
         false},
        {"b@far.test",
         "auto-submitted:\r\n (why) auto-generated; x=y\r\n"
         "To: alice@example.org\r\n\r\n",
         false},
        {"b@far.test", "Auto-Submitted: no\r\nTo: alice@example.org\r\n\r\n",
         true},
        {"b@far.test",
         "Auto-Submitted: (c) No; x=y\r\nTo: alice@example.org\r\n\r\n", true},
        {"b@far.test", "Auto-Submitted: nonsense\r\nTo: alice@example.org\r\n",
         false},
        {"b@far.test", "Auto-Submitted:\r\nTo: alice@example.org\r\n", false},
        {"b@far.test",
         "Auto-Submitted: no\r\nAuto-Submitted: auto-replied\r\n"
         "To: alice@example.org\r\n",
         false},
        {"b@far.test", "List-Id: <a.b>\r\nTo: alice@example.org\r\n", false},
        {"b@far.test", "LIST-unsubscribe: x\r\nTo: alice@example.org\r\n",
         false},
        {"b@far.test", "Precedence: Bulk\r\nTo: alice@example.org\r\n", false},
        {"b@far.test", "Precedence: list\r\nTo: alice@example.org\r\n", false},
        {"b@far.test", "Precedence: first-class\r\nTo: alice@example.org\r\n",
         true},
        {"b@far.test",
         "Content-Type: Multipart/Report; report-type=x\r\n"
         "To: alice@example.org\r\n",
         false},
        {"b@far.test",
         "X-Auto-Response-Suppress: DR, OOF\r\nTo: alice@example.org\r\n",
         false},
        {"b@far.test", "X-Spam-Flag: YES\r\nTo: alice@example.org\r\n", false},
        {"b@far.test", "X-Blocklist: z.test\r\nTo: alice@example.org\r\n",
         false},
        /* of the body nothing counts */
        {"b@far.test", "To: alice@example.org\r\n\r\nList-Id: x\r\n", true},
        /* who answers writes himself */
        {"Alice@Example.org", to, false},
        {"alice@example.net", to, false},
        {"info@example.org", to, false},
        /* named in To or Cc */
        {"b@far.test", "To: info@example.org\r\n", true},
        {"b@far.test", "To: a@b.test,\r\n \"x, y\" <ALICE@example.NET>\r\n",
         true},
        {"b@far.test", "Cc: alice@example.org (me)\r\n", true},
        {"b@far.test", "Resent-To: alice@example.org\r\n", true},
        {"b@far.test", "To: undisclosed recipients:;\r\n", false},
        {"b@far.test", "To: malice@example.org\r\n", false},
        {"b@far.test", "From: alice@example.org\r\n", false},
        {"b@far.test", "", false},
        {"b@far.test", "no header at all", false},
        {"b@far.test", "To: <<<,,,;;;(((\r\n", false},
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct mm_auto_reply_question asked =
            question(rows[i].reverse_path, rows[i].text);
        const char *refusal = mm_auto_reply_refusal(&asked);

        if ((refusal == NULL) != rows[i].is_answered) {
            fail_msg("row %zu, %s: %s", i, rows[i].reverse_path,
                     refusal != NULL ? refusal : "answered");
        }
    }
    struct mm_auto_reply_question anybody =
        question("b@far.test", "To: x@far.test\r\n\r\n");
    anybody.wants_name = false;
    assert_null(mm_auto_reply_refusal(&anybody));
}

static const char *answer_to(struct mm_buf *out, const char *text,
                             const struct mm_auto_reply *reply)
{
    struct mm_auto_reply_question asked = question("bob@far.test", text);

    mm_buf_clear(out);
    assert_int_equal(mm_auto_reply_write(out, &asked, reply,
                                         INT64_C(1700000000000), "ID1",
                                         "mx.example.org"),
                     MAILMOD_OK);
    const char *written = mm_buf_cstr(out);
    assert_non_null(written);
    assert_false(mm_span_has_8bit(mm_buf_span(out)));
    /* Whatever the sender wrote, there is one header, and all lines end. */
    assert_int_equal(strncmp(written, "From: <alice@example.org>\r\n", 27), 0);
    for (const char *at = strchr(written, '\n'); at != NULL;
         at = strchr(at + 1, '\n')) {
        assert_int_equal(at[-1], '\r');
    }
    return written;
}

static void test_answer(void **state)
{
    struct mm_buf out;
    struct mm_auto_reply reply = {.subject = "Away", .days = 7};

    (void)state;
    mm_buf_init(&out, 1 << 20);
    reply.text = mm_span_cstr("I am away.\nBye\r\n");
    assert_string_equal(
        answer_to(&out,
                  "Message-ID: <1@far.test>\r\nReferences: <a@b>\r\n\t<c@d>\r\n"
                  "Subject: hello\r\n\r\nbody",
                  &reply),
        "From: <alice@example.org>\r\nTo: <bob@far.test>\r\n"
        "Date: Tue, 14 Nov 2023 22:13:20 +0000\r\n"
        "Message-ID: <ID1@mx.example.org>\r\nSubject: Away\r\n"
        "In-Reply-To: <1@far.test>\r\nReferences: <a@b> <c@d> <1@far.test>\r\n"
        "Auto-Submitted: auto-replied\r\nPrecedence: bulk\r\n"
        "MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n"
        "Content-Transfer-Encoding: 7bit\r\n\r\nI am away.\r\nBye\r\n");
    /* RFC 3834 3.1.5; a folded subject, one that is none. */
    reply.subject[0] = '\0';
    assert_non_null(
        strstr(answer_to(&out, "Subject: hello\r\n there\r\n\r\n", &reply),
               "\r\nSubject: Auto: hello there\r\n"));
    assert_null(strstr(mm_buf_cstr(&out), "References"));
    assert_non_null(strstr(answer_to(&out, "Subject: \x80\xff\r\n\r\n", &reply),
                           "\r\nSubject: Auto: your message\r\n"));
    assert_non_null(strstr(answer_to(&out, "Subject:\r\n\r\n", &reply),
                           "\r\nSubject: Auto: your message\r\n"));
    /* Other letters are encoded; an identifier with blanks is none. */
    snprintf(reply.subject, sizeof reply.subject, "Verreist \xc3\xbc");
    reply.text = mm_span_cstr("gr\xc3\xbc\xc3\x9f\x65\n");
    const char *written = answer_to(
        &out, "Message-ID: <a b>\r\nIn-Reply-To: <x@y>\r\n\r\n", &reply);
    assert_non_null(strstr(written, "\r\nSubject: Verreist =?utf-8?B?w7w=?="));
    assert_non_null(strstr(written, "base64\r\n\r\nZ3LDvMOfZQ0K\r\n"));
    assert_null(strstr(written, "In-Reply-To"));
    mm_buf_fini(&out);
}

/* What a sender wrote is bounded and stays in its field. */
static void test_hostile_header(void **state)
{
    struct mm_buf out;
    struct mm_buf text;
    struct mm_auto_reply reply = {.days = 7, .text = mm_span_cstr("x")};

    (void)state;
    mm_buf_init(&out, 1 << 20);
    mm_buf_init(&text, 1 << 20);
    (void)mm_buf_append_cstr(&text, "Subject: ");
    for (int i = 0; i < 3000; i++) {
        (void)mm_buf_append_cstr(&text, i % 7 == 0 ? "\r\n w" : "word ");
    }
    (void)mm_buf_append_cstr(&text, "\r\nMessage-ID: <m@far.test>\r\n"
                                    "References:");
    for (int i = 0; i < 2000; i++) {
        (void)mm_buf_appendf(&text, " <%d@far.test>", i);
    }
    (void)mm_buf_append_cstr(&text, "\r\n\r\n");
    const char *written = answer_to(&out, mm_buf_cstr(&text), &reply);
    assert_true(strlen(written) < 4096);
    assert_non_null(strstr(written, "<1999@far.test>"));
    assert_null(strstr(written, "<7@far.test>"));
    assert_non_null(strstr(written, "<m@far.test>"));
    mm_buf_clear(&text);
    (void)mm_buf_append_cstr(&text, "Subject: ");
    for (int i = 0; i < 4000; i++) {
        (void)mm_buf_append_char(&text, 'w');
    }
    assert_non_null(strstr(answer_to(&out, mm_buf_cstr(&text), &reply),
                           "\r\nSubject: Auto:"));
    mm_buf_fini(&text);
    mm_buf_fini(&out);
}

static void test_rows(void **state)
{
    struct mm_buf value;
    struct mm_store_record record;
    struct mm_auto_reply reply = {.subject = "a b",
                                  .from_ms = 5,
                                  .until_ms = 9,
                                  .days = 3,
                                  .text = mm_span_cstr("t\n\nu\n")};
    struct mm_auto_reply read;

    (void)state;
    mm_buf_init(&value, MM_STORE_RECORD_VALUE_MAX);
    assert_int_equal(mm_auto_reply_record("Alice", &reply, &value, &record),
                     MAILMOD_OK);
    assert_string_equal(record.name, "alice");
    assert_true(mm_auto_reply_of(&record, &read));
    assert_string_equal(read.subject, "a b");
    assert_true(read.from_ms == 5 && read.until_ms == 9 && read.days == 3);
    assert_true(mm_span_is(read.text, "t\n\nu\n"));
    assert_false(mm_auto_reply_is_on(&read, 4));
    assert_true(mm_auto_reply_is_on(&read, 5));
    assert_true(mm_auto_reply_is_on(&read, 8));
    assert_false(mm_auto_reply_is_on(&read, 9));
    read.until_ms = 0;
    assert_true(mm_auto_reply_is_on(&read, INT64_MAX));
    static const char *const damaged[] = {"", "5", "5 9", "5\nx\n", "x 9\ns\n"};
    for (size_t i = 0; i < sizeof damaged / sizeof damaged[0]; i++) {
        record.value = mm_span_cstr(damaged[i]);
        assert_false(mm_auto_reply_of(&record, &read));
    }
    mm_buf_fini(&value);
}

struct note {
    struct mm_store_job job;
    struct mm_store *store;
    const char *sender;
    int64_t now_ms;
    const struct mm_auto_reply_page *page; /* NULL: none is swept */
};

static enum mailmod_error run_note(struct mm_store_job *job,
                                   struct mm_store_transaction *t)
{
    const struct note *note = MM_LIST_OBJECT(job, struct note, job);
    enum mailmod_error error =
        mm_auto_reply_note(t, "alice", note->sender, note->now_ms, 1000);

    return error == MAILMOD_OK && note->page != NULL
               ? mm_auto_reply_sweep(t, "alice", note->page, note->now_ms, 1000)
               : error;
}

static enum mailmod_error note(struct mm_store *store, const char *sender,
                               int64_t now_ms, bool sweeps)
{
    struct mm_auto_reply_page page;
    struct note noted = {.job.run = run_note,
                         .sender = sender,
                         .now_ms = now_ms,
                         .page = sweeps ? &page : NULL};

    assert_int_equal(mm_auto_reply_read_page(store, "alice", &page),
                     MAILMOD_OK);
    return mm_store_run(store, &noted.job);
}

struct counted {
    size_t count;
    int64_t told;
};

static bool on_counted(void *context, const struct mm_store_record *record)
{
    struct counted *counted = context;

    if (strcmp(record->key, "count") == 0) {
        counted->told = record->number;
    } else {
        counted->count++;
    }
    return true;
}

static size_t remembered(struct mm_store *store)
{
    struct counted counted = {.count = 0};

    assert_int_equal(mm_store_each_record(store, MM_RECORD_REPLIED, "alice", "",
                                          true, on_counted, &counted),
                     MAILMOD_OK);
    assert_int_equal(counted.told, counted.count);
    return counted.count;
}

/* Once in a period; who is over goes with who comes. */
static void test_notes(void **state)
{
    struct mm_store *store = NULL;
    char sender[64];

    (void)state;
    assert_int_equal(mm_store_open_memory(&store, NULL), MAILMOD_OK);
    assert_int_equal(note(store, "Bob@far.test", 5000, true), MAILMOD_OK);
    assert_int_equal(note(store, "bob@FAR.test", 5999, true),
                     MAILMOD_ERROR_EXISTS);
    assert_int_equal(note(store, "bob@far.test", 6000, true), MAILMOD_OK);
    assert_int_equal(note(store, "eve@far.test", 6000, true), MAILMOD_OK);
    /* The clock was wrong when the note was made. */
    assert_int_equal(note(store, "eve@far.test", 100, true), MAILMOD_OK);
    assert_int_equal(remembered(store), 2);
    for (int i = 0; i < 500; i++) {
        snprintf(sender, sizeof sender, "%c%d@far.test", 'a' + i % 26, i);
        assert_int_equal(note(store, sender, 7000 + i * 100, true), MAILMOD_OK);
    }
    assert_true(remembered(store) < 250);
    mm_store_close(&store);
}

struct many {
    struct mm_store_job job;
    int from, to;
};

static enum mailmod_error run_many(struct mm_store_job *job,
                                   struct mm_store_transaction *t)
{
    const struct many *many = MM_LIST_OBJECT(job, struct many, job);
    enum mailmod_error error = MAILMOD_OK;
    char sender[64];

    for (int i = many->from; error == MAILMOD_OK && i < many->to; i++) {
        snprintf(sender, sizeof sender, "m%d@far.test", i);
        error = mm_auto_reply_note(t, "alice", sender, 10 + i, 1 << 30);
    }
    return error;
}

static enum mailmod_error run_one_more(struct mm_store_job *job,
                                       struct mm_store_transaction *t)
{
    const struct note *noted = MM_LIST_OBJECT(job, struct note, job);
    enum mailmod_error error =
        mm_auto_reply_note(t, "alice", noted->sender, noted->now_ms, 1 << 30);

    return error == MAILMOD_OK ? mm_auto_reply_sweep(t, "alice", noted->page,
                                                     noted->now_ms, 1 << 30)
                               : error;
}

/* However many write, no more are remembered. */
static void test_bound(void **state)
{
    struct mm_store *store = NULL;
    struct many many = {.job.run = run_many, .to = MM_LIMIT_REPLIED};
    char sender[64];

    (void)state;
    assert_int_equal(mm_store_open_memory(&store, NULL), MAILMOD_OK);
    assert_int_equal(mm_store_run(store, &many.job), MAILMOD_OK);
    assert_int_equal(remembered(store), MM_LIMIT_REPLIED);
    for (int i = 0; i < 50; i++) {
        struct mm_auto_reply_page page;
        struct note more = {.job.run = run_one_more,
                            .sender = sender,
                            .now_ms = 1000000 + i,
                            .page = &page};

        snprintf(sender, sizeof sender, "late%d@far.test", i);
        assert_int_equal(mm_auto_reply_read_page(store, "alice", &page),
                         MAILMOD_OK);
        assert_int_equal(mm_store_run(store, &more.job), MAILMOD_OK);
    }
    assert_int_equal(remembered(store), MM_LIMIT_REPLIED);
    mm_store_close(&store);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rules),          cmocka_unit_test(test_answer),
        cmocka_unit_test(test_hostile_header), cmocka_unit_test(test_rows),
        cmocka_unit_test(test_notes),          cmocka_unit_test(test_bound),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
