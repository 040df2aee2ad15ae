/* resolver_stream.c - questions to name servers over TCP, by a way that is not
 * ours: the owner opens the connections.
 *
 * Owns one connection at a time, to one of the servers, and the questions that
 * wait. They go out one behind the other without waiting for answers, which may
 * come in any order. Promises: an answer is taken only for a question that is
 * open, by its id and its question; none is larger than its two octets of
 * length say; a question ends within its time, whatever the connection does;
 * where a connection ends, what it has not answered is asked on the next one,
 * of the next server when it has answered nothing at all.
 * Answers are read where those of c-ares are. Thread: the loop's.
 * RFC 1035 4.2.2, RFC 7766 6.2 (one connection, pipelining, any order). */
#include "io/resolver_internal.h"

#include "base/mem.h"
#include "platform/random.h"

#include <string.h>

#define HEADER_SIZE 12
#define LENGTH_SIZE 2
#define ANSWER_MAX 65535
/* A header, a name of 255, type and class. */
#define QUESTION_MAX (HEADER_SIZE + 255 + 4)
#define OPEN_MAX 4096
#define WAIT_MS 3000 /* as dns.timeout begins */
/* RFC 7766 6.2.3: an idle connection is not kept for long. */
#define IDLE_MS 10000

struct asked {
    struct mm_list node;
    struct mm_dns_question *question;
    uint64_t deadline_ms;
    bool is_sent;
    size_t size; /* of the octets, with their length in front */
    uint8_t octets[LENGTH_SIZE + QUESTION_MAX];
};

struct mm_dns_stream {
    struct mm_loop *loop;
    struct mm_resolver_way way;
    struct mm_netaddr servers[MM_DNS_SERVERS_MAX];
    size_t server_count;
    size_t present;
    unsigned failures; /* servers in a row that answered nothing */
    uint64_t timeout_ms;
    void *dial;
    struct mm_conn *conn;
    bool has_answered;   /* over this connection */
    struct mm_list open; /* the first one's time ends first */
    size_t open_count;
    uint16_t next_id;
    struct mm_buf input;
    struct mm_timer timer;
};

static struct asked *first_of(struct mm_dns_stream *stream)
{
    struct mm_list *node = mm_list_first(&stream->open);
    return node != NULL ? MM_LIST_OBJECT(node, struct asked, node) : NULL;
}

static uint16_t number_at(const uint8_t *octets)
{
    return (uint16_t)(octets[0] << 8 | octets[1]);
}

static void put_number(uint8_t *octets, size_t number)
{
    octets[0] = (uint8_t)(number >> 8);
    octets[1] = (uint8_t)number;
}

static void arm(struct mm_dns_stream *stream)
{
    const struct asked *first = first_of(stream);
    uint64_t now_ms = mm_loop_now_ms(stream->loop);
    if (first == NULL) {
        mm_timer_set(&stream->timer, IDLE_MS);
    } else {
        mm_timer_set(&stream->timer, first->deadline_ms > now_ms
                                         ? first->deadline_ms - now_ms
                                         : 0);
    }
}

static void finish(struct mm_dns_stream *stream, struct asked *asked,
                   enum mailmod_error error, struct mm_span answer)
{
    struct mm_dns_question *question = asked->question;
    mm_list_remove(&asked->node);
    stream->open_count--;
    mm_free(asked);
    mm_dns_question_done(question, error, (const uint8_t *)answer.data,
                         answer.size);
}

static void finish_all(struct mm_dns_stream *stream, enum mailmod_error error)
{
    struct asked *asked = first_of(stream);
    while (asked != NULL) {
        finish(stream, asked, error, mm_span(NULL, 0));
        asked = first_of(stream);
    }
}

/* ---- the connection ---- */

static void drop_connection(struct mm_dns_stream *stream)
{
    stream->way.stop(&stream->dial);
    if (stream->conn != NULL) {
        mm_conn_forget(stream->conn);
        stream->conn = NULL;
    }
    mm_buf_release(&stream->input);
    stream->has_answered = false;
    MM_LIST_EACH(node, &stream->open)
    {
        MM_LIST_OBJECT(node, struct asked, node)->is_sent = false;
    }
}

static void send_open(struct mm_dns_stream *stream)
{
    MM_LIST_EACH(node, &stream->open)
    {
        struct asked *asked = MM_LIST_OBJECT(node, struct asked, node);
        if (!asked->is_sent) {
            if (mm_conn_write(stream->conn, (const char *)asked->octets,
                              asked->size) != MAILMOD_OK) {
                return; /* on_drained, or the end of the connection */
            }
            asked->is_sent = true;
        }
    }
}

static const struct mm_conn_handler handler;
static void on_failed(void *owner, enum mailmod_error error);

