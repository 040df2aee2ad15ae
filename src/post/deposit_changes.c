/* deposit_changes.c - what judges wanted changed, carried out at a deposit's
 * end.
 *
 * Owns the question for the address that is looked up now. Promises: changes
 * are made in the order of their list; an address that nobody has is an error
 * in the log, and who was to be redirected there keeps his mail, so a judge's
 * mistake loses nothing; an address that cannot be looked up now makes the
 * whole message wait with its sender. Who is redirected keeps the wishes of the
 * one who sent it (RFC 3461 5.2.7: NOTIFY, ORCPT); one that a judge adds asks
 * for no report, and one that it removes is told of to nobody.
 * Thread: the depositor's. RFC 5322 2.2; RFC 3461 5.2.7. */
#include "post/deposit_internal.h"

#include "base/mem.h"
#include "mailbox/plus_folder.h"
#include "post/destination.h"
#include "post/maildirs.h"
#include "wire/msg/header_change.h"

#include <string.h>

struct mm_deposit_changing {
    const struct mm_list *node; /* of the change that is made now */
    unsigned at;                /* REDIRECT: the number to look at next */
    unsigned end;               /* ... and that behind the last */
    bool is_asked;
    struct mm_resolve resolve;
    struct mm_address address;
    const struct mm_deposit_recipient *from; /* REDIRECT: who is */
};

static const struct mm_change *change_of(const struct mm_list *node)
{
    return &MM_LIST_OBJECT(node, const struct mm_change_item, node)->change;
}

/* ---- the header ---- */

static void note_letters(struct mm_deposit *deposit, const char *value)
{
    for (; *value != '\0'; value++) {
        deposit->message.is_8bit |= (unsigned char)*value > 127;
    }
}

/* A header that the first piece has not whole takes fields in front alone. */
static enum mailmod_error change_part(struct mm_deposit *deposit,
                                      const struct mm_header_change *change)
{
    if (change->kind == MM_HEADER_CHANGE_SET ||
        (change->kind == MM_HEADER_CHANGE_INSERT && change->number > 0)) {
        return MAILMOD_ERROR_TOO_LARGE;
    }
    struct mm_header_change first = *change;
    first.kind = MM_HEADER_CHANGE_ADD;
    return mm_header_change_apply(mm_span("", 0), &first, &deposit->fields);
}

static enum mailmod_error change_whole(struct mm_deposit *deposit,
                                       const struct mm_header_change *change)
{
    struct mm_span first = mm_buf_span(&deposit->first);
    struct mm_buf changed;

    mm_buf_init(&changed, MM_LIMIT_CHUNK);
    enum mailmod_error error = mm_header_change_apply(
        mm_span(first.data, deposit->header_size), change, &changed);
    size_t header_size = mm_buf_size(&changed);
    if (error == MAILMOD_OK) {
        error = mm_buf_append_span(&changed,
                                   mm_span_from(first, deposit->header_size));
    }
    if (error != MAILMOD_OK) {
        mm_buf_fini(&changed);
        return error == MAILMOD_ERROR_LIMIT ? MAILMOD_ERROR_TOO_LARGE : error;
    }
    deposit->message.size += header_size;
    deposit->message.size -= deposit->header_size;
    deposit->header_size = header_size;
    mm_buf_fini(&deposit->first);
    deposit->first = changed;
    return MAILMOD_OK;
}

enum mailmod_error mm_deposit_change_text(struct mm_deposit *deposit)
{
    enum mailmod_error error = MAILMOD_OK;

    for (const struct mm_list *node = deposit->changes.items.next;
         error == MAILMOD_OK && node != &deposit->changes.items;
         node = node->next) {
        struct mm_header_change change;

        if (mm_change_header(change_of(node), &change)) {
            note_letters(deposit, change.value);
            error = deposit->has_header ? change_whole(deposit, &change)
                                        : change_part(deposit, &change);
        } else if (change_of(node)->kind == MM_CHANGE_SENDER) {
            (void)mm_span_copy(mm_span_cstr(change_of(node)->value),
                               deposit->message.reverse_path,
                               sizeof deposit->message.reverse_path);
        }
    }
    return error;
}

