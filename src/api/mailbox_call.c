/* mailbox_call.c - one call to a mailbox provider of the host's: run, answered,
 * and what the host may ask and do with it meanwhile.
 *
 * Owns the call until it is answered and its callback has returned, whichever
 * comes last. Promises: it is answered once, by the callback's value or by
 * mailmod_mailbox_call_answer; a handle that is over, or a function that does
 * not belong to the call, is an error and changes nothing.
 *
 * Thread: any; `run` on a host thread. RFC 1939 7, RFC 2449 8. */
#include "api/handles.h"
#include "api/host_mailbox.h"
#include "api/instance.h"

#include "base/mem.h"
#include "platform/net.h"

#include <string.h>

#define MESSAGES_MAX 1000000
#define PIECE_MAX MM_LIMIT_CHUNK

void mm_mailbox_call_free(struct mailmod_mailbox_call **call_in)
{
    mailmod_mailbox_call *call = *call_in;

    *call_in = NULL;
    if (call != NULL &&
        mm_handle_remove(MM_HANDLE_CALL, call, 0) == MAILMOD_OK) {
        mm_free(call);
    }
}

/* Answered, and the callback has returned. */
static void finish(mailmod_mailbox_call *call, unsigned own_holds)
{
    if (mm_handle_remove(MM_HANDLE_CALL, call, own_holds) == MAILMOD_OK) {
        mm_host_mailbox_answered(call->mailbox, call);
        mm_free(call);
    }
}

static void run(struct mm_host_job *job)
{
    mailmod_mailbox_call *call = MM_LIST_OBJECT(job, mailmod_mailbox_call, job);
    enum mailmod_mailbox_answer answer =
        call->on_call(call->mailbox->provider->context.value, call);

    if (answer == MAILMOD_MAILBOX_LATER && mm_later_wait(&call->later)) {
        return; /* mailmod_mailbox_call_answer has it now */
    }
    if (mm_later_answer(&call->later, NULL)) {
        call->answer = answer;
    }
    finish(call, 0);
}

struct mailmod_mailbox_call *
mm_mailbox_call_new(struct mm_host_mailbox *mailbox, enum mm_call_kind kind)
{
    const struct mailmod_mailbox_provider *given = &mailbox->provider->given;
    const mailmod_on_mailbox_call callbacks[] = {
        [MM_CALL_AUTHENTICATE] = given->authenticate,
        [MM_CALL_LIST] = given->list,
        [MM_CALL_SIZE] = given->message_size,
        [MM_CALL_FIND] = given->find,
        [MM_CALL_READ] = given->read,
        [MM_CALL_READ_END] = given->read_end,
        [MM_CALL_REMOVE] = given->remove,
        [MM_CALL_CLOSE] = given->close};
    mailmod_mailbox_call *call = mm_alloc(sizeof *call);

    if (call == NULL) {
        return NULL;
    }
    call->job.run = run;
    call->mailbox = mailbox;
    call->kind = kind;
    call->on_call = callbacks[kind];
    mm_later_init(&call->later);
    if (mm_handle_add(MM_HANDLE_CALL, call) != MAILMOD_OK) {
        mm_free(call);
        return NULL;
    }
    return call;
}

static enum mailmod_error give(struct mm_providers *providers,
                               mailmod_mailbox_call *call, bool must)
{
    enum mailmod_error error = MAILMOD_ERROR_STOPPED;

    mm_mutex_lock(providers->mutex);
    if (providers->threads != NULL) {
        error = must ? mm_host_threads_must_run(providers->threads, &call->job)
                     : mm_host_threads_run(providers->threads, &call->job);
    }
    mm_mutex_unlock(providers->mutex);
    return error;
}

enum mailmod_error mm_mailbox_call_run(struct mailmod_mailbox_call *call,
                                       bool must)
{
    enum mailmod_error error =
        give(call->mailbox->provider->providers, call, must);

    if (error != MAILMOD_OK && must) {
        run(&call->job);
        return MAILMOD_OK;
    }
    return error;
}

