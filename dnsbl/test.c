/* test.c - a list's test of itself: RFC 5782 5.
 *
 * Owns the two questions while they are open. Promises: a list that was never
 * tested is believed when its test is over; one that failed is asked for its
 * test alone, until it passes; a list that has no entries for IPv6 is not asked
 * about IPv6.
 * Thread: the lists' (dnsbl.h). */
#include "dnsbl/dnsbl_internal.h"

/* A list that closes gives notice of months by listing everybody; one that is
 * silent may be back soon. */
#define AGAIN_MS (UINT64_C(3600) * 1000)
#define AGAIN_AFTER_FAILURE_MS (UINT64_C(300) * 1000)

static enum dnsbl_health health_of(const struct dnsbl_test *test)
{
    if (test->clean.verdict == DNSBL_LISTED) {
        return DNSBL_LYING;
    }
    if (test->clean.verdict == DNSBL_UNKNOWN ||
        test->listed.verdict == DNSBL_UNKNOWN) {
        return DNSBL_SILENT;
    }
    return test->listed.verdict == DNSBL_LISTED ? DNSBL_GOOD : DNSBL_EMPTY;
}

/* A list of IPv4 alone is nothing to tell, nor one that is well at first. */
static bool is_news(const struct dnsbl_test *test, enum dnsbl_health health)
{
    bool was_untested = test->health == DNSBL_UNTESTED;
    return health != test->health && !(was_untested && health == DNSBL_GOOD) &&
           !(was_untested && health == DNSBL_EMPTY && test->is_v6);
}

static void end(struct dnsbl_test *test)
{
    struct dnsbl *lists = test->member->lists;
    enum dnsbl_health health = health_of(test);
    bool has_news = is_news(test, health);
    test->health = health;
    test->next_ms = lists->names.now_ms(lists->names.context) +
                    (health == DNSBL_GOOD ? AGAIN_MS : AGAIN_AFTER_FAILURE_MS);
    if (has_news) {
        lists->names.tell(lists->names.context, test->member->zone.label,
                          test->is_v6, health);
    }
    dnsbl_check_again(lists);
}

static void on_probe(void *context, enum mailmod_error error,
                     const struct mm_netaddr *addresses, size_t count)
{
    struct dnsbl_probe *probe = context;
    probe->query = NULL;
    probe->verdict = dnsbl_judge(NULL, error, addresses, count);
    if (--probe->test->pending == 0) {
        end(probe->test);
    }
}

/* 127.0.0.`last`, or ::FFFF:7F00:`last`. */
static struct mm_netaddr entry(bool is_v6, uint8_t last)
{
    struct mm_netaddr address = {.family =
                                     is_v6 ? MM_NETADDR_V6 : MM_NETADDR_V4};
    uint8_t *octets = address.bytes + (is_v6 ? 12 : 0);
    if (is_v6) {
        address.bytes[10] = 0xff;
        address.bytes[11] = 0xff;
    }
    octets[0] = 127;
    octets[3] = last;
    return address;
}

static void ask(struct dnsbl_test *test, struct dnsbl_probe *probe,
                uint8_t last)
{
    const struct dnsbl_names *names = &test->member->lists->names;
    struct mm_netaddr address = entry(test->is_v6, last);
    char name[DNSBL_NAME_MAX];
    probe->test = test;
    probe->verdict = DNSBL_UNKNOWN;
    probe->query = NULL;
    if (dnsbl_query_name(&address, test->member->zone.name, name) ==
            MAILMOD_OK &&
        names->ask_addresses(names->context, name, on_probe, probe,
                             &probe->query) == MAILMOD_OK) {
        test->pending++;
    }
}

void dnsbl_test_when_due(struct dnsbl_test *test)
{
    struct dnsbl *lists = test->member->lists;
    uint64_t now_ms = lists->names.now_ms(lists->names.context);
    if (!lists->options.tests || test->pending > 0 ||
        (test->has_run && now_ms < test->next_ms)) {
        return;
    }
    test->has_run = true;
    ask(test, &test->listed, 2);
    ask(test, &test->clean, 1);
    if (test->pending == 0) { /* it cannot be asked now: soon again */
        test->health = DNSBL_SILENT;
        test->next_ms = now_ms + AGAIN_AFTER_FAILURE_MS;
    }
}

void dnsbl_test_cancel(struct dnsbl_test *test)
{
    const struct dnsbl_names *names = &test->member->lists->names;
    struct dnsbl_probe *probes[] = {&test->listed, &test->clean};
    for (size_t i = 0; i < sizeof probes / sizeof probes[0]; i++) {
        if (probes[i]->query != NULL) {
            names->cancel(names->context, probes[i]->query);
            probes[i]->query = NULL;
        }
    }
    test->pending = 0;
}
