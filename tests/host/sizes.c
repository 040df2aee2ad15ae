/* sizes.c - a host program that was compiled with the first version of each
 * structure that begins with its size.
 *
 * sizes FOLDER SERVER: embeds mailmod with its data in FOLDER and the name
 * server SERVER. The structures are those of old.h. Behind what it gives and
 * lends lie octets of its own, which the library must neither read nor write.
 * It lends and gives what is too small, too, and what a newer host has. Prints
 * what is wrong and then "done"; ends with 0 when nothing was. A host program:
 * it may print. */
#include "old.h"
#include "peer.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BEHIND = 64, MARK = 0xee, UNIQUE_ID_SIZE = 80 };

static mailmod *mail;
static _Atomic int mistakes;
static _Atomic int checks;

static void expect(int is_right, const char *what)
{
    checks++;
    if (!is_right) {
        printf("wrong: %s: %s\n", what, mailmod_last_error_text());
        mistakes++;
    }
}

/* What a callback of an old host makes of `given`. */
static void look_at(void *old_out, size_t old_size, const void *given,
                    const char *what)
{
    size_t size;

    memcpy(&size, given, sizeof size);
    expect(size >= old_size, what);
    memcpy(old_out, given, old_size);
}

/* ---- the host gives -------------------------------------------------- */

/* A copy of `old` in which `size` octets belong to the structure, the first of
 * which say so. */
static void *give(const void *old, size_t old_size, size_t size)
{
    unsigned char *given = malloc(old_size + BEHIND);

    if (given == NULL) {
        exit(2);
    }
    memset(given, MARK, old_size + BEHIND);
    memcpy(given, old, old_size);
    memcpy(given, &size, sizeof size);
    return given;
}

static void *allocate(void *context, size_t size)
{
    (void)context;
    return malloc(size);
}

static void *resize(void *context, void *memory, size_t size)
{
    (void)context;
    return realloc(memory, size);
}

static void release(void *context, void *memory)
{
    (void)context;
    free(memory);
}

static void give_allocators(void)
{
    const struct old_allocator old = {.size = sizeof old,
                                      .allocate = allocate,
                                      .resize = resize,
                                      .release = release};
    void *given = give(&old, sizeof old, sizeof old - 1);

    expect(mailmod_allocator_set(given) == MAILMOD_ERROR_ARGUMENT,
           "an allocator that is too small");
    free(given);
    given = give(&old, sizeof old, sizeof old);
    expect(mailmod_allocator_set(given) == MAILMOD_OK, "an old allocator");
    free(given);
}

static enum mailmod_error send_with(const void *envelope)
{
    static const char text[] = "Subject: x\r\n\r\nhello\r\n";
    mailmod_message *message = NULL;
    enum mailmod_error error =
        mailmod_message_submit(mail, envelope, text, sizeof text - 1, &message);

    if (error == MAILMOD_OK &&
        ((const struct mailmod_envelope *)envelope)->mode == MAILMOD_SEND_NOW) {
        error = mailmod_message_wait(message, 60000);
    }
    mailmod_message_free(&message);
    return error;
}

static void give_envelope(const struct old_envelope *old, size_t size,
                          enum mailmod_error wanted, const char *what)
{
    void *given = give(old, sizeof *old, size);

    expect(send_with(given) == wanted, what);
    free(given);
}

static void on_progress(void *context,
                        const struct mailmod_progress_report *report)
{
    struct old_progress_report old;

    look_at(&old, sizeof old, report, "a report of progress");
    if (old.progress == MAILMOD_DONE) {
        expect(old.message != NULL && old.sent > 0, "the report's members");
        ++*(int *)context;
    }
}

