/* thread: any
 * providers.h - mailbox providers of the host's: which there are, and the calls
 * to them. */
#ifndef MM_API_PROVIDERS_H
#define MM_API_PROVIDERS_H

#include "mailmod.h"

#include "api/context.h"
#include "api/host_threads.h"
#include "base/log.h"
#include "mailbox/provider.h"

/* All of one instance, as long as that lives. */
struct mm_providers {
    const struct mm_log *log;
    struct mm_mutex *mutex;          /* guards what follows */
    struct mm_host_threads *threads; /* NULL unless it runs */
    struct mm_list all;
    size_t count;
};

/* One of them; its texts stand in it. Who visits it has a reference. */
struct mm_host_provider {
    struct mm_mailbox_provider base;
    struct mm_list node; /* the mutex, as the two below */
    struct mm_providers *providers;
    unsigned references;
    struct mm_list mailboxes;              /* that a login has listed */
    struct mailmod_mailbox_provider given; /* fixed, as all below */
    struct mm_context context;
    char name[MM_MAILBOX_NAME_MAX];
    char domain[MM_LIMIT_DOMAIN + 1]; /* "": any */
    char service[16];                 /* "": any */
};

MM_CHECK enum mailmod_error
mm_providers_new(struct mm_providers **providers_out, const struct mm_log *log);
/* When nobody visits any more. Releases the host's contexts. */
void mm_providers_free(struct mm_providers **providers);
/* From now on there are threads to call on; NULL: no more. */
void mm_providers_use_threads(struct mm_providers *providers,
                              struct mm_host_threads *threads);
/* What the server asks. */
struct mm_mailbox_visits mm_providers_visits(struct mm_providers *providers);
void mm_provider_unref(struct mm_host_provider **provider);

/* host_mailbox.c: a login's mailbox; the caller's reference on the provider
 * goes over to it. MEMORY, and the reference stays. */
MM_CHECK enum mailmod_error
mm_host_mailbox_new(struct mm_host_provider *provider,
                    const struct mm_mailbox_client *client,
                    struct mm_mailbox **mailbox_out);

#endif
