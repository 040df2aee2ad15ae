/* thread: its own (nameserver_begin and nameserver_end: the test's)
 * nameserver.h - a name server in this process, with one UDP and one TCP
 * socket; the first label of the asked name says how it misbehaves. */
#ifndef TESTS_UNIT_IO_NAMESERVER_H
#define TESTS_UNIT_IO_NAMESERVER_H

#include "helpers.h"

#include <poll.h>
#include <stdatomic.h>

enum { TYPE_A = 1, TYPE_CNAME = 5, TYPE_MX = 15, TYPE_TXT = 16 };
enum { TYPE_AAAA = 28 };

struct nameserver {
    pthread_t thread;
    int udp;
    int tcp;
    int stop[2];
    uint16_t port;
};

static atomic_uint silences;

struct packet {
    uint8_t bytes[8192];
    size_t size;
};

static void put16(struct packet *packet, unsigned value)
{
    packet->bytes[packet->size++] = (uint8_t)(value >> 8);
    packet->bytes[packet->size++] = (uint8_t)value;
}

static void put_bytes(struct packet *packet, const void *bytes, size_t size)
{
    memcpy(packet->bytes + packet->size, bytes, size);
    packet->size += size;
}

/* Record with the question's name as its owner. */
static void put_record(struct packet *packet, unsigned type, const void *data,
                       size_t size)
{
    put16(packet, 0xc00c);
    put16(packet, type);
    put16(packet, 1);
    put16(packet, 0);
    put16(packet, 60);
    put16(packet, (unsigned)size);
    put_bytes(packet, data, size);
    packet->bytes[7]++;
}

/* `host` as wire labels with their final NUL. */
static void put_mx(struct packet *packet, unsigned preference, const char *host,
                   size_t size)
{
    uint8_t data[300];
    data[0] = (uint8_t)(preference >> 8);
    data[1] = (uint8_t)preference;
    memcpy(data + 2, host, size);
    put_record(packet, TYPE_MX, data, size + 2);
}

static void answer_mx(struct packet *packet, const char *label, bool is_tcp)
{
    static const char good[] = "\x02mX\x07"
                               "EXAMPLE";
    static const char second[] = "\x03two\x07"
                                 "example";
    static const char space[] = "\x04"
                                "a b\x01\x07"
                                "example";
    if (strcmp(label, "nullmx") == 0) {
        put_mx(packet, 0, "", 1);
    } else if (strcmp(label, "badmx") == 0) {
        put_mx(packet, 5, space, sizeof space);
        put_mx(packet, 20, second, sizeof second);
        put_mx(packet, 10, good, sizeof good);
    } else if (strcmp(label, "allbad") == 0) {
        put_mx(packet, 5, space, sizeof space);
    } else if (strcmp(label, "loop") == 0) {
        uint8_t self[2] = {(uint8_t)(0xc0 | ((packet->size + 14) >> 8)),
                           (uint8_t)(packet->size + 14)};
        put_mx(packet, 5, (const char *)self, 2);
    } else if (strcmp(label, "short") == 0) {
        put_mx(packet, 5, good, sizeof good);
        packet->size -= 4;
    } else if (strcmp(label, "many") == 0) {
        if (!is_tcp) {
            packet->bytes[2] |= 2; /* TC */
            return;
        }
        for (unsigned i = 100; i > 0; i--) {
            put_mx(packet, i, good, sizeof good);
        }
    } else if (strcmp(label, "nodata") != 0) {
        put_mx(packet, 20, second, sizeof second);
        put_mx(packet, 10, good, sizeof good);
    }
}

static void answer_address(struct packet *packet, const char *label,
                           unsigned type)
{
    static const uint8_t v6[16] = {0x20, 0x01, 0x0d, 0xb8, [15] = 7};
    static const char real[] = "\x04real\x07"
                               "example";
    if (strcmp(label, "cname") == 0) {
        put_record(packet, TYPE_CNAME, real, sizeof real);
        size_t at = packet->size;
        put_bytes(packet, real, sizeof real);
        uint8_t rest[] = {0, TYPE_A, 0, 1, 0, 0, 0, 9, 0, 4, 192, 0, 2, 77};
        put_bytes(packet, rest, sizeof rest);
        packet->bytes[7]++;
        (void)at;
        return;
    }
    unsigned count = strcmp(label, "crowd") == 0 ? 28 : 2;
    for (unsigned i = 0; i < count; i++) {
        uint8_t v4[4] = {192, 0, 2, (uint8_t)(i + 1)};
        if (type == TYPE_A) {
            put_record(packet, TYPE_A, v4, 4);
        } else if (i == 0) {
            put_record(packet, TYPE_AAAA, v6, 16);
        }
    }
}

