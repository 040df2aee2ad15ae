/* fuzz_request.c - a question to the host, with a session and a host that do
 * anything in any order, on one thread: facts, recipients, replies, changes,
 * octets of a reply and of a body, a follower, answers, and each of the two
 * leaving first.
 *
 * The session hears of the answer once, and of nothing once it left; the host
 * gets the octets of the body that the session had taken from it, in order, and
 * each verb answers STATE once it has answered; what goes to the peer is a
 * reply of whole lines with a code of that verdict. Whoever goes last frees. */
#include "server/request.h"
#include "tests/fuzz/fuzz.h"

#include <string.h>

enum { STEPS_MAX = 200, TASKS_MAX = 8, OFFERED_MAX = 300000 };

struct mm_loop {
    int unused;
};
static struct {
    struct mm_loop loop;
    struct mm_task *tasks[TASKS_MAX];
    size_t task_count;
    struct mm_request *session; /* its share */
    struct mm_request *host;    /* the host's, until it has answered */
    struct mm_request *share;   /* one more */
    enum mailmod_moment moment;
    bool refuses; /* the host's threads do */
    bool is_settled, has_left, is_followed, has_ended, wants_body;
    unsigned settled, bodies, rooms, news;
    bool is_short;         /* of room, at the last offer */
    size_t offered, taken; /* octets of the body */
} world;

void mm_loop_post(struct mm_loop *loop, struct mm_task *task)
{
    FUZZ_CHECK(loop == &world.loop && world.task_count < TASKS_MAX);
    for (size_t i = 0; i < world.task_count; i++) {
        FUZZ_CHECK(world.tasks[i] != task); /* in one queue once */
    }
    world.tasks[world.task_count++] = task;
}

static void run_task(void)
{
    if (world.task_count > 0) {
        struct mm_task *task = world.tasks[0];

        world.task_count--;
        memmove(world.tasks, world.tasks + 1,
                world.task_count * sizeof(world.tasks[0]));
        task->run(task);
    }
}

static void on_settled(void *context)
{
    FUZZ_CHECK(context == &world && !world.has_left && world.is_settled);
    FUZZ_CHECK(mm_request_is_settled(world.session));
    world.settled++;
}

static void on_wants_body(void *context)
{
    FUZZ_CHECK(context == &world && !world.has_left && world.wants_body);
    world.bodies++;
}

static void on_room(void *context)
{
    FUZZ_CHECK(context == &world && !world.has_left);
    world.rooms++;
}

static void on_news(void *context)
{
    FUZZ_CHECK(context == &world && world.is_followed);
    world.news++;
}

static enum mailmod_error ask(void *context, struct mm_request *request)
{
    FUZZ_CHECK(context == &world);
    if (world.refuses) {
        return MAILMOD_ERROR_LIMIT;
    }
    world.host = request;
    return MAILMOD_OK;
}

/* ---- the session ---- */

/* What the octet at that place of the body is. */
static char octet_at(size_t at)
{
    return (char)(at * 7 + at / 251);
}

static void offer(size_t size)
{
    static char octets[70000];

    if (world.has_left || world.has_ended || !world.wants_body) {
        return;
    }
    size = size < sizeof octets ? size : sizeof octets;
    if (world.offered + size > OFFERED_MAX) {
        return;
    }
    for (size_t i = 0; i < size; i++) {
        octets[i] = octet_at(world.offered + i);
    }
    size_t took = mm_request_offer(world.session, mm_span(octets, size));
    FUZZ_CHECK(took <= size);
    world.is_short = took < size;
    world.offered += took;
}

static void leave(void)
{
    world.has_left = true;
    mm_request_leave(&world.session);
    FUZZ_CHECK(world.session == NULL);
}

/* ---- the host ---- */

static void check_octets(const char *octets, size_t size)
{
    FUZZ_CHECK(world.taken + size <= world.offered);
    for (size_t i = 0; i < size; i++) {
        FUZZ_CHECK(octets[i] == octet_at(world.taken + i));
    }
    world.taken += size;
}

static bool has_body(void)
{
    return world.moment == MAILMOD_SMTP_MESSAGE;
}

