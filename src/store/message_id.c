/* message_id.c - identifiers of messages: unique for ever, rising with time.
 *
 * An identifier is milliseconds since 2020 in the upper bits and a count in the
 * lower 8; it is always above the last one given out or found in the store, so
 * a clock that is set back repeats none. 49 bits last until 2089; with the
 * chunk's number beside them they fit SQLite's 63. Thread: any. */
#include "platform/clock.h"
#include "store/store_internal.h"

#include <string.h>

#define EPOCH_MS 1577836800000 /* 2020-01-01 */
#define COUNT_BITS 8
#define TEXT_DIGITS 10 /* 10 * 5 bits hold 49 */

/* Crockford's digits: no I, L, O, U to be misread. */
static const char digits[] = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";

uint64_t mm_store_new_message_id(struct mm_store *store)
{
    int64_t now_ms = mm_clock_wall_ms() - EPOCH_MS;
    unsigned long long wanted =
        now_ms > 0 ? (unsigned long long)now_ms << COUNT_BITS : 1;
    unsigned long long last = atomic_load(&store->last_id);
    unsigned long long next;

    do {
        next = wanted > last ? wanted : last + 1;
    } while (!atomic_compare_exchange_weak(&store->last_id, &last, next));
    return next;
}

void mm_message_id_format(uint64_t id, char text_out[MM_MESSAGE_ID_TEXT_MAX])
{
    for (int i = TEXT_DIGITS - 1; i >= 0; i--) {
        text_out[i] = digits[id & 31];
        id >>= 5;
    }
    text_out[TEXT_DIGITS] = '\0';
}

bool mm_message_id_parse(struct mm_span text, uint64_t *id_out)
{
    uint64_t id = 0;

    if (text.size != TEXT_DIGITS) {
        return false;
    }
    for (size_t i = 0; i < text.size; i++) {
        const char *digit =
            text.data[i] != '\0'
                ? strchr(digits, mm_ascii_upper((unsigned char)text.data[i]))
                : NULL;

        if (digit == NULL) {
            return false;
        }
        id = id << 5 | (uint64_t)(digit - digits);
    }
    *id_out = id;
    return id != 0;
}
