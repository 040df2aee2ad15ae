/* handles.c - a host program that hands in what is no handle, for its test.
 *
 * handles FOLDER: embeds mailmod with its data in FOLDER and calls every
 * function that takes an instance, a request, a message, a mailbox, a reading
 * or a client with NULL, with a handle that is finished, with the address of a
 * handle, with memory of its own and with handles of the other kinds: before
 * anything exists, while it runs, in callbacks, and at the end. It prints its
 * SMTP port, "asked" for each question (which it answers when its standard
 * input says so), what was wrong, and "done". A host program: it may print. */
#include "mailmod.h"

#include "mailmod/client.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static atomic_uint checks;
static atomic_uint mistakes;

static void expect(long got, long wanted, const char *call, const char *where)
{
    atomic_fetch_add(&checks, 1);
    if (got != wanted) {
        atomic_fetch_add(&mistakes, 1);
        printf("wrong: %s, %s: %ld and not %ld\n", where, call, got, wanted);
    }
}

static void on_setting(void *context, const struct mailmod_setting *setting)
{
    (void)context;
    (void)setting;
}

static void on_user(void *context, const struct mailmod_user *user)
{
    (void)context;
    (void)user;
}

static void on_entry(void *context, const struct mailmod_queue_entry *entry)
{
    (void)context;
    (void)entry;
}

static void on_destination(void *context,
                           const struct mailmod_queue_destination *destination)
{
    (void)context;
    (void)destination;
}

static void on_account(void *context,
                       const struct mailmod_fetch_account *account)
{
    (void)context;
    (void)account;
}

static void on_deleted(void *context,
                       const struct mailmod_deleted_message *message)
{
    (void)context;
    (void)message;
}

static void on_list_rule(void *context, const struct mailmod_list_rule *rule)
{
    (void)context;
    (void)rule;
}

static void on_ban(void *context, const struct mailmod_ban *ban)
{
    (void)context;
    (void)ban;
}

static void on_spam(void *context, const struct mailmod_spam *spam)
{
    (void)context;
    (void)spam;
}

static void on_kept(void *context, const struct mailmod_kept *kept)
{
    (void)context;
    (void)kept;
}

static void on_secret(void *context, const char *label, int64_t created_ms)
{
    (void)context;
    (void)label;
    (void)created_ms;
}

static void on_alias(void *context, const struct mailmod_alias *alias)
{
    (void)context;
    (void)alias;
}

static const struct mailmod_auto_reply away = {
    .size = sizeof away, .name = "demo", .text = "away"};

static void on_auto_reply(void *context, const struct mailmod_auto_reply *reply)
{
    (void)context;
    (void)reply;
}

static void on_repaired(void *context, const char *line)
{
    (void)context;
    (void)line;
}

static void on_octets(void *context, const char *octets, size_t size)
{
    (void)context;
    (void)octets;
    (void)size;
}

static void on_host(void *context, const struct mailmod_mail_host *host)
{
    (void)context;
    (void)host;
}

static size_t read_nothing(void *context, void *buffer, size_t size)
{
    (void)context;
    (void)buffer;
    (void)size;
    return 0;
}

/* Holds the reading at its first piece; counts the last one. */
static atomic_uint last_pieces;

static enum mailmod_reading_answer on_piece(void *context,
                                            mailmod_reading *reading,
                                            const struct mailmod_piece *piece)
{
    (void)context;
    (void)reading;
    atomic_fetch_add(&last_pieces, piece->is_last ? 1 : 0);
    return MAILMOD_READING_LATER;
}

static void on_maillist(void *context, const struct mailmod_maillist *list)
{
    (void)context;
    (void)list;
}

static void on_member(void *context, const struct mailmod_member *member)
{
    (void)context;
    (void)member;
}

/* The unique-id of what lies there. */
static void on_mail(void *context, const struct mailmod_mailbox_entry *entry)
{
    snprintf(context, 80, "%s", entry->unique_id);
}

static const struct mailmod_envelope envelope = {
    .size = sizeof envelope, .recipients = "demo@mail.test"};
static char text[256];
static mailmod_message *made;
static int descriptor;
static int64_t timeout_ms;
static mailmod_mailbox *opened;
static mailmod_reading *begun;

