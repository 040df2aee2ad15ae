/* lists.c - reads the lists' rules, again whenever they change.
 *
 * Owns the present set of rules; a session has a reference and keeps to it.
 * Promises: files are read whole every few seconds while mail comes, and a
 * change of any octet, of the store's rules or of the settings makes a new set;
 * a file that cannot be read leaves the former set in force, and is told once a
 * change; a line that is no rule is left out, and told with its place.
 * Thread: any; `look` on a worker, and once before the workers run. */
#include "server/lists.h"

#include "base/checksum.h"
#include "base/mem.h"
#include "dnsbl/dnsbl.h"
#include "platform/clock.h"
#include "platform/fs.h"
#include "platform/thread.h"

#include <stdio.h>
#include <string.h>

#define LOOK_AGAIN_MS 3000
#define FILE_SIZE_MAX (4 * 1024 * 1024)
#define BUSY_STEP_MS 1

struct owned_rule {
    uint64_t mailbox_id;
    struct mm_rule *rule;
};

struct rule_set {
    struct owned_rule *items; /* by rising mailbox */
    size_t count;
    size_t capacity;
    struct mm_string_list zones;
    size_t zone_capacity;
};

struct mm_rules {
    atomic_uint references;
    struct rule_set sets[MM_RULE_LISTS];
    size_t count;
    bool has_users;
};

const char *mm_rule_list_name(enum mm_rule_list list)
{
    static const char *const names[MM_RULE_LISTS] = {[MM_RULE_WHITE] = "white",
                                                     [MM_RULE_BLACK] = "black",
                                                     [MM_RULE_GREY] = "grey"};

    return names[list];
}

struct mm_rules *mm_rules_ref(struct mm_rules *rules)
{
    if (rules != NULL) {
        atomic_fetch_add(&rules->references, 1);
    }
    return rules;
}

void mm_rules_unref(struct mm_rules **rules_in)
{
    struct mm_rules *rules = *rules_in;

    *rules_in = NULL;
    if (rules == NULL || atomic_fetch_sub(&rules->references, 1) != 1) {
        return;
    }
    for (int list = 0; list < MM_RULE_LISTS; list++) {
        struct rule_set *set = &rules->sets[list];

        for (size_t i = 0; i < set->count; i++) {
            mm_rule_free(&set->items[i].rule);
        }
        for (size_t i = 0; i < set->zones.count; i++) {
            mm_free(set->zones.items[i]);
        }
        mm_free(set->zones.items);
        mm_free(set->items);
    }
    mm_free(rules);
}

bool mm_rules_have_users(const struct mm_rules *rules)
{
    return rules->has_users;
}

const struct mm_string_list *mm_rules_zones(const struct mm_rules *rules,
                                            enum mm_rule_list list)
{
    return &rules->sets[list].zones;
}

