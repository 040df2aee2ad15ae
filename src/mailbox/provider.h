/* thread: worker, or any for what answers from memory
 * provider.h - the contract of mailbox providers: where mail lies for POP3.
 *
 * A provider has mailboxes of users. What serves mail knows this contract and
 * no provider: it opens a mailbox, lists, reads, removes and closes.
 *
 * Threads. open, read, remove_list, remove_now and close may block: they are
 * called on a worker, but close, which waits for nothing, on any thread. One
 * call at a time for each open mailbox. Count, size and unique-id answer from
 * memory: on any thread, also while another call is running, but for find.
 *
 * A provider that answers later (the host's) has users of its own: a login
 * visits it, asks it who the user is, and lets it list. None of its verbs
 * waits.
 *
 * The listing is read once, at the opening, and never changes (RFC 1939 5); a
 * message that came later can be found by its unique-id, and stands behind the
 * listing from then on. An open mailbox is this system's alone (RFC 1939 4): a
 * second opening gets BUSY.
 * Programs outside of this system may work on the same mailbox, where the
 * provider says so: what they took away meanwhile is told as CANCELLED. */
#ifndef MM_MAILBOX_PROVIDER_H
#define MM_MAILBOX_PROVIDER_H

#include "base/buf.h"
#include "base/error.h"
#include "base/netaddr.h"
#include "mailmod/terms.h"
#include "store/store.h"

#define MM_UNIQUE_ID_MAX 71 /* RFC 1939 7: 1 to 70 octets of 33..126, NUL */

/* Whose mailbox is opened. The texts live until `open` returns. */
struct mm_mailbox_owner {
    const char *user; /* canonical name */
    uint64_t mailbox_id;
    /* Where the configuration puts it, for a provider of folders: the
     * operator's part of the path, and the part below it. */
    const char *base;
    const char *below;
    /* Which of the user's mail: NULL is all of it, "" what is in no folder. */
    const char *folder;
    char separator; /* of the address that names one: plus_folder.h */
};

/* What a provider can do beside what all can. */
enum mm_mailbox_capability {
    MM_MAILBOX_REMOVES_NOW = 1 << 0,   /* remove_now */
    MM_MAILBOX_ANSWERS_LATER = 1 << 1, /* visit, and those after it */
    MM_MAILBOX_MARKS_SEEN = 1 << 2     /* mark_seen */
};

/* The octets of a message are known when it was read to its end. */
#define MM_MAILBOX_SIZE_UNKNOWN UINT64_MAX

/* Where a client came in. */
struct mm_mailbox_door {
    const char *service;
    unsigned port;
};

/* Who visits. The texts are copied. */
struct mm_mailbox_client {
    const char *user;       /* canonical name */
    const char *given_name; /* as the client gave it */
    struct mm_netaddr peer;
    uint64_t connection; /* the session's number */
    bool is_tls;
};

/* What a provider says with REFUSED: "" where it has nothing to say. */
#define MM_MAILBOX_CODE_MAX 32
#define MM_MAILBOX_TEXT_MAX 200
struct mm_mailbox_refusal {
    char code[MM_MAILBOX_CODE_MAX]; /* without brackets (RFC 2449 8) */
    char text[MM_MAILBOX_TEXT_MAX];
    bool is_critical; /* the connection ends */
};

/* A question to a provider that answers later; the asker keeps it until `done`:
 * thread: any; perhaps inside the call, exactly once. */
struct mm_mailbox_question {
    void (*done)(struct mm_mailbox_question *question,
                 enum mailmod_error error);
};

/* What is known of a message beside its size. */
struct mm_mailbox_detail {
    int64_t received_ms; /* since 1970, UTC; 0: not known */
    unsigned flags;      /* enum mailmod_mail_flags */
};

struct mm_mailbox;
struct mm_mailbox_provider;

/* A removal that was asked for; the caller keeps it until `done`. */
struct mm_mailbox_removal {
    const size_t *indexes; /* of the listing, rising, each once */
    size_t count;
    /* thread: any; perhaps inside the call, exactly once. OK: none of them is
     * there at the next opening, whatever happens to this machine. An error:
     * all are. */
    void (*done)(struct mm_mailbox_removal *removal, enum mailmod_error error);
    /* Above 0: when it was (since 1970, UTC), for a provider that can keep what
     * is deleted for a time. */
    int64_t keep_ms;
};

