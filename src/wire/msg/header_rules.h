/* thread: any (one message's, one thread at a time)
 * header_rules.h - what a sender's header must have, may have and never has:
 * the one table of fields, the fields that a host program sets for a message,
 * and the header that goes out in the end.
 *
 * RFC 5322 3.6 (fields), 3.6.3 (Bcc), RFC 5321 4.4 (Return-Path), RFC 6409 8
 * (what a submission adds), RFC 2045 3 (MIME's own fields). */
#ifndef MM_WIRE_MSG_HEADER_RULES_H
#define MM_WIRE_MSG_HEADER_RULES_H

#include "wire/msg/header_field.h"

/* A header that is longer is none of a message. */
#define MM_HEADER_SECTION_MAX (1024 * 1024)
/* Names that a host sets for one message. */
#define MM_HEADER_SET_MAX 1000

enum mm_header_kind {
    MM_HEADER_TEXT,      /* any text; fields that nobody knows too */
    MM_HEADER_TIME,      /* Date */
    MM_HEADER_MAILBOX,   /* one */
    MM_HEADER_MAILBOXES, /* a list */
    MM_HEADER_KEPT,      /* MIME's, Resent-, Received: as they come, often */
    MM_HEADER_NEVER      /* the servers' to write, or nobody's to see */
};
struct mm_header_rule {
    enum mm_header_kind kind;
    bool is_required; /* RFC 5322 3.6: exactly one */
    bool is_once;     /* the first counts */
};
struct mm_header_rule mm_header_rule_of(struct mm_span name);

enum mm_header_option {
    MM_HEADER_OVERRIDES = 1, /* what was set stands for what the text has */
    MM_HEADER_PROHIBITS = 2  /* the text's own does not go out */
};

struct mm_header_entry {
    char *name;
    struct mm_buf value; /* as mm_header_field_write takes it */
    bool has_value;
    bool names_recipients; /* the envelope's, instead of a value */
    unsigned options;      /* enum mm_header_option */
};
/* Zeroed: nothing is set. */
struct mm_header_set {
    struct mm_header_entry *entries;
    size_t count;
    size_t capacity;
};
void mm_header_set_fini(struct mm_header_set *set);

/* What a call below found wrong. */
enum mm_header_mistake {
    MM_HEADER_SET_OK,
    MM_HEADER_SET_NAME,     /* it can be no field's */
    MM_HEADER_SET_KEPT,     /* the text alone has such fields */
    MM_HEADER_SET_NEVER,    /* it does not go out */
    MM_HEADER_SET_REQUIRED, /* it cannot be left out */
    MM_HEADER_SET_KIND,     /* it takes no mailboxes */
    MM_HEADER_SET_TWICE,    /* it takes one mailbox, and has it */
    MM_HEADER_SET_VALUE,    /* not UTF-8, controls, or no such value */
    MM_HEADER_SET_ADDRESS,  /* other letters in an address */
    MM_HEADER_SET_LONG,     /* a word that no line holds, or too much */
    MM_HEADER_SET_FULL,     /* MM_HEADER_SET_MAX */
    MM_HEADER_SET_MEMORY
};
/* The value, instead of a former one. */
MM_CHECK enum mm_header_mistake mm_header_set_text(struct mm_header_set *set,
                                                   const char *name,
                                                   const char *value);
/* One more "phrase <mailbox>"; `phrase` NULL or "": the mailbox alone. */
MM_CHECK enum mm_header_mistake
mm_header_set_add_mailbox(struct mm_header_set *set, const char *name,
                          const char *phrase, const char *mailbox);
/* Its value is the list of the message's recipients. */
MM_CHECK enum mm_header_mistake
mm_header_set_name_recipients(struct mm_header_set *set, const char *name);
MM_CHECK enum mm_header_mistake
mm_header_set_option(struct mm_header_set *set, const char *name,
                     enum mm_header_option option, bool is_on);

/* Where the header of a text ends, found while the text comes. Zeroed before
 * the first octet. */
struct mm_header_scan {
    size_t at;      /* the line that was not looked at */
    bool has_field; /* a continuation may follow */
    size_t size;    /* of the header's fields */
    size_t body_at; /* where the body begins */
};
/* `text` begins as before and has grown; `is_whole`: no more comes. Its lines
 * end in CRLF. True: the header is over. */
bool mm_header_scan(struct mm_header_scan *scan, struct mm_span text,
                    bool is_whole);

struct mm_header_facts {
    const char *host_name;
    const char *identifier;
    const char *reverse_path; /* "": From is "<>" */
    int64_t now_ms;
    const char *const *recipients;
    size_t recipient_count;
};
/* The header that goes out, and the empty line behind it. `header`: fields of
 * the text, as mm_header_scan found them; they stay in their order and as they
 * are written, what is missing comes behind them. */
MM_CHECK enum mailmod_error
mm_header_set_write(const struct mm_header_set *set, struct mm_span header,
                    const struct mm_header_facts *facts, struct mm_buf *out);

#endif
