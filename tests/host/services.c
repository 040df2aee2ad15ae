/* services.c - a host program that opens and closes its services, for its test.
 *
 * services FOLDER PORT: embeds mailmod with its data in FOLDER and "smtp" on
 * 127.0.0.1 and PORT; no service is open at first. It obeys standard input, a
 * word and its arguments a line, and answers each with "result CODE VALUE
 * WORDS": start SERVICE PORT, stop SERVICE, port SERVICE, set KEY VALUE,
 * reload, list (a line "KEY=VALUE" each, before the result), ask NAME (clients
 * are refused by that name from now on; one that begins with "slow" takes its
 * time; "nobody" asks no more), halt, again (a start after halt), drain. A host
 * program: it may print. */
#include "mailmod.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Names stay, for questions may still go to a former one. */
static char names[32][64];
static size_t name_count;

static enum mailmod_verdict refuse(void *context, mailmod_request *request)
{
    const char *name = context;

    if (strncmp(name, "slow", 4) == 0) {
        printf("asked\n");
        sleep(1);
    }
    (void)mailmod_request_set_reply(request, 554, name);
    return MAILMOD_REJECT;
}

static int ask(mailmod *mail, const char *name)
{
    char *kept = names[name_count++ % 32];

    if (strcmp(name, "nobody") == 0) {
        return mailmod_request_set_callback(mail, 0, NULL, NULL, NULL);
    }
    snprintf(kept, sizeof names[0], "%.60s", name);
    return mailmod_request_set_callback(mail, MAILMOD_SMTP_CONNECT, refuse,
                                        kept, NULL);
}

static void show_setting(void *context, const struct mailmod_setting *setting)
{
    (void)context;
    printf("%s=%s\n", setting->name, setting->value);
}

static int obey(mailmod *mail, const char *word, const char *a, const char *b)
{
    if (strcmp(word, "start") == 0) {
        return mailmod_service_start(mail, a, (int)strtol(b, NULL, 10));
    }
    if (strcmp(word, "stop") == 0) {
        return mailmod_service_stop(mail, a);
    }
    if (strcmp(word, "set") == 0) {
        return mailmod_config_set(mail, a, b);
    }
    if (strcmp(word, "reload") == 0) {
        return mailmod_reload(mail);
    }
    if (strcmp(word, "list") == 0) {
        return mailmod_config_list(mail, show_setting, NULL);
    }
    if (strcmp(word, "ask") == 0) {
        return ask(mail, a);
    }
    if (strcmp(word, "wait") == 0) {
        return mailmod_services_set_wait(mail, 1);
    }
    if (strcmp(word, "halt") == 0) {
        return mailmod_stop(mail);
    }
    if (strcmp(word, "drain") == 0) {
        return mailmod_drain(mail, 10000);
    }
    return strcmp(word, "again") == 0 ? mailmod_start(mail) : 0;
}

static void serve(mailmod *mail)
{
    char line[1024];

    while (fgets(line, sizeof line, stdin) != NULL) {
        char word[32] = "";
        char a[200] = "";
        char b[400] = "";
        char words[1000];
        int result;

        (void)sscanf(line, "%31s %199s %399s", word, a, b);
        result = obey(mail, word, a, b);
        snprintf(words, sizeof words, "%s",
                 result != 0 ? mailmod_last_error_text() : "");
        printf("result %d %d %s\n", result, mailmod_service_port(mail, a),
               words);
    }
}

static int check_names(void)
{
    const char *name;
    size_t count = 0;

    while ((name = mailmod_service_name(count)) != NULL) {
        count++;
    }
    return count != 5 || strcmp(mailmod_service_name(0), "smtp") != 0 ||
           strcmp(mailmod_service_name(4), "pop3s") != 0 ||
           mailmod_service_name(SIZE_MAX) != NULL;
}

static int start(mailmod *mail, const char *folder, const char *port)
{
    char listen[64];

    snprintf(listen, sizeof listen, "127.0.0.1:%s", port);
    return check_names() ||
           mailmod_service_start(mail, "smtp", 0) != MAILMOD_ERROR_STATE ||
           mailmod_service_stop(mail, "smtp") != MAILMOD_ERROR_STATE ||
           mailmod_config_set(mail, "general.data_folder", folder) ||
           mailmod_config_set(mail, "general.host_name", "mail.test") ||
           mailmod_config_set(mail, "local.domains", "mail.test") ||
           mailmod_config_set(mail, "smtp.listen", listen) ||
           mailmod_config_set(mail, "submission.listen", "") ||
           mailmod_config_set(mail, "submissions.listen", "") ||
           mailmod_config_set(mail, "pop3.listen", "127.0.0.1:0, [::1]:0") ||
           mailmod_config_set(mail, "pop3s.listen", "") ||
           mailmod_config_set(mail, "pop3.allows_clear_login", "true") ||
           mailmod_user_add(mail, "demo", "secret", 0) ||
           mailmod_services_set_wait(mail, 1) || mailmod_listeners_open(mail) ||
           mailmod_start(mail);
}

int main(int argc, char **argv)
{
    mailmod *mail = NULL;

    setvbuf(stdout, NULL, _IOLBF, BUFSIZ);
    if (argc != 3 || mailmod_new(&mail)) {
        return 2;
    }
    if (start(mail, argv[1], argv[2])) {
        printf("start: %s\n", mailmod_last_error_text());
    } else {
        printf("ports %d %d\n", mailmod_service_port(mail, "smtp"),
               mailmod_service_port(mail, "pop3"));
        serve(mail);
    }
    return mailmod_free(&mail) != MAILMOD_OK;
}
