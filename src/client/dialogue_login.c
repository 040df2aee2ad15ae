/* dialogue_login.c - the login of a delivery: which mechanism, with what.
 *
 * Owns nothing of its own; it works on a delivery. Promises: a password is said
 * once an attempt, by one mechanism (S23); a token that the host refuses is
 * replaced by a new one, once; a host that did not prove itself gets no mail;
 * and what failed is told with the mechanism and in the host's words.
 * Thread: loop. RFC 4954 4, 6; RFC 7628 3.2.3. */
#include "client/delivery_internal.h"

#include "crypto/crypto.h"

#include <stdio.h>
#include <string.h>

/* Of what the host offers none can be used: why. */
static const char *unusable_words(const struct mm_relay *relay,
                                  unsigned offered)
{
    if (offered == 0) {
        return "no mechanism that is known here";
    }
    if (relay->mechanisms != 0) {
        return "none of the mechanisms that are set";
    }
    return relay->has_token ? "no mechanism that takes a token"
                            : "no mechanism that takes a password";
}

/* S13: why no login was even begun. */
void mm_dialogue_fail_without_login(struct mm_delivery *delivery)
{
    const struct mm_smtpc_extensions *offered =
        mm_smtpc_extensions(delivery->engine);
    const struct mm_relay *relay = &delivery->options.relay;
    char words[300];
    if (offered->auth[0] == '\0') {
        mm_delivery_fail_host(delivery, MAILMOD_ERROR_UNSUPPORTED, "4.7.8",
                              "the host offers no AUTH", true);
        return;
    }
    bool is_usable = (offered->mechanisms & mm_relay_mechanisms(relay)) != 0;
    if (snprintf(words, sizeof words, "no login: %s; the host offers AUTH %s",
                 is_usable ? "a password or token goes under TLS alone"
                           : unusable_words(relay, offered->mechanisms),
                 offered->auth) < 0) {
        words[0] = '\0';
    }
    mm_delivery_fail_host(delivery,
                          is_usable ? MAILMOD_ERROR_TLS_UNAVAILABLE
                                    : MAILMOD_ERROR_UNSUPPORTED,
                          "4.7.8", words, true);
}

static enum mailmod_error begin(struct mm_delivery *delivery,
                                unsigned mechanisms, const char *secret)
{
    uint64_t number = mm_store_new_message_id(delivery->options.store);
    uint8_t nonce[MM_SHA256_SIZE];
    enum mailmod_error error = mm_hmac_sha256(
        mm_span((const char *)delivery->options.secret, MM_SHA256_SIZE),
        mm_span((const char *)&number, sizeof number), nonce);
    return error == MAILMOD_OK
               ? mm_login_begin(
                     &delivery->login, mm_login_over_smtp(delivery->engine),
                     mechanisms, delivery->options.relay.user, secret, nonce)
               : error;
}

/* The relay's other addresses want the same one. */
void mm_dialogue_no_token(struct mm_delivery *delivery,
                          enum mailmod_error error, const char *text)
{
    char words[200];
    if (snprintf(words, sizeof words, "AUTH %s: %s",
                 mm_sasl_name((delivery->bearers & MM_SASL_OAUTHBEARER) != 0
                                  ? MM_SASL_OAUTHBEARER
                                  : MM_SASL_XOAUTH2),
                 text) < 0) {
        words[0] = '\0';
    }
    mm_delivery_fail_host(delivery, error, "4.7.8", words, true);
    mm_delivery_conclude(delivery, &delivery->failure);
    mm_delivery_leave(delivery, MM_AFTER_GONE, true);
}

/* R23: it is worth something for a while only, so that each login asks. */
static bool ask_token(struct mm_delivery *delivery, unsigned bearers)
{
    delivery->bearers = bearers;
    enum mailmod_error error = mm_delivery_ask_token(delivery);
    if (error != MAILMOD_OK) {
        mm_dialogue_no_token(delivery, error,
                             error == MAILMOD_ERROR_STATE
                                 ? "nobody gives tokens here"
                                 : mm_error_text(error));
    }
    return false;
}

void mm_dialogue_token_given(struct mm_delivery *delivery)
{
    const struct mm_token_question *question = &delivery->question;
    char words[160];
    enum mailmod_error error = question->error;
    if (error == MAILMOD_OK) {
        error = begin(delivery, delivery->bearers, question->token);
    }
    if (error != MAILMOD_OK) {
        if (snprintf(words, sizeof words, "no token to log in with: %s",
                     mm_error_text(error)) < 0) {
            words[0] = '\0';
        }
        mm_dialogue_no_token(delivery, error, words);
    }
}

