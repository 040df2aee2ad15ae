/* thread: loop (the session's), or the worker that has the job
 * auth_internal.h - a login attempt's other files, for auth.c: whom its names
 * mean (auth_names.c), and what it is checked against (auth_credentials.c). */
#ifndef MM_SERVER_AUTH_INTERNAL_H
#define MM_SERVER_AUTH_INTERNAL_H

#include "server/auth.h"

/* The name that the client gave; false when no user can have it. */
bool mm_auth_take_name(struct mm_auth *auth, struct mm_span name);
/* For whom it would act; after mm_auth_take_name. */
bool mm_auth_take_authzid(struct mm_auth *auth, struct mm_span authzid);
/* Is the store asked whom they mean? */
bool mm_auth_names_need_store(struct mm_auth *auth);
void mm_auth_find_names(struct mm_auth *auth);

/* A password that was right lately, of a user who may log in: as
 * mm_auth_check, with the verdict OK. thread: loop, of a store that does not
 * wait */
bool mm_auth_recall(struct mm_auth *auth);
/* The verdict on a password, a digest, or a user whom the host vouches for.
 * thread: worker */
void mm_auth_check(struct mm_auth *auth);
/* SCRAM: the salt of the user, or a decoy's. */
enum mm_auth_verdict mm_auth_make_challenge(struct mm_auth *auth);
/* The name of the secret of the mailbox that was used: 0 is the main one. */
void mm_auth_note_secret(struct mm_auth *auth, int which);

#endif
