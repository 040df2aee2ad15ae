/* delivery.c - the way of one delivery: hop after hop, host after host.
 *
 * Owns the route, the place at the host and, while it lasts, the batch with its
 * outcomes; the connection of the hop that is tried now is hop.c's. Promises:
 * each recipient gets exactly one outcome; next addresses and hosts are tried
 * for what has no final word, also for what a host put off (4xx), but never for
 * what may have been taken; a connection that stands idle is handed over to who
 * waits for its host; and a delivery ends (on_gone) only when its connection
 * and its job are gone.
 * Thread: loop. RFC 5321 4.5.4.1, 5.1 (all addresses are tried). */
#include "client/delivery_internal.h"

#include "base/mem.h"
#include "crypto/crypto.h"

#include <string.h>

static void next_hop(struct mm_delivery *delivery);

static void run_gone(struct mm_task *task)
{
    struct mm_delivery *delivery =
        MM_LIST_OBJECT(task, struct mm_delivery, gone_task);
    delivery->options.handler->on_gone(delivery->options.context);
}

/* From a clean stack: whoever called may still use the delivery. */
static void end_delivery(struct mm_delivery *delivery)
{
    if (delivery->stage != MM_DELIVERY_GONE) {
        mm_route_free(&delivery->route);
        mm_dialler_stop(&delivery->dialler);
        mm_timer_cancel(&delivery->timer);
        delivery->stage = MM_DELIVERY_GONE;
    }
    if (delivery->conn == NULL) {
        mm_place_give(&delivery->place);
    }
    if (delivery->conn == NULL && delivery->work == MM_WORK_NONE) {
        mm_loop_post(delivery->options.loop, &delivery->gone_task);
    }
}

/* All is said; what was not heard gets the reason of the last hop. */
static void end_batch(struct mm_delivery *delivery,
                      const struct mq_outcome *dead_end)
{
    mm_delivery_conclude(delivery,
                         delivery->has_failure ? &delivery->failure : dead_end);
    mm_delivery_hand_back(delivery);
    end_delivery(delivery);
}

static void log_failure(const struct mm_delivery *delivery)
{
    char address[MM_NETADDR_TEXT_MAX] = "";
    if (delivery->hop.address.family != MM_NETADDR_NONE) {
        mm_netaddr_format(&delivery->hop.address, address);
    }
    MM_LOG(delivery->options.log, MM_LOG_INFO, "delivery", "host failed",
           MM_TEXT("destination", delivery->destination),
           MM_TEXT("host", delivery->hop.host), MM_TEXT("peer", address),
           MM_TEXT("dsn", delivery->failure.status),
           MM_TEXT("reply", delivery->failure.reply));
}

static void reach(struct mm_delivery *delivery);
static void begin_route(struct mm_delivery *delivery);

/* The connection is gone, and the worker has nothing of ours. */
static void go_on(struct mm_delivery *delivery)
{
    if (delivery->stage == MM_DELIVERY_GONE) {
        end_delivery(delivery);
        return;
    }
    if (delivery->batch == NULL || delivery->after == MM_AFTER_GONE) {
        mm_delivery_hand_back(delivery);
        end_delivery(delivery);
        return;
    }
    if (delivery->after == MM_AFTER_RESTART) {
        delivery->has_failure = false;
        begin_route(delivery);
        return;
    }
    log_failure(delivery);
    if (delivery->after == MM_AFTER_NEXT_HOP) {
        next_hop(delivery);
        return;
    }
    if (delivery->after == MM_AFTER_UNVERIFIED) {
        delivery->tls = MM_TLS_UNVERIFIED;
    } else if (delivery->after == MM_AFTER_PLAIN) {
        delivery->tls = MM_TLS_NONE;
    }
    reach(delivery);
}

/* What one may send over it the other may send as well: the same settings, the
 * same login. */
static bool is_same_way(const struct mm_delivery *a,
                        const struct mm_delivery *b)
{
    const struct mm_relay *x = &a->options.relay;
    const struct mm_relay *y = &b->options.relay;
    bool is_relay = mm_relay_is_set(x);
    /* A relay's own name is its certificate's; the place is the address's. */
    bool is_same_host =
        is_relay == mm_relay_is_set(y) &&
        (!is_relay || (strcmp(a->hop.host, b->hop.host) == 0 &&
                       strcmp(a->hop.tls_name, b->hop.tls_name) == 0));
    return a->settings == b->settings && a->hop.proxy == b->hop.proxy &&
           is_same_host && mm_relay_is_like(x, y);
}

static struct mm_delivery *delivery_of(struct mm_place *place)
{
    return MM_LIST_OBJECT(place, struct mm_delivery, place);
}

static bool fits(void *context, struct mm_place *place)
{
    return is_same_way(context, delivery_of(place));
}

