/* maillist_digest.c - posts of a list that go out together.
 *
 * A copy that a list passes on has, while the list makes digests, a row
 * "maillist-digest:list" beside that for the members. It comes up within an
 * hour (the queue takes times further off for a clock's mistake) and is put off
 * until its period is over, or enough waits. Then the oldest one's becomes
 * the digest of all that wait, in the transaction that settles it: the others'
 * rows go in the same one, so a kill repeats no post and loses none. What has
 * no room makes the next digest. Promises: a digest is bounded by
 * MM_LIMIT_DIGEST_POSTS and the list's size; a post larger than that is named
 * in it, without its text.
 * Thread: the outbound's first loop; `run` a worker; `put` the writer.
 * RFC 2046 5.1.5 (multipart/digest); RFC 1153 is its older form. */
#include "base/datetime.h"
#include "base/limits.h"
#include "base/mem.h"
#include "platform/clock.h"
#include "platform/random.h"
#include "post/consumer_work.h"
#include "post/deposit.h"
#include "post/destination.h"
#include "post/maillist_text.h"
#include "wire/msg/field.h"

#include <stdio.h>
#include <string.h>

#define WAITS "waits for the digest"
/* Of a digest's row, beside that for the members. */
#define DIGEST_NUMBER (1u << 26)
#define HOUR_MS (INT64_C(3600) * 1000)
/* A row comes up again after so long at most: below MM_LIMIT_ASKED_WAIT_MS. */
#define LOOK_AGAIN_MS (HOUR_MS - 10 * MINUTE_MS)
#define MINUTE_MS (INT64_C(60) * 1000)
enum { FIELD_MAX = 200 };

struct work {
    struct mm_consumer_work base;
    struct mm_maillist list;
    struct mm_maillist_waiting waiting;
    size_t taken; /* of them, from the first on */
    bool makes;
    bool waits; /* it is too early, or an older post makes it */
    int64_t now_ms;
    char mark[24]; /* by chance: of boundaries, and of the Message-ID */
    struct mm_buf index;
    struct mm_buf parts;
};

/* ---- what waits ---- */

static bool on_waiting(void *context, const struct mm_store_recipient *row)
{
    struct mm_maillist_waiting *out = context;

    out->posts[out->count].message_id = row->message_id;
    out->posts[out->count++].number = row->number;
    return out->count < MM_LIMIT_DIGEST_POSTS;
}

/* Messages' identifiers rise with time. */
static void sort(struct mm_maillist_waiting *out)
{
    for (size_t i = 1; i < out->count; i++) {
        for (size_t j = i;
             j > 0 && out->posts[j].message_id < out->posts[j - 1].message_id;
             j--) {
            uint64_t id = out->posts[j].message_id;
            unsigned number = out->posts[j].number;

            out->posts[j] = out->posts[j - 1];
            out->posts[j - 1].message_id = id;
            out->posts[j - 1].number = number;
        }
    }
}

enum mailmod_error mm_maillist_read_waiting(struct mm_store *store,
                                            const struct mm_maillist *list,
                                            struct mm_maillist_waiting *out)
{
    char destination[MM_STORE_DESTINATION_MAX];
    enum mailmod_error error =
        mm_destination_local(MM_MAILLIST_DIGEST, list->name, destination);

    out->count = 0;
    out->octets = 0;
    if (error == MAILMOD_OK) {
        error =
            mm_store_list_due(store, destination, INT64_MAX, on_waiting, out);
    }
    sort(out);
    for (size_t i = 0; error == MAILMOD_OK && i < out->count; i++) {
        struct mm_store_message message;
        enum mailmod_error found =
            mm_store_find_message(store, out->posts[i].message_id, &message);

        out->octets += found == MAILMOD_OK ? message.size : 0;
        error = found == MAILMOD_ERROR_NOT_FOUND ? MAILMOD_OK : found;
    }
    return error;
}

static uint64_t limit_of(const struct mm_maillist *list)
{
    uint64_t kib =
        list->digest_kib > 0 ? list->digest_kib : MM_MAILLIST_DIGEST_KIB;

    return kib * 1024;
}

