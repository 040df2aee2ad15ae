/* maillist.c - lists and members as rows, and what is written into addresses.
 *
 * Owns nothing. Promises: what comes back in an address (who a report is
 * about, what a request confirms) is believed only with our own signature, made
 * with the store's secret; addresses compare folded.
 * Thread: see maillist.h. RFC 5321 4.5.3.1.1 (local parts: F02), RFC 8058. */
#include "post/maillist.h"

#include "base/mem.h"
#include "crypto/crypto.h"
#include "post/aliases.h"
#include "post/destination.h"

#include <stdio.h>
#include <string.h>

enum { TAG_SIZE = 8, TOKEN_TAG_SIZE = 16, TOKEN_TIME_SIZE = 8 };
#define TOKEN_LIFE_MS (INT64_C(7) * 24 * 3600 * 1000)
#define MINUTE_MS 60000
#define LIST_KEY "list"
#define IS_SUSPENDED (INT64_C(1) << 32)
#define IS_MODERATOR (INT64_C(1) << 33)
#define REWRITES_FROM (INT64_C(1) << 8)
#define IS_CLOSED (INT64_C(1) << 9)
#define IS_DIGEST (INT64_C(1) << 34)
/* Of a list: where hours and KiB of its digest begin, and how large each is. */
enum { HOURS_SHIFT = 16, KIB_SHIFT = 32, DIGEST_MASK = 0xffff };

enum mailmod_error mm_maillist_name(struct mm_span text,
                                    char name_out[MM_STORE_REVERSE_PATH_MAX])
{
    struct mm_address address;
    enum mailmod_error error = mm_address_parse(text, false, true, &address);

    if (error == MAILMOD_OK) {
        error = mm_alias_name_canonical(text, name_out);
    }
    return error == MAILMOD_OK && (strlen(name_out) > MM_MAILLIST_NAME_MAX ||
                                   strchr(address.local_part, '+') != NULL)
               ? MAILMOD_ERROR_SYNTAX
               : error;
}

void mm_maillist_record(const struct mm_maillist *list,
                        struct mm_store_record *record_out)
{
    *record_out = (struct mm_store_record){
        .kind = MM_RECORD_MAILLIST,
        .key = LIST_KEY,
        .number = (int64_t)list->rule |
                  (list->rewrites_from ? REWRITES_FROM : 0) |
                  (list->is_closed ? IS_CLOSED : 0) |
                  (int64_t)list->digest_hours << HOURS_SHIFT |
                  (int64_t)list->digest_kib << KIB_SHIFT,
        .value = mm_span_cstr(list->owner)};
    (void)mm_span_copy(mm_span_cstr(list->name), record_out->name,
                       sizeof record_out->name);
}

void mm_maillist_of(const struct mm_store_record *record,
                    struct mm_maillist *list_out)
{
    memset(list_out, 0, sizeof *list_out);
    (void)mm_span_copy(mm_span_cstr(record->name), list_out->name,
                       sizeof list_out->name);
    (void)mm_span_copy(record->value, list_out->owner, sizeof list_out->owner);
    /* A damaged row has a fourth value: nobody posts by that. */
    list_out->rule = (record->number & 3) > MM_MAILLIST_MODERATED
                         ? MM_MAILLIST_MODERATED
                         : (enum mm_maillist_rule)(record->number & 3);
    list_out->rewrites_from = (record->number & REWRITES_FROM) != 0;
    list_out->is_closed = (record->number & IS_CLOSED) != 0;
    list_out->digest_hours =
        (unsigned)(record->number >> HOURS_SHIFT & DIGEST_MASK);
    list_out->digest_kib =
        (unsigned)(record->number >> KIB_SHIFT & DIGEST_MASK);
}

static enum mailmod_error member_key(const char *address,
                                     char key_out[MM_STORE_REVERSE_PATH_MAX])
{
    char name[MM_STORE_USER_MAX];
    enum mailmod_error error =
        mm_user_name_canonical(mm_span_cstr(address), name);

    key_out[0] = '\0';
    if (error == MAILMOD_OK) {
        (void)mm_span_copy(mm_span_cstr(name), key_out,
                           MM_STORE_REVERSE_PATH_MAX);
    }
    return error;
}

