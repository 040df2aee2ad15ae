/* quantity.c - flags, sizes and durations as people write them.
 *
 * "10M" and "64 KiB" are octets in powers of 1024; "30s", "5m", "24h" are
 * times, a number alone is seconds. Units of time are lower case only, so that
 * no one reads "5M" as minutes. Promises that a product past 64 bits is
 * refused, not wrapped, and that what is written reads back as the same value:
 * the largest unit that divides it is used.
 * Thread: any. */
#include "config/value.h"

struct unit {
    const char *name;
    uint64_t factor;
};

#define KIBI UINT64_C(1024)
static const struct unit size_units[] = {
    {"", 1},
    {"B", 1},
    {"K", KIBI},
    {"KiB", KIBI},
    {"M", KIBI *KIBI},
    {"MiB", KIBI *KIBI},
    {"G", KIBI *KIBI *KIBI},
    {"GiB", KIBI *KIBI *KIBI},
    {"T", KIBI *KIBI *KIBI *KIBI},
    {"TiB", KIBI *KIBI *KIBI *KIBI},
};
static const struct unit time_units[] = {
    {"ms", 1},        {"", 1000},         {"s", 1000},
    {"m", 60 * 1000}, {"h", 3600 * 1000}, {"d", 24 * 3600 * 1000},
};

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

bool mm_config_parse_flag(struct mm_span text, bool *flag_out)
{
    static const char *const yes[] = {"true", "yes", "on", "1"};
    static const char *const no[] = {"false", "no", "off", "0"};
    for (size_t i = 0; i < COUNT(yes); i++) {
        if (mm_span_is_nocase(text, yes[i]) || mm_span_is_nocase(text, no[i])) {
            *flag_out = mm_span_is_nocase(text, yes[i]);
            return true;
        }
    }
    return false;
}

static bool multiply(uint64_t a, uint64_t b, uint64_t *product_out)
{
    if (b != 0 && a > UINT64_MAX / b) {
        return false;
    }
    *product_out = a * b;
    return true;
}

/* 1*DIGIT *WSP [unit] */
static bool cut_number(struct mm_span text, uint64_t *number_out,
                       struct mm_span *unit_out)
{
    size_t digits = 0;
    while (digits < text.size &&
           mm_ascii_is_digit((unsigned char)text.data[digits])) {
        digits++;
    }
    *unit_out = mm_span_trim(mm_span_from(text, digits));
    return digits > 0 && mm_span_to_u64(mm_span(text.data, digits), number_out);
}

bool mm_config_parse_size(struct mm_span text, uint64_t *octets_out)
{
    uint64_t number;
    struct mm_span unit;
    if (!cut_number(text, &number, &unit)) {
        return false;
    }
    for (size_t i = 0; i < COUNT(size_units); i++) {
        if (mm_span_is_nocase(unit, size_units[i].name)) {
            return multiply(number, size_units[i].factor, octets_out);
        }
    }
    return false;
}

bool mm_config_parse_duration(struct mm_span text, uint64_t *ms_out)
{
    uint64_t number;
    struct mm_span unit;
    if (!cut_number(text, &number, &unit)) {
        return false;
    }
    for (size_t i = 0; i < COUNT(time_units); i++) {
        if (mm_span_is(unit, time_units[i].name)) {
            return multiply(number, time_units[i].factor, ms_out);
        }
    }
    return false;
}

static enum mailmod_error format(struct mm_buf *out, uint64_t value,
                                 const char *const names[],
                                 const uint64_t factors[])
{
    size_t best = 0;
    for (size_t i = 0; factors[i] != 0; i++) {
        if (value != 0 && value % factors[i] == 0) {
            best = i;
        }
    }
    enum mailmod_error error = mm_buf_append_u64(out, value / factors[best]);
    if (error == MAILMOD_OK) {
        error = mm_buf_append_cstr(out, names[best]);
    }
    return error;
}

enum mailmod_error mm_config_format_size(struct mm_buf *out, uint64_t octets)
{
    static const char *const names[] = {"", "K", "M", "G", "T"};
    static const uint64_t factors[] = {
        1, KIBI, KIBI * KIBI, KIBI * KIBI * KIBI, KIBI * KIBI * KIBI * KIBI, 0};
    return format(out, octets, names, factors);
}

enum mailmod_error mm_config_format_duration(struct mm_buf *out, uint64_t ms)
{
    /* No days: "24h" is how mail people call it. */
    static const char *const names[] = {"ms", "s", "m", "h"};
    static const uint64_t factors[] = {1, 1000, 60 * 1000, 3600 * 1000, 0};
    if (ms == 0) {
        return mm_buf_append_cstr(out, "0s");
    }
    return format(out, ms, names, factors);
}
