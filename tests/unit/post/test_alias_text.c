/* test_alias_text.c - the form of /etc/aliases, a row a text. Thread: any. */
#include "post/alias_text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

/* "LINE name=kind:text,..." for each alias; kinds: a address, i include, f
 * foreign, h hidden, s shown. */
static void write_all(const char *text, char *out, size_t size)
{
    struct mm_alias_text state = {.rest = mm_span_cstr(text)};
    struct mm_alias_entry entry;
    struct mm_alias_target target;
    size_t at = 0;

    out[0] = '\0';
    while (mm_alias_text_next(&state, &entry)) {
        at += (size_t)snprintf(out + at, size - at, "%u %.*s=", state.line,
                               (int)entry.name.size, entry.name.data);
        while (mm_alias_target_next(&entry.targets, &target)) {
            at += (size_t)snprintf(out + at, size - at, "%c:%.*s,",
                                   "aifhs"[target.kind], (int)target.text.size,
                                   target.text.data);
        }
        at += (size_t)snprintf(out + at, size - at, ";");
    }
}

static void test_rows(void **state)
{
    static const struct {
        const char *text;
        const char *expected;
    } rows[] = {
        {"", ""},
        {"\n\n# nothing\n", ""},
        {"a: b", "1 a=a:b,;"},
        {"a:b,c\r\n", "1 a=a:b,a:c,;"},
        {"# x\n\na : b ,\n\tc@d\n  # between\n  e\nf: g\n",
         "3 a=a:b,a:c@d,a:e,;7 f=a:g,;"},
        {"a: |/bin/x, /var/y, :include:/z , \\a\n",
         "1 a=f:|/bin/x,f:/var/y,i:/z,a:\\a,;"},
        {"\"a b\": \"c, d\", \"|x y\"\n", "1 a b=a:c, d,f:|x y,;"},
        {"no colon\nb: c\n", "1 =;2 b=a:c,;"},
        {"a:\n", "1 a=;"},
        {"a: \"\", ,, # all\n", "1 a=;"},
        {"a: \"open, b\nc: d\n", "1 a=a:\"open, b,;2 c=a:d,;"},
        {": b\n", "1 =a:b,;"},
        {"a: :hidden:, b, :SHOWN:\n", "1 a=h::hidden:,a:b,s::SHOWN:,;"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char out[1000];

        write_all(rows[i].text, out, sizeof out);
        if (strcmp(out, rows[i].expected) != 0) {
            fail_msg("%s: %s", rows[i].text, out);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_rows)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
