/* rule.c - rules of lists: one line each.
 *
 * Owns a rule's text and what it was parsed to. Promises: a line has one
 * meaning, found by its form alone, in the order of rule.h; a form that there
 * is not is told, never taken for a text.
 * Thread: any. */
#include "server/rule.h"

#include "base/expression.h"
#include "base/host.h"
#include "base/mem.h"
#include "store/store.h"

#include <string.h>

#define HELO_PREFIX "helo:"

enum kind {
    NETWORK, /* from first to last */
    SENDER,  /* a wildcard */
    DOMAIN,  /* behind an at-sign */
    NAME,    /* a domain, or one below it */
    NAMES,   /* a wildcard */
    HELO,    /* a wildcard */
    PART,    /* of the control line */
    EXPRESSION,
    ZONES
};

struct mm_rule {
    enum kind kind;
    struct mm_netaddr first, last; /* NETWORK */
    const char *word;              /* inside `text` */
    struct mm_expression *expression;
    char text[];
};

static enum mailmod_error refuse(struct mm_buf *mistake, const char *words)
{
    if (mistake != NULL) {
        (void)mm_buf_append_cstr(mistake, words);
    }
    return MAILMOD_ERROR_SYNTAX;
}

/* ---- expressions ---- */

enum variable { SENDER_IS, HELLO_IS, CONTROL_IS, HELLO_IS_PEERS, VARIABLES };

/* $checkhello: 1 where the HELO name leads to the peer's address, else 0. */
static const struct mm_expression_names names = {
    .variables = {[SENDER_IS] = "$sender",
                  [HELLO_IS] = "$hello",
                  [CONTROL_IS] = "$control",
                  [HELLO_IS_PEERS] = "$checkhello"},
    .count = VARIABLES};

static enum mm_rule_answer ask_expression(const struct mm_rule *rule,
                                          const struct mm_rule_facts *facts)
{
    const struct mm_span values[VARIABLES] = {
        [SENDER_IS] = mm_span_cstr(facts->sender),
        [HELLO_IS] = mm_span_cstr(facts->helo),
        [CONTROL_IS] = mm_span_cstr(facts->control),
        [HELLO_IS_PEERS] =
            mm_span_cstr(facts->helo_is_peers == MM_RULE_YES ? "1" : "0")};

    if (facts->helo_is_peers == MM_RULE_WANTS_HELO &&
        mm_expression_uses(rule->expression, HELLO_IS_PEERS)) {
        return MM_RULE_WANTS_HELO;
    }
    return mm_expression_is_true(rule->expression, values) ? MM_RULE_YES
                                                           : MM_RULE_NO;
}

/* ---- what a line is ---- */

static size_t octets_of(const struct mm_netaddr *address)
{
    return address->family == MM_NETADDR_V4 ? 4 : 16;
}

/* The last address of the first `bits` bits; those of `first` behind them are
 * made 0. */
static void span_prefix(struct mm_netaddr *first, struct mm_netaddr *last_out,
                        unsigned bits)
{
    *last_out = *first;
    for (unsigned bit = bits; bit < octets_of(first) * 8; bit++) {
        uint8_t mask = (uint8_t)(0x80u >> (bit % 8));
        first->bytes[bit / 8] &= (uint8_t)~mask;
        last_out->bytes[bit / 8] |= mask;
    }
}

/* "192.0.2." and fewer octets */
static bool parse_octets(struct mm_rule *rule, struct mm_span text)
{
    uint8_t bytes[4] = {0, 0, 0, 0};
    struct mm_span number;
    uint64_t octet;
    unsigned count = 0;

    while (count < 3 && mm_span_cut(text, '.', &number, &text)) {
        if (!mm_span_to_u64(number, &octet) || octet > 255) {
            return false;
        }
        bytes[count++] = (uint8_t)octet;
    }
    if (count == 0 || text.size > 0) {
        return false;
    }
    rule->first = mm_netaddr_v4(bytes, 0);
    span_prefix(&rule->first, &rule->last, count * 8);
    return true;
}

static bool parse_network(struct mm_rule *rule, struct mm_span text)
{
    struct mm_netrange range;
    struct mm_span first;
    struct mm_span last;

    if (mm_netrange_parse(text, &range)) {
        rule->first = range.address;
        span_prefix(&rule->first, &rule->last, range.prefix);
        return true;
    }
    return parse_octets(rule, text) ||
           (mm_span_cut(text, '-', &first, &last) &&
            mm_netaddr_parse_ip(first, &rule->first) &&
            mm_netaddr_parse_ip(last, &rule->last) &&
            rule->first.family == rule->last.family &&
            memcmp(rule->first.bytes, rule->last.bytes, 16) <= 0);
}

static bool is_name(struct mm_span text)
{
    bool has_dot = false;

    for (size_t i = 0; i < text.size; i++) {
        unsigned char c = (unsigned char)text.data[i];
        has_dot |= c == '.';
        if (!mm_ascii_is_alnum(c) && c != '-' && c != '_' && c != '.' &&
            c < 128) {
            return false;
        }
    }
    return has_dot && text.data[0] != '.' && text.data[text.size - 1] != '.';
}

static bool has_octet(struct mm_span text, char c)
{
    return memchr(text.data, c, text.size) != NULL;
}

static enum kind kind_of(struct mm_rule *rule, struct mm_span text)
{
    if (parse_network(rule, text)) {
        return NETWORK;
    }
    if (mm_span_starts_nocase(text, HELO_PREFIX)) {
        rule->word += strlen(HELO_PREFIX);
        return HELO;
    }
    if (has_octet(text, ' ') || has_octet(text, '\t')) {
        return PART;
    }
    if (text.data[0] == '@' && text.size > 1 && !has_octet(text, '*')) {
        rule->word++;
        return DOMAIN;
    }
    if (has_octet(text, '@')) {
        return SENDER;
    }
    if (has_octet(text, '*')) {
        return NAMES;
    }
    return is_name(text) ? NAME : PART;
}