static void give_envelopes(void)
{
    int done_count = 0;
    struct old_envelope old = {.size = sizeof old,
                               .mode = MAILMOD_SEND_NOW,
                               .recipients = "demo@mail.test",
                               .on_progress = on_progress,
                               .context = &done_count};

    give_envelope(&old, sizeof old, MAILMOD_OK, "an old envelope");
    give_envelope(&old, sizeof old - 1, MAILMOD_ERROR_ARGUMENT,
                  "an envelope that is too small");
    give_envelope(&old, 0, MAILMOD_ERROR_ARGUMENT, "an envelope of size 0");
    struct {
        struct mailmod_envelope known;
        unsigned char unknown[BEHIND];
    } newer;
    memset(&newer, 0, sizeof newer);
    memset(newer.unknown, MARK, sizeof newer.unknown);
    newer.known.size = sizeof newer;
    newer.known.mode = MAILMOD_SEND_NOW;
    newer.known.recipients = "demo@mail.test";
    expect(send_with(&newer) == MAILMOD_OK, "a newer envelope");
    expect(done_count == 1, "DONE was told once");
}

/* A list whose items have the size of another version. */
static void give_list(size_t size, size_t second_size,
                      enum mailmod_error wanted, const char *what)
{
    static const char *const addresses[] = {"demo@mail.test",
                                            "postmaster@mail.test"};
    unsigned char list[2 * (sizeof(struct old_recipient) + BEHIND)];
    struct mailmod_envelope envelope = {.size = sizeof envelope,
                                        .mode = MAILMOD_SEND_QUEUE,
                                        .recipient_count = 2};

    memset(list, MARK, sizeof list);
    for (int i = 0; i < 2; i++) {
        struct old_recipient old = {.size = i == 0 ? size : second_size,
                                    .address = addresses[i]};

        memcpy(list + (size_t)i * size, &old, sizeof old);
    }
    void *aligned = malloc(sizeof list);
    if (aligned == NULL) {
        exit(2);
    }
    memcpy(aligned, list, sizeof list);
    envelope.recipient_list = aligned;
    expect(send_with(&envelope) == wanted, what);
    free(aligned);
}

static void give_recipients(void)
{
    size_t size = sizeof(struct old_recipient);

    give_list(size, size, MAILMOD_OK, "old recipients");
    give_list(size + 32, size + 32, MAILMOD_OK, "newer recipients");
    give_list(size - 8, size - 8, MAILMOD_ERROR_ARGUMENT,
              "recipients that are too small");
    give_list(size, size + 8, MAILMOD_ERROR_ARGUMENT,
              "recipients of two sizes");
}

/* A list of header fields, likewise. */
static void give_fields(size_t size, enum mailmod_error wanted,
                        const char *what)
{
    unsigned char list[2 * (sizeof(struct old_header_field) + BEHIND)];
    struct mailmod_envelope envelope = {.size = sizeof envelope,
                                        .mode = MAILMOD_SEND_QUEUE,
                                        .recipients = "demo@mail.test",
                                        .header_count = 2};

    memset(list, MARK, sizeof list);
    for (size_t i = 0; i < 2; i++) {
        struct old_header_field old = {
            .size = size, .name = "X-Field", .value = "value"};

        memcpy(list + i * size, &old, sizeof old);
    }
    void *aligned = malloc(sizeof list);
    if (aligned == NULL) {
        exit(2);
    }
    memcpy(aligned, list, sizeof list);
    envelope.header_list = aligned;
    expect(send_with(&envelope) == wanted, what);
    free(aligned);
}

static void give_header_fields(void)
{
    size_t size = sizeof(struct old_header_field);

    give_fields(size, MAILMOD_OK, "old header fields");
    give_fields(size + 32, MAILMOD_OK, "newer header fields");
    give_fields(size - 8, MAILMOD_ERROR_ARGUMENT,
                "header fields that are too small");
}

/* ---- the host lends -------------------------------------------------- */

static void lend(mailmod_message *message, size_t size,
                 enum mailmod_error wanted, const char *what)
{
    unsigned char lent[sizeof(struct old_result) + BEHIND];
    struct old_result old;
    size_t size_after;
    size_t at = size;