/* The next server, as long as one is left that was not tried in vain; with
 * none, what waits has its answer: there is none. */
static void connect_on(struct mm_dns_stream *stream, enum mailmod_error error)
{
    while (error != MAILMOD_OK && first_of(stream) != NULL) {
        stream->failures++;
        stream->present = (stream->present + 1) % stream->server_count;
        if (stream->failures >= stream->server_count) {
            stream->failures = 0;
            finish_all(stream, error);
            return;
        }
        error = stream->way.start(stream->way.context, stream->loop,
                                  &stream->servers[stream->present], &handler,
                                  on_failed, stream, &stream->dial);
    }
}

static void reach(struct mm_dns_stream *stream)
{
    if (stream->conn == NULL && stream->dial == NULL) {
        connect_on(stream, stream->way.start(stream->way.context, stream->loop,
                                             &stream->servers[stream->present],
                                             &handler, on_failed, stream,
                                             &stream->dial));
    }
}

static void on_failed(void *owner, enum mailmod_error error)
{
    struct mm_dns_stream *stream = owner;
    drop_connection(stream);
    connect_on(stream, error);
    arm(stream);
}

static void on_open(void *context, struct mm_conn *conn)
{
    struct mm_dns_stream *stream = context;
    stream->conn = conn;
    stream->way.stop(&stream->dial);
    send_open(stream);
}

static void on_drained(void *context, struct mm_conn *conn)
{
    (void)conn;
    send_open(context);
}

static void on_closed(void *context, struct mm_conn *conn,
                      enum mailmod_error reason)
{
    struct mm_dns_stream *stream = context;
    bool has_answered = stream->has_answered;
    (void)conn;
    stream->conn = NULL;
    drop_connection(stream);
    if (first_of(stream) == NULL) {
        return;
    }
    if (has_answered) {
        reach(stream); /* some servers answer one question each time */
    } else {
        connect_on(stream, reason != MAILMOD_OK ? reason : MAILMOD_ERROR_DNS);
    }
    arm(stream);
}

/* ---- answers ---- */

static bool is_same_question(const struct asked *asked, struct mm_span answer)
{
    struct mm_span wanted =
        mm_span((const char *)asked->octets + LENGTH_SIZE + HEADER_SIZE,
                asked->size - LENGTH_SIZE - HEADER_SIZE);
    struct mm_span got = mm_span_from(answer, HEADER_SIZE);
    return got.size >= wanted.size &&
           mm_span_equal_nocase(mm_span(got.data, wanted.size), wanted);
}

static struct asked *find(struct mm_dns_stream *stream, struct mm_span answer)
{
    const uint8_t *octets = (const uint8_t *)answer.data;
    bool is_answer = (octets[2] & 0x80) != 0 && number_at(octets + 4) == 1;
    MM_LIST_EACH(node, &stream->open)
    {
        struct asked *asked = MM_LIST_OBJECT(node, struct asked, node);
        if (is_answer && asked->is_sent &&
            memcmp(asked->octets + LENGTH_SIZE, octets, 2) == 0 &&
            is_same_question(asked, answer)) {
            return asked;
        }
    }
    return NULL;
}

static void take_answer(struct mm_dns_stream *stream, struct mm_span answer)
{
    struct asked *asked =
        answer.size >= HEADER_SIZE ? find(stream, answer) : NULL;
    if (asked == NULL) {
        return; /* nobody asked that, or nobody waits any more */
    }
    enum mailmod_error error =
        asked->question->is_whole
            ? MAILMOD_OK
            : mm_dns_answer_error((const uint8_t *)answer.data, answer.size);
    stream->has_answered = true;
    stream->failures = 0;
    finish(stream, asked, error, answer);
}

static void take_answers(struct mm_dns_stream *stream)
{
    struct mm_span input = mm_buf_span(&stream->input);
    size_t size = 0;
    while (input.size >= LENGTH_SIZE) {
        size = number_at((const uint8_t *)input.data);
        if (input.size < LENGTH_SIZE + size) {
            break;
        }
        take_answer(stream, mm_span(input.data + LENGTH_SIZE, size));
        mm_buf_consume(&stream->input, LENGTH_SIZE + size);
        input = mm_buf_span(&stream->input);
    }
    arm(stream);
}

static size_t on_input(void *context, struct mm_conn *conn, const char *bytes,
                       size_t size)
{
    struct mm_dns_stream *stream = context;
    size_t used = 0;
    (void)conn;
    while (used < size) {
        size_t room = mm_buf_room(&stream->input);
        size_t piece = size - used < room ? size - used : room;
        if (mm_buf_append(&stream->input, bytes + used, piece) != MAILMOD_OK) {
            mm_conn_abort(conn); /* no memory */
            return size;
        }
        used += piece;
        take_answers(stream);
    }
    return used;
}

