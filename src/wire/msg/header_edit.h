/* thread: any
 * header_edit.h - a message's own header on its way in: what goes, what is
 * missing, and where it ends.
 *
 * A message streams through in any pieces. Fields that are ours to write
 * (Return-Path) or that nobody else may see (Bcc) are left out; what is no
 * header does not stand in the header block: the first line that is no field
 * begins the body, and gets an empty line before it. What is missing is
 * written in front, once the whole was seen. Bounded state, no memory. */
#ifndef MM_WIRE_MSG_HEADER_EDIT_H
#define MM_WIRE_MSG_HEADER_EDIT_H

#include "base/buf.h"

/* What is done to a header beyond ending it in the right place. */
enum mm_header_edits {
    MM_HEADER_DROPS_RETURN_PATH = 1 << 0, /* RFC 5321 4.4: one, the server's */
    MM_HEADER_DROPS_BCC = 1 << 1,         /* RFC 5322 3.6.3 */
    MM_HEADER_ADDS_DATE = 1 << 2,         /* RFC 6409 8.2 */
    MM_HEADER_ADDS_MESSAGE_ID = 1 << 3,   /* RFC 6409 8.3 */
    MM_HEADER_ADDS_FROM = 1 << 4,         /* RFC 5322 3.6: a must */
    MM_HEADER_DROPS_BLOCKLIST = 1 << 5    /* a forged MM_HEADER_BLOCKLIST */
};

/* The field that names the block lists which have the peer. */
#define MM_HEADER_BLOCKLIST "X-Blocklist"

/* RFC 5322 2.1.1: so long may a line be, and so a field's name. */
#define MM_HEADER_NAME_MAX 998
#define MM_HEADER_MESSAGE_ID_MAX 256
/* Of all fields Delivered-To together; a message with more has gone in a circle
 * that the number of Received fields ends. */
#define MM_HEADER_DELIVERED_TO_MAX 1024
/* A name that is given out at once, with what may come before it. */
#define MM_HEADER_KEPT_MAX (MM_HEADER_NAME_MAX + 32)

struct mm_header_edit {
    unsigned edits; /* enum mm_header_edits bits */
    bool is_done;   /* the body has begun */
    unsigned received_count;
    bool has_date, has_from, has_message_id;
    char message_id[MM_HEADER_MESSAGE_ID_MAX]; /* "<...>" as it came; "" */
    /* Addresses of fields Delivered-To, a line each: who sent it on before. */
    size_t delivered_to_size;

    /* header_edit.c's. */
    int state;
    bool has_line;    /* a line has begun before */
    bool has_field;   /* a continuation may follow */
    bool keeps_field; /* the present one stays */
    bool copies_id;   /* the present one is Message-ID */
    bool copies_to;   /* the present one is Delivered-To */
    size_t message_id_size;
    size_t held_size;
    char held[MM_HEADER_KEPT_MAX]; /* a line's beginning, undecided */
    char delivered_to[MM_HEADER_DELIVERED_TO_MAX];
};
/* It was delivered to this address, and sent on, before. */
bool mm_header_was_delivered_to(const struct mm_header_edit *edit,
                                const char *address);

void mm_header_edit_init(struct mm_header_edit *edit, unsigned edits);
/* Takes octets from the front of `data` and gives what stays of them: a part of
 * `data`, or at most MM_HEADER_KEPT_MAX octets of `edit`, valid until the next
 * call. To be called until all is taken. */
struct mm_span mm_header_edit_next(struct mm_header_edit *edit,
                                   struct mm_span data, size_t *used_out);
/* Between two lines: what follows is not the field's before. */
void mm_header_edit_end_fields(struct mm_header_edit *edit);
/* The message is whole: what was still undecided. */
struct mm_span mm_header_edit_end(struct mm_header_edit *edit);

struct mm_header_missing {
    const char *host_name;
    const char *identifier;
    const char *reverse_path; /* "": no From is made up */
    int64_t now_ms;
};
/* The fields that `edits` adds and the message lacks. */
enum mailmod_error
mm_header_edit_write_missing(struct mm_header_edit *edit, struct mm_buf *out,
                             const struct mm_header_missing *missing);

#endif
