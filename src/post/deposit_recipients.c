/* deposit_recipients.c - the envelope of a deposit: who gets it, once each.
 *
 * Owns the recipients. Promises: a mailbox gets one copy and a forward-path for
 * one destination has one row, however often it was named (RFC 5321 3.3 lets a
 * client repeat itself); each keeps its number and its wishes.
 * Thread: the depositor's. */
#include "post/deposit_internal.h"

#include "base/mem.h"
#include "platform/random.h"
#include "post/aside.h"
#include "post/destination.h"

#include <string.h>

/* The octets of a key: what two recipients have in common when one copy serves
 * both. A row's is "path\0destination"; a mailbox's copy has the mailbox, and
 * the address as it was given unless it came by an alias. */
enum { KEY_MAX = sizeof(uint64_t) + 1 + MM_STORE_REVERSE_PATH_MAX };

static struct mm_span key_of(const struct mm_deposit_recipient *recipient,
                             bool has_address, char key[KEY_MAX])
{
    if (recipient->kind != MM_TARGET_MAILBOX) {
        /* They stand so in `texts`. */
        return mm_span(recipient->path,
                       strlen(recipient->path) + 1 + strlen(recipient->place));
    }
    const char *given = mm_deposit_given_path(recipient);
    size_t size = has_address ? strlen(given) : 0;
    memcpy(key, &recipient->mailbox_id, sizeof recipient->mailbox_id);
    key[sizeof recipient->mailbox_id] = has_address ? '@' : '*';
    memcpy(key + sizeof recipient->mailbox_id + 1, given, size);
    return mm_span(key, sizeof recipient->mailbox_id + 1 + size);
}

const char *mm_deposit_given_path(const struct mm_deposit_recipient *recipient)
{
    return recipient->original_to[0] != '\0' ? recipient->original_to
                                             : recipient->path;
}

bool mm_deposit_gets_mail(const struct mm_deposit_recipient *recipient)
{
    return recipient->kind < MM_TARGET_EXPANDED &&
           recipient->loss != MM_LOSS_REMOVED;
}

static bool is_same(const struct mm_deposit_recipient *a,
                    const struct mm_deposit_recipient *b)
{
    char key_a[KEY_MAX];
    char key_b[KEY_MAX];
    bool has_address = !a->meets && !b->meets;

    return (a->kind == MM_TARGET_MAILBOX) == (b->kind == MM_TARGET_MAILBOX) &&
           mm_deposit_gets_mail(a) && mm_deposit_gets_mail(b) &&
           mm_span_equal(key_of(a, has_address, key_a),
                         key_of(b, has_address, key_b));
}

static struct mm_deposit_recipient *find_key(const struct mm_deposit *deposit,
                                             struct mm_span key)
{
    return mm_map_get(&deposit->seen, key);
}

/* Whether one in the map has the copy. Of a mailbox the key without an address
 * leads to the first whom an alias led there, else to the first of all. */
static bool map_has(const struct mm_deposit *deposit,
                    const struct mm_deposit_recipient *recipient)
{
    char key[KEY_MAX];
    const struct mm_deposit_recipient *any =
        find_key(deposit, key_of(recipient, false, key));

    if (recipient->kind != MM_TARGET_MAILBOX || any == NULL || any->meets ||
        recipient->meets) {
        return any != NULL;
    }
    return find_key(deposit, key_of(recipient, true, key)) != NULL;
}

static enum mailmod_error map_put(struct mm_deposit *deposit,
                                  struct mm_deposit_recipient *recipient)
{
    char key[KEY_MAX];
    enum mailmod_error error =
        mm_map_put(&deposit->seen, key_of(recipient, false, key), recipient);

    return error == MAILMOD_OK && recipient->kind == MM_TARGET_MAILBOX
               ? mm_map_put(&deposit->seen, key_of(recipient, true, key),
                            recipient)
               : error;
}

