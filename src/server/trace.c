/* trace.c - a session's dialogue for the log.
 *
 * Owns the last command and the lines of the refusal that is being said.
 * Promises: whatever refuses, the engine or the session, syntax or policy, a
 * 4xx, a 5xx or a -ERR is one line "refused" that names the command and gives
 * the whole reply. Thread: the session's loop. RFC 5321 4.2, RFC 1939 3. */
#include "server/trace.h"

#include <string.h>

/* Appends what has room. */
static void append(char *text, size_t size, struct mm_span more)
{
    size_t used = strlen(text);
    size_t room = size - 1 - used;
    size_t count = more.size < room ? more.size : room;

    memcpy(text + used, more.data, count);
    text[used + count] = '\0';
    for (char *nul = memchr(text + used, '\0', count); nul != NULL;
         nul = memchr(nul, '\0', (size_t)(text + used + count - nul))) {
        *nul = '?';
    }
}

/* A response inside AUTH belongs to the AUTH before it. */
static void keep_command(struct mm_trace *trace, struct mm_span line,
                         bool is_masked)
{
    if (line.size == 0 && is_masked && trace->command[0] != '\0') {
        return;
    }
    trace->command[0] = '\0';
    append(trace->command, sizeof trace->command, line);
    if (is_masked) {
        append(trace->command, sizeof trace->command, mm_span_cstr(" ***"));
    }
}

static bool is_smtp_refusal(struct mm_span line)
{
    return line.size >= 3 && (line.data[0] == '4' || line.data[0] == '5') &&
           mm_ascii_is_digit(line.data[1]) && mm_ascii_is_digit(line.data[2]);
}

/* "550-first" and so on up to "550 last" are one reply. */
static void note_reply(struct mm_trace *trace, struct mm_span line)
{
    bool is_smtp = is_smtp_refusal(line);

    if (!is_smtp && !mm_span_starts_nocase(line, "-ERR")) {
        return;
    }
    if (trace->reply[0] != '\0') {
        append(trace->reply, sizeof trace->reply, mm_span_cstr(" / "));
    }
    append(trace->reply, sizeof trace->reply, line);
    if (is_smtp && line.size > 3 && line.data[3] == '-') {
        return;
    }
    MM_LOG(trace->log, MM_LOG_INFO, trace->component, "refused",
           MM_TEXT("session", trace->session), MM_TEXT("peer", trace->peer),
           MM_TEXT("command", trace->command), MM_TEXT("reply", trace->reply));
    if (trace->listener != NULL) {
        trace->listener->on_refusal(trace);
    }
    trace->reply[0] = '\0';
}

static struct mm_log_field who(const struct mm_trace *trace)
{
    return MM_TEXT("session", trace->session);
}

static void on_line(void *context, enum mm_tap_way way, struct mm_span line,
                    bool is_masked)
{
    struct mm_trace *trace = context;

    mm_tap_log_line(trace->log, trace->component, who(trace), way, line,
                    is_masked);
    if (trace->listener != NULL) {
        trace->listener->on_line(trace, way, line, is_masked);
    }
    if (way == MM_TAP_RECEIVED) {
        keep_command(trace, line, is_masked);
    } else {
        note_reply(trace, line);
    }
}

static void on_octets(void *context, enum mm_tap_way way, uint64_t count)
{
    const struct mm_trace *trace = context;

    mm_tap_log_octets(trace->log, trace->component, who(trace), way, count);
}

void mm_trace_init(struct mm_trace *trace, const struct mm_log *log,
                   const char *component, const char *session, const char *peer)
{
    *trace = (struct mm_trace){
        .tap = {.line = on_line, .octets = on_octets, .context = trace},
        .log = log,
        .component = component,
        .session = session,
        .peer = peer};
}
