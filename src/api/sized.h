/* thread: any
 * sized.h - the structures of mailmod.h that begin with their size, between a
 * host and a library of different versions.
 *
 * A structure grows at its end alone (docs/abi.md). A host that is older than
 * the library gives or lends a smaller one: what it does not have is zero, and
 * is not written. The sizes below are those of the first version that had the
 * structure. They never change; less is a mistake. */
#ifndef MM_API_SIZED_H
#define MM_API_SIZED_H

#include "mailmod.h"
#include "mailmod/client.h"
#include "mailmod/received.h"
#include "mailmod/wire.h"

#include "base/error.h"

#define MM_SIZE_UP_TO(type, member)                                            \
    (offsetof(type, member) + sizeof(((type *)0)->member))

/* The host gives it. */
#define MM_ENVELOPE_SIZE_1 offsetof(struct mailmod_envelope, recipient_list)
#define MM_RECIPIENT_SIZE_1                                                    \
    MM_SIZE_UP_TO(struct mailmod_recipient, dsn_original_recipient)
#define MM_HEADER_FIELD_SIZE_1 MM_SIZE_UP_TO(struct mailmod_header_field, value)
#define MM_ALLOCATOR_SIZE_1 MM_SIZE_UP_TO(struct mailmod_allocator, covers)
#define MM_QUEUE_FILTER_SIZE_1                                                 \
    MM_SIZE_UP_TO(struct mailmod_queue_filter, age_min_ms)
#define MM_RECEIVED_SIZE_1 MM_SIZE_UP_TO(struct mailmod_received, faults)
#define MM_AUTO_REPLY_SIZE_1 MM_SIZE_UP_TO(struct mailmod_auto_reply, days)
#define MM_MAILBOX_PROVIDER_SIZE_1                                             \
    MM_SIZE_UP_TO(struct mailmod_mailbox_provider, on_release)
#define MM_CLIENT_CONTENT_SIZE_1                                               \
    MM_SIZE_UP_TO(struct mailmod_client_content, on_release)
#define MM_SMTP_SERVER_OPTIONS_SIZE_1                                          \
    MM_SIZE_UP_TO(struct mailmod_smtp_server_options, errors_max)
#define MM_SMTP_CLIENT_OPTIONS_SIZE_1                                          \
    MM_SIZE_UP_TO(struct mailmod_smtp_client_options, flags)
#define MM_SMTP_CLIENT_MESSAGE_SIZE_1                                          \
    MM_SIZE_UP_TO(struct mailmod_smtp_client_message, dsn_return)
#define MM_POP3_SERVER_OPTIONS_SIZE_1                                          \
    MM_SIZE_UP_TO(struct mailmod_pop3_server_options, flags)
#define MM_POP3_CLIENT_OPTIONS_SIZE_1                                          \
    MM_SIZE_UP_TO(struct mailmod_pop3_client_options, flags)
#define MM_PROXY_OPTIONS_SIZE_1                                                \
    MM_SIZE_UP_TO(struct mailmod_proxy_options, password)
/* The host lends it, and the library fills it. */
#define MM_POP3_SERVER_EVENT_SIZE_1                                            \
    MM_SIZE_UP_TO(struct mailmod_pop3_server_event, text)
#define MM_POP3_CLIENT_EVENT_SIZE_1                                            \
    MM_SIZE_UP_TO(struct mailmod_pop3_client_event, count)
#define MM_PROXY_EVENT_SIZE_1 MM_SIZE_UP_TO(struct mailmod_proxy_event, text)
#define MM_PROXY_HEADER_SIZE_1                                                 \
    MM_SIZE_UP_TO(struct mailmod_proxy_header, address)
#define MM_SMTP_SERVER_EVENT_SIZE_1                                            \
    MM_SIZE_UP_TO(struct mailmod_smtp_server_event, has_subdomains)
#define MM_SMTP_CLIENT_EVENT_SIZE_1                                            \
    MM_SIZE_UP_TO(struct mailmod_smtp_client_event, recipient)
#define MM_TRACE_STEP_SIZE_1 MM_SIZE_UP_TO(struct mailmod_trace_step, loop_to)
#define MM_RESULT_SIZE_1 MM_SIZE_UP_TO(struct mailmod_result, host)
/* Likewise; and gives it back to be written. */
#define MM_DOMAIN_SIZE_1 MM_SIZE_UP_TO(struct mailmod_domain, octets)
#define MM_ADDRESS_SIZE_1 MM_SIZE_UP_TO(struct mailmod_address, octets)
#define MM_SMTP_REQUEST_SIZE_1                                                 \
    MM_SIZE_UP_TO(struct mailmod_smtp_request, parameters)
#define MM_SMTP_REPLY_SIZE_1 MM_SIZE_UP_TO(struct mailmod_smtp_reply, text)
/* The library gives the others to callbacks, in the size that it knows. */

/* The structure that begins at `given` as this library knows it, into
 * `known_out`. ARGUMENT with words that begin with `name`: `given` is NULL or
 * smaller than `size_1`. */
MM_CHECK enum mailmod_error mm_sized_take(void *known_out, size_t known_size,
                                          const void *given, size_t size_1,
                                          const char *name);
/* The same of number `i` in a list: all have the size of the first, which is
 * the step to the next. */
MM_CHECK enum mailmod_error mm_sized_take_at(void *known_out, size_t known_size,
                                             const void *list, size_t i,
                                             size_t size_1, const char *name);
/* The same check of one that the host lends. */
MM_CHECK enum mailmod_error mm_sized_check(const void *lent, size_t size_1,
                                           const char *name);
/* Fills one that was checked: as much of `known` as it has room for, zero where
 * it has more. Its size stays the host's. */
void mm_sized_give(void *lent, const void *known, size_t known_size);

#endif
