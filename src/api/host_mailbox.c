/* host_mailbox.c - one login at a mailbox provider of the host's.
 *
 * Owns the listing, and the order of the calls: one at a time; the end of a
 * reading goes before what is asked next, `close` comes last. Promises: each
 * question is answered once; one login of a user at a time has a listing (RFC
 * 1939 4); the host hears the end of each reading that began and of each login,
 * whatever failed; what it says wrongly is a failure with a line in the log.
 *
 * Law of is_busy: set while a call runs; nobody else touches what is lent to
 * it. Lock order: the mailbox's, then nothing; the providers', then nothing.
 * Thread: any. */
#include "api/host_mailbox.h"

#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

static const struct mm_mailbox_verbs verbs;

static struct mm_host_mailbox *cast(struct mm_mailbox *mailbox)
{
    return MM_LIST_OBJECT(mailbox, struct mm_host_mailbox, base);
}

static const struct mm_host_mailbox *look(const struct mm_mailbox *mailbox)
{
    return MM_LIST_OBJECT(mailbox, const struct mm_host_mailbox, base);
}

static void wipe_password(struct mm_host_mailbox *mailbox)
{
    if (mailbox->password != NULL) {
        mm_secret_clear(mailbox->password, strlen(mailbox->password));
        mm_free(mailbox->password);
        mailbox->password = NULL;
    }
}

static void unclaim(struct mm_host_mailbox *mailbox)
{
    struct mm_mutex *mutex = mailbox->provider->providers->mutex;

    mm_mutex_lock(mutex);
    mm_list_remove(&mailbox->node);
    mm_mutex_unlock(mutex);
}

/* False: another login of the user has a listing. */
static bool claim(struct mm_host_mailbox *mailbox)
{
    struct mm_host_provider *provider = mailbox->provider;
    bool is_free = true;

    mm_mutex_lock(provider->providers->mutex);
    MM_LIST_EACH(node, &provider->mailboxes)
    {
        is_free =
            is_free &&
            strcmp(MM_LIST_OBJECT(node, struct mm_host_mailbox, node)->user,
                   mailbox->user) != 0;
    }
    if (is_free) {
        mm_list_append(&provider->mailboxes, &mailbox->node);
    }
    mm_mutex_unlock(provider->providers->mutex);
    return is_free;
}

static void drop_entries(struct mm_host_mailbox *mailbox)
{
    for (size_t i = 0; i < mailbox->entry_count; i++) {
        mm_free(mailbox->entries[i].unique_id);
    }
    mm_free(mailbox->entries);
    mailbox->entries = NULL;
    mailbox->entry_count = 0;
    mailbox->entry_room = 0;
    mailbox->base.count = 0;
    mailbox->base.late_count = 0;
}

static void free_mailbox(struct mm_host_mailbox *mailbox)
{
    struct mm_host_provider *provider = mailbox->provider;

    unclaim(mailbox);
    drop_entries(mailbox);
    wipe_password(mailbox);
    mm_mailbox_call_free(&mailbox->read_end_call);
    mm_mailbox_call_free(&mailbox->close_call);
    mm_free(mailbox->user);
    mm_free(mailbox->given_name);
    mm_mutex_free(&mailbox->mutex);
    mm_free(mailbox);
    mm_provider_unref(&provider);
}

enum mailmod_error mm_host_mailbox_new(struct mm_host_provider *provider,
                                       const struct mm_mailbox_client *client,
                                       struct mm_mailbox **mailbox_out)
{
    struct mm_host_mailbox *mailbox = mm_alloc(sizeof *mailbox);

