/* queue_find.c - the queue by domain, address, state and age: listed, summed up
 * by destination, acted on.
 *
 * Owns nothing. Promises: who waits although the time has come is told why, and
 * when it is tried next: behind a destination that is backed off, whose last
 * failed attempt left both in the store, or because queue.holds is set. An act
 * on many is one durable step after the other, each of ACT_MAX recipients, so
 * that other mail goes on meanwhile.
 * Thread: any but a loop's; as long as the queue is. */
#include "api/instance.h"
#include "api/sized.h"

#include "base/map.h"
#include "base/mem.h"
#include "platform/clock.h"

#include <stdlib.h>
#include <string.h>

#define ACT_MAX 256
#define DESTINATIONS_MAX 1000000

/* A filter as it is compared. */
struct filter {
    struct mailmod_queue_filter given;
    uint64_t message_id;
    char domain[MM_STORE_DESTINATION_MAX];
    int64_t now_ms;
};

/* What is known of a destination. */
struct place {
    struct mailmod_queue_destination sum;
    bool is_known; /* what follows was looked up */
    int64_t retry_ms;
    char name[MM_STORE_DESTINATION_MAX];
    char reply[512];
};

struct finding {
    struct filter filter;
    struct mm_store *store;
    bool holds; /* queue.holds */
    struct mm_map places;
    enum mailmod_error error;
    mailmod_on_queue_entry on_entry;
    mailmod_on_queue_destination on_destination;
    void *context;
    size_t count;
    /* Of an act: where the next step begins, and whom it has. */
    struct mm_store_job job;
    enum mailmod_queue_action action;
    struct {
        uint64_t message_id;
        unsigned number;
    } chosen[ACT_MAX];
    size_t chosen_count;
    size_t acted; /* in the step at work */
};

static enum mailmod_error take_filter(struct filter *filter,
                                      const struct mailmod_queue_filter *given)
{
    memset(filter, 0, sizeof *filter);
    filter->now_ms = mm_clock_wall_ms();
    if (given == NULL) {
        return MAILMOD_OK;
    }
    enum mailmod_error error =
        mm_sized_take(&filter->given, sizeof filter->given, given,
                      MM_QUEUE_FILTER_SIZE_1, "filter");
    if (error != MAILMOD_OK) {
        return error;
    }
    if ((unsigned)filter->given.state > MAILMOD_QUEUE_HELD) {
        return mm_fail(MAILMOD_ERROR_ARGUMENT, "no such state");
    }
    if (filter->given.message != NULL &&
        !mm_message_id_parse(mm_span_cstr(filter->given.message),
                             &filter->message_id)) {
        return mm_fail(MAILMOD_ERROR_ARGUMENT, "%s: no queue identifier",
                       filter->given.message);
    }
    if (filter->given.domain != NULL) {
        mm_destination_canonical(filter->given.domain, filter->domain);
        if (filter->domain[0] == '\0') {
            return mm_fail(MAILMOD_ERROR_ARGUMENT, "%s: no domain",
                           filter->given.domain);
        }
    }
    return MAILMOD_OK;
}

static bool is_in_domain(const char *path, const char *domain)
{
    char canonical[MM_STORE_DESTINATION_MAX];
    const char *at = strrchr(path, '@');
    mm_destination_canonical(at != NULL ? at + 1 : "", canonical);
    return strcmp(canonical, domain) == 0;
}

/* `wanted` NULL: any; "@domain": all of it. */
static bool is_address(const char *wanted, const char *path)
{
    char domain[MM_STORE_DESTINATION_MAX];
    if (wanted == NULL) {
        return true;
    }
    if (wanted[0] == '@') {
        mm_destination_canonical(wanted + 1, domain);
        return is_in_domain(path, domain);
    }
    return mm_cstr_equal_nocase(wanted, path);
}

static bool has_state(const struct filter *filter,
                      const struct mm_store_recipient *recipient)
{
    bool is_held = recipient->state == MM_RECIPIENT_HELD;
    switch (filter->given.state) {
    case MAILMOD_QUEUE_ANY:
        break;
    case MAILMOD_QUEUE_WAITING:
        return !is_held;
    case MAILMOD_QUEUE_TRIED:
        return !is_held && recipient->attempts > 0;
    case MAILMOD_QUEUE_HELD:
        return is_held;
    }
    return true;
}

