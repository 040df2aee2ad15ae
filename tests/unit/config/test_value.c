/* test_value.c - every key of the schema at its ends and past them, the
 * round trip from get to set, quantities, forms and secrets. Table-driven over
 * the schema itself, so that a new key is tested by being there. */
#include "base/mem.h"
#include "config/config.h"
#include "config/value.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static struct mm_config_builder *builder_new(void)
{
    struct mm_config_builder *builder;
    assert_int_equal(mm_config_builder_new(&builder), MAILMOD_OK);
    return builder;
}

static struct mm_config *build(struct mm_config_builder *builder)
{
    struct mm_config *config;
    struct mm_buf mistakes;
    mm_buf_init(&mistakes, 65536);
    enum mailmod_error error = mm_config_build(builder, &config, &mistakes);
    if (error != MAILMOD_OK) {
        print_error("%s\n", mm_buf_cstr(&mistakes));
    }
    assert_int_equal(error, MAILMOD_OK);
    mm_buf_fini(&mistakes);
    return config;
}

static enum mailmod_error set(struct mm_config_builder *builder,
                              const char *name, const char *value)
{
    struct mm_buf words;
    mm_buf_init(&words, 1024);
    enum mailmod_error error = mm_config_set(builder, name, value, &words);
    /* A refusal has words, a success has none. */
    assert_int_equal(error == MAILMOD_OK, mm_buf_size(&words) == 0);
    mm_buf_fini(&words);
    return error;
}

/* The value of a key of a builder, through a snapshot's copy. */
static void get(const struct mm_config *config, const char *name, char *out,
                size_t size)
{
    struct mm_buf value;
    mm_buf_init(&value, 65536);
    assert_int_equal(mm_config_get(config, name, &value), MAILMOD_OK);
    assert_true(mm_span_copy(mm_buf_span(&value), out, size));
    mm_buf_fini(&value);
}

static void try_number(struct mm_config_builder *builder,
                       const struct mm_config_key *key, uint64_t value,
                       bool is_good)
{
    char text[64];
    char before[64];
    char after[64];
    snprintf(text, sizeof text, "%llu%s", (unsigned long long)value,
             key->type == MM_CONFIG_DURATION ? "ms" : "");
    get(mm_config_peek(builder), key->name, before, sizeof before);
    enum mailmod_error error = set(builder, key->name, text);
    if (error != (is_good ? MAILMOD_OK : MAILMOD_ERROR_ARGUMENT)) {
        fail_msg("%s = %s gives %d", key->name, text, error);
    }
    get(mm_config_peek(builder), key->name, after, sizeof after);
    if (!is_good) {
        assert_string_equal(before, after);
        return;
    }
    /* What get writes, set reads to the same. */
    assert_int_equal(set(builder, key->name, after), MAILMOD_OK);
    get(mm_config_peek(builder), key->name, before, sizeof before);
    assert_string_equal(before, after);
    int64_t number;
    assert_int_equal(
        mm_config_get_number(mm_config_peek(builder), key->name, &number),
        MAILMOD_OK);
    uint64_t wanted =
        key->type == MM_CONFIG_DURATION ? (value + 999) / 1000 : value;
    assert_true(number >= 0 && (uint64_t)number == wanted);
}

static bool is_number(const struct mm_config_key *key)
{
    return key->type == MM_CONFIG_INT || key->type == MM_CONFIG_SIZE ||
           key->type == MM_CONFIG_DURATION;
}

