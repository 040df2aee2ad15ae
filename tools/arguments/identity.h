/* identity.h - who a program runs as. */
#ifndef TOOLS_IDENTITY_H
#define TOOLS_IDENTITY_H

#include <stddef.h>

/* May the program become another user? */
int identity_can_change(void);
/* Becomes `user` for good. Not 0 with words in `words_out`. */
int identity_become(const char *user, char *words_out, size_t size);

#endif
