/* milter_link.c - one session's connection to one filter of mail.
 *
 * Owns the connection, the engine, and what the filter wants changed until the
 * session took it. Promises: what the filter is told is in order whatever came
 * between (a message that was given up is aborted, or the connection goes); a
 * filter that hangs, is cut, or speaks something else has failed, and the
 * message gets what the operator wants for that; the next message tries anew.
 * Nothing here calls the session but `on_news`, from a timer of its own.
 *
 * Law of a verdict: it is about a recipient, the message, the HELO name or the
 * session, and holds until the next one of these.
 * Thread: the session's loop. */
#include "server/milter_link.h"

#include "base/limits.h"
#include "base/mem.h"

#include <string.h>

enum level { LEVEL_NONE, LEVEL_RCPT, LEVEL_MESSAGE, LEVEL_HELO, LEVEL_SESSION };
enum told { TOLD_NOTHING, TOLD_CONNECT, TOLD_HELO, TOLD_MAIL };

static void tell_news(struct mm_milter_link *link)
{
    mm_timer_set(&link->news, 0);
}

static void on_news_time(struct mm_timer *timer)
{
    struct mm_milter_link *link =
        MM_LIST_OBJECT(timer, struct mm_milter_link, news);

    link->on_news(link->context);
}

/* ---- the verdict ---- */

static void set_verdict(struct mm_milter_link *link, enum level level,
                        enum mm_milter_word word, const struct mm_reply *reply)
{
    link->level = (int)level;
    link->word = word;
    if (reply != NULL) {
        link->reply = *reply;
    }
}

static void forget_verdict(struct mm_milter_link *link, enum level up_to)
{
    if (link->level <= (int)up_to) {
        link->level = LEVEL_NONE;
    }
}

const struct mm_reply *mm_milter_link_reply(const struct mm_milter_link *link)
{
    return &link->reply;
}

/* ---- the connection ---- */

static void drop_conn(struct mm_milter_link *link)
{
    if (link->conn != NULL) {
        mm_conn_forget(link->conn);
        link->conn = NULL;
    }
    if (link->is_open) {
        mm_milter_fini(&link->engine);
    }
    link->is_open = false;
    link->is_ready = false;
    link->is_asked = false;
    link->told = TOLD_NOTHING;
    mm_timer_cancel(&link->timer);
}

/* It cannot be asked: the operator says what the message gets. */
static void fail(struct mm_milter_link *link, const char *words)
{
    static const struct {
        enum mm_milter_word word;
        enum mm_reply_id reply;
        const char *means;
    } rows[] = {
        [MM_CONFIG_AWAY_TEMPFAIL] = {MM_MILTER_REFUSE, MM_REPLY_FILTER_AWAY,
                                     "mail is put off"},
        [MM_CONFIG_AWAY_ACCEPT] = {MM_MILTER_PASS, MM_REPLY_OK,
                                   "mail passes without it"},
        [MM_CONFIG_AWAY_REJECT] = {MM_MILTER_REFUSE, MM_REPLY_FILTER_GONE,
                                   "mail is refused"},
    };
    enum mm_config_away away = link->settings.away;

    link->is_early = link->told != TOLD_MAIL ||
                     (link->is_asked && link->asked == MM_MILTER_MAIL);
    MM_LOG(link->log, MM_LOG_WARNING, "milter", "filter cannot be asked",
           MM_TEXT("session", link->session),
           MM_TEXT("filter", link->settings.name), MM_TEXT("reason", words),
           MM_TEXT("means", rows[away].means));
    drop_conn(link);
    mm_changes_clear(&link->changes);
    mm_buf_release(&link->body);
    link->has_body = false;
    set_verdict(link, LEVEL_MESSAGE, rows[away].word,
                mm_reply_get(rows[away].reply));
    tell_news(link);
}

