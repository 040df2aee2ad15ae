/* thread: loop
 * straight_way.h - a way of a resolver's questions for tests: straight, by TCP,
 * with all that it starts, stops and refers to counted. */
#ifndef TESTS_UNIT_IO_STRAIGHT_WAY_H
#define TESTS_UNIT_IO_STRAIGHT_WAY_H

#include "helpers.h"

struct dial {
    const struct mm_conn_handler *handler;
    void (*on_failed)(void *owner, enum mailmod_error error);
    void *owner;
    struct mm_conn *conn; /* NULL once it is open, or gone */
};

static struct {
    bool is_used;
    bool is_broken; /* every start fails */
    int references;
    int started;
    int stopped;
} by_way;

static void on_way_open(void *context, struct mm_conn *conn)
{
    struct dial *dial = context;
    dial->conn = NULL;
    mm_conn_set_handler(conn, dial->handler, dial->owner);
    dial->handler->on_open(dial->owner, conn);
}

static size_t on_way_input(void *context, struct mm_conn *conn,
                           const char *bytes, size_t size)
{
    (void)context;
    (void)conn;
    (void)bytes;
    return size;
}

static void on_way_closed(void *context, struct mm_conn *conn,
                          enum mailmod_error reason)
{
    struct dial *dial = context;
    (void)conn;
    dial->conn = NULL;
    dial->on_failed(dial->owner, reason);
}

static enum mailmod_error
start_way(void *context, struct mm_loop *at, const struct mm_netaddr *server,
          const struct mm_conn_handler *handler,
          void (*on_failed)(void *owner, enum mailmod_error error), void *owner,
          void **dial_out)
{
    static const struct mm_conn_handler way_handler = {.on_open = on_way_open,
                                                       .on_input = on_way_input,
                                                       .on_closed =
                                                           on_way_closed};
    const struct mm_dial_options options = {.address = *server,
                                            .timeout_ms = 5000};
    assert_ptr_equal(context, &by_way);
    assert_null(*dial_out);
    if (by_way.is_broken) {
        return MAILMOD_ERROR_PROXY;
    }
    struct dial *dial = mm_alloc(sizeof *dial);
    assert_non_null(dial);
    dial->handler = handler;
    dial->on_failed = on_failed;
    dial->owner = owner;
    assert_int_equal(mm_dial(at, &options, &way_handler, dial, &dial->conn),
                     MAILMOD_OK);
    *dial_out = dial;
    by_way.started++;
    return MAILMOD_OK;
}

static void stop_way(void **dial_in)
{
    struct dial *dial = *dial_in;
    *dial_in = NULL;
    if (dial != NULL) {
        by_way.stopped++;
        if (dial->conn != NULL) {
            mm_conn_forget(dial->conn);
        }
        mm_free(dial);
    }
}

static void *ref_way(void *context)
{
    by_way.references++;
    return context;
}

static void unref_way(void **context)
{
    by_way.references--;
    *context = NULL;
}

static const struct mm_resolver_way way = {.start = start_way,
                                           .stop = stop_way,
                                           .ref = ref_way,
                                           .unref = unref_way,
                                           .context = &by_way};

#endif
