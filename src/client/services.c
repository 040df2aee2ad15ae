/* services.c - the order in which the hosts of a service are tried.
 *
 * Pure. Promises each usable record once, priorities in their order, and that
 * among equal ones the first is drawn by weight, those without weight last but
 * for a small chance, as RFC 2782 has it.
 * Thread: any. RFC 2782, RFC 6186. */
#include "client/services.h"

#include "base/splitmix.h"

static bool is_usable(const struct mm_srv_record *record)
{
    return record->host[0] != '\0' && record->port != 0;
}

/* One without weight, each as likely; there is one. */
static size_t draw_weightless(const struct mm_srv_record *records, size_t count,
                              uint64_t *random)
{
    size_t left = 0;
    size_t at = 0;
    for (size_t i = 0; i < count; i++) {
        left += records[i].weight == 0;
    }
    left = (size_t)(mm_splitmix_next(random) % left) + 1;
    for (size_t i = 0; left > 0; i++) {
        if (records[i].weight == 0) {
            at = i;
            left--;
        }
    }
    return at;
}

/* One of `count`, by weight; those without have one chance together. */
static size_t draw(const struct mm_srv_record *records, size_t count,
                   uint64_t *random)
{
    uint64_t sum = 0;
    bool has_weightless = false;
    for (size_t i = 0; i < count; i++) {
        sum += records[i].weight;
        has_weightless = has_weightless || records[i].weight == 0;
    }
    uint64_t at = mm_splitmix_next(random) % (sum + has_weightless);
    for (size_t i = 0; i < count; i++) {
        if (at < records[i].weight) {
            return i;
        }
        at -= records[i].weight;
    }
    return draw_weightless(records, count, random);
}

/* Those of one priority: each in turn drawn from the ones that are left. */
static void shuffle(struct mm_srv_record *records, size_t count,
                    uint64_t *random)
{
    for (size_t i = 0; i + 1 < count; i++) {
        size_t drawn = i + draw(records + i, count - i, random);
        struct mm_srv_record first = records[i];
        records[i] = records[drawn];
        records[drawn] = first;
    }
}

size_t mm_services_order(const struct mm_srv_record *records, size_t count,
                         struct mm_srv_record out[MM_LIMIT_MX_HOSTS],
                         uint64_t *random)
{
    size_t used = 0;
    for (size_t i = 0; i < count && used < MM_LIMIT_MX_HOSTS; i++) {
        if (is_usable(&records[i])) {
            out[used++] = records[i];
        }
    }
    for (size_t from = 0, to = 0; from < used; from = to) {
        while (to < used && out[to].priority == out[from].priority) {
            to++;
        }
        shuffle(out + from, to - from, random);
    }
    return used;
}

bool mm_service_is_of(const char *host, const char *domain)
{
    struct mm_span name = mm_span_cstr(host);
    struct mm_span above = mm_span_cstr(domain);
    return mm_span_equal_nocase(name, above) ||
           (name.size > above.size &&
            name.data[name.size - above.size - 1] == '.' &&
            mm_span_equal_nocase(mm_span_from(name, name.size - above.size),
                                 above));
}
