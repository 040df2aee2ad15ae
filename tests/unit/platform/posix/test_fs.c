/* test_fs.c - files read whole, replaced whole or not at all, and refused for
 * the right reason. Thread: the test's. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/mem.h"
#include "platform/fs.h"
#include "platform/posix/system.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

static char root[64];

static const char *in_root(const char *name)
{
    static char path[512];
    snprintf(path, sizeof path, "%s/%s", root, name);
    return path;
}

static int set_up(void **state)
{
    (void)state;
    strcpy(root, "/tmp/mailmod-fs-XXXXXX");
    return mkdtemp(root) == NULL ? -1 : 0;
}

static int tear_down(void **state)
{
    char command[128];
    (void)state;
    snprintf(command, sizeof command, "rm -rf '%s'", root);
    return system(command);
}

static mode_t mode_of(const char *path)
{
    struct stat status;
    assert_int_equal(stat(path, &status), 0);
    return status.st_mode & 0777;
}

static size_t entry_count(const char *path)
{
    size_t count = 0;
    DIR *folder = opendir(path);
    assert_non_null(folder);
    while (readdir(folder) != NULL) {
        count++;
    }
    closedir(folder);
    return count - 2;
}

static void check_content(const char *path, const char *expected)
{
    struct mm_buf content;
    mm_buf_init(&content, 1000);
    assert_int_equal(mm_fs_read(path, &content), MAILMOD_OK);
    assert_string_equal(mm_buf_cstr(&content), expected);
    mm_buf_fini(&content);
}

static void replace(const char *path, const char *text, bool is_private)
{
    assert_int_equal(mm_fs_replace(path, mm_span_cstr(text), is_private),
                     MAILMOD_OK);
}

static void test_make_folder(void **state)
{
    (void)state;
    assert_int_equal(mm_fs_make_folder(in_root("a/b//c/")), MAILMOD_OK);
    assert_int_equal(mm_fs_make_folder(in_root("a/b/c")), MAILMOD_OK);
    assert_int_equal(mode_of(in_root("a")), 0700);
    assert_int_equal(mode_of(in_root("a/b/c")), 0700);
    assert_true(mm_fs_is_writable_folder(in_root("a/b/c")));
    assert_false(mm_fs_is_writable_folder(in_root("a/x")));
    replace(in_root("file"), "x", false);
    assert_false(mm_fs_is_writable_folder(in_root("file")));
    assert_int_equal(mm_fs_make_folder(in_root("file")), MAILMOD_ERROR_EXISTS);
    assert_int_equal(mm_fs_make_folder(in_root("file/a")),
                     MAILMOD_ERROR_EXISTS);
    assert_int_equal(mm_fs_make_folder(""), MAILMOD_ERROR_ARGUMENT);
    mm_mem_set_fault(1, 1);
    enum mailmod_error error = mm_fs_make_folder(in_root("m"));
    mm_mem_set_fault(0, 0);
    assert_int_equal(error, MAILMOD_ERROR_MEMORY);
}

static void test_read(void **state)
{
    struct mm_buf content;
    (void)state;
    replace(in_root("ten"), "0123456789", true);
    mm_buf_init(&content, 14);
    mm_buf_append_cstr(&content, "kept");
    assert_int_equal(mm_fs_read(in_root("ten"), &content), MAILMOD_OK);
    assert_string_equal(mm_buf_cstr(&content), "kept0123456789");
    mm_buf_fini(&content);

    mm_buf_init(&content, 13);
    mm_buf_append_cstr(&content, "kept");
    assert_int_equal(mm_fs_read(in_root("ten"), &content),
                     MAILMOD_ERROR_TOO_LARGE);
    assert_string_equal(mm_buf_cstr(&content), "kept");
    assert_int_equal(mm_fs_read(in_root("none"), &content),
                     MAILMOD_ERROR_NOT_FOUND);
    assert_int_equal(mm_fs_read(root, &content), MAILMOD_ERROR_ARGUMENT);
    mm_buf_fini(&content);
}

/* Larger than one read, and than one doubling of the buffer. */
static void test_large(void **state)
{
    enum { SIZE = 300000 };
    struct mm_buf content;
    char *bytes = malloc(SIZE);
    (void)state;
    assert_non_null(bytes);
    for (size_t i = 0; i < SIZE; i++) {
        bytes[i] = (char)(i * 31 >> 3);
    }
    assert_int_equal(
        mm_fs_replace(in_root("large"), mm_span(bytes, SIZE), true),
        MAILMOD_OK);
    mm_buf_init(&content, SIZE);
    assert_int_equal(mm_fs_read(in_root("large"), &content), MAILMOD_OK);
    assert_true(mm_span_equal(mm_buf_span(&content), mm_span(bytes, SIZE)));
    mm_buf_fini(&content);
    free(bytes);
}