/* Builds the answer; false for silence. */
static bool answer(const uint8_t *query, size_t size, bool is_tcp,
                   struct packet *packet, char label[64])
{
    size_t length = size > 12 ? query[12] : 0;
    if (size < 18 || length > 63 || 13 + length > size) {
        return false;
    }
    memcpy(label, query + 13, length);
    label[length] = '\0';
    memset(packet->bytes, 0, 12);
    memcpy(packet->bytes, query, 2);
    packet->bytes[2] = 0x81;
    packet->bytes[3] = 0x80;
    packet->bytes[5] = 1;
    packet->size = 12;
    size_t end = 12;
    while (end < size && query[end] != 0) {
        end += query[end] + 1u;
    }
    put_bytes(packet, query + 12, end + 5 - 12);
    unsigned type = (unsigned)(query[end + 1] << 8 | query[end + 2]);
    if (strcmp(label, "silent") == 0) {
        atomic_fetch_add(&silences, 1);
        return false;
    }
    if (strcmp(label, "signed") == 0 && (query[3] & 0x20) != 0) {
        packet->bytes[3] |= 0x20; /* AD, to who asks for it (RFC 6840 5.7) */
    }
    if (query[13] >= 0x80) { /* no A-label */
        packet->bytes[3] |= 1;
    } else if (strcmp(label, "nx") == 0) {
        packet->bytes[3] |= 3;
    } else if (strcmp(label, "servfail") == 0) {
        packet->bytes[3] |= 2;
    } else if (strcmp(label, "refused") == 0) {
        packet->bytes[3] |= 5;
    } else if (strcmp(label, "formerr") == 0) {
        packet->bytes[3] |= 1;
    } else if (strcmp(label, "garbage") == 0) {
        packet->bytes[7] = 200;
        memset(packet->bytes + packet->size, 0xff, 100);
        packet->size += 100;
    } else if (type == TYPE_MX) {
        answer_mx(packet, label, is_tcp);
    } else if (type == TYPE_TXT) {
        put_record(packet, TYPE_TXT, "\x05hello\x07 world\n", 14);
        put_record(packet, TYPE_TXT, "\x05other", 6);
    } else if (strcmp(label, "nodata") != 0) {
        answer_address(packet, label, type);
    }
    return true;
}

static void serve_udp(int fd)
{
    uint8_t query[1024];
    struct sockaddr_in from;
    socklen_t length = sizeof from;
    struct packet packet;
    char label[64];
    ssize_t size =
        recvfrom(fd, query, sizeof query, 0, (struct sockaddr *)&from, &length);
    if (size <= 0 || !answer(query, (size_t)size, false, &packet, label)) {
        return;
    }
    if (strcmp(label, "wrongid") == 0) {
        packet.bytes[0] ^= 0x55;
        packet.bytes[packet.size - 1] = 66;
        sendto(fd, packet.bytes, packet.size, 0, (struct sockaddr *)&from,
               length);
        packet.bytes[0] ^= 0x55;
        packet.bytes[packet.size - 1] = 2;
    }
    if (strcmp(label, "question") == 0) {
        packet.bytes[13] ^= 1; /* an answer to another question */
    }
    sendto(fd, packet.bytes, packet.size, 0, (struct sockaddr *)&from, length);
}

static void serve_tcp(int listener)
{
    uint8_t query[1024];
    struct packet packet;
    char label[64];
    int fd = accept(listener, NULL, NULL);
    ssize_t size = recv(fd, query, sizeof query, 0);
    if (size > 2 && answer(query + 2, (size_t)size - 2, true, &packet, label)) {
        uint8_t head[2] = {(uint8_t)(packet.size >> 8), (uint8_t)packet.size};
        (void)!send(fd, head, 2, MSG_NOSIGNAL);
        (void)!send(fd, packet.bytes, packet.size, MSG_NOSIGNAL);
    }
    close(fd);
}

static void *serve(void *context)
{
    struct nameserver *server = context;
    for (;;) {
        struct pollfd fds[3] = {{server->udp, POLLIN, 0},
                                {server->tcp, POLLIN, 0},
                                {server->stop[0], POLLIN, 0}};
        poll(fds, 3, -1);
        if (fds[2].revents != 0) {
            return NULL;
        }
        if (fds[0].revents != 0) {
            serve_udp(server->udp);
        }
        if (fds[1].revents != 0) {
            serve_tcp(server->tcp);
        }
    }
}

/* On that port, or with 0 on any that is free for both. */
static bool nameserver_try(struct nameserver *server, const char *address,
                           uint16_t port)
{
    struct sockaddr_in in4 = {.sin_family = AF_INET, .sin_port = htons(port)};
    socklen_t length = sizeof in4;
    assert_int_equal(inet_pton(AF_INET, address, &in4.sin_addr), 1);
    server->udp = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    server->tcp = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (bind(server->udp, (struct sockaddr *)&in4, sizeof in4) != 0 ||
        getsockname(server->udp, (struct sockaddr *)&in4, &length) != 0 ||
        bind(server->tcp, (struct sockaddr *)&in4, sizeof in4) != 0) {
        close(server->udp);
        close(server->tcp);
        return false;
    }
    assert_int_equal(listen(server->tcp, 16), 0);
    assert_int_equal(pipe(server->stop), 0);
    server->port = ntohs(in4.sin_port);
    pthread_create(&server->thread, NULL, serve, server);
    return true;
}

static void nameserver_begin(struct nameserver *server)
{
    while (!nameserver_try(server, "127.0.0.1", 0)) {
    }
}

static void nameserver_end(struct nameserver *server)
{
    assert_int_equal(write(server->stop[1], "x", 1), 1);
    pthread_join(server->thread, NULL);
    close(server->stop[0]);
    close(server->stop[1]);
    close(server->udp);
    close(server->tcp);
}

#endif
