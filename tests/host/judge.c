/* judge.c - a host program that decides about everything, for its test.
 *
 * judge FOLDER: embeds mailmod with its data in FOLDER, prints the ports it got
 * and serves until its standard input ends. What it decides stands in the local
 * part of the reverse-path (SMTP) or in the user's name (POP3), so that the
 * test says what it wants by what it sends. A host program: it may print. */
#include "mailmod.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static int begins(const char *text, const char *word)
{
    return text != NULL && strncmp(text, word, strlen(word)) == 0;
}

/* Reads the whole body as it arrives and tells its size on standard output. */
static size_t read_all(mailmod_request *request)
{
    char octets[1000];
    enum mailmod_error error = MAILMOD_OK;
    size_t total = 0;
    size_t got;

    while ((got = mailmod_request_read(request, octets, sizeof octets,
                                       &error)) > 0) {
        total += got;
    }
    printf("read %lu %d\n", (unsigned long)total, (int)error);
    return total;
}

static void *answer_later(void *context)
{
    usleep(300000);
    if (mailmod_request_answer(context, MAILMOD_REJECT_FOR_NOW, 451,
                               "asked for later") != MAILMOD_OK) {
        printf("the late answer failed\n");
    }
    return NULL;
}

static enum mailmod_verdict later(mailmod_request *request)
{
    pthread_t thread;

    pthread_create(&thread, NULL, answer_later, request);
    pthread_detach(thread);
    return MAILMOD_LATER;
}

static enum mailmod_verdict judge_message(mailmod_request *request)
{
    const char *from = mailmod_request_reverse_path(request);

    if (begins(from, "reject@")) {
        (void)mailmod_request_set_reply(request, 554, "not from you");
        return MAILMOD_REJECT;
    }
    if (begins(from, "read-reject@")) {
        (void)read_all(request);
        return MAILMOD_REJECT;
    }
    if (begins(from, "read-accept@")) {
        (void)read_all(request);
        return MAILMOD_ACCEPT;
    }
    if (begins(from, "read-some@")) {
        char octet;

        (void)mailmod_request_read(request, &octet, 1, NULL);
        return MAILMOD_ACCEPT;
    }
    if (begins(from, "taken@")) {
        (void)read_all(request);
        return MAILMOD_TAKEN;
    }
    if (begins(from, "own@")) {
        (void)read_all(request);
        (void)mailmod_request_write(request, "250 2.6.0 mine\r\n", 16);
        return MAILMOD_TAKEN;
    }
    if (begins(from, "slow@")) {
        sleep(3);
    }
    return begins(from, "later@") ? later(request) : MAILMOD_ACCEPT;
}

static enum mailmod_verdict judge_login(mailmod_request *request)
{
    const char *user = mailmod_request_user(request);
    const char *password = mailmod_request_password(request);

    if (begins(user, "vouched")) {
        return password != NULL && strcmp(password, "open") == 0
                   ? MAILMOD_TAKEN
                   : MAILMOD_REJECT;
    }
    return begins(user, "banned") ? MAILMOD_REJECT : MAILMOD_ACCEPT;
}

static atomic_bool once_is_spent;

static enum mailmod_verdict judge_recipient(mailmod_request *request)
{
    const char *recipient = mailmod_request_recipient(request, 0);

    if (begins(recipient, "moved@")) {
        (void)mailmod_request_set_reply(request, 551, "ask elsewhere");
        return MAILMOD_REJECT;
    }
    return begins(recipient, "demo+later@") ? later(request) : MAILMOD_ACCEPT;
}

static enum mailmod_verdict judge(void *context, mailmod_request *request)
{
    static const char text[] = "Subject: from the host\r\n\r\n.\r\nhost\r\n";

