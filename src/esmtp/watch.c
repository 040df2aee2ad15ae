/* watch.c - what a program hears while its session runs.
 *
 * Owns nothing; it works on a session. Connections begin and end with the lines
 * that go over them: mailmod tells no event for either. Promises: each
 * SMTP_EV_CONNECT has its SMTP_EV_DISCONNECT; no secret and nothing of a body
 * reaches the monitor. Thread: that of smtp_start_session. */
#include "esmtp/esmtp.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

/* OpenSSL's X509_V_ERR_UNSPECIFIED: mailmod has words for the cause. */
#define VERIFY_UNSPECIFIED 1L

/* ---- events -------------------------------------------------------------- */

void mm_esmtp_say(smtp_session_t session, int number)
{
    if (session->event != NULL) {
        session->event(session, number, session->event_arg);
    }
}

static enum mailmod_client_decision stop(smtp_session_t session)
{
    session->watch.has_stopped = true;
    return MAILMOD_CLIENT_STOP;
}

/* Without a program's word what was asked for and is not there ends it, but for
 * reports of delivery. */
static enum mailmod_client_decision
on_missing(smtp_session_t session, smtp_message_t message, unsigned missing)
{
    int quits = 0;

    if ((missing & MAILMOD_CLIENT_8BITMIME) != 0 &&
        message->body == E8bitmime_8BITMIME) {
        mm_esmtp_say(session, SMTP_EV_EXTNA_8BITMIME);
        return stop(session);
    }
    if ((missing & MAILMOD_CLIENT_BINARYMIME) != 0) {
        mm_esmtp_say(session, SMTP_EV_EXTNA_BINARYMIME);
        return stop(session);
    }
    if ((missing & MAILMOD_CLIENT_DSN) != 0 && session->event != NULL) {
        session->event(session, SMTP_EV_EXTNA_DSN, session->event_arg, &quits);
    }
    return quits ? stop(session) : MAILMOD_CLIENT_AS_SET;
}

static enum mailmod_client_decision on_certificate(smtp_session_t session)
{
    int is_good = 0;

    if (session->event != NULL) {
        session->event(session, SMTP_EV_INVALID_PEER_CERTIFICATE,
                       session->event_arg, VERIFY_UNSPECIFIED, &is_good, NULL);
    }
    return is_good ? MAILMOD_CLIENT_GO_ON : stop(session);
}

/* The program may give the message the time that the server wants. */
static enum mailmod_client_decision on_expired(smtp_session_t session,
                                               int64_t seconds)
{
    int adjusts = 0;

    if (session->event != NULL) {
        session->event(session, SMTP_EV_DELIVERBY_EXPIRED, session->event_arg,
                       (long)seconds, &adjusts);
    }
    return adjusts ? MAILMOD_CLIENT_GO_ON : MAILMOD_CLIENT_AS_SET;
}

/* `octets` of the text went out in all. */
static void on_sending(smtp_session_t session, smtp_message_t message,
                       uint64_t octets)
{
    while (octets > message->told) {
        uint64_t more = octets - message->told;
        int step = more < INT_MAX ? (int)more : INT_MAX;

        message->told += (uint64_t)step;
        session->event(session, SMTP_EV_MESSAGEDATA, session->event_arg,
                       message, step);
    }
    /* A further attempt begins anew. */
    message->told = octets;
}

static void tell(smtp_session_t session, smtp_message_t message,
                 const struct mailmod_client_event *event)
{
    smtp_recipient_t recipient;

    switch (event->kind) {
    case MAILMOD_CLIENT_PROGRESS:
        if (event->progress == MAILMOD_SENDING) {
            on_sending(session, message, event->octets);
        }
        break;
    case MAILMOD_CLIENT_REVERSE_PATH:
        session->event(session, SMTP_EV_MAILSTATUS, session->event_arg,
                       message->reverse_path, message);
        break;
    case MAILMOD_CLIENT_RECIPIENT:
        recipient = mailmod_client_recipient_context(event->recipient);
        session->event(session, SMTP_EV_RCPTSTATUS, session->event_arg,
                       recipient->mailbox, recipient);
        break;
    case MAILMOD_CLIENT_TRANSFERRED:
        session->event(session, SMTP_EV_MESSAGESENT, session->event_arg,
                       message);
        break;
    default:
        break;
    }
}

