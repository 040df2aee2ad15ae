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

int main(void)
{
#define TEST(name)                                                             \
    cmocka_unit_test_setup_teardown(name, arrival_begin, arrival_end)
    const struct CMUnitTest tests[] = {
        TEST(test_sizes),
        TEST(test_last_line),
        TEST(test_last_line_at_a_full_piece),
        TEST(test_F09_return_path_of_its_own),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
