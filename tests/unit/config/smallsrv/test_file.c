/* test_file.c - files in the syntax of the original engine: what tells
 * them, what they say, and each mistake with file and line. */
#include "base/mem.h"
#include "config/config.h"
#include "config/smallsrv/smallsrv.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static char folder[] = "/tmp/mailmod-old-XXXXXX";
static const char *const file_names[] = {"a.cfg", "b c.cfg", "d.cfg"};

static int make_folder(void **state)
{
    (void)state;
    return mkdtemp(folder) == NULL;
}

static int remove_folder(void **state)
{
    (void)state;
    char path[256];
    for (size_t i = 0; i < sizeof file_names / sizeof file_names[0]; i++) {
        snprintf(path, sizeof path, "%s/%s", folder, file_names[i]);
        (void)remove(path);
    }
    return rmdir(folder);
}

static void write_file(const char *name, const char *text)
{
    char path[256];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

struct outcome {
    enum mailmod_error error;
    char words[16384]; /* without the folder's name */
    char warnings[16384];
};

static void take_words(struct mm_buf *words, char *to)
{
    const char *from = mm_buf_cstr(words);
    assert_non_null(from);
    while (*from != '\0') {
        size_t size = strlen(folder) + 1;
        if (strncmp(from, folder, size - 1) == 0) {
            from += size;
        } else {
            *to++ = *from++;
        }
    }
    *to = '\0';
    mm_buf_fini(words);
}

static void load(struct mm_config_builder *builder, const char *text,
                 struct outcome *outcome)
{
    char path[256];
    struct mm_buf words;
    write_file("a.cfg", text);
    snprintf(path, sizeof path, "%s/a.cfg", folder);
    mm_buf_init(&words, sizeof outcome->words - 1);
    struct mm_buf warnings;
    mm_buf_init(&warnings, sizeof outcome->warnings - 1);
    outcome->error = mm_config_load(builder, path, &words, &warnings);
    take_words(&words, outcome->words);
    take_words(&warnings, outcome->warnings);
}

static struct mm_config_builder *builder_new(void)
{
    struct mm_config_builder *builder = NULL;
    assert_int_equal(mm_config_builder_new(&builder), MAILMOD_OK);
    return builder;
}

static void assert_value(struct mm_config_builder *builder, const char *name,
                         const char *wanted)
{
    struct mm_buf out;
    mm_buf_init(&out, 65536);
    assert_int_equal(mm_config_get(mm_config_peek(builder), name, &out),
                     MAILMOD_OK);
    assert_string_equal(mm_buf_cstr(&out), wanted);
    mm_buf_fini(&out);
}

static void the_first_line_decides(void **state)
{
    (void)state;
    static const char *const old[] = {
        "smtp_port=25",
        "smtp_bind=::1",
        "smtptls\nsmtp_port=25",
        "smtp_port=25\n",
        "\n \t\r\n# comment; {\n  smtp_port = 25 # ;\n",
        "smtptls",
        "smtptls\r\n",
        "smtptls # flag",
        "smtp_name=",
        "smtp_name=\nsmtp_port=25\n",
        "smtp_name=\"a;b\"",
        "smtp_name=\"a",
        "user=joe;secret;home;PS",
        "@more.cfg",
        "@included.cfg",
        "@'more.cfg'",
        "no.such=1",
    };
    static const char *const ours[] = {
        "",
        "\n# smtp_port=25\n",
        "smtp_port = 25;",
        "smtp_port = 25; # more",
        "smtp_name = \"a;b\";",
        "smtp: {",
        "smtp\n:\n{",
        "smtp :",
        "smtp = {",
        "smtp\n= {",
        "smtp =\n{",
        "smtp =\n\n  {",
        "steps = [1, 2]",
        "steps = (1, 2)",
        "@include \"more.cfg\"",
        "@include",
        "@",
        "// comment\nsmtp_port=25",
        "/* comment */ smtp_port=25",
        "{",
        "smtp_port 25",
    };
    for (size_t i = 0; i < sizeof old / sizeof old[0]; i++) {
        if (!mm_smallsrv()->is_written_in(mm_span_cstr(old[i]))) {
            fail_msg("not old: %s", old[i]);
        }
    }
    for (size_t i = 0; i < sizeof ours / sizeof ours[0]; i++) {
        if (mm_smallsrv()->is_written_in(mm_span_cstr(ours[i]))) {
            fail_msg("old: %s", ours[i]);
        }
    }
}

static void a_whole_file(void **state)
{
    (void)state;
    struct mm_config_builder *builder = builder_new();
    struct outcome outcome;
    write_file("b c.cfg", "pop_timeout=900\r\n\r\n@'d.cfg'");
    write_file("d.cfg", "detail\npop_bind=10.0.0.1\n");
    load(builder,
         "# the sample of that engine\n"
         "nosmtp_max=0\n"
         "smtp_port = 25 # here\n"
         "smtpipv6\r\n"
         "  smtp_name=\"mail.example.com\"   # \"quoted\"\n"
         "smtp_dns='127.0.0.1'\n"
         "smtp_out=`out box`\n"
         "smtp_range=127.0.0.1,10.0.0.0-10.0.255.255\n"
         "smtp6_range=::1\n"
         "tls_key_file=a#b.pem\n"
         "tls_cert_file=a b.pem\n"
         "smtpproxy=\n"
         "nosmtptls\n"
         "noantivirus\n"
         "smtp_authsame\n"
         "@\"b c.cfg\"\n"
         "nopop3_max\n"
         "pop_port=1110\n"
         "smtp.recipients_max=7",
         &outcome);
    assert_string_equal(outcome.words, "");
    assert_int_equal(outcome.error, MAILMOD_OK);
    assert_value(builder, "smtp.listen", "0.0.0.0:25, [::]:25");
    assert_value(builder, "general.host_name", "mail.example.com");
    assert_value(builder, "dns.servers", "127.0.0.1");
    assert_value(builder, "general.data_folder", "out box");
    assert_value(builder, "smtp.relay_from",
                 "::1/128, 127.0.0.1/32, 10.0.0.0/16");
    assert_value(builder, "tls.key_file", "a#b.pem");
    assert_value(builder, "tls.certificate_file", "a b.pem");
    assert_value(builder, "smarthost.host", "");
    assert_value(builder, "delivery.tls", "off");
    assert_value(builder, "smtp.sender_must_match", "true");
    assert_value(builder, "pop3.idle_timeout", "15m");
    assert_value(builder, "general.log_level", "debug");
    /* Off is off, wherever it stands. */
    assert_value(builder, "pop3.listen", "");
    assert_value(builder, "smtp.recipients_max", "7");
    mm_config_builder_free(&builder);
}

static const struct {
    const char *text;
    const char *words;
} mistakes[] = {
    {"\nsmtp_port=0x19\n", "a.cfg:2: smtp_port: must be a port"},
    {"smtp_port", "a.cfg:1: smtp_port: must be a port"},
    {"smtptls=maybe", "a.cfg:1: smtptls: must be true or false"},
    {"smtp_name=\"a\nsmtp_port=1", "a.cfg:1: a text is not closed\n"},
    {"smtp_port=25\nsmtp_name='a'b\n", "a.cfg:2: must be name=value"},
    {"smtp_port=25\nsmtp_name='a' ;\n", "a.cfg:2: must be name=value"},
    {"smtp_port=25\npop_port=1 smtptls pop_port=2\n",
     "a.cfg:2: pop_port: must be a port from 0 to 65535\n"},
    {"smtp_port=25\nsmtptls pop_port=x smtp_name='a\n",
     "a.cfg:2: a text is not closed\n"},
    {"smtp_port=25\nsmtp: {\n", "a.cfg:2: must be name=value"},
    {"smtp_port=25\n=5\n", "a.cfg:2: must be name=value"},
    {"smtp_port=25\nsmtp_port=26\n",
     "a.cfg:2: smtp_port: is set for a second time\n"},
    {"smtptls\nnosmtptls\n", "a.cfg:2: nosmtptls: is set for a second time\n"},
    {"smtp_name=a\ngeneral.host_name=b\n",
     "a.cfg:2: general.host_name: is set for a second time\n"},
    {"smtp_port=25\nsmtp.listen=127.0.0.1:25\n",
     "a.cfg:2: smtp.listen: is set for a second time\n"},
    {"smtp.listen=127.0.0.1:25\nsmtp_bind=127.0.0.1\n",
     "a.cfg:1: smtp.listen: is set for a second time\n"},
    {"smtp_port=1\n@\n", "a.cfg:2: an include is written @file"},
    {"smtp_port=1\n@'x\n", "a.cfg:2: an include is written @file"},
    {"@none.cfg", "a.cfg:1: none.cfg: there is no such file"},
    {"@a.cfg", "a.cfg:1: a.cfg: the include goes round in a circle"},
    {"smtp_port=x\n@d.cfg\npop_port=y\n",
     "a.cfg:1: smtp_port: must be a port from 0 to 65535\n"
     "d.cfg:2: smtpipv6: must be true or false\n"
     "a.cfg:3: pop_port: must be a port from 0 to 65535\n"},
    {"smtp_name=\xff\n", "a.cfg:1: smtp_name: must be a host name"},
    {"a23456789012345678901234567890123456789012345678901234567890123456789",
     "a.cfg:1: the name is too long\n"},
};

static void mistakes_are_told_and_change_nothing(void **state)
{
    (void)state;
    write_file("d.cfg", "\nsmtpipv6=c");
    for (size_t i = 0; i < sizeof mistakes / sizeof mistakes[0]; i++) {
        struct mm_config_builder *builder = builder_new();
        struct outcome outcome;
        load(builder, mistakes[i].text, &outcome);
        const char *words = outcome.words;
        if (strncmp(mistakes[i].words, words, strlen(mistakes[i].words)) != 0) {
            fail_msg("%s\nsays %s", mistakes[i].text, words);
        }
        assert_null(strstr(words, "cret"));
        assert_int_equal(outcome.error, MAILMOD_ERROR_CONFIG);
        assert_value(builder, "smtp.listen", "127.0.0.1:2525");
        assert_value(builder, "delivery.tls", "may");
        mm_config_builder_free(&builder);
    }
}

/* A file as that engine's people have it: most of it is not about mail. */
static void what_there_is_not_is_left_out(void **state)
{
    (void)state;
    struct mm_config_builder *builder = builder_new();
    struct outcome outcome;
    load(builder,
         "\n# General setting:\n"
         "log=/var/log/httpd.log\n"
         "detail\n"
         "adm_range=\"127.0.0.1,192.168.0.0-192.168.255.254\"\n"
         "port=80\n"
         "header=`X-One: 1\n"
         "X-Two: 2`\n"
         "hostpath=a.example;\"/var/a\";\"\"\n"
         "hostpath=b.example;\"/var/b\";\"\"\n"
         "noantivirus\n"
         "fwdrun\n"
         "smtp_name=mail.example\n"
         "antispam=one\n"
         "antispam=two\n"
         "upproxy=proxy.example # there is one\n"
         "up_user=me:it's:cret\n"
         "user=admin;cret;/var;A\n"
         "user=joe;cret;\"C:\\mail box\";PS\n"
         "user=ann;+0123ABCDZ89ABCDEF;home;PSH\n",
         &outcome);
    assert_int_equal(outcome.error, MAILMOD_OK);
    assert_string_equal(outcome.words, "");
    static const char *const lines[] = {
        "a.cfg:3: log: not supported by mailmod; the log goes",
        "a.cfg:5: adm_range: not supported by mailmod; there is no such",
        "a.cfg:6: port: not supported",
        "a.cfg:7: header: not supported",
        "a.cfg:9: hostpath: not supported",
        "a.cfg:10: hostpath: not supported",
        "a.cfg:12: fwdrun: not supported",
        "a.cfg:14: antispam: not supported",
        "a.cfg:15: antispam: not supported",
        "a.cfg:18: user: admin is left out",
        "a.cfg:20: user: ann cannot log in"};
    const char *at = outcome.warnings;
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
        if (strncmp(at, lines[i], strlen(lines[i])) != 0) {
            fail_msg("not \"%s\" but %s", lines[i], at);
        }
        at += strcspn(at, "\n") + 1;
    }
    assert_string_equal(at, "");
    assert_string_equal(mm_config_peek(builder)->local.users, "joe:cret\nann:");
    assert_value(builder, "proxy.kind", "http");
    assert_value(builder, "proxy.host", "proxy.example");
    assert_value(builder, "proxy.user", "me");
    assert_value(builder, "up_user", "********");
    assert_string_equal(mm_config_peek(builder)->proxy.password, "it's:cret");
    assert_value(builder, "general.host_name", "mail.example");
    assert_value(builder, "general.log_level", "debug");
    /* Of what there is, a wrong value is a mistake all the same. */
    load(builder, "port=80\nsmtp_range=nobody\n", &outcome);
    assert_int_equal(outcome.error, MAILMOD_ERROR_CONFIG);
    assert_non_null(strstr(outcome.words, "a.cfg:2: smtp_range: \"nobody\""));
    mm_config_builder_free(&builder);
}

