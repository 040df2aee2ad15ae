/* fuzz_dns_stream.c - name servers over TCP that do anything: octets of any
 * kind in pieces of any size, answers to what was asked and to what was not,
 * ends, refusals and silence, and questions that come from inside an answer.
 * Each question has one end; an answer is one to it, and is read as all are;
 * and the pieces in which the octets come change nothing.
 * The connections and the time are made here. */
#include "base/mem.h"
#include "io/resolver_internal.h"
#include "platform/random.h"
#include "tests/fuzz/fuzz.h"

#include <string.h>

enum { SLOTS = 8, QUESTION = 24, AGAIN_MAX = 4, STEPS_MAX = 400 };

struct mm_loop {
    uint64_t now_ms;
};
struct mm_conn {
    const struct mm_conn_handler *handler;
    void *owner;
};
struct slot {
    struct mm_dns_question question;
    bool is_open;
    uint8_t octets[QUESTION]; /* as it was asked */
    uint8_t sent[QUESTION];   /* with its number */
};
static struct {
    struct mm_loop loop;
    struct mm_conn conn;
    bool is_dialling, is_open, is_full;
    void (*on_failed)(void *owner, enum mailmod_error error);
    struct mm_timer *timer;
    uint64_t due_ms; /* 0: not set */
    struct mm_dns_stream *stream;
    struct slot slots[SLOTS];
    unsigned again; /* questions from inside an answer */
    unsigned references;
    uint64_t digest; /* of all that was answered */
} world;

/* ---- what io gives ---- */

uint64_t mm_loop_now_ms(const struct mm_loop *loop)
{
    return loop->now_ms;
}

enum mailmod_error mm_timer_open(struct mm_timer *timer, struct mm_loop *loop,
                                 void (*on_expired)(struct mm_timer *))
{
    *timer = (struct mm_timer){.loop = loop, .on_expired = on_expired};
    world.timer = timer;
    return MAILMOD_OK;
}

void mm_timer_set(struct mm_timer *timer, uint64_t after_ms)
{
    (void)timer;
    world.due_ms = world.loop.now_ms + after_ms + 1;
}

void mm_timer_close(struct mm_timer *timer)
{
    (void)timer;
    world.due_ms = 0;
}

enum mailmod_error mm_random(void *bytes, size_t size)
{
    memset(bytes, 0xff, size); /* so that numbers begin anew soon */
    return MAILMOD_OK;
}

enum mailmod_error
mm_dns_parse_servers(const char *text,
                     struct mm_netaddr servers_out[MM_DNS_SERVERS_MAX],
                     size_t *count_out)
{
    static const uint8_t bytes[4] = {192, 0, 2, 1};
    *count_out = (size_t)(text[0] - '0');
    for (size_t i = 0; i < *count_out; i++) {
        servers_out[i] = mm_netaddr_v4(bytes, (uint16_t)(53 + i));
    }
    return MAILMOD_OK;
}

void mm_conn_forget(struct mm_conn *conn)
{
    FUZZ_CHECK(conn == &world.conn && world.is_open);
    world.is_open = false;
}

void mm_conn_abort(struct mm_conn *conn)
{
    FUZZ_CHECK(conn == NULL); /* for want of memory alone */
}

enum mailmod_error mm_conn_write(struct mm_conn *conn, const char *bytes,
                                 size_t size)
{
    FUZZ_CHECK(conn == &world.conn && world.is_open);
    if (world.is_full) {
        return MAILMOD_ERROR_LIMIT;
    }
    FUZZ_CHECK(size == 2 + QUESTION && bytes[0] == 0 && bytes[1] == QUESTION);
    for (size_t i = 0; i < SLOTS; i++) {
        struct slot *slot = &world.slots[i];
        if (slot->is_open &&
            memcmp(slot->octets + 2, bytes + 4, QUESTION - 2) == 0) {
            memcpy(slot->sent, bytes + 2, QUESTION);
        }
    }
    return MAILMOD_OK;
}

