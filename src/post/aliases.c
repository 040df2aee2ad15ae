/* aliases.c - aliases of files and of the store.
 *
 * Owns: the table made of the files, under a lock; the job that reads them
 * anew; when the store was last asked whether it has any. Promises: a look-up
 * sees one state of all files; a line that is no alias, a command and a file as
 * a target are left out with a warning that names the line; the work of a file
 * is bounded by its size, FILE_MAX.
 * Thread: look-ups any; the job a worker. RFC 5321 3.9.1. */
#include "post/aliases.h"

#include "base/checksum.h"
#include "base/limits.h"
#include "base/map.h"
#include "base/mem.h"
#include "platform/clock.h"
#include "platform/fs.h"
#include "platform/random.h"
#include "platform/thread.h"
#include "post/alias_text.h"
#include "wire/addr/address.h"

#include <string.h>

enum {
    FILE_MAX = 16 * 1024 * 1024,
    LOOK_STORE_MS = 1000,
    LOOK_FILES_MS = 2000
};

/* Made of all files at once; never changed. */
struct mm_alias_table {
    struct mm_map map; /* name to struct mm_alias_list */
    uint64_t checksum; /* of the octets of all files */
};

struct mm_aliases {
    struct mm_post *post;
    struct mm_mutex *mutex;       /* guards what follows */
    struct mm_config *config;     /* whose files they are; NULL: none */
    struct mm_alias_table *table; /* NULL: no file */
    bool is_failing;              /* was said once */
    atomic_bool has_files;
    atomic_bool has_aliases; /* of the store */
    atomic_bool has_forwards;
    atomic_bool has_auto_replies;
    atomic_bool has_lists;
    atomic_uint_fast64_t store_looked_ms; /* 0: never */
    atomic_uint_fast64_t files_looked_ms;
    atomic_bool is_reading; /* the job is out */
    struct mm_job job;
};

void mm_alias_list_free(struct mm_alias_list *list)
{
    for (size_t i = 0; i < list->count; i++) {
        mm_free(list->items[i]);
    }
    mm_free(list->items);
    *list = (struct mm_alias_list){.count = 0};
}

static enum mailmod_error append(struct mm_alias_list *list, const char *text)
{
    if (list->count >= MM_LIMIT_TARGETS) {
        return MAILMOD_ERROR_LIMIT;
    }
    char **items =
        mm_array_grow(list->items, list->count, &list->capacity, sizeof *items);
    char *copy = mm_strdup(text);
    if (items == NULL || copy == NULL) {
        list->items = items != NULL ? items : list->items;
        mm_free(copy);
        return MAILMOD_ERROR_MEMORY;
    }
    list->items = items;
    items[list->count++] = copy;
    return MAILMOD_OK;
}

enum mm_store_visibility mm_alias_join_marks(enum mm_store_visibility a,
                                             enum mm_store_visibility b)
{
    if (a == MM_VISIBILITY_HIDDEN || b == MM_VISIBILITY_HIDDEN) {
        return MM_VISIBILITY_HIDDEN;
    }
    return a == MM_VISIBILITY_UNSET ? b : a;
}

enum mailmod_error
mm_alias_name_canonical(struct mm_span name,
                        char name_out[MM_STORE_REVERSE_PATH_MAX])
{
    char text[MM_STORE_USER_MAX];
    enum mailmod_error error = mm_user_name_canonical(name, text);

    name_out[0] = '\0';
    if (error == MAILMOD_OK &&
        (text[0] == '\0' || strpbrk(text, " \t,:|/\"\\<>()") != NULL ||
         !mm_span_copy(mm_span_cstr(text), name_out,
                       MM_STORE_REVERSE_PATH_MAX))) {
        return MAILMOD_ERROR_SYNTAX;
    }
    return error;
}