/* Calls that give an error. */
#define INSTANCE_CALLS(X)                                                      \
    X(load_config, mailmod_config_load(h, "none.cfg"))                         \
    X(set, mailmod_config_set(h, "smtp.listen", ""))                           \
    X(get, mailmod_config_get(h, "smtp.listen", text, sizeof text))            \
    X(reset_config, mailmod_config_reset(h))                                   \
    X(config_list, mailmod_config_list(h, on_setting, NULL))                   \
    X(client_new, mailmod_client_new(h, &client))                              \
    X(check, mailmod_config_check(h))                                          \
    X(reload, mailmod_reload(h))                                               \
    X(start, mailmod_start(h))                                                 \
    X(open_listeners, mailmod_listeners_open(h))                               \
    X(stop, mailmod_stop(h))                                                   \
    X(drain, mailmod_drain(h, 0))                                              \
    X(set_log, mailmod_log_set_callback(h, NULL, NULL))                        \
    X(set_services_wait, mailmod_services_set_wait(h, 1))                      \
    X(set_turned, mailmod_loop_set_turned(h, 1))                               \
    X(run_once, mailmod_run_once(h, 0))                                        \
    X(run_next, mailmod_run_next(h, &descriptor, &timeout_ms))                 \
    X(service_start, mailmod_service_start(h, "smtp", 0))                      \
    X(service_stop, mailmod_service_stop(h, "smtp"))                           \
    X(message_new, mailmod_message_new(h, &envelope, &made))                   \
    X(submit, mailmod_message_submit(h, &envelope, "x", 1, &made))             \
    X(submit_reader,                                                           \
      mailmod_message_submit_reader(h, &envelope, read_nothing, NULL, &made))  \
    X(find_mail_hosts, mailmod_mail_host_find(h, "mail.test", on_host, NULL))  \
    X(set_on_request, mailmod_request_set_callback(h, 0, NULL, NULL, NULL))    \
    X(set_context, mailmod_instance_set_context(h, NULL, NULL))                \
    X(host_name, mailmod_host_name(h, text, sizeof text))                      \
    X(provider_add, mailmod_mailbox_provider_add(h, NULL))                     \
    X(mailbox_import, mailmod_mailbox_import(h, "demo", MAILMOD_MAILBOX_MBOX,  \
                                             "x", NULL, NULL))                 \
    X(mailbox_export, mailmod_mailbox_export(h, "demo", MAILMOD_MAILBOX_MBOX,  \
                                             "x", NULL, NULL))                 \
    X(deleted_list, mailmod_deleted_list(h, "demo", on_deleted, NULL))         \
    X(deleted_restore, mailmod_deleted_restore(h, "demo", NULL, NULL))         \
    X(provider_remove, mailmod_mailbox_provider_remove(h, "x", NULL, 0))       \
    X(service_addresses,                                                       \
      mailmod_service_addresses(h, "smtp", text, sizeof text))                 \
    X(user_add, mailmod_user_add(h, "demo", "secret", 0))                      \
    X(user_set_password, mailmod_user_set_password(h, "demo", "secret", 0))    \
    X(user_remove, mailmod_user_remove(h, "demo"))                             \
    X(user_list, mailmod_user_list(h, on_user, NULL))                          \
    X(alias_add,                                                               \
      mailmod_alias_add(h, MAILMOD_ALIAS, "info@mail.test", "demo"))           \
    X(alias_remove,                                                            \
      mailmod_alias_remove(h, MAILMOD_ALIAS, "info@mail.test", NULL))          \
    X(alias_list, mailmod_alias_list(h, MAILMOD_ALIAS, NULL, on_alias, NULL))  \
    X(alias_mark,                                                              \
      mailmod_alias_set_visibility(h, MAILMOD_ALIAS, "info@mail.test",         \
                                   MAILMOD_ALIAS_HIDDEN))                      \
    X(auto_reply_set, mailmod_auto_reply_set(h, &away))                        \
    X(auto_reply_list, mailmod_auto_reply_list(h, NULL, on_auto_reply, NULL))  \
    X(auto_reply_remove, mailmod_auto_reply_remove(h, "demo"))                 \
    X(user_rename, mailmod_user_rename(h, "demo", "other"))                    \
    X(user_set_quota, mailmod_user_set_quota(h, "demo", 1))                    \
    X(user_set_disabled, mailmod_user_set_disabled(h, "demo", 1))              \
    X(secret_add, mailmod_user_secret_add(h, "demo", "phone", "secret"))       \
    X(secret_remove, mailmod_user_secret_remove(h, "demo", "phone"))           \
    X(secret_list, mailmod_user_secret_list(h, "demo", on_secret, NULL))       \
    X(mailbox_open, mailmod_mailbox_open(h, "demo", &opened))                  \
    X(set_on_event, mailmod_event_set_callback(h, 0, NULL, NULL, NULL))        \
    X(set_on_session,                                                          \
      mailmod_session_set_callback(h, 0, NULL, NULL, NULL, NULL))              \
    X(list_add, mailmod_list_add(h, MAILMOD_LIST_BLACK, NULL, "192.0.2.1"))    \
    X(list_remove,                                                             \
      mailmod_list_remove(h, MAILMOD_LIST_BLACK, NULL, "192.0.2.1"))           \
    X(list_each, mailmod_list_each(h, on_list_rule, NULL))                     \
    X(fetch_list, mailmod_fetch_list(h, on_account, NULL))                     \
    X(fetch_act, mailmod_fetch_act(h, NULL, MAILMOD_FETCH_RUN))                \
    X(ban_list, mailmod_ban_list(h, on_ban, NULL))                             \
    X(ban_add, mailmod_ban_add(h, "192.0.2.9", 1000))                          \
    X(ban_lift, mailmod_ban_lift(h, "192.0.2.9"))                              \
    X(spam_list, mailmod_spam_list(h, on_spam, NULL))                          \
    X(spam_forget, mailmod_spam_forget(h, "00112233445566778899aabbccddeeff"   \
                                          "00112233445566778899aabbccddeeff")) \
    X(spam_clear, mailmod_spam_clear(h, NULL))                                 \
    X(kept_list, mailmod_kept_list(h, MAILMOD_KEPT_SENT, NULL, on_kept, NULL)) \
    X(kept_act, mailmod_kept_act(h, MAILMOD_KEPT_DEAD, NULL,                   \
                                 MAILMOD_QUEUE_DELETE, NULL))                  \
    X(maillist_set,                                                            \
      mailmod_maillist_set(h, "n@mail.test", NULL, MAILMOD_MAILLIST_OPEN, 0))  \
    X(maillist_set_digest,                                                     \
      mailmod_maillist_set_digest(h, "news@mail.test", 24, 0))                 \
    X(maillist_list, mailmod_maillist_list(h, on_maillist, NULL))              \
    X(member_set, mailmod_member_set(h, "n@mail.test", "a@b.test", 0))         \
    X(member_list, mailmod_member_list(h, "n@mail.test", on_member, NULL))     \
    X(member_remove, mailmod_member_remove(h, "n@mail.test", "a@b.test"))      \
    X(maillist_remove, mailmod_maillist_remove(h, "n@mail.test"))              \
    X(queue_find, mailmod_queue_find(h, NULL, on_entry, NULL))                 \
    X(queue_act_on, mailmod_queue_act_on(h, NULL, MAILMOD_QUEUE_FLUSH, NULL))  \
    X(queue_summary, mailmod_queue_summary(h, NULL, on_destination, NULL))     \
    X(queue_put,                                                               \
      mailmod_queue_put(h, &envelope, read_nothing, NULL, NULL, NULL))         \
    X(queue_read_pieces,                                                       \
      mailmod_queue_read_pieces(h, "0000000001", on_piece, NULL, &begun))      \
    X(store_backup, mailmod_store_backup(h, "copy", NULL, NULL))               \
    X(store_restore, mailmod_store_restore(h, "copy", NULL, NULL))             \
    X(store_repair, mailmod_store_repair(h, on_repaired, NULL))                \
    X(queue_list, mailmod_queue_list(h, NULL, on_entry, NULL))                 \
    X(queue_read, mailmod_queue_read(h, "0000000001", on_octets, NULL))        \
    X(queue_act, mailmod_queue_act(h, NULL, MAILMOD_QUEUE_FLUSH, NULL))        \
    X(fetch_set, mailmod_fetch_set(h, "name=a host=h user=u to=t password=p")) \
    X(fetch_remove, mailmod_fetch_remove(h, "a"))                              \
    X(set_on_token, mailmod_token_set_callback(h, NULL, NULL, NULL))           \
    X(fetch_visit, mailmod_fetch_visit(h, "a", MAILMOD_FETCH_RUN, NULL, NULL)) \
    X(store_verify, mailmod_store_verify(h))

