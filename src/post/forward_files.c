/* forward_files.c - the consumer that runs users' forward files.
 *
 * Owns each batch's work from its taking until it is settled or came back;
 * which texts of files were warned of, in a table of one size. Promises: the
 * mail goes where its files say in the transaction that settles its row, so a
 * kill repeats nothing and loses nothing; a file that leads to a user with a
 * file has that run, too, each once and MM_LIMIT_RESOLVE_DEPTH in all, then the
 * mailbox gets it; what went on from here once, by its Delivered-To, goes on no
 * more; where nothing that a file names takes the mail, the mailbox does. A
 * line that is left out is told once a change, with file and line.
 * Thread: the outbound's first loop; `run` a worker; `put` the writer. RFC 5321
 * 3.9.1; RFC 3461 5.2.7. */
#include "post/forward_files.h"

#include "base/checksum.h"
#include "base/limits.h"
#include "base/mem.h"
#include "config/maildir.h"
#include "mailbox/plus_folder.h"
#include "platform/folder.h"
#include "platform/random.h"
#include "post/consumer_work.h"
#include "post/destination.h"
#include "post/forward_file.h"
#include "post/goal.h"
#include "post/resolve.h"
#include "post/srs.h"
#include "wire/msg/header_edit.h"

#include <stdio.h>
#include <string.h>

enum { WARNED_COUNT = 512, PLACE_MAX = 2 * MM_CONFIG_MAILDIR_MAX + 1 };
/* Rows made here are numbered from a number by chance on, above those that a
 * deposit gives. */
#define FIRST_NUMBER (1u << 31)

struct mm_forward_files {
    struct mm_consumer consumer;
    /* Of texts and places that were warned of; by chance one makes room. */
    atomic_uint_fast64_t warned[WARNED_COUNT];
};

struct goal {
    struct mm_goal to;
    size_t recipient; /* of the batch */
};

/* A user whose file is run, and by which address the mail came. */
struct visit {
    char user[MM_STORE_USER_MAX];
    char path[MM_STORE_REVERSE_PATH_MAX];
};

struct work {
    struct mm_consumer_work base;
    struct mm_buf text; /* of the message, as far as conditions see it */
    struct mm_header_edit edit;
    struct goal *goals;
    size_t goal_count;
    size_t capacity;
    unsigned first_number;

    /* Of the recipient in hand. */
    size_t at;
    size_t first_goal;
    struct visit visits[MM_LIMIT_RESOLVE_DEPTH];
    size_t visit_count;

    /* Of the file in hand. */
    const struct visit *visit;
    char place[PLACE_MAX];
    bool warns;
    bool keeps;            /* the mailbox gets it */
    bool has_failed;       /* somebody that the file names does not */
    struct mm_resolve own; /* the mailbox */
    struct mm_address own_address;
};

enum mailmod_error
mm_forward_files_destination(const struct mm_config *config, const char *user,
                             char text_out[MM_STORE_DESTINATION_MAX])
{
    struct mm_config_maildir file;
    enum mailmod_error error = mm_config_find_forward_file(config, user, &file);

    return error == MAILMOD_OK
               ? mm_destination_local(MM_FORWARD_CONSUMER, user, text_out)
               : error;
}

static void warn(void *context, unsigned line, const char *cause)
{
    const struct work *work = context;

    if (work->warns) {
        MM_LOG(work->base.post->log, MM_LOG_WARNING, "post",
               "forward file: line left out", MM_TEXT("file", work->place),
               MM_NUMBER("line", (int64_t)line), MM_TEXT("cause", cause));
    }
}

/* Of one message, and told each time. */
static void tell(const struct work *work, enum mm_log_level level,
                 const char *what, const char *to, const char *cause)
{
    char id[MM_MESSAGE_ID_TEXT_MAX];

    mm_message_id_format(work->base.message.id, id);
    MM_LOG(work->base.post->log, level, "post", what,
           MM_TEXT("user", work->visit->user), MM_TEXT("message", id),
           MM_TEXT("to", to), MM_TEXT("cause", cause));
}

/* ---- the file ---- */

static enum mailmod_error read_all(struct mm_folder *folder, const char *name,
                                   struct mm_buf *out)
{
    struct mm_file *file = NULL;
    enum mailmod_error error = mm_file_open_in(&file, folder, name);
    size_t used = 1;

