/* test_host_mailbox.c - mailboxes of a host as a provider: the contract, over a
 * host that keeps its mail in memory; every second call is answered later, by
 * another thread. */
#include "contract.h"

#include "api/host_mailbox.h"
#include "api/instance.h"
#include "base/limits.h"
#include "base/mem.h"
#include "platform/clock.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MESSAGES = 16 };

struct message {
    char id[16];
    char *body;
    size_t size;
};

struct box {
    const char *user;
    struct message messages[MESSAGES];
    size_t count;
    unsigned next;
};

struct world {
    mailmod *instance; /* for the registry alone; it never runs */
    struct mm_host_threads *threads;
    struct mm_mutex *mutex;
    struct box boxes[2];
    atomic_uint calls;
    atomic_int logins;
    atomic_int readings;
};

static struct box *box_of(struct world *world, const char *user)
{
    return &world->boxes[strcmp(user, "alice") == 0 ? 0 : 1];
}

struct later {
    struct mm_host_job job;
    mailmod_mailbox_call *call;
    enum mailmod_mailbox_answer answer;
};

static void answer_later(struct mm_host_job *job)
{
    struct later *later = (struct later *)(void *)job;

    (void)mailmod_mailbox_call_answer(later->call, later->answer);
    free(later);
}

/* Every second one from another thread. */
static enum mailmod_mailbox_answer answer(struct world *world,
                                          mailmod_mailbox_call *call,
                                          enum mailmod_mailbox_answer value)
{
    struct later *later = NULL;

    if (atomic_fetch_add(&world->calls, 1) % 2 == 0) {
        return value;
    }
    later = calloc(1, sizeof *later);
    if (later == NULL) {
        return value;
    }
    later->job.run = answer_later;
    later->call = call;
    later->answer = value;
    if (mm_host_threads_run(world->threads, &later->job) != MAILMOD_OK) {
        free(later);
        return value;
    }
    return MAILMOD_MAILBOX_LATER;
}

static enum mailmod_mailbox_answer on_login(void *context,
                                            mailmod_mailbox_call *call)
{
    struct world *world = context;

    atomic_fetch_add(&world->logins, 1);
    return answer(world, call, MAILMOD_MAILBOX_OK);
}

static enum mailmod_mailbox_answer on_list(void *context,
                                           mailmod_mailbox_call *call)
{
    struct world *world = context;

    mm_mutex_lock(world->mutex);
    const struct box *box = box_of(world, mailmod_mailbox_call_user(call));
    for (size_t i = 0; i < box->count; i++) {
        (void)mailmod_mailbox_call_add(call, box->messages[i].id,
                                       box->messages[i].size);
    }
    mm_mutex_unlock(world->mutex);
    return answer(world, call, MAILMOD_MAILBOX_OK);
}

static struct message *find(struct box *box, const char *id)
{
    for (size_t i = 0; i < box->count; i++) {
        if (strcmp(box->messages[i].id, id) == 0) {
            return &box->messages[i];
        }
    }
    return NULL;
}

/* The size of every second message is asked for on its own. */
static enum mailmod_mailbox_answer on_find(void *context,
                                           mailmod_mailbox_call *call)
{
    struct world *world = context;

    mm_mutex_lock(world->mutex);
    const struct message *message =
        find(box_of(world, mailmod_mailbox_call_user(call)),
             mailmod_mailbox_call_unique_id(call, 0));
    if (message != NULL && (message->id[1] - '0') % 2 == 0) {
        (void)mailmod_mailbox_call_set_octets(call, message->size);
    }
    mm_mutex_unlock(world->mutex);
    return answer(world, call,
                  message != NULL ? MAILMOD_MAILBOX_OK
                                  : MAILMOD_MAILBOX_REFUSED);
}

static enum mailmod_mailbox_answer on_size(void *context,
                                           mailmod_mailbox_call *call)
{
    struct world *world = context;

    mm_mutex_lock(world->mutex);
    const struct message *message =
        find(box_of(world, mailmod_mailbox_call_user(call)),
             mailmod_mailbox_call_unique_id(call, 0));
    (void)mailmod_mailbox_call_set_octets(call, message->size);
    mm_mutex_unlock(world->mutex);
    return answer(world, call, MAILMOD_MAILBOX_OK);
}

static enum mailmod_mailbox_answer on_read(void *context,
                                           mailmod_mailbox_call *call)
{
    struct world *world = context;
    uint64_t offset = mailmod_mailbox_call_offset(call);

    mm_mutex_lock(world->mutex);
    const struct message *message =
        find(box_of(world, mailmod_mailbox_call_user(call)),
             mailmod_mailbox_call_unique_id(call, 0));
    enum mailmod_mailbox_answer value = MAILMOD_MAILBOX_REFUSED;
    if (message != NULL) {
        size_t rest = message->size - (size_t)offset;
        size_t count = rest < 10000 ? rest : 10000;
        value = mailmod_mailbox_call_write(call, message->body + offset,
                                           count) == MAILMOD_OK
                    ? MAILMOD_MAILBOX_OK
                    : MAILMOD_MAILBOX_FAILED;
    }
    mm_mutex_unlock(world->mutex);
    if (offset == 0 && value == MAILMOD_MAILBOX_OK) {
        atomic_fetch_add(&world->readings, 1);
    }
    return answer(world, call, value);
}

static enum mailmod_mailbox_answer on_read_end(void *context,
                                               mailmod_mailbox_call *call)
{
    struct world *world = context;

    atomic_fetch_sub(&world->readings, 1);
    return answer(world, call, MAILMOD_MAILBOX_OK);
}

