/* log.c - one line a fact: on stderr, or in a file (--log-file).
 *
 * With a time of its own (RFC 3339; UTC, or the local one if asked), or for the
 * journal with a priority in front and no time, which the journal knows better.
 * Whoever says a line puts it into a backlog, and one thread writes: a pipe
 * that nobody reads, or a slow disk, holds up nobody's mail. What the backlog
 * has no room for is dropped, and the count is told as soon as a line goes
 * through again. A file is opened for appending and anew at a reload, so that
 * it can be renamed. Before the thread runs, lines are written at once. */
#include "log.h"
#include "../system.h"
#include "backlog.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define LINE_MAX_SIZE 8192
#define GATHER_MS 5
/* With more than this in the backlog nothing is waited for. */
#define GATHER_SIZE (BACKLOG_SIZE / 4)
#define DATE_SIZE 32       /* 2026-11-30T07:15:02 */
#define ZONE_SIZE 16       /* Z, or +01:00 */
#define LOG_FILE_MODE 0640 /* less the umask */

/* One process, one log: mailmod_on_log comes from all of the library's
 * threads. */
static struct {
    pthread_mutex_t lock;
    pthread_cond_t has_work;
    pthread_cond_t is_idle; /* on the monotonic clock */
    struct backlog backlog;
    int descriptor;
    const char *path; /* NULL: stderr */
    int is_local;
    int is_journal;
    int has_thread;
    int is_writing;
    int wants_reopen;
} out = {.lock = PTHREAD_MUTEX_INITIALIZER,
         .has_work = PTHREAD_COND_INITIALIZER,
         .descriptor = STDERR_FILENO};

/* Is stderr the stream that systemd says it is? systemd.exec(5): the variable
 * is inherited by children that write elsewhere. */
static int is_journal(void)
{
    const char *stream = getenv("JOURNAL_STREAM");
    struct stat status;
    unsigned long long device;
    unsigned long long inode;
    return stream != NULL &&
           sscanf(stream, "%llu:%llu", &device, &inode) == 2 &&
           fstat(STDERR_FILENO, &status) == 0 &&
           (unsigned long long)status.st_dev == device &&
           (unsigned long long)status.st_ino == inode;
}

/* What the lines of one second have in common. */
struct second {
    time_t time;
    int is_known;
    char date[DATE_SIZE];
    char zone[ZONE_SIZE];
};

static void read_second(struct second *second, time_t time)
{
    struct tm parts;
    char digits[8] = "+0000";
    if (second->is_known && second->time == time) {
        return;
    }
    second->time = time;
    second->is_known = 1;
    if (out.is_local) {
        localtime_r(&time, &parts);
        strftime(digits, sizeof digits, "%z", &parts);
        snprintf(second->zone, sizeof second->zone, "%.3s:%.2s", digits,
                 digits + 3);
    } else {
        gmtime_r(&time, &parts);
        snprintf(second->zone, sizeof second->zone, "Z");
    }
    strftime(second->date, sizeof second->date, "%Y-%m-%dT%H:%M:%S", &parts);
}

static char *put_text(char *at, const char *text)
{
    size_t size = strlen(text);
    memcpy(at, text, size);
    return at + size;
}

/* Where the line's own text begins. */
static char *put_head(char *at, enum mailmod_log_level level)
{
    static const char *const names[] = {" error ", " warning ", " info ",
                                        " debug ", " wire "};
    static const char *const priorities[] = {"<3>", "<4>", "<6>", "<7>",
                                             "<7>"}; /* syslog(3) */
    static _Thread_local struct second second;
    if (out.is_journal && out.path == NULL) {
        return put_text(at, priorities[level]);
    }
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    read_second(&second, now.tv_sec);
    int ms = (int)(now.tv_nsec / 1000000);
    at = put_text(at, second.date);
    *at++ = '.';
    *at++ = (char)('0' + ms / 100);
    *at++ = (char)('0' + ms / 10 % 10);
    *at++ = (char)('0' + ms % 10);
    at = put_text(at, second.zone);
    return put_text(at, names[level]);
}

/* The line with its end; its size. */
static size_t put_line(char text[LINE_MAX_SIZE], enum mailmod_log_level level,
                       const char *line)
{
    char *at = put_head(text, level);
    size_t room = LINE_MAX_SIZE - 2 - (size_t)(at - text);
    size_t size = strlen(line);
    if (size > room) {
        size = room;
    }
    memcpy(at, line, size);
    at[size] = '\n';
    return (size_t)(at - text) + size + 1;
}

/* What could be written. A descriptor that a parent made non-blocking is
 * waited for. */
static size_t write_octets(int descriptor, const char *octets, size_t size)
{
    size_t at = 0;
    while (at < size) {
        ssize_t written = write(descriptor, octets + at, size - at);
        if (written > 0) {
            at += (size_t)written;
        } else if (written < 0 && errno == EAGAIN) {
            struct pollfd wanted = {descriptor, POLLOUT, 0};
            (void)poll(&wanted, 1, -1);
        } else if (written == 0 || errno != EINTR) {
            break;
        }
    }
    return at;
}

static int open_file(const char *path)
{
    return open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY,
                LOG_FILE_MODE);
}

