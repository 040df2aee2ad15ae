/* text.c - the text of a client's message on its way from the host.
 *
 * Owns what is between the host's reader and the connection. Promises: memory
 * of one header and a few pieces, whatever the size of the text; the same
 * octets at every reading, as long as the host gives the same; the host is
 * asked on the thread that sends.
 * Thread: the one that sends; the setters the host's. */
#include "api/client/client.h"

#include "api/handles.h"
#include "api/instance.h"
#include "api/sized.h"

#include "base/mem.h"

#include <stdio.h>
#include <string.h>

enum {
    PIECE_SIZE = 16384,
    /* Every line end of a piece may become two octets. */
    MENDED_MAX = MM_HEADER_SECTION_MAX + 3 * PIECE_SIZE
};

void mm_client_text_fini(struct mm_client_text *text)
{
    mm_buf_fini(&text->mended);
    mm_buf_fini(&text->head);
    mm_context_release(&text->context);
    text->read = NULL;
}

/* ---- where it comes from ------------------------------------------------- */

struct memory {
    size_t size;
    size_t at;
    char octets[];
};

static size_t read_memory(void *context, void *buffer, size_t size)
{
    struct memory *memory = context;
    size_t left = memory->size - memory->at;
    size_t taken = size < left ? size : left;

    memcpy(buffer, memory->octets + memory->at, taken);
    memory->at += taken;
    return taken;
}

static int rewind_memory(void *context)
{
    struct memory *memory = context;

    memory->at = 0;
    return 1;
}

static void release_memory(void *context)
{
    mm_free(context);
}

int mailmod_file_rewind(void *file)
{
    return file != NULL && fseek(file, 0, SEEK_SET) == 0;
}

static void use(mailmod_client_message *message,
                const struct mailmod_client_content *content)
{
    struct mm_client_text *text = &message->text;
    struct mm_context former = mm_context_take(&text->context);

    text->read = content->read;
    text->rewind = content->rewind;
    text->context = (struct mm_context){content->context, content->on_release};
    mm_context_release(&former);
}

enum mailmod_error
mailmod_client_message_set_content(mailmod_client_message *message,
                                   const struct mailmod_client_content *content)
{
    struct mailmod_client_content known;
    enum mailmod_error error = mm_client_message_begin(message);

    if (error != MAILMOD_OK) {
        return error;
    }
    error = mm_sized_take(&known, sizeof known, content,
                          MM_CLIENT_CONTENT_SIZE_1, "content");
    if (error == MAILMOD_OK && (known.read == NULL || known.rewind == NULL)) {
        error = mm_fail(MAILMOD_ERROR_ARGUMENT, "content: %s: NULL",
                        known.read == NULL ? "read" : "rewind");
    }
    if (error == MAILMOD_OK) {
        use(message, &known);
    }
    mm_handle_let(message);
    return error;
}

enum mailmod_error
mailmod_client_message_set_text(mailmod_client_message *message,
                                const void *octets, size_t size)
{
    enum mailmod_error error = mm_client_message_begin(message);

    if (error != MAILMOD_OK) {
        return error;
    }
    if (octets == NULL && size > 0) {
        error = mm_fail(MAILMOD_ERROR_ARGUMENT, "octets: NULL");
    }
    struct memory *memory = NULL;
    if (error == MAILMOD_OK) {
        memory = size < SIZE_MAX - sizeof *memory
                     ? mm_alloc(sizeof *memory + size)
                     : NULL;
        error = memory != NULL ? MAILMOD_OK
                               : mm_fail(MAILMOD_ERROR_MEMORY, "out of memory");
    }
    if (error == MAILMOD_OK) {
        const struct mailmod_client_content content = {.size = sizeof content,
                                                       .read = read_memory,
                                                       .rewind = rewind_memory,
                                                       .context = memory,
                                                       .on_release =
                                                           release_memory};
        memory->size = size;
        if (size > 0) {
            memcpy(memory->octets, octets, size);
        }
        use(message, &content);
    }
    mm_handle_let(message);
    return error;
}

enum mailmod_error
mailmod_client_message_set_binary(mailmod_client_message *message,
                                  int is_binary)
{
    enum mailmod_error error = mm_client_message_begin(message);

    if (error == MAILMOD_OK) {
        message->text.is_binary = is_binary != 0;
        mm_handle_let(message);
    }
    return error;
}

/* ---- the way out --------------------------------------------------------- */

static enum mailmod_error put(void *context, struct mm_span data)
{
    return mm_buf_append_span(context, data);
}

enum mailmod_error mm_client_text_rewind(mailmod_client_message *message)
{
    struct mm_client_text *text = &message->text;
    const struct mm_message_text_options options = {
        .size_max = UINT64_MAX, .put = put, .context = &text->mended};

    mm_buf_fini(&text->mended);
    mm_buf_fini(&text->head);
    mm_buf_init(&text->mended, MENDED_MAX);
    mm_buf_init(&text->head, 2 * MM_HEADER_SECTION_MAX);
    mm_message_text_init(&text->lines, &options);
    text->scan = (struct mm_header_scan){.at = 0};
    text->is_in_header = true;
    text->is_over = false;
    mm_client_enter_callback();
    bool is_back = text->rewind(text->context.value) != 0;
    mm_client_leave_callback();
    return is_back ? MAILMOD_OK : MAILMOD_ERROR_CANCELLED;
}

