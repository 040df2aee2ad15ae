/* rig.h - a whole mm_outbound over the store in memory and a fake world. */
#ifndef MM_TEST_CLIENT_RIG_H
#define MM_TEST_CLIENT_RIG_H

#include "client/outbound.h"
#include "fake_io.h"
#include "settings.h"

#define MINUTE_MS (60 * 1000)
#define HOUR_MS (60 * MINUTE_MS)
#define MM_TEST_NOTIFY_NEVER 1
#define SENDER "alice@sender.example"

struct rig {
    struct mm_store *store;
    struct mm_config *config;
    struct mm_post *post;
    struct mm_outbound *outbound;
    uint64_t mailbox_id; /* of the local user "bob" */
    /* What the observer was told, a line each: "progress STEP OCTETS",
     * "outcome PATH VERDICT STATUS REPLY final" "cause PATH ERROR" and "news
     * KIND REVERSE_PATH PATH ATTEMPTS ERROR REPLY". Stops when it is full. */
    bool is_behind; /* who hears the news */
    char told[1 << 18];
    size_t told_size;
};

struct rig_message {
    const char *reverse_path; /* NULL: SENDER */
    const char *recipients;   /* "a@x.net, b@x.net" */
    const char *destination;  /* NULL: as they are routed */
    const char *body;         /* NULL: a short one */
    size_t body_size;         /* 0: strlen */
    bool is_8bit, is_smtputf8, is_report;
    unsigned notify;
    int dsn_return;
    const char *envelope_id;
    uint64_t size_lie; /* told instead of the real size */
};

/* Who gives tokens: the first one, and after a refusal the next. */
struct rig_tokens {
    const char *first;
    const char *next;
    enum mailmod_error error;
    bool is_silent;
    unsigned asked; /* all in all, and of those the new ones */
    unsigned renewed;
    unsigned cancelled;
    char account[64]; /* of the last question */
    enum mm_token_use use;
};
/* Of the rigs that are opened from now on, until the next call; NULL: nobody.
 */
void rig_set_tokens(struct rig_tokens *tokens);
/* Of the rigs that are opened from now on; 1 at first, 8 at most. */
void rig_set_loops(size_t count);
void rig_open(struct rig *rig, const char *const *settings);
void rig_close(struct rig *rig);
uint64_t rig_send(struct rig *rig, const struct rig_message *message);
/* The queue's row for a path: "gone", or its last reply. */
const char *rig_row(struct rig *rig, const char *path);
struct mm_store_recipient rig_recipient(struct rig *rig, const char *path);
size_t rig_count(struct rig *rig); /* rows in the queue */
/* The text of the report for `path`, taken off the queue or from the mailbox;
 * NULL when there is none. mm_free() it. */
char *rig_take_report(struct rig *rig, const char *path);
/* New settings, as a reload gives them. */
enum mailmod_error rig_reload(struct rig *rig, struct mm_config *config,
                              struct mm_buf *reason);
void rig_act(struct rig *rig, uint64_t id, enum mailmod_queue_action action);
unsigned rig_count_text(const char *text, const char *part);

#endif