static void on_timer(struct mm_timer *timer)
{
    struct mm_milter_link *link =
        MM_LIST_OBJECT(timer, struct mm_milter_link, timer);

    fail(link, link->is_ready ? "it did not answer in time"
                              : "no connection in time");
}

static void await(struct mm_milter_link *link)
{
    bool is_end = link->is_ready && link->asked == MM_MILTER_END;

    mm_timer_set(&link->timer, is_end ? link->settings.end_timeout_ms
                                      : link->settings.timeout_ms);
}

/* What the engine owes, as far as the connection takes it. */
static void flush(struct mm_milter_link *link)
{
    struct mm_span output = mm_milter_output(&link->engine);
    size_t room = mm_conn_write_room(link->conn);
    size_t size = output.size < room ? output.size : room;

    if (size > 0 &&
        mm_conn_write(link->conn, output.data, size) == MAILMOD_OK) {
        mm_milter_sent(&link->engine, size);
    }
}

static void on_open(void *context, struct mm_conn *conn)
{
    struct mm_milter_link *link = context;

    (void)conn;
    mm_milter_init(&link->engine);
    link->is_open = true;
    flush(link);
    await(link);
}

/* ---- what it says ---- */

static void take_change(struct mm_milter_link *link,
                        const struct mm_milter_info *info)
{
    enum mailmod_error error = mm_milter_changes_take(link, info);

    if (error == MAILMOD_ERROR_ARGUMENT) {
        MM_LOG(link->log, MM_LOG_WARNING, "milter",
               "a change that can be none is left out",
               MM_TEXT("session", link->session),
               MM_TEXT("filter", link->settings.name),
               MM_TEXT("name", info->name), MM_TEXT("value", info->value));
    } else if (error != MAILMOD_OK) {
        fail(link, info->change == MM_MILTER_SET_BODY
                       ? "its new body is too large"
                       : "it wants too many changes");
    }
}

static enum level level_of(enum mm_milter_step step)
{
    switch (step) {
    case MM_MILTER_CONNECT:
        return LEVEL_SESSION;
    case MM_MILTER_HELO:
        return LEVEL_HELO;
    case MM_MILTER_RCPT:
        return LEVEL_RCPT;
    case MM_MILTER_MAIL:
    case MM_MILTER_DATA:
    case MM_MILTER_FIELD:
    case MM_MILTER_FIELDS_END:
    case MM_MILTER_BODY:
    case MM_MILTER_END:
        break;
    }
    return LEVEL_MESSAGE;
}

static void set_own_reply(struct mm_milter_link *link,
                          const struct mm_milter_info *info)
{
    (void)mm_span_copy(mm_span_cstr(info->text), link->reply_text,
                       sizeof link->reply_text);
    /* Its enhanced code, if any, is in the text. */
    link->reply = (struct mm_reply){info->code, NULL, link->reply_text};
}

static void take_answer(struct mm_milter_link *link,
                        const struct mm_milter_info *info)
{
    enum level level = level_of(link->asked);
    enum level at_least_message = level == LEVEL_RCPT ? LEVEL_MESSAGE : level;

    link->is_asked = false;
    link->is_early = link->asked <= MM_MILTER_MAIL;
    if (link->asked == MM_MILTER_END) {
        link->told = TOLD_HELO; /* the message is over for it */
        link->has_ended = true;
    }
    switch (info->answer) {
    case MM_MILTER_CONTINUE:
        break;
    case MM_MILTER_SKIP:
        link->skips_body = true;
        break;
    case MM_MILTER_ACCEPT:
        set_verdict(link, at_least_message, MM_MILTER_PASS, NULL);
        break;
    case MM_MILTER_DISCARD:
        set_verdict(link, at_least_message, MM_MILTER_DROP, NULL);
        break;
    case MM_MILTER_REJECT:
        set_verdict(link, level, MM_MILTER_REFUSE,
                    mm_reply_get(MM_REPLY_FILTER_REFUSES));
        break;
    case MM_MILTER_TEMPFAIL:
        set_verdict(link, level, MM_MILTER_REFUSE,
                    mm_reply_get(MM_REPLY_FILTER_DEFERS));
        break;
    case MM_MILTER_REPLY:
        set_own_reply(link, info);
        set_verdict(link, level, MM_MILTER_REFUSE, NULL);
        break;
    }
}

