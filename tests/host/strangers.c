/* strangers.c - handles that are none: NULL, finished ones, a pointer to
 * anything, the address of a handle.
 *
 * strangers CONFIG: gives each of them to every function that takes a stream;
 * each must answer with its documented error and go on. Ends with 0 when all
 * did. A host program: it may print. */
#include "show.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

static int mistakes;

static void expect(int is_right, const char *kind, const char *what)
{
    if (!is_right) {
        printf("wrong: %s given %s (last error %d %s)\n", what, kind,
               SRVLastError(), SRVLastErrorText());
        mistakes++;
    }
}

/* The error that there must be now: ARGUMENT for NULL, HANDLE for others. */
static int is_told(int error)
{
    return SRVLastError() == error;
}

static void offer(ServerStream stream, const char *kind)
{
    int error = stream == NULL ? MAILMOD_ERROR_ARGUMENT : MAILMOD_ERROR_HANDLE;
    struct sockaddr_storage address;
    char octets[16];

    expect(SRVSend(stream, "x", 1) == 0 && is_told(error), kind, "SRVSend");
    expect(SRVprintf(stream, "%d", 1) == 0 && is_told(error), kind,
           "SRVprintf");
    expect(SRVRecv(stream, octets, sizeof octets) == 0 && is_told(error), kind,
           "SRVRecv");
    expect(GetAUTHName(stream) == NULL && is_told(error), kind, "GetAUTHName");
    expect(GetAUTHPassw(stream) == NULL && is_told(error), kind,
           "GetAUTHPassw");
    expect(GetRemoteIP(stream) == 0 && is_told(error), kind, "GetRemoteIP");
    expect(GetRemoteAddr(stream, &address, (int)sizeof address) == 0 &&
               is_told(error),
           kind, "GetRemoteAddr");
    expect(GetSocket(stream) == -1 && is_told(error), kind, "GetSocket");
    expect(SRVRequireAll(stream, 1) < 0 && is_told(error), kind,
           "SRVRequireAll");
    SRVEndOfMsg(stream);
    expect(is_told(error), kind, "SRVEndOfMsg");
}

static void offer_results(ServerStream stream, const char *kind)
{
    struct mailmod_result result = {.size = sizeof result};

    expect(SRVGetResult(stream, 0, &result) < 0 && SRVLastError() != 0, kind,
           "SRVGetResult");
    expect(SRVGetResult(stream, -1, &result) < 0, kind, "SRVGetResult of -1");
    expect(SRVGetResult(stream, 0, NULL) < 0, kind, "SRVGetResult to NULL");
}

static void offer_addresses(void)
{
    static const char *const nobody[] = {
        NULL, "", " , ;", "no address", "a@b@c", "@x.test", "a@x..test"};

    for (size_t i = 0; i < sizeof nobody / sizeof nobody[0]; i++) {
        const char *kind = nobody[i] != NULL ? nobody[i] : "NULL";

        expect(SRVInitSendMsgImidiatly("a@x.test", nobody[i], NULL, NULL) ==
                       NULL &&
                   SRVLastError() != 0,
               kind, "SRVInitSendMsgImidiatly");
        expect(SRVInitSendMsgBackgaund("a@x.test", nobody[i], NULL, NULL) ==
                       NULL &&
                   SRVLastError() != 0,
               kind, "SRVInitSendMsgBackgaund");
        expect(SRVInitSendMsgSMTP("a@x.test", nobody[i], "127.0.0.1", 25, NULL,
                                  NULL) == NULL &&
                   SRVLastError() != 0,
               kind, "SRVInitSendMsgSMTP");
    }
}

static void offer_hosts(void)
{
    static const int ports[] = {0, -1, 65536};
    struct MailHostInfo host;

    for (size_t i = 0; i < sizeof ports / sizeof ports[0]; i++) {
        expect(SRVInitSendMsgSMTP("a@x.test", "b@x.test", "127.0.0.1", ports[i],
                                  NULL, NULL) == NULL &&
                   SRVLastError() != 0,
               "a bad port", "SRVInitSendMsgSMTP");
    }
    expect(SRVInitSendMsgSMTP("a@x.test", "b@x.test", NULL, 25, NULL, NULL) ==
               NULL,
           "no host", "SRVInitSendMsgSMTP");
    expect(FindMX(NULL, &host, 1) == 0 && SRVLastError() != 0, "NULL",
           "FindMX");
    expect(FindMX("x.test", NULL, 1) == 0 && SRVLastError() != 0, "no room",
           "FindMX");
    expect(FindMX("x.test", &host, -1) == 0 && SRVLastError() != 0, "size -1",
           "FindMX");
    expect(SetSMTPServer(NULL, 65536, ALL_ACTIONS) < 0 && SRVLastError() != 0,
           "port 65536", "SetSMTPServer");
    expect(SetPOP3Server(NULL, 65536, ALL_ACTIONS) < 0 && SRVLastError() != 0,
           "port 65536", "SetPOP3Server");
    expect(SRVGetPort("no service") == 0 && SRVGetPort(NULL) == 0, "nothing",
           "SRVGetPort");
}

