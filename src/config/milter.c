/* milter.c - the filters of milters.filters: one line of settings each.
 *
 * A line is words (words.h). Owns nothing. Promises: each filter has a name of
 * its own, which can stand in a destination of the queue ("quarantine:name");
 * its place is an address with a port, or an absolute path.
 * Thread: any. */
#include "config/milter.h"

#include "config/mistake.h"
#include "config/value.h"
#include "config/words.h"

#include <string.h>

#define SECOND UINT64_C(1000)
#define HOUR (3600 * SECOND)

/* "127.0.0.1:11332", "[::1]:11332" or "unix:/run/rspamd/milter.sock". */
static bool read_place(struct mm_span value, void *record, size_t size)
{
    struct mm_config_milter *milter = record;
    const char scheme[] = "unix:";
    (void)size;
    if (mm_span_starts_nocase(value, scheme)) {
        value = mm_span_from(value, sizeof scheme - 1);
        return value.size > 1 && value.data[0] == '/' &&
               mm_span_copy(value, milter->path, sizeof milter->path);
    }
    return mm_netaddr_parse(value, &milter->address) &&
           milter->address.port != 0 && !mm_netaddr_is_any(&milter->address);
}

static bool read_away(struct mm_span value, void *away_out, size_t size)
{
    static const char *const names[] = {[MM_CONFIG_AWAY_TEMPFAIL] = "tempfail",
                                        [MM_CONFIG_AWAY_ACCEPT] = "accept",
                                        [MM_CONFIG_AWAY_REJECT] = "reject"};
    (void)size;
    for (unsigned i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (mm_span_is(value, names[i])) {
            *(enum mm_config_away *)away_out = (enum mm_config_away)i;
            return true;
        }
    }
    return false;
}

static bool read_timeout(struct mm_span value, void *ms_out, size_t size)
{
    uint64_t *timeout_ms = ms_out;
    (void)size;
    return mm_config_parse_duration(value, timeout_ms) && *timeout_ms >= 100 &&
           *timeout_ms <= HOUR;
}

static bool read_size_max(struct mm_span value, void *octets_out, size_t size)
{
    uint64_t *octets = octets_out;
    (void)size;
    return mm_config_parse_size(value, octets) && *octets <= UINT64_C(1) << 40;
}

#define AT(member) MM_CONFIG_AT(struct mm_config_milter, member)
#define AT_WHOLE MM_CONFIG_AT_WHOLE(struct mm_config_milter)

static const struct mm_config_word rows[] = {
    {"name", false, true, mm_config_read_name, AT(name),
     "up to 32 letters, digits, and - _ .", 0},
    {"at", false, true, read_place, AT_WHOLE,
     "an address with a port, or unix: and an absolute path", 0},
    {"away", false, false, read_away, AT(away), "tempfail, accept or reject",
     0},
    {"timeout", false, false, read_timeout, AT(timeout_ms),
     "a time from 100ms to 1h", 0},
    {"end_timeout", false, false, read_timeout, AT(end_timeout_ms),
     "a time from 100ms to 1h", 0},
    {"size_max", false, false, read_size_max, AT(size_max), "a size", 0},
};
static const struct mm_config_words words = {rows, sizeof rows / sizeof rows[0],
                                             "a filter"};

enum mailmod_error mm_config_milter_parse(struct mm_span line,
                                          struct mm_config_milter *milter_out,
                                          struct mm_buf *mistake_out)
{
    *milter_out = (struct mm_config_milter){.timeout_ms = 30 * SECOND,
                                            .end_timeout_ms = 300 * SECOND};
    return mm_config_words_read(&words, line, milter_out, mistake_out);
}

bool mm_config_next_milter(struct mm_span *rest,
                           struct mm_config_milter *milter_out)
{
    struct mm_span line;
    return mm_config_next_line(rest, &line) &&
           mm_config_milter_parse(line, milter_out, NULL) == MAILMOD_OK;
}

enum mailmod_error mm_config_milters_check(struct mm_span text,
                                           struct mm_buf *mistake_out)
{
    char names[MM_CONFIG_MILTERS_MAX][MM_CONFIG_MILTER_NAME_MAX];
    size_t count = 0;
    struct mm_span line;
    while (mm_config_next_line(&text, &line)) {
        struct mm_config_milter milter;
        enum mailmod_error error =
            mm_config_milter_parse(line, &milter, mistake_out);
        if (error != MAILMOD_OK) {
            return error;
        }
        for (size_t i = 0; i < count; i++) {
            if (strcmp(names[i], milter.name) == 0) {
                return mm_config_refuse(
                    mistake_out, "the name %s is there twice", milter.name);
            }
        }
        if (count == MM_CONFIG_MILTERS_MAX) {
            return mm_config_refuse(mistake_out,
                                    "there are more than %u filters",
                                    (unsigned)MM_CONFIG_MILTERS_MAX);
        }
        memcpy(names[count++], milter.name, sizeof milter.name);
    }
    return MAILMOD_OK;
}
