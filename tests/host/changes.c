/* changes.c - a host program that changes messages and their envelopes, for its
 * test.
 *
 * changes FOLDER PORT: embeds mailmod with its data in FOLDER and a smarthost
 * at PORT, prints the ports it got and serves until its standard input ends.
 * The local part of the reverse-path says what is changed when a message was
 * read, that of the recipient what is at RCPT. A host program: it may print. */
#include "mailmod.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

static int begins(const char *text, const char *word)
{
    return text != NULL && strncmp(text, word, strlen(word)) == 0;
}

static void expect(enum mailmod_error got, enum mailmod_error wanted,
                   const char *what)
{
    if (got != wanted) {
        printf("WRONG %s: %d, not %d: %s\n", what, (int)got, (int)wanted,
               mailmod_last_error_text());
    }
}

static void read_all(mailmod_request *request)
{
    char octets[4096];

    while (mailmod_request_read(request, octets, sizeof octets, NULL) > 0) {
    }
}

static void change_fields(mailmod_request *r)
{
    expect(mailmod_request_add_field(r, "X-Score", "12\n\tof 15"), MAILMOD_OK,
           "add");
    expect(mailmod_request_insert_field(r, 0, "X-First", "here"), MAILMOD_OK,
           "insert");
    expect(mailmod_request_change_field(r, "Subject", 1, "[spam] changed"),
           MAILMOD_OK, "change");
    expect(mailmod_request_change_field(r, "x-secret", 1, NULL), MAILMOD_OK,
           "delete");
    expect(mailmod_request_change_field(r, "Subject", 0, "x"),
           MAILMOD_ERROR_ARGUMENT, "number 0");
    expect(mailmod_request_add_field(r, "X-A", "x\r\nBcc: b"),
           MAILMOD_ERROR_ARGUMENT, "injection");
    expect(mailmod_request_add_field(r, "X A", "x"), MAILMOD_ERROR_ARGUMENT,
           "name");
    expect(mailmod_request_add_field(r, NULL, NULL), MAILMOD_ERROR_ARGUMENT,
           "no name");
    expect(mailmod_request_add_recipient(r, "no address"),
           MAILMOD_ERROR_ARGUMENT, "address");
    expect(mailmod_request_redirect(r, NULL, NULL), MAILMOD_ERROR_ARGUMENT,
           "no address");
    expect(mailmod_request_set_folder(r, NULL, "../x"), MAILMOD_ERROR_ARGUMENT,
           "folder");
    expect(mailmod_request_quarantine(r, "a\r\nb"), MAILMOD_ERROR_ARGUMENT,
           "reason");
    expect(mailmod_request_set_delay(r, 10), MAILMOD_ERROR_STATE, "delay");
}

static void change_too_much(mailmod_request *request)
{
    enum mailmod_error error = MAILMOD_OK;
    int count = 0;

    while (error == MAILMOD_OK && count < 1000) {
        error = mailmod_request_add_field(request, "X-Many", "v");
        count++;
    }
    expect(error, MAILMOD_ERROR_LIMIT, "many");
    printf("changes %d\n", count - 1);
}

static enum mailmod_verdict judge_message(mailmod_request *request)
{
    const char *from = mailmod_request_reverse_path(request);

    read_all(request);
    if (begins(from, "fields@")) {
        change_fields(request);
    } else if (begins(from, "one-field@")) {
        expect(mailmod_request_change_field(request, "Subject", 1, "new"),
               MAILMOD_OK, "change");
    } else if (begins(from, "add-field@")) {
        expect(mailmod_request_add_field(request, "X-Added", "yes"), MAILMOD_OK,
               "add");
    } else if (begins(from, "many@")) {
        change_too_much(request);
    } else if (begins(from, "add@")) {
        expect(mailmod_request_add_recipient(request, "other@mail.test"),
               MAILMOD_OK, "add");
        expect(mailmod_request_add_recipient(request, "nobody@mail.test"),
               MAILMOD_OK, "add nobody");
    } else if (begins(from, "remove@")) {
        expect(mailmod_request_remove_recipient(request, "demo@mail.test"),
               MAILMOD_OK, "remove");
    } else if (begins(from, "redirect@")) {
        expect(mailmod_request_redirect(request, NULL, "far@away.test"),
               MAILMOD_OK, "redirect");
    } else if (begins(from, "lost@")) {
        expect(mailmod_request_redirect(request, NULL, "nobody@mail.test"),
               MAILMOD_OK, "redirect");
    } else if (begins(from, "quarantine@")) {
        expect(mailmod_request_quarantine(request, "looks like a virus"),
               MAILMOD_OK, "quarantine");
    } else if (begins(from, "junk@")) {
        expect(mailmod_request_set_folder(request, NULL, "Junk"), MAILMOD_OK,
               "folder");
    } else if (begins(from, "refused@")) {
        expect(mailmod_request_add_recipient(request, "other@mail.test"),
               MAILMOD_OK, "add");
        return MAILMOD_REJECT;
    }
    return MAILMOD_ACCEPT;
}

