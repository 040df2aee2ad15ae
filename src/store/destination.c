/* destination.c - the one name of a destination: what the queue counts by.
 *
 * Promises: two spellings of a domain are one destination, with one back-off
 * and one set of connections. What has no A-label keeps its own text, in lower
 * case, and fails where it is looked up.
 * Thread: any. RFC 5890 2.3.2.4. */
#include "platform/idn.h"
#include "store/ops.h"

#include <string.h>

void mm_destination_canonical(const char *domain,
                              char text_out[MM_STORE_DESTINATION_MAX])
{
    char ascii[MM_LIMIT_DOMAIN + 1];
    struct mm_span text = mm_span_cstr(domain);
    if (mm_idn_to_ascii(text, ascii) == MAILMOD_OK) {
        text = mm_span_cstr(ascii);
    }
    (void)mm_span_copy(text, text_out, MM_STORE_DESTINATION_MAX);
    mm_ascii_lower_cstr(text_out);
}

bool mm_destination_rerouted(const char *path, const char *before,
                             const char *destination,
                             char text_out[MM_STORE_DESTINATION_MAX])
{
    if (before[0] != '[' && strchr(before, ':') != NULL) {
        return false; /* a part of this system: nobody dials it */
    }
    if (destination != NULL) {
        if (!mm_span_copy(mm_span_cstr(destination), text_out,
                          MM_STORE_DESTINATION_MAX)) {
            return false;
        }
    } else {
        const char *at = strrchr(path, '@');
        mm_destination_canonical(at != NULL ? at + 1 : "", text_out);
    }
    return text_out[0] != '\0' && strcmp(text_out, before) != 0;
}
