/* server_mailbox.c - the commands after a login: STAT, LIST, UIDL, RETR, TOP,
 * DELE, RSET, NOOP; and QUIT.
 *
 * Owns nothing; the mailbox is the session's. Promises: each command becomes
 * one event with its message; what is marked is deleted by the UPDATE event
 * alone, which QUIT raises in TRANSACTION, and by its like of
 * server_extensions.c. Asleep nothing is left to delete. Lives on its
 * conversation's thread.
 *
 * RFC 1939 5 (TRANSACTION), 6 (UPDATE) and 7 (TOP, UIDL). */
#include "wire/pop3/server_internal.h"

void mm_pop3d_raise_about(struct mm_pop3d *pop3d, enum mm_pop3d_event event,
                          const struct mm_pop3d_arguments *arguments)
{
    pop3d->info = (struct mm_pop3d_info){.number = arguments->number,
                                         .unique_id = arguments->unique_id,
                                         .lines = arguments->lines};
    mm_pop3d_raise(pop3d, event);
}

bool mm_pop3d_is_about_one(const struct mm_pop3d_info *info)
{
    return info->number != 0 || info->unique_id.size > 0;
}

void mm_pop3d_do_stat(struct mm_pop3d *pop3d,
                      const struct mm_pop3d_arguments *arguments)
{
    mm_pop3d_raise_about(pop3d, MM_POP3D_STAT, arguments);
}

void mm_pop3d_do_list(struct mm_pop3d *pop3d,
                      const struct mm_pop3d_arguments *arguments)
{
    mm_pop3d_raise_about(pop3d, MM_POP3D_LIST, arguments);
}

void mm_pop3d_do_uidl(struct mm_pop3d *pop3d,
                      const struct mm_pop3d_arguments *arguments)
{
    mm_pop3d_raise_about(pop3d, MM_POP3D_UIDL, arguments);
}

void mm_pop3d_do_retr(struct mm_pop3d *pop3d,
                      const struct mm_pop3d_arguments *arguments)
{
    mm_pop3d_raise_about(pop3d, MM_POP3D_RETR, arguments);
}

void mm_pop3d_do_top(struct mm_pop3d *pop3d,
                     const struct mm_pop3d_arguments *arguments)
{
    mm_pop3d_raise_about(pop3d, MM_POP3D_TOP, arguments);
}

void mm_pop3d_do_dele(struct mm_pop3d *pop3d,
                      const struct mm_pop3d_arguments *arguments)
{
    mm_pop3d_raise_about(pop3d, MM_POP3D_DELE, arguments);
}

void mm_pop3d_do_rset(struct mm_pop3d *pop3d,
                      const struct mm_pop3d_arguments *arguments)
{
    mm_pop3d_raise_about(pop3d, MM_POP3D_RSET, arguments);
}

void mm_pop3d_do_noop(struct mm_pop3d *pop3d,
                      const struct mm_pop3d_arguments *arguments)
{
    (void)arguments;
    mm_pop3d_say(pop3d, MM_POP3D_OK_PLAIN);
}

void mm_pop3d_do_quit(struct mm_pop3d *pop3d,
                      const struct mm_pop3d_arguments *arguments)
{
    if (pop3d->state == MM_POP3D_IN_TRANSACTION) {
        mm_pop3d_set_state(pop3d, MM_POP3D_IN_UPDATE);
        mm_pop3d_raise_about(pop3d, MM_POP3D_UPDATE, arguments);
        return;
    }
    mm_pop3d_say(pop3d, MM_POP3D_OK_BYE);
    mm_pop3d_set_state(pop3d, MM_POP3D_IN_CLOSING);
    mm_pop3d_raise(pop3d, MM_POP3D_QUIT);
}
