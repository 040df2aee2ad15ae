/* thread: loop (the session's)
 * milter_link.h - one session's connection to one filter of mail: wire/milter's
 * engine paired with a connection, a clock, and what the filter has said.
 *
 * The session asks again and again about its pending event, with the same
 * facts, until the answer is not WAIT; `on_news` tells when to. */
#ifndef MM_SERVER_MILTER_LINK_H
#define MM_SERVER_MILTER_LINK_H

#include "config/milter.h"
#include "io/io.h"
#include "post/changes.h"
#include "wire/milter/text.h"
#include "wire/smtp/reply.h"

enum mm_milter_word {
    MM_MILTER_WAIT,
    MM_MILTER_PASS,
    MM_MILTER_REFUSE, /* mm_milter_link_reply */
    MM_MILTER_DROP    /* taken, and given to nobody */
};

/* What is known of session and message; NULL: it is not. */
struct mm_milter_facts {
    const char *session; /* its identifier, for the log */
    const char *host_name;
    const char *client_name; /* its name, or "[192.0.2.1]" */
    const struct mm_netaddr *client;
    const char *service;
    const char *helo;
    const char *tls;
    const char *user;
    const char *reverse_path;
    const char *parameters; /* of MAIL */
    const char *recipient;
    const char *message;
};

struct mm_milter_link {
    struct mm_config_milter settings;
    struct mm_loop *loop;
    const struct mm_log *log;
    void (*on_news)(void *context);
    void *context;
    const char *session;

    /* milter_link.c's. */
    struct mm_conn *conn;
    struct mm_milter engine;
    struct mm_timer timer; /* of what is awaited */
    struct mm_timer news;
    bool is_open;  /* the engine runs */
    bool is_ready; /* ... and has negotiated */
    int told;      /* of connect, hello, sender: so much */
    enum mm_milter_step asked;
    bool is_asked; /* the answer is not used yet */
    struct mm_milter_text text;
    bool has_text;
    bool told_rcpt, told_data, told_end, has_ended, skips_body;
    uint64_t octets;
    size_t offered; /* of the present piece of the body */
    struct mm_changes changes;
    struct mm_buf body; /* a new one */
    bool has_body;
    bool has_cr; /* ... and its last octet was one, not yet written */
    size_t body_used;
    /* The session's: of a piece, of `changes` and `body`. */
    bool has_piece, is_body_begun, is_carried_out;
    /* The verdict, and what it is about. */
    int level;
    bool is_early; /* it was found at MAIL or before */
    enum mm_milter_word word;
    struct mm_reply reply;
    char reply_text[MM_MILTER_REPLY_MAX];
};

/* milter_changes.c: one change, or a piece of a new body, is kept. ARGUMENT: it
 * can be none; LIMIT, MEMORY. */
MM_CHECK enum mailmod_error
mm_milter_changes_take(struct mm_milter_link *link,
                       const struct mm_milter_info *info);
/* `settings`, `loop`, `log`, `on_news`, `context` are set, the rest is zero. */
MM_CHECK enum mailmod_error mm_milter_link_open(struct mm_milter_link *link);
/* Says QUIT where it can. */
void mm_milter_link_close(struct mm_milter_link *link);

enum mm_milter_word mm_milter_link_mail(struct mm_milter_link *link,
                                        const struct mm_milter_facts *facts);
enum mm_milter_word mm_milter_link_rcpt(struct mm_milter_link *link,
                                        const struct mm_milter_facts *facts);
/* The recipient's answer was used. */
void mm_milter_link_rcpt_over(struct mm_milter_link *link);
/* A piece of the message, the same until it is true: all was taken. */
bool mm_milter_link_data(struct mm_milter_link *link,
                         const struct mm_milter_facts *facts,
                         struct mm_span data);
/* PASS: `changes`, and `body` when has_body, are what it wants. */
enum mm_milter_word mm_milter_link_end(struct mm_milter_link *link,
                                       const struct mm_milter_facts *facts);
const struct mm_reply *mm_milter_link_reply(const struct mm_milter_link *link);
/* The message is over, or was given up. */
void mm_milter_link_forget_message(struct mm_milter_link *link);
/* A new HELO name; the message is forgotten. */
void mm_milter_link_forget_helo(struct mm_milter_link *link);

#endif