    memset(lent, MARK, sizeof lent);
    memcpy(lent, &size, sizeof size);
    expect(mailmod_message_result(message, 0, (struct mailmod_result *)lent) ==
               wanted,
           what);
    memcpy(&size_after, lent, sizeof size_after);
    expect(size_after == size, "the size is the host's");
    while (at < sizeof lent && lent[at] == MARK) {
        at++;
    }
    expect(at == sizeof lent, "octets behind it were written");
    if (wanted == MAILMOD_OK) {
        memcpy(&old, lent, sizeof old);
        expect(strcmp(old.recipient, "demo@mail.test") == 0 &&
                   old.outcome == MAILMOD_DELIVERED && old.text != NULL,
               "the result's members");
        for (at = sizeof(struct mailmod_result); at < size; at++) {
            expect(lent[at] == 0, "what the library does not know is zero");
        }
    }
}

static void lend_results(void)
{
    mailmod_message *message = NULL;
    struct mailmod_envelope envelope = {.size = sizeof envelope,
                                        .mode = MAILMOD_SEND_NOW,
                                        .recipients = "demo@mail.test"};

    expect(mailmod_message_submit(mail, &envelope, "x", 1, &message) ==
               MAILMOD_OK,
           "a message");
    lend(message, sizeof(struct old_result), MAILMOD_OK, "an old result");
    lend(message, sizeof(struct old_result) - 1, MAILMOD_ERROR_ARGUMENT,
         "a result that is too small");
    lend(message, sizeof(struct mailmod_result) + 8, MAILMOD_OK,
         "a newer result");
    mailmod_message_free(&message);
}

struct field {
    char octets[512];
    size_t size;
    size_t read;
};

static void keep_field(void *context, const char *octets, size_t size)
{
    struct field *field = context;

    memcpy(field->octets, octets, size);
    field->size = size;
}

static size_t read_field(void *context, void *buffer, size_t size)
{
    struct field *field = context;
    size_t left = field->size - field->read;

    size = size < left ? size : left;
    memcpy(buffer, field->octets + field->read, size);
    field->read += size;
    return size;
}

static void give_and_lend_a_trace(void)
{
    struct old_received old = {.size = sizeof old, .by = "mx.mail.test"};
    struct field field = {.size = 0};
    void *given = give(&old, sizeof old, sizeof old);
    mailmod_trace *trace = NULL;
    struct {
        struct old_trace_step step;
        unsigned char behind[BEHIND];
    } lent;

    expect(mailmod_received_write(NULL, given, keep_field, &field) ==
               MAILMOD_OK,
           "an old field");
    free(given);
    given = give(&old, sizeof old, sizeof old - 1);
    expect(mailmod_received_write(NULL, given, keep_field, &field) ==
               MAILMOD_ERROR_ARGUMENT,
           "a field that is too small");
    free(given);
    expect(mailmod_trace_new(read_field, &field, &trace) == MAILMOD_OK,
           "a trace");
    memset(&lent, MARK, sizeof lent);
    lent.step.size = sizeof lent.step;
    expect(mailmod_trace_step(
               trace, 0, (struct mailmod_trace_step *)&lent.step) == MAILMOD_OK,
           "an old step");
    look_at(&old, sizeof old, lent.step.received, "a field that was read");
    expect(strcmp(old.by, "mx.mail.test") == 0, "the field's members");
    expect(lent.behind[0] == MARK && lent.behind[BEHIND - 1] == MARK,
           "octets behind the step were written");
    lent.step.size = sizeof lent.step - 1;
    expect(
        mailmod_trace_step(trace, 0, (struct mailmod_trace_step *)&lent.step) ==
            MAILMOD_ERROR_ARGUMENT,
        "a step that is too small");
    mailmod_trace_free(&trace);
}

/* ---- the library gives ------------------------------------------------ */

static void on_setting(void *context, const struct mailmod_setting *setting)
{
    struct old_setting old;

    look_at(&old, sizeof old, setting, "a setting");
    expect(old.name != NULL && old.value != NULL && old.help != NULL &&
               old.default_value != NULL,
           "the setting's members");
    ++*(int *)context;
}

static void on_user(void *context, const struct mailmod_user *user)
{
    struct old_user old;

    look_at(&old, sizeof old, user, "a user");
    expect(old.name != NULL && (old.flags & ~1u) == 0, "the user's members");
    ++*(int *)context;
}

