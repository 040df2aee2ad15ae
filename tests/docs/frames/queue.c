/* queue.c - a message that cannot go out yet: with each line of its input it
 * lists the queue and tries again; at the end it waits for the outcome. */
#include <mailmod.h>
#include <stdio.h>
#include <string.h>

#include "function.inc"

static void look(mailmod *mail)
{
#include "calls.inc"

    printf("tries %u again\n", (unsigned)count);
}

int main(void)
{
    static const char text[] = "Subject: no hurry\n\nHello.\n";
    struct mailmod_envelope envelope = {.size = sizeof envelope,
                                        .reverse_path = "alice@example.com",
                                        .recipients = "bob@example.org"};
    mailmod_message *message = NULL;
    mailmod *mail = NULL;

    if (mailmod_new(&mail) || mailmod_services_set_wait(mail, 1) ||
        mailmod_start(mail) ||
        mailmod_message_submit(mail, &envelope, text, strlen(text), &message)) {
        puts(mailmod_last_error_text());
        return 1;
    }
    printf("submitted %s\n", mailmod_message_identifier(message));
    while (getchar() != EOF) { /* until the test has seen enough */
        look(mail);
    }
    if (mailmod_message_wait(message, 60000)) {
        puts(mailmod_last_error_text());
    }
    mailmod_message_free(&message);
    return mailmod_free(&mail);
}
