/* server_own.c - verbs of the owner's own.
 *
 * Promises: one is known exactly while it is announced; what stands behind it
 * is given out as it came, and its answer is the owner's. It changes nothing of
 * a transaction.
 * Thread: the caller's. RFC 5321 2.2.2, 4.1.1.1. */
#include "wire/smtp/server_internal.h"

void mm_smtpd_set_verbs(struct mm_smtpd *smtpd,
                        const struct mm_smtpd_verb *verbs, size_t count)
{
    smtpd->own_verbs = verbs;
    smtpd->own_verb_count = count;
}

const struct mm_smtpd_verb *mm_smtpd_find_own(const struct mm_smtpd *smtpd,
                                              struct mm_span name)
{
    for (size_t i = 0; i < smtpd->own_verb_count; i++) {
        if (mm_span_is_nocase(name, smtpd->own_verbs[i].name)) {
            return &smtpd->own_verbs[i];
        }
    }
    return NULL;
}

void mm_smtpd_list_own(const struct mm_smtpd *smtpd, struct mm_buf *text)
{
    for (size_t i = 0; i < smtpd->own_verb_count; i++) {
        if (smtpd->own_verbs[i].keyword[0] != '\0') {
            mm_buf_append_char(text, '\n');
            mm_buf_append_cstr(text, smtpd->own_verbs[i].keyword);
        }
    }
}

const struct mm_reply *mm_smtpd_check_own(const struct mm_smtpd *smtpd,
                                          struct mm_span argument,
                                          struct mm_smtpd_request *request)
{
    (void)smtpd;
    for (size_t i = 0; i < argument.size; i++) {
        if (!mm_ascii_is_printable((unsigned char)argument.data[i])) {
            return mm_reply_get(MM_REPLY_BAD_ARGUMENTS);
        }
    }
    request->argument = argument;
    return NULL;
}

void mm_smtpd_do_own(struct mm_smtpd *smtpd)
{
    smtpd->info = (struct mm_smtpd_info){
        .name = mm_span_cstr(smtpd->request.own_verb->name),
        .data = smtpd->request.argument,
    };
    mm_smtpd_raise(smtpd, MM_SMTPD_COMMAND);
}

void mm_smtpd_settle_own(struct mm_smtpd *smtpd, const struct mm_reply *reply)
{
    mm_smtpd_say(smtpd, reply);
}
