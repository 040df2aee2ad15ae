/* test_forward_file.c - the language of forward files: which acts a message
 * meets, and what is told of lines that are left out. Thread: the test's. */
#include "post/forward_file.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static const char mail[] = "Received: by mail.test\r\n"
                           "From: The Boss <boss@work.test>\r\n"
                           "Subject: 100% free\r\n\r\n"
                           "body of it\r\nlast line\r\n";

struct heard {
    char text[512]; /* "+folder >address -" */
    char warnings[512];
    char last[400];
};

static enum mailmod_error on_act(void *context, enum mm_forward_act act,
                                 struct mm_span text)
{
    static const char signs[] = {[MM_FORWARD_FOLDER] = '+',
                                 [MM_FORWARD_TO] = '>',
                                 [MM_FORWARD_REMOVE] = '-'};
    struct heard *heard = context;
    size_t size = strlen(heard->text);

    snprintf(heard->text + size, sizeof heard->text - size, "%s%c%.*s",
             size > 0 ? " " : "", signs[act], (int)text.size,
             text.data != NULL ? text.data : "");
    return MAILMOD_OK;
}

static void on_warn(void *context, unsigned line, const char *cause)
{
    struct heard *heard = context;
    size_t size = strlen(heard->warnings);

    snprintf(heard->warnings + size, sizeof heard->warnings - size, "%s%u",
             size > 0 ? " " : "", line);
    snprintf(heard->last, sizeof heard->last, "%s", cause);
}

static enum mailmod_error run(const char *file, struct heard *heard)
{
    const struct mm_forward_message message = {.text = mm_span_cstr(mail),
                                               .size = 5000,
                                               .act = on_act,
                                               .warn = on_warn,
                                               .context = heard};

    *heard = (struct heard){.text = ""};
    return mm_forward_file_run(mm_span_cstr(file), &message);
}

struct row {
    const char *file, *acts, *warnings;
};

static const struct row rows[] = {
    {"", "", ""},
    {"# a comment\n#ifx\n#mvx y\n\n#\n", "", ""},
    {"to1@a.test to2@b.test,to3@c.test\r\n",
     ">to1@a.test >to2@b.test "
     ">to3@c.test",
     ""},
    {"#mv spam\n", "+spam -", ""},
    {"#cp spam", "+spam", ""},
    {"  #rm  \n", "-", ""},
    {"#mv other@b.test\n#cp third@b.test", ">other@b.test - >third@b.test", ""},
    {"#mv /home/joe/mbox/spam\n#cp mbox\\old\n", "+spam - +old", ""},
    /* Of a path elsewhere the last name stays, and that is told. */
    {"#mv c:\\probably\\spam\n#cp /tmp/x", "+spam - +x", "1 2"},
    {"#mv\n#cp a b\n#mv spam/\n#mv ..", "", "1 2 3 4"},
    {"!d:\\perl\\bin\\perl.exe check.pl\n", "", "1"},
    {"nobody\na@b.test me@\n$1@x.test\n", ">a@b.test", "1 2 3"},
    {"#if $size_kb > 4\na@b.test\n#endif\n#if $size_kb == 5\nb@b.test\n"
     "#endif\n#if $size_kb >= 6\nc@b.test\n#endif",
     ">a@b.test >b@b.test", ""},
    {"#if $in_text(100% FREE)\n#mv spam\n#else\na@b.test\n#endif", "+spam -",
     ""},
    {"#if ! $in_text(viagra) && $body =~ /^last/\n#rm\n#endif", "-", ""},
    {"#if $text =~ /\\nFrom: .*?boss@work/i\na@b.test\n#endif", ">a@b.test",
     ""},
    {"#if $body =~ /boss/\na@b.test\n#elif $text ~ \"Subject: 100%\"\n"
     "b@b.test\n#elif 1\nc@b.test\n#else\nd@b.test\n#endif\ne@b.test",
     ">b@b.test >e@b.test", ""},
    {"#if 0\n#if 1\na@b.test\n#else\nb@b.test\n#endif\n#else\nc@b.test\n#endif",
     ">c@b.test", ""},
    {"#if $errorlevel == 0 || \\\n $size_kb < 1\na@b.test\n#endif\n!x",
     ">a@b.test", "5"},
    /* One that cannot be told: no branch of it, not even #else. */
    {"#if $text =~ /From:(.*)/ && $1 == boss\n#cp a\n#else\n#rm\n#endif\n"
     "a@b.test",
     ">a@b.test", "1"},
    {"#if 0\n#cp a\n#elif exist(\"x\")\n#cp b\n#else\n#rm\n#endif", "", "3"},
    {"#if 1\n#cp a\n#elif (\n#cp b\n#endif", "+a", "3"},
    {"#else\n#elif 1\n#endif\n#if 1\n#else\n#else\n#endif", "", "1 2 3 6"},
    {"#if 1\na@b.test\n", ">a@b.test", "1"},
    /* A line of a branch that is not taken is told of, too. */
    {"#if 0\n!command\n#endif", "", "2"},
    {"a@b.test \\\nb@b.test \\\r\n c@b.test\n!x",
     ">a@b.test >b@b.test "
     ">c@b.test",
     "4"},
};

