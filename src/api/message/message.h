/* thread: any; the lock of struct mm_messages guards what is said to be so
 * message.h - messages of the host program: one object each, and the table of
 * an instance's.
 *
 * A message is held by its handle, by the attempt that reads its text, and by
 * the job that tells its events; the last one frees it. The table is held by
 * the instance while it runs and by each message, so that results can be read
 * when the instance is gone. Lock order: the table's, then the host threads'
 * pool; nothing is called with the lock that could wait. */
#ifndef MM_API_MESSAGE_H
#define MM_API_MESSAGE_H

#include "mailmod.h"

#include "api/context.h"
#include "api/host_threads.h"
#include "api/message/text.h"
#include "api/turning.h"
#include "base/list.h"
#include "base/map.h"
#include "client/unstored.h"
#include "config/config.h"
#include "platform/thread.h"
#include "post/deposit.h"

/* Messages on their way with a handle, in one instance. */
#define MM_MESSAGES_MAX 1000000
/* Events that wait for a slow callback; past it the newest replaces the one
 * before it. One place is DONE's. */
#define MM_MESSAGE_EVENTS_MAX 8
/* Callbacks at once, of messages: the pool's other threads are for questions
 * of sessions. */
#define MM_MESSAGE_THREADS_MAX 256

/* What a table works with while it is open. */
struct mm_messages_options {
    struct mm_post *post;
    struct mm_store *store;
    struct mm_config *config; /* a reference is taken */
    struct mm_host_threads *host_threads;
    const struct mm_log *log;
};

struct mm_messages {
    struct mm_mutex *mutex; /* the lock: all below */
    struct mm_condition *changed;
    unsigned references;
    bool is_open;           /* between start and drain */
    size_t working;         /* calls that use what follows */
    size_t jobs;            /* messages whose events are being told */
    size_t threads;         /* that tell them */
    struct mm_list waiting; /* of the jobs, for a thread */
    struct mm_list all;
    struct mm_map map; /* identifier: a message on its way */
    struct mm_post *post;
    struct mm_store *store;
    struct mm_config *config;
    const struct mm_log *log;
    struct mm_outbound *outbound;
    struct mm_host_threads *host_threads;
    struct mm_turning *turning; /* NULL: nobody waits for a loop */
};

/* What is said of a recipient. */
struct mm_message_words {
    struct mm_message_words *former; /* the host may hold its texts */
    enum mailmod_error error;        /* OK: delivered */
    int code;
    char enhanced[12];
    char host[256];
    char text[512];
};

enum mm_message_place {
    MM_PLACE_REMOTE, /* hosts elsewhere */
    MM_PLACE_HERE,   /* a mailbox */
    MM_PLACE_QUEUED, /* a consumer of ours, by the queue */
    MM_PLACE_NOBODY
};

struct mm_message_recipient {
    /* fixed */
    char *path;
    unsigned notify;          /* enum mm_dsn_notify bits */
    char *original_recipient; /* NULL: none */
    /* the sender's */
    enum mm_message_place place;
    const struct mm_reply *refusal; /* of nobody: what the server would say */
    /* lock */
    enum mailmod_outcome outcome;
    enum mailmod_error error; /* the outcome as an error */
    bool is_final;
    bool was_tried; /* in this round of attempts */
    bool was_read;  /* the host was given the texts of `words` */
    struct mm_message_words *words;
};

struct mm_message_recipients {
    struct mm_message_recipient *items;
    size_t count;
    bool needs_smtputf8;
};

struct mm_message_relay { /* all NULL: not by a relay */
    char *host;
    char *user;
    char *password; /* secret */
    unsigned port;
    enum mailmod_relay_tls tls;
    char *token_account; /* NULL: with a password */
};

/* The law: WRITING -> SENT -> DONE. A message that could not be sent stays
 * WRITING with an `error`. */
enum mm_message_state { MM_MESSAGE_WRITING, MM_MESSAGE_SENT, MM_MESSAGE_DONE };

struct mm_message_event {
    enum mailmod_progress progress;
    uint64_t sent;
};

struct mailmod_message {
    /* fixed */
    struct mm_messages *messages;
    uint64_t id;
    char identifier[MM_MESSAGE_ID_TEXT_MAX];
    enum mailmod_send_mode mode;
    char reverse_path[MM_STORE_REVERSE_PATH_MAX];
    bool is_smtputf8;
    enum mm_dsn_return dsn_return;
    char envelope_id[MM_DSN_ENVELOPE_ID_MAX + 1];
    mailmod_on_progress on_progress;
    void *context;       /* of on_progress */
    void *shown_context; /* that the host sees as its own */
    struct mm_message_relay relay;
    struct mm_message_recipients recipients;