enum mailmod_error mm_deposit_find_doubles(struct mm_deposit *deposit)
{
    uint64_t seed = 0;
    enum mailmod_error error = mm_random(&seed, sizeof seed);

    if (deposit->has_map) {
        mm_map_fini(&deposit->seen);
    }
    deposit->has_map = true;
    mm_map_init(&deposit->seen, SIZE_MAX / 4, seed);
    MM_LIST_EACH(node, &deposit->recipients)
    {
        struct mm_deposit_recipient *recipient =
            MM_LIST_OBJECT(node, struct mm_deposit_recipient, node);

        if (error == MAILMOD_OK && mm_deposit_gets_mail(recipient)) {
            recipient->is_double = map_has(deposit, recipient);
            error =
                recipient->is_double ? MAILMOD_OK : map_put(deposit, recipient);
        }
    }
    return error;
}

static enum mailmod_error make_map(struct mm_deposit *deposit)
{
    uint64_t seed = 0;
    enum mailmod_error error = mm_random(&seed, sizeof seed);

    if (error != MAILMOD_OK) {
        return error;
    }
    deposit->has_map = true;
    mm_map_init(&deposit->seen, SIZE_MAX / 4, seed);
    MM_LIST_EACH(node, &deposit->recipients)
    {
        struct mm_deposit_recipient *recipient =
            MM_LIST_OBJECT(node, struct mm_deposit_recipient, node);

        if (!recipient->is_double && error == MAILMOD_OK &&
            mm_deposit_gets_mail(recipient)) {
            error = map_put(deposit, recipient);
        }
    }
    return error;
}

/* Few are compared with each other; many find each other in a map. */
static enum mailmod_error find_double(struct mm_deposit *deposit,
                                      struct mm_deposit_recipient *recipient)
{
    if (!mm_deposit_gets_mail(recipient)) {
        return MAILMOD_OK;
    }
    if (deposit->recipient_count < MM_DEPOSIT_COMPARED_MAX &&
        !deposit->has_map) {
        MM_LIST_EACH(node, &deposit->recipients)
        {
            recipient->is_double =
                recipient->is_double ||
                is_same(
                    recipient,
                    MM_LIST_OBJECT(node, struct mm_deposit_recipient, node));
        }
        return MAILMOD_OK;
    }
    enum mailmod_error error =
        deposit->has_map ? MAILMOD_OK : make_map(deposit);
    if (error != MAILMOD_OK) {
        return error;
    }
    recipient->is_double = map_has(deposit, recipient);
    return recipient->is_double ? MAILMOD_OK : map_put(deposit, recipient);
}

static const char *text_of(const char *text)
{
    return text != NULL ? text : "";
}

static struct mm_deposit_recipient *copy(const struct mm_target *target,
                                         const char *words)
{
    const char *texts[] = {target->path,
                           text_of(target->kind == MM_TARGET_MAILBOX ||
                                           target->kind == MM_TARGET_REPLY
                                       ? target->mailbox_name
                                       : target->destination),
                           text_of(target->original_recipient),
                           text_of(target->delivered_to),
                           text_of(target->original_to),
                           words,
                           text_of(target->looked_up)};
    size_t size = 0;

    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        size += strlen(texts[i]) + 1;
    }
    struct mm_deposit_recipient *recipient = mm_alloc(sizeof *recipient + size);
    if (recipient != NULL) {
        char *at = recipient->texts;

        recipient->kind = target->kind;
        recipient->notify = target->notify;
        recipient->mailbox_id = target->mailbox_id;
        recipient->limit = target->limit;
        recipient->is_expanded = target->is_expanded;
        recipient->meets = target->meets;
        recipient->visibility = target->visibility;
        recipient->refusal = target->reply;
        recipient->path = mm_text_put(&at, texts[0]);
        recipient->place = mm_text_put(&at, texts[1]);
        recipient->original_recipient = mm_text_put(&at, texts[2]);
        recipient->delivered_to = mm_text_put(&at, texts[3]);
        recipient->original_to = mm_text_put(&at, texts[4]);
        recipient->words = mm_text_put(&at, texts[5]);
        recipient->looked_up = mm_text_put(&at, texts[6]);
    }
    return recipient;
}