static void on_entry(void *context, const struct mailmod_queue_entry *entry)
{
    struct old_queue_entry old;

    look_at(&old, sizeof old, entry, "an entry of the queue");
    expect(strcmp(old.recipient, "far@order.test") == 0 &&
               old.message_size > 0 && old.expires_ms > old.arrival_ms,
           "the entry's members");
    ++*(int *)context;
}

static void on_destination(void *context,
                           const struct mailmod_queue_destination *destination)
{
    struct old_queue_destination old;

    look_at(&old, sizeof old, destination, "a destination of the queue");
    expect(strcmp(old.destination, "order.test") == 0 && old.recipients == 1 &&
               old.held == 0 && old.oldest_arrival_ms > 0 &&
               old.next_attempt_ms > 0,
           "the destination's members");
    ++*(int *)context;
}

/* A filter of `size` octets that one recipient of the queue passes. */
static void filter_queue(size_t size, enum mailmod_error wanted,
                         const char *what)
{
    struct old_queue_filter old = {.recipient = "far@order.test",
                                   .state = MAILMOD_QUEUE_WAITING};
    struct mailmod_queue_filter *given = give(&old, sizeof old, size);
    int entries = 0;
    int destinations = 0;

    expect(mailmod_queue_find(mail, given, on_entry, &entries) == wanted &&
               mailmod_queue_summary(mail, given, on_destination,
                                     &destinations) == wanted,
           what);
    expect(wanted != MAILMOD_OK || (entries == 1 && destinations == 1),
           "what passes the filter");
    free(given);
}

static void filter_queues(void)
{
    size_t size = sizeof(struct old_queue_filter);

    filter_queue(size, MAILMOD_OK, "an old filter");
    filter_queue(size + 32, MAILMOD_OK, "a newer filter");
    filter_queue(size - 8, MAILMOD_ERROR_ARGUMENT, "a filter too small");
}

static enum mailmod_mailbox_answer refuse(void *context,
                                          mailmod_mailbox_call *call)
{
    (void)context;
    (void)call;
    return MAILMOD_MAILBOX_REFUSED;
}

static void add_providers(void)
{
    static const size_t more[] = {0, 32, (size_t)-8};
    struct old_mailbox_provider old = {.name = "old", .domain = "old.test"};

    old.authenticate = old.list = old.read = refuse;
    for (int i = 0; i < 3; i++) {
        void *given = give(&old, sizeof old, sizeof old + more[i]);

        expect(mailmod_mailbox_provider_add(mail, given) ==
                   (i < 2 ? MAILMOD_OK : MAILMOD_ERROR_ARGUMENT),
               "an old, a newer, a too small provider");
        (void)mailmod_mailbox_provider_remove(mail, "old.test", NULL, 0);
        free(given);
    }
}

static void on_auto_reply(void *context, const struct mailmod_auto_reply *reply)
{
    struct old_auto_reply old;

    look_at(&old, sizeof old, reply, "an automatic reply");
    expect(strcmp(old.name, "demo") == 0 && old.subject[0] == '\0' &&
               strcmp(old.text, "away") == 0 && old.from_ms == 0 &&
               old.until_ms == 9 && old.days == 7,
           "the reply's members");
    ++*(int *)context;
}

static void set_auto_replies(void)
{
    static const size_t more[] = {0, 32, (size_t)-8};
    const struct old_auto_reply old = {
        .name = "demo", .text = "away", .until_ms = 9};
    int replies = 0;

    for (int i = 0; i < 3; i++) {
        void *given = give(&old, sizeof old, sizeof old + more[i]);

        expect(mailmod_auto_reply_set(mail, given) ==
                   (i < 2 ? MAILMOD_OK : MAILMOD_ERROR_ARGUMENT),
               "an old, a newer, a too small reply");
        free(given);
    }
    expect(mailmod_auto_reply_list(mail, "demo", on_auto_reply, &replies) ==
                   MAILMOD_OK &&
               replies == 1 &&
               mailmod_auto_reply_remove(mail, "demo") == MAILMOD_OK,
           "the automatic replies");
}