enum mailmod_error
mailmod_mailbox_call_answer(mailmod_mailbox_call *call,
                            enum mailmod_mailbox_answer answer)
{
    bool is_waiting = false;

    if (answer == MAILMOD_MAILBOX_LATER) {
        return mm_fail(MAILMOD_ERROR_ARGUMENT, "an answer is not \"later\"");
    }
    enum mailmod_error error = mm_handle_hold(MM_HANDLE_CALL, call);
    if (error != MAILMOD_OK) {
        return error;
    }
    mm_mutex_lock(call->mailbox->mutex);
    if (mm_later_answer(&call->later, &is_waiting)) {
        call->answer = answer;
    } else {
        error = mm_fail(MAILMOD_ERROR_STATE, "the call is answered already");
    }
    mm_mutex_unlock(call->mailbox->mutex);
    if (is_waiting) {
        finish(call, 1);
    } else {
        mm_handle_let(call);
    }
    return error;
}

/* What a function begins with that changes a call of these kinds (bits): locks
 * it. Not a call that is answered: its answer stands. */
static enum mailmod_error begin(mailmod_mailbox_call *call, unsigned kinds)
{
    enum mailmod_error error = mm_handle_hold(MM_HANDLE_CALL, call);

    if (error != MAILMOD_OK) {
        return error;
    }
    mm_mutex_lock(call->mailbox->mutex);
    if ((kinds & (1u << call->kind)) == 0 ||
        mm_later_is_answered(&call->later)) {
        mm_mutex_unlock(call->mailbox->mutex);
        mm_handle_let(call);
        return mm_fail(MAILMOD_ERROR_STATE, "not in this call");
    }
    return MAILMOD_OK;
}

static enum mailmod_error end(mailmod_mailbox_call *call,
                              enum mailmod_error error)
{
    mm_mutex_unlock(call->mailbox->mutex);
    mm_handle_let(call);
    return error;
}

enum mailmod_error mm_host_mailbox_add(struct mm_host_mailbox *mailbox,
                                       const char *unique_id, uint64_t octets)
{
    if (unique_id == NULL ||
        !mm_mailbox_is_unique_id(mm_span_cstr(unique_id))) {
        return mm_fail(MAILMOD_ERROR_ARGUMENT,
                       "unique-id: not 1 to 70 octets from 0x21 to 0x7E");
    }
    if (octets == MAILMOD_MAILBOX_OCTETS_UNKNOWN &&
        mailbox->provider->given.message_size == NULL) {
        return mm_fail(MAILMOD_ERROR_ARGUMENT,
                       "octets: not known, and message_size is NULL");
    }
    if (mailbox->entry_count >= MESSAGES_MAX) {
        return mm_fail(MAILMOD_ERROR_LIMIT, "more than %d messages",
                       MESSAGES_MAX);
    }
    struct mm_host_entry *entries =
        mm_array_grow(mailbox->entries, mailbox->entry_count,
                      &mailbox->entry_room, sizeof *entries);
    char *text = entries != NULL ? mm_strdup(unique_id) : NULL;
    mailbox->entries = entries != NULL ? entries : mailbox->entries;
    if (text == NULL) {
        return mm_fail(MAILMOD_ERROR_MEMORY, "out of memory");
    }
    entries[mailbox->entry_count++] = (struct mm_host_entry){text, octets};
    return MAILMOD_OK;
}

enum mailmod_error mailmod_mailbox_call_add(mailmod_mailbox_call *call,
                                            const char *unique_id,
                                            uint64_t octets)
{
    enum mailmod_error error = begin(call, 1u << MM_CALL_LIST);

    if (error != MAILMOD_OK) {
        return error;
    }
    error = mm_host_mailbox_add(call->mailbox, unique_id, octets);
    call->spoilt = call->spoilt == MAILMOD_OK ? error : call->spoilt;
    return end(call, error);
}

enum mailmod_error mailmod_mailbox_call_set_octets(mailmod_mailbox_call *call,
                                                   uint64_t octets)
{
    enum mailmod_error error =
        begin(call, 1u << MM_CALL_SIZE | 1u << MM_CALL_FIND);

    if (error != MAILMOD_OK) {
        return error;
    }
    call->has_octets = octets != MAILMOD_MAILBOX_OCTETS_UNKNOWN;
    call->octets = octets;
    return end(call, MAILMOD_OK);
}

