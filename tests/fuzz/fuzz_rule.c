/* fuzz_rule.c - any octets as a rule of a list, and as what it is asked about:
 * the first line is the rule, the others HELO name, sender and control line.
 * A rule that is taken reads back to its own text and answers the same twice.
 */
#include "server/rule.h"
#include "tests/fuzz/fuzz.h"

#include <string.h>

static const char *take_line(struct mm_span *rest, char *text_out, size_t size)
{
    struct mm_span line;

    (void)mm_span_cut(*rest, '\n', &line, rest);
    line.size = line.size < size - 1 ? line.size : size - 1;
    if (!mm_span_copy(line, text_out, size)) {
        text_out[0] = '\0';
    }
    return text_out;
}

static void ask(const struct mm_rule *rule, struct mm_span rest)
{
    char helo[256];
    char sender[512];
    char control[1024];
    const uint8_t bytes[4] = {192, 0, 2, 7};
    struct mm_netaddr peer = mm_netaddr_v4(bytes, 0);
    struct mm_rule_facts facts = {.peer = &peer, .peer_text = "192.0.2.7"};

    facts.helo = take_line(&rest, helo, sizeof helo);
    facts.sender = take_line(&rest, sender, sizeof sender);
    facts.control = take_line(&rest, control, sizeof control);
    facts.helo_is_peers = MM_RULE_WANTS_HELO;
    enum mm_rule_answer first = mm_rule_ask(rule, &facts);
    FUZZ_CHECK(first == mm_rule_ask(rule, &facts));
    facts.helo_is_peers = MM_RULE_NO;
    FUZZ_CHECK(mm_rule_ask(rule, &facts) != MM_RULE_WANTS_HELO);
    FUZZ_CHECK(first == MM_RULE_WANTS_HELO ||
               first == mm_rule_ask(rule, &facts));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct mm_span rest = mm_span((const char *)data, size);
    struct mm_span line;
    struct mm_rule *rule;

    (void)mm_span_cut(rest, '\n', &line, &rest);
    if (mm_rule_parse(&rule, line, NULL) != MAILMOD_OK || rule == NULL) {
        return 0;
    }
    struct mm_rule *again;
    FUZZ_CHECK(mm_rule_parse(&again, mm_span_cstr(mm_rule_text(rule)), NULL) ==
               MAILMOD_OK);
    FUZZ_CHECK(strcmp(mm_rule_text(again), mm_rule_text(rule)) == 0);
    FUZZ_CHECK((mm_rule_zones(again) == NULL) == (mm_rule_zones(rule) == NULL));
    ask(rule, rest);
    mm_rule_free(&again);
    mm_rule_free(&rule);
    return 0;
}
