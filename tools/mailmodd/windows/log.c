/* log.c - one line a fact: on stderr, in a file (--log-file), or in the event
 * log when the daemon is a service without one.
 *
 * A line is one write, so that lines of two threads do not mix; a file is
 * opened for appending and lets others rename it, after which a reload opens
 * it anew. The event log gets errors and warnings, and of the rest what the
 * daemon itself says of its start and stop. */
#include "process.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LINE_MAX_SIZE 8192

enum sink { SINK_STDERR, SINK_FILE, SINK_EVENT_LOG };

/* Set before any other thread exists; the handle changes under its lock. */
static enum sink sink = SINK_STDERR;
static SRWLOCK lock = SRWLOCK_INIT;
static HANDLE file = INVALID_HANDLE_VALUE;
static HANDLE event_log;
static WCHAR *file_name;

static HANDLE open_for_append(const WCHAR *name)
{
    return CreateFileW(name, FILE_APPEND_DATA,
                       FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE,
                       NULL, OPEN_ALWAYS, FILE_ATTRIBUTE_NORMAL, NULL);
}

int log_open_file(const char *path)
{
    file_name = wide_of(path);
    file =
        file_name == NULL ? INVALID_HANDLE_VALUE : open_for_append(file_name);
    if (file == INVALID_HANDLE_VALUE) {
        return -1;
    }
    sink = SINK_FILE;
    return 0;
}

void log_open_event_log(void)
{
    if (sink == SINK_FILE) {
        return;
    }
    event_log = RegisterEventSourceW(NULL, SERVICE_NAME);
    sink = SINK_EVENT_LOG;
}

void log_reopen(void)
{
    if (sink != SINK_FILE) {
        return;
    }
    HANDLE fresh = open_for_append(file_name);
    if (fresh == INVALID_HANDLE_VALUE) {
        return; /* the former one still works */
    }
    AcquireSRWLockExclusive(&lock);
    HANDLE former = file;
    file = fresh;
    ReleaseSRWLockExclusive(&lock);
    (void)CloseHandle(former);
}

static size_t put_line(char *text, enum mailmod_log_level level,
                       const char *line)
{
    static const char *const names[] = {"error", "warning", "info", "debug",
                                        "wire"};
    SYSTEMTIME now;
    GetSystemTime(&now);
    /* One octet less than there is: the line end always fits. */
    int size = snprintf(text, LINE_MAX_SIZE - 1,
                        "%04u-%02u-%02uT%02u:%02u:%02u.%03uZ %s %s", now.wYear,
                        now.wMonth, now.wDay, now.wHour, now.wMinute,
                        now.wSecond, now.wMilliseconds, names[level], line);
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
        (void)ReportEventW(event_log, type, 0, (DWORD)level + 1, NULL, 1, 0,
                           strings, NULL);
    }
    free(wide);
}

void system_log(void *context, enum mailmod_log_level level, const char *line)
{
    (void)context;
    if (sink == SINK_EVENT_LOG) {
        write_event(level, line);
        return;
    }
    char text[LINE_MAX_SIZE];
    DWORD size = (DWORD)put_line(text, level, line);
    DWORD written;
    if (sink == SINK_STDERR) {
        (void)WriteFile(GetStdHandle(STD_ERROR_HANDLE), text, size, &written,
                        NULL);
        return;
    }
    AcquireSRWLockShared(&lock);
    (void)WriteFile(file, text, size, &written, NULL);
    ReleaseSRWLockShared(&lock);
}