static void test_replace(void **state)
{
    (void)state;
    assert_int_equal(mm_fs_make_folder(in_root("r")), MAILMOD_OK);
    replace(in_root("r/f"), "first", true);
    check_content(in_root("r/f"), "first");
    assert_int_equal(mode_of(in_root("r/f")), 0600);
    assert_false(mm_fs_is_exposed(in_root("r/f")));
    replace(in_root("r/f"), "second", false);
    check_content(in_root("r/f"), "second");
    assert_int_equal(mode_of(in_root("r/f")), 0644);
    assert_true(mm_fs_is_exposed(in_root("r/f")));
    uint64_t length = 0;
    assert_int_equal(mm_fs_size(in_root("r/f"), &length), MAILMOD_OK);
    assert_int_equal(length, 6);
    assert_int_equal(mm_fs_size(in_root("r"), &length), MAILMOD_ERROR_ARGUMENT);
    assert_int_equal(mm_fs_size(in_root("r/none"), &length),
                     MAILMOD_ERROR_NOT_FOUND);
    replace(in_root("r/f"), "", true);
    check_content(in_root("r/f"), "");
    assert_int_equal(entry_count(in_root("r")), 1);
    assert_true(mm_fs_exists(in_root("r/f")));
    assert_int_equal(mm_fs_remove(in_root("r/f")), MAILMOD_OK);
    assert_false(mm_fs_exists(in_root("r/f")));
    assert_int_equal(mm_fs_remove(in_root("r/f")), MAILMOD_ERROR_NOT_FOUND);
    assert_false(mm_fs_is_exposed(in_root("r/f")));
}

static void test_replace_here(void **state)
{
    char before[512];
    (void)state;
    assert_non_null(getcwd(before, sizeof before));
    assert_int_equal(chdir(root), 0);
    replace("relative", "x", true);
    check_content("relative", "x");
    assert_int_equal(chdir(before), 0);
}

/* A disk that takes part of it (a short write, then a refusal): the old
 * content stays, and nothing is left beside it. */
