/* test_name.c - every name of the original engine: set, get, or the reason
 * why not. */
#include "base/mem.h"
#include "config/smallsrv/name.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

/* All that its documents list. */
static const char *const documented[] = {"nopop3_max",
                                         "pop3_max",
                                         "pop_port",
                                         "pop_timeout",
                                         "pop_range",
                                         "pop_deny",
                                         "pop6_range",
                                         "pop6_deny",
                                         "nopop_bind",
                                         "pop_bind",
                                         "popipv6",
                                         "nopop_speed",
                                         "pop_speed",
                                         "pop_spdusr",
                                         "pop3_proxy",
                                         "wmail",
                                         "nowmailsent",
                                         "wmailsent",
                                         "nowmailtrash",
                                         "wmailtrash",
                                         "wmail_utf",
                                         "tls_wmail",
                                         "sysuser",
                                         "grp_pop",
                                         "grp_smtp",
                                         "cryptpwd",
                                         "md5pwd",
                                         "delpwd",
                                         "nosmtp_max",
                                         "smtp_max",
                                         "smtp_name",
                                         "vhalias",
                                         "smtp_port",
                                         "nosmtp_bind",
                                         "smtp_bind",
                                         "smtpipv6",
                                         "smtp_dns",
                                         "smtp_nomx",
                                         "nosmtpproxy",
                                         "smtpproxy",
                                         "smtp_out",
                                         "nosmtp_sent",
                                         "smtp_sent",
                                         "sent_time",
                                         "smtp_err",
                                         "smtp_any",
                                         "smtp_range",
                                         "smtp_deny",
                                         "smtp6_range",
                                         "smtp6_deny",
                                         "smtp_pop_ip",
                                         "smtp_authsame",
                                         "smtp_msg_limit",
                                         "smtp_nobreak",
                                         "blacklist",
                                         "smtp_conform",
                                         "forward",
                                         "fwdrun",
                                         "goodlist",
                                         "badlist",
                                         "graylist",
                                         "chklists",
                                         "msgspam",
                                         "noantivirus",
                                         "antivirus",
                                         "run_timeout",
                                         "antispam",
                                         "spamfltr",
                                         "nocheckback",
                                         "fake",
                                         "dnsbl",
                                         "checkmx",
                                         "mxignbl",
                                         "spam_time",
                                         "smtptls",
                                         "smtponlytls",
                                         "smtpchktls",
                                         "nosmtp_ltime",
                                         "smtp_ltime",
                                         "smtp_ip_limit",
                                         "smtp_net_limit",
                                         "smtp_limit",
                                         "nolimitus",
                                         "uncheckip",
                                         "time_btw",
                                         "smtp_tls",
                                         "tls_cert_file",
                                         "tls_key_file",
                                         "tls_capath",
                                         "tls_cafile",
                                         "tls_priority",
                                         "tls_lib",
                                         "upproxy",
                                         "upproxy_port",
                                         "up_user",
                                         "ever_upproxy",
                                         "nouphosts",
                                         "ip_range",
                                         "ip_deny",
                                         "from_same_host",
                                         "log",
                                         "detail",
                                         "logday",
                                         "nolog",
                                         "limitlog",
                                         "seplog",
                                         "dns_bld",
                                         "user"};

static struct mm_config_builder *builder_new(void)
{
    struct mm_config_builder *builder = NULL;
    assert_int_equal(mm_config_builder_new(&builder), MAILMOD_OK);
    return builder;
}

static void read_value(struct mm_config_builder *builder, const char *name,
                       char *out, size_t size)
{
    struct mm_buf value;
    mm_buf_init(&value, 65536);
    assert_int_equal(mm_config_get(mm_config_peek(builder), name, &value),
                     MAILMOD_OK);
    assert_true(mm_span_copy(mm_buf_span(&value), out, size));
    mm_buf_fini(&value);
}

