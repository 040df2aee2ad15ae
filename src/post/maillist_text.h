/* thread: any
 * maillist_text.h - the texts of a list: the header of what it passes on, and
 * its answers to requests. Pure. */
#ifndef MM_POST_MAILLIST_TEXT_H
#define MM_POST_MAILLIST_TEXT_H

#include "post/maillist.h"

/* What a list looks at in a header. */
struct mm_maillist_facts {
    bool is_ours;      /* the list passed it on before */
    bool is_automatic; /* RFC 3834 5, 3.1.8; another list's, or bulk */
    bool is_report;    /* RFC 3464: of a delivery that failed */
    char from[MM_STORE_REVERSE_PATH_MAX]; /* the first author; "" none */
};
/* `text` begins with the header; of the rest only marks of a report are looked
 * for. */
void mm_maillist_read_facts(const struct mm_maillist *list, struct mm_span text,
                            struct mm_maillist_facts *facts_out);
/* The header for the members, with the empty line; `rest_out` is the body, as
 * far as `text` has it. TOO_LARGE: the header does not end in `text`. */
MM_CHECK enum mailmod_error
mm_maillist_write_header(struct mm_buf *out, const struct mm_maillist *list,
                         struct mm_span text, struct mm_span *rest_out);
/* The fields that tell a list's mail (RFC 2369, RFC 2919). */
void mm_maillist_write_fields(struct mm_buf *out,
                              const struct mm_maillist *list);
/* A post that waits, for the owner. */
struct mm_maillist_notice {
    const char *identifier; /* of the message that waits */
    const char *approve;    /* tokens, signed */
    const char *reject;
    struct mm_span text; /* its beginning, as it came */
};
/* A whole message to the owner: shows the post's beginning; an answer to one
 * address lets it pass, mail to the other one drops it. */
MM_CHECK enum mailmod_error
mm_maillist_write_notice(struct mm_buf *out, const struct mm_maillist *list,
                         const struct mm_maillist_notice *notice,
                         int64_t now_ms, const char *identifier);
/* A whole message to `member`: asks to confirm (with the token), or says that
 * it was done (`token` NULL). */
MM_CHECK enum mailmod_error
mm_maillist_write_answer(struct mm_buf *out, const struct mm_maillist *list,
                         enum mm_maillist_command command, const char *member,
                         const char *token, int64_t now_ms,
                         const char *identifier);

#endif
