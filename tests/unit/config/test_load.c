/* test_load.c - files: the documented sample, every kind of mistake with its
 * file and line, includes, hostile files, and no memory at every place. */
#include "base/mem.h"
#include "config/config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static char folder[] = "/tmp/mailmod-config-XXXXXX";

static int make_folder(void **state)
{
    (void)state;
    return mkdtemp(folder) == NULL;
}

static const char *const file_names[] = {"a.cfg", "b.cfg", "c.cfg"};

static void path_of(const char *name, char *out, size_t size)
{
    snprintf(out, size, "%s/%s", folder, name);
}

static int remove_folder(void **state)
{
    (void)state;
    char path[256];
    for (size_t i = 0; i < sizeof file_names / sizeof file_names[0]; i++) {
        path_of(file_names[i], path, sizeof path);
        (void)remove(path);
    }
    return rmdir(folder);
}

static void write_file(const char *name, const char *octets, size_t size)
{
    char path[256];
    path_of(name, path, sizeof path);
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(octets, 1, size, file), size);
    assert_int_equal(fclose(file), 0);
}

struct outcome {
    enum mailmod_error error;
    char words[16384];
};

static void load(struct mm_config_builder *builder, const char *name,
                 struct outcome *outcome)
{
    char path[256];
    struct mm_buf words;
    path_of(name, path, sizeof path);
    mm_buf_init(&words, sizeof outcome->words - 1);
    outcome->error = mm_config_load(builder, path, &words, NULL);
    assert_true(mm_span_copy(mm_buf_span(&words), outcome->words,
                             sizeof outcome->words));
    mm_buf_fini(&words);
}

static void load_text(struct mm_config_builder *builder, const char *text,
                      struct outcome *outcome)
{
    write_file("a.cfg", text, strlen(text));
    load(builder, "a.cfg", outcome);
}

static void assert_value(struct mm_config_builder *builder, const char *name,
                         const char *wanted)
{
    struct mm_buf out;
    struct mm_config *config;
    mm_buf_init(&out, 65536);
    assert_int_equal(mm_config_build(builder, &config, NULL), MAILMOD_OK);
    assert_int_equal(mm_config_get(config, name, &out), MAILMOD_OK);
    assert_string_equal(mm_buf_cstr(&out), wanted);
    mm_config_unref(&config);
    mm_buf_fini(&out);
}

static void the_sample_holds_every_default(void **state)
{
    (void)state;
    size_t count;
    const struct mm_config_key *keys = mm_config_keys(&count);
    struct mm_config_builder *builder;
    struct mm_buf words;
    mm_buf_init(&words, 65536);
    assert_int_equal(mm_config_builder_new(&builder), MAILMOD_OK);
    /* Away from the defaults first: only what the file sets comes back. */
    for (size_t i = 0; i < count; i++) {
        if (keys[i].type == MM_CONFIG_BOOL) {
            bool is_on = strcmp(keys[i].default_text, "true") == 0;
            assert_int_equal(mm_config_set(builder, keys[i].name,
                                           is_on ? "no" : "yes", NULL),
                             MAILMOD_OK);
        }
        if (keys[i].type == MM_CONFIG_INT ||
            keys[i].type == MM_CONFIG_DURATION) {
            char text[64];
            snprintf(text, sizeof text, "%llu%s",
                     (unsigned long long)keys[i].maximum,
                     keys[i].type == MM_CONFIG_DURATION ? "ms" : "");
            assert_int_equal(mm_config_set(builder, keys[i].name, text, NULL),
                             MAILMOD_OK);
        }
    }
    assert_int_equal(mm_config_load(builder, MAILMOD_SOURCE_DIR "/mailmod.cfg",
                                    &words, &words),
                     MAILMOD_OK);
    assert_int_equal(mm_buf_size(&words), 0);
    for (size_t i = 0; i < count; i++) {
        assert_value(builder, keys[i].name, keys[i].default_text);
    }
    mm_config_builder_free(&builder);
}