/* The operations. `mailbox` and `index` are good where these are called. */
struct mm_mailbox_verbs {
    unsigned capabilities; /* enum mm_mailbox_capability bits */
    /* Nobody else has it open, which mm_mailbox_open sees to. NOT_FOUND when
     * there is none. */
    enum mailmod_error (*open)(struct mm_mailbox_provider *provider,
                               const struct mm_mailbox_owner *owner,
                               struct mm_mailbox **mailbox_out);
    /* Octets as served, before dot-stuffing. */
    uint64_t (*size)(const struct mm_mailbox *mailbox, size_t index);
    void (*unique_id)(const struct mm_mailbox *mailbox, size_t index,
                      char text_out[MM_UNIQUE_ID_MAX]);
    /* Puts a message that came after the opening behind those that are known,
     * where there is one with that unique-id; it may put others there, too,
     * each once. NULL: nothing is looked for. thread: worker */
    enum mailmod_error (*find)(struct mm_mailbox *mailbox,
                               struct mm_span unique_id);
    /* See mm_mailbox_read. */
    enum mailmod_error (*read)(struct mm_mailbox *mailbox, size_t index,
                               unsigned number, struct mm_buf *out,
                               uint64_t *size_out);
    /* NULL: nothing is known. thread: worker */
    enum mailmod_error (*detail)(struct mm_mailbox *mailbox, size_t index,
                                 struct mm_mailbox_detail *detail_out);
    /* Who reads the mailbox by other ways sees that these were read. What is
     * gone is no error. NULL without MM_MAILBOX_MARKS_SEEN. */
    enum mailmod_error (*mark_seen)(struct mm_mailbox *mailbox,
                                    const size_t *indexes, size_t count);
    /* All of them or none: what QUIT promises (RFC 1939 6). Messages that are
     * gone already count as removed. */
    void (*remove_list)(struct mm_mailbox *mailbox,
                        struct mm_mailbox_removal *removal);
    /* The same before the session ends: what a dropped line does not undo. The
     * listing keeps its numbers. NULL without MM_MAILBOX_REMOVES_NOW. */
    void (*remove_now)(struct mm_mailbox *mailbox,
                       struct mm_mailbox_removal *removal);
    /* With MM_MAILBOX_ANSWERS_LATER: authenticate, list and ask instead of open
     * and read, which are NULL then, as find is. See mm_mailbox_authenticate
     * and so on. */
    void (*authenticate)(struct mm_mailbox *mailbox, const char *password,
                         struct mm_mailbox_question *question);
    void (*list)(struct mm_mailbox *mailbox,
                 struct mm_mailbox_question *question);
    void (*unlist)(struct mm_mailbox *mailbox);
    /* In place of find: the message stands behind those that are known once it
     * was found. See mm_mailbox_seek. */
    void (*seek)(struct mm_mailbox *mailbox, const char *unique_id,
                 size_t *index_out, struct mm_mailbox_question *question);
    void (*ask)(struct mm_mailbox *mailbox, size_t index, unsigned number,
                struct mm_buf *out, uint64_t *size_out,
                struct mm_mailbox_question *question);
    /* NULL: nobody needs to be told. */
    void (*read_end)(struct mm_mailbox *mailbox);
    /* Not while a removal or a question is out. Frees the mailbox. */
    void (*close)(struct mm_mailbox *mailbox);
};

struct mm_mailbox_provider {
    const struct mm_mailbox_verbs *verbs;
    /* Knows which mailboxes are open; NULL: the provider itself does. */
    struct mm_store *store;
};

/* What clients may be told of those who have mailboxes behind a door. */
#define MM_MAILBOX_NAME_MAX 64
struct mm_mailbox_sign {
    char name[MM_MAILBOX_NAME_MAX]; /* of the one who has all; "": none */
    bool needs_password;            /* somebody there has to be shown it */
};

/* Providers that answer later, lent by who has them. thread: any */
struct mm_mailbox_visits {
    void (*describe)(void *context, const struct mm_mailbox_door *door,
                     struct mm_mailbox_sign *sign_out);
    /* A mailbox that is nobody's yet, with the one who has such users;
     * NOT_FOUND: they are the store's. */
    enum mailmod_error (*visit)(void *context,
                                const struct mm_mailbox_door *door,
                                const struct mm_mailbox_client *client,
                                struct mm_mailbox **mailbox_out);
    void *context;
};

/* An open mailbox; a provider's own begins with it. */
struct mm_mailbox {
    const struct mm_mailbox_verbs *verbs;
    struct mm_store *store;
    uint64_t mailbox_id;
    size_t count;              /* of the listing */
    size_t late_count;         /* known behind it: came after the opening */
    bool is_read_only;         /* nothing is removed; set at the opening */
    struct mm_unique_ids *ids; /* provider.c's; NULL before the first use */
    struct mm_mailbox_refusal refusal; /* of the last call that got REFUSED */
};

