/* log.c - one line a fact: on stderr, in a file (--log-file), or in the event
 * log when the daemon is a service without one.
 *
 * Whoever says a line puts it into a backlog, and one thread writes, so that a
 * reader who stands still holds up nobody's mail; what the backlog has no room
 * for is dropped, and the count is told as soon as a line goes through again. A
 * file is opened for appending and lets others rename it, after which a reload
 * opens it anew. The event log gets errors and warnings, and of the rest what
 * the daemon itself says of its start and stop. */
#include "backlog.h"
#include "process.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LINE_MAX_SIZE 8192
#define GATHER_MS 5
/* With more than this in the backlog nothing is waited for. */
#define GATHER_SIZE (BACKLOG_SIZE / 4)
#define MINUTE_TICKS 600000000LL /* of 100 ns, as file times count */

enum sink { SINK_STDERR, SINK_FILE, SINK_EVENT_LOG };

/* One process, one log: mailmod_on_log comes from all of the library's
 * threads. */
static struct {
    SRWLOCK lock;
    CONDITION_VARIABLE has_work;
    CONDITION_VARIABLE is_idle;
    struct backlog backlog;
    enum sink sink; /* set before any other thread exists */
    HANDLE handle;  /* the writer's */
    HANDLE event_log;
    WCHAR *path;
    int is_local;
    int has_thread;
    int is_writing;
    int wants_reopen;
} out = {.lock = SRWLOCK_INIT,
         .has_work = CONDITION_VARIABLE_INIT,
         .is_idle = CONDITION_VARIABLE_INIT,
         .sink = SINK_STDERR};

static HANDLE open_for_append(const WCHAR *name)
{
    return CreateFileW(name, FILE_APPEND_DATA,
                       FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE,
                       NULL, OPEN_ALWAYS, FILE_ATTRIBUTE_NORMAL, NULL);
}

void log_open_event_log(void)
{
    out.event_log = RegisterEventSourceW(NULL, SERVICE_NAME);
    out.sink = SINK_EVENT_LOG;
}

/* Minutes that local time is before UTC. */
static int zone_minutes(const SYSTEMTIME *utc, const SYSTEMTIME *local)
{
    FILETIME times[2] = {{0, 0}, {0, 0}};
    (void)SystemTimeToFileTime(utc, &times[0]);
    (void)SystemTimeToFileTime(local, &times[1]);
    long long ticks[2];
    for (int i = 0; i < 2; i++) {
        ticks[i] = ((long long)times[i].dwHighDateTime << 32) |
                   (long long)times[i].dwLowDateTime;
    }
    return (int)((ticks[1] - ticks[0]) / MINUTE_TICKS);
}

/* The time to be shown; "Z" or "+01:00" after it. */
static void read_time(SYSTEMTIME *now_out, char *zone, size_t size)
{
    SYSTEMTIME utc;
    GetSystemTime(&utc);
    *now_out = utc;
    snprintf(zone, size, "Z");
    if (out.is_local && SystemTimeToTzSpecificLocalTime(NULL, &utc, now_out)) {
        int minutes = zone_minutes(&utc, now_out);
        int distance = abs(minutes);
        snprintf(zone, size, "%c%02d:%02d", minutes < 0 ? '-' : '+',
                 distance / 60, distance % 60);
    }
}

static size_t put_line(char *text, enum mailmod_log_level level,
                       const char *line)
{
    static const char *const names[] = {"error", "warning", "info", "debug",
                                        "wire"};
    SYSTEMTIME now;
    char zone[16];
    read_time(&now, zone, sizeof zone);
    /* One octet less than there is: the line end always fits. */
    int size = snprintf(
        text, LINE_MAX_SIZE - 1, "%04u-%02u-%02uT%02u:%02u:%02u.%03u%s %s %s",
        now.wYear, now.wMonth, now.wDay, now.wHour, now.wMinute, now.wSecond,
        now.wMilliseconds, zone, names[level], line);
    size_t length = size < 0 ? 0 : (size_t)size;
    if (length > LINE_MAX_SIZE - 2) {
        length = LINE_MAX_SIZE - 2;
    }
    text[length] = '\n';
    return length + 1;
}

static void write_event(enum mailmod_log_level level, const char *line)
{
    WORD type = level == MAILMOD_LOG_ERROR     ? EVENTLOG_ERROR_TYPE
                : level == MAILMOD_LOG_WARNING ? EVENTLOG_WARNING_TYPE
                                               : EVENTLOG_INFORMATION_TYPE;
    if (level > MAILMOD_LOG_WARNING && strncmp(line, "mailmodd:", 9) != 0) {
        return;
    }
    WCHAR *wide = wide_of(line);
    const WCHAR *strings[1] = {wide};
    if (wide != NULL) {
        /* Number 1 to 3: "%1" in the messages that the source names. */
        (void)ReportEventW(out.event_log, type, 0, (DWORD)level + 1, NULL, 1, 0,
                           strings, NULL);
    }
    free(wide);
}

