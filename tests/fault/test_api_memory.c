/* test_api_memory.c - attack 104 for the host: an allocation fails, anywhere in
 * the life of an instance.
 *
 * A life is new, settings, start, one message by SMTP with the host asked, one
 * by each way of sending, POP3, reload, stop, drain, free; the calls of this
 * thread and the work of all of the instance's count alike, so that the n-th
 * allocation is not the same in each run. Nothing crashes, hangs, leaks (the
 * address sanitizer tells) or keeps a thread or descriptor; what was taken is
 * in the mailbox when memory is there again.
 *
 * MAILMOD_FAULT_STEP: from one n to the next; 1 tries every one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <arpa/inet.h>
#include <cmocka.h>
#include <dirent.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "base/mem.h"
#include "mailmod/srv.h"

/* Of each kind, without MAILMOD_FAULT_STEP; a sanitizer needs its time. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define LIVES 12
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define LIVES 12
#endif
#endif
#ifndef LIVES
#define LIVES 30
#endif
#define LIFE_SECONDS 60

struct life {
    mailmod *mail;
    unsigned taken;  /* messages that somebody was told are on disk */
    bool is_perfect; /* every step went as it does with memory */
};

static char folder[256];
static unsigned long present; /* the n that is tried, for the last words */
static int present_sticky;

static void on_alarm(int number)
{
    char text[128];
    int size =
        snprintf(text, sizeof text, "a life hangs: allocation %lu, sticky %d\n",
                 present, present_sticky);

    (void)number;
    (void)!write(STDERR_FILENO, text, (size_t)size);
    _exit(3);
}

static size_t count_entries(const char *path)
{
    DIR *handle = opendir(path);
    size_t count = 0;

    assert_non_null(handle);
    while (readdir(handle) != NULL) {
        count++;
    }
    closedir(handle);
    return count;
}

/* ---- the peer ------------------------------------------------------------ */

/* Without memory a listener pauses before it accepts: with none at all it is
 * not waited for. */
static int dial(int port)
{
    struct sockaddr_in address = {.sin_family = AF_INET};
    struct timeval wait = {.tv_sec = 10};
    struct pollfd greeting = {.events = POLLIN};
    int peer = socket(AF_INET, SOCK_STREAM, 0);

    address.sin_port = htons((unsigned short)port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    (void)setsockopt(peer, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof wait);
    greeting.fd = peer;
    if (connect(peer, (struct sockaddr *)&address, sizeof address) != 0 ||
        poll(&greeting, 1, present_sticky ? 50 : 10000) != 1) {
        close(peer);
        return -1;
    }
    return peer;
}

/* One answer of one or more lines, into a static buffer; "" at the end. A
 * session that was begun may be refused or cut, and is never left waiting. */
static const char *answer(int peer, const char *end)
{
    static char text[8192];
    size_t size = 0;

    text[0] = '\0';
    while (size < sizeof text - 1) {
        ssize_t got = recv(peer, text + size, sizeof text - 1 - size, 0);

        if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
            fail_msg("allocation %lu, sticky %d: silence, \"%s\" expected",
                     present, present_sticky, end);
        }
        if (got <= 0) {
            text[0] = '\0';
            return text;
        }
        size += (size_t)got;
        text[size] = '\0';
        if (text[0] == '-' || text[0] == '4' || text[0] == '5' ||
            strstr(text, end) != NULL) {
            return text;
        }
    }
    return text;
}

static bool ask(int peer, const char *line, const char *end)
{
    if (send(peer, line, strlen(line), MSG_NOSIGNAL) < 0) {
        return false;
    }
    return strstr(answer(peer, end), end) != NULL;
}

static bool receive_one(struct life *life)
{
    int peer = dial(mailmod_service_port(life->mail, "smtp"));
    bool is_taken = peer >= 0 && ask(peer, "", "220 ") &&
                    ask(peer, "EHLO c.test\r\n", "250 ") &&
                    ask(peer, "MAIL FROM:<a@c.test>\r\n", "250 ") &&
                    ask(peer, "RCPT TO:<demo@mail.test>\r\n", "250 ") &&
                    ask(peer, "DATA\r\n", "354") &&
                    ask(peer, "Subject: x\r\n\r\nhello\r\n.\r\n", "250 2.6.0");

    if (peer >= 0) {
        close(peer);
    }
    life->taken += is_taken ? 1 : 0;
    return is_taken;
}

