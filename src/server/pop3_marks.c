/* pop3_marks.c - what a POP3 session has done to the messages that it knows.
 *
 * Owns one octet a message. Promises: the tallies are those of the listing, so
 * that STAT stands still whatever is found behind it; RSET takes marks back and
 * nothing else. Thread: as pop3_marks.h says. RFC 1939 5 (DELE, RSET, STAT);
 * pop3svc's DELI and UID-PARAM. */
#include "server/pop3_marks.h"

#include "base/mem.h"

#include <string.h>

enum { IS_MARKED = 1 << 0, IS_GONE = 1 << 1, IS_RETRIEVED = 1 << 2 };

enum mailmod_error mm_pop3_marks_init(struct mm_pop3_marks *marks,
                                      size_t listed)
{
    mm_pop3_marks_fini(marks);
    marks->listed = listed;
    return mm_pop3_marks_reserve(marks, listed);
}

void mm_pop3_marks_fini(struct mm_pop3_marks *marks)
{
    mm_free(marks->marks);
    *marks = (struct mm_pop3_marks){.known = 0};
}

enum mailmod_error mm_pop3_marks_reserve(struct mm_pop3_marks *marks,
                                         size_t known)
{
    if (marks->marks != NULL && known <= marks->known) {
        return MAILMOD_OK;
    }
    uint8_t *grown = mm_realloc(marks->marks, known + 1);
    if (grown == NULL) {
        return MAILMOD_ERROR_MEMORY;
    }
    memset(grown + marks->known, 0, known + 1 - marks->known);
    marks->marks = grown;
    marks->known = known;
    return MAILMOD_OK;
}

static bool has(const struct mm_pop3_marks *marks, size_t index, unsigned bits)
{
    return index < marks->known && (marks->marks[index] & bits) != 0;
}

bool mm_pop3_marks_is_hidden(const struct mm_pop3_marks *marks, size_t index)
{
    return has(marks, index, IS_MARKED | IS_GONE);
}

bool mm_pop3_marks_is_gone(const struct mm_pop3_marks *marks, size_t index)
{
    return has(marks, index, IS_GONE);
}

bool mm_pop3_marks_is_retrieved(const struct mm_pop3_marks *marks, size_t index)
{
    return has(marks, index, IS_RETRIEVED);
}

size_t mm_pop3_marks_hidden(const struct mm_pop3_marks *marks)
{
    return marks->marked.count + marks->gone.count;
}

uint64_t mm_pop3_marks_hidden_octets(const struct mm_pop3_marks *marks)
{
    return marks->marked.octets + marks->gone.octets;
}

/* What came late was never counted. */
static void add(const struct mm_pop3_marks *marks, struct mm_pop3_tally *tally,
                size_t index, uint64_t size)
{
    if (index < marks->listed) {
        tally->count++;
        tally->octets += size;
    }
}

void mm_pop3_marks_mark(struct mm_pop3_marks *marks, size_t index,
                        uint64_t size)
{
    marks->marks[index] |= IS_MARKED;
    marks->marked_count++;
    add(marks, &marks->marked, index, size);
}

void mm_pop3_marks_gone(struct mm_pop3_marks *marks, size_t index,
                        uint64_t size)
{
    marks->marks[index] |= IS_GONE;
    add(marks, &marks->gone, index, size);
}

void mm_pop3_marks_retrieved(struct mm_pop3_marks *marks, size_t index)
{
    marks->marks[index] |= IS_RETRIEVED;
    marks->has_retrieved = true;
}

void mm_pop3_marks_reset(struct mm_pop3_marks *marks)
{
    for (size_t i = 0; i < marks->known; i++) {
        marks->marks[i] &= (uint8_t)~IS_MARKED;
    }
    marks->marked = (struct mm_pop3_tally){.count = 0};
    marks->marked_count = 0;
}