/* One event of the engine; false: it needs more octets, or has failed. */
static bool take_event(struct mm_milter_link *link)
{
    struct mm_milter_info info;

    switch (mm_milter_next(&link->engine, &info)) {
    case MM_MILTER_NEED_INPUT:
        return false;
    case MM_MILTER_READY:
        link->is_ready = true;
        mm_timer_cancel(&link->timer);
        tell_news(link);
        break;
    case MM_MILTER_ANSWER:
        mm_timer_cancel(&link->timer);
        take_answer(link, &info);
        tell_news(link);
        break;
    case MM_MILTER_CHANGE:
        take_change(link, &info);
        break;
    case MM_MILTER_PROGRESS:
        await(link);
        break;
    case MM_MILTER_BROKEN:
        fail(link, mm_milter_failure(&link->engine));
        break;
    }
    return link->is_open;
}

static size_t on_input(void *context, struct mm_conn *conn, const char *bytes,
                       size_t size)
{
    struct mm_milter_link *link = context;
    struct mm_span rest = mm_span(bytes, size);

    (void)conn;
    while (link->is_open && rest.size > 0) {
        rest = mm_span_from(rest, mm_milter_feed(&link->engine, rest));
        while (take_event(link)) {
        }
    }
    return size;
}

static void on_drained(void *context, struct mm_conn *conn)
{
    struct mm_milter_link *link = context;

    (void)conn;
    flush(link);
    tell_news(link);
}

static void on_closed(void *context, struct mm_conn *conn,
                      enum mailmod_error reason)
{
    struct mm_milter_link *link = context;
    bool was_asked = link->is_asked || !link->is_ready;

    (void)conn;
    link->conn = NULL;
    if (was_asked || link->told == TOLD_MAIL) {
        fail(link, mm_error_text(reason == MAILMOD_OK ? MAILMOD_ERROR_CLOSED
                                                      : reason));
    } else {
        drop_conn(link); /* between two messages: the next one dials anew */
    }
}

static const struct mm_conn_handler handler = {.on_open = on_open,
                                               .on_input = on_input,
                                               .on_drained = on_drained,
                                               .on_closed = on_closed};

/* QUIT is on its way, and nothing more is to be heard. */
static size_t take_nothing(void *context, struct mm_conn *conn,
                           const char *bytes, size_t size)
{
    (void)context;
    (void)conn;
    (void)bytes;
    return size;
}

static void let_go(void *context, struct mm_conn *conn,
                   enum mailmod_error reason)
{
    (void)context;
    (void)conn;
    (void)reason;
}

static const struct mm_conn_handler deaf_handler = {.on_input = take_nothing,
                                                    .on_closed = let_go};

static void dial(struct mm_milter_link *link)
{
    const struct mm_dial_options options = {
        .address = link->settings.address,
        .local_path =
            link->settings.path[0] != '\0' ? link->settings.path : NULL,
        .timeout_ms = link->settings.timeout_ms};
    enum mailmod_error error =
        mm_dial(link->loop, &options, &handler, link, &link->conn);

    if (error != MAILMOD_OK) {
        fail(link, mm_error_text(error));
    } else {
        await(link);
    }
}

/* ---- what it is told ---- */

static void was_told(struct mm_milter_link *link, enum mm_milter_step step)
{
    link->asked = step;
    link->is_asked = mm_milter_is_waiting(&link->engine);
    flush(link);
    if (link->is_asked) {
        await(link);
    }
}