static void the_forms_of_values(void **state)
{
    (void)state;
    struct outcome outcome;
    struct mm_config_builder *builder;
    assert_int_equal(mm_config_builder_new(&builder), MAILMOD_OK);
    load_text(builder,
              "/* a \" comment */ # and @ one\n"
              "smtp: { recipients_max = 200; // more\n"
              "  message_size_max = 10485760; command_timeout = 90;\n"
              "  listen = [\"127.0.0.1:25\", \"[::1]:25\"];\n"
              "  allows_clear_auth = true; };\n"
              "queue = { steps = (60, \"2m\", \"1h\"); };\n"
              "dns = { servers = (\"127.0.0.1\", \"127.0.0.2:54\"); }\n"
              "general: { host_name = \"a.\" \"example\"; };\n"
              "pop_port = 1110;\n",
              &outcome);
    assert_string_equal(outcome.words, "");
    assert_int_equal(outcome.error, MAILMOD_OK);
    assert_value(builder, "smtp.recipients_max", "200");
    assert_value(builder, "smtp.message_size_max", "10M");
    assert_value(builder, "smtp.command_timeout", "90s");
    assert_value(builder, "smtp.listen", "127.0.0.1:25, [::1]:25");
    assert_value(builder, "smtp.allows_clear_auth", "true");
    assert_value(builder, "queue.steps", "1m, 2m, 1h");
    assert_value(builder, "dns.servers", "127.0.0.1, 127.0.0.2:54");
    assert_value(builder, "general.host_name", "a.example");
    assert_value(builder, "pop3.listen", "0.0.0.0:1110");
    load_text(builder,
              "dns: { }\nsmtp.message_size_max = 4294967296L\n"
              "smtp.recipients_max = 0x40,\n"
              "general: { data_folder : \"a\\x2fb\\\\\\\"\" }",
              &outcome);
    assert_string_equal(outcome.words, "");
    assert_value(builder, "smtp.message_size_max", "4G");
    assert_value(builder, "smtp.recipients_max", "64");
    assert_value(builder, "general.data_folder", "a/b\\\"");
    mm_config_builder_free(&builder);
}

static const struct {
    const char *text;
    const char *words; /* after "folder/a.cfg:" */
} mistakes[] = {
    {"smtp: {\n recipients_max = 0;\n};", "2: smtp.recipients_max: must be"},
    {"\n\nno_such = 1;", "3: no_such: there is no such key"},
    {"smtp: { no_such = 1; };", "1: smtp.no_such: there is no such key"},
    {"nothing: { no_such = 1; };", "1: nothing.no_such: there is no such"},
    {"smtp: { a: { b = 1; }; };", "1: smtp.a: there is no such group"},
    {"smtp = 1;", "1: smtp: there is no such key"},
    {"smtp: { recipients_max = \"100\"; };", "1: smtp.recipients_max: must "},
    {"smtp: { recipients_max = 1.5; };", "1: smtp.recipients_max: must be a"},
    {"smtp: { recipients_max = true; };", "1: smtp.recipients_max: must be a"},
    {"smtp: { recipients_max = [1]; };", "1: smtp.recipients_max: must be a"},
    {"smtp: { recipients_max = {}; };", "1: smtp.recipients_max: there is no"},
    {"smtp: { recipients_max = -1; };", "1: smtp.recipients_max: must be fr"},
    {"smtp: { command_timeout = -1; };", "1: smtp.command_timeout: must be "},
    {"smtp: { allows_clear_auth = 1; };", "1: smtp.allows_clear_auth: must "},
    {"smtp: { bare_newline = 1; };", "1: smtp.bare_newline: must be a text"},
    {"smtp: { bare_newline = \"x\"; };", "1: smtp.bare_newline: must be one"},
    {"smtp: { listen = 25; };", "1: smtp.listen: must be a text or"},
    {"smtp: { listen = [25, 26]; };", "1: smtp.listen: must be a text or"},
    {"smtp: { listen = ({a = 1;}); };", "1: smtp.listen: must be a text or"},
    {"smtp_port = \"25\";", "1: smtp_port: must be a number"},
    {"smtp_port = 70000;", "1: smtp_port: must be a port"},
    {"smtptls = 1;", "1: smtptls: must be true or false"},
    {"smtp_name = \"a\";\ngeneral: {\n host_name = \"b\";\n};",
     "3: general.host_name: is set for a second time"},
    {"smtp: { recipients_max = 1;\n recipients_max = 2; };",
     "2: smtp.recipients_max: is set for a second time"},
    {"smtp: {\n", "1: smtp: the group is not closed"},
    {"smtp: { recipients_max = 100 200; };",
     "1: smtp.recipients_max: a semicolon is missing behind the value"},
    {"smtp: { errors_max = 1 };\nsmtp: { no_such = 1 };",
     "2: smtp: the group is there for a second time"},
    {"};", "1: this } closes no group"},
    {"smtp: { recipients_max 100; };",
     "1: smtp.recipients_max: must have a = and a value behind it"},
    {"smtp: { recipients_max = ; };",
     "1: smtp.recipients_max: the value is missing"},
    {"smtp: { bare_newline = reject; };",
     "1: smtp.bare_newline: a text stands in quotes"},
    {"smtp: { listen = [\"127.0.0.1:25\" \"127.0.0.1:26\"", "1: smtp.listen: "},
    {"queue: { steps = [\"1m\", 2m]; };",
     "1: queue.steps: must be a text or a list"},
    {"queue: { steps = [\"1m\"; };",
     "1: queue.steps: a comma is missing in the list"},
    {"smtp: { 1 = 2; };", "1: a setting must begin with its name"},
    {"general: { data_folder = \"a\\x00b\nc\"; };",
     "1: general.data_folder: a text is not closed"},
    {"general: { host_name = \"\xff\"; };", "1: general.host_name: must be a"},
    {"general: { data_folder = \"\xe4\"; };", "1: general.data_folder: must"},
    {"general: { data_folder = \"a\\nb\"; };", "1: general.data_folder: must"},
    {"smarthost: { password = \"se\\ncret\"; };", "1: smarthost.password: mu"},
    {"smtp: { message_size_max = 9223372036854775808; };",
     "1: smtp.message_size_max: the number is too large"},
    {"smtp: { message_size_max = 0x10000000000000000; };",
     "1: smtp.message_size_max: the number is too large"},
    {"smtp: { message_size_max = 999999999999999999; };",
     "1: smtp.message_size_max: must be from 4K to 1T"},
    {"general: { host_name = \"x\n",
     "1: general.host_name: a text is not closed"},
    {"\n/* x\n", "2: a comment is not closed"},
    {"@include \"none.cfg\"\n", "1: ?: there is no such file"},
    {"\n@include \".\"\n", "2: ?: this is no regular file"},
    {"@include \"a.cfg\"\n", "1: ?: the include goes round in a circle"},
    {"@include none\n", "1: an include is written"},
    {"@include \"none\n\"", "1: an include is written"},
    {"@include \"\"", "1: an include is written"},
    {"smtp: @include \"b.cfg\"\n", "1: an @ must begin a line"},
    {"@", "1: an @ must begin a line"},
};