static void numbers_keep_their_ranges(void **state)
{
    (void)state;
    size_t count;
    const struct mm_config_key *keys = mm_config_keys(&count);
    struct mm_config_builder *builder = builder_new();
    for (size_t i = 0; i < count; i++) {
        const struct mm_config_key *key = &keys[i];
        if (!is_number(key)) {
            continue;
        }
        try_number(builder, key, key->minimum, true);
        try_number(builder, key, key->maximum, true);
        try_number(builder, key, key->minimum + 1, true);
        if (key->minimum > 0) {
            try_number(builder, key, key->minimum - 1, false);
        }
        try_number(builder, key, key->maximum + 1, false);
        try_number(builder, key, UINT64_MAX, false);
        static const char *const wrong[] = {"",
                                            "-1",
                                            "+1",
                                            "x",
                                            "1x",
                                            "1.5",
                                            "0x10",
                                            "99999999999999999999",
                                            "18446744073709551615T",
                                            "18446744073709551615h",
                                            "1 1",
                                            "K"};
        for (size_t j = 0; j < sizeof wrong / sizeof wrong[0]; j++) {
            assert_int_equal(set(builder, key->name, wrong[j]),
                             MAILMOD_ERROR_ARGUMENT);
        }
    }
    mm_config_builder_free(&builder);
}

#define FINGERPRINT                                                            \
    "AB:cd:12:34:56:78:9a:bc:de:f0:AB:cd:12:34:56:78:9a:bc:de:f0:AB:cd:12:34:" \
    "56:78:9a:bc:de:f0:00:ff"

static void texts_keep_their_lengths(void **state)
{
    (void)state;
    static char text[8200];
    size_t count;
    const struct mm_config_key *keys = mm_config_keys(&count);
    struct mm_config_builder *builder = builder_new();
    for (size_t i = 0; i < count; i++) {
        const struct mm_config_key *key = &keys[i];
        if ((key->type != MM_CONFIG_TEXT && key->type != MM_CONFIG_SECRET) ||
            mm_config_form_has_lines(key->form)) {
            continue;
        }
        /* "1.1.1.1 1.1.1.1 ..." and the like have every form. */
        const char *word = key->form == MM_CONFIG_FORM_SERVERS      ? "1.1.1.1 "
                           : key->form == MM_CONFIG_FORM_EXIT_CODES ? "1=mark "
                           : key->form == MM_CONFIG_FORM_MECHANISMS ? "PLAIN "
                           : key->form == MM_CONFIG_FORM_FINGERPRINTS
                               ? FINGERPRINT " "
                               : "aa.";
        size_t size = strlen(word);
        for (size_t j = 0; j < sizeof text - 1; j++) {
            text[j] = j < key->maximum / size * size ? word[j % size] : ' ';
        }
        text[key->maximum] = '\0';
        if (word[size - 1] == '.') {
            memset(text + (key->maximum - 1) / size * size, 'a', size);
            text[key->maximum] = '\0';
        }
        if (set(builder, key->name, text) != MAILMOD_OK) {
            fail_msg("%s at its longest", key->name);
        }
        text[key->maximum] = 'a';
        text[key->maximum + 1] = '\0';
        assert_int_equal(set(builder, key->name, text), MAILMOD_ERROR_ARGUMENT);
        assert_int_equal(set(builder, key->name, ""),
                         key->minimum == 0 ? MAILMOD_OK
                                           : MAILMOD_ERROR_ARGUMENT);
        static const char *const wrong[] = {
            "a\r\nb", "a\nb", "a\tb", "\x7f.a", "\xff", "\xc0\xaf", "a\xe4"};
        for (size_t j = 0; j < sizeof wrong / sizeof wrong[0]; j++) {
            assert_int_equal(set(builder, key->name, wrong[j]),
                             MAILMOD_ERROR_ARGUMENT);
        }
        int64_t number;
        assert_int_equal(
            mm_config_get_number(mm_config_peek(builder), key->name, &number),
            MAILMOD_ERROR_ARGUMENT);
    }
    mm_config_builder_free(&builder);
}

static void users_are_lines(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        enum mailmod_error error;
    } rows[] = {
        {"", MAILMOD_OK},
        {"joe:secret", MAILMOD_OK},
        {"joe:se,c re:t;\nann@a.example:x\nbob:", MAILMOD_OK},
        {"joe", MAILMOD_OK}, /* without a password */
        {":secret", MAILMOD_ERROR_ARGUMENT},
        {"joe:secret\n:x", MAILMOD_ERROR_ARGUMENT},
        {"joe doe:secret", MAILMOD_ERROR_ARGUMENT},
        {"joe@:secret", MAILMOD_ERROR_ARGUMENT},
        {"joe@a@b:secret", MAILMOD_ERROR_ARGUMENT},
        {"joe:se\tcret", MAILMOD_ERROR_ARGUMENT},
        {"joe:se\xffret", MAILMOD_ERROR_ARGUMENT},
        {"joe:secret\r\nann:x", MAILMOD_ERROR_ARGUMENT},
    };
    struct mm_config_builder *builder = builder_new();
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        if (set(builder, "local.users", rows[i].text) != rows[i].error) {
            fail_msg("%s", rows[i].text);
        }
    }
    mm_config_builder_free(&builder);
}