bool mm_dialogue_on_auth(struct mm_delivery *delivery,
                         const struct mm_smtpc_info *info)
{
    const struct mm_relay *relay = &delivery->options.relay;
    if (relay->has_token) {
        return ask_token(delivery, info->mechanisms);
    }
    unsigned mechanisms = info->mechanisms;
    unsigned proving = mechanisms & (MM_SASL_SCRAM_SHA_256 | MM_SASL_CRAM_MD5);
    if (!mm_conn_is_tls(delivery->conn) && proving != 0) {
        mechanisms = proving; /* what shows no password comes first */
    }
    enum mailmod_error error = begin(delivery, mechanisms, relay->password);
    if (error != MAILMOD_OK) {
        mm_dialogue_break_off(delivery, error, "4.7.8",
                              "no mechanism to log in with", true);
        return false;
    }
    return true;
}

bool mm_dialogue_on_challenge(struct mm_delivery *delivery,
                              const struct mm_smtpc_info *info)
{
    const struct mm_relay *relay = &delivery->options.relay;
    bool needs_worker = false;
    enum mailmod_error error =
        mm_login_challenge(&delivery->login, info->data, relay->user,
                           relay->password, &needs_worker);
    if (error == MAILMOD_OK && needs_worker) {
        error = mm_delivery_start_work(delivery, MM_WORK_LOGIN);
        if (error == MAILMOD_OK) {
            return false;
        }
    }
    if (error != MAILMOD_OK) {
        mm_dialogue_break_off(delivery, error, "4.7.0", mm_error_text(error),
                              false);
        return false;
    }
    return true;
}

/* RFC 4954 4, 6: whether the same password may go by another mechanism. Only
 * a mechanism was refused then; after any other answer accounts are locked by
 * more tries, and who did not prove himself would be told the password. */
static bool allows_another(const struct mm_reply_in *reply)
{
    return reply->code == 504 || reply->code == 534;
}

/* RFC 4954 6: 535 is about the token; it may only have been too old. */
static bool allows_refresh(struct mm_delivery *delivery,
                           const struct mm_reply_in *reply)
{
    if ((delivery->login.mechanism & MM_SASL_BEARER) == 0 ||
        reply->code != 535 || delivery->token != MM_TOKEN_FIRST) {
        return false;
    }
    delivery->token = MM_TOKEN_REFUSED;
    return true;
}

/* Behind the host's own words: which mechanism they are about. */
static void name_mechanism(struct mm_delivery *delivery)
{
    struct mq_outcome *failure = &delivery->failure;
    size_t used = strlen(failure->reply);
    size_t room = sizeof failure->reply - used;
    int size = snprintf(failure->reply + used, room, " (to AUTH %s)",
                        mm_sasl_name(delivery->login.mechanism));
    if (size < 0 || (size_t)size >= room) {
        failure->reply[used] = '\0';
    }
}

static bool on_auth_refused(struct mm_delivery *delivery,
                            const struct mm_reply_in *reply)
{
    mm_outcome_from_refusal(&delivery->failure, delivery->hop.host, reply,
                            "4.7.8");
    delivery->failure.error = MAILMOD_ERROR_AUTHENTICATION;
    delivery->has_failure = true;
    name_mechanism(delivery);
    if (allows_another(reply) || allows_refresh(delivery, reply)) {
        return true;
    }
    /* For good: the relay's other addresses know the account as well. */
    delivery->after =
        reply->code / 100 == 5 ? MM_AFTER_GONE : MM_AFTER_NEXT_HOP;
    delivery->is_decided = true;
    if (delivery->after == MM_AFTER_GONE) {
        mm_delivery_conclude(delivery, &delivery->failure);
    }
    mm_smtpc_quit(delivery->engine);
    return true;
}

bool mm_dialogue_on_auth_done(struct mm_delivery *delivery,
                              const struct mm_smtpc_info *info)
{
    if (info->reply->code / 100 != 2) {
        return on_auth_refused(delivery, info->reply);
    }
    delivery->has_failure = false;
    if (!mm_login_is_proven(&delivery->login)) {
        mm_dialogue_break_off(
            delivery, MAILMOD_ERROR_AUTHENTICATION, "4.7.8",
            "the server did not prove that it knows the password", true);
        return false;
    }
    return true;
}
