/* rights.c - from root to the user that the configuration names, for good.
 *
 * The data folder is given to the user first. Only what lies directly in it is
 * given, and of that only regular files of root with one name: after the first
 * start the folder is the user's, who could put a link to somebody else's file
 * there and have it given to him by the next start. */
#include "../system.h"
#include "identity.h"
#include "log.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int give_files(int folder, const struct passwd *user)
{
    int copy = dup(folder);
    DIR *entries = copy < 0 ? NULL : fdopendir(copy);
    if (entries == NULL) {
        if (copy >= 0) {
            (void)close(copy);
        }
        return -1;
    }
    int result = 0;
    struct dirent *entry;
    while ((entry = readdir(entries)) != NULL) {
        int file = openat(folder, entry->d_name,
                          O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
        if (file < 0) {
            continue;
        }
        struct stat status;
        /* On the descriptor: the name may be changed meanwhile. */
        if (fstat(file, &status) == 0 && S_ISREG(status.st_mode) &&
            status.st_uid == 0 && status.st_nlink == 1) {
            result |= fchown(file, user->pw_uid, user->pw_gid);
        }
        (void)close(file);
    }
    (void)closedir(entries);
    return result;
}

static int give_folder(const char *name, const struct passwd *user)
{
    int folder = open(name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int result = -1;
    if (folder < 0) {
        return -1;
    }
    struct stat status;
    if (fstat(folder, &status) == 0) {
        result =
            status.st_uid == 0 ? fchown(folder, user->pw_uid, user->pw_gid) : 0;
    }
    if (result == 0) {
        result = give_files(folder, user);
    }
    (void)close(folder);
    return result;
}

int system_become_user(const char *user, const char *data_folder,
                       char *words_out, size_t size)
{
    if (user[0] == '\0') {
        if (geteuid() == 0) {
            system_log(NULL, MAILMOD_LOG_WARNING,
                       "mailmodd: runs as root, general.run_as_user is empty");
        }
        return 0;
    }
    errno = 0;
    const struct passwd *entry = getpwnam(user);
    if (entry == NULL) {
        snprintf(words_out, size, "there is no user %s", user);
        return -1;
    }
    if (geteuid() == entry->pw_uid) {
        return 0;
    }
    if (geteuid() != 0) {
        snprintf(words_out, size, "only root can become %s", user);
        return -1;
    }
    if (give_folder(data_folder, entry) != 0) {
        snprintf(words_out, size, "%s cannot be given to %s: %s", data_folder,
                 user, strerror(errno));
        return -1;
    }
    if (system_log_give(entry->pw_uid, entry->pw_gid) != 0) {
        snprintf(words_out, size, "the log file cannot be given to %s: %s",
                 user, strerror(errno));
        return -1;
    }
    return identity_become(user, words_out, size);
}
