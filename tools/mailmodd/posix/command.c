/* command.c - a program that prints a line: started, read, and ended in time.
 *
 * It has our environment and the variables that it is told, a file as its input
 * or none, and our stderr; a group of its own, which is killed when its time is
 * over or it prints too much. Any thread may run one; who wants to be one of so
 * many takes turns. */
#include "../system.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

extern char **environ;

enum { WORDS_MAX = 64, PATH_SIZE = 4400, SPOOL_TRIES = 100 };

static long long now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (long long)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* Splits the copy at its blanks; 0: there is no word, or too many. */
static int split(char *command, char *words[WORDS_MAX + 1])
{
    int count = 0;
    char *rest = NULL;
    for (char *word = strtok_r(command, " \t", &rest);
         word != NULL && count <= WORDS_MAX;
         word = strtok_r(NULL, " \t", &rest)) {
        words[count++] = word;
    }
    words[count <= WORDS_MAX ? count : 0] = NULL;
    return count <= WORDS_MAX ? count : 0;
}

/* Ours with those in front; free() it. */
static char **join_environment(char *const *more)
{
    size_t count = 0;
    size_t added = 0;
    while (environ[count] != NULL) {
        count++;
    }
    while (more[added] != NULL) {
        added++;
    }
    char **all = calloc(count + added + 1, sizeof *all);
    if (all != NULL) {
        memcpy(all, more, added * sizeof *all);
        memcpy(all + added, environ, count * sizeof *all);
    }
    return all;
}

static int start(char **words, char **environment, int in, int out,
                 pid_t *pid_out)
{
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t how;
    sigset_t none;
    sigemptyset(&none);
    posix_spawn_file_actions_init(&actions);
    posix_spawnattr_init(&how);
    if (in >= 0) {
        posix_spawn_file_actions_adddup2(&actions, in, 0);
    } else {
        posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
    }
    posix_spawn_file_actions_adddup2(&actions, out, 1);
    posix_spawnattr_setsigmask(&how, &none);
    posix_spawnattr_setpgroup(&how, 0);
    posix_spawnattr_setflags(&how,
                             POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETPGROUP);
    int result =
        posix_spawnp(pid_out, words[0], &actions, &how, words, environment);
    posix_spawnattr_destroy(&how);
    posix_spawn_file_actions_destroy(&actions);
    return result;
}

/* Until its end: what it printed, or -1: too much, or too late. */
static long read_all(int in, const struct system_command *command,
                     long long end_ms)
{
    char *text = command->text_out;
    size_t size = command->size - 1;
    size_t used = 0;
    char dropped[512];
    for (;;) {
        int drops = command->drops_more && used == size;
        long long left_ms = end_ms - now_ms();
        struct pollfd wanted = {.fd = in, .events = POLLIN};
        int ready = left_ms > 0 ? poll(&wanted, 1, (int)left_ms) : 0;
        if (ready == 0) {
            return -1;
        }
        long count = ready <= 0 ? -1
                     : drops    ? read(in, dropped, sizeof dropped)
                                : read(in, text + used, size - used);
        if (count == 0) {
            return (long)used;
        }
        if (count < 0 && errno != EINTR) {
            return -1;
        }
        used += count > 0 && !drops ? (size_t)count : 0;
        if (used == size && !command->drops_more) {
            return -1;
        }
    }
}

