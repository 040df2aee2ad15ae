/* identity.h - who a program runs as. */
#ifndef TOOLS_IDENTITY_H
#define TOOLS_IDENTITY_H

#include <stddef.h>

/* May the program become another user? */
int identity_can_change(void);
/* Becomes `user` for good. Not 0 with words in `words_out`. */
int identity_become(const char *user, char *words_out, size_t size);

/* Becomes the owner of `folder` for good, when that is another user than root
 * and we may; what it makes there is then the owner's. Not 0 with words. */
int identity_become_owner(const char *folder, char *words_out, size_t size);
/* The user whom `folder` belongs to, where that is not us: 1 with its name. */
int identity_is_other(const char *folder, char *name_out, size_t size);

#endif