static void choices_and_flags(void **state)
{
    (void)state;
    size_t count;
    const struct mm_config_key *keys = mm_config_keys(&count);
    struct mm_config_builder *builder = builder_new();
    for (size_t i = 0; i < count; i++) {
        const struct mm_config_key *key = &keys[i];
        char out[64];
        char name[64];
        if (key->type == MM_CONFIG_BOOL) {
            assert_int_equal(set(builder, key->name, "Yes"), MAILMOD_OK);
            get(mm_config_peek(builder), key->name, out, sizeof out);
            assert_string_equal(out, "true");
            assert_int_equal(set(builder, key->name, "0"), MAILMOD_OK);
            get(mm_config_peek(builder), key->name, out, sizeof out);
            assert_string_equal(out, "false");
            assert_int_equal(set(builder, key->name, "2"),
                             MAILMOD_ERROR_ARGUMENT);
            assert_int_equal(set(builder, key->name, ""),
                             MAILMOD_ERROR_ARGUMENT);
        }
        if (key->type != MM_CONFIG_CHOICE) {
            continue;
        }
        struct mm_span rest = mm_span_cstr(key->choices);
        struct mm_span choice;
        while (mm_config_next_item(&rest, &choice)) {
            assert_true(mm_span_copy(choice, name, sizeof name));
            assert_int_equal(set(builder, key->name, name), MAILMOD_OK);
            get(mm_config_peek(builder), key->name, out, sizeof out);
            assert_string_equal(out, name);
        }
        assert_int_equal(set(builder, key->name, "nonsense"),
                         MAILMOD_ERROR_ARGUMENT);
        assert_int_equal(set(builder, key->name, ""), MAILMOD_ERROR_ARGUMENT);
    }
    mm_config_builder_free(&builder);
}

