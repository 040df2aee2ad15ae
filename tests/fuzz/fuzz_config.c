/* fuzz_config.c - values of the configuration: any text for any key.
 *
 * The first octet chooses the key, the rest is the value. Whatever is taken
 * must read back to the same text and number, and must build or be refused
 * with words. */
#include "config/config.h"
#include "tests/fuzz/fuzz.h"

#include <string.h>

static void get(const struct mm_config_builder *builder, const char *name,
                struct mm_buf *out)
{
    mm_buf_init(out, 1024 * 1024);
    FUZZ_CHECK(mm_config_get(mm_config_peek(builder), name, out) == MAILMOD_OK);
}

/* get, set, get: the same. */
static void try_round_trip(struct mm_config_builder *builder, const char *name)
{
    struct mm_buf first;
    struct mm_buf second;
    get(builder, name, &first);
    /* What hides a key is not the text that was set. */
    if (strstr(mm_buf_cstr(&first), "****") != NULL) {
        mm_buf_fini(&first);
        return;
    }
    FUZZ_CHECK(mm_config_set(builder, name, mm_buf_cstr(&first), NULL) ==
               MAILMOD_OK);
    get(builder, name, &second);
    FUZZ_CHECK(mm_span_equal(mm_buf_span(&first), mm_buf_span(&second)));
    mm_buf_fini(&first);
    mm_buf_fini(&second);
}

static void try_build(struct mm_config_builder *builder)
{
    struct mm_config *config;
    struct mm_buf mistakes;
    mm_buf_init(&mistakes, 65536);
    enum mailmod_error error = mm_config_build(builder, &config, &mistakes);
    FUZZ_CHECK(error == MAILMOD_OK || error == MAILMOD_ERROR_CONFIG);
    FUZZ_CHECK((error == MAILMOD_OK) == (mm_buf_size(&mistakes) == 0));
    mm_config_unref(&config);
    mm_buf_fini(&mistakes);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    size_t count;
    const struct mm_config_key *keys = mm_config_keys(&count);
    struct mm_config_builder *builder;
    if (size == 0 || mm_config_builder_new(&builder) != MAILMOD_OK) {
        return 0;
    }
    const char *name = keys[data[0] % count].name;
    char *value = calloc(1, size);
    struct mm_buf mistake;
    mm_buf_init(&mistake, 4096);
    if (value != NULL) {
        memcpy(value, data + 1, size - 1);
        enum mailmod_error error =
            mm_config_set(builder, name, value, &mistake);
        FUZZ_CHECK(error == MAILMOD_OK || error == MAILMOD_ERROR_ARGUMENT);
        FUZZ_CHECK((error == MAILMOD_OK) == (mm_buf_size(&mistake) == 0));
        if (error == MAILMOD_OK) {
            try_round_trip(builder, name);
            try_build(builder);
        }
    }
    mm_buf_fini(&mistake);
    free(value);
    mm_config_builder_free(&builder);
    return 0;
}
