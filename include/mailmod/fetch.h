/* fetch.h - mail from mailboxes elsewhere: accounts, visits, and what they came
 * to.
 *
 * An account is a line of the setting fetch.accounts (docs/config.md).
 * mailmod.h includes this file, and says what holds for threads, ownership and
 * errors; its events tell of every visit. */
#ifndef MAILMOD_FETCH_H
#define MAILMOD_FETCH_H

#include "mailmod.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- accounts --------------------------------------------------------------
 */

/* Adds an account, or changes the one of its name: words as fetch.accounts has
 * them, "name=work host=pop.example.com user=joe to=joe delete
 * password=secret". What is not said is standard, whatever it was before.
 * Values have no blanks, but for the password, which is the last. A running
 * instance takes it at once; a visit that runs goes on as it began. It is a
 * part of the setting fetch.accounts: a file that is loaded and has that
 * setting, and mailmod_config_reset, take it away. ARGUMENT, whose words show
 * no value; CONFIG, as every change of a setting; MEMORY, STATE in a callback
 * that holds the instance. */
MAILMOD_API enum mailmod_error mailmod_fetch_set(mailmod *instance,
                                                 const char *account);
/* Takes an account out of the setting, as above. A visit that runs comes to its
 * end. What was seen there is remembered until MAILMOD_FETCH_FORGET. NOT_FOUND
 * when there is none of the name. */
MAILMOD_API enum mailmod_error mailmod_fetch_remove(mailmod *instance,
                                                    const char *name);

/* A mailbox elsewhere, and how its last visit went; in an event, and from
 * mailmod_fetch_visit, how the present one goes. */
struct mailmod_fetch_account {
    size_t size; /* of this structure as the library filled it */
    const char *name;
    const char *source;         /* user@host; "" before the first visit */
    const char *result;         /* in words: "ok", or why it failed */
    int64_t begun_ms, ended_ms; /* since 1970, UTC; 0: never, or not yet */
    uint64_t listed, octets;    /* messages that lay there */
    uint64_t fresh;             /* of them not seen before */
    uint64_t fetched, deleted;
    uint64_t left;     /* too large, or refused here: still there */
    unsigned failures; /* visits in a row */
    int is_configured;
    int is_wished; /* a visit was asked for and has not begun */
    /* All settings of it as words of fetch.accounts, those that were left out
     * too, but for name, password and the login at its proxy; "" when it is not
     * configured, and where a visit is told of. */
    const char *settings;
};
typedef void (*mailmod_on_fetch_account)(
    void *context, const struct mailmod_fetch_account *account);
/* Those of the settings, and those that were fetched from before. */
MAILMOD_API enum mailmod_error
mailmod_fetch_list(mailmod *instance, mailmod_on_fetch_account on_account,
                   void *context);

/* ---- visits ----------------------------------------------------------------
 */

enum mailmod_fetch_action {
    MAILMOD_FETCH_RUN = 1,
    MAILMOD_FETCH_CHECK = 2, /* counts what is there, and fetches nothing */
    MAILMOD_FETCH_FORGET = 3 /* what was seen: all that lies there is new */
};
/* RUN and CHECK are done within seconds by the instance that runs on the data
 * folder, this one or the daemon. `name` NULL: all of the settings. NOT_FOUND
 * for RUN and CHECK when the settings have no such account. */
MAILMOD_API enum mailmod_error
mailmod_fetch_act(mailmod *instance, const char *name,
                  enum mailmod_fetch_action action);
/* RUN or CHECK by this instance, which must run, at once: waits until the visit
 * is over, and for one that runs already first. `on_account` (may be NULL)
 * comes on the calling thread: when the visit came on (several steps may be
 * told together), and once more at its end. OK when the visit went well; else
 * why it did not, with `result` as the last error's text: AUTHENTICATION,
 * REFUSED (the server, or a recipient here), TIMEOUT, CLOSED, PROTOCOL, the
 * network's, the name server's, TLS's and the store's errors. NOT_FOUND: no
 * such account, or it was taken away meanwhile. STOPPED: the instance was
 * stopped; STATE: it does not run. Any thread but one that holds the
 * instance. */
MAILMOD_API enum mailmod_error
mailmod_fetch_visit(mailmod *instance, const char *name,
                    enum mailmod_fetch_action action,
                    mailmod_on_fetch_account on_account, void *context);

/* ---- tokens ----------------------------------------------------------------
 */

/* What a token is for. */
enum mailmod_token_use {
    MAILMOD_TOKEN_FETCH, /* POP3: an account with the word token */
    MAILMOD_TOKEN_SEND   /* SMTP: smarthost.token, a route with the word token,
                            or an envelope's relay_token_account */
};
/* For whom a token is wanted. */
struct mailmod_token_question {
    size_t size; /* of this structure as the library filled it */
    /* The account's name; SEND: the route's, "" for the smarthost, or an
     * envelope's relay_token_account. */
    const char *account;
    const char *user, *host;
    unsigned port;
    int is_refresh;   /* the last one was refused: a new one, please */
    uint64_t wait_ms; /* the login waits no longer */
    enum mailmod_token_use use;
};
/* Writes a bearer token (RFC 6750 2.1) and a NUL into `token_out`, of `size`
 * octets; at most 8000 are one. Any other result than MAILMOD_OK fails the
 * visit, and puts the mail off. On a thread of the library, for each login; it
 * may take its time, but the login waits no longer than wait_ms. */
typedef enum mailmod_error (*mailmod_on_token)(
    void *context, const struct mailmod_token_question *question,
    char *token_out, size_t size);
/* Who gives tokens, to log in by OAUTHBEARER (RFC 7628) or XOAUTH2, whichever
 * the server offers. A refused token is asked for once more, as a new one.
 * NULL: nobody; visits of such accounts fail then, and mail for such hosts
 * waits. At any time. `on_release`
 * may be NULL. MEMORY, and nothing was changed. */
MAILMOD_API enum mailmod_error
mailmod_token_set_callback(mailmod *instance, mailmod_on_token on_token,
                           void *context, mailmod_on_release on_release);

#ifdef __cplusplus
}
#endif

#endif
