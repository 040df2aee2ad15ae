/* discard.c - a server that keeps nothing: what the traffic alone costs.
 *
 *   discard smtp|write|pop3|silent ADDRESS COUNT PORT COUNTER [OCTETS]
 *
 * One thread, one epoll, one read and one write for whatever arrived: the floor
 * that any server of the protocol stands on. smtp takes every message and keeps
 * nothing of it; write writes each to a file beside COUNTER as it arrives and
 * syncs it before the 250; pop3 lets everybody in and serves the same thousand
 * messages of OCTETS; silent listens and accepts nobody, as a dead host does.
 * Listens on COUNT addresses from ADDRESS on, all with PORT (0, with one
 * address: any). Writes the port on its standard output once it listens, and
 * counts messages (smtp, write) or sessions (pop3) in COUNTER, a file of one
 * 64-bit number. Ends with its parent.
 * Thread: the one. */
#include "load.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#define LISTENERS_MAX (1ul << 16)
#define OCTETS_MAX (64ul << 20)
#define MAILBOX_COUNT 1000
#define SILENT_BACKLOG 0
#define EVENTS_MAX 64

enum kind { KIND_SMTP, KIND_WRITE, KIND_POP3, KIND_SILENT };
enum state { STATE_COMMAND, STATE_DATA, STATE_BDAT };

struct text {
    char *bytes;
    size_t size;
};

struct session {
    int socket;
    int is_listener;
    int is_over;
    enum state state;
    size_t left;      /* of a chunk */
    size_t line_size; /* of the line that is not whole, all of it */
    char line[512];   /* its beginning */
    int file;
};

static enum kind kind;
static volatile uint64_t *counter;
static const char *folder_of_counter;
static int poller;
static struct text list_text;
static struct text uidl_text;
static struct text message_text;
static char input[1 << 18];
static struct text output;

static void fail(const char *what)
{
    perror(what);
    exit(1);
}

/* What the peer is owed after this piece of input. */
static void say_bytes(const char *bytes, size_t size)
{
    output.bytes = realloc(output.bytes, output.size + size + 1);
    if (output.bytes == NULL) {
        fail("memory");
    }
    memcpy(output.bytes + output.size, bytes, size);
    output.size += size;
}

static void say(const char *text)
{
    say_bytes(text, strlen(text));
}

static void begin_message(struct session *session)
{
    static unsigned long number;
    char path[4096];

    if (kind != KIND_WRITE) {
        return;
    }
    (void)snprintf(path, sizeof path, "%s.%lu", folder_of_counter, number++);
    session->file = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    if (session->file < 0) {
        fail(path);
    }
    (void)unlink(path);
}

static void keep(const struct session *session, const char *bytes, size_t size)
{
    while (session->file >= 0 && size > 0) {
        ssize_t written = write(session->file, bytes, size);

        if (written <= 0) {
            fail("write");
        }
        bytes += written;
        size -= (size_t)written;
    }
}

static void end_message(struct session *session)
{
    if (session->file >= 0) {
        if (fdatasync(session->file) != 0) {
            fail("fdatasync");
        }
        (void)close(session->file);
        session->file = -1;
    }
    session->state = STATE_COMMAND;
    *counter += 1;
    say("250 2.0.0 taken\r\n");
}

static int begins(const struct session *session, const char *verb)
{
    return strncasecmp(session->line, verb, strlen(verb)) == 0;
}

static void obey_smtp(struct session *session)
{
    if (begins(session, "EHLO")) {
        say("250-discard\r\n250-PIPELINING\r\n250-8BITMIME\r\n250-SIZE\r\n"
            "250 CHUNKING\r\n");
    } else if (begins(session, "DATA")) {
        begin_message(session);
        session->state = STATE_DATA;
        say("354 go on\r\n");
    } else if (begins(session, "BDAT")) {
        session->left = strtoul(session->line + 4, NULL, 10);
        if (session->file < 0) {
            begin_message(session);
        }
        session->state = STATE_BDAT;
    } else if (begins(session, "QUIT")) {
        say("221 2.0.0 bye\r\n");
        session->is_over = 1;
    } else {
        say("250 2.1.0 ok\r\n");
    }
}

