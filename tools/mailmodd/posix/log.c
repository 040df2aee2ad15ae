/* log.c - one line a fact on stderr.
 *
 * With a time of its own (RFC 3339, UTC), or for the journal with a priority
 * in front and no time, which the journal knows better. A line is one write,
 * so that lines of two threads do not mix. */
#include "../system.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define LINE_MAX_SIZE 8192

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

static int put_head(char *line, size_t size, enum mailmod_log_level level)
{
    static const char *const names[] = {"error", "warning", "info", "debug",
                                        "wire"};
    static const int priorities[] = {3, 4, 6, 7, 7}; /* syslog(3) */
    if (is_journal()) {
        return snprintf(line, size, "<%d>", priorities[level]);
    }
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    struct tm parts;
    gmtime_r(&now.tv_sec, &parts);
    char date[32];
    strftime(date, sizeof date, "%Y-%m-%dT%H:%M:%S", &parts);
    return snprintf(line, size, "%s.%03ldZ %s ", date, now.tv_nsec / 1000000,
                    names[level]);
}

void system_log(void *context, enum mailmod_log_level level, const char *line)
{
    (void)context;
    char text[LINE_MAX_SIZE];
    int head = put_head(text, sizeof text, level);
    int body =
        snprintf(text + head, sizeof text - (size_t)head - 1, "%s", line);
    size_t size = (size_t)head + (body < 0 ? 0 : (size_t)body);
    if (size > sizeof text - 2) {
        size = sizeof text - 2;
    }
    text[size] = '\n';
    /* Where the log cannot be written there is no one to tell. */
    ssize_t written = write(STDERR_FILENO, text, size + 1);
    (void)written;
}
