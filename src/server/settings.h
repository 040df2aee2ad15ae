/* thread: any (a snapshot never changes)
 * settings.h - what the sessions of one moment work by: a configuration and
 * the TLS contexts made from its files. Swapped whole at a reload; a session
 * keeps the snapshot that it began with. */
#ifndef MM_SERVER_SETTINGS_H
#define MM_SERVER_SETTINGS_H

#include "config/config.h"
#include "io/io.h"

#include <stdatomic.h>

struct mm_settings {
    atomic_uint references;
    struct mm_config *config;
    struct mm_certificates *certificates;         /* NULL: no TLS */
    struct mm_tls *tls[MM_SERVICE_COUNT];         /* likewise */
    struct mm_tls *lenient_tls[MM_SERVICE_COUNT]; /* NULL: for nobody */
};

/* Takes a reference on the configuration. The words of a failure (which file)
 * go to `reason_out`. */
MM_CHECK enum mailmod_error mm_settings_new(struct mm_settings **settings_out,
                                            struct mm_config *config,
                                            struct mm_buf *reason_out);
struct mm_settings *mm_settings_ref(struct mm_settings *settings);
void mm_settings_unref(struct mm_settings **settings);

#endif
