/* run_pop3.c - holds the POP3 server engine to tests/transcripts/pop3.
 *
 * Options: stamp, implementation, errors, clear, tls (mechanism names), stls,
 * implicit-tls, clear-login (the last three: "yes"), extensions (their names),
 * login-delay, expire. Events are told as NAME
 * and arguments; answers are
 *     ok [text] | err [[CODE]] [text] | challenge octets | stat count octets |
 *     row number size-or-id | rows number:size-or-id ... | body octets |
 *     abort octets (the body breaks off behind them) | -
 * One thread. */
#include "dialogue.h"

#include "base/mem.h"
#include "wire/pop3/server.h"
#include "wire/sasl/sasl.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TEXT_SIZE 65536

struct peer {
    struct mm_pop3d *engine;
    char rows[TEXT_SIZE]; /* what LIST or UIDL of all still has to tell */
    char *row;
    bool is_uidl;
    char body[TEXT_SIZE]; /* what RETR or TOP still has to tell */
    size_t body_size;
    size_t body_at;
    bool is_aborted;
};

static bool option_is_yes(const struct dialogue *dialogue, const char *name)
{
    return strcmp(dialogue_option(dialogue, name, "no"), "yes") == 0;
}

static unsigned option_mechanisms(const struct dialogue *dialogue,
                                  const char *name, const char *standard)
{
    struct mm_span rest =
        mm_span_cstr(dialogue_option(dialogue, name, standard));
    unsigned mechanisms = 0;
    while (rest.size > 0) {
        struct mm_span word;
        (void)mm_span_cut(rest, ' ', &word, &rest);
        mechanisms |= mm_sasl_find(word);
    }
    return mechanisms;
}

static unsigned option_extensions(const struct dialogue *dialogue)
{
    static const struct {
        const char *name;
        unsigned extension;
    } names[] = {
        {"UID-PARAM", MM_POP3D_UID_PARAM},
        {"DELI", MM_POP3D_WITH_DELI},
        {"SLEE", MM_POP3D_WITH_SLEE},
        {"QAUT", MM_POP3D_WITH_QAUT},
        {"XLOG", MM_POP3D_WITH_XLOG},
        {"CORE", MM_POP3D_WITH_CORE},
        {"REFR", MM_POP3D_WITH_REFR},
        {"MULTI-LINE-IND", MM_POP3D_MULTI_LINE_IND},
    };
    struct mm_span rest =
        mm_span_cstr(dialogue_option(dialogue, "extensions", ""));
    unsigned extensions = 0;
    while (rest.size > 0) {
        struct mm_span word;
        (void)mm_span_cut(rest, ' ', &word, &rest);
        for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
            extensions |=
                mm_span_is(word, names[i].name) ? names[i].extension : 0;
        }
    }
    return extensions;
}

static void *open_peer(const struct dialogue *dialogue)
{
    struct peer *peer = calloc(1, sizeof *peer);
    struct mm_pop3d_options options = {
        .host_name = "mail.example",
        .apop_stamp = dialogue_option(dialogue, "stamp", NULL),
        .implementation = dialogue_option(dialogue, "implementation", NULL),
        .errors_max = (unsigned)strtoul(
            dialogue_option(dialogue, "errors", "0"), NULL, 10),
        .extensions = option_extensions(dialogue),
        .login_delay_s =
            strtoull(dialogue_option(dialogue, "login-delay", "0"), NULL, 10),
        .has_expire = dialogue_option(dialogue, "expire", NULL) != NULL,
        .expire_days =
            strtoull(dialogue_option(dialogue, "expire", "0"), NULL, 10),
        .mechanisms_clear = option_mechanisms(dialogue, "clear", ""),
        .mechanisms_tls =
            option_mechanisms(dialogue, "tls", "PLAIN SCRAM-SHA-256"),
        .has_stls = option_is_yes(dialogue, "stls"),
        .is_tls = option_is_yes(dialogue, "implicit-tls"),
        .allows_clear_login = option_is_yes(dialogue, "clear-login"),
    };
    if (peer == NULL || mm_pop3d_new(&peer->engine, &options) != MAILMOD_OK) {
        free(peer);
        return NULL;
    }
    return peer;
}

static void close_peer(void *engine)
{
    struct peer *peer = engine;
    mm_pop3d_free(&peer->engine);
    free(peer);
}

static size_t feed_peer(void *engine, const char *bytes, size_t size)
{
    struct peer *peer = engine;
    return mm_pop3d_feed(peer->engine, bytes, size);
}

/* One row, or the end; a row that finds no room comes again later. */
static void give_rows(struct peer *peer)
{
    while (*peer->row != '\0') {
        char *id = NULL;
        char name[128];
        uint64_t number = strtoull(peer->row, &id, 10);
        size_t length = strcspn(id + 1, " ");
        snprintf(name, sizeof name, "%.*s", (int)length, id + 1);
        if (!mm_pop3d_row(peer->engine, number, strtoull(name, NULL, 10),
                          peer->is_uidl ? name : NULL)) {
            return;
        }
        peer->row = id + 1 + length;
        peer->row += *peer->row == ' ';
    }
    mm_pop3d_rows_end(peer->engine);
}

