/* handles_client.h - a part of handles.c: the calls of mailmod/client.h.
 *
 * It stands where handles.c includes it, behind what it uses of it. A host
 * program: it may print. */
#ifndef HANDLES_CLIENT_H
#define HANDLES_CLIENT_H

#define CLIENT_CALLS(X)                                                        \
    X(client_set_context, mailmod_client_set_context(h, NULL, NULL))           \
    X(client_set_servers, mailmod_client_set_servers(h, "x.test"))             \
    X(client_set_login, mailmod_client_set_login(h, "a", "b"))                 \
    X(client_set_mechanisms, mailmod_client_set_mechanisms(h, NULL))           \
    X(client_set_tls, mailmod_client_set_tls(h, MAILMOD_RELAY_TLS_OFF, NULL))  \
    X(client_set_certificate, mailmod_client_set_certificate(h, NULL, NULL))   \
    X(client_set_host_name, mailmod_client_set_host_name(h, "x.test"))         \
    X(client_set_timeout,                                                      \
      mailmod_client_set_timeout(h, MAILMOD_CLIENT_END, 1000))                 \
    X(login_callback, mailmod_client_set_login_callback(h, NULL, NULL, NULL))  \
    X(event_callback, mailmod_client_set_event_callback(h, NULL, NULL, NULL))  \
    X(monitor, mailmod_client_set_monitor(h, NULL, 0, NULL, NULL))             \
    X(client_require_all, mailmod_client_require_all(h, 1))                    \
    X(client_etrn_add, mailmod_client_etrn_add(h, "x.test"))                   \
    X(client_etrn_status, mailmod_client_etrn_status(h, 0, &result))           \
    X(client_etrn_clear, mailmod_client_etrn_clear(h))                         \
    X(client_send, mailmod_client_send(h))                                     \
    X(client_message_add, mailmod_client_message_add(h, &client_message))

#define CLIENT_LOOKS(X)                                                        \
    X(client_context, mailmod_client_context(h) == NULL)                       \
    X(client_message_next, mailmod_client_message_next(h, NULL) == NULL)

#define CLIENT_MESSAGE_CALLS(X)                                                \
    X(set_context, mailmod_client_message_set_context(h, NULL, NULL))          \
    X(set_reverse_path,                                                        \
      mailmod_client_message_set_reverse_path(h, "a@x.test"))                  \
    X(set_dsn, mailmod_client_message_set_dsn(h, 0, NULL))                     \
    X(set_binary, mailmod_client_message_set_binary(h, 1))                     \
    X(set_deliver_by, mailmod_client_message_set_deliver_by(h, 0, 0, 0))       \
    X(set_content, mailmod_client_message_set_content(h, &content))            \
    X(set_text, mailmod_client_message_set_text(h, "x", 1))                    \
    X(set_header, mailmod_client_message_set_header(h, "X-A", "b"))            \
    X(add_mailbox,                                                             \
      mailmod_client_message_add_mailbox(h, "To", NULL, "a@x.test"))           \
    X(set_date, mailmod_client_message_set_date(h, 0, 0))                      \
    X(set_header_option, mailmod_client_message_set_header_option(             \
                             h, "X-A", MAILMOD_HEADER_OVERRIDE, 1))            \
    X(recipient_add, mailmod_client_recipient_add(h, "a@x.test", NULL))        \
    X(reverse_path_status, mailmod_client_reverse_path_status(h, &result))     \
    X(transfer_status, mailmod_client_transfer_status(h, &result))             \
    X(message_reset, mailmod_client_message_reset(h))

#define CLIENT_MESSAGE_LOOKS(X)                                                \
    X(message_context, mailmod_client_message_context(h) == NULL)              \
    X(recipient_next, mailmod_client_recipient_next(h, NULL) == NULL)

#define CLIENT_RECIPIENT_CALLS(X)                                              \
    X(set_context, mailmod_client_recipient_set_context(h, NULL, NULL))        \
    X(set_dsn, mailmod_client_recipient_set_dsn(h, 0, NULL))                   \
    X(recipient_status, mailmod_client_recipient_status(h, &result))           \
    X(recipient_reset, mailmod_client_recipient_reset(h))

#define CLIENT_RECIPIENT_LOOKS(X)                                              \
    X(mailbox, mailmod_client_recipient_mailbox(h) == NULL)                    \
    X(recipient_context, mailmod_client_recipient_context(h) == NULL)

static int rewind_nothing(void *context)
{
    (void)context;
    return 1;
}

static const struct mailmod_client_content content = {
    .size = sizeof content, .read = read_nothing, .rewind = rewind_nothing};

static long free_client(void *h)
{
    mailmod_client *client = h;

    return mailmod_client_free(&client);
}

static long remove_client_message(void *h)
{
    mailmod_client_message *message = h;

    return mailmod_client_message_remove(&message);
}

static void try_as_client(void *h, long wanted, const char *where)
{
    mailmod_client_message *client_message = NULL;
    struct mailmod_result result = {.size = sizeof result};

    CLIENT_CALLS(EXPECT_ERROR)
    CLIENT_LOOKS(EXPECT_NOTHING)
    expect(free_client(h), h == NULL ? MAILMOD_OK : wanted, "client_free",
           where);
}

static void try_as_client_message(void *h, long wanted, const char *where)
{
    struct mailmod_result result = {.size = sizeof result};

    CLIENT_MESSAGE_CALLS(EXPECT_ERROR)
    CLIENT_MESSAGE_LOOKS(EXPECT_NOTHING)
    expect(remove_client_message(h), h == NULL ? MAILMOD_OK : wanted,
           "client_message_remove", where);
}

static void try_as_client_recipient(void *h, long wanted, const char *where)
{
    struct mailmod_result result = {.size = sizeof result};

    CLIENT_RECIPIENT_CALLS(EXPECT_ERROR)
    CLIENT_RECIPIENT_LOOKS(EXPECT_NOTHING)
}

#endif