    /* the writer's, which is one at a time; the attempt's, once it is sent */
    struct mm_config *config;
    int64_t arrival_ms;
    struct mm_message_text text;
    struct mm_deposit *deposit; /* the text and those who are here */
    enum mailmod_error deposit_error;
    uint64_t size; /* as it goes out, once it is whole */
    bool requires_all;

    /* lock */
    struct mm_list node; /* in `all` */
    unsigned references;
    enum mm_message_state state;
    enum mailmod_error error;
    bool is_busy; /* it is being written or sent */
    bool is_freed;
    bool frees_itself; /* after DONE: nobody else has the handle */
    bool was_stopped;  /* the instance stopped before it was done */
    bool is_told;      /* DONE, and its callback has returned */
    size_t open_count; /* recipients without a final outcome */
    size_t untried_count;
    enum mailmod_progress progress;
    uint64_t sent;
    struct mm_message_event events[MM_MESSAGE_EVENTS_MAX];
    size_t event_count;
    struct mm_host_job job;
    struct mm_list waiting_node;
    bool has_job;
    bool in_callback;
    struct mm_condition *changed;
    struct mm_context release; /* what is released when the handle is gone */
    bool releases_later;       /* when the callback that freed it returns */
};

/* ---- messages.c: the table ------------------------------------------- */

/* For an instance that starts; the outbound is given when there is one. */
MM_CHECK enum mailmod_error
mm_messages_new(struct mm_messages **messages_out,
                const struct mm_messages_options *options);
/* The observer of the outbound that comes next. */
void mm_messages_observer(struct mm_messages *messages,
                          struct mm_outbound_observer *observer_out);
/* From now on messages can be made. */
void mm_messages_open(struct mm_messages *messages,
                      struct mm_outbound *outbound, struct mm_turning *turning);
void mm_messages_use_config(struct mm_messages *messages,
                            struct mm_config *config);
/* When no attempt is at work any more: what is open becomes DONE with what is
 * known, and every callback has returned before it does. NULL does nothing. Not
 * on a host thread. */
void mm_messages_close(struct mm_messages *messages);
void mm_messages_unref(struct mm_messages **messages);
/* A call that uses the store or the outbound, until mm_messages_leave. STOPPED.
 * Locked. */
MM_CHECK enum mailmod_error mm_messages_enter(struct mm_messages *messages);
void mm_messages_leave(struct mm_messages *messages); /* locked */

/* ---- message.c -------------------------------------------------------- */

/* A new message of an open table; `envelope` has this library's size. Words. */
MM_CHECK enum mailmod_error
mm_message_make(mailmod_message **message_out, struct mm_messages *messages,
                const struct mailmod_envelope *envelope);
/* A call that made it failed: the context is the host's again. */
void mm_message_keep_context(mailmod_message *message);
/* What mailmod_message_context gives, instead of the envelope's. */
void mm_message_show_context(mailmod_message *message, void *context);

void mm_message_unref(mailmod_message *message);
/* Takes it out of the table's map. Locked. */
void mm_message_forget(mailmod_message *message);
MM_CHECK enum mailmod_error mm_message_remember(mailmod_message *message);

/* ---- submit.c ---------------------------------------------------------- */

/* Writes all that `reader` gives, and sends; a message that fails is given
 * back. `message_out` may be NULL. */
MM_CHECK enum mailmod_error
mm_message_submit_all(mailmod_message *message, mailmod_reader reader,
                      void *context, mailmod_message **message_out);

/* ---- envelope.c -------------------------------------------------------- */

/* ARGUMENT or LIMIT with words, MEMORY. */
MM_CHECK enum mailmod_error
mm_message_recipients_parse(struct mm_message_recipients *recipients_out,
                            const char *text, size_t count_max);
void mm_message_recipients_fini(struct mm_message_recipients *recipients);
/* Everything of the envelope, in this library's size, into a message that is
 * new. */
MM_CHECK enum mailmod_error
mm_message_take_envelope(mailmod_message *message,
                         const struct mailmod_envelope *envelope);