static void on_event(void *context, const struct mailmod_event *event)
{
    struct old_event old;

    look_at(&old, sizeof old, event, "an event");
    expect(old.kind == MAILMOD_EVENT_DELIVERED && old.error == MAILMOD_OK &&
               strcmp(old.recipient, "demo@mail.test") == 0 &&
               old.text != NULL && old.host != NULL,
           "the event's members");
    ++*(int *)context;
}

static void on_session(void *context, const struct mailmod_session_event *event)
{
    struct old_session_event old;

    look_at(&old, sizeof old, event, "an event of a session");
    expect(old.kind == MAILMOD_SESSION_OPENED && old.connection != 0 &&
               strcmp(old.service, "pop3") == 0 &&
               strncmp(old.peer, "127.0.0.1:", 10) == 0 && !old.is_tls &&
               old.user[0] == '\0' && old.text[0] == '\0' &&
               old.command[0] == '\0' && old.error == MAILMOD_OK &&
               old.time_ms > 0 && old.left_out == 0,
           "the members of an event of a session");
    ++*(int *)context;
}

static void on_mail(void *context, const struct mailmod_mailbox_entry *entry)
{
    struct old_mailbox_entry old;

    look_at(&old, sizeof old, entry, "mail in a mailbox");
    expect(old.unique_id != NULL && old.octets > 0 && old.received_ms > 0 &&
               (old.flags & ~7u) == 0,
           "the entry's members");
    snprintf(context, UNIQUE_ID_SIZE, "%s", old.unique_id);
}