/* A "?" is the path of what the text includes. */
static void assert_words(const char *text, const char *words, const char *want)
{
    const char *mark = strchr(want, '?');
    int size = (int)(mark != NULL ? (size_t)(mark - want) : strlen(want));
    char prefix[512];
    snprintf(prefix, sizeof prefix, "%s/a.cfg:%.*s", folder, size, want);
    if (mark != NULL) {
        const char *name = strchr(text, '"') + 1;
        size_t used = strlen(prefix);
        snprintf(prefix + used, sizeof prefix - used, "%s/%.*s%s", folder,
                 (int)strcspn(name, "\""), name, mark + 1);
    }
    if (strncmp(words, prefix, strlen(prefix)) != 0) {
        fail_msg("%s\nsays %s\nnot  %s", text, words, prefix);
    }
    assert_null(strstr(words, "cret"));
}

static void mistakes_are_told_and_change_nothing(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof mistakes / sizeof mistakes[0]; i++) {
        struct outcome outcome;
        struct mm_config_builder *builder;
        assert_int_equal(mm_config_builder_new(&builder), MAILMOD_OK);
        char text[512];
        /* Something good first, which must not stay. */
        snprintf(text, sizeof text, "pop3: { errors_max = 77; }; %s",
                 mistakes[i].text);
        bool is_include = mistakes[i].text[0] == '@';
        load_text(builder, is_include ? mistakes[i].text : text, &outcome);
        assert_words(mistakes[i].text, outcome.words, mistakes[i].words);
        assert_int_equal(outcome.error, MAILMOD_ERROR_CONFIG);
        assert_value(builder, "pop3.errors_max", "10");
        mm_config_builder_free(&builder);
    }
}

static void without_folder(char *words)
{
    size_t size = strlen(folder) + 1;
    for (char *at = strstr(words, folder); at != NULL;
         at = strstr(at, folder)) {
        memmove(at, at + size, strlen(at + size) + 1);
    }
}