/* `from` is idle and ends; its connection carries on for `to`. */
static void adopt(struct mm_delivery *to, struct mm_delivery *from)
{
    mm_place_move(&from->place, &to->place);
    mm_hop_take_over(to, from);
    end_delivery(from);
    to->is_reused = true;
    to->is_decided = false;
    to->has_failure = false;
    to->stage = MM_DELIVERY_TALKING;
    mm_delivery_note(to, MAILMOD_IN_DIALOG);
    mm_hop_pump(to);
}

static void dial(struct mm_delivery *delivery)
{
    if (mm_hop_dial(delivery) != MAILMOD_OK) {
        log_failure(delivery);
        next_hop(delivery);
    }
}

static void on_granted(struct mm_place *place)
{
    dial(delivery_of(place));
}

/* Idle, and wanted by somebody who cannot use this connection. */
static void on_called(struct mm_place *place)
{
    mm_delivery_quit(delivery_of(place));
}

/* A connection to the hop's host: one that stands idle, a new one, or the next
 * that comes free. */
static void reach(struct mm_delivery *delivery)
{
    const struct mm_endpoint target = mm_route_hop_endpoint(&delivery->hop);
    struct mm_place *idle =
        mm_place_find_idle(delivery->options.hosts, &target, fits, delivery);
    if (idle != NULL && delivery->tls == MM_TLS_AS_SET) {
        adopt(delivery, delivery_of(idle));
        return;
    }
    delivery->stage = MM_DELIVERY_WAITING;
    unsigned max = mm_config_connections_for(delivery->config,
                                             delivery->options.relay.route);
    if (mm_place_take(&delivery->place, delivery->options.hosts, &target,
                      max)) {
        dial(delivery);
    }
}

/* A message is settled and the connection stands: it is for who waits for the
 * host, or for the owner. */
static void rest(struct mm_delivery *delivery)
{
    bool yields = false;
    struct mm_place *waiting =
        mm_place_find_waiting(&delivery->place, fits, delivery, &yields);
    if (waiting != NULL && !delivery->quits) {
        adopt(delivery_of(waiting), delivery);
        return;
    }
    if (yields) {
        mm_delivery_quit(delivery);
        return;
    }
    mm_place_set_idle(&delivery->place, true);
    delivery->options.handler->on_idle(delivery->options.context);
}

static void on_hop(void *context, const struct mm_route_hop *hop,
                   const struct mq_outcome *dead_end)
{
    struct mm_delivery *delivery = context;
    if (hop == NULL) {
        end_batch(delivery, dead_end);
        return;
    }
    delivery->hop = *hop;
    delivery->tls = MM_TLS_AS_SET;
    reach(delivery);
}

static void next_hop(struct mm_delivery *delivery)
{
    delivery->stage = MM_DELIVERY_ROUTING;
    mm_delivery_note(delivery, MAILMOD_FINDING_HOST);
    mm_route_next(delivery->route);
}

/* Octets that nobody can foretell and that never come twice. */
static void draw(const struct mm_delivery *delivery,
                 uint8_t bytes_out[MM_SHA256_SIZE])
{
    uint64_t number = mm_store_new_message_id(delivery->options.store);
    if (mm_hmac_sha256(
            mm_span((const char *)delivery->options.secret, MM_SHA256_SIZE),
            mm_span((const char *)&number, sizeof number),
            bytes_out) != MAILMOD_OK) {
        memset(bytes_out, 0, MM_SHA256_SIZE);
        memcpy(bytes_out, &number, sizeof number);
    }
}

static void begin_route(struct mm_delivery *delivery)
{
    struct mm_route_options options = {.resolver = delivery->options.resolver,
                                       .config = delivery->config,
                                       .relay = delivery->options.relay,
                                       .destination = delivery->destination,
                                       .first_host =
                                           mm_delivery_unsure_host(delivery),
                                       .on_hop = on_hop,
                                       .context = delivery};
    uint8_t random[MM_SHA256_SIZE];
    draw(delivery, random);
    memcpy(&options.seed, random, sizeof options.seed);
    delivery->is_reused = false;
    delivery->is_session_over = false;
    mm_route_free(&delivery->route);
    if (mm_route_new(&delivery->route, &options) != MAILMOD_OK) {
        mm_delivery_hand_back_untried(delivery);
        end_delivery(delivery);
        return;
    }
    next_hop(delivery);
}

static void on_expired(struct mm_timer *timer)
{
    struct mm_delivery *delivery =
        MM_LIST_OBJECT(timer, struct mm_delivery, timer);
    if (delivery->stage == MM_DELIVERY_IDLE) {
        mm_delivery_quit(delivery);
    } else if (delivery->stage == MM_DELIVERY_TALKING &&
               delivery->work == MM_WORK_TOKEN) {
        mm_dialogue_no_token(delivery, MAILMOD_ERROR_TIMEOUT,
                             "no token came in time");
    } else if (delivery->stage == MM_DELIVERY_TALKING) {
        mm_dialogue_lost(delivery, MAILMOD_ERROR_TIMEOUT, "4.4.2",
                         "the host did not answer in time");
        mm_delivery_leave(delivery, delivery->after, false);
    } else if (delivery->stage == MM_DELIVERY_LEAVING) {
        mm_conn_abort(delivery->conn);
    }
}