static void give_body(struct peer *peer)
{
    /* Odd pieces, so that cuts fall everywhere. */
    size_t left = peer->body_size - peer->body_at;
    size_t piece = left < 3 ? left : 3;
    if (piece > 0 && mm_pop3d_wants_body(peer->engine)) {
        peer->body_at +=
            mm_pop3d_body(peer->engine, peer->body + peer->body_at, piece);
    } else if (peer->is_aborted) {
        mm_pop3d_body_abort(peer->engine);
    } else {
        mm_pop3d_body_end(peer->engine);
    }
}

static const char *const event_names[] = {
    [MM_POP3D_CONNECT] = "CONNECT",     [MM_POP3D_LOGIN] = "LOGIN",
    [MM_POP3D_APOP] = "APOP",           [MM_POP3D_AUTH] = "AUTH",
    [MM_POP3D_AUTH_DATA] = "AUTH_DATA", [MM_POP3D_STAT] = "STAT",
    [MM_POP3D_LIST] = "LIST",           [MM_POP3D_UIDL] = "UIDL",
    [MM_POP3D_RETR] = "RETR",           [MM_POP3D_TOP] = "TOP",
    [MM_POP3D_DELE] = "DELE",           [MM_POP3D_RSET] = "RSET",
    [MM_POP3D_STLS] = "STLS",           [MM_POP3D_UPDATE] = "UPDATE",
    [MM_POP3D_DELI] = "DELI",           [MM_POP3D_SLEE] = "SLEE",
    [MM_POP3D_CORE] = "CORE",           [MM_POP3D_QAUT] = "QAUT",
    [MM_POP3D_WAKE] = "WAKE",           [MM_POP3D_QUIT] = "QUIT",
    [MM_POP3D_BROKEN] = "BROKEN",
};

static void describe_login(const struct mm_pop3d_info *info,
                           enum mm_pop3d_event event, char *text, size_t size)
{
    char data[65536];
    dialogue_escape(info->data.data, info->data.size, data, sizeof data);
    if (event == MM_POP3D_LOGIN) {
        snprintf(text, size, " %.*s %.*s", (int)info->user.size,
                 info->user.data, (int)info->password.size,
                 info->password.data);
    } else if (event == MM_POP3D_APOP) {
        size_t used = (size_t)snprintf(text, size, " %.*s ",
                                       (int)info->user.size, info->user.data);
        for (size_t i = 0; i < info->digest.size && used + 3 < size; i++) {
            used += (size_t)snprintf(text + used, size - used, "%02x",
                                     (unsigned char)info->digest.data[i]);
        }
    } else {
        snprintf(text, size, " %s%s%s", mm_sasl_name(info->mechanism),
                 info->has_data ? " " : "", info->has_data ? data : "");
    }
}

/* " 3" or " UID:text". */
static size_t describe_message(const struct mm_pop3d_info *info, char *text,
                               size_t size)
{
    if (info->unique_id.size > 0) {
        return (size_t)snprintf(text, size, " UID:%.*s",
                                (int)info->unique_id.size,
                                info->unique_id.data);
    }
    return (size_t)snprintf(text, size, " %llu",
                            (unsigned long long)info->number);
}

static void describe(const struct mm_pop3d_info *info,
                     enum mm_pop3d_event event, char *text, size_t size)
{
    size_t used = (size_t)snprintf(text, size, "%s", event_names[event]);
    switch (event) {
    case MM_POP3D_LOGIN:
    case MM_POP3D_APOP:
    case MM_POP3D_AUTH:
    case MM_POP3D_AUTH_DATA:
        describe_login(info, event, text + used, size - used);
        break;
    case MM_POP3D_LIST:
    case MM_POP3D_UIDL:
    case MM_POP3D_RETR:
    case MM_POP3D_DELE:
    case MM_POP3D_DELI:
        if (info->number != 0 || info->unique_id.size > 0) {
            (void)describe_message(info, text + used, size - used);
        }
        break;
    case MM_POP3D_TOP:
        used += describe_message(info, text + used, size - used);
        snprintf(text + used, size - used, " %llu",
                 (unsigned long long)info->lines);
        break;
    case MM_POP3D_BROKEN:
        snprintf(text + used, size - used, " %s", info->text);
        break;
    default:
        break;
    }
}

static bool event_peer(void *engine, char *text_out, size_t size)
{
    struct peer *peer = engine;
    struct mm_pop3d_info info;
    enum mm_pop3d_event event = mm_pop3d_next(peer->engine, &info);
    while (event == MM_POP3D_NEED_ROWS || event == MM_POP3D_NEED_BODY) {
        if (event == MM_POP3D_NEED_ROWS) {
            give_rows(peer);
        } else {
            give_body(peer);
        }
        event = mm_pop3d_next(peer->engine, &info);
    }
    if (event == MM_POP3D_NEED_INPUT) {
        return false;
    }
    describe(&info, event, text_out, size);
    return true;
}

