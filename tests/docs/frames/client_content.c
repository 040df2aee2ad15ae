#include <mailmod.h>
#include <mailmod/client.h>

#include <stdio.h>

static void close_file(void *file)
{
    fclose(file);
}

static enum mailmod_error fill(mailmod_client_message *message,
                               const char *path)
{
    enum mailmod_error error;

#include "file.inc"
#include "header.inc"
    return error;
}

int main(int argc, char **argv)
{
    mailmod *mail = NULL;
    mailmod_client *client = NULL;
    mailmod_client_message *message = NULL;

    if (argc != 2 || mailmod_new(&mail) || mailmod_services_set_wait(mail, 1) ||
        mailmod_start(mail) || mailmod_client_new(mail, &client) ||
        mailmod_client_set_servers(client, "smtp.example.net:587") ||
        mailmod_client_message_add(client, &message) ||
        fill(message, argv[1]) ||
        mailmod_client_recipient_add(message, "bob@example.org", NULL) ||
        mailmod_client_send(client)) {
        printf("%s\n", mailmod_last_error_text());
        return 1;
    }
    mailmod_client_free(&client);
    return mailmod_free(&mail) == MAILMOD_OK ? 0 : 1;
}