    *mailbox_out = NULL;
    if (mailbox == NULL) {
        return MAILMOD_ERROR_MEMORY;
    }
    mm_list_init(&mailbox->node);
    mailbox->base.verbs = &verbs;
    mailbox->base.is_read_only = provider->given.remove == NULL;
    mailbox->provider = provider;
    mailbox->peer = client->peer;
    mm_netaddr_format_ip(&client->peer, mailbox->peer_text);
    mailbox->connection = client->connection;
    mailbox->is_tls = client->is_tls;
    mailbox->user = mm_strdup(client->user);
    mailbox->given_name = mm_strdup(client->given_name);
    mailbox->close_call = mm_mailbox_call_new(mailbox, MM_CALL_CLOSE);
    if (mailbox->user == NULL || mailbox->given_name == NULL ||
        mailbox->close_call == NULL ||
        mm_mutex_new(&mailbox->mutex) != MAILMOD_OK) {
        mm_mailbox_call_free(&mailbox->close_call);
        mm_free(mailbox->user);
        mm_free(mailbox->given_name);
        mm_free(mailbox);
        return MAILMOD_ERROR_MEMORY;
    }
    *mailbox_out = &mailbox->base;
    return MAILMOD_OK;
}

static void log_mistake(const struct mm_host_mailbox *mailbox, const char *text,
                        const char *unique_id)
{
    MM_LOG(mailbox->provider->providers->log, MM_LOG_ERROR, "provider", text,
           MM_TEXT("provider", mailbox->provider->name),
           MM_TEXT("user", mailbox->user), MM_TEXT("unique_id", unique_id));
}

static void run_call(struct mm_host_mailbox *mailbox, enum mm_call_kind kind,
                     size_t index);

/* The next call, which is the caller's to run; NONE: there is none, or one
 * runs. Locked. */
static enum mm_call_kind next_call(struct mm_host_mailbox *mailbox,
                                   size_t *index_out)
{
    enum mm_call_kind kind = MM_CALL_NONE;

    *index_out = mailbox->read_index;
    if (mailbox->is_busy) {
        return kind;
    }
    if (mailbox->wants_read_end) {
        mailbox->wants_read_end = false;
        *index_out = mailbox->end_index;
        kind = MM_CALL_READ_END;
    } else if (mailbox->wanted != MM_CALL_NONE) {
        kind = mailbox->wanted;
        mailbox->wanted = MM_CALL_NONE;
    } else if (mailbox->is_closing) {
        kind = MM_CALL_CLOSE;
    }
    mailbox->is_busy = kind != MM_CALL_NONE;
    return kind;
}

/* A call is over: begins what is left to do. Where that is nothing, the mailbox
 * is not touched after the lock: another thread may close it. Locked; unlocks.
 */
static void go_on(struct mm_host_mailbox *mailbox)
{
    size_t index;

    mailbox->is_busy = false;
    enum mm_call_kind kind = next_call(mailbox, &index);
    mm_mutex_unlock(mailbox->mutex);
    if (kind != MM_CALL_NONE) {
        run_call(mailbox, kind, index);
    }
}

/* Answers who asked. */
static void settle(struct mm_host_mailbox *mailbox, enum mailmod_error error)
{
    mm_mutex_lock(mailbox->mutex);
    struct mm_mailbox_question *question = mailbox->question;
    struct mm_mailbox_removal *removal = mailbox->removal;
    mailbox->question = NULL;
    mailbox->removal = NULL;
    wipe_password(mailbox);
    go_on(mailbox);
    if (question != NULL) {
        question->done(question, error);
    } else if (removal != NULL) {
        removal->done(removal, error);
    }
}

static int by_unique_id(const void *left, const void *right)
{
    return strcmp(*(const char *const *)left, *(const char *const *)right);
}

/* The text that two messages have; NULL: none. */
static enum mailmod_error find_twice(const struct mm_host_mailbox *mailbox,
                                     const char **text_out)
{
    size_t count = mailbox->entry_count;
    const char **texts = mm_alloc_array(count + 1, sizeof *texts);

    *text_out = NULL;
    if (texts == NULL) {
        return MAILMOD_ERROR_MEMORY;
    }
    for (size_t i = 0; i < count; i++) {
        texts[i] = mailbox->entries[i].unique_id;
    }
    qsort(texts, count, sizeof *texts, by_unique_id);
    for (size_t i = 1; i < count && *text_out == NULL; i++) {
        *text_out = strcmp(texts[i - 1], texts[i]) == 0 ? texts[i] : NULL;
    }
    mm_free(texts);
    return MAILMOD_OK;
}

