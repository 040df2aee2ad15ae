/* host_table.c - connections counted, shared and waited for by mail host.
 *
 * Owns the table of hosts and its lock; places are their owners'. A limit
 * belongs to the host and not to the domain: thirty domains with one MX share
 * what it takes, on all loops together. Promises that no more than the limit
 * are BUSY or IDLE at once; that who waits is granted in order, but for
 * MM_PLACE_PASSED_MAX who are served before on a connection that stands on
 * their loop; that no idle connection is kept from who waits; and that the
 * table keeps to MM_LIMIT_KNOWN_HOSTS: forgotten is a host without a
 * connection, and then no more than whether it answered and what it failed to
 * do.
 *
 * Law of a place: NONE -> (WAITS ->) BUSY <-> IDLE; from each to NONE. Another
 * loop leads WAITS to BUSY (a grant) and calls an IDLE one; the place stands in
 * the list of its loop then, until it is told there or does something else.
 * Thread: the places' loops; the lock guards the table, and is held during no
 * callback but `fits`. RFC 5321 4.5.4.1 (a connection is shared by destinations
 * with the same host). */
#include "client/host_table.h"

#include "base/limits.h"
#include "base/mem.h"

#include <string.h>

struct mm_known_host {
    struct mm_list waiting;
    struct mm_list idle;
    unsigned open;     /* BUSY and IDLE */
    unsigned refused;  /* of these */
    unsigned max_seen; /* what the host showed to take; 0: not known */
    unsigned dials;
    unsigned passed; /* served before the first who waits */
    bool has_answered;
    uint64_t chunks_from_ms; /* no BDAT before */
};

/* A port, and an address or a name, neither of which is like the other. */
struct key {
    char octets[2 + 1 + MM_HOST_TEXT_MAX];
};

#define MM_PLACE_PASSED_MAX 16

static struct mm_span write_key(const struct mm_endpoint *target,
                                struct key *key)
{
    const struct mm_netaddr *address = &target->address;
    struct mm_span name = mm_span_cstr(target->host);
    memcpy(key->octets, &address->port, 2);
    key->octets[2] = (char)address->family;
    if (address->family != MM_NETADDR_NONE) {
        name = mm_span((const char *)address->bytes,
                       address->family == MM_NETADDR_V6 ? 16 : 4);
    }
    size_t size = name.size < MM_HOST_TEXT_MAX ? name.size : MM_HOST_TEXT_MAX;
    memcpy(key->octets + 3, name.data, size);
    return mm_span(key->octets, 3 + size);
}

enum mailmod_error mm_host_table_init(struct mm_host_table *table,
                                      uint64_t seed)
{
    mm_map_init(&table->hosts, MM_LIMIT_KNOWN_HOSTS, seed);
    return mm_mutex_new(&table->lock);
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
    mm_mutex_free(&table->lock);
}

/* What was done to the places of this loop elsewhere. */
static void run_told(struct mm_task *task)
{
    struct mm_host_loop *at = MM_LIST_OBJECT(task, struct mm_host_loop, task);
    struct mm_list *node = NULL;
    do {
        bool is_granted = false;
        mm_mutex_lock(at->table->lock);
        node = mm_list_take_first(&at->told);
        if (node != NULL) {
            is_granted = MM_LIST_OBJECT(node, struct mm_place, node)->state ==
                         MM_PLACE_BUSY;
        } else {
            at->is_posted = false;
        }
        mm_mutex_unlock(at->table->lock);
        if (node != NULL) {
            struct mm_place *place =
                MM_LIST_OBJECT(node, struct mm_place, node);
            (is_granted ? place->on_granted : place->on_called)(place);
        }
    } while (node != NULL);
}

void mm_host_loop_init(struct mm_host_loop *at, struct mm_host_table *table,
                       struct mm_loop *loop)
{
    at->table = table;
    at->loop = loop;
    at->task.run = run_told;
    at->is_posted = false;
    mm_list_init(&at->told);
}

