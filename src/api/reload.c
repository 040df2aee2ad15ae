/* reload.c - new settings for an instance that runs.
 *
 * Promises: a reload is whole or not at all, and on an error what ran goes on
 * as it was; what is fixed from the start on is either refused by its key or
 * kept, as the caller asks.
 * Thread: any but the instance's own; the instance's mutex is held. */
#include "api/instance.h"
#include "api/message/message.h"

#include "config/builder.h"
#include "post/aliases.h"

#define WORDS_MAX 4096

/* Keys that need a restart; behind them the addresses of each service. */
static const char *const fixed_keys[] = {
    "general.data_folder",
    "general.loops",
    "general.workers",
};
#define OTHER_KEY_COUNT (sizeof fixed_keys / sizeof fixed_keys[0])
#define FIXED_KEY_COUNT (OTHER_KEY_COUNT + MM_SERVICE_COUNT)

/* COUNT: the key is no service's. */
static enum mm_service fixed_service(size_t i)
{
    return i < OTHER_KEY_COUNT ? MM_SERVICE_COUNT
                               : (enum mm_service)(i - OTHER_KEY_COUNT);
}

static const char *fixed_key(size_t i)
{
    return i < OTHER_KEY_COUNT ? fixed_keys[i]
                               : mm_service_row(fixed_service(i))->listen_key;
}

/* Their values as text must be the same. */
static enum mailmod_error check_fixed(const struct mm_config *former,
                                      const struct mm_config *next)
{
    enum mailmod_error error = MAILMOD_OK;

    struct mm_buf a;
    mm_buf_init(&a, WORDS_MAX);
    struct mm_buf b;
    mm_buf_init(&b, WORDS_MAX);
    for (size_t i = 0; error == MAILMOD_OK && i < FIXED_KEY_COUNT; i++) {
        mm_buf_clear(&a);
        mm_buf_clear(&b);
        error = mm_config_get(former, fixed_key(i), &a);
        if (error == MAILMOD_OK) {
            error = mm_config_get(next, fixed_key(i), &b);
        }
        if (error == MAILMOD_OK &&
            !mm_span_equal(mm_buf_span(&a), mm_buf_span(&b))) {
            error = mm_fail(MAILMOD_ERROR_CONFIG,
                            "%s: a change of this key needs a restart",
                            fixed_key(i));
        }
    }
    mm_buf_fini(&a);
    mm_buf_fini(&b);
    return error;
}

static enum mailmod_error copy_fixed(const struct mailmod *instance,
                                     struct mm_config_builder *builder)
{
    enum mailmod_error error = MAILMOD_OK;

    struct mm_buf text;
    mm_buf_init(&text, WORDS_MAX);
    for (size_t i = 0; error == MAILMOD_OK && i < FIXED_KEY_COUNT; i++) {
        enum mm_service service = fixed_service(i);
        if (service != MM_SERVICE_COUNT &&
            mm_server_port(instance->server, service) == 0) {
            continue; /* closed: its addresses are free to change */
        }
        mm_buf_clear(&text);
        error = mm_config_get(instance->config, fixed_key(i), &text);
        if (error == MAILMOD_OK) {
            const char *value = mm_buf_cstr(&text);

            error = value != NULL
                        ? mm_config_set(builder, fixed_key(i), value, NULL)
                        : MAILMOD_ERROR_MEMORY;
        }
    }
    mm_buf_fini(&text);
    return error;
}

/* What runs keeps its values of those keys; what was set of them stays in the
 * settings, for the next start. */
static enum mailmod_error keep_fixed(const struct mailmod *instance,
                                     struct mm_config **config)
{
    struct mm_config_builder *builder = NULL;
    struct mm_config *kept = NULL;
    enum mailmod_error error = mm_config_builder_from(&builder, *config);

    struct mm_buf mistakes;
    mm_buf_init(&mistakes, WORDS_MAX);
    if (error == MAILMOD_OK) {
        error = copy_fixed(instance, builder);
    }
    if (error == MAILMOD_OK) {
        error = mm_config_build(builder, &kept, &mistakes);
    }
    if (error == MAILMOD_OK) {
        mm_config_unref(config);
        *config = kept;
    } else {
        (void)mm_fail_buf(error, &mistakes);
    }
    mm_buf_fini(&mistakes);
    mm_config_builder_free(&builder);
    return error;
}

static enum mailmod_error give_servers(struct mailmod *instance,
                                       struct mm_config *config)
{
    enum mailmod_error error = MAILMOD_OK;

    for (size_t i = 0; error == MAILMOD_OK && i < instance->loop_count; i++) {
        error = mm_resolver_use(instance, i, config);
    }
    return error;
}

/* All that new settings come to, made beside what runs. */
struct prepared {
    struct mm_settings *settings;
    struct mm_fetch_settings *fetch;
    struct mm_peer_tls backends;
    struct mm_alias_table *aliases;
    struct mm_outbound_change *outbound;
};

static void discard(struct prepared *prepared)
{
    mm_settings_unref(&prepared->settings);
    mm_fetch_settings_free(&prepared->fetch);
    mm_peer_tls_unref(&prepared->backends);
    mm_alias_table_free(&prepared->aliases);
    mm_outbound_discard(&prepared->outbound);
}

static enum mailmod_error prepare(struct mailmod *instance,
                                  struct mm_config *config,
                                  struct prepared *prepared)
{
    struct mm_buf reason;

