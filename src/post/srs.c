/* srs.c - the Sender Rewriting Scheme, both ways.
 *
 * Owns nothing: the secret is the store's. Promises: nobody who does not know
 * the secret makes an address that leads anywhere, and one that was made leads
 * to one address for some days; hashes are compared in constant time; letters
 * may have lost their case on the way.
 * Thread: see srs.h. */
#include "post/srs.h"

#include "base/mem.h"
#include "crypto/crypto.h"
#include "platform/clock.h"

#include <string.h>

#define DAY_MS (INT64_C(24) * 3600 * 1000)
#define TAG_WORD 4    /* "SRS0" */
#define HASH_DIGITS 8 /* 40 bits */
#define TIME_DIGITS 2 /* days, modulo 1024 */
#define DAYS_MODULO 1024
static const char digits[] = "abcdefghijklmnopqrstuvwxyz234567";

static const struct mm_reply expired = {550, "5.1.1",
                                        "This return address has expired"};
static const struct mm_reply forged = {550, "5.1.1",
                                       "This return address was not made here"};

/* ---- hashes and times ---- */

static void append_lower(struct mm_buf *out, struct mm_span text)
{
    for (size_t i = 0; i < text.size; i++) {
        (void)mm_buf_append_char(
            out, (char)mm_ascii_lower((unsigned char)text.data[i]));
    }
}

static enum mailmod_error make_hash(struct mm_store *store, const char *use,
                                    struct mm_span host, struct mm_span rest,
                                    char hash_out[HASH_DIGITS + 1])
{
    uint8_t secret[32];
    uint8_t digest[MM_SHA256_SIZE];
    uint64_t bits = 0;
    struct mm_buf text;
    enum mailmod_error error = mm_store_secret(store, secret);

    mm_buf_init(&text, 4 * MM_STORE_REVERSE_PATH_MAX);
    (void)mm_buf_appendf(&text, "srs %s\n", use);
    append_lower(&text, host);
    (void)mm_buf_append_char(&text, '\n');
    append_lower(&text, rest);
    if (error == MAILMOD_OK) {
        error = mm_buf_error(&text);
    }
    if (error == MAILMOD_OK) {
        error = mm_hmac_sha256(mm_span((const char *)secret, sizeof secret),
                               mm_buf_span(&text), digest);
    }
    for (size_t i = 0; error == MAILMOD_OK && i < 5; i++) {
        bits = bits << 8 | digest[i];
    }
    for (size_t i = 0; i < HASH_DIGITS; i++) {
        hash_out[i] = digits[bits >> (5 * (HASH_DIGITS - 1 - i)) & 31];
    }
    hash_out[HASH_DIGITS] = '\0';
    mm_buf_fini(&text);
    mm_secret_clear(secret, sizeof secret);
    return error;
}

static int64_t day_of(int64_t now_ms)
{
    return now_ms / DAY_MS % DAYS_MODULO;
}

/* One day ahead is another zone's, or a clock that was set. */
static bool is_fresh(struct mm_span time, int64_t now_ms)
{
    int64_t day = 0;

    for (size_t i = 0; i < time.size; i++) {
        const char *digit =
            memchr(digits, mm_ascii_lower((unsigned char)time.data[i]),
                   sizeof digits - 1);

        if (digit == NULL) {
            return false;
        }
        day = day * 32 + (digit - digits);
    }
    int64_t age = (day_of(now_ms) - day + DAYS_MODULO) % DAYS_MODULO;
    return time.size == TIME_DIGITS &&
           (age <= MM_SRS_DAYS || age == DAYS_MODULO - 1);
}

static bool has_hash(struct mm_span given, const char *hash)
{
    char folded[HASH_DIGITS];

    if (given.size != HASH_DIGITS) {
        return false;
    }
    for (size_t i = 0; i < HASH_DIGITS; i++) {
        folded[i] = (char)mm_ascii_lower((unsigned char)given.data[i]);
    }
    return mm_constant_time_equal(mm_span(folded, HASH_DIGITS),
                                  mm_span(hash, HASH_DIGITS));
}

/* ---- the form ---- */

/* "SRS0" or "SRS1" and a separator in front; `rest_out` begins with that. */
static bool is_tagged(struct mm_span local, char kind, struct mm_span *rest_out)
{
    if (local.size <= TAG_WORD || !mm_span_starts_nocase(local, "SRS") ||
        local.data[TAG_WORD - 1] != kind ||
        strchr("=+-", local.data[TAG_WORD]) == NULL) {
        return false;
    }
    *rest_out = mm_span_from(local, TAG_WORD);
    return true;
}

/* The next part, up to an equals sign that is there. */
static bool take_part(struct mm_span *rest, struct mm_span *part_out)
{
    return mm_span_cut(*rest, '=', part_out, rest) && part_out->size > 0;
}