static int log_in(int port)
{
    int peer = dial(port);

    if (peer >= 0 && ask(peer, "", "+OK") &&
        ask(peer, "USER demo\r\n", "+OK") &&
        ask(peer, "PASS secret\r\n", "+OK")) {
        return peer;
    }
    if (peer >= 0) {
        close(peer);
    }
    return -1;
}

static bool read_one(struct life *life)
{
    int peer = log_in(mailmod_service_port(life->mail, "pop3"));
    bool is_read = peer >= 0 && ask(peer, "LIST\r\n", "\r\n.\r\n") &&
                   ask(peer, "RETR 1\r\n", "\r\n.\r\n") &&
                   ask(peer, "QUIT\r\n", "+OK");

    if (peer >= 0) {
        close(peer);
    }
    return is_read;
}

/* How many messages there are; removes them. Only where memory is. */
static unsigned take_all(mailmod *mail)
{
    char line[64];
    unsigned count;
    int peer = log_in(mailmod_service_port(mail, "pop3"));

    assert_true(peer >= 0);
    assert_true(send(peer, "STAT\r\n", 6, MSG_NOSIGNAL) == 6);
    assert_int_equal(sscanf(answer(peer, "\r\n"), "+OK %u", &count), 1);
    for (unsigned i = 1; i <= count; i++) {
        snprintf(line, sizeof line, "DELE %u\r\n", i);
        assert_true(ask(peer, line, "+OK"));
    }
    assert_true(ask(peer, "QUIT\r\n", "+OK"));
    close(peer);
    return count;
}

/* ---- the host ------------------------------------------------------------ */

static void on_log(void *context, enum mailmod_log_level level,
                   const char *line)
{
    (void)context;
    (void)level;
    assert_non_null(line);
}

static enum mailmod_verdict on_request(void *context, mailmod_request *request)
{
    char octets[100];

    (void)context;
    if (mailmod_request_moment(request) == MAILMOD_SMTP_MESSAGE) {
        while (mailmod_request_read(request, octets, sizeof octets, NULL) > 0) {
        }
    }
    return MAILMOD_ACCEPT;
}

static void on_progress(void *context,
                        const struct mailmod_progress_report *report)
{
    (void)context;
    (void)report;
}

/* QUEUE and NOW find the mailbox themselves, RELAY by our own listener. */
static bool send_one(struct life *life, enum mailmod_send_mode mode)
{
    static const char text[] = "Subject: y\r\n\r\nhello\r\n";
    mailmod_message *message = NULL;
    struct mailmod_result result = {.size = sizeof result};
    struct mailmod_envelope envelope = {.size = sizeof envelope,
                                        .mode = mode,
                                        .reverse_path = "b@mail.test",
                                        .recipients = "demo@mail.test"};
    bool is_taken;

    if (mode == MAILMOD_SEND_QUEUE) {
        envelope.on_progress = on_progress;
    }
    if (mode == MAILMOD_SEND_RELAY) {
        envelope.relay_host = "127.0.0.1";
        envelope.relay_port = mailmod_service_port(life->mail, "smtp");
    }
    is_taken = mailmod_message_new(life->mail, &envelope, &message) == 0 &&
               mailmod_message_write(message, text, sizeof text - 1) == 0 &&
               mailmod_message_send(message) == 0;
    life->taken += is_taken ? 1 : 0;
    if (is_taken) {
        is_taken = mailmod_message_wait(message, 10000) == 0 &&
                   mailmod_message_result(message, 0, &result) == 0 &&
                   result.outcome == MAILMOD_DELIVERED;
    }
    mailmod_message_free(&message);
    return is_taken;
}

static const char *const settings[] = {
    "general.host_name",
    "mail.test",
    "general.loops",
    "1",
    "local.domains",
    "mail.test",
    "smtp.listen",
    "127.0.0.1:0",
    "submission.listen",
    "",
    "submissions.listen",
    "",
    "pop3.listen",
    "127.0.0.1:0",
    "pop3s.listen",
    "",
    "pop3.allows_clear_login",
    "true",
};