static void tell_connect(struct mm_milter_link *link,
                         const struct mm_milter_facts *facts)
{
    const struct mm_milter_macro macros[] = {{"j", facts->host_name},
                                             {"v", "mailmod"},
                                             {"{daemon_name}", facts->service}};

    mm_milter_connect(&link->engine, facts->client_name, facts->client, macros,
                      sizeof macros / sizeof macros[0]);
    was_told(link, MM_MILTER_CONNECT);
}

static void tell_helo(struct mm_milter_link *link,
                      const struct mm_milter_facts *facts)
{
    struct mm_span version;
    struct mm_span cipher;
    char texts[2][64];

    (void)mm_span_cut(mm_span_cstr(facts->tls), ' ', &version, &cipher);
    bool is_tls = version.size > 0 &&
                  mm_span_copy(version, texts[0], sizeof texts[0]) &&
                  mm_span_copy(cipher, texts[1], sizeof texts[1]);
    const struct mm_milter_macro macros[] = {
        {"{tls_version}", is_tls ? texts[0] : NULL},
        {"{cipher}", is_tls ? texts[1] : NULL}};

    mm_milter_helo(&link->engine, facts->helo, macros, is_tls ? 2 : 0);
    was_told(link, MM_MILTER_HELO);
}

static void tell_mail(struct mm_milter_link *link,
                      const struct mm_milter_facts *facts)
{
    const struct mm_milter_macro macros[] = {
        {"i", facts->message},
        {"{mail_addr}", facts->reverse_path},
        {"{auth_authen}", facts->user}};

    mm_milter_path(&link->engine, MM_MILTER_MAIL, facts->reverse_path,
                   facts->parameters, macros, sizeof macros / sizeof macros[0]);
    was_told(link, MM_MILTER_MAIL);
}

static void tell_next(struct mm_milter_link *link,
                      const struct mm_milter_facts *facts)
{
    switch (link->told++) {
    case TOLD_NOTHING:
        if (mm_milter_wants(&link->engine, MM_MILTER_CONNECT)) {
            tell_connect(link, facts);
        }
        break;
    case TOLD_CONNECT:
        if (mm_milter_wants(&link->engine, MM_MILTER_HELO)) {
            tell_helo(link, facts);
        }
        break;
    default:
        if (mm_milter_wants(&link->engine, MM_MILTER_MAIL)) {
            tell_mail(link, facts);
        }
        break;
    }
}

/* Whether there is a verdict of the message's or above, or the filter is ready
 * for what comes behind MAIL: else it is not yet known. */
static bool is_settled(struct mm_milter_link *link,
                       const struct mm_milter_facts *facts)
{
    link->session = facts->session;
    while (link->level < LEVEL_MESSAGE) {
        if (link->conn == NULL) {
            dial(link);
        }
        if (link->level >= LEVEL_MESSAGE) {
            break;
        }
        if (!link->is_ready || link->is_asked ||
            !mm_milter_can_send(&link->engine)) {
            return false;
        }
        if (link->told == TOLD_MAIL) {
            return true;
        }
        tell_next(link, facts);
    }
    return true;
}

enum mm_milter_word mm_milter_link_mail(struct mm_milter_link *link,
                                        const struct mm_milter_facts *facts)
{
    if (!is_settled(link, facts)) {
        return MM_MILTER_WAIT;
    }
    return link->level >= LEVEL_MESSAGE ? link->word : MM_MILTER_PASS;
}

/* It was said at RCPT, and who is here all the same is postmaster's (RFC 5321
 * 4.5.1). */
static bool is_early_refusal(const struct mm_milter_link *link)
{
    return link->is_early && link->word == MM_MILTER_REFUSE &&
           link->level >= LEVEL_MESSAGE;
}

