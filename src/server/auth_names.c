/* auth_names.c - whom the names of a login mean.
 *
 * Owns nothing. Promises: a name is compared in the store's form alone; an
 * address of a local domain is the user before it, and "user/folder" a folder
 * of his, where no user has the whole for a name.
 * Thread: the session's loop, or where the store waits a worker for
 * mm_auth_find_names. RFC 4616, 5802 5.1. */
#include "server/auth_internal.h"

#include "base/mem.h"
#include "config/config.h"

#include <string.h>

/* The store's form of a name. What can be no name stays as it is, and is
 * nobody's. False: longer than any user's. */
static bool form_name(struct mm_span name, char name_out[MM_STORE_USER_MAX])
{
    return mm_user_name_canonical(name, name_out) == MAILMOD_OK ||
           mm_span_copy(name, name_out, MM_STORE_USER_MAX);
}

bool mm_auth_take_name(struct mm_auth *auth, struct mm_span name)
{
    size_t size = name.size < sizeof auth->given_name
                      ? name.size
                      : sizeof auth->given_name - 1;

    (void)mm_span_copy(mm_span(name.data, size), auth->given_name,
                       sizeof auth->given_name);
    auth->is_disabled = false;
    auth->acts_for[0] = '\0';
    auth->folder[0] = '\0';
    return form_name(name, auth->user_name);
}

/* RFC 4616, RFC 5802 5.1: an authorization identity may only repeat the user,
 * in whatever form: nobody acts for another here. */
bool mm_auth_take_authzid(struct mm_auth *auth, struct mm_span authzid)
{
    return authzid.size == 0 || form_name(authzid, auth->acts_for);
}

/* Where the domain begins that may have to go; NULL: it is whole. */
static char *local_domain(const struct mm_auth *auth, char *name)
{
    char *at = strrchr(name, '@');

    return at != NULL && mm_config_is_local_domain(auth->config, at + 1) ? at
                                                                         : NULL;
}

/* "alice@local.domain" is "alice" when no user has the long name, for a mail
 * client sends the address more often than not. */
static void shorten(const struct mm_auth *auth, char *name)
{
    char *at = local_domain(auth, name);
    struct mm_store_user user;

    if (at != NULL && mm_store_find_user(auth->store, name, &user) ==
                          MAILMOD_ERROR_NOT_FOUND) {
        *at = '\0';
    }
    mm_secret_clear(&user, sizeof user);
}

/* The part before a slash of the name as it was given, which may name a folder;
 * false: there is none. */
static bool cut_folder(const struct mm_auth *auth, struct mm_span *base_out,
                       struct mm_span *folder_out)
{
    struct mm_span given = mm_span_cstr(auth->given_name);

    return auth->takes_folder && auth->config->local.plus_folders &&
           given.size + 1 < sizeof auth->given_name && /* it is whole */
           mm_span_cut(given, '/', base_out, folder_out);
}

/* "alice/lists", or "alice@example.org/lists", is the folder lists of alice,
 * unless a user has the whole for a name. */
static void find_folder(struct mm_auth *auth)
{
    struct mm_store_user user;
    struct mm_span base;
    struct mm_span folder;

    if (!cut_folder(auth, &base, &folder)) {
        return;
    }
    bool is_whole =
        mm_store_find_user(auth->store, auth->user_name, &user) == MAILMOD_OK;
    mm_secret_clear(&user, sizeof user);
    if (!is_whole && mm_span_copy(folder, auth->folder, sizeof auth->folder) &&
        form_name(base, auth->user_name)) {
        shorten(auth, auth->user_name);
    }
}

void mm_auth_find_names(struct mm_auth *auth)
{
    shorten(auth, auth->user_name);
    shorten(auth, auth->acts_for);
    find_folder(auth);
}

bool mm_auth_names_need_store(struct mm_auth *auth)
{
    struct mm_span base;
    struct mm_span folder;

    return local_domain(auth, auth->user_name) != NULL ||
           local_domain(auth, auth->acts_for) != NULL ||
           cut_folder(auth, &base, &folder);
}
