/* dependent.c - settings that must fit another one, in one table.
 *
 * Promises: what nobody has set is the default, or less where the default would
 * not fit, so that one setting can be changed alone; what somebody has set is
 * never changed, but refused with what to do.
 * Thread: any (the builder's owner). */
#include "config/dependent.h"

#include "config/value.h"

static const struct mm_config_dependent table[] = {
    {"smtp.connections_per_address_max", "smtp.connections_max", false},
    {"pop3.connections_per_address_max", "pop3.connections_max", false},
    {"logins.checks_max", "general.workers", false},
    {"queue.destination_max", "queue.attempts_max", false},
    {"queue.warn_after", "queue.lifetime", true},
};

const struct mm_config_dependent *mm_config_dependents(size_t *count_out)
{
    *count_out = sizeof table / sizeof table[0];
    return table;
}

/* Every key of the table is a number. */
static uint64_t value_of(const char *name, const struct mm_config *config)
{
    uint64_t value = 0;
    return mm_config_value_number(mm_config_find_key(name), config, &value) ==
                   MAILMOD_OK
               ? value
               : 0;
}

static bool fits(const struct mm_config_dependent *dependent, uint64_t value,
                 uint64_t limit)
{
    return dependent->is_below ? value < limit : value <= limit;
}

bool mm_config_dependent_fits(const struct mm_config_dependent *dependent,
                              const struct mm_config *config)
{
    return fits(dependent, value_of(dependent->name, config),
                value_of(dependent->limit, config));
}

enum mailmod_error
mm_config_dependent_words(const struct mm_config_dependent *dependent,
                          const struct mm_config *config,
                          struct mm_buf *words_out)
{
    (void)mm_buf_appendf(words_out, "%s: ", dependent->name);
    enum mailmod_error error =
        mm_config_get(config, dependent->name, words_out);
    (void)mm_buf_appendf(words_out, " is %s %s, which is ",
                         dependent->is_below ? "not below" : "above",
                         dependent->limit);
    if (error == MAILMOD_OK) {
        error = mm_config_get(config, dependent->limit, words_out);
    }
    (void)mm_buf_append_cstr(words_out, "; lower it, or raise the other");
    return error == MAILMOD_OK ? mm_buf_error(words_out) : error;
}

void mm_config_follow(const struct mm_config_builder *builder,
                      struct mm_config *config)
{
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        const struct mm_config_key *key = mm_config_find_key(table[i].name);
        if (mm_config_is_set(builder, key) ||
            mm_config_dependent_fits(&table[i], config)) {
            continue;
        }
        uint64_t limit = value_of(table[i].limit, config);
        mm_config_value_set_number(key, config,
                                   table[i].is_below ? limit / 2 : limit);
    }
}