/* A text that can be one; "_" alone means something else to some clients. */
bool mm_mailbox_is_unique_id(struct mm_span text);
/* For a provider: the beginning of a mailbox that it opens. */
void mm_mailbox_init(struct mm_mailbox *mailbox,
                     const struct mm_mailbox_provider *provider,
                     const struct mm_mailbox_owner *owner);
/* BUSY when another session has it. thread: worker */
MM_CHECK enum mailmod_error
mm_mailbox_open(struct mm_mailbox_provider *provider,
                const struct mm_mailbox_owner *owner,
                struct mm_mailbox **mailbox_out);
/* thread: any. NULL does nothing. */
void mm_mailbox_close(struct mm_mailbox **mailbox);
bool mm_mailbox_can(const struct mm_mailbox *mailbox,
                    enum mm_mailbox_capability capability);
bool mm_mailbox_is_read_only(const struct mm_mailbox *mailbox);
size_t mm_mailbox_count(const struct mm_mailbox *mailbox);
/* The listing, and behind it what mm_mailbox_find found. Below an index is of
 * these. */
size_t mm_mailbox_known(const struct mm_mailbox *mailbox);
/* NOT_FOUND. Of one that answers later: what it has told of before. thread:
 * worker */
MM_CHECK enum mailmod_error mm_mailbox_find(struct mm_mailbox *mailbox,
                                            struct mm_span unique_id,
                                            size_t *index_out);
/* The same of each; the text and `index_out` live until `done`, which may come
 * inside the call. REFUSED. thread: worker */
void mm_mailbox_seek(struct mm_mailbox *mailbox, const char *unique_id,
                     size_t *index_out, struct mm_mailbox_question *question);
/* 0 outside of the listing. */
uint64_t mm_mailbox_size(const struct mm_mailbox *mailbox, size_t index);
/* "" outside of the listing. */
void mm_mailbox_unique_id(const struct mm_mailbox *mailbox, size_t index,
                          char text_out[MM_UNIQUE_ID_MAX]);
/* Piece `number` of the message as served into `out` (replaced; cap at least
 * 2 * MM_LIMIT_CHUNK), in turn from 0. With piece 0 `size_out` gets the octets
 * of all pieces together; it is the listed size, unless that was an estimate
 * that proved wrong. NOT_FOUND after the last piece. STORAGE_DAMAGED: it cannot
 * be served whole. CANCELLED: somebody has removed the message. STOPPED: the
 * user and the mailbox were removed. ARGUMENT outside of the listing.
 * thread: worker */
MM_CHECK enum mailmod_error mm_mailbox_read(struct mm_mailbox *mailbox,
                                            size_t index, unsigned number,
                                            struct mm_buf *out,
                                            uint64_t *size_out);
/* The same of one that answers later, and of one that does not: `done` comes
 * inside the call then, which is a worker's. The size may be
 * MM_MAILBOX_SIZE_UNKNOWN. REFUSED. */
void mm_mailbox_ask(struct mm_mailbox *mailbox, size_t index, unsigned number,
                    struct mm_buf *out, uint64_t *size_out,
                    struct mm_mailbox_question *question);
/* No further piece of what is read is asked for. thread: any */
void mm_mailbox_read_end(struct mm_mailbox *mailbox);
/* Of a mailbox that was visited: is this the user's password? REFUSED: no, or
 * as the refusal says. thread: any */
void mm_mailbox_authenticate(struct mm_mailbox *mailbox, const char *password,
                             struct mm_mailbox_question *question);
/* After it: the listing. BUSY when another session has it; asked again then.
 * REFUSED. thread: any */
void mm_mailbox_list(struct mm_mailbox *mailbox,
                     struct mm_mailbox_question *question);
/* Between two listings: others may have it. thread: any */
void mm_mailbox_unlist(struct mm_mailbox *mailbox);
/* CANCELLED and STOPPED as mm_mailbox_read. thread: worker */
MM_CHECK enum mailmod_error
mm_mailbox_detail(struct mm_mailbox *mailbox, size_t index,
                  struct mm_mailbox_detail *detail_out);
/* `indexes` as of a removal. STATE without the capability, ACCESS where nothing
 * may be removed. thread: worker */
MM_CHECK enum mailmod_error mm_mailbox_mark_seen(struct mm_mailbox *mailbox,
                                                 const size_t *indexes,
                                                 size_t count);
/* `done` gets ACCESS where nothing may be removed. thread: worker */
void mm_mailbox_remove_list(struct mm_mailbox *mailbox,
                            struct mm_mailbox_removal *removal);
/* `done` gets STATE without the capability, ACCESS where nothing may be
 * removed. thread: worker */
void mm_mailbox_remove_now(struct mm_mailbox *mailbox,
                           struct mm_mailbox_removal *removal);

#endif
