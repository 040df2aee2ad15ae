/* command.c - a program that prints a line: started, read, and ended in time.
 *
 * It has our environment and the variables that it is told, no input, and our
 * stderr; a group of its own, which is killed when its time is over or it
 * prints too much. */
#include "../system.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

extern char **environ;

enum { WORDS_MAX = 64 };

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

static int start(char **words, char **environment, int out, pid_t *pid_out)
{
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t how;
    sigset_t none;
    sigemptyset(&none);
    posix_spawn_file_actions_init(&actions);
    posix_spawnattr_init(&how);
    posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
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
static long read_all(int in, char *text, size_t size, long long end_ms)
{
    size_t used = 0;
    for (;;) {
        long long left_ms = end_ms - now_ms();
        struct pollfd wanted = {.fd = in, .events = POLLIN};
        int ready = left_ms > 0 ? poll(&wanted, 1, (int)left_ms) : 0;
        if (ready == 0) {
            return -1;
        }
        long count = ready > 0 ? read(in, text + used, size - used) : -1;
        if (count == 0) {
            return (long)used;
        }
        if (count < 0 && errno != EINTR) {
            return -1;
        }
        used += count > 0 ? (size_t)count : 0;
        if (used == size) {
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

static int run(char **words, char **environment, struct system_command *command)
{
    int ends[2];
    pid_t pid = 0;
    if (pipe(ends) != 0) {
        return errno;
    }
    fcntl(ends[0], F_SETFD, FD_CLOEXEC);
    fcntl(ends[1], F_SETFD, FD_CLOEXEC);
    long long end_ms = now_ms() + command->wait_ms;
    int result = start(words, environment, ends[1], &pid);
    close(ends[1]);
    if (result == 0) {
        long size =
            read_all(ends[0], command->text_out, command->size - 1, end_ms);
        command->text_out[size > 0 ? size : 0] = '\0';
        command->exit_code = wait_for(pid, size < 0, end_ms);
    }
    close(ends[0]);
    return result;
}

int system_run(struct system_command *command)
{
    char *words[WORDS_MAX + 1];
    char *copy = strdup(command->line);
    char **environment = join_environment(command->environment);
    int result = ENOMEM;
    command->exit_code = -1;
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
