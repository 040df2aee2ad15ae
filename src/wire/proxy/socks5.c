/* socks5.c - the SOCKS5 client.
 *
 * Three questions, each asked when the former one is answered: how to log in,
 * the login where the proxy wants one, the connection. Without a user no login
 * is offered. A reply is read to its last octet, for the host's first one may
 * stand behind it; a refusal is told at its code.
 * RFC 1928 3 (methods), 4 to 6 (request and reply), RFC 1929. Thread: any. */
#include "wire/proxy/tunnel_internal.h"

#include <string.h>

#define VERSION 5
#define LOGIN_VERSION 1
#define METHOD_NONE 0
#define METHOD_LOGIN 2
#define METHOD_REFUSED 0xff
#define COMMAND_CONNECT 1

enum { ATYP_V4 = 1, ATYP_NAME = 3, ATYP_V6 = 4 };
enum { STAGE_METHOD, STAGE_LOGIN, STAGE_CONNECT };

static enum mailmod_error check(const struct mm_tunnel_options *options)
{
    return mm_span_cstr(options->user).size > MM_TUNNEL_SOCKS5_LOGIN_MAX ||
                   mm_span_cstr(options->password).size >
                       MM_TUNNEL_SOCKS5_LOGIN_MAX
               ? MAILMOD_ERROR_TOO_LARGE
               : MAILMOD_OK;
}

static enum mailmod_error begin(struct mm_tunnel *tunnel)
{
    static const uint8_t with_login[] = {VERSION, 2, METHOD_NONE, METHOD_LOGIN};
    static const uint8_t without[] = {VERSION, 1, METHOD_NONE};
    bool has_login = mm_tunnel_has_login(&tunnel->options);
    return mm_buf_append(&tunnel->output, has_login ? with_login : without,
                         has_login ? sizeof with_login : sizeof without);
}

static void append_counted(struct mm_buf *out, struct mm_span text)
{
    (void)mm_buf_append_char(out, (char)text.size);
    (void)mm_buf_append_span(out, text);
}

/* There is room for all: mm_tunnel_init has reserved it. */
static void say_login(struct mm_tunnel *tunnel)
{
    (void)mm_buf_append_char(&tunnel->output, LOGIN_VERSION);
    append_counted(&tunnel->output, mm_span_cstr(tunnel->options.user));
    append_counted(&tunnel->output, mm_span_cstr(tunnel->options.password));
    tunnel->stage = STAGE_LOGIN;
}

static void say_connect(struct mm_tunnel *tunnel)
{
    const struct mm_netaddr *address = &tunnel->options.address;
    static const uint8_t head[] = {VERSION, COMMAND_CONNECT, 0};
    struct mm_buf *out = &tunnel->output;
    (void)mm_buf_append(out, head, sizeof head);
    if (mm_tunnel_is_by_name(&tunnel->options)) {
        (void)mm_buf_append_char(out, ATYP_NAME);
        append_counted(out, mm_span_cstr(tunnel->options.host));
    } else {
        bool is_v4 = address->family == MM_NETADDR_V4;
        (void)mm_buf_append_char(out, is_v4 ? ATYP_V4 : ATYP_V6);
        (void)mm_buf_append(out, address->bytes, is_v4 ? 4 : 16);
    }
    (void)mm_buf_append_char(out, (char)(address->port >> 8));
    (void)mm_buf_append_char(out, (char)address->port);
    tunnel->stage = STAGE_CONNECT;
}

static void take_method(struct mm_tunnel *tunnel, unsigned method)
{
    bool has_login = mm_tunnel_has_login(&tunnel->options);
    mm_tunnel_next_reply(tunnel);
    if (method == METHOD_NONE) {
        say_connect(tunnel);
    } else if (method == METHOD_LOGIN && has_login) {
        say_login(tunnel);
    } else if (method == METHOD_REFUSED) {
        mm_tunnel_fail(tunnel, MAILMOD_ERROR_PROXY,
                       has_login ? "SOCKS5 method 255: it takes no login by "
                                   "user and password"
                                 : "SOCKS5 method 255: it wants a login");
    } else {
        mm_tunnel_fail(tunnel, MAILMOD_ERROR_PROTOCOL,
                       "SOCKS5 method %u: it was not offered", method);
    }
}

static void take_login(struct mm_tunnel *tunnel, unsigned status)
{
    mm_tunnel_next_reply(tunnel);
    if (status == 0) {
        say_connect(tunnel);
    } else {
        mm_tunnel_fail(tunnel, MAILMOD_ERROR_PROXY,
                       "SOCKS5 login status %u: it refused the login", status);
    }
}

/* RFC 1928 6: VER REP RSV ATYP BND.ADDR BND.PORT; 0: no such kind. */
static size_t connect_reply_size(const struct mm_tunnel *tunnel)
{
    switch (tunnel->reply[3]) {
    case ATYP_V4:
        return 4 + 4 + 2;
    case ATYP_V6:
        return 4 + 16 + 2;
    case ATYP_NAME:
        return 4 + 1 + (size_t)(unsigned char)tunnel->reply[4] + 2;
    default:
        return 0;
    }
}

static void take_connect(struct mm_tunnel *tunnel)
{
    unsigned code = (unsigned char)tunnel->reply[1];
    if (code != 0) {
        const struct mm_tunnel_refusal *refusal =
            mm_tunnel_find_refusal(MM_TUNNEL_SOCKS5, code);
        mm_tunnel_fail(tunnel, refusal->error, "SOCKS5 code %u: %s", code,
                       refusal->words);
        return;
    }
    if (tunnel->reply_size < 5) {
        return;
    }
    size_t size = connect_reply_size(tunnel);
    if (size == 0) {
        mm_tunnel_fail(tunnel, MAILMOD_ERROR_PROTOCOL,
                       "its SOCKS5 reply has an address of no known kind");
    } else if (tunnel->reply_size == size) {
        mm_tunnel_next_reply(tunnel);
        mm_tunnel_open(tunnel);
    }
}

static void take(struct mm_tunnel *tunnel, char octet)
{
    tunnel->reply[tunnel->reply_size++] = octet;
    char version = tunnel->stage == STAGE_LOGIN ? LOGIN_VERSION : VERSION;
    if (tunnel->reply[0] != version) {
        mm_tunnel_fail(tunnel, MAILMOD_ERROR_PROTOCOL,
                       "its reply is not SOCKS5");
        return;
    }
    if (tunnel->reply_size < 2) {
        return;
    }
    unsigned code = (unsigned char)tunnel->reply[1];
    switch (tunnel->stage) {
    case STAGE_METHOD:
        take_method(tunnel, code);
        break;
    case STAGE_LOGIN:
        take_login(tunnel, code);
        break;
    default:
        take_connect(tunnel);
        break;
    }
}

const struct mm_tunnel_protocol mm_tunnel_socks5 = {check, begin, take};
