/* mailmod/names.h - what hangs on names: aliases, forwards, automatic replies,
 * lists of peers and senders, mailing lists. Included by mailmod.h.
 *
 * All calls may block and come from any thread but a callback's of a session;
 * a change is on disk when the call returns, and counts within seconds for
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

/* Whether senders are told, in reports and automatic replies, whom the name
 * stands for (RFC 3461 5.2.7). */
enum mailmod_alias_visibility {
    MAILMOD_ALIAS_AS_SET = 0, /* as local.hides_targets says */
    MAILMOD_ALIAS_HIDDEN = 1,
    MAILMOD_ALIAS_SHOWN = 2
};

struct mailmod_alias {
    size_t size; /* of this structure as the library filled it */
    enum mailmod_alias_kind kind;
    const char *name;   /* in the form that is kept: lower case, A-labels */
    const char *target; /* an address, a name here, or MAILMOD_FORWARD_KEEP */
    enum mailmod_alias_visibility visibility; /* the name's */
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
/* Marks the name with all its targets, later ones too; once the last one is
 * removed the mark is gone. Of several names that lead to somebody one that
 * hides is enough. NOT_FOUND: it has no target; ARGUMENT. */
MAILMOD_API enum mailmod_error
mailmod_alias_set_visibility(mailmod *instance, enum mailmod_alias_kind kind,
                             const char *name,
                             enum mailmod_alias_visibility visibility);
/* By name, then target; `name` NULL: all. Those of local.alias_files are not
 * among them. What the callback is lent lives until it returns. */
MAILMOD_API enum mailmod_error
mailmod_alias_list(mailmod *instance, enum mailmod_alias_kind kind,
                   const char *name, mailmod_on_alias on_alias, void *context);

/* What is answered to mail automatically (RFC 3834). */
struct mailmod_auto_reply {
    size_t size;         /* of this structure as who filled it knows it */
    const char *name;    /* a user, or an alias of the store */
    const char *subject; /* UTF-8, at most 255 octets; NULL or "": the
                            message's behind "Auto:" */
    const char *text;    /* UTF-8, at most 32 KiB, lines end with LF or CRLF */
    int64_t from_ms;  /* since 1970, UTC: answered from then on; 0: at once */
    int64_t until_ms; /* and until then; 0: for ever */
    int64_t days;     /* a sender gets it once in so many, 1 to 365; 0: 7 */
};
typedef void (*mailmod_on_auto_reply)(void *context,
                                      const struct mailmod_auto_reply *reply);
/* Replaces the one of that name, and forgets who had it. All is copied.
 * ARGUMENT; NOT_FOUND: there is no such user or alias. */
MAILMOD_API enum mailmod_error
mailmod_auto_reply_set(mailmod *instance,
                       const struct mailmod_auto_reply *reply);
/* NOT_FOUND. */
MAILMOD_API enum mailmod_error mailmod_auto_reply_remove(mailmod *instance,
                                                         const char *name);
/* By name; `name` NULL: all. What the callback is lent lives until it
 * returns. */
MAILMOD_API enum mailmod_error
mailmod_auto_reply_list(mailmod *instance, const char *name,
                        mailmod_on_auto_reply on_reply, void *context);

/* Lists of peers and senders: docs/operations.md, Lists. */
enum mailmod_list {
    MAILMOD_LIST_WHITE, /* beats black */
    MAILMOD_LIST_BLACK, /* beats grey */
    MAILMOD_LIST_GREY
};
struct mailmod_list_rule {
    size_t size; /* of this structure as the library filled it */
    enum mailmod_list list;
    const char *user; /* whose mail it is about; NULL: everybody's */
    const char *text;
    int64_t added_ms; /* since 1970, UTC */
};
/* A rule of the store; it counts within seconds. `user` NULL: for everybody's
 * mail. ARGUMENT: it is no rule; NOT_FOUND: no such user; EXISTS; LIMIT. */
MAILMOD_API enum mailmod_error mailmod_list_add(mailmod *instance,
                                                enum mailmod_list list,
                                                const char *user,
                                                const char *text);
/* The rule with the same text. NOT_FOUND. */
MAILMOD_API enum mailmod_error mailmod_list_remove(mailmod *instance,
                                                   enum mailmod_list list,
                                                   const char *user,
                                                   const char *text);
typedef void (*mailmod_on_list_rule)(void *context,
                                     const struct mailmod_list_rule *rule);
/* The rules of the store, common ones first. Those of files are not told. */
MAILMOD_API enum mailmod_error mailmod_list_each(mailmod *instance,
                                                 mailmod_on_list_rule on_rule,
                                                 void *context);

/* Who may post to a mailing list. */
enum mailmod_maillist_rule {
    MAILMOD_MAILLIST_OPEN = 0,
    MAILMOD_MAILLIST_MEMBERS = 1,
    MAILMOD_MAILLIST_MODERATED = 2 /* what others send is held in the queue */
};
/* Bits of a list. */
enum mailmod_maillist_flag {
    MAILMOD_MAILLIST_REWRITES_FROM =
        1,                      /* From is the list, Reply-To who wrote */
    MAILMOD_MAILLIST_CLOSED = 2 /* nobody subscribes by mail */
};
/* Bits of a member. */
enum mailmod_member_flag {
    MAILMOD_MEMBER_MODERATOR = 1,
    MAILMOD_MEMBER_SUSPENDED = 2, /* gets nothing: too much came back */
    MAILMOD_MEMBER_DIGEST = 4     /* gets digests where the list makes some */
};
struct mailmod_maillist {
    size_t size; /* of this structure as the library filled it */
    const char *name;
    const char *owner; /* "" none */
    enum mailmod_maillist_rule rule;
    unsigned flags;        /* enum mailmod_maillist_flag bits */
    unsigned digest_hours; /* 0: it makes no digests */
    unsigned digest_kib;   /* 0: 256 */
};
struct mailmod_member {
    size_t size; /* of this structure as the library filled it */
    const char *address;
    unsigned flags; /* enum mailmod_member_flag bits */
    unsigned bounces;
};
typedef void (*mailmod_on_maillist)(void *context,
                                    const struct mailmod_maillist *list);
typedef void (*mailmod_on_member)(void *context,
                                  const struct mailmod_member *member);

/* Makes a mailing list, or changes it; members and digests stay. `name` is its
 * address, in a domain that is local. `owner` may be NULL. ARGUMENT. */
MAILMOD_API enum mailmod_error
mailmod_maillist_set(mailmod *instance, const char *name, const char *owner,
                     enum mailmod_maillist_rule rule, unsigned flags);
/* Digests (RFC 2046 5.1.5) of the posts, for who is MAILMOD_MEMBER_DIGEST:
 * every `hours`, 744 at most, and as soon as `kib` KiB wait, 4096 at most, 0:
 * 256. `hours` 0: none; everybody gets single posts. NOT_FOUND; ARGUMENT. */
MAILMOD_API enum mailmod_error mailmod_maillist_set_digest(mailmod *instance,
                                                           const char *name,
                                                           unsigned hours,
                                                           unsigned kib);
/* The members go, too. NOT_FOUND. */
MAILMOD_API enum mailmod_error mailmod_maillist_remove(mailmod *instance,
                                                       const char *name);
/* By name. */
MAILMOD_API enum mailmod_error
mailmod_maillist_list(mailmod *instance, mailmod_on_maillist on_list,
                      void *context);
/* Makes a member, or changes it; without SUSPENDED what came back is forgotten.
 * NOT_FOUND: no such list; ARGUMENT. */
MAILMOD_API enum mailmod_error mailmod_member_set(mailmod *instance,
                                                  const char *list,
                                                  const char *address,
                                                  unsigned flags);
/* NOT_FOUND. */
MAILMOD_API enum mailmod_error
mailmod_member_remove(mailmod *instance, const char *list, const char *address);
/* By address. NOT_FOUND: no such list. */
MAILMOD_API enum mailmod_error mailmod_member_list(mailmod *instance,
                                                   const char *list,
                                                   mailmod_on_member on_member,
                                                   void *context);

#ifdef __cplusplus
}
#endif

#endif