static void all_mistakes_are_told_at_once(void **state)
{
    (void)state;
    struct outcome outcome;
    struct mm_config_builder *builder;
    assert_int_equal(mm_config_builder_new(&builder), MAILMOD_OK);
    load_text(builder, "a = 1;\nb = 2;\nsmtp: {\n errors_max = 0;\n};\n",
              &outcome);
    size_t lines = 0;
    for (const char *at = outcome.words; *at != '\0'; at++) {
        lines += *at == '\n';
    }
    assert_int_equal(lines, 3);
    /* Those of the syntax hide none of the others. */
    load_text(builder,
              "smtp: {\n  errors_max = 0;\n  recipients_max 5;\n"
              "  bare_newline = \"reject;\n  no_such = 1;\n};\n"
              "@include \"none.cfg\"\n"
              "smtp: { errors_max = 6; };\n"
              "pop3: {\n  errors_max = [1, 2;\n  apop = maybe;\n}\n"
              "@nothing\n"
              "dns: { tries = 0; timeout = 1.5; };\n"
              "queue: {\n",
              &outcome);
    without_folder(outcome.words);
    assert_string_equal(
        outcome.words,
        "a.cfg:2: smtp.errors_max: must be from 1 to 10000, not "
        "\"0\"\n"
        "a.cfg:3: smtp.recipients_max: must have a = and a value "
        "behind it\n"
        "a.cfg:4: smtp.bare_newline: a text is not closed\n"
        "a.cfg:5: smtp.no_such: there is no such key\n"
        "a.cfg:7: none.cfg: there is no such file\n"
        "a.cfg:8: smtp: the group is there for a second time\n"
        "a.cfg:8: smtp.errors_max: is set for a second time\n"
        "a.cfg:10: pop3.errors_max: a comma is missing in the list\n"
        "a.cfg:11: pop3.apop: a text stands in quotes\n"
        "a.cfg:13: an @ must begin a line @include \"file\"\n"
        "a.cfg:14: dns.tries: must be from 1 to 10, not \"0\"\n"
        "a.cfg:14: dns.timeout: must be a number of seconds or a "
        "text such as \"5m\"\n"
        "a.cfg:15: queue: the group is not closed\n");
    /* And an end to it. */
    char text[2000] = "";
    for (int i = 0; i < 100; i++) {
        size_t size = strlen(text);
        snprintf(text + size, sizeof text - size, "a%d = 1;\n", i);
    }
    load_text(builder, text, &outcome);
    assert_non_null(strstr(outcome.words, "there are more mistakes\n"));
    mm_config_builder_free(&builder);
}

static void includes_keep_their_lines(void **state)
{
    (void)state;
    struct outcome outcome;
    struct mm_config_builder *builder;
    char wanted[512];
    static const char inner[] = "errors_max = 33;\n\nno_such = 1;";
    static const char good[] = "errors_max = 33;";
    assert_int_equal(mm_config_builder_new(&builder), MAILMOD_OK);
    write_file("b.cfg", inner, strlen(inner));
    load_text(builder,
              "# head\nsmtp: {\n  @include \"b.cfg\" # tail\n  also = 1;\n};\n"
              "more = 1;\n",
              &outcome);
    snprintf(wanted, sizeof wanted,
             "%s/b.cfg:3: smtp.no_such: there is no such key\n"
             "%s/a.cfg:4: smtp.also: there is no such key\n"
             "%s/a.cfg:6: more: there is no such key\n",
             folder, folder, folder);
    assert_string_equal(outcome.words, wanted);
    write_file("b.cfg", good, strlen(good));
    load_text(builder, "smtp: {\n@include \"b.cfg\"\n};\n", &outcome);
    assert_string_equal(outcome.words, "");
    assert_value(builder, "smtp.errors_max", "33");
    /* A circle of two. */
    static const char back[] = "@include \"a.cfg\"\n";
    write_file("b.cfg", back, strlen(back));
    load_text(builder, "@include \"b.cfg\"\n", &outcome);
    snprintf(wanted, sizeof wanted,
             "%s/b.cfg:1: %s/a.cfg: the include goes round in a circle\n",
             folder, folder);
    assert_string_equal(outcome.words, wanted);
    /* A circle that writes its names anew each time ends by depth. */
    load_text(builder, "@include \"./a.cfg\"\n", &outcome);
    assert_non_null(strstr(outcome.words, "nested too deep"));
    mm_config_builder_free(&builder);
}