static bool start(struct life *life)
{
    bool is_good =
        mailmod_new(&life->mail) == 0 &&
        mailmod_config_set(life->mail, "general.data_folder", folder) == 0 &&
        mailmod_log_set_callback(life->mail, on_log, NULL) == 0;

    for (size_t i = 0; is_good && i < sizeof settings / sizeof settings[0];
         i += 2) {
        is_good =
            mailmod_config_set(life->mail, settings[i], settings[i + 1]) == 0;
    }
    return is_good &&
           mailmod_request_set_callback(
               life->mail, MAILMOD_SMTP_MESSAGE | MAILMOD_POP3_LOGIN,
               on_request, NULL, NULL) == 0 &&
           mailmod_start(life->mail) == 0;
}

static void on_user(void *context, const struct mailmod_user *user)
{
    (void)user;
    ++*(unsigned *)context;
}

/* Every step is tried, whatever became of those before it. */
static void live(struct life *life)
{
    unsigned users = 0;
    bool is_good = start(life);

    if (is_good) {
        bool steps[] = {receive_one(life),
                        send_one(life, MAILMOD_SEND_QUEUE),
                        send_one(life, MAILMOD_SEND_NOW),
                        send_one(life, MAILMOD_SEND_RELAY),
                        mailmod_user_list(life->mail, on_user, &users) == 0,
                        read_one(life),
                        mailmod_reload(life->mail) == 0,
                        mailmod_stop(life->mail) == 0,
                        mailmod_drain(life->mail, 5000) == 0};

        for (size_t i = 0; i < sizeof steps / sizeof steps[0]; i++) {
            is_good = is_good && steps[i];
        }
    }
    life->is_perfect = is_good;
    (void)mailmod_free(&life->mail);
    assert_null(life->mail);
}

/* ---- the same by the documented names ------------------------------------ */

static int on_srv_request(ServerStream *stream, char *name, int action, ...)
{
    char octets[100];

    (void)name;
    if (action == ACTION_SMTP_SENDMSG) {
        while (SRVRecv(stream, octets, sizeof octets) > 0) {
        }
    }
    return 0;
}

static bool srv_start(void)
{
    bool is_good = SRVSetLog(on_log, NULL) == 0 &&
                   SRVSetConfigParam("general.data_folder", folder) == 0;

    for (size_t i = 0; is_good && i < sizeof settings / sizeof settings[0];
         i += 2) {
        is_good = SRVSetConfigParam(settings[i], settings[i + 1]) == 0;
    }
    return is_good && SetSMTPServer(on_srv_request, -1, ALL_ACTIONS) == 0 &&
           SetPOP3Server(on_srv_request, -1, ALL_ACTIONS) == 0;
}

/* Straight into the mailbox, or by way of the disk. */
static bool srv_send(struct life *life, bool is_queued)
{
    struct mailmod_result result = {.size = sizeof result};
    ServerStream stream =
        is_queued ? SRVInitSendMsgBackgaund("b@mail.test", "demo@mail.test",
                                            NULL, NULL)
                  : SRVInitSendMsgImidiatly("b@mail.test", "demo@mail.test",
                                            NULL, NULL);
    bool is_taken = stream != NULL &&
                    SRVprintf(stream, "Subject: %s\r\n\r\n", "y") > 0 &&
                    SRVSend(stream, "hello\r\n", 7) == 7;

    SRVEndOfMsg(stream);
    is_taken = is_taken && SRVLastError() == 0;
    if (is_taken && !is_queued) {
        is_taken = SRVGetResult(NULL, 0, &result) == 0 &&
                   result.outcome == MAILMOD_DELIVERED;
    }
    life->taken += is_taken ? 1 : 0;
    return is_taken;
}

static void live_by_srv(struct life *life)
{
    bool is_good = srv_start();

    life->mail = SRVInstance();
    if (is_good && life->mail != NULL) {
        bool steps[] = {receive_one(life), srv_send(life, true),
                        srv_send(life, false), read_one(life)};

        for (size_t i = 0; i < sizeof steps / sizeof steps[0]; i++) {
            is_good = is_good && steps[i];
        }
    }
    is_good = SRVShutdown() == 0 && is_good;
    life->is_perfect = is_good;
    life->mail = NULL;
}

/* ---- life after life ----------------------------------------------------- */

struct scene {
    const char *name;
    void (*live)(struct life *life);
    unsigned taken; /* messages, when nothing fails */
};