    while (error == MAILMOD_OK && used > 0) {
        char octets[4096];

        error = mm_file_read(file, octets, sizeof octets, &used);
        if (error == MAILMOD_OK) {
            error = mm_buf_append(out, octets, used);
        }
    }
    mm_file_close(&file);
    return error;
}

/* No link below the operator's part is followed, and nothing opened but a
 * regular file: the user may write there. */
static enum mailmod_error read_file(const struct mm_config_maildir *place,
                                    struct mm_buf *out)
{
    struct mm_folder *folder = NULL;
    enum mailmod_error error = mm_folder_open(&folder, place->base);
    struct mm_span rest = mm_span_cstr(place->below);
    char name[MM_CONFIG_MAILDIR_MAX];
    struct mm_span one = rest;

    while (error == MAILMOD_OK && mm_span_cut(rest, '/', &one, &rest)) {
        struct mm_folder *next = NULL;

        (void)mm_span_copy(one, name, sizeof name);
        error = mm_folder_open_in(&next, folder, name, false);
        mm_folder_close(&folder);
        folder = next;
    }
    if (error == MAILMOD_OK) {
        (void)mm_span_copy(one, name, sizeof name); /* behind the last slash */
        error = read_all(folder, name, out);
    }
    mm_folder_close(&folder);
    return error;
}

/* True once a change of text or error. */
static bool is_news(const struct work *work, struct mm_span text,
                    enum mailmod_error error)
{
    struct mm_forward_files *files =
        MM_LIST_OBJECT(work->base.consumer, struct mm_forward_files, consumer);
    uint64_t sum = (mm_checksum(text) << 1) ^
                   mm_checksum(mm_span_cstr(work->place)) ^ (uint64_t)-error;

    return atomic_exchange(&files->warned[sum % WARNED_COUNT], sum) != sum;
}

/* The file's text, empty where there is none that can be read. */
static enum mailmod_error load(struct work *work, struct mm_buf *text)
{
    struct mm_config_maildir place;
    enum mailmod_error error = mm_config_find_forward_file(
        work->base.config, work->visit->user, &place);

    if (error != MAILMOD_OK) {
        return MAILMOD_OK; /* the settings have changed: there is none */
    }
    (void)snprintf(work->place, sizeof work->place, "%s/%s",
                   strcmp(place.base, "/") == 0 ? "" : place.base, place.below);
    error = read_file(&place, text);
    if (error == MAILMOD_ERROR_LIMIT) {
        error = MAILMOD_ERROR_TOO_LARGE;
    }
    work->warns = error != MAILMOD_ERROR_NOT_FOUND &&
                  is_news(work, mm_buf_span(text), error);
    if (error == MAILMOD_ERROR_ACCESS || error == MAILMOD_ERROR_TOO_LARGE) {
        warn(work, 0, mm_error_text(error));
    }
    if (error != MAILMOD_OK && error != MAILMOD_ERROR_MEMORY) {
        mm_buf_clear(text);
        error = error == MAILMOD_ERROR_ACCESS ||
                        error == MAILMOD_ERROR_TOO_LARGE ||
                        error == MAILMOD_ERROR_NOT_FOUND
                    ? MAILMOD_OK
                    : error;
    }
    return error;
}

/* ---- where the mail goes ---- */

static bool is_same(const struct mm_goal *a, const struct mm_goal *b)
{
    return a->kind == b->kind && a->mailbox_id == b->mailbox_id &&
           strcmp(a->destination, b->destination) == 0 &&
           (a->kind == MM_TARGET_MAILBOX
                ? strcmp(a->delivered_to, b->delivered_to) == 0
                : mm_cstr_equal_nocase(a->path, b->path));
}

/* The address as its sender wrote it. */
static const char *original_of(const struct work *work)
{
    const struct mm_store_recipient *row = &work->base.recipients[work->at];

    return row->original_to[0] != '\0' ? row->original_to : row->path;
}

static enum mailmod_error add_goal(struct work *work, struct mm_goal goal)
{
    const char *original = original_of(work);