/* ---- the envelope ---- */

bool mm_deposit_is_quarantined(const struct mm_deposit *deposit)
{
    return mm_changes_find(&deposit->changes, MM_CHANGE_QUARANTINE) != NULL;
}

/* "": everybody. */
static bool is_meant(const struct mm_deposit_recipient *first, const char *path)
{
    return first->number == first->origin && first->loss != MM_LOSS_REMOVED &&
           (path[0] == '\0' ||
            mm_cstr_equal_nocase(path, mm_deposit_given_path(first)));
}

static void remove_group(struct mm_deposit *deposit, unsigned origin)
{
    MM_LIST_EACH(node, &deposit->recipients)
    {
        struct mm_deposit_recipient *recipient =
            MM_LIST_OBJECT(node, struct mm_deposit_recipient, node);

        if (recipient->origin == origin) {
            recipient->loss = MM_LOSS_REMOVED;
        }
    }
}

static void remove_recipient(struct mm_deposit *deposit, const char *path)
{
    bool has_any = false;

    MM_LIST_EACH(node, &deposit->recipients)
    {
        const struct mm_deposit_recipient *first =
            MM_LIST_OBJECT(node, struct mm_deposit_recipient, node);

        if (is_meant(first, path)) {
            remove_group(deposit, first->origin);
            has_any = true;
        }
    }
    if (has_any) {
        deposit->error = mm_deposit_find_doubles(deposit);
    }
}

static void log_change(const struct mm_deposit *deposit, const char *what,
                       const char *to)
{
    MM_LOG(deposit->options.post->log, MM_LOG_ERROR, "post", what,
           MM_TEXT("message", deposit->identifier), MM_TEXT("to", to));
}

static enum mailmod_error name_folder(const struct mm_deposit *deposit,
                                      const char *folder,
                                      struct mm_deposit_recipient *recipient)
{
    char address[MM_STORE_REVERSE_PATH_MAX];
    enum mailmod_error error =
        mm_plus_folder_address(recipient->place, recipient->path,
                               deposit->options.config->local.plus_separator[0],
                               mm_span_cstr(folder), address);

    mm_free(recipient->folder);
    recipient->folder = error == MAILMOD_OK ? mm_strdup(address) : NULL;
    return error == MAILMOD_OK && recipient->folder == NULL
               ? MAILMOD_ERROR_MEMORY
               : error;
}

static bool is_maildir(const struct mm_deposit_recipient *recipient)
{
    return recipient->kind == MM_TARGET_LOCAL &&
           mm_span_starts_nocase(mm_span_cstr(recipient->place),
                                 MM_MAILDIR_CONSUMER ":");
}

/* The destination of the user's Maildir with the folder behind it: the address
 * stays, for a report shows it to the sender. */
static enum mailmod_error name_subfolder(const struct mm_deposit *deposit,
                                         const char *folder,
                                         struct mm_deposit_recipient *recipient)
{
    char destination[MM_STORE_DESTINATION_MAX];

    mm_free(recipient->folder);
    recipient->folder = NULL;
    if (mm_destination_local(recipient->place, folder, destination) !=
        MAILMOD_OK) {
        log_change(deposit, "no folder: its name and the user's are too long",
                   folder);
        return MAILMOD_OK;
    }
    recipient->folder = mm_strdup(destination);
    return recipient->folder != NULL ? MAILMOD_OK : MAILMOD_ERROR_MEMORY;
}

