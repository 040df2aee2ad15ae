/* storm.c - a host that does everything at once, for the thread sanitizer.
 *
 * storm CONFIG TO HOST PORT SECONDS: eight threads send to TO in all three
 * modes, with and without a callback, two set and read settings, one stops and
 * opens the servers, one looks up mail hosts; the servers' callbacks answer all
 * manner of things. Then it ends: every message that was ended and was not
 * queued must have had STATE_SMTP_DONE exactly once. A host program: it may
 * print. */
#include "show.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SENDERS 8

static const char *recipient;
static const char *relay_host;
static int relay_port;
static atomic_int is_over;
static atomic_int ended;  /* with a callback, not by the queue */
static atomic_int done;   /* of these */
static atomic_int queued; /* with a callback */
static atomic_int queued_done;
static atomic_int written;
static atomic_int asked;
static atomic_int settings_count;
static atomic_int openings;

/* The context is the counter of the mode. */
static void on_state(ServerStream *stream, void *counter, int state, int sent)
{
    struct mailmod_result result = {.size = sizeof result};

    (void)sent;
    if (state == STATE_SMTP_DONE) {
        (void)SRVGetResult(stream, 0, &result);
        atomic_fetch_add((atomic_int *)counter, 1);
    }
}

static ServerStream open_message(unsigned number, MsgCallback callback)
{
    switch (number % 3) {
    case 0:
        return SRVInitSendMsgImmediately("storm@mail.test", recipient, callback,
                                         &done);
    case 1:
        return SRVInitSendMsgSMTP("storm@mail.test", recipient, relay_host,
                                  relay_port, callback, &done);
    default:
        return SRVInitSendMsgBackground("storm@mail.test", recipient, callback,
                                        &queued_done);
    }
}

static void send_one(unsigned number)
{
    MsgCallback callback = number % 4 < 2 ? on_state : NULL;
    ServerStream mail = open_message(number, callback);

    if (mail == NULL) {
        return;
    }
    SRVprintf(mail, "Subject: number %u\r\n\r\n", number);
    for (unsigned i = 0; i < number % 50; i++) {
        SRVSend(mail, "some text\r\n", 11);
    }
    /* Counted before: its DONE may be faster than we are. */
    atomic_fetch_add(&written, 1);
    if (callback != NULL) {
        atomic_fetch_add(number % 3 == 2 ? &queued : &ended, 1);
    }
    SRVEndOfMsg(mail);
}

static void *run_sender(void *context)
{
    for (unsigned number = *(unsigned *)context; !is_over; number += SENDERS) {
        send_one(number);
        usleep(1000);
    }
    return NULL;
}

/* One setting in twenty looks: what is set is applied at once, whole. */
static void *run_setter(void *context)
{
    unsigned which = *(unsigned *)context;

    for (int i = 0; !is_over; i++) {
        if (i % 20 == 0) {
            SetConfigParamInt("smtp.recipients_max", 50 + i % 50);
            SetConfigParamString("delivery.idle_timeout", i % 3 ? "1s" : "2s");
        }
        if (GetConfigParamStr("general.host_name") == NULL ||
            GetConfigParamInt("smtp.recipients_max") < 50) {
            printf("a setting was lost: %s\n", SRVLastErrorText());
        }
        if (which == 0 && i % 100 == 0) {
            (void)mailmod_reload(SRVInstance());
        }
        atomic_fetch_add(&settings_count, 1);
        usleep(20000);
    }
    return NULL;
}

static int on_request(ServerStream *stream, char *reqname, int action, ...)
{
    char octets[300];
    int number = atomic_fetch_add(&asked, 1);

    (void)reqname;
    (void)GetAUTHName(stream);
    (void)GetRemoteIP(stream);
    if (action == ACTION_SMTP_SENDMSG && number % 3 == 0) {
        while (SRVRecv(stream, octets, (int)sizeof octets) > 0) {
        }
    }
    if (action == ACTION_SMTP_CONNECT || action == ACTION_POP_LOGIN) {
        return 0;
    }
    return number % 5 == 0 ? 550 : number % 7 == 0 ? -1 : 0;
}

static void *run_servers(void *context)
{
    (void)context;
    while (!is_over) {
        usleep(300000);
        if (SRVStopSMTPServer() == 0 &&
            SetSMTPServer(on_request, 0, ALL_ACTIONS) == 0) {
            atomic_fetch_add(&openings, 1);
        }
        if (SRVStopPOP3Server() == 0 &&
            SetPOP3Server(on_request, 0, ALL_ACTIONS) == 0) {
            atomic_fetch_add(&openings, 1);
        }
        /* Replaces callback and mask of a server that goes on. */
        (void)SetSMTPServer(on_request, 0, ACTION_SMTP_SENDMSG);
        (void)SRVGetPort("smtp");
    }
    return NULL;
}

static void *run_lookups(void *context)
{
    const char *domain = strchr(recipient, '@') + 1;
    struct MailHostInfo hosts[4];

    (void)context;
    while (!is_over) {
        if (FindMX(domain, hosts, 4) == 0 && SRVLastError() == 0) {
            printf("no mail host and no error\n");
        }
        usleep(20000);
    }
    return NULL;
}

static void storm(unsigned seconds)
{
    static unsigned numbers[SENDERS];
    pthread_t threads[SENDERS + 4];
    int count = 0;

    for (unsigned i = 0; i < SENDERS; i++) {
        numbers[i] = i;
        pthread_create(&threads[count++], NULL, run_sender, &numbers[i]);
    }
    pthread_create(&threads[count++], NULL, run_setter, &numbers[0]);
    pthread_create(&threads[count++], NULL, run_setter, &numbers[1]);
    pthread_create(&threads[count++], NULL, run_servers, NULL);
    pthread_create(&threads[count++], NULL, run_lookups, NULL);
    sleep(seconds);
    is_over = 1;
    while (count > 0) {
        pthread_join(threads[--count], NULL);
    }
}

int main(int argc, char **argv)
{
    show_lines_at_once();
    if (argc != 6 || LoadConfig(argv[1]) != 0) {
        return show_failure("LoadConfig");
    }
    recipient = argv[2];
    relay_host = argv[3];
    relay_port = (int)strtol(argv[4], NULL, 10);
    if (SetSMTPServer(on_request, 0, ALL_ACTIONS) != 0 ||
        SetPOP3Server(on_request, 0, ALL_ACTIONS) != 0) {
        return show_failure("the servers");
    }
    show_ports();
    storm((unsigned)strtoul(argv[5], NULL, 10));
    if (SRVShutdown() != 0) {
        return show_failure("SRVShutdown");
    }
    printf("storm written=%d ended=%d done=%d queued=%d queued_done=%d "
           "asked=%d settings=%d openings=%d\n",
           written, ended, done, queued, queued_done, asked, settings_count,
           openings);
    return ended == done && queued_done <= queued ? 0 : 1;
}