enum mm_milter_word mm_milter_link_rcpt(struct mm_milter_link *link,
                                        const struct mm_milter_facts *facts)
{
    const struct mm_milter_macro macros[] = {{"i", facts->message},
                                             {"{rcpt_addr}", facts->recipient}};

    if (!is_settled(link, facts)) {
        return MM_MILTER_WAIT;
    }
    if (link->level == LEVEL_NONE && !link->told_rcpt) {
        link->told_rcpt = true;
        if (mm_milter_wants(&link->engine, MM_MILTER_RCPT)) {
            mm_milter_path(&link->engine, MM_MILTER_RCPT, facts->recipient, "",
                           macros, sizeof macros / sizeof macros[0]);
            was_told(link, MM_MILTER_RCPT);
        }
    }
    if (link->level == LEVEL_NONE && link->is_asked) {
        return MM_MILTER_WAIT;
    }
    return link->level != LEVEL_NONE && !is_early_refusal(link)
               ? link->word
               : MM_MILTER_PASS;
}

void mm_milter_link_rcpt_over(struct mm_milter_link *link)
{
    link->told_rcpt = false;
    forget_verdict(link, LEVEL_RCPT);
}

static void tell_plain(struct mm_milter_link *link,
                       const struct mm_milter_facts *facts,
                       enum mm_milter_step step)
{
    const struct mm_milter_macro macros[] = {{"i", facts->message}};

    if (mm_milter_wants(&link->engine, step)) {
        mm_milter_plain(&link->engine, step, macros, 1);
        was_told(link, step);
    }
}

static void tell_item(struct mm_milter_link *link,
                      const struct mm_milter_facts *facts,
                      enum mm_milter_item item, const char *name,
                      struct mm_span value)
{
    switch (item) {
    case MM_MILTER_ITEM_NONE:
        break;
    case MM_MILTER_ITEM_FIELD:
        if (mm_milter_wants(&link->engine, MM_MILTER_FIELD)) {
            bool has_blank = value.size > 0 && value.data[0] == ' ' &&
                             !mm_milter_wants_blank(&link->engine);
            mm_milter_field(&link->engine, name,
                            mm_span_from(value, has_blank ? 1 : 0));
            was_told(link, MM_MILTER_FIELD);
        }
        break;
    case MM_MILTER_ITEM_FIELDS_END:
        tell_plain(link, facts, MM_MILTER_FIELDS_END);
        break;
    case MM_MILTER_ITEM_BODY:
        if (!link->skips_body &&
            mm_milter_wants(&link->engine, MM_MILTER_BODY)) {
            mm_milter_body(&link->engine, value);
            was_told(link, MM_MILTER_BODY);
        }
        break;
    }
}

/* It is not shown the rest, and has no say. */
static void pass_large(struct mm_milter_link *link)
{
    MM_LOG(link->log, MM_LOG_INFO, "milter",
           "message is larger than the filter's size_max",
           MM_TEXT("session", link->session),
           MM_TEXT("filter", link->settings.name));
    mm_milter_abort(&link->engine);
    flush(link);
    link->told = TOLD_HELO;
    set_verdict(link, LEVEL_MESSAGE, MM_MILTER_PASS, NULL);
}

/* The next item of the data; false: all of it was told. */
static bool tell_data(struct mm_milter_link *link,
                      const struct mm_milter_facts *facts, struct mm_span *data,
                      bool is_end)
{
    const char *name;
    struct mm_span value;
    enum mailmod_error error;
    size_t before = data->size;

    if (!link->told_data) {
        link->told_data = true;
        tell_plain(link, facts, MM_MILTER_DATA);
        return true;
    }
    if (!link->has_text) {
        link->has_text = true;
        mm_milter_text_init(&link->text);
    }
    enum mm_milter_item item =
        mm_milter_text_next(&link->text, data, is_end, &name, &value, &error);
    if (error != MAILMOD_OK) {
        fail(link, mm_error_text(error));
        return false;
    }
    link->octets += before - data->size;
    if (link->settings.size_max != 0 &&
        link->octets > link->settings.size_max) {
        pass_large(link);
        return false;
    }
    tell_item(link, facts, item, name, value);
    return item != MM_MILTER_ITEM_NONE;
}