enum mailmod_error
mm_maillist_member_record(const char *list,
                          const struct mm_maillist_member *member,
                          struct mm_store_record *record_out)
{
    *record_out = (struct mm_store_record){
        .kind = MM_RECORD_MEMBER,
        .number = (int64_t)member->bounces |
                  (member->is_suspended ? IS_SUSPENDED : 0) |
                  (member->is_moderator ? IS_MODERATOR : 0) |
                  (member->is_digest ? IS_DIGEST : 0)};
    (void)mm_span_copy(mm_span_cstr(list), record_out->name,
                       sizeof record_out->name);
    return member_key(member->address, record_out->key);
}

void mm_maillist_member_of(const struct mm_store_record *record,
                           struct mm_maillist_member *member_out)
{
    memset(member_out, 0, sizeof *member_out);
    (void)mm_span_copy(mm_span_cstr(record->key), member_out->address,
                       sizeof member_out->address);
    member_out->bounces = (unsigned)(record->number & 0xffff);
    member_out->is_suspended = (record->number & IS_SUSPENDED) != 0;
    member_out->is_moderator = (record->number & IS_MODERATOR) != 0;
    member_out->is_digest = (record->number & IS_DIGEST) != 0;
}

struct finding {
    struct mm_maillist *list;
    struct mm_maillist_member *member;
};

static void on_record(void *context, const struct mm_store_record *record)
{
    const struct finding *finding = context;

    if (finding->list != NULL) {
        mm_maillist_of(record, finding->list);
    } else {
        mm_maillist_member_of(record, finding->member);
    }
}

enum mailmod_error mm_maillist_find(struct mm_store *store, const char *name,
                                    struct mm_maillist *list_out)
{
    struct finding finding = {.list = list_out};

    return mm_store_find_record(store, MM_RECORD_MAILLIST, name, LIST_KEY,
                                on_record, &finding);
}

enum mailmod_error
mm_maillist_find_member(struct mm_store *store, const char *list,
                        const char *address,
                        struct mm_maillist_member *member_out)
{
    struct finding finding = {.member = member_out};
    char key[MM_STORE_REVERSE_PATH_MAX];
    enum mailmod_error error = member_key(address, key);

    return error == MAILMOD_OK
               ? mm_store_find_record(store, MM_RECORD_MEMBER, list, key,
                                      on_record, &finding)
               : MAILMOD_ERROR_NOT_FOUND;
}

/* ---- addresses ---- */

static const struct {
    const char *word;
    enum mm_maillist_command command;
} words[] = {
    {"-subscribe", MM_MAILLIST_SUBSCRIBE},
    {"-unsubscribe", MM_MAILLIST_UNSUBSCRIBE},
    {"-confirm", MM_MAILLIST_CONFIRM},
    {"-owner", MM_MAILLIST_OWNER},
    {"-bounces", MM_MAILLIST_BOUNCES},
};

static enum mailmod_error find_local(struct mm_store *store, const char *local,
                                     size_t size, const char *domain,
                                     struct mm_maillist *list_out)
{
    char text[MM_LIMIT_LOCAL_PART + MM_LIMIT_DOMAIN + 2];
    char name[MM_STORE_REVERSE_PATH_MAX];

    (void)snprintf(text, sizeof text, "%.*s@%s", (int)size, local, domain);
    return mm_alias_name_canonical(mm_span_cstr(text), name) == MAILMOD_OK
               ? mm_maillist_find(store, name, list_out)
               : MAILMOD_ERROR_NOT_FOUND;
}

enum mailmod_error
mm_maillist_address(struct mm_store *store, const struct mm_address *address,
                    struct mm_maillist *list_out,
                    enum mm_maillist_command *command_out,
                    char argument_out[MM_LIMIT_LOCAL_PART + 1])
{
    char local[MM_LIMIT_LOCAL_PART + 1];

    memcpy(local, address->local_part, sizeof local);
    argument_out[0] = '\0';
    char *plus = strchr(local, '+');
    if (plus != NULL) {
        *plus = '\0';
        memcpy(argument_out, plus + 1, strlen(plus + 1) + 1);
    }
    size_t size = strlen(local);
    *command_out = MM_MAILLIST_POST;
    enum mailmod_error error =
        find_local(store, local, size, address->domain, list_out);
    for (size_t i = 0;
         error == MAILMOD_ERROR_NOT_FOUND && i < sizeof words / sizeof words[0];
         i++) {
        size_t word = strlen(words[i].word);

        if (size > word && mm_span_is_nocase(mm_span(local + size - word, word),
                                             words[i].word)) {
            *command_out = words[i].command;
            error = find_local(store, local, size - word, address->domain,
                               list_out);
        }
    }
    return error;
}

