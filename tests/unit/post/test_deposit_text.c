/* test_deposit_text.c - the text of a message: pieces of every size about the
 * chunk's, the last line's end, the header on its way. Thread: the test's (the
 * loop). */
#include "arrival.h"

/* Every size about one and two chunks comes back whole, and the entry's size is
 * what is served. */
static void test_sizes(void **state)
{
    struct arrival *a = *state;
    static const size_t bases[] = {0, 65536, 131072};
    static const size_t steps[] = {1000000, 65536, 4097};
    static char body[140000];

    for (size_t i = 0; i < sizeof body; i++) {
        body[i] = (char)('a' + i % 23);
    }
    memcpy(body, "\r\n", 2); /* no header */
    for (size_t i = 0; i < 3 * 21 * 3; i++) {
        size_t step = steps[i % 3];
        size_t size = bases[i / 3 % 3] + i / 9;
        struct mm_buf text;
        uint64_t served = 0;

        arrival_start(a, "carol@example.net");
        assert_int_equal(
            mm_buf_append_cstr(mm_deposit_fields(a->deposit), "R: x\r\n"),
            MAILMOD_OK);
        arrival_add_mailbox(a, a->alice);
        size = size > 12 ? size - 10 : size + 2;
        body[size] = '\r';
        body[size + 1] = '\n';
        arrival_write_all(a, mm_span(body, size + 2), step);
        arrival_finish(a);
        assert_int_equal(a->error, MAILMOD_OK);
        mm_deposit_abandon(&a->deposit);
        mm_buf_init(&text, 1 << 20);
        arrival_read_whole(a, a->alice, &text, &served);
        assert_int_equal(mm_buf_size(&text), served);
        assert_int_equal(served, 34 + 6 + size + 2);
        assert_memory_equal(mm_buf_span(&text).data,
                            "Return-Path: <carol@example.net>\r\nR: x\r\n", 40);
        assert_memory_equal(mm_buf_span(&text).data + 40, body, size + 2);
        body[size] = (char)('a' + size % 23);
        body[size + 1] = (char)('a' + (size + 1) % 23);
        mm_buf_fini(&text);
    }
}

/* A last line without its end gets one, wherever the pieces were cut; what is
 * no header gets an empty line before it. */
static void test_last_line(void **state)
{
    struct arrival *a = *state;
    static const struct {
        const char *body;
        const char *stored;
    } rows[] = {{"", "\r\n"},
                {"x", "\r\nx\r\n"},
                {"x\r\n", "\r\nx\r\n"},
                {"x: y", "x: y\r\n"},
                {"x: y\r\n\r\n", "x: y\r\n\r\n"},
                {"\r\n", "\r\n"},
                {"x: y\r\n\r\nz", "x: y\r\n\r\nz\r\n"}};

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        for (size_t step = 1; step < 4; step++) {
            struct mm_buf text;
            uint64_t served = 0;

            arrival_start(a, "");
            arrival_add_mailbox(a, a->alice);
            arrival_write_all(a, mm_span_cstr(rows[i].body), step);
            arrival_finish(a);
            assert_int_equal(mm_deposit_size(a->deposit),
                             strlen(rows[i].stored));
            mm_deposit_abandon(&a->deposit);
            mm_buf_init(&text, 1000);
            arrival_read_whole(a, a->alice, &text, &served);
            assert_int_equal(mm_buf_size(&text), served);
            assert_string_equal(mm_buf_cstr(&text) +
                                    strlen("Return-Path: <>\r\n"),
                                rows[i].stored);
            mm_buf_fini(&text);
        }
    }
}

/* A last line that ends exactly where a piece is full. */
static void test_last_line_at_a_full_piece(void **state)
{
    struct arrival *a = *state;
    static char body[65540];

    memset(body, 'b', sizeof body);
    memcpy(body, "\r\n", 2);
    for (size_t i = 0; i < 22; i++) {
        /* The first piece is smaller than the others. */
        size_t size = (i < 11 ? 57340 : 65530) + i % 11;

        struct mm_buf text;
        uint64_t served = 0;

        arrival_start(a, "");
        arrival_add_mailbox(a, a->alice);
        arrival_write_all(a, mm_span(body, size), sizeof body);
        arrival_finish(a);
        assert_int_equal(a->error, MAILMOD_OK);
        mm_deposit_abandon(&a->deposit);
        mm_buf_init(&text, 1 << 20);
        arrival_read_whole(a, a->alice, &text, &served);
        assert_int_equal(served, 17 + size + 2);
        assert_int_equal(mm_buf_size(&text), served);
        assert_memory_equal(mm_buf_span(&text).data + 17 + size, "\r\n", 2);
        mm_buf_fini(&text);
    }
}

/* F09: one Return-Path, and it is ours, however the other one is written; a
 * large header is edited to its end. */
static void test_F09_return_path_of_its_own(void **state)
{
    struct arrival *a = *state;
    struct mm_buf body;
    struct mm_buf text;
    uint64_t served = 0;

    a->options.edits = MM_HEADER_DROPS_RETURN_PATH;
    mm_buf_init(&body, 1 << 20);
    for (unsigned i = 0; i < 3000; i++) {
        mm_buf_appendf(&body, "X-Field-%u: some value of it\r\n", i);
        if (i % 1000 == 0) {
            mm_buf_append_cstr(&body, "return-path :\r\n\t<evil@x>\r\n"
                                      "RETURN-PATH: <evil@x>\r\n");
        }
    }
    mm_buf_append_cstr(&body, "\r\nReturn-Path: text\r\n");
    arrival_start(a, "carol@example.net");
    arrival_add_mailbox(a, a->alice);
    arrival_write_all(a, mm_buf_span(&body), 1000);
    arrival_finish(a);
    assert_int_equal(a->error, MAILMOD_OK);
    mm_deposit_abandon(&a->deposit);
    mm_buf_init(&text, 1 << 20);
    arrival_read_whole(a, a->alice, &text, &served);
    assert_int_equal(mm_buf_size(&text), served);
    assert_null(strstr(mm_buf_cstr(&text), "evil"));
    assert_non_null(strstr(mm_buf_cstr(&text), "X-Field-2999: some value of it"
                                               "\r\n\r\nReturn-Path: text"));
    mm_buf_fini(&text);
    mm_buf_fini(&body);
}