enum mailmod_error mm_delivery_new(struct mm_delivery **delivery_out,
                                   const struct mm_delivery_options *options)
{
    struct mm_delivery *delivery = mm_alloc(sizeof *delivery);
    if (delivery == NULL) {
        return MAILMOD_ERROR_MEMORY;
    }
    if (!mm_span_copy(mm_span_cstr(options->destination), delivery->destination,
                      sizeof delivery->destination)) {
        mm_free(delivery);
        return MAILMOD_ERROR_TOO_LARGE;
    }
    enum mailmod_error error =
        mm_timer_open(&delivery->timer, options->loop, on_expired);
    if (error != MAILMOD_OK) {
        mm_free(delivery);
        return error;
    }
    delivery->options = *options;
    delivery->options.destination = delivery->destination;
    delivery->settings = mm_outbound_settings_ref(options->settings);
    delivery->config = delivery->settings->config;
    delivery->gone_task.run = run_gone;
    delivery->place.on_granted = on_granted;
    delivery->place.on_called = on_called;
    delivery->on_rest = rest;
    delivery->on_left = go_on;
    mm_hop_init(delivery);
    mm_buf_init(&delivery->chunk, MM_LIMIT_CHUNK);
    mm_login_init(&delivery->login);
    *delivery_out = delivery;
    return MAILMOD_OK;
}

void mm_delivery_free(struct mm_delivery **delivery)
{
    struct mm_delivery *freed = *delivery;
    if (freed == NULL) {
        return;
    }
    mm_timer_close(&freed->timer);
    mm_dialler_stop(&freed->dialler);
    mm_place_drop(&freed->place);
    mm_route_free(&freed->route);
    mm_smtpc_free(&freed->engine);
    mm_login_fini(&freed->login);
    mm_buf_fini(&freed->chunk);
    mm_body_fini(freed);
    mm_delivery_drop_batch(freed);
    mm_outbound_settings_unref(&freed->settings);
    mm_free(freed);
    *delivery = NULL;
}

void mm_delivery_start(struct mm_delivery *delivery, struct mq_batch *batch)
{
    if (!mm_delivery_take_batch(delivery, batch)) {
        mm_delivery_hand_back_untried(delivery);
        end_delivery(delivery);
        return;
    }
    begin_route(delivery);
}

/* Who may have it already is asked first, and this connection is to another. */
static bool is_for_another_host(const struct mm_delivery *delivery)
{
    const char *unsure = mm_delivery_unsure_host(delivery);
    return unsure[0] != '\0' &&
           !mm_cstr_equal_nocase(unsure, delivery->hop.host);
}

void mm_delivery_give(struct mm_delivery *delivery, struct mq_batch *batch)
{
    delivery->has_failure = false;
    delivery->is_reused = true;
    delivery->is_decided = false;
    mm_place_set_idle(&delivery->place, false);
    if (!mm_delivery_take_batch(delivery, batch)) {
        mm_delivery_hand_back_untried(delivery);
        mm_delivery_quit(delivery);
        return;
    }
    if (is_for_another_host(delivery)) {
        mm_delivery_leave(delivery, MM_AFTER_RESTART, true);
        return;
    }
    delivery->stage = MM_DELIVERY_TALKING;
    mm_delivery_note(delivery, MAILMOD_IN_DIALOG);
    mm_hop_pump(delivery);
}

void mm_delivery_quit(struct mm_delivery *delivery)
{
    delivery->quits = true;
    if (delivery->stage == MM_DELIVERY_IDLE) {
        mm_place_set_idle(&delivery->place, false);
        delivery->stage = MM_DELIVERY_TALKING;
        mm_smtpc_quit(delivery->engine);
        mm_hop_pump(delivery);
    } else if (delivery->stage == MM_DELIVERY_NEW) {
        end_delivery(delivery);
    }
}

void mm_delivery_cut(struct mm_delivery *delivery)
{
    if (delivery->stage == MM_DELIVERY_GONE) {
        return;
    }
    mm_dialogue_cut(delivery);
    mm_delivery_hand_back_untried(delivery);
    end_delivery(delivery);
    if (delivery->conn != NULL) {
        mm_conn_abort(delivery->conn);
    }
}

uint64_t mm_delivery_quiet_ms(const struct mm_delivery *delivery)
{
    return mm_loop_now_ms(delivery->options.loop) - delivery->moved_ms;
}

bool mm_delivery_is_idle(const struct mm_delivery *delivery)
{
    return delivery->stage == MM_DELIVERY_IDLE && delivery->batch == NULL;
}

const char *mm_delivery_destination(const struct mm_delivery *delivery)
{
    return delivery->destination;
}

const struct mm_outbound_settings *
mm_delivery_settings(const struct mm_delivery *delivery)
{
    return delivery->settings;
}