static void set_folder(struct mm_deposit *deposit,
                       const struct mm_change *change)
{
    if (deposit->options.config->local.plus_separator[0] == '\0') {
        log_change(deposit,
                   "no folder: local.plus_separator, which names folders, is "
                   "empty",
                   change->value);
        return;
    }
    MM_LIST_EACH(node, &deposit->recipients)
    {
        const struct mm_deposit_recipient *first =
            MM_LIST_OBJECT(node, struct mm_deposit_recipient, node);

        if (!is_meant(first, change->name)) {
            continue;
        }
        MM_LIST_EACH(other, &deposit->recipients)
        {
            struct mm_deposit_recipient *recipient =
                MM_LIST_OBJECT(other, struct mm_deposit_recipient, node);

            if (recipient->origin != first->origin ||
                deposit->error != MAILMOD_OK) {
                continue;
            }
            if (recipient->kind == MM_TARGET_MAILBOX) {
                deposit->error = name_folder(deposit, change->value, recipient);
            } else if (is_maildir(recipient)) {
                deposit->error =
                    name_subfolder(deposit, change->value, recipient);
            }
        }
    }
}

/* The next one who is to be redirected; NULL: there is none. */
static const struct mm_deposit_recipient *
next_redirected(struct mm_deposit *deposit, const char *path)
{
    struct mm_deposit_changing *changing = deposit->changing;

    MM_LIST_EACH(node, &deposit->recipients)
    {
        const struct mm_deposit_recipient *first =
            MM_LIST_OBJECT(node, struct mm_deposit_recipient, node);

        if (first->number >= changing->at && first->number < changing->end &&
            is_meant(first, path)) {
            changing->at = first->number + 1;
            return first;
        }
    }
    return NULL;
}

static enum mm_answer ask(struct mm_deposit *deposit, const char *to,
                          void (*done)(struct mm_resolve *resolve))
{
    struct mm_deposit_changing *changing = deposit->changing;
    const struct mm_deposit_recipient *from = changing->from;
    const struct mm_change *change = change_of(changing->node);

    /* It was parsed when it was added. */
    if (mm_address_parse(mm_span_cstr(to), false, true, &changing->address) !=
        MAILMOD_OK) {
        deposit->error = MAILMOD_ERROR_ARGUMENT;
        return MM_ANSWERED;
    }
    changing->is_asked = true;
    changing->resolve = (struct mm_resolve){
        .post = deposit->options.post,
        .config = deposit->options.config,
        .address = &changing->address,
        .notify = from != NULL          ? from->notify
                  : change->number != 0 ? change->number
                                        : (unsigned)MM_DSN_NOTIFY_NEVER,
        .original_recipient = from != NULL ? from->original_recipient : NULL,
        .loop = deposit->options.loop,
        .done = done,
        .context = deposit};
    return mm_resolve_ask(&changing->resolve);
}

/* One step; true with an answer: somebody is looked up. */
static bool make(struct mm_deposit *deposit, const struct mm_change *change,
                 void (*done)(struct mm_resolve *resolve),
                 enum mm_answer *answer_out)
{
    struct mm_deposit_changing *changing = deposit->changing;

    switch (change->kind) {
    case MM_CHANGE_REMOVE_RECIPIENT:
        remove_recipient(deposit, change->name);
        return false;
    case MM_CHANGE_DISCARD:
        remove_recipient(deposit, "");
        return false;
    case MM_CHANGE_FOLDER:
        set_folder(deposit, change);
        return false;
    case MM_CHANGE_ADD_RECIPIENT:
        changing->from = NULL;
        break;
    case MM_CHANGE_REDIRECT:
        changing->from = next_redirected(deposit, change->name);
        if (changing->from == NULL) {
            return false;
        }
        break;
    case MM_CHANGE_ADD_FIELD:
    case MM_CHANGE_INSERT_FIELD:
    case MM_CHANGE_SET_FIELD:
    case MM_CHANGE_SENDER:
    case MM_CHANGE_QUARANTINE:
        return false;
    }
    *answer_out = ask(deposit, change->value, done);
    return true;
}

static void next_change(struct mm_deposit *deposit)
{
    struct mm_deposit_changing *changing = deposit->changing;

    changing->node = changing->node->next;
    changing->at = 0;
    changing->end = deposit->next_number;
}