enum mm_step_verdict mm_maillist_step(struct mm_resolve *resolve,
                                      struct mm_resolve_item *item)
{
    struct mm_maillist list;
    enum mm_maillist_command command;
    char argument[MM_LIMIT_LOCAL_PART + 1];
    struct mm_target target = {.kind = MM_TARGET_LOCAL};

    if (item->is_final || resolve->is_for_owner ||
        item->address->domain_form != MM_DOMAIN_NAME ||
        !mm_aliases_have_lists(resolve->post) ||
        !mm_directory_is_local(resolve->config, item->address, NULL)) {
        return MM_STEP_PASS;
    }
    enum mailmod_error error = mm_maillist_address(
        resolve->post->store, item->address, &list, &command, argument);
    if (error == MAILMOD_ERROR_NOT_FOUND) {
        return MM_STEP_PASS;
    }
    resolve->is_local = true;
    mm_resolve_fill(resolve, item, &target);
    if (error == MAILMOD_OK) {
        error =
            mm_destination_local(MM_MAILLIST_CONSUMER, list.name, item->text);
    }
    target.destination = item->text;
    if (error != MAILMOD_OK) {
        target.kind = MM_TARGET_FOR_NOW;
        target.error = error;
    }
    mm_resolve_add(resolve, &target);
    return MM_STEP_TAKEN;
}

enum mailmod_error mm_maillist_write(const struct mm_maillist *list,
                                     const char *word, const char *argument,
                                     char path_out[MM_STORE_REVERSE_PATH_MAX])
{
    const char *domain = strrchr(list->name, '@');
    struct mm_address address;
    struct mm_buf text;

    path_out[0] = '\0';
    mm_buf_init(&text, MM_STORE_REVERSE_PATH_MAX - 1);
    (void)mm_buf_append_span(
        &text, mm_span(list->name, (size_t)(domain - list->name)));
    (void)mm_buf_append_char(&text, '-');
    (void)mm_buf_append_cstr(&text, word);
    if (argument != NULL) {
        (void)mm_buf_append_char(&text, '+');
        (void)mm_buf_append_cstr(&text, argument);
    }
    (void)mm_buf_append_cstr(&text, domain);
    enum mailmod_error error = mm_buf_error(&text);
    if (error == MAILMOD_OK) {
        error = mm_address_parse(mm_buf_span(&text), false, true, &address);
    }
    if (error == MAILMOD_OK) {
        (void)mm_span_copy(mm_span_cstr(address.text), path_out,
                           MM_STORE_REVERSE_PATH_MAX);
    }
    mm_buf_fini(&text);
    return error;
}

/* ---- what is signed ---- */

static const char digits[] = "0123456789abcdef";

/* Hexadecimal digits of the signature of some words. */
static enum mailmod_error sign(struct mm_store *store, const char *use,
                               const char *list, const char *more,
                               const char *member, size_t size, char *tag_out)
{
    uint8_t secret[32];
    uint8_t digest[MM_SHA256_SIZE];
    struct mm_buf text;
    enum mailmod_error error = mm_store_secret(store, secret);

    mm_buf_init(&text, 4 * MM_STORE_REVERSE_PATH_MAX);
    (void)mm_buf_appendf(&text, "maillist %s\n%s\n%s\n%s", use, list, more,
                         member);
    if (error == MAILMOD_OK) {
        error = mm_buf_error(&text);
    }
    if (error == MAILMOD_OK) {
        error = mm_hmac_sha256(mm_span((const char *)secret, sizeof secret),
                               mm_buf_span(&text), digest);
    }
    for (size_t i = 0; error == MAILMOD_OK && i < size; i++) {
        tag_out[i] = digits[digest[i / 2] >> (i % 2 == 0 ? 4 : 0) & 15];
    }
    tag_out[size] = '\0';
    mm_buf_fini(&text);
    mm_secret_clear(secret, sizeof secret);
    return error;
}

