/* peer.h - a POP3 client of one session, for hosts that watch themselves. */
#ifndef TESTS_HOST_PEER_H
#define TESTS_HOST_PEER_H

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

/* demo deletes the first message, and the session is over when it returns; 0:
 * it could not be had. */
static inline int peer_deletes(int port)
{
    static const char commands[] =
        "USER demo\r\nPASS secret\r\nDELE 1\r\nQUIT\r\n";
    struct sockaddr_in peer = {.sin_family = AF_INET,
                               .sin_port = htons((unsigned short)port),
                               .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int client = socket(AF_INET, SOCK_STREAM, 0);
    ssize_t size = (ssize_t)sizeof commands - 1;
    char octet;
    int is_there =
        client >= 0 &&
        connect(client, (struct sockaddr *)&peer, sizeof peer) == 0 &&
        write(client, commands, (size_t)size) == size;

    while (is_there && read(client, &octet, 1) == 1) {
    }
    (void)close(client);
    return is_there;
}

#endif
