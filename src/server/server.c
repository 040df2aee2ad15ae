/* server.c - the registry of sessions.
 *
 * Owns: the present settings snapshot, the counts of sessions. Lists of
 * sessions belong to their loops and are touched only there; everything that
 * threads share stands behind one mutex, held for a few instructions.
 * Promises: after mm_server_stop no session begins; every session that began
 * ends through its loop.
 * Thread: any; `stop_loop` and `cut_loop` run on their loop. */
#include "server/server_internal.h"

#include "base/limits.h"
#include "base/mem.h"
#include "platform/random.h"

#include <string.h>

/* A service of which fewer places than one in so many are free is crowded. */
#define CROWD_DIVISOR 4

/* Addresses that the counts can hold at once; as many as sessions. */
static size_t addresses_max(unsigned connections_max)
{
    return (size_t)connections_max + 1;
}

/* The maxima are the protocol's; the counts are the service's own. */
static unsigned connections_max(const struct mm_config *config,
                                enum mm_service service)
{
    return mm_session_protocol_of(service)->limits(config).connections_max;
}

/* The maxima are the configuration's; the counts of a smaller one stand until
 * the sessions that are too many end. */
static void set_limits(struct mm_server *server, const struct mm_config *config)
{
    for (int i = 0; i < MM_SERVICE_COUNT; i++) {
        mm_limits_set_max(&server->limits[i], addresses_max(connections_max(
                                                  config, (enum mm_service)i)));
    }
    mm_checks_set_max(&server->checks, config->logins.checks_max);
    mm_login_cache_set_time(&server->login_cache, config->logins.cache_ms,
                            mm_loop_now_ms(server->options.loops[0]));
}

/* Locked. */
static size_t session_count(const struct mm_server *server)
{
    size_t count = 0;

    for (int i = 0; i < MM_SERVICE_COUNT; i++) {
        count += server->limits[i].total + server->proxied[i];
    }
    return count;
}

/* Locked. */
static void note_crowd(struct mm_server *server, enum mm_service service)
{
    size_t max = connections_max(server->settings->config, service);
    size_t total = server->limits[service].total;

    atomic_store(&server->is_crowded[service],
                 total > max / CROWD_DIVISOR * (CROWD_DIVISOR - 1));
}

static void stop_loop(struct mm_task *task)
{
    struct mm_server_loop *server_loop =
        MM_LIST_OBJECT(task, struct mm_server_loop, stop_task);
    struct mm_server *server = server_loop->server;

    mm_mutex_lock(server->mutex);
    unsigned rounds[MM_SERVICE_COUNT];
    memcpy(rounds, server->rounds, sizeof rounds);
    server_loop->has_stop_task = false;
    mm_mutex_unlock(server->mutex);
    mm_proxied_stop(server_loop, rounds);
    MM_LIST_EACH(node, &server_loop->sessions)
    {
        struct mm_session *session =
            MM_LIST_OBJECT(node, struct mm_session, node);

        if (session->round != rounds[session->service]) {
            mm_session_stop(session);
        }
    }
}

static void cut_loop(struct mm_task *task)
{
    struct mm_server_loop *server_loop =
        MM_LIST_OBJECT(task, struct mm_server_loop, cut_task);

    MM_LIST_EACH(node, &server_loop->sessions)
    {
        mm_session_abort(MM_LIST_OBJECT(node, struct mm_session, node));
    }
}

static enum mailmod_error init_loops(struct mm_server *server,
                                     const struct mm_server_options *options)
{
    enum mailmod_error error = MAILMOD_OK;

    server->loops = mm_alloc_array(options->loop_count, sizeof *server->loops);
    if (server->loops == NULL) {
        return MAILMOD_ERROR_MEMORY;
    }
    for (size_t i = 0; i < options->loop_count; i++) {
        server->loops[i].server = server;
        server->loops[i].loop = options->loops[i];
        server->loops[i].resolver = options->resolvers[i];
        mm_list_init(&server->loops[i].sessions);
        mm_list_init(&server->loops[i].proxied);
        server->loops[i].stop_task.run = stop_loop;
        server->loops[i].cut_task.run = cut_loop;
        error =
            error == MAILMOD_OK ? mm_admission_open(&server->loops[i]) : error;
    }
    return error;
}