/* "user@domain" with "=" for the last "@", and back. */
static bool write_member(const char *member, struct mm_buf *out)
{
    const char *at = strrchr(member, '@');

    if (at == NULL || strchr(member, '"') != NULL || strchr(at, '=') != NULL) {
        return false;
    }
    (void)mm_buf_append_span(out, mm_span(member, (size_t)(at - member)));
    (void)mm_buf_append_char(out, '=');
    (void)mm_buf_append_cstr(out, at + 1);
    return mm_buf_error(out) == MAILMOD_OK;
}

static bool read_member(const char *text,
                        char member_out[MM_STORE_REVERSE_PATH_MAX])
{
    (void)mm_span_copy(mm_span_cstr(text), member_out,
                       MM_STORE_REVERSE_PATH_MAX);
    char *at = strrchr(member_out, '=');
    if (at == NULL) {
        return false;
    }
    *at = '@';
    return true;
}

void mm_maillist_verp(struct mm_store *store, const struct mm_maillist *list,
                      const char *member,
                      char path_out[MM_STORE_REVERSE_PATH_MAX])
{
    char folded[MM_STORE_REVERSE_PATH_MAX];
    char tag[TAG_SIZE + 1];
    struct mm_buf argument;

    mm_buf_init(&argument, MM_LIMIT_LOCAL_PART);
    bool is_good = member_key(member, folded) == MAILMOD_OK &&
                   sign(store, "bounce", list->name, "", folded, TAG_SIZE,
                        tag) == MAILMOD_OK;
    (void)mm_buf_appendf(&argument, "%s=", tag);
    is_good = is_good && write_member(folded, &argument) &&
              mm_maillist_write(list, "bounces", mm_buf_cstr(&argument),
                                path_out) == MAILMOD_OK;
    if (!is_good &&
        mm_maillist_write(list, "bounces", NULL, path_out) != MAILMOD_OK) {
        path_out[0] = '\0';
    }
    mm_buf_fini(&argument);
}

bool mm_maillist_read_verp(struct mm_store *store,
                           const struct mm_maillist *list, const char *argument,
                           char member_out[MM_STORE_REVERSE_PATH_MAX])
{
    char tag[TAG_SIZE + 1];

    return strlen(argument) > TAG_SIZE + 1 && argument[TAG_SIZE] == '=' &&
           read_member(argument + TAG_SIZE + 1, member_out) &&
           sign(store, "bounce", list->name, "", member_out, TAG_SIZE, tag) ==
               MAILMOD_OK &&
           mm_constant_time_equal(mm_span(tag, TAG_SIZE),
                                  mm_span(argument, TAG_SIZE));
}

/* The first letter of a token. */
static const struct {
    char letter;
    enum mm_maillist_command command;
} uses[] = {{'s', MM_MAILLIST_SUBSCRIBE},
            {'u', MM_MAILLIST_UNSUBSCRIBE},
            {'a', MM_MAILLIST_APPROVE},
            {'r', MM_MAILLIST_REJECT}};
enum { USES = sizeof uses / sizeof uses[0] };

static char letter_of(enum mm_maillist_command command)
{
    char letter = uses[0].letter;

    for (size_t i = 0; i < USES; i++) {
        letter = uses[i].command == command ? uses[i].letter : letter;
    }
    return letter;
}

static bool read_letter(char letter, enum mm_maillist_command *command_out)
{
    for (size_t i = 0; i < USES; i++) {
        if (uses[i].letter == letter) {
            *command_out = uses[i].command;
            return true;
        }
    }
    return false;
}

void mm_maillist_write_held(uint64_t message_id, unsigned number,
                            char held_out[MM_STORE_REVERSE_PATH_MAX])
{
    char id[MM_MESSAGE_ID_TEXT_MAX];

    mm_message_id_format(message_id, id);
    (void)snprintf(held_out, MM_STORE_REVERSE_PATH_MAX, "%s.%u@held", id,
                   number);
}

bool mm_maillist_read_held(const char *held, uint64_t *message_id_out,
                           unsigned *number_out)
{
    struct mm_span id;
    struct mm_span number;
    struct mm_span rest;
    uint64_t value = 0;

    *number_out = 0;
    if (!mm_span_cut(mm_span_cstr(held), '.', &id, &rest) ||
        !mm_span_cut(rest, '@', &number, &rest) ||
        !mm_message_id_parse(id, message_id_out) ||
        !mm_span_to_u64(number, &value) || value > UINT32_MAX) {
        return false;
    }
    *number_out = (unsigned)value;
    return mm_span_is(rest, "held");
}

