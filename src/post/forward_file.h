/* thread: any
 * forward_file.h - the forward file of a user, in the words of the original
 * engine: what it says of one message. Pure.
 *
 *   #if EXPRESSION  #elif EXPRESSION  #else  #endif
 *   #mv FOLDER      the message goes into the folder, not into the mailbox
 *   #mv ADDRESS     it goes to the address, not into the mailbox
 *   #cp FOLDER      a copy goes there; so with an address
 *   #rm             the mailbox does not get it
 *   # anything      a comment
 *   ADDRESS ...     it goes there, too
 *   !COMMAND        left out
 *
 * " \" at a line's end joins the next line to it. EXPRESSION is that of
 * base/expression.h over $size_kb, $text, $body and $errorlevel, which is 0 for
 * no command is run, with $in_text(words). */
#ifndef MM_POST_FORWARD_FILE_H
#define MM_POST_FORWARD_FILE_H

#include "base/buf.h"

enum mm_forward_act {
    MM_FORWARD_FOLDER, /* a copy into the folder `text` */
    MM_FORWARD_TO,     /* to the address `text` */
    MM_FORWARD_REMOVE  /* the mailbox does not get it */
};

/* One message, and who hears what the file says of it. */
struct mm_forward_message {
    struct mm_span text; /* its beginning, with the header */
    uint64_t size;       /* of the whole */
    /* OK: the next act. */
    enum mailmod_error (*act)(void *context, enum mm_forward_act act,
                              struct mm_span text);
    /* A line, or a part of it, that is left out, whether it is this message's
     * turn or not; lines count from 1. */
    void (*warn)(void *context, unsigned line, const char *cause);
    void *context;
};

/* MEMORY, or what `act` returned. */
MM_CHECK enum mailmod_error
mm_forward_file_run(struct mm_span file,
                    const struct mm_forward_message *message);

#endif