/* Where it would not wait for the session, which stands on this thread. */
static void read_body(size_t size)
{
    char octets[4096];
    enum mailmod_error error;

    if (has_body() && !world.is_settled && !world.is_followed &&
        world.offered == world.taken && !world.has_ended && !world.has_left) {
        return;
    }
    size_t got = mm_request_read(world.share, octets, size % 4096, &error);
    FUZZ_CHECK(got <= size % 4096);
    check_octets(octets, got);
    world.wants_body =
        world.wants_body || (has_body() && size % 4096 > 0 && !world.has_left &&
                             !world.is_followed && !world.is_settled);
    FUZZ_CHECK(!world.is_settled || error == MAILMOD_ERROR_STATE);
}

static void take_body(void)
{
    struct mm_buf out;

    mm_buf_init(&out, 1 << 20);
    enum mailmod_error error = mm_request_take(world.share, &out);
    FUZZ_CHECK((error == MAILMOD_OK) == (mm_buf_size(&out) > 0));
    FUZZ_CHECK(!world.is_settled || error == MAILMOD_ERROR_STATE);
    FUZZ_CHECK(error != MAILMOD_ERROR_NOT_FOUND || world.has_ended);
    FUZZ_CHECK(error != MAILMOD_ERROR_CLOSED || world.has_left);
    check_octets(mm_buf_span(&out).data, mm_buf_size(&out));
    mm_buf_fini(&out);
}

static void follow(void)
{
    bool was_free = has_body() && !world.is_settled && !world.wants_body;

    world.is_followed = world.is_followed || was_free;
    enum mailmod_error error = mm_request_follow(world.share, on_news, &world);
    /* Of a session that left the body is not wanted, and may be again. */
    FUZZ_CHECK((error == MAILMOD_OK) == was_free);
    world.wants_body = world.wants_body || (was_free && !world.has_left);
}

static void settle(uint8_t octet)
{
    struct mm_request *host = world.host;

    world.host = NULL;
    if (host == NULL) {
        return;
    }
    world.is_settled = true;
    FUZZ_CHECK(mm_request_settle(host, (enum mm_verdict)(octet % 4)) ==
               MAILMOD_OK);
}

static void change(struct mm_span *script)
{
    char text[300];
    uint8_t kind = fuzz_octet(script);
    struct mm_span piece = fuzz_piece(script, fuzz_octet(script));

    if (!mm_span_copy(piece, text, sizeof text)) {
        return;
    }
    const struct mm_change wanted = {
        .kind = (enum mm_change_kind)(kind % (MM_CHANGE_DISCARD + 1)),
        .number = kind / 16u,
        .name = kind > 127 ? "X-A" : text,
        .value = text};
    enum mailmod_error error = mm_request_change(world.share, &wanted);
    FUZZ_CHECK(!world.is_settled || error == MAILMOD_ERROR_STATE);
    error = mm_request_set_delay(world.share, kind * 1000u);
    FUZZ_CHECK(!world.is_settled || error != MAILMOD_OK);
    error = mm_request_set_reply(world.share, 390 + kind, text);
    FUZZ_CHECK(!world.is_settled || error != MAILMOD_OK);
}

static void write_some(struct mm_span *script)
{
    struct mm_span piece = fuzz_piece(script, fuzz_octet(script));
    enum mailmod_error error =
        mm_request_write(world.share, piece.data, piece.size);

    FUZZ_CHECK(!world.is_settled || error == MAILMOD_ERROR_STATE);
}

/* ---- the whole ---- */

