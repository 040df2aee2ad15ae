/* alias.c - names of the original engine that say a part of one of our keys.
 *
 * smtp_port and pop_port name a port where the key is a list of addresses: a
 * port set by the old name means all IPv4 addresses of the system, as it did
 * there. smtptls and smtponlytls are the two flags that delivery.tls unites.
 * Thread: any. */
#include "config/alias.h"
#include "config/mistake.h"
#include "config/value.h"

#include <string.h>

static const struct mm_config_alias aliases[] = {
    {"smtp_port", "smtp.listen", MM_CONFIG_ALIAS_PORT},
    {"pop_port", "pop3.listen", MM_CONFIG_ALIAS_PORT},
    {"smtptls", "delivery.tls", MM_CONFIG_ALIAS_MAY},
    {"smtponlytls", "delivery.tls", MM_CONFIG_ALIAS_MUST},
};

const struct mm_config_alias *mm_config_aliases(size_t *count_out)
{
    *count_out = sizeof aliases / sizeof aliases[0];
    return aliases;
}

const struct mm_config_alias *mm_config_find_alias(const char *name)
{
    for (size_t i = 0; i < sizeof aliases / sizeof aliases[0]; i++) {
        if (strcmp(aliases[i].name, name) == 0) {
            return &aliases[i];
        }
    }
    return NULL;
}

static enum mailmod_error convert_port(struct mm_span text,
                                       struct mm_buf *text_out,
                                       struct mm_buf *mistake_out)
{
    uint64_t port;
    if (!mm_span_to_u64(text, &port) || port > 65535) {
        return mm_config_refuse(mistake_out, "must be a port from 0 to 65535");
    }
    return mm_buf_appendf(text_out, "*:%u", (unsigned)port);
}

enum mailmod_error mm_config_alias_convert(const struct mm_config_alias *alias,
                                           struct mm_span text,
                                           struct mm_buf *text_out,
                                           struct mm_buf *mistake_out)
{
    bool is_on;
    text = mm_span_trim(text);
    if (alias->kind == MM_CONFIG_ALIAS_PORT) {
        return convert_port(text, text_out, mistake_out);
    }
    if (!mm_config_parse_flag(text, &is_on)) {
        return mm_config_refuse(mistake_out, "must be true or false");
    }
    if (alias->kind == MM_CONFIG_ALIAS_MAY) {
        return mm_buf_append_cstr(text_out, is_on ? "may" : "off");
    }
    return mm_buf_append_cstr(text_out, is_on ? "must" : "may");
}

uint64_t mm_config_alias_number(const struct mm_config_alias *alias,
                                const struct mm_config *config)
{
    const struct mm_config_key *key = mm_config_find_key(alias->key);
    if (alias->kind == MM_CONFIG_ALIAS_PORT) {
        const struct mm_address_list *list =
            (const void *)((const char *)config + key->offset);
        return list->count == 0 ? 0 : list->items[0].port;
    }
    if (alias->kind == MM_CONFIG_ALIAS_MAY) {
        return config->delivery.tls != MM_CONFIG_TLS_OFF;
    }
    return config->delivery.tls == MM_CONFIG_TLS_MUST;
}
