/* thread: any (point look-ups in the store)
 * directory.h - whose mailbox an address is: local domains, users, plus
 * addresses, postmaster, catch-all. */
#ifndef MM_POST_DIRECTORY_H
#define MM_POST_DIRECTORY_H

#include "config/config.h"
#include "store/store.h"
#include "wire/addr/address.h"

/* A local domain's address, "Postmaster" alone, or the literal of the address
 * that the peer connected to (`local`, may be NULL). */
bool mm_directory_is_local(const struct mm_config *config,
                           const struct mm_address *address,
                           const struct mm_netaddr *local);
/* The user whose mailbox an address that is local has. NOT_FOUND: no such user.
 * In order: the user of that very domain, postmaster's stand-in, the user of
 * all domains, these without the plus part, the catch-all. */
MM_CHECK enum mailmod_error
mm_directory_find(struct mm_store *store, const struct mm_config *config,
                  const struct mm_address *address,
                  struct mm_store_addressee *user_out);
/* The same without the catch-all. */
MM_CHECK enum mailmod_error
mm_directory_find_own(struct mm_store *store, const struct mm_config *config,
                      const struct mm_address *address,
                      struct mm_store_addressee *user_out);
/* "local", or with the separator "local+detail": without the detail. False when
 * there is none. */
bool mm_directory_cut_plus(const struct mm_config *config, char *local);
/* Mail to it must always find somebody (RFC 5321 4.5.1). */
bool mm_directory_is_postmaster(const struct mm_address *address);
/* The mailbox of a user name, made with the user when there is none; nobody
 * can log in as a user made so until a password is set. thread: worker */
MM_CHECK enum mailmod_error mm_directory_ensure(struct mm_store *store,
                                                const char *name,
                                                uint64_t *mailbox_id_out);
/* Whether the login `name` may send as `address`: what comes to a local address
 * must come to the login's own mailbox. So a user of one domain alone is not
 * impersonated by a namesake of all domains. The null path is anybody's. */
bool mm_directory_owns(struct mm_store *store, const struct mm_config *config,
                       const char *name, const struct mm_address *address);

#endif
