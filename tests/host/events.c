/* events.c - a host that hears what became of mail.
 *
 * events NAME=VALUE...: settings, then a line for each event on standard
 * output. Lines on standard input: "hold" lets the callback wait until "go";
 * "other" sets another callback; "send FROM TO" queues a letter; "delete" takes
 * all out of the queue; the end stops it. A host program: it may print. */
#include <mailmod.h>

#include <pthread.h>
#include <stdio.h>
#include <string.h>

static struct {
    pthread_mutex_t mutex;
    pthread_cond_t go;
    int holds;
} told = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, 0};

static void hold(int holds)
{
    pthread_mutex_lock(&told.mutex);
    told.holds = holds;
    pthread_cond_broadcast(&told.go);
    pthread_mutex_unlock(&told.mutex);
}

static void on_event(void *context, const struct mailmod_event *event)
{
    pthread_mutex_lock(&told.mutex);
    while (told.holds) {
        pthread_cond_wait(&told.go, &told.mutex);
    }
    pthread_mutex_unlock(&told.mutex);
    printf("event\t%s\t%d\t%016llx\t%s\t%s\t%s\t%d\t%d\t%s\t%u\t%s\t%s\n",
           (const char *)context, (int)event->kind,
           (unsigned long long)event->connection, event->message,
           event->reverse_path, event->recipient, (int)event->error,
           event->code, event->enhanced, event->attempts, event->host,
           event->text);
}

static void on_release(void *context)
{
    printf("released\t%s\n", (const char *)context);
}

static void on_log(void *context, enum mailmod_log_level level,
                   const char *line)
{
    (void)context;
    (void)level;
    printf("log\t%s\n", line);
}

static int fail(const char *what)
{
    printf("%s: %s\n", what, mailmod_last_error_text());
    return 1;
}

static int set(mailmod *mail, char *setting)
{
    char *value = strchr(setting, '=');

    *value = '\0';
    return mailmod_config_set(mail, setting, value + 1) != MAILMOD_OK;
}

static void send_letter(mailmod *mail, const char *line)
{
    static const char text[] = "Subject: x\n\nx\n";
    char from[80];
    char to[80];
    struct mailmod_envelope envelope = {
        .size = sizeof envelope, .reverse_path = from, .recipients = to};

    if (sscanf(line, "send %79s %79s", from, to) != 2 ||
        mailmod_message_submit(mail, &envelope, text, sizeof text - 1, NULL)) {
        (void)fail(line);
    }
}

static void obey(mailmod *mail, const char *line)
{
    static char second[] = "second";

    if (strncmp(line, "hold", 4) == 0 || strncmp(line, "go", 2) == 0) {
        hold(line[0] == 'h');
    } else if (strncmp(line, "other", 5) == 0) {
        (void)mailmod_event_set_callback(mail, MAILMOD_EVENT_DELIVERED,
                                         on_event, second, on_release);
    } else if (strncmp(line, "delete", 6) == 0) {
        (void)mailmod_queue_act(mail, NULL, MAILMOD_QUEUE_DELETE, NULL);
    } else {
        send_letter(mail, line);
    }
    printf("told\t%s", line);
}

static int serve(mailmod *mail, int count, char **settings)
{
    static char first[] = "first";
    char line[200];

    for (int i = 0; i < count; i++) {
        if (set(mail, settings[i])) {
            return fail(settings[i]);
        }
    }
    if (mailmod_event_set_callback(mail, 1u << 30, on_event, NULL, NULL) !=
            MAILMOD_ERROR_ARGUMENT ||
        mailmod_log_set_callback(mail, on_log, NULL) ||
        mailmod_event_set_callback(mail, MAILMOD_ALL_EVENTS, on_event, first,
                                   on_release) ||
        mailmod_user_add(mail, "demo", "secret", 0) || mailmod_start(mail)) {
        return fail("start");
    }
    printf("port\t%d\n", mailmod_service_port(mail, "submission"));
    while (fgets(line, sizeof line, stdin) != NULL) {
        obey(mail, line);
    }
    return mailmod_stop(mail) || mailmod_drain(mail, 10000) ? fail("stop") : 0;
}

int main(int argc, char **argv)
{
    mailmod *mail = NULL;
    int code;

    setvbuf(stdout, NULL, _IOLBF, BUFSIZ);
    if (mailmod_new(&mail)) {
        return fail("mailmod_new");
    }
    code = serve(mail, argc - 1, argv + 1);
    (void)mailmod_free(&mail);
    printf("freed\n");
    return code;
}