/* The first place of a mailbox's rules. */
static size_t first_of(const struct rule_set *set, uint64_t mailbox_id)
{
    size_t low = 0;
    size_t high = set->count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (set->items[middle].mailbox_id < mailbox_id) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

enum mm_rule_answer mm_rules_ask(const struct mm_rules *rules,
                                 enum mm_rule_list list, uint64_t mailbox_id,
                                 const struct mm_rule_facts *facts,
                                 const char **text_out)
{
    const struct rule_set *set = &rules->sets[list];

    for (size_t i = first_of(set, mailbox_id);
         i < set->count && set->items[i].mailbox_id == mailbox_id; i++) {
        enum mm_rule_answer answer = mm_rule_ask(set->items[i].rule, facts);
        if (answer != MM_RULE_NO) {
            *text_out = mm_rule_text(set->items[i].rule);
            return answer;
        }
    }
    return MM_RULE_NO;
}

/* ---- reading ---- */

/* What is read, and how it went. */
struct reading {
    const struct mm_lists *lists;
    const struct mm_config *config;
    struct mm_rules *rules; /* being made */
    enum mailmod_error error;
};

static void warn(const struct reading *reading, const char *place,
                 struct mm_span text, struct mm_buf *words)
{
    char copy[128];
    size_t size = text.size < sizeof copy ? text.size : sizeof copy - 1;

    (void)mm_span_copy(mm_span(text.data, size), copy, sizeof copy);
    MM_LOG(reading->lists->log, MM_LOG_WARNING, "lists", "rule left out",
           MM_TEXT("place", place), MM_TEXT("rule", copy),
           MM_TEXT("reason", mm_buf_cstr(words)));
}

static enum mailmod_error add_zone(struct rule_set *set, struct mm_span zone)
{
    char **items = mm_array_grow(set->zones.items, set->zones.count,
                                 &set->zone_capacity, sizeof *items);

    if (items == NULL) {
        return MAILMOD_ERROR_MEMORY;
    }
    set->zones.items = items;
    items[set->zones.count] = mm_memdup0(zone.data, zone.size);
    if (items[set->zones.count] == NULL) {
        return MAILMOD_ERROR_MEMORY;
    }
    mm_ascii_lower_cstr(items[set->zones.count++]);
    return MAILMOD_OK;
}

static bool is_zone(struct mm_span text)
{
    struct dnsbl_zone zone;

    return dnsbl_zone_parse(text, &zone) == MAILMOD_OK;
}

/* "??" is for common lists, whose zones are asked beside the session. */
static enum mailmod_error add_zones(struct rule_set *set, const char *zones,
                                    uint64_t mailbox_id, struct mm_buf *words)
{
    enum mailmod_error error = MAILMOD_OK;

    if (mailbox_id != 0) {
        (void)mm_buf_append_cstr(words, "zones are for common lists");
        return MAILMOD_ERROR_SYNTAX;
    }
    while (error == MAILMOD_OK && *zones != '\0') {
        size_t size = strcspn(zones, " \t,");
        struct mm_span zone = mm_span(zones, size);
        zones += size + strspn(zones + size, " \t,");
        if (size == 0) {
            continue;
        }
        if (!is_zone(zone) || set->zones.count >= MM_LIMIT_DNSBL_ZONES) {
            (void)mm_buf_append_cstr(words, "has no zone, or too many");
            return MAILMOD_ERROR_SYNTAX;
        }
        error = add_zone(set, zone);
    }
    return error;
}

static enum mailmod_error add_rule(struct rule_set *set, uint64_t mailbox_id,
                                   struct mm_rule *rule)
{
    struct owned_rule *items =
        mm_array_grow(set->items, set->count, &set->capacity, sizeof *items);

    if (items == NULL) {
        mm_rule_free(&rule);
        return MAILMOD_ERROR_MEMORY;
    }
    set->items = items;
    items[set->count++] = (struct owned_rule){mailbox_id, rule};
    return MAILMOD_OK;
}

/* One line. A mistake is told and is no error. */
static void read_rule(struct reading *reading, enum mm_rule_list list,
                      uint64_t mailbox_id, const char *place,
                      struct mm_span text)
{
    struct rule_set *set = &reading->rules->sets[list];
    struct mm_rule *rule = NULL;
    struct mm_buf words;

    mm_buf_init(&words, 256);
    enum mailmod_error error = mm_rule_parse(&rule, text, &words);
    if (error == MAILMOD_OK && rule != NULL &&
        reading->rules->count >= MM_STORE_RULES_MAX) {
        (void)mm_buf_append_cstr(&words, "there are too many rules");
        error = MAILMOD_ERROR_SYNTAX;
        mm_rule_free(&rule);
    }
    if (error == MAILMOD_OK && rule != NULL) {
        const char *zones = mm_rule_zones(rule);
        reading->rules->count++;
        if (zones != NULL) {
            error = add_zones(set, zones, mailbox_id, &words);
            mm_rule_free(&rule);
        } else {
            error = add_rule(set, mailbox_id, rule);
        }
    }
    if (error == MAILMOD_ERROR_SYNTAX) {
        warn(reading, place, text, &words);
    } else if (error != MAILMOD_OK) {
        reading->error = error;
    }
    mm_buf_fini(&words);
}

static const char *file_of(const struct mm_config *config,
                           enum mm_rule_list list)
{
    return list == MM_RULE_WHITE   ? config->lists.white_file
           : list == MM_RULE_BLACK ? config->lists.black_file
                                   : config->lists.grey_file;
}

static void read_lines(struct reading *reading, enum mm_rule_list list,
                       struct mm_span text)
{
    char place[512];
    unsigned number = 0;
    struct mm_span line;

    while (text.size > 0 && reading->error == MAILMOD_OK) {
        (void)mm_span_cut(text, '\n', &line, &text);
        if (line.size > 0 && line.data[line.size - 1] == '\r') {
            line.size--;
        }
        (void)snprintf(place, sizeof place, "%s:%u",
                       file_of(reading->config, list), ++number);
        read_rule(reading, list, 0, place, line);
    }
}

static bool on_rule(void *context, const struct mm_store_rule *rule)
{
    struct reading *reading = context;

    if (rule->mailbox_id == 0 || reading->config->lists.per_user) {
        reading->rules->has_users |= rule->mailbox_id != 0;
        read_rule(reading, rule->list, rule->mailbox_id, "the store",
                  mm_span_cstr(rule->text));
    }
    return reading->error == MAILMOD_OK;
}

/* What is common goes first: the order of a set is that of its mailboxes. */
static void read_all(struct reading *reading,
                     struct mm_buf texts[MM_RULE_LISTS])
{
    const struct mm_config *config = reading->config;

    for (int list = 0; list < MM_RULE_LISTS; list++) {
        read_lines(reading, (enum mm_rule_list)list, mm_buf_span(&texts[list]));
    }
    for (size_t i = 0; i < config->lists.black_senders.count; i++) {
        read_rule(reading, MM_RULE_BLACK, 0, "lists.black_senders",
                  mm_span_cstr(config->lists.black_senders.items[i]));
    }
    for (size_t i = 0;
         reading->error == MAILMOD_OK && i < config->lists.white_zones.count;
         i++) {
        reading->error =
            add_zone(&reading->rules->sets[MM_RULE_WHITE],
                     mm_span_cstr(config->lists.white_zones.items[i]));
        reading->rules->count++;
    }
    if (reading->error == MAILMOD_OK && reading->lists->store != NULL) {
        enum mailmod_error error =
            mm_store_each_rule(reading->lists->store, on_rule, reading);
        reading->error = reading->error == MAILMOD_OK ? error : reading->error;
    }
}

static enum mailmod_error read_file(const char *path, struct mm_buf *out)
{
    return path[0] == '\0' ? MAILMOD_OK : mm_fs_read(path, out);
}

/* The texts of the files, and a hash of all that rules come from. */
static enum mailmod_error read_sources(const struct mm_lists *lists,
                                       const struct mm_config *config,
                                       struct mm_buf texts[MM_RULE_LISTS],
                                       uint64_t *state_out)
{
    uint64_t parts[1 + MM_RULE_LISTS] = {0};
    enum mailmod_error error =
        lists->store != NULL ? mm_store_rule_changes(lists->store, &parts[0])
                             : MAILMOD_OK;

    for (int list = 0; error == MAILMOD_OK && list < MM_RULE_LISTS; list++) {
        const char *path = file_of(config, (enum mm_rule_list)list);
        error = read_file(path, &texts[list]);
        if (error != MAILMOD_OK) {
            MM_LOG(lists->log, MM_LOG_WARNING, "lists",
                   "list not read, its former rules stay",
                   MM_TEXT("path", path),
                   MM_TEXT("error", mm_error_name(error)));
        }
        parts[1 + list] =
            mm_checksum(mm_buf_span(&texts[list])) ^ mm_buf_size(&texts[list]);
    }
    *state_out = mm_checksum(mm_span((const char *)parts, sizeof parts));
    return error;
}

/* The set that was read is the present one; none where it is empty. */
static void publish(struct mm_lists *lists, struct mm_config *config,
                    struct mm_rules *rules, uint64_t state)
{
    MM_LOG(lists->log, MM_LOG_INFO, "lists", "lists read",
           MM_NUMBER("rules", (int64_t)rules->count));
    if (rules->count == 0) {
        mm_rules_unref(&rules);
    }
    mm_mutex_lock(lists->mutex);
    struct mm_rules *former = lists->present;
    struct mm_config *read_by = lists->read_by;
    lists->present = rules;
    atomic_store(&lists->has_rules, rules != NULL);
    lists->state = state;
    lists->read_by = mm_config_ref(config);
    mm_mutex_unlock(lists->mutex);
    mm_config_unref(&read_by);
    mm_rules_unref(&former);
}

static void make(struct mm_lists *lists, struct mm_config *config,
                 struct mm_buf texts[MM_RULE_LISTS], uint64_t state)
{
    struct reading reading = {.lists = lists,
                              .config = config,
                              .rules = mm_alloc(sizeof *reading.rules)};

    if (reading.rules == NULL) {
        return; /* the next look tries again */
    }
    atomic_init(&reading.rules->references, 1);
    read_all(&reading, texts);
    if (reading.error == MAILMOD_OK) {
        publish(lists, config, reading.rules, state);
        return;
    }
    MM_LOG(lists->log, MM_LOG_ERROR, "lists", "lists not read",
           MM_TEXT("error", mm_error_name(reading.error)));
    mm_rules_unref(&reading.rules);
}

static void look(struct mm_job *job)
{
    struct mm_lists *lists = MM_LIST_OBJECT(job, struct mm_lists, job);
    struct mm_buf texts[MM_RULE_LISTS];
    uint64_t state;

    mm_mutex_lock(lists->mutex);
    struct mm_config *config = mm_config_ref(lists->config);
    mm_mutex_unlock(lists->mutex);
    for (int list = 0; list < MM_RULE_LISTS; list++) {
        mm_buf_init(&texts[list], FILE_SIZE_MAX);
    }
    enum mailmod_error error = read_sources(lists, config, texts, &state);
    mm_mutex_lock(lists->mutex);
    bool is_new = state != lists->state || config != lists->read_by;
    mm_mutex_unlock(lists->mutex);
    if (error == MAILMOD_OK && is_new) {
        make(lists, config, texts, state);
    }
    for (int list = 0; list < MM_RULE_LISTS; list++) {
        mm_buf_fini(&texts[list]);
    }
    mm_config_unref(&config);
}

static void done(struct mm_job *job)
{
    atomic_flag_clear(&MM_LIST_OBJECT(job, struct mm_lists, job)->is_busy);
}

enum mailmod_error mm_lists_init(struct mm_lists *lists,
                                 const struct mm_log *log)
{
    lists->log = log;
    lists->job.run = look;
    lists->job.done = done; /* no loop: on the worker */
    atomic_flag_clear(&lists->is_busy);
    return mm_mutex_new(&lists->mutex);
}

void mm_lists_fini(struct mm_lists *lists)
{
    mm_rules_unref(&lists->present);
    mm_config_unref(&lists->config);
    mm_config_unref(&lists->read_by);
    mm_mutex_free(&lists->mutex);
}

void mm_lists_attach(struct mm_lists *lists, struct mm_store *store,
                     struct mm_workers *workers)
{
    lists->store = store;
    lists->workers = workers;
    look(&lists->job);
}

void mm_lists_set_config(struct mm_lists *lists, struct mm_config *config)
{
    mm_mutex_lock(lists->mutex);
    struct mm_config *former = lists->config;
    lists->config = mm_config_ref(config);
    mm_mutex_unlock(lists->mutex);
    mm_config_unref(&former);
    if (lists->store == NULL) {
        return;
    }
    /* A look that is under way may have begun with the former settings. */
    while (atomic_flag_test_and_set(&lists->is_busy)) {
        mm_clock_sleep_ms(BUSY_STEP_MS);
    }
    look(&lists->job);
    atomic_flag_clear(&lists->is_busy);
}

enum mailmod_error mm_lists_check(const struct mm_log *log,
                                  struct mm_config *config,
                                  struct mm_store *store)
{
    struct mm_lists lists = {.log = NULL};
    enum mailmod_error error = mm_lists_init(&lists, log);

    if (error == MAILMOD_OK) {
        mm_lists_set_config(&lists, config);
        mm_lists_attach(&lists, store, NULL);
        mm_lists_fini(&lists);
    }
    return error;
}

struct mm_rules *mm_lists_use(struct mm_lists *lists, uint64_t now_ms)
{
    long long looked_ms = atomic_load(&lists->looked_ms);

    if ((long long)now_ms - looked_ms >= LOOK_AGAIN_MS &&
        !atomic_flag_test_and_set(&lists->is_busy)) {
        atomic_store(&lists->looked_ms, (long long)now_ms);
        if (mm_workers_submit(lists->workers, &lists->job) != MAILMOD_OK) {
            atomic_flag_clear(&lists->is_busy);
        }
    }
    if (!atomic_load(&lists->has_rules)) {
        return NULL;
    }
    mm_mutex_lock(lists->mutex);
    struct mm_rules *rules = mm_rules_ref(lists->present);
    mm_mutex_unlock(lists->mutex);
    return rules;
}