static enum mailmod_error init_server(struct mm_server *server,
                                      const struct mm_server_options *options)
{
    const struct mm_config *config = options->settings->config;
    uint64_t seeds[7 + MM_SERVICE_COUNT];
    enum mailmod_error error = mm_random(seeds, sizeof seeds);

    if (error != MAILMOD_OK) {
        return error;
    }
    mm_budget_init(&server->ahead_memory, MM_LIMIT_AHEAD_ALL);
    server->next_number = seeds[0];
    for (int i = 0; i < MM_SERVICE_COUNT; i++) {
        mm_limits_init(
            &server->limits[i],
            addresses_max(connections_max(config, (enum mm_service)i)),
            seeds[1 + i]);
    }
    const uint64_t *more = seeds + 1 + MM_SERVICE_COUNT;
    enum mailmod_error errors[] = {
        mm_networks_init(&server->networks, more[0]),
        mm_checks_init(&server->checks, more[1]),
        mm_rates_init(&server->rates, more[2]),
        mm_login_times_new(&server->login_times, more[3]),
        mm_lists_init(&server->lists, options->log),
        mm_content_init(&server->content, options->log),
        mm_traps_init(&server->traps, more[4], options->log),
        mm_login_cache_init(&server->login_cache, more[5])};
    for (size_t i = 0; i < sizeof errors / sizeof errors[0]; i++) {
        error = error == MAILMOD_OK ? errors[i] : error;
    }
    if (error != MAILMOD_OK) {
        return error;
    }
    mm_bans_init(&server->bans, &server->networks, options->log);
    set_limits(server, config);
    mm_lists_set_config(&server->lists, options->settings->config);
    mm_content_set_config(&server->content, options->settings->config);
    mm_traps_set_config(&server->traps, options->settings->config);
    error = init_loops(server, options);
    if (error == MAILMOD_OK) {
        error = mm_deleted_mail_new(&server->deleted_mail, server);
    }
    if (error == MAILMOD_OK) {
        error = mm_mutex_new(&server->mutex);
    }
    return error == MAILMOD_OK ? mm_mutex_new(&server->listening) : error;
}

enum mailmod_error mm_server_new(struct mm_server **server_out,
                                 const struct mm_server_options *options)
{
    struct mm_server *server = mm_alloc(sizeof *server);

    *server_out = NULL;
    if (server == NULL) {
        return MAILMOD_ERROR_MEMORY;
    }
    server->options = *options;
    server->settings = mm_settings_ref(options->settings);
    mm_list_init(&server->listeners);
    atomic_init(&server->moments, options->hooks.moments);
    enum mailmod_error error = init_server(server, options);
    if (error != MAILMOD_OK) {
        mm_server_free(&server);
        return error;
    }
    *server_out = server;
    return MAILMOD_OK;
}

void mm_server_free(struct mm_server **server_in)
{
    struct mm_server *server = *server_in;

    *server_in = NULL;
    if (server == NULL) {
        return;
    }
    mm_server_close_listeners(server);
    mm_deleted_mail_free(&server->deleted_mail);
    mm_settings_unref(&server->settings);
    mm_mutex_free(&server->mutex);
    mm_mutex_free(&server->listening);
    for (int i = 0; i < MM_SERVICE_COUNT; i++) {
        mm_limits_fini(&server->limits[i]);
    }
    mm_networks_fini(&server->networks);
    mm_checks_fini(&server->checks);
    mm_rates_fini(&server->rates);
    mm_lists_fini(&server->lists);
    mm_content_fini(&server->content);
    mm_traps_fini(&server->traps);
    mm_login_cache_fini(&server->login_cache);
    for (size_t i = 0; server->loops != NULL && i < server->options.loop_count;
         i++) {
        for (size_t j = 0; j < MM_BLOCKLISTS_MAX; j++) {
            mm_blocklists_free(&server->loops[i].blocklists[j]);
        }
        mm_admission_close(&server->loops[i]);
    }
    mm_login_times_free(&server->login_times);
    mm_free(server->loops);
    mm_free(server);
}

void mm_server_attach(struct mm_server *server, struct mm_store *store,
                      struct mm_workers *workers)
{
    server->store = store;
    server->workers = workers;
    server->checks.workers = workers;
    mm_apop_init(&server->apop, store, workers);
    mm_lists_attach(&server->lists, store, workers);
    mm_content_attach(&server->content, workers);
    mm_traps_attach(&server->traps, store, workers);
    mm_bans_attach(&server->bans, store, workers);
    server->greylist.store = store;
    server->greylist.log = server->options.log;
    mm_deleted_mail_attach(server->deleted_mail);
}

void mm_server_set_settings(struct mm_server *server,
                            struct mm_settings *settings)
{
    mm_mutex_lock(server->mutex);
    struct mm_settings *former = server->settings;
    server->settings = mm_settings_ref(settings);
    set_limits(server, settings->config);
    mm_mutex_unlock(server->mutex);
    mm_lists_set_config(&server->lists, settings->config);
    mm_content_set_config(&server->content, settings->config);
    mm_traps_set_config(&server->traps, settings->config);
    mm_settings_unref(&former);
}