enum mailmod_error
mm_alias_target_canonical(struct mm_span target,
                          char target_out[MM_STORE_REVERSE_PATH_MAX])
{
    struct mm_address address;
    bool is_final = target.size > 0 && target.data[0] == '\\';

    target_out[0] = '\\';
    char *at = target_out + (is_final ? 1 : 0);
    target = mm_span_from(target, is_final ? 1 : 0);
    if (target.size == 0 || memchr(target.data, '@', target.size) == NULL) {
        char name[MM_STORE_REVERSE_PATH_MAX];
        enum mailmod_error error = mm_alias_name_canonical(target, name);

        if (error == MAILMOD_OK) {
            (void)mm_span_copy(mm_span_cstr(name), at,
                               MM_STORE_REVERSE_PATH_MAX - 1);
        }
        return error;
    }
    enum mailmod_error error = mm_address_parse(target, false, true, &address);
    return error == MAILMOD_OK && !mm_span_copy(mm_span_cstr(address.text), at,
                                                MM_STORE_REVERSE_PATH_MAX - 1)
               ? MAILMOD_ERROR_TOO_LARGE
               : error;
}

/* ---- the files ---- */

struct reading {
    const struct mm_log *log;
    struct mm_alias_table *table;
    const char *path;
    struct mm_buf *reason; /* where an error is told */
};

static void free_list(void *context, struct mm_span key, void *value)
{
    struct mm_alias_list *list = value;

    (void)context;
    (void)key;
    mm_alias_list_free(list);
    mm_free(list);
}

void mm_alias_table_free(struct mm_alias_table **table_in)
{
    struct mm_alias_table *table = *table_in;

    *table_in = NULL;
    if (table != NULL) {
        mm_map_each(&table->map, free_list, NULL);
        mm_map_fini(&table->map);
        mm_free(table);
    }
}

static void warn(const struct reading *reading, unsigned line,
                 const char *cause)
{
    MM_LOG(reading->log, MM_LOG_WARNING, "post", "alias left out",
           MM_TEXT("file", reading->path), MM_NUMBER("line", (int64_t)line),
           MM_TEXT("cause", cause));
}

static enum mailmod_error take_targets(struct reading *reading,
                                       struct mm_alias_list *list,
                                       struct mm_span targets, unsigned line,
                                       bool may_include);

/* Targets of a file that a line names; its own includes are left out. */
static enum mailmod_error include(struct reading *reading,
                                  struct mm_alias_list *list,
                                  struct mm_span path, unsigned line)
{
    char text[4097];
    struct mm_buf octets;

    if (!mm_span_copy(path, text, sizeof text) || !mm_fs_is_absolute(text)) {
        warn(reading, line, "an included file is named by its whole path");
        return MAILMOD_OK;
    }
    mm_buf_init(&octets, FILE_MAX);
    enum mailmod_error error = mm_fs_read(text, &octets);
    if (error == MAILMOD_OK) {
        reading->table->checksum ^= mm_checksum(mm_buf_span(&octets));
        error = take_targets(reading, list, mm_buf_span(&octets), line, false);
    } else if (error != MAILMOD_ERROR_MEMORY) {
        warn(reading, line, "the included file cannot be read");
        error = MAILMOD_OK;
    }
    mm_buf_fini(&octets);
    return error;
}

static enum mailmod_error take_targets(struct reading *reading,
                                       struct mm_alias_list *list,
                                       struct mm_span targets, unsigned line,
                                       bool may_include)
{
    struct mm_alias_target target;
    enum mailmod_error error = MAILMOD_OK;

    while (error == MAILMOD_OK && mm_alias_target_next(&targets, &target)) {
        char text[MM_STORE_REVERSE_PATH_MAX];

        if (target.kind == MM_ALIAS_INCLUDE && may_include) {
            error = include(reading, list, target.text, line);
        } else if (target.kind == MM_ALIAS_HIDDEN) {
            list->visibility = MM_VISIBILITY_HIDDEN;
        } else if (target.kind == MM_ALIAS_SHOWN) {
            list->visibility =
                mm_alias_join_marks(list->visibility, MM_VISIBILITY_SHOWN);
        } else if (target.kind != MM_ALIAS_ADDRESS) {
            warn(reading, line,
                 target.kind == MM_ALIAS_INCLUDE
                     ? "an included file includes no other"
                     : "commands and files are no targets here");
        } else if (mm_alias_target_canonical(target.text, text) != MAILMOD_OK) {
            warn(reading, line, "a target is no address");
        } else {
            error = append(list, text);
        }
    }
    if (error == MAILMOD_ERROR_LIMIT) {
        warn(reading, line, "it stands for too many; the others are left out");
        error = MAILMOD_OK;
    }
    return error;
}

