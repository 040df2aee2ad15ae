/* message_id.c - identifiers of messages: unique for ever, rising with time.
 *
 * An identifier is 41 bits of milliseconds since 2020, 10 bits of the node that
 * made it and 12 bits of count: 63 in all, until 2089. Version 0.1 had
 * milliseconds and 8 bits of count, 49 in all, so every identifier of now is
 * above every one of then; those keep their form of ten characters. A new one
 * is always above the last one that was given out or found in the store, so a
 * clock that is set back repeats none. Thread: any. */
#include "store/ops.h"

#include <string.h>

#define EPOCH_MS 1577836800000 /* 2020-01-01 */
#define COUNT_BITS 12
#define NODE_BITS 10
#define OLD_COUNT_BITS 8 /* of 0.1 */
#define OLD_ID_BITS 50   /* ten characters hold them */
#define OLD_DIGITS 10
#define ID_BITS 63
#define TEXT_DIGITS 13

/* Crockford's digits: no I, L, O, U to be misread. */
static const char digits[] = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";

/* `last_id` holds time and count side by side, without the node. */
static uint64_t with_node(unsigned long long at, unsigned node)
{
    uint64_t count = at & ((1u << COUNT_BITS) - 1);
    return (at >> COUNT_BITS) << (NODE_BITS + COUNT_BITS) |
           (uint64_t)node << COUNT_BITS | count;
}

static unsigned long long without_node(uint64_t id)
{
    if (id >> OLD_ID_BITS == 0) {
        return ((id >> OLD_COUNT_BITS) + 1) << COUNT_BITS;
    }
    return (id >> (NODE_BITS + COUNT_BITS)) << COUNT_BITS |
           (id & ((1u << COUNT_BITS) - 1));
}

void mm_message_id_saw(struct mm_message_ids *ids, uint64_t id)
{
    unsigned long long at = id != 0 ? without_node(id) : 0;
    if (at > atomic_load(&ids->last)) {
        atomic_store(&ids->last, at);
    }
}

uint64_t mm_message_id_next(struct mm_message_ids *ids, int64_t wall_ms)
{
    int64_t now_ms = wall_ms - EPOCH_MS;
    unsigned long long wanted = (unsigned long long)(now_ms > 0 ? now_ms : 1)
                                << COUNT_BITS;
    unsigned long long last = atomic_load(&ids->last);
    unsigned long long next;
    do {
        next = wanted > last ? wanted : last + 1;
    } while (!atomic_compare_exchange_weak(&ids->last, &last, next));
    return with_node(next, ids->node);
}

uint64_t mm_message_id_last(const struct mm_message_ids *ids, uint64_t later_ms)
{
    return with_node(atomic_load(&ids->last) + (later_ms << COUNT_BITS), 0);
}

void mm_message_id_format(uint64_t id, char text_out[MM_MESSAGE_ID_TEXT_MAX])
{
    int count = id >> OLD_ID_BITS == 0 ? OLD_DIGITS : TEXT_DIGITS;
    text_out[count] = '\0';
    for (int i = count - 1; i >= 0; i--) {
        text_out[i] = digits[id & 31];
        id >>= 5;
    }
}

bool mm_message_id_parse(struct mm_span text, uint64_t *id_out)
{
    uint64_t id = 0;
    if (text.size != OLD_DIGITS && text.size != TEXT_DIGITS) {
        return false;
    }
    for (size_t i = 0; i < text.size; i++) {
        const char *digit =
            text.data[i] != '\0'
                ? strchr(digits, mm_ascii_upper((unsigned char)text.data[i]))
                : NULL;
        if (digit == NULL || id >> (ID_BITS - 5) != 0) {
            return false;
        }
        id = id << 5 | (uint64_t)(digit - digits);
    }
    *id_out = id;
    return id != 0 && (id >> OLD_ID_BITS == 0) == (text.size == OLD_DIGITS);
}
