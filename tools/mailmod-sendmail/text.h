/* text.h - octets that grow. */
#ifndef TOOLS_SENDMAIL_TEXT_H
#define TOOLS_SENDMAIL_TEXT_H

#include <stddef.h>

struct text {     /* zero: empty */
    char *octets; /* with a NUL behind, once something was added */
    size_t size;
    size_t capacity;
};

/* Not 0: no memory. */
int text_add(struct text *text, const char *octets, size_t size);
void text_free(struct text *text);

#endif