static void test_replace_no_room(void **state)
{
    static char big[10000];
    struct rlimit before;
    (void)state;
    memset(big, 'x', sizeof big);
    assert_int_equal(mm_fs_make_folder(in_root("full")), MAILMOD_OK);
    replace(in_root("full/f"), "old", true);
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    struct rlimit small = {5000, before.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    enum mailmod_error error =
        mm_fs_replace(in_root("full/f"), mm_span(big, sizeof big), true);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    assert_int_equal(error, MAILMOD_ERROR_STORAGE_FULL);
    check_content(in_root("full/f"), "old");
    assert_int_equal(entry_count(in_root("full")), 1);
}

static void test_replace_refused(void **state)
{
    struct mm_span data = mm_span_cstr("x");
    (void)state;
    assert_int_equal(mm_fs_replace(in_root("none/f"), data, true),
                     MAILMOD_ERROR_NOT_FOUND);
    assert_int_equal(mm_fs_make_folder(in_root("busy/f")), MAILMOD_OK);
    assert_int_equal(mm_fs_replace(in_root("busy/f"), data, true),
                     MAILMOD_ERROR_ARGUMENT);
    assert_int_equal(entry_count(in_root("busy")), 1);
    for (unsigned long n = 1; n <= 2; n++) {
        mm_mem_set_fault(n, 0);
        enum mailmod_error error = mm_fs_replace(in_root("mem"), data, true);
        mm_mem_set_fault(0, 0);
        assert_int_equal(error, MAILMOD_ERROR_MEMORY);
    }
}

/* As root the modes would not be asked, so as somebody else. */
static void test_access(void **state)
{
    (void)state;
    assert_int_equal(mm_fs_make_folder(in_root("locked")), MAILMOD_OK);
    bool is_root = geteuid() == 0;
    if (is_root) {
        assert_int_equal(seteuid(65534), 0);
    } else {
        assert_int_equal(chmod(in_root("locked"), 0), 0);
    }
    enum mailmod_error error =
        mm_fs_replace(in_root("locked/f"), mm_span_cstr("x"), true);
    enum mailmod_error made = mm_fs_make_folder(in_root("locked/a"));
    if (is_root) {
        assert_int_equal(seteuid(0), 0);
    } else {
        assert_int_equal(chmod(in_root("locked"), 0700), 0);
    }
    assert_int_equal(error, MAILMOD_ERROR_ACCESS);
    assert_int_equal(made, MAILMOD_ERROR_ACCESS);
}

/* They might never end, or never begin: said at once. */
static void test_D10_no_regular_file(void **state)
{
    static const char *const devices[] = {"/dev/zero", "/dev/tty", "/dev/null"};
    struct mm_buf content;
    (void)state;
    mm_buf_init(&content, 1000);
    assert_int_equal(mkfifo(in_root("pipe"), 0600), 0);
    assert_int_equal(mm_fs_read(in_root("pipe"), &content),
                     MAILMOD_ERROR_ARGUMENT);
    assert_false(mm_fs_is_file(in_root("pipe")));
    for (size_t i = 0; i < sizeof devices / sizeof devices[0]; i++) {
        assert_int_not_equal(mm_fs_read(devices[i], &content), MAILMOD_OK);
        assert_false(mm_fs_is_file(devices[i]));
    }
    assert_int_equal(mm_buf_size(&content), 0);
    mm_buf_fini(&content);
}

/* root:mailmod 0640 is the daemon's to read and not to write (O13). */
static void test_O13_exposed(void **state)
{
    static const struct {
        mode_t mode;
        bool is_exposed;
    } rows[] = {{0600, false}, {0400, false}, {0640, false}, {0440, false},
                {0644, true},  {0604, true},  {0660, true},  {0602, true},
                {0620, true},  {0666, true}};
    const char *path = in_root("secret");
    (void)state;
    if (geteuid() != 0) {
        skip(); /* only root makes a file of root's */
    }
    replace(path, "x", true);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        path = in_root("secret");
        assert_int_equal(chmod(path, rows[i].mode), 0);
        assert_int_equal(mm_fs_is_exposed(path), rows[i].is_exposed);
    }
    assert_int_equal(chmod(path, 0640), 0);
    assert_int_equal(chown(path, 1000, 1000), 0);
    assert_true(mm_fs_is_exposed(path));
}

static void test_free_space(void **state)
{
    (void)state;
    uint64_t space = mm_fs_free_space(root);
    assert_true(space > 0);
    assert_true(space < UINT64_MAX);
    assert_true(mm_fs_free_space(in_root("none")) == 0);
    assert_true(mm_fs_free_space("/proc") == UINT64_MAX);
}

static void test_errno(void **state)
{
    static const struct {
        int number;
        enum mailmod_error error;
    } rows[] = {
        {0, MAILMOD_OK},
        {ENOSPC, MAILMOD_ERROR_STORAGE_FULL},
        {EDQUOT, MAILMOD_ERROR_STORAGE_FULL},
        {EACCES, MAILMOD_ERROR_ACCESS},
        {EMFILE, MAILMOD_ERROR_DESCRIPTORS},
        {EADDRINUSE, MAILMOD_ERROR_ADDRESS_IN_USE},
        {EIO, MAILMOD_ERROR_STORAGE},
        {ECHILD, MAILMOD_ERROR_SYSTEM},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        assert_int_equal(mm_posix_error(rows[i].number), rows[i].error);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_make_folder),
        cmocka_unit_test(test_read),
        cmocka_unit_test(test_large),
        cmocka_unit_test(test_replace),
        cmocka_unit_test(test_replace_here),
        cmocka_unit_test(test_replace_no_room),
        cmocka_unit_test(test_replace_refused),
        cmocka_unit_test(test_access),
        cmocka_unit_test(test_D10_no_regular_file),
        cmocka_unit_test(test_O13_exposed),
        cmocka_unit_test(test_free_space),
        cmocka_unit_test(test_errno),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
