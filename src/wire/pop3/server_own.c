/* server_own.c - verbs of the owner's own.
 *
 * Promises: one is known exactly while it is announced; its reply is one line
 * and the owner's. It changes nothing of the mailbox. Lives on its
 * conversation's thread. RFC 2449 3, 5. */
#include "wire/pop3/server_internal.h"

void mm_pop3d_set_verbs(struct mm_pop3d *pop3d,
                        const struct mm_pop3d_verb *verbs, size_t count)
{
    pop3d->own_verbs = verbs;
    pop3d->own_verb_count = count;
}

const struct mm_pop3d_verb *mm_pop3d_find_own(const struct mm_pop3d *pop3d,
                                              struct mm_span name)
{
    for (size_t i = 0; i < pop3d->own_verb_count; i++) {
        if (mm_span_is_nocase(name, pop3d->own_verbs[i].name)) {
            return &pop3d->own_verbs[i];
        }
    }
    return NULL;
}

void mm_pop3d_write_own(struct mm_pop3d *pop3d)
{
    for (size_t i = 0; i < pop3d->own_verb_count; i++) {
        if (pop3d->own_verbs[i].capability[0] != '\0') {
            mm_pop3d_write_line(pop3d, pop3d->own_verbs[i].capability, NULL);
        }
    }
}

void mm_pop3d_do_own(struct mm_pop3d *pop3d,
                     const struct mm_pop3d_arguments *arguments)
{
    pop3d->info = (struct mm_pop3d_info){
        .verb = arguments->own_verb->name,
        .argument = arguments->first,
    };
    mm_pop3d_raise(pop3d, MM_POP3D_COMMAND);
}
