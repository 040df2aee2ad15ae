/* resolver_answer.c - reads the answers of name servers.
 *
 * Pure: octets in, a result out; c-ares expands the names (it knows the
 * bounds and the loops of compression) and reads addresses and texts. MX
 * and SRV records are walked here, because one exchanger with an impossible
 * name must not take the good ones with it. Answers are hostile: counts are
 * capped, names are checked against the letters of host names, all is copied.
 * RFC 1035 4.1, RFC 2782, RFC 7505 (null MX), RFC 5321 5.1, RFC 4035 3.2.3.
 * Thread: any.
 */
#define CARES_NO_DEPRECATED
#include "io/resolver_internal.h"

#include "base/mem.h"

#include <ares.h>

#include <limits.h>
#include <string.h>

#define HEADER_SIZE 12
#define CLASS_IN 1
/* No TXT record is longer than the message that brings it. */
#define TEXT_MAX 65535

void mm_dns_result_init(struct mm_dns_result *result)
{
    memset(result, 0, sizeof *result);
    mm_buf_init(&result->text, TEXT_MAX);
}

void mm_dns_result_fini(struct mm_dns_result *result)
{
    mm_free(result->hosts);
    mm_free(result->services);
    mm_free(result->addresses);
    mm_buf_fini(&result->text);
    mm_dns_result_init(result);
}

static bool is_label(struct mm_span label)
{
    for (size_t i = 0; i < label.size; i++) {
        unsigned char c = (unsigned char)label.data[i];
        if (!mm_ascii_is_alnum(c) && c != '-' && c != '_') {
            return false;
        }
    }
    return label.size >= 1 && label.size <= 63;
}

bool mm_dns_is_name(struct mm_span name, char host_out[256])
{
    if (name.size > 0 && name.data[name.size - 1] == '.') {
        name.size--;
    }
    if (name.size > 253 || !mm_span_copy(name, host_out, 256)) {
        return false;
    }
    mm_ascii_lower_cstr(host_out);
    struct mm_span label;
    while (mm_span_cut(name, '.', &label, &name)) {
        if (!is_label(label)) {
            return false;
        }
    }
    return is_label(label);
}

struct cursor {
    const uint8_t *answer;
    size_t size;
    size_t at;
};

static unsigned u16_at(const struct cursor *cursor, size_t at)
{
    return (unsigned)cursor->answer[at] << 8 | cursor->answer[at + 1];
}

/* Expands the name at the cursor and steps over it; the text is c-ares'. */
static bool take_name(struct cursor *cursor, char **name_out)
{
    long used = 0;
    if (cursor->at >= cursor->size ||
        ares_expand_name(cursor->answer + cursor->at, cursor->answer,
                         (int)cursor->size, name_out, &used) != ARES_SUCCESS) {
        *name_out = NULL;
        return false;
    }
    cursor->at += (size_t)used;
    return cursor->at <= cursor->size;
}

static bool skip_name(struct cursor *cursor)
{
    char *name;
    bool is_good = take_name(cursor, &name);
    ares_free_string(name);
    return is_good;
}

/* Keeps the list sorted by preference and the best of too many. */
static void insert(struct mm_dns_result *result, const struct mm_mx *mx)
{
    size_t at = result->count;
    while (at > 0 && result->hosts[at - 1].preference > mx->preference) {
        at--;
    }
    if (at >= MM_LIMIT_MX_HOSTS) {
        return;
    }
    if (result->count < MM_LIMIT_MX_HOSTS) {
        result->count++;
    }
    memmove(&result->hosts[at + 1], &result->hosts[at],
            (result->count - at - 1) * sizeof *mx);
    result->hosts[at] = *mx;
}

/* The same by priority. */
static void insert_service(struct mm_dns_result *result,
                           const struct mm_srv_record *srv)
{
    size_t at = result->count;
    while (at > 0 && result->services[at - 1].priority > srv->priority) {
        at--;
    }
    if (at >= MM_LIMIT_MX_HOSTS) {
        return;
    }
    if (result->count < MM_LIMIT_MX_HOSTS) {
        result->count++;
    }
    memmove(&result->services[at + 1], &result->services[at],
            (result->count - at - 1) * sizeof *srv);
    result->services[at] = *srv;
}

/* The host of an MX or SRV record: true, it can be used; "" is the root, "not
 * here" (RFC 7505 3, RFC 2782). */
