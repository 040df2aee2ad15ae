/* srv_mail_hosts.c - FindMX and FindMXFull.
 *
 * Owns nothing. Promises: never more entries than the caller has room for, the
 * most preferred first; a host is left out of FindMX when its name does not fit
 * and never cut, for half a name is another host's.
 * Thread: any; waits for the name server. RFC 5321 5.1. */
#include "api/instance.h"
#include "api/srv_state.h"

#include "base/netaddr.h"

#include <limits.h>
#include <string.h>

#define IPS_MAX (sizeof((struct MailHostInfo *)NULL)->ip / sizeof(uint32_t))
#define ADDRESSES_MAX                                                          \
    (sizeof((struct MailHostInfoFull *)NULL)->address /                        \
     sizeof((struct MailHostInfoFull *)NULL)->address[0])

_Static_assert(sizeof(struct MailHostInfo) == 116, "the same on every system");

struct hosts {
    struct MailHostInfo *brief; /* one of the two */
    struct MailHostInfoFull *full;
    int size;
    int count;
};

static int preference_of(const struct mailmod_mail_host *host)
{
    return host->preference < INT_MAX ? (int)host->preference : INT_MAX;
}

static bool fill_brief(const struct mailmod_mail_host *host,
                       struct MailHostInfo *info)
{
    size_t count = 0;

    memset(info, 0, sizeof *info);
    if (!mm_span_copy(mm_span_cstr(host->name), info->name,
                      sizeof info->name)) {
        return false;
    }
    info->prior = preference_of(host);
    struct mm_netaddr address;
    for (size_t i = 0; i < host->address_count && count < IPS_MAX; i++) {
        if (mm_netaddr_parse_ip(mm_span_cstr(host->addresses[i]), &address) &&
            address.family == MM_NETADDR_V4) {
            memcpy(&info->ip[count++], address.bytes, sizeof info->ip[0]);
        }
    }
    return true;
}

static bool fill_full(const struct mailmod_mail_host *host,
                      struct MailHostInfoFull *info)
{
    size_t count = 0;

    memset(info, 0, sizeof *info);
    if (!mm_span_copy(mm_span_cstr(host->name), info->name,
                      sizeof info->name)) {
        return false;
    }
    info->prior = preference_of(host);
    for (size_t i = 0; i < host->address_count && count < ADDRESSES_MAX; i++) {
        if (mm_span_copy(mm_span_cstr(host->addresses[i]), info->address[count],
                         sizeof info->address[count])) {
            count++;
        }
    }
    info->address_count = (int)count;
    return true;
}

static void on_host(void *context, const struct mailmod_mail_host *host)
{
    struct hosts *hosts = context;

    if (hosts->count < hosts->size &&
        (hosts->brief != NULL ? fill_brief(host, &hosts->brief[hosts->count])
                              : fill_full(host, &hosts->full[hosts->count]))) {
        hosts->count++;
    }
}

static int find(const char *domain, struct hosts *hosts)
{
    if (domain == NULL || (hosts->brief == NULL && hosts->full == NULL) ||
        hosts->size < 1) {
        (void)mm_srv_note(
            mm_fail(MAILMOD_ERROR_ARGUMENT, "%s",
                    domain == NULL ? "domain is NULL" : "there is no room"));
        return 0;
    }
    mailmod *instance;
    enum mailmod_error error = mm_srv_instance(true, &instance);
    if (error == MAILMOD_OK) {
        error = mailmod_mail_host_find(instance, domain, on_host, hosts);
    }
    if (error == MAILMOD_OK && hosts->count == 0) {
        error = mm_fail(MAILMOD_ERROR_LIMIT, "%s: no mail host's name fits",
                        domain);
    }
    return mm_srv_note(error) == MAILMOD_OK ? hosts->count : 0;
}

int FindMX(const char *domain, struct MailHostInfo *ret, int size)
{
    struct hosts hosts = {.brief = ret, .size = size};

    return find(domain, &hosts);
}

int FindMXFull(const char *domain, struct MailHostInfoFull *ret, int size)
{
    struct hosts hosts = {.full = ret, .size = size};

    return find(domain, &hosts);
}
