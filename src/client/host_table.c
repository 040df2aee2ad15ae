/* host_table.c - connections counted, shared and waited for by mail host.
 *
 * Owns the table of hosts; places are their owners'. A limit belongs to the
 * host and not to the domain: thirty domains with one MX share what it takes.
 * Promises that no more than the limit are BUSY or IDLE at once; that who waits
 * is granted in order; and that the table keeps to MM_LIMIT_KNOWN_HOSTS:
 * forgotten is a host without a connection, and then no more than whether it
 * answered.
 *
 * Law of a place: NONE -> (WAITS ->) BUSY <-> IDLE; from each to NONE.
 * Thread: loop. RFC 5321 4.5.4.1 (a connection is shared by destinations with
 * the same host). */
#include "client/host_table.h"

#include "base/limits.h"
#include "base/mem.h"

#include <string.h>

struct mm_known_host {
    struct mm_list waiting;
    struct mm_list idle;
    unsigned open;     /* BUSY and IDLE */
    unsigned refused;  /* of these */
    unsigned max;      /* as given last */
    unsigned max_seen; /* what the host showed to take; 0: not known */
    unsigned dials;
    bool has_answered;
};

enum { KEY_SIZE = 18 };

static struct mm_span write_key(const struct mm_netaddr *address,
                                char key[KEY_SIZE])
{
    memset(key, 0, KEY_SIZE);
    memcpy(key, address->bytes, address->family == MM_NETADDR_V6 ? 16 : 4);
    memcpy(key + 16, &address->port, sizeof address->port);
    return mm_span(key, KEY_SIZE);
}

void mm_host_table_init(struct mm_host_table *table, uint64_t seed)
{
    mm_map_init(&table->hosts, MM_LIMIT_KNOWN_HOSTS, seed);
}

static void free_host(void *context, struct mm_span key, void *value)
{
    (void)context;
    (void)key;
    mm_free(value);
}

void mm_host_table_fini(struct mm_host_table *table)
{
    mm_map_each(&table->hosts, free_host, NULL);
    mm_map_fini(&table->hosts);
}

static void forget_unused(void *context, struct mm_span key, void *value)
{
    struct mm_host_table *table = context;
    const struct mm_known_host *host = value;
    if (host->open == 0 && mm_list_is_empty(&host->waiting)) {
        mm_map_remove(&table->hosts, key);
        mm_free(value);
    }
}

/* NULL: no memory, or all hosts of a full table have connections. */
static struct mm_known_host *get_host(struct mm_host_table *table,
                                      const struct mm_netaddr *address)
{
    char key[KEY_SIZE];
    struct mm_span span = write_key(address, key);
    struct mm_known_host *host = mm_map_get(&table->hosts, span);
    if (host != NULL) {
        return host;
    }
    if (table->hosts.count >= MM_LIMIT_KNOWN_HOSTS) {
        mm_map_each(&table->hosts, forget_unused, table);
    }
    host = mm_alloc(sizeof *host);
    if (host == NULL) {
        return NULL;
    }
    mm_list_init(&host->waiting);
    mm_list_init(&host->idle);
    if (mm_map_put(&table->hosts, span, host) != MAILMOD_OK) {
        mm_free(host);
        return NULL;
    }
    return host;
}

static bool is_full(const struct mm_known_host *host)
{
    unsigned max = host->max_seen != 0 && host->max_seen < host->max
                       ? host->max_seen
                       : host->max;
    return host->open >= max;
}

static void occupy(struct mm_place *place)
{
    place->state = MM_PLACE_BUSY;
    place->host->open++;
    place->host->dials++;
}

void mm_place_take(struct mm_place *place, struct mm_host_table *table,
                   const struct mm_netaddr *address, unsigned max)
{
    mm_list_init(&place->node);
    place->host = get_host(table, address);
    if (place->host == NULL) {
        place->state = MM_PLACE_BUSY;
        return;
    }
    place->host->max = max;
    if (!is_full(place->host)) {
        occupy(place);
        return;
    }
    place->state = MM_PLACE_WAITS;
    mm_list_append(&place->host->waiting, &place->node);
}

static void grant_next(struct mm_known_host *host)
{
    while (!mm_list_is_empty(&host->waiting) && !is_full(host)) {
        struct mm_place *place = MM_LIST_OBJECT(
            mm_list_take_first(&host->waiting), struct mm_place, node);
        occupy(place);
        place->on_granted(place);
    }
}

static struct mm_known_host *leave_host(struct mm_place *place)
{
    struct mm_known_host *host = place->host;
    bool was_open =
        place->state == MM_PLACE_BUSY || place->state == MM_PLACE_IDLE;
    if (place->state != MM_PLACE_NONE) {
        mm_list_remove(&place->node);
    }
    place->host = NULL;
    place->state = MM_PLACE_NONE;
    if (host == NULL || !was_open) {
        return NULL;
    }
    host->open--;
    host->refused -= place->is_refused;
    place->is_refused = false;
    if (host->open == 0) {
        host->max_seen = 0;
    }
    return host;
}

void mm_place_give(struct mm_place *place)
{
    struct mm_known_host *host = leave_host(place);
    if (host != NULL) {
        grant_next(host);
    }
}

void mm_place_drop(struct mm_place *place)
{
    (void)leave_host(place);
}

void mm_place_set_idle(struct mm_place *place, bool is_idle)
{
    if (place->host == NULL || place->state == MM_PLACE_NONE ||
        place->state == MM_PLACE_WAITS) {
        return;
    }
    mm_list_remove(&place->node);
    place->state = is_idle ? MM_PLACE_IDLE : MM_PLACE_BUSY;
    if (is_idle) {
        mm_list_append(&place->host->idle, &place->node);
    }
}

void mm_place_move(struct mm_place *from, struct mm_place *to)
{
    mm_place_give(to);
    mm_place_set_idle(from, false);
    to->host = from->host;
    to->state = from->state;
    mm_list_init(&to->node);
    from->host = NULL;
    from->state = MM_PLACE_NONE;
}

static struct mm_place *
find(struct mm_list *list, bool (*fits)(void *context, struct mm_place *place),
     void *context)
{
    MM_LIST_EACH(node, list)
    {
        struct mm_place *place = MM_LIST_OBJECT(node, struct mm_place, node);
        if (fits(context, place)) {
            return place;
        }
    }
    return NULL;
}

struct mm_place *mm_place_find_idle(
    const struct mm_host_table *table, const struct mm_netaddr *address,
    bool (*fits)(void *context, struct mm_place *place), void *context)
{
    char key[KEY_SIZE];
    struct mm_known_host *host =
        mm_map_get(&table->hosts, write_key(address, key));
    return host != NULL ? find(&host->idle, fits, context) : NULL;
}

struct mm_place *mm_place_find_waiting(const struct mm_place *place,
                                       bool (*fits)(void *context,
                                                    struct mm_place *place),
                                       void *context)
{
    return place->host != NULL ? find(&place->host->waiting, fits, context)
                               : NULL;
}

void mm_place_note_answer(struct mm_place *place)
{
    if (place->host != NULL) {
        place->host->has_answered = true;
    }
}

bool mm_place_is_stranger(const struct mm_place *place)
{
    return place->host != NULL && !place->host->has_answered &&
           place->host->dials <= 1;
}

bool mm_place_note_full(struct mm_place *place)
{
    struct mm_known_host *host = place->host;
    if (host == NULL || host->open - host->refused < 2) {
        return false;
    }
    place->is_refused = true;
    host->refused++;
    host->max_seen = host->open - host->refused;
    return true;
}
