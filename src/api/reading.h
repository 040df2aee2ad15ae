/* thread: any
 * reading.h - texts that come piece by piece and hold no thread in between. */
#ifndef MM_API_READING_H
#define MM_API_READING_H

#include "mailmod.h"

#include "api/host_threads.h"
#include "base/buf.h"

/* At once, in one instance. */
#define MM_READINGS_MAX 65536

/* Where the octets come from. Its owner's until the reading is begun; from then
 * on the reading's, which ends it. */
struct mm_text_source {
    /* thread: host. A piece into `out`, which takes 2 * MM_LIMIT_CHUNK octets.
     * NOT_FOUND after the last; BUSY: nothing yet, mm_reading_wake comes. */
    enum mailmod_error (*next)(struct mm_text_source *source,
                               struct mm_buf *out);
    /* No call of it comes any more, and the source calls nobody. Frees it. */
    void (*end)(struct mm_text_source *source);
    /* It is the reading's, and may be woken; may be NULL. */
    void (*begun)(struct mm_text_source *source, mailmod_reading *reading);
};

/* The readings of one run of an instance: there as long as somebody has a
 * reference. */
struct mm_readings;

MM_CHECK enum mailmod_error mm_readings_new(struct mm_readings **readings_out,
                                            struct mm_host_threads *threads);
struct mm_readings *mm_readings_ref(struct mm_readings *readings);
void mm_readings_unref(struct mm_readings **readings);
/* Every reading has had its last callback when it returns. Not on a host
 * thread. */
void mm_readings_end(struct mm_readings *readings);
/* Takes the source when it is OK. Sets the last error. */
MM_CHECK enum mailmod_error mm_reading_begin(struct mm_readings *readings,
                                             struct mm_text_source *source,
                                             mailmod_on_piece on_piece,
                                             void *context,
                                             mailmod_reading **reading_out);
/* There is something for a source that said BUSY. Not after its end. */
void mm_reading_wake(mailmod_reading *reading);
/* The calling thread is in a callback of a reading. */
bool mm_reading_is_callback(void);
/* All of it, on the calling thread. The source is not ended. */
MM_CHECK enum mailmod_error mm_text_read_all(struct mm_text_source *source,
                                             mailmod_on_octets on_octets,
                                             void *context);
/* The words of an error of the former. */
enum mailmod_error mm_fail_text(enum mailmod_error error, const char *name);

#endif
