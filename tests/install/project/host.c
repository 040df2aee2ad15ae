/* host.c - a host program of another project: it knows the installed header and
 * library alone. host FOLDER: starts, receives one message, serves it, stops.
 * Written so that it is C and C++ alike. */
#include <mailmod.h>

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static int connect_to(int port)
{
    struct sockaddr_in address;
    int peer = socket(AF_INET, SOCK_STREAM, 0);

    memset(&address, 0, sizeof address);
    address.sin_family = AF_INET;
    address.sin_port = htons((unsigned short)port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (connect(peer, (struct sockaddr *)&address, sizeof address) != 0) {
        close(peer);
        return -1;
    }
    return peer;
}

/* Sends a line and waits for an answer that holds `expected`. */
static int ask(int peer, const char *line, const char *expected)
{
    char answer[4096];
    size_t size = 0;

    if (send(peer, line, strlen(line), MSG_NOSIGNAL) < 0) {
        return -1;
    }
    while (size < sizeof answer - 1) {
        ssize_t got = recv(peer, answer + size, sizeof answer - 1 - size, 0);

        if (got <= 0) {
            break;
        }
        size += (size_t)got;
        answer[size] = '\0';
        if (strstr(answer, expected) != NULL) {
            return 0;
        }
    }
    printf("no \"%s\" after %s", expected, line);
    return -1;
}

static int deliver(int port)
{
    int peer = connect_to(port);
    int is_bad = ask(peer, "EHLO c.test\r\n", "250 ") ||
                 ask(peer, "MAIL FROM:<a@c.test>\r\n", "250 2.1.0") ||
                 ask(peer, "RCPT TO:<demo@mail.test>\r\n", "250 2.1.5") ||
                 ask(peer, "DATA\r\n", "354") ||
                 ask(peer, "Subject: x\r\n\r\nhello\r\n.\r\n", "250 2.6.0");

    close(peer);
    return is_bad;
}

static int read_back(int port)
{
    int peer = connect_to(port);
    int is_bad = ask(peer, "USER demo\r\n", "+OK") ||
                 ask(peer, "PASS secret\r\n", "+OK") ||
                 ask(peer, "RETR 1\r\n", "\r\nhello\r\n.\r\n") ||
                 ask(peer, "QUIT\r\n", "+OK");

    close(peer);
    return is_bad;
}

static int set_all(mailmod *mail, const char *folder)
{
    return mailmod_config_set(mail, "general.data_folder", folder) ||
           mailmod_config_set(mail, "general.host_name", "mail.test") ||
           mailmod_config_set(mail, "local.domains", "mail.test") ||
           mailmod_config_set(mail, "smtp.listen", "127.0.0.1:0") ||
           mailmod_config_set(mail, "submission.listen", "") ||
           mailmod_config_set(mail, "submissions.listen", "") ||
           mailmod_config_set(mail, "pop3.listen", "127.0.0.1:0") ||
           mailmod_config_set(mail, "pop3s.listen", "") ||
           mailmod_config_set(mail, "pop3.allows_clear_login", "true") ||
           mailmod_user_add(mail, "demo", "secret", 0);
}

int main(int argc, char **argv)
{
    mailmod *mail = NULL;
    int is_bad;

    if (argc != 2 || mailmod_new(&mail)) {
        return 2;
    }
    if (strcmp(mailmod_version(), MAILMOD_VERSION) != 0) {
        printf("header %s, library %s\n", MAILMOD_VERSION, mailmod_version());
        return 2;
    }
    if (mailmod_version_number() != MAILMOD_VERSION_NUMBER) {
        printf("header %d, library %d\n", MAILMOD_VERSION_NUMBER,
               mailmod_version_number());
        return 2;
    }
    is_bad = set_all(mail, argv[1]) || mailmod_start(mail);
    if (is_bad) {
        printf("%s\n", mailmod_last_error_text());
    }
    is_bad = is_bad || deliver(mailmod_service_port(mail, "smtp")) ||
             read_back(mailmod_service_port(mail, "pop3")) ||
             mailmod_stop(mail) || mailmod_drain(mail, 10000);
    mailmod_free(&mail);
    printf("version %s, %s\n", mailmod_version(), is_bad ? "failed" : "served");
    return is_bad ? 1 : 0;
}
