/* services.c - the services of an instance: opened and closed while it runs.
 *
 * Owns nothing: the listeners are the server's. Promises: a service that cannot
 * be opened leaves the others as they are; its addresses are those of the
 * configuration that runs.
 * Thread: any but the instance's own; the instance's mutex is held. */
#include "api/instance.h"

#define WORDS_MAX 4096
#define PORT_MAX 65535

static enum mailmod_error find_service(const char *name,
                                       enum mm_service *service_out)
{
    if (name == NULL) {
        return mm_fail(MAILMOD_ERROR_ARGUMENT, "the service is NULL");
    }
    *service_out = mm_service_find(name);
    if (*service_out == MM_SERVICE_COUNT) {
        return mm_fail(MAILMOD_ERROR_UNKNOWN_NAME, "%.80s: no such service",
                       name);
    }
    return MAILMOD_OK;
}

const char *mailmod_service_name(size_t index)
{
    return index < MM_SERVICE_COUNT ? mm_service_name((enum mm_service)index)
                                    : NULL;
}

enum mailmod_error mailmod_services_set_wait(mailmod *instance, int waits)
{
    enum mailmod_error error = mm_instance_lock(instance);

    if (error != MAILMOD_OK) {
        return error;
    }
    if (instance->state != MM_INSTANCE_NEW) {
        error = mm_fail(MAILMOD_ERROR_STATE,
                        "this is set before the instance starts");
    } else {
        instance->services_wait = waits != 0;
    }
    mm_instance_unlock(instance);
    return error;
}

enum mailmod_error mailmod_service_start(mailmod *instance, const char *service,
                                         int port)
{
    enum mm_service which = MM_SERVICE_COUNT;
    enum mailmod_error error = find_service(service, &which);

    if (error == MAILMOD_OK && port > PORT_MAX) {
        error = mm_fail(MAILMOD_ERROR_ARGUMENT, "port %d is above %d", port,
                        PORT_MAX);
    }
    if (error == MAILMOD_OK) {
        error = mm_instance_lock_running(instance);
    }
    if (error != MAILMOD_OK) {
        return error;
    }
    struct mm_buf reason;
    mm_buf_init(&reason, WORDS_MAX);
    error = mm_server_open_service(instance->server, which, port, &reason);
    if (error != MAILMOD_OK) {
        (void)mm_fail_buf(error, &reason);
    }
    mm_buf_fini(&reason);
    mm_instance_unlock(instance);
    return error;
}

enum mailmod_error mailmod_service_stop(mailmod *instance, const char *service)
{
    enum mm_service which = MM_SERVICE_COUNT;
    enum mailmod_error error = find_service(service, &which);

    if (error == MAILMOD_OK) {
        error = mm_instance_lock_running(instance);
    }
    if (error != MAILMOD_OK) {
        return error;
    }
    error = mm_server_close_service(instance->server, which);
    if (error != MAILMOD_OK) {
        (void)mm_fail(error, "%s: it is not open", service);
    }
    mm_instance_unlock(instance);
    return error;
}

int mailmod_service_port(mailmod *instance, const char *service)
{
    enum mm_service which = MM_SERVICE_COUNT;
    int port = 0;

    if (find_service(service, &which) == MAILMOD_OK &&
        mm_instance_lock(instance) == MAILMOD_OK) {
        if (instance->server != NULL) {
            port = (int)mm_server_port(instance->server, which);
        }
        mm_instance_unlock(instance);
    }
    return port;
}

enum mailmod_error mailmod_service_addresses(mailmod *instance,
                                             const char *service,
                                             char *text_out, size_t size)
{
    enum mm_service which = MM_SERVICE_COUNT;
    enum mailmod_error error = find_service(service, &which);

    if (error == MAILMOD_OK && (text_out == NULL || size == 0)) {
        error = mm_fail(MAILMOD_ERROR_ARGUMENT, "the text is NULL");
    }
    if (error == MAILMOD_OK) {
        error = mm_instance_lock(instance);
    }
    if (error != MAILMOD_OK) {
        return error;
    }
    struct mm_buf text;
    mm_buf_init(&text, WORDS_MAX);
    if (instance->server != NULL) {
        error = mm_server_addresses(instance->server, which, &text);
    }
    mm_instance_unlock(instance);
    if (error == MAILMOD_OK &&
        !mm_span_copy(mm_buf_span(&text), text_out, size)) {
        error =
            mm_fail(MAILMOD_ERROR_LIMIT, "%s: its addresses need %zu octets",
                    service, mm_buf_size(&text) + 1);
    } else if (error != MAILMOD_OK) {
        (void)mm_fail(error, "%s: %s", service, mm_error_text(error));
    }
    mm_buf_fini(&text);
    return error;
}
