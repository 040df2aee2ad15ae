/* test_folder_sync.c - what is synced when a folder is made: the entry of each
 * new one in the folder above, or a power cut takes all that was put into it
 * (D14). fsync is this program's own and notes whom it is called for. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "platform/fs.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char synced[16][256];
static size_t synced_count;
static int fails_with; /* 0: it succeeds */

int fsync(int descriptor)
{
    char link[64];
    snprintf(link, sizeof link, "/proc/self/fd/%d", descriptor);
    ssize_t size =
        readlink(link, synced[synced_count % 16], sizeof synced[0] - 1);
    if (size > 0) {
        synced[synced_count % 16][size] = '\0';
        synced_count++;
    }
    errno = fails_with;
    return fails_with == 0 ? 0 : -1;
}

static bool is_synced(const char *folder)
{
    for (size_t i = 0; i < synced_count; i++) {
        if (strcmp(synced[i], folder) == 0) {
            return true;
        }
    }
    return false;
}

static char root[64];

static int set_up(void **state)
{
    (void)state;
    synced_count = 0;
    fails_with = 0;
    strcpy(root, "/tmp/mailmod-sync-XXXXXX");
    return mkdtemp(root) == NULL ? -1 : 0;
}

static int tear_down(void **state)
{
    char path[256];
    static const char *const below[] = {"/a/b/data", "/a/b", "/a", ""};
    (void)state;
    for (size_t i = 0; i < 4; i++) {
        snprintf(path, sizeof path, "%s%s", root, below[i]);
        (void)rmdir(path);
    }
    return 0;
}

static void test_D14_each_new_folder(void **state)
{
    char path[128];
    char above[128];
    (void)state;
    snprintf(path, sizeof path, "%s/a/b/data", root);
    assert_int_equal(mm_fs_make_folder(path), MAILMOD_OK);
    assert_true(is_synced(root));
    snprintf(above, sizeof above, "%s/a", root);
    assert_true(is_synced(above));
    snprintf(above, sizeof above, "%s/a/b", root);
    assert_true(is_synced(above));
}

/* Its maker may have been killed before the sync: it is made up for. */
static void test_D14_one_that_is_there(void **state)
{
    char path[128];
    (void)state;
    snprintf(path, sizeof path, "%s/a", root);
    assert_int_equal(mkdir(path, 0700), 0);
    assert_int_equal(mm_fs_make_folder(path), MAILMOD_OK);
    assert_true(is_synced(root));
}

static void test_D14_a_sync_that_fails(void **state)
{
    char path[128];
    (void)state;
    snprintf(path, sizeof path, "%s/a", root);
    fails_with = EIO;
    assert_true(mm_fs_make_folder(path) != MAILMOD_OK);
    fails_with = EINVAL; /* a file system that cannot */
    assert_int_equal(mm_fs_make_folder(path), MAILMOD_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_D14_each_new_folder, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_D14_one_that_is_there, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_D14_a_sync_that_fails, set_up,
                                        tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
