/* blocklist.c - the lists of dnsbl.zones and one peer.
 *
 * Owns a loop's lists (dnsbl/), made by the first question under a
 * configuration or a set of rules and kept as long as that is the present one
 * or a question uses them; and for each question its time. Promises: nothing
 * waits for longer than dnsbl.timeout; a list that was switched off, or on
 * again, is told in the log by its label. Thread: the session's loop. RFC 5782.
 */
#include "server/blocklist.h"

#include "base/mem.h"
#include "dnsbl/dnsbl.h"
#include "platform/random.h"
#include "server/server_internal.h"

struct mm_blocklists {
    struct dnsbl *lists;
    struct mm_server_loop *loop;
    struct mm_config *config; /* a reference: what they were made from */
    struct mm_rules *rules;   /* likewise; NULL: dnsbl.zones */
    const struct mm_string_list *zones;
    unsigned users;
    bool is_left; /* the loop has others */
};

struct mm_blocklist {
    struct mm_blocklists *lists;
    struct dnsbl_check *check;
    struct mm_timer timer;
    void (*on_done)(void *context);
    void *context;
};

static enum mailmod_error ask_addresses(void *names_context, const char *name,
                                        dnsbl_on_addresses *on_addresses,
                                        void *context, void **query_out)
{
    const struct mm_blocklists *lists = names_context;
    struct mm_query *query;
    enum mailmod_error error =
        mm_resolve_addresses(lists->loop->resolver, name, MM_NETADDR_V4,
                             on_addresses, context, &query);
    *query_out = error == MAILMOD_OK ? query : NULL;
    return error;
}

static enum mailmod_error ask_text(void *names_context, const char *name,
                                   dnsbl_on_text *on_text, void *context,
                                   void **query_out)
{
    const struct mm_blocklists *lists = names_context;
    struct mm_query *query;
    enum mailmod_error error =
        mm_resolve_text(lists->loop->resolver, name, on_text, context, &query);
    *query_out = error == MAILMOD_OK ? query : NULL;
    return error;
}

static void cancel(void *names_context, void *query)
{
    struct mm_query *cancelled = query;
    (void)names_context;
    mm_query_cancel(&cancelled);
}

static uint64_t now_ms(void *names_context)
{
    const struct mm_blocklists *lists = names_context;
    return mm_loop_now_ms(lists->loop->loop);
}

static const char *words_of(enum dnsbl_health health)
{
    switch (health) {
    case DNSBL_SILENT:
        return "does not answer its test";
    case DNSBL_EMPTY:
        return "has no entry for its test: closed, or no block list";
    case DNSBL_LYING:
        return "lists everybody";
    case DNSBL_UNTESTED:
    case DNSBL_GOOD:
        break;
    }
    return "passes its test";
}

static void tell(void *names_context, const char *label, bool is_v6,
                 enum dnsbl_health health)
{
    const struct mm_blocklists *lists = names_context;
    bool is_good = health == DNSBL_GOOD;
    MM_LOG(lists->loop->server->options.log,
           is_good ? MM_LOG_INFO : MM_LOG_WARNING, "dnsbl",
           is_good ? "list is on again" : "list is off", MM_TEXT("list", label),
           MM_TEXT("family", is_v6 ? "IPv6" : "IPv4"),
           MM_TEXT("reason", words_of(health)));
}

void mm_blocklists_free(struct mm_blocklists **lists_in)
{
    struct mm_blocklists *lists = *lists_in;
    *lists_in = NULL;
    if (lists == NULL) {
        return;
    }
    dnsbl_free(&lists->lists);
    mm_rules_unref(&lists->rules);
    mm_config_unref(&lists->config);
    mm_free(lists);
}

static enum mailmod_error fill(struct mm_blocklists *lists)
{
    const struct mm_config *config = lists->config;
    const struct dnsbl_names names = {.context = lists,
                                      .ask_addresses = ask_addresses,
                                      .ask_text = ask_text,
                                      .cancel = cancel,
                                      .now_ms = now_ms,
                                      .tell = tell};
    bool is_of_rules = lists->rules != NULL;
    struct dnsbl_options options = {
        .threshold = is_of_rules ? 1 : (int)config->dnsbl.threshold,
        .tests = config->dnsbl.self_test,
        .wants_labels =
            !is_of_rules && config->dnsbl.action == MM_CONFIG_DNSBL_TAG,
        .cache_ms = config->dnsbl.cache_ms};
    enum mailmod_error error = mm_random(options.seed, sizeof options.seed);
    if (error == MAILMOD_OK) {
        error = dnsbl_new(&lists->lists, &names, &options);
    }
    for (size_t i = 0; error == MAILMOD_OK && i < lists->zones->count; i++) {
        error = dnsbl_add(lists->lists, mm_span_cstr(lists->zones->items[i]));
    }
    return error;
}