static bool answer_words(struct peer *peer, bool is_ok, const char *words)
{
    char code[64] = "";
    const char *text = words;
    if (words[0] == '[') {
        size_t length = strcspn(words + 1, "]");
        snprintf(code, sizeof code, "%.*s", (int)length, words + 1);
        text = words + 1 + length + 1;
        text += *text == ' ';
    }
    struct mm_pop3_reply reply = {is_ok, code[0] != '\0' ? code : NULL,
                                  text[0] != '\0' ? text : NULL};
    return mm_pop3d_answer(peer->engine, &reply) == MAILMOD_OK;
}

static bool answer_rows(struct peer *peer, const char *rows)
{
    struct mm_pop3d_info info;
    peer->is_uidl = mm_pop3d_next(peer->engine, &info) == MM_POP3D_UIDL;
    snprintf(peer->rows, sizeof peer->rows, "%s", rows);
    peer->row = peer->rows;
    return mm_pop3d_answer(peer->engine, NULL) == MAILMOD_OK;
}

static bool answer_body(struct peer *peer, const char *body, bool is_aborted)
{
    snprintf(peer->body, sizeof peer->body, "%s", body);
    peer->body_size = dialogue_unescape(peer->body, sizeof peer->body);
    peer->body_at = 0;
    peer->is_aborted = is_aborted;
    return peer->body_size != (size_t)-1 &&
           mm_pop3d_answer(peer->engine, NULL) == MAILMOD_OK;
}

static bool answer_row(struct peer *peer, const char *text)
{
    char *id = NULL;
    uint64_t number = strtoull(text, &id, 10);
    id += *id == ' ';
    return mm_pop3d_answer_row(peer->engine, number, strtoull(id, NULL, 10),
                               id) == MAILMOD_OK;
}

static bool answer_stat(struct peer *peer, const char *text)
{
    char *octets = NULL;
    uint64_t count = strtoull(text, &octets, 10);
    return mm_pop3d_answer_stat(peer->engine, count,
                                strtoull(octets, NULL, 10)) == MAILMOD_OK;
}

static bool answer_challenge(struct peer *peer, const char *text)
{
    char octets[65536];
    snprintf(octets, sizeof octets, "%s", text);
    size_t size = dialogue_unescape(octets, sizeof octets);
    return size != (size_t)-1 &&
           mm_pop3d_challenge(peer->engine, mm_span(octets, size)) ==
               MAILMOD_OK;
}

static bool answer_peer(void *engine, const char *answer)
{
    struct peer *peer = engine;
    size_t length = strcspn(answer, " ");
    struct mm_span word = mm_span(answer, length);
    const char *rest = answer + length + (answer[length] == ' ');
    if (mm_span_is(word, "ok") || mm_span_is(word, "err")) {
        return answer_words(peer, answer[0] == 'o', rest);
    }
    if (mm_span_is(word, "rows")) {
        return answer_rows(peer, rest);
    }
    if (mm_span_is(word, "body") || mm_span_is(word, "abort")) {
        return answer_body(peer, rest, answer[0] == 'a');
    }
    if (mm_span_is(word, "row")) {
        return answer_row(peer, rest);
    }
    if (mm_span_is(word, "stat")) {
        return answer_stat(peer, rest);
    }
    if (mm_span_is(word, "challenge")) {
        return answer_challenge(peer, rest);
    }
    return mm_span_is(word, "-") &&
           mm_pop3d_answer(peer->engine, NULL) == MAILMOD_OK;
}

static size_t take_peer(void *engine, char *bytes_out, size_t size)
{
    struct peer *peer = engine;
    struct mm_span output = mm_pop3d_output(peer->engine);
    size_t taken = output.size < size ? output.size : size;
    if (taken > 0) {
        memcpy(bytes_out, output.data, taken);
    }
    mm_pop3d_sent(peer->engine, taken);
    return taken;
}

static bool wait_peer(void *engine, const char *name)
{
    struct peer *peer = engine;
    if (strcmp(name, "tls") == 0) {
        mm_pop3d_tls_begun(peer->engine);
        return true;
    }
    if (strcmp(name, "idle") == 0) {
        return mm_pop3d_close(peer->engine, NULL) == MAILMOD_OK;
    }
    return strcmp(name, "wait") == 0;
}

int main(int argc, char **argv)
{
    static const struct dialogue_peer peer = {
        .open = open_peer,
        .close = close_peer,
        .feed = feed_peer,
        .event = event_peer,
        .answer = answer_peer,
        .take = take_peer,
        .wait = wait_peer,
    };
    return dialogue_main(argc, argv, &peer);
}