bool mm_milter_link_data(struct mm_milter_link *link,
                         const struct mm_milter_facts *facts,
                         struct mm_span data)
{
    struct mm_span rest = mm_span_from(data, link->offered);
    bool goes_on = true;

    while (goes_on) {
        if (!is_settled(link, facts)) {
            return false;
        }
        goes_on =
            link->level < LEVEL_MESSAGE && tell_data(link, facts, &rest, false);
        link->offered = data.size - rest.size;
    }
    link->offered = 0;
    return true;
}

enum mm_milter_word mm_milter_link_end(struct mm_milter_link *link,
                                       const struct mm_milter_facts *facts)
{
    struct mm_span none = mm_span("", 0);

    while (link->level < LEVEL_MESSAGE && !link->has_ended) {
        if (!is_settled(link, facts)) {
            return MM_MILTER_WAIT;
        }
        if (link->level >= LEVEL_MESSAGE || link->has_ended) {
            break;
        }
        if (!link->told_end && !tell_data(link, facts, &none, true) &&
            link->level < LEVEL_MESSAGE) {
            link->told_end = true;
            tell_plain(link, facts, MM_MILTER_END);
        }
    }
    return link->level >= LEVEL_MESSAGE && !is_early_refusal(link)
               ? link->word
               : MM_MILTER_PASS;
}

/* ---- life ---- */

void mm_milter_link_forget_message(struct mm_milter_link *link)
{
    if (link->told == TOLD_MAIL && link->is_ready && !link->is_asked &&
        mm_milter_can_send(&link->engine)) {
        mm_milter_abort(&link->engine);
        flush(link);
        link->told = TOLD_HELO;
    } else if (link->told == TOLD_MAIL) {
        drop_conn(link); /* its answer would be taken for another's */
    }
    if (link->has_text) {
        mm_milter_text_fini(&link->text);
    }
    link->has_text = false;
    link->told_data = false;
    link->told_end = false;
    link->told_rcpt = false;
    link->has_ended = false;
    link->skips_body = false;
    link->octets = 0;
    link->offered = 0;
    mm_changes_clear(&link->changes);
    mm_buf_release(&link->body);
    link->has_body = false;
    link->has_cr = false;
    link->body_used = 0;
    link->has_piece = false;
    link->is_body_begun = false;
    link->is_carried_out = false;
    forget_verdict(link, LEVEL_MESSAGE);
}

void mm_milter_link_forget_helo(struct mm_milter_link *link)
{
    mm_milter_link_forget_message(link);
    forget_verdict(link, LEVEL_HELO);
    if (link->told == TOLD_HELO && !link->is_asked) {
        link->told = TOLD_CONNECT;
    } else if (link->told == TOLD_HELO) {
        drop_conn(link);
    }
}

enum mailmod_error mm_milter_link_open(struct mm_milter_link *link)
{
    link->session = "";
    mm_changes_init(&link->changes);
    mm_buf_init(&link->body, MM_LIMIT_NEW_BODY);
    enum mailmod_error error =
        mm_timer_open(&link->timer, link->loop, on_timer);
    if (error == MAILMOD_OK) {
        error = mm_timer_open(&link->news, link->loop, on_news_time);
    }
    return error;
}

void mm_milter_link_close(struct mm_milter_link *link)
{
    mm_milter_link_forget_message(link);
    if (link->is_ready && !link->is_asked &&
        mm_milter_can_send(&link->engine)) {
        mm_milter_quit(&link->engine);
        flush(link);
        mm_conn_set_handler(link->conn, &deaf_handler, NULL);
        mm_conn_close(link->conn);
        link->conn = NULL;
    }
    drop_conn(link);
    mm_timer_close(&link->timer);
    mm_timer_close(&link->news);
}