/* What REFUSED with these words does to a session: mailmod/provider.h. */
static enum mailmod_error refuse(struct mm_host_mailbox *mailbox,
                                 const char *code, const char *text,
                                 bool is_critical)
{
    struct mm_mailbox_refusal *refusal = &mailbox->base.refusal;

    (void)mm_span_copy(mm_span_cstr(code), refusal->code, sizeof refusal->code);
    (void)mm_span_copy(mm_span_cstr(text), refusal->text, sizeof refusal->text);
    refusal->is_critical = is_critical;
    return MAILMOD_ERROR_REFUSED;
}

static enum mailmod_error fail(struct mm_host_mailbox *mailbox)
{
    return refuse(mailbox, "SYS/TEMP", "the mailbox failed, try again later",
                  true);
}

/* What was sought is there, the last one of the entries, or nothing is. */
static void end_search(struct mm_host_mailbox *mailbox,
                       enum mailmod_error error)
{
    size_t known = mm_mailbox_known(&mailbox->base);

    if (error == MAILMOD_OK) {
        *mailbox->sought_index = known;
        mailbox->base.late_count++;
    } else if (mailbox->entry_count > known) {
        mm_free(mailbox->entries[--mailbox->entry_count].unique_id);
    }
    mailbox->sought_index = NULL;
    settle(mailbox, error);
}

/* The host has it, or has it not; its size may be asked for yet. */
static void find_done(struct mm_host_mailbox *mailbox,
                      const struct mailmod_mailbox_call *call,
                      enum mailmod_error error)
{
    const struct mm_mailbox_refusal *refusal = &mailbox->base.refusal;

    if (error == MAILMOD_ERROR_REFUSED && refusal->code[0] == '\0' &&
        refusal->text[0] == '\0' && !refusal->is_critical) {
        error = MAILMOD_ERROR_NOT_FOUND;
    }
    if (error == MAILMOD_OK) {
        error = mm_host_mailbox_add(
            mailbox, mailbox->sought,
            call->has_octets ? call->octets : MAILMOD_MAILBOX_OCTETS_UNKNOWN);
    }
    if (error == MAILMOD_ERROR_ARGUMENT) {
        log_mistake(mailbox, "no size was told", mailbox->sought);
        error = fail(mailbox);
    }
    if (error == MAILMOD_OK && !call->has_octets) {
        run_call(mailbox, MM_CALL_SIZE, mailbox->entry_count - 1);
    } else {
        end_search(mailbox, error);
    }
}

/* A listing that came to nothing leaves no claim. */
static void give_up_listing(struct mm_host_mailbox *mailbox,
                            enum mailmod_error error)
{
    drop_entries(mailbox);
    unclaim(mailbox);
    settle(mailbox, error);
}

/* The next message whose size is asked for, or the listing is whole. */
static void go_on_listing(struct mm_host_mailbox *mailbox, size_t from)
{
    const char *twice = NULL;
    size_t index = from;

    while (index < mailbox->entry_count &&
           mailbox->entries[index].octets != MAILMOD_MAILBOX_OCTETS_UNKNOWN) {
        index++;
    }
    if (index < mailbox->entry_count) {
        run_call(mailbox, MM_CALL_SIZE, index);
        return;
    }
    enum mailmod_error error = find_twice(mailbox, &twice);
    if (error == MAILMOD_OK && twice != NULL) {
        log_mistake(mailbox, "two messages have one unique-id", twice);
        error = fail(mailbox);
    }
    if (error != MAILMOD_OK) {
        give_up_listing(mailbox, error);
        return;
    }
    mailbox->base.count = mailbox->entry_count;
    settle(mailbox, MAILMOD_OK);
}

