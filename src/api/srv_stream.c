/* srv_stream.c - SRVSend, SRVprintf, SRVRecv and what can be asked about a
 * callback's connection.
 *
 * Owns nothing. Promises: a handle is looked up before it is touched; a piece
 * goes out whole or not at all. A stream is a message while the host writes it,
 * or a request while the host is asked.
 * Thread: any. */
#include "api/handles.h"
#include "api/instance.h"
#include "api/srv_state.h"

#include "base/mem.h"

#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static enum mailmod_error write_all(ServerStream stream, const void *octets,
                                    size_t size)
{
    if (mm_handle_kind(stream) == MM_HANDLE_REQUEST) {
        return mailmod_request_write(stream, octets, size);
    }
    enum mailmod_error error = mm_srv_check_open(stream);
    return error == MAILMOD_OK ? mailmod_message_write(stream, octets, size)
                               : error;
}

int SRVSend(ServerStream stream, const void *bufer, int size)
{
    enum mailmod_error error;

    if (size < 0 || (bufer == NULL && size > 0)) {
        error = mm_fail(MAILMOD_ERROR_ARGUMENT,
                        size < 0 ? "the size is below 0" : "bufer is NULL");
    } else {
        error = write_all(stream, bufer, (size_t)size);
    }
    return mm_srv_note(error) == MAILMOD_OK ? size : 0;
}

/* NULL when out of memory, or with size below 0 for a format that is none. */
static char *render(const char *format, va_list arguments, int *size_out)
    MM_PRINTF(1, 0);

static char *render(const char *format, va_list arguments, int *size_out)
{
    char *text = NULL;

    va_list again;
    va_copy(again, arguments);
    *size_out = vsnprintf(NULL, 0, format, again);
    va_end(again);
    if (*size_out >= 0 && *size_out < INT_MAX) {
        text = mm_alloc((size_t)*size_out + 1);
    }
    if (text != NULL) {
        (void)vsnprintf(text, (size_t)*size_out + 1, format, arguments);
    }
    return text;
}

/* Told to our own compiler alone: a host may have formats of its own. */
int SRVprintf(ServerStream stream, const char *format, ...) MM_PRINTF(2, 3);

int SRVprintf(ServerStream stream, const char *format, ...)
{
    if (format == NULL) {
        (void)mm_srv_note(mm_fail(MAILMOD_ERROR_ARGUMENT, "format is NULL"));
        return 0;
    }
    va_list arguments;
    va_start(arguments, format);
    int size;
    char *text = render(format, arguments, &size);
    va_end(arguments);
    if (text == NULL) {
        (void)mm_srv_note(size < 0
                              ? mm_fail(MAILMOD_ERROR_ARGUMENT,
                                        "the format cannot be written")
                              : mm_fail(MAILMOD_ERROR_MEMORY, "out of memory"));
        return 0;
    }
    size = SRVSend(stream, text, size);
    mm_free(text);
    return size;
}

/* The request that a callback was given; its other streams have no peer. */
static enum mailmod_error check_request(ServerStream stream)
{
    if (mm_handle_kind(stream) == MM_HANDLE_REQUEST) {
        return MAILMOD_OK;
    }
    enum mailmod_error error = mm_srv_check_open(stream);
    return error == MAILMOD_OK
               ? mm_fail(MAILMOD_ERROR_STATE,
                         "a message that is written has no peer")
               : error;
}

int SRVRecv(ServerStream stream, void *bufer, int size)
{
    enum mailmod_error error = check_request(stream);
    size_t got = 0;

    if (error == MAILMOD_OK && (bufer == NULL || size < 0)) {
        error = mm_fail(MAILMOD_ERROR_ARGUMENT,
                        size < 0 ? "the size is below 0" : "bufer is NULL");
    }
    if (error == MAILMOD_OK && size > 0) {
        got = mailmod_request_read(stream, bufer, (size_t)size, &error);
    }
    (void)mm_srv_note(error);
    return (int)got;
}

/* The API's getters give `char *`; nobody writes to it. */
static char *give(const char *text)
{
    return (char *)(uintptr_t)text;
}

char *GetAUTHName(ServerStream stream)
{
    enum mailmod_error error = mm_srv_note(check_request(stream));

    return error == MAILMOD_OK ? give(mailmod_request_user(stream)) : NULL;
}

char *GetAUTHPassw(ServerStream stream)
{
    enum mailmod_error error = mm_srv_note(check_request(stream));

    return error == MAILMOD_OK ? give(mailmod_request_password(stream)) : NULL;
}

unsigned long GetRemoteIP(ServerStream stream)
{
    enum mailmod_error error = mm_srv_note(check_request(stream));
    const char *peer =
        error == MAILMOD_OK ? mailmod_request_peer(stream) : NULL;
    struct mm_netaddr address;

    if (peer == NULL || !mm_netaddr_parse_ip(mm_span_cstr(peer), &address) ||
        address.family != MM_NETADDR_V4) {
        return 0;
    }
    uint32_t ip;
    memcpy(&ip, address.bytes, sizeof ip); /* network order, as in_addr */
    return ip;
}

int GetRemoteAddr(ServerStream stream, void *addr, int buflen)
{
    enum mailmod_error error = check_request(stream);

    if (error == MAILMOD_OK && (addr == NULL || buflen < 0)) {
        error = mm_fail(MAILMOD_ERROR_ARGUMENT,
                        addr == NULL ? "addr is NULL" : "buflen is below 0");
    }
    return mm_srv_note(error) == MAILMOD_OK
               ? mailmod_request_address(stream, addr, buflen)
               : 0;
}

int GetSocket(ServerStream stream)
{
    enum mailmod_error error = mm_srv_note(check_request(stream));
    intptr_t handle = error == MAILMOD_OK ? mailmod_request_socket(stream) : -1;

    return handle >= 0 && handle <= INT_MAX ? (int)handle : -1;
}
