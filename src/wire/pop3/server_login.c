/* server_login.c - the commands before a login: USER, PASS, APOP, AUTH, STLS;
 * and CAPA, which tells the truth about them.
 *
 * Owns nothing. Promises: one function, check_may_login, decides for every way
 * to log in whether it may be tried now, and CAPA announces by the same
 * function; a name given with USER lives until a login is tried another way,
 * fails, or TLS begins. Lives on its conversation's thread.
 *
 * RFC 1939 4 and 7 (USER, PASS, APOP), RFC 2449 5 and 6 (CAPA), RFC 2595 4
 * (STLS), RFC 3206 6 (AUTH-RESP-CODE), RFC 5034 (AUTH), RFC 6856 2 and 3. */
#include "wire/pop3/server_internal.h"

#include "base/base64.h"
#include "wire/sasl/sasl.h"

#include <string.h>

/* `mechanism` 0 stands for USER, PASS, APOP and XLOG. */
static enum mm_pop3d_text check_may_login(const struct mm_pop3d *pop3d,
                                          unsigned mechanism)
{
    const struct mm_pop3d_options *options = &pop3d->options;
    bool under_tls =
        mechanism == 0 || (mechanism & options->mechanisms_tls) != 0;
    bool in_clear = mechanism == 0
                        ? options->allows_clear_login
                        : (mechanism & options->mechanisms_clear) != 0;
    if (pop3d->is_tls ? under_tls : in_clear) {
        return MM_POP3D_OK_PLAIN;
    }
    return !pop3d->is_tls && under_tls ? MM_POP3D_ERR_NEEDS_TLS
                                       : MM_POP3D_ERR_MECHANISM;
}

enum mm_pop3d_text mm_pop3d_check_password(const struct mm_pop3d *pop3d)
{
    return check_may_login(pop3d, 0);
}

static unsigned offered_mechanisms(const struct mm_pop3d *pop3d)
{
    unsigned offered = 0;
    for (unsigned bit = 1; bit <= MM_SASL_LAST; bit <<= 1) {
        if (check_may_login(pop3d, bit) == MM_POP3D_OK_PLAIN) {
            offered |= bit;
        }
    }
    return offered;
}

enum mm_pop3d_text
mm_pop3d_check_user(const struct mm_pop3d *pop3d,
                    const struct mm_pop3d_arguments *arguments)
{
    enum mm_pop3d_text verdict = mm_pop3d_check_password(pop3d);
    if (verdict == MM_POP3D_OK_PLAIN &&
        arguments->first.size >= sizeof pop3d->user) {
        return MM_POP3D_ERR_TOO_LONG;
    }
    return verdict;
}

void mm_pop3d_do_user(struct mm_pop3d *pop3d,
                      const struct mm_pop3d_arguments *arguments)
{
    memcpy(pop3d->user, arguments->first.data, arguments->first.size);
    pop3d->user[arguments->first.size] = '\0';
    /* RFC 1939 7 USER: no word about whether there is such a user. */
    mm_pop3d_say(pop3d, MM_POP3D_OK_USER);
}

enum mm_pop3d_text
mm_pop3d_check_pass(const struct mm_pop3d *pop3d,
                    const struct mm_pop3d_arguments *arguments)
{
    (void)arguments;
    enum mm_pop3d_text verdict = mm_pop3d_check_password(pop3d);
    if (verdict == MM_POP3D_OK_PLAIN && pop3d->user[0] == '\0') {
        return MM_POP3D_ERR_USER_FIRST;
    }
    return verdict;
}

void mm_pop3d_do_pass(struct mm_pop3d *pop3d,
                      const struct mm_pop3d_arguments *arguments)
{
    pop3d->info = (struct mm_pop3d_info){
        .user = mm_span_cstr(pop3d->user),
        /* RFC 1939 7 PASS: blanks are a part of the password. */
        .password = arguments->first,
    };
    mm_pop3d_raise(pop3d, MM_POP3D_LOGIN);
}