static const struct mm_string_list *
zones_of(const struct mm_config *config, const struct mm_zone_source *source)
{
    return source != NULL ? mm_rules_zones(source->rules, source->list)
                          : &config->dnsbl.zones;
}

static struct mm_blocklists *new_lists(struct mm_server_loop *loop,
                                       struct mm_config *config,
                                       const struct mm_zone_source *source)
{
    struct mm_blocklists *lists = mm_alloc(sizeof *lists);
    if (lists == NULL) {
        return NULL;
    }
    lists->loop = loop;
    lists->config = mm_config_ref(config);
    lists->rules = source != NULL ? mm_rules_ref(source->rules) : NULL;
    lists->zones = zones_of(config, source);
    if (fill(lists) != MAILMOD_OK) {
        mm_blocklists_free(&lists);
    }
    return lists;
}

static struct mm_blocklists *use_lists(struct mm_server_loop *loop,
                                       struct mm_config *config,
                                       const struct mm_zone_source *source)
{
    struct mm_blocklists **place =
        &loop->blocklists[source != NULL ? 1 + source->list : 0];
    const struct mm_rules *rules = source != NULL ? source->rules : NULL;
    struct mm_blocklists *lists = *place;
    if (lists == NULL || lists->config != config || lists->rules != rules) {
        lists = new_lists(loop, config, source);
        if (lists == NULL) {
            return NULL;
        }
        if (*place != NULL && (*place)->users == 0) {
            mm_blocklists_free(place);
        } else if (*place != NULL) {
            (*place)->is_left = true;
        }
        *place = lists;
    }
    lists->users++;
    return lists;
}

static void let_lists(struct mm_blocklists *lists)
{
    if (--lists->users == 0 && lists->is_left) {
        mm_blocklists_free(&lists);
    }
}

static void on_late(struct mm_timer *timer)
{
    dnsbl_check_end(MM_LIST_OBJECT(timer, struct mm_blocklist, timer)->check);
}

static void on_check(void *context)
{
    struct mm_blocklist *blocklist = context;
    mm_timer_cancel(&blocklist->timer);
    blocklist->on_done(blocklist->context);
}

static bool begin(struct mm_blocklist *blocklist, const struct mm_netaddr *peer)
{
    const struct mm_config *config = blocklist->lists->config;
    if (mm_timer_open(&blocklist->timer, blocklist->lists->loop->loop,
                      on_late) != MAILMOD_OK ||
        dnsbl_check_begin(&blocklist->check, blocklist->lists->lists, peer,
                          on_check, blocklist) != MAILMOD_OK) {
        return false;
    }
    if (!dnsbl_check_is_done(blocklist->check)) {
        mm_timer_set(&blocklist->timer, config->dnsbl.timeout_ms);
    }
    return true;
}

struct mm_blocklist *mm_blocklist_new(struct mm_server_loop *loop,
                                      struct mm_config *config,
                                      const struct mm_zone_source *source,
                                      const struct mm_netaddr *peer,
                                      void (*on_done)(void *context),
                                      void *context)
{
    if (zones_of(config, source)->count == 0) {
        return NULL;
    }
    struct mm_blocklist *blocklist = mm_alloc(sizeof *blocklist);
    if (blocklist == NULL) {
        return NULL;
    }
    blocklist->on_done = on_done;
    blocklist->context = context;
    blocklist->lists = use_lists(loop, config, source);
    if (blocklist->lists == NULL || !begin(blocklist, peer)) {
        mm_blocklist_free(&blocklist);
    }
    return blocklist;
}

void mm_blocklist_free(struct mm_blocklist **blocklist_in)
{
    struct mm_blocklist *blocklist = *blocklist_in;
    *blocklist_in = NULL;
    if (blocklist == NULL) {
        return;
    }
    dnsbl_check_free(&blocklist->check);
    mm_timer_close(&blocklist->timer);
    if (blocklist->lists != NULL) {
        let_lists(blocklist->lists);
    }
    mm_free(blocklist);
}

bool mm_blocklist_is_done(const struct mm_blocklist *blocklist)
{
    return blocklist == NULL || dnsbl_check_is_done(blocklist->check);
}

const char *mm_blocklist_zone(const struct mm_blocklist *blocklist)
{
    return blocklist != NULL ? dnsbl_check_label(blocklist->check) : NULL;
}

const char *mm_blocklist_reason(const struct mm_blocklist *blocklist)
{
    return dnsbl_check_reason(blocklist->check);
}

const char *mm_blocklist_label(const struct mm_blocklist *blocklist,
                               size_t index)
{
    return dnsbl_check_label_at(blocklist->check, index);
}
