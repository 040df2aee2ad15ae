/* identity.c - a process keeps its user on Windows.
 *
 * Owns nothing. Promises words that say what to do instead.
 * Thread: the main thread. */
#include "../identity.h"

#include <stdio.h>

int identity_can_change(void)
{
    return 0;
}

int identity_become(const char *user, char *words_out, size_t size)
{
    snprintf(words_out, size,
             "a process cannot become %s on Windows; the service's account is "
             "set with sc config mailmodd obj= NAME",
             user);
    return -1;
}

int identity_become_owner(const char *folder, char *words_out, size_t size)
{
    (void)folder;
    (void)words_out;
    (void)size;
    return 0;
}

int identity_is_other(const char *folder, char *name_out, size_t size)
{
    (void)folder;
    (void)name_out;
    (void)size;
    return 0;
}