enum mailmod_error
mailmod_mailbox_call_set_read_only(mailmod_mailbox_call *call)
{
    enum mailmod_error error =
        begin(call, 1u << MM_CALL_AUTHENTICATE | 1u << MM_CALL_LIST);

    if (error != MAILMOD_OK) {
        return error;
    }
    call->mailbox->base.is_read_only = true;
    return end(call, MAILMOD_OK);
}

/* Both or none. Locked. */
static enum mailmod_error write_octets(mailmod_mailbox_call *call,
                                       struct mm_span octets,
                                       struct mm_span more)
{
    struct mm_host_mailbox *mailbox = call->mailbox;
    size_t size = octets.size + more.size;

    if (size > PIECE_MAX - call->written || size < octets.size) {
        return mm_fail(MAILMOD_ERROR_LIMIT, "more than %d octets in one call",
                       (int)PIECE_MAX);
    }
    if (mm_buf_append_span(mailbox->out, octets) != MAILMOD_OK ||
        mm_buf_append_span(mailbox->out, more) != MAILMOD_OK) {
        call->spoilt = MAILMOD_ERROR_MEMORY;
        return mm_fail(MAILMOD_ERROR_MEMORY, "out of memory");
    }
    call->written += size;
    return MAILMOD_OK;
}

enum mailmod_error mailmod_mailbox_call_write(mailmod_mailbox_call *call,
                                              const void *octets, size_t size)
{
    if (octets == NULL && size > 0) {
        return mm_fail(MAILMOD_ERROR_ARGUMENT, "the octets are NULL");
    }
    enum mailmod_error error = begin(call, 1u << MM_CALL_READ);
    return error == MAILMOD_OK
               ? end(call,
                     write_octets(call, mm_span(octets, size), mm_span("", 0)))
               : error;
}

enum mailmod_error mailmod_mailbox_call_write_line(mailmod_mailbox_call *call,
                                                   const char *line)
{
    if (line == NULL || strpbrk(line, "\r\n") != NULL) {
        return mm_fail(MAILMOD_ERROR_ARGUMENT, "not one line without its end");
    }
    enum mailmod_error error = begin(call, 1u << MM_CALL_READ);
    return error == MAILMOD_OK
               ? end(call,
                     write_octets(call, mm_span_cstr(line), mm_span("\r\n", 2)))
               : error;
}

static bool is_code(const char *code)
{
    bool is_good = true;

    for (size_t i = 0; is_good && code[i] != '\0'; i++) {
        is_good =
            mm_ascii_is_alnum(code[i]) || code[i] == '/' || code[i] == '-';
    }
    return is_good;
}

enum mailmod_error mailmod_mailbox_call_set_error(mailmod_mailbox_call *call,
                                                  const char *code,
                                                  const char *text,
                                                  int is_critical)
{
    struct mm_mailbox_refusal refusal = {.is_critical = is_critical != 0};

    if (!mm_span_copy(mm_span_cstr(code != NULL ? code : ""), refusal.code,
                      sizeof refusal.code) ||
        !is_code(refusal.code)) {
        return mm_fail(MAILMOD_ERROR_ARGUMENT,
                       "code: at most 31 letters, digits, \"/\" and \"-\"");
    }
    if (!mm_span_copy(mm_span_cstr(text != NULL ? text : ""), refusal.text,
                      sizeof refusal.text)) {
        return mm_fail(MAILMOD_ERROR_ARGUMENT, "text: more than 199 octets");
    }
    enum mailmod_error error = begin(call, ~0u);
    if (error != MAILMOD_OK) {
        return error;
    }
    call->refusal = refusal;
    return end(call, MAILMOD_OK);
}

/* What is known of the login; nothing, for a handle that is none. The texts
 * live as long as the call. */
struct login_facts {
    const char *user;
    const char *peer;
    struct mm_netaddr address;
    uint64_t connection;
    bool is_tls;
};

