/* unicode.c - normalization and case folding over tables of our own.
 *
 * Owns the tables (unicode_data.inc, written by tools/unicode/tables).
 * Promises: the form of a text depends on nothing but the text; no code point
 * outside the tables is touched; memory is bounded by the length of the text.
 * Not the system's: Windows folds other letters than Linux, and a name kept by
 * one must be found by the other.
 * Thread: any. UAX 15 (decompose, order, compose), Unicode 3.12 (Hangul) and
 * 3.13 (D145: NFC of the folded NFD). */
#include "base/unicode.h"
#include "base/mem.h"
#include "base/unicode_internal.h"

#include <stdlib.h>
#include <string.h>

struct unicode_expansion {
    uint32_t point;
    uint8_t count;
    uint16_t at; /* in unicode_pool */
};
struct unicode_class { /* Canonical_Combining_Class */
    uint32_t first, last;
    uint8_t number;
};
struct unicode_pair {
    uint32_t first, second, composite;
};
struct unicode_range {
    uint32_t first, last;
};
#include "base/unicode_data.inc"

#define COUNT(table) (sizeof(table) / sizeof(table)[0])

enum { /* Unicode 3.12 */
       S_BASE = 0xAC00,
       L_BASE = 0x1100,
       V_BASE = 0x1161,
       T_BASE = 0x11A7,
       L_COUNT = 19,
       V_COUNT = 21,
       T_COUNT = 28,
       S_COUNT = L_COUNT * V_COUNT * T_COUNT
};

static int by_expansion(const void *key, const void *row)
{
    uint32_t point = *(const uint32_t *)key;
    uint32_t other = ((const struct unicode_expansion *)row)->point;
    return point < other ? -1 : point > other;
}

/* class and range begin alike. */
static int by_range(const void *key, const void *row)
{
    uint32_t point = *(const uint32_t *)key;
    const uint32_t *range = row;
    return point < range[0] ? -1 : point > range[1];
}

static int by_pair(const void *key, const void *row)
{
    const struct unicode_pair *pair = key;
    const struct unicode_pair *other = row;
    if (pair->first != other->first) {
        return pair->first < other->first ? -1 : 1;
    }
    return pair->second < other->second ? -1 : pair->second > other->second;
}

static const struct unicode_expansion *
find_expansion(const struct unicode_expansion *table, size_t count,
               uint32_t point)
{
    return bsearch(&point, table, count, sizeof *table, by_expansion);
}

static unsigned class_of(uint32_t point)
{
    const struct unicode_class *found =
        bsearch(&point, unicode_classes, COUNT(unicode_classes),
                sizeof unicode_classes[0], by_range);
    return found == NULL ? 0 : found->number;
}

static bool is_in(const struct unicode_range *table, size_t count,
                  uint32_t point)
{
    return bsearch(&point, table, count, sizeof *table, by_range) != NULL;
}

bool mm_unicode_has(enum mm_unicode_set set, uint32_t point)
{
    switch (set) {
    case MM_UNICODE_NOTHING:
        return is_in(unicode_nothing, COUNT(unicode_nothing), point);
    case MM_UNICODE_BLANK:
        return is_in(unicode_blanks, COUNT(unicode_blanks), point);
    case MM_UNICODE_PROHIBITED:
        return is_in(unicode_prohibited, COUNT(unicode_prohibited), point);
    case MM_UNICODE_RIGHT_TO_LEFT:
        return is_in(unicode_right_to_left, COUNT(unicode_right_to_left),
                     point);
    case MM_UNICODE_LEFT_TO_RIGHT:
        break;
    }
    return is_in(unicode_left_to_right, COUNT(unicode_left_to_right), point);
}

void mm_points_fini(struct mm_points *points)
{
    if (points->at != NULL) {
        mm_secret_clear(points->at, points->capacity * sizeof *points->at);
        mm_free(points->at);
    }
    *points = (struct mm_points){NULL, 0, 0};
}

static enum mailmod_error points_init(struct mm_points *points, size_t capacity)
{
    *points = (struct mm_points){NULL, 0, 0};
    points->at =
        mm_alloc_array(capacity > 0 ? capacity : 1, sizeof *points->at);
    if (points->at == NULL) {
        return MAILMOD_ERROR_MEMORY;
    }
    points->capacity = capacity;
    return MAILMOD_OK;
}

/* One code point of checked UTF-8 (RFC 3629 3). */
static uint32_t take_point(struct mm_span *text)
{
    const unsigned char *at = (const unsigned char *)text->data;
    size_t size = at[0] < 0x80 ? 1 : at[0] < 0xe0 ? 2 : at[0] < 0xf0 ? 3 : 4;
    uint32_t point = size == 1 ? at[0] : at[0] & (0x7fU >> size);
    for (size_t i = 1; i < size; i++) {
        point = point << 6 | (at[i] & 0x3fU);
    }
    *text = mm_span_from(*text, size);
    return point;
}

