/* certificate.c - the certificate of an instance whose operator gave none.
 *
 * Owns nothing but two files in the data folder. Promises: without a
 * certificate of the operator's, one of our own stands in the data folder; it
 * is made once and kept, and its key can be read by its owner alone.
 * Thread: any but a loop's; making a key takes its time. */
#include "api/instance.h"

#include "base/mem.h"
#include "platform/fs.h"

#define TEXT_MAX 4096

static const char certificate_name[] = "self-signed.crt";
static const char key_name[] = "self-signed.key";

static enum mailmod_error write_certificate(const struct mm_config *config)
{
    struct mm_buf certificate;

    mm_buf_init(&certificate, TEXT_MAX);
    struct mm_buf key;
    mm_buf_init(&key, TEXT_MAX);
    enum mailmod_error error =
        mm_tls_self_signed(config->host_name, &certificate, &key);
    if (error == MAILMOD_OK) {
        error = mm_fs_replace(config->tls.key_file, mm_buf_span(&key), true);
    }
    if (error == MAILMOD_OK) {
        error = mm_fs_replace(config->tls.certificate_file,
                              mm_buf_span(&certificate), false);
    }
    mm_buf_wipe(&key);
    mm_buf_fini(&certificate);
    return error;
}

enum mailmod_error mm_settle_certificate(struct mm_config *config)
{
    enum mailmod_error error = MAILMOD_OK;

    if (config->tls.certificate_file[0] != '\0' || !config->tls.self_signed) {
        return MAILMOD_OK;
    }
    mm_free(config->tls.certificate_file);
    mm_free(config->tls.key_file);
    config->tls.certificate_file =
        mm_join_path(config->data_folder, certificate_name);
    config->tls.key_file = mm_join_path(config->data_folder, key_name);
    if (config->tls.certificate_file == NULL || config->tls.key_file == NULL) {
        return MAILMOD_ERROR_MEMORY;
    }
    if (!mm_fs_exists(config->tls.certificate_file) ||
        !mm_fs_exists(config->tls.key_file)) {
        error = write_certificate(config);
    }
    return error == MAILMOD_OK
               ? MAILMOD_OK
               : mm_fail(error, "%s: cannot write a certificate: %s",
                         config->tls.certificate_file, mm_error_text(error));
}
