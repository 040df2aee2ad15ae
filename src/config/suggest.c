/* suggest.c - what a name that is no key was probably meant to be.
 *
 * Pure. The nearest key by letters that are added, missing, other or turned
 * around; none where the nearest is further off than a slip of the fingers.
 * Thread: any. */
#include "config/config.h"

#include <string.h>

/* Longer than any key; longer names have no suggestion. */
#define NAME_MAX_SIZE 64

static unsigned least(unsigned a, unsigned b, unsigned c)
{
    unsigned ab = a < b ? a : b;
    return ab < c ? ab : c;
}

static bool is_same(char a, char b)
{
    return mm_ascii_lower(a) == mm_ascii_lower(b);
}

/* The distance of Damerau and Levenshtein, each place changed once. */
static unsigned distance(const char *a, const char *b)
{
    unsigned rows[3][NAME_MAX_SIZE + 1];
    size_t size = strlen(b);
    for (size_t j = 0; j <= size; j++) {
        rows[0][j] = (unsigned)j;
    }
    size_t i = 0;
    for (; a[i] != '\0'; i++) {
        const unsigned *before = rows[(i + 2) % 3];
        const unsigned *above = rows[i % 3];
        unsigned *row = rows[(i + 1) % 3];
        row[0] = (unsigned)i + 1;
        for (size_t j = 1; j <= size; j++) {
            row[j] = least(above[j] + 1, row[j - 1] + 1,
                           above[j - 1] + !is_same(a[i], b[j - 1]));
            if (i > 0 && j > 1 && is_same(a[i], b[j - 2]) &&
                is_same(a[i - 1], b[j - 1]) && before[j - 2] + 1 < row[j]) {
                row[j] = before[j - 2] + 1;
            }
        }
    }
    return rows[i % 3][size];
}

const char *mm_config_suggest(const char *name)
{
    size_t count;
    const struct mm_config_key *keys = mm_config_keys(&count);
    size_t size = strlen(name);
    const char *nearest = NULL;
    /* A third of the letters may be wrong, four at most. */
    unsigned best = size >= 12 ? 5 : (unsigned)size / 3 + 1;
    for (size_t i = 0; i < count && size < NAME_MAX_SIZE; i++) {
        unsigned far = distance(name, keys[i].name);
        if (far < best) {
            best = far;
            nearest = keys[i].name;
        }
    }
    return nearest;
}

void mm_config_say_unknown(const char *name, struct mm_buf *out)
{
    const char *meant = mm_config_suggest(name);
    (void)mm_buf_append_cstr(out, "there is no such key");
    if (meant != NULL) {
        (void)mm_buf_appendf(out, "; did you mean %s?", meant);
    }
}