static size_t octets_of(uint32_t point)
{
    return point < 0x80 ? 1 : point < 0x800 ? 2 : point < 0x10000 ? 3 : 4;
}

static enum mailmod_error append_point(struct mm_buf *out, uint32_t point)
{
    unsigned char bytes[4];
    size_t size = octets_of(point);
    static const unsigned char leads[] = {0, 0, 0xc0, 0xe0, 0xf0};
    for (size_t i = size - 1; i > 0; i--) {
        bytes[i] = (unsigned char)(0x80 | (point & 0x3f));
        point >>= 6;
    }
    bytes[0] = (unsigned char)(leads[size] | point);
    enum mailmod_error error = mm_buf_append(out, bytes, size);
    mm_secret_clear(bytes, sizeof bytes);
    return error;
}

enum mailmod_error mm_points_read(struct mm_points *points_out,
                                  struct mm_span text)
{
    *points_out = (struct mm_points){NULL, 0, 0};
    if (text.size > MM_UNICODE_TEXT_MAX) {
        return MAILMOD_ERROR_TOO_LARGE;
    }
    if (!mm_span_is_utf8(text)) {
        return MAILMOD_ERROR_SYNTAX;
    }
    enum mailmod_error error = points_init(points_out, text.size);
    while (error == MAILMOD_OK && text.size > 0) {
        points_out->at[points_out->count++] = take_point(&text);
    }
    return error;
}

enum mailmod_error mm_points_write(const struct mm_points *points,
                                   struct mm_buf *out)
{
    size_t size = 0;
    for (size_t i = 0; i < points->count; i++) {
        size += octets_of(points->at[i]);
    }
    /* At once: a block that grows leaves a copy of a secret behind. */
    if (mm_buf_reserve(out, size) == NULL) {
        return mm_buf_error(out);
    }
    enum mailmod_error error = MAILMOD_OK;
    for (size_t i = 0; i < points->count && error == MAILMOD_OK; i++) {
        error = append_point(out, points->at[i]);
    }
    return error;
}

/* What takes the place of one code point: a row of the pool, or parts. */
struct parts {
    const uint32_t *at;
    size_t count;
    uint32_t own[3];
};

static void find_hangul(struct parts *parts, uint32_t index)
{
    parts->own[0] = L_BASE + index / (V_COUNT * T_COUNT);
    parts->own[1] = V_BASE + index % (V_COUNT * T_COUNT) / T_COUNT;
    parts->own[2] = T_BASE + index % T_COUNT;
    parts->count = index % T_COUNT == 0 ? 2 : 3;
    parts->at = parts->own;
}

static void find_decomposed(struct parts *parts, uint32_t point,
                            bool is_compatible)
{
    const struct unicode_expansion *found = NULL;
    if (point >= S_BASE && point < S_BASE + S_COUNT) {
        find_hangul(parts, point - S_BASE);
        return;
    }
    if (is_compatible) {
        found = find_expansion(unicode_compatible, COUNT(unicode_compatible),
                               point);
    }
    if (found == NULL) {
        found =
            find_expansion(unicode_canonical, COUNT(unicode_canonical), point);
    }
    parts->own[0] = point;
    parts->at = found == NULL ? parts->own : &unicode_pool[found->at];
    parts->count = found == NULL ? 1 : found->count;
}

static void find_folded(struct parts *parts, uint32_t point)
{
    const struct unicode_expansion *found =
        find_expansion(unicode_folds, COUNT(unicode_folds), point);
    parts->own[0] = point;
    parts->at = found == NULL ? parts->own : &unicode_pool[found->at];
    parts->count = found == NULL ? 1 : found->count;
}

enum step { FOLD, DECOMPOSE, DECOMPOSE_COMPATIBLE };

static void find_parts(struct parts *parts, uint32_t point, enum step step)
{
    if (step == FOLD) {
        find_folded(parts, point);
    } else {
        find_decomposed(parts, point, step == DECOMPOSE_COMPATIBLE);
    }
}

/* Each code point by its parts; counted first, so that no shorter copy of a
 * secret stays behind in a block that was grown. */
