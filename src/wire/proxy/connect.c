/* connect.c - the client of an HTTP proxy: CONNECT.
 *
 * One request; the reply is a status line and fields up to an empty line. The
 * status line's beginning is kept, for its code and its words; the fields are
 * read over: in a 2xx a length means nothing (RFC 9110 9.3.6), and a refusal's
 * page is not read. 1xx replies are passed over. All replies together are at
 * most MM_TUNNEL_HTTP_REPLY_MAX octets. A line may end with LF alone.
 * RFC 9110 9.3.6, 15.2; RFC 9112 2.2, 4; RFC 7617 2. Thread: any. */
#include "wire/proxy/tunnel_internal.h"

#include "base/base64.h"

#include <string.h>

/* What a login is as text before its BASE64. */
#define LOGIN_MAX 1024

static bool has_control(const char *text)
{
    struct mm_span span = mm_span_cstr(text);
    for (size_t i = 0; i < span.size; i++) {
        unsigned char c = (unsigned char)span.data[i];
        if (c < 32 || c == 127) {
            return true;
        }
    }
    return false;
}

/* RFC 7617 2: the first colon ends the user; no control characters. */
static enum mailmod_error check(const struct mm_tunnel_options *options)
{
    struct mm_span user = mm_span_cstr(options->user);
    struct mm_span password = mm_span_cstr(options->password);
    if (user.size + 1 + password.size > LOGIN_MAX) {
        return MAILMOD_ERROR_TOO_LARGE;
    }
    return memchr(user.data, ':', user.size) != NULL ||
                   has_control(options->user) || has_control(options->password)
               ? MAILMOD_ERROR_ARGUMENT
               : MAILMOD_OK;
}

static enum mailmod_error append_login(struct mm_tunnel *tunnel)
{
    struct mm_buf login;
    mm_buf_init(&login, LOGIN_MAX);
    enum mailmod_error error = MAILMOD_ERROR_MEMORY;
    if (mm_buf_reserve(&login, LOGIN_MAX) != NULL) {
        (void)mm_buf_append_cstr(&login, tunnel->options.user);
        (void)mm_buf_append_char(&login, ':');
        (void)mm_buf_append_span(&login,
                                 mm_span_cstr(tunnel->options.password));
        (void)mm_buf_append_cstr(&tunnel->output,
                                 "Proxy-Authorization: Basic ");
        error = mm_base64_encode(&tunnel->output, login.data, login.end);
        (void)mm_buf_append_cstr(&tunnel->output, "\r\n");
    }
    mm_buf_wipe(&login);
    mm_buf_fini(&login);
    return error;
}

static enum mailmod_error begin(struct mm_tunnel *tunnel)
{
    const struct mm_tunnel_options *options = &tunnel->options;
    char host[MM_NETADDR_TEXT_MAX];
    enum mailmod_error error = MAILMOD_OK;
    struct mm_buf *out = &tunnel->output;
    if (mm_tunnel_is_by_name(options)) {
        unsigned port = options->address.port;
        (void)mm_buf_appendf(out, "CONNECT %s:%u HTTP/1.1\r\nHost: %s:%u\r\n",
                             options->host, port, options->host, port);
    } else {
        mm_netaddr_format(&options->address, host); /* "[::1]:25" */
        (void)mm_buf_appendf(out, "CONNECT %s HTTP/1.1\r\nHost: %s\r\n", host,
                             host);
    }
    if (mm_tunnel_has_login(options)) {
        error = append_login(tunnel);
    }
    (void)mm_buf_append_cstr(out, "\r\n");
    return error == MAILMOD_OK ? mm_buf_error(out) : error;
}

static struct mm_span status_line(const struct mm_tunnel *tunnel)
{
    struct mm_span line = mm_span(tunnel->reply, tunnel->reply_size);
    (void)mm_span_cut(line, '\n', &line, &(struct mm_span){0});
    return line;
}

