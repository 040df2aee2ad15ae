/* fuzz_store.c - a store whose file was changed: rows with any value in any
 * column, pages with any octets, and a log whose changed frames have true
 * checksums, opened as a daemon and as a tool, checked, read and written.
 *
 * It is refused in words, or each verb answers: with what was put, or an error.
 * A text that is given out ends, and a body that is given out was put, unless
 * it was changed together with its checksum. One file with rows of each kind is
 * made at the beginning; the input says what to do to it. */
#include "base/mem.h"
#include "store/store.h"
#include "tests/fuzz/fuzz.h"

#include <sqlite3.h>

#include <string.h>
#include <unistd.h>

#define FIRST_ID (UINT64_C(1) << 40)

enum { MESSAGES = 4, COLUMNS_MAX = 300, CHUNKS = 2, NOW_MS = 1000000 };

struct column {
    char table[64];
    char name[64];
};
static struct {
    char folder[64];
    char database[96], log[96], shared[96], lock[96];
    struct mm_buf image;     /* of the database */
    struct mm_buf log_image; /* and a log with more of the same */
    struct column columns[COLUMNS_MAX];
    size_t column_count;
    char bodies[MESSAGES][CHUNKS][MM_LIMIT_CHUNK];
    size_t sizes[MESSAGES][CHUNKS];
    bool bodies_differ; /* were changed by a row of the input */
} base;

/* ---- files ---- */

static void save(const char *path, struct mm_span octets)
{
    FILE *file = fopen(path, "wb");

    FUZZ_CHECK(file != NULL);
    FUZZ_CHECK(fwrite(octets.data, 1, octets.size, file) == octets.size);
    FUZZ_CHECK(fclose(file) == 0);
}

static void load(const char *path, struct mm_buf *out)
{
    FILE *file = fopen(path, "rb");
    char octets[4096];
    size_t count;

    FUZZ_CHECK(file != NULL);
    mm_buf_init(out, 1 << 24);
    while ((count = fread(octets, 1, sizeof octets, file)) > 0) {
        FUZZ_CHECK(mm_buf_append(out, octets, count) == MAILMOD_OK);
    }
    fclose(file);
}

static void clear_folder(void)
{
    (void)unlink(base.database);
    (void)unlink(base.log);
    (void)unlink(base.shared);
    (void)unlink(base.lock);
}

static void remove_folder(void)
{
    clear_folder();
    (void)rmdir(base.folder);
}

/* ---- the file that is changed ---- */

struct work {
    struct mm_store_job job;
    enum mailmod_error (*run)(struct mm_store_transaction *t, unsigned which);
    unsigned which;
};

static enum mailmod_error run_work(struct mm_store_job *job,
                                   struct mm_store_transaction *t)
{
    struct work *work = MM_LIST_OBJECT(job, struct work, job);

    return work->run(t, work->which);
}

static enum mailmod_error
run(struct mm_store *store,
    enum mailmod_error (*what)(struct mm_store_transaction *, unsigned),
    unsigned which)
{
    struct work work = {.job.run = run_work, .run = what, .which = which};

    return mm_store_run(store, &work.job);
}

static struct mm_store *open_store(enum mm_store_mode mode,
                                   struct mm_buf *reason_out)
{
    const struct mm_store_options options = {.description = base.folder,
                                             .mode = mode};
    struct mm_store *store = NULL;
    enum mailmod_error error = mm_store_open(&store, &options, reason_out);

    FUZZ_CHECK((error == MAILMOD_OK) == (store != NULL));
    FUZZ_CHECK(store != NULL || mm_buf_size(reason_out) > 0);
    return store;
}

static enum mailmod_error put_user(struct mm_store_transaction *t,
                                   unsigned which)
{
    struct mm_store_user user = {.iterations = 4096, .quota = 1000000};
    struct mm_store_secret_key secret = {.label = "phone"};

    (void)snprintf(user.name, sizeof user.name, "user%u", which);
    if (which == 1) {
        user.has_password = true;
        (void)snprintf(user.password, sizeof user.password, "secret");
    }
    enum mailmod_error error = mm_store_add_user(t, &user);
    return error == MAILMOD_OK
               ? mm_store_put_secret(t, user.mailbox_id, &secret)
               : error;
}