static void size_done(struct mm_host_mailbox *mailbox,
                      const struct mailmod_mailbox_call *call,
                      enum mailmod_error error)
{
    if (error == MAILMOD_OK) {
        mailbox->entries[call->index].octets = call->octets;
    }
    if (mailbox->sought_index != NULL) {
        end_search(mailbox, error);
    } else if (error == MAILMOD_OK) {
        go_on_listing(mailbox, call->index + 1);
    } else {
        give_up_listing(mailbox, error);
    }
}

static void owe_read_end(struct mm_host_mailbox *mailbox)
{
    mm_mutex_lock(mailbox->mutex);
    if (mailbox->is_reading) {
        mailbox->is_reading = false;
        mailbox->wants_read_end = true;
        mailbox->end_index = mailbox->read_index;
    }
    mm_mutex_unlock(mailbox->mutex);
}

static void read_done(struct mm_host_mailbox *mailbox,
                      const struct mailmod_mailbox_call *call,
                      enum mailmod_error error)
{
    bool is_first = mailbox->read_number == 0;

    if (error == MAILMOD_OK) {
        mailbox->offset += call->written;
        mailbox->is_reading = true;
    }
    if (error == MAILMOD_OK && call->written == 0) {
        if (is_first) {
            *mailbox->size_out = 0;
        } else {
            error = MAILMOD_ERROR_NOT_FOUND;
        }
    }
    if (error != MAILMOD_OK || call->written == 0) {
        owe_read_end(mailbox);
    }
    settle(mailbox, error);
}

/* The host's answer as an error of the contract. */
static enum mailmod_error judge(struct mm_host_mailbox *mailbox,
                                const struct mailmod_mailbox_call *call)
{
    if (call->spoilt == MAILMOD_ERROR_MEMORY) {
        return call->spoilt; /* ours, whatever the host made of it */
    }
    switch (call->answer) {
    case MAILMOD_MAILBOX_OK:
        if (call->kind == MM_CALL_LIST && call->spoilt != MAILMOD_OK) {
            log_mistake(mailbox, "a listing with a mistake", "");
            return fail(mailbox);
        }
        if (call->kind == MM_CALL_SIZE && !call->has_octets) {
            log_mistake(mailbox, "no size was told",
                        mailbox->entries[call->index].unique_id);
            return fail(mailbox);
        }
        return MAILMOD_OK;
    case MAILMOD_MAILBOX_REFUSED:
        mailbox->base.refusal = call->refusal;
        return MAILMOD_ERROR_REFUSED;
    case MAILMOD_MAILBOX_UNSUPPORTED:
        return refuse(mailbox, "", "this mailbox cannot do that", false);
    case MAILMOD_MAILBOX_FAILED:
    case MAILMOD_MAILBOX_LATER:
        break;
    }
    return fail(mailbox);
}

void mm_host_mailbox_answered(struct mm_host_mailbox *mailbox,
                              const struct mailmod_mailbox_call *call)
{
    bool is_told =
        call->kind == MM_CALL_READ_END || call->kind == MM_CALL_CLOSE;
    enum mailmod_error error = is_told ? MAILMOD_OK : judge(mailbox, call);

    switch (call->kind) {
    case MM_CALL_LIST:
        if (error == MAILMOD_OK) {
            go_on_listing(mailbox, 0);
        } else {
            give_up_listing(mailbox, error);
        }
        break;
    case MM_CALL_SIZE:
        size_done(mailbox, call, error);
        break;
    case MM_CALL_FIND:
        find_done(mailbox, call, error);
        break;
    case MM_CALL_READ:
        read_done(mailbox, call, error);
        break;
    case MM_CALL_READ_END: /* somebody may have asked for the next call */
        mm_mutex_lock(mailbox->mutex);
        go_on(mailbox);
        break;
    case MM_CALL_CLOSE:
        free_mailbox(mailbox);
        break;
    default: /* AUTHENTICATE, REMOVE */
        settle(mailbox, error);
        break;
    }
}

