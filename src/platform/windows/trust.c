/* trust.c - the authorities of Windows: the store ROOT of user and machine.
 *
 * Owns the store's handle during the call. Leaves out what the operator has
 * limited to other uses than naming servers. Windows loads some authorities
 * only when its own verification first meets them: those are not here until
 * then, and an authority file in the configuration is the way out.
 * Thread: any. */
#include "platform/trust.h"
#include "base/mem.h"
#include "platform/windows/system.h"

#include <string.h>
#include <wincrypt.h>

static bool has_server_use(const CERT_ENHKEY_USAGE *usage)
{
    for (DWORD i = 0; i < usage->cUsageIdentifier; i++) {
        if (strcmp(usage->rgpszUsageIdentifier[i], szOID_PKIX_KP_SERVER_AUTH) ==
            0) {
            return true;
        }
    }
    return false;
}

static bool names_servers(PCCERT_CONTEXT certificate)
{
    DWORD size = 0;
    if (!CertGetEnhancedKeyUsage(certificate, 0, NULL, &size) || size == 0) {
        return false;
    }
    CERT_ENHKEY_USAGE *usage = mm_alloc(size);
    bool is_good = false;
    if (usage != NULL &&
        CertGetEnhancedKeyUsage(certificate, 0, usage, &size)) {
        /* No use named: all of them with this word, none without. */
        is_good = usage->cUsageIdentifier == 0
                      ? GetLastError() == (DWORD)CRYPT_E_NOT_FOUND
                      : has_server_use(usage);
    }
    mm_free(usage);
    return is_good;
}

enum mailmod_error mm_trust_each(void (*on_certificate)(void *context,
                                                        struct mm_span der),
                                 void *context)
{
    HCERTSTORE store = CertOpenSystemStoreW(0, L"ROOT");
    if (store == NULL) {
        return mm_windows_error(GetLastError());
    }
    PCCERT_CONTEXT at = CertEnumCertificatesInStore(store, NULL);
    while (at != NULL) {
        if (names_servers(at)) {
            on_certificate(context, mm_span((const char *)at->pbCertEncoded,
                                            at->cbCertEncoded));
        }
        at = CertEnumCertificatesInStore(store, at); /* frees the former */
    }
    (void)CertCloseStore(store, 0);
    return MAILMOD_OK;
}
