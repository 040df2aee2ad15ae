/* server_binary.c - a body of BODY=BINARYMIME: its binary parts become base64
 * on their way in, so that all behind the engine have lines.
 *
 * Owns the converter, made with the first such body of a conversation.
 * Promises: no octet of a binary part is lost or changed, bare CR, LF and NUL
 * neither; of all else the rules of any body hold, line ends and lengths too;
 * what cannot be converted (it was signed or encrypted) is refused and never
 * bent. Thread: the caller's. RFC 3030 3; RFC 2045 6.8; RFC 6376 5.3. */
#include "base/mem.h"
#include "wire/msg/seven_bit.h"
#include "wire/smtp/server_internal.h"

struct mm_smtpd_binary {
    struct mm_seven_bit message;
    struct mm_buf out;
    bool is_over;
};

bool mm_smtpd_binary_begin(struct mm_smtpd *smtpd)
{
    if (smtpd->binary == NULL) {
        smtpd->binary = mm_alloc(sizeof *smtpd->binary);
        if (smtpd->binary == NULL) {
            smtpd->error = MAILMOD_ERROR_MEMORY;
            mm_smtpd_break(smtpd, MM_REPLY_SHUTTING_DOWN, "out of memory");
            return false;
        }
        mm_buf_init(&smtpd->binary->out, 4 * MM_SEVEN_BIT_ROOM);
    }
    mm_seven_bit_init_binary(&smtpd->binary->message);
    mm_buf_clear(&smtpd->binary->out);
    smtpd->binary->is_over = false;
    return true;
}

static void check(struct mm_smtpd *smtpd)
{
    const struct mm_smtpd_binary *binary = smtpd->binary;

    if (binary->message.is_stuck) {
        mm_smtpd_body_refuse(smtpd, MM_REPLY_NOT_CONVERTED);
    }
    if (mm_buf_error(&binary->out) != MAILMOD_OK) {
        smtpd->error = mm_buf_error(&binary->out);
        mm_smtpd_break(smtpd, MM_REPLY_SHUTTING_DOWN, "out of memory");
    }
}

size_t mm_smtpd_binary_write(struct mm_smtpd *smtpd, struct mm_span octets)
{
    struct mm_smtpd_binary *binary = smtpd->binary;
    size_t taken = mm_seven_bit_write(&binary->message, &binary->out,
                                      octets.data, octets.size);

    check(smtpd);
    return taken;
}

void mm_smtpd_binary_finish(struct mm_smtpd *smtpd)
{
    struct mm_smtpd_binary *binary = smtpd->binary;

    if (!binary->is_over) {
        binary->is_over = true;
        mm_seven_bit_end(&binary->message, &binary->out);
        check(smtpd);
    }
}

bool mm_smtpd_binary_give(struct mm_smtpd *smtpd)
{
    struct mm_buf *out = &smtpd->binary->out;
    struct mm_span run = mm_span(NULL, 0);
    size_t used = 0;

    if (mm_buf_size(out) == 0) {
        return false;
    }
    (void)mm_dot_read(&smtpd->body.dot, mm_buf_span(out), &used, &run);
    mm_buf_consume(out, used);
    mm_smtpd_body_check(smtpd);
    if (run.size > 0) {
        mm_smtpd_body_octets(smtpd, run);
    }
    return true;
}

void mm_smtpd_binary_free(struct mm_smtpd *smtpd)
{
    if (smtpd->binary != NULL) {
        mm_buf_fini(&smtpd->binary->out);
        mm_free(smtpd->binary);
        smtpd->binary = NULL;
    }
}