static const struct {
    const char *key;
    const char *value;
    const char *reads; /* NULL: refused */
} single_cases[] = {
    {"smtp.listen", "*:25, [::]:25", "0.0.0.0:25, [::]:25"},
    {"smtp.listen", "", ""},
    {"smtp.listen", "[::ffff:127.0.0.1]:25", "127.0.0.1:25"},
    {"smtp.listen", "127.0.0.1:0 127.0.0.1:0", "127.0.0.1:0, 127.0.0.1:0"},
    {"smtp.listen", "127.0.0.1:25 127.0.0.1:25", NULL},
    {"smtp.listen", "127.0.0.1", NULL},
    {"smtp.listen", "127.0.0.1:65536", NULL},
    {"smtp.listen", "host.example:25", NULL},
    {"smtp.listen", "[::1:25", NULL},
    {"smtp_port", "25", "25"},
    {"smtp_port", "0", "0"},
    {"smtp_port", "65535", "65535"},
    {"smtp_port", "65536", NULL},
    {"smtp_port", "-1", NULL},
    {"smtp_port", "x", NULL},
    {"pop_port", "110", "110"},
    {"smtptls", "yes", "1"},
    {"smtptls", "no", "0"},
    {"smtptls", "2", NULL},
    {"smtponlytls", "yes", "1"},
    {"smtponlytls", "no", "0"},
    {"smtp_name", "mail.example.com", "mail.example.com"},
    {"general.host_name", "mail_1.x", "mail_1.x"},
    {"general.host_name", "-mail.x", NULL},
    {"general.host_name", "mail-.x", NULL},
    {"general.host_name", "mail..x", NULL},
    {"general.host_name", ".x", NULL},
    {"general.host_name", "x.", NULL},
    {"general.host_name", "a b", NULL},
    {"general.host_name",
     "b\xc3\xbc"
     "cher.example",
     NULL},
    {"general.host_name",
     "a23456789012345678901234567890123456789012345678901234567890123.x",
     "a23456789012345678901234567890123456789012345678901234567890123.x"},
    {"general.host_name",
     "a234567890123456789012345678901234567890123456789012345678901234.x",
     NULL},
    {"local.domains", "A.Example,b.example  c", "a.example, b.example, c"},
    {"local.domains", "", ""},
    {"local.domains", "[127.0.0.1], [IPv6:::1]", "[127.0.0.1], [ipv6:::1]"},
    {"local.domains",
     "b\xc3\xbc"
     "cher.example",
     "b\xc3\xbc"
     "cher.example"},
    {"local.domains", "a@b", NULL},
    {"local.domains", "[1.2.3]", NULL},
    {"local.catch_all", "user", "user"},
    {"local.catch_all", "a b", NULL},
    {"local.catch_all", "a@b", "a@b"},
    {"local.catch_all", "a@", NULL},
    {"local.catch_all", "@b", NULL},
    {"local.postmaster", "chef@firma.test", "chef@firma.test"},
    {"local.postmaster", "a@b@c", NULL},
    {"local.plus_separator", "-", "-"},
    {"local.plus_separator", "", ""},
    {"local.plus_separator", "++", NULL},
    {"local.plus_separator", "a", NULL},
    {"local.plus_separator", "@", NULL},
    {"local.plus_separator", "\xc3", NULL},
    {"smtp.relay_from", "127.0.0.0/8, ::1", "127.0.0.0/8, ::1/128"},
    {"smtp.relay_from", "127.0.0.0/33", NULL},
    {"smtp.relay_from", "2001:db8::/129", NULL},
    {"smtp.relay_from", "any", NULL},
    {"queue.steps", "1s, 90s 2m", "1s, 90s, 2m"},
    {"queue.steps", "24h", "24h"},
    {"queue.steps", "60", "1m"},
    {"queue.steps", "", NULL},
    {"queue.steps", "0", NULL},
    {"queue.steps", "25h", NULL},
    {"queue.steps", "1500ms", NULL},
    {"queue.steps", "2000ms", "2s"},
    {"delivery.source", "192.0.2.1, 2001:db8::1", "192.0.2.1, 2001:db8::1"},
    {"delivery.source", "192.0.2.1:25", NULL},
    {"delivery.source", "1.1.1.1 2.2.2.2 3.3.3.3", NULL},
    {"dns.servers", "127.0.0.1:5353, ::1, [::1]:53",
     "127.0.0.1:5353, ::1, [::1]:53"},
    {"dns.servers", "ns.example", NULL},
    {"smtp_dns", "127.0.0.1", "127.0.0.1"},
    {"smtp.message_size_max", "64 KiB", "64K"},
    {"smtp.message_size_max", "64k", "64K"},
    {"smtp.message_size_max", "1025KiB", "1025K"},
    {"smtp.message_size_max", "5000", "5000"},
    {"smtp.message_size_max", "64 KX", NULL},
    {"smtp.command_timeout", "90", "90s"},
    {"smtp.command_timeout", "1500ms", "1500ms"},
    {"smtp.command_timeout", "5M", NULL},
    {"smtp.command_timeout", "60m", "1h"},
    {"queue.warn_after", "0", "0s"},
    {"queue.lifetime", "5d", "120h"},
};

static void single_values(void **state)
{
    (void)state;
    struct mm_config_builder *builder = builder_new();
    for (size_t i = 0; i < sizeof single_cases / sizeof single_cases[0]; i++) {
        const char *reads = single_cases[i].reads;
        char out[256];
        enum mailmod_error error =
            set(builder, single_cases[i].key, single_cases[i].value);
        if (error != (reads == NULL ? MAILMOD_ERROR_ARGUMENT : MAILMOD_OK)) {
            fail_msg("%s = %s gives %d", single_cases[i].key,
                     single_cases[i].value, error);
        }
        if (reads != NULL) {
            get(mm_config_peek(builder), single_cases[i].key, out, sizeof out);
            assert_string_equal(out, reads);
        }
    }
    mm_config_builder_free(&builder);
}

