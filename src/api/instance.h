/* thread: any; the instance's mutex guards all but what is said to be fixed
 * instance.h - one mailmod instance: every part of the system, put together. */
#ifndef MM_API_INSTANCE_H
#define MM_API_INSTANCE_H

#include "mailmod.h"

#include "api/context.h"
#include "api/turning.h"
#include "client/fetch.h"
#include "client/outbound.h"
#include "client/pop3_backends.h"
#include "config/config.h"
#include "io/io.h"
#include "platform/thread.h"
#include "post/post.h"
#include "server/server.h"
#include "store/store.h"

#define MM_LOOPS_MAX 64

/* The law: NEW -> OPEN (listeners bound) -> RUNNING -> STOPPING -> DRAINING ->
 * NEW. While DRAINING one call waits without the mutex, so that callbacks of
 * the host may still call the instance. */
enum mm_instance_state {
    MM_INSTANCE_NEW,
    MM_INSTANCE_OPEN,
    MM_INSTANCE_RUNNING,
    MM_INSTANCE_STOPPING,
    MM_INSTANCE_DRAINING
};

struct mm_events;
struct mm_messages;
struct mm_providers;
struct mm_open_mailboxes;
struct mm_readings;
struct mm_session_events;
struct mm_tokens;

/* Who is asked from now on, and when. Its own lock, because a loop that puts a
 * question must not wait for a life-cycle call. */
struct mm_asked {
    struct mm_mutex *mutex; /* guards the rest, and the instance's context */
    unsigned moments;
    struct mm_asker *asker; /* NULL: nobody */
};

struct mailmod {
    struct mm_mutex *mutex;  /* one life-cycle or settings call at a time */
    atomic_uintptr_t locker; /* the thread in mm_instance_lock; 0: none */
    enum mm_instance_state state;
    struct mm_config_builder *builder; /* the present settings */
    struct mm_config *config;          /* what runs; NULL while NEW */
    struct mm_log log;
    mailmod_on_log on_log; /* fixed from start on */
    void *log_context;
    bool services_wait;   /* fixed from start on */
    bool holds_standard;  /* the places of the standard files */
    char *working_folder; /* from which relative names count; NULL: not used */
    struct mm_asked asked;
    struct mm_events *events;                 /* fixed */
    struct mm_session_events *session_events; /* fixed */
    struct mm_providers *providers;           /* of mailboxes; fixed */
    struct mm_tokens *tokens;                 /* fixed */
    struct mm_context context;                /* of the host's */

    struct mm_loop *loops[MM_LOOPS_MAX];
    struct mm_resolver *resolvers[MM_LOOPS_MAX]; /* one a loop, for all on it */
    size_t loop_count;
    struct mm_turning turning; /* by the host */
    struct mm_workers *workers;
    struct mm_host_threads *host_threads; /* NULL unless it runs */
    struct mm_store *store;
    struct mm_post *post;
    struct mm_messages *messages; /* of the host's; NULL unless it runs */
    struct mm_open_mailboxes *open_mailboxes; /* NULL unless it runs */
    struct mm_readings *readings;             /* NULL unless it runs */
    struct mm_settings *settings;
    struct mm_server *server;
    struct mm_outbound *outbound;
    struct mm_pop3_backends *backends;
    struct mm_fetcher *fetcher;
};

/* Makes a resolver by this configuration, or (made already) hands it its
 * options. */
MM_CHECK enum mailmod_error mm_resolver_use(struct mailmod *instance, size_t i,
                                            struct mm_config *config);
/* Keeps the words for mailmod_last_error_text() and returns the error. */
enum mailmod_error mm_fail(enum mailmod_error error, const char *format, ...)
    MM_PRINTF(2, 3);
/* The same with words from a buffer; the error's own text when it is empty. */
enum mailmod_error mm_fail_buf(enum mailmod_error error, struct mm_buf *words);

/* The words of io or client about a file that a setting names, with that key
 * and the place where it was set in front. */
enum mailmod_error mm_fail_setting(const struct mailmod *instance,
                                   enum mailmod_error error,
                                   struct mm_buf *reason);
/* What is allowed and probably not meant, to the log. `store` may be NULL. */
void mm_tell_warnings(const struct mailmod *instance,
                      const struct mm_settings *settings,
                      struct mm_store *store);
/* Relative names become whole ones. */
MM_CHECK enum mailmod_error mm_resolve_paths(struct mailmod *instance,
                                             struct mm_config *config);
/* "folder/name"; mm_free it. NULL: no memory, or too long. */
char *mm_join_path(const char *folder, const char *name);

/* What every call of the host's begins and ends with: looks the handle up, so
 * that it stays alive, and takes the mutex. ARGUMENT, HANDLE; STATE in a
 * callback of a call that has it, which would wait for itself. */
