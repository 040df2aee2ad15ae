/* thread: any
 * words.h - a line of words "setting=value", as accounts and routes are written
 * in a list of texts. */
#ifndef MM_CONFIG_WORDS_H
#define MM_CONFIG_WORDS_H

#include "config/config.h"

struct mm_config_word {
    const char *name;
    bool is_flag; /* without a value */
    bool is_wanted;
    bool (*read)(void *record, struct mm_span value);
    const char *form; /* what it must be, for a person */
    unsigned same;    /* number of a former row that it excludes; 0: none */
};

struct mm_config_words {
    const struct mm_config_word *rows; /* MM_CONFIG_WORDS_MAX at most */
    size_t count;
    const char *what; /* "an account" */
};
#define MM_CONFIG_WORDS_MAX 32

/* The word "password" takes the rest of the line, so that it may have blanks.
 * ARGUMENT with words that name the setting and show no value, for the line may
 * have a password; `mistake_out` may be NULL. */
MM_CHECK enum mailmod_error
mm_config_words_read(const struct mm_config_words *words, struct mm_span line,
                     void *record, struct mm_buf *mistake_out);

/* Words that several kinds of lines have. Letters, digits, and - _ . alone: */
bool mm_config_read_name(struct mm_span value, char *name_out, size_t size);
bool mm_config_read_port(struct mm_span value, unsigned *port_out);
bool mm_config_read_tls(struct mm_span value,
                        enum mm_config_tls_policy *tls_out);
const char *mm_config_tls_name(enum mm_config_tls_policy tls);
/* A text without control characters that is not empty. */
bool mm_config_read_text(struct mm_span value, char *text_out, size_t size);

#endif
