/* mailbox.c - one letter to a user here, then the mailbox. */
#include <mailmod.h>
#include <stdio.h>
#include <string.h>

#include "functions.inc"

static void look(mailmod *mail)
{
#include "calls.inc"
}

int main(void)
{
    static const char text[] = "Subject: hello\n\nHello.\n";
    struct mailmod_envelope envelope = {.size = sizeof envelope,
                                        .reverse_path = "bob@example.org",
                                        .recipients = "alice@example.com"};
    mailmod *mail = NULL;

    if (mailmod_new(&mail) ||
        mailmod_config_set(mail, "local.domains", "example.com") ||
        mailmod_services_set_wait(mail, 1) || mailmod_start(mail)) {
        puts(mailmod_last_error_text());
        return 1;
    }
    mailmod_user_add(mail, "alice", "wonderland", 0);
    if (mailmod_message_submit(mail, &envelope, text, strlen(text), NULL)) {
        puts(mailmod_last_error_text());
    }
    look(mail);
    return mailmod_free(&mail);
}