/* A name that stands twice stands for all. */
static enum mailmod_error take_entry(struct reading *reading,
                                     const struct mm_alias_entry *entry,
                                     unsigned line)
{
    char name[MM_STORE_REVERSE_PATH_MAX];

    if (mm_alias_name_canonical(entry->name, name) != MAILMOD_OK) {
        warn(reading, line, "there is no name, or no colon behind it");
        return MAILMOD_OK;
    }
    struct mm_map *map = &reading->table->map;
    struct mm_alias_list *list = mm_map_get(map, mm_span_cstr(name));
    if (list == NULL) {
        list = mm_alloc(sizeof *list);
        if (list == NULL) {
            return MAILMOD_ERROR_MEMORY;
        }
        enum mailmod_error error = mm_map_put(map, mm_span_cstr(name), list);
        if (error != MAILMOD_OK) {
            mm_free(list);
            return error;
        }
    }
    return take_targets(reading, list, entry->targets, line, true);
}

static enum mailmod_error take_file(struct reading *reading)
{
    struct mm_buf octets;
    struct mm_alias_entry entry;

    mm_buf_init(&octets, FILE_MAX);
    enum mailmod_error error = mm_fs_read(reading->path, &octets);
    if (error == MAILMOD_OK) {
        struct mm_alias_text text = {.rest = mm_buf_span(&octets)};

        /* Turned, so that files in another order are another sum. */
        reading->table->checksum =
            (reading->table->checksum << 1) ^ mm_checksum(mm_buf_span(&octets));
        while (error == MAILMOD_OK && mm_alias_text_next(&text, &entry)) {
            error = take_entry(reading, &entry, text.line);
        }
    }
    if (error != MAILMOD_OK && reading->reason != NULL) {
        (void)mm_buf_appendf(reading->reason, "alias file %s: %s",
                             reading->path, mm_error_text(error));
    }
    mm_buf_fini(&octets);
    return error == MAILMOD_OK || error == MAILMOD_ERROR_MEMORY
               ? error
               : MAILMOD_ERROR_CONFIG;
}

enum mailmod_error mm_aliases_read(const struct mm_config *config,
                                   const struct mm_log *log,
                                   struct mm_alias_table **table_out,
                                   struct mm_buf *reason_out)
{
    struct reading reading = {.log = log, .reason = reason_out};
    uint64_t seed = 0;

    *table_out = NULL;
    if (config->local.alias_files.count == 0) {
        return MAILMOD_OK;
    }
    enum mailmod_error error = mm_random(&seed, sizeof seed);
    reading.table = mm_alloc(sizeof *reading.table);
    if (error != MAILMOD_OK || reading.table == NULL) {
        mm_free(reading.table);
        return error != MAILMOD_OK ? error : MAILMOD_ERROR_MEMORY;
    }
    mm_map_init(&reading.table->map, SIZE_MAX / 4, seed);
    for (size_t i = 0;
         error == MAILMOD_OK && i < config->local.alias_files.count; i++) {
        reading.path = config->local.alias_files.items[i];
        error = take_file(&reading);
    }
    if (error != MAILMOD_OK) {
        mm_alias_table_free(&reading.table);
    }
    *table_out = reading.table;
    return error;
}

/* ---- the life of the table ---- */

static void use_table(struct mm_aliases *aliases, struct mm_alias_table *table)
{
    mm_mutex_lock(aliases->mutex);
    struct mm_alias_table *former = aliases->table;
    aliases->table = table;
    atomic_store(&aliases->has_files, table != NULL);
    mm_mutex_unlock(aliases->mutex);
    mm_alias_table_free(&former);
}

void mm_aliases_use(struct mm_post *post, struct mm_config *config,
                    struct mm_alias_table **table)
{
    struct mm_aliases *aliases = post->aliases;

    mm_mutex_lock(aliases->mutex);
    struct mm_config *former = aliases->config;
    aliases->config = mm_config_ref(config);
    aliases->is_failing = false;
    mm_mutex_unlock(aliases->mutex);
    mm_config_unref(&former);
    use_table(aliases, *table);
    *table = NULL;
}