#define REQUEST_CALLS(X)                                                       \
    X(answer, mailmod_request_answer(h, MAILMOD_ACCEPT, 0, NULL))              \
    X(answer_with_a_code,                                                      \
      mailmod_request_answer(h, MAILMOD_REJECT, 554, "no"))                    \
    X(set_reply, mailmod_request_set_reply(h, 554, "no"))                      \
    X(write, mailmod_request_write(h, "x", 1))                                 \
    X(add_field, mailmod_request_add_field(h, "X", "x"))                       \
    X(insert_field, mailmod_request_insert_field(h, 0, "X", "x"))              \
    X(change_field, mailmod_request_change_field(h, "X", 1, "x"))              \
    X(add_recipient, mailmod_request_add_recipient(h, "a@b.test"))             \
    X(remove_recipient, mailmod_request_remove_recipient(h, "a@b.test"))       \
    X(redirect, mailmod_request_redirect(h, NULL, "a@b.test"))                 \
    X(quarantine, mailmod_request_quarantine(h, "why"))                        \
    X(set_folder, mailmod_request_set_folder(h, NULL, "Junk"))                 \
    X(set_delay, mailmod_request_set_delay(h, 1))                              \
    X(set_context, mailmod_request_set_context(h, NULL, NULL))                 \
    X(read, read_error(h))                                                     \
    X(read_pieces, mailmod_request_read_pieces(h, on_piece, NULL, &begun))