static bool read_digest(struct mm_span text,
                        uint8_t digest_out[MM_POP3D_DIGEST_SIZE])
{
    if (text.size != 2 * MM_POP3D_DIGEST_SIZE) {
        return false;
    }
    for (size_t i = 0; i < MM_POP3D_DIGEST_SIZE; i++) {
        int high = mm_ascii_hex_value((unsigned char)text.data[2 * i]);
        int low = mm_ascii_hex_value((unsigned char)text.data[2 * i + 1]);
        if (high < 0 || low < 0) {
            return false;
        }
        digest_out[i] = (uint8_t)(high * 16 + low);
    }
    return true;
}

enum mm_pop3d_text
mm_pop3d_check_apop(const struct mm_pop3d *pop3d,
                    const struct mm_pop3d_arguments *arguments)
{
    enum mm_pop3d_text verdict = mm_pop3d_check_password(pop3d);
    if (verdict != MM_POP3D_OK_PLAIN) {
        return verdict;
    }
    if (pop3d->stamp == NULL) {
        return MM_POP3D_ERR_NO_APOP;
    }
    uint8_t digest[MM_POP3D_DIGEST_SIZE];
    return read_digest(arguments->second, digest) ? MM_POP3D_OK_PLAIN
                                                  : MM_POP3D_ERR_ARGUMENTS;
}

void mm_pop3d_do_apop(struct mm_pop3d *pop3d,
                      const struct mm_pop3d_arguments *arguments)
{
    (void)read_digest(arguments->second, pop3d->digest);
    pop3d->user[0] = '\0';
    pop3d->info = (struct mm_pop3d_info){
        .user = arguments->first,
        .digest = mm_span((const char *)pop3d->digest, sizeof pop3d->digest),
        .stamp = mm_span_cstr(pop3d->stamp),
    };
    mm_pop3d_raise(pop3d, MM_POP3D_APOP);
}

enum mm_pop3d_text
mm_pop3d_check_auth(const struct mm_pop3d *pop3d,
                    const struct mm_pop3d_arguments *arguments)
{
    if (arguments->has_first) {
        unsigned mechanism = mm_sasl_find(arguments->first);
        return mechanism != 0 ? check_may_login(pop3d, mechanism)
                              : MM_POP3D_ERR_MECHANISM;
    }
    if (offered_mechanisms(pop3d) != 0) {
        return MM_POP3D_OK_PLAIN;
    }
    return pop3d->is_tls ? MM_POP3D_ERR_MECHANISM : MM_POP3D_ERR_NEEDS_TLS;
}

/* AUTH alone is no command of RFC 5034, but of clients older than CAPA. */
static void list_mechanisms(struct mm_pop3d *pop3d)
{
    unsigned offered = offered_mechanisms(pop3d);
    mm_pop3d_say(pop3d, MM_POP3D_OK_MECHANISMS);
    for (unsigned bit = 1; bit <= MM_SASL_LAST; bit <<= 1) {
        if ((offered & bit) != 0) {
            mm_pop3d_write_line(
                pop3d, mm_sasl_name((enum mm_sasl_mechanism)bit), NULL);
        }
    }
    mm_pop3d_write_line(pop3d, ".", NULL);
}

/* The exchange is over without an answer of the session's. */
static void end_exchange(struct mm_pop3d *pop3d, enum mm_pop3d_text why)
{
    mm_pop3d_wipe_secrets(pop3d);
    mm_pop3d_set_state(pop3d, MM_POP3D_IN_AUTHORIZATION);
    mm_pop3d_refuse(pop3d, why);
}