static enum mailmod_error put_message(struct mm_store_transaction *t,
                                      unsigned which)
{
    struct mm_store_message message = {
        .id = FIRST_ID + which, .arrival_ms = NOW_MS, .reverse_path = "a@b.c"};
    struct mm_store_recipient recipient = {.message_id = message.id,
                                           .path = "bob@example.net",
                                           .destination = "example.net",
                                           .has_reverse_path = which % 2 != 0};
    struct mm_store_entry_detail detail = {.uidl = "id",
                                           .notify = 1,
                                           .delivered_to = "u@x.org",
                                           .original_to = "w@x.org"};
    enum mailmod_error error = MAILMOD_OK;

    for (unsigned i = 0; error == MAILMOD_OK && i < CHUNKS; i++) {
        message.size += base.sizes[which][i];
        if (base.sizes[which][i] > 0) {
            error = mm_store_put_chunk(
                t, message.id, i,
                mm_span(base.bodies[which][i], base.sizes[which][i]));
        }
    }
    error = error == MAILMOD_OK ? mm_store_put_message(t, &message) : error;
    detail.uidl[1] = (char)('0' + which);
    if (error == MAILMOD_OK) {
        error = mm_store_put_entry_with(t, 1, message.id, message.size + 30,
                                        which % 2 != 0 ? &detail : NULL);
    }
    if (error == MAILMOD_OK) {
        error = mm_store_put_entry(t, 2, message.id, message.size + 30);
    }
    return error == MAILMOD_OK ? mm_store_put_recipient(t, &recipient) : error;
}

static enum mailmod_error put_others(struct mm_store_transaction *t,
                                     unsigned which)
{
    const struct mm_store_seen seen = {.key = "k1", .size = 7, .seen_ms = 5};
    const struct mm_store_fetch fetch = {
        .name = "far", .source = "u@far.test", .result = "good"};
    const struct mm_store_sighting sighting = {
        .kind = (enum mm_sighting_kind)0, .key = "192.0.2.1", .until_ms = 9};
    const struct mm_store_kept kept = {
        .kind = MAILMOD_KEPT_SENT,
        .kept_ms = 5,
        .recipient = {.message_id = FIRST_ID, .last_reply = "250 2.0.0"}};
    struct mm_store_rule rule = {.list = MM_RULE_BLACK, .text = "x@y.test"};
    const uint64_t numbers[] = {1};
    enum mailmod_error error = mm_store_put_seen(t, "far", &seen);

    (void)which;
    error = error == MAILMOD_OK ? mm_store_put_fetch(t, &fetch) : error;
    error = error == MAILMOD_OK ? mm_store_note_sighting(t, &sighting) : error;
    error = error == MAILMOD_OK ? mm_store_add_rule(t, &rule) : error;
    for (int kind = MM_RECORD_ALIAS;
         error == MAILMOD_OK && kind <= MM_RECORD_REPLIED; kind++) {
        const struct mm_store_record record = {
            .kind = (enum mm_store_record_kind)kind,
            .name = "news@x.org",
            .key = "b@c.test",
            .number = 3,
            .value = mm_span("some value", 10)};
        error = mm_store_keep_record(t, &record);
    }
    error = error == MAILMOD_OK ? mm_store_keep_recipient(t, &kept) : error;
    return error == MAILMOD_OK ? mm_store_keep_entries(t, 2, numbers, 1, 5)
                               : error;
}

static void list_columns(void)
{
    sqlite3 *db;
    sqlite3_stmt *statement;

    FUZZ_CHECK(sqlite3_open(base.database, &db) == SQLITE_OK);
    FUZZ_CHECK(sqlite3_prepare_v2(
                   db,
                   "SELECT t.name,c.name FROM sqlite_schema t JOIN "
                   "pragma_table_info(t.name) c WHERE t.type='table' AND "
                   "t.name NOT LIKE 'sqlite_%' ORDER BY 1,2",
                   -1, &statement, NULL) == SQLITE_OK);
    while (sqlite3_step(statement) == SQLITE_ROW &&
           base.column_count < COLUMNS_MAX) {
        struct column *column = &base.columns[base.column_count++];
        (void)snprintf(column->table, sizeof column->table, "%s",
                       (const char *)sqlite3_column_text(statement, 0));
        (void)snprintf(column->name, sizeof column->name, "%s",
                       (const char *)sqlite3_column_text(statement, 1));
    }
    sqlite3_finalize(statement);
    sqlite3_close(db);
    FUZZ_CHECK(base.column_count > 50);
}

