/* identity.c - from root to another user, for good.
 *
 * Owns nothing. Promises that there is no way back; what is open stays open.
 * Thread: the main thread, before there are others. */
#include "../identity.h"

#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <unistd.h>

int identity_can_change(void)
{
    return geteuid() == 0;
}

int identity_become(const char *user, char *words_out, size_t size)
{
    const struct passwd *entry = getpwnam(user);
    if (entry == NULL) {
        snprintf(words_out, size, "there is no user %s", user);
        return -1;
    }
    /* Groups first: after setuid there is no right to change them. A way back
     * would make all of this worthless. */
    if (initgroups(entry->pw_name, entry->pw_gid) != 0 ||
        setgid(entry->pw_gid) != 0 || setuid(entry->pw_uid) != 0 ||
        (entry->pw_uid != 0 && setuid(0) == 0)) {
        snprintf(words_out, size, "the system refused to become %s", user);
        return -1;
    }
    return 0;
}
