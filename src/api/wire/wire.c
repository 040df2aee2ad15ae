/* wire.c - the calls that all conversations of the host share.
 *
 * Owns the handle of each. Promises: a handle that is none, or one of another
 * protocol, is an error; nothing is sent that the host did not take from the
 * output; secrets are masked before the host's monitor has them.
 * Thread: any, one at a time for a conversation. */
#include "api/wire/wire.h"

#include "api/handles.h"
#include "api/instance.h"
#include "api/sized.h"

#include "base/limits.h"
#include "base/mem.h"

#include <string.h>

static void tell_line(void *context, enum mm_tap_way way, struct mm_span line,
                      bool is_masked)
{
    struct mailmod_wire *wire = context;
    if (wire->on_line != NULL) {
        wire->on_line(wire->context, way == MM_TAP_SENT, line.data, line.size,
                      is_masked);
    }
}

static void tell_octets(void *context, enum mm_tap_way way, uint64_t count)
{
    (void)context; /* bodies are the host's already */
    (void)way;
    (void)count;
}

enum mailmod_error mm_wire_take_options(void *given_out, size_t given_size,
                                        const void *options, size_t size_1,
                                        const char *name,
                                        struct mailmod_wire **wire_out)
{
    enum mailmod_error error =
        mm_sized_take(given_out, given_size, options, size_1, name);
    if (wire_out == NULL) {
        return mm_fail(MAILMOD_ERROR_ARGUMENT, "wire_out: NULL");
    }
    *wire_out = NULL;
    return error;
}

void *mm_wire_new(size_t size, const struct mm_wire_protocol *protocol)
{
    struct mailmod_wire *wire = mm_alloc(size);
    if (wire == NULL) {
        (void)mm_fail(MAILMOD_ERROR_MEMORY, "out of memory");
        return NULL;
    }
    wire->protocol = protocol;
    wire->tap = (struct mm_tap){tell_line, tell_octets, wire};
    return wire;
}

enum mailmod_error mm_wire_give(struct mailmod_wire *wire,
                                enum mailmod_error error,
                                struct mailmod_wire **wire_out)
{
    if (error == MAILMOD_OK) {
        error = mm_handle_add(MM_HANDLE_WIRE, wire);
    } else {
        (void)mm_fail(error, "%s",
                      error == MAILMOD_ERROR_ARGUMENT
                          ? "an option has no allowed value"
                          : mm_error_text(error));
    }
    if (error != MAILMOD_OK) {
        wire->protocol->dispose(wire);
        return error;
    }
    *wire_out = wire;
    return MAILMOD_OK;
}

enum mailmod_error mm_wire_hold(const struct mailmod_wire *wire,
                                const struct mm_wire_protocol *protocol)
{
    enum mailmod_error error = mm_handle_hold(MM_HANDLE_WIRE, wire);
    if (error == MAILMOD_OK && protocol != NULL && wire->protocol != protocol) {
        mm_handle_let(wire);
        error = mm_fail(MAILMOD_ERROR_HANDLE,
                        "the conversation is one of another protocol");
    }
    return error;
}

void mm_wire_let(const struct mailmod_wire *wire)
{
    mm_handle_let(wire);
}

enum mailmod_error mm_wire_end(const struct mailmod_wire *wire,
                               enum mailmod_error error)
{
    mm_handle_let(wire);
    return error == MAILMOD_OK
               ? MAILMOD_OK
               : mm_fail(error, "%s",
                         error == MAILMOD_ERROR_STATE
                             ? "the conversation does not wait for this"
                             : mm_error_text(error));
}

enum mailmod_error mm_wire_copy_name(const char *name, const char *text,
                                     char **copy_out)
{
    size_t size = text != NULL ? strlen(text) : 0;
    bool is_good = size > 0 && size <= MM_LIMIT_DOMAIN;
    for (size_t i = 0; is_good && i < size; i++) {
        int c = (unsigned char)text[i];
        is_good = c != ' ' && mm_ascii_is_printable(c);
    }
    if (!is_good) {
        return mm_fail(MAILMOD_ERROR_ARGUMENT, "%s: it is no name", name);
    }
    *copy_out = mm_strdup(text);
    return *copy_out != NULL
               ? MAILMOD_OK
               : mm_fail(MAILMOD_ERROR_MEMORY, "%s", "out of memory");
}