MM_CHECK enum mailmod_error mm_instance_lock(struct mailmod *instance);
/* The same for what only a running one can do: STATE where it does not run. */
MM_CHECK enum mailmod_error mm_instance_lock_running(struct mailmod *instance);
void mm_instance_unlock(struct mailmod *instance);
/* All of an instance that is NEW and known to nobody; nulls it. */
void mm_instance_dispose(struct mailmod **instance);

/* The store of a stopped instance or another process's: opened for one piece
 * of administration. A running instance gives its own. */
struct mm_admin {
    struct mailmod *instance;
    struct mm_store *store;
    struct mm_config *config;
    bool is_own; /* opened here, closed at the end */
};
/* Locks the instance until mm_admin_end. With `creates` a data folder without
 * a store gets one. */
MM_CHECK enum mailmod_error
mm_admin_begin(struct mm_admin *admin, struct mailmod *instance, bool creates);
void mm_admin_end(struct mm_admin *admin);
/* One job between the two, for which the store stands in `*store_out`. NULL
 * there afterwards: it was not reached, and why was told; what the job itself
 * failed for was not. */
MM_CHECK enum mailmod_error mm_admin_run(struct mailmod *instance,
                                         struct mm_store_job *job,
                                         struct mm_store **store_out);
/* What was seen of one kind, each row; errors are told. */
MM_CHECK enum mailmod_error mm_admin_each_sighting(
    struct mailmod *instance, enum mm_sighting_kind kind,
    bool (*each)(void *context, const struct mm_store_sighting *sighting),
    void *context);

/* The files of local.alias_files; the words of an error are told. */
MM_CHECK enum mailmod_error mm_load_aliases(struct mailmod *instance,
                                            struct mm_config *config);
/* The mailbox of postmaster, who is always somebody (RFC 5321 4.5.1): made as
 * a user without a usable password when there is none. thread: not a loop */
MM_CHECK enum mailmod_error
mm_ensure_postmaster(struct mm_store *store, const struct mm_config *config);
/* The users that the configuration names. thread: not a loop */
MM_CHECK enum mailmod_error mm_put_config_users(struct mm_store *store,
                                                const struct mm_config *config);
/* ARGUMENT with words as the last error's text. */
MM_CHECK enum mailmod_error mm_user_check(const char *name,
                                          const char *password, unsigned flags);
/* After mm_user_check; `replaces` changes the password of one that is there. */
MM_CHECK enum mailmod_error mm_user_put(struct mm_store *store,
                                        const struct mm_config *config,
                                        const char *name, const char *password,
                                        unsigned flags, bool replaces);
/* Is the user there that a setting names? NOT_FOUND, also for "". */
MM_CHECK enum mailmod_error mm_find_set_user(struct mm_store *store,
                                             const char *setting);
/* Checks and stores; `replaces` changes a password. */
struct mm_user_job {
    struct mm_store_job job;
    struct mm_store_user user;
    bool replaces;
};
/* Holds the handle (mm_handle_let) and gives what is behind it. */
MM_CHECK enum mailmod_error mm_request_hold(mailmod_request *request,
                                            struct mm_request **inner_out);
/* Hands a question of a session's to the host. thread: loop */
enum mailmod_error mm_request_put(void *instance, struct mm_request *request);
/* A change of the settings: a file over them, or one key. */
struct mm_settings_change {
    const char *file; /* NULL: the key */
    const char *name;
    const char *value;
    /* Or the value is made from the present settings; the words of a failure
     * are the last error's text. */
    enum mailmod_error (*edit)(const struct mm_config *present, void *context,
                               struct mm_buf *value_out);
    void *context;
    size_t size_max; /* of what it makes */
};
/* Locked; the words are kept for mailmod_last_error_text(). */
MM_CHECK enum mailmod_error
mm_change_settings(struct mailmod *instance,
                   const struct mm_settings_change *change);
/* Changes the settings, and at once what runs. A changed key that needs a
 * restart is no error: what runs keeps the former value until then. What cannot
 * be taken is not kept; settings that do not fit together are (CONFIG), until a
 * further change makes them whole. NULL applies what was set. */
MM_CHECK enum mailmod_error
mm_instance_change(struct mailmod *instance,
                   const struct mm_settings_change *change);
/* Without a certificate of the operator's: one of our own, in the data folder.
 */
MM_CHECK enum mailmod_error mm_settle_certificate(struct mm_config *config);
/* The present settings as a snapshot: host name filled in, unchecked. */
MM_CHECK enum mailmod_error mm_instance_draft(struct mailmod *instance,
                                              struct mm_config **config_out);
/* The same, checked. */
MM_CHECK enum mailmod_error mm_instance_config(struct mailmod *instance,
                                               struct mm_config **config_out);

#endif
