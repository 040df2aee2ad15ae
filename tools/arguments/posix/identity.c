/* identity.c - from root to another user, for good.
 *
 * Owns nothing. Promises that there is no way back; what is open stays open.
 * Thread: the main thread, before there are others. */
#include "../identity.h"

#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

int identity_can_change(void)
{
    return geteuid() == 0;
}

/* Groups first: after setuid there is no right to change them. A way back would
 * make all of this worthless. */
static int become(const struct passwd *entry, char *words_out, size_t size)
{
    if (initgroups(entry->pw_name, entry->pw_gid) != 0 ||
        setgid(entry->pw_gid) != 0 || setuid(entry->pw_uid) != 0 ||
        (entry->pw_uid != 0 && setuid(0) == 0)) {
        snprintf(words_out, size, "the system refused to become %s",
                 entry->pw_name);
        return -1;
    }
    return 0;
}

int identity_become(const char *user, char *words_out, size_t size)
{
    const struct passwd *entry = getpwnam(user);
    if (entry == NULL) {
        snprintf(words_out, size, "there is no user %s", user);
        return -1;
    }
    return become(entry, words_out, size);
}

int identity_become_owner(const char *folder, char *words_out, size_t size)
{
    struct stat status;
    if (geteuid() != 0 || stat(folder, &status) != 0 || status.st_uid == 0) {
        return 0;
    }
    const struct passwd *entry = getpwuid(status.st_uid);
    if (entry == NULL) {
        snprintf(words_out, size, "%s belongs to user %lu, who has no name",
                 folder, (unsigned long)status.st_uid);
        return -1;
    }
    return become(entry, words_out, size);
}

int identity_is_other(const char *folder, char *name_out, size_t size)
{
    struct stat status;
    if (stat(folder, &status) != 0 || status.st_uid == geteuid()) {
        return 0;
    }
    const struct passwd *entry = getpwuid(status.st_uid);
    if (entry == NULL) {
        snprintf(name_out, size, "#%lu", (unsigned long)status.st_uid);
    } else {
        snprintf(name_out, size, "%s", entry->pw_name);
    }
    return 1;
}
