/* turned.c - a host program that turns mailmod's loop in its own epoll loop, on
 * its only thread.
 *
 * turned FOLDER NAMESERVER: embeds mailmod with its data in FOLDER; NAMESERVER
 * is "127.0.0.1:PORT". Prints "ports smtp=N pop3=N", then obeys words on
 * standard input, each answered by "WORD CODE": "send", a message to
 * demo@mail.test that it waits for; "find", the mail hosts of silent.test;
 * "service", closes and opens POP3; "away", a message into the queue for
 * silent.test. Ends with standard input, prints what its turns cost and the
 * result of the end. A host program: it may print. */
#include "mailmod.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

static unsigned long turns;
static double longest_ms;

static double now_ms(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1000 + (double)now.tv_nsec / 1e6;
}

static int send_to(mailmod *mail, const char *recipient,
                   enum mailmod_send_mode mode)
{
    static const char text[] = "Subject: turned\r\n\r\nx\r\n";
    struct mailmod_envelope envelope = {.size = sizeof envelope,
                                        .mode = mode,
                                        .reverse_path = "host@mail.test",
                                        .recipients = recipient};
    mailmod_message *message = NULL;
    enum mailmod_error error = mailmod_message_submit(
        mail, &envelope, text, sizeof text - 1, &message);
    if (error == MAILMOD_OK && mode == MAILMOD_SEND_NOW) {
        error = mailmod_message_wait(message, 60000);
    }
    (void)mailmod_message_free(&message);
    return error;
}

static int obey(mailmod *mail, const char *word)
{
    if (strcmp(word, "send") == 0) {
        return send_to(mail, "demo@mail.test", MAILMOD_SEND_NOW);
    }
    if (strcmp(word, "away") == 0) {
        return send_to(mail, "a@silent.test", MAILMOD_SEND_QUEUE);
    }
    if (strcmp(word, "find") == 0) {
        return mailmod_mail_host_find(mail, "silent.test", NULL, NULL);
    }
    int error = mailmod_service_stop(mail, "pop3");
    return error == MAILMOD_OK ? mailmod_service_start(mail, "pop3", 0) : error;
}

static void turn(mailmod *mail)
{
    double begin = now_ms();
    int error = mailmod_run_once(mail, 0);
    double took = now_ms() - begin;
    if (error != MAILMOD_OK) {
        printf("turn %d\n", error);
    }
    longest_ms = took > longest_ms ? took : longest_ms;
    turns++;
}

/* One word at a time: epoll does not see what stdio holds. */
static int read_word(mailmod *mail)
{
    char word[32] = "";
    size_t size = 0;
    while (size < sizeof word - 1 && read(0, word + size, 1) == 1 &&
           word[size] != '\n') {
        size++;
    }
    if (size == 0) {
        return 0;
    }
    word[size] = '\0';
    printf("%s %d\n", word, obey(mail, word));
    return 1;
}

static void serve(mailmod *mail, int epoll)
{
    int descriptor = -1;
    int goes_on = 1;
    while (goes_on) {
        int64_t timeout_ms = -1;
        int known = descriptor;
        if (mailmod_run_next(mail, &descriptor, &timeout_ms) != MAILMOD_OK) {
            printf("next: %s\n", mailmod_last_error_text());
            return;
        }
        struct epoll_event event = {.events = EPOLLIN, .data = {.fd = 1}};
        if (known == -1) {
            (void)epoll_ctl(epoll, EPOLL_CTL_ADD, descriptor, &event);
        } else if (known != descriptor) {
            printf("another descriptor\n");
        }
        int count = epoll_wait(epoll, &event, 1, (int)timeout_ms);
        if (count == 1 && event.data.fd == 0) {
            goes_on = read_word(mail);
        }
        turn(mail);
    }
}

static int start(mailmod *mail, const char *folder, const char *name_server)
{
    const char *settings[][2] = {{"general.data_folder", folder},
                                 {"general.host_name", "mail.test"},
                                 {"local.domains", "mail.test"},
                                 {"smtp.listen", "127.0.0.1:0"},
                                 {"pop3.listen", "127.0.0.1:0"},
                                 {"pop3.allows_clear_login", "true"},
                                 {"pop3s.listen", ""},
                                 {"submission.listen", ""},
                                 {"submissions.listen", ""},
                                 {"dns.servers", name_server},
                                 {"dns.timeout", "300ms"},
                                 {"dns.tries", "1"}};
    enum mailmod_error error = MAILMOD_OK;
    for (size_t i = 0; i < sizeof settings / sizeof settings[0]; i++) {
        if (error == MAILMOD_OK) {
            error = mailmod_config_set(mail, settings[i][0], settings[i][1]);
        }
    }
    if (error == MAILMOD_OK) {
        error = mailmod_loop_set_turned(mail, 1);
    }
    if (error == MAILMOD_OK && mailmod_run_once(mail, 0) == MAILMOD_OK) {
        printf("turned before the start\n");
    }
    if (error == MAILMOD_OK) {
        error = mailmod_start(mail);
    }
    if (error == MAILMOD_OK &&
        mailmod_user_add(mail, "demo", "secret", 0) != 0) {
        error = MAILMOD_ERROR_STATE;
    }
    return error;
}

int main(int argc, char **argv)
{
    mailmod *mail = NULL;
    struct epoll_event event = {.events = EPOLLIN, .data = {.fd = 0}};
    int epoll = epoll_create1(EPOLL_CLOEXEC);
    setvbuf(stdout, NULL, _IOLBF, 0);
    if (argc != 3 || epoll < 0 ||
        epoll_ctl(epoll, EPOLL_CTL_ADD, 0, &event) != 0 ||
        mailmod_new(&mail) != MAILMOD_OK ||
        start(mail, argv[1], argv[2]) != MAILMOD_OK) {
        printf("start: %s\n", mailmod_last_error_text());
        return 1;
    }
    printf("ports smtp=%d pop3=%d\n", mailmod_service_port(mail, "smtp"),
           mailmod_service_port(mail, "pop3"));
    serve(mail, epoll);
    printf("turns %lu longest_ms %.1f\n", turns, longest_ms);
    int stopped = mailmod_stop(mail);
    int drained = mailmod_drain(mail, 10000);
    printf("end %d %d %d\n", stopped, drained, mailmod_free(&mail));
    (void)close(epoll);
    return 0;
}