static void names_are_unique_and_found(void **state)
{
    (void)state;
    size_t count;
    const struct mm_config_key *keys = mm_config_keys(&count);
    assert_true(count > 70);
    for (size_t i = 0; i < count; i++) {
        assert_ptr_equal(mm_config_find_key(keys[i].name), &keys[i]);
        assert_non_null(keys[i].help);
        for (size_t j = 0; j < i; j++) {
            assert_true(keys[i].offset != keys[j].offset);
        }
    }
    assert_string_equal(mm_config_find_key("smtp_port")->name, "smtp.listen");
    assert_null(mm_config_find_key("smtp.recipient_max"));
    assert_null(mm_config_find_key(""));
    struct mm_config_builder *builder = builder_new();
    assert_int_equal(set(builder, "no.such", "1"), MAILMOD_ERROR_UNKNOWN_NAME);
    struct mm_buf out;
    int64_t number;
    mm_buf_init(&out, 64);
    assert_int_equal(mm_config_get(mm_config_peek(builder), "no.such", &out),
                     MAILMOD_ERROR_UNKNOWN_NAME);
    assert_int_equal(
        mm_config_get_number(mm_config_peek(builder), "no.such", &number),
        MAILMOD_ERROR_UNKNOWN_NAME);
    mm_config_builder_free(&builder);
}

/* Every default reads back as itself: the table is in its own normal form. */
static void defaults_are_what_get_says(void **state)
{
    (void)state;
    size_t count;
    const struct mm_config_key *keys = mm_config_keys(&count);
    struct mm_config_builder *builder = builder_new();
    struct mm_config *config = build(builder);
    for (size_t i = 0; i < count; i++) {
        char out[256];
        get(config, keys[i].name, out, sizeof out);
        assert_string_equal(out, keys[i].default_text);
    }
    /* Loopback alone, as the page says. */
    for (int i = 0; i < MM_SERVICE_COUNT; i++) {
        assert_int_equal(config->listen[i].count, 1);
        assert_true(mm_netaddr_is_loopback(&config->listen[i].items[0]));
    }
    assert_int_equal(config->queue.lifetime_ms, 86400000);
    mm_config_unref(&config);
    mm_config_builder_free(&builder);
}

static void secrets_are_not_shown(void **state)
{
    (void)state;
    struct mm_config_builder *builder = builder_new();
    struct mm_buf words;
    char out[64];
    get(mm_config_peek(builder), "smarthost.password", out, sizeof out);
    assert_string_equal(out, "");
    /* Each of its own: another secret shows nothing of this one. */
    assert_int_equal(set(builder, "local.users", "joe:cret"), MAILMOD_OK);
    get(mm_config_peek(builder), "smarthost.password", out, sizeof out);
    assert_string_equal(out, "");
    get(mm_config_peek(builder), "local.users", out, sizeof out);
    assert_string_equal(out, "********");
    assert_int_equal(set(builder, "smarthost.password", " pass word "),
                     MAILMOD_OK);
    get(mm_config_peek(builder), "smarthost.password", out, sizeof out);
    assert_string_equal(out, "********");
    /* Blanks at the ends belong to a password. */
    assert_string_equal(mm_config_peek(builder)->smarthost.password,
                        " pass word ");
    mm_buf_init(&words, 1024);
    assert_int_equal(
        mm_config_set(builder, "smarthost.password", "secret\nword", &words),
        MAILMOD_ERROR_ARGUMENT);
    assert_null(strstr(mm_buf_cstr(&words), "secret"));
    mm_buf_fini(&words);
    assert_string_equal(mm_config_peek(builder)->smarthost.password,
                        " pass word ");
    /* It goes with a copy. */
    assert_int_equal(set(builder, "smarthost.user", "u"), MAILMOD_OK);
    assert_int_equal(set(builder, "smarthost.host", "relay.x"), MAILMOD_OK);
    struct mm_config *config = build(builder);
    assert_string_equal(config->smarthost.password, " pass word ");
    mm_config_unref(&config);
    mm_config_builder_free(&builder);
}