/* A call could not be made. */
static void not_called(struct mm_host_mailbox *mailbox, enum mm_call_kind kind,
                       enum mailmod_error error)
{
    if (mailbox->sought_index != NULL) {
        end_search(mailbox, error);
    } else if (kind == MM_CALL_LIST || kind == MM_CALL_SIZE) {
        give_up_listing(mailbox, error);
    } else {
        settle(mailbox, error);
    }
}

static void run_call(struct mm_host_mailbox *mailbox, enum mm_call_kind kind,
                     size_t index)
{
    bool must = kind == MM_CALL_READ_END || kind == MM_CALL_CLOSE;
    struct mailmod_mailbox_call *call = NULL;

    if (kind == MM_CALL_READ_END) {
        call = mailbox->read_end_call;
        mailbox->read_end_call = NULL;
    } else if (kind == MM_CALL_CLOSE) {
        call = mailbox->close_call;
        mailbox->close_call = NULL;
    } else {
        call = mm_mailbox_call_new(mailbox, kind);
    }
    if (call == NULL) {
        not_called(mailbox, kind, MAILMOD_ERROR_MEMORY);
        return;
    }
    if (kind == MM_CALL_LIST) {
        drop_entries(mailbox); /* of a listing before this one */
    }
    call->index = index;
    if (call->on_call == NULL ||
        (kind == MM_CALL_CLOSE && !mailbox->is_known)) {
        call->answer = MAILMOD_MAILBOX_OK;
        mm_host_mailbox_answered(mailbox, call);
        mm_mailbox_call_free(&call);
        return;
    }
    if (!must) {
        mailbox->base.refusal = (struct mm_mailbox_refusal){.code = ""};
    }
    mailbox->is_known = mailbox->is_known || kind == MM_CALL_AUTHENTICATE;
    enum mailmod_error error = mm_mailbox_call_run(call, must);
    if (error != MAILMOD_OK) {
        mailbox->is_known = mailbox->is_known && kind != MM_CALL_AUTHENTICATE;
        mm_mailbox_call_free(&call);
        not_called(mailbox, kind, error);
    }
}

static void advance(struct mm_host_mailbox *mailbox)
{
    size_t index;

    mm_mutex_lock(mailbox->mutex);
    enum mm_call_kind kind = next_call(mailbox, &index);
    mm_mutex_unlock(mailbox->mutex);
    if (kind != MM_CALL_NONE) {
        run_call(mailbox, kind, index);
    }
}

static void want(struct mm_host_mailbox *mailbox, enum mm_call_kind kind,
                 struct mm_mailbox_question *question,
                 struct mm_mailbox_removal *removal)
{
    mm_mutex_lock(mailbox->mutex);
    mailbox->wanted = kind;
    mailbox->question = question;
    mailbox->removal = removal;
    mm_mutex_unlock(mailbox->mutex);
    advance(mailbox);
}

static void authenticate(struct mm_mailbox *base, const char *password,
                         struct mm_mailbox_question *question)
{
    struct mm_host_mailbox *mailbox = cast(base);

    mailbox->password = mm_strdup(password);
    if (mailbox->password == NULL) {
        question->done(question, MAILMOD_ERROR_MEMORY);
        return;
    }
    want(mailbox, MM_CALL_AUTHENTICATE, question, NULL);
}

static void list(struct mm_mailbox *base, struct mm_mailbox_question *question)
{
    struct mm_host_mailbox *mailbox = cast(base);

    if (!claim(mailbox)) {
        question->done(question, MAILMOD_ERROR_BUSY);
        return;
    }
    want(mailbox, MM_CALL_LIST, question, NULL);
}

