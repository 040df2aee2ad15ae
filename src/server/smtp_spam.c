/* smtp_spam.c - bodies of refused spam are known when they come again.
 *
 * Owns the hash of the body on its way; what is remembered is the store's, so
 * it outlives a restart, and is bounded with all sightings. Promises: nothing
 * is hashed while spam.memory is off, or for those who are exempt; white space
 * does not count, and no octet of a body is kept; a body is remembered when its
 * message was refused as spam by somebody else, never because it was known.
 * Thread: the session's loop. */
#include "server/smtp_session.h"

#include "post/directory.h"
#include "server/server_internal.h"
#include "server/sightings.h"
#include "wire/msg/header_edit.h"

#include <string.h>

#define PIECE_SIZE 512

void mm_smtp_spam_begin(struct mm_smtp_session *smtp)
{
    const struct mm_session *session = &smtp->base;
    const struct mm_config *config = mm_session_config(session);

    smtp->spam.is_on = config->spam.memory != MM_CONFIG_SPAM_OFF &&
                       session->service == MM_SERVICE_SMTP &&
                       session->peer_origin != MM_PEER_HIDDEN &&
                       !smtp->is_logged_in &&
                       !mm_session_is_from(session, &config->spam.exempt) &&
                       mm_sha256_begin(&smtp->spam.hash) == MAILMOD_OK;
}

void mm_smtp_spam_forget(struct mm_smtp_session *smtp)
{
    mm_sha256_drop(&smtp->spam.hash);
    smtp->spam = (struct mm_smtp_spam){.is_on = false};
}

/* The octets of the body: RFC 5322 2.1, behind the first empty line. */
static struct mm_span skip_header(struct mm_smtp_spam *spam,
                                  struct mm_span data)
{
    size_t at = 0;

    for (; at < data.size && !spam->is_in_body; at++) {
        if (data.data[at] == '\n') {
            spam->is_in_body = !spam->has_line;
            spam->has_line = false;
        } else if (data.data[at] != '\r') {
            spam->has_line = true;
        }
    }
    return mm_span_from(data, at);
}

static bool is_white(char octet)
{
    return octet == ' ' || octet == '\t' || octet == '\r' || octet == '\n';
}

/* What cannot be hashed is not known, and not remembered. */
static void add(struct mm_smtp_spam *spam, const char *piece, size_t size)
{
    spam->size += size;
    if (size > 0 &&
        mm_sha256_add(&spam->hash, mm_span(piece, size)) != MAILMOD_OK) {
        spam->is_on = false;
    }
}

void mm_smtp_spam_body(struct mm_smtp_session *smtp, struct mm_span data)
{
    struct mm_smtp_spam *spam = &smtp->spam;
    char piece[PIECE_SIZE];
    size_t size = 0;

    if (!spam->is_on) {
        return;
    }
    struct mm_span body = skip_header(spam, data);
    for (size_t i = 0; i < body.size && spam->is_on; i++) {
        if (!is_white(body.data[i])) {
            piece[size++] = body.data[i];
        }
        if (size == sizeof piece) {
            add(spam, piece, size);
            size = 0;
        }
    }
    if (spam->is_on) {
        add(spam, piece, size);
    }
}

/* RFC 5321 4.5.1: what is for postmaster alone is let in. It refuses nobody. */
enum mm_judgement mm_smtp_spam_hears_recipient(void *subject,
                                               struct mm_finding *finding)
{
    struct mm_smtp_session *smtp = subject;

    (void)finding;
    if (mm_directory_is_postmaster(smtp->info->path)) {
        smtp->spam.has_postmaster = true;
    } else {
        smtp->spam.has_others = true;
    }
    if (smtp->lists.found == MM_RULE_WHITE) {
        smtp->spam.is_white = true;
    }
    return MM_JUDGE_PASS;
}

/* Once a message. False: it has no body that counts. */
static bool finish_hash(struct mm_smtp_spam *spam)
{
    uint8_t digest[MM_SHA256_SIZE];

    if (!spam->is_on || spam->is_hashed) {
        return spam->is_on && spam->key[0] != '\0';
    }
    spam->is_hashed = true;
    if (spam->size >= MM_LIMIT_SPAM_BODY_MIN &&
        mm_sha256_end(&spam->hash, digest) == MAILMOD_OK) {
        mm_hex(digest, sizeof digest, spam->key);
    }
    return spam->key[0] != '\0';
}