void mm_message_relay_fini(struct mm_message_relay *relay);
/* What deliveries are told; texts are the message's and its configuration's. */
void mm_message_relay(const mailmod_message *message,
                      struct mm_relay *relay_out);

/* ---- dsn.c --------------------------------------------------------------- */

/* ARGUMENT with words that name `field`. */
MM_CHECK enum mailmod_error mm_message_check_notify(const char *field,
                                                    unsigned notify);
MM_CHECK enum mailmod_error mm_message_check_original(const char *text);
MM_CHECK enum mailmod_error mm_message_check_envelope_id(const char *text);
MM_CHECK enum mailmod_error
mm_message_check_return(enum mailmod_dsn_return given,
                        enum mm_dsn_return *return_out);
/* After the recipients. */
MM_CHECK enum mailmod_error
mm_message_take_dsn(mailmod_message *message,
                    const struct mailmod_envelope *envelope);

/* ---- fields.c ------------------------------------------------------------ */

/* The envelope's header fields, before the text. */
MM_CHECK enum mailmod_error
mm_message_write_fields(mailmod_message *message,
                        const struct mailmod_envelope *envelope);

/* ---- deposit.c ----------------------------------------------------------- */

MM_CHECK enum mailmod_error mm_message_begin_deposit(mailmod_message *message);
/* All of it. */
MM_CHECK enum mailmod_error mm_message_deposit_write(struct mm_deposit *deposit,
                                                     struct mm_span data);
/* A deposit of its own with the same text, for nobody. */
MM_CHECK enum mailmod_error mm_message_copy_text(const mailmod_message *message,
                                                 struct mm_deposit **copy_out);
/* The deposit is gone then. NOT_FOUND: nobody was left to get it. */
MM_CHECK enum mailmod_error mm_message_finish_deposit(mailmod_message *message);
MM_CHECK enum mailmod_error mm_message_send_queued(mailmod_message *message);
/* The message is given up: what was not sent leaves the store. */
void mm_message_drop(mailmod_message *message);

/* ---- places.c, send.c, direct.c ------------------------------------------ */

/* Who gets it: those who are here join the deposit (QUEUE: all do). */
MM_CHECK enum mailmod_error mm_message_find_places(mailmod_message *message);
/* How many recipients are there. */
size_t mm_message_count_at(const mailmod_message *message,
                           enum mm_message_place place);
/* SENT from now on, and known to the observer. */
MM_CHECK enum mailmod_error mm_message_depart(mailmod_message *message);
/* The outcomes of those here: `error` is what the store said. Locked. */
void mm_message_note_places(mailmod_message *message, enum mailmod_error error);
MM_CHECK enum mailmod_error mm_message_send_direct(mailmod_message *message);

/* ---- outcome.c: locked -------------------------------------------------- */

/* What a host said ("550 5.1.1 no"), or our own words, in its parts; the error
 * is left OK. Needs no lock. */
void mm_message_words_split(struct mm_message_words *words_out,
                            const char *host, const char *status,
                            const char *text);
void mm_message_note(mailmod_message *message, size_t index,
                     const struct mq_outcome *outcome, bool is_final);
/* Our own words. */
void mm_message_note_own(mailmod_message *message, size_t index,
                         enum mailmod_outcome outcome,
                         const struct mm_message_words *words);
/* Of the first recipient who was not delivered, in words for the last error. */
MM_CHECK enum mailmod_error mm_message_verdict(const mailmod_message *message,
                                               struct mm_buf *words_out);

/* ---- events.c: locked --------------------------------------------------- */

void mm_message_advance(mailmod_message *message,
                        enum mailmod_progress progress, uint64_t octets);
/* DONE, if every recipient has a final outcome. */
void mm_message_end_if_over(mailmod_message *message);
/* The calling thread is in a callback of the instance's: it must not wait for
 * another one. */
bool mm_messages_is_callback(struct mm_messages *messages);
/* Gives what waits to threads. */
void mm_messages_pump(struct mm_messages *messages);
/* Tells the events of one that waits, on the calling thread. */
void mm_messages_tell_one(struct mm_messages *messages);
/* Until DONE was told. HANDLE when it was freed, STOPPED, TIMEOUT. */
MM_CHECK enum mailmod_error mm_message_await(mailmod_message *message,
                                             uint64_t timeout_ms);
/* Until no callback of it runs, unless this is one: true. */
bool mm_message_await_callback(mailmod_message *message);

#endif
