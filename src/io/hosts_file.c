/* hosts_file.c - what is known of a host without the DNS: literal addresses,
 * the local host, and the names that the operator gave to addresses on this
 * machine, in its hosts file.
 *
 * Owns nothing. A line or a file that cannot be read names nobody, as for the
 * system's resolver. The file is read at once and whole: it is the system's,
 * small, and asked for a smarthost or relay alone.
 * Thread: any. RFC 6761 6.3 (localhost); hosts(5). */
#include "io/resolver_internal.h"

#include "platform/fs.h"
#include "platform/net.h"

#include <string.h>

/* One that blocks half of the world's advertisers has 5 MiB. */
#define HOSTS_FILE_MAX (16 * 1024 * 1024)

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r';
}

static bool take_word(struct mm_span *line, struct mm_span *word_out)
{
    size_t start = 0;
    while (start < line->size && is_blank(line->data[start])) {
        start++;
    }
    size_t end = start;
    while (end < line->size && !is_blank(line->data[end])) {
        end++;
    }
    *word_out = mm_span(line->data + start, end - start);
    *line = mm_span_from(*line, end);
    return word_out->size > 0;
}

static bool names_host(struct mm_span line, const char *host)
{
    struct mm_span word;
    while (take_word(&line, &word)) {
        if (word.data[word.size - 1] == '.') {
            word.size--;
        }
        if (mm_span_is_nocase(word, host)) {
            return true;
        }
    }
    return false;
}

size_t mm_hosts_find(struct mm_span file, const char *host,
                     enum mm_netaddr_family family,
                     struct mm_netaddr *addresses_out, size_t count_max)
{
    size_t count = 0;
    bool has_more = file.size > 0;
    while (has_more && count < count_max) {
        struct mm_span line;
        struct mm_span comment;
        struct mm_span word;
        has_more = mm_span_cut(file, '\n', &line, &file);
        (void)mm_span_cut(line, '#', &line, &comment);
        if (take_word(&line, &word) &&
            mm_netaddr_parse_ip(word, &addresses_out[count]) &&
            addresses_out[count].family == family && names_host(line, host)) {
            count++;
        }
    }
    return count;
}

static bool is_localhost(const char *name)
{
    static const char suffix[] = ".localhost";
    size_t length = strlen(name);
    size_t tail = sizeof suffix - 1;
    return strcmp(name, suffix + 1) == 0 ||
           (length > tail && strcmp(name + length - tail, suffix) == 0);
}

/* What needs no server: literal addresses and the local host. */
static bool is_known(const char *host, enum mm_netaddr_family family,
                     struct mm_netaddr *address_out)
{
    static const uint8_t local_v4[4] = {127, 0, 0, 1};
    static const uint8_t local_v6[16] = {[15] = 1};
    if (mm_netaddr_parse_ip(mm_span_cstr(host), address_out)) {
        return true;
    }
    char name[256];
    if (!mm_dns_is_name(mm_span_cstr(host), name) || !is_localhost(name)) {
        return false;
    }
    *address_out = family == MM_NETADDR_V4 ? mm_netaddr_v4(local_v4, 0)
                                           : mm_netaddr_v6(local_v6, 0);
    return true;
}

void mm_dns_find_known(struct mm_dns_known *known, const char *host,
                       enum mm_netaddr_family family)
{
    known->is_there = is_known(host, family, &known->addresses[0]);
    known->count =
        known->is_there && known->addresses[0].family == family ? 1 : 0;
}

/* A host that the file names in one family has none in the other, or the DNS
 * would send half of the attempts elsewhere. */
static void search_file(struct mm_dns_known *known, struct mm_span file,
                        const char *name, enum mm_netaddr_family family)
{
    bool is_v4 = family == MM_NETADDR_V4;
    struct mm_netaddr other;
    known->count = mm_hosts_find(file, name, family, known->addresses,
                                 MM_LIMIT_HOST_ADDRESSES);
    known->is_there =
        known->count > 0 ||
        mm_hosts_find(file, name, is_v4 ? MM_NETADDR_V6 : MM_NETADDR_V4, &other,
                      1) > 0;
}

void mm_dns_read_hosts(struct mm_dns_known *known, const char *path,
                       const char *name, enum mm_netaddr_family family)
{
    char own[MM_NET_PATH_MAX];
    struct mm_buf file;
    mm_buf_init(&file, HOSTS_FILE_MAX);
    if (path == NULL && mm_net_hosts_file(own)) {
        path = own;
    }
    if (path != NULL && mm_fs_read(path, &file) == MAILMOD_OK) {
        search_file(known, mm_buf_span(&file), name, family);
    }
    mm_buf_fini(&file);
}