static void hostile_files(void **state)
{
    (void)state;
    struct outcome outcome;
    struct mm_config_builder *builder;
    assert_int_equal(mm_config_builder_new(&builder), MAILMOD_OK);
    load(builder, "none.cfg", &outcome);
    assert_int_equal(outcome.error, MAILMOD_ERROR_NOT_FOUND);
    assert_non_null(strstr(outcome.words, "none.cfg: there is no such file"));
    load(builder, ".", &outcome);
    assert_non_null(strstr(outcome.words, "this is no regular file"));
    write_file("a.cfg", "a = 1;\0b", 8);
    load(builder, "a.cfg", &outcome);
    assert_non_null(strstr(outcome.words, "not a text file"));
    /* 100 MiB, without writing them. */
    char path[256];
    path_of("c.cfg", path, sizeof path);
    write_file("c.cfg", "#", 1);
    assert_int_equal(truncate(path, 100L * 1024 * 1024), 0);
    load(builder, "c.cfg", &outcome);
    assert_int_equal(outcome.error, MAILMOD_ERROR_CONFIG);
    assert_non_null(strstr(outcome.words, "c.cfg: the file is larger than"));
    /* Includes that together are too much. */
    size_t size = 700 * 1024;
    char *text = calloc(1, size + 1);
    memset(text, '#', size);
    write_file("b.cfg", text, size);
    load_text(builder, "@include \"b.cfg\"\n@include \"b.cfg\"\n", &outcome);
    assert_non_null(strstr(outcome.words, "larger than 1 MiB"));
    /* More settings than anybody has, in either syntax: an end to it. */
    for (size_t i = 0; i < size; i++) {
        text[i] = "a=1 "[i % 4];
    }
    write_file("b.cfg", text, size);
    load(builder, "b.cfg", &outcome);
    assert_non_null(strstr(outcome.words, "there are too many settings"));
    memcpy(text, "a:{}", 4);
    write_file("b.cfg", text, size);
    load(builder, "b.cfg", &outcome);
    assert_non_null(strstr(outcome.words, "there are more mistakes"));
    /* Nested as deep as the file goes. */
    memset(text, '(', size);
    memcpy(text, "a=", 2);
    write_file("b.cfg", text, size);
    load(builder, "b.cfg", &outcome);
    assert_int_equal(outcome.error, MAILMOD_ERROR_CONFIG);
    free(text);
    mm_config_builder_free(&builder);
}

static const char *exposed_name;

static bool is_exposed(const char *file)
{
    return strstr(file, exposed_name) != NULL;
}

/* Attack 110: others may not read it. */
static void a_secret_needs_a_file_of_its_own(void **state)
{
    (void)state;
    struct outcome outcome;
    struct mm_config_builder *builder;
    char wanted[512];
    static const char secret[] = "smarthost: { password = \"cret\"; };";
    assert_int_equal(mm_config_builder_new(&builder), MAILMOD_OK);
    write_file("b.cfg", secret, strlen(secret));
    exposed_name = "b.cfg";
    load_text(builder, "@include \"b.cfg\"\n", &outcome);
    assert_int_equal(outcome.error, MAILMOD_OK);
    mm_config_builder_set_guard(builder, is_exposed);
    load_text(builder, "@include \"b.cfg\"\n", &outcome);
    assert_int_equal(outcome.error, MAILMOD_ERROR_CONFIG);
    snprintf(wanted, sizeof wanted,
             "%s/b.cfg:1: smarthost.password: others than the owner can read "
             "this file (chmod 600)\n",
             folder);
    assert_string_equal(outcome.words, wanted);
    /* The file that includes it may be anybody's, and so may one without. */
    exposed_name = "a.cfg";
    load_text(builder, "@include \"b.cfg\"\n", &outcome);
    assert_int_equal(outcome.error, MAILMOD_OK);
    load_text(builder, "smarthost: { password = \"\"; };\n", &outcome);
    assert_int_equal(outcome.error, MAILMOD_OK);
    mm_config_builder_free(&builder);
}

static void no_memory_is_an_error(void **state)
{
    (void)state;
    struct mm_config_builder *builder;
    struct outcome outcome;
    static const char inner[] = "errors_max = 33;";
    assert_int_equal(mm_config_builder_new(&builder), MAILMOD_OK);
    write_file("b.cfg", inner, strlen(inner));
    load_text(builder, "smtp: {\n@include \"b.cfg\"\n};\nsmtp_port = 1;\n",
              &outcome);
    assert_int_equal(outcome.error, MAILMOD_OK);
    (void)mm_mem_set_fault(0, 0);
    load(builder, "a.cfg", &outcome);
    unsigned long count = mm_mem_set_fault(0, 0);
    for (unsigned long i = 1; i <= count; i++) {
        (void)mm_mem_set_fault(i, 0);
        load(builder, "a.cfg", &outcome);
        (void)mm_mem_set_fault(0, 0);
        assert_int_equal(outcome.error, MAILMOD_ERROR_MEMORY);
        assert_value(builder, "smtp.errors_max", "33");
    }
    mm_config_builder_free(&builder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_sample_holds_every_default),
        cmocka_unit_test(the_forms_of_values),
        cmocka_unit_test(mistakes_are_told_and_change_nothing),
        cmocka_unit_test(all_mistakes_are_told_at_once),
        cmocka_unit_test(includes_keep_their_lines),
        cmocka_unit_test(hostile_files),
        cmocka_unit_test(a_secret_needs_a_file_of_its_own),
        cmocka_unit_test(no_memory_is_an_error),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