static bool is_wanted(const struct filter *filter,
                      const struct mm_store_message *message,
                      const struct mm_store_recipient *recipient)
{
    return has_state(filter, recipient) &&
           (filter->given.age_min_ms == 0 ||
            (filter->now_ms > message->arrival_ms &&
             (uint64_t)(filter->now_ms - message->arrival_ms) >=
                 filter->given.age_min_ms)) &&
           is_address(filter->given.sender, message->reverse_path) &&
           is_address(filter->given.recipient, recipient->path) &&
           (filter->domain[0] == '\0' ||
            strcmp(filter->domain, recipient->destination) == 0 ||
            is_in_domain(recipient->path, filter->domain));
}

/* ---- why somebody waits ---- */

static struct place *place_of(struct finding *finding, const char *destination)
{
    struct mm_span key = mm_span_cstr(destination);
    struct place *place = mm_map_get(&finding->places, key);
    if (place != NULL) {
        return place;
    }
    place = mm_alloc(sizeof *place);
    if (place == NULL) {
        finding->error = MAILMOD_ERROR_MEMORY;
        return NULL;
    }
    (void)mm_span_copy(key, place->name, sizeof place->name);
    finding->error = mm_map_put(&finding->places, key, place);
    if (finding->error != MAILMOD_OK) {
        mm_free(place);
        return NULL;
    }
    return place;
}

struct look {
    struct place *place;
    int64_t now_ms;
};

/* The attempt that failed set the time of its own recipients to the end of the
 * back-off. Rows come by their times. */
static bool on_waiting(void *context,
                       const struct mm_store_recipient *recipient)
{
    struct look *look = context;
    if (recipient->next_attempt_ms <= look->now_ms ||
        recipient->attempts == 0) {
        return true;
    }
    look->place->retry_ms = recipient->next_attempt_ms;
    (void)mm_span_copy(mm_span_cstr(recipient->last_reply), look->place->reply,
                       sizeof look->place->reply);
    return false;
}

static void look_up(struct finding *finding, struct place *place)
{
    struct look look = {place, finding->filter.now_ms};
    if (place->is_known || finding->error != MAILMOD_OK) {
        return;
    }
    place->is_known = true;
    finding->error = mm_store_list_due(finding->store, place->name, INT64_MAX,
                                       on_waiting, &look);
}

/* The true next time; what it waits for into `reason_out`, or "". */
static int64_t next_of(struct finding *finding,
                       const struct mm_store_recipient *recipient,
                       const char **reason_out)
{
    *reason_out = "";
    if (recipient->state == MM_RECIPIENT_HELD) {
        return recipient->next_attempt_ms;
    }
    if (finding->holds) {
        *reason_out = "queue.holds is set: nothing is sent";
        return recipient->next_attempt_ms;
    }
    if (recipient->next_attempt_ms > finding->filter.now_ms) {
        return recipient->next_attempt_ms;
    }
    struct place *place = place_of(finding, recipient->destination);
    if (place == NULL) {
        return recipient->next_attempt_ms;
    }
    look_up(finding, place);
    if (place->retry_ms == 0) {
        return recipient->next_attempt_ms;
    }
    *reason_out = place->reply;
    return place->retry_ms;
}

/* ---- what is done with each ---- */

static bool list_one(struct finding *finding,
                     const struct mm_store_message *message,
                     const struct mm_store_recipient *recipient)
{
    char identifier[MM_MESSAGE_ID_TEXT_MAX];
    const char *reason;
    int64_t next_ms = next_of(finding, recipient, &reason);
    struct mailmod_queue_entry entry = {.size = sizeof entry,
                                        .message = identifier,
                                        .reverse_path = message->reverse_path,
                                        .recipient = recipient->path,
                                        .destination = recipient->destination,
                                        .last_reply = recipient->last_reply,
                                        .message_size = message->size,
                                        .arrival_ms = message->arrival_ms,
                                        .next_attempt_ms = next_ms,
                                        .expires_ms = recipient->expires_ms,
                                        .attempts = recipient->attempts,
                                        .is_held = recipient->state ==
                                                   MM_RECIPIENT_HELD,
                                        .reason = reason,
                                        .unsure_host = recipient->unsure_host};
    mm_message_id_format(message->id, identifier);
    finding->on_entry(finding->context, &entry);
    return finding->error == MAILMOD_OK;
}

