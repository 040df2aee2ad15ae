/* pop3_host.h - a small host around the POP3 server engine: one user, some
 * messages, answers to every event. It allocates nothing, so that a test may
 * make any allocation of the engine fail. */
#ifndef MM_TESTS_POP3_HOST_H
#define MM_TESTS_POP3_HOST_H

#include "base/mem.h"
#include "wire/pop3/server.h"

#include <string.h>

#define POP3_HOST_MESSAGES 8
#define POP3_HOST_OUTPUT (4 << 20)
#define POP3_HOST_STAMP "<1896.697170952@dbc.mtview.ca.us>"

struct pop3_host {
    struct mm_pop3d *engine;
    struct mm_span messages[POP3_HOST_MESSAGES];
    bool is_deleted[POP3_HOST_MESSAGES];
    size_t count;
    size_t piece;    /* octets of a body offered at once; 0: all */
    bool is_stalled; /* the client takes nothing */
    bool starts_tls; /* the handshake follows STLS at once */
    bool refuses;    /* UPDATE and its kin, and verbs of its own */
    size_t row;      /* what LIST or UIDL tells next */
    bool is_uidl;
    size_t body; /* the message that RETR or TOP tells, and how far */
    size_t body_at;
    bool is_starved;  /* a call told MEMORY */
    bool is_updated;  /* UPDATE came */
    bool is_closed;   /* QUIT or BROKEN came */
    char broken[128]; /* why */
    size_t events;
    char output[POP3_HOST_OUTPUT];
    size_t output_size;
    size_t output_lost; /* what found no place in `output` */
};

static inline void pop3_host_note(struct pop3_host *host,
                                  enum mailmod_error error)
{
    host->is_starved = host->is_starved || error == MAILMOD_ERROR_MEMORY;
}

static inline void pop3_host_take(struct pop3_host *host)
{
    struct mm_span out = mm_pop3d_output(host->engine);
    size_t room = sizeof host->output - host->output_size;
    size_t kept = out.size < room ? out.size : room;
    if (host->is_stalled || out.size == 0) {
        return;
    }
    memcpy(host->output + host->output_size, out.data, kept);
    host->output_size += kept;
    host->output_lost += out.size - kept;
    mm_pop3d_sent(host->engine, out.size);
}

static inline bool pop3_host_has(const struct pop3_host *host, uint64_t number)
{
    return number > 0 && number <= host->count && !host->is_deleted[number - 1];
}

static inline const char *pop3_host_id(size_t index)
{
    static const char *const ids[] = {"id-1", "id-2", "id-3", "id-4",
                                      "id-5", "id-6", "id-7", "id-8"};
    return ids[index];
}

/* The number of the message that an event names; 0: there is none. */
static inline uint64_t pop3_host_number(const struct mm_pop3d_info *info)
{
    for (size_t i = 0; i < POP3_HOST_MESSAGES; i++) {
        if (mm_span_is(info->unique_id, pop3_host_id(i))) {
            return i + 1;
        }
    }
    return info->number;
}

static inline void pop3_host_say(struct pop3_host *host, bool is_ok)
{
    const struct mm_pop3_reply bad = {false, NULL, NULL};
    pop3_host_note(host, mm_pop3d_answer(host->engine, is_ok ? NULL : &bad));
}

static inline void pop3_host_auth(struct pop3_host *host,
                                  const struct mm_pop3d_info *info)
{
    static const char good[] = "\0tim\0tanstaaf";
    if (!info->has_data) {
        pop3_host_note(host,
                       mm_pop3d_challenge(host->engine, mm_span(NULL, 0)));
        return;
    }
    pop3_host_say(host,
                  mm_span_equal(info->data, mm_span(good, sizeof good - 1)));
}

static inline void pop3_host_stat(struct pop3_host *host)
{
    uint64_t count = 0;
    uint64_t octets = 0;
    for (size_t i = 0; i < host->count; i++) {
        if (!host->is_deleted[i]) {
            count++;
            octets += host->messages[i].size;
        }
    }
    pop3_host_note(host, mm_pop3d_answer_stat(host->engine, count, octets));
}

static inline void pop3_host_list(struct pop3_host *host,
                                  enum mm_pop3d_event event,
                                  const struct mm_pop3d_info *info)
{
    const struct mm_pop3_reply bad = {false, NULL, NULL};
    host->is_uidl = event == MM_POP3D_UIDL;
    host->row = 0;
    uint64_t number = pop3_host_number(info);
    if (number == 0 && info->unique_id.size == 0) {
        pop3_host_note(host, mm_pop3d_answer(host->engine, NULL));
    } else if (pop3_host_has(host, number)) {
        size_t index = (size_t)number - 1;
        pop3_host_note(host, mm_pop3d_answer_row(host->engine, number,
                                                 host->messages[index].size,
                                                 pop3_host_id(index)));
    } else {
        pop3_host_note(host, mm_pop3d_answer(host->engine, &bad));
    }
}

static inline void pop3_host_rows(struct pop3_host *host)
{
    for (; host->row < host->count; host->row++) {
        if (!host->is_deleted[host->row] &&
            !mm_pop3d_row(host->engine, host->row + 1,
                          host->messages[host->row].size,
                          host->is_uidl ? pop3_host_id(host->row) : NULL)) {
            return;
        }
    }
    mm_pop3d_rows_end(host->engine);
}

