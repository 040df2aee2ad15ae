/* server_extensions.c - the commands of pop3svc that no RFC has: XLOG, DELI,
 * SLEE, WAKE, CORE (REFR) and QAUT; and what CAPA says of them.
 *
 * Owns the table of extensions and their tags. Promises: CAPA tells an
 * extension exactly while it is on, and XLOG exactly while it may be used; a
 * command becomes one event, and what it commits is the session's. UID-PARAM is
 * a rule of arguments (server_verbs.c), MULTI-LINE-IND one of replies
 * (server_reply.c). Lives on its conversation's thread.
 *
 * pop3svc's README; billpg.com on refreshing, on UIDs as parameters and on
 * deleting at once; its drafts sleeping-00 and deli-00. RFC 2449 5 (CAPA). */
#include "wire/pop3/server_internal.h"

static const struct {
    unsigned extension; /* enum mm_pop3d_extension */
    const char *tag;
} tags[] = {
    {MM_POP3D_UID_PARAM, "UID-PARAM"},
    {MM_POP3D_WITH_DELI, "DELI"},
    {MM_POP3D_WITH_SLEE, "SLEE-WAKE"}, /* pop3svc's name */
    {MM_POP3D_WITH_SLEE, "SLEEPING"},  /* the draft's */
    {MM_POP3D_WITH_QAUT, "QAUT"},
    {MM_POP3D_MULTI_LINE_IND, "MULTI-LINE-IND"},
    {MM_POP3D_WITH_CORE, "CORE"},
    {MM_POP3D_WITH_REFR, "REFR"},
};

void mm_pop3d_write_extensions(struct mm_pop3d *pop3d)
{
    for (size_t i = 0; i < sizeof tags / sizeof tags[0]; i++) {
        if ((pop3d->options.extensions & tags[i].extension) != 0) {
            mm_pop3d_write_line(pop3d, tags[i].tag, NULL);
        }
    }
    if (mm_pop3d_has(pop3d, MM_POP3D_WITH_XLOG) &&
        mm_pop3d_check_password(pop3d) == MM_POP3D_OK_PLAIN) {
        mm_pop3d_write_line(pop3d, "XLOG", NULL);
    }
    mm_pop3d_write_own(pop3d);
}

enum mm_pop3d_text
mm_pop3d_check_xlog(const struct mm_pop3d *pop3d,
                    const struct mm_pop3d_arguments *arguments)
{
    (void)arguments;
    return mm_pop3d_check_password(pop3d);
}

void mm_pop3d_do_xlog(struct mm_pop3d *pop3d,
                      const struct mm_pop3d_arguments *arguments)
{
    pop3d->user[0] = '\0';
    pop3d->info = (struct mm_pop3d_info){
        .user = arguments->first,
        .password = arguments->second,
    };
    mm_pop3d_raise(pop3d, MM_POP3D_LOGIN);
}

void mm_pop3d_do_deli(struct mm_pop3d *pop3d,
                      const struct mm_pop3d_arguments *arguments)
{
    mm_pop3d_raise_about(pop3d, MM_POP3D_DELI, arguments);
}

void mm_pop3d_do_slee(struct mm_pop3d *pop3d,
                      const struct mm_pop3d_arguments *arguments)
{
    mm_pop3d_raise_about(pop3d, MM_POP3D_SLEE, arguments);
}

void mm_pop3d_do_wake(struct mm_pop3d *pop3d,
                      const struct mm_pop3d_arguments *arguments)
{
    mm_pop3d_raise_about(pop3d, MM_POP3D_WAKE, arguments);
}

void mm_pop3d_do_core(struct mm_pop3d *pop3d,
                      const struct mm_pop3d_arguments *arguments)
{
    mm_pop3d_raise_about(pop3d, MM_POP3D_CORE, arguments);
}

void mm_pop3d_do_qaut(struct mm_pop3d *pop3d,
                      const struct mm_pop3d_arguments *arguments)
{
    mm_pop3d_raise_about(pop3d, MM_POP3D_QAUT, arguments);
}
