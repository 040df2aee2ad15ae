/* mailboxes.c - a host that lists, reads and deletes mail itself.
 *
 * mailboxes FOLDER: an instance with POP3 alone, and mail that it sends itself.
 * The peer is test_mailboxes.py: "wait" on standard output lets it look by
 * POP3, a line on standard input goes on. A host program: it may print. */
#include <mailmod.h>

#include <stdio.h>
#include <string.h>

enum { COUNT = 3 };

static struct {
    mailmod *mail;
    mailmod_mailbox *mailbox;
    char ids[COUNT + 1][80];
    size_t listed;
    size_t octets;
    size_t read;
    int faults;
} host;

static void expect(int is_good, const char *what)
{
    if (!is_good) {
        printf("FAULT %s: %s\n", what, mailmod_last_error_text());
        host.faults++;
    }
}

static void on_octets(void *context, const char *octets, size_t size)
{
    const char *other = context;

    if (host.read == 0) {
        expect(size > 12 && memcmp(octets, "Return-Path:", 12) == 0,
               "the first octets");
    }
    host.read += size;
    if (other != NULL) {
        expect(mailmod_mailbox_read(host.mailbox, other, on_octets, NULL) ==
                   MAILMOD_ERROR_BUSY,
               "two readings");
        expect(mailmod_mailbox_close(&host.mailbox) == MAILMOD_ERROR_STATE,
               "a close in a callback");
        expect(mailmod_drain(host.mail, 0) == MAILMOD_ERROR_STATE,
               "a drain in a callback");
    }
}

static void on_entry(void *context, const struct mailmod_mailbox_entry *entry)
{
    (void)context;
    if (host.listed < COUNT) {
        (void)snprintf(host.ids[host.listed], sizeof host.ids[0], "%s",
                       entry->unique_id);
    }
    printf("entry %s %lu %d %u\n", entry->unique_id,
           (unsigned long)entry->octets, entry->received_ms > 1000000000000,
           entry->flags);
    host.listed++;
    host.octets = entry->octets;
    host.read = 0;
    expect(mailmod_mailbox_read(host.mailbox, entry->unique_id, on_octets,
                                NULL) == MAILMOD_OK &&
               host.read == entry->octets,
           "a reading in a listing");
}

static void list(size_t wanted)
{
    host.listed = 0;
    expect(mailmod_mailbox_list(host.mailbox, on_entry, NULL) == MAILMOD_OK,
           "list");
    expect(host.listed == wanted, "the number of messages");
}

static void send_all(void)
{
    static const char *const texts[COUNT] = {"Subject: one\n\nx\n",
                                             "Subject: two\n\n\xc3\xa9\n",
                                             "Subject: three\n\n"};
    struct mailmod_envelope envelope = {.size = sizeof envelope,
                                        .reverse_path = "me@mail.test",
                                        .recipients = "demo@mail.test"};
    static char line[81];

    memset(line, 'y', 79);
    line[79] = '\n';
    for (int i = 0; i < COUNT; i++) {
        mailmod_message *message = NULL;

        expect(mailmod_message_new(host.mail, &envelope, &message) ==
                       MAILMOD_OK &&
                   mailmod_message_write(message, texts[i], strlen(texts[i])) ==
                       MAILMOD_OK,
               "a letter");
        for (int n = 0; i == 2 && n < 5000; n++) { /* several pieces */
            expect(mailmod_message_write(message, line, 80) == MAILMOD_OK,
                   "a line");
        }
        expect(mailmod_message_send(message) == MAILMOD_OK, "a letter's end");
        (void)mailmod_message_free(&message);
    }
}

static void look(void)
{
    char line[80];

    printf("wait %d\n", mailmod_service_port(host.mail, "pop3"));
    (void)!fgets(line, sizeof line, stdin);
}

