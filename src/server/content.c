/* content.c - the rules about the content of mail, read again whenever their
 * file changes.
 *
 * Owns the present set of rules; a message has a reference and keeps to it.
 * Promises: the file is read whole every few seconds while mail comes; one that
 * cannot be read leaves the former rules in force; a line that is no rule is
 * left out, and told with its place; what all rules together may cost for an
 * octet of a message, and want changed in it, has a bound, so that no message
 * keeps a worker for long.
 * Thread: any; `look` on a worker, and once before the workers run. */
#include "server/content.h"

#include "base/checksum.h"
#include "base/limits.h"
#include "base/mem.h"
#include "platform/clock.h"
#include "platform/fs.h"
#include "platform/thread.h"

#include <stdio.h>

#define LOOK_AGAIN_MS 3000
#define FILE_SIZE_MAX (1024 * 1024)
#define BUSY_STEP_MS 1

struct mm_content_rules {
    atomic_uint references;
    struct mm_content_rule **items;
    size_t count;
    size_t capacity;
    size_t cost;
    size_t changes;
    size_t octets; /* of the changes */
};

static struct mm_content_rules *ref(struct mm_content_rules *rules)
{
    if (rules != NULL) {
        atomic_fetch_add(&rules->references, 1);
    }
    return rules;
}

void mm_content_rules_unref(struct mm_content_rules **rules_in)
{
    struct mm_content_rules *rules = *rules_in;

    *rules_in = NULL;
    if (rules == NULL || atomic_fetch_sub(&rules->references, 1) != 1) {
        return;
    }
    for (size_t i = 0; i < rules->count; i++) {
        mm_content_rule_free(&rules->items[i]);
    }
    mm_free(rules->items);
    mm_free(rules);
}

/* ---- asking ---- */

enum mailmod_error mm_content_rules_ask(const struct mm_content_rules *rules,
                                        const struct mm_content_facts *facts,
                                        struct mm_content_verdict *verdict)
{
    struct mm_content_view *view;
    bool is_over = false;

    mm_changes_init(&verdict->changes);
    enum mailmod_error error = mm_content_view_new(&view, facts);
    for (size_t i = 0; error == MAILMOD_OK && !is_over && i < rules->count;
         i++) {
        const struct mm_content_rule *rule = rules->items[i];
        bool is_meant;

        error = mm_content_rule_ask(rule, view, &is_meant);
        if (error == MAILMOD_OK && is_meant) {
            error = mm_changes_add_all(&verdict->changes,
                                       mm_content_rule_changes(rule), NULL);
            verdict->reply = mm_content_rule_reply(rule);
            verdict->rule = mm_content_rule_text(rule);
            is_over = mm_content_rule_ends(rule);
        }
    }
    mm_content_view_free(&view);
    return error;
}

/* ---- reading ---- */

static void warn(const struct mm_content *content, const char *place,
                 struct mm_span text, struct mm_buf *words)
{
    char copy[128];
    size_t size = text.size < sizeof copy ? text.size : sizeof copy - 1;

    (void)mm_span_copy(mm_span(text.data, size), copy, sizeof copy);
    MM_LOG(content->log, MM_LOG_WARNING, "content", "rule left out",
           MM_TEXT("place", place), MM_TEXT("rule", copy),
           MM_TEXT("reason", mm_buf_cstr(words)));
}

static enum mailmod_error add(struct mm_content_rules *rules,
                              struct mm_content_rule *rule,
                              struct mm_buf *words)
{
    const struct mm_changes *changes = mm_content_rule_changes(rule);
    size_t cost = rules->cost + mm_content_rule_cost(rule);

    if (cost > MM_LIMIT_CONTENT_COST ||
        rules->changes + changes->count > MM_LIMIT_CHANGES / 2 ||
        rules->octets + changes->octets > MM_LIMIT_CHANGES_OCTETS / 2) {
        (void)mm_buf_append_cstr(words, "is one too many, or too large beside "
                                        "those before it");
        return MAILMOD_ERROR_SYNTAX;
    }
    struct mm_content_rule **items = mm_array_grow(
        rules->items, rules->count, &rules->capacity, sizeof *items);
    if (items == NULL) {
        return MAILMOD_ERROR_MEMORY;
    }
    rules->items = items;
    items[rules->count++] = rule;
    rules->cost = cost;
    rules->changes += changes->count;
    rules->octets += changes->octets;
    return MAILMOD_OK;
}

/* One line. A mistake is told and is no error. */
static enum mailmod_error read_line(const struct mm_content *content,
                                    struct mm_content_rules *rules,
                                    const char *place, struct mm_span line)
{
    struct mm_content_rule *rule = NULL;
    struct mm_buf words;

    mm_buf_init(&words, 512);
    enum mailmod_error error = mm_content_rule_parse(&rule, line, &words);
    if (error == MAILMOD_OK && rule != NULL) {
        error = add(rules, rule, &words);
        if (error != MAILMOD_OK) {
            mm_content_rule_free(&rule);
        }
    }
    if (error == MAILMOD_ERROR_SYNTAX) {
        warn(content, place, line, &words);
        error = MAILMOD_OK;
    }
    mm_buf_fini(&words);
    return error;
}

static enum mailmod_error read_lines(const struct mm_content *content,
                                     const char *path, struct mm_span text,
                                     struct mm_content_rules *rules)
{
    enum mailmod_error error = MAILMOD_OK;
    char place[512];
    unsigned number = 0;
    struct mm_span line;

