/* thread: loop (the asker's)
 * backend.h - logins at another POP3 server, for a session that is passed on:
 * asked by server/, answered by client/, which know nothing of each other. */
#ifndef MM_POST_BACKEND_H
#define MM_POST_BACKEND_H

#include "config/backend.h"
#include "io/io.h"

#define MM_BACKEND_WORDS_MAX 200
#define MM_BACKEND_CODE_MAX 16

/* Lives in the asker's object. What it points to lives until `done`. */
struct mm_backend_question {
    struct mm_loop *loop;
    struct mm_resolver *resolver;
    const struct mm_config *config;
    struct mm_config_backend backend;
    const char *user;
    const char *password;
    /* Exactly once, never from inside a call of the asker's. */
    void (*done)(struct mm_backend_question *question);

    /* The answer. OK: `conn` is logged in, and the asker's; its input waits for
     * mm_conn_resume. AUTHENTICATION: the server says no. Anything else: no
     * word about the password. */
    enum mailmod_error error;
    struct mm_conn *conn;
    char code[MM_BACKEND_CODE_MAX];   /* of the server's refusal; "" */
    char words[MM_BACKEND_WORDS_MAX]; /* what is wrong */
    void *call;                       /* the answerer's; NULL from `done` on */
};

struct mm_backend_door {
    void *context; /* NULL: there is none */
    /* An error: no `done` follows. */
    enum mailmod_error (*ask)(void *context,
                              struct mm_backend_question *question);
    /* Nobody waits any more: `done` comes soon, with STOPPED. */
    void (*cut)(struct mm_backend_question *question);
};

#endif