static void delete_some(void)
{
    const char *none[] = {host.ids[0], "never-there"};
    const char *two[] = {host.ids[2], host.ids[0], host.ids[2]};

    expect(mailmod_mailbox_delete(host.mailbox, none, 2) ==
               MAILMOD_ERROR_NOT_FOUND,
           "a deletion of one that is not there");
    list(COUNT);
    expect(mailmod_mailbox_read(host.mailbox, host.ids[0], on_octets,
                                host.ids[1]) == MAILMOD_OK,
           "a reading");
    expect(mailmod_mailbox_delete(host.mailbox, two, 3) == MAILMOD_OK,
           "a deletion");
    expect(mailmod_mailbox_delete(host.mailbox, two, 1) ==
               MAILMOD_ERROR_NOT_FOUND,
           "a second deletion");
    expect(mailmod_mailbox_read(host.mailbox, two[0], on_octets, NULL) ==
               MAILMOD_ERROR_NOT_FOUND,
           "a reading of what was deleted");
    list(1);
}

static void errors(void)
{
    mailmod_mailbox *other = NULL;

    expect(mailmod_mailbox_open(host.mail, "nobody", &other) ==
               MAILMOD_ERROR_NOT_FOUND,
           "no such user");
    expect(mailmod_mailbox_open(host.mail, NULL, &other) ==
               MAILMOD_ERROR_ARGUMENT,
           "no name");
    expect(mailmod_mailbox_open(host.mail, "Demo", &other) ==
               MAILMOD_ERROR_BUSY,
           "a second opening");
    expect(other == NULL, "no handle after an error");
    expect(mailmod_mailbox_list((mailmod_mailbox *)&other, on_entry, NULL) ==
               MAILMOD_ERROR_HANDLE,
           "no handle");
}

static int run(const char *folder)
{
    if (mailmod_config_set(host.mail, "general.data_folder", folder) ||
        mailmod_config_set(host.mail, "local.domains", "mail.test") ||
        mailmod_config_set(host.mail, "pop3.listen", "127.0.0.1:0") ||
        mailmod_config_set(host.mail, "pop3.allows_clear_login", "true") ||
        mailmod_services_set_wait(host.mail, 1) ||
        mailmod_user_add(host.mail, "demo", "secret", 0)) {
        return 1;
    }
    expect(mailmod_mailbox_open(host.mail, "demo", &host.mailbox) ==
               MAILMOD_ERROR_STATE,
           "an opening before the start");
    if (mailmod_start(host.mail)) {
        return 1;
    }
    send_all();
    expect(mailmod_mailbox_open(host.mail, "demo", &host.mailbox) == MAILMOD_OK,
           "an opening without services");
    expect(mailmod_service_start(host.mail, "pop3", 0) == MAILMOD_OK, "pop3");
    list(COUNT);
    errors();
    look(); /* [IN-USE] */
    delete_some();
    expect(mailmod_mailbox_close(&host.mailbox) == MAILMOD_OK &&
               host.mailbox == NULL,
           "a close");
    look(); /* one message is left */
    expect(mailmod_mailbox_open(host.mail, "demo", &host.mailbox) == MAILMOD_OK,
           "a second time");
    list(1);
    expect(mailmod_stop(host.mail) == MAILMOD_OK &&
               mailmod_drain(host.mail, 10000) == MAILMOD_OK,
           "an end with an open mailbox");
    expect(mailmod_mailbox_list(host.mailbox, on_entry, NULL) ==
               MAILMOD_ERROR_STOPPED,
           "a listing after the end");
    return 0;
}

int main(int argc, char **argv)
{
    setvbuf(stdout, NULL, _IONBF, 0);
    if (argc != 2 || mailmod_new(&host.mail) || run(argv[1])) {
        printf("FAULT %s\n", mailmod_last_error_text());
        return 1;
    }
    expect(mailmod_free(&host.mail) == MAILMOD_OK, "free");
    expect(mailmod_mailbox_close(&host.mailbox) == MAILMOD_OK,
           "a close after the instance");
    printf("faults %d\n", host.faults);
    return host.faults != 0;
}