/* The end of the period that the post came in, counted from 1970, UTC. */
static int64_t due_of(const struct mm_maillist *list, int64_t arrival_ms)
{
    int64_t period_ms = (int64_t)list->digest_hours * HOUR_MS;

    return period_ms > 0 ? (arrival_ms / period_ms + 1) * period_ms
                         : arrival_ms;
}

static bool is_enough_of(const struct mm_maillist *list, size_t count,
                         uint64_t octets)
{
    return count >= MM_LIMIT_DIGEST_POSTS || octets >= limit_of(list);
}

/* One that is due already waits for an older one's digest. */
static int64_t next_look(int64_t due_ms, int64_t now_ms)
{
    int64_t wait_ms = due_ms > now_ms ? due_ms - now_ms : MINUTE_MS;

    return now_ms + (wait_ms < LOOK_AGAIN_MS ? wait_ms : LOOK_AGAIN_MS);
}

enum mailmod_error mm_maillist_put_waiting(
    struct mm_store_transaction *transaction, const struct mm_config *config,
    const struct mm_maillist *list, const struct mm_maillist_waiting *others,
    uint64_t message_id, uint64_t octets, int64_t now_ms)
{
    int64_t due_ms = due_of(list, now_ms);
    bool is_enough =
        is_enough_of(list, others->count + 1, others->octets + octets);
    struct mm_store_recipient row = {
        .message_id = message_id,
        .number = DIGEST_NUMBER,
        .next_attempt_ms = is_enough ? now_ms : next_look(due_ms, now_ms),
        .notify = MM_DSN_NOTIFY_NEVER};
    enum mailmod_error error =
        mm_destination_local(MM_MAILLIST_DIGEST, list->name, row.destination);

    row.expires_ms = due_ms + (int64_t)config->queue.lifetime_ms;
    (void)mm_span_copy(mm_span_cstr(list->name), row.path, sizeof row.path);
    (void)snprintf(row.last_reply, sizeof row.last_reply, "%s", WAITS);
    if (error == MAILMOD_OK) {
        error = mm_store_put_recipient(transaction, &row);
    }
    for (size_t i = 0; error == MAILMOD_OK && is_enough && i < others->count;
         i++) {
        size_t count = 0;

        error = mm_store_act_on_one(transaction, others->posts[i].message_id,
                                    others->posts[i].number,
                                    MAILMOD_QUEUE_FLUSH, now_ms, &count);
        error = error == MAILMOD_ERROR_NOT_FOUND ? MAILMOD_OK : error;
    }
    return error;
}

/* ---- the text ---- */

/* Fields that a digest keeps of a post (RFC 1153 4, and those of MIME). */
static bool is_kept(struct mm_span field)
{
    static const char *const names[] = {
        "From",         "To",          "Cc",         "Subject",     "Date",
        "Message-ID",   "In-Reply-To", "References", "Reply-To",    "Sender",
        "MIME-Version", "Keywords",    "Summary",    "Organization"};

    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (mm_header_is(field, names[i])) {
            return true;
        }
    }
    return mm_span_starts_nocase(field, "Content-");
}

/* On one line, and not without end. */
static void write_line(struct mm_buf *out, const char *before,
                       struct mm_span value)
{
    value = mm_header_trim(value);
    (void)mm_buf_append_cstr(out, before);
    for (size_t i = 0; i < value.size && i < FIELD_MAX; i++) {
        char c = value.data[i];

        if (c != '\r' && c != '\n') {
            (void)mm_buf_append_char(out, c);
        }
    }
    (void)mm_buf_append_cstr(out, "\r\n");
}

/* The post's header, in the part and in the index; what follows it is the body.
 */
static struct mm_span write_header(struct work *work, struct mm_span text)
{
    struct mm_span rest = text;
    struct mm_span field;

    (void)mm_buf_appendf(&work->parts, "--=_posts-%s\r\n\r\n", work->mark);
    (void)mm_buf_appendf(&work->index, "%zu.", work->taken + 1);
    while (mm_header_next(&rest, &field)) {
        if (is_kept(field)) {
            (void)mm_buf_append_span(&work->parts, field);
        }
        if (mm_header_is(field, "Subject")) {
            write_line(&work->index, "  ", mm_header_value(field));
        } else if (mm_header_is(field, "From")) {
            write_line(&work->index, "  ", mm_header_value(field));
        }
    }
    (void)mm_buf_append_cstr(&work->index, "\r\n");
    return rest;
}