static void assert_reads(struct mm_config_builder *builder, const char *name,
                         const char *wanted)
{
    char text[1024];
    read_value(builder, name, text, sizeof text);
    assert_string_equal(text, wanted);
}

/* What the words of a refusal are; "" when it is taken. */
static void set(struct mm_config_builder *builder, const char *name,
                const char *value, char *words, size_t size)
{
    struct mm_buf mistake;
    mm_buf_init(&mistake, 4096);
    enum mailmod_error error = mm_config_set(builder, name, value, &mistake);
    assert_true(error == MAILMOD_OK || error == MAILMOD_ERROR_ARGUMENT);
    /* Words with an OK are a warning. */
    assert_true(error == MAILMOD_OK || mm_buf_size(&mistake) > 0);
    assert_true(mm_span_copy(mm_buf_span(&mistake), words, size));
    mm_buf_fini(&mistake);
}

static void every_documented_name_has_its_row(void **state)
{
    (void)state;
    size_t count;
    const struct mm_smallsrv_name *names = mm_smallsrv_names(&count);
    struct mm_config_alias old;
    for (size_t i = 0; i < sizeof documented / sizeof documented[0]; i++) {
        if (!mm_smallsrv_find(documented[i], &old)) {
            fail_msg("%s is not known", documented[i]);
        }
    }
    for (size_t i = 0; i < count; i++) {
        assert_true(names[i].words != NULL ||
                    names[i].kind == MM_SMALLSRV_SAME);
        assert_true(names[i].key == NULL ||
                    mm_config_find_key(names[i].key) != NULL);
        assert_true(mm_smallsrv_find(names[i].name, &old));
        assert_int_equal(old.row, i);
        assert_false(old.is_off);
    }
    assert_false(mm_smallsrv_find("no", &old));
    assert_false(mm_smallsrv_find("nosuch", &old));
    assert_false(mm_smallsrv_find("nosmtp_port", &old));
    assert_false(mm_smallsrv_find("nosmtp_name", &old));
    assert_false(mm_smallsrv_find("nonosmtptls", &old));
    assert_false(mm_smallsrv_find("smtp.listen", &old));
    assert_true(mm_smallsrv_find("nosmtptls", &old));
    assert_true(old.is_off);
}

struct step {
    const char *name; /* NULL: anew, with the defaults */
    const char *value;
    const char *words; /* of the refusal; NULL: taken */
    const char *key;   /* what reads ... */
    const char *reads; /* ... so then; NULL: is not looked at */
};