enum mailmod_error mm_aliases_load(struct mm_post *post,
                                   struct mm_config *config,
                                   struct mm_buf *reason_out)
{
    struct mm_alias_table *table = NULL;
    enum mailmod_error error =
        mm_aliases_read(config, post->log, &table, reason_out);

    if (error == MAILMOD_OK) {
        mm_aliases_use(post, config, &table);
    }
    return error;
}

static void note_failure(struct mm_aliases *aliases, bool is_failing,
                         struct mm_buf *reason)
{
    mm_mutex_lock(aliases->mutex);
    bool was_failing = aliases->is_failing;
    aliases->is_failing = is_failing;
    mm_mutex_unlock(aliases->mutex);
    if (is_failing && !was_failing) {
        MM_LOG(aliases->post->log, MM_LOG_ERROR, "post",
               "alias file cannot be read; the former aliases stay",
               MM_TEXT("cause", mm_buf_cstr(reason)));
    }
}

static bool is_other(struct mm_aliases *aliases, const struct mm_config *config,
                     const struct mm_alias_table *table)
{
    mm_mutex_lock(aliases->mutex);
    /* A reload that came meanwhile has the word. */
    bool is = aliases->config == config && aliases->table != NULL &&
              table != NULL && aliases->table->checksum != table->checksum;
    mm_mutex_unlock(aliases->mutex);
    return is;
}

static void run_read(struct mm_job *job)
{
    struct mm_aliases *aliases = MM_LIST_OBJECT(job, struct mm_aliases, job);
    struct mm_alias_table *table = NULL;
    struct mm_buf reason;

    mm_mutex_lock(aliases->mutex);
    struct mm_config *config = mm_config_ref(aliases->config);
    mm_mutex_unlock(aliases->mutex);
    mm_buf_init(&reason, 8192);
    enum mailmod_error error =
        mm_aliases_read(config, aliases->post->log, &table, &reason);
    note_failure(aliases, error != MAILMOD_OK, &reason);
    if (error == MAILMOD_OK && is_other(aliases, config, table)) {
        MM_LOG(aliases->post->log, MM_LOG_INFO, "post", "aliases read anew",
               MM_NUMBER("names", (int64_t)table->map.count));
        use_table(aliases, table);
        table = NULL;
    }
    mm_alias_table_free(&table);
    mm_buf_fini(&reason);
    mm_config_unref(&config);
}

static void read_done(struct mm_job *job)
{
    atomic_store(&MM_LIST_OBJECT(job, struct mm_aliases, job)->is_reading,
                 false);
}

enum mailmod_error mm_aliases_new(struct mm_aliases **aliases_out,
                                  struct mm_post *post)
{
    struct mm_aliases *aliases = mm_alloc(sizeof *aliases);

    *aliases_out = aliases;
    if (aliases == NULL) {
        return MAILMOD_ERROR_MEMORY;
    }
    aliases->post = post;
    aliases->job.run = run_read;
    aliases->job.done = read_done;
    enum mailmod_error error = mm_mutex_new(&aliases->mutex);
    if (error != MAILMOD_OK) {
        mm_free(aliases);
        *aliases_out = NULL;
    }
    return error;
}

void mm_aliases_free(struct mm_aliases **aliases_in)
{
    struct mm_aliases *aliases = *aliases_in;

    *aliases_in = NULL;
    if (aliases != NULL) {
        mm_alias_table_free(&aliases->table);
        mm_config_unref(&aliases->config);
        mm_mutex_free(&aliases->mutex);
        mm_free(aliases);
    }
}

/* ---- look-ups ---- */

/* True for one of those who ask at once, when `span_ms` have gone. */
static bool is_time(atomic_uint_fast64_t *looked_ms, uint64_t span_ms)
{
    uint64_t now_ms = mm_clock_monotonic_ms() + 1;
    uint_fast64_t last_ms = atomic_load(looked_ms);

    return (last_ms == 0 || now_ms - last_ms >= span_ms) &&
           atomic_compare_exchange_strong(looked_ms, &last_ms, now_ms);
}

static bool on_any(void *context, const struct mm_store_record *record)
{
    bool *is_there = context;

    (void)record;
    *is_there = true;
    return false;
}

/* A store that cannot be read may have some: the look-up then tells. */
static bool has_any(struct mm_post *post, enum mm_store_record_kind kind)
{
    bool is_there = false;
    enum mailmod_error error = mm_store_each_record(post->store, kind, "", "",
                                                    false, on_any, &is_there);

    return is_there || error != MAILMOD_OK;
}