static enum mailmod_error write_body(struct work *work, uint64_t message_id,
                                     struct mm_span rest, struct mm_buf *chunk)
{
    enum mailmod_error error = mm_buf_append_span(&work->parts, rest);

    for (unsigned i = 1; error == MAILMOD_OK; i++) {
        error =
            mm_store_read_chunk(work->base.post->store, message_id, i, chunk);
        if (error == MAILMOD_OK) {
            error = mm_buf_append_span(&work->parts, mm_buf_span(chunk));
        }
    }
    return error == MAILMOD_ERROR_NOT_FOUND ? MAILMOD_OK : error;
}

/* A part of multipart/digest is a message without a word of its type. */
static enum mailmod_error write_post(struct work *work, uint64_t message_id,
                                     uint64_t size)
{
    struct mm_buf chunk;

    mm_buf_init(&chunk, MM_LIMIT_CHUNK);
    enum mailmod_error error =
        mm_store_read_chunk(work->base.post->store, message_id, 0, &chunk);
    if (error == MAILMOD_OK) {
        struct mm_span rest = write_header(work, mm_buf_span(&chunk));

        if (size > MM_LIMIT_DIGEST) {
            (void)mm_buf_appendf(&work->parts,
                                 "\r\n[%llu octets: too large for a digest]",
                                 (unsigned long long)size);
        } else {
            error = write_body(work, message_id, rest, &chunk);
        }
        (void)mm_buf_append_cstr(&work->parts, "\r\n");
    }
    mm_buf_fini(&chunk);
    return error == MAILMOD_OK ? mm_buf_error(&work->parts) : error;
}

static enum mailmod_error write_parts(struct work *work)
{
    enum mailmod_error error = MAILMOD_OK;
    uint64_t octets = 0;

    while (error == MAILMOD_OK && work->taken < work->waiting.count) {
        uint64_t id = work->waiting.posts[work->taken].message_id;
        struct mm_store_message message;

        error = mm_store_find_message(work->base.post->store, id, &message);
        if (error == MAILMOD_OK) {
            octets += message.size > MM_LIMIT_DIGEST ? 0 : message.size;
            if (work->taken > 0 && octets > MM_LIMIT_DIGEST) {
                break;
            }
            error = write_post(work, id, message.size);
        }
        /* An operator may have removed it meanwhile. */
        error = error == MAILMOD_ERROR_NOT_FOUND ? MAILMOD_OK : error;
        work->taken++;
    }
    (void)mm_buf_appendf(&work->parts, "--=_posts-%s--\r\n", work->mark);
    return error == MAILMOD_OK ? mm_buf_error(&work->parts) : error;
}

static void write_top(const struct work *work, struct mm_buf *out)
{
    const struct mm_maillist *list = &work->list;
    bool has_8bit = mm_span_has_8bit(mm_buf_span(&work->parts)) ||
                    mm_span_has_8bit(mm_buf_span(&work->index));
    const char *encoding = has_8bit ? "8bit" : "7bit";

    mm_maillist_write_fields(out, list);
    (void)mm_buf_appendf(out,
                         "From: <%s>\r\nTo: <%s>\r\nSubject: Digest of %s: %zu "
                         "message%s\r\nDate: ",
                         list->name, list->name, list->name, work->taken,
                         work->taken == 1 ? "" : "s");
    mm_datetime_rfc5322(out, work->now_ms);
    (void)mm_buf_appendf(
        out,
        "\r\nMessage-ID: <digest-%s%s>\r\nMIME-Version: 1.0\r\n"
        "Content-Type: multipart/mixed; boundary=\"=_digest-%s\"\r\n"
        "Content-Transfer-Encoding: %s\r\n\r\n--=_digest-%s\r\n"
        "Content-Type: text/plain; charset=utf-8\r\n"
        "Content-Transfer-Encoding: %s\r\n\r\n",
        work->mark, strrchr(list->name, '@'), work->mark, encoding, work->mark,
        encoding);
    (void)mm_buf_append_span(out, mm_buf_span(&work->index));
    (void)mm_buf_appendf(
        out,
        "\r\n--=_digest-%s\r\nContent-Type: multipart/digest; "
        "boundary=\"=_posts-%s\"\r\nContent-Transfer-Encoding: %s\r\n\r\n",
        work->mark, work->mark, encoding);
}