#define MAILBOX_CALLS(X)                                                       \
    X(list, mailmod_mailbox_list(h, on_mail, text))                            \
    X(mailbox_read, mailmod_mailbox_read(h, "1", on_octets, NULL))             \
    X(mailbox_delete, mailmod_mailbox_delete(h, unique_ids, 1))                \
    X(mailbox_read_pieces,                                                     \
      mailmod_mailbox_read_pieces(h, "1", on_piece, NULL, &begun))

#define READING_CALLS(X)                                                       \
    X(resume, mailmod_reading_resume(h))                                       \
    X(cancel, mailmod_reading_cancel(h))

#define MESSAGE_CALLS(X)                                                       \
    X(message_write, mailmod_message_write(h, "x", 1))                         \
    X(message_require_all, mailmod_message_require_all(h, 1))                  \
    X(message_send, mailmod_message_send(h))                                   \
    X(message_wait, mailmod_message_wait(h, 0))                                \
    X(message_result, mailmod_message_result(h, 0, &result))

/* Calls that give nothing: 1 when they do. */
#define INSTANCE_LOOKS(X)                                                      \
    X(port, mailmod_service_port(h, "smtp") == 0)                              \
    X(context, mailmod_instance_context(h) == NULL)

#define REQUEST_LOOKS(X)                                                       \
    X(moment, (int)mailmod_request_moment(h) == 0)                             \
    X(user, mailmod_request_user(h) == NULL)                                   \
    X(password, mailmod_request_password(h) == NULL)                           \
    X(token, mailmod_request_token(h) == NULL)                                 \
    X(certificate, mailmod_request_certificate(h) == NULL)                     \
    X(fingerprint, mailmod_request_fingerprint(h) == NULL)                     \
    X(reverse_path, mailmod_request_reverse_path(h) == NULL)                   \
    X(recipient, mailmod_request_recipient(h, 0) == NULL)                      \
    X(message, mailmod_request_message(h) == NULL)                             \
    X(number, mailmod_request_number(h) == 0)                                  \
    X(is_tls, mailmod_request_is_tls(h) == 0)                                  \
    X(peer, mailmod_request_peer(h) == NULL)                                   \
    X(address, mailmod_request_address(h, text, sizeof text) == 0)             \
    X(socket, mailmod_request_socket(h) == -1)                                 \
    X(connection, mailmod_request_connection(h) == 0)                          \
    X(context, mailmod_request_context(h) == NULL)

