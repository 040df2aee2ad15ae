/* dialogue.h - a dialogue file, and the driver that holds an engine to it.
 *
 * One line is one step:
 *
 *     # a remark, or an empty line
 *     @ name value       an option of the engine, before everything else
 *     C: text            the client sends the text and CRLF
 *     C- text            the client sends the text alone
 *     S: text            the server sends the text and CRLF
 *     S- text            the server sends the text alone
 *     ! event => answer  the engine tells the event, the host answers
 *     ~ name             the client waits for all that stands above; then
 *                        the peer does what the name says (TLS begins)
 *
 * Texts know \r \n \t \0 \\ and \xHH; \{300:A} stands for 300 times "A" on
 * every line.
 *
 * The driver feeds what the client says whole, octet by octet, line by line,
 * in two pieces cut at every position, and at random places. Events must come
 * in their order and the server's octets must be the file's each time; line by
 * line, each reply must also be there before the next line is sent.
 *
 * Where the engine is a client, `is_client` turns the two sides round: what
 * the server says is fed, each stretch of it when the client has said all
 * that stands above; and the client's octets must be the file's. */
#ifndef MM_TESTS_DIALOGUE_H
#define MM_TESTS_DIALOGUE_H

#include <stdbool.h>
#include <stddef.h>

enum dialogue_kind {
    DIALOGUE_OPTION,
    DIALOGUE_CLIENT,
    DIALOGUE_SERVER,
    DIALOGUE_EVENT,
    DIALOGUE_WAIT
};

struct dialogue_step {
    enum dialogue_kind kind;
    unsigned line;
    char *text; /* octets, with a NUL behind */
    size_t size;
    char *answer; /* of an event; "" when the line has none */
};

struct dialogue {
    const char *path;
    struct dialogue_step *steps;
    size_t count;
};

/* The value of an option, or `standard`. */
const char *dialogue_option(const struct dialogue *dialogue, const char *name,
                            const char *standard);

/* What the driver needs of an engine. */
struct dialogue_peer {
    void *(*open)(const struct dialogue *dialogue);
    void (*close)(void *engine);
    size_t (*feed)(void *engine, const char *bytes, size_t size);
    /* The pending event in words; false when there is none. */
    bool (*event)(void *engine, char *text_out, size_t size);
    /* Answers it; false when the answer is not understood or is refused. */
    bool (*answer)(void *engine, const char *answer);
    /* Moves what is owed to the client into `bytes_out`. */
    size_t (*take)(void *engine, char *bytes_out, size_t size);
    bool (*wait)(void *engine, const char *name);
    bool is_client;
};

/* Undoes \r \n \t \0 \\ \xHH in place; returns the octets, or
 * (size_t)-1. `text` has `size` octets of space. */
size_t dialogue_unescape(char *text, size_t size);
/* Makes printable ASCII of octets. */
void dialogue_escape(const char *bytes, size_t size, char *text_out,
                     size_t text_size);

/* Runs one file, or all of a folder, that end in ".txt"; the exit code. The
 * seed of the random cuts is printed, and taken from argv[2] if given. */
int dialogue_main(int argc, char **argv, const struct dialogue_peer *peer);

#endif