static void obey_pop3(struct session *session)
{
    char text[64];

    if (begins(session, "STAT")) {
        (void)snprintf(text, sizeof text, "+OK %d %zu\r\n", MAILBOX_COUNT,
                       MAILBOX_COUNT * message_text.size);
        say(text);
    } else if (begins(session, "LIST")) {
        say_bytes(list_text.bytes, list_text.size);
    } else if (begins(session, "UIDL")) {
        say_bytes(uidl_text.bytes, uidl_text.size);
    } else if (begins(session, "RETR")) {
        say_bytes(message_text.bytes, message_text.size);
    } else {
        session->is_over = begins(session, "QUIT");
        *counter += (uint64_t)session->is_over;
        say("+OK\r\n");
    }
}

/* A whole line, of a command or of a message's text. */
static void take_line(struct session *session)
{
    if (session->state == STATE_DATA) {
        if (session->line_size == 3 && memcmp(session->line, ".\r\n", 3) == 0) {
            end_message(session);
        }
    } else {
        session->line[session->line_size < sizeof session->line
                          ? session->line_size
                          : sizeof session->line - 1] = '\0';
        if (kind == KIND_POP3) {
            obey_pop3(session);
        } else {
            obey_smtp(session);
        }
    }
    session->line_size = 0;
}

/* How much of this input is of the chunk; the chunk's end is answered. */
static size_t take_chunk(struct session *session, size_t size)
{
    size_t taken = session->left < size ? session->left : size;

    session->left -= taken;
    if (session->left == 0) {
        /* LAST or not: a client of the benchmarks sends one chunk. */
        end_message(session);
    }
    return taken;
}

static void take(struct session *session, const char *bytes, size_t size)
{
    while (size > 0) {
        size_t used;

        if (session->state == STATE_BDAT) {
            size_t chunk = session->left < size ? session->left : size;

            keep(session, bytes, chunk);
            used = take_chunk(session, size);
        } else {
            const char *end = memchr(bytes, '\n', size);
            size_t room = session->line_size < sizeof session->line
                              ? sizeof session->line - session->line_size
                              : 0;

            used = end == NULL ? size : (size_t)(end - bytes) + 1;
            memcpy(session->line + session->line_size, bytes,
                   used < room ? used : room);
            session->line_size += used;
            if (end != NULL) {
                take_line(session);
            }
        }
        bytes += used;
        size -= used;
    }
}

static void end_session(struct session *session)
{
    (void)close(session->socket);
    if (session->file >= 0) {
        (void)close(session->file);
    }
    free(session);
}

/* Blocking, as all that is said is little or wanted at once. */
static int pay(struct session *session)
{
    size_t sent = 0;

    while (sent < output.size) {
        ssize_t more = send(session->socket, output.bytes + sent,
                            output.size - sent, MSG_NOSIGNAL);

        if (more <= 0) {
            return -1;
        }
        sent += (size_t)more;
    }
    return 0;
}

static void serve(struct session *session)
{
    ssize_t got = recv(session->socket, input, sizeof input, 0);

    if (got <= 0) {
        end_session(session);
        return;
    }
    output.size = 0;
    if (session->state == STATE_DATA) { /* with the dot: three octets more */
        keep(session, input, (size_t)got);
    }
    take(session, input, (size_t)got);
    if (pay(session) != 0 || session->is_over) {
        end_session(session);
    }
}

static void watch(struct session *session)
{
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = session};

    if (epoll_ctl(poller, EPOLL_CTL_ADD, session->socket, &event) != 0) {
        fail("epoll_ctl");
    }
}

static struct session *make_session(int socket)
{
    struct session *session = calloc(1, sizeof *session);

    if (session == NULL) {
        fail("memory");
    }
    session->socket = socket;
    session->file = -1;
    return session;
}

static void accept_one(const struct session *listener)
{
    int socket = accept(listener->socket, NULL, NULL);
    int one = 1;

    if (socket < 0) {
        return;
    }
    (void)setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    watch(make_session(socket));
    (void)send(socket, kind == KIND_POP3 ? "+OK ready\r\n" : "220 ready\r\n",
               11, MSG_NOSIGNAL);
}

