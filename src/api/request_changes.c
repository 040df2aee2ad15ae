/* request_changes.c - what the host wants changed in a message and its
 * envelope: mailmod_request_add_field and the like.
 *
 * Owns nothing: each call puts one change into the request's list
 * (post/changes.h), under its lock.
 * Thread: the host's. */
#include "api/handles.h"
#include "api/instance.h"

#include "base/limits.h"
#include "server/request.h"

/* By whom, in the destination of a quarantined row. */
#define HOST "host"

static enum mailmod_error fail(enum mailmod_error error, const char *what)
{
    switch (error) {
    case MAILMOD_OK:
        return error;
    case MAILMOD_ERROR_STATE:
        return mm_fail(error, "the request is answered already, or its moment "
                              "changes nothing");
    case MAILMOD_ERROR_LIMIT:
        return mm_fail(error,
                       "a message takes %u changes and %u octets of them",
                       MM_LIMIT_CHANGES, MM_LIMIT_CHANGES_OCTETS);
    case MAILMOD_ERROR_ARGUMENT:
        return mm_fail(error, "%s", what);
    default:
        return mm_fail(error, "%s", mm_error_text(error));
    }
}

static enum mailmod_error change(mailmod_request *request,
                                 const struct mm_change *wanted,
                                 const char *what)
{
    struct mm_request *inner;
    enum mailmod_error error = mm_request_hold(request, &inner);

    if (error == MAILMOD_OK) {
        error = fail(mm_request_change(inner, wanted), what);
        mm_handle_let(request);
    }
    return error;
}

enum mailmod_error mailmod_request_add_field(mailmod_request *request,
                                             const char *name,
                                             const char *value)
{
    const struct mm_change wanted = {
        .kind = MM_CHANGE_ADD_FIELD, .name = name, .value = value};

    return change(request, &wanted, "name and value make no field");
}

enum mailmod_error mailmod_request_insert_field(mailmod_request *request,
                                                unsigned place,
                                                const char *name,
                                                const char *value)
{
    const struct mm_change wanted = {.kind = MM_CHANGE_INSERT_FIELD,
                                     .number = place,
                                     .name = name,
                                     .value = value};

    return change(request, &wanted, "name and value make no field");
}

enum mailmod_error mailmod_request_change_field(mailmod_request *request,
                                                const char *name,
                                                unsigned number,
                                                const char *value)
{
    const struct mm_change wanted = {.kind = MM_CHANGE_SET_FIELD,
                                     .number = number,
                                     .name = name,
                                     .value = value};

    return number == 0
               ? fail(MAILMOD_ERROR_ARGUMENT, "fields are numbered from 1")
               : change(request, &wanted, "name and value make no field");
}

enum mailmod_error mailmod_request_add_recipient(mailmod_request *request,
                                                 const char *address)
{
    const struct mm_change wanted = {.kind = MM_CHANGE_ADD_RECIPIENT,
                                     .value = address};

    return change(request, &wanted, "this is no address");
}

enum mailmod_error mailmod_request_remove_recipient(mailmod_request *request,
                                                    const char *recipient)
{
    const struct mm_change wanted = {.kind = MM_CHANGE_REMOVE_RECIPIENT,
                                     .name = recipient};

    return change(request, &wanted, "this is no address");
}

enum mailmod_error mailmod_request_redirect(mailmod_request *request,
                                            const char *recipient,
                                            const char *address)
{
    const struct mm_change wanted = {
        .kind = MM_CHANGE_REDIRECT, .name = recipient, .value = address};

    return change(request, &wanted, "this is no address");
}

enum mailmod_error mailmod_request_quarantine(mailmod_request *request,
                                              const char *reason)
{
    const struct mm_change wanted = {
        .kind = MM_CHANGE_QUARANTINE, .name = HOST, .value = reason};

    return change(request, &wanted, "the reason has controls");
}

enum mailmod_error mailmod_request_set_folder(mailmod_request *request,
                                              const char *recipient,
                                              const char *folder)
{
    const struct mm_change wanted = {
        .kind = MM_CHANGE_FOLDER, .name = recipient, .value = folder};

    return change(request, &wanted,
                  "a folder has letters, digits and - _ = in its name, 64 "
                  "octets of them at most");
}

enum mailmod_error mailmod_request_set_delay(mailmod_request *request,
                                             unsigned milliseconds)
{
    struct mm_request *inner;
    enum mailmod_error error = mm_request_hold(request, &inner);

    if (error == MAILMOD_OK) {
        error = mm_request_set_delay(inner, milliseconds);
        error = error == MAILMOD_ERROR_LIMIT
                    ? mm_fail(error, "a reply is held back %u ms at most",
                              MM_LIMIT_DELAY_MS)
                    : fail(error, "");
        mm_handle_let(request);
    }
    return error;
}
