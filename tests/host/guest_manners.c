/* guest_manners.c - a host that compares its process before, during and after.
 *
 * guest_manners FOLDER: lives a whole life with errors, with peers that reset
 * the connection in the middle of an answer, and with SIGPIPE at its default.
 * Nothing of the process may differ then, and its standard output and error,
 * which are files meanwhile, are empty. FOLDER is not there before. */
#define _GNU_SOURCE /* the type of getrlimit's argument */
#include "guest.h"

#include <errno.h>
#include <fcntl.h>
#include <locale.h>
#include <pthread.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

#define SIGNALS 64
#define LIMITS 16
#define BIG_LINES 40000

extern char **environ;

struct state {
    struct sigaction actions[SIGNALS + 1];
    sigset_t mask;
    mode_t umask;
    char locale[256];
    char folder[4096];
    char environment[65536];
    struct rlimit limits[LIMITS];
    struct itimerval timer;
    int flags[3]; /* of the descriptors 0 to 2 */
    int dumpable;
    int death_signal;
    int priority;
};

static FILE *report; /* what standard output was */

static void take_state(struct state *state)
{
    size_t size = 0;

    memset(state, 0, sizeof *state);
    for (int i = 1; i <= SIGNALS; i++) {
        (void)sigaction(i, NULL, &state->actions[i]);
    }
    pthread_sigmask(SIG_SETMASK, NULL, &state->mask);
    state->umask = umask(0);
    (void)umask(state->umask);
    snprintf(state->locale, sizeof state->locale, "%s",
             setlocale(LC_ALL, NULL));
    if (getcwd(state->folder, sizeof state->folder) == NULL) {
        state->folder[0] = '\0';
    }
    for (size_t i = 0; environ[i] != NULL; i++) {
        int more = snprintf(state->environment + size,
                            sizeof state->environment - size, "%p %s\n",
                            (void *)environ[i], environ[i]);

        size +=
            (size_t)more < sizeof state->environment - size ? (size_t)more : 0;
    }
    for (int i = 0; i < LIMITS; i++) {
        (void)getrlimit((__rlimit_resource_t)i, &state->limits[i]);
    }
    (void)getitimer(ITIMER_REAL, &state->timer);
    for (int i = 0; i < 3; i++) {
        state->flags[i] = fcntl(i, F_GETFL);
    }
    state->dumpable = prctl(PR_GET_DUMPABLE);
    (void)prctl(PR_GET_PDEATHSIG, &state->death_signal);
    state->priority = getpriority(PRIO_PROCESS, 0);
}

static int differs(const char *what, const void *a, const void *b, size_t size)
{
    if (memcmp(a, b, size) == 0) {
        return 0;
    }
    fprintf(report, "%s changed\n", what);
    return 1;
}

/* The octets past the system's own signals are anybody's. */
static int is_same_set(const sigset_t *a, const sigset_t *b)
{
    for (int i = 1; i <= SIGNALS; i++) {
        if (sigismember(a, i) != sigismember(b, i)) {
            return 0;
        }
    }
    return 1;
}

static int check_signals(const struct state *before, const struct state *now)
{
    int bad = 0;

    for (int i = 1; i <= SIGNALS; i++) {
        const struct sigaction *a = &before->actions[i];
        const struct sigaction *b = &now->actions[i];

        if (a->sa_handler != b->sa_handler || a->sa_flags != b->sa_flags ||
            !is_same_set(&a->sa_mask, &b->sa_mask)) {
            fprintf(report, "signal %d: disposition changed\n", i);
            bad = 1;
        }
    }
    if (!is_same_set(&before->mask, &now->mask)) {
        fprintf(report, "the signal mask changed\n");
        bad = 1;
    }
    return bad;
}

