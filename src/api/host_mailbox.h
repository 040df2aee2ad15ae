/* thread: any
 * host_mailbox.h - one login at a provider of the host's, and a call to it:
 * host_mailbox.c orders the calls, mailbox_call.c is one and what the host may
 * do with it. */
#ifndef MM_API_HOST_MAILBOX_H
#define MM_API_HOST_MAILBOX_H

#include "api/later.h"
#include "api/providers.h"
#include "platform/thread.h"

/* The callbacks of a provider. */
enum mm_call_kind {
    MM_CALL_NONE,
    MM_CALL_AUTHENTICATE,
    MM_CALL_LIST,
    MM_CALL_SIZE,
    MM_CALL_FIND,
    MM_CALL_READ,
    MM_CALL_READ_END,
    MM_CALL_REMOVE,
    MM_CALL_CLOSE
};

struct mm_host_entry {
    char *unique_id;
    uint64_t octets; /* or MAILMOD_MAILBOX_OCTETS_UNKNOWN */
};

struct mm_host_mailbox {
    struct mm_mailbox base;
    struct mm_host_provider *provider; /* a reference */
    struct mm_list node;               /* the providers' mutex */
    struct mm_netaddr peer;            /* fixed, as the next five */
    char peer_text[MM_NETADDR_TEXT_MAX];
    uint64_t connection;
    bool is_tls;
    char *user;
    char *given_name;
    struct mm_mutex *mutex; /* all below, but what is lent to the call that
                               runs: the entries, `out` and its place */
    void *tag;
    struct mm_host_entry *entries;
    size_t entry_count; /* with what was found behind the listing */
    size_t entry_room;
    bool is_busy;                         /* a call runs */
    enum mm_call_kind wanted;             /* the next one that is asked for */
    struct mm_mailbox_question *question; /* who asked, or */
    struct mm_mailbox_removal *removal;   /* what is to be removed */
    char *password;                       /* to be shown */
    const char *sought; /* a unique-id, and where its index goes, which is NULL
                           while nothing is sought */
    size_t *sought_index;
    size_t read_index;
    unsigned read_number;
    struct mm_buf *out;
    uint64_t *size_out;
    uint64_t offset;
    bool is_reading; /* READ_END is owed */
    bool wants_read_end;
    size_t end_index; /* of the message that it is told for */
    bool is_closing;
    bool is_known; /* `authenticate` was called, so `close` is */
    /* What must not fail for want of memory has its call beforehand. */
    struct mailmod_mailbox_call *read_end_call;
    struct mailmod_mailbox_call *close_call;
};

struct mailmod_mailbox_call {
    struct mm_host_job job;
    struct mm_host_mailbox *mailbox;
    enum mm_call_kind kind;
    mailmod_on_mailbox_call on_call;
    struct mm_later later;
    size_t index; /* of the message; in REMOVE that of its list */
    /* What the host said; the mailbox's mutex. */
    struct mm_mailbox_refusal refusal;
    enum mailmod_error spoilt; /* a message or an octet was not taken */
    bool has_octets;
    uint64_t octets;
    size_t written;
    enum mailmod_mailbox_answer answer;
};

/* mailbox_call.c: a new one, whose handle is alive. NULL without memory. */
struct mailmod_mailbox_call *
mm_mailbox_call_new(struct mm_host_mailbox *mailbox, enum mm_call_kind kind);
void mm_mailbox_call_free(struct mailmod_mailbox_call **call);
/* One more message behind the others. ARGUMENT, LIMIT, MEMORY. */
MM_CHECK enum mailmod_error mm_host_mailbox_add(struct mm_host_mailbox *mailbox,
                                                const char *unique_id,
                                                uint64_t octets);
/* Runs it on a thread of the host's; mm_host_mailbox_answered comes, and the
 * call is gone. An error, and it is still there. With `must` it never fails,
 * and runs on the calling thread where there is no other. */
MM_CHECK enum mailmod_error
mm_mailbox_call_run(struct mailmod_mailbox_call *call, bool must);
/* host_mailbox.c: the host has answered. */
void mm_host_mailbox_answered(struct mm_host_mailbox *mailbox,
                              const struct mailmod_mailbox_call *call);

#endif