static void test_rows(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct heard heard;

        assert_int_equal(run(rows[i].file, &heard), MAILMOD_OK);
        if (strcmp(heard.text, rows[i].acts) != 0 ||
            strcmp(heard.warnings, rows[i].warnings) != 0) {
            fail_msg("%s: acts \"%s\", warnings \"%s\" (%s)", rows[i].file,
                     heard.text, heard.warnings, heard.last);
        }
    }
}

/* What is left out names its reason. */
static void test_causes(void **state)
{
    static const char *const pairs[][2] = {
        {"!x", "commands are not run"},
        {"#if $1 == 2", "its #endif is missing"},
        {"#if $1 == 2\n#endif", "there are $size_kb, $text, $body and "
                                "$errorlevel"},
        {"#if $in_text(a\n#endif", "has a ( that is not closed"},
        {"#mv a b", "it names no folder"},
        {"#cp /tmp/x", "files outside of the mailbox are not written"},
        {"me", "is no address"},
    };
    struct heard heard;

    (void)state;
    for (size_t i = 0; i < sizeof pairs / sizeof pairs[0]; i++) {
        assert_int_equal(run(pairs[i][0], &heard), MAILMOD_OK);
        if (strstr(heard.last, pairs[i][1]) == NULL) {
            fail_msg("%s: %s", pairs[i][0], heard.last);
        }
    }
}

/* As deep as may be, and one more: what stands in it is left out, and the
 * blocks around it end where they should. */
static void test_depth(void **state)
{
    char file[2048] = "";
    struct heard heard;

    (void)state;
    for (int i = 0; i < 33; i++) {
        strcat(file, "#if 1\n");
    }
    strcat(file, "a@b.test\n#endif\nb@b.test\n");
    for (int i = 0; i < 32; i++) {
        strcat(file, "#endif\n");
    }
    assert_int_equal(run(file, &heard), MAILMOD_OK);
    assert_string_equal(heard.text, ">b@b.test");
    assert_string_equal(heard.warnings, "33");
}

/* What all conditions cost is bounded; what is too much is left out. */
static void test_cost(void **state)
{
    static char file[64000];
    struct heard heard;
    size_t size = 0;

    (void)state;
    while (size < sizeof file - 100) {
        size += (size_t)snprintf(
            file + size, sizeof file - size,
            "#if $text =~ /(a|b)*(c|d)*[x-z]{1,40}q/\n#else\n#endif\n");
    }
    assert_int_equal(run(file, &heard), MAILMOD_OK);
    assert_non_null(strstr(heard.last, "cost too much"));
    assert_string_equal(heard.text, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows),
        cmocka_unit_test(test_causes),
        cmocka_unit_test(test_depth),
        cmocka_unit_test(test_cost),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
