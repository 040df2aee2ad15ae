/* client_hello.c - the greeting, CAPA, STLS.
 *
 * Promises: where TLS must be, nothing but CAPA and STLS is said in clear,
 * whatever the server offers or leaves out; what it offered in clear is
 * forgotten under TLS; octets behind the +OK that told TLS to begin are never
 * read as replies; a greeting's stamp that is no message identifier is none.
 * Thread: the caller's. RFC 1939 4, 7; RFC 2449 5, 6; RFC 2595 4. */
#include "wire/pop3/client_internal.h"

#include <string.h>

/* RFC 1939 7: the stamp has the syntax of an RFC 822 message identifier. */
static bool is_stamp(struct mm_span stamp)
{
    struct mm_span left;
    struct mm_span right;
    if (stamp.size < 5 || stamp.size > MM_POP3C_STAMP_MAX ||
        !mm_span_cut(mm_span(stamp.data + 1, stamp.size - 2), '@', &left,
                     &right) ||
        left.size == 0 || right.size == 0) {
        return false;
    }
    for (size_t i = 1; i + 1 < stamp.size; i++) {
        char c = stamp.data[i];
        if (c == ' ' || c == '<' || c == '>' ||
            !mm_ascii_is_printable((unsigned char)c)) {
            return false;
        }
    }
    return memchr(right.data, '@', right.size) == NULL;
}

static void read_stamp(struct mm_pop3c *pop3c, struct mm_span text)
{
    struct mm_span before;
    struct mm_span behind;
    struct mm_span stamp;
    if (!mm_span_cut(text, '<', &before, &behind) ||
        !mm_span_cut(behind, '>', &stamp, &text)) {
        return;
    }
    stamp = mm_span(stamp.data - 1, stamp.size + 2);
    if (is_stamp(stamp)) {
        (void)mm_span_copy(stamp, pop3c->stamp, sizeof pop3c->stamp);
    }
}

enum mm_pop3c_event mm_pop3c_take_greeting(struct mm_pop3c *pop3c,
                                           struct mm_pop3c_info *info)
{
    if (!info->reply->is_ok) {
        mm_pop3c_part(pop3c, MAILMOD_ERROR_REFUSED, true);
        return MM_POP3C_NEED_INPUT;
    }
    read_stamp(pop3c, info->reply->text);
    mm_pop3c_do(pop3c, MM_POP3C_STEP_CAPA);
    return MM_POP3C_NEED_INPUT;
}

enum mm_pop3c_event mm_pop3c_take_capa(struct mm_pop3c *pop3c,
                                       struct mm_pop3c_info *info)
{
    pop3c->capabilities = (struct mm_pop3c_capabilities){0};
    if (!info->reply->is_ok) { /* a server from before RFC 2449 */
        mm_pop3c_go_on(pop3c);
        return MM_POP3C_NEED_INPUT;
    }
    pop3c->capabilities.is_known = true;
    pop3c->row_count = 0;
    pop3c->state = MM_POP3C_IN_CAPABILITIES;
    return MM_POP3C_NEED_INPUT;
}

/* RFC 5034 3: the names stand behind SASL, separated by blanks. */
static void read_sasl(struct mm_pop3c_capabilities *offered,
                      struct mm_span names)
{
    bool has_more = true;
    while (has_more) {
        struct mm_span name;
        struct mm_span rest = mm_span(NULL, 0);
        has_more = mm_span_cut(names, ' ', &name, &rest);
        offered->mechanisms |= mm_sasl_find(name);
        names = rest;
    }
}