/* The writer's, locked. The former file goes on where there is no new one. */
static void reopen(void)
{
    char line[LINE_MAX_SIZE / 2];
    char text[LINE_MAX_SIZE];
    int fresh = open_file(out.path);
    if (fresh < 0) {
        snprintf(line, sizeof line,
                 "mailmodd: the log file %s cannot be opened anew: %s; the "
                 "former one goes on",
                 out.path, strerror(errno));
        backlog_put(&out.backlog, text,
                    put_line(text, MAILMOD_LOG_ERROR, line));
        return;
    }
    (void)close(out.descriptor);
    out.descriptor = fresh;
}

/* False: not all of it. */
static int tell_dropped(unsigned long long dropped)
{
    char line[128];
    char text[LINE_MAX_SIZE];
    snprintf(line, sizeof line,
             "mailmodd: lines of the log were dropped, nobody took them "
             "count=%llu",
             dropped);
    size_t size = put_line(text, MAILMOD_LOG_WARNING, line);
    return write_octets(out.descriptor, text, size) == size;
}

/* Locked, but not while it writes. */
static void write_backlog(void)
{
    size_t size;
    const char *block = backlog_take(&out.backlog, &size);
    unsigned long long dropped = backlog_take_dropped(&out.backlog);
    out.is_writing = 1;
    pthread_mutex_unlock(&out.lock);
    size_t written = write_octets(out.descriptor, block, size);
    int is_told = written == size && (dropped == 0 || tell_dropped(dropped));
    pthread_mutex_lock(&out.lock);
    out.is_writing = 0;
    backlog_count_lost(&out.backlog, block + written, size - written);
    if (!is_told) {
        out.backlog.dropped += dropped;
    }
}

/* A line is written at once where none came shortly before. Those of a busy
 * moment go together, those too that came during the write before: each would
 * cost two switches of threads. Locked. */
static void gather(void)
{
    const struct timespec pause = {0, GATHER_MS * 1000000L};
    if (out.backlog.used < GATHER_SIZE) {
        pthread_mutex_unlock(&out.lock);
        (void)nanosleep(&pause, NULL);
        pthread_mutex_lock(&out.lock);
    }
}

static void *write_lines(void *context)
{
    (void)context;
    pthread_mutex_lock(&out.lock);
    for (;;) {
        while (out.backlog.used == 0 && !out.wants_reopen) {
            pthread_cond_broadcast(&out.is_idle);
            pthread_cond_wait(&out.has_work, &out.lock);
        }
        if (out.wants_reopen) {
            out.wants_reopen = 0;
            reopen();
        }
        write_backlog();
        gather();
    }
    return NULL;
}

int system_log_begin(const char *path, int is_local, char *words_out,
                     size_t size)
{
    pthread_condattr_t monotonic;
    pthread_t thread;
    if (path != NULL) {
        out.descriptor = open_file(path);
        if (out.descriptor < 0) {
            snprintf(words_out, size, "%s", strerror(errno));
            return -1;
        }
    }
    out.path = path;
    out.is_local = is_local;
    out.is_journal = is_journal();
    tzset();
    if (pthread_condattr_init(&monotonic) == 0 &&
        pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC) == 0 &&
        pthread_cond_init(&out.is_idle, &monotonic) == 0 &&
        pthread_create(&thread, NULL, write_lines, NULL) == 0) {
        (void)pthread_detach(thread);
        out.has_thread = 1;
    }
    return 0;
}

void system_log_reopen(void)
{
    if (out.path == NULL || !out.has_thread) {
        return;
    }
    pthread_mutex_lock(&out.lock);
    out.wants_reopen = 1;
    pthread_cond_signal(&out.has_work);
    pthread_mutex_unlock(&out.lock);
}

void system_log_end(unsigned wait_ms)
{
    struct timespec end;
    if (!out.has_thread) {
        return;
    }
    clock_gettime(CLOCK_MONOTONIC, &end);
    end.tv_nsec += (long)(wait_ms % 1000) * 1000000;
    end.tv_sec += wait_ms / 1000 + end.tv_nsec / 1000000000;
    end.tv_nsec %= 1000000000;
    pthread_mutex_lock(&out.lock);
    while (out.backlog.used > 0 || out.is_writing) {
        if (pthread_cond_timedwait(&out.is_idle, &out.lock, &end) != 0) {
            break;
        }
    }
    pthread_mutex_unlock(&out.lock);
}

void system_log(void *context, enum mailmod_log_level level, const char *line)
{
    (void)context;
    char text[LINE_MAX_SIZE];
    size_t size = put_line(text, level, line);
    if (!out.has_thread) {
        (void)write_octets(out.descriptor, text, size);
        return;
    }
    pthread_mutex_lock(&out.lock);
    backlog_put(&out.backlog, text, size);
    pthread_cond_signal(&out.has_work);
    pthread_mutex_unlock(&out.lock);
}

int system_log_give(uid_t user, gid_t group)
{
    struct stat status;
    if (out.path == NULL || fstat(out.descriptor, &status) != 0 ||
        !S_ISREG(status.st_mode) || status.st_uid != 0 ||
        status.st_nlink != 1) {
        return 0;
    }
    return fchown(out.descriptor, user, group);
}