static const struct scene by_handles = {"mailmod", live, 4};
static const struct scene by_srv = {"SRV", live_by_srv, 3};

/* With memory all of it goes well, and the mailbox holds what was taken. */
static void check_kept(unsigned taken, unsigned long number, int sticky)
{
    struct life life = {0};
    unsigned count;

    if (!start(&life)) {
        fail_msg("allocation %lu, sticky %d: no start afterwards: %s", number,
                 sticky, mailmod_last_error_text());
    }
    count = take_all(life.mail);
    assert_int_equal(mailmod_stop(life.mail), 0);
    assert_int_equal(mailmod_drain(life.mail, 10000), 0);
    assert_int_equal(mailmod_free(&life.mail), 0);
    if (count < taken) {
        fail_msg("allocation %lu, sticky %d: %u taken, %u kept", number, sticky,
                 taken, count);
    }
}

/* True while the fault is met. */
static bool try_life(const struct scene *scene, unsigned long number,
                     int sticky)
{
    struct life life = {0};
    size_t threads = count_entries("/proc/self/task");
    size_t descriptors = count_entries("/proc/self/fd");
    unsigned long count;

    present = number;
    present_sticky = sticky;
    (void)alarm(LIFE_SECONDS);
    (void)mm_mem_set_fault(number, sticky);
    scene->live(&life);
    count = mm_mem_set_fault(0, 0);
    (void)alarm(0);
    if (count_entries("/proc/self/task") != threads ||
        count_entries("/proc/self/fd") != descriptors) {
        fail_msg("allocation %lu, sticky %d: %zu threads, %zu descriptors left",
                 number, sticky, count_entries("/proc/self/task") - threads,
                 count_entries("/proc/self/fd") - descriptors);
    }
    present_sticky = 0;
    check_kept(life.taken, number, sticky);
    return count >= number;
}

static unsigned long count_allocations(const struct scene *scene)
{
    struct life life = {0};
    unsigned long count;

    (void)mm_mem_set_fault(0, 0);
    scene->live(&life);
    count = mm_mem_set_fault(0, 0);
    if (!life.is_perfect) {
        fail_msg("%s: a life with memory: %s", scene->name,
                 mailmod_last_error_text());
    }
    assert_int_equal(life.taken, scene->taken);
    check_kept(life.taken, 0, 0);
    return count;
}

static void sweep(const struct scene *scene, int sticky)
{
    unsigned long count = count_allocations(scene);
    unsigned long step = count / LIVES + 1;
    const char *wish = getenv("MAILMOD_FAULT_STEP");
    unsigned long number = 1;
    unsigned long lives = 0;

    if (wish != NULL && strtoul(wish, NULL, 10) > 0) {
        step = strtoul(wish, NULL, 10);
    }
    while (try_life(scene, number, sticky)) {
        number += step;
        lives++;
        assert_true(number < 4 * count);
    }
    print_message("%s: %lu of %lu allocations failed, sticky %d\n", scene->name,
                  lives, count, sticky);
    assert_true(count > 300);
}

static void test_one(void **state)
{
    (void)state;
    sweep(&by_handles, 0);
    sweep(&by_srv, 0);
}

static void test_all_from_there(void **state)
{
    (void)state;
    sweep(&by_handles, 1);
    sweep(&by_srv, 1);
}

static int set_up(void **state)
{
    static const char *const name = "/tmp/mailmod-memory-XXXXXX";
    struct life life = {0};

    (void)state;
    (void)signal(SIGALRM, on_alarm);
    snprintf(folder, sizeof folder, "%s", name);
    return mkdtemp(folder) == NULL || !start(&life) ||
                   mailmod_user_add(life.mail, "demo", "secret", 0) != 0
               ? -1
               : (int)mailmod_free(&life.mail);
}

static int tear_down(void **state)
{
    char path[600];
    DIR *handle = opendir(folder);
    struct dirent *entry;

    (void)state;
    while (handle != NULL && (entry = readdir(handle)) != NULL) {
        snprintf(path, sizeof path, "%s/%s", folder, entry->d_name);
        (void)unlink(path);
    }
    if (handle != NULL) {
        closedir(handle);
    }
    return rmdir(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one),
        cmocka_unit_test(test_all_from_there),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
