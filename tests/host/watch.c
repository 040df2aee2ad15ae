/* watch.c - a host that watches the sessions of its servers.
 *
 * watch NAME=VALUE...: settings, then a line for each event of a session on
 * standard output. Lines on standard input: "hold" lets the callback wait until
 * "go"; "pop3" watches POP3 alone, "logins" the logins of all, "nobody" unsets
 * the callback; the end stops it. A host program: it may print. */
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

static void on_session(void *context, const struct mailmod_session_event *event)
{
    pthread_mutex_lock(&told.mutex);
    while (told.holds) {
        pthread_cond_wait(&told.go, &told.mutex);
    }
    pthread_mutex_unlock(&told.mutex);
    printf("event\t%s\t%d\t%016llx\t%s\t%s\t%d\t%s\t%s\t%s\t%d\t%llu\t%d\n",
           (const char *)context, (int)event->kind,
           (unsigned long long)event->connection, event->service, event->peer,
           event->is_tls, event->user, event->text, event->command,
           (int)event->error, (unsigned long long)event->left_out,
           event->time_ms > 0 && event->size == sizeof *event);
}

static void on_release(void *context)
{
    printf("released\t%s\n", (const char *)context);
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

static void obey(mailmod *mail, const char *line)
{
    static char pop3[] = "pop3";
    static char logins[] = "logins";
    enum mailmod_error error = MAILMOD_OK;

    if (strncmp(line, "hold", 4) == 0 || strncmp(line, "go", 2) == 0) {
        hold(line[0] == 'h');
    } else if (strncmp(line, "pop3", 4) == 0) {
        error = mailmod_session_set_callback(mail, MAILMOD_ALL_SESSION_KINDS,
                                             "pop3, pop3s", on_session, pop3,
                                             on_release);
    } else if (strncmp(line, "logins", 6) == 0) {
        error = mailmod_session_set_callback(
            mail, MAILMOD_SESSION_LOGIN | MAILMOD_SESSION_LOGIN_REFUSED, NULL,
            on_session, logins, on_release);
    } else {
        error = mailmod_session_set_callback(mail, 0, NULL, NULL, NULL, NULL);
    }
    if (error != MAILMOD_OK) {
        (void)fail(line);
    }
    printf("told\t%s", line);
}

/* What cannot be watched is an error, and changes nothing. */
static int refuses(mailmod *mail)
{
    return mailmod_session_set_callback(mail, 1u << 30, NULL, on_session, NULL,
                                        on_release) == MAILMOD_ERROR_ARGUMENT &&
           mailmod_session_set_callback(mail, 1, "pop3,imap", on_session, NULL,
                                        on_release) ==
               MAILMOD_ERROR_UNKNOWN_NAME &&
           mailmod_session_set_callback(mail, 1, "", on_session, NULL,
                                        on_release) ==
               MAILMOD_ERROR_UNKNOWN_NAME;
}

static int serve(mailmod *mail, int count, char **settings)
{
    static char all[] = "all";
    char line[200];

    for (int i = 0; i < count; i++) {
        if (set(mail, settings[i])) {
            return fail(settings[i]);
        }
    }
    if (!refuses(mail) ||
        mailmod_session_set_callback(mail, MAILMOD_ALL_SESSION_KINDS, NULL,
                                     on_session, all, on_release) ||
        mailmod_user_add(mail, "demo", "secret", 0) || mailmod_start(mail)) {
        return fail("start");
    }
    for (size_t i = 0; mailmod_service_name(i) != NULL; i++) {
        printf("port\t%s\t%d\n", mailmod_service_name(i),
               mailmod_service_port(mail, mailmod_service_name(i)));
    }
    printf("serving\n");
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
