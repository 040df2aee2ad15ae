/* plus_folder.c - which of a user's mail is in which folder.
 *
 * Owns nothing. Promises: each message of a mailbox is in one folder or in
 * none, and that follows from the address alone that its entry keeps: so a
 * folder needs no making and no rows of its own, mail of before the setting is
 * in it too, and quota, removal and renaming of the user hold for it. An
 * address of another name (a catch-all's, an alias') makes no folder.
 * Thread: any. RFC 5233 1 (user and detail). */
#include "mailbox/plus_folder.h"

#include <stdio.h>
#include <string.h>

bool mm_plus_folder_is_name(struct mm_span text)
{
    for (size_t i = 0; i < text.size; i++) {
        unsigned char c = (unsigned char)text.data[i];

        if (!mm_ascii_is_alnum((char)c) && c < 128 &&
            (c == '\0' || strchr("-_=", (char)c) == NULL)) {
            return false;
        }
    }
    return text.size > 0 && text.size <= MM_PLUS_FOLDER_NAME_MAX &&
           mm_span_is_utf8(text);
}

enum mailmod_error
mm_plus_folder_address(const char *user, const char *path, char separator,
                       struct mm_span folder,
                       char address_out[MM_STORE_REVERSE_PATH_MAX])
{
    const char *at = strrchr(user, '@');
    const char *domain = at != NULL ? at : strrchr(path, '@');
    size_t size = at != NULL ? (size_t)(at - user) : strlen(user);
    int used = snprintf(address_out, MM_STORE_REVERSE_PATH_MAX, "%.*s%c%.*s%s",
                        (int)size, user, separator, (int)folder.size,
                        folder.data, domain != NULL ? domain : "@");

    return used >= 0 && used < MM_STORE_REVERSE_PATH_MAX
               ? MAILMOD_OK
               : MAILMOD_ERROR_TOO_LARGE;
}

/* Names are compared as users' names are; what can be none, without case. */
static bool fold(struct mm_span text, char out[MM_STORE_USER_MAX])
{
    if (mm_user_name_canonical(text, out) == MAILMOD_OK) {
        return true;
    }
    bool fits = mm_span_copy(text, out, MM_STORE_USER_MAX);
    if (fits) {
        mm_ascii_lower_cstr(out);
    }
    return fits;
}

enum mailmod_error mm_plus_folder_init(struct mm_plus_folder *folder,
                                       const struct mm_mailbox_owner *owner)
{
    const char *at = strrchr(owner->user, '@');
    size_t size = at != NULL ? (size_t)(at - owner->user) : strlen(owner->user);

    *folder = (struct mm_plus_folder){.is_on = owner->folder != NULL,
                                      .separator = owner->separator};
    if (!folder->is_on) {
        return MAILMOD_OK;
    }
    return fold(mm_span(owner->user, size), folder->local) &&
                   fold(mm_span_cstr(owner->folder), folder->name)
               ? MAILMOD_OK
               : MAILMOD_ERROR_LIMIT;
}

struct mm_span mm_plus_folder_named(const struct mm_plus_folder *folder,
                                    const char *address)
{
    const char *at = strrchr(address, '@');
    struct mm_span local =
        mm_span(address, at != NULL ? (size_t)(at - address) : strlen(address));
    struct mm_span base;
    struct mm_span detail;
    char text[MM_STORE_USER_MAX];
    bool names_one = folder->separator != '\0' &&
                     mm_span_cut(local, folder->separator, &base, &detail) &&
                     fold(base, text) && strcmp(text, folder->local) == 0;

    return names_one ? detail : mm_span("", 0);
}

bool mm_plus_folder_has(const struct mm_plus_folder *folder,
                        const char *delivered_to)
{
    char text[MM_STORE_USER_MAX];

    if (!folder->is_on) {
        return true;
    }
    struct mm_span name = mm_plus_folder_named(folder, delivered_to);
    if (name.size == 0) {
        return folder->name[0] == '\0';
    }
    return fold(name, text) && strcmp(text, folder->name) == 0;
}
