/* signals.c - how the process begins, and the operator's wishes as events.
 *
 * TERM, INT and HUP are blocked in the main thread before any other exists, so
 * that every thread inherits that and only sigwait takes them: nothing runs in
 * a signal handler. SIGPIPE is ignored for the daemon's own writes. */
#include "../system.h"

#include <limits.h> /* defines __GLIBC__ */
#ifdef __GLIBC__
#include <malloc.h>
#endif
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/* How long the last line of a cut may take. */
#define CUT_LOG_MS 100
#define WAIT_MS 60000 /* any time will do */

/* What a thread's free memory may come to before the C library gives it back.
 * With its own 128 KiB the memory of messages goes back and comes again, page
 * by page: two faults a message. */
#define MEMORY_KEPT (1024 * 1024)
/* From here on a piece is the system's and goes back at once. */
#define MEMORY_LARGE (512 * 1024)

static void keep_memory(void)
{
#ifdef __GLIBC__
    (void)mallopt(M_TRIM_THRESHOLD, MEMORY_KEPT);
    (void)mallopt(M_MMAP_THRESHOLD, MEMORY_LARGE);
#endif
}

int system_main(int argc, char **argv, int (*run)(int argc, char **argv))
{
    return run(argc, argv);
}

const char *system_help(void)
{
    return "\n"
           "SIGTERM and SIGINT stop it once open sessions ended or "
           "general.drain is over,\n"
           "a second one at once; SIGHUP reads the configuration anew.";
}

static void fill(sigset_t *set)
{
    sigemptyset(set);
    sigaddset(set, SIGTERM);
    sigaddset(set, SIGINT);
    sigaddset(set, SIGHUP);
}

int system_init(void)
{
    struct sigaction ignore;
    memset(&ignore, 0, sizeof ignore);
    ignore.sa_handler = SIG_IGN;
    sigemptyset(&ignore.sa_mask);
    sigset_t set;
    fill(&set);
    /* What the daemon makes is for its user alone. */
    (void)umask(077);
    keep_memory();
    if (sigaction(SIGPIPE, &ignore, NULL) != 0) {
        return -1;
    }
    return pthread_sigmask(SIG_BLOCK, &set, NULL);
}

enum system_event system_wait(unsigned wait_ms)
{
    const struct timespec wait = {.tv_sec = (time_t)(wait_ms / 1000),
                                  .tv_nsec = (long)(wait_ms % 1000) * 1000000};
    sigset_t set;
    fill(&set);
    int number = sigtimedwait(&set, NULL, &wait);
    if (number < 0) {
        return SYSTEM_NOTHING; /* the time is over, or a debugger came */
    }
    return number == SIGHUP ? SYSTEM_RELOAD : SYSTEM_STOP;
}

static void *wait_and_cut(void *context)
{
    int exit_code = (int)(intptr_t)context;
    while (system_wait(WAIT_MS) != SYSTEM_STOP) {
    }
    system_log(NULL, MAILMOD_LOG_WARNING, "mailmodd: cut by a second signal");
    system_log_end(CUT_LOG_MS);
    _exit(exit_code);
}

void system_cut_on_stop(int exit_code)
{
    pthread_t thread;
    if (pthread_create(&thread, NULL, wait_and_cut,
                       (void *)(intptr_t)exit_code) == 0) {
        (void)pthread_detach(thread);
    }
}
