/* thread: any
 * value.h - one value of the configuration: text in, text out.
 *
 * Everything is driven by the row of the schema: where the value lies, its
 * type, its range. A failed parse leaves the former value as it was. */
#ifndef MM_CONFIG_VALUE_H
#define MM_CONFIG_VALUE_H

#include "config/config.h"

/* ARGUMENT with words in `mistake_out` (may be NULL), MEMORY. */
MM_CHECK enum mailmod_error
mm_config_value_parse(const struct mm_config_key *key, struct mm_span text,
                      struct mm_config *config, struct mm_buf *mistake_out);
/* In the form that parse reads; secrets as they are. */
MM_CHECK enum mailmod_error
mm_config_value_format(const struct mm_config_key *key,
                       const struct mm_config *config, struct mm_buf *out);
/* Numbers as they are kept, durations in milliseconds; ARGUMENT. */
MM_CHECK enum mailmod_error
mm_config_value_number(const struct mm_config_key *key,
                       const struct mm_config *config, uint64_t *value_out);
/* For people: less what a key hides. */
enum mailmod_error mm_config_value_show(const struct mm_config_key *key,
                                        const struct mm_config *config,
                                        struct mm_buf *out);
/* The text of a key of type TEXT or SECRET. */
const char *mm_config_value_text(const struct mm_config_key *key,
                                 const struct mm_config *config);
/* Of a key that has a number; in its range. */
void mm_config_value_set_number(const struct mm_config_key *key,
                                struct mm_config *config, uint64_t value);
void mm_config_value_fini(const struct mm_config_key *key,
                          struct mm_config *config);

/* Does `text` have the form? Pure; "" is judged by the caller. */
bool mm_config_form_has(enum mm_config_form form, struct mm_span text);
/* A list of it is joined by line ends, for its items may hold blanks. */
bool mm_config_form_has_lines(enum mm_config_form form);
/* What the form is, for a person: "a host name". */
const char *mm_config_form_text(enum mm_config_form form);

/* "yes"; "10M" in octets; "5m" in milliseconds. */
bool mm_config_parse_flag(struct mm_span text, bool *flag_out);
bool mm_config_parse_size(struct mm_span text, uint64_t *octets_out);
bool mm_config_parse_duration(struct mm_span text, uint64_t *ms_out);
enum mailmod_error mm_config_format_size(struct mm_buf *out, uint64_t octets);
enum mailmod_error mm_config_format_duration(struct mm_buf *out, uint64_t ms);

/* Takes the next item of a list that is separated by commas and blanks. */
bool mm_config_next_item(struct mm_span *rest, struct mm_span *item_out);

#endif