static enum mailmod_verdict judge_recipient(mailmod_request *request)
{
    const char *recipient = mailmod_request_recipient(request, 0);

    if (begins(recipient, "moved@")) {
        expect(mailmod_request_redirect(request, NULL, "other@mail.test"),
               MAILMOD_OK, "redirect");
    } else if (begins(recipient, "far@")) {
        expect(mailmod_request_redirect(request, NULL, "far@away.test"),
               MAILMOD_OK, "redirect");
    } else if (begins(recipient, "other@")) {
        expect(mailmod_request_set_folder(request, NULL, "Junk"), MAILMOD_OK,
               "folder");
        expect(mailmod_request_set_delay(request, 60001), MAILMOD_ERROR_LIMIT,
               "long delay");
        expect(mailmod_request_set_delay(request, 50), MAILMOD_OK, "delay");
    }
    return MAILMOD_ACCEPT;
}

static enum mailmod_verdict judge(void *context, mailmod_request *request)
{
    (void)context;
    return mailmod_request_moment(request) == MAILMOD_SMTP_MESSAGE
               ? judge_message(request)
               : judge_recipient(request);
}

static void on_log(void *context, enum mailmod_log_level level,
                   const char *line)
{
    (void)context;
    (void)level;
    printf("log %s\n", line);
}

static void on_entry(void *context, const struct mailmod_queue_entry *entry)
{
    (void)context;
    printf("held %d %s %s\n", entry->is_held, entry->destination,
           entry->last_reply);
}

static void obey(mailmod *mail, int octet)
{
    size_t count = 0;

    if (octet == 'l') {
        (void)mailmod_queue_list(mail, NULL, on_entry, NULL);
        printf("listed\n");
    } else if (octet == 'r') {
        (void)mailmod_queue_act(mail, NULL, MAILMOD_QUEUE_RELEASE, &count);
        printf("released %d\n", (int)count);
    }
}

static int serve(mailmod *mail, const char *folder, const char *port)
{
    char octet;
    char maildir[512];

    (void)snprintf(maildir, sizeof maildir, "boxed:%s/Maildir", folder);

    if (mailmod_config_set(mail, "general.data_folder", folder) ||
        mailmod_config_set(mail, "general.host_name", "mail.test") ||
        mailmod_config_set(mail, "local.domains", "mail.test") ||
        mailmod_config_set(mail, "local.plus_folders", "true") ||
        mailmod_config_set(mail, "local.maildirs", maildir) ||
        mailmod_config_set(mail, "smarthost.host", "127.0.0.1") ||
        mailmod_config_set(mail, "smarthost.port", port) ||
        mailmod_config_set(mail, "smarthost.tls", "off") ||
        mailmod_config_set(mail, "smtp.listen", "127.0.0.1:0") ||
        mailmod_config_set(mail, "submission.listen", "") ||
        mailmod_config_set(mail, "submissions.listen", "") ||
        mailmod_config_set(mail, "pop3.listen", "127.0.0.1:0") ||
        mailmod_config_set(mail, "pop3s.listen", "") ||
        mailmod_config_set(mail, "pop3.allows_clear_login", "true") ||
        mailmod_log_set_callback(mail, on_log, NULL) ||
        mailmod_request_set_callback(mail,
                                     MAILMOD_SMTP_RCPT | MAILMOD_SMTP_MESSAGE,
                                     judge, NULL, NULL) ||
        mailmod_user_add(mail, "demo", "secret", 0) ||
        mailmod_user_add(mail, "other", "secret", 0) ||
        mailmod_user_add(mail, "boxed", "secret", 0) || mailmod_start(mail)) {
        printf("start: %s\n", mailmod_last_error_text());
        return 1;
    }
    printf("ports %d %d\n", mailmod_service_port(mail, "smtp"),
           mailmod_service_port(mail, "pop3"));
    while (read(STDIN_FILENO, &octet, 1) > 0) {
        obey(mail, octet);
    }
    return mailmod_stop(mail) || mailmod_drain(mail, 10000) ? 1 : 0;
}

int main(int argc, char **argv)
{
    mailmod *mail;
    int code;

    setvbuf(stdout, NULL, _IOLBF, BUFSIZ);
    if (argc != 3 || mailmod_new(&mail)) {
        return 2;
    }
    code = serve(mail, argv[1], argv[2]);
    (void)mailmod_free(&mail);
    return code;
}