/* There a line end is a blank like any other. */
static void several_settings_in_a_line(void **state)
{
    (void)state;
    struct mm_config_builder *builder = builder_new();
    struct outcome outcome;
    load(builder,
         "smtp_port=2525 pop_port=1110 # both\n"
         "detail nosmtptls smtp_name='mail.example' smtpipv6 # end\n"
         "tls_key_file=a b.pem tls_cert_file=\"c d.pem\" port=80\n",
         &outcome);
    assert_string_equal(outcome.words, "");
    assert_non_null(strstr(outcome.warnings, "a.cfg:3: port: not supported"));
    assert_value(builder, "smtp.listen", "0.0.0.0:2525, [::]:2525");
    assert_value(builder, "pop3.listen", "0.0.0.0:1110");
    assert_value(builder, "general.log_level", "debug");
    assert_value(builder, "delivery.tls", "off");
    assert_value(builder, "general.host_name", "mail.example");
    assert_value(builder, "tls.key_file", "a b.pem");
    assert_value(builder, "tls.certificate_file", "c d.pem");
    mm_config_builder_free(&builder);
}

/* In our own syntax their names count before the keys, in any order. */
static void the_order_does_not_matter(void **state)
{
    (void)state;
    struct mm_config_builder *builder = builder_new();
    struct outcome outcome;
    load(builder,
         "smarthost: { port = 2525; tls = \"must\"; };\n"
         "nosmtp_max = true; smtp_port = 25; smtp_bind = \"10.0.0.1\";\n"
         "smtp_range = [\"10.0.0.0/8\", \"192.0.2.1-192.0.2.2\"];\n"
         "smtpproxy = \"relay.example\"; checkmx = false;\n",
         &outcome);
    assert_string_equal(outcome.words, "");
    assert_value(builder, "smarthost.port", "2525");
    assert_value(builder, "smarthost.tls", "must");
    assert_value(builder, "smarthost.host", "relay.example");
    assert_value(builder, "smtp.listen", "");
    assert_value(builder, "smtp.relay_from",
                 "10.0.0.0/8, 192.0.2.1/32, 192.0.2.2/32");
    load(builder,
         "smtp_port = 25; smtp: { listen = \"127.0.0.1:25\"; };\n"
         "vhalias = true; smtpipv6 = 1;\n",
         &outcome);
    assert_string_equal(
        outcome.warnings,
        "a.cfg:2: vhalias: not supported by mailmod; name the domains in "
        "local.domains\n");
    assert_string_equal(
        outcome.words,
        "a.cfg:1: smtp.listen: is set for a second time\n"
        "a.cfg:2: smtpipv6: must be true or false, without quotes\n");
    mm_config_builder_free(&builder);
}