/* What a thread of the instance reads, and the host waits for. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t was_read = PTHREAD_COND_INITIALIZER;
static struct old_piece last_piece;
static size_t octet_count;

static enum mailmod_reading_answer on_piece(void *context,
                                            mailmod_reading *reading,
                                            const struct mailmod_piece *piece)
{
    struct old_piece old;

    (void)context;
    (void)reading;
    pthread_mutex_lock(&lock);
    look_at(&old, sizeof old, piece, "a piece");
    octet_count += old.count;
    last_piece = old;
    pthread_cond_signal(&was_read);
    pthread_mutex_unlock(&lock);
    return MAILMOD_READING_NEXT;
}

static void see_mailbox(void)
{
    char unique_id[UNIQUE_ID_SIZE] = "";
    mailmod_mailbox *mailbox = NULL;

    expect(mailmod_mailbox_open(mail, "demo", &mailbox) == MAILMOD_OK &&
               mailmod_mailbox_list(mailbox, on_mail, unique_id) ==
                   MAILMOD_OK &&
               unique_id[0] != '\0',
           "a mailbox");
    expect(mailmod_mailbox_read_pieces(mailbox, unique_id, on_piece, NULL,
                                       NULL) == MAILMOD_OK,
           "a reading");
    pthread_mutex_lock(&lock);
    while (!last_piece.is_last) {
        pthread_cond_wait(&was_read, &lock);
    }
    pthread_mutex_unlock(&lock);
    expect(last_piece.error == MAILMOD_OK && last_piece.count == 0 &&
               octet_count > 0,
           "the piece's members");
    expect(mailmod_mailbox_close(&mailbox) == MAILMOD_OK, "its end");
}

static void on_account(void *context,
                       const struct mailmod_fetch_account *account)
{
    struct old_fetch_account old;

    look_at(&old, sizeof old, account, "an account elsewhere");
    expect(strcmp(old.name, "work") == 0 && old.source != NULL &&
               old.result != NULL && old.begun_ms == 0 && old.is_configured,
           "the account's members");
    ++*(int *)context;
}

static void on_alias(void *context, const struct mailmod_alias *alias)
{
    struct old_alias old;

    look_at(&old, sizeof old, alias, "an alias");
    expect(old.kind == MAILMOD_ALIAS && strcmp(old.name, "info") == 0 &&
               strcmp(old.target, "demo") == 0,
           "the alias's members");
    ++*(int *)context;
}

static void on_maillist(void *context, const struct mailmod_maillist *list)
{
    struct old_maillist old;

    look_at(&old, sizeof old, list, "a mailing list");
    expect(strcmp(old.name, "news@mail.test") == 0 && old.owner[0] == '\0' &&
               old.rule == MAILMOD_MAILLIST_MEMBERS &&
               old.flags == MAILMOD_MAILLIST_CLOSED,
           "the list's members");
    ++*(int *)context;
}

static void on_member(void *context, const struct mailmod_member *member)
{
    struct old_member old;

    look_at(&old, sizeof old, member, "a member");
    expect(strcmp(old.address, "a@b.test") == 0 && old.bounces == 0 &&
               old.flags == MAILMOD_MEMBER_MODERATOR,
           "the member's members");
    ++*(int *)context;
}

static void see_maillists(void)
{
    int count = 0;

    expect(mailmod_maillist_set(mail, "news@mail.test", NULL,
                                MAILMOD_MAILLIST_MEMBERS,
                                MAILMOD_MAILLIST_CLOSED) == MAILMOD_OK &&
               mailmod_member_set(mail, "news@mail.test", "a@b.test",
                                  MAILMOD_MEMBER_MODERATOR) == MAILMOD_OK &&
               mailmod_maillist_list(mail, on_maillist, &count) == MAILMOD_OK &&
               mailmod_member_list(mail, "news@mail.test", on_member, &count) ==
                   MAILMOD_OK &&
               count == 2 &&
               mailmod_maillist_remove(mail, "news@mail.test") == MAILMOD_OK,
           "the mailing lists");
}

static void see_aliases(void)
{
    int aliases = 0;

    expect(
        mailmod_alias_add(mail, MAILMOD_ALIAS, "info", "demo") == MAILMOD_OK &&
            mailmod_alias_list(mail, MAILMOD_ALIAS, NULL, on_alias, &aliases) ==
                MAILMOD_OK &&
            aliases == 1 &&
            mailmod_alias_remove(mail, MAILMOD_ALIAS, "info", NULL) ==
                MAILMOD_OK,
        "the aliases");
}

static void on_list_rule(void *context, const struct mailmod_list_rule *rule)
{
    struct old_list_rule old;

    look_at(&old, sizeof old, rule, "a rule");
    expect(old.list == MAILMOD_LIST_BLACK && old.user == NULL &&
               strcmp(old.text, "192.0.2.0/24") == 0 && old.added_ms > 0,
           "the rule's members");
    ++*(int *)context;
}

static void on_ban(void *context, const struct mailmod_ban *ban)
{
    struct old_ban old;

    look_at(&old, sizeof old, ban, "a ban");
    expect(strcmp(old.address, "2001:db8::/64") == 0 && old.failures == 0 &&
               old.until_ms - old.since_ms == 60000,
           "the ban's members");
    ++*(int *)context;
}

static int has_bans(void)
{
    int bans = 0;

    return mailmod_ban_add(mail, "2001:db8::17", 60000) == MAILMOD_OK &&
           mailmod_ban_list(mail, on_ban, &bans) == MAILMOD_OK && bans == 1;
}

static void on_host(void *context, const struct mailmod_mail_host *host)
{
    struct old_mail_host old;

    look_at(&old, sizeof old, host, "a mail host");
    expect(strcmp(old.name, "a.test") == 0 && old.preference == 10 &&
               old.address_count == 1 &&
               strcmp(old.addresses[0], "192.0.2.1") == 0,
           "the mail host's members");
    ++*(int *)context;
}

static void see_all(void)
{
    int settings = 0;
    int users = 0;
    int entries = 0;
    int hosts = 0;
    int accounts = 0;
    int rules = 0;
    struct mailmod_envelope envelope = {.size = sizeof envelope,
                                        .recipients = "far@order.test"};

    expect(send_with(&envelope) == MAILMOD_OK, "a message that waits");
    expect(mailmod_config_list(mail, on_setting, &settings) == MAILMOD_OK &&
               settings > 80,
           "the settings");
    expect(mailmod_user_list(mail, on_user, &users) == MAILMOD_OK && users > 1,
           "the users");
    expect(mailmod_queue_list(mail, NULL, on_entry, &entries) == MAILMOD_OK &&
               entries == 1,
           "the queue");
    filter_queues();
    add_providers();
    set_auto_replies();
    expect(mailmod_mail_host_find(mail, "order.test", on_host, &hosts) ==
                   MAILMOD_OK &&
               hosts == 1,
           "the mail hosts");
    see_mailbox();
    expect(mailmod_fetch_list(mail, on_account, &accounts) == MAILMOD_OK &&
               accounts == 1,
           "accounts elsewhere");
    see_aliases();
    expect(mailmod_list_add(mail, MAILMOD_LIST_BLACK, NULL, "192.0.2.0/24") ==
                   MAILMOD_OK &&
               mailmod_list_each(mail, on_list_rule, &rules) == MAILMOD_OK &&
               rules == 1,
           "the rules");
    see_maillists();
    expect(has_bans(), "the bans");
}

static void on_deleted(void *context,
                       const struct mailmod_deleted_message *message)
{
    struct old_deleted_message old;

    look_at(&old, sizeof old, message, "a deleted message");
    expect(strlen(old.unique_id) == 21 && old.octets > 0 &&
               old.reverse_path != NULL && old.received_ms > 0 &&
               old.deleted_ms >= old.received_ms,
           "the members of a deleted message");
    ++*(int *)context;
}

static void see_session(int *sessions)
{
    int deleted = 0;
    expect(mailmod_session_set_callback(mail, MAILMOD_SESSION_OPENED, "pop3",
                                        on_session, sessions,
                                        NULL) == MAILMOD_OK &&
               mailmod_service_start(mail, "pop3", -1) == MAILMOD_OK,
           "a callback of sessions");
    expect(peer_deletes(mailmod_service_port(mail, "pop3")), "a session");
    expect(mailmod_deleted_list(mail, "demo", on_deleted, &deleted) ==
                   MAILMOD_OK &&
               deleted == 1,
           "deleted mail");
}

/* Told before the end, which comes next. */
static void see_event(int *events, const int *sessions)
{
    struct mailmod_envelope envelope = {.size = sizeof envelope,
                                        .recipients = "demo@mail.test"};

    expect(mailmod_event_set_callback(mail, MAILMOD_EVENT_DELIVERED, on_event,
                                      events, NULL) == MAILMOD_OK,
           "a callback of events");
    expect(send_with(&envelope) == MAILMOD_OK, "a message that is delivered");
    expect(mailmod_free(&mail) == MAILMOD_OK && *events == 1 && *sessions == 1,
           "the end");
}