static inline void pop3_host_numbered(struct pop3_host *host,
                                      enum mm_pop3d_event event,
                                      const struct mm_pop3d_info *info)
{
    const struct mm_pop3_reply bad = {false, NULL, NULL};
    uint64_t number = pop3_host_number(info);
    bool has = pop3_host_has(host, number);
    if (has) {
        host->body = (size_t)number - 1;
        host->body_at = 0;
    }
    enum mailmod_error error = mm_pop3d_answer(host->engine, has ? NULL : &bad);
    pop3_host_note(host, error);
    bool deletes = event == MM_POP3D_DELE || event == MM_POP3D_DELI;
    if (has && deletes && error == MAILMOD_OK) {
        host->is_deleted[host->body] = true;
    }
}

static inline void pop3_host_body(struct pop3_host *host)
{
    struct mm_span rest =
        mm_span_from(host->messages[host->body], host->body_at);
    if (rest.size == 0 || !mm_pop3d_wants_body(host->engine)) {
        mm_pop3d_body_end(host->engine);
        return;
    }
    if (host->piece != 0 && rest.size > host->piece) {
        rest.size = host->piece;
    }
    host->body_at += mm_pop3d_body(host->engine, rest.data, rest.size);
}

static inline void pop3_host_stls(struct pop3_host *host)
{
    pop3_host_note(host, mm_pop3d_answer(host->engine, NULL));
    if (host->starts_tls) {
        pop3_host_take(host);
        mm_pop3d_tls_begun(host->engine);
    }
}

static inline void pop3_host_end(struct pop3_host *host,
                                 const struct mm_pop3d_info *info)
{
    if (info->text != NULL) {
        (void)mm_span_copy(mm_span_cstr(info->text), host->broken,
                           sizeof host->broken);
    }
    host->is_closed = true;
    pop3_host_note(host, mm_pop3d_answer(host->engine, NULL));
}

static inline void pop3_host_settle(struct pop3_host *host,
                                    enum mm_pop3d_event event,
                                    const struct mm_pop3d_info *info)
{
    switch (event) {
    case MM_POP3D_LOGIN:
        pop3_host_say(host, mm_span_is(info->user, "tim") &&
                                mm_span_is(info->password, "tanstaaf"));
        break;
    case MM_POP3D_APOP:
        pop3_host_say(host, info->digest.size == 16 &&
                                (unsigned char)info->digest.data[0] == 0xc4 &&
                                mm_span_is(info->stamp, POP3_HOST_STAMP));
        break;
    case MM_POP3D_AUTH:
    case MM_POP3D_AUTH_DATA:
        pop3_host_auth(host, info);
        break;
    case MM_POP3D_STAT:
        pop3_host_stat(host);
        break;
    case MM_POP3D_LIST:
    case MM_POP3D_UIDL:
        pop3_host_list(host, event, info);
        break;
    case MM_POP3D_RETR:
    case MM_POP3D_TOP:
    case MM_POP3D_DELE:
    case MM_POP3D_DELI:
        pop3_host_numbered(host, event, info);
        break;
    case MM_POP3D_RSET:
        memset(host->is_deleted, 0, sizeof host->is_deleted);
        pop3_host_note(host, mm_pop3d_answer(host->engine, NULL));
        break;
    case MM_POP3D_NEED_ROWS:
        pop3_host_rows(host);
        break;
    case MM_POP3D_NEED_BODY:
        pop3_host_body(host);
        break;
    case MM_POP3D_STLS:
        pop3_host_stls(host);
        break;
    case MM_POP3D_QUIT:
    case MM_POP3D_BROKEN:
        pop3_host_end(host, info);
        break;
    default: /* CONNECT, UPDATE, SLEE, WAKE, CORE, QAUT, COMMAND */
        host->is_updated = host->is_updated || event == MM_POP3D_UPDATE;
        pop3_host_say(host, !host->refuses);
        break;
    }
}

/* Until the engine has nothing to tell: it needs input, or takes no more. */
static inline void pop3_host_pump(struct pop3_host *host)
{
    struct mm_pop3d_info info;
    enum mm_pop3d_event event = mm_pop3d_next(host->engine, &info);
    while (event != MM_POP3D_NEED_INPUT ||
           (!host->is_stalled && mm_pop3d_output(host->engine).size > 0)) {
        if (event != MM_POP3D_NEED_INPUT) {
            host->events++;
            pop3_host_settle(host, event, &info);
        }
        pop3_host_take(host);
        event = mm_pop3d_next(host->engine, &info);
    }
}

/* Feeds all of it, or as much as is taken; returns how much that was. */
static inline size_t pop3_host_feed(struct pop3_host *host, const char *bytes,
                                    size_t size)
{
    size_t at = 0;
    size_t taken = 1;
    while (at < size && taken > 0) {
        taken = mm_pop3d_feed(host->engine, bytes + at, size - at);
        at += taken;
        pop3_host_pump(host);
    }
    return at;
}

static inline enum mailmod_error
pop3_host_open(struct pop3_host *host, const struct mm_pop3d_options *options)
{
    static const char *const messages[] = {
        "Subject: one\r\n\r\nHello.\r\n",
        "Subject: two\r\n\r\n.\r\n..dots\r\nno end",
        "Subject: three\r\nX: no body\r\n\r\n",
    };
    memset(host, 0, offsetof(struct pop3_host, output));
    host->output_size = 0;
    host->output_lost = 0;
    for (size_t i = 0; i < 3; i++) {
        host->messages[i] = mm_span_cstr(messages[i]);
    }
    host->count = 3;
    return mm_pop3d_new(&host->engine, options);
}

static inline void pop3_host_close(struct pop3_host *host)
{
    mm_pop3d_free(&host->engine);
}

#endif