static enum mailmod_error
start(void *context, struct mm_loop *loop, const struct mm_netaddr *server,
      const struct mm_conn_handler *handler,
      void (*on_failed)(void *owner, enum mailmod_error error), void *owner,
      void **dial_out)
{
    FUZZ_CHECK(context == &world && loop == &world.loop && server->port >= 53);
    FUZZ_CHECK(!world.is_dialling && !world.is_open && *dial_out == NULL);
    world.is_dialling = true;
    world.on_failed = on_failed;
    world.conn = (struct mm_conn){.handler = handler, .owner = owner};
    *dial_out = &world.conn;
    return MAILMOD_OK;
}

static void stop(void **dial)
{
    if (*dial != NULL) {
        *dial = NULL;
        world.is_dialling = false;
    }
}

static void *ref(void *context)
{
    world.references++;
    return context;
}

static void unref(void **context)
{
    *context = NULL;
    world.references--;
}

/* ---- questions and answers ---- */

static const enum mm_dns_type types[] = {MM_DNS_A, MM_DNS_AAAA, MM_DNS_MX,
                                         MM_DNS_TXT};

static void ask(size_t at)
{
    struct slot *slot = &world.slots[at];
    if (slot->is_open) {
        return;
    }
    slot->is_open = true;
    enum mailmod_error error = mm_dns_stream_ask(
        world.stream, &slot->question, slot->octets, sizeof slot->octets);
    FUZZ_CHECK(error == MAILMOD_OK);
}

static void note(uint64_t number)
{
    world.digest = world.digest * 1099511628211U + number;
}

void mm_dns_question_done(struct mm_dns_question *question,
                          enum mailmod_error error, const uint8_t *answer,
                          size_t size)
{
    struct slot *slot = question->context;
    size_t at = (size_t)(slot - world.slots);
    struct mm_dns_result result;
    FUZZ_CHECK(slot->is_open && size <= 65535);
    slot->is_open = false;
    note(at + 1);
    note((uint64_t)error);
    note(size);
    if (size > 0) {
        FUZZ_CHECK(size >= QUESTION && memcmp(answer, slot->sent, 2) == 0 &&
                   (answer[2] & 0x80) != 0);
        mm_dns_result_init(&result);
        if (question->is_whole) {
            mm_dns_keep_answer(&result, answer, size);
        } else {
            mm_dns_read_answer(&result, types[at % 4], answer, size);
        }
        note((uint64_t)result.error);
        note(result.count);
        mm_dns_result_fini(&result);
    }
    if (error != MAILMOD_ERROR_CANCELLED && world.again < AGAIN_MAX) {
        world.again++;
        ask((at + 3) % SLOTS);
    }
}

static void init_slots(void)
{
    for (size_t i = 0; i < SLOTS; i++) {
        struct slot *slot = &world.slots[i];
        static const uint8_t pattern[QUESTION] = {
            0, 0, 1, 0,   0,   1,   0,   0, 0, 0, 0, 0,
            1, 0, 4, 't', 'e', 's', 't', 0, 0, 0, 0, 1};
        memcpy(slot->octets, pattern, sizeof pattern);
        slot->octets[13] = (uint8_t)('a' + i);
        slot->octets[21] = (uint8_t)types[i % 4];
        slot->question =
            (struct mm_dns_question){.is_whole = i >= 6, .context = slot};
    }
}

/* ---- the script ---- */

static void feed(const uint8_t *bytes, size_t size, size_t piece)
{
    size_t at = 0;
    while (world.is_open && at < size) {
        size_t taken = size - at < piece ? size - at : piece;
        FUZZ_CHECK(world.conn.handler->on_input(world.conn.owner, &world.conn,
                                                (const char *)bytes + at,
                                                taken) == taken);
        at += taken;
    }
}