static void drop(struct box *box, struct message *message)
{
    size_t index = (size_t)(message - box->messages);

    free(message->body);
    box->count--;
    memmove(message, message + 1, (box->count - index) * sizeof *message);
}

static enum mailmod_mailbox_answer on_remove(void *context,
                                             mailmod_mailbox_call *call)
{
    struct world *world = context;
    const char *id;

    mm_mutex_lock(world->mutex);
    struct box *box = box_of(world, mailmod_mailbox_call_user(call));
    for (size_t i = 0; (id = mailmod_mailbox_call_unique_id(call, i)) != NULL;
         i++) {
        struct message *message = find(box, id);

        if (message != NULL) {
            drop(box, message);
        }
    }
    mm_mutex_unlock(world->mutex);
    return answer(world, call, MAILMOD_MAILBOX_OK);
}

static enum mailmod_mailbox_answer on_close(void *context,
                                            mailmod_mailbox_call *call)
{
    struct world *world = context;

    atomic_fetch_sub(&world->logins, 1);
    return answer(world, call, MAILMOD_MAILBOX_OK);
}

static void put(void *context, const char *user, const char *body, size_t size)
{
    struct world *world = context;

    mm_mutex_lock(world->mutex);
    struct box *box = box_of(world, user);
    struct message *message = &box->messages[box->count++];
    assert_true(box->count <= MESSAGES);
    (void)snprintf(message->id, sizeof message->id, "m%u", box->next++);
    message->body = malloc(size + 1);
    assert_non_null(message->body);
    memcpy(message->body, body, size);
    message->size = size;
    mm_mutex_unlock(world->mutex);
}

static void take_away(void *context)
{
    struct world *world = context;

    mm_mutex_lock(world->mutex);
    drop(&world->boxes[0], &world->boxes[0].messages[0]);
    mm_mutex_unlock(world->mutex);
}

static void *begin(void)
{
    struct world *world = calloc(1, sizeof *world);

    assert_non_null(world);
    world->boxes[0].user = "alice";
    world->boxes[1].user = "bob";
    assert_int_equal(mm_mutex_new(&world->mutex), MAILMOD_OK);
    assert_int_equal(mm_host_threads_new(&world->threads, 16), MAILMOD_OK);
    assert_int_equal(mailmod_new(&world->instance), MAILMOD_OK);
    mm_providers_use_threads(world->instance->providers, world->threads);
    const struct mailmod_mailbox_provider provider = {.size = sizeof provider,
                                                      .name = "memory",
                                                      .authenticate = on_login,
                                                      .list = on_list,
                                                      .message_size = on_size,
                                                      .find = on_find,
                                                      .read = on_read,
                                                      .read_end = on_read_end,
                                                      .remove = on_remove,
                                                      .close = on_close,
                                                      .context = world};
    assert_int_equal(mailmod_mailbox_provider_add(world->instance, &provider),
                     MAILMOD_OK);
    return world;
}

static void end(void *context)
{
    struct world *world = context;

    mm_host_threads_end(world->threads);
    assert_int_equal(atomic_load(&world->logins), 0);
    assert_int_equal(atomic_load(&world->readings), 0);
    mm_providers_use_threads(world->instance->providers, NULL);
    assert_int_equal(mailmod_free(&world->instance), MAILMOD_OK);
    mm_host_threads_free(&world->threads);
    for (size_t i = 0; i < 2; i++) {
        while (world->boxes[i].count > 0) {
            drop(&world->boxes[i], &world->boxes[i].messages[0]);
        }
    }
    mm_mutex_free(&world->mutex);
    free(world);
}

static struct mm_mailbox_visits visits(void *context)
{
    return mm_providers_visits(((struct world *)context)->instance->providers);
}

/* The claim goes with the end of `close`. */
static bool is_open(struct world *world, const char *user)
{
    struct mm_providers *providers = world->instance->providers;
    bool is_found = false;

    mm_mutex_lock(providers->mutex);
    const struct mm_host_provider *provider = MM_LIST_OBJECT(
        providers->all.next, const struct mm_host_provider, node);
    for (const struct mm_list *node = provider->mailboxes.next;
         node != &provider->mailboxes; node = node->next) {
        const struct mm_host_mailbox *mailbox =
            MM_LIST_OBJECT(node, const struct mm_host_mailbox, node);

        is_found = is_found || strcmp(mailbox->user, user) == 0;
    }
    mm_mutex_unlock(providers->mutex);
    return is_found;
}

static void wait_free(void *context, const char *user)
{
    while (is_open(context, user)) {
        mm_clock_sleep_ms(1);
    }
}

static void last_id(void *context, char id_out[MM_UNIQUE_ID_MAX])
{
    struct world *world = context;

    mm_mutex_lock(world->mutex);
    const struct box *box = box_of(world, "alice");
    (void)snprintf(id_out, MM_UNIQUE_ID_MAX, "%s",
                   box->messages[box->count - 1].id);
    mm_mutex_unlock(world->mutex);
}

const struct contract_kind contract_kind = {
    .head = "",
    .begin = begin,
    .end = end,
    .visits = visits,
    .wait_free = wait_free,
    .taken = MAILMOD_ERROR_REFUSED,
    .put = put,
    .take_away = take_away,
    .last_id = last_id,
};

int main(void)
{
    const struct CMUnitTest tests[] = {CONTRACT_TESTS};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
