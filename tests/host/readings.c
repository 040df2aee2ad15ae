/* readings.c - a host that reads texts piece by piece, and holds no thread.
 *
 * readings FOLDER: many messages that come in are read at once, slowly; one in
 * a mailbox and one in the queue as well. The peer is test_readings.py, which
 * writes lines: "resume" lets all go on, "cancel" ends them, "box" and "queue"
 * read there, "end" stops. A host program: it may print. */
#include <mailmod.h>

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { READINGS_MAX = 500 };

struct reading {
    mailmod_reading *handle;
    mailmod_request *request; /* NULL: not of one */
    const char *name;
    unsigned long octets;
    unsigned pieces;
    int is_held;
};

static struct {
    mailmod *mail;
    pthread_mutex_t mutex;
    struct reading *held[READINGS_MAX];
    int count;
} host = {NULL, PTHREAD_MUTEX_INITIALIZER, {NULL}, 0};

static enum mailmod_reading_answer hold(struct reading *reading)
{
    pthread_mutex_lock(&host.mutex);
    host.held[host.count++] = reading;
    printf("held %d\n", host.count);
    pthread_mutex_unlock(&host.mutex);
    return MAILMOD_READING_LATER;
}

static void finish(struct reading *reading, enum mailmod_error error)
{
    printf("last %s %lu %d\n", reading->name, reading->octets, (int)error);
    if (reading->request != NULL) {
        (void)mailmod_request_answer(
            reading->request,
            error == MAILMOD_OK ? MAILMOD_ACCEPT : MAILMOD_REJECT_FOR_NOW, 0,
            NULL);
    }
    free(reading);
}

static enum mailmod_reading_answer on_piece(void *context,
                                            mailmod_reading *handle,
                                            const struct mailmod_piece *piece)
{
    struct reading *reading = context;

    if (piece->is_last) {
        finish(reading, piece->error);
        return MAILMOD_READING_NEXT;
    }
    reading->handle = handle;
    reading->octets += piece->count;
    /* The first piece is thought about for long, the others are not. */
    return reading->pieces++ == 0 ? hold(reading) : MAILMOD_READING_NEXT;
}

static struct reading *new_reading(const char *name)
{
    struct reading *reading = calloc(1, sizeof *reading);

    if (reading == NULL) {
        abort();
    }
    reading->name = name;
    return reading;
}

static enum mailmod_verdict on_request(void *context, mailmod_request *request)
{
    struct reading *reading = new_reading("request");

    (void)context;
    reading->request = request;
    if (mailmod_request_read_pieces(request, on_piece, reading, NULL)) {
        printf("FAULT %s\n", mailmod_last_error_text());
        free(reading);
        return MAILMOD_REJECT;
    }
    return MAILMOD_LATER;
}

static void each_held(enum mailmod_error (*act)(mailmod_reading *))
{
    pthread_mutex_lock(&host.mutex);
    int count = host.count;
    host.count = 0;
    pthread_mutex_unlock(&host.mutex);
    for (int i = 0; i < count; i++) {
        if (act(host.held[i]->handle) != MAILMOD_OK) {
            printf("FAULT %s\n", mailmod_last_error_text());
        }
    }
}

static void on_entry(void *context, const struct mailmod_mailbox_entry *entry)
{
    (void)snprintf(context, 80, "%s", entry->unique_id);
}

static void read_mailbox(mailmod_mailbox **mailbox)
{
    char id[80] = "";
    struct reading *reading = new_reading("box");

    if (mailmod_mailbox_open(host.mail, "demo", mailbox) ||
        mailmod_mailbox_list(*mailbox, on_entry, id) ||
        mailmod_mailbox_read_pieces(*mailbox, id, on_piece, reading, NULL)) {
        printf("FAULT %s\n", mailmod_last_error_text());
    } else if (mailmod_mailbox_read_pieces(*mailbox, id, on_piece, reading,
                                           NULL) != MAILMOD_ERROR_BUSY) {
        printf("FAULT two readings\n");
    }
}

static void on_queued(void *context, const struct mailmod_queue_entry *entry)
{
    (void)snprintf(context, 80, "%s", entry->message);
}

static void read_queue(void)
{
    static const char text[] = "Subject: x\n\nx\n";
    struct mailmod_envelope envelope = {.size = sizeof envelope,
                                        .reverse_path = "me@mail.test",
                                        .recipients = "x@elsewhere.test"};
    char id[80] = "";

    if (mailmod_message_submit(host.mail, &envelope, text, sizeof text - 1,
                               NULL) ||
        mailmod_queue_list(host.mail, NULL, on_queued, id) ||
        mailmod_queue_read_pieces(host.mail, id, on_piece, new_reading("queue"),
                                  NULL)) {
        printf("FAULT %s\n", mailmod_last_error_text());
    }
}

static void obey(void)
{
    mailmod_mailbox *mailbox = NULL;
    char line[80];

    while (fgets(line, sizeof line, stdin) != NULL && line[0] != 'e') {
        if (strcmp(line, "resume\n") == 0) {
            each_held(mailmod_reading_resume);
        } else if (strcmp(line, "cancel\n") == 0) {
            each_held(mailmod_reading_cancel);
        } else if (strcmp(line, "box\n") == 0) {
            read_mailbox(&mailbox);
        } else if (strcmp(line, "close\n") == 0) {
            (void)mailmod_mailbox_close(&mailbox);
        } else {
            read_queue();
        }
        printf("told %s", line);
    }
    (void)mailmod_stop(host.mail);
    (void)mailmod_drain(host.mail, 1000);
    (void)mailmod_mailbox_close(&mailbox);
}

int main(int argc, char **argv)
{
    setvbuf(stdout, NULL, _IOLBF, BUFSIZ);
    if (argc != 2 || mailmod_new(&host.mail) ||
        mailmod_config_set(host.mail, "general.data_folder", argv[1]) ||
        mailmod_config_set(host.mail, "local.domains", "mail.test") ||
        mailmod_config_set(host.mail, "queue.holds", "true") ||
        mailmod_config_set(host.mail, "smtp.connections_per_address_max",
                           "500") ||
        mailmod_config_set(host.mail, "smtp.listen", "127.0.0.1:0") ||
        mailmod_services_set_wait(host.mail, 1) ||
        mailmod_user_add(host.mail, "demo", "secret", 0) ||
        mailmod_request_set_callback(host.mail, MAILMOD_SMTP_MESSAGE,
                                     on_request, NULL, NULL) ||
        mailmod_start(host.mail) ||
        mailmod_service_start(host.mail, "smtp", 0)) {
        printf("FAULT %s\n", mailmod_last_error_text());
        return 1;
    }
    printf("port %d\n", mailmod_service_port(host.mail, "smtp"));
    obey();
    (void)mailmod_free(&host.mail);
    printf("freed\n");
    return 0;
}
