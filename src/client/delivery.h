/* thread: loop
 * delivery.h - one connection to one destination: batches in, outcomes out.
 *
 * A delivery finds its way (route), dials hop after hop, pairs the connection
 * with an SMTP client engine, and hands back what came of each recipient. When
 * a message is settled and the connection stands it asks for another one.
 *
 * Law: working -> on_outcomes (the batch is the host's again) -> on_idle ->
 * mm_delivery_give or mm_delivery_quit; at the end, in any way it came, on_gone
 * once; then the delivery is freed by its host. No callback comes from inside a
 * call into the delivery, except that mm_delivery_start and _give may end in
 * on_outcomes, on_idle and on_gone at once. */
#ifndef MM_CLIENT_DELIVERY_H
#define MM_CLIENT_DELIVERY_H

#include "base/tap.h"
#include "client/outbound_settings.h"
#include "client/outcome.h"
#include "client/relay.h"
#include "client/token.h"
#include "queue/queue.h"
#include "store/store.h"

struct mm_delivery;
struct mm_host_loop;

enum mm_delivery_reply {
    MM_DELIVERY_MAIL_REPLY,
    MM_DELIVERY_RCPT_REPLY,
    MM_DELIVERY_DATA_REPLY /* to the message as a whole, when somebody was to
                              get it */
};

/* What a host does not offer and a message would have used. Bits. */
enum mm_delivery_missing {
    MM_MISSING_STARTTLS = 1, /* where TLS is only "may" */
    MM_MISSING_8BITMIME = 2,
    MM_MISSING_DSN = 4,
    MM_MISSING_DELIVERBY = 8,
    MM_MISSING_BINARYMIME = 16 /* with CHUNKING */
};

/* What the owner of a message is asked. */
struct mm_delivery_question {
    enum {
        MM_QUESTION_MISSING,     /* may it go on without what is missing? */
        MM_QUESTION_CERTIFICATE, /* may the host be talked to, although its
                                    certificate is not to be trusted? */
        MM_QUESTION_EXPIRED      /* may it have the time that the host wants? */
    } kind;
    uint64_t message_id;
    const char *host;
    unsigned missing;  /* MISSING */
    const char *words; /* CERTIFICATE: why; else "" */
    int64_t seconds;   /* EXPIRED: so many too few */
};

enum mm_delivery_answer { MM_ANSWER_AS_SET, MM_ANSWER_GO_ON, MM_ANSWER_STOP };

struct mm_delivery_handler {
    /* Outcomes, one a recipient, are the host's to mm_free. NULL: untried (cut,
     * or out of memory): the batch goes back as it was. */
    void (*on_outcomes)(void *context, struct mq_batch *batch,
                        struct mq_outcome *outcomes);
    void (*on_idle)(void *context);
    /* May be NULL; not from inside a call that ends in on_outcomes. */
    void (*on_progress)(void *context, const struct mq_batch *batch,
                        enum mailmod_progress progress, uint64_t octets);
    void (*on_gone)(void *context);
    /* May be NULL; from anywhere, and must not call back. A host's reply to a
     * part of the batch; `recipient` is the place in it (RCPT). `host` said it.
     */
    void (*on_reply)(void *context, const struct mq_batch *batch,
                     enum mm_delivery_reply part, size_t recipient,
                     const char *host, const struct mm_reply_in *reply);
    /* What is said, as a tap hears it (base/tap.h). */
    void (*on_line)(void *context, enum mm_tap_way way, struct mm_span line,
                    bool is_masked);
};

struct mm_delivery_options {
    struct mm_loop *loop;
    struct mm_resolver *resolver; /* the loop's */
    struct mm_workers *workers;
    struct mm_store *store;
    const struct mm_log *log;
    struct mm_outbound_settings *settings; /* a reference is taken */
    const char *destination;               /* copied */
    struct mm_relay relay;                 /* its texts outlive the delivery */
    /* thread: worker. Where the text comes from; NULL: the store. */
    enum mailmod_error (*read_chunk)(void *read_context, uint64_t message_id,
                                     unsigned number, struct mm_buf *out);
    void *read_context;
    /* Runs the job, on any thread, and then `done` on its loop; the owner
     * cannot leave it. NULL: the workers. */
    enum mailmod_error (*submit)(void *read_context, struct mm_job *job);
    /* thread: as read_chunk. NULL: all is as set. */
    enum mm_delivery_answer (*ask)(void *read_context,
                                   const struct mm_delivery_question *question);
    bool is_submission;         /* what goes comes from its writer */
    struct mm_host_loop *hosts; /* the loop's; outlives it */
    const uint8_t *secret;      /* 32 octets, outlive it: nonces */
    struct mm_token_source tokens;
    const struct mm_delivery_handler *handler;
    void *context;
};

MM_CHECK enum mailmod_error
mm_delivery_new(struct mm_delivery **delivery_out,
                const struct mm_delivery_options *options);
/* Only after on_gone, or before start. */
void mm_delivery_free(struct mm_delivery **delivery);
void mm_delivery_start(struct mm_delivery *delivery, struct mq_batch *batch);
/* Idle: another message for the same destination. */
void mm_delivery_give(struct mm_delivery *delivery, struct mq_batch *batch);
/* Idle: QUIT. Otherwise at the end of the message. */
void mm_delivery_quit(struct mm_delivery *delivery);
/* At once, whatever it does; the batch comes back untried. */
void mm_delivery_cut(struct mm_delivery *delivery);
/* How long the attempt has not come on. */
uint64_t mm_delivery_quiet_ms(const struct mm_delivery *delivery);
bool mm_delivery_is_idle(const struct mm_delivery *delivery);
const char *mm_delivery_destination(const struct mm_delivery *delivery);
const struct mm_outbound_settings *
mm_delivery_settings(const struct mm_delivery *delivery);

#endif