static struct login_facts facts_of(const mailmod_mailbox_call *call)
{
    struct login_facts facts = {.user = NULL};

    if (mm_handle_hold(MM_HANDLE_CALL, call) == MAILMOD_OK) {
        const struct mm_host_mailbox *mailbox = call->mailbox;

        facts = (struct login_facts){.user = mailbox->given_name,
                                     .peer = mailbox->peer_text,
                                     .address = mailbox->peer,
                                     .connection = mailbox->connection,
                                     .is_tls = mailbox->is_tls};
        mm_handle_let(call);
    }
    return facts;
}

const char *mailmod_mailbox_call_user(const mailmod_mailbox_call *call)
{
    return facts_of(call).user;
}

const char *mailmod_mailbox_call_password(const mailmod_mailbox_call *call)
{
    const char *password = NULL;

    if (mm_handle_hold(MM_HANDLE_CALL, call) == MAILMOD_OK) {
        password =
            call->kind == MM_CALL_AUTHENTICATE ? call->mailbox->password : NULL;
        mm_handle_let(call);
    }
    return password;
}

const char *mailmod_mailbox_call_peer(const mailmod_mailbox_call *call)
{
    return facts_of(call).peer;
}

int mailmod_mailbox_call_address(const mailmod_mailbox_call *call,
                                 void *address_out, int size)
{
    const struct login_facts facts = facts_of(call);

    return facts.peer != NULL && address_out != NULL
               ? mm_net_copy_sockaddr(&facts.address, address_out, size)
               : 0;
}

uint64_t mailmod_mailbox_call_connection(const mailmod_mailbox_call *call)
{
    return facts_of(call).connection;
}

int mailmod_mailbox_call_is_tls(const mailmod_mailbox_call *call)
{
    return facts_of(call).is_tls;
}

enum mailmod_error mailmod_mailbox_call_set_tag(mailmod_mailbox_call *call,
                                                void *tag)
{
    enum mailmod_error error = begin(call, ~0u);

    if (error != MAILMOD_OK) {
        return error;
    }
    call->mailbox->tag = tag;
    return end(call, MAILMOD_OK);
}

void *mailmod_mailbox_call_tag(const mailmod_mailbox_call *call)
{
    void *tag = NULL;

    if (mm_handle_hold(MM_HANDLE_CALL, call) == MAILMOD_OK) {
        mm_mutex_lock(call->mailbox->mutex);
        tag = call->mailbox->tag;
        mm_mutex_unlock(call->mailbox->mutex);
        mm_handle_let(call);
    }
    return tag;
}

/* The message that a call is about; NULL: none. */
static const char *unique_id_of(const mailmod_mailbox_call *call, size_t index)
{
    const struct mm_host_mailbox *mailbox = call->mailbox;

    switch (call->kind) {
    case MM_CALL_SIZE:
    case MM_CALL_READ:
    case MM_CALL_READ_END:
        return index == 0 ? mailbox->entries[call->index].unique_id : NULL;
    case MM_CALL_FIND:
        return index == 0 ? mailbox->sought : NULL;
    case MM_CALL_REMOVE:
        return index < mailbox->removal->count
                   ? mailbox->entries[mailbox->removal->indexes[index]]
                         .unique_id
                   : NULL;
    default:
        return NULL;
    }
}

const char *mailmod_mailbox_call_unique_id(const mailmod_mailbox_call *call,
                                           size_t index)
{
    const char *text = NULL;

    if (mm_handle_hold(MM_HANDLE_CALL, call) == MAILMOD_OK) {
        text = unique_id_of(call, index);
        mm_handle_let(call);
    }
    return text;
}

uint64_t mailmod_mailbox_call_offset(const mailmod_mailbox_call *call)
{
    uint64_t offset = 0;

    if (mm_handle_hold(MM_HANDLE_CALL, call) == MAILMOD_OK) {
        mm_mutex_lock(call->mailbox->mutex);
        offset = call->kind == MM_CALL_READ
                     ? call->mailbox->offset + call->written
                     : 0;
        mm_mutex_unlock(call->mailbox->mutex);
        mm_handle_let(call);
    }
    return offset;
}