static const struct mm_conn_handler handler = {.on_open = on_open,
                                               .on_input = on_input,
                                               .on_drained = on_drained,
                                               .on_closed = on_closed};

/* ---- questions ---- */

/* An open connection that let a question's time go by is not asked again; one
 * that is being opened has a time of its own. */
static void on_timer(struct mm_timer *timer)
{
    struct mm_dns_stream *stream =
        MM_LIST_OBJECT(timer, struct mm_dns_stream, timer);
    uint64_t now_ms = mm_loop_now_ms(stream->loop);
    struct asked *asked = first_of(stream);
    bool was_idle = asked == NULL;
    bool is_late = false;
    while (asked != NULL && asked->deadline_ms <= now_ms) {
        finish(stream, asked, MAILMOD_ERROR_TIMEOUT, mm_span(NULL, 0));
        asked = first_of(stream);
        is_late = true;
    }
    if (stream->conn != NULL && (is_late || was_idle)) {
        drop_connection(stream);
        stream->present = (stream->present + is_late) % stream->server_count;
    }
    if (asked != NULL) {
        reach(stream);
    }
    if (first_of(stream) != NULL || stream->conn != NULL) {
        arm(stream);
    }
}

static bool is_id_open(const struct mm_dns_stream *stream, uint16_t id)
{
    MM_LIST_EACH(node, &stream->open)
    {
        const struct asked *asked = MM_LIST_OBJECT(node, struct asked, node);
        if (number_at(asked->octets + LENGTH_SIZE) == id) {
            return true;
        }
    }
    return false;
}

enum mailmod_error mm_dns_stream_ask(struct mm_dns_stream *stream,
                                     struct mm_dns_question *question,
                                     const uint8_t *octets, size_t size)
{
    if (size > QUESTION_MAX) {
        return MAILMOD_ERROR_SYNTAX;
    }
    if (stream->open_count >= OPEN_MAX) {
        return MAILMOD_ERROR_LIMIT;
    }
    struct asked *asked = mm_alloc(sizeof *asked);
    if (asked == NULL) {
        return MAILMOD_ERROR_MEMORY;
    }
    while (is_id_open(stream, stream->next_id)) {
        stream->next_id++;
    }
    put_number(asked->octets, size);
    memcpy(asked->octets + LENGTH_SIZE, octets, size);
    put_number(asked->octets + LENGTH_SIZE, stream->next_id++);
    asked->size = LENGTH_SIZE + size;
    asked->question = question;
    asked->deadline_ms = mm_loop_now_ms(stream->loop) + stream->timeout_ms;
    mm_list_init(&asked->node);
    mm_list_append(&stream->open, &asked->node);
    stream->open_count++;
    if (stream->conn != NULL) {
        send_open(stream);
    } else {
        reach(stream);
    }
    arm(stream);
    return MAILMOD_OK;
}

/* ---- its life ---- */

enum mailmod_error mm_dns_stream_open(struct mm_dns_stream **stream_out,
                                      struct mm_loop *loop,
                                      const struct mm_resolver_options *options)
{
    struct mm_dns_stream *stream = mm_alloc(sizeof *stream);
    *stream_out = NULL;
    if (stream == NULL) {
        return MAILMOD_ERROR_MEMORY;
    }
    stream->loop = loop;
    stream->timeout_ms =
        options->timeout_ms == 0 || options->timeout_ms > 600000
            ? WAIT_MS
            : options->timeout_ms;
    mm_list_init(&stream->open);
    mm_buf_init(&stream->input, LENGTH_SIZE + ANSWER_MAX);
    enum mailmod_error error = mm_dns_parse_servers(
        options->servers, stream->servers, &stream->server_count);
    if (error == MAILMOD_OK && stream->server_count == 0) {
        error = MAILMOD_ERROR_SYNTAX; /* the system's are not asked for */
    }
    if (error == MAILMOD_OK) {
        error = mm_random(&stream->next_id, sizeof stream->next_id);
    }
    if (error == MAILMOD_OK) {
        error = mm_timer_open(&stream->timer, loop, on_timer);
    }
    if (error != MAILMOD_OK) {
        mm_free(stream);
        return error;
    }
    stream->way = *options->way;
    stream->way.context = options->way->ref(options->way->context);
    *stream_out = stream;
    return MAILMOD_OK;
}

void mm_dns_stream_close(struct mm_dns_stream **stream_in)
{
    struct mm_dns_stream *stream = *stream_in;
    *stream_in = NULL;
    drop_connection(stream);
    finish_all(stream, MAILMOD_ERROR_CANCELLED);
    mm_timer_close(&stream->timer);
    mm_buf_fini(&stream->input);
    stream->way.unref(&stream->way.context);
    mm_free(stream);
}