/* "=HASH=host=rest", where `rest` begins with a separator of the host's. */
struct chain {
    struct mm_span hash;
    struct mm_span host;
    struct mm_span rest;
};

static bool read_chain(struct mm_span text, struct chain *chain_out)
{
    char domain[MM_LIMIT_DOMAIN + 1];

    text = mm_span_from(text, 1);
    if (!take_part(&text, &chain_out->hash) ||
        !take_part(&text, &chain_out->host)) {
        return false;
    }
    chain_out->rest = text;
    return text.size > 1 && strchr("=+-", text.data[0]) != NULL &&
           mm_domain_parse_lenient(chain_out->host, true, domain);
}

/* A local part that needs no quotes; all of it in one address. */
static enum mailmod_error finish(struct mm_buf *local, struct mm_span domain,
                                 char path_out[MM_STORE_REVERSE_PATH_MAX])
{
    struct mm_address address;
    size_t size = mm_buf_size(local);

    (void)mm_buf_append_char(local, '@');
    (void)mm_buf_append_span(local, domain);
    enum mailmod_error error = mm_buf_error(local);
    if (error == MAILMOD_ERROR_MEMORY) {
        return error;
    }
    bool is_good = error == MAILMOD_OK && size <= MM_LIMIT_LOCAL_PART &&
                   mm_address_parse(mm_buf_span(local), false, true,
                                    &address) == MAILMOD_OK &&
                   address.domain_form == MM_DOMAIN_NAME &&
                   address.text[0] != '"' &&
                   mm_span_copy(mm_span_cstr(address.text), path_out,
                                MM_STORE_REVERSE_PATH_MAX);
    return is_good ? MAILMOD_OK : MAILMOD_ERROR_NOT_FOUND;
}

/* ---- forth ---- */

static enum mailmod_error forward_chain(struct mm_store *store,
                                        struct mm_buf *out, struct mm_span host,
                                        struct mm_span rest)
{
    char hash[HASH_DIGITS + 1];
    enum mailmod_error error = make_hash(store, "1", host, rest, hash);

    (void)mm_buf_appendf(out, "SRS1=%s=", hash);
    (void)mm_buf_append_span(out, host);
    (void)mm_buf_append_char(out, '=');
    (void)mm_buf_append_span(out, rest);
    return error;
}

static enum mailmod_error forward_plain(struct mm_store *store,
                                        struct mm_buf *out,
                                        const struct mm_address *address,
                                        int64_t now_ms)
{
    char hash[HASH_DIGITS + 1];
    struct mm_buf signed_text;
    int64_t day = day_of(now_ms);
    struct mm_span host = mm_span_cstr(address->domain);

    mm_buf_init(&signed_text, MM_LIMIT_PATH);
    (void)mm_buf_appendf(&signed_text, "%c%c=", digits[day / 32],
                         digits[day % 32]);
    (void)mm_buf_append_span(&signed_text, host);
    (void)mm_buf_appendf(&signed_text, "=%s", address->local_part);
    enum mailmod_error error = mm_buf_error(&signed_text);
    if (error == MAILMOD_OK) {
        error = make_hash(store, "0", mm_span(NULL, 0),
                          mm_buf_span(&signed_text), hash);
    }
    if (error == MAILMOD_OK) {
        (void)mm_buf_appendf(out, "SRS0=%s=", hash);
        (void)mm_buf_append_span(out, mm_buf_span(&signed_text));
    }
    mm_buf_fini(&signed_text);
    return error;
}

enum mailmod_error mm_srs_forward(struct mm_store *store,
                                  const struct mm_config *config,
                                  const char *reverse_path, int64_t now_ms,
                                  char path_out[MM_STORE_REVERSE_PATH_MAX])
{
    struct mm_address address;
    struct mm_span rest;
    struct chain chain;
    struct mm_buf out;

    if (mm_address_parse(mm_span_cstr(reverse_path), true, true, &address) !=
            MAILMOD_OK ||
        address.domain_form != MM_DOMAIN_NAME || address.text[0] == '"' ||
        mm_directory_is_local(config, &address, NULL)) {
        return MAILMOD_ERROR_NOT_FOUND;
    }
    struct mm_span local = mm_span_cstr(address.local_part);
    enum mailmod_error error = MAILMOD_OK;
    mm_buf_init(&out, MM_LIMIT_PATH);
    if (is_tagged(local, '0', &rest) && rest.size > 1) {
        error = forward_chain(store, &out, mm_span_cstr(address.domain), rest);
    } else if (is_tagged(local, '1', &rest) && read_chain(rest, &chain)) {
        error = forward_chain(store, &out, chain.host, chain.rest);
    } else {
        error = forward_plain(store, &out, &address, now_ms);
    }
    if (error == MAILMOD_OK || error == MAILMOD_ERROR_LIMIT) {
        error = finish(&out, mm_span_cstr(config->local.srs_domain), path_out);
    }
    mm_buf_fini(&out);
    return error;
}

/* ---- and back ---- */

