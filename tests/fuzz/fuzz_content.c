/* fuzz_content.c - any octets as a rule about content (its first line) and as
 * the message that it is asked about.
 *
 * A rule that is taken reads back to its own text and answers the same twice; a
 * rule without a condition is meant for every message; NOT turns the answer
 * round. What is refused is refused in words, and no change that a rule wants
 * can be more than one field or an address. */
#include "server/content_rule.h"
#include "tests/fuzz/fuzz.h"
#include "wire/msg/header_change.h"

#include <string.h>

static struct mm_content_rule *parse(struct mm_span line)
{
    struct mm_content_rule *rule = NULL;
    struct mm_buf words;

    mm_buf_init(&words, 1024);
    enum mailmod_error error = mm_content_rule_parse(&rule, line, &words);
    FUZZ_CHECK(error == MAILMOD_OK || error == MAILMOD_ERROR_SYNTAX);
    FUZZ_CHECK((error == MAILMOD_ERROR_SYNTAX) == (mm_buf_size(&words) > 0));
    FUZZ_CHECK(error == MAILMOD_OK || rule == NULL);
    mm_buf_fini(&words);
    return rule;
}

static bool ask(const struct mm_content_rule *rule,
                const struct mm_content_facts *facts)
{
    struct mm_content_view *view;
    bool first;
    bool second;

    FUZZ_CHECK(mm_content_view_new(&view, facts) == MAILMOD_OK);
    FUZZ_CHECK(mm_content_rule_ask(rule, view, &first) == MAILMOD_OK);
    FUZZ_CHECK(mm_content_rule_ask(rule, view, &second) == MAILMOD_OK);
    FUZZ_CHECK(first == second);
    mm_content_view_free(&view);
    return first;
}

static void check_changes(const struct mm_changes *changes)
{
    MM_LIST_EACH(node, &changes->items)
    {
        const struct mm_change_item *item =
            MM_LIST_OBJECT(node, struct mm_change_item, node);
        struct mm_header_change field;

        if (mm_change_header(&item->change, &field)) {
            FUZZ_CHECK(mm_header_change_is_sound(field.name, field.value));
        }
    }
}

static void check_text(const struct mm_content_rule *rule,
                       const struct mm_content_facts *facts, bool is_meant)
{
    struct mm_content_rule *again =
        parse(mm_span_cstr(mm_content_rule_text(rule)));

    FUZZ_CHECK(again != NULL);
    FUZZ_CHECK(
        strcmp(mm_content_rule_text(again), mm_content_rule_text(rule)) == 0);
    FUZZ_CHECK(mm_content_rule_ends(again) == mm_content_rule_ends(rule));
    FUZZ_CHECK(ask(again, facts) == is_meant);
    mm_content_rule_free(&again);
}

/* The line as an expression alone, and as its opposite. */
static void check_opposite(struct mm_span line,
                           const struct mm_content_facts *facts)
{
    struct mm_buf texts[2];
    struct mm_content_rule *rules[2];

    for (size_t i = 0; i < 2; i++) {
        mm_buf_init(&texts[i], 70000);
        (void)mm_buf_append_cstr(&texts[i],
                                 i == 0 ? "accept if (" : "accept if !(");
        (void)mm_buf_append_span(&texts[i], line);
        (void)mm_buf_append_char(&texts[i], ')');
        rules[i] = mm_buf_error(&texts[i]) == MAILMOD_OK
                       ? parse(mm_buf_span(&texts[i]))
                       : NULL;
    }
    if (rules[0] != NULL && rules[1] != NULL &&
        memchr(line.data, ')', line.size) == NULL) {
        FUZZ_CHECK(ask(rules[0], facts) != ask(rules[1], facts));
    }
    for (size_t i = 0; i < 2; i++) {
        mm_content_rule_free(&rules[i]);
        mm_buf_fini(&texts[i]);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct mm_span rest = mm_span((const char *)data, size);
    struct mm_span line;
    struct mm_changes others;
    struct mm_content_facts facts = {.size = size,
                                     .sender = "a@c.test",
                                     .hello = "mx.c.test",
                                     .peer = "192.0.2.7",
                                     .user = "",
                                     .recipients =
                                         mm_span_cstr("demo@b.test\nx@y.test"),
                                     .recipient_count = 2,
                                     .changes = &others};

    mm_changes_init(&others);
    FUZZ_CHECK(mm_changes_add(
                   &others, &(struct mm_change){.kind = MM_CHANGE_ADD_FIELD,
                                                .name = "X-Added",
                                                .value = "yes"}) == MAILMOD_OK);
    (void)mm_span_cut(rest, '\n', &line, &rest);
    facts.text = rest;
    struct mm_content_rule *rule = parse(line);
    if (rule != NULL) {
        FUZZ_CHECK(mm_content_rule_cost(rule) > 0 ||
                   strstr(mm_content_rule_text(rule), "if") == NULL);
        check_changes(mm_content_rule_changes(rule));
        check_text(rule, &facts, ask(rule, &facts));
        mm_content_rule_free(&rule);
    }
    check_opposite(line, &facts);
    mm_changes_clear(&others);
    return 0;
}
