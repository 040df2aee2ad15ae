/* outbound_settings.c - see settings.h. */
#include "settings.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static void set(struct mm_config_builder *builder, const char *setting)
{
    char key[64];
    const char *equals = strchr(setting, '=');
    assert_non_null(equals);
    assert_true(mm_span_copy(mm_span(setting, (size_t)(equals - setting)), key,
                             sizeof key));
    if (mm_config_set(builder, key, equals + 1, NULL) != MAILMOD_OK) {
        fail_msg("setting %s", setting);
    }
}

struct mm_config *test_config(const char *const *settings)
{
    static const char *const common[] = {
        "general.host_name=here.example.org", "local.domains=example.org",
        "smtp.listen=127.0.0.1:25", "queue.jitter=0", NULL};
    struct mm_config_builder *builder = NULL;
    struct mm_config *config = NULL;
    struct mm_buf mistakes;
    mm_buf_init(&mistakes, 65536);
    assert_int_equal(mm_config_builder_new(&builder), MAILMOD_OK);
    for (size_t i = 0; common[i] != NULL; i++) {
        set(builder, common[i]);
    }
    for (size_t i = 0; settings != NULL && settings[i] != NULL; i++) {
        set(builder, settings[i]);
    }
    if (mm_config_build(builder, &config, &mistakes) != MAILMOD_OK) {
        fail_msg("%s", mm_buf_cstr(&mistakes));
    }
    mm_config_builder_free(&builder);
    mm_buf_fini(&mistakes);
    return config;
}