/* Its exit code, or -1 when it did not end by itself in time. */
static int wait_for(pid_t pid, int is_late, long long end_ms)
{
    int status = 0;
    while (!is_late && waitpid(pid, &status, WNOHANG) == 0) {
        struct timespec step = {.tv_nsec = 10000000};
        nanosleep(&step, NULL);
        is_late = now_ms() >= end_ms;
    }
    kill(-pid, SIGKILL); /* what it left behind, too */
    if (is_late) {
        waitpid(pid, &status, 0);
        return -1;
    }
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/* One at a time: until both ends of its pipe are closed on exec, no other
 * program may start, for it would hold them open until its own end. */
static pthread_mutex_t start_lock = PTHREAD_MUTEX_INITIALIZER;

/* Started with a pipe as its output; *out_end is ours to read and to close. */
static int start_with_pipe(char **words, char **environment, int in,
                           int *out_end, pid_t *pid_out)
{
    int ends[2];
    pthread_mutex_lock(&start_lock);
    int result = pipe(ends) != 0 ? errno : 0;
    if (result == 0) {
        fcntl(ends[0], F_SETFD, FD_CLOEXEC);
        fcntl(ends[1], F_SETFD, FD_CLOEXEC);
        result = start(words, environment, in, ends[1], pid_out);
        close(ends[1]);
        if (result != 0) {
            close(ends[0]);
        }
        *out_end = ends[0];
    }
    pthread_mutex_unlock(&start_lock);
    return result;
}

static int run(char **words, char **environment, struct system_command *command)
{
    int out = -1;
    pid_t pid = 0;
    long long end_ms = now_ms() + command->wait_ms;
    int in = -1;
    if (command->input != NULL) {
        in = fileno(command->input);
        (void)lseek(in, 0, SEEK_SET); /* a file's, it cannot fail */
    }
    int result = start_with_pipe(words, environment, in, &out, &pid);
    if (result == 0) {
        long size = read_all(out, command, end_ms);
        command->text_out[size > 0 ? size : 0] = '\0';
        command->exit_code = wait_for(pid, size < 0, end_ms);
        command->is_late = command->exit_code < 0 && now_ms() >= end_ms;
        close(out);
    }
    return result;
}

int system_run(struct system_command *command)
{
    char *words[WORDS_MAX + 1];
    char *copy = strdup(command->line);
    char **environment = join_environment(command->environment);
    int result = ENOMEM;
    command->exit_code = -1;
    command->is_late = 0;
    command->text_out[0] = '\0';
    if (copy != NULL && environment != NULL) {
        result =
            split(copy, words) > 0 ? run(words, environment, command) : ENOENT;
    }
    free(copy);
    free(environment);
    snprintf(command->words, sizeof command->words, "%s",
             result != 0 ? strerror(result) : "");
    return result == 0 ? 0 : -1;
}

/* Names that nobody else of this process has; a file of an earlier one, which
 * was killed before it could be nameless, is passed over. */
FILE *system_spool(const char *folder)
{
    static atomic_uint number;
    char path[PATH_SIZE];
    int fd = -1;
    for (int i = 0; fd < 0 && i < SPOOL_TRIES; i++) {
        int size = snprintf(path, sizeof path, "%s/spool-%ld-%u", folder,
                            (long)getpid(), atomic_fetch_add(&number, 1));
        if (size < 0 || size >= PATH_SIZE) {
            return NULL;
        }
        fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
        if (fd < 0 && errno != EEXIST) {
            return NULL;
        }
    }
    if (fd < 0) {
        return NULL;
    }
    (void)unlink(path);
    FILE *file = fdopen(fd, "w+b");
    if (file == NULL) {
        close(fd);
    }
    return file;
}

/* ---- turns ---- */

static pthread_mutex_t turn_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t turn_over = PTHREAD_COND_INITIALIZER;
static unsigned turns; /* the lock */

/* A while, or until one is over; the lock is held. */
static void wait_for_turn(void)
{
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += 1; /* short: this clock may be set */
    (void)pthread_cond_timedwait(&turn_over, &turn_lock, &until);
}

int system_turn_begin(unsigned count_max, unsigned wait_ms,
                      unsigned *left_ms_out)
{
    long long end_ms = now_ms() + wait_ms;
    long long left_ms = wait_ms;
    pthread_mutex_lock(&turn_lock);
    while (turns >= count_max && left_ms > 0) {
        wait_for_turn();
        left_ms = end_ms - now_ms();
    }
    int has_turn = turns < count_max && left_ms > 0;
    turns += has_turn ? 1 : 0;
    pthread_mutex_unlock(&turn_lock);
    *left_ms_out = has_turn ? (unsigned)left_ms : 0;
    return has_turn ? 0 : -1;
}

void system_turn_end(void)
{
    pthread_mutex_lock(&turn_lock);
    turns--;
    pthread_cond_signal(&turn_over);
    pthread_mutex_unlock(&turn_lock);
}
