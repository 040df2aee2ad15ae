/* thread: any (each function says which)
 * request.h - one question to the host, shared by a session and the thread on
 * which the host thinks about it.
 *
 * Two owners: the session (loop) and the host (any thread). Either may let go
 * first; the second one frees. All that both touch stands behind the request's
 * lock; `verdict` and what belongs to it are the host's until it settles, and
 * the loop's from on_settled on. */
#ifndef MM_SERVER_REQUEST_H
#define MM_SERVER_REQUEST_H

#include "io/io.h"
#include "mailmod/terms.h"
#include "post/changes.h"
#include "wire/smtp/reply.h"

enum mm_verdict {
    MM_VERDICT_ACCEPT,
    MM_VERDICT_REJECT,
    MM_VERDICT_REJECT_FOR_NOW,
    MM_VERDICT_TAKEN
};

/* What the host may know. Texts are copied; NULL where there is none. */
struct mm_request_facts {
    enum mailmod_moment moment;
    uint64_t connection; /* the session's number */
    struct mm_netaddr peer;
    intptr_t socket;
    bool is_tls;
    const char *user;
    const char *password;
    const char *token;
    const char *certificate; /* PEM */
    const char *fingerprint; /* SHA-256, in hexadecimal */
    const char *reverse_path;
    const char *recipient; /* the first, or the only one */
    const char *message;
    uint64_t number;
    size_t written_max; /* octets that the host may write */
};

struct mm_request;

/* How the host is asked. */
struct mm_hooks {
    unsigned
        moments; /* mailmod_moment bits to begin with: mm_server_set_moments */
    /* thread: loop. Hands the request to a thread of the host's and returns;
     * LIMIT or MEMORY when it cannot: the session answers for now. It may come
     * for a moment at which the host is no longer asked. */
    enum mailmod_error (*ask)(void *context, struct mm_request *request);
    void *context;
};

struct mm_request_handler {
    /* thread: loop; not after mm_request_leave. */
    void (*on_settled)(void *context);    /* the verdict is there */
    void (*on_wants_body)(void *context); /* the host reads: send 354 */
    void (*on_room)(void *context);       /* mm_request_offer has room again */
};

MM_CHECK enum mailmod_error
mm_request_new(struct mm_request **request_out, struct mm_loop *loop,
               const struct mm_request_facts *facts,
               const struct mm_request_handler *handler, void *context);
MM_CHECK enum mailmod_error mm_request_add_recipient(struct mm_request *request,
                                                     const char *recipient);
/* Gives the host its share; after this the request may be settled any time. */
MM_CHECK enum mailmod_error mm_request_ask(struct mm_request *request,
                                           const struct mm_hooks *hooks);
/* The session goes; a host that still reads gets CLOSED. */
void mm_request_leave(struct mm_request **request);
bool mm_request_is_settled(const struct mm_request *request);
enum mm_verdict mm_request_verdict(const struct mm_request *request);
/* The reply of a rejection or of a host that wrote its own; NULL: none. Lives
 * as long as the request. */
const struct mm_reply *mm_request_reply(const struct mm_request *request);
/* What the host wrote. */
struct mm_span mm_request_written(const struct mm_request *request);
/* Body octets for the host; returns how many had room. */
size_t mm_request_offer(struct mm_request *request, struct mm_span data);
void mm_request_offer_end(struct mm_request *request);

const struct mm_request_facts *
mm_request_facts(const struct mm_request *request);
const char *mm_request_recipient(const struct mm_request *request,
                                 size_t index); /* NULL past the last */
/* A share of the caller's own. thread: any */
struct mm_request *mm_request_ref(struct mm_request *request);
void mm_request_unref(struct mm_request **request);
/* STATE when it is settled. Gives back the share of mm_request_ask: without
 * another one the request may be freed by this call. */
MM_CHECK enum mailmod_error mm_request_settle(struct mm_request *request,
                                              enum mm_verdict verdict);
/* The reply code of a rejection that names none; 0 for other verdicts. */
int mm_request_default_code(const struct mm_request *request,
                            enum mm_verdict verdict);
/* Before settling: what the host wants changed. STATE, also at a moment that
 * changes nothing; ARGUMENT, LIMIT and MEMORY as of mm_changes_add. */
MM_CHECK enum mailmod_error mm_request_change(struct mm_request *request,
                                              const struct mm_change *change);
/* ... the answer held back, at MAILMOD_SMTP_RCPT. LIMIT past
 * MM_LIMIT_DELAY_MS. */
MM_CHECK enum mailmod_error mm_request_set_delay(struct mm_request *request,
                                                 unsigned delay_ms);
/* Once it is settled. */
const struct mm_changes *mm_request_changes(const struct mm_request *request);
unsigned mm_request_delay_ms(const struct mm_request *request);
/* Before settling. `code` 400 to 599, else the verdict's own. */
MM_CHECK enum mailmod_error mm_request_set_reply(struct mm_request *request,
                                                 int code, const char *text);
MM_CHECK enum mailmod_error mm_request_write(struct mm_request *request,
                                             const void *octets, size_t size);
/* The body goes to a follower instead of mm_request_read: mm_request_take gives
 * what is there, and `on_news` tells that there is more, the end, or an error;
 * under the request's lock, from any thread. STATE when it is settled, read, or
 * followed already, or has no body. NULL ends it: no call comes after that. */
MM_CHECK enum mailmod_error mm_request_follow(struct mm_request *request,
                                              void (*on_news)(void *context),
                                              void *context);
void mm_request_unfollow(struct mm_request *request);
/* Replaces `out` with what is there. BUSY: nothing yet; NOT_FOUND: the end;
 * errors as mm_request_read. */
MM_CHECK enum mailmod_error mm_request_take(struct mm_request *request,
                                            struct mm_buf *out);
/* Waits for the peer; 0 at the end, or with an error: STATE when it is or gets
 * settled, CLOSED when the session left. */
size_t mm_request_read(struct mm_request *request, void *buffer, size_t size,
                       enum mailmod_error *error_out);

#endif
