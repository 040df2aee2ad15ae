/* maildir.c - from a user's name to the folder of the mailbox.
 *
 * Owns nothing. Promises: what a name brings into a path is one folder's name:
 * no slash of either kind, no dot at the beginning, no control character, never
 * empty; a name that cannot be one has no folder at all. Thread: any. */
#include "config/maildir.h"

#include "base/buf.h"
#include "base/limits.h"

#include <stdio.h>
#include <string.h>

/* Not empty, nothing that leads elsewhere. */
static bool is_component(struct mm_span text)
{
    if (text.size == 0 || text.data[0] == '.') {
        return false;
    }
    for (size_t i = 0; i < text.size; i++) {
        unsigned char c = (unsigned char)text.data[i];
        if (c < 32 || c == 127 || c == '/' || c == '\\' || c == ':') {
            return false;
        }
    }
    return true;
}

/* "%" stands before u, n, d or another one alone. */
static bool has_good_signs(struct mm_span text)
{
    for (size_t i = 0; i < text.size; i++) {
        if (text.data[i] != '%') {
            continue;
        }
        i++;
        if (i == text.size || memchr("und%", text.data[i], 4) == NULL) {
            return false;
        }
    }
    return true;
}

/* "/" or "C:/" and components. */
static bool is_folder(struct mm_span path)
{
    if (path.size > 2 && path.data[1] == ':') {
        path = mm_span_from(path, 2);
    }
    if (path.size < 2 || path.size >= MM_CONFIG_MAILDIR_MAX ||
        path.data[0] != '/') {
        return false;
    }
    struct mm_span rest = mm_span_from(path, 1);
    bool is_good = true;
    bool goes_on = true;
    while (is_good && goes_on) {
        struct mm_span one;
        goes_on = mm_span_cut(rest, '/', &one, &rest);
        is_good = is_component(one) && has_good_signs(one);
    }
    return is_good;
}

bool mm_config_is_maildir(struct mm_span item)
{
    struct mm_span who;
    struct mm_span folder;
    return mm_span_cut(item, ':', &who, &folder) && who.size > 0 &&
           who.size <= MM_LIMIT_USER_NAME &&
           (folder.size == 0 || is_folder(folder));
}

/* A dot may begin it, as of hidden files. */
bool mm_config_is_file_name(struct mm_span text)
{
    bool is_hidden = text.size > 0 && text.data[0] == '.';
    return text.size == 0 || is_component(mm_span_from(text, is_hidden));
}

int mm_config_rank_who(struct mm_span who, const char *user)
{
    const char *at = strrchr(user, '@');
    if (mm_span_is(who, "*")) {
        return 1;
    }
    if (who.data[0] == '@') {
        return at != NULL && mm_span_is_nocase(who, at) ? 2 : 0;
    }
    return mm_span_is_nocase(who, user) ? 3 : 0;
}

static bool find_folder(const struct mm_string_list *items, const char *user,
                        struct mm_span *folder_out)
{
    int best = 0;
    for (size_t i = 0; i < items->count; i++) {
        struct mm_span who;
        struct mm_span folder;
        (void)mm_span_cut(mm_span_cstr(items->items[i]), ':', &who, &folder);
        int present = mm_config_rank_who(who, user);
        if (present > best) {
            best = present;
            *folder_out = folder;
        }
    }
    return best > 0 && folder_out->size > 0;
}

/* The text that a sign stands for. */
static struct mm_span text_of(char sign, const char *user)
{
    const char *at = strrchr(user, '@');
    switch (sign) {
    case 'u':
        return mm_span_cstr(user);
    case 'n':
        return at != NULL ? mm_span(user, (size_t)(at - user))
                          : mm_span_cstr(user);
    case 'd':
        return mm_span_cstr(at != NULL ? at + 1 : "");
    default:
        return mm_span("%", 1);
    }
}

/* One component with the user's texts in it. NOT_FOUND: it can be none. */
static enum mailmod_error expand(struct mm_buf *out, struct mm_span component,
                                 const char *user)
{
    for (size_t i = 0; i < component.size; i++) {
        if (component.data[i] != '%') {
            (void)mm_buf_append_char(out, component.data[i]);
            continue;
        }
        struct mm_span text = text_of(component.data[++i], user);
        if (!is_component(text)) {
            return MAILMOD_ERROR_NOT_FOUND;
        }
        (void)mm_buf_append_span(out, text);
    }
    return mm_buf_error(out);
}

static enum mailmod_error build(struct mm_span folder, const char *user,
                                struct mm_buf *base, struct mm_buf *below)
{
    enum mailmod_error error = MAILMOD_OK;
    struct mm_buf *part = base;
    struct mm_span rest = folder;
    bool goes_on = mm_span_cut(rest, '/', &folder, &rest);
    (void)mm_buf_append_span(base, folder); /* "", or a drive */
    while (error == MAILMOD_OK && goes_on) {
        struct mm_span one;
        goes_on = mm_span_cut(rest, '/', &one, &rest);
        if (!goes_on || memchr(one.data, '%', one.size) != NULL) {
            part = below;
        }
        if (part == base || mm_buf_size(below) > 0) {
            (void)mm_buf_append_char(part, '/');
        }
        error = expand(part, one, user);
    }
    if (error == MAILMOD_OK && mm_buf_size(base) == 0) {
        (void)mm_buf_append_char(base, '/');
    }
    return error;
}

static enum mailmod_error find_place(const struct mm_string_list *items,
                                     const char *user,
                                     struct mm_config_maildir *place_out)
{
    struct mm_span folder = mm_span(NULL, 0);
    if (!find_folder(items, user, &folder)) {
        return MAILMOD_ERROR_NOT_FOUND;
    }
    struct mm_buf base;
    struct mm_buf below;
    mm_buf_init(&base, sizeof place_out->base - 1);
    mm_buf_init(&below, sizeof place_out->below - 1);
    enum mailmod_error error = build(folder, user, &base, &below);
    if (error == MAILMOD_OK) {
        error = mm_buf_error(&base);
    }
    if (error == MAILMOD_OK) {
        error = mm_buf_error(&below);
    }
    if (error == MAILMOD_OK &&
        (!mm_span_copy(mm_buf_span(&base), place_out->base,
                       sizeof place_out->base) ||
         !mm_span_copy(mm_buf_span(&below), place_out->below,
                       sizeof place_out->below))) {
        error = MAILMOD_ERROR_LIMIT;
    }
    mm_buf_fini(&base);
    mm_buf_fini(&below);
    return error;
}

enum mailmod_error mm_config_find_maildir(const struct mm_config *config,
                                          const char *user,
                                          struct mm_config_maildir *maildir_out)
{
    return find_place(&config->local.maildirs, user, maildir_out);
}

enum mailmod_error
mm_config_find_forward_file(const struct mm_config *config, const char *user,
                            struct mm_config_maildir *file_out)
{
    const char *name = config->local.forward_file;
    if (name[0] == '\0') {
        return MAILMOD_ERROR_NOT_FOUND;
    }
    enum mailmod_error error = find_place(&config->local.homes, user, file_out);
    size_t size = error == MAILMOD_OK ? strlen(file_out->below) : 0;
    if (error == MAILMOD_OK &&
        size + strlen(name) + 2 > sizeof file_out->below) {
        error = MAILMOD_ERROR_LIMIT;
    }
    if (error == MAILMOD_OK) {
        (void)snprintf(file_out->below + size, sizeof file_out->below - size,
                       "/%s", name);
    }
    return error;
}
