/* report.c - reads reports: what is said of whom, by which machine.
 * Thread: the run's. */
#include "report.h"

#include <stdio.h>
#include <string.h>

enum { TEXT_MAX = 60000 };

static const char *find(const char *text, const char *end, const char *what)
{
    size_t size = strlen(what);
    for (const char *at = text; at + size <= end; at++) {
        if (*at == *what && memcmp(at, what, size) == 0) {
            return at;
        }
    }
    return NULL;
}

bool sim_report_is(const char *text, size_t size)
{
    const char *head_end = find(text, text + size, "\r\n\r\n");
    return head_end != NULL && find(text, head_end, "multipart/report") != NULL;
}

static bool copy_word(const char *from, const char *end, char *out, size_t size)
{
    size_t length = 0;
    while (from + length < end && from[length] != '\r' && from[length] != ' ' &&
           length + 1 < size) {
        length++;
    }
    memcpy(out, from, length);
    out[length] = '\0';
    return length > 0;
}

static unsigned reporter(const char *text, const char *end)
{
    const char *at = find(text, end, "Reporting-MTA: dns; mx.n");
    return at != NULL ? (unsigned)(at[24] - '0') : SIM_MACHINES_MAX;
}

static void check_about(const struct sim_message *message, const char *returned,
                        const char *end)
{
    if (find(returned, end, "multipart/report") != NULL) {
        sim_broken("a report about a report, about message %u",
                   message != NULL ? message->token : 0);
    }
    if (message != NULL && message->sender[0] == '\0') {
        sim_broken("a report about message %u from the null path",
                   message->token);
    }
}

void sim_report_read(const char *text, size_t size,
                     void (*on_line)(void *context, struct sim_message *message,
                                     struct sim_recipient *recipient,
                                     const struct sim_report_line *line),
                     void *context)
{
    const char *end = text + size;
    const char *returned = find(text, end, "Content-Type: text/rfc822-headers");
    if (returned == NULL) {
        returned = find(text, end, "Content-Type: message/rfc822");
    }
    if (returned == NULL) {
        sim_broken("a report without the message that it is about");
        return;
    }
    struct sim_message *message = sim_ledger_message(
        sim_ledger_token(returned, (size_t)(end - returned)));
    check_about(message, returned, end);
    struct sim_report_line line = {.machine = reporter(text, returned)};
    const char *at = find(text, returned, "Final-Recipient: rfc822; ");
    while (message != NULL && at != NULL) {
        char address[SIM_ADDRESS_MAX];
        char action[16] = "";
        (void)copy_word(at + 25, returned, address, sizeof address);
        const char *next = find(at + 25, returned, "Final-Recipient: rfc822; ");
        const char *said = find(at, next != NULL ? next : returned, "Action: ");
        if (said != NULL) {
            (void)copy_word(said + 8, returned, action, sizeof action);
        }
        struct sim_recipient *recipient =
            sim_ledger_recipient(message, address);
        line.is_failed = strcmp(action, "failed") == 0;
        line.is_delayed = strcmp(action, "delayed") == 0;
        if (recipient == NULL) {
            sim_broken("a report about message %u names %s, who is none of "
                       "its recipients",
                       message->token, address);
            return;
        }
        on_line(context, message, recipient, &line);
        at = next;
    }
}
