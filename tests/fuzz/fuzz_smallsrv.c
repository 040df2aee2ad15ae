/* fuzz_smallsrv.c - configurations in the original engine's words: each line
 * of the input is a name of its table, by number, and any text as its value.
 *
 * A value that is taken reads back to a text that is taken and reads back to
 * itself; what is refused is refused in words; a whole file in that syntax is
 * known as one and is loaded or refused in words, line by line. */
#define _GNU_SOURCE /* memfd_create: this target runs on Linux alone */

#include "config/config.h"
#include "config/smallsrv/file.h"
#include "config/smallsrv/name.h"
#include "tests/fuzz/fuzz.h"

#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* False: it is not shown, or not as it is. */
static bool show(const struct mm_config_builder *builder, const char *name,
                 struct mm_buf *out)
{
    mm_buf_init(out, 1 << 20);
    return mm_config_get(mm_config_peek(builder), name, out) == MAILMOD_OK &&
           strstr(mm_buf_cstr(out), "****") == NULL;
}

static void check_round_trip(struct mm_config_builder *builder,
                             const char *name)
{
    struct mm_buf first;
    struct mm_buf second;

    if (show(builder, name, &first)) {
        FUZZ_CHECK(mm_config_set(builder, name, mm_buf_cstr(&first), NULL) ==
                   MAILMOD_OK);
        FUZZ_CHECK(show(builder, name, &second));
        FUZZ_CHECK(mm_span_equal(mm_buf_span(&first), mm_buf_span(&second)));
        mm_buf_fini(&second);
    }
    mm_buf_fini(&first);
}

static void set(struct mm_config_builder *builder,
                const struct mm_smallsrv_name *row, struct mm_span value)
{
    char text[2048];
    struct mm_buf words;

    if (!mm_span_copy(value, text, sizeof text)) {
        return;
    }
    mm_buf_init(&words, 4096);
    enum mailmod_error error = mm_config_set(builder, row->name, text, &words);
    FUZZ_CHECK(error == MAILMOD_OK || mm_buf_size(&words) > 0);
    mm_buf_fini(&words);
    if (error == MAILMOD_OK && row->kind != MM_SMALLSRV_USER) {
        check_round_trip(builder, row->name);
    }
}

static void load(struct mm_span text)
{
    struct mm_config_builder *builder;
    struct mm_buf mistakes;
    char path[64];
    int file = memfd_create("fuzz", MFD_CLOEXEC);

    FUZZ_CHECK(file >= 0);
    (void)snprintf(path, sizeof path, "/proc/self/fd/%d", file);
    FUZZ_CHECK(write(file, text.data, text.size) == (ssize_t)text.size);
    mm_buf_init(&mistakes, 1 << 20);
    FUZZ_CHECK(mm_config_builder_new(&builder) == MAILMOD_OK);
    enum mailmod_error error = mm_config_load(builder, path, &mistakes, NULL);
    FUZZ_CHECK(error == MAILMOD_OK || error == MAILMOD_ERROR_CONFIG);
    FUZZ_CHECK((error == MAILMOD_OK) == (mm_buf_size(&mistakes) == 0));
    mm_config_builder_free(&builder);
    mm_buf_fini(&mistakes);
    (void)close(file);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct mm_span rest = mm_span((const char *)data, size);
    struct mm_config_builder *builder;
    struct mm_buf text;
    struct mm_span line;
    size_t count;
    const struct mm_smallsrv_name *rows = mm_smallsrv_names(&count);

    mm_buf_init(&text, 1 << 20);
    FUZZ_CHECK(mm_config_builder_new(&builder) == MAILMOD_OK);
    while (rest.size > 0) {
        (void)mm_span_cut(rest, '\n', &line, &rest);
        unsigned high = fuzz_octet(&line);
        const struct mm_smallsrv_name *row =
            &rows[(high * 256u + fuzz_octet(&line)) % count];
        set(builder, row, line);
        (void)mm_buf_append_cstr(&text, row->name);
        if (line.size > 0) {
            (void)mm_buf_append_char(&text, '=');
            (void)mm_buf_append_span(&text, line);
        }
        (void)mm_buf_append_char(&text, '\n');
    }
    mm_config_builder_free(&builder);
    (void)mm_smallsrv_is_written_in(mm_buf_span(&text));
    load(mm_buf_span(&text));
    mm_buf_fini(&text);
    return 0;
}
