/* test_files.c - files on Windows: names of every script, paths longer than
 * 260 characters, content replaced whole or not at all, and the lock.
 * Thread: the test's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/mem.h"
#include "platform/fs.h"
#include "platform/windows/system.h"

#include <stdio.h>
#include <string.h>

static char root[64];

static const char *in_root(const char *name)
{
    static char path[2048];
    snprintf(path, sizeof path, "%s/%s", root, name);
    return path;
}

static int set_up(void **state)
{
    (void)state;
    snprintf(root, sizeof root, "files-%lu-%lu", GetCurrentProcessId(),
             GetTickCount());
    return mm_fs_make_folder(root) == MAILMOD_OK ? 0 : -1;
}

/* Everything below `path`, which has a long form, and itself. */
static void remove_all(const WCHAR *path)
{
    static WCHAR name[8192];
    WIN32_FIND_DATAW entry;
    size_t size = wcslen(path);
    WCHAR *own = mm_alloc_array(size + 300, sizeof *own);
    assert_non_null(own);
    memcpy(own, path, size * sizeof *own);
    memcpy(own + size, L"\\*", 3 * sizeof *own);
    HANDLE search = FindFirstFileW(own, &entry);
    while (search != INVALID_HANDLE_VALUE) {
        if (wcscmp(entry.cFileName, L".") != 0 &&
            wcscmp(entry.cFileName, L"..") != 0) {
            memcpy(own + size + 1, entry.cFileName,
                   (wcslen(entry.cFileName) + 1) * sizeof *own);
            memcpy(name, own, (wcslen(own) + 1) * sizeof *own);
            if ((entry.dwFileAttributes & FILE_ATTRIBUTE_DIRECTORY) != 0) {
                remove_all(own);
            } else {
                (void)DeleteFileW(name);
            }
        }
        if (!FindNextFileW(search, &entry)) {
            (void)FindClose(search);
            search = INVALID_HANDLE_VALUE;
        }
    }
    mm_free(own);
    (void)RemoveDirectoryW(path);
}

static int tear_down(void **state)
{
    WCHAR *wide;
    (void)state;
    if (mm_windows_path(root, &wide) != MAILMOD_OK) {
        return -1;
    }
    remove_all(wide);
    mm_free(wide);
    return mm_fs_exists(root) ? -1 : 0;
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
    assert_int_equal(mm_fs_make_folder(in_root("a\\b/c")), MAILMOD_OK);
    assert_true(mm_fs_is_writable_folder(in_root("a/b/c")));
    assert_false(mm_fs_is_writable_folder(in_root("a/x")));
    replace(in_root("file"), "x", false);
    assert_false(mm_fs_is_writable_folder(in_root("file")));
    assert_int_equal(mm_fs_make_folder(in_root("file")), MAILMOD_ERROR_EXISTS);
    assert_int_equal(mm_fs_make_folder(""), MAILMOD_ERROR_ARGUMENT);
    mm_mem_set_fault(1, 1);
    enum mailmod_error error = mm_fs_make_folder(in_root("m"));
    mm_mem_set_fault(0, 0);
    assert_int_equal(error, MAILMOD_ERROR_MEMORY);
    assert_false(mm_fs_exists(in_root("m")));
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
    assert_int_equal(mm_fs_read("not \xff UTF-8", &content),
                     MAILMOD_ERROR_ARGUMENT);
    mm_buf_fini(&content);
}

static void test_names_of_any_script(void **state)
{
    static const char name[] = "Stra\xc3\x9f"
                               "e-\xd0\xbf\xd0\xbe\xd1\x87\xd1\x82\xd0\xb0-"
                               "\xe9\x83\xb5\xe4\xbb\xb6-\xf0\x9f\x93\xa7";
    char path[256];
    WIN32_FIND_DATAW entry;
    WCHAR *wide;
    (void)state;
    snprintf(path, sizeof path, "%s", in_root(name));
    assert_int_equal(mm_fs_make_folder(path), MAILMOD_OK);
    /* What the system has is the same text, not its octets as characters. */
    assert_int_equal(mm_windows_path(path, &wide), MAILMOD_OK);
    HANDLE search = FindFirstFileW(wide, &entry);
    assert_true(search != INVALID_HANDLE_VALUE);
    (void)FindClose(search);
    mm_free(wide);
    assert_int_equal(entry.cFileName[4], 0xdf);
    char back[256];
    assert_int_equal(mm_windows_utf8(entry.cFileName, back, sizeof back),
                     MAILMOD_OK);
    assert_string_equal(back, name);
    assert_int_equal(mm_windows_utf8(entry.cFileName, back, 5),
                     MAILMOD_ERROR_LIMIT);
}