static const struct step steps[] = {
    {"user", "joe;pass;home;PS", NULL, "local.homes", ""},
    {"user", "joe;pass;/home/Joe/;PS", NULL, "local.homes", "joe:/home/Joe"},
    {"user", "joe;pass;\"C:\\mail\\50%\";P", "may send", "local.homes",
     "joe:/home/Joe, joe:C:/mail/50%%"},
    {"forward", "1", NULL, "local.forward_file", "forward"},
    {"noforward", "1", NULL, "forward", "0"},
    {"fwdrun", "1", "not supported", NULL, NULL},
    {NULL, NULL, NULL, NULL, NULL},
    {"smtp_port", "25", NULL, "smtp.listen", "0.0.0.0:25"},
    {"smtp_bind", "192.0.2.1", NULL, "smtp.listen", "192.0.2.1:25"},
    {"smtp_port", "26", NULL, "smtp.listen", "192.0.2.1:26"},
    {"smtpipv6", "1", NULL, "smtp.listen", "192.0.2.1:26, [::]:26"},
    {"smtpipv6", "1", NULL, "smtp.listen", "192.0.2.1:26, [::]:26"},
    {"smtp_port", "27", NULL, "smtp.listen", "192.0.2.1:27, [::]:27"},
    {"nosmtp_bind", "1", NULL, "smtp.listen", "0.0.0.0:27, [::]:27"},
    {"nosmtp_bind", "0", "set smtp_bind instead", "nosmtp_bind", "1"},
    {"smtp_bind", "192.0.2.2", NULL, "smtp_bind", "192.0.2.2"},
    {"smtp_bind", "host", "must be an address", "nosmtp_bind", "0"},
    {"smtpipv6", "0", NULL, "smtp.listen", "192.0.2.2:27"},
    {"smtp_bind", "2001:db8::1", NULL, "smtp.listen", "[2001:db8::1]:27"},
    {"smtp_bind", "2001:db8::1", NULL, "smtp_bind", "2001:db8::1"},
    {"nosmtpipv6", "1", NULL, "smtp.listen", ""},
    {"smtp_port", "28", NULL, "smtp.listen", "0.0.0.0:28"},
    {"smtp_bind", "", NULL, "smtp_bind", ""},
    {"nosmtp_max", "0", NULL, "smtp.listen", "0.0.0.0:28"},
    {"nosmtp_max", "1", NULL, "smtp.listen", ""},
    {"nosmtp_max", "0", "set smtp.listen", "nosmtp_max", "1"},
    {"smtp.listen", "127.0.0.1:1, 127.0.0.1:2", NULL, "smtp_port", "1"},
    {"smtp_port", "3", NULL, "smtp.listen", "127.0.0.1:3"},
    {NULL, NULL, NULL, NULL, NULL},
    /* Loopback asked for is loopback, whatever comes after. */
    {"smtp_bind", "127.0.0.1", NULL, "smtp.listen", "127.0.0.1:25"},
    {"smtp_port", "2526", NULL, "smtp.listen", "127.0.0.1:2526"},
    {NULL, NULL, NULL, NULL, NULL},
    {"smtpipv6", "0", NULL, "smtp.listen", "127.0.0.1:2525"},
    {"smtpipv6", "1", NULL, "smtp.listen", "0.0.0.0:25, [::]:25"},
    {"popipv6", "yes", NULL, "pop3.listen", "0.0.0.0:110, [::]:110"},
    {"pop_bind", "10.0.0.1", NULL, "pop3.listen", "10.0.0.1:110, [::]:110"},
    {"pop_port", "70000", "must be a port", "pop_port", "110"},
    {"nopop3_max", "1", NULL, "pop_port", "0"},
    {NULL, NULL, NULL, NULL, NULL},
    {"smtp_range", "127.0.0.1, 10.0.0.0/8", NULL, "smtp.relay_from",
     "127.0.0.1/32, 10.0.0.0/8"},
    {"smtp6_range", "::1", NULL, "smtp.relay_from",
     "::1/128, 127.0.0.1/32, 10.0.0.0/8"},
    {"smtp_range", "192.0.2.0-192.0.2.255", NULL, "smtp.relay_from",
     "192.0.2.0/24, ::1/128"},
    {"smtp_range", "192.0.2.1-192.0.2.9", NULL, "smtp_range",
     "192.0.2.1/32, 192.0.2.2/31, 192.0.2.4/30, 192.0.2.8/31"},
    {"smtp_range", "0.0.0.0-255.255.255.255", NULL, "smtp_range", "0.0.0.0/0"},
    {"smtp_range", "255.255.255.254-255.255.255.255", NULL, "smtp_range",
     "255.255.255.254/31"},
    {"smtp_range", "1.2.3.4-1.2.3.4", NULL, "smtp_range", "1.2.3.4/32"},
    {"smtp6_range", "2001:db8::-2001:db8::ffff", NULL, "smtp6_range",
     "2001:db8::/112"},
    {"smtp6_range", "::-ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", NULL,
     "smtp6_range", "::/0"},
    {"smtp_range", "192.0.2.9-192.0.2.1", "is not a network", "smtp_range",
     "1.2.3.4/32"},
    {"smtp_range", "1.2.3.4-::1", "is not a network", NULL, NULL},
    {"smtp_range", "::1", "IPv4 alone", NULL, NULL},
    {"smtp6_range", "127.0.0.1", "IPv6 alone", NULL, NULL},
    {"smtp_range", "", NULL, "smtp.relay_from", "::/0"},
    {NULL, NULL, NULL, NULL, NULL},
    {"smtp_deny", "192.0.2.0/24", NULL, "smtp.deny_from", "192.0.2.0/24"},
    {"smtp6_deny", "2001:db8::/32", NULL, "smtp.deny_from",
     "2001:db8::/32, 192.0.2.0/24"},
    {"pop_range", "10.0.0.1-10.0.0.2", NULL, "pop3.allow_from",
     "10.0.0.1/32, 10.0.0.2/32"},
    {"pop6_range", "::1", NULL, "pop6_range", "::1/128"},
    {"pop_deny", "::1", "IPv4 alone", "pop3.deny_from", ""},
    {"pop6_deny", "::1", NULL, "pop3.deny_from", "::1/128"},
    {"smtp_pop_ip", "1", NULL, "smtp.pop_before_smtp", "35m"},
    {"smtp.pop_before_smtp", "10m", NULL, "smtp_pop_ip", "1"},
    {"smtp_pop_ip", "1", NULL, "smtp.pop_before_smtp", "10m"},
    {"nosmtp_pop_ip", "1", NULL, "smtp.pop_before_smtp", "0s"},
    {"smtp_ltime", "600", NULL, "rates.window", "10m"},
    {"smtp_ip_limit", "100", NULL, "rates.address_octets_max", "100K"},
    {"smtp_net_limit", "200", NULL, "smtp_net_limit", "200"},
    {"smtp_limit", "1K", "must be a number", "smtp_limit", "0"},
    {"nosmtp_net_limit", "1", NULL, "rates.network_octets_max", "0"},
    {"nosmtp_ltime", "1", NULL, "rates.address_octets_max", "0"},
    {NULL, NULL, NULL, NULL, NULL},
    {"smtptls", "0", NULL, "delivery.tls", "off"},
    {"smtptls", "1", NULL, "delivery.tls", "may"},
    {"smtponlytls", "1", NULL, "delivery.tls", "must"},
    {"smtptls", "1", NULL, "delivery.tls", "must"},
    {"nosmtponlytls", "1", NULL, "delivery.tls", "may"},
    {"nosmtptls", "1", NULL, "smtptls", "0"},
    {"nosmtptls", "0", NULL, "smtptls", "1"},
    {"smtptls", "2", "must be true or false", "nosmtptls", "0"},
    {"smtpchktls", "0", NULL, "smarthost.verifies", "false"},
    {"nosmtpchktls", "0", NULL, "smarthost.verifies", "true"},
    {NULL, NULL, NULL, NULL, NULL},
    {"smtpproxy", "relay.example", NULL, "smarthost.host", "relay.example"},
    {"nosmtpproxy", "0", "set smtpproxy instead", "smarthost.port", "25"},
    {"smtptls", "1", NULL, "smarthost.tls", "may"},
    {"smtponlytls", "1", NULL, "smarthost.tls", "must"},
    {"nosmtpproxy", "1", NULL, "smtpproxy", ""},
    {NULL, NULL, NULL, NULL, NULL},
    {"smtponlytls", "1", NULL, NULL, NULL},
    {"smtpproxy", "relay.example", NULL, "smarthost.tls", "must"},
    {NULL, NULL, NULL, NULL, NULL},
    {"smarthost.user", "me", NULL, NULL, NULL},
    {"smtpproxy", "relay.example", NULL, "smarthost.port", "587"},
    {"smtpproxy", "-bad", "must be a host", "smarthost.tls", "must"},
    {NULL, NULL, NULL, NULL, NULL},
    {"detail", "1", NULL, "general.log_level", "debug"},
    {"nolog", "0", NULL, "general.log_level", "debug"},
    {"nodetail", "1", NULL, "general.log_level", "info"},
    {"nolog", "1", NULL, "general.log_level", "error"},
    {"detail", "0", NULL, "nolog", "1"},
    {"nolog", "0", NULL, "general.log_level", "info"},
    {"smtp_msg_limit", "1048576", NULL, "smtp.message_size_max", "1M"},
    {"smtp_msg_limit", "1", "must be from 4K", "smtp_msg_limit", "1M"},
    {"pop_timeout", "60", NULL, "pop3.idle_timeout", "1m"},
    {"smtp_out", "outbox", NULL, "general.data_folder", "outbox"},
    {"delpwd", "1", NULL, "delpwd", "1"},
    {"delpwd", "0", "cannot be switched off: no password", "delpwd", "1"},
    {"nosmtp_tls", "1", "cannot be switched off: STARTTLS", "smtp_tls", "1"},
    {"nocheckback", "0", NULL, "nocheckback", "0"},
    {"nocheckback", "1", "cannot be switched on: a sender", NULL, NULL},
    {"checkmx", "1", NULL, "checks.sender_domain", "refuse"},
    {"nocheckmx", "1", NULL, "checks.sender_domain", "off"},
    {"checkmx", "0", NULL, "checkmx", "0"},
    {"sent_time", "10", NULL, "archive.sent_days", "10"},
    {"mxignbl", "1", NULL, "greylisting.exempts_mx", "true"},
    {"fake", "a@b.example", NULL, "traps.addresses", "a@b.example"},
    {"spam_time", "3600", NULL, "traps.time", "1h"},
    {"noantivirus", "1", NULL, "noantivirus", "1"},
    {"noantivirus", "0", "not supported", NULL, NULL},
    {"antivirus", "", "not supported", NULL, NULL},
    {"chklists", "0", NULL, "lists.per_user", "false"},
    {"chklists", "1", NULL, "nochklists", "0"},
    {"goodlist", "good.lst", NULL, "lists.white_file", "good.lst"},
    {"badlist", "bad.lst", NULL, "lists.black_file", "bad.lst"},
    {"graylist", "gray.lst", NULL, "lists.grey_file", "gray.lst"},
    {"blacklist", "a@b.example *@c.example", NULL, "lists.black_senders",
     "a@b.example, *@c.example"},
    {"msgspam", "see http://mail.example/no", NULL, "lists.refusal_text",
     "see http://mail.example/no"},
    {"sysuser", "1", "not supported by mailmod; users are", NULL, NULL},
    {"user", "joe;pass;", "must be name;password;home;flags", "local.users",
     ""},
    {"user", "joe;pass;home;AHFW", "joe is left out: the flags", "user", ""},
    {"user", "joe doe;pass;home;PS", "must be name:password", "user", ""},
    {"user", "joe;pass;home;PS", NULL, "local.users", "********"},
    {"user", "ann;+0123ABCDZ89ABCDEF;;P", "ann cannot log in: the password",
     NULL, NULL},
    {"user", "bob;~0123abcd.89abcdef.0123abcd.89abcdef;;S", "bob cannot", NULL,
     NULL},
    {"user", "eve;pass;;S", "eve has a mailbox too", "user", "********"},
};