static void read_end(struct mm_mailbox *base)
{
    owe_read_end(cast(base));
    advance(cast(base));
}

/* The entries stay for a reading whose end is told still; the next listing
 * drops them. */
static void unlist(struct mm_mailbox *base)
{
    unclaim(cast(base));
    base->count = 0;
    base->late_count = 0;
}

static void seek(struct mm_mailbox *base, const char *unique_id,
                 size_t *index_out, struct mm_mailbox_question *question)
{
    struct mm_host_mailbox *mailbox = cast(base);

    if (mailbox->provider->given.find == NULL) {
        question->done(question, MAILMOD_ERROR_NOT_FOUND);
        return;
    }
    mm_mutex_lock(mailbox->mutex);
    mailbox->sought = unique_id;
    mailbox->sought_index = index_out;
    mm_mutex_unlock(mailbox->mutex);
    want(mailbox, MM_CALL_FIND, question, NULL);
}

static void ask(struct mm_mailbox *base, size_t index, unsigned number,
                struct mm_buf *out, uint64_t *size_out,
                struct mm_mailbox_question *question)
{
    struct mm_host_mailbox *mailbox = cast(base);

    mm_buf_clear(out);
    if (number == 0) {
        *size_out = MM_MAILBOX_SIZE_UNKNOWN;
        read_end(base); /* of the one before */
    }
    mm_mutex_lock(mailbox->mutex);
    if (mailbox->read_end_call == NULL) {
        mailbox->read_end_call = mm_mailbox_call_new(mailbox, MM_CALL_READ_END);
    }
    bool has_memory = mailbox->read_end_call != NULL;
    mailbox->read_index = index;
    mailbox->read_number = number;
    mailbox->out = out;
    mailbox->size_out = size_out;
    mailbox->offset = number == 0 ? 0 : mailbox->offset;
    mm_mutex_unlock(mailbox->mutex);
    if (!has_memory) {
        question->done(question, MAILMOD_ERROR_MEMORY);
        return;
    }
    want(mailbox, MM_CALL_READ, question, NULL);
}

static void remove_messages(struct mm_mailbox *base,
                            struct mm_mailbox_removal *removal)
{
    struct mm_host_mailbox *mailbox = cast(base);

    if (removal->count == 0) {
        removal->done(removal, MAILMOD_OK);
    } else if (mailbox->base.is_read_only) {
        (void)refuse(mailbox, "READ-ONLY", "this mailbox is read-only", false);
        removal->done(removal, MAILMOD_ERROR_REFUSED);
    } else {
        want(mailbox, MM_CALL_REMOVE, NULL, removal);
    }
}

static void close_mailbox(struct mm_mailbox *base)
{
    struct mm_host_mailbox *mailbox = cast(base);

    owe_read_end(mailbox);
    mm_mutex_lock(mailbox->mutex);
    mailbox->is_closing = true;
    mm_mutex_unlock(mailbox->mutex);
    advance(mailbox);
}

static uint64_t size_of(const struct mm_mailbox *mailbox, size_t index)
{
    return look(mailbox)->entries[index].octets;
}

static void unique_id(const struct mm_mailbox *mailbox, size_t index,
                      char text_out[MM_UNIQUE_ID_MAX])
{
    const char *text = look(mailbox)->entries[index].unique_id;

    memcpy(text_out, text, strlen(text) + 1);
}

static const struct mm_mailbox_verbs verbs = {
    .capabilities = MM_MAILBOX_REMOVES_NOW | MM_MAILBOX_ANSWERS_LATER,
    .size = size_of,
    .unique_id = unique_id,
    .remove_list = remove_messages,
    .remove_now = remove_messages,
    .authenticate = authenticate,
    .list = list,
    .unlist = unlist,
    .seek = seek,
    .ask = ask,
    .read_end = read_end,
    .close = close_mailbox,
};