    (void)context;
    switch (mailmod_request_moment(request)) {
    case MAILMOD_SMTP_MESSAGE:
        return judge_message(request);
    case MAILMOD_POP3_LOGIN:
        return judge_login(request);
    case MAILMOD_POP3_RETRIEVE:
        if (mailmod_request_number(request) == 2) {
            (void)mailmod_request_write(request, text, sizeof text - 1);
            return MAILMOD_TAKEN;
        }
        return MAILMOD_ACCEPT;
    case MAILMOD_POP3_DELETE:
        return mailmod_request_number(request) == 1 ? MAILMOD_REJECT
                                                    : MAILMOD_ACCEPT;
    case MAILMOD_SMTP_MAIL:
        return begins(mailmod_request_reverse_path(request), "no-sender@")
                   ? MAILMOD_REJECT
                   : MAILMOD_ACCEPT;
    case MAILMOD_SMTP_RCPT:
        return judge_recipient(request);
    case MAILMOD_LOGIN_TOKEN:
        /* One that is good for one login: the host is asked each time. */
        if (begins(mailmod_request_token(request), "once")) {
            return atomic_exchange(&once_is_spent, true) ? MAILMOD_ACCEPT
                                                         : MAILMOD_TAKEN;
        }
        return begins(mailmod_request_user(request), "vouched") &&
                       begins(mailmod_request_token(request), "open")
                   ? MAILMOD_TAKEN
                   : MAILMOD_ACCEPT;
    case MAILMOD_LOGIN_CERTIFICATE:
        printf("certificate %s %s %d\n", mailmod_request_user(request),
               mailmod_request_fingerprint(request),
               begins(mailmod_request_certificate(request),
                      "-----BEGIN CERTIFICATE-----\n"));
        return begins(mailmod_request_user(request), "demo") ? MAILMOD_TAKEN
                                                             : MAILMOD_ACCEPT;
    case MAILMOD_SMTP_AUTH:
        return judge_login(request);
    case MAILMOD_SMTP_CONNECT:
        printf("connection %016llx\n",
               (unsigned long long)mailmod_request_connection(request));
        break;
    case MAILMOD_ALL_MOMENTS:
        break;
    }
    return MAILMOD_ACCEPT;
}

static void on_log(void *context, enum mailmod_log_level level,
                   const char *line)
{
    (void)context;
    (void)level;
    printf("log %s\n", line);
}

static int fail(const char *what)
{
    printf("%s: %s\n", what, mailmod_last_error_text());
    return 1;
}

static int serve(mailmod *mail, const char *folder)
{
    char octet;

    if (mailmod_config_set(mail, "general.data_folder", folder) ||
        mailmod_config_set(mail, "general.host_name", "mail.test") ||
        mailmod_config_set(mail, "local.domains", "mail.test") ||
        mailmod_config_set(mail, "smtp.listen", "127.0.0.1:0") ||
        mailmod_config_set(mail, "submission.listen", "127.0.0.1:0") ||
        mailmod_config_set(mail, "submissions.listen", "") ||
        mailmod_config_set(mail, "pop3.listen", "127.0.0.1:0") ||
        mailmod_config_set(mail, "pop3s.listen", "") ||
        mailmod_config_set(mail, "smtp.connections_per_address_max", "500") ||
        mailmod_config_set(mail, "pop3.allows_clear_login", "true") ||
        mailmod_config_set(mail, "smtp.allows_clear_auth", "true") ||
        mailmod_log_set_callback(mail, on_log, NULL) ||
        mailmod_request_set_callback(mail, MAILMOD_ALL_MOMENTS, judge, NULL,
                                     NULL) ||
        mailmod_user_add(mail, "demo", "secret", 0) ||
        mailmod_user_add(mail, "banned", "secret", 0) || mailmod_start(mail)) {
        return fail("start");
    }
    printf("ports %d %d %d\n", mailmod_service_port(mail, "smtp"),
           mailmod_service_port(mail, "pop3"),
           mailmod_service_port(mail, "submission"));
    while (read(STDIN_FILENO, &octet, 1) > 0) {
    }
    return mailmod_stop(mail) || mailmod_drain(mail, 10000) ? fail("stop") : 0;
}

int main(int argc, char **argv)
{
    mailmod *mail;
    int code;

    setvbuf(stdout, NULL, _IOLBF, BUFSIZ);
    if (argc != 2 || mailmod_new(&mail)) {
        return 2;
    }
    code = serve(mail, argv[1]);
    (void)mailmod_free(&mail);
    return code;
}