enum mailmod_error mm_maillist_token(struct mm_store *store,
                                     const struct mm_maillist *list,
                                     enum mm_maillist_command command,
                                     const char *member, int64_t now_ms,
                                     char token_out[MM_LIMIT_LOCAL_PART + 1])
{
    char folded[MM_STORE_REVERSE_PATH_MAX];
    char tag[TOKEN_TAG_SIZE + 1];
    char head[TOKEN_TIME_SIZE + 2];
    struct mm_buf token;
    enum mailmod_error error = member_key(member, folded);

    token_out[0] = '\0';
    (void)snprintf(head, sizeof head, "%c%08x", letter_of(command),
                   (unsigned)(now_ms / MINUTE_MS));
    if (error == MAILMOD_OK) {
        error = sign(store, "confirm", list->name, head, folded, TOKEN_TAG_SIZE,
                     tag);
    }
    mm_buf_init(&token, MM_LIMIT_LOCAL_PART);
    (void)mm_buf_appendf(&token, "%s%s=", head, tag);
    if (error == MAILMOD_OK && (!write_member(folded, &token) ||
                                !mm_span_copy(mm_buf_span(&token), token_out,
                                              MM_LIMIT_LOCAL_PART + 1))) {
        error = MAILMOD_ERROR_TOO_LARGE;
    }
    mm_buf_fini(&token);
    return error;
}

static bool read_minutes(const char *text, int64_t *minutes_out)
{
    *minutes_out = 0;
    for (; *text != '\0'; text++) {
        const char *digit = strchr(digits, *text);

        if (digit == NULL) {
            return false;
        }
        *minutes_out = *minutes_out * 16 + (digit - digits);
    }
    return true;
}

bool mm_maillist_read_token(struct mm_store *store,
                            const struct mm_maillist *list, const char *token,
                            int64_t now_ms,
                            enum mm_maillist_command *command_out,
                            char member_out[MM_STORE_REVERSE_PATH_MAX])
{
    enum { HEAD = TOKEN_TIME_SIZE + 1 };
    char head[HEAD + 1];
    char tag[TOKEN_TAG_SIZE + 1];
    int64_t minutes = 0;

    if (strlen(token) <= HEAD + TOKEN_TAG_SIZE + 1 ||
        token[HEAD + TOKEN_TAG_SIZE] != '=' ||
        !mm_span_copy(mm_span(token, HEAD), head, sizeof head) ||
        !read_member(token + HEAD + TOKEN_TAG_SIZE + 1, member_out) ||
        sign(store, "confirm", list->name, head, member_out, TOKEN_TAG_SIZE,
             tag) != MAILMOD_OK ||
        !mm_constant_time_equal(mm_span(tag, TOKEN_TAG_SIZE),
                                mm_span(token + HEAD, TOKEN_TAG_SIZE)) ||
        !read_minutes(head + 1, &minutes)) {
        return false;
    }
    return read_letter(head[0], command_out) &&
           now_ms - minutes * MINUTE_MS < TOKEN_LIFE_MS;
}

enum mailmod_error mm_maillist_bounced(struct mm_store_transaction *transaction,
                                       const struct mm_log *log,
                                       const char *list, const char *member,
                                       unsigned bounces_max)
{
    char key[MM_STORE_REVERSE_PATH_MAX];
    struct mm_store_record record;
    struct mm_maillist_member now;
    enum mailmod_error error = member_key(member, key);

    if (error == MAILMOD_OK) {
        error = mm_store_record_of(transaction, MM_RECORD_MEMBER, list, key,
                                   &record);
    }
    if (error != MAILMOD_OK) {
        return error == MAILMOD_ERROR_NOT_FOUND ? MAILMOD_OK : error;
    }
    mm_maillist_member_of(&record, &now);
    now.bounces += now.bounces < 0xffff ? 1 : 0;
    bool was_suspended = now.is_suspended;
    now.is_suspended = now.is_suspended || now.bounces >= bounces_max;
    error = mm_maillist_member_record(list, &now, &record);
    if (error == MAILMOD_OK && now.is_suspended && !was_suspended) {
        MM_LOG(log, MM_LOG_WARNING, "maillist", "member suspended",
               MM_TEXT("list", list), MM_TEXT("member", member),
               MM_NUMBER("bounces", (int64_t)now.bounces));
    }
    return error == MAILMOD_OK ? mm_store_keep_record(transaction, &record)
                               : error;
}