static void listen_at(uint32_t address, unsigned long *port)
{
    struct sockaddr_in at = {.sin_family = AF_INET,
                             .sin_addr.s_addr = htonl(address),
                             .sin_port = htons((uint16_t)*port)};
    struct session *listener = make_session(socket(AF_INET, SOCK_STREAM, 0));
    socklen_t size = sizeof at;
    int one = 1;

    listener->is_listener = 1;
    (void)setsockopt(listener->socket, SOL_SOCKET, SO_REUSEADDR, &one,
                     sizeof one);
    if (bind(listener->socket, (struct sockaddr *)&at, sizeof at) != 0 ||
        listen(listener->socket, kind == KIND_SILENT ? SILENT_BACKLOG : 4096) !=
            0 ||
        getsockname(listener->socket, (struct sockaddr *)&at, &size) != 0) {
        fail("listen");
    }
    *port = ntohs(at.sin_port);
    if (kind != KIND_SILENT) {
        watch(listener);
    }
}

/* The mailbox of everybody: its texts are made once. */
static void make_mailbox(size_t octets)
{
    static const char line[] = "0123456789012345678901234567890123456789"
                               "01234567890123456789012345678901\r\n";
    char text[128];

    say("+OK\r\nSubject: load\r\n\r\n");
    while (output.size + sizeof line - 1 < octets) {
        say(line);
    }
    size_t size = output.size - 5;
    say(".\r\n");
    message_text = output;
    output = (struct text){0};
    say("+OK\r\n");
    for (int i = 1; i <= MAILBOX_COUNT; i++) {
        (void)snprintf(text, sizeof text, "%d %zu\r\n", i, size);
        say(text);
    }
    say(".\r\n");
    list_text = output;
    output = (struct text){0};
    say("+OK\r\n");
    for (int i = 1; i <= MAILBOX_COUNT; i++) {
        (void)snprintf(text, sizeof text, "%d unique%d\r\n", i, i);
        say(text);
    }
    say(".\r\n");
    uidl_text = output;
    output = (struct text){0};
}

static enum kind read_kind(const char *word)
{
    static const char *const names[] = {"smtp", "write", "pop3", "silent"};

    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (strcmp(word, names[i]) == 0) {
            return (enum kind)i;
        }
    }
    (void)fprintf(stderr, "not a kind: %s\n", word);
    exit(2);
}

static void open_counter(const char *path)
{
    int file = open(path, O_RDWR | O_CREAT, 0600);

    folder_of_counter = path;
    if (file < 0 || ftruncate(file, sizeof *counter) != 0) {
        fail(path);
    }
    counter = mmap(NULL, sizeof *counter, PROT_READ | PROT_WRITE, MAP_SHARED,
                   file, 0);
    if (counter == MAP_FAILED) {
        fail("mmap");
    }
    (void)close(file);
}

static void run(void)
{
    struct epoll_event events[EVENTS_MAX];

    for (;;) {
        int count = epoll_wait(poller, events, EVENTS_MAX, -1);

        for (int i = 0; i < count; i++) {
            struct session *session = events[i].data.ptr;

            if (session->is_listener) {
                accept_one(session);
            } else {
                serve(session);
            }
        }
    }
}

int main(int count, char **words)
{
    struct in_addr first;

    if (count < 6 || inet_pton(AF_INET, words[2], &first) != 1) {
        (void)fprintf(stderr, "usage: discard smtp|write|pop3|silent ADDRESS "
                              "COUNT PORT COUNTER [OCTETS]\n");
        return 2;
    }
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    kind = read_kind(words[1]);
    unsigned long listeners = load_number(words[3], LISTENERS_MAX);
    unsigned long port = load_number(words[4], 65535);
    open_counter(words[5]);
    make_mailbox(count > 6 ? load_number(words[6], OCTETS_MAX) : 4096);
    poller = epoll_create1(0);
    for (uint32_t i = 0; i < listeners; i++) {
        listen_at(ntohl(first.s_addr) + i, &port);
    }
    (void)printf("%lu\n", port);
    (void)fflush(stdout);
    run();
    return 0;
}