static int check_state(const char *when, const struct state *before)
{
    static struct state now;
    int bad;

    take_state(&now);
    bad = check_signals(before, &now) |
          differs("umask", &before->umask, &now.umask, sizeof now.umask) |
          differs("locale", before->locale, now.locale, sizeof now.locale) |
          differs("folder", before->folder, now.folder, sizeof now.folder) |
          differs("environment", before->environment, now.environment,
                  sizeof now.environment) |
          differs("limits", before->limits, now.limits, sizeof now.limits) |
          differs("timer", &before->timer, &now.timer, sizeof now.timer) |
          differs("descriptor flags", before->flags, now.flags,
                  sizeof now.flags) |
          differs("dumpable", &before->dumpable, &now.dumpable, sizeof(int)) |
          differs("death signal", &before->death_signal, &now.death_signal,
                  sizeof(int)) |
          differs("priority", &before->priority, &now.priority, sizeof(int));
    if (waitpid(-1, NULL, WNOHANG) != -1 || errno != ECHILD) {
        fprintf(report, "there is a child process\n");
        bad = 1;
    }
    if (bad) {
        fprintf(report, "... %s\n", when);
    }
    return bad;
}

/* ---- who takes the host's signals ---------------------------------------- */

static pthread_t host_thread;
static volatile sig_atomic_t taken_here;
static volatile sig_atomic_t taken_elsewhere;

static void on_signal(int number)
{
    (void)number;
    if (pthread_equal(pthread_self(), host_thread)) {
        taken_here++;
    } else {
        taken_elsewhere++;
    }
}

/* A signal that the host holds back for a while: the system would give it to
 * any thread that takes it. */
static int check_delivery(void)
{
    sigset_t set;

    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    for (int i = 0; i < 10; i++) {
        pthread_sigmask(SIG_BLOCK, &set, NULL);
        kill(getpid(), SIGUSR1);
        usleep(20000);
        pthread_sigmask(SIG_UNBLOCK, &set, NULL);
    }
    if (taken_here != 10 || taken_elsewhere != 0) {
        fprintf(report, "of 10 signals %d came here, %d to our threads\n",
                (int)taken_here, (int)taken_elsewhere);
    }
    return taken_here != 10 || taken_elsewhere != 0;
}

/* ---- peers that reset ---------------------------------------------------- */

static void reset(int peer)
{
    struct linger now = {.l_onoff = 1, .l_linger = 0};

    (void)setsockopt(peer, SOL_SOCKET, SO_LINGER, &now, sizeof now);
    close(peer);
}

/* A message that fills every buffer between the store and the peer. */
static int deliver_big(int port)
{
    static const char line[] = "0123456789012345678901234567890123456789\r\n";
    int peer = guest_connect(port);
    int is_good = guest_ask(peer, "", "220 ") &&
                  guest_ask(peer, "EHLO c.test\r\n", "250 ") &&
                  guest_ask(peer, "MAIL FROM:<a@c.test>\r\n", "250") &&
                  guest_ask(peer, "RCPT TO:<demo@mail.test>\r\n", "250") &&
                  guest_ask(peer, "DATA\r\n", "354");

    for (int i = 0; is_good && i < BIG_LINES; i++) {
        is_good = send(peer, line, sizeof line - 1, MSG_NOSIGNAL) > 0;
    }
    is_good = is_good && guest_ask(peer, ".\r\n", "250 2.6.0");
    close(peer);
    return is_good;
}

/* Resets in the middle of the message's octets, then while more are due. */
static int reset_pop3(int port, int wait_us)
{
    int peer = guest_log_in(port);
    int is_good = guest_ask(peer, "RETR 1\r\nRETR 1\r\nRETR 1\r\n", "0123");

    /* After the peer's end a reset is EPIPE, not ECONNRESET, to the writer. */
    (void)shutdown(peer, SHUT_WR);
    usleep((unsigned)wait_us);
    reset(peer);
    return is_good;
}

/* Many commands at once, none of whose answers is read. */
static int reset_smtp(int port, int wait_us)
{
    char commands[4096];
    int peer = guest_connect(port);
    int is_good = guest_ask(peer, "", "220 ") &&
                  guest_ask(peer, "EHLO c.test\r\n", "250 ");

    for (size_t i = 0; i < sizeof commands; i += 8) {
        memcpy(commands + i, "VRFY x\r\n", 8);
    }
    (void)send(peer, commands, sizeof commands, MSG_NOSIGNAL | MSG_DONTWAIT);
    (void)shutdown(peer, SHUT_WR);
    usleep((unsigned)wait_us);
    reset(peer);
    return is_good;
}