static bool is_exposed(const char *file)
{
    (void)file;
    return true;
}

static void a_secret_needs_a_file_of_its_own(void **state)
{
    (void)state;
    struct mm_config_builder *builder = builder_new();
    struct outcome outcome;
    mm_config_builder_set_guard(builder, is_exposed);
    load(builder, "smtp_port=25\nsmarthost.password=cret\n", &outcome);
    assert_string_equal(outcome.words,
                        "a.cfg:2: smarthost.password: others than the owner "
                        "can read this file (chmod 600)\n");
    mm_config_builder_free(&builder);
}

static void no_memory_is_an_error(void **state)
{
    (void)state;
    struct mm_config_builder *builder = builder_new();
    struct outcome outcome;
    char path[256];
    write_file("d.cfg", "smtp_bind=10.0.0.1\n");
    load(builder, "smtp_port=25\n@d.cfg\nsmtp_range=10.0.0.1-10.0.0.9\n",
         &outcome);
    assert_string_equal(outcome.words, "");
    snprintf(path, sizeof path, "%s/a.cfg", folder);
    (void)mm_mem_set_fault(0, 0);
    assert_int_equal(mm_config_load(builder, path, NULL, NULL), MAILMOD_OK);
    unsigned long count = mm_mem_set_fault(0, 0);
    for (unsigned long i = 1; i <= count; i++) {
        (void)mm_mem_set_fault(i, 0);
        enum mailmod_error error = mm_config_load(builder, path, NULL, NULL);
        (void)mm_mem_set_fault(0, 0);
        assert_int_equal(error, MAILMOD_ERROR_MEMORY);
    }
    mm_config_builder_free(&builder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_line_decides),
        cmocka_unit_test(a_whole_file),
        cmocka_unit_test(mistakes_are_told_and_change_nothing),
        cmocka_unit_test(what_there_is_not_is_left_out),
        cmocka_unit_test(several_settings_in_a_line),
        cmocka_unit_test(the_order_does_not_matter),
        cmocka_unit_test(a_secret_needs_a_file_of_its_own),
        cmocka_unit_test(no_memory_is_an_error),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