int main(int argc, char **argv)
{
    int events = 0;
    int sessions = 0;

    give_allocators();
    if (argc != 3 || mailmod_new(&mail) ||
        mailmod_config_set(mail, "general.data_folder", argv[1]) ||
        mailmod_config_set(mail, "general.host_name", "mail.test") ||
        mailmod_config_set(mail, "local.domains", "mail.test") ||
        mailmod_config_set(mail, "dns.servers", argv[2]) ||
        mailmod_config_set(mail, "queue.holds", "true") ||
        mailmod_config_set(mail, "pop3.allows_clear_login", "true") ||
        mailmod_config_set(mail, "pop3.keep_deleted_days", "1") ||
        mailmod_config_set(mail, "fetch.accounts",
                           "name=work host=pop.order.test user=joe to=demo "
                           "interval=0 password=secret") ||
        mailmod_services_set_wait(mail, 1) ||
        mailmod_user_add(mail, "demo", "secret", 0) || mailmod_start(mail)) {
        printf("cannot start: %s\n", mailmod_last_error_text());
        return 1;
    }
    give_envelopes();
    give_recipients();
    give_header_fields();
    lend_results();
    give_and_lend_a_trace();
    see_all();
    see_session(&sessions);
    see_event(&events, &sessions);
    printf("%d checks, %d mistakes\ndone\n", checks, mistakes);
    return mistakes == 0 ? 0 : 1;
}
