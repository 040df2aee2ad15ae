/* certificate.c - the certificates of an instance whose operator gave none.
 *
 * Owns nothing but their files in the data folder. Promises: without a
 * certificate of the operator's, one of our own stands in the data folder, and
 * one with an RSA key for clients that know no other; they are made once and
 * kept, and their keys can be read by their owner alone. A certificate never
 * stands beside another's key, whatever ends the making: nobody would make the
 * two anew then, and no start would succeed.
 * Thread: any but a loop's; making a key takes its time. */
#include "api/instance.h"

#include "base/mem.h"
#include "platform/fs.h"

#define TEXT_MAX 4096

static const struct own {
    const char *certificate;
    const char *key;
    enum mm_tls_key kind;
} owns[] = {
    {"self-signed.crt", "self-signed.key", MM_TLS_KEY_P256},
    {"self-signed-rsa.crt", "self-signed-rsa.key", MM_TLS_KEY_RSA},
};
#define OWN_COUNT (sizeof owns / sizeof owns[0])

static enum mailmod_error write_files(const char *host_name,
                                      enum mm_tls_key kind,
                                      const char *certificate_file,
                                      const char *key_file)
{
    struct mm_buf certificate;
    mm_buf_init(&certificate, TEXT_MAX);
    struct mm_buf key;
    mm_buf_init(&key, TEXT_MAX);
    enum mailmod_error error =
        mm_tls_self_signed(host_name, kind, &certificate, &key);
    if (error == MAILMOD_OK) {
        error = mm_fs_remove(certificate_file);
        error = error == MAILMOD_ERROR_NOT_FOUND ? MAILMOD_OK : error;
    }
    if (error == MAILMOD_OK) {
        error = mm_fs_replace(key_file, mm_buf_span(&key), true);
    }
    if (error == MAILMOD_OK) {
        error =
            mm_fs_replace(certificate_file, mm_buf_span(&certificate), false);
    }
    mm_buf_wipe(&key);
    mm_buf_fini(&certificate);
    return error == MAILMOD_OK
               ? MAILMOD_OK
               : mm_fail(error, "%s: cannot write a certificate: %s",
                         certificate_file, mm_error_text(error));
}

/* The names of its files, which are the caller's; made when they are missing.
 */
static enum mailmod_error settle(const struct own *own,
                                 const struct mm_config *config,
                                 char **certificate_out, char **key_out)
{
    *certificate_out = mm_join_path(config->data_folder, own->certificate);
    *key_out = mm_join_path(config->data_folder, own->key);
    if (*certificate_out == NULL || *key_out == NULL) {
        return MAILMOD_ERROR_MEMORY;
    }
    return mm_fs_exists(*certificate_out) && mm_fs_exists(*key_out)
               ? MAILMOD_OK
               : write_files(config->host_name, own->kind, *certificate_out,
                             *key_out);
}

/* In front of those that are set. */
static enum mailmod_error add_to_more(struct mm_config *config,
                                      const char *certificate, const char *key)
{
    const char *more = config->tls.more_certificates;
    struct mm_buf text;
    mm_buf_init(&text, SIZE_MAX);
    enum mailmod_error error =
        mm_buf_appendf(&text, "%s;%s%s%s", certificate, key,
                       more[0] != '\0' ? "\n" : "", more);
    char *whole = error == MAILMOD_OK ? mm_strdup(mm_buf_cstr(&text)) : NULL;
    mm_buf_fini(&text);
    if (whole == NULL) {
        return MAILMOD_ERROR_MEMORY;
    }
    mm_free(config->tls.more_certificates);
    config->tls.more_certificates = whole;
    return MAILMOD_OK;
}

static enum mailmod_error take(const struct own *own, struct mm_config *config)
{
    char *certificate;
    char *key;
    enum mailmod_error error = settle(own, config, &certificate, &key);
    if (error == MAILMOD_OK && own == &owns[0]) {
        mm_free(config->tls.certificate_file);
        mm_free(config->tls.key_file);
        config->tls.certificate_file = certificate;
        config->tls.key_file = key;
        return MAILMOD_OK;
    }
    if (error == MAILMOD_OK) {
        error = add_to_more(config, certificate, key);
    }
    mm_free(certificate);
    mm_free(key);
    return error;
}

enum mailmod_error mm_settle_certificate(struct mm_config *config)
{
    if (config->tls.certificate_file[0] != '\0' || !config->tls.self_signed ||
        mm_store_is_memory(config->data_folder)) {
        return MAILMOD_OK;
    }
    enum mailmod_error error = MAILMOD_OK;
    for (size_t i = 0; error == MAILMOD_OK && i < OWN_COUNT; i++) {
        error = take(&owns[i], config);
    }
    return error;
}