static void certificates_are_lines(void **state)
{
    static const char name[] = "tls.more_certificates";
    struct mm_config_builder *builder = builder_new();
    (void)state;
    assert_int_equal(set(builder, name, "a b.pem;c,d.key\ne.p12"), MAILMOD_OK);
    static const char *const wrong[] = {";k", "a\n\nb", "a\tb", "a;\x7f"};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        assert_int_equal(set(builder, name, wrong[i]), MAILMOD_ERROR_ARGUMENT);
    }
    const struct mm_config *config = mm_config_peek(builder);
    struct mm_span rest = mm_span_cstr(config->tls.more_certificates);
    struct mm_span file;
    struct mm_span key;
    assert_true(mm_config_next_certificate(&rest, &file, &key));
    assert_true(mm_span_is(file, "a b.pem") && mm_span_is(key, "c,d.key"));
    assert_true(mm_config_next_certificate(&rest, &file, &key));
    assert_true(mm_span_is(file, "e.p12") && key.size == 0);
    assert_false(mm_config_next_certificate(&rest, &file, &key));
    mm_config_builder_free(&builder);
}

static const struct {
    const char *settings[9]; /* key, value, ... */
    const char *words;       /* NULL: good */
} whole_cases[] = {
    {{"tls.self_signed", "no"}, "submissions.listen"},
    {{"tls.self_signed", "no", "submissions.listen", ""}, "pop3s.listen"},
    {{"tls.self_signed", "no", "submissions.listen", "", "pop3s.listen", ""},
     NULL},
    {{"tls.certificate_file", "c.pem"}, "tls.key_file"},
    {{"tls.self_signed", "no", "submissions.listen", "",
      "tls.more_certificates", "d.pem"},
     "tls.certificate_file: is missing, tls.more_certificates is set"},
    {{"tls.key_file", "k.pem"}, "tls.certificate_file"},
    {{"tls.key_file", "k.pem", "tls.certificate_file", "c.pem"}, NULL},
    {{"smtp.connections_max", "49", "smtp.connections_per_address_max", "50"},
     "smtp.connections_per_address_max: 50 is above smtp.connections_max, "
     "which "
     "is 49; lower it, or raise the other\n"},
    {{"smtp.connections_max", "50", "smtp.connections_per_address_max", "50"},
     NULL},
    {{"pop3.connections_per_address_max", "1001"},
     "pop3.connections_per_address_max"},
    {{"queue.destination_max", "5", "queue.attempts_max", "4"},
     "queue.destination_max"},
    {{"queue.warn_after", "24h"}, "queue.warn_after: 24h is not below"},
    {{"queue.warn_after", "23h"}, NULL},
    {{"delivery.uses_ipv4", "no", "delivery.uses_ipv6", "no"},
     "delivery.uses_ipv4"},
    {{"delivery.uses_ipv4", "no"}, NULL},
    {{"delivery.source", "1.1.1.1 2.2.2.2"}, "delivery.source"},
    {{"delivery.source", "1.1.1.1 ::2"}, NULL},
    {{"smarthost.host", "192.0.2.1", "smarthost.uses_srv", "yes"},
     "smarthost.host"},
    {{"smarthost.host", "corp.example", "smarthost.uses_srv", "yes"}, NULL},
    {{"smarthost.host", "r.x", "smarthost.user", "u"}, "smarthost.password"},
    {{"smarthost.password", "p"}, "smarthost.user"},
    {{"smarthost.user", "u", "smarthost.password", "p"}, "smarthost.host"},
    {{"smarthost.token", "true"}, "smarthost.user"},
    {{"smarthost.user", "u", "smarthost.token", "true"}, "smarthost.host"},
    {{"smarthost.mechanisms", "xoauth2"}, "smarthost.mechanisms"},
    {{"smarthost.host", "r.x", "smarthost.user", "u", "smarthost.mechanisms",
      "plain", "smarthost.token", "true"},
     "smarthost.mechanisms"},
    {{"smarthost.key_file", "k.pem"}, "smarthost.certificate_file"},
    {{"smarthost.mechanisms", "EXTERNAL,PLAIN"}, "smarthost.certificate_file"},
    {{"smarthost.mechanisms", "EXTERNAL", "smarthost.certificate_file", "c.pem",
      "smarthost.tls", "off"},
     "smarthost.tls"},
    {{"smarthost.mechanisms", "EXTERNAL", "smarthost.certificate_file",
      "c.pem"},
     NULL},
    {{"smarthost.fingerprints", FINGERPRINT, "smarthost.tls", "off"},
     "smarthost.fingerprints"},
    {{"smarthost.fingerprints", FINGERPRINT, "smarthost.verifies", "no"},
     "smarthost.fingerprints"},
    {{"smarthost.fingerprints", FINGERPRINT}, NULL},
    {{"pop3.listen", "127.0.0.1:2525"}, "pop3.listen"},
    {{"pop3.listen", "127.0.0.2:2525"}, NULL},
    {{"pop3.listen", "127.0.0.1:0", "smtp.listen", "127.0.0.1:0"}, NULL},
};