    if (strcmp(goal.path, original) != 0) {
        (void)mm_span_copy(mm_span_cstr(original), goal.original_to,
                           sizeof goal.original_to);
        if (goal.delivered_to[0] == '\0') {
            memcpy(goal.delivered_to, goal.path, sizeof goal.delivered_to);
        }
    }
    /* By which it is known when it comes back. */
    if (goal.kind == MM_TARGET_REMOTE) {
        memcpy(goal.delivered_to, work->visit->path, sizeof goal.delivered_to);
    }
    for (size_t i = work->first_goal; i < work->goal_count; i++) {
        if (is_same(&work->goals[i].to, &goal)) {
            return MAILMOD_OK;
        }
    }
    if (work->goal_count - work->first_goal >= MM_LIMIT_TARGETS) {
        return MAILMOD_ERROR_LIMIT;
    }
    struct goal *goals = mm_array_grow(work->goals, work->goal_count,
                                       &work->capacity, sizeof *goals);
    if (goals == NULL) {
        return MAILMOD_ERROR_MEMORY;
    }
    work->goals = goals;
    goals[work->goal_count++] =
        (struct goal){.to = goal, .recipient = work->at};
    return MAILMOD_OK;
}

static void ask(const struct work *work, struct mm_resolve *resolve,
                const struct mm_address *address, bool is_by_file)
{
    const struct mm_store_recipient *row = &work->base.recipients[work->at];

    *resolve =
        (struct mm_resolve){.post = work->base.post,
                            .config = work->base.config,
                            .address = address,
                            .notify = row->notify,
                            .visibility = row->visibility,
                            .original_recipient = row->original_recipient,
                            .size = work->base.message.size,
                            .is_report = work->base.message.is_report,
                            .is_by_file = is_by_file};
    (void)mm_resolve_ask(resolve); /* no loop: never PENDING */
}

/* The user's mailbox, wherever it lies. */
static enum mailmod_error add_mailbox(struct work *work,
                                      const struct mm_resolve *own)
{
    const struct mm_target *target = &own->targets[0];
    struct mm_goal goal;

    if (target->kind == MM_TARGET_FOR_NOW) {
        return target->error;
    }
    if (target->kind >= MM_TARGET_EXPANDED) {
        work->has_failed = true;
        tell(work, MM_LOG_WARNING, "forward file: the mailbox gets no mail",
             target->path, target->reply != NULL ? target->reply->text : "");
        return MAILMOD_OK;
    }
    mm_goal_of(target, &goal);
    return add_goal(work, goal);
}

/* The mailbox of a user whose file was run before, or is one too many. */
static enum mailmod_error add_other_mailbox(struct work *work, const char *path)
{
    struct mm_address address;
    struct mm_resolve own;

    if (mm_address_parse(mm_span_cstr(path), false, true, &address) !=
        MAILMOD_OK) {
        return MAILMOD_ERROR_NOT_FOUND;
    }
    ask(work, &own, &address, true);
    enum mailmod_error error = add_mailbox(work, &own);
    mm_resolve_cancel(&own);
    return error;
}

/* A user with a file: it is run after this one. */
static enum mailmod_error add_visit(struct work *work,
                                    const struct mm_target *target)
{
    for (size_t i = 0; i < work->visit_count; i++) {
        if (strcmp(work->visits[i].user, target->mailbox_name) == 0) {
            return add_other_mailbox(work, target->path);
        }
    }
    if (work->visit_count == MM_LIMIT_RESOLVE_DEPTH) {
        return add_other_mailbox(work, target->path);
    }
    struct visit *visit = &work->visits[work->visit_count++];
    (void)mm_span_copy(mm_span_cstr(target->mailbox_name), visit->user,
                       sizeof visit->user);
    (void)mm_span_copy(mm_span_cstr(target->path), visit->path,
                       sizeof visit->path);
    return MAILMOD_OK;
}

static bool is_by_file(const struct mm_target *target)
{
    return target->kind == MM_TARGET_LOCAL && target->mailbox_name != NULL &&
           mm_span_starts_nocase(mm_span_cstr(target->destination),
                                 MM_FORWARD_CONSUMER ":");
}

static enum mailmod_error add_target(struct work *work,
                                     const struct mm_target *target)
{
    struct mm_goal goal;

    switch (target->kind) {
    case MM_TARGET_EXPANDED:
    case MM_TARGET_REPLY:
        return MAILMOD_OK;
    case MM_TARGET_FOR_NOW:
        return target->error;
    case MM_TARGET_FAILED:
    case MM_TARGET_REFUSED:
        work->has_failed = true;
        tell(work, MM_LOG_WARNING, "forward file: an address gets no mail",
             target->path, target->reply->text);
        return MAILMOD_OK;
    default:
        break;
    }
    if (is_by_file(target)) {
        return add_visit(work, target);
    }
    mm_goal_of(target, &goal);
    return add_goal(work, goal);
}