static enum mailmod_error add(struct mm_deposit *deposit,
                              const struct mm_target *target, const char *words,
                              unsigned number, unsigned origin)
{
    if (target->kind >= MM_TARGET_REFUSED) {
        return MAILMOD_ERROR_ARGUMENT;
    }
    struct mm_deposit_recipient *recipient = copy(target, words);
    if (recipient == NULL) {
        return MAILMOD_ERROR_MEMORY;
    }
    enum mailmod_error error = find_double(deposit, recipient);
    if (error != MAILMOD_OK) {
        mm_free(recipient);
        return error;
    }
    recipient->number = number;
    recipient->origin = origin;
    recipient->loss =
        target->kind == MM_TARGET_FAILED ? MM_LOSS_REFUSED : MM_LOSS_NONE;
    deposit->recipient_count += target->kind == MM_TARGET_REPLY ? 0 : 1;
    mm_list_append(&deposit->recipients, &recipient->node);
    return MAILMOD_OK;
}

static enum mailmod_error add_next(struct mm_deposit *deposit,
                                   const struct mm_target *target,
                                   const char *words)
{
    unsigned number = deposit->next_number;
    enum mailmod_error error = add(deposit, target, words, number, number);

    deposit->next_number += error == MAILMOD_OK ? 1 : 0;
    return error;
}

enum mailmod_error mm_deposit_add(struct mm_deposit *deposit,
                                  const struct mm_target *target)
{
    return add_next(deposit, target, "");
}

enum mailmod_error mm_deposit_add_aside(struct mm_deposit *deposit,
                                        const char *account, const char *path,
                                        const char *words)
{
    char destination[MM_STORE_DESTINATION_MAX];
    const struct mm_target target = {
        .kind = MM_TARGET_LOCAL, .path = path, .destination = destination};
    enum mailmod_error error =
        mm_destination_local(MM_ASIDE_CONSUMER, account, destination);
    return error == MAILMOD_OK ? add_next(deposit, &target, words) : error;
}

const char *mm_deposit_aside_words(const struct mm_deposit_recipient *recipient)
{
    return recipient->is_aside ? mm_loss_words(recipient).text
                               : recipient->words;
}

enum mailmod_error mm_deposit_add_more(struct mm_deposit *deposit,
                                       const struct mm_target *target)
{
    unsigned number = MM_DEPOSIT_MORE + deposit->more_count++;

    return add(deposit, target, "", number, deposit->next_number - 1);
}

enum mailmod_error mm_deposit_add_all(struct mm_deposit *deposit,
                                      const struct mm_target *targets,
                                      size_t count)
{
    enum mailmod_error error = MAILMOD_OK;

    for (size_t i = 0; error == MAILMOD_OK && i < count; i++) {
        error = i == 0 ? mm_deposit_add(deposit, &targets[i])
                       : mm_deposit_add_more(deposit, &targets[i]);
    }
    return error;
}

static void lose_all(struct mm_deposit *deposit, unsigned origin)
{
    MM_LIST_EACH(node, &deposit->recipients)
    {
        struct mm_deposit_recipient *recipient =
            MM_LIST_OBJECT(node, struct mm_deposit_recipient, node);

        if (recipient->origin == origin && mm_deposit_gets_mail(recipient)) {
            recipient->loss = MM_LOSS_LOOP;
        }
    }
}

