/* restart.c - a host that shuts down while it is still being used.
 *
 * restart CONFIG TO ROUNDS: each round opens both servers and lets threads send
 * in all modes, two of them ending the same stream at once; SRVShutdown comes
 * in the middle of it. What was refused is refused with an error, and nothing
 * else happens. A host program: it may print. */
#include "show.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

#define SENDERS 6

static const char *recipient;
static atomic_int is_over;
static atomic_int begun;
static atomic_int done;
static atomic_int refused;
static atomic_int mistakes;

static void on_state(ServerStream *stream, void *context, int state, int sent)
{
    (void)stream;
    (void)context;
    (void)sent;
    if (state == STATE_SMTP_DONE) {
        atomic_fetch_add(&done, 1);
    }
}

static ServerStream begin(int number)
{
    MsgCallback callback = number % 2 == 0 ? on_state : NULL;

    return number % 3 == 0
               ? SRVInitSendMsgBackground("a@c.test", recipient, callback, NULL)
               : SRVInitSendMsgImmediately("a@c.test", recipient, callback,
                                           NULL);
}

static void *run_sender(void *context)
{
    for (int i = *(int *)context; !is_over; i++) {
        ServerStream mail = begin(i);

        if (mail == NULL) {
            atomic_fetch_add(&refused, 1);
            atomic_fetch_add(&mistakes, SRVLastError() == 0);
            usleep(1000);
            continue;
        }
        atomic_fetch_add(&begun, 1);
        SRVprintf(mail, "Subject: number %d\r\n\r\n", i);
        SRVEndOfMsg(mail);
    }
    return NULL;
}

static void *end_it(void *mail)
{
    SRVEndOfMsg(mail);
    return SRVLastError() == 0 ? mail : NULL;
}

/* Exactly one of two who end the same stream at the same time does. */
static void end_twice(void)
{
    ServerStream mail =
        SRVInitSendMsgBackground("a@c.test", recipient, NULL, NULL);
    pthread_t thread;
    void *by_other;
    int by_us;

    SRVSend(mail, "Subject: two\r\n\r\n", 16);
    pthread_create(&thread, NULL, end_it, mail);
    by_us = end_it(mail) != NULL;
    pthread_join(thread, &by_other);
    if (by_us + (by_other != NULL) != 1) {
        printf("the stream was ended %d times\n", by_us + (by_other != NULL));
        atomic_fetch_add(&mistakes, 1);
    }
}

static int run_round(const char *config)
{
    static int numbers[SENDERS];
    pthread_t threads[SENDERS];

    if (LoadConfig(config) != 0 || SetSMTPServer(NULL, -1, ALL_ACTIONS) != 0 ||
        SetPOP3Server(NULL, -1, ALL_ACTIONS) != 0) {
        return show_failure("the servers");
    }
    end_twice();
    is_over = 0;
    for (int i = 0; i < SENDERS; i++) {
        numbers[i] = i;
        pthread_create(&threads[i], NULL, run_sender, &numbers[i]);
    }
    usleep(100000);
    if (SRVShutdown() != 0) {
        mistakes += show_failure("SRVShutdown");
    }
    is_over = 1;
    for (int i = 0; i < SENDERS; i++) {
        pthread_join(threads[i], NULL);
    }
    /* Their next calls may have begun anew. */
    return SRVShutdown() == 0 ? 0 : show_failure("the second SRVShutdown");
}

int main(int argc, char **argv)
{
    int failures = 0;

    show_lines_at_once();
    if (argc != 4) {
        return 2;
    }
    recipient = argv[2];
    for (long i = strtol(argv[3], NULL, 10); i > 0 && failures == 0; i--) {
        failures = run_round(argv[1]);
    }
    printf("restart begun=%d done=%d refused=%d mistakes=%d\n", begun, done,
           refused, mistakes);
    return failures + mistakes;
}
