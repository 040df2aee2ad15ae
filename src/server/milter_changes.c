/* milter_changes.c - what a filter of mail wants changed, as a link keeps it.
 *
 * Owns nothing. Promises: a filter's words are changes of post/changes, or none
 * at all; a new body has CRLF at the end of each line and no CR or LF besides.
 * Thread: the session's loop. RFC 5321 2.3.8; RFC 3461 4.1. */
#include "server/milter_link.h"

#include "base/dsn.h"
#include "base/mem.h"

#include <string.h>

static void add_body(struct mm_milter_link *link, struct mm_span data)
{
    link->has_body = true;
    for (size_t i = 0; i < data.size; i++) {
        char c = data.data[i];

        /* RFC 5321 2.3.8: CR and LF stand together. */
        if (c == '\n' || link->has_cr) {
            (void)mm_buf_append_cstr(&link->body, "\r\n");
        }
        link->has_cr = c == '\r';
        if (c != '\r' && c != '\n') {
            (void)mm_buf_append_char(&link->body, c);
        }
    }
}

/* NOTIFY of the arguments; 0: none. RFC 3461 4.1. */
static unsigned notify_of(const char *arguments)
{
    static const struct {
        const char *word;
        unsigned bit;
    } words[] = {{"NEVER", MM_DSN_NOTIFY_NEVER},
                 {"SUCCESS", MM_DSN_NOTIFY_SUCCESS},
                 {"FAILURE", MM_DSN_NOTIFY_FAILURE},
                 {"DELAY", MM_DSN_NOTIFY_DELAY}};
    struct mm_span rest = mm_span_cstr(arguments);
    unsigned notify = 0;

    while (rest.size > 0) {
        struct mm_span one;
        struct mm_span word;

        (void)mm_span_cut(rest, ' ', &one, &rest);
        if (!mm_span_starts_nocase(one, "NOTIFY=")) {
            continue;
        }
        one = mm_span_from(one, sizeof "NOTIFY=" - 1);
        while (one.size > 0) {
            (void)mm_span_cut(one, ',', &word, &one);
            for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
                notify |=
                    mm_span_is_nocase(word, words[i].word) ? words[i].bit : 0;
            }
        }
    }
    return notify;
}

static enum mailmod_error add_value(struct mm_milter_link *link,
                                    struct mm_change *change, const char *value)
{
    size_t size = strlen(value);

    while (size > 0 && (value[size - 1] == '\n' || value[size - 1] == '\r')) {
        size--;
    }
    char *copy = mm_memdup0(value, size);
    if (copy == NULL) {
        return MAILMOD_ERROR_MEMORY;
    }
    change->value = copy;
    enum mailmod_error error = mm_changes_add(&link->changes, change);
    mm_free(copy);
    return error;
}

enum mailmod_error mm_milter_changes_take(struct mm_milter_link *link,
                                          const struct mm_milter_info *info)
{
    static const enum mm_change_kind kinds[] = {
        [MM_MILTER_ADD_FIELD] = MM_CHANGE_ADD_FIELD,
        [MM_MILTER_INSERT_FIELD] = MM_CHANGE_INSERT_FIELD,
        [MM_MILTER_SET_FIELD] = MM_CHANGE_SET_FIELD,
        [MM_MILTER_SENDER] = MM_CHANGE_SENDER,
        [MM_MILTER_ADD_RCPT] = MM_CHANGE_ADD_RECIPIENT,
        [MM_MILTER_REMOVE_RCPT] = MM_CHANGE_REMOVE_RECIPIENT,
        [MM_MILTER_QUARANTINE] = MM_CHANGE_QUARANTINE};
    struct mm_change change = {.number = info->number, .name = info->name};

    if (info->change == MM_MILTER_SET_BODY) {
        add_body(link, info->data);
        return mm_buf_error(&link->body);
    }
    change.kind = kinds[info->change];
    if (change.kind == MM_CHANGE_SET_FIELD && change.number == 0) {
        change.number = 1;
    } else if (change.kind == MM_CHANGE_ADD_RECIPIENT) {
        change.number = notify_of(info->arguments);
    } else if (change.kind == MM_CHANGE_QUARANTINE) {
        change.name = link->settings.name;
    } else if (change.kind == MM_CHANGE_REMOVE_RECIPIENT) {
        change.name = info->value;
    }
    return add_value(link, &change, info->value);
}
