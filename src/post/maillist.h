/* thread: any (point look-ups in the store), except where a function says
 * writer
 * maillist.h - what a mailing list is: its rules, its members, its addresses.
 *
 * A list "news@example.org" has these addresses: itself, to post;
 * news-subscribe@ and news-unsubscribe@, news-confirm+TOKEN@ for the answer to
 * a request, and a moderator's to a post that waits; news-owner@;
 * news-bounces+TAG=user=domain@, which reports about one member come to (VERP).
 * Rows of the store keep it: MM_RECORD_MAILLIST and MM_RECORD_MEMBER. */
#ifndef MM_POST_MAILLIST_H
#define MM_POST_MAILLIST_H

#include "post/resolve.h"

/* Consumers (consumer.h); the rest of a destination is the list's name. */
#define MM_MAILLIST_CONSUMER "maillist"          /* mail to the list */
#define MM_MAILLIST_APPROVED "maillist-approved" /* a moderator let it pass */
#define MM_MAILLIST_SEND "maillist-send"         /* to the next members */
#define MM_MAILLIST_DIGEST "maillist-digest"     /* posts wait for a digest */
#define MM_MAILLIST_DIGEST_SEND "maillist-digest-send"
/* So that every destination and address of a list has room. */
#define MM_MAILLIST_NAME_MAX 200

enum mm_maillist_rule { /* who may post */
                        MM_MAILLIST_OPEN,
                        MM_MAILLIST_MEMBERS,
                        MM_MAILLIST_MODERATED
};
struct mm_maillist {
    char name[MM_STORE_REVERSE_PATH_MAX]; /* "news@example.org", folded */
    char owner[MM_STORE_REVERSE_PATH_MAX];
    enum mm_maillist_rule rule;
    bool rewrites_from;    /* for authors whose DMARC policy would refuse it */
    bool is_closed;        /* nobody subscribes by mail */
    unsigned digest_hours; /* how often one goes out; 0: none does */
    unsigned digest_kib;   /* as soon as so much waits; 0: the default */
};
#define MM_MAILLIST_DIGEST_HOURS_MAX 744
#define MM_MAILLIST_DIGEST_KIB 256 /* the default */
struct mm_maillist_member {
    char address[MM_STORE_REVERSE_PATH_MAX];
    unsigned bounces; /* messages that came back */
    bool is_suspended;
    bool is_moderator;
    bool is_digest; /* gets digests where there are some */
};

/* The rows. SYNTAX for a name that is none. */
MM_CHECK enum mailmod_error
mm_maillist_name(struct mm_span text, char name_out[MM_STORE_REVERSE_PATH_MAX]);
void mm_maillist_record(const struct mm_maillist *list,
                        struct mm_store_record *record_out);
void mm_maillist_of(const struct mm_store_record *record,
                    struct mm_maillist *list_out);
MM_CHECK enum mailmod_error
mm_maillist_member_record(const char *list,
                          const struct mm_maillist_member *member,
                          struct mm_store_record *record_out);
void mm_maillist_member_of(const struct mm_store_record *record,
                           struct mm_maillist_member *member_out);
/* NOT_FOUND. */
MM_CHECK enum mailmod_error mm_maillist_find(struct mm_store *store,
                                             const char *name,
                                             struct mm_maillist *list_out);
/* By the address, in any case of letters. NOT_FOUND. */
MM_CHECK enum mailmod_error
mm_maillist_find_member(struct mm_store *store, const char *list,
                        const char *address,
                        struct mm_maillist_member *member_out);

enum mm_maillist_command {
    MM_MAILLIST_POST,
    MM_MAILLIST_SUBSCRIBE,
    MM_MAILLIST_UNSUBSCRIBE,
    MM_MAILLIST_CONFIRM,
    MM_MAILLIST_OWNER,
    MM_MAILLIST_BOUNCES,
    /* Of tokens alone, about a post that waits. */
    MM_MAILLIST_APPROVE,
    MM_MAILLIST_REJECT
};
/* Which list an address is of; NOT_FOUND. `argument_out`: behind the plus. */
MM_CHECK enum mailmod_error
mm_maillist_address(struct mm_store *store, const struct mm_address *address,
                    struct mm_maillist *list_out,
                    enum mm_maillist_command *command_out,
                    char argument_out[MM_LIMIT_LOCAL_PART + 1]);