static bool sum_one(struct finding *finding,
                    const struct mm_store_message *message,
                    const struct mm_store_recipient *recipient)
{
    const char *reason;
    int64_t next_ms = next_of(finding, recipient, &reason);
    struct place *place = place_of(finding, recipient->destination);
    if (place == NULL) {
        return false;
    }
    struct mailmod_queue_destination *sum = &place->sum;
    if (sum->recipients == 0 || message->arrival_ms < sum->oldest_arrival_ms) {
        sum->oldest_arrival_ms = message->arrival_ms;
    }
    sum->recipients++;
    if (recipient->state == MM_RECIPIENT_HELD) {
        sum->held++;
    } else if (sum->next_attempt_ms == 0 || next_ms < sum->next_attempt_ms) {
        sum->next_attempt_ms = next_ms;
    }
    if (place->reply[0] == '\0' && recipient->last_reply[0] != '\0') {
        (void)mm_span_copy(mm_span_cstr(recipient->last_reply), place->reply,
                           sizeof place->reply);
    }
    return true;
}

static bool on_recipient(void *context, const struct mm_store_message *message,
                         const struct mm_store_recipient *recipient)
{
    struct finding *finding = context;
    if (!is_wanted(&finding->filter, message, recipient)) {
        return true;
    }
    finding->count++;
    return finding->on_entry != NULL ? list_one(finding, message, recipient)
                                     : sum_one(finding, message, recipient);
}

/* ---- the calls ---- */

static void free_place(void *context, struct mm_span key, void *value)
{
    (void)context;
    (void)key;
    mm_free(value);
}

static enum mailmod_error begin(struct finding *finding, struct mm_admin *admin,
                                mailmod *instance,
                                const struct mailmod_queue_filter *filter)
{
    enum mailmod_error error = take_filter(&finding->filter, filter);
    if (error == MAILMOD_OK) {
        error = mm_admin_begin(admin, instance, false);
    }
    if (error == MAILMOD_OK) {
        finding->store = admin->store;
        finding->holds = admin->config->queue.holds;
        mm_map_init(&finding->places, DESTINATIONS_MAX, 0);
    }
    return error;
}

static enum mailmod_error end(struct finding *finding, struct mm_admin *admin,
                              enum mailmod_error error)
{
    mm_map_each(&finding->places, free_place, NULL);
    mm_map_fini(&finding->places);
    mm_admin_end(admin);
    error = error == MAILMOD_OK ? finding->error : error;
    if (error == MAILMOD_OK && finding->filter.message_id != 0 &&
        finding->count == 0) {
        error = MAILMOD_ERROR_NOT_FOUND;
    }
    const char *what = finding->filter.given.message;
    return error == MAILMOD_OK
               ? MAILMOD_OK
               : mm_fail(error, "%s: %s", what != NULL ? what : "queue",
                         mm_error_text(error));
}

static int by_recipients(const void *a, const void *b)
{
    const struct place *const *x = a;
    const struct place *const *y = b;
    uint64_t counts[2] = {(*x)->sum.recipients, (*y)->sum.recipients};
    return counts[0] != counts[1] ? (counts[0] < counts[1] ? 1 : -1)
                                  : strcmp((*x)->name, (*y)->name);
}

struct sorted {
    struct place **places;
    size_t count;
};

static void take_place(void *context, struct mm_span key, void *value)
{
    struct sorted *sorted = context;
    struct place *place = value;
    (void)key;
    if (place->sum.recipients > 0) {
        sorted->places[sorted->count++] = place;
    }
}

static enum mailmod_error tell_places(struct finding *finding)
{
    struct sorted sorted = {.count = 0};
    sorted.places = mm_alloc((finding->count + 1) * sizeof *sorted.places);
    if (sorted.places == NULL) {
        return MAILMOD_ERROR_MEMORY;
    }
    mm_map_each(&finding->places, take_place, &sorted);
    qsort(sorted.places, sorted.count, sizeof *sorted.places, by_recipients);
    for (size_t i = 0; i < sorted.count; i++) {
        struct mailmod_queue_destination *sum = &sorted.places[i]->sum;
        sum->size = sizeof *sum;
        sum->destination = sorted.places[i]->name;
        sum->last_reply = sorted.places[i]->reply;
        finding->on_destination(finding->context, sum);
    }
    mm_free(sorted.places);
    return MAILMOD_OK;
}

