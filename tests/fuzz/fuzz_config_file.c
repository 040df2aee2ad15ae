/* fuzz_config_file.c - whole configuration files, through a file in memory.
 *
 * Looks for a file that reads past its text, does not end, or is refused
 * without a word. */
#define _GNU_SOURCE /* memfd_create: this target runs on Linux alone */

#include "config/config.h"
#include "tests/fuzz/fuzz.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

static void load(const char *path)
{
    struct mm_config_builder *builder;
    struct mm_buf mistakes;
    if (mm_config_builder_new(&builder) != MAILMOD_OK) {
        return;
    }
    mm_buf_init(&mistakes, 65536);
    enum mailmod_error error = mm_config_load(builder, path, &mistakes, NULL);
    FUZZ_CHECK(error == MAILMOD_OK || error == MAILMOD_ERROR_CONFIG);
    FUZZ_CHECK((error == MAILMOD_OK) == (mm_buf_size(&mistakes) == 0));
    mm_buf_fini(&mistakes);
    mm_config_builder_free(&builder);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char path[64];
    int file = memfd_create("fuzz", MFD_CLOEXEC);
    if (file < 0) {
        return 0;
    }
    snprintf(path, sizeof path, "/proc/self/fd/%d", file);
    if (write(file, data, size) == (ssize_t)size) {
        load(path);
    }
    (void)close(file);
    return 0;
}
