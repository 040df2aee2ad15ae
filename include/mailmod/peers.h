/* mailmod/peers.h - what is refused because of what was seen before: bans of
 * networks whose logins failed, or that an operator banned, and the bodies of
 * refused spam (spam.memory). Included by mailmod.h.
 *
 * A network is an IPv4 address or an IPv6 /64. A banned one gets the answer of
 * a wrong password to each login; its mail to the service smtp is not hurt. All
 * calls may block and come from any thread but a callback's of a session; a
 * change is on disk when the call returns, and counts within some seconds for
 * whoever runs on the data folder. */
#ifndef MAILMOD_PEERS_H
#define MAILMOD_PEERS_H

#include "mailmod.h"

#ifdef __cplusplus
extern "C" {
#endif

struct mailmod_ban {
    size_t size;         /* of this structure as the library filled it */
    const char *address; /* "192.0.2.1", "2001:db8::/64" */
    /* Since 1970, UTC. A network that goes on trying is banned for longer than
     * `until_ms`, which follows at times. */
    int64_t since_ms, until_ms;
    unsigned failures; /* that made it; 0: an operator did */
};
typedef void (*mailmod_on_ban)(void *context, const struct mailmod_ban *ban);

/* Those that hold now, by address as text. What the callback is lent lives
 * until it returns. */
MAILMOD_API enum mailmod_error
mailmod_ban_list(mailmod *instance, mailmod_on_ban on_ban, void *context);
/* Bans the network of the address for a time (0: logins.ban_time), in the place
 * of a ban that it has. Those of logins.exempt, and this machine, log in all
 * the same. ARGUMENT. */
MAILMOD_API enum mailmod_error
mailmod_ban_add(mailmod *instance, const char *address, uint64_t time_ms);
/* Its failed logins are forgotten, too. NOT_FOUND; ARGUMENT. */
MAILMOD_API enum mailmod_error mailmod_ban_lift(mailmod *instance,
                                                const char *address);

struct mailmod_spam {
    size_t size;      /* of this structure as the library filled it */
    const char *body; /* its SHA-256 without white space, 64 digits; as the log
                         has it in "spam remembered" */
    int64_t first_ms, last_ms; /* its refusals, since 1970, UTC */
    int64_t until_ms;          /* when it is forgotten */
    uint64_t refusals;         /* by somebody who judged it */
};
typedef void (*mailmod_on_spam)(void *context, const struct mailmod_spam *spam);

/* Those that are remembered now, by hash. What the callback is lent lives until
 * it returns. */
MAILMOD_API enum mailmod_error
mailmod_spam_list(mailmod *instance, mailmod_on_spam on_spam, void *context);
/* The next message with that body is judged anew. NOT_FOUND; ARGUMENT: no 64
 * digits of a SHA-256. */
MAILMOD_API enum mailmod_error mailmod_spam_forget(mailmod *instance,
                                                   const char *body);
/* All of them; how many were remembered is put into `count_out`, which may be
 * NULL, after an error too. */
MAILMOD_API enum mailmod_error mailmod_spam_clear(mailmod *instance,
                                                  uint64_t *count_out);

#ifdef __cplusplus
}
#endif

#endif