void mm_deposit_end_loops(struct mm_deposit *deposit)
{
    if (deposit->edit.delivered_to_size == 0) {
        return;
    }
    MM_LIST_EACH(node, &deposit->recipients)
    {
        struct mm_deposit_recipient *recipient =
            MM_LIST_OBJECT(node, struct mm_deposit_recipient, node);

        if (recipient->kind == MM_TARGET_REMOTE && recipient->is_expanded &&
            mm_header_was_delivered_to(&deposit->edit,
                                       recipient->delivered_to)) {
            lose_all(deposit, recipient->origin);
        }
    }
}

void mm_deposit_skip(struct mm_deposit *deposit)
{
    deposit->next_number++;
}

size_t mm_deposit_recipient_count(const struct mm_deposit *deposit)
{
    return deposit->recipient_count;
}

const char *mm_deposit_first_path(const struct mm_deposit *deposit)
{
    const struct mm_list *node = deposit->recipients.next;

    if (node == &deposit->recipients) {
        return NULL;
    }
    const struct mm_deposit_recipient *first =
        MM_LIST_OBJECT(node, const struct mm_deposit_recipient, node);
    return mm_deposit_given_path(first);
}

bool mm_deposit_met_full(const struct mm_deposit *deposit)
{
    const struct mm_list *head = &deposit->recipients;
    bool is_full = false;

    for (const struct mm_list *node = head->next; node != head;
         node = node->next) {
        is_full =
            is_full ||
            MM_LIST_OBJECT(node, struct mm_deposit_recipient, node)->loss ==
                MM_LOSS_FULL;
    }
    return is_full;
}

void mm_deposit_each_lost(const struct mm_deposit *deposit,
                          void (*visit)(void *context, size_t number,
                                        bool is_full),
                          void *context)
{
    const struct mm_list *head = &deposit->recipients;

    for (const struct mm_list *node = head->next; node != head;
         node = node->next) {
        const struct mm_deposit_recipient *recipient =
            MM_LIST_OBJECT(node, struct mm_deposit_recipient, node);

        if (recipient->loss != MM_LOSS_NONE &&
            recipient->loss != MM_LOSS_REMOVED && !recipient->is_aside) {
            visit(context, recipient->number, recipient->loss == MM_LOSS_FULL);
        }
    }
}

void mm_deposit_free_recipients(struct mm_deposit *deposit)
{
    struct mm_list *node = NULL;

    while ((node = mm_list_take_first(&deposit->recipients)) != NULL) {
        struct mm_deposit_recipient *recipient =
            MM_LIST_OBJECT(node, struct mm_deposit_recipient, node);

        mm_free(recipient->folder);
        mm_free(recipient);
    }
    if (deposit->has_map) {
        mm_map_fini(&deposit->seen);
    }
}

struct mm_loss_words mm_loss_words(const struct mm_deposit_recipient *recipient)
{
    static const struct mm_loss_words words[] = {
        [MM_LOSS_NONE] = {MAILMOD_OK, "2.1.5", "in the mailbox"},
        [MM_LOSS_GONE] = {MAILMOD_ERROR_NOT_FOUND, "5.1.1",
                          "the mailbox was removed while the message came"},
        [MM_LOSS_FULL] = {MAILMOD_ERROR_LIMIT, "5.2.2", "the mailbox is full"},
        [MM_LOSS_LOOP] = {MAILMOD_ERROR_LIMIT, "5.4.6",
                          "the message goes in a circle: it was sent on from "
                          "this address before"},
        [MM_LOSS_REFUSED] = {MAILMOD_ERROR_REFUSED, "5.1.1", ""},
        [MM_LOSS_REMOVED] = {MAILMOD_ERROR_REFUSED, "2.0.0",
                             "taken from the envelope by a judge"},
    };
    struct mm_loss_words found = words[recipient->loss];

    if (recipient->loss == MM_LOSS_REFUSED && recipient->refusal != NULL) {
        bool is_full = recipient->refusal->code < 500;

        found.status = is_full ? "5.2.2" : recipient->refusal->enhanced;
        found.text =
            is_full ? words[MM_LOSS_FULL].text : recipient->refusal->text;
    }
    return found;
}