enum mailmod_client_decision
mm_esmtp_on_event(void *context, const struct mailmod_client_event *event)
{
    smtp_session_t session = context;
    smtp_message_t message = mailmod_client_message_context(event->message);

    if (event->kind == MAILMOD_CLIENT_MISSING) {
        return on_missing(session, message, event->missing);
    }
    if (event->kind == MAILMOD_CLIENT_CERTIFICATE) {
        return on_certificate(session);
    }
    if (event->kind == MAILMOD_CLIENT_EXPIRED) {
        return on_expired(session, event->seconds);
    }
    if (session->event != NULL) {
        tell(session, message, event);
    }
    return MAILMOD_CLIENT_AS_SET;
}

/* ---- connections --------------------------------------------------------- */

void mm_esmtp_watch_end(smtp_session_t session)
{
    struct mm_esmtp_watch *watch = &session->watch;

    if (watch->is_connected) {
        watch->is_connected = false;
        watch->is_leaving = false;
        mm_esmtp_say(session, SMTP_EV_DISCONNECT);
    }
}

/* A reply to EHLO that offers AUTH, in the old spelling too. */
static bool is_auth(const char *line, size_t size)
{
    char word[6];

    if (size < 8 || memcmp(line, "250", 3) != 0) {
        return false;
    }
    memcpy(word, line + 4, 4);
    word[4] = '\0';
    return mm_esmtp_is_name(word, "AUTH");
}

static void on_received(smtp_session_t session, const char *line, size_t size)
{
    struct mm_esmtp_watch *watch = &session->watch;
    bool is_greeting =
        size >= 4 && memcmp(line, "220", 3) == 0 && !watch->is_in_starttls;

    if (watch->is_connected && is_greeting && !watch->is_greeted_on) {
        mm_esmtp_watch_end(session);
    }
    watch->is_greeted_on = is_greeting && line[3] == '-';
    if (!watch->is_connected) {
        watch->is_connected = true;
        watch->has_talked = true;
        mm_esmtp_say(session, SMTP_EV_CONNECT);
    }
    watch->is_in_starttls = false;
    watch->offers_auth = watch->offers_auth || is_auth(line, size);
}

/* ---- the monitor --------------------------------------------------------- */

static void show(smtp_session_t session, const char *octets, size_t size,
                 int way)
{
    while (session->monitor != NULL && size > 0) {
        int step = size < INT_MAX ? (int)size : INT_MAX;

        session->monitor(octets, step, way, session->monitor_arg);
        octets += step;
        size -= (size_t)step;
    }
}

/* Pieces of a text: all before its first empty line. */
static void show_header(smtp_session_t session, const char *octets, size_t size)
{
    struct mm_esmtp_watch *watch = &session->watch;
    size_t at = 0;

    while (watch->is_in_header && at < size) {
        const char *end = memchr(octets + at, '\n', size - at);
        size_t stop_at = end != NULL ? (size_t)(end - octets) + 1 : size;
        bool is_empty = !watch->is_line_begun && stop_at - at <= 2 &&
                        (octets[at] == '\r' || octets[at] == '\n');

        if (is_empty) {
            watch->is_in_header = false;
        } else {
            show(session, octets + at, stop_at - at, SMTP_CB_HEADERS);
            watch->is_line_begun = end == NULL;
            at = stop_at;
        }
    }
}

static void show_line(smtp_session_t session,
                      const struct mailmod_client_line *line, int way)
{
    char whole[MM_ESMTP_TEXT_MAX + sizeof " ***\r\n"];
    size_t size =
        line->count < MM_ESMTP_TEXT_MAX ? line->count : MM_ESMTP_TEXT_MAX;

    if (session->monitor == NULL) {
        return;
    }
    memcpy(whole, line->octets, size);
    if (line->is_masked) {
        memcpy(whole + size, " ***", 4);
        size += 4;
    }
    memcpy(whole + size, "\r\n", 2);
    show(session, whole, size + 2, way);
}

void mm_esmtp_on_line(void *context, const struct mailmod_client_line *line)
{
    smtp_session_t session = context;
    struct mm_esmtp_watch *watch = &session->watch;

    switch (line->way) {
    case MAILMOD_CLIENT_RECEIVED:
        on_received(session, line->octets, line->count);
        show_line(session, line, SMTP_CB_READING);
        if (watch->is_leaving) {
            mm_esmtp_watch_end(session);
        }
        break;
    case MAILMOD_CLIENT_SENT:
        watch->is_leaving =
            line->count == 4 && memcmp(line->octets, "QUIT", 4) == 0;
        watch->is_in_starttls =
            line->count == 8 && memcmp(line->octets, "STARTTLS", 8) == 0;
        show_line(session, line, SMTP_CB_WRITING);
        break;
    case MAILMOD_CLIENT_TEXT:
        show_header(session, line->octets, line->count);
        break;
    }
}
