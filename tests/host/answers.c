/* answers.c - a host that answers each question as it is told to.
 *
 * answers CONFIG SMTP_MASK POP3_MASK: both servers with a callback, and one for
 * submission. A line "ACTION VALUE" on standard input sets what the callback
 * returns for an action from then on; "ACTION hold" lets it wait until the line
 * "go". What it was asked is told on standard output. A host program: it may
 * print. */
#include "show.h"

#include <pthread.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#define HOLD 12345

static struct {
    pthread_mutex_t mutex;
    pthread_cond_t go;
    int values[ALL_ACTIONS + 1];
    int rounds;  /* how often "go" was said */
    int waiting; /* callbacks that hold */
} told = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, {0}, 0, 0};

/* With the mutex. */
static void wait_for_go(void)
{
    int round = told.rounds;

    printf("holding %d\n", ++told.waiting);
    while (told.rounds == round) {
        pthread_cond_wait(&told.go, &told.mutex);
    }
    told.waiting--;
}

static int answer(int action)
{
    int value;

    pthread_mutex_lock(&told.mutex);
    value = told.values[action];
    if (value == HOLD) {
        wait_for_go();
        value = 0;
    }
    pthread_mutex_unlock(&told.mutex);
    return value;
}

static void show_peer(ServerStream stream)
{
    struct sockaddr_storage address;
    const unsigned char *ip;
    char *name = GetAUTHName(stream);
    char *password = GetAUTHPassw(stream);
    uint32_t remote = (uint32_t)GetRemoteIP(stream);
    int size = GetRemoteAddr(stream, &address, (int)sizeof address);
    int short_size = GetRemoteAddr(stream, &address, 1);

    ip = (const unsigned char *)&remote; /* network order in the low 32 bits */
    printf("peer ip=%d.%d.%d.%d family=%d size=%d short=%d socket=%d user=%s "
           "password=%s\n",
           ip[0], ip[1], ip[2], ip[3], address.ss_family, size, short_size,
           GetSocket(stream) >= 0, name != NULL ? name : "-",
           password != NULL ? password : "-");
}

static int on_request(ServerStream *stream, char *reqname, int action, ...)
{
    va_list more;

    show_peer(stream);
    va_start(more, action);
    if (action == ACTION_SMTP_SENDMSG) {
        const char *from = va_arg(more, const char *);
        const char *to = va_arg(more, const char *);

        printf("asked %d %s from=%s to=%s\n", action, reqname, from, to);
    } else if (action == ACTION_POP_GETMSG || action == ACTION_POP_DELMSG) {
        printf("asked %d %s number=%u\n", action, reqname,
               va_arg(more, unsigned));
    } else {
        printf("asked %d %s\n", action, reqname);
    }
    va_end(more);
    return answer(action);
}

static void obey(const char *line)
{
    char *value;
    long action = strtol(line, &value, 10);

    pthread_mutex_lock(&told.mutex);
    if (action > 0 && action <= ALL_ACTIONS) {
        told.values[action] =
            strstr(value, "hold") ? HOLD : (int)strtol(value, NULL, 10);
    } else {
        told.rounds++;
        pthread_cond_broadcast(&told.go);
    }
    pthread_mutex_unlock(&told.mutex);
    printf("told %s", line);
}

int main(int argc, char **argv)
{
    char line[80];

    show_lines_at_once();
    if (argc != 4 || LoadConfig(argv[1]) != 0) {
        return show_failure("LoadConfig");
    }
    if (SetSMTPServer(on_request, -1, (int)strtol(argv[2], NULL, 10)) != 0 ||
        SetPOP3Server(on_request, -1, (int)strtol(argv[3], NULL, 10)) != 0) {
        return show_failure("the servers");
    }
    /* Its sessions are asked about by the SMTP server's callback. */
    if (mailmod_service_start(SRVInstance(), "submission", -1) != MAILMOD_OK) {
        printf("submission: %s\n", mailmod_last_error_text());
        return 1;
    }
    printf("ports smtp=%d pop3=%d submission=%d\n", SRVGetPort("smtp"),
           SRVGetPort("pop3"), SRVGetPort("submission"));
    while (fgets(line, sizeof line, stdin) != NULL) {
        obey(line);
    }
    return SRVShutdown() == 0 ? 0 : show_failure("SRVShutdown");
}