static bool read_host(struct cursor *data, char host_out[256],
                      bool *has_garbage, bool *is_whole)
{
    char *name;
    bool is_good = false;
    *is_whole = take_name(data, &name);
    if (*is_whole) {
        struct mm_span span = mm_span_cstr(name);
        bool is_root = span.size == 0 || mm_span_is(span, ".");
        host_out[0] = '\0';
        is_good = is_root || mm_dns_is_name(span, host_out);
        *has_garbage = *has_garbage || !is_good;
    }
    ares_free_string(name);
    return is_good;
}

/* RFC 2782: priority, weight, port, target. */
static bool read_srv(struct mm_dns_result *result, struct cursor data,
                     bool *has_garbage)
{
    bool is_whole = false;
    if (data.size - data.at < 7) {
        return false;
    }
    struct mm_srv_record srv = {.priority = u16_at(&data, data.at),
                                .weight = u16_at(&data, data.at + 2),
                                .port = (uint16_t)u16_at(&data, data.at + 4)};
    data.at += 6;
    if (read_host(&data, srv.host, has_garbage, &is_whole)) {
        insert_service(result, &srv);
    }
    return is_whole;
}

/* The data of one MX record; false when it cannot be read at all. */
static bool read_mx(struct mm_dns_result *result, struct cursor data,
                    bool *has_garbage)
{
    struct mm_mx mx = {0, {0}};
    if (data.size - data.at < 3) {
        return false;
    }
    mx.preference = u16_at(&data, data.at);
    data.at += 2;
    bool is_whole = false;
    if (read_host(&data, mx.host, has_garbage, &is_whole)) {
        insert(result, &mx);
    }
    return is_whole;
}

/* One record: owner, type, class, TTL, length, data (RFC 1035 4.1.3). */
static bool walk_record(struct mm_dns_result *result, enum mm_dns_type wanted,
                        struct cursor *cursor, bool *has_garbage)
{
    if (!skip_name(cursor) || cursor->size - cursor->at < 10) {
        return false;
    }
    unsigned type = u16_at(cursor, cursor->at);
    unsigned class = u16_at(cursor, cursor->at + 2);
    size_t length = u16_at(cursor, cursor->at + 8);
    cursor->at += 10;
    if (cursor->size - cursor->at < length) {
        return false;
    }
    struct cursor data = *cursor;
    cursor->at += length;
    if (type != (unsigned)wanted || class != CLASS_IN) {
        return true;
    }
    /* Names point backwards only, so the record's end may be the end. */
    data.size = cursor->at;
    return wanted == MM_DNS_SRV ? read_srv(result, data, has_garbage)
                                : read_mx(result, data, has_garbage);
}

/* MX or SRV. */
static enum mailmod_error read_hosts(struct mm_dns_result *result,
                                     enum mm_dns_type wanted,
                                     const uint8_t *answer, size_t size)
{
    struct cursor cursor = {answer, size, HEADER_SIZE};
    bool has_garbage = false;
    if (wanted == MM_DNS_SRV) {
        result->services =
            mm_alloc_array(MM_LIMIT_MX_HOSTS, sizeof(struct mm_srv_record));
    } else {
        result->hosts = mm_alloc_array(MM_LIMIT_MX_HOSTS, sizeof(struct mm_mx));
    }
    if (result->services == NULL && result->hosts == NULL) {
        return MAILMOD_ERROR_MEMORY;
    }
    unsigned questions = u16_at(&cursor, 4);
    unsigned records = u16_at(&cursor, 6);
    for (unsigned i = 0; i < questions; i++) {
        if (!skip_name(&cursor) || cursor.size - cursor.at < 4) {
            return MAILMOD_ERROR_DNS;
        }
        cursor.at += 4;
    }
    for (unsigned i = 0; i < records; i++) {
        if (!walk_record(result, wanted, &cursor, &has_garbage)) {
            return MAILMOD_ERROR_DNS;
        }
    }
    if (result->count > 0) {
        return MAILMOD_OK;
    }
    return has_garbage ? MAILMOD_ERROR_DNS : MAILMOD_ERROR_DNS_NO_DATA;
}

static enum mailmod_error error_of_parse(int status)
{
    if (status == ARES_ENODATA) {
        return MAILMOD_ERROR_DNS_NO_DATA;
    }
    return status == ARES_ENOMEM ? MAILMOD_ERROR_MEMORY : MAILMOD_ERROR_DNS;
}

