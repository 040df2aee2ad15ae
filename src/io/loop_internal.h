/* thread: loop, except where a function says any
 * loop_internal.h - what the files of io/ know of a loop, and nobody else. */
#ifndef MM_IO_LOOP_INTERNAL_H
#define MM_IO_LOOP_INTERNAL_H

#include "io/io.h"
#include "platform/thread.h"

#include <uv.h>

/* One read of the socket, and one TLS record (RFC 8446 5.1). */
#define MM_LOOP_LENT_SIZE 65536
#define MM_LOOP_PLAIN_SIZE 16384

/* Whatever keeps libuv handles open on a loop; told when the loop stops, and
 * taken out of the list before that. */
struct mm_resident {
    struct mm_list node;
    void (*on_stop)(struct mm_resident *resident);
};

/* NEW -> RUNNING (start) -> STOPPED (the last act of its thread, or of who
 * stops one without), or NEW -> STOPPED when the loop never ran. */
enum mm_loop_state { MM_LOOP_NEW, MM_LOOP_RUNNING, MM_LOOP_STOPPED };

struct mm_loop {
    uv_loop_t uv;
    uv_async_t wake;
    uv_tcp_t first; /* closed at once: see init_uv */
    uv_prepare_t prepare;
    uv_timer_t alarm;
    uv_timer_t turn_end; /* of a turn that waits */
    uint64_t callbacks;  /* libuv's to us so far */
    bool is_unfinished;  /* the last turn was cut: another is due at once */
    uint64_t alarm_at;   /* UINT64_MAX: not set */
    struct mm_heap timers;
    struct mm_list soon;
    struct mm_list residents;
    bool is_closing; /* takes no residents any more */
    const struct mm_log *log;
    const struct mm_budget *memory; /* of what connections hold; NULL: any */
    char *lent;                     /* the read buffer, lent for one callback */
    char *plain;           /* the decrypted octets of one record, likewise */
    struct mm_mutex *lock; /* guards all that follows */
    struct mm_list inbox;
    enum mm_loop_state state;
    bool is_asked_to_stop;
    struct mm_thread *thread; /* while RUNNING; NULL: it is turned */
    bool is_turned;           /* it has no thread, since it runs */
    bool is_turning;          /* and a thread is at it */
};

/* STOPPED when the loop is closing. */
MM_CHECK enum mailmod_error mm_loop_admit(struct mm_loop *loop,
                                          struct mm_resident *resident);
/* Runs the task before the loop waits again; no lock, this thread only. A
 * task may be taken back with mm_list_remove(&task->node). */
void mm_loop_soon(struct mm_loop *loop, struct mm_task *task);
/* thread: any. Posts; false when the loop is stopped and will never run it. */
bool mm_loop_try_post(struct mm_loop *loop, struct mm_task *task);
/* thread: any. Takes a task back out of a loop that was never started; false
 * when the loop runs or ran, and so the task did or will. */
bool mm_loop_take_back(struct mm_loop *loop, struct mm_task *task);

void mm_loop_timers_start(struct mm_loop *loop);
/* Counts one callback of libuv's: what it began to watch is handed to the
 * system in the next pass alone, and a turn ends behind that. */
void mm_loop_note_callback(struct mm_loop *loop);
/* libuv's error as ours. thread: any. */
enum mailmod_error mm_error_from_uv(int status);

#endif