static void each_says_its_part(void **state)
{
    (void)state;
    struct mm_config_builder *builder = builder_new();
    for (size_t i = 0; i < sizeof steps / sizeof steps[0]; i++) {
        const struct step *step = &steps[i];
        char words[512];
        char reads[512];
        if (step->name == NULL) {
            mm_config_builder_free(&builder);
            builder = builder_new();
            continue;
        }
        set(builder, step->name, step->value, words, sizeof words);
        if (step->words == NULL ? words[0] != '\0'
                                : strstr(words, step->words) == NULL) {
            fail_msg("%s = %s says %s", step->name, step->value, words);
        }
        assert_null(strstr(words, "pass;"));
        if (step->reads != NULL) {
            read_value(builder, step->key, reads, sizeof reads);
            if (strcmp(reads, step->reads) != 0) {
                fail_msg("%s = %s makes %s %s", step->name, step->value,
                         step->key, reads);
            }
        }
    }
    assert_string_equal(mm_config_peek(builder)->local.users,
                        "joe:pass\nann:\nbob:\neve:pass");
    mm_config_builder_free(&builder);
}

/* What is read can be set, and reads the same then. */
static void each_takes_back_what_it_gave(void **state)
{
    (void)state;
    size_t count;
    const struct mm_smallsrv_name *names = mm_smallsrv_names(&count);
    struct mm_config_builder *builder = builder_new();
    char words[512];
    set(builder, "smtp_port", "2600", words, sizeof words);
    set(builder, "pop_port", "2601", words, sizeof words);
    for (size_t i = 0; i < count; i++) {
        char value[512];
        int64_t number;
        if (names[i].kind == MM_SMALLSRV_GONE) {
            assert_int_equal(mm_config_get_number(mm_config_peek(builder),
                                                  names[i].name, &number),
                             MAILMOD_ERROR_UNKNOWN_NAME);
            continue;
        }
        read_value(builder, names[i].name, value, sizeof value);
        set(builder, names[i].name, value, words, sizeof words);
        assert_string_equal(words, "");
        assert_reads(builder, names[i].name, value);
    }
    assert_reads(builder, "smtp.listen", "0.0.0.0:2600");
    mm_config_builder_free(&builder);
}

