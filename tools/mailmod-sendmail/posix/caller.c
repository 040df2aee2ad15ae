/* caller.c - who runs the program, and whose rights it has.
 *
 * Owns nothing. Promises, where the program's file lends its owner's rights
 * (set-user-ID): no variable of the environment, no relative path and no
 * signal of the caller's has a say; there is no way back between the two.
 * Thread: the main thread, before there are others. */
#include "../caller.h"

#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <unistd.h>

extern char **environ;

/* The full name up to the first comma; "&" is the login with a capital. */
static void copy_full_name(struct caller *caller, const char *gecos)
{
    size_t size = 0;

    for (const char *at = gecos; *at != '\0' && *at != ','; at++) {
        const char *part = *at == '&' ? caller->name : at;
        size_t part_size = *at == '&' ? strlen(caller->name) : 1;
        if (size + part_size >= sizeof caller->full_name) {
            break;
        }
        memcpy(caller->full_name + size, part, part_size);
        if (*at == '&' && part[0] >= 'a' && part[0] <= 'z') {
            caller->full_name[size] = (char)(part[0] - 'a' + 'A');
        }
        size += part_size;
    }
    caller->full_name[size] = '\0';
}

void caller_find(struct caller *caller)
{
    const struct passwd *entry = getpwuid(getuid());

    *caller = (struct caller){.has_lent_rights = getuid() != geteuid() ||
                                                 getgid() != getegid(),
                              .is_trusted = getuid() == 0};
    if (entry == NULL || strlen(entry->pw_name) >= sizeof caller->name) {
        snprintf(caller->name, sizeof caller->name, "uid-%lu",
                 (unsigned long)getuid());
        return;
    }
    memcpy(caller->name, entry->pw_name, strlen(entry->pw_name) + 1);
    copy_full_name(caller, entry->pw_gecos != NULL ? entry->pw_gecos : "");
}

int caller_give_back(void)
{
    uid_t lent = geteuid();

    if (setregid(getgid(), getgid()) != 0 ||
        setreuid(getuid(), getuid()) != 0) {
        return -1;
    }
    return lent != getuid() && seteuid(lent) == 0 ? -1 : 0;
}

int caller_guard(const struct caller *caller)
{
    static char *nothing[] = {NULL};

    if (!caller->has_lent_rights) {
        return 0;
    }
    environ = nothing;
    return chdir("/");
}

/* Signals come from whoever has the same real user, and from the terminal; a
 * process that is halted in a transaction would halt the daemon with it. */
int caller_keep_off(const struct caller *caller)
{
    sigset_t all;

    if (!caller->has_lent_rights) {
        return 0;
    }
    sigfillset(&all);
    return sigprocmask(SIG_BLOCK, &all, NULL) != 0 ||
                   setregid(getegid(), getegid()) != 0 ||
                   setreuid(geteuid(), geteuid()) != 0
               ? -1
               : 0;
}

void caller_trust(struct caller *caller, const char *data_folder)
{
    struct stat status;

    if (stat(data_folder, &status) == 0 && status.st_uid == getuid()) {
        caller->is_trusted = 1;
    }
}
