/* changes.c - what judges want changed in a message and its envelope.
 *
 * Owns the texts of its items. Promises: what is in the list can be carried
 * out: it was looked at when it was added; the list has a bound in number and
 * in octets, so no judge makes a message grow without one.
 * Thread: the owner's. RFC 5322 2.2 (fields); RFC 5321 4.1.2 (paths); RFC 5233
 * 1 (a folder's name is the detail of an address). */
#include "post/changes.h"

#include "base/limits.h"
#include "base/mem.h"
#include "mailbox/plus_folder.h"
#include "wire/addr/address.h"

#include <string.h>

void mm_changes_init(struct mm_changes *changes)
{
    *changes = (struct mm_changes){.count = 0};
    mm_list_init(&changes->items);
}

void mm_changes_clear(struct mm_changes *changes)
{
    struct mm_list *node = NULL;

    while ((node = mm_list_take_first(&changes->items)) != NULL) {
        mm_free(MM_LIST_OBJECT(node, struct mm_change_item, node));
    }
    changes->count = 0;
    changes->octets = 0;
}

static bool is_address(const char *text, bool is_reverse)
{
    struct mm_address address;

    return mm_address_parse(mm_span_cstr(text), is_reverse, true, &address) ==
           MAILMOD_OK;
}

static bool is_sound(const struct mm_change *change)
{
    switch (change->kind) {
    case MM_CHANGE_ADD_FIELD:
    case MM_CHANGE_INSERT_FIELD:
    case MM_CHANGE_SET_FIELD:
        return mm_header_change_is_sound(change->name, change->value);
    case MM_CHANGE_SENDER:
        return is_address(change->value, true);
    case MM_CHANGE_ADD_RECIPIENT:
        return is_address(change->value, false);
    case MM_CHANGE_REMOVE_RECIPIENT:
        return is_address(change->name, false);
    case MM_CHANGE_REDIRECT:
        return is_address(change->value, false) &&
               (change->name[0] == '\0' || is_address(change->name, false));
    case MM_CHANGE_FOLDER:
        return mm_plus_folder_is_name(mm_span_cstr(change->value)) &&
               (change->name[0] == '\0' || is_address(change->name, false));
    case MM_CHANGE_DISCARD:
        return true;
    case MM_CHANGE_QUARANTINE:
        return mm_span_is_printable_utf8(mm_span_cstr(change->value));
    }
    return false;
}

/* The canonical text, which recipients are known by. */
static const char *canonical(const char *text, bool is_address,
                             struct mm_address *address)
{
    return is_address && text[0] != '\0' &&
                   mm_address_parse(mm_span_cstr(text), true, true, address) ==
                       MAILMOD_OK
               ? address->text
               : text;
}

bool mm_change_header(const struct mm_change *change,
                      struct mm_header_change *out)
{
    static const enum mm_header_change_kind kinds[] = {
        [MM_CHANGE_ADD_FIELD] = MM_HEADER_CHANGE_ADD,
        [MM_CHANGE_INSERT_FIELD] = MM_HEADER_CHANGE_INSERT,
        [MM_CHANGE_SET_FIELD] = MM_HEADER_CHANGE_SET};

    if (change->kind > MM_CHANGE_SET_FIELD) {
        return false;
    }
    *out = (struct mm_header_change){.kind = kinds[change->kind],
                                     .number = change->number,
                                     .name = change->name,
                                     .value = change->value};
    return true;
}

enum mailmod_error mm_changes_add(struct mm_changes *changes,
                                  const struct mm_change *given)
{
    struct mm_change change = *given;
    struct mm_address name;
    struct mm_address value;

    change.name = given->name != NULL ? given->name : "";
    change.value = given->value != NULL ? given->value : "";
    if (!is_sound(&change)) {
        return MAILMOD_ERROR_ARGUMENT;
    }
    change.name = canonical(change.name,
                            change.kind == MM_CHANGE_REMOVE_RECIPIENT ||
                                change.kind == MM_CHANGE_REDIRECT ||
                                change.kind == MM_CHANGE_FOLDER,
                            &name);
    change.value = canonical(change.value,
                             change.kind == MM_CHANGE_SENDER ||
                                 change.kind == MM_CHANGE_ADD_RECIPIENT ||
                                 change.kind == MM_CHANGE_REDIRECT,
                             &value);
    /* A field has colon, blank and CRLF, too. */
    size_t size = strlen(change.name) + strlen(change.value) + 4;
    if (changes->count >= MM_LIMIT_CHANGES ||
        size > MM_LIMIT_CHANGES_OCTETS - changes->octets) {
        return MAILMOD_ERROR_LIMIT;
    }
    struct mm_change_item *item = mm_alloc(sizeof *item + size);
    if (item == NULL) {
        return MAILMOD_ERROR_MEMORY;
    }
    char *at = item->texts;
    item->change = change;
    item->change.name = mm_text_put(&at, change.name);
    item->change.value = mm_text_put(&at, change.value);
    mm_list_append(&changes->items, &item->node);
    changes->count++;
    changes->octets += size;
    return MAILMOD_OK;
}

static bool redirects(const struct mm_change *change, const char *recipient)
{
    return change->kind == MM_CHANGE_REDIRECT &&
           (change->name[0] == '\0' ||
            mm_cstr_equal_nocase(change->name, recipient));
}

const char *mm_changes_redirect(const struct mm_changes *changes,
                                const char *recipient)
{
    const char *found = NULL;

    for (const struct mm_list *node = changes->items.next;
         node != &changes->items; node = node->next) {
        const struct mm_change *change =
            &MM_LIST_OBJECT(node, const struct mm_change_item, node)->change;

        found = redirects(change, recipient) ? change->value : found;
    }
    return found;
}

enum mailmod_error mm_changes_add_all(struct mm_changes *changes,
                                      const struct mm_changes *from,
                                      const char *recipient)
{
    enum mailmod_error error = MAILMOD_OK;

    for (const struct mm_list *node = from->items.next;
         error == MAILMOD_OK && node != &from->items; node = node->next) {
        struct mm_change change =
            MM_LIST_OBJECT(node, const struct mm_change_item, node)->change;

        if (recipient != NULL && change.kind == MM_CHANGE_FOLDER &&
            change.name[0] == '\0') {
            change.name = recipient;
        }
        if (recipient == NULL || !redirects(&change, recipient)) {
            error = mm_changes_add(changes, &change);
        }
    }
    return error;
}

const struct mm_change *mm_changes_find(const struct mm_changes *changes,
                                        enum mm_change_kind kind)
{
    const struct mm_change *found = NULL;

    for (const struct mm_list *node = changes->items.next;
         node != &changes->items; node = node->next) {
        const struct mm_change_item *item =
            MM_LIST_OBJECT(node, const struct mm_change_item, node);

        found = item->change.kind == kind ? &item->change : found;
    }
    return found;
}