/* What nobody set fits what somebody set, whatever that is. */
static void test_E07_values_follow(void **state)
{
    static const struct {
        const char *set[4];
        const char *name;
        const char *value;
    } cases[] = {
        {{"queue.lifetime", "1h"}, "queue.warn_after", "30m"},
        {{"queue.lifetime", "3600"}, "queue.warn_after", "30m"},
        {{"queue.lifetime", "1h", "queue.lifetime", "48h"},
         "queue.warn_after",
         "4h"},
        {{"queue.warn_after", "3h", "queue.lifetime", "24h"},
         "queue.warn_after",
         "3h"},
        {{"smtp.connections_max", "49"},
         "smtp.connections_per_address_max",
         "49"},
        {{"pop3.connections_max", "1"},
         "pop3.connections_per_address_max",
         "1"},
        {{"queue.attempts_max", "4"}, "queue.destination_max", "4"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct mm_config_builder *builder = builder_new();
        struct mm_config *config;
        char value[64];
        for (size_t j = 0; j < 4 && cases[i].set[j] != NULL; j += 2) {
            assert_int_equal(set(builder, cases[i].set[j], cases[i].set[j + 1]),
                             MAILMOD_OK);
        }
        assert_int_equal(mm_config_build(builder, &config, NULL), MAILMOD_OK);
        get(config, cases[i].name, value, sizeof value);
        assert_string_equal(value, cases[i].value);
        mm_config_unref(&config);
        mm_config_builder_free(&builder);
    }
}

static void the_whole_is_checked(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof whole_cases / sizeof whole_cases[0]; i++) {
        struct mm_config_builder *builder = builder_new();
        struct mm_config *config;
        struct mm_buf words;
        const char *const *settings = whole_cases[i].settings;
        for (size_t j = 0; settings[j] != NULL; j += 2) {
            assert_int_equal(set(builder, settings[j], settings[j + 1]),
                             MAILMOD_OK);
        }
        mm_buf_init(&words, 4096);
        enum mailmod_error error = mm_config_build(builder, &config, &words);
        const char *text = mm_buf_cstr(&words);
        if (whole_cases[i].words == NULL) {
            assert_string_equal(text, "");
            assert_int_equal(error, MAILMOD_OK);
        } else {
            assert_int_equal(error, MAILMOD_ERROR_CONFIG);
            assert_null(config);
            if (strstr(text, whole_cases[i].words) != text) {
                fail_msg("case %zu says %s", i, text);
            }
        }
        mm_config_unref(&config);
        mm_buf_fini(&words);
        mm_config_builder_free(&builder);
    }
}

