/* thread: any; what stands behind the lock says so
 * srv_state.h - the default instance of the SRV* calls, shared by their files.
 *
 * The law of the default instance: none -> made -> running -> ending -> none.
 * One process-wide lock guards it. It is never held while something waits for
 * the host: callbacks, drains and the free of a message come without it, so
 * that callbacks may call in. Order: this lock, then an instance's mutex, then
 * the table of handles. */
#ifndef MM_API_SRV_STATE_H
#define MM_API_SRV_STATE_H

#include "mailmod/srv.h"

#include "base/list.h"
#include "base/map.h"

/* Streams that are open or whose callback still waits for its end. */
#define MM_SRV_STREAMS_MAX (1024 * 1024)
/* Ended messages that are kept for SRVGetResult, one a thread. */
#define MM_SRV_KEPT_MAX 256

enum mm_srv_server_kind { MM_SRV_SMTP, MM_SRV_POP3, MM_SRV_SERVER_COUNT };

struct mm_srv_server { /* behind the lock */
    SMTPReqCallback callback;
    unsigned mask;
    int asked_port; /* of the call that opened it */
};

struct mm_srv {
    mailmod *instance;
    bool is_running;
    bool is_ending;
    struct mm_srv_server servers[MM_SRV_SERVER_COUNT];
    struct mm_map streams; /* handle to struct mm_srv_stream */
    struct mm_list kept;   /* the oldest first */
    size_t kept_count;
};

/* srv_instance.c */
void mm_srv_lock(void);
void mm_srv_unlock(void);
/* Behind the lock: NULL when there is none. */
struct mm_srv *mm_srv_peek(void);
/* Makes the default instance if need be; with `starts` starts it, too. OK: the
 * lock is held until mm_srv_unlock, whatever follows. STOPPED while it ends. */
MM_CHECK enum mailmod_error mm_srv_enter(bool starts, struct mm_srv **srv_out);
/* The same without the lock: the instance may end at any time, and is then a
 * handle that mailmod.h refuses. */
MM_CHECK enum mailmod_error mm_srv_instance(bool starts,
                                            mailmod **instance_out);
/* Around each callback of the host's. */
void mm_srv_callback_begins(void);
void mm_srv_callback_ends(void);

/* srv_error.c: keeps it for SRVLastError and returns it. */
enum mailmod_error mm_srv_note(enum mailmod_error error);

/* srv_config.c. Locked: as GetConfigParamInt. */
MM_CHECK enum mailmod_error
mm_srv_number(const struct mm_srv *srv, const char *param, int64_t *value_out);

/* srv_send.c. OK when the handle is a stream that may be written to. */
MM_CHECK enum mailmod_error mm_srv_check_open(ServerStream stream);
/* No callback comes any more: gives back all that belongs to nobody else. */
void mm_srv_end_streams(struct mm_srv *srv);

#endif