/* What could be written. */
static size_t write_octets(HANDLE handle, const char *octets, size_t size)
{
    size_t at = 0;
    DWORD written = 0;
    while (at < size &&
           WriteFile(handle, octets + at, (DWORD)(size - at), &written, NULL) &&
           written > 0) {
        at += written;
    }
    return at;
}

/* The writer's, locked. The former file goes on where there is no new one. */
static void reopen(void)
{
    HANDLE fresh = open_for_append(out.path);
    char text[LINE_MAX_SIZE];
    if (fresh == INVALID_HANDLE_VALUE) {
        backlog_put(&out.backlog, text,
                    put_line(text, MAILMOD_LOG_ERROR,
                             "mailmodd: the log file cannot be opened anew; "
                             "the former one goes on"));
        return;
    }
    (void)CloseHandle(out.handle);
    out.handle = fresh;
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
    return write_octets(out.handle, text, size) == size;
}

/* Locked, but not while it writes. */
static void write_backlog(void)
{
    size_t size;
    const char *block = backlog_take(&out.backlog, &size);
    unsigned long long dropped = backlog_take_dropped(&out.backlog);
    out.is_writing = 1;
    ReleaseSRWLockExclusive(&out.lock);
    size_t written = write_octets(out.handle, block, size);
    int is_told = written == size && (dropped == 0 || tell_dropped(dropped));
    AcquireSRWLockExclusive(&out.lock);
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
    if (out.backlog.used < GATHER_SIZE) {
        ReleaseSRWLockExclusive(&out.lock);
        Sleep(GATHER_MS);
        AcquireSRWLockExclusive(&out.lock);
    }
}

static DWORD WINAPI write_lines(void *context)
{
    (void)context;
    AcquireSRWLockExclusive(&out.lock);
    for (;;) {
        while (out.backlog.used == 0 && !out.wants_reopen) {
            WakeAllConditionVariable(&out.is_idle);
            (void)SleepConditionVariableSRW(&out.has_work, &out.lock, INFINITE,
                                            0);
        }
        if (out.wants_reopen) {
            out.wants_reopen = 0;
            reopen();
        }
        write_backlog();
        gather();
    }
    return 0;
}

int system_log_begin(const char *path, int is_local, char *words_out,
                     size_t size)
{
    out.is_local = is_local;
    out.handle = GetStdHandle(STD_ERROR_HANDLE);
    if (path != NULL) {
        out.path = wide_of(path);
        out.handle =
            out.path == NULL ? INVALID_HANDLE_VALUE : open_for_append(out.path);
        if (out.handle == INVALID_HANDLE_VALUE) {
            snprintf(words_out, size, "error %lu of the system",
                     GetLastError());
            return -1;
        }
        out.sink = SINK_FILE;
    }
    HANDLE thread = out.sink == SINK_EVENT_LOG
                        ? NULL
                        : CreateThread(NULL, 0, write_lines, NULL, 0, NULL);
    if (thread != NULL) {
        (void)CloseHandle(thread);
        out.has_thread = 1;
    }
    return 0;
}

void system_log_reopen(void)
{
    if (out.sink != SINK_FILE || !out.has_thread) {
        return;
    }
    AcquireSRWLockExclusive(&out.lock);
    out.wants_reopen = 1;
    WakeConditionVariable(&out.has_work);
    ReleaseSRWLockExclusive(&out.lock);
}

void system_log_end(unsigned wait_ms)
{
    ULONGLONG end_ms = GetTickCount64() + wait_ms;
    if (!out.has_thread) {
        return;
    }
    AcquireSRWLockExclusive(&out.lock);
    while (out.backlog.used > 0 || out.is_writing) {
        ULONGLONG now_ms = GetTickCount64();
        if (now_ms >= end_ms ||
            !SleepConditionVariableSRW(&out.is_idle, &out.lock,
                                       (DWORD)(end_ms - now_ms), 0)) {
            break;
        }
    }
    ReleaseSRWLockExclusive(&out.lock);
}

void system_log(void *context, enum mailmod_log_level level, const char *line)
{
    (void)context;
    if (out.sink == SINK_EVENT_LOG) {
        write_event(level, line);
        return;
    }
    char text[LINE_MAX_SIZE];
    size_t size = put_line(text, level, line);
    if (!out.has_thread) {
        (void)write_octets(out.handle != NULL ? out.handle
                                              : GetStdHandle(STD_ERROR_HANDLE),
                           text, size);
        return;
    }
    AcquireSRWLockExclusive(&out.lock);
    backlog_put(&out.backlog, text, size);
    WakeConditionVariable(&out.has_work);
    ReleaseSRWLockExclusive(&out.lock);
}