#define MESSAGE_LOOKS(X)                                                       \
    X(identifier, mailmod_message_identifier(h) == NULL)                       \
    X(message_context, mailmod_message_context(h) == NULL)

#define CALL_CALLS(X)                                                          \
    X(add_message, mailmod_mailbox_call_add(h, "1", 1))                        \
    X(set_octets, mailmod_mailbox_call_set_octets(h, 1))                       \
    X(set_read_only, mailmod_mailbox_call_set_read_only(h))                    \
    X(write_octets, mailmod_mailbox_call_write(h, "x", 1))                     \
    X(write_line, mailmod_mailbox_call_write_line(h, "x"))                     \
    X(set_error, mailmod_mailbox_call_set_error(h, NULL, "no", 0))             \
    X(set_tag, mailmod_mailbox_call_set_tag(h, NULL))                          \
    X(answer_call, mailmod_mailbox_call_answer(h, MAILMOD_MAILBOX_OK))

#define CALL_LOOKS(X)                                                          \
    X(call_user, mailmod_mailbox_call_user(h) == NULL)                         \
    X(call_password, mailmod_mailbox_call_password(h) == NULL)                 \
    X(call_peer, mailmod_mailbox_call_peer(h) == NULL)                         \
    X(call_address, mailmod_mailbox_call_address(h, text, sizeof text) == 0)   \
    X(call_connection, mailmod_mailbox_call_connection(h) == 0)                \
    X(call_is_tls, mailmod_mailbox_call_is_tls(h) == 0)                        \
    X(call_tag, mailmod_mailbox_call_tag(h) == NULL)                           \
    X(call_unique_id, mailmod_mailbox_call_unique_id(h, 0) == NULL)            \
    X(call_offset, mailmod_mailbox_call_offset(h) == 0)

static long read_error(void *h)
{
    enum mailmod_error error = MAILMOD_OK;
    char octet;

    return mailmod_request_read(h, &octet, 1, &error) == 0 ? (long)error : 1;
}

static long free_instance(void *h)
{
    mailmod *mail = h;

    return mailmod_free(&mail);
}

static long close_mailbox(void *h)
{
    mailmod_mailbox *mailbox = h;

    return mailmod_mailbox_close(&mailbox);
}

static long free_message(void *h)
{
    mailmod_message *message = h;

    return mailmod_message_free(&message);
}

#define EXPECT_ERROR(name, call) expect((long)(call), wanted, #name, where);
#define EXPECT_NOTHING(name, call) expect((long)(call), 1, #name, where);

static void try_as_instance(void *h, long wanted, const char *where)
{
    mailmod_client *client = NULL;

    INSTANCE_CALLS(EXPECT_ERROR)
    INSTANCE_LOOKS(EXPECT_NOTHING)
    expect(free_instance(h), h == NULL ? MAILMOD_OK : wanted, "free", where);
}

static void try_as_request(void *h, long wanted, const char *where)
{
    REQUEST_CALLS(EXPECT_ERROR)
    REQUEST_LOOKS(EXPECT_NOTHING)
}

static void try_as_message(void *h, long wanted, const char *where)
{
    struct mailmod_result result = {.size = sizeof result};

    MESSAGE_CALLS(EXPECT_ERROR)
    MESSAGE_LOOKS(EXPECT_NOTHING)
    expect(free_message(h), h == NULL ? MAILMOD_OK : wanted, "message_free",
           where);
}

static void try_as_mailbox(void *h, long wanted, const char *where)
{
    static const char *const unique_ids[] = {"1"};

    MAILBOX_CALLS(EXPECT_ERROR)
    expect(close_mailbox(h), h == NULL ? MAILMOD_OK : wanted, "mailbox_close",
           where);
}

static void try_as_reading(void *h, long wanted, const char *where)
{
    READING_CALLS(EXPECT_ERROR)
}

static void try_as_call(void *h, long wanted, const char *where)
{
    CALL_CALLS(EXPECT_ERROR)
    CALL_LOOKS(EXPECT_NOTHING)
}

#include "handles_client.h"

