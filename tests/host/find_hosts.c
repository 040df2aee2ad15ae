/* find_hosts.c - a host program that asks who takes a domain's mail.
 *
 * find_hosts FOLDER SERVER: embeds mailmod with its data in FOLDER and the name
 * server SERVER, prints its SMTP port, and obeys standard input: "find DOMAIN"
 * prints a line a host and one for the result, "stop" and "free" do that to the
 * instance while the next "find" waits, "drain" ends it, "list" asks where the
 * instance must not be called. A client of its SMTP
 * port is refused with the number of hosts of "order.test", asked for inside
 * the callback. A host program: it may print. */
#include "mailmod.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static void print_host(void *context, const struct mailmod_mail_host *host)
{
    mailmod *mail = context;
    char value[16];

    printf("host %u %s", host->preference, host->name);
    for (size_t i = 0; i < host->address_count; i++) {
        printf(" %s", host->addresses[i]);
    }
    printf("\n");
    /* The callback may call the instance. */
    if (mailmod_config_get(mail, "dns.tries", value, sizeof value) !=
        MAILMOD_OK) {
        printf("get failed: %s\n", mailmod_last_error_text());
    }
}

static void find(mailmod *mail, const char *domain)
{
    enum mailmod_error error =
        mailmod_mail_host_find(mail, domain, print_host, mail);

    printf("result %d %s\n", (int)error,
           error == MAILMOD_OK ? "" : mailmod_last_error_text());
}

static void count_host(void *context, const struct mailmod_mail_host *host)
{
    size_t *count = context;

    (void)host;
    (*count)++;
}

static enum mailmod_verdict refuse(void *context, mailmod_request *request)
{
    mailmod *mail = context;
    size_t count = 0;
    char text[32];

    if (mailmod_mail_host_find(mail, "order.test", count_host, &count) !=
        MAILMOD_OK) {
        return MAILMOD_REJECT_FOR_NOW;
    }
    snprintf(text, sizeof text, "%zu hosts", count);
    (void)mailmod_request_set_reply(request, 554, text);
    return MAILMOD_REJECT;
}

static void *stop_soon(void *context)
{
    usleep(300000);
    if (mailmod_stop(context) != MAILMOD_OK) {
        printf("stop failed: %s\n", mailmod_last_error_text());
    }
    return NULL;
}

static void *free_soon(void *context)
{
    mailmod *mail = context;

    usleep(300000);
    if (mailmod_free(&mail) != MAILMOD_OK) {
        printf("free failed: %s\n", mailmod_last_error_text());
    }
    return NULL;
}

static void find_in_list(void *context, const struct mailmod_setting *setting)
{
    if (strcmp(setting->name, "dns.tries") == 0) {
        find(context, "order.test");
    }
}

static void obey(mailmod *mail, const char *line, pthread_t *stopper,
                 int *is_stopping)
{
    if (strncmp(line, "find ", 5) == 0) {
        find(mail, line + 5);
    } else if (strcmp(line, "stop") == 0) {
        *is_stopping = pthread_create(stopper, NULL, stop_soon, mail) == 0;
    } else if (strcmp(line, "free") == 0) {
        *is_stopping = pthread_create(stopper, NULL, free_soon, mail) == 0;
    } else if (strcmp(line, "list") == 0) {
        (void)mailmod_config_list(mail, find_in_list, mail);
    } else if (strcmp(line, "drain") == 0) {
        printf("result %d\n", (int)mailmod_drain(mail, 10000));
    }
}

static int serve(mailmod *mail)
{
    char line[1024];
    pthread_t stopper;
    int is_stopping = 0;

    printf("port %d\n", mailmod_service_port(mail, "smtp"));
    while (fgets(line, sizeof line, stdin) != NULL) {
        line[strcspn(line, "\n")] = '\0';
        obey(mail, line, &stopper, &is_stopping);
    }
    if (is_stopping) {
        pthread_join(stopper, NULL);
    }
    return 0;
}

static int start(mailmod *mail, const char *folder, const char *server)
{
    static const char *const closed[] = {"submission.listen",
                                         "submissions.listen", "pop3.listen",
                                         "pop3s.listen"};

    for (size_t i = 0; i < sizeof closed / sizeof closed[0]; i++) {
        if (mailmod_config_set(mail, closed[i], "")) {
            return 1;
        }
    }
    find(mail, "order.test"); /* too early */
    return mailmod_config_set(mail, "general.data_folder", folder) ||
           mailmod_config_set(mail, "general.host_name", "mail.test") ||
           mailmod_config_set(mail, "smtp.listen", "127.0.0.1:0") ||
           mailmod_config_set(mail, "dns.servers", server) ||
           mailmod_config_set(mail, "dns.timeout", "1s") ||
           mailmod_config_set(mail, "dns.tries", "1") ||
           mailmod_request_set_callback(mail, MAILMOD_SMTP_CONNECT, refuse,
                                        mail, NULL) ||
           mailmod_start(mail);
}

int main(int argc, char **argv)
{
    mailmod *mail = NULL;
    int code = 1;

    setvbuf(stdout, NULL, _IOLBF, BUFSIZ);
    find(NULL, "order.test");
    if (argc != 3 || mailmod_new(&mail)) {
        return 2;
    }
    if (start(mail, argv[1], argv[2])) {
        printf("start: %s\n", mailmod_last_error_text());
    } else {
        code = serve(mail);
    }
    (void)mailmod_free(&mail);
    return code;
}