/* A response into `event`; what is not base64 ends the exchange. */
static void raise_response(struct mm_pop3d *pop3d, enum mm_pop3d_event event,
                           struct mm_span text)
{
    mm_buf_clear(&pop3d->sasl);
    enum mailmod_error error = mm_base64_decode(&pop3d->sasl, text);
    if (error == MAILMOD_ERROR_MEMORY) {
        mm_pop3d_break_off(pop3d, "no memory for a response");
        return;
    }
    if (error != MAILMOD_OK) {
        end_exchange(pop3d, MM_POP3D_ERR_BASE64);
        return;
    }
    pop3d->info = (struct mm_pop3d_info){
        .mechanism = pop3d->mechanism,
        .has_data = true,
        .data = mm_buf_span(&pop3d->sasl),
    };
    mm_pop3d_raise(pop3d, event);
}

void mm_pop3d_do_auth(struct mm_pop3d *pop3d,
                      const struct mm_pop3d_arguments *arguments)
{
    if (!arguments->has_first) {
        list_mechanisms(pop3d);
        return;
    }
    pop3d->user[0] = '\0';
    pop3d->mechanism = (enum mm_sasl_mechanism)mm_sasl_find(arguments->first);
    mm_pop3d_set_state(pop3d, MM_POP3D_IN_EXCHANGE);
    if (!arguments->has_second) {
        pop3d->info = (struct mm_pop3d_info){.mechanism = pop3d->mechanism};
        mm_pop3d_raise(pop3d, MM_POP3D_AUTH);
        return;
    }
    /* RFC 5034 4: "=" is an initial response of no octets. */
    bool is_empty = mm_span_is(arguments->second, "=");
    raise_response(pop3d, MM_POP3D_AUTH,
                   is_empty ? mm_span(NULL, 0) : arguments->second);
}

void mm_pop3d_take_response(struct mm_pop3d *pop3d, const struct mm_line *line)
{
    if (line->flaws != 0) {
        bool is_long = (line->flaws & MM_LINE_TOO_LONG) != 0;
        end_exchange(pop3d,
                     is_long ? MM_POP3D_ERR_TOO_LONG : MM_POP3D_ERR_LINE_END);
    } else if (mm_span_is(line->text, "*")) {
        end_exchange(pop3d, MM_POP3D_ERR_CANCELLED); /* RFC 5034 4 */
    } else {
        raise_response(pop3d, MM_POP3D_AUTH_DATA, line->text);
    }
}

enum mm_pop3d_text
mm_pop3d_check_stls(const struct mm_pop3d *pop3d,
                    const struct mm_pop3d_arguments *arguments)
{
    (void)arguments;
    if (pop3d->is_tls) {
        return MM_POP3D_ERR_IS_TLS;
    }
    return pop3d->options.has_stls ? MM_POP3D_OK_PLAIN : MM_POP3D_ERR_NO_STLS;
}

void mm_pop3d_do_stls(struct mm_pop3d *pop3d,
                      const struct mm_pop3d_arguments *arguments)
{
    (void)arguments;
    mm_pop3d_raise(pop3d, MM_POP3D_STLS);
}

/* RFC 6856 2: names and passwords may be in UTF-8, and so may what is served.
 * Both are so without it too: the mode has nothing to change. */
void mm_pop3d_do_utf8(struct mm_pop3d *pop3d,
                      const struct mm_pop3d_arguments *arguments)
{
    (void)arguments;
    mm_pop3d_say(pop3d, MM_POP3D_OK_UTF8);
}

/* RFC 6856 3: the languages of our texts, which are one. "*" is our choice,
 * "en-GB" and its like come down to it (RFC 4647 3.4). */
static bool is_english(struct mm_span tag)
{
    return mm_span_is(tag, "*") || mm_span_is_nocase(tag, "i-default") ||
           mm_span_is_nocase(tag, "en") || mm_span_starts_nocase(tag, "en-");
}