static enum mailmod_error send_to(struct work *work, struct mm_span text)
{
    struct mm_address address;
    struct mm_resolve resolve;
    enum mailmod_error error = mm_address_parse(text, false, true, &address);

    if (error == MAILMOD_OK &&
        mm_header_was_delivered_to(&work->edit, work->visit->path)) {
        work->has_failed = true;
        tell(work, MM_LOG_WARNING, "forward file: it was sent on before",
             address.text, "the message goes in a circle");
        return MAILMOD_OK;
    }
    if (error != MAILMOD_OK) {
        return error;
    }
    ask(work, &resolve, &address, false);
    for (size_t i = 0; error == MAILMOD_OK && i < resolve.target_count; i++) {
        error = add_target(work, &resolve.targets[i]);
    }
    mm_resolve_cancel(&resolve);
    return error;
}

static enum mailmod_error put_in_folder(struct work *work,
                                        struct mm_span folder)
{
    const struct mm_target *target = &work->own.targets[0];
    char separator = work->base.config->local.plus_separator[0];
    struct mm_goal goal;
    char address[MM_STORE_REVERSE_PATH_MAX];
    enum mailmod_error error = MAILMOD_ERROR_STATE;

    if (target->kind == MM_TARGET_MAILBOX && separator != '\0') {
        error = mm_plus_folder_address(target->mailbox_name, target->path,
                                       separator, folder, address);
    }
    if (error != MAILMOD_OK) {
        work->has_failed = true;
        tell(work, MM_LOG_WARNING, "forward file: there is no folder",
             work->visit->path,
             "a mailbox of the store has some, by local.plus_separator");
        return MAILMOD_OK;
    }
    mm_goal_of(target, &goal);
    memcpy(goal.delivered_to, address, sizeof goal.delivered_to);
    if (goal.original_to[0] == '\0') {
        (void)mm_span_copy(mm_span_cstr(original_of(work)), goal.original_to,
                           sizeof goal.original_to);
    }
    return add_goal(work, goal);
}

static enum mailmod_error on_act(void *context, enum mm_forward_act act,
                                 struct mm_span text)
{
    struct work *work = context;

    switch (act) {
    case MM_FORWARD_REMOVE:
        work->keeps = false;
        return MAILMOD_OK;
    case MM_FORWARD_TO:
        return send_to(work, text);
    default:
        return put_in_folder(work, text);
    }
}

/* ---- one file ---- */

static enum mailmod_error run_text(struct work *work, struct mm_span file)
{
    const struct mm_forward_message message = {.text = mm_buf_span(&work->text),
                                               .size = work->base.message.size,
                                               .act = on_act,
                                               .warn = warn,
                                               .context = work};
    size_t goals = work->goal_count;
    size_t visits = work->visit_count;
    enum mailmod_error error = mm_forward_file_run(file, &message);

    if (error == MAILMOD_OK && !work->keeps && goals == work->goal_count &&
        visits == work->visit_count) {
        if (work->has_failed) {
            work->keeps = true;
        } else {
            tell(work, MM_LOG_INFO, "forward file: message removed",
                 work->visit->path, "");
        }
    }
    return error;
}

static enum mailmod_error visit_user(struct work *work)
{
    struct mm_buf file;

    if (mm_address_parse(mm_span_cstr(work->visit->path), false, true,
                         &work->own_address) != MAILMOD_OK) {
        return MAILMOD_ERROR_NOT_FOUND;
    }
    work->keeps = true;
    work->has_failed = false;
    mm_buf_init(&file, MM_LIMIT_FORWARD_FILE);
    ask(work, &work->own, &work->own_address, true);
    enum mailmod_error error = load(work, &file);
    if (error == MAILMOD_OK) {
        error = run_text(work, mm_buf_span(&file));
    }
    if (error == MAILMOD_OK && work->keeps) {
        error = add_mailbox(work, &work->own);
    }
    mm_resolve_cancel(&work->own);
    mm_buf_fini(&file);
    return error;
}

