/* submit.c - messages from a file and from a function. */
#include <mailmod.h>
#include <stdio.h>

#include "reader.inc"

static void send_file(mailmod *mail, const struct mailmod_envelope *message)
{
    struct mailmod_envelope envelope = *message;

#include "file.inc"
}

static void send_song(mailmod *mail, const struct mailmod_envelope *message)
{
    struct mailmod_envelope envelope = *message;

#include "call.inc"
}

int main(void)
{
    struct mailmod_envelope envelope = {.size = sizeof envelope,
                                        .mode = MAILMOD_SEND_NOW,
                                        .reverse_path = "alice@example.com",
                                        .recipients = "bob@example.org"};
    mailmod *mail = NULL;

    if (mailmod_new(&mail) || mailmod_services_set_wait(mail, 1) ||
        mailmod_start(mail)) {
        puts(mailmod_last_error_text());
        return 1;
    }
    send_file(mail, &envelope);
    send_song(mail, &envelope);
    return mailmod_free(&mail);
}