static int meet_peers(mailmod *mail)
{
    int smtp = mailmod_service_port(mail, "smtp");
    int pop3 = mailmod_service_port(mail, "pop3");
    int is_good =
        guest_deliver(smtp) && guest_read_back(pop3) && deliver_big(smtp);

    for (int i = 0; is_good && i < 20; i++) {
        is_good = reset_smtp(smtp, i * 200);
    }
    for (int i = 0; is_good && i < 20; i++) {
        is_good = reset_pop3(pop3, i * 200);
    }
    if (!is_good) {
        fprintf(report, "a peer was not served\n");
    }
    return is_good;
}

/* ---- a life -------------------------------------------------------------- */

/* Calls that fail, each for another reason. */
static int provoke(mailmod *mail)
{
    char value[4];

    return mailmod_config_set(mail, "no.such", "1") ==
               MAILMOD_ERROR_UNKNOWN_NAME &&
           mailmod_config_set(mail, "smtp.errors_max", "x") != MAILMOD_OK &&
           mailmod_config_load(mail, "/nowhere/at.all") != MAILMOD_OK &&
           mailmod_config_get(mail, "smtp.listen", value, sizeof value) ==
               MAILMOD_ERROR_LIMIT &&
           mailmod_config_set(mail, "general.data_folder", "/proc/x") ==
               MAILMOD_OK &&
           mailmod_start(mail) != MAILMOD_OK &&
           mailmod_user_remove(mail, "nobody") != MAILMOD_OK &&
           mailmod_stop(mail) == MAILMOD_ERROR_STATE &&
           mailmod_last_error_text()[0] != '\0';
}

static int set_all(mailmod *mail, const char *folder)
{
    int is_bad = mailmod_config_set(mail, "general.data_folder", folder);

    for (size_t i = 0; !is_bad && guest_settings[i] != NULL; i += 2) {
        is_bad =
            mailmod_config_set(mail, guest_settings[i], guest_settings[i + 1]);
    }
    return !is_bad && mailmod_config_set(mail, "smtp.errors_max", "10000") == 0;
}

static int live(const char *folder, const struct state *before)
{
    mailmod *mail = NULL;
    int is_good = mailmod_new(&mail) == MAILMOD_OK && provoke(mail) &&
                  !check_state("after errors", before) &&
                  set_all(mail, folder) &&
                  mailmod_user_add(mail, "demo", "secret", 0) == MAILMOD_OK &&
                  mailmod_start(mail) == MAILMOD_OK &&
                  !check_state("after the start", before);

    is_good = is_good && meet_peers(mail) && !check_delivery() &&
              !check_state("after the peers", before) &&
              mailmod_reload(mail) == MAILMOD_OK &&
              mailmod_stop(mail) == MAILMOD_OK &&
              mailmod_drain(mail, 10000) == MAILMOD_OK;
    if (!is_good) {
        fprintf(report, "the last error: %s\n", mailmod_last_error_text());
    }
    mailmod_free(&mail);
    return is_good && !check_state("after the end", before);
}

/* From now on a file that is read at the end. */
static int divert(int descriptor)
{
    char name[] = "/tmp/mailmod-guest-XXXXXX";
    int file = mkstemp(name);

    (void)unlink(name);
    return file < 0 || dup2(file, descriptor) < 0 ? -1 : close(file);
}

int main(int argc, char **argv)
{
    static struct state before;
    struct sigaction action = {.sa_handler = on_signal};
    int is_good;

    report = fdopen(dup(STDOUT_FILENO), "w");
    if (argc != 2 || report == NULL || divert(STDOUT_FILENO) != 0 ||
        (!GUEST_IS_SANITIZED && divert(STDERR_FILENO) != 0)) {
        return 2;
    }
    host_thread = pthread_self();
    (void)sigaction(SIGUSR1, &action, NULL);
    (void)signal(SIGPIPE, SIG_DFL);
    (void)umask(022);
    (void)setlocale(LC_ALL, "C.UTF-8");
    take_state(&before);
    is_good = live(argv[1], &before);
    for (int i = STDOUT_FILENO; i <= STDERR_FILENO; i++) {
        struct stat status;

        if ((i == STDOUT_FILENO || !GUEST_IS_SANITIZED) &&
            (fstat(i, &status) != 0 || status.st_size != 0)) {
            fprintf(report, "something was written to descriptor %d\n", i);
            is_good = 0;
        }
    }
    fprintf(report, "%s\n", is_good ? "as it was" : "not as it was");
    return is_good ? 0 : 1;
}