/* RFC 6409 8, RFC 5322 3.6: the fields that `edits` adds, in the message as it
 * lies in the mailbox. */
static void check_added(struct arrival *a, const char *path, const char *in,
                        const char *added, const char *rest, size_t step)
{
    static const char *const names[] = {
        ['D'] = "Date: ", ['F'] = "From: <", ['M'] = "Message-ID: <"};
    struct mm_buf text;
    uint64_t served = 0;

    arrival_start(a, path);
    arrival_add_mailbox(a, a->alice);
    arrival_write_all(a, mm_span_cstr(in), step);
    arrival_finish(a);
    mm_deposit_abandon(&a->deposit);
    mm_buf_init(&text, 2000);
    arrival_read_whole(a, a->alice, &text, &served);
    const char *at = strstr(mm_buf_cstr(&text), "\r\n") + 2;
    for (; *added != '\0'; added++) {
        const char *name = names[(unsigned char)*added];

        assert_memory_equal(at, name, strlen(name));
        at = strstr(at, "\r\n") + 2;
    }
    assert_string_equal(at, rest);
    mm_buf_fini(&text);
}

static void test_fields(void **state)
{
    struct arrival *a = *state;
    static const struct {
        const char *in, *added, *rest;
    } rows[] = {
        {"Subject: x\r\n\r\nb\r\n", "DFM", "Subject: x\r\n\r\nb\r\n"},
        {"date: x\r\nFROM : y\r\nMessage-Id: z\r\n\r\nb\r\n", "",
         "date: x\r\nFROM : y\r\nMessage-Id: z\r\n\r\nb\r\n"},
        {"From: y\r\n\r\nDate: x\r\n", "DM", "From: y\r\n\r\nDate: x\r\n"},
        {"X: y\r\n Date: x\r\n\r\n", "DFM", "X: y\r\n Date: x\r\n\r\n"},
        {"\r\nb\r\n", "DFM", "\r\nb\r\n"},
        {"Hello\r\nDate: now\r\n", "DFM", "\r\nHello\r\nDate: now\r\n"},
        {"Hello", "DFM", "\r\nHello\r\n"},
        {"Date: x", "FM", "Date: x\r\n"},
        {"", "DFM", "\r\n"},
    };

    a->options.edits =
        MM_HEADER_ADDS_DATE | MM_HEADER_ADDS_FROM | MM_HEADER_ADDS_MESSAGE_ID;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        for (size_t step = 1; step < 5; step++) {
            check_added(a, "carol@example.net", rows[i].in, rows[i].added,
                        rows[i].rest, step);
        }
    }
    check_added(a, "", "X: y\r\n\r\nb\r\n", "DM", "X: y\r\n\r\nb\r\n", 9);
}

/* S17: the text of a message that is sent and never kept. It is read back whole
 * before its end, and when it is given up on a loop nothing of it is left. */
static void test_S17_read_back(void **state)
{
    struct arrival *a = *state;
    static const size_t sizes[] = {2, 57000, 65536, 120000, 131100, 199998};
    struct mm_loop *loop = a->options.loop;

    a->options.loop = NULL;
    memset(arrival_big, 'b', sizeof arrival_big);
    memcpy(arrival_big, "\r\n", 2);
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        struct mm_buf text;
        struct mm_buf piece;
        unsigned number = 0;

        mm_buf_init(&text, 1 << 20);
        mm_buf_init(&piece, MM_LIMIT_CHUNK);
        arrival_start(a, "carol@example.net");
        uint64_t id = mm_deposit_id(a->deposit);
        arrival_write_all(a, mm_span(arrival_big, sizes[i]), 70001);
        assert_int_equal(mm_deposit_end_text(a->deposit, false), MAILMOD_OK);
        while (mm_deposit_read(a->deposit, number, &piece) == MAILMOD_OK) {
            assert_int_equal(mm_buf_append_span(&text, mm_buf_span(&piece)),
                             MAILMOD_OK);
            mm_buf_clear(&piece);
            number++;
        }
        assert_int_equal(mm_buf_size(&text), mm_deposit_size(a->deposit));
        assert_memory_equal(mm_buf_span(&text).data, arrival_big, sizes[i]);
        assert_true(arrival_has_chunk(a, id, 1) == (number > 2));
        mm_deposit_abandon_on(&a->deposit, loop);
        fake_run(0);
        assert_false(arrival_has_chunk(a, id, 1));
        assert_int_equal(mm_post_busy(a->post), 0);
        mm_buf_fini(&piece);
        mm_buf_fini(&text);
    }
}

int main(void)
{
#define TEST(name)                                                             \
    cmocka_unit_test_setup_teardown(name, arrival_begin, arrival_end)
    const struct CMUnitTest tests[] = {
        TEST(test_sizes),
        TEST(test_last_line),
        TEST(test_last_line_at_a_full_piece),
        TEST(test_F09_return_path_of_its_own),
        TEST(test_fields),
        TEST(test_S17_read_back),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
