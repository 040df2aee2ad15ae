/* thread: any
 * fetch.h - what a host is told of mailboxes elsewhere. */
#ifndef MM_API_FETCH_H
#define MM_API_FETCH_H

#include "api/instance.h"

/* The texts stay those of `fetch`. */
void mm_fetch_account_of(const struct mm_store_fetch *fetch,
                         struct mailmod_fetch_account *account_out);

#endif