/* To a question that was sent, perhaps long ago; the rest is the script's. */
static void feed_answer(struct mm_span *script, size_t piece)
{
    uint8_t answer[2 + QUESTION + 255];
    const struct slot *slot = &world.slots[fuzz_octet(script) % SLOTS];
    struct mm_span rest = mm_span(NULL, 0);
    memcpy(answer + 2, slot->sent, QUESTION);
    answer[4] |= 0x80;
    answer[5] = fuzz_octet(script);
    answer[9] = fuzz_octet(script) % 4;
    uint8_t size = fuzz_octet(script);
    if (size > 0 && script->size > 0) {
        rest = fuzz_piece(script, size);
        memcpy(answer + 2 + QUESTION, rest.data, rest.size);
    }
    answer[0] = (uint8_t)((QUESTION + rest.size) >> 8);
    answer[1] = (uint8_t)(QUESTION + rest.size);
    feed(answer, 2 + QUESTION + rest.size, piece);
}

static void pass_time(uint64_t ms)
{
    world.loop.now_ms += ms;
    if (world.due_ms != 0 && world.loop.now_ms + 1 >= world.due_ms) {
        world.due_ms = 0;
        world.timer->on_expired(world.timer);
    }
}

static void end_connection(uint8_t how)
{
    if (world.is_dialling && how % 2 == 0) {
        world.on_failed(world.conn.owner, MAILMOD_ERROR_PROXY);
    } else if (world.is_open) {
        world.is_open = false;
        world.conn.handler->on_closed(world.conn.owner, &world.conn,
                                      how % 4 == 1 ? MAILMOD_OK
                                                   : MAILMOD_ERROR_DNS);
    }
}

static void open_connection(void)
{
    if (world.is_dialling) {
        world.is_dialling = false;
        world.is_open = true;
        world.conn.handler->on_open(world.conn.owner, &world.conn);
    }
}

static void step(struct mm_span *script, size_t piece)
{
    struct mm_span raw;
    switch (fuzz_octet(script) % 8) {
    case 0:
    case 1:
        ask(fuzz_octet(script) % SLOTS);
        break;
    case 2:
        open_connection();
        break;
    case 3:
        raw = fuzz_piece(script, fuzz_octet(script));
        feed((const uint8_t *)raw.data, raw.size, piece);
        break;
    case 4:
        feed_answer(script, piece);
        break;
    case 5:
        end_connection(fuzz_octet(script));
        break;
    case 6:
        pass_time(50U * fuzz_octet(script));
        break;
    default:
        world.is_full = !world.is_full;
        if (!world.is_full && world.is_open) {
            world.conn.handler->on_drained(world.conn.owner, &world.conn);
        }
        break;
    }
}

static uint64_t run(struct mm_span script, size_t piece)
{
    static const char *const servers[] = {"1", "2", "3"};
    const struct mm_resolver_way way = {.start = start,
                                        .stop = stop,
                                        .ref = ref,
                                        .unref = unref,
                                        .context = &world};
    const struct mm_resolver_options options = {
        .servers = servers[fuzz_octet(&script) % 3], .way = &way};
    memset(&world, 0, sizeof world);
    init_slots();
    FUZZ_CHECK(mm_dns_stream_open(&world.stream, &world.loop, &options) ==
               MAILMOD_OK);
    for (unsigned i = 0; i < STEPS_MAX && script.size > 0; i++) {
        step(&script, piece);
    }
    /* Whatever is open has its end in time. */
    for (unsigned i = 0; i < 40; i++) {
        pass_time(1000);
    }
    for (size_t i = 0; i < SLOTS; i++) {
        FUZZ_CHECK(!world.slots[i].is_open);
    }
    ask(0);
    mm_dns_stream_close(&world.stream);
    FUZZ_CHECK(!world.slots[0].is_open && world.references == 0 &&
               !world.is_open && !world.is_dialling);
    return world.digest;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct mm_span script = mm_span((const char *)data, size);
    uint64_t slow = run(script, 1);
    FUZZ_CHECK(run(script, 7) == slow);
    FUZZ_CHECK(run(script, 65536) == slow);
    return 0;
}