static void try_as_all(void *h, long wanted, const char *where)
{
    try_as_client(h, wanted, where);
    try_as_client_message(h, wanted, where);
    try_as_client_recipient(h, wanted, where);
    try_as_mailbox(h, wanted, where);
    try_as_reading(h, wanted, where);
    try_as_instance(h, wanted, where);
    try_as_request(h, wanted, where);
    try_as_message(h, wanted, where);
    try_as_call(h, wanted, where);
}

/* What never was a handle. */
static void try_strangers(void *handle, const char *where)
{
    static const char words[] = "no handle";
    void *heap = calloc(1, 64);

    try_as_all(NULL, MAILMOD_ERROR_ARGUMENT, where);
    try_as_all(&handle, MAILMOD_ERROR_HANDLE, where);
    try_as_all((void *)(uintptr_t)words, MAILMOD_ERROR_HANDLE, where);
    try_as_all(heap, MAILMOD_ERROR_HANDLE, where);
    try_as_all((void *)(uintptr_t)1, MAILMOD_ERROR_HANDLE, where);
    free(heap);
}

static _Atomic(mailmod_request *) ticket;

/* A question of a live instance, in its callback. */
static enum mailmod_verdict ask(void *context, mailmod_request *request)
{
    mailmod *mail = context;
    mailmod *own = mail;

    try_strangers(request, "in a callback");
    try_as_instance(request, MAILMOD_ERROR_HANDLE, "a request as instance");
    try_as_message(request, MAILMOD_ERROR_HANDLE, "a request as message");
    try_as_mailbox(request, MAILMOD_ERROR_HANDLE, "a request as mailbox");
    try_as_reading(request, MAILMOD_ERROR_HANDLE, "a request as reading");
    try_as_call(request, MAILMOD_ERROR_HANDLE, "a request as call");
    try_as_request(mail, MAILMOD_ERROR_HANDLE, "an instance as request");
    try_as_message(mail, MAILMOD_ERROR_HANDLE, "an instance as message");
    try_as_mailbox(mail, MAILMOD_ERROR_HANDLE, "an instance as mailbox");
    try_as_reading(mail, MAILMOD_ERROR_HANDLE, "an instance as reading");
    expect(mailmod_free(&own), MAILMOD_ERROR_STATE, "free", "in a callback");
    expect(own == mail, 1, "free keeps it", "in a callback");
    expect(mailmod_drain(mail, 0), MAILMOD_ERROR_STATE, "drain",
           "in a callback");
    expect(mailmod_request_peer(request) != NULL, 1, "peer", "in a callback");
    atomic_store(&ticket, request);
    printf("asked\n");
    return MAILMOD_LATER;
}

static void use_inside(void *context, const struct mailmod_user *user)
{
    mailmod *mail = context;
    mailmod *own = mail;

    (void)user;
    expect(mailmod_service_port(mail, "smtp"), 0, "port", "in a list");
    expect(mailmod_stop(mail), MAILMOD_ERROR_STATE, "stop", "in a list");
    expect(mailmod_drain(mail, 0), MAILMOD_ERROR_STATE, "drain", "in a list");
    expect(mailmod_free(&own), MAILMOD_ERROR_STATE, "free", "in a list");
}

static void answer(void)
{
    mailmod_request *request = atomic_load(&ticket);

    expect(mailmod_request_moment(request), MAILMOD_SMTP_CONNECT, "moment",
           "later");
    expect(mailmod_request_set_reply(request, 200, NULL),
           MAILMOD_ERROR_ARGUMENT, "set_reply", "later");
    expect(mailmod_request_answer(request, MAILMOD_LATER, 0, NULL),
           MAILMOD_ERROR_ARGUMENT, "answer later", "later");
    expect(mailmod_request_answer(request, MAILMOD_REJECT, 554, "answered"),
           MAILMOD_OK, "answer", "later");
    while (mailmod_request_moment(request) != 0) {
        usleep(1000); /* the callback is about to return */
    }
    try_as_all(request, MAILMOD_ERROR_HANDLE, "an answered request");
}

