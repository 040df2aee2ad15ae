/* services.c - the registry of services.
 *
 * Owns the table that services.h spells out. Any thread. */
#include "config/services.h"

#include <string.h>

#define ROW(id, service_name, service_protocol, for_submission, implicit_tls,  \
            listen_default, listen_help, group_title)                          \
    [MM_SERVICE_##id] = {.name = (service_name),                               \
                         .listen_key = service_name ".listen",                 \
                         .title = (group_title),                               \
                         .protocol = MM_PROTOCOL_##service_protocol,           \
                         .is_submission = (for_submission),                    \
                         .has_implicit_tls = (implicit_tls)},
static const struct mm_service_row rows[MM_SERVICE_COUNT] = {MM_SERVICES(ROW)};

const struct mm_service_row *mm_service_row(enum mm_service service)
{
    return &rows[service];
}

const char *mm_service_name(enum mm_service service)
{
    return rows[service].name;
}

bool mm_service_has_implicit_tls(enum mm_service service)
{
    return rows[service].has_implicit_tls;
}

enum mm_service mm_service_find(const char *name)
{
    int i = 0;
    while (i < MM_SERVICE_COUNT && strcmp(rows[i].name, name) != 0) {
        i++;
    }
    return (enum mm_service)i;
}
