/* client_own.c - verbs of the caller's own, and what EHLO announced of them.
 *
 * Promises: one is said between messages alone, and its line cannot become two.
 * Thread: the caller's. RFC 5321 2.2.2, 4.1.1.1. */
#include "wire/smtp/client_internal.h"

#include <string.h>

enum mailmod_error mm_smtpc_command(struct mm_smtpc *smtpc, const char *line)
{
    if (smtpc->state != MM_SMTPC_AT_IDLE) {
        return MAILMOD_ERROR_STATE;
    }
    size_t size = line != NULL ? strlen(line) : 0;
    bool is_good = size > 0 && size <= MM_LIMIT_SMTP_COMMAND - 2;
    for (size_t i = 0; is_good && i < size; i++) {
        is_good = mm_ascii_is_printable((unsigned char)line[i]);
    }
    if (!is_good) {
        return MAILMOD_ERROR_ARGUMENT;
    }
    smtpc->command = line;
    return mm_smtpc_ask(smtpc, MM_SMTPC_STEP_COMMAND);
}

enum mm_smtpc_event mm_smtpc_take_command(struct mm_smtpc *smtpc,
                                          const struct mm_reply_in *reply,
                                          struct mm_smtpc_info *info)
{
    enum mm_smtpc_event event = mm_smtpc_take_etrn(smtpc, reply, info);
    return event == MM_SMTPC_ETRN_REPLY ? MM_SMTPC_COMMAND_REPLY : event;
}

bool mm_smtpc_is_idle(const struct mm_smtpc *smtpc)
{
    return smtpc->state == MM_SMTPC_AT_IDLE;
}

struct mm_span mm_smtpc_hello(const struct mm_smtpc *smtpc)
{
    return mm_buf_span(&smtpc->hello);
}
