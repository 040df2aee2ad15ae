/* thread: any, one at a time for a conversation
 * login.h - a login in the host's own conversation with a server, of SMTP and
 * of POP3. */
#ifndef MM_API_WIRE_LOGIN_H
#define MM_API_WIRE_LOGIN_H

#include "api/wire/wire.h"

#include "base/limits.h"
#include "client/login.h"

struct mm_wire_login {
    struct mm_login login;
    struct mm_login_wire over;
    /* POP3's USER and PASS, where no mechanism will do; NULL: none. */
    enum mailmod_error (*plain)(void *engine, const char *user,
                                const char *password);
    unsigned mechanisms; /* that the server offers, at the event LOGIN */
    bool is_ours;        /* the exchange is not the host's own */
    char names[128];     /* of the mechanisms */
    char user[MM_LIMIT_USER_NAME + 1];
    char password[MM_LIMIT_TOKEN + 1];
};

void mm_wire_login_init(struct mm_wire_login *login, struct mm_login_wire over);
void mm_wire_login_fini(struct mm_wire_login *login); /* wipes */
/* The event LOGIN: these are offered. */
void mm_wire_login_offer(struct mm_wire_login *login, unsigned mechanisms);
/* The event CHALLENGE, when `is_ours`: answers it. */
MM_CHECK enum mailmod_error mm_wire_login_answer(struct mm_wire_login *login,
                                                 struct mm_span challenge);
/* The exchange is over; false: the server was let in without its proof. */
bool mm_wire_login_end(struct mm_wire_login *login);

#endif