/* RFC 9112 4: "HTTP/1.1 SP code SP words"; 0: none. */
static unsigned read_code(struct mm_span line, struct mm_span *words_out)
{
    static const char start[] = "HTTP/1.";
    struct mm_span version;
    struct mm_span rest;
    uint64_t code;
    if (!mm_span_starts_nocase(line, start) ||
        !mm_span_cut(line, ' ', &version, &rest) ||
        version.size != sizeof start ||
        !mm_ascii_is_digit(version.data[version.size - 1])) {
        return 0;
    }
    struct mm_span digits;
    (void)mm_span_cut(mm_span_trim(rest), ' ', &digits, words_out);
    if (digits.size > 0 && digits.data[digits.size - 1] == '\r') {
        digits.size--;
    }
    return digits.size == 3 && mm_span_to_u64(digits, &code) && code >= 100 &&
                   code < 600
               ? (unsigned)code
               : 0;
}

/* The proxy's own words, as far as a log may show them. */
static void copy_words(struct mm_span words, char *text_out, size_t size)
{
    size_t count = 0;
    words = mm_span_trim(words);
    for (size_t i = 0; i < words.size && count + 1 < size; i++) {
        if (mm_ascii_is_printable((unsigned char)words.data[i])) {
            text_out[count++] = words.data[i];
        }
    }
    text_out[count] = '\0';
}

static void refuse(struct mm_tunnel *tunnel, unsigned code,
                   struct mm_span reason)
{
    const struct mm_tunnel_refusal *refusal =
        mm_tunnel_find_refusal(MM_TUNNEL_HTTP, code);
    char words[100];
    copy_words(reason, words, sizeof words);
    const char *more = "";
    if (code == 407) {
        more = mm_tunnel_has_login(&tunnel->options) ? " (it refused the login)"
                                                     : " (it wants a login)";
    } else if (code == 403) {
        /* squid and tinyproxy, as they come, allow 443 alone. */
        more = " (does it allow CONNECT to this port?)";
    }
    mm_tunnel_fail(tunnel, refusal->error, "HTTP %u %s%s", code,
                   words[0] != '\0' ? words : refusal->words, more);
}

static void take_reply(struct mm_tunnel *tunnel)
{
    struct mm_span words = mm_span(NULL, 0);
    unsigned code = read_code(status_line(tunnel), &words);
    size_t whole = tunnel->reply_whole;
    if (code / 100 == 1) {
        mm_tunnel_next_reply(tunnel);
        tunnel->step--; /* no time of its own */
        tunnel->reply_whole = whole;
    } else if (code / 100 == 2) {
        mm_tunnel_next_reply(tunnel);
        mm_tunnel_open(tunnel);
    } else {
        refuse(tunnel, code, words);
    }
}

/* What cannot be HTTP is told at once: the peer may wait for us to speak. */
static bool is_http_so_far(const struct mm_tunnel *tunnel)
{
    static const char start[] = "http/1.";
    size_t size = tunnel->reply_size < sizeof start - 1 ? tunnel->reply_size
                                                        : sizeof start - 1;
    return mm_span_equal_nocase(mm_span(tunnel->reply, size),
                                mm_span(start, size));
}

static void end_line(struct mm_tunnel *tunnel)
{
    bool is_first = memchr(tunnel->reply, '\n', tunnel->reply_size) == NULL;
    struct mm_span words;
    if (is_first && read_code(status_line(tunnel), &words) == 0) {
        mm_tunnel_fail(tunnel, MAILMOD_ERROR_PROTOCOL,
                       "its reply has no HTTP status");
    }
}

static void take(struct mm_tunnel *tunnel, char octet)
{
    tunnel->reply_whole++;
    if (tunnel->reply_whole > MM_TUNNEL_HTTP_REPLY_MAX) {
        mm_tunnel_fail(tunnel, MAILMOD_ERROR_PROTOCOL,
                       "its HTTP reply has no end");
        return;
    }
    bool is_empty = octet == '\n' && tunnel->line_size == 0;
    if (octet == '\n') {
        end_line(tunnel);
        tunnel->line_size = 0;
    } else if (octet != '\r') {
        tunnel->line_size++;
    }
    if (tunnel->reply_size < sizeof tunnel->reply) {
        tunnel->reply[tunnel->reply_size++] = octet;
    }
    if (tunnel->state != MM_TUNNEL_WAITS) {
        return;
    }
    if (!is_http_so_far(tunnel)) {
        mm_tunnel_fail(tunnel, MAILMOD_ERROR_PROTOCOL, "its reply is not HTTP");
    } else if (is_empty) {
        take_reply(tunnel);
    }
}

const struct mm_tunnel_protocol mm_tunnel_http = {check, begin, take};