/* One of the callbacks is told what passes the filter. */
static enum mailmod_error
look_through(struct finding *finding, mailmod *instance,
             const struct mailmod_queue_filter *filter)
{
    struct mm_admin admin;
    if (finding->on_entry == NULL && finding->on_destination == NULL) {
        return mm_fail(MAILMOD_ERROR_ARGUMENT, "the callback is NULL");
    }
    enum mailmod_error error = begin(finding, &admin, instance, filter);
    if (error != MAILMOD_OK) {
        return error;
    }
    error = mm_store_each_recipient(finding->store, finding->filter.message_id,
                                    on_recipient, finding);
    if (error == MAILMOD_OK && finding->error == MAILMOD_OK &&
        finding->on_destination != NULL) {
        error = tell_places(finding);
    }
    return end(finding, &admin, error);
}

enum mailmod_error mailmod_queue_find(mailmod *instance,
                                      const struct mailmod_queue_filter *filter,
                                      mailmod_on_queue_entry on_entry,
                                      void *context)
{
    struct finding finding = {.on_entry = on_entry, .context = context};
    return look_through(&finding, instance, filter);
}

enum mailmod_error mailmod_queue_summary(
    mailmod *instance, const struct mailmod_queue_filter *filter,
    mailmod_on_queue_destination on_destination, void *context)
{
    struct finding finding = {.on_destination = on_destination,
                              .context = context};
    return look_through(&finding, instance, filter);
}

/* ---- acts ---- */

static enum mailmod_error run_step(struct mm_store_job *job,
                                   struct mm_store_transaction *transaction)
{
    struct finding *finding = MM_LIST_OBJECT(job, struct finding, job);
    enum mailmod_error error = MAILMOD_OK;
    finding->acted = 0;
    for (size_t i = 0; i < finding->chosen_count && error == MAILMOD_OK; i++) {
        error = mm_store_act_on_one(transaction, finding->chosen[i].message_id,
                                    finding->chosen[i].number, finding->action,
                                    finding->filter.now_ms, &finding->acted);
        /* It was delivered or removed meanwhile. */
        error = error == MAILMOD_ERROR_NOT_FOUND ? MAILMOD_OK : error;
    }
    return error;
}

static bool choose_one(void *context, const struct mm_store_message *message,
                       const struct mm_store_recipient *recipient)
{
    struct finding *finding = context;
    if (!is_wanted(&finding->filter, message, recipient)) {
        return true;
    }
    if (finding->chosen_count == ACT_MAX) {
        finding->error = mm_store_run(finding->store, &finding->job);
        finding->count += finding->error == MAILMOD_OK ? finding->acted : 0;
        finding->chosen_count = 0;
    }
    finding->chosen[finding->chosen_count].message_id = message->id;
    finding->chosen[finding->chosen_count].number = recipient->number;
    finding->chosen_count++;
    return finding->error == MAILMOD_OK;
}

static enum mailmod_error act_on_all(struct finding *finding)
{
    enum mailmod_error error = mm_store_each_recipient(
        finding->store, finding->filter.message_id, choose_one, finding);
    error = error == MAILMOD_OK ? finding->error : error;
    if (error == MAILMOD_OK && finding->chosen_count > 0) {
        error = mm_store_run(finding->store, &finding->job);
        finding->count += error == MAILMOD_OK ? finding->acted : 0;
    }
    return error;
}

enum mailmod_error
mailmod_queue_act_on(mailmod *instance,
                     const struct mailmod_queue_filter *filter,
                     enum mailmod_queue_action action, size_t *count_out)
{
    struct finding finding = {.job.run = run_step, .action = action};
    struct mm_admin admin;
    if (count_out != NULL) {
        *count_out = 0;
    }
    if ((unsigned)action > MAILMOD_QUEUE_DELETE) {
        return mm_fail(MAILMOD_ERROR_ARGUMENT, "no such action");
    }
    enum mailmod_error error = begin(&finding, &admin, instance, filter);
    if (error != MAILMOD_OK) {
        return error;
    }
    error = act_on_all(&finding);
    if (count_out != NULL) {
        *count_out = finding.count;
    }
    if (instance->outbound != NULL) {
        if (action == MAILMOD_QUEUE_FLUSH) {
            mm_outbound_flush(instance->outbound);
        }
        mm_outbound_wake(instance->outbound);
    }
    return end(&finding, &admin, error);
}
