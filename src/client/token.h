/* thread: loop
 * token.h - tokens to log in with, which the host gives: asked and answered.
 *
 * A token is worth something for an hour or so, so it is asked for at each
 * login, and once more, as a new one, after a refusal. The law of completion:
 * `done` comes once, on the asker's loop, never from inside the question, and
 * never after the cancel. */
#ifndef MM_CLIENT_TOKEN_H
#define MM_CLIENT_TOKEN_H

#include "io/io.h"

enum mm_token_use { MM_TOKEN_FOR_POP3, MM_TOKEN_FOR_SMTP };

struct mm_token_question {
    /* The asker's; texts live until the answer. */
    enum mm_token_use use;
    const char *account; /* of POP3, or the route's name; "" none */
    const char *user;
    const char *host;
    unsigned port;
    bool is_refresh;  /* the last one was refused */
    uint64_t wait_ms; /* then it is cancelled */
    struct mm_loop *loop;
    void (*done)(struct mm_token_question *question);
    /* The answer: the token lives until `done` returns. */
    enum mailmod_error error;
    const char *token;
    /* Who answers. */
    void *work;
};

struct mm_token_source {
    void *context;
    /* STATE: nobody gives tokens; LIMIT, MEMORY. */
    enum mailmod_error (*ask)(void *context,
                              struct mm_token_question *question);
    void (*cancel)(void *context, struct mm_token_question *question);
};

#endif
