/* thread: any (the engine's)
 * tap.h - listens to a conversation: each line of commands and replies both
 * ways, with secrets masked; of message bodies the count of octets alone.
 *
 * An engine of wire/ that was given a tap tells it what it reads and says; the
 * log's level wire, the line about a refusal and tests listen. What may be
 * shown is decided here, in one place, and without copying. */
#ifndef MM_BASE_TAP_H
#define MM_BASE_TAP_H

#include "base/log.h"

enum mm_tap_way { MM_TAP_RECEIVED, MM_TAP_SENT };

struct mm_tap {
    /* One line without its end; `line` is what may be shown, and `is_masked`
     * tells that more stood behind it. */
    void (*line)(void *context, enum mm_tap_way way, struct mm_span line,
                 bool is_masked);
    /* So many octets of a body or a list. */
    void (*octets)(void *context, enum mm_tap_way way, uint64_t count);
    void *context;
};

/* For all of these: NULL is no tap. A command, or with `is_secret` a line that
 * is a secret as a whole: a response inside AUTH. */
void mm_tap_command(const struct mm_tap *tap, enum mm_tap_way way,
                    struct mm_span line, bool is_secret);
/* One reply or more, with their line ends. */
void mm_tap_reply(const struct mm_tap *tap, enum mm_tap_way way,
                  struct mm_span octets);
void mm_tap_octets(const struct mm_tap *tap, enum mm_tap_way way,
                   uint64_t count);
/* What of a command may be shown. */
struct mm_span mm_tap_visible(struct mm_span command);

/* The line as it may be shown to people: NUL as "?", with " ***" behind what is
 * masked and "..." behind what does not fit. */
#define MM_TAP_SHOWN_MAX 512
void mm_tap_show(struct mm_span line, bool is_masked,
                 char text_out[MM_TAP_SHOWN_MAX]);

/* The lines of a log at level wire; `who` names the conversation. */
void mm_tap_log_line(const struct mm_log *log, const char *component,
                     struct mm_log_field who, enum mm_tap_way way,
                     struct mm_span line, bool is_masked);
void mm_tap_log_octets(const struct mm_log *log, const char *component,
                       struct mm_log_field who, enum mm_tap_way way,
                       uint64_t count);

#endif
