/* check.c - settings against the world: the files and users that they name.
 *
 * Promises: what would fail the start is a mistake with its key and the place
 * where that was set; what is allowed and probably not meant is a warning in
 * the log, at each check, start and reload. A check opens no service and makes
 * no file.
 * Thread: any; the instance's mutex is held. */
#include "api/instance.h"

#include "base/mem.h"
#include "client/fetch.h"
#include "client/outbound_settings.h"
#include "client/pop3_backends.h"
#include "config/check.h"
#include "platform/fs.h"
#include "post/aliases.h"
#include "server/content.h"
#include "server/lists.h"
#include "wire/addr/address.h"

#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define WORDS_MAX 65536
#define LINE_MAX_SIZE 4608
#define USERS_TOLD_MAX 10
#define DAYS_LEFT_MIN 14 /* authorities renew a month before the end */

/* How io calls what it cannot use, and the key that names it. */
static const char *key_of(struct mm_span reason)
{
    static const struct {
        const char *words;
        const char *key;
    } table[] = {
        {MM_MORE_CERTIFICATES, "tls.more_certificates"},
        {"certificate file ", "tls.certificate_file"},
        {"key file ", "tls.key_file"},
        {"the key ", "tls.key_file"},
        {"authority file ", "smarthost.authority_file"},
        {"fetch: ", "fetch.authority_file"},
        {"pop3 backends: ", "pop3.backend_authority_file"},
        {"smarthost: key file ", "smarthost.key_file"},
        {"smarthost: ", "smarthost.certificate_file"},
        {"route ", "delivery.routes"},
        {"alias file ", "local.alias_files"},
    };
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        if (mm_span_starts_nocase(reason, table[i].words)) {
            return table[i].key;
        }
    }
    return NULL;
}

enum mailmod_error mm_fail_setting(const struct mailmod *instance,
                                   enum mailmod_error error,
                                   struct mm_buf *reason)
{
    const char *key = key_of(mm_buf_span(reason));
    const char *words = mm_buf_cstr(reason);
    return key != NULL && words != NULL
               ? mm_fail(error, "%s%s: %s",
                         mm_config_place(instance->builder, key), key, words)
               : mm_fail_buf(error, reason);
}

static void warn(const struct mailmod *instance, const char *key,
                 const char *format, ...) MM_PRINTF(3, 4);
static void warn(const struct mailmod *instance, const char *key,
                 const char *format, ...)
{
    char words[LINE_MAX_SIZE];
    char line[2 * LINE_MAX_SIZE];
    if (!mm_log_is_on(&instance->log, MM_LOG_WARNING)) {
        return;
    }
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(words, sizeof words, format, arguments);
    va_end(arguments);
    (void)snprintf(line, sizeof line, "%s%s: %s",
                   mm_config_place(instance->builder, key), key, words);
    mm_log_write(&instance->log, MM_LOG_WARNING, "config", line, NULL, 0);
}

/* ---- users ---- */

