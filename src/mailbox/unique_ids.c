/* unique_ids.c - the unique-ids of an open mailbox, to be searched.
 *
 * Owns the hashes of the identifiers, in order. Promises: a search costs the
 * logarithm of what is known, and finds by the whole text; who chooses
 * identifiers (a server that mail was fetched from) cannot choose hashes, for
 * the key is drawn at random. Of a closed mailbox the hashes alone are kept:
 * two texts with one hash of 64 bits would hide a new message, which is one
 * chance in 10^14 for a mailbox of 100 000. Thread: worker. */
#include "mailbox/unique_ids.h"

#include "base/mem.h"
#include "base/siphash.h"
#include "platform/random.h"

#include <stdlib.h>
#include <string.h>

struct row {
    uint64_t hash;
    size_t index;
};

struct mm_unique_ids {
    uint64_t keys[2];
    struct row *rows;
    size_t count;
};

static uint64_t hash_of(const uint64_t keys[2],
                        const struct mm_mailbox *mailbox, size_t index)
{
    char text[MM_UNIQUE_ID_MAX];

    mm_mailbox_unique_id(mailbox, index, text);
    return mm_siphash(mm_span_cstr(text), keys[0], keys[1]);
}

static int compare_hashes(const void *left, const void *right)
{
    uint64_t a = *(const uint64_t *)left;
    uint64_t b = *(const uint64_t *)right;

    return a < b ? -1 : a > b;
}

static int compare_rows(const void *left, const void *right)
{
    const struct row *a = left;
    const struct row *b = right;

    return compare_hashes(&a->hash, &b->hash);
}

enum mailmod_error mm_unique_ids_new(struct mm_unique_ids **ids_out,
                                     const struct mm_mailbox *mailbox)
{
    size_t count = mm_mailbox_known(mailbox);
    struct mm_unique_ids *ids = mm_alloc(sizeof *ids);

    *ids_out = NULL;
    if (ids == NULL) {
        return MAILMOD_ERROR_MEMORY;
    }
    enum mailmod_error error = mm_random(ids->keys, sizeof ids->keys);
    ids->rows = mm_alloc_array(count + 1, sizeof *ids->rows);
    if (error == MAILMOD_OK && ids->rows == NULL) {
        error = MAILMOD_ERROR_MEMORY;
    }
    if (error != MAILMOD_OK) {
        mm_unique_ids_free(&ids);
        return error;
    }
    for (size_t i = 0; i < count; i++) {
        ids->rows[i] = (struct row){hash_of(ids->keys, mailbox, i), i};
    }
    qsort(ids->rows, count, sizeof *ids->rows, compare_rows);
    ids->count = count;
    *ids_out = ids;
    return MAILMOD_OK;
}

void mm_unique_ids_free(struct mm_unique_ids **ids_in)
{
    struct mm_unique_ids *ids = *ids_in;

    *ids_in = NULL;
    if (ids != NULL) {
        mm_free(ids->rows);
        mm_free(ids);
    }
}

size_t mm_unique_ids_count(const struct mm_unique_ids *ids)
{
    return ids->count;
}

/* The first row that is not below the hash. */
static size_t lower_bound(const struct mm_unique_ids *ids, uint64_t hash)
{
    size_t low = 0;
    size_t high = ids->count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (ids->rows[middle].hash < hash) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

enum mailmod_error mm_unique_ids_find(const struct mm_unique_ids *ids,
                                      const struct mm_mailbox *mailbox,
                                      struct mm_span unique_id,
                                      size_t *index_out)
{
    uint64_t hash = mm_siphash(unique_id, ids->keys[0], ids->keys[1]);

    for (size_t at = lower_bound(ids, hash);
         at < ids->count && ids->rows[at].hash == hash; at++) {
        char text[MM_UNIQUE_ID_MAX];

        mm_mailbox_unique_id(mailbox, ids->rows[at].index, text);
        if (mm_span_is(unique_id, text)) {
            *index_out = ids->rows[at].index;
            return MAILMOD_OK;
        }
    }
    return MAILMOD_ERROR_NOT_FOUND;
}

enum mailmod_error mm_listing_memory_take(struct mm_listing_memory *memory,
                                          const struct mm_mailbox *mailbox)
{
    size_t count = mm_mailbox_count(mailbox);
    enum mailmod_error error = mm_random(memory->keys, sizeof memory->keys);

    mm_free(memory->hashes);
    memory->count = 0;
    memory->hashes = mm_alloc_array(count + 1, sizeof *memory->hashes);
    if (error != MAILMOD_OK || memory->hashes == NULL) {
        mm_listing_memory_fini(memory);
        return error != MAILMOD_OK ? error : MAILMOD_ERROR_MEMORY;
    }
    for (size_t i = 0; i < count; i++) {
        memory->hashes[i] = hash_of(memory->keys, mailbox, i);
    }
    qsort(memory->hashes, count, sizeof *memory->hashes, compare_hashes);
    memory->count = count;
    return MAILMOD_OK;
}

void mm_listing_memory_fini(struct mm_listing_memory *memory)
{
    mm_free(memory->hashes);
    *memory = (struct mm_listing_memory){.count = 0};
}

bool mm_listing_memory_has_news(const struct mm_listing_memory *memory,
                                const struct mm_mailbox *mailbox)
{
    size_t count = mm_mailbox_count(mailbox);
    bool has_news = count > memory->count;

    for (size_t i = 0; !has_news && i < count; i++) {
        uint64_t hash = hash_of(memory->keys, mailbox, i);

        has_news = bsearch(&hash, memory->hashes, memory->count, sizeof hash,
                           compare_hashes) == NULL;
    }
    return has_news;
}