/* ---- on the worker ---- */

static enum mailmod_error make_mark(struct work *work)
{
    uint64_t number = 0;
    enum mailmod_error error = mm_random(&number, sizeof number);

    (void)snprintf(work->mark, sizeof work->mark, "%016llx",
                   (unsigned long long)number);
    return error;
}

/* Of the oldest post, whose row makes the digest; the others' wait for it. */
static bool is_time(const struct work *work)
{
    const struct mm_maillist_waiting *waiting = &work->waiting;

    return waiting->count > 0 &&
           waiting->posts[0].message_id == work->base.message.id &&
           (work->now_ms >=
                due_of(&work->list, work->base.message.arrival_ms) ||
            is_enough_of(&work->list, waiting->count, waiting->octets));
}

static enum mailmod_error decide(struct work *work)
{
    enum mailmod_error error =
        mm_maillist_find(work->base.post->store, work->base.rest, &work->list);

    if (error == MAILMOD_OK) {
        error = mm_maillist_read_waiting(work->base.post->store, &work->list,
                                         &work->waiting);
    }
    if (error != MAILMOD_OK) {
        return error;
    }
    work->makes = is_time(work);
    work->waits = !work->makes;
    if (work->waits) {
        mm_consumer_work_set_all(&work->base, MAILMOD_ERROR_BUSY, "4.3.0",
                                 WAITS);
    }
    error = work->makes ? make_mark(work) : MAILMOD_OK;
    return error == MAILMOD_OK && work->makes ? write_parts(work) : error;
}

static void run(struct mm_consumer_work *base)
{
    struct work *work = MM_LIST_OBJECT(base, struct work, base);
    enum mailmod_error error = decide(work);

    if (error != MAILMOD_OK) {
        work->makes = false;
        work->waits = false;
        mm_consumer_work_set_all(
            base, error, error == MAILMOD_ERROR_NOT_FOUND ? "5.1.1" : "4.3.0",
            mm_error_text(error));
    }
}

/* ---- on the writer ---- */

static enum mailmod_error write_text(const struct work *work,
                                     struct mm_deposit *deposit)
{
    struct mm_buf top;
    struct mm_buf end;
    size_t used = 0;

    mm_buf_init(&top,
                MM_LIMIT_CHUNK + (size_t)MM_LIMIT_DIGEST_POSTS * 3 * FIELD_MAX);
    mm_buf_init(&end, 64);
    write_top(work, &top);
    (void)mm_buf_appendf(&end, "\r\n--=_digest-%s--\r\n", work->mark);
    const struct mm_span parts[] = {
        mm_buf_span(&top), mm_buf_span(&work->parts), mm_buf_span(&end)};
    enum mailmod_error error = mm_buf_error(&top);
    bool has_8bit = false;
    for (size_t i = 0; error == MAILMOD_OK && i < 3; i++) {
        has_8bit = has_8bit || mm_span_has_8bit(parts[i]);
        error = mm_deposit_write(deposit, parts[i], &used);
    }
    if (error == MAILMOD_OK) {
        error = mm_deposit_put(deposit, has_8bit);
    }
    mm_buf_fini(&top);
    mm_buf_fini(&end);
    return error;
}

static enum mailmod_error put_digest(const struct work *work,
                                     struct mm_store_transaction *t)
{
    char bounces[MM_STORE_REVERSE_PATH_MAX];
    char destination[MM_STORE_DESTINATION_MAX];
    const struct mm_deposit_options options = {.post = work->base.post,
                                               .config = work->base.config};
    const struct mm_envelope envelope = {.reverse_path = bounces,
                                         .arrival_ms = work->now_ms,
                                         .session = "maillist",
                                         .user = work->list.name};
    const struct mm_target target = {.kind = MM_TARGET_LOCAL,
                                     .path = work->list.name,
                                     .destination = destination,
                                     .notify = MM_DSN_NOTIFY_NEVER};
    struct mm_deposit *deposit = NULL;
    enum mailmod_error error =
        mm_maillist_write(&work->list, "bounces", NULL, bounces);

