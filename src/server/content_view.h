/* thread: any (one message's, one thread at a time)
 * content_view.h - a message as rules about content see it: the variables of
 * their expressions, each made when it is asked for first. */
#ifndef MM_SERVER_CONTENT_VIEW_H
#define MM_SERVER_CONTENT_VIEW_H

#include "post/changes.h"

enum mm_content_variable {
    MM_CONTENT_SIZE,       /* octets of the message */
    MM_CONTENT_SENDER,     /* the reverse-path; "": the null path */
    MM_CONTENT_HELLO,      /* the HELO name */
    MM_CONTENT_PEER,       /* its address */
    MM_CONTENT_USER,       /* who is logged in */
    MM_CONTENT_RECIPIENT,  /* addresses as the sender wrote them, a line each */
    MM_CONTENT_RECIPIENTS, /* how many */
    MM_CONTENT_HEADER,     /* values of the fields with a name, a line each */
    MM_CONTENT_COUNT,      /* how many fields with a name */
    MM_CONTENT_TEXT,       /* bodies of all parts, without their encodings */
    MM_CONTENT_BODY,       /* the body as it came */
    MM_CONTENT_VARIABLES
};

/* What is known of a message at its end. Texts are "" where there is none. */
struct mm_content_facts {
    struct mm_span text; /* its first octets */
    uint64_t size;       /* of all */
    const char *sender, *hello, *peer, *user;
    struct mm_span recipients; /* a line each */
    size_t recipient_count;
    const struct mm_changes *changes; /* that others want already: fields */
};

struct mm_content_view;

/* `facts` outlive it. */
MM_CHECK enum mailmod_error
mm_content_view_new(struct mm_content_view **view_out,
                    const struct mm_content_facts *facts);
void mm_content_view_free(struct mm_content_view **view);
/* Fits mm_expression_value; `context` is the view. */
struct mm_span mm_content_view_value(void *context, size_t variable,
                                     const char *argument);
/* MEMORY: a value was not to be had, and was empty. */
enum mailmod_error mm_content_view_error(const struct mm_content_view *view);

#endif
