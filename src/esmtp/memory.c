/* memory.c - the memory of libmailmod-esmtp, and pointers of the program's own.
 *
 * It is the C library's: a program's callback hands over a context from malloc
 * (smtp_messagecb_t), which is freed here. Thread: any. */
#include "esmtp/esmtp.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

void *mm_esmtp_alloc(size_t size)
{
    void *memory = calloc(1, size);

    if (memory == NULL) {
        (void)mm_esmtp_fail(-ENOMEM, NULL);
    }
    return memory;
}

void mm_esmtp_free(void *memory)
{
    free(memory);
}

char *mm_esmtp_copy(const char *text)
{
    size_t size = text != NULL ? strlen(text) + 1 : 0;
    char *copy = text != NULL ? mm_esmtp_alloc(size) : NULL;

    if (copy != NULL) {
        memcpy(copy, text, size);
    }
    return copy;
}

bool mm_esmtp_replace(char **place, const char *text)
{
    char *copy = mm_esmtp_copy(text);

    if (text != NULL && copy == NULL) {
        return false;
    }
    free(*place);
    *place = copy;
    return true;
}

void mm_esmtp_data_set(struct mm_esmtp_data *data, void *value,
                       void (*release)(void *))
{
    struct mm_esmtp_data former = *data;

    *data = (struct mm_esmtp_data){value, release};
    if (former.value != NULL && former.release != NULL) {
        former.release(former.value);
    }
}

void *mm_esmtp_data_exchange(struct mm_esmtp_data *data, void *value)
{
    void *former = data->value;

    *data = (struct mm_esmtp_data){value, NULL};
    return former;
}
