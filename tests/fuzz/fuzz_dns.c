/* fuzz_dns.c - any octets as a name server's answer, of each type that is
 * asked for, and as a hosts file. Counts keep their caps, names are names. */
#include "io/resolver_internal.h"
#include "tests/fuzz/fuzz.h"

#include <string.h>

static void check_result(const struct mm_dns_result *result,
                         enum mm_dns_type type)
{
    char name[256];
    FUZZ_CHECK((result->error == MAILMOD_OK) == (result->count > 0));
    bool is_list = type == MM_DNS_MX || type == MM_DNS_SRV;
    FUZZ_CHECK(result->count <=
               (is_list ? MM_LIMIT_MX_HOSTS : MM_LIMIT_HOST_ADDRESSES));
    for (size_t i = 0; type == MM_DNS_SRV && i < result->count; i++) {
        const char *host = result->services[i].host;
        FUZZ_CHECK(host[0] == '\0' || mm_dns_is_name(mm_span_cstr(host), name));
        FUZZ_CHECK(i == 0 || result->services[i - 1].priority <=
                                 result->services[i].priority);
    }
    for (size_t i = 0; type == MM_DNS_MX && i < result->count; i++) {
        const char *host = result->hosts[i].host;
        FUZZ_CHECK(host[0] == '\0' || mm_dns_is_name(mm_span_cstr(host), name));
        FUZZ_CHECK(i == 0 || result->hosts[i - 1].preference <=
                                 result->hosts[i].preference);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const enum mm_dns_type types[] = {MM_DNS_A, MM_DNS_AAAA, MM_DNS_MX,
                                             MM_DNS_TXT, MM_DNS_SRV};
    struct mm_dns_result result;
    struct mm_netaddr found[4];
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
        mm_dns_result_init(&result);
        mm_dns_read_answer(&result, types[i], data, size);
        check_result(&result, types[i]);
        mm_dns_result_fini(&result);
    }
    mm_dns_result_init(&result);
    mm_dns_keep_answer(&result, data, size);
    FUZZ_CHECK(result.error != MAILMOD_OK || mm_buf_size(&result.text) == size);
    mm_dns_result_fini(&result);
    FUZZ_CHECK(mm_hosts_find(mm_span((const char *)data, size), "a.test",
                             MM_NETADDR_V4, found, 4) <= 4);
    return 0;
}