static enum mailmod_error parse_question(struct mm_rule *rule,
                                         struct mm_span text,
                                         struct mm_buf *mistake)
{
    struct mm_span rest = mm_span_trim(mm_span_from(text, 1));

    if (rest.size > 0 && rest.data[0] == '?') {
        rest = mm_span_trim(mm_span_from(rest, 1));
        rule->kind = ZONES;
        rule->word = rest.data;
        return rest.size > 0 ? MAILMOD_OK
                             : refuse(mistake, "names no zone behind ??");
    }
    rule->kind = EXPRESSION;
    return mm_expression_new(&rule->expression, rest, &names, mistake);
}

enum mailmod_error mm_rule_parse(struct mm_rule **rule_out, struct mm_span line,
                                 struct mm_buf *mistake_out)
{
    struct mm_span text = mm_span_trim(line);

    *rule_out = NULL;
    if (text.size == 0 || text.data[0] == '#') {
        return MAILMOD_OK;
    }
    if (text.size >= MM_STORE_RULE_MAX) {
        return refuse(mistake_out, "is too long");
    }
    if (!mm_span_is_printable_utf8(text)) {
        return refuse(mistake_out, "has octets that no rule can have");
    }
    struct mm_rule *rule = mm_alloc(sizeof *rule + text.size + 1);
    if (rule == NULL) {
        return MAILMOD_ERROR_MEMORY;
    }
    memcpy(rule->text, text.data, text.size);
    rule->word = rule->text;
    text = mm_span(rule->text, text.size);
    enum mailmod_error error = MAILMOD_OK;
    if (text.data[0] == '?') {
        error = parse_question(rule, text, mistake_out);
    } else {
        rule->kind = kind_of(rule, text);
    }
    if (error != MAILMOD_OK) {
        mm_rule_free(&rule);
    }
    *rule_out = rule;
    return error;
}

void mm_rule_free(struct mm_rule **rule)
{
    if (*rule != NULL) {
        mm_expression_free(&(*rule)->expression);
        mm_free(*rule);
        *rule = NULL;
    }
}

const char *mm_rule_text(const struct mm_rule *rule)
{
    return rule->text;
}

const char *mm_rule_zones(const struct mm_rule *rule)
{
    return rule->kind == ZONES ? rule->word : NULL;
}

/* ---- whom it means ---- */

/* "*" is any octets. Goes back to the last "*" alone, so it takes no longer
 * than the lengths multiplied. */
static bool matches_wildcard(const char *wildcard, const char *text)
{
    const char *star = NULL;
    const char *from = NULL;

    while (*text != '\0') {
        if (*wildcard == '*') {
            star = wildcard++;
            from = text;
        } else if (mm_ascii_lower((unsigned char)*wildcard) ==
                   mm_ascii_lower((unsigned char)*text)) {
            wildcard++;
            text++;
        } else if (star != NULL) {
            wildcard = star + 1;
            text = ++from;
        } else {
            return false;
        }
    }
    while (*wildcard == '*') {
        wildcard++;
    }
    return *wildcard == '\0';
}

/* "" when the path is null. */
static const char *domain_of(const char *sender)
{
    const char *at = strrchr(sender, '@');

    return at != NULL ? at + 1 : "";
}

static bool is_in(const struct mm_rule *rule, const struct mm_netaddr *peer)
{
    size_t size = octets_of(&rule->first);

    return peer != NULL && peer->family == rule->first.family &&
           memcmp(peer->bytes, rule->first.bytes, size) >= 0 &&
           memcmp(peer->bytes, rule->last.bytes, size) <= 0;
}

/* "@yahoo": the first label of the domain. */
static bool is_domain(const char *domain, const char *wanted)
{
    size_t size = strlen(wanted);

    return mm_cstr_equal_nocase(domain, wanted) ||
           (strchr(wanted, '.') == NULL &&
            mm_span_starts_nocase(mm_span_cstr(domain), wanted) &&
            domain[size] == '.');
}

static bool is_meant(const struct mm_rule *rule,
                     const struct mm_rule_facts *facts)
{
    const char *domain = domain_of(facts->sender);
    struct mm_span word = mm_span_cstr(rule->word);

    switch (rule->kind) {
    case NETWORK:
        return is_in(rule, facts->peer);
    case SENDER:
        return facts->sender[0] != '\0' &&
               matches_wildcard(rule->word, facts->sender);
    case DOMAIN:
        return is_domain(domain, rule->word);
    case NAME:
        return mm_host_is_within(mm_span_cstr(domain), word) ||
               mm_host_is_within(mm_span_cstr(facts->helo), word);
    case NAMES:
        return (domain[0] != '\0' && matches_wildcard(rule->word, domain)) ||
               (facts->helo[0] != '\0' &&
                matches_wildcard(rule->word, facts->helo));
    case HELO:
        return matches_wildcard(rule->word, facts->helo);
    case PART:
        return mm_span_has_nocase(mm_span_cstr(facts->control), rule->word);
    case EXPRESSION:
    case ZONES:
        break;
    }
    return false;
}

enum mm_rule_answer mm_rule_ask(const struct mm_rule *rule,
                                const struct mm_rule_facts *facts)
{
    if (rule->kind == EXPRESSION) {
        return ask_expression(rule, facts);
    }
    return is_meant(rule, facts) ? MM_RULE_YES : MM_RULE_NO;
}
