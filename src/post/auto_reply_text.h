/* thread: any
 * auto_reply_text.h - whether a message is answered by a program, and the
 * answer: RFC 3834. Pure. */
#ifndef MM_POST_AUTO_REPLY_TEXT_H
#define MM_POST_AUTO_REPLY_TEXT_H

#include "post/auto_reply.h"

/* What the rules look at. Texts are the asker's. */
struct mm_auto_reply_question {
    const char *reverse_path;
    struct mm_span text; /* the message's beginning, with its header */
    const char *path;    /* whose mail it is, and who answers */
    const char *more;    /* one more address of his, or "" */
    bool wants_name;     /* the header must name one of its addresses */
    /* Whether this, too, is an address of who answers. */
    bool (*is_own)(void *context, const struct mm_address *address);
    void *context;
};
/* The reason why it is not answered, in words; NULL: it is. */
const char *
mm_auto_reply_refusal(const struct mm_auto_reply_question *question);

/* The answer, header and all, to `question`'s sender. */
MM_CHECK enum mailmod_error
mm_auto_reply_write(struct mm_buf *out,
                    const struct mm_auto_reply_question *question,
                    const struct mm_auto_reply *reply, int64_t now_ms,
                    const char *identifier, const char *host_name);

#endif