/* Attack 107: longer than Windows had it once. */
static void test_long_path(void **state)
{
    char path[1600];
    char *library_path;
    size_t size;
    (void)state;
    snprintf(path, sizeof path, "%s", in_root("long"));
    size = strlen(path);
    while (size < 1000) {
        size += (size_t)snprintf(path + size, sizeof path - size,
                                 "/a folder of fifty characters, that is, long "
                                 "enough");
    }
    assert_int_equal(mm_fs_make_folder(path), MAILMOD_OK);
    assert_true(mm_fs_is_writable_folder(path));
    snprintf(path + size, sizeof path - size, "/file");
    replace(path, "first", true);
    replace(path, "second", false);
    check_content(path, "second");
    assert_int_equal(mm_fs_long_path(path, &library_path), MAILMOD_OK);
    assert_memory_equal(library_path, "\\\\?\\", 4);
    assert_true(strlen(library_path) > 1000);
    check_content(library_path, "second");
    mm_free(library_path);
    assert_true(mm_fs_free_space(path) > 0);
    assert_int_equal(mm_fs_remove(path), MAILMOD_OK);
    assert_false(mm_fs_exists(path));
}

static size_t entry_count(const char *folder)
{
    char pattern[512];
    WIN32_FIND_DATAA entry;
    size_t count = 0;
    snprintf(pattern, sizeof pattern, "%s/*", folder);
    HANDLE search = FindFirstFileA(pattern, &entry);
    assert_true(search != INVALID_HANDLE_VALUE);
    do {
        count++;
    } while (FindNextFileA(search, &entry));
    (void)FindClose(search);
    return count - 2;
}

static HANDLE open_plain(const char *path)
{
    /* As a program does that knows nothing of us. */
    HANDLE file = CreateFileA(path, GENERIC_READ, FILE_SHARE_READ, NULL,
                              OPEN_EXISTING, 0, NULL);
    assert_true(file != INVALID_HANDLE_VALUE);
    return file;
}

static DWORD WINAPI close_later(void *context)
{
    Sleep(200);
    (void)CloseHandle(context);
    return 0;
}

static void test_replace(void **state)
{
    char path[256];
    (void)state;
    assert_int_equal(mm_fs_make_folder(in_root("r")), MAILMOD_OK);
    snprintf(path, sizeof path, "%s", in_root("r/f"));
    replace(path, "first", true);
    /* A reader that is gone after a moment is waited for... */
    HANDLE file = open_plain(path);
    HANDLE thread = CreateThread(NULL, 0, close_later, file, 0, NULL);
    replace(path, "second", true);
    (void)WaitForSingleObject(thread, INFINITE);
    (void)CloseHandle(thread);
    check_content(path, "second");
    /* ... and one that stays is an error: the old content is whole. */
    file = open_plain(path);
    enum mailmod_error error =
        mm_fs_replace(path, mm_span_cstr("third"), false);
    assert_true(error == MAILMOD_ERROR_ACCESS || error == MAILMOD_ERROR_BUSY);
    check_content(path, "second");
    (void)CloseHandle(file);
    assert_int_equal(entry_count(in_root("r")), 1);
    assert_int_equal(mm_fs_replace(in_root("r"), mm_span_cstr("x"), false),
                     MAILMOD_ERROR_ARGUMENT);
    assert_int_equal(mm_fs_remove(path), MAILMOD_OK);
    assert_int_equal(mm_fs_remove(path), MAILMOD_ERROR_NOT_FOUND);
    assert_int_equal(entry_count(in_root("r")), 0);
}

static void test_lock(void **state)
{
    struct mm_file_lock *first = NULL;
    struct mm_file_lock *second = NULL;
    char path[256];
    (void)state;
    snprintf(path, sizeof path, "%s", in_root("lock"));
    assert_int_equal(mm_file_lock_open(&first, path), MAILMOD_OK);
    assert_int_equal(mm_file_lock_open(&second, path), MAILMOD_ERROR_BUSY);
    assert_null(second);
    assert_false(DeleteFileA(path));
    /* A backup may read it, and takes nothing by that. */
    HANDLE reader =
        CreateFileA(path, GENERIC_READ, FILE_SHARE_READ | FILE_SHARE_WRITE,
                    NULL, OPEN_EXISTING, 0, NULL);
    assert_true(reader != INVALID_HANDLE_VALUE);
    (void)CloseHandle(reader);
    assert_int_equal(mm_file_lock_open(&second, path), MAILMOD_ERROR_BUSY);
    mm_file_lock_close(&first);
    assert_null(first);
    assert_int_equal(mm_file_lock_open(&second, path), MAILMOD_OK);
    mm_file_lock_close(&second);
    assert_int_equal(mm_file_lock_open(&second, in_root("none/x/y")),
                     MAILMOD_ERROR_NOT_FOUND);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_make_folder),
        cmocka_unit_test(test_read),
        cmocka_unit_test(test_names_of_any_script),
        cmocka_unit_test(test_long_path),
        cmocka_unit_test(test_replace),
        cmocka_unit_test(test_lock),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
