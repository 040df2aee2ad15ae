/* message.c - a message as it came on standard input, made fit to be sent.
 *
 * Owns the text. Promises: all of it is read before anything is done with it,
 * so that a caller that stops in the middle has sent nothing; the body is
 * handed on octet for octet (line ends are the library's affair, and so are
 * the fields that are missing and the empty line behind the header); of the
 * header only addresses without a domain are changed, and with -t the fields
 * Bcc go. RFC 5322 3.6.3, 3.6.6; RFC 6409 8.1. */
#include "message.h"

#include <string.h>
#include <strings.h>

#define PIECE_SIZE 65536

struct field {
    const char *octets; /* with its folded lines and the last line end */
    size_t size;
    size_t name_size;
};

enum field_kind {
    FIELD_OTHER,
    FIELD_FROM,
    FIELD_ADDRESSES, /* of others than recipients */
    FIELD_TO,
    FIELD_BCC,
    FIELD_RESENT_TO,
    FIELD_RESENT_BCC
};

static enum field_kind kind_of(const struct field *field)
{
    static const struct {
        const char *name;
        enum field_kind kind;
    } kinds[] = {{"From", FIELD_FROM},
                 {"Sender", FIELD_ADDRESSES},
                 {"Reply-To", FIELD_ADDRESSES},
                 {"Resent-From", FIELD_ADDRESSES},
                 {"Resent-Sender", FIELD_ADDRESSES},
                 {"Resent-Reply-To", FIELD_ADDRESSES},
                 {"To", FIELD_TO},
                 {"Cc", FIELD_TO},
                 {"Bcc", FIELD_BCC},
                 {"Resent-To", FIELD_RESENT_TO},
                 {"Resent-Cc", FIELD_RESENT_TO},
                 {"Resent-Bcc", FIELD_RESENT_BCC}};
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        if (strlen(kinds[i].name) == field->name_size &&
            strncasecmp(kinds[i].name, field->octets, field->name_size) == 0) {
            return kinds[i].kind;
        }
    }
    return FIELD_OTHER;
}

/* ---- standard input ---- */

/* What is read stops behind a line of one dot (without -i); that line goes. */
static int cut_at_dot(struct text *text, size_t from)
{
    for (size_t at = from; at < text->size; at++) {
        if (text->octets[at] != '.' ||
            (at > 0 && text->octets[at - 1] != '\n')) {
            continue;
        }
        size_t end = at + 1;
        end += end < text->size && text->octets[end] == '\r';
        if (end < text->size && text->octets[end] == '\n') {
            text->size = at;
            text->octets[at] = '\0';
            return 1;
        }
    }
    return 0;
}

/* A dot alone at the very end has no line end. */
static void cut_last_dot(struct text *text)
{
    if (text->size > 0 && text->octets[text->size - 1] == '.' &&
        (text->size == 1 || text->octets[text->size - 2] == '\n')) {
        text->size--;
        text->octets[text->size] = '\0';
    }
}

/* By lines, so that a terminal's line with the dot is seen when it comes. */
static enum message_fault read_input(struct text *text, FILE *input,
                                     const struct message_options *options)
{
    static char piece[PIECE_SIZE];
    size_t got = 1;
    int c = 0;

    while (c != EOF) {
        for (got = 0; got < sizeof piece && c != '\n';) {
            c = getc(input);
            if (c == EOF) {
                break;
            }
            piece[got] = (char)c;
            got++;
        }
        c = c == '\n' ? 0 : c;
        /* A line end of a piece may stand in the one before. */
        size_t from = text->size > 2 ? text->size - 2 : 0;
        if (text_add(text, piece, got) != 0) {
            return MESSAGE_MEMORY;
        }
        if (!options->ignores_dots && cut_at_dot(text, from)) {
            return MESSAGE_OK;
        }
        if (options->size_max > 0 && text->size > options->size_max) {
            return MESSAGE_TOO_LARGE;
        }
    }
    if (!options->ignores_dots) {
        cut_last_dot(text);
    }
    return ferror(input) ? MESSAGE_INPUT : MESSAGE_OK;
}

/* ---- the header ---- */

static size_t line_size(const char *octets, size_t size)
{
    const char *end = memchr(octets, '\n', size);

    return end != NULL ? (size_t)(end - octets) + 1 : size;
}