/* Nobody gets it because the mailbox does not: as it would be at RCPT. */
static void refuse(struct work *work)
{
    struct mq_outcome *outcome = &work->base.outcomes[work->at];
    struct mm_address address;
    struct mm_resolve own;

    if (mm_address_parse(mm_span_cstr(work->base.recipients[work->at].path),
                         false, true, &address) != MAILMOD_OK) {
        mm_consumption_set(outcome, MAILMOD_ERROR_NOT_FOUND, "5.1.3",
                           "this is no address");
        return;
    }
    ask(work, &own, &address, true);
    if (own.targets[0].kind == MM_TARGET_REFUSED) {
        mm_consumption_set(outcome, MAILMOD_ERROR_REFUSED,
                           own.targets[0].reply->enhanced,
                           own.targets[0].reply->text);
    }
    mm_resolve_cancel(&own);
}

/* Reports of success are this system's where there are several. */
static void finish(struct work *work)
{
    size_t count = work->goal_count - work->first_goal;
    struct mm_goal *first = &work->goals[work->first_goal].to;

    work->base.outcomes[work->at].relayed_dsn =
        count == 1 && first->kind != MM_TARGET_MAILBOX;
    for (size_t i = work->first_goal; count > 1 && i < work->goal_count; i++) {
        unsigned *notify = &work->goals[i].to.notify;

        *notify &= ~(unsigned)MM_DSN_NOTIFY_SUCCESS;
        *notify = *notify == 0 ? MM_DSN_NOTIFY_NEVER : *notify;
    }
}

static void run_recipient(struct work *work)
{
    enum mailmod_error error = MAILMOD_OK;
    struct mq_outcome *outcome = &work->base.outcomes[work->at];
    bool is_refused = false;

    work->first_goal = work->goal_count;
    work->visit_count = 1;
    (void)mm_span_copy(mm_span_cstr(work->base.rest), work->visits[0].user,
                       sizeof work->visits[0].user);
    memcpy(work->visits[0].path, work->base.recipients[work->at].path,
           sizeof work->visits[0].path);
    for (size_t i = 0; error == MAILMOD_OK && i < work->visit_count; i++) {
        work->visit = &work->visits[i];
        error = visit_user(work);
        is_refused = is_refused || work->has_failed;
    }
    if (error != MAILMOD_OK) {
        work->goal_count = work->first_goal;
        mm_consumption_set(outcome, error,
                           error == MAILMOD_ERROR_NOT_FOUND ? "5.1.1" : "4.3.0",
                           mm_error_text(error));
    } else if (work->goal_count > work->first_goal) {
        finish(work);
    } else if (is_refused) {
        refuse(work);
    }
}

/* ---- the batch; thread: worker ---- */

static enum mailmod_error read_text(struct work *work)
{
    enum mailmod_error error = MAILMOD_OK;
    struct mm_buf chunk;

    mm_buf_init(&chunk, MM_LIMIT_CHUNK);
    for (unsigned i = 0; error == MAILMOD_OK &&
                         mm_buf_size(&work->text) < MM_LIMIT_FORWARD_TEXT;
         i++) {
        error = mm_store_read_chunk(work->base.post->store,
                                    work->base.message.id, i, &chunk);
        struct mm_span span = mm_buf_span(&chunk);
        size_t room = MM_LIMIT_FORWARD_TEXT - mm_buf_size(&work->text);
        if (error == MAILMOD_OK) {
            error = mm_buf_append_span(
                &work->text,
                mm_span(span.data, span.size < room ? span.size : room));
        }
    }
    mm_buf_fini(&chunk);
    error = error == MAILMOD_ERROR_NOT_FOUND ? MAILMOD_OK : error;
    struct mm_span rest = mm_buf_span(&work->text);
    mm_header_edit_init(&work->edit, 0);
    while (error == MAILMOD_OK && rest.size > 0 && !work->edit.is_done) {
        size_t used = 0;

        (void)mm_header_edit_next(&work->edit, rest, &used);
        rest = mm_span_from(rest, used);
    }
    return error;
}

static void run(struct mm_consumer_work *base)
{
    struct work *work = MM_LIST_OBJECT(base, struct work, base);
    enum mailmod_error error = read_text(work);

    if (error == MAILMOD_OK) {
        error = mm_random(&work->first_number, sizeof work->first_number);
        work->first_number |= FIRST_NUMBER;
    }
    if (error != MAILMOD_OK) {
        mm_consumer_work_set_all(base, error, "4.3.0", mm_error_text(error));
        return;
    }
    for (work->at = 0; work->at < base->count; work->at++) {
        run_recipient(work);
    }
}

/* ---- on the writer ---- */

