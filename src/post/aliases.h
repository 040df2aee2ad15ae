/* thread: any; mm_aliases_read and _load: one that may block
 * aliases.h - whom an address stands for: the files of local.alias_files and
 * the store's rows (mailmodctl alias, mailmodctl forward).
 *
 * Where there are none, a question costs a look at two numbers. A file is read
 * anew when it changed, on a worker; what was read before stays meanwhile, and
 * when it cannot be read. */
#ifndef MM_POST_ALIASES_H
#define MM_POST_ALIASES_H

#include "config/config.h"
#include "post/post.h"

struct mm_aliases;

MM_CHECK enum mailmod_error mm_aliases_new(struct mm_aliases **aliases_out,
                                           struct mm_post *post);
void mm_aliases_free(struct mm_aliases **aliases);
/* What the configuration's files say; NULL where it names none. CONFIG: one
 * cannot be read, and the words that name it and the cause go to `reason_out`;
 * MEMORY. */
struct mm_alias_table;
MM_CHECK enum mailmod_error mm_aliases_read(const struct mm_config *config,
                                            const struct mm_log *log,
                                            struct mm_alias_table **table_out,
                                            struct mm_buf *reason_out);
void mm_alias_table_free(struct mm_alias_table **table);
/* The configuration's files are the files from now on; takes what they say. */
void mm_aliases_use(struct mm_post *post, struct mm_config *config,
                    struct mm_alias_table **table);
/* Both; after an error the former files are. */
MM_CHECK enum mailmod_error mm_aliases_load(struct mm_post *post,
                                            struct mm_config *config,
                                            struct mm_buf *reason_out);

/* Looked at once a second: what a tool has changed is known then. */
bool mm_aliases_are_there(struct mm_post *post);
bool mm_aliases_have_forwards(struct mm_post *post);
bool mm_aliases_have_lists(struct mm_post *post);
bool mm_aliases_have_auto_replies(struct mm_post *post);

/* Texts that were found: addresses, names, or names behind a backslash. */
struct mm_alias_list {
    char **items;
    size_t count;
    size_t capacity;
    enum mm_store_visibility visibility; /* the name's mark */
};
void mm_alias_list_free(struct mm_alias_list *list);
/* Appends what the name of an alias ("local@domain", "local", "@domain") stands
 * for; nothing when it is none. LIMIT past MM_LIMIT_TARGETS. */
MM_CHECK enum mailmod_error mm_aliases_find(struct mm_post *post,
                                            const char *name,
                                            struct mm_alias_list *list);
/* The same for the forwards of a user; MM_ALIAS_KEEP is one of them when the
 * mailbox keeps a copy. */
#define MM_ALIAS_KEEP "\\"
MM_CHECK enum mailmod_error
mm_aliases_find_forwards(struct mm_post *post, const char *user,
                         struct mm_alias_list *list);
/* The mark that a row of an alias or forward has in its number. */
enum mm_store_visibility mm_alias_mark_of(const struct mm_store_record *record);
/* Of two marks of one name the more careful one counts. */
enum mm_store_visibility mm_alias_join_marks(enum mm_store_visibility a,
                                             enum mm_store_visibility b);
/* The form in which names of aliases are kept and compared, and that of their
 * targets. SYNTAX for what can be none, TOO_LARGE, MEMORY. */
MM_CHECK enum mailmod_error
mm_alias_name_canonical(struct mm_span name,
                        char name_out[MM_STORE_REVERSE_PATH_MAX]);
MM_CHECK enum mailmod_error
mm_alias_target_canonical(struct mm_span target,
                          char target_out[MM_STORE_REVERSE_PATH_MAX]);

#endif
