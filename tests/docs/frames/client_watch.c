#include <mailmod.h>
#include <mailmod/client.h>

#include <stdio.h>

#include "functions.inc"

static int listen_to(mailmod_client *client)
{
#include "calls.inc"
    return 0;
}

int main(void)
{
    mailmod *mail = NULL;
    mailmod_client *client = NULL;
    mailmod_client_message *message = NULL;

    if (mailmod_new(&mail) || mailmod_services_set_wait(mail, 1) ||
        mailmod_start(mail) || mailmod_client_new(mail, &client) ||
        mailmod_client_set_servers(client, "smtp.example.net:587") ||
        listen_to(client) || mailmod_client_message_add(client, &message) ||
        mailmod_client_message_set_text(message, "x", 1) ||
        mailmod_client_recipient_add(message, "bob@example.org", NULL) ||
        mailmod_client_send(client)) {
        printf("%s\n", mailmod_last_error_text());
        return 1;
    }
    mailmod_client_free(&client);
    return mailmod_free(&mail) == MAILMOD_OK ? 0 : 1;
}
