/* thread: loop (the session's)
 * logins.h - the logins of one session, the same for SMTP and POP3: begun,
 * continued, asked about, counted, logged.
 *
 * A protocol gives the words. Each function below handles the engine's pending
 * event and is called again for it when the host's verdict is there. */
#ifndef MM_SERVER_LOGINS_H
#define MM_SERVER_LOGINS_H

#include "server/auth.h"
#include "server/request.h"

struct mm_session;

/* A host's words about a login. */
#define MM_LOGIN_TEXT_MAX 128
#define MM_LOGIN_ENHANCED_MAX 12

enum mm_login_outcome {
    MM_LOGIN_OK,              /* login->auth has the name and the mailbox */
    MM_LOGIN_REFUSED,         /* wrong name or password, or the host's no */
    MM_LOGIN_REFUSED_LAST,    /* the same, and it was one too many */
    MM_LOGIN_REFUSED_FOR_NOW, /* the host's word */
    MM_LOGIN_SYNTAX,
    MM_LOGIN_TEMPORARY
};

struct mm_login_words {
    enum mailmod_moment moment; /* at which the host is asked first; 0: never */
    /* See on_check of mm_auth; then mm_auth_checked leads on. NULL: never. */
    bool (*check)(struct mm_session *session, struct mm_auth *auth,
                  enum mm_auth_verdict *verdict_out);
    void (*challenge)(struct mm_session *session, struct mm_span data);
    /* Answers the pending event. `reply` is the host's; NULL: none. */
    void (*answer)(struct mm_session *session, enum mm_login_outcome outcome,
                   const struct mm_reply *reply);
    /* Calls mm_logins_answer_held of the session's. */
    void (*answer_held)(struct mm_session *session);
};

struct mm_logins {
    struct mm_session *session;
    const struct mm_login_words *words;
    struct mm_auth auth;
    unsigned failures;
    unsigned failures_max;
    bool is_asking;        /* the host decides */
    struct mm_reply reply; /* the host's */
    char enhanced[MM_LOGIN_ENHANCED_MAX];
    char text[MM_LOGIN_TEXT_MAX];       /* "": it said nothing */
    enum mm_login_outcome held_outcome; /* of an answer that is held back */
    const struct mm_reply *held_reply;
};

/* The session has its loop, server and settings. */
void mm_logins_init(struct mm_logins *login, struct mm_session *session,
                    const struct mm_login_words *words, unsigned failures_max);
/* From words->answer_held: gives the answer that was held back. */
void mm_logins_answer_held(struct mm_logins *login);
void mm_logins_fini(struct mm_logins *login); /* when no job is out */
/* The connection is gone. */
void mm_logins_forget(struct mm_logins *login);

void mm_logins_begin(struct mm_logins *login, enum mm_sasl_mechanism mechanism,
                     bool has_data, struct mm_span data);
void mm_logins_continue(struct mm_logins *login, struct mm_span data);
void mm_logins_password(struct mm_logins *login, struct mm_span user,
                        struct mm_span password);
void mm_logins_apop(struct mm_logins *login, struct mm_span user,
                    struct mm_span stamp, struct mm_span digest);

#endif