static void make_base(void)
{
    struct mm_buf reason;

    (void)snprintf(base.folder, sizeof base.folder, "%s/mailmod-fuzz-XXXXXX",
                   access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
    FUZZ_CHECK(mkdtemp(base.folder) != NULL);
    (void)snprintf(base.database, 96, "%s/mailmod.db", base.folder);
    (void)snprintf(base.log, 96, "%s/mailmod.db-wal", base.folder);
    (void)snprintf(base.shared, 96, "%s/mailmod.db-shm", base.folder);
    (void)snprintf(base.lock, 96, "%s/mailmod.lock", base.folder);
    FUZZ_CHECK(atexit(remove_folder) == 0);
    for (unsigned i = 0; i < MESSAGES; i++) {
        base.sizes[i][0] = i == 0 ? MM_LIMIT_CHUNK : 40 + i * (size_t)900;
        base.sizes[i][1] = i == 0 ? 500 : 0;
        memset(base.bodies[i][0], 'a' + (int)i, base.sizes[i][0]);
        memset(base.bodies[i][1], 'A' + (int)i, base.sizes[i][1]);
    }
    mm_buf_init(&reason, 4096);
    struct mm_store *store = open_store(MM_STORE_EXCLUSIVE, &reason);
    FUZZ_CHECK(store != NULL);
    for (unsigned i = 1; i <= 2; i++) {
        FUZZ_CHECK(run(store, put_user, i) == MAILMOD_OK);
    }
    for (unsigned i = 0; i < MESSAGES - 1; i++) {
        FUZZ_CHECK(run(store, put_message, i) == MAILMOD_OK);
    }
    FUZZ_CHECK(run(store, put_others, 0) == MAILMOD_OK);
    mm_store_close(&store);
    list_columns();
    load(base.database, &base.image);
    store = open_store(MM_STORE_EXCLUSIVE, &reason);
    FUZZ_CHECK(store != NULL);
    FUZZ_CHECK(run(store, put_message, MESSAGES - 1) == MAILMOD_OK);
    load(base.log, &base.log_image);
    FUZZ_CHECK(mm_buf_size(&base.log_image) > 32);
    mm_store_close(&store);
    mm_buf_fini(&reason);
}

/* ---- what is done to it ---- */

static void bind_value(sqlite3_stmt *statement, struct mm_span *script)
{
    static char large[70000];
    uint8_t kind = fuzz_octet(script);
    uint64_t number = 0;
    struct mm_span text;

    switch (kind % 6) {
    case 0:
        for (unsigned i = 0; i < kind / 6u % 9; i++) {
            number = number << 8 | fuzz_octet(script);
        }
        (void)sqlite3_bind_int64(statement, 1, (sqlite3_int64)number);
        break;
    case 1:
        text = fuzz_piece(script, fuzz_octet(script));
        (void)sqlite3_bind_text(statement, 1, text.data, (int)text.size,
                                SQLITE_TRANSIENT);
        break;
    case 2:
        text = fuzz_piece(script, fuzz_octet(script));
        (void)sqlite3_bind_blob(statement, 1, text.data, (int)text.size,
                                SQLITE_TRANSIENT);
        break;
    case 3: /* longer than there is room anywhere */
        memset(large, 'x', sizeof large);
        (void)sqlite3_bind_text(statement, 1, large,
                                kind > 127 ? (int)sizeof large : 600,
                                SQLITE_TRANSIENT);
        break;
    case 4:
        (void)sqlite3_bind_double(statement, 1, 1e300 * (kind > 127 ? -1 : 1));
        break;
    default:
        (void)sqlite3_bind_null(statement, 1);
        break;
    }
}

/* A column of all rows, or of those whose neighbours have a value. */
static void change_rows(struct mm_span *script)
{
    sqlite3 *db;

    FUZZ_CHECK(sqlite3_open(base.database, &db) == SQLITE_OK);
    (void)sqlite3_exec(db,
                       "PRAGMA journal_mode=WAL;PRAGMA synchronous=OFF;"
                       "PRAGMA ignore_check_constraints=ON",
                       NULL, NULL, NULL);
    for (unsigned i = 0; i < 6 && script->size > 0; i++) {
        size_t at = fuzz_octet(script) * (size_t)256 + fuzz_octet(script);
        const struct column *column = &base.columns[at % base.column_count];
        sqlite3_stmt *statement = NULL;
        char text[300];

        (void)snprintf(text, sizeof text, "UPDATE OR REPLACE %s SET %s=?1",
                       column->table, column->name);
        if (sqlite3_prepare_v2(db, text, -1, &statement, NULL) == SQLITE_OK) {
            bind_value(statement, script);
            (void)sqlite3_step(statement);
        }
        sqlite3_finalize(statement);
        base.bodies_differ = base.bodies_differ ||
                             strcmp(column->table, "body") == 0 ||
                             strcmp(column->table, "chunk") == 0;
    }
    sqlite3_close(db);
}

/* Octets of the image, chosen by page and place. */
static void change_octets(struct mm_span *script, char *octets, size_t size)
{
    for (unsigned i = 0; i < 16 && script->size > 0; i++) {
        size_t page = fuzz_octet(script);
        size_t at = fuzz_octet(script) * (size_t)16;
        struct mm_span piece;

        at = (page * 4096 + at + fuzz_octet(script) % 16) % size;
        piece = fuzz_piece(script, 1 + fuzz_octet(script) % 8);
        for (size_t k = 0; k < piece.size && at + k < size; k++) {
            octets[at + k] = piece.data[k];
        }
    }
}

static uint32_t number_at(const uint8_t *octets, bool is_big)
{
    return is_big ? (uint32_t)octets[0] << 24 | (uint32_t)octets[1] << 16 |
                        (uint32_t)octets[2] << 8 | octets[3]
                  : (uint32_t)octets[3] << 24 | (uint32_t)octets[2] << 16 |
                        (uint32_t)octets[1] << 8 | octets[0];
}

static void put_number(uint8_t *octets, uint32_t number)
{
    octets[0] = (uint8_t)(number >> 24);
    octets[1] = (uint8_t)(number >> 16);
    octets[2] = (uint8_t)(number >> 8);
    octets[3] = (uint8_t)number;
}

static void add_sums(const uint8_t *octets, size_t size, bool is_big,
                     uint32_t sums[2])
{
    for (size_t i = 0; i + 8 <= size; i += 8) {
        sums[0] += number_at(octets + i, is_big) + sums[1];
        sums[1] += number_at(octets + i + 4, is_big) + sums[0];
    }
}

/* SQLite's "WAL-mode file format", 4.2: each frame's sum goes on from that of
 * the one before it. */
static void mend_log(uint8_t *octets, size_t size)
{
    bool is_big = (octets[3] & 1) != 0;
    uint32_t sums[2] = {0, 0};

    add_sums(octets, 24, is_big, sums);
    put_number(octets + 24, sums[0]);
    put_number(octets + 28, sums[1]);
    for (size_t at = 32; at + 24 + 4096 <= size; at += 24 + 4096) {
        add_sums(octets + at, 8, is_big, sums);
        add_sums(octets + at + 24, 4096, is_big, sums);
        put_number(octets + at + 16, sums[0]);
        put_number(octets + at + 20, sums[1]);
    }
}

static void change_log(struct mm_span *script)
{
    struct mm_buf log;

    mm_buf_init(&log, 1 << 24);
    FUZZ_CHECK(mm_buf_append_span(&log, mm_buf_span(&base.log_image)) ==
               MAILMOD_OK);
    bool is_mended = fuzz_octet(script) % 8 != 0;
    change_octets(script, log.data, mm_buf_size(&log));
    if (is_mended) {
        mend_log((uint8_t *)log.data, mm_buf_size(&log));
    }
    save(base.log, mm_buf_span(&log));
    mm_buf_fini(&log);
}

static void lay(struct mm_span *script)
{
    uint8_t kind = fuzz_octet(script);
    struct mm_buf image;

    clear_folder();
    base.bodies_differ = false;
    mm_buf_init(&image, 1 << 24);
    FUZZ_CHECK(mm_buf_append_span(&image, mm_buf_span(&base.image)) ==
               MAILMOD_OK);
    if (kind % 4 == 1) {
        change_octets(script, image.data, mm_buf_size(&image));
    }
    save(base.database, mm_buf_span(&image));
    mm_buf_fini(&image);
    if (kind % 4 == 2) {
        change_log(script);
    } else if (kind % 4 != 1) {
        change_rows(script);
    }
}

/* ---- what is asked of it ---- */

/* Each verb answers, with one of the errors that there are. */
static void answers(enum mailmod_error error)
{
    FUZZ_CHECK(strcmp(mm_error_name(error), "UNKNOWN") != 0);
}

#define ENDS(text) FUZZ_CHECK(memchr((text), '\0', sizeof(text)) != NULL)

static void check_recipient(const struct mm_store_recipient *recipient)
{
    ENDS(recipient->path);
    ENDS(recipient->destination);
    ENDS(recipient->original_recipient);
    ENDS(recipient->last_reply);
    ENDS(recipient->reverse_path);
    ENDS(recipient->delivered_to);
    ENDS(recipient->original_to);
}

static bool on_recipient(void *context, const struct mm_store_message *message,
                         const struct mm_store_recipient *recipient)
{
    (void)context;
    ENDS(message->reverse_path);
    ENDS(message->envelope_id);
    check_recipient(recipient);
    return true;
}

static bool on_due(void *context, const struct mm_store_recipient *recipient)
{
    (void)context;
    check_recipient(recipient);
    return true;
}

static bool on_user(void *context, const struct mm_store_user *user)
{
    struct mm_store_user found;

    ENDS(user->name);
    ENDS(user->password);
    answers(mm_store_find_user(context, user->name, &found));
    return true;
}

static bool on_seen(void *context, const struct mm_store_seen *seen)
{
    (void)context;
    ENDS(seen->key);
    return true;
}

static bool on_fetch(void *context, const struct mm_store_fetch *fetch)
{
    (void)context;
    ENDS(fetch->name);
    ENDS(fetch->source);
    ENDS(fetch->result);
    return true;
}

static bool on_kept(void *context, const struct mm_store_message *message,
                    const struct mm_store_kept *kept)
{
    return on_recipient(context, message, &kept->recipient);
}

static bool on_record(void *context, const struct mm_store_record *record)
{
    (void)context;
    ENDS(record->name);
    ENDS(record->key);
    return true;
}

static bool on_rule(void *context, const struct mm_store_rule *rule)
{
    (void)context;
    ENDS(rule->text);
    FUZZ_CHECK((unsigned)rule->list < MM_RULE_LISTS);
    return true;
}

static bool on_sighting(void *context, const struct mm_store_sighting *sighting)
{
    (void)context;
    ENDS(sighting->key);
    return true;
}

static bool was_put(struct mm_span octets)
{
    bool is_known = false;

    for (unsigned i = 0; i < MESSAGES; i++) {
        for (unsigned k = 0; k < CHUNKS; k++) {
            is_known = is_known || (octets.size == base.sizes[i][k] &&
                                    memcmp(octets.data, base.bodies[i][k],
                                           octets.size) == 0);
        }
    }
    return is_known;
}

static void read_box(struct mm_store *store, uint64_t box)
{
    struct mm_store_entry *entries = NULL;
    struct mm_store_deleted deleted[4];
    struct mm_store_secret_key secrets[MM_STORE_SECRETS_MAX];
    struct mm_buf chunk;
    uint64_t numbers[2];
    uint32_t tag;
    size_t count = 0;

    mm_buf_init(&chunk, MM_LIMIT_CHUNK);
    answers(mm_store_mailbox_tag(store, box, &tag));
    answers(mm_store_mailbox_use(store, box, &numbers[0], &numbers[1]));
    if (mm_store_list_secrets(store, box, secrets, &count) == MAILMOD_OK) {
        FUZZ_CHECK(count <= MM_STORE_SECRETS_MAX);
        for (size_t i = 0; i < count; i++) {
            ENDS(secrets[i].label);
        }
    }
    if (mm_store_list_deleted(store, box, 0, deleted, 4, &count) ==
        MAILMOD_OK) {
        FUZZ_CHECK(count <= 4);
    }
    count = 0;
    if (mm_store_list_entries(store, box, &entries, &count) != MAILMOD_OK) {
        count = 0;
    }
    for (size_t i = 0; i < count && i < 8; i++) {
        struct mm_store_message message;
        struct mm_store_entry_detail detail;

        if (mm_store_find_entry(store, box, entries[i].unique_number,
                                &detail) == MAILMOD_OK) {
            ENDS(detail.uidl);
            ENDS(detail.original_recipient);
            ENDS(detail.reverse_path);
            ENDS(detail.delivered_to);
            ENDS(detail.original_to);
        }
        answers(mm_store_find_message(store, entries[i].message_id, &message));
        for (unsigned k = 0; k < 3; k++) {
            if (mm_store_read_chunk(store, entries[i].message_id, k, &chunk) ==
                MAILMOD_OK) {
                FUZZ_CHECK(base.bodies_differ || was_put(mm_buf_span(&chunk)));
            }
        }
    }
    mm_free(entries);
    mm_buf_fini(&chunk);
}

static void read_all(struct mm_store *store)
{
    struct mm_store_destination due[4];
    uint8_t secret[32];
    size_t count;

    for (uint64_t box = 1; box <= 2; box++) {
        read_box(store, box);
    }
    answers(mm_store_each_user(store, on_user, store));
    answers(mm_store_each_recipient(store, 0, on_recipient, NULL));
    if (mm_store_list_destinations(store, "", due, 4, &count) == MAILMOD_OK) {
        FUZZ_CHECK(count <= 4);
        for (size_t i = 0; i < count; i++) {
            ENDS(due[i].name);
            answers(
                mm_store_list_due(store, due[i].name, INT64_MAX, on_due, NULL));
        }
    }
    answers(mm_store_each_seen(store, "far", on_seen, NULL));
    answers(mm_store_each_fetch(store, on_fetch, NULL));
    answers(mm_store_each_kept(store, MAILMOD_KEPT_SENT, 0, on_kept, NULL));
    for (int kind = MM_RECORD_ALIAS; kind <= MM_RECORD_REPLIED; kind++) {
        answers(mm_store_each_record(store, (enum mm_store_record_kind)kind, "",
                                     "", false, on_record, NULL));
    }
    answers(mm_store_each_rule(store, on_rule, NULL));
    answers(mm_store_each_sighting(store, (enum mm_sighting_kind)0, on_sighting,
                                   NULL));
    answers(mm_store_secret(store, secret));
}

static enum mailmod_error write_some(struct mm_store_transaction *t,
                                     unsigned which)
{
    const uint64_t numbers[] = {1, 2};
    size_t count = 0;

    switch (which) {
    case 0:
        return mm_store_remove_entries(t, 1, numbers, 2);
    case 1:
        return mm_store_act(t, 0, MAILMOD_QUEUE_HOLD, NOW_MS, &count);
    case 2:
        return mm_store_reroute(t, "smart.test");
    case 3:
        return mm_store_remove_recipient(t, FIRST_ID + 1, 0);
    case 4:
        return mm_store_sweep_kept(t, MAILMOD_KEPT_SENT, INT64_MAX, 9, &count);
    case 5:
        return mm_store_sweep_deleted(t, INT64_MAX, 9, &count);
    case 6:
        return mm_store_sweep_sightings(t, INT64_MAX, 0, 9, &count);
    case 7:
        return mm_store_remove_user(t, "user1");
    default:
        return mm_store_restore_deleted(t, 2, 1);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct mm_span script = mm_span((const char *)data, size);
    struct mm_buf reason;

    if (base.column_count == 0) {
        make_base();
    }
    uint8_t use = fuzz_octet(&script);
    lay(&script);
    mm_buf_init(&reason, 4096);
    struct mm_store *store = open_store(
        (use & 1) != 0 ? MM_STORE_SHARED : MM_STORE_EXCLUSIVE, &reason);
    if (store != NULL) {
        mm_buf_clear(&reason);
        if ((use & 2) != 0) {
            answers(mm_store_verify(store, &reason));
        }
        read_all(store);
        for (unsigned i = 0; (use & 4) != 0 && i < 9; i++) {
            answers(run(store, write_some, (i + use / 8u) % 9));
        }
        read_box(store, 1);
        mm_store_close(&store);
    }
    mm_buf_fini(&reason);
    return 0;
}