static enum mailmod_error put_row(const struct work *work, size_t index,
                                  struct mm_store_transaction *t)
{
    const struct goal *goal = &work->goals[index];
    const struct mm_store_recipient *from =
        &work->base.recipients[goal->recipient];
    const struct mm_config *config = work->base.config;
    struct mm_store_recipient row = {
        .message_id = from->message_id,
        .number = (work->first_number + (unsigned)index) | FIRST_NUMBER,
        .next_attempt_ms = from->next_attempt_ms,
        .expires_ms =
            from->next_attempt_ms + (int64_t)config->queue.lifetime_ms,
        .notify = goal->to.notify};

    memcpy(row.original_recipient, from->original_recipient,
           sizeof row.original_recipient);
    mm_goal_address(&goal->to, &row);
    enum mailmod_error error = MAILMOD_ERROR_NOT_FOUND;
    if (goal->to.kind == MM_TARGET_REMOTE &&
        config->local.srs_domain[0] != '\0') {
        error = mm_srs_forward(work->base.post->store, config,
                               work->base.message.reverse_path,
                               work->base.message.arrival_ms, row.reverse_path);
    }
    row.has_reverse_path = error == MAILMOD_OK;
    return error == MAILMOD_OK || error == MAILMOD_ERROR_NOT_FOUND
               ? mm_store_put_recipient(t, &row)
               : error;
}

/* The recipient of the goal at `*index` and of those behind it has it when one
 * of them has. */
static enum mailmod_error put_goals(const struct work *work, size_t *index,
                                    struct mq_outcome *outcome,
                                    struct mm_store_transaction *t)
{
    size_t recipient = work->goals[*index].recipient;
    enum mailmod_error lost = MAILMOD_OK;
    bool has_it = false;

    for (; *index < work->goal_count &&
           work->goals[*index].recipient == recipient;
         ++*index) {
        const struct mm_goal *goal = &work->goals[*index].to;
        enum mailmod_error error =
            goal->kind == MM_TARGET_MAILBOX
                ? mm_goal_enter(goal, &work->base.message, t)
                : put_row(work, *index, t);

        if (error == MAILMOD_OK) {
            has_it = true;
        } else if (error == MAILMOD_ERROR_LIMIT ||
                   error == MAILMOD_ERROR_NOT_FOUND) {
            lost = error;
        } else {
            return error;
        }
    }
    *outcome = (struct mq_outcome){
        .verdict = MQ_DELIVERED,
        .relayed_dsn = work->base.outcomes[recipient].relayed_dsn};
    if (!has_it) {
        bool is_full = lost == MAILMOD_ERROR_LIMIT;
        mm_consumption_set(outcome, lost, is_full ? "5.2.2" : "5.1.1",
                           is_full ? "the mailbox is full"
                                   : "the mailbox was removed");
    }
    return MAILMOD_OK;
}

static enum mailmod_error put(struct mm_consumption *consumption,
                              struct mm_store_transaction *t)
{
    const struct work *work =
        MM_LIST_OBJECT(consumption->context, const struct work, base);
    enum mailmod_error error = MAILMOD_OK;
    size_t index = 0;

    while (error == MAILMOD_OK && index < work->goal_count) {
        error =
            put_goals(work, &index,
                      &consumption->outcomes[work->goals[index].recipient], t);
    }
    return error;
}

/* ---- on the loop ---- */

static bool begin_work(struct mm_consumer_work *base)
{
    mm_buf_init(&MM_LIST_OBJECT(base, struct work, base)->text,
                MM_LIMIT_FORWARD_TEXT);
    return true;
}

static void end_work(struct mm_consumer_work *base)
{
    struct work *work = MM_LIST_OBJECT(base, struct work, base);

    mm_buf_fini(&work->text);
    mm_free(work->goals);
}

static const struct mm_consumer_verbs verbs = {.size = sizeof(struct work),
                                               .begin = begin_work,
                                               .run = run,
                                               .no_room =
                                                   mm_consumer_work_too_busy,
                                               .put = put,
                                               .end = end_work};

enum mailmod_error mm_forward_files_new(struct mm_forward_files **files_out,
                                        struct mm_post *post)
{
    struct mm_forward_files *files = mm_alloc(sizeof *files);

    *files_out = files;
    if (files == NULL) {
        return MAILMOD_ERROR_MEMORY;
    }
    files->consumer = mm_consumer_of_work(MM_FORWARD_CONSUMER, post, &verbs);
    return mm_consumer_register(post, &files->consumer);
}