/* What is over is not found. */
static bool find(const struct mm_smtp_session *smtp,
                 struct mm_store_sighting *sighting_out)
{
    return mm_store_find_sighting(smtp->base.server->store, MM_SIGHTING_SPAM,
                                  smtp->spam.key, sighting_out) == MAILMOD_OK &&
           sighting_out->until_ms > mm_loop_wall_ms(smtp->base.loop);
}

static void log_spam(const struct mm_smtp_session *smtp, const char *event)
{
    MM_LOG(mm_smtp_log(smtp), MM_LOG_INFO, "smtp", event,
           MM_TEXT("session", smtp->base.identifier),
           MM_TEXT("peer", smtp->base.peer_text),
           MM_TEXT("message", mm_deposit_identifier(smtp->deposit)),
           MM_TEXT("body", smtp->spam.key));
}

static void remember(struct mm_smtp_session *smtp)
{
    int64_t now_ms = mm_loop_wall_ms(smtp->base.loop);
    struct mm_store_sighting sighting;

    if (!find(smtp, &sighting)) {
        sighting = (struct mm_store_sighting){.kind = MM_SIGHTING_SPAM,
                                              .first_ms = now_ms};
        memcpy(sighting.key, smtp->spam.key, sizeof smtp->spam.key);
    }
    sighting.last_ms = now_ms;
    sighting.until_ms =
        now_ms + (int64_t)mm_session_config(&smtp->base)->spam.time_ms;
    sighting.count++;
    mm_sighting_write(
        smtp->base.server->store, &sighting,
        &(struct mm_sighting_options){.sweep_rows = MM_SIGHTING_SWEEP_ROWS});
    log_spam(smtp, "spam remembered");
}

static void write_known(const void *subject, struct mm_buf *out)
{
    (void)subject;
    (void)mm_buf_append_cstr(out, MM_HEADER_BLOCKLIST ": known spam\r\n");
}

/* Is asked again while somebody else has not decided. */
enum mm_judgement mm_smtp_spam_judges_message(void *subject,
                                              struct mm_finding *finding)
{
    struct mm_smtp_session *smtp = subject;
    struct mm_smtp_spam *spam = &smtp->spam;
    struct mm_store_sighting sighting;
    enum mm_config_spam mode = mm_session_config(&smtp->base)->spam.memory;

    if (mode == MM_CONFIG_SPAM_OFF || !finish_hash(spam) || spam->is_white ||
        !spam->has_others) {
        return MM_JUDGE_PASS;
    }
    if (!spam->is_judged) {
        spam->is_judged = true;
        spam->is_known = spam->has_trap || find(smtp, &sighting);
        if (spam->has_trap) {
            remember(smtp);
        } else if (spam->is_known) {
            log_spam(smtp, "known spam");
        }
    }
    if (!spam->is_known) {
        return MM_JUDGE_PASS;
    }
    if (mode == MM_CONFIG_SPAM_TAG) {
        mm_finding_add(finding, (struct mm_effect){.kind = MM_EFFECT_FIELD,
                                                   .write = write_known});
        return MM_JUDGE_PASS;
    }
    finding->reply = mm_reply_get(MM_REPLY_KNOWN_SPAM);
    return MM_JUDGE_REPLY;
}

/* RFC 3463 3.8, X.7.1: the message is refused by its receiver's policy. A
 * filter's own words have the code in the text. */
static bool is_as_spam(const struct mm_reply *reply)
{
    const char *enhanced =
        reply->enhanced != NULL ? reply->enhanced : reply->text;

    return reply->code >= 500 && enhanced != NULL &&
           reply != mm_reply_get(MM_REPLY_KNOWN_SPAM) &&
           strncmp(enhanced, "5.7.1", 5) == 0 &&
           (enhanced[5] == '\0' || enhanced[5] == ' ');
}

void mm_smtp_spam_refused(struct mm_smtp_session *smtp,
                          const struct mm_reply *reply)
{
    if (is_as_spam(reply) && finish_hash(&smtp->spam) && !smtp->spam.is_white) {
        remember(smtp);
    }
}