static void read_capability(struct mm_pop3c_capabilities *offered,
                            struct mm_span line)
{
    struct mm_span name;
    struct mm_span arguments;
    if (!mm_span_cut(line, ' ', &name, &arguments)) {
        arguments = mm_span(NULL, 0);
    }
    struct {
        const char *name;
        bool *flag;
    } flags[] = {
        {"PIPELINING", &offered->has_pipelining},
        {"STLS", &offered->has_stls},
        {"TOP", &offered->has_top},
        {"UIDL", &offered->has_uidl},
        {"USER", &offered->has_user},
    };
    for (size_t i = 0; i < sizeof flags / sizeof flags[0]; i++) {
        if (mm_span_is_nocase(name, flags[i].name)) {
            *flags[i].flag = true;
            return;
        }
    }
    if (mm_span_is_nocase(name, "SASL")) {
        read_sasl(offered, arguments);
    }
}

enum mm_pop3c_event mm_pop3c_read_capabilities(struct mm_pop3c *pop3c,
                                               struct mm_pop3c_info *info)
{
    struct mm_line line;
    (void)info;
    while (mm_pop3c_read_line(pop3c, &line)) {
        mm_tap_reply(pop3c->tap, MM_TAP_RECEIVED, line.text);
        if (mm_span_is(line.text, ".")) {
            mm_pop3c_go_on(pop3c);
            return MM_POP3C_NEED_INPUT;
        }
        pop3c->row_count++;
        if (pop3c->row_count > MM_LIMIT_REPLY_LINES) {
            mm_pop3c_fail(pop3c, MAILMOD_ERROR_LIMIT, false);
            return MM_POP3C_NEED_INPUT;
        }
        read_capability(&pop3c->capabilities, mm_span_trim(line.text));
    }
    return MM_POP3C_NEED_INPUT;
}

/* RFC 2595 4: a server that knows no CAPA may know STLS. */
static bool may_offer_tls(const struct mm_pop3c *pop3c)
{
    return pop3c->capabilities.has_stls ||
           (!pop3c->capabilities.is_known && pop3c->tls == MM_POP3C_TLS_MUST);
}

void mm_pop3c_go_on(struct mm_pop3c *pop3c)
{
    if (pop3c->tls != MM_POP3C_TLS_OFF && !pop3c->is_tls &&
        !pop3c->is_tls_refused && may_offer_tls(pop3c)) {
        mm_pop3c_do(pop3c, MM_POP3C_STEP_STLS);
        return;
    }
    pop3c->count = 0;
    pop3c->sent = 0;
    pop3c->state = MM_POP3C_AT_LOGIN;
    if (pop3c->tls == MM_POP3C_TLS_MUST && !pop3c->is_tls) {
        mm_pop3c_part(pop3c, MAILMOD_ERROR_TLS_UNAVAILABLE, false);
    } else if (mm_pop3c_ways(pop3c) == 0) {
        mm_pop3c_part(pop3c, MAILMOD_ERROR_AUTHENTICATION, false);
    }
}

enum mm_pop3c_event mm_pop3c_take_stls(struct mm_pop3c *pop3c,
                                       struct mm_pop3c_info *info)
{
    if (info->reply->is_ok) {
        pop3c->count = 0;
        pop3c->sent = 0;
        pop3c->state = MM_POP3C_AT_TLS;
    } else if (pop3c->tls == MM_POP3C_TLS_MUST) {
        mm_pop3c_part(pop3c, MAILMOD_ERROR_TLS_UNAVAILABLE, true);
    } else {
        pop3c->is_tls_refused = true;
        mm_pop3c_go_on(pop3c);
    }
    return MM_POP3C_NEED_INPUT;
}

enum mailmod_error mm_pop3c_tls_begun(struct mm_pop3c *pop3c)
{
    if (pop3c->state != MM_POP3C_AT_TLS) {
        return MAILMOD_ERROR_STATE;
    }
    if (mm_buf_size(&pop3c->input) > 0 || mm_line_has_part(&pop3c->line)) {
        mm_pop3c_fail(pop3c, MAILMOD_ERROR_PROTOCOL, false);
        return MAILMOD_ERROR_PROTOCOL;
    }
    pop3c->is_tls = true;
    mm_pop3c_do(pop3c, MM_POP3C_STEP_CAPA);
    return MAILMOD_OK;
}
