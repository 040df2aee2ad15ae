/* mailmod/names.h - what hangs on names: aliases and forwards. Included by
 * mailmod.h.
 *
 * All calls may block and come from any thread but a callback's of a session;
 * a change is on disk when the call returns, and counts within a second for
 * whoever runs on the data folder. */
#ifndef MAILMOD_NAMES_H
#define MAILMOD_NAMES_H

#include "mailmod.h"

#ifdef __cplusplus
extern "C" {
#endif

enum mailmod_alias_kind {
    MAILMOD_ALIAS = 1, /* of an address: "info@example.org", "info" in all local
                          domains, "@example.org" for who is nobody there */
    MAILMOD_FORWARD = 2 /* of a user's mail; the name is the user's */
};
/* What the mailbox of a user whose mail is forwarded keeps: a copy. */
#define MAILMOD_FORWARD_KEEP "\\"

struct mailmod_alias {
    size_t size; /* of this structure as the library filled it */
    enum mailmod_alias_kind kind;
    const char *name;   /* in the form that is kept: lower case, A-labels */
    const char *target; /* an address, a name here, or MAILMOD_FORWARD_KEEP */
};
typedef void (*mailmod_on_alias)(void *context,
                                 const struct mailmod_alias *alias);

/* One more target (RFC 5321 3.9.1). EXISTS; ARGUMENT for what is no name or
 * address; NOT_FOUND for a forward of nobody; LIMIT at 1 000 targets. */
MAILMOD_API enum mailmod_error mailmod_alias_add(mailmod *instance,
                                                 enum mailmod_alias_kind kind,
                                                 const char *name,
                                                 const char *target);
/* `target` NULL: all of the name. NOT_FOUND. */
MAILMOD_API enum mailmod_error
mailmod_alias_remove(mailmod *instance, enum mailmod_alias_kind kind,
                     const char *name, const char *target);
/* By name, then target; `name` NULL: all. Those of local.alias_files are not
 * among them. What the callback is lent lives until it returns. */
MAILMOD_API enum mailmod_error
mailmod_alias_list(mailmod *instance, enum mailmod_alias_kind kind,
                   const char *name, mailmod_on_alias on_alias, void *context);

#ifdef __cplusplus
}
#endif

#endif