static void check_answer(void)
{
    enum mm_verdict verdict = mm_request_verdict(world.session);
    const struct mm_reply *reply = mm_request_reply(world.session);
    struct mm_buf lines;
    struct mm_span line;

    FUZZ_CHECK(verdict <= MM_VERDICT_TAKEN);
    FUZZ_CHECK(mm_request_written(world.session).size <= 2000);
    FUZZ_CHECK(reply != NULL || (verdict != MM_VERDICT_REJECT &&
                                 verdict != MM_VERDICT_REJECT_FOR_NOW));
    if (reply == NULL) {
        return;
    }
    FUZZ_CHECK(reply->code >= 200 && reply->code <= 599 &&
               reply->code / 100 != 3);
    FUZZ_CHECK(verdict != MM_VERDICT_ACCEPT);
    mm_buf_init(&lines, 1 << 20);
    FUZZ_CHECK(mm_reply_write(&lines, reply, true) == MAILMOD_OK);
    struct mm_span rest = mm_buf_span(&lines);
    while (mm_span_cut(rest, '\n', &line, &rest)) {
        FUZZ_CHECK(line.size >= 5 && line.size <= 512 &&
                   line.data[line.size - 1] == '\r');
        FUZZ_CHECK(line.data[0] == '0' + reply->code / 100);
        FUZZ_CHECK(line.data[3] == (rest.size > 0 ? '-' : ' '));
    }
    FUZZ_CHECK(rest.size == 0);
    mm_buf_fini(&lines);
}

static void step(struct mm_span *script)
{
    uint8_t octet = fuzz_octet(script);

    switch (octet % 12) {
    case 0:
        run_task();
        break;
    case 1:
        offer(octet > 200 ? 66000 : fuzz_octet(script));
        break;
    case 2:
        if (!world.has_left && world.wants_body && !world.has_ended) {
            world.has_ended = true;
            mm_request_offer_end(world.session);
        }
        break;
    case 3:
        if (octet > 200 && !world.has_left) {
            leave();
        }
        break;
    case 4:
        read_body(octet * (size_t)fuzz_octet(script));
        break;
    case 5:
        take_body();
        break;
    case 6:
        follow();
        break;
    case 7:
        mm_request_unfollow(world.share);
        world.is_followed = false;
        break;
    case 8:
        settle(octet / 12);
        break;
    case 9:
        change(script);
        break;
    case 10:
        write_some(script);
        break;
    default:
        FUZZ_CHECK(mm_request_recipient(world.share, octet) == NULL ||
                   octet < 3);
        break;
    }
}

static void begin(uint8_t octet)
{
    static const enum mailmod_moment moments[] = {
        MAILMOD_SMTP_CONNECT, MAILMOD_SMTP_MAIL,    MAILMOD_SMTP_RCPT,
        MAILMOD_SMTP_MESSAGE, MAILMOD_SMTP_MESSAGE, MAILMOD_POP3_LOGIN,
        MAILMOD_SMTP_AUTH,    MAILMOD_POP3_RETRIEVE};
    static const struct mm_request_handler handler = {on_settled, on_wants_body,
                                                      on_room};
    static const struct mm_hooks hooks = {.ask = ask, .context = &world};

    memset(&world, 0, sizeof world);
    world.moment = moments[octet % 8];
    world.refuses = octet > 247;
    const struct mm_request_facts facts = {.moment = world.moment,
                                           .user = "alice",
                                           .password = "secret",
                                           .recipient = "a@b.test",
                                           .written_max = 2000};
    FUZZ_CHECK(mm_request_new(&world.session, &world.loop, &facts, &handler,
                              &world) == MAILMOD_OK);
    FUZZ_CHECK(mm_request_add_recipient(world.session, "c@d.test") ==
               MAILMOD_OK);
    world.share = mm_request_ref(world.session);
    FUZZ_CHECK(mm_request_ask(world.session, &hooks) ==
               (world.refuses ? MAILMOD_ERROR_LIMIT : MAILMOD_OK));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct mm_span script = mm_span((const char *)data, size);

    begin(fuzz_octet(&script));
    for (unsigned i = 0; i < STEPS_MAX && script.size > 0; i++) {
        step(&script);
    }
    settle(1);
    while (world.task_count > 0) {
        run_task();
    }
    FUZZ_CHECK(world.bodies <= 1 && world.settled <= 1);
    if (!world.has_left) {
        FUZZ_CHECK(world.settled == (world.is_settled ? 1 : 0));
        if (world.is_settled) {
            check_answer();
        }
        leave();
    }
    mm_request_unref(&world.share);
    FUZZ_CHECK(world.task_count == 0);
    return 0;
}