static void check_stand_ins(const struct mailmod *instance,
                            const struct mm_config *config,
                            struct mm_store *store)
{
    const struct {
        const char *key;
        const char *user;
        const char *words;
    } rows[] = {
        {"local.postmaster", config->local.postmaster,
         "a mailbox called postmaster gets the mail"},
        {"local.catch_all", config->local.catch_all,
         "mail for unknown users is refused"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        if (rows[i].user[0] != '\0' &&
            mm_find_set_user(store, rows[i].user) == MAILMOD_ERROR_NOT_FOUND) {
            warn(instance, rows[i].key, "there is no user %s; until then %s",
                 rows[i].user, rows[i].words);
        }
    }
}

struct stray_users {
    const struct mailmod *instance;
    const struct mm_config *config;
    size_t count;
};

static bool visit_user(void *context, const struct mm_store_user *user)
{
    struct stray_users *strays = context;
    const char *at = strchr(user->name, '@');
    if (at != NULL && !mm_config_is_local_domain(strays->config, at + 1)) {
        strays->count++;
        if (strays->count <= USERS_TOLD_MAX) {
            warn(strays->instance, "local.domains",
                 "%s is not among them, so user %s gets no mail", at + 1,
                 user->name);
        }
    }
    return true;
}

static void check_users(const struct mailmod *instance,
                        const struct mm_config *config, struct mm_store *store)
{
    struct stray_users strays = {instance, config, 0};
    check_stand_ins(instance, config, store);
    /* What cannot be read is told by who needs it. */
    if (mm_store_each_user(store, visit_user, &strays) == MAILMOD_OK &&
        strays.count > USERS_TOLD_MAX) {
        warn(instance, "local.domains", "and %zu users more",
             strays.count - USERS_TOLD_MAX);
    }
}

/* ---- files ---- */

static void check_certificate(const struct mailmod *instance,
                              const struct mm_certificate_facts *facts,
                              bool is_first)
{
    const char *key =
        is_first ? "tls.certificate_file" : "tls.more_certificates";
    if (facts->days_left < 0) {
        warn(instance, key,
             "the certificate %s has expired; peers that verify it will not "
             "come in",
             facts->file);
    } else if (facts->days_left < DAYS_LEFT_MIN) {
        warn(instance, key, "the certificate %s expires in %d days",
             facts->file, facts->days_left);
    } else if (facts->days_left != INT_MAX) {
        MM_LOG(&instance->log, MM_LOG_INFO, "config", "certificate",
               MM_TEXT("file", facts->file),
               MM_NUMBER("days_left", facts->days_left));
    }
    if (mm_fs_is_exposed(facts->key_file)) {
        warn(instance, is_first ? "tls.key_file" : key,
             "others can read or write %s (chmod 600, or chown root:GROUP and "
             "chmod 640)",
             facts->key_file);
    }
}

static void check_certificates(const struct mailmod *instance,
                               const struct mm_settings *settings)
{
    struct mm_certificate_facts facts;
    for (size_t i = 0; mm_certificates_facts(settings->certificates, i, &facts);
         i++) {
        check_certificate(instance, &facts, i == 0);
    }
}

/* ---- the host's own name ---- */

static void check_host_name(const struct mailmod *instance,
                            const struct mm_config *config)
{
    char name[MM_LIMIT_DOMAIN + 1];
    if (!mm_domain_parse_host_name(config->host_name, name)) {
        warn(instance, "general.host_name",
             "%s is no whole domain name: other hosts are told the address "
             "instead, and may refuse that (RFC 5321 4.1.1.1)",
             config->host_name != NULL ? config->host_name : "");
    }
}

static void check_folder(const struct mailmod *instance,
                         const struct mm_config *config)
{
    if (mm_store_is_memory(config->data_folder)) {
        warn(instance, "general.data_folder",
             "%s: what is received or queued is lost when the instance ends",
             config->data_folder);
    }
}

/* A limit above what the disk can take is no promise. */
static void check_room(const struct mailmod *instance,
                       const struct mm_config *config)
{
    uint64_t free = mm_fs_free_space(config->data_folder);
    uint64_t room =
        free > config->free_space_min ? free - config->free_space_min : 0;
    if (free > 0 && config->smtp.message_size_max > room) {
        warn(instance, "smtp.message_size_max",
             "the disk of %s has room for %llu octets at most",
             config->data_folder, (unsigned long long)room);
    }
}

void mm_tell_warnings(const struct mailmod *instance,
                      const struct mm_settings *settings,
                      struct mm_store *store)
{
    check_host_name(instance, settings->config);
    check_folder(instance, settings->config);
    check_certificates(instance, settings);
    check_room(instance, settings->config);
    if (store != NULL) {
        check_users(instance, settings->config, store);
    }
}

/* ---- the check ---- */

/* The words of the last error as a line among the mistakes. */
static void add_last_error(struct mm_buf *mistakes)
{
    const char *words = mailmod_last_error_text();
    size_t size = strlen(words);
    (void)mm_buf_append_cstr(mistakes, words);
    (void)mm_buf_append_cstr(mistakes,
                             size > 0 && words[size - 1] == '\n' ? "" : "\n");
}

enum { FILE_CHECKS = 5 };

/* What the files say that the settings name, and a start needs: all of them. */
static enum mailmod_error try_files(const struct mailmod *instance,
                                    struct mm_config *config,
                                    struct mm_settings **settings_out,
                                    struct mm_buf *mistakes)
{
    struct mm_outbound_settings *outbound = NULL;
    struct mm_fetch_settings *fetch = NULL;
    struct mm_peer_tls backends = {.verifying = NULL};
    struct mm_alias_table *aliases = NULL;
    struct mm_buf reasons[FILE_CHECKS];
    for (int i = 0; i < FILE_CHECKS; i++) {
        mm_buf_init(&reasons[i], WORDS_MAX);
    }
    const enum mailmod_error errors[FILE_CHECKS] = {
        mm_settings_new(settings_out, config, &reasons[0]),
        mm_outbound_settings_new(&outbound, config, &reasons[1]),
        mm_fetch_settings_new(&fetch, config, &reasons[2]),
        mm_pop3_backends_open_tls(config, &backends, &reasons[3]),
        mm_aliases_read(config, &instance->log, &aliases, &reasons[4])};
    enum mailmod_error first = MAILMOD_OK;
    mm_outbound_settings_unref(&outbound);
    mm_fetch_settings_free(&fetch);
    mm_peer_tls_unref(&backends);
    mm_alias_table_free(&aliases);
    for (int i = 0; i < FILE_CHECKS; i++) {
        if (errors[i] != MAILMOD_OK) {
            first = first != MAILMOD_OK ? first : errors[i];
            (void)mm_fail_setting(instance, errors[i], &reasons[i]);
            add_last_error(mistakes);
        }
        mm_buf_fini(&reasons[i]);
    }
    return first;
}

/* As a start does, which reads the rules beside that. A file of them that
 * cannot be read is a warning there, too. */
static enum mailmod_error tell_all(const struct mailmod *instance,
                                   const struct mm_settings *settings,
                                   struct mm_store *store)
{
    mm_tell_warnings(instance, settings, store);
    enum mailmod_error error =
        mm_lists_check(&instance->log, settings->config, store);
    return error == MAILMOD_OK
               ? mm_content_check(&instance->log, settings->config)
               : error;
}

/* The users and rules of a store that is there; none is made. */
static enum mailmod_error check_with_store(struct mailmod *instance,
                                           const struct mm_settings *settings)
{
    if (instance->store != NULL) {
        return tell_all(instance, settings, instance->store);
    }
    struct mm_store_options options = {.description =
                                           settings->config->data_folder,
                                       .mode = MM_STORE_SHARED,
                                       .syncs = true,
                                       .log = &instance->log};
    struct mm_store *store = NULL;
    /* A store that cannot be opened is told by the start. */
    if (mm_store_open(&store, &options, NULL) != MAILMOD_OK) {
        store = NULL;
    }
    enum mailmod_error error = tell_all(instance, settings, store);
    mm_store_close(&store);
    return error;
}

enum mailmod_error mailmod_config_check(mailmod *instance)
{
    enum mailmod_error error = mm_instance_lock(instance);
    if (error != MAILMOD_OK) {
        return error;
    }
    struct mm_config *config = NULL;
    struct mm_settings *settings = NULL;
    error = mm_instance_draft(instance, &config);
    if (error == MAILMOD_OK) {
        struct mm_buf mistakes;
        mm_buf_init(&mistakes, WORDS_MAX);
        error = mm_config_check(instance->builder, config, &mistakes);
        enum mailmod_error of_files =
            try_files(instance, config, &settings, &mistakes);
        error = error != MAILMOD_OK ? error : of_files;
        if (error != MAILMOD_OK) {
            (void)mm_fail_buf(error, &mistakes);
        }
        mm_buf_fini(&mistakes);
    }
    if (error == MAILMOD_OK) {
        error = check_with_store(instance, settings);
    }
    mm_settings_unref(&settings);
    mm_config_unref(&config);
    mm_instance_unlock(instance);
    return error;
}