/* The step of resolve. */
enum mm_step_verdict mm_maillist_step(struct mm_resolve *resolve,
                                      struct mm_resolve_item *item);

/* "news-WORD@example.org", or with an argument "news-WORD+ARGUMENT@". */
MM_CHECK enum mailmod_error
mm_maillist_write(const struct mm_maillist *list, const char *word,
                  const char *argument,
                  char path_out[MM_STORE_REVERSE_PATH_MAX]);
/* The path that reports about a member come back to; the list's own when the
 * member's address has no room in it. */
void mm_maillist_verp(struct mm_store *store, const struct mm_maillist *list,
                      const char *member,
                      char path_out[MM_STORE_REVERSE_PATH_MAX]);
/* The member that such an argument names; false when we did not write it. */
bool mm_maillist_read_verp(struct mm_store *store,
                           const struct mm_maillist *list, const char *argument,
                           char member_out[MM_STORE_REVERSE_PATH_MAX]);
/* The argument that confirms a request, signed; and back: false when we did not
 * write it, or a week ago. */
MM_CHECK enum mailmod_error
mm_maillist_token(struct mm_store *store, const struct mm_maillist *list,
                  enum mm_maillist_command command, const char *member,
                  int64_t now_ms, char token_out[MM_LIMIT_LOCAL_PART + 1]);
bool mm_maillist_read_token(struct mm_store *store,
                            const struct mm_maillist *list, const char *token,
                            int64_t now_ms,
                            enum mm_maillist_command *command_out,
                            char member_out[MM_STORE_REVERSE_PATH_MAX]);
/* The row of the queue that waits for a moderator, as the "member" of a token,
 * and back. */
void mm_maillist_write_held(uint64_t message_id, unsigned number,
                            char held_out[MM_STORE_REVERSE_PATH_MAX]);
bool mm_maillist_read_held(const char *held, uint64_t *message_id_out,
                           unsigned *number_out);
/* One more message to the member came back; after `bounces_max` no more go
 * there. OK too when there is no such member any more. thread: writer */
MM_CHECK enum mailmod_error
mm_maillist_bounced(struct mm_store_transaction *transaction,
                    const struct mm_log *log, const char *list,
                    const char *member, unsigned bounces_max);

/* ---- the consumers ---- */

struct mm_maillists;
MM_CHECK enum mailmod_error mm_maillists_new(struct mm_maillists **lists_out,
                                             struct mm_post *post);
void mm_maillists_free(struct mm_maillists **lists);
/* maillist_send.c's: fills `consumer`, of single posts or of digests. */
void mm_maillist_send_consumer(struct mm_consumer *consumer,
                               struct mm_post *post, bool sends_digests);
/* maillist_digest.c's: the same. */
void mm_maillist_digest_consumer(struct mm_consumer *consumer,
                                 struct mm_post *post);
/* Posts that wait for the list's digest. */
struct mm_maillist_waiting {
    struct {
        uint64_t message_id;
        unsigned number;
    } posts[MM_LIMIT_DIGEST_POSTS];
    size_t count;
    uint64_t octets;
};
/* Those that wait, oldest first. thread: any that may block */
MM_CHECK enum mailmod_error
mm_maillist_read_waiting(struct mm_store *store, const struct mm_maillist *list,
                         struct mm_maillist_waiting *out);
/* One more waits, of so many octets; when they are enough, or too many, all are
 * due at once. thread: writer */
MM_CHECK enum mailmod_error mm_maillist_put_waiting(
    struct mm_store_transaction *transaction, const struct mm_config *config,
    const struct mm_maillist *list, const struct mm_maillist_waiting *others,
    uint64_t message_id, uint64_t octets, int64_t now_ms);

#endif
