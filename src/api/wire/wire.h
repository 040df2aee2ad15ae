/* thread: any, one at a time for a conversation
 * wire.h - what the host's conversations share: the handle, the calls that all
 * protocols have, and texts with a NUL for events. */
#ifndef MM_API_WIRE_WIRE_H
#define MM_API_WIRE_WIRE_H

#include "mailmod/wire.h"

#include "base/tap.h"

struct mm_wire_login;

/* What one protocol does in the calls that all have. */
struct mm_wire_protocol {
    size_t (*feed)(struct mailmod_wire *wire, const char *octets, size_t size);
    struct mm_span (*output)(const struct mailmod_wire *wire);
    void (*sent)(struct mailmod_wire *wire, size_t size);
    /* STATE when no handshake was due; NULL: the protocol has none. */
    enum mailmod_error (*tls_begun)(struct mailmod_wire *wire);
    uint64_t (*timeout_ms)(const struct mailmod_wire *wire);
    void (*dispose)(struct mailmod_wire *wire); /* and its memory */
    /* NULL: this side does not log in. */
    struct mm_wire_login *(*login)(struct mailmod_wire *wire);
};

/* The first member of each conversation. */
struct mailmod_wire {
    const struct mm_wire_protocol *protocol;
    struct mm_tap tap; /* lent to the engine for as long as it lives */
    mailmod_on_wire_line on_line;
    void *context;
    bool is_input_ended;
};

/* The options of a new conversation as this library knows them, and `wire_out`
 * checked and NULL. ARGUMENT with words. */
MM_CHECK enum mailmod_error
mm_wire_take_options(void *given_out, size_t given_size, const void *options,
                     size_t size_1, const char *name,
                     struct mailmod_wire **wire_out);
/* A conversation of `size` octets, which begins with struct mailmod_wire; the
 * rest is zero. NULL with words: there is no memory. */
void *mm_wire_new(size_t size, const struct mm_wire_protocol *protocol);
/* Makes a handle of it; when that fails it is disposed of. */
MM_CHECK enum mailmod_error mm_wire_give(struct mailmod_wire *wire,
                                         enum mailmod_error error,
                                         struct mailmod_wire **wire_out);
/* Between these two the conversation is there. HANDLE also for one of another
 * protocol; NULL is any. */
MM_CHECK enum mailmod_error
mm_wire_hold(const struct mailmod_wire *wire,
             const struct mm_wire_protocol *protocol);
void mm_wire_let(const struct mailmod_wire *wire);
/* Lets go, and gives `error` the words that the thread's last error has. */
enum mailmod_error mm_wire_end(const struct mailmod_wire *wire,
                               enum mailmod_error error);

/* A setting that is a text without control characters and blanks, copied. */
MM_CHECK enum mailmod_error
mm_wire_copy_name(const char *name, const char *text, char **copy_out);
/* A line of a list, or "" for NULL; false: control characters, octets above
 * 126, or no room. */
bool mm_wire_copy_line(const char *text, char *line_out, size_t size);

#endif