static void look(struct mm_post *post)
{
    struct mm_aliases *aliases = post->aliases;

    if (is_time(&aliases->store_looked_ms, LOOK_STORE_MS)) {
        atomic_store(&aliases->has_aliases, has_any(post, MM_RECORD_ALIAS));
        atomic_store(&aliases->has_forwards, has_any(post, MM_RECORD_FORWARD));
        atomic_store(&aliases->has_lists, has_any(post, MM_RECORD_MAILLIST));
        atomic_store(&aliases->has_auto_replies,
                     has_any(post, MM_RECORD_AUTO_REPLY));
    }
    if (atomic_load(&aliases->has_files) &&
        is_time(&aliases->files_looked_ms, LOOK_FILES_MS) &&
        !atomic_exchange(&aliases->is_reading, true) &&
        mm_workers_submit(post->workers, &aliases->job) != MAILMOD_OK) {
        atomic_store(&aliases->is_reading, false); /* the next look */
    }
}

bool mm_aliases_are_there(struct mm_post *post)
{
    look(post);
    return atomic_load(&post->aliases->has_files) ||
           atomic_load(&post->aliases->has_aliases);
}

bool mm_aliases_have_forwards(struct mm_post *post)
{
    look(post);
    return atomic_load(&post->aliases->has_forwards);
}

bool mm_aliases_have_lists(struct mm_post *post)
{
    look(post);
    return atomic_load(&post->aliases->has_lists);
}

bool mm_aliases_have_auto_replies(struct mm_post *post)
{
    look(post);
    return atomic_load(&post->aliases->has_auto_replies);
}

enum mm_store_visibility mm_alias_mark_of(const struct mm_store_record *record)
{
    return record->number == MM_VISIBILITY_HIDDEN  ? MM_VISIBILITY_HIDDEN
           : record->number == MM_VISIBILITY_SHOWN ? MM_VISIBILITY_SHOWN
                                                   : MM_VISIBILITY_UNSET;
}

struct finding {
    struct mm_alias_list *list;
    enum mailmod_error error;
};

static bool on_found(void *context, const struct mm_store_record *record)
{
    struct finding *finding = context;

    finding->list->visibility = mm_alias_join_marks(finding->list->visibility,
                                                    mm_alias_mark_of(record));
    finding->error = append(finding->list, record->key);
    return finding->error == MAILMOD_OK;
}

static enum mailmod_error find_rows(struct mm_post *post,
                                    enum mm_store_record_kind kind,
                                    const char *name,
                                    struct mm_alias_list *list)
{
    struct finding finding = {.list = list};
    enum mailmod_error error = mm_store_each_record(post->store, kind, name, "",
                                                    true, on_found, &finding);

    return error == MAILMOD_OK ? finding.error : error;
}

static enum mailmod_error find_in_files(struct mm_aliases *aliases,
                                        const char *name,
                                        struct mm_alias_list *list)
{
    enum mailmod_error error = MAILMOD_OK;

    mm_mutex_lock(aliases->mutex);
    const struct mm_alias_list *found =
        aliases->table != NULL
            ? mm_map_get(&aliases->table->map, mm_span_cstr(name))
            : NULL;
    for (size_t i = 0; found != NULL && error == MAILMOD_OK && i < found->count;
         i++) {
        error = append(list, found->items[i]);
    }
    if (found != NULL) {
        list->visibility =
            mm_alias_join_marks(list->visibility, found->visibility);
    }
    mm_mutex_unlock(aliases->mutex);
    return error;
}

enum mailmod_error mm_aliases_find(struct mm_post *post, const char *name,
                                   struct mm_alias_list *list)
{
    enum mailmod_error error = find_in_files(post->aliases, name, list);

    return error == MAILMOD_OK && atomic_load(&post->aliases->has_aliases)
               ? find_rows(post, MM_RECORD_ALIAS, name, list)
               : error;
}

enum mailmod_error mm_aliases_find_forwards(struct mm_post *post,
                                            const char *user,
                                            struct mm_alias_list *list)
{
    return find_rows(post, MM_RECORD_FORWARD, user, list);
}