static void a_snapshot_stays_as_it_is(void **state)
{
    (void)state;
    struct mm_config_builder *builder = builder_new();
    assert_int_equal(set(builder, "general.host_name", "Mail.Example"),
                     MAILMOD_OK);
    struct mm_config *first = build(builder);
    struct mm_config *second = mm_config_ref(first);
    assert_int_equal(set(builder, "general.host_name", "other"), MAILMOD_OK);
    assert_string_equal(first->host_name, "Mail.Example");
    assert_true(mm_config_is_local_domain(first, "mail.example"));
    assert_true(mm_config_is_local_domain(first, "LOCALHOST"));
    assert_false(mm_config_is_local_domain(first, "other"));
    assert_false(mm_config_is_local_domain(first, ""));
    assert_int_equal(set(builder, "local.domains",
                         "b\xc3\xbc"
                         "cher.test xn--e1afmkfd.test"),
                     MAILMOD_OK);
    struct mm_config *umlaut = build(builder);
    assert_true(mm_config_is_local_domain(umlaut, "xn--bcher-kva.test"));
    assert_true(mm_config_is_local_domain(umlaut, "B\xc3\x9c"
                                                  "CHER.test"));
    assert_true(mm_config_is_local_domain(
        umlaut, "\xd0\xbf\xd1\x80\xd0\xb8\xd0\xbc\xd0\xb5\xd1\x80.test"));
    assert_false(mm_config_is_local_domain(umlaut, "bucher.test"));
    mm_config_unref(&umlaut);
    assert_int_equal(set(builder, "local.domains", "b\xc3\xbc..test"),
                     MAILMOD_ERROR_ARGUMENT);
    mm_config_unref(&first);
    assert_null(first);
    struct mm_config_builder *copy;
    assert_int_equal(mm_config_builder_from(&copy, second), MAILMOD_OK);
    assert_string_equal(mm_config_peek(copy)->host_name, "Mail.Example");
    mm_config_builder_free(&copy);
    mm_config_unref(&second);
    mm_config_unref(&second);
    mm_config_builder_free(&builder);
    mm_config_builder_free(&builder);
}

/* Builder, set, build and copy with each allocation failing in turn. */
static enum mailmod_error walk(void)
{
    struct mm_config_builder *builder = NULL;
    struct mm_config_builder *copy = NULL;
    struct mm_config *config = NULL;
    enum mailmod_error error = mm_config_builder_new(&builder);
    if (error == MAILMOD_OK) {
        error = mm_config_set(builder, "local.domains", "a b c d e f", NULL);
    }
    if (error == MAILMOD_OK) {
        error = mm_config_set(builder, "smtp_port", "2526", NULL);
    }
    if (error == MAILMOD_OK) {
        error = mm_config_build(builder, &config, NULL);
    }
    if (error == MAILMOD_OK) {
        error = mm_config_builder_from(&copy, config);
    }
    mm_config_unref(&config);
    mm_config_builder_free(&copy);
    mm_config_builder_free(&builder);
    return error;
}

static void no_memory_is_an_error(void **state)
{
    (void)state;
    (void)mm_mem_set_fault(0, 0);
    assert_int_equal(walk(), MAILMOD_OK);
    unsigned long count = mm_mem_set_fault(0, 0);
    assert_true(count > 100);
    for (unsigned long i = 1; i <= count; i++) {
        (void)mm_mem_set_fault(i, 0);
        enum mailmod_error error = walk();
        (void)mm_mem_set_fault(0, 0);
        assert_int_equal(error, MAILMOD_ERROR_MEMORY);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_keep_their_ranges),
        cmocka_unit_test(texts_keep_their_lengths),
        cmocka_unit_test(users_are_lines),
        cmocka_unit_test(certificates_are_lines),
        cmocka_unit_test(choices_and_flags),
        cmocka_unit_test(single_values),
        cmocka_unit_test(names_are_unique_and_found),
        cmocka_unit_test(defaults_are_what_get_says),
        cmocka_unit_test(secrets_are_not_shown),
        cmocka_unit_test(test_E07_values_follow),
        cmocka_unit_test(the_whole_is_checked),
        cmocka_unit_test(a_snapshot_stays_as_it_is),
        cmocka_unit_test(no_memory_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
