/* user.c - a user by that engine's line.
 *
 *   user = name ";" password ";" [home] ";" flags
 *
 * Of the flags two are about mail: P, has a mailbox, and S, may send. A user
 * with either is a user here; here each has both. A home that is a whole path
 * is one of local.homes, with slashes of this kind: "/".
 * Passwords may stand as hashes of that engine, which nothing can be proved
 * against here: such a user gets the mail and cannot log in until a password is
 * set. Promises that no word about a line holds its password.
 * Thread: any (the builder's owner). */
#include "config/smallsrv/change.h"

#include "base/mem.h"
#include "config/maildir.h"
#include "config/mistake.h"
#include "config/value.h"

#include <string.h>

enum { USERS_TEXT_MAX = 256 * 1024, HOMES_TEXT_MAX = 4 * 1024 * 1024 };

struct user {
    struct mm_span name;
    struct mm_span password;
    struct mm_span home;
    bool has_mailbox;
    bool may_send;
};

static struct mm_span unquote(struct mm_span text)
{
    return text.size > 1 && text.data[0] == '"' &&
                   text.data[text.size - 1] == '"'
               ? mm_span(text.data + 1, text.size - 2)
               : text;
}

static bool read_user(struct mm_span text, struct user *user_out)
{
    struct mm_span flags;
    if (!mm_span_cut(text, ';', &user_out->name, &text) ||
        !mm_span_cut(text, ';', &user_out->password, &text) ||
        !mm_span_cut(text, ';', &user_out->home, &flags)) {
        return false;
    }
    user_out->name = mm_span_trim(user_out->name);
    user_out->home = unquote(mm_span_trim(user_out->home));
    user_out->has_mailbox = false;
    user_out->may_send = false;
    for (size_t i = 0; i < flags.size; i++) {
        int flag = mm_ascii_lower((unsigned char)flags.data[i]);
        user_out->has_mailbox = user_out->has_mailbox || flag == 'p';
        user_out->may_send = user_out->may_send || flag == 's';
    }
    return true;
}

/* "+89ABCDEFZ01234567", and since the MD5 came "~" and four such numbers with
 * dots between. */
static bool is_hash(struct mm_span password)
{
    bool is_short = password.size == 18 && password.data[0] == '+' &&
                    (password.data[9] == 'Z' || password.data[9] == '.');
    bool is_long = password.size == 36 && password.data[0] == '~' &&
                   password.data[9] == '.';
    for (size_t i = 1; i < password.size; i++) {
        int c = mm_ascii_lower((unsigned char)password.data[i]);
        bool is_digit = mm_ascii_is_digit(c) || (c >= 'a' && c <= 'f');
        if (i % 9 != 0 && !is_digit) {
            return false;
        }
    }
    return is_short || is_long;
}

static enum mailmod_error put_users(const struct mm_smallsrv_change *change,
                                    const struct user *user)
{
    const char *now = mm_config_value_text(change->key, change->config);
    struct mm_buf text;
    mm_buf_init(&text, USERS_TEXT_MAX);
    /* One block: growing would leave a copy of secrets behind. */
    size_t size = strlen(now) + change->text.size + 2;
    enum mailmod_error error =
        mm_buf_reserve(&text, size) != NULL ? MAILMOD_OK : MAILMOD_ERROR_MEMORY;
    if (error == MAILMOD_OK) {
        (void)mm_buf_append_cstr(&text, now);
        (void)mm_buf_append_cstr(&text, now[0] == '\0' ? "" : "\n");
        (void)mm_buf_append_span(&text, user->name);
        (void)mm_buf_append_char(&text, ':');
        if (!is_hash(user->password)) {
            (void)mm_buf_append_span(&text, user->password);
        }
        error = mm_config_value_parse(change->key, mm_buf_span(&text),
                                      change->config, change->mistake);
        mm_secret_clear(text.data, text.capacity);
    }
    mm_buf_fini(&text);
    return error;
}

/* "name:/home"; nothing for a home that the list can hold none of. */
static void append_home(struct mm_buf *item, const struct user *user)
{
    size_t size = user->home.size;
    while (size > 1 && strchr("/\\", user->home.data[size - 1]) != NULL) {
        size--;
    }
    (void)mm_buf_append_span(item, user->name);
    (void)mm_buf_append_char(item, ':');
    for (size_t i = 0; i < size; i++) {
        char c = user->home.data[i];
        (void)mm_buf_append_cstr(item, c == '%' ? "%" : "");
        (void)mm_buf_append_char(item, c == '\\' ? '/' : c);
    }
    if (mm_buf_error(item) != MAILMOD_OK || size == 0 ||
        memchr(user->home.data, ' ', size) != NULL ||
        memchr(user->home.data, ',', size) != NULL ||
        !mm_config_is_maildir(mm_buf_span(item))) {
        mm_buf_clear(item);
    }
}

static enum mailmod_error put_home(const struct mm_smallsrv_change *change,
                                   const struct user *user)
{
    const struct mm_config_key *key = mm_config_find_key("local.homes");
    struct mm_buf item;
    struct mm_buf text;
    mm_buf_init(&item, MM_CONFIG_MAILDIR_MAX * 2);
    mm_buf_init(&text, HOMES_TEXT_MAX);
    append_home(&item, user);
    enum mailmod_error error = MAILMOD_OK;
    if (mm_buf_size(&item) > 0) {
        error = mm_config_get(change->config, key->name, &text);
        (void)mm_buf_append_cstr(&text, mm_buf_size(&text) > 0 ? ", " : "");
        (void)mm_buf_append_span(&text, mm_buf_span(&item));
        error = error == MAILMOD_OK ? mm_buf_error(&text) : error;
    }
    if (error == MAILMOD_OK && mm_buf_size(&item) > 0) {
        error = mm_config_value_parse(key, mm_buf_span(&text), change->config,
                                      change->mistake);
    }
    mm_buf_fini(&text);
    mm_buf_fini(&item);
    return error;
}

/* A warning is OK with words. */
static enum mailmod_error warn(const struct mm_smallsrv_change *change,
                               const struct user *user, const char *words)
{
    if (change->mistake != NULL) {
        (void)mm_buf_appendf(change->mistake, "%s %s",
                             mm_config_echo(user->name).text, words);
    }
    return MAILMOD_OK;
}

enum mailmod_error mm_smallsrv_add_user(const struct mm_smallsrv_change *change)
{
    struct user user;
    if (change->text.size == 0) {
        return MAILMOD_OK; /* none */
    }
    if (!read_user(change->text, &user)) {
        return mm_config_refuse(change->mistake,
                                "must be name;password;home;flags");
    }
    if (!user.has_mailbox && !user.may_send) {
        return warn(change, &user,
                    "is left out: the flags give neither a mailbox (P) nor the "
                    "right to send (S)");
    }
    enum mailmod_error error = put_users(change, &user);
    if (error == MAILMOD_OK) {
        error = put_home(change, &user);
    }
    if (error != MAILMOD_OK) {
        return error;
    }
    if (is_hash(user.password)) {
        return warn(change, &user,
                    "cannot log in: the password is a hash of that engine; set "
                    "a new one (mailmodctl user passwd)");
    }
    if (!user.has_mailbox || !user.may_send) {
        return warn(change, &user,
                    user.may_send ? "has a mailbox too: each user has one"
                                  : "may send too: each user may");
    }
    return MAILMOD_OK;
}