bool mm_wire_copy_line(const char *text, char *line_out, size_t size)
{
    if (!mm_span_copy(mm_span_cstr(text), line_out, size)) {
        return false;
    }
    for (const char *c = line_out; *c != '\0'; c++) {
        if (!mm_ascii_is_printable((unsigned char)*c)) {
            return false;
        }
    }
    return true;
}

size_t mailmod_wire_feed(mailmod_wire *wire, const char *octets, size_t size)
{
    if (mm_wire_hold(wire, NULL) != MAILMOD_OK) {
        return 0;
    }
    size_t taken = 0;
    if (octets != NULL && size > 0) {
        taken = wire->is_input_ended ? size
                                     : wire->protocol->feed(wire, octets, size);
    }
    mm_wire_let(wire);
    return taken;
}

enum mailmod_error mailmod_wire_end_input(mailmod_wire *wire)
{
    enum mailmod_error error = mm_wire_hold(wire, NULL);
    if (error == MAILMOD_OK) {
        wire->is_input_ended = true;
        mm_wire_let(wire);
    }
    return error;
}

const char *mailmod_wire_output(mailmod_wire *wire, size_t *size_out)
{
    if (size_out == NULL) {
        (void)mm_fail(MAILMOD_ERROR_ARGUMENT, "size_out: NULL");
        return NULL;
    }
    *size_out = 0;
    if (mm_wire_hold(wire, NULL) != MAILMOD_OK) {
        return NULL;
    }
    struct mm_span output = wire->protocol->output(wire);
    mm_wire_let(wire);
    *size_out = output.size;
    return output.data;
}

enum mailmod_error mailmod_wire_sent(mailmod_wire *wire, size_t size)
{
    enum mailmod_error error = mm_wire_hold(wire, NULL);
    if (error != MAILMOD_OK) {
        return error;
    }
    if (size > wire->protocol->output(wire).size) {
        error = mm_fail(MAILMOD_ERROR_ARGUMENT, "so much was not owed");
    } else {
        wire->protocol->sent(wire, size);
    }
    mm_wire_let(wire);
    return error;
}

enum mailmod_error mailmod_wire_tls_begun(mailmod_wire *wire)
{
    enum mailmod_error error = mm_wire_hold(wire, NULL);
    if (error != MAILMOD_OK) {
        return error;
    }
    return mm_wire_end(wire, wire->protocol->tls_begun != NULL
                                 ? wire->protocol->tls_begun(wire)
                                 : MAILMOD_ERROR_STATE);
}

uint64_t mailmod_wire_timeout_ms(mailmod_wire *wire)
{
    if (mm_wire_hold(wire, NULL) != MAILMOD_OK) {
        return 0;
    }
    uint64_t timeout_ms = wire->protocol->timeout_ms(wire);
    mm_wire_let(wire);
    return timeout_ms;
}

enum mailmod_error mailmod_wire_set_monitor(mailmod_wire *wire,
                                            mailmod_on_wire_line on_line,
                                            void *context)
{
    enum mailmod_error error = mm_wire_hold(wire, NULL);
    if (error == MAILMOD_OK) {
        wire->on_line = on_line;
        wire->context = context;
        mm_wire_let(wire);
    }
    return error;
}

enum mailmod_error mailmod_wire_free(mailmod_wire **wire)
{
    if (wire == NULL || *wire == NULL) {
        return MAILMOD_OK;
    }
    enum mailmod_error error = mm_handle_remove(MM_HANDLE_WIRE, *wire, 0);
    if (error == MAILMOD_OK) {
        (*wire)->protocol->dispose(*wire);
        *wire = NULL;
    }
    return error;
}