/* The recipients, for a field that names them; mm_free the array. */
static const char **list_recipients(const mailmod_client_message *message)
{
    const char **list = mm_alloc_array(message->recipient_count, sizeof *list);
    size_t count = 0;

    for (const struct mm_list *node = message->recipients.next;
         list != NULL && node != &message->recipients; node = node->next) {
        list[count++] =
            MM_LIST_OBJECT(node, struct mailmod_client_recipient, node)->path;
    }
    return list;
}

/* A CR or LF that is not CRLF: nobody mends it here. */
static bool has_bare_newline(struct mm_span octets)
{
    for (size_t i = 0; i < octets.size; i++) {
        bool after_cr = i > 0 && octets.data[i - 1] == '\r';
        if ((octets.data[i] == '\n') != after_cr) {
            return true;
        }
    }
    return octets.size > 0 && octets.data[octets.size - 1] == '\r';
}

/* The header is whole: what goes out instead of it. */
static enum mailmod_error write_head(mailmod_client_message *message)
{
    struct mm_client_text *text = &message->text;
    const char **recipients = list_recipients(message);
    struct mm_span octets = mm_buf_span(&text->mended);
    const struct mm_header_facts facts = {.host_name = message->host_name,
                                          .identifier = message->identifier,
                                          .reverse_path = message->reverse_path,
                                          .now_ms = message->now_ms,
                                          .recipients = recipients,
                                          .recipient_count =
                                              message->recipient_count};

    if (recipients == NULL) {
        return MAILMOD_ERROR_MEMORY;
    }
    if (text->is_binary &&
        has_bare_newline(mm_span(octets.data, text->scan.body_at))) {
        mm_free(recipients);
        return MAILMOD_ERROR_SYNTAX;
    }
    enum mailmod_error error = mm_header_set_write(
        &message->header, mm_span(octets.data, text->scan.size), &facts,
        &text->head);
    mm_free(recipients);
    mm_buf_consume(&text->mended, text->scan.body_at);
    text->is_in_header = false;
    return error;
}

static enum mailmod_error take_piece(struct mm_client_text *text,
                                     struct mm_span piece)
{
    if (piece.size > PIECE_SIZE) {
        return MAILMOD_ERROR_CANCELLED;
    }
    text->is_over = piece.size == 0;
    if (text->is_binary) {
        return mm_buf_append_span(&text->mended, piece);
    }
    return piece.size > 0 ? mm_message_text_write(&text->lines, piece)
                          : mm_message_text_finish(&text->lines);
}

/* One more piece of the host's. */
static enum mailmod_error read_piece(mailmod_client_message *message)
{
    struct mm_client_text *text = &message->text;
    char *piece = mm_alloc(PIECE_SIZE);

    if (piece == NULL) {
        return MAILMOD_ERROR_MEMORY;
    }
    mm_client_enter_callback();
    size_t size = text->read(text->context.value, piece, PIECE_SIZE);
    mm_client_leave_callback();
    enum mailmod_error error = take_piece(text, mm_span(piece, size));
    mm_free(piece);
    if (error == MAILMOD_OK && text->is_in_header &&
        mm_header_scan(&text->scan, mm_buf_span(&text->mended),
                       text->is_over)) {
        error = write_head(message);
    }
    if (error == MAILMOD_OK && text->is_in_header &&
        mm_buf_size(&text->mended) > MM_HEADER_SECTION_MAX) {
        error = MAILMOD_ERROR_TOO_LARGE;
    }
    return error;
}

static void move(struct mm_buf *from, struct mm_buf *out)
{
    struct mm_span left = mm_buf_span(from);
    size_t room = MM_LIMIT_CHUNK - mm_buf_size(out);
    size_t size = left.size < room ? left.size : room;

    if (mm_buf_append(out, left.data, size) == MAILMOD_OK) {
        mm_buf_consume(from, size);
    }
}

enum mailmod_error mm_client_text_read(mailmod_client_message *message,
                                       struct mm_buf *out)
{
    struct mm_client_text *text = &message->text;
    enum mailmod_error error = MAILMOD_OK;

    while (error == MAILMOD_OK && mm_buf_size(out) < MM_LIMIT_CHUNK) {
        if (!text->is_in_header && mm_buf_size(&text->head) > 0) {
            move(&text->head, out);
            error = mm_buf_error(out);
        } else if (!text->is_in_header && mm_buf_size(&text->mended) > 0) {
            move(&text->mended, out);
            error = mm_buf_error(out);
        } else if (text->is_over) {
            break;
        } else {
            error = read_piece(message);
        }
    }
    return error == MAILMOD_OK && mm_buf_size(out) == 0
               ? MAILMOD_ERROR_NOT_FOUND
               : error;
}

enum mailmod_error mm_client_text_measure(mailmod_client_message *message)
{
    struct mm_client_text *text = &message->text;
    struct mm_buf chunk;
    uint64_t size = 0;
    bool is_8bit = false;
    enum mailmod_error error = mm_client_text_rewind(message);

    mm_buf_init(&chunk, MM_LIMIT_CHUNK);
    while (error == MAILMOD_OK) {
        mm_buf_clear(&chunk);
        error = mm_client_text_read(message, &chunk);
        size += mm_buf_size(&chunk);
        is_8bit = is_8bit || mm_span_has_8bit(mm_buf_span(&chunk));
    }
    mm_buf_fini(&chunk);
    if (error != MAILMOD_ERROR_NOT_FOUND) {
        return error;
    }
    text->size = size;
    text->is_8bit = is_8bit;
    return MAILMOD_OK;
}