static enum mailmod_error read_addresses(struct mm_dns_result *result,
                                         enum mm_dns_type type,
                                         const uint8_t *answer, int size)
{
    int count = MM_LIMIT_HOST_ADDRESSES;
    struct ares_addrttl v4[MM_LIMIT_HOST_ADDRESSES];
    struct ares_addr6ttl v6[MM_LIMIT_HOST_ADDRESSES];
    int status = type == MM_DNS_A
                     ? ares_parse_a_reply(answer, size, NULL, v4, &count)
                     : ares_parse_aaaa_reply(answer, size, NULL, v6, &count);
    if (status != ARES_SUCCESS) {
        return error_of_parse(status);
    }
    if (count <= 0) {
        return MAILMOD_ERROR_DNS_NO_DATA;
    }
    result->addresses =
        mm_alloc_array((size_t)count, sizeof(struct mm_netaddr));
    if (result->addresses == NULL) {
        return MAILMOD_ERROR_MEMORY;
    }
    for (int i = 0; i < count; i++) {
        uint8_t bytes[16];
        if (type == MM_DNS_A) {
            memcpy(bytes, &v4[i].ipaddr, 4);
            result->addresses[i] = mm_netaddr_v4(bytes, 0);
        } else {
            memcpy(bytes, &v6[i].ip6addr, 16);
            result->addresses[i] = mm_netaddr_v6(bytes, 0);
        }
    }
    result->count = (size_t)count;
    return MAILMOD_OK;
}

/* The first record; its strings are one text (RFC 7208 3.3 likewise). */
static enum mailmod_error read_text(struct mm_dns_result *result,
                                    const uint8_t *answer, int size)
{
    struct ares_txt_ext *list = NULL;
    int status = ares_parse_txt_reply_ext(answer, size, &list);
    if (status != ARES_SUCCESS) {
        return error_of_parse(status);
    }
    enum mailmod_error error =
        list == NULL ? MAILMOD_ERROR_DNS_NO_DATA : MAILMOD_OK;
    for (struct ares_txt_ext *piece = list;
         piece != NULL && error == MAILMOD_OK; piece = piece->next) {
        if (piece != list && piece->record_start) {
            break;
        }
        error = mm_buf_append(&result->text, piece->txt, piece->length);
    }
    ares_free_data(list);
    result->count = error == MAILMOD_OK ? 1 : 0;
    return error;
}

void mm_dns_read_answer(struct mm_dns_result *result, enum mm_dns_type type,
                        const uint8_t *answer, size_t size)
{
    if (size < HEADER_SIZE || size > INT_MAX) {
        result->error = MAILMOD_ERROR_DNS;
        return;
    }
    if (type == MM_DNS_MX || type == MM_DNS_SRV) {
        result->error = read_hosts(result, type, answer, size);
    } else if (type == MM_DNS_TXT) {
        result->error = read_text(result, answer, (int)size);
    } else {
        result->error = read_addresses(result, type, answer, (int)size);
    }
    if (result->error != MAILMOD_OK) {
        result->count = 0;
    }
}

static enum mailmod_error error_of_code(int code)
{
    return code == 2   ? MAILMOD_ERROR_DNS_SERVFAIL
           : code == 5 ? MAILMOD_ERROR_DNS_REFUSED
                       : MAILMOD_ERROR_DNS;
}

/* RFC 1035 4.1.1: the code is the low half of the fourth octet, the count of
 * answers stands in the seventh and eighth. */
enum mailmod_error mm_dns_answer_error(const uint8_t *answer, size_t size)
{
    if (size < HEADER_SIZE) {
        return MAILMOD_ERROR_DNS;
    }
    int code = answer[3] & 0x0f;
    if (code == 0) {
        return answer[6] == 0 && answer[7] == 0 ? MAILMOD_ERROR_DNS_NO_DATA
                                                : MAILMOD_OK;
    }
    return code == 3 ? MAILMOD_ERROR_DNS_NO_NAME : error_of_code(code);
}

/* RFC 4035 3.2.3: AD. */
void mm_dns_keep_answer(struct mm_dns_result *result, const uint8_t *answer,
                        size_t size)
{
    result->error = mm_dns_answer_error(answer, size);
    bool is_good = result->error == MAILMOD_OK ||
                   result->error == MAILMOD_ERROR_DNS_NO_DATA;
    if (is_good) {
        enum mailmod_error error = mm_buf_append(&result->text, answer, size);
        result->error = error != MAILMOD_OK ? error : result->error;
    }
    result->is_authenticated =
        (is_good || result->error == MAILMOD_ERROR_DNS_NO_NAME) &&
        (answer[3] & 0x20) != 0;
}