enum mm_pop3d_text
mm_pop3d_check_lang(const struct mm_pop3d *pop3d,
                    const struct mm_pop3d_arguments *arguments)
{
    (void)pop3d;
    return !arguments->has_first || is_english(arguments->first)
               ? MM_POP3D_OK_PLAIN
               : MM_POP3D_ERR_LANGUAGE;
}

void mm_pop3d_do_lang(struct mm_pop3d *pop3d,
                      const struct mm_pop3d_arguments *arguments)
{
    if (arguments->has_first) {
        mm_pop3d_say(pop3d, MM_POP3D_OK_LANGUAGE);
        return;
    }
    mm_pop3d_say(pop3d, MM_POP3D_OK_LANGUAGES);
    mm_pop3d_write_line(pop3d, "en", "English");
    mm_pop3d_write_line(pop3d, "i-default", "English");
    mm_pop3d_write_line(pop3d, ".", NULL);
}

static void write_sasl(struct mm_pop3d *pop3d, unsigned mechanisms)
{
    struct mm_buf *out = &pop3d->output;
    size_t size = mm_buf_size(out);
    if (mm_buf_append_cstr(out, "SASL") != MAILMOD_OK ||
        mm_sasl_write_names(out, mechanisms) != MAILMOD_OK ||
        mm_buf_append_cstr(out, "\r\n") != MAILMOD_OK) {
        mm_pop3d_break_off(pop3d, "no memory for a reply");
    }
    mm_pop3d_tell_output(pop3d, size);
}

static void write_number(struct mm_pop3d *pop3d, const char *word,
                         uint64_t number)
{
    char text[21]; /* 2^64 - 1 and a NUL */
    char *at = text + sizeof text - 1;
    *at = '\0';
    do {
        *--at = (char)('0' + number % 10);
        number /= 10;
    } while (number > 0);
    mm_pop3d_write_line(pop3d, word, at);
}

/* RFC 2449 6.5 and 6.7. */
static void write_retention(struct mm_pop3d *pop3d)
{
    if (pop3d->options.login_delay_s > 0) {
        write_number(pop3d, "LOGIN-DELAY", pop3d->options.login_delay_s);
    }
    if (pop3d->options.has_expire) {
        write_number(pop3d, "EXPIRE", pop3d->options.expire_days);
    } else {
        mm_pop3d_write_line(pop3d, "EXPIRE", "NEVER");
    }
}

/* RFC 2449 5: what is announced before the login is announced after it too,
 * so USER and SASL follow TLS and not the state; STLS alone is for before the
 * login only (RFC 2595 4). */
void mm_pop3d_do_capa(struct mm_pop3d *pop3d,
                      const struct mm_pop3d_arguments *arguments)
{
    static const char *const always[] = {
        "TOP",        "UIDL",      "RESP-CODES", "AUTH-RESP-CODE",
        "PIPELINING", "UTF8 USER", "LANG"};
    (void)arguments;
    mm_pop3d_say(pop3d, MM_POP3D_OK_CAPA);
    for (size_t i = 0; i < sizeof always / sizeof always[0]; i++) {
        mm_pop3d_write_line(pop3d, always[i], NULL);
    }
    mm_pop3d_write_extensions(pop3d);
    if (mm_pop3d_check_password(pop3d) == MM_POP3D_OK_PLAIN) {
        mm_pop3d_write_line(pop3d, "USER", NULL);
    }
    unsigned offered = offered_mechanisms(pop3d);
    if (offered != 0) {
        write_sasl(pop3d, offered);
    }
    if (!pop3d->is_authenticated &&
        mm_pop3d_check_stls(pop3d, NULL) == MM_POP3D_OK_PLAIN) {
        mm_pop3d_write_line(pop3d, "STLS", NULL);
    }
    write_retention(pop3d);
    if (pop3d->options.implementation != NULL) {
        mm_pop3d_write_line(pop3d, "IMPLEMENTATION",
                            pop3d->options.implementation);
    }
    mm_pop3d_write_line(pop3d, ".", NULL);
}