static void offer_mailboxes(void)
{
    static const struct {
        const char *kind, *host, *user, *password, *to;
        int port;
        int flags;
    } rows[] = {
        {"no host", NULL, "u", "p", "t", 110, 0},
        {"no user", "h", "", "p", "t", 110, 0},
        {"no password", "h", "u", NULL, "t", 110, 0},
        {"no recipient", "h", "u", "p", NULL, 110, 0},
        {"a blank", "h", "u to=x", "p", "t", 110, 0},
        {"a line", "h", "u", "p\nname=x", "t", 110, 0},
        {"no address", "h_:x", "u", "p", "t", 110, 0},
        {"port 0", "h", "u", "p", "t", 0, 0},
        {"port 65536", "h", "u", "p", "t", 65536, 0},
        {"flags", "h", "u", "p", "t", 110, 8},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        expect(SRVCheckMsgPOP3(rows[i].host, rows[i].port, rows[i].user,
                               rows[i].password, rows[i].to, rows[i].flags,
                               NULL, NULL) < 0 &&
                   SRVLastError() != 0,
               rows[i].kind, "SRVCheckMsgPOP3");
        expect(SRVRecvMsgPOP3(rows[i].host, rows[i].port, rows[i].user,
                              rows[i].password, rows[i].to, rows[i].flags, NULL,
                              NULL) < 0 &&
                   SRVLastError() != 0,
               rows[i].kind, "SRVRecvMsgPOP3");
    }
    expect(SRVSetFetch(NULL) < 0 && SRVLastError() != 0, "NULL", "SRVSetFetch");
    expect(SRVSetFetch("name=a") < 0 && SRVLastError() != 0, "a word",
           "SRVSetFetch");
    expect(SRVStopFetch(NULL) < 0 && SRVLastError() != 0, "NULL",
           "SRVStopFetch");
    expect(SRVStopFetch("a") < 0 && SRVLastError() != 0, "none",
           "SRVStopFetch");
}

static void offer_settings(void)
{
    expect(GetConfigParamStr(NULL) == NULL && SRVLastError() != 0, "NULL",
           "GetConfigParamStr");
    expect(GetConfigParamInt(NULL) == 0 && SRVLastError() != 0, "NULL",
           "GetConfigParamInt");
    expect(SRVSetConfigParam(NULL, "1") < 0 && SRVLastError() != 0, "NULL",
           "SRVSetConfigParam");
    expect(SRVSetConfigParam("general.host_name", NULL) < 0, "a NULL value",
           "SRVSetConfigParam");
    SetConfigParamString(NULL, NULL);
    expect(SRVLastError() != 0, "NULL", "SetConfigParamString");
    SetConfigParamInt(NULL, 1);
    expect(SRVLastError() != 0, "NULL", "SetConfigParamInt");
}

/* Streams of every kind of end: what was live once is HANDLE afterwards. */
static void offer_finished(ServerStream open)
{
    ServerStream ended =
        SRVInitSendMsgBackground("a@x.test", "b@x.test", NULL, NULL);

    expect(ended != NULL && SRVSend(ended, "Subject: x\r\n\r\nx\r\n", 17) == 17,
           "a good stream", "SRVSend");
    SRVEndOfMsg(ended);
    expect(SRVLastError() == 0, "a good stream", "SRVEndOfMsg");
    offer(ended, "a finished stream");
    offer(&ended, "the address of a finished stream");
    offer_results(&ended, "the address of a finished stream");
    expect(SRVSend(open, NULL, 1) == 0 && SRVLastError() != 0, "no octets",
           "SRVSend");
    expect(SRVSend(open, "x", -1) == 0 && SRVLastError() != 0, "size -1",
           "SRVSend");
    expect(SRVSend(open, "x", 0) == 0 && SRVLastError() == 0, "size 0",
           "SRVSend");
    expect(SRVprintf(open, NULL) == 0 && SRVLastError() != 0, "no format",
           "SRVprintf");
}

/* What belongs to a callback's stream alone. */
static void offer_message(ServerStream open)
{
    struct sockaddr_storage address;
    char octets[16];

    expect(SRVRecv(open, octets, sizeof octets) == 0 && SRVLastError() != 0,
           "a stream to write", "SRVRecv");
    expect(GetAUTHName(open) == NULL, "a stream to write", "GetAUTHName");
    expect(GetRemoteIP(open) == 0, "a stream to write", "GetRemoteIP");
    expect(GetRemoteAddr(open, &address, (int)sizeof address) == 0,
           "a stream to write", "GetRemoteAddr");
    expect(GetSocket(open) == -1, "a stream to write", "GetSocket");
}

int main(int argc, char **argv)
{
    char *heap = malloc(4096);
    ServerStream stream;

    show_lines_at_once();
    if (argc != 2 || heap == NULL || LoadConfig(argv[1]) != 0) {
        return show_failure("LoadConfig");
    }
    memset(heap, 'x', 4096);
    offer(NULL, "NULL, before the start");
    offer(heap, "any pointer, before the start");
    stream = SRVInitSendMsgBackground(NULL, "b@x.test", NULL, NULL);
    expect(stream != NULL, "the null path", "SRVInitSendMsgBackground");
    offer(NULL, "NULL");
    offer(&stream, "the address of a handle");
    offer(heap, "a pointer to anything");
    offer((char *)stream + 1, "a pointer into a handle");
    offer((ServerStream)(uintptr_t)1, "a number");
    offer(SRVInstance(), "an instance");
    offer((ServerStream)(uintptr_t)offer, "a function");
    offer_results(heap, "a pointer to anything");
    offer_finished(stream);
    offer_message(stream);
    offer_addresses();
    offer_hosts();
    offer_mailboxes();
    offer_settings();
    SRVEndOfMsg(stream);
    SRVShutdown();
    offer(stream, "a stream from before the end");
    free(heap);
    printf("%d mistakes\n", mistakes);
    return mistakes == 0 ? 0 : 1;
}