    mm_buf_init(&reason, WORDS_MAX);
    enum mailmod_error error =
        mm_settings_new(&prepared->settings, config, &reason);
    if (error == MAILMOD_OK) {
        error = mm_fetch_settings_new(&prepared->fetch, config, &reason);
    }
    if (error == MAILMOD_OK) {
        error = mm_pop3_backends_open_tls(config, &prepared->backends, &reason);
    }
    if (error == MAILMOD_OK) {
        error = mm_aliases_read(config, &instance->log, &prepared->aliases,
                                &reason);
    }
    if (error == MAILMOD_OK) {
        error = mm_outbound_prepare(instance->outbound, config,
                                    &prepared->outbound, &reason);
    }
    if (error != MAILMOD_OK) {
        (void)mm_fail_setting(instance, error, &reason);
    }
    mm_buf_fini(&reason);
    return error;
}

/* Nothing of it can fail. */
static void use(struct mailmod *instance, struct mm_config *config,
                struct prepared *prepared)
{
    mm_fetcher_use(instance->fetcher, &prepared->fetch);
    mm_pop3_backends_use(instance->backends, &prepared->backends);
    mm_aliases_use(instance->post, config, &prepared->aliases);
    mm_outbound_use(&prepared->outbound);
    mm_server_set_settings(instance->server, prepared->settings);
    mm_settings_unref(&instance->settings);
    instance->settings = prepared->settings;
    prepared->settings = NULL;
    mm_config_unref(&instance->config);
    instance->config = mm_config_ref(config);
    mm_messages_use_config(instance->messages, config);
    atomic_store(&instance->log.level, config->log_level);
    mm_store_set_free_space_min(instance->store, config->free_space_min);
}

/* The users are in the store behind all that could refuse the settings: no
 * password changes by settings that are not taken. */
static enum mailmod_error take_config(struct mailmod *instance,
                                      struct mm_config *config)
{
    struct prepared prepared = {.settings = NULL};
    enum mailmod_error error = prepare(instance, config, &prepared);

    if (error == MAILMOD_OK) {
        error = give_servers(instance, config);
        if (error != MAILMOD_OK) {
            (void)mm_fail(error, "name servers cannot be asked: %s",
                          mm_error_text(error));
        } else {
            error = mm_put_config_users(instance->store, config);
        }
        if (error != MAILMOD_OK) {
            (void)give_servers(instance, instance->config);
        }
    }
    if (error == MAILMOD_OK) {
        use(instance, config, &prepared);
    }
    discard(&prepared);
    return error;
}

enum mailmod_error mm_load_aliases(struct mailmod *instance,
                                   struct mm_config *config)
{
    struct mm_buf reason;

    mm_buf_init(&reason, WORDS_MAX);
    enum mailmod_error error = mm_aliases_load(instance->post, config, &reason);
    if (error != MAILMOD_OK) {
        (void)mm_fail_setting(instance, error, &reason);
    }
    mm_buf_fini(&reason);
    return error;
}

/* Locked. `was_whole_out`: the settings fit together. */
static enum mailmod_error reload(struct mailmod *instance, bool keeps_fixed,
                                 bool *was_whole_out)
{
    struct mm_config *config = NULL;
    enum mailmod_error error = mm_instance_config(instance, &config);
    *was_whole_out = error == MAILMOD_OK;
    if (error == MAILMOD_OK) {
        error = keeps_fixed ? keep_fixed(instance, &config)
                            : check_fixed(instance->config, config);
    }
    if (error == MAILMOD_OK) {
        /* In the folder that is in use. */
        error = mm_settle_certificate(config);
    }
    if (error == MAILMOD_OK) {
        error = take_config(instance, config);
    }
    mm_config_unref(&config);
    return error;
}

enum mailmod_error mailmod_reload(mailmod *instance)
{
    bool was_whole;
    enum mailmod_error error = mm_instance_lock_running(instance);
    if (error != MAILMOD_OK) {
        return error;
    }
    error = reload(instance, false, &was_whole);
    if (error == MAILMOD_OK) {
        error = mm_ensure_postmaster(instance->store, instance->config);
        mm_tell_warnings(instance, instance->settings, instance->store);
    }
    mm_instance_unlock(instance);
    return error;
}

/* Locked. */
static enum mailmod_error apply(struct mailmod *instance,
                                struct mm_config_builder *former)
{
    bool was_whole = false;
    enum mailmod_error error = reload(instance, true, &was_whole);
    if (error == MAILMOD_OK) {
        return mm_ensure_postmaster(instance->store, instance->config);
    }
    if (was_whole) {
        /* It could not be taken: so it is not shown either. Settings that do
         * not fit together wait for the one that makes them whole. */
        mm_config_builder_swap(instance->builder, former);
    }
    return error;
}

enum mailmod_error mm_instance_change(struct mailmod *instance,
                                      const struct mm_settings_change *change)
{
    enum mailmod_error error = mm_instance_lock(instance);
    if (error != MAILMOD_OK) {
        return error;
    }
    struct mm_config_builder *former = NULL;
    error = mm_config_builder_copy(&former, instance->builder);
    if (error != MAILMOD_OK) {
        (void)mm_fail(error, "%s", mm_error_text(error));
    } else if (change != NULL) {
        error = mm_change_settings(instance, change);
    }
    if (error == MAILMOD_OK && instance->state == MM_INSTANCE_RUNNING) {
        error = apply(instance, former);
    }
    mm_config_builder_free(&former);
    mm_instance_unlock(instance);
    return error;
}