bool mm_deposit_ask_change(struct mm_deposit *deposit,
                           void (*done)(struct mm_resolve *resolve),
                           enum mm_answer *answer_out)
{
    const struct mm_list *head = &deposit->changes.items;

    if (deposit->changes.count == 0 || deposit->error != MAILMOD_OK) {
        return false;
    }
    if (deposit->changing == NULL) {
        deposit->changing = mm_alloc(sizeof *deposit->changing);
        if (deposit->changing == NULL) {
            deposit->error = MAILMOD_ERROR_MEMORY;
            return false;
        }
        deposit->changing->node = head;
        next_change(deposit);
    }
    while (deposit->changing->node != head && deposit->error == MAILMOD_OK) {
        const struct mm_change *change = change_of(deposit->changing->node);

        if (make(deposit, change, done, answer_out)) {
            if (change->kind != MM_CHANGE_REDIRECT) {
                next_change(deposit);
            }
            return true;
        }
        next_change(deposit);
    }
    return false;
}

void mm_target_redirect(struct mm_target *target, const char *given,
                        const char *looked_up)
{
    target->is_expanded = true;
    target->meets = true;
    target->original_to = given;
    target->looked_up = looked_up;
    if (target->delivered_to == NULL) {
        /* Of a row: who sends it on. */
        target->delivered_to =
            target->kind == MM_TARGET_MAILBOX ? looked_up : given;
    }
}

static void add_targets(struct mm_deposit *deposit)
{
    const struct mm_deposit_changing *changing = deposit->changing;
    const char *given =
        changing->from != NULL ? mm_deposit_given_path(changing->from) : NULL;

    for (size_t i = 0;
         deposit->error == MAILMOD_OK && i < changing->resolve.target_count;
         i++) {
        struct mm_target target = changing->resolve.targets[i];

        if (given != NULL) {
            mm_target_redirect(&target, given, changing->address.text);
        }
        target.meets = true;
        deposit->error = i == 0 ? mm_deposit_add(deposit, &target)
                                : mm_deposit_add_more(deposit, &target);
    }
}

void mm_deposit_note_change(struct mm_deposit *deposit)
{
    struct mm_deposit_changing *changing = deposit->changing;

    if (deposit->error != MAILMOD_OK || !changing->is_asked) {
        return;
    }
    const struct mm_target *first = &changing->resolve.targets[0];
    if (first->kind == MM_TARGET_FOR_NOW) {
        deposit->error = first->error;
    } else if (first->kind == MM_TARGET_REFUSED) {
        log_change(deposit,
                   "a judge's recipient cannot be had: nobody has the address",
                   changing->address.text);
    } else {
        unsigned origin = changing->from != NULL ? changing->from->origin : 0;

        add_targets(deposit);
        if (changing->from != NULL) {
            remove_group(deposit, origin);
        }
        if (deposit->error == MAILMOD_OK) {
            deposit->error = mm_deposit_find_doubles(deposit);
        }
        mm_deposit_end_loops(deposit);
    }
    mm_resolve_cancel(&changing->resolve);
    changing->is_asked = false;
}

void mm_deposit_forget_change(struct mm_deposit *deposit)
{
    if (deposit->changing != NULL) {
        mm_resolve_cancel(&deposit->changing->resolve);
        mm_free(deposit->changing);
        deposit->changing = NULL;
    }
}

/* The judges took it from everybody. */
bool mm_deposit_is_discarded(const struct mm_deposit *deposit)
{
    const struct mm_list *head = &deposit->recipients;
    bool has_removed = false;

    for (const struct mm_list *node = head->next; node != head;
         node = node->next) {
        const struct mm_deposit_recipient *recipient =
            MM_LIST_OBJECT(node, const struct mm_deposit_recipient, node);

        if (recipient->loss != MM_LOSS_REMOVED) {
            return false;
        }
        has_removed = true;
    }
    return has_removed;
}