static void use_message(mailmod *mail)
{
    mailmod_message *message = NULL;
    mailmod_message *former;

    expect(mailmod_message_new(mail, &envelope, &message), MAILMOD_OK,
           "message_new", "while it runs");
    former = message;
    try_as_instance(message, MAILMOD_ERROR_HANDLE, "a message as instance");
    try_as_request(message, MAILMOD_ERROR_HANDLE, "a message as request");
    try_as_mailbox(message, MAILMOD_ERROR_HANDLE, "a message as mailbox");
    try_as_reading(message, MAILMOD_ERROR_HANDLE, "a message as reading");
    expect(mailmod_message_free(&message), MAILMOD_OK, "message_free",
           "while it runs");
    expect(message == NULL, 1, "message_free nulls", "while it runs");
    try_as_all(former, MAILMOD_ERROR_HANDLE, "a message that is freed");
}

static void use_client(mailmod *mail)
{
    mailmod_client *client = NULL;
    mailmod_client_message *message = NULL;
    mailmod_client_recipient *recipient = NULL;

    if (mailmod_client_new(mail, &client) ||
        mailmod_client_message_add(client, &message) ||
        mailmod_client_recipient_add(message, "a@x.test", &recipient)) {
        abort();
    }
    try_as_client(message, MAILMOD_ERROR_HANDLE, "a message as client");
    try_as_client_message(client, MAILMOD_ERROR_HANDLE, "a client as message");
    try_as_client_recipient(message, MAILMOD_ERROR_HANDLE,
                            "a message as recipient");
    try_as_message(message, MAILMOD_ERROR_HANDLE, "a client's as message");
    mailmod_client_message *former = message;
    mailmod_client *former_client = client;
    expect(mailmod_client_message_remove(&message), MAILMOD_OK,
           "client_message_remove", "while it runs");
    try_as_all(former, MAILMOD_ERROR_HANDLE, "a client's message that is gone");
    try_as_all(recipient, MAILMOD_ERROR_HANDLE, "a recipient that is gone");
    expect(mailmod_client_free(&client), MAILMOD_OK, "client_free",
           "while it runs");
    expect(client == NULL && message == NULL, 1, "both are nulled",
           "while it runs");
    try_as_all(former_client, MAILMOD_ERROR_HANDLE, "a client that is freed");
}

/* A reading stands at its first piece meanwhile. */
static void use_reading(mailmod_mailbox *mailbox, const char *unique_id)
{
    mailmod_reading *reading = NULL;
    unsigned ended = atomic_load(&last_pieces);

    expect(mailmod_mailbox_read_pieces(mailbox, unique_id, on_piece, NULL,
                                       &reading),
           MAILMOD_OK, "read_pieces", "while it runs");
    try_as_instance(reading, MAILMOD_ERROR_HANDLE, "a reading as instance");
    try_as_request(reading, MAILMOD_ERROR_HANDLE, "a reading as request");
    try_as_message(reading, MAILMOD_ERROR_HANDLE, "a reading as message");
    try_as_mailbox(reading, MAILMOD_ERROR_HANDLE, "a reading as mailbox");
    expect(mailmod_reading_cancel(reading), MAILMOD_OK, "cancel",
           "while it runs");
    while (atomic_load(&last_pieces) == ended) {
        usleep(1000);
    }
    while (mailmod_reading_resume(reading) == MAILMOD_OK) {
        usleep(1000); /* its last callback is about to return */
    }
    try_as_all(reading, MAILMOD_ERROR_HANDLE, "a reading that is over");
}

static void use_mailbox(mailmod *mail)
{
    static const struct mailmod_envelope now = {.size = sizeof now,
                                                .mode = MAILMOD_SEND_NOW,
                                                .recipients = "demo@mail.test"};
    mailmod_mailbox *mailbox = NULL;
    mailmod_mailbox *former;
    char unique_id[80] = "";

    expect(mailmod_message_submit(mail, &now, "x", 1, NULL), MAILMOD_OK,
           "submit", "while it runs");
    expect(mailmod_mailbox_open(mail, "demo", &mailbox), MAILMOD_OK,
           "mailbox_open", "while it runs");
    expect(mailmod_mailbox_list(mailbox, on_mail, unique_id), MAILMOD_OK,
           "mailbox_list", "while it runs");
    former = mailbox;
    try_as_instance(mailbox, MAILMOD_ERROR_HANDLE, "a mailbox as instance");
    try_as_request(mailbox, MAILMOD_ERROR_HANDLE, "a mailbox as request");
    try_as_message(mailbox, MAILMOD_ERROR_HANDLE, "a mailbox as message");
    try_as_reading(mailbox, MAILMOD_ERROR_HANDLE, "a mailbox as reading");
    use_reading(mailbox, unique_id);
    expect(mailmod_mailbox_close(&mailbox), MAILMOD_OK, "mailbox_close",
           "while it runs");
    expect(mailbox == NULL, 1, "mailbox_close nulls", "while it runs");
    expect(mailmod_mailbox_close(NULL), MAILMOD_OK, "mailbox_close",
           "while it runs");
    try_as_all(former, MAILMOD_ERROR_HANDLE, "a mailbox that is closed");
}