/* RFC 5322 2.2; blanks before the colon are of old (4.5.2). */
static size_t name_size(const char *octets, size_t size)
{
    size_t name = 0;

    while (name < size && octets[name] > 32 && octets[name] < 127 &&
           octets[name] != ':') {
        name++;
    }
    size_t colon = name;
    while (colon < size && (octets[colon] == ' ' || octets[colon] == '\t')) {
        colon++;
    }
    return colon < size && octets[colon] == ':' ? name : 0;
}

/* The field that the octets begin with, and its folded lines; 0: none. */
static int next_field(const char *octets, size_t size, struct field *field_out)
{
    size_t line = line_size(octets, size);
    size_t name = name_size(octets, line);

    while (name > 0 && line < size &&
           (octets[line] == ' ' || octets[line] == '\t')) {
        line += line_size(octets + line, size - line);
    }
    *field_out = (struct field){octets, line, name};
    return name > 0;
}

/* A program that writes the line of an mbox in front. */
static size_t skip_from_line(const struct text *text)
{
    return text->size > 5 && memcmp(text->octets, "From ", 5) == 0
               ? line_size(text->octets, text->size)
               : 0;
}

/* Fields Resent-To and so on say who gets it now, and the others who got it
 * once (RFC 5322 3.6.6). */
static int is_resent(const char *octets, size_t size)
{
    struct field field;

    while (next_field(octets, size, &field)) {
        enum field_kind kind = kind_of(&field);
        if (kind == FIELD_RESENT_TO || kind == FIELD_RESENT_BCC) {
            return 1;
        }
        octets += field.size;
        size -= field.size;
    }
    return 0;
}

/* Not 0: no memory. */
static int take_field(struct message *message, const struct field *field,
                      const struct message_options *options, int resent)
{
    enum field_kind kind = kind_of(field);
    int is_hidden = kind == FIELD_BCC || kind == FIELD_RESENT_BCC;
    int is_recipients =
        resent ? kind == FIELD_RESENT_TO || kind == FIELD_RESENT_BCC
               : kind == FIELD_TO || kind == FIELD_BCC;
    const char *value = memchr(field->octets, ':', field->size);
    size_t head = (size_t)(value - field->octets) + 1;

    message->has_from |= kind == FIELD_FROM;
    if (kind == FIELD_OTHER) {
        return text_add(&message->text, field->octets, field->size);
    }
    struct text *copy =
        options->takes_recipients && is_hidden ? NULL : &message->text;
    struct addresses *found = options->takes_recipients && is_recipients
                                  ? &message->recipients
                                  : NULL;
    if (copy != NULL && text_add(copy, field->octets, head) != 0) {
        return -1;
    }
    return addresses_read(field->octets + head, field->size - head,
                          options->domain, copy, found);
}

enum message_fault message_take(struct message *message, FILE *input,
                                const struct message_options *options)
{
    struct text raw = {.octets = NULL};
    struct field field;

    *message = (struct message){.read = 0};
    enum message_fault fault = read_input(&raw, input, options);
    size_t at = fault == MESSAGE_OK ? skip_from_line(&raw) : 0;
    int resent = raw.size > 0 ? is_resent(raw.octets + at, raw.size - at) : 0;
    while (fault == MESSAGE_OK && at < raw.size &&
           next_field(raw.octets + at, raw.size - at, &field)) {
        if (take_field(message, &field, options, resent) != 0) {
            fault = MESSAGE_MEMORY;
        }
        at += field.size;
    }
    if (fault == MESSAGE_OK && at < raw.size &&
        text_add(&message->text, raw.octets + at, raw.size - at) != 0) {
        fault = MESSAGE_MEMORY;
    }
    /* Of nothing at all an empty body is left. */
    if (fault == MESSAGE_OK && message->text.size == 0 &&
        text_add(&message->text, "\n", 1) != 0) {
        fault = MESSAGE_MEMORY;
    }
    text_free(&raw);
    return fault;
}

void message_free(struct message *message)
{
    text_free(&message->text);
    text_free(&message->recipients.texts);
}

size_t message_read(void *context, void *buffer, size_t size)
{
    struct message *message = context;
    size_t left = message->text.size - message->read;

    size = left < size ? left : size;
    if (size > 0) {
        memcpy(buffer, message->text.octets + message->read, size);
    }
    message->read += size;
    return size;
}
