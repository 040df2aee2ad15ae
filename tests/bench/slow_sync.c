/* slow_sync.c - a disk whose syncs take longer, for programs that preload it.
 *
 * Each fsync and fdatasync sleeps SLOW_SYNC_US microseconds (5 000 without it)
 * after the real one, as a disk without a cache of its own takes. The sleep
 * holds up the thread that syncs and nobody else.
 * Thread: any. */
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static int slow(long result)
{
    const char *text = getenv("SLOW_SYNC_US");
    long microseconds = text == NULL ? 5000 : strtol(text, NULL, 10);
    struct timespec wait = {.tv_sec = microseconds / 1000000,
                            .tv_nsec = microseconds % 1000000 * 1000};

    (void)nanosleep(&wait, NULL);
    return (int)result;
}

int fsync(int file)
{
    return slow(syscall(SYS_fsync, file));
}

int fdatasync(int file)
{
    return slow(syscall(SYS_fdatasync, file));
}