static int start(mailmod *mail, const char *folder)
{
    static const char *const closed[] = {"submission.listen",
                                         "submissions.listen", "pop3.listen",
                                         "pop3s.listen"};

    for (size_t i = 0; i < sizeof closed / sizeof closed[0]; i++) {
        if (mailmod_config_set(mail, closed[i], "")) {
            return 1;
        }
    }
    return mailmod_config_set(mail, "general.data_folder", folder) ||
           mailmod_config_set(mail, "general.host_name", "mail.test") ||
           mailmod_config_set(mail, "local.domains", "mail.test") ||
           mailmod_config_set(mail, "smtp.listen", "127.0.0.1:0") ||
           mailmod_request_set_callback(mail, MAILMOD_SMTP_CONNECT, ask, mail,
                                        NULL) ||
           mailmod_user_add(mail, "demo", "secret", 0) || mailmod_start(mail);
}

static int serve(mailmod *mail, const char *folder)
{
    char line[80];

    if (start(mail, folder)) {
        printf("start: %s\n", mailmod_last_error_text());
        return 1;
    }
    use_message(mail);
    use_client(mail);
    use_mailbox(mail);
    expect(mailmod_user_list(mail, use_inside, mail), MAILMOD_OK, "user_list",
           "while it runs");
    printf("port %d\n", mailmod_service_port(mail, "smtp"));
    while (fgets(line, sizeof line, stdin) != NULL) {
        answer();
        printf("answered\n");
    }
    return 0;
}

/* Of many that free one instance at once, one does. */
static mailmod *shared;
static atomic_uint freed;

static void *free_shared(void *context)
{
    mailmod *mail = shared;
    enum mailmod_error error = mailmod_free(&mail);

    (void)context;
    if (error == MAILMOD_OK) {
        atomic_fetch_add(&freed, 1);
    } else {
        expect(error, MAILMOD_ERROR_HANDLE, "free", "by many");
    }
    return NULL;
}

static void free_by_many(mailmod *mail)
{
    enum { COUNT = 4 };
    pthread_t threads[COUNT];

    shared = mail;
    for (int i = 0; i < COUNT; i++) {
        if (pthread_create(&threads[i], NULL, free_shared, NULL) != 0) {
            abort();
        }
    }
    for (int i = 0; i < COUNT; i++) {
        pthread_join(threads[i], NULL);
    }
    expect(atomic_load(&freed), 1, "free", "by many");
}

int main(int argc, char **argv)
{
    mailmod *mail = NULL;
    mailmod *former = NULL;
    int code;

    setvbuf(stdout, NULL, _IOLBF, BUFSIZ);
    if (argc != 2) {
        return 2;
    }
    try_strangers(former, "before anything");
    expect(mailmod_free(NULL), MAILMOD_OK, "free", "before anything");
    if (mailmod_new(&mail) || mailmod_new(&former)) {
        return 2;
    }
    try_strangers(mail, "with an instance");
    try_as_instance(&mail, MAILMOD_ERROR_HANDLE, "the address of a handle");
    shared = former;
    expect(mailmod_free(&former), MAILMOD_OK, "free", "with an instance");
    expect(former == NULL, 1, "free nulls", "with an instance");
    try_as_all(shared, MAILMOD_ERROR_HANDLE, "an instance that is freed");
    code = serve(mail, argv[1]);
    free_by_many(mail); /* it runs still */
    try_as_all(mail, MAILMOD_ERROR_HANDLE, "an instance that is freed");
    if (code == 0) {
        answer(); /* a question that outlived its instance */
    }
    printf("done %u %u\n", atomic_load(&checks), atomic_load(&mistakes));
    return code != 0 || atomic_load(&mistakes) != 0;
}
