/* tap.c - what a listener may see of a conversation.
 *
 * Owns nothing. Promises: no password, digest, SASL response or challenge is
 * ever shown; what is no command by its form may be a secret that came out of
 * turn (a response to an AUTH that was refused) and is not shown either; with
 * the level off nothing is formatted.
 * Thread: any. RFC 4954 4, RFC 1939 7, RFC 5034 4. */
#include "base/tap.h"

#include <string.h>

/* STARTTLS is the longest verb of any protocol here. */
#define VERB_MAX 8

/* Lines of which the first words alone are shown. */
static const struct {
    const char *word;
    unsigned shown;
} secrets[] = {
    {"AUTH", 2},              /* AUTH mechanism [initial response] */
    {"PASS", 1}, {"APOP", 2}, /* APOP name digest */
    {"XLOG", 2},              /* XLOG name password */
    {"334", 1}, /* challenges: salts and nonces help to guess offline */
    {"+", 1},
};

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

/* The first words, as many as there are; the whole when there are no more. */
static struct mm_span first_words(struct mm_span line, unsigned count)
{
    size_t at = 0;

    for (unsigned i = 0; i < count; i++) {
        while (at < line.size && is_blank(line.data[at])) {
            at++;
        }
        while (at < line.size && !is_blank(line.data[at])) {
            at++;
        }
    }
    return mm_span(line.data, at);
}

static struct mm_span shown(struct mm_span line)
{
    struct mm_span word = mm_span_trim(first_words(line, 1));

    for (size_t i = 0; i < sizeof secrets / sizeof secrets[0]; i++) {
        if (mm_span_is_nocase(word, secrets[i].word)) {
            return first_words(line, secrets[i].shown);
        }
    }
    return line;
}

struct mm_span mm_tap_visible(struct mm_span command)
{
    struct mm_span word = mm_span_trim(first_words(command, 1));

    if (word.size > VERB_MAX) {
        return mm_span(command.data, 0);
    }
    for (size_t i = 0; i < word.size; i++) {
        if (!mm_ascii_is_alpha(word.data[i])) {
            return mm_span(command.data, 0);
        }
    }
    return shown(command);
}

void mm_tap_command(const struct mm_tap *tap, enum mm_tap_way way,
                    struct mm_span line, bool is_secret)
{
    if (tap != NULL) {
        struct mm_span visible =
            is_secret ? mm_span(line.data, 0) : mm_tap_visible(line);

        tap->line(tap->context, way, visible, visible.size < line.size);
    }
}

void mm_tap_reply(const struct mm_tap *tap, enum mm_tap_way way,
                  struct mm_span octets)
{
    while (tap != NULL && octets.size > 0) {
        struct mm_span line;

        (void)mm_span_cut(octets, '\n', &line, &octets);
        if (line.size > 0 && line.data[line.size - 1] == '\r') {
            line.size--;
        }
        struct mm_span visible = shown(line);
        tap->line(tap->context, way, visible, visible.size < line.size);
    }
}

void mm_tap_octets(const struct mm_tap *tap, enum mm_tap_way way,
                   uint64_t count)
{
    if (tap != NULL && count > 0) {
        tap->octets(tap->context, way, count);
    }
}

static const char *name_of(enum mm_tap_way way)
{
    return way == MM_TAP_RECEIVED ? "received" : "sent";
}

void mm_tap_show(struct mm_span line, bool is_masked,
                 char text_out[MM_TAP_SHOWN_MAX])
{
    size_t room = MM_TAP_SHOWN_MAX - 8;
    size_t size = line.size < room ? line.size : room;

    for (size_t i = 0; i < size; i++) {
        text_out[i] = line.data[i] != '\0' ? line.data[i] : '?';
    }
    const char *rest = is_masked ? " ***" : size < line.size ? "..." : "";
    memcpy(text_out + size, rest, strlen(rest) + 1);
}

void mm_tap_log_line(const struct mm_log *log, const char *component,
                     struct mm_log_field who, enum mm_tap_way way,
                     struct mm_span line, bool is_masked)
{
    if (!mm_log_is_on(log, MM_LOG_WIRE)) {
        return;
    }
    char text[MM_TAP_SHOWN_MAX];
    mm_tap_show(line, is_masked, text);
    MM_LOG(log, MM_LOG_WIRE, component, name_of(way), who,
           MM_TEXT("line", text));
}

void mm_tap_log_octets(const struct mm_log *log, const char *component,
                       struct mm_log_field who, enum mm_tap_way way,
                       uint64_t count)
{
    MM_LOG(log, MM_LOG_WIRE, component, name_of(way), who,
           MM_NUMBER("octets", (int64_t)count));
}