    while (text.size > 0 && error == MAILMOD_OK) {
        (void)mm_span_cut(text, '\n', &line, &text);
        if (line.size > 0 && line.data[line.size - 1] == '\r') {
            line.size--;
        }
        (void)snprintf(place, sizeof place, "%s:%u", path, ++number);
        error = read_line(content, rules, place, line);
    }
    return error;
}

/* The set that was read is the present one; none where it is empty. */
static void publish(struct mm_content *content, struct mm_config *config,
                    struct mm_content_rules *rules, uint64_t state)
{
    if (config->content.rules_file[0] != '\0') {
        MM_LOG(content->log, MM_LOG_INFO, "content", "rules read",
               MM_NUMBER("rules", (int64_t)rules->count));
    }
    if (rules->count == 0) {
        mm_content_rules_unref(&rules);
    }
    mm_mutex_lock(content->mutex);
    struct mm_content_rules *former = content->present;
    struct mm_config *read_by = content->read_by;
    content->present = rules;
    content->state = state;
    content->read_by = mm_config_ref(config);
    mm_mutex_unlock(content->mutex);
    mm_config_unref(&read_by);
    mm_content_rules_unref(&former);
}

static void make(struct mm_content *content, struct mm_config *config,
                 struct mm_span text, uint64_t state)
{
    struct mm_content_rules *rules = mm_alloc(sizeof *rules);

    if (rules == NULL) {
        return; /* the next look tries again */
    }
    atomic_init(&rules->references, 1);
    enum mailmod_error error =
        read_lines(content, config->content.rules_file, text, rules);
    if (error == MAILMOD_OK) {
        publish(content, config, rules, state);
        return;
    }
    MM_LOG(content->log, MM_LOG_ERROR, "content", "rules not read",
           MM_TEXT("error", mm_error_name(error)));
    mm_content_rules_unref(&rules);
}

static void look(struct mm_job *job)
{
    struct mm_content *content = MM_LIST_OBJECT(job, struct mm_content, job);
    enum mailmod_error error = MAILMOD_OK;
    struct mm_buf text;

    mm_mutex_lock(content->mutex);
    struct mm_config *config = mm_config_ref(content->config);
    mm_mutex_unlock(content->mutex);
    const char *path = config->content.rules_file;
    mm_buf_init(&text, FILE_SIZE_MAX);
    if (path[0] != '\0') {
        error = mm_fs_read(path, &text);
    }
    if (error != MAILMOD_OK) {
        MM_LOG(content->log, MM_LOG_WARNING, "content",
               "rules not read, the former ones stay", MM_TEXT("path", path),
               MM_TEXT("error", mm_error_name(error)));
    }
    uint64_t state = mm_checksum(mm_buf_span(&text)) ^ mm_buf_size(&text);
    mm_mutex_lock(content->mutex);
    bool is_new = state != content->state || config != content->read_by;
    mm_mutex_unlock(content->mutex);
    if (error == MAILMOD_OK && is_new) {
        make(content, config, mm_buf_span(&text), state);
    }
    mm_buf_fini(&text);
    mm_config_unref(&config);
}

static void done(struct mm_job *job)
{
    atomic_flag_clear(&MM_LIST_OBJECT(job, struct mm_content, job)->is_busy);
}

/* ---- its life ---- */

enum mailmod_error mm_content_init(struct mm_content *content,
                                   const struct mm_log *log)
{
    content->log = log;
    content->job.run = look;
    content->job.done = done; /* no loop: on the worker */
    atomic_flag_clear(&content->is_busy);
    return mm_mutex_new(&content->mutex);
}

void mm_content_fini(struct mm_content *content)
{
    mm_content_rules_unref(&content->present);
    mm_config_unref(&content->config);
    mm_config_unref(&content->read_by);
    mm_mutex_free(&content->mutex);
}

void mm_content_attach(struct mm_content *content, struct mm_workers *workers)
{
    content->workers = workers;
    look(&content->job);
}

void mm_content_set_config(struct mm_content *content, struct mm_config *config)
{
    mm_mutex_lock(content->mutex);
    struct mm_config *former = content->config;
    content->config = mm_config_ref(config);
    mm_mutex_unlock(content->mutex);
    mm_config_unref(&former);
    atomic_store(&content->is_set, config->content.rules_file[0] != '\0');
    if (content->workers == NULL) {
        return;
    }
    /* A look that is under way may have begun with the former settings. */
    while (atomic_flag_test_and_set(&content->is_busy)) {
        mm_clock_sleep_ms(BUSY_STEP_MS);
    }
    look(&content->job);
    atomic_flag_clear(&content->is_busy);
}

enum mailmod_error mm_content_check(const struct mm_log *log,
                                    struct mm_config *config)
{
    struct mm_content content = {.log = NULL};
    enum mailmod_error error = mm_content_init(&content, log);

    if (error == MAILMOD_OK) {
        mm_content_set_config(&content, config);
        mm_content_attach(&content, NULL);
        mm_content_fini(&content);
    }
    return error;
}

struct mm_content_rules *mm_content_use(struct mm_content *content,
                                        uint64_t now_ms)
{
    long long looked_ms = atomic_load(&content->looked_ms);

    if (!atomic_load(&content->is_set)) {
        return NULL;
    }
    if ((long long)now_ms - looked_ms >= LOOK_AGAIN_MS &&
        !atomic_flag_test_and_set(&content->is_busy)) {
        atomic_store(&content->looked_ms, (long long)now_ms);
        if (mm_workers_submit(content->workers, &content->job) != MAILMOD_OK) {
            atomic_flag_clear(&content->is_busy);
        }
    }
    mm_mutex_lock(content->mutex);
    struct mm_content_rules *rules = ref(content->present);
    mm_mutex_unlock(content->mutex);
    return rules;
}