/* Locked, as all below but the functions of the header. */
static void tell(struct mm_place *place)
{
    struct mm_host_loop *at = place->at;
    mm_list_append(&at->told, &place->node);
    if (!at->is_posted) {
        at->is_posted = true;
        mm_loop_post(at->loop, &at->task);
    }
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
                                      const struct mm_endpoint *target)
{
    struct key key;
    struct mm_span span = write_key(target, &key);
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

/* For who takes part by this limit: ways to one host may have several. */
static bool is_full(const struct mm_known_host *host, unsigned max)
{
    if (host->max_seen != 0 && host->max_seen < max) {
        max = host->max_seen;
    }
    return host->open >= max;
}

static void occupy(struct mm_place *place)
{
    place->state = MM_PLACE_BUSY;
    place->host->open++;
    place->host->dials++;
}

/* Who cannot use what stands idle gets its room. */
static void call_idle(struct mm_known_host *host)
{
    struct mm_list *node = mm_list_take_first(&host->idle);
    if (node != NULL) {
        tell(MM_LIST_OBJECT(node, struct mm_place, node));
    }
}

static void take(struct mm_place *place, const struct mm_endpoint *target,
                 unsigned max)
{
    place->host = get_host(place->at->table, target);
    if (place->host == NULL) {
        place->state = MM_PLACE_BUSY;
        return;
    }
    place->max = max;
    if (!is_full(place->host, max)) {
        occupy(place);
        return;
    }
    place->state = MM_PLACE_WAITS;
    mm_list_append(&place->host->waiting, &place->node);
    call_idle(place->host);
}

bool mm_place_take(struct mm_place *place, struct mm_host_loop *at,
                   const struct mm_endpoint *target, unsigned max)
{
    mm_list_init(&place->node);
    place->at = at;
    place->has_answered = false;
    mm_mutex_lock(at->table->lock);
    take(place, target, max);
    bool is_busy = place->state == MM_PLACE_BUSY;
    mm_mutex_unlock(at->table->lock);
    return is_busy;
}

static struct mm_place *first_waiting(struct mm_known_host *host)
{
    struct mm_list *node = mm_list_first(&host->waiting);
    return node != NULL ? MM_LIST_OBJECT(node, struct mm_place, node) : NULL;
}

static void grant_next(struct mm_known_host *host)
{
    struct mm_place *place = first_waiting(host);
    for (; place != NULL && !is_full(host, place->max);
         place = first_waiting(host)) {
        mm_list_remove(&place->node);
        host->passed = 0;
        occupy(place);
        tell(place);
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
    return host;
}

/* What the host showed to take holds while a connection to it stands, and for
 * who is granted the place of one that it answered on. */
static void give(struct mm_place *place)
{
    struct mm_known_host *host = leave_host(place);
    if (host == NULL) {
        return;
    }
    if (host->open == 0 && !place->has_answered) {
        host->max_seen = 0;
    }
    grant_next(host);
    if (host->open == 0) {
        host->max_seen = 0;
    }
}

void mm_place_give(struct mm_place *place)
{
    if (place->at != NULL) {
        mm_mutex_lock(place->at->table->lock);
        give(place);
        mm_mutex_unlock(place->at->table->lock);
    }
}

void mm_place_drop(struct mm_place *place)
{
    if (place->at != NULL) {
        mm_mutex_lock(place->at->table->lock);
        (void)leave_host(place);
        mm_mutex_unlock(place->at->table->lock);
    }
}

static void set_idle(struct mm_place *place, bool is_idle)
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
    if (is_idle && !mm_list_is_empty(&place->host->waiting)) {
        call_idle(place->host); /* who came since the look */
    }
}

void mm_place_set_idle(struct mm_place *place, bool is_idle)
{
    if (place->at != NULL) {
        mm_mutex_lock(place->at->table->lock);
        set_idle(place, is_idle);
        mm_mutex_unlock(place->at->table->lock);
    }
}

void mm_place_move(struct mm_place *from, struct mm_place *to)
{
    if (from->at == NULL) {
        return;
    }
    mm_mutex_lock(from->at->table->lock);
    give(to);
    set_idle(from, false);
    to->at = from->at;
    to->host = from->host;
    to->state = from->state;
    to->has_answered = from->has_answered;
    mm_list_init(&to->node);
    from->host = NULL;
    from->state = MM_PLACE_NONE;
    mm_mutex_unlock(from->at->table->lock);
}

static struct mm_place *
find(struct mm_list *list, const struct mm_host_loop *at,
     bool (*fits)(void *context, struct mm_place *place), void *context)
{
    MM_LIST_EACH(node, list)
    {
        struct mm_place *place = MM_LIST_OBJECT(node, struct mm_place, node);
        if (place->at == at && fits(context, place)) {
            return place;
        }
    }
    return NULL;
}

struct mm_place *
mm_place_find_idle(struct mm_host_loop *at, const struct mm_endpoint *target,
                   bool (*fits)(void *context, struct mm_place *place),
                   void *context)
{
    struct key key;
    mm_mutex_lock(at->table->lock);
    struct mm_known_host *host =
        mm_map_get(&at->table->hosts, write_key(target, &key));
    struct mm_place *found =
        host != NULL ? find(&host->idle, at, fits, context) : NULL;
    mm_mutex_unlock(at->table->lock);
    return found;
}

/* Who is behind others of the line may pass them a number of times. */
static bool may_pass(struct mm_known_host *host, const struct mm_place *place)
{
    if (mm_list_first(&host->waiting) == &place->node) {
        host->passed = 0;
        return true;
    }
    return host->passed++ < MM_PLACE_PASSED_MAX;
}

struct mm_place *mm_place_find_waiting(struct mm_place *place,
                                       bool (*fits)(void *context,
                                                    struct mm_place *place),
                                       void *context, bool *yields_out)
{
    struct mm_known_host *host = place->host;
    *yields_out = false;
    if (host == NULL) {
        return NULL;
    }
    mm_mutex_lock(place->at->table->lock);
    struct mm_place *found = find(&host->waiting, place->at, fits, context);
    if (found != NULL && !may_pass(host, found)) {
        found = NULL;
    }
    *yields_out = found == NULL && !mm_list_is_empty(&host->waiting);
    mm_mutex_unlock(place->at->table->lock);
    return found;
}

void mm_place_note_answer(struct mm_place *place)
{
    if (place->host != NULL && !place->has_answered) {
        place->has_answered = true;
        mm_mutex_lock(place->at->table->lock);
        place->host->has_answered = true;
        mm_mutex_unlock(place->at->table->lock);
    }
}

void mm_place_note_no_chunks(struct mm_place *place, uint64_t until_ms)
{
    if (place->host != NULL) {
        mm_mutex_lock(place->at->table->lock);
        place->host->chunks_from_ms = until_ms;
        mm_mutex_unlock(place->at->table->lock);
    }
}

bool mm_place_takes_chunks(const struct mm_place *place, uint64_t now_ms)
{
    if (place->host == NULL) {
        return true;
    }
    mm_mutex_lock(place->at->table->lock);
    bool takes = now_ms >= place->host->chunks_from_ms;
    mm_mutex_unlock(place->at->table->lock);
    return takes;
}

bool mm_place_is_stranger(const struct mm_place *place)
{
    if (place->host == NULL) {
        return false;
    }
    mm_mutex_lock(place->at->table->lock);
    bool is_stranger = !place->host->has_answered && place->host->dials <= 1;
    mm_mutex_unlock(place->at->table->lock);
    return is_stranger;
}

bool mm_place_note_full(struct mm_place *place)
{
    struct mm_known_host *host = place->host;
    if (host == NULL) {
        return false;
    }
    mm_mutex_lock(place->at->table->lock);
    bool is_full = host->open - host->refused >= 2;
    if (is_full) {
        place->is_refused = true;
        host->refused++;
        host->max_seen = host->open - host->refused;
    }
    mm_mutex_unlock(place->at->table->lock);
    return is_full;
}