    if (error == MAILMOD_OK) {
        error = mm_destination_local(MM_MAILLIST_DIGEST_SEND, work->list.name,
                                     destination);
    }
    if (error == MAILMOD_OK) {
        error = mm_deposit_new(&deposit, &options, &envelope);
    }
    if (error != MAILMOD_OK) {
        return error;
    }
    mm_deposit_join(deposit, t);
    error = mm_deposit_add(deposit, &target);
    if (error == MAILMOD_OK) {
        error = write_text(work, deposit);
    }
    mm_deposit_abandon(&deposit);
    return error;
}

/* The row comes up at a time of ours, and not by the queue's steps, which leave
 * a time alone that was changed meanwhile. */
static enum mailmod_error put_off(const struct work *work,
                                  struct mm_store_transaction *t)
{
    const struct mm_store_recipient *row = &work->base.recipients[0];
    int64_t due_ms = due_of(&work->list, work->base.message.arrival_ms);
    size_t count = 0;
    enum mailmod_error error = mm_store_act_on_one(
        t, row->message_id, row->number, MAILMOD_QUEUE_FLUSH,
        next_look(due_ms, work->now_ms), &count);

    return error == MAILMOD_ERROR_NOT_FOUND ? MAILMOD_OK : error;
}

static enum mailmod_error put(struct mm_consumption *consumption,
                              struct mm_store_transaction *t)
{
    const struct work *work =
        MM_LIST_OBJECT(consumption->context, const struct work, base);
    enum mailmod_error error = work->makes   ? put_digest(work, t)
                               : work->waits ? put_off(work, t)
                                             : MAILMOD_OK;

    /* What had no room comes up at once. */
    for (size_t i = 1;
         error == MAILMOD_OK && work->makes && i < work->waiting.count; i++) {
        size_t count = 0;

        error = mm_store_act_on_one(
            t, work->waiting.posts[i].message_id, work->waiting.posts[i].number,
            i < work->taken ? MAILMOD_QUEUE_DELETE : MAILMOD_QUEUE_FLUSH,
            work->now_ms, &count);
        error = error == MAILMOD_ERROR_NOT_FOUND ? MAILMOD_OK : error;
    }
    return error;
}

static void settled(struct mm_consumer_work *base)
{
    const struct work *work = MM_LIST_OBJECT(base, struct work, base);

    if (work->makes) {
        MM_LOG(base->post->log, MM_LOG_INFO, "maillist", "digest made",
               MM_TEXT("list", work->list.name),
               MM_NUMBER("posts", (int64_t)work->taken));
    }
}

/* ---- on the loop ---- */

static bool begin_work(struct mm_consumer_work *base)
{
    struct work *work = MM_LIST_OBJECT(base, struct work, base);

    work->now_ms = mm_clock_wall_ms();
    mm_buf_init(&work->index, (size_t)MM_LIMIT_DIGEST_POSTS * 3 * FIELD_MAX);
    /* One post more than the bound may be the first; headers stay. */
    mm_buf_init(&work->parts, 4 * (size_t)MM_LIMIT_DIGEST);
    return true;
}

static void end_work(struct mm_consumer_work *base)
{
    struct work *work = MM_LIST_OBJECT(base, struct work, base);

    mm_buf_fini(&work->index);
    mm_buf_fini(&work->parts);
}

static const struct mm_consumer_verbs verbs = {.size = sizeof(struct work),
                                               .begin = begin_work,
                                               .run = run,
                                               .put = put,
                                               .settled = settled,
                                               .end = end_work};

void mm_maillist_digest_consumer(struct mm_consumer *consumer,
                                 struct mm_post *post)
{
    *consumer = mm_consumer_of_work(MM_MAILLIST_DIGEST, post, &verbs);
    consumer->is_silent = true;
}