static void numbers(void **state)
{
    (void)state;
    struct mm_config_builder *builder = builder_new();
    const struct mm_config *config = mm_config_peek(builder);
    int64_t number = -1;
    assert_int_equal(mm_config_get_number(config, "pop_port", &number), 0);
    assert_int_equal(number, 2110);
    assert_int_equal(mm_config_get_number(config, "pop_timeout", &number), 0);
    assert_int_equal(number, 600);
    assert_int_equal(mm_config_get_number(config, "smtptls", &number), 0);
    assert_int_equal(number, 1);
    assert_int_equal(mm_config_get_number(config, "nosmtpproxy", &number), 0);
    assert_int_equal(number, 1);
    assert_int_equal(mm_config_get_number(config, "smtp_range", &number),
                     MAILMOD_ERROR_ARGUMENT);
    assert_int_equal(mm_config_get_number(config, "smtpproxy", &number),
                     MAILMOD_ERROR_ARGUMENT);
    mm_config_builder_free(&builder);
}

static void no_memory_is_an_error(void **state)
{
    (void)state;
    static const char *const values[][2] = {
        {"smtp_port", "27"},     {"smtp_bind", "192.0.2.1"},
        {"smtpipv6", "1"},       {"smtp_range", "10.0.0.1-10.0.0.77"},
        {"smtpproxy", "r.test"},
    };
    for (size_t i = 0; i < sizeof values / sizeof values[0]; i++) {
        struct mm_config_builder *builder = builder_new();
        enum mailmod_error error = MAILMOD_ERROR_MEMORY;
        char before[512];
        char after[512];
        read_value(builder, "smtp.listen", before, sizeof before);
        for (unsigned long n = 1; error != MAILMOD_OK; n++) {
            (void)mm_mem_set_fault(n, 0);
            error = mm_config_set(builder, values[i][0], values[i][1], NULL);
            (void)mm_mem_set_fault(0, 0);
            assert_true(error == MAILMOD_OK || error == MAILMOD_ERROR_MEMORY);
            if (error != MAILMOD_OK) {
                read_value(builder, "smtp.listen", after, sizeof after);
                assert_string_equal(after, before);
                assert_reads(builder, "smtp.relay_from", "");
                assert_reads(builder, "smarthost.port", "587");
            }
            assert_true(n < 1000);
        }
        mm_config_builder_free(&builder);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_documented_name_has_its_row),
        cmocka_unit_test(each_says_its_part),
        cmocka_unit_test(each_takes_back_what_it_gave),
        cmocka_unit_test(numbers),
        cmocka_unit_test(no_memory_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
