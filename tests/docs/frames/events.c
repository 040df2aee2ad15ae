/* events.c - two letters, one of which bounces; the end waits until both are
 * told of. */
#include <mailmod.h>
#include <stdio.h>
#include <string.h>

#include "function.inc"

static int send_letter(mailmod *mail, const char *recipient)
{
    static const char text[] = "Subject: hello\n\nHello.\n";
    struct mailmod_envelope envelope = {.size = sizeof envelope,
                                        .reverse_path = "alice@example.com",
                                        .recipients = recipient};
    mailmod_message *message = NULL;
    enum mailmod_error error =
        mailmod_message_submit(mail, &envelope, text, strlen(text), &message);

    if (error == MAILMOD_OK) {
        error = mailmod_message_wait(message, 60000);
    }
    mailmod_message_free(&message);
    return error != MAILMOD_OK;
}

int main(void)
{
    mailmod *mail = NULL;

    if (mailmod_new(&mail)) {
        return 1;
    }
#include "call.inc"
    if (mailmod_services_set_wait(mail, 1) || mailmod_start(mail) ||
        send_letter(mail, "bob@example.org") ||
        send_letter(mail, "nobody@example.org")) {
        puts(mailmod_last_error_text());
    }
    return mailmod_free(&mail);
}