void mm_server_set_moments(struct mm_server *server, unsigned moments)
{
    atomic_store(&server->moments, moments);
}

void mm_server_end_round(struct mm_server *server, enum mm_service service)
{
    mm_mutex_lock(server->mutex);
    server->rounds[service]++;
    size_t sessions = session_count(server);
    for (size_t i = 0; i < server->options.loop_count; i++) {
        struct mm_server_loop *server_loop = &server->loops[i];

        if (sessions > 0 && !server_loop->has_stop_task) {
            server_loop->has_stop_task = true;
            mm_loop_post(server_loop->loop, &server_loop->stop_task);
        }
    }
    mm_mutex_unlock(server->mutex);
}

void mm_server_stop(struct mm_server *server)
{
    mm_mutex_lock(server->mutex);
    bool is_first = !server->is_stopped;
    server->is_stopped = true;
    mm_mutex_unlock(server->mutex);
    if (!is_first) {
        return;
    }
    mm_server_close_listeners(server);
    for (int service = 0; service < MM_SERVICE_COUNT; service++) {
        mm_server_end_round(server, (enum mm_service)service);
    }
}

size_t mm_server_busy(struct mm_server *server)
{
    mm_mutex_lock(server->mutex);
    size_t count = session_count(server);
    mm_mutex_unlock(server->mutex);
    return count;
}

void mm_server_cut(struct mm_server *server)
{
    mm_mutex_lock(server->mutex);
    bool is_first = !server->is_cut;
    server->is_cut = true;
    mm_mutex_unlock(server->mutex);
    if (!is_first) {
        return; /* a task is posted once */
    }
    for (size_t i = 0; i < server->options.loop_count; i++) {
        mm_loop_post(server->loops[i].loop, &server->loops[i].cut_task);
    }
}

static enum mm_limits_entry count_in(struct mm_server *server,
                                     struct mm_session *session)
{
    enum mm_service service = session->service;
    const struct mm_session_limits limits =
        mm_session_protocol_of(service)->limits(server->settings->config);
    const struct mm_limits_max max = {
        .total = limits.connections_max,
        .address = limits.connections_per_address_max,
        .network = limits.connections_per_network_max};
    enum mm_limits_entry entry =
        mm_limits_enter(&server->limits[service], &session->peer, &max);

    session->had_network = max.network > 0;
    note_crowd(server, service);
    return entry;
}

enum mm_limits_entry mm_server_enter(struct mm_session *session)
{
    struct mm_server *server = session->server;
    enum mm_limits_entry entry = MM_LIMITS_FULL;
    uint64_t number = 0;

    mm_mutex_lock(server->mutex);
    if (!server->is_stopped) {
        entry = count_in(server, session);
    }
    if (entry == MM_LIMITS_IN) {
        session->settings = mm_settings_ref(server->settings);
        session->round = server->rounds[session->service];
        number = server->next_number++;
    }
    mm_mutex_unlock(server->mutex);
    session->number = number;
    mm_hex_number(number, session->identifier);
    return entry;
}

bool mm_server_is_proxy(struct mm_server *server, const struct mm_netaddr *peer)
{
    mm_mutex_lock(server->mutex);
    bool is_proxy =
        mm_range_list_has(&server->settings->config->proxy_from, peer);
    mm_mutex_unlock(server->mutex);
    return is_proxy;
}

bool mm_server_enter_proxied(struct mm_server *server, enum mm_service service,
                             unsigned *round_out, uint64_t *timeout_ms_out)
{
    mm_mutex_lock(server->mutex);
    const struct mm_config *config = server->settings->config;
    bool is_in = !server->is_stopped &&
                 server->proxied[service] < connections_max(config, service);
    if (is_in) {
        server->proxied[service]++;
    }
    *round_out = server->rounds[service];
    *timeout_ms_out = config->proxy_ms;
    mm_mutex_unlock(server->mutex);
    return is_in;
}

void mm_server_leave_proxied(struct mm_server *server, enum mm_service service)
{
    mm_mutex_lock(server->mutex);
    server->proxied[service]--;
    mm_mutex_unlock(server->mutex);
}

void mm_server_leave(struct mm_session *session)
{
    struct mm_server *server = session->server;

    mm_mutex_lock(server->mutex);
    mm_limits_leave(&server->limits[session->service], &session->peer,
                    session->had_network);
    note_crowd(server, session->service);
    mm_mutex_unlock(server->mutex);
}

struct mm_server_loop *mm_server_loop(struct mm_server *server,
                                      const struct mm_loop *loop)
{
    size_t i = 0;

    while (i + 1 < server->options.loop_count &&
           server->loops[i].loop != loop) {
        i++;
    }
    return &server->loops[i];
}