static enum mm_srs_verdict check(struct mm_store *store, const char *use,
                                 struct mm_span given, struct mm_span host,
                                 struct mm_span rest)
{
    char hash[HASH_DIGITS + 1];

    if (make_hash(store, use, host, rest, hash) != MAILMOD_OK) {
        return MM_SRS_UNKNOWN;
    }
    return has_hash(given, hash) ? MM_SRS_OURS : MM_SRS_FORGED;
}

static enum mm_srs_verdict
reverse_chain(struct mm_store *store, struct mm_span text,
              char path_out[MM_STORE_REVERSE_PATH_MAX])
{
    struct chain chain;
    struct mm_buf out;

    if (!read_chain(text, &chain)) {
        return MM_SRS_FORGED;
    }
    enum mm_srs_verdict verdict =
        check(store, "1", chain.hash, chain.host, chain.rest);
    if (verdict == MM_SRS_OURS) {
        mm_buf_init(&out, MM_LIMIT_PATH);
        (void)mm_buf_append_cstr(&out, "SRS0");
        (void)mm_buf_append_span(&out, chain.rest);
        if (finish(&out, chain.host, path_out) != MAILMOD_OK) {
            verdict = MM_SRS_FORGED;
        }
        mm_buf_fini(&out);
    }
    return verdict;
}

static enum mm_srs_verdict
reverse_plain(struct mm_store *store, struct mm_span text, int64_t now_ms,
              char path_out[MM_STORE_REVERSE_PATH_MAX])
{
    struct mm_span hash;
    struct mm_span time;
    struct mm_span host;
    struct mm_buf out;

    text = mm_span_from(text, 1);
    if (!take_part(&text, &hash)) {
        return MM_SRS_FORGED;
    }
    struct mm_span signed_text = text;
    if (!take_part(&text, &time) || !take_part(&text, &host) ||
        text.size == 0) {
        return MM_SRS_FORGED;
    }
    enum mm_srs_verdict verdict =
        check(store, "0", hash, mm_span(NULL, 0), signed_text);
    if (verdict == MM_SRS_OURS && !is_fresh(time, now_ms)) {
        return MM_SRS_EXPIRED;
    }
    if (verdict == MM_SRS_OURS) {
        mm_buf_init(&out, MM_LIMIT_PATH);
        (void)mm_buf_append_span(&out, text);
        if (finish(&out, host, path_out) != MAILMOD_OK) {
            verdict = MM_SRS_FORGED;
        }
        mm_buf_fini(&out);
    }
    return verdict;
}

enum mm_srs_verdict mm_srs_reverse(struct mm_store *store,
                                   const struct mm_address *address,
                                   int64_t now_ms,
                                   char path_out[MM_STORE_REVERSE_PATH_MAX])
{
    struct mm_span local = mm_span_cstr(address->local_part);
    struct mm_span rest;

    if (is_tagged(local, '0', &rest)) {
        return reverse_plain(store, rest, now_ms, path_out);
    }
    return is_tagged(local, '1', &rest) ? reverse_chain(store, rest, path_out)
                                        : MM_SRS_NONE;
}

/* What was made while the setting was on leads back after it, too. */
enum mm_step_verdict mm_srs_step(struct mm_resolve *resolve,
                                 struct mm_resolve_item *item)
{
    char path[MM_STORE_REVERSE_PATH_MAX];
    struct mm_address address;
    struct mm_target target = {.kind = MM_TARGET_REFUSED};
    struct mm_span rest;
    bool is_on = resolve->config->local.srs_domain[0] != '\0';

    if (item->is_final || item->address->domain_form != MM_DOMAIN_NAME ||
        (!is_tagged(mm_span_cstr(item->address->local_part), '0', &rest) &&
         !is_tagged(mm_span_cstr(item->address->local_part), '1', &rest)) ||
        !mm_directory_is_local(resolve->config, item->address, NULL)) {
        return MM_STEP_PASS;
    }
    enum mm_srs_verdict verdict = mm_srs_reverse(
        resolve->post->store, item->address, mm_clock_wall_ms(), path);
    if (verdict == MM_SRS_FORGED && !is_on) {
        return MM_STEP_PASS;
    }
    resolve->is_local = true;
    if (verdict == MM_SRS_OURS &&
        mm_address_parse(mm_span_cstr(path), false, true, &address) ==
            MAILMOD_OK) {
        (void)mm_resolve_expand(resolve, item, &address);
        return MM_STEP_TAKEN;
    }
    mm_resolve_fill(resolve, item, &target);
    target.reply = verdict == MM_SRS_EXPIRED ? &expired : &forged;
    if (verdict == MM_SRS_UNKNOWN) {
        target.kind = MM_TARGET_FOR_NOW;
        target.error = MAILMOD_ERROR_STORAGE;
    }
    mm_resolve_add(resolve, &target);
    return MM_STEP_TAKEN;
}