static enum mailmod_error replace_all(struct mm_points *points, enum step step)
{
    struct parts parts;
    struct mm_points longer;
    size_t count = 0;
    for (size_t i = 0; i < points->count; i++) {
        find_parts(&parts, points->at[i], step);
        count += parts.count;
    }
    enum mailmod_error error = points_init(&longer, count);
    if (error != MAILMOD_OK) {
        return error;
    }
    for (size_t i = 0; i < points->count; i++) {
        find_parts(&parts, points->at[i], step);
        memcpy(&longer.at[longer.count], parts.at,
               parts.count * sizeof *parts.at);
        longer.count += parts.count;
    }
    mm_secret_clear(&parts, sizeof parts);
    mm_points_fini(points);
    *points = longer;
    return MAILMOD_OK;
}

/* The Canonical Ordering Algorithm: a stable sort of each run of marks. */
static void order(struct mm_points *points)
{
    for (size_t i = 1; i < points->count; i++) {
        uint32_t point = points->at[i];
        unsigned number = class_of(point);
        size_t at = i;
        while (number != 0 && at > 0 && class_of(points->at[at - 1]) > number) {
            points->at[at] = points->at[at - 1];
            at--;
        }
        points->at[at] = point;
    }
}

/* 0: the two stay two. */
static uint32_t compose_pair(uint32_t first, uint32_t second)
{
    struct unicode_pair key = {first, second, 0};
    if (first >= L_BASE && first < L_BASE + L_COUNT && second >= V_BASE &&
        second < V_BASE + V_COUNT) {
        return S_BASE +
               ((first - L_BASE) * V_COUNT + second - V_BASE) * T_COUNT;
    }
    if (first >= S_BASE && first < S_BASE + S_COUNT &&
        (first - S_BASE) % T_COUNT == 0 && second > T_BASE &&
        second < T_BASE + T_COUNT) {
        return first + second - T_BASE;
    }
    const struct unicode_pair *found =
        bsearch(&key, unicode_pairs, COUNT(unicode_pairs),
                sizeof unicode_pairs[0], by_pair);
    return found == NULL ? 0 : found->composite;
}

/* The Canonical Composition Algorithm: a mark joins the last starter unless
 * one of its own class or above, or another starter, stands between. */
static void compose(struct mm_points *points)
{
    size_t used = 0;
    size_t starter = SIZE_MAX;
    unsigned last = 0; /* class of what was kept last */
    for (size_t i = 0; i < points->count; i++) {
        uint32_t point = points->at[i];
        unsigned number = class_of(point);
        bool is_blocked = starter == SIZE_MAX ||
                          (used > starter + 1 && (last == 0 || last >= number));
        uint32_t composite =
            is_blocked ? 0 : compose_pair(points->at[starter], point);
        if (composite != 0) {
            points->at[starter] = composite;
            continue;
        }
        if (number == 0) {
            starter = used;
        }
        last = number;
        points->at[used++] = point;
    }
    points->count = used;
}

enum mailmod_error mm_points_normalize(struct mm_points *points,
                                       enum mm_unicode_form form)
{
    enum mailmod_error error = replace_all(
        points, form == MM_UNICODE_NFKC ? DECOMPOSE_COMPATIBLE : DECOMPOSE);
    if (error == MAILMOD_OK && form == MM_UNICODE_FOLDED) {
        order(points);
        error = replace_all(points, FOLD);
        if (error == MAILMOD_OK) {
            error = replace_all(points, DECOMPOSE);
        }
    }
    if (error == MAILMOD_OK) {
        order(points);
        compose(points);
    }
    return error;
}

static enum mailmod_error
append_ascii(struct mm_buf *out, enum mm_unicode_form form, struct mm_span text)
{
    size_t at = mm_buf_size(out);
    enum mailmod_error error = mm_buf_append_span(out, text);
    if (error == MAILMOD_OK && text.size > 0 && form == MM_UNICODE_FOLDED) {
        char *copy = out->data + out->start + at;
        for (size_t i = 0; i < text.size; i++) {
            copy[i] = (char)mm_ascii_lower((unsigned char)copy[i]);
        }
    }
    return error;
}

enum mailmod_error mm_unicode_append(struct mm_buf *out,
                                     enum mm_unicode_form form,
                                     struct mm_span text)
{
    struct mm_points points;
    if (text.size <= MM_UNICODE_TEXT_MAX && !mm_span_has_8bit(text)) {
        return append_ascii(out, form, text);
    }
    enum mailmod_error error = mm_points_read(&points, text);
    if (error == MAILMOD_OK) {
        error = mm_points_normalize(&points, form);
    }
    if (error == MAILMOD_OK) {
        error = mm_points_write(&points, out);
    }
    mm_points_fini(&points);
    return error;
}

bool mm_unicode_is_seen(struct mm_span text)
{
    if (!mm_span_is_utf8(text)) {
        return false;
    }
    while (text.size > 0) {
        if (is_in(unicode_unseen, COUNT(unicode_unseen), take_point(&text))) {
            return false;
        }
    }
    return true;
}
