/* thread: any
 * words.h - a line of words "setting=value", as accounts and routes are written
 * in a list of texts. */
#ifndef MM_CONFIG_WORDS_H
#define MM_CONFIG_WORDS_H

#include "config/config.h"

#include <stddef.h>

struct mm_config_word {
    const char *name;
    bool is_flag; /* without a value */
    bool is_wanted;
    bool (*read)(struct mm_span value, void *field_out, size_t size);
    size_t offset; /* of the field in the record; MM_CONFIG_AT */
    size_t size;
    const char *form; /* what it must be, for a person */
    unsigned same;    /* number of a former row that it excludes; 0: none */
};

struct mm_config_words {
    const struct mm_config_word *rows; /* MM_CONFIG_WORDS_MAX at most */
    size_t count;
    const char *what; /* "an account" */
};
#define MM_CONFIG_WORDS_MAX 32
/* Where a word's value goes: one member, or more of them than one. */
#define MM_CONFIG_AT(record, member)                                           \
    offsetof(record, member), sizeof((record *)NULL)->member
#define MM_CONFIG_AT_WHOLE(record) 0, sizeof(record)

/* The next of a list of texts, trimmed, that is not empty. */
bool mm_config_next_line(struct mm_span *rest, struct mm_span *line_out);

/* The word "password" takes the rest of the line, so that it may have blanks.
 * ARGUMENT with words that name the setting and show no value, for the line may
 * have a password; `mistake_out` may be NULL. */
MM_CHECK enum mailmod_error
mm_config_words_read(const struct mm_config_words *words, struct mm_span line,
                     void *record, struct mm_buf *mistake_out);

const char *mm_config_tls_name(enum mm_config_tls_policy tls);

/* Words that several kinds of lines have. */
/* Text: letters, digits, and - _ . alone. */
bool mm_config_read_name(struct mm_span value, void *name_out, size_t size);
/* Text that is not empty and has no control characters. */
bool mm_config_read_text(struct mm_span value, void *text_out, size_t size);
/* unsigned */
bool mm_config_read_port(struct mm_span value, void *port_out, size_t size);
/* enum mm_config_tls_policy */
bool mm_config_read_tls(struct mm_span value, void *tls_out, size_t size);
/* bool: "yes", "no" */
bool mm_config_read_flag(struct mm_span value, void *flag_out, size_t size);
/* bool: the word alone says it. */
bool mm_config_read_set(struct mm_span value, void *flag_out, size_t size);
/* unsigned: mm_sasl_mechanism bits */
bool mm_config_read_mechanisms(struct mm_span value, void *mechanisms_out,
                               size_t size);
#define MM_CONFIG_MECHANISMS_TEXT                                              \
    "names such as SCRAM-SHA-256, PLAIN, LOGIN, CRAM-MD5, XOAUTH2, "           \
    "OAUTHBEARER, with commas between"
/* struct mm_config_proxy */
bool mm_config_read_proxy(struct mm_span value, void *proxy_out, size_t size);

#endif
