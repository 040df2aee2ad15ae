/* thread: any
 * news.h - what became of mail for one recipient, as it is told by who knows
 * it (deposits, the outbound) to who wants to hear it (post.h's `tell`).
 *
 * The law: told once, when it is on disk. The texts live until the call
 * returns. */
#ifndef MM_POST_NEWS_H
#define MM_POST_NEWS_H

#include "base/error.h"
#include "mailmod/terms.h"

#include <stdint.h>

struct mm_store_fetch;

struct mm_news {
    enum mailmod_event_kind kind;
    uint64_t connection; /* 0: none */
    uint64_t message_id;
    const char *reverse_path;
    const char *recipient;
    enum mailmod_error error;
    const char *status; /* "5.1.1" */
    const char *reply;  /* "550 5.1.1 no" of a host, or our own words */
    const char *host;   /* "": nobody said it */
    unsigned attempts;
    const struct mm_store_fetch *fetch; /* of the kinds of fetching; NULL */
};

#endif
