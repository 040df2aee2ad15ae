/* blocklist.c - the look-ups about one peer in the lists of dnsbl.zones.
 *
 * Owns: a query for each zone, one time for all of them. Promises: the first
 * zone that lists the address is asked for its reason, the others no more;
 * silence, failures and answers that no list gives let the peer in; nothing
 * waits for longer than dnsbl.timeout; the reason is printable ASCII of a
 * bounded size, whatever the zone says. Thread: the session's loop. RFC 5782.
 */
#include "server/blocklist.h"

#include "base/limits.h"
#include "base/mem.h"
#include "dnsbl/dnsbl.h"
#include "server/server_internal.h"

struct zone_query {
    struct mm_blocklist *blocklist;
    const char *zone; /* the configuration's */
    struct mm_query *query;
};

struct mm_blocklist {
    struct mm_resolver *resolver;
    struct mm_netaddr peer;
    struct zone_query queries[MM_LIMIT_DNSBL_ZONES];
    size_t count;
    size_t pending;
    struct mm_timer timer;
    bool is_done;
    const char *listed_by;
    struct mm_query *text_query;
    char reason[MM_BLOCKLIST_REASON_MAX];
    void (*on_done)(void *context);
    void *context;
};

static void stop(struct mm_blocklist *blocklist)
{
    for (size_t i = 0; i < blocklist->count; i++) {
        if (blocklist->queries[i].query != NULL) {
            mm_query_cancel(&blocklist->queries[i].query);
        }
    }
    if (blocklist->text_query != NULL) {
        mm_query_cancel(&blocklist->text_query);
    }
}

/* Tells; the owner may free it from there. */
static void finish(struct mm_blocklist *blocklist)
{
    stop(blocklist);
    mm_timer_cancel(&blocklist->timer);
    blocklist->is_done = true;
    blocklist->on_done(blocklist->context);
}

static void on_text(void *context, enum mailmod_error error,
                    struct mm_span text)
{
    struct mm_blocklist *blocklist = context;
    size_t size = 0;

    blocklist->text_query = NULL;
    for (size_t i = 0; error == MAILMOD_OK && i < text.size &&
                       size + 1 < sizeof blocklist->reason;
         i++) {
        char octet = text.data[i];

        blocklist->reason[size++] = octet >= ' ' && octet <= '~' ? octet : '?';
    }
    finish(blocklist);
}

/* RFC 5782 2.1: a TXT record beside the address may say why. */
static void ask_reason(struct mm_blocklist *blocklist)
{
    stop(blocklist);
    char name[DNSBL_NAME_MAX];
    if (dnsbl_query_name(&blocklist->peer, blocklist->listed_by, name) !=
            MAILMOD_OK ||
        mm_resolve_text(blocklist->resolver, name, on_text, blocklist,
                        &blocklist->text_query) != MAILMOD_OK) {
        finish(blocklist);
    }
}

static void on_answer(void *context, enum mailmod_error error,
                      const struct mm_netaddr *addresses, size_t count)
{
    struct zone_query *query = context;
    struct mm_blocklist *blocklist = query->blocklist;

    query->query = NULL;
    blocklist->pending--;
    if (dnsbl_judge(error, addresses, count) == DNSBL_LISTED) {
        blocklist->listed_by = query->zone;
        ask_reason(blocklist);
    } else if (blocklist->pending == 0) {
        finish(blocklist);
    }
}

static void on_late(struct mm_timer *timer)
{
    finish(MM_LIST_OBJECT(timer, struct mm_blocklist, timer));
}

static void ask(struct mm_blocklist *blocklist, const char *zone)
{
    struct zone_query *query = &blocklist->queries[blocklist->count];

    query->blocklist = blocklist;
    query->zone = zone;
    char name[DNSBL_NAME_MAX];
    if (dnsbl_query_name(&blocklist->peer, zone, name) == MAILMOD_OK &&
        mm_resolve_addresses(blocklist->resolver, name, MM_NETADDR_V4,
                             on_answer, query, &query->query) == MAILMOD_OK) {
        blocklist->count++;
        blocklist->pending++;
    }
}

struct mm_blocklist *mm_blocklist_new(struct mm_server_loop *loop,
                                      struct mm_config *config,
                                      const struct mm_netaddr *peer,
                                      void (*on_done)(void *context),
                                      void *context)
{
    const struct mm_string_list *zones = &config->dnsbl.zones;

    if (zones->count == 0 || mm_range_list_has(&config->dnsbl.exempt, peer)) {
        return NULL;
    }
    struct mm_blocklist *blocklist = mm_alloc(sizeof *blocklist);
    if (blocklist == NULL) {
        return NULL;
    }
    blocklist->peer = *peer;
    blocklist->on_done = on_done;
    blocklist->context = context;
    blocklist->resolver = loop->resolver;
    if (mm_timer_open(&blocklist->timer, loop->loop, on_late) == MAILMOD_OK) {
        for (size_t i = 0; i < zones->count && i < MM_LIMIT_DNSBL_ZONES; i++) {
            ask(blocklist, zones->items[i]);
        }
    }
    if (blocklist->pending == 0) {
        mm_blocklist_free(&blocklist);
        return NULL;
    }
    mm_timer_set(&blocklist->timer, config->dnsbl.timeout_ms);
    return blocklist;
}

void mm_blocklist_free(struct mm_blocklist **blocklist_in)
{
    struct mm_blocklist *blocklist = *blocklist_in;

    *blocklist_in = NULL;
    if (blocklist == NULL) {
        return;
    }
    stop(blocklist);
    mm_timer_close(&blocklist->timer);
    mm_free(blocklist);
}

bool mm_blocklist_is_done(const struct mm_blocklist *blocklist)
{
    return blocklist == NULL || blocklist->is_done;
}

const char *mm_blocklist_zone(const struct mm_blocklist *blocklist)
{
    return blocklist != NULL ? blocklist->listed_by : NULL;
}

const char *mm_blocklist_reason(const struct mm_blocklist *blocklist)
{
    return blocklist->reason;
}
