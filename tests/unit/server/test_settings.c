/* test_settings.c - snapshots: one TLS context a service, all or nothing, and
 * the last reference frees. Thread: the test's. */
#include "rig.h"

static int begin(void **state)
{
    (void)state;
    fake_open(NULL);
    return 0;
}

static int end(void **state)
{
    (void)state;
    fake_close(); /* looks for contexts that were not given back */
    return 0;
}

static void test_contexts(void **state)
{
    struct mm_config *config = rig_config(NULL);
    struct mm_settings *settings = NULL;
    struct mm_settings *second;

    (void)state;
    assert_int_equal(mm_settings_new(&settings, config, NULL), MAILMOD_OK);
    for (int i = 0; i < MM_SERVICE_COUNT; i++) {
        assert_non_null(settings->tls[i]);
    }
    assert_int_equal(world.tls.references, MM_SERVICE_COUNT);
    mm_config_unref(&config);
    second = mm_settings_ref(settings);
    mm_settings_unref(&settings);
    assert_null(settings);
    assert_string_equal(second->config->host_name, "mx.example.org");
    mm_settings_unref(&second);
    assert_int_equal(world.tls.references, 0);
    mm_settings_unref(&second); /* NULL does nothing */
}

static void test_bad_certificate(void **state)
{
    static const char *const texts[] = {"tls.certificate_file=missing.pem",
                                        NULL};
    struct mm_config *config = rig_config(texts);
    struct mm_settings *settings = NULL;
    struct mm_buf reason;

    (void)state;
    mm_buf_init(&reason, 1000);
    assert_int_equal(mm_settings_new(&settings, config, &reason),
                     MAILMOD_ERROR_CONFIG);
    assert_null(settings);
    assert_non_null(strstr(mm_buf_cstr(&reason), "missing.pem"));
    mm_buf_fini(&reason);
    mm_config_unref(&config);
}

static void test_no_certificate(void **state)
{
    static const char *const texts[] = {
        "tls.certificate_file=", "tls.key_file=", "tls.self_signed=false",
        "submissions.listen=",   "pop3s.listen=", NULL};
    struct mm_config *config = rig_config(texts);
    struct mm_settings *settings = NULL;

    (void)state;
    assert_int_equal(mm_settings_new(&settings, config, NULL), MAILMOD_OK);
    for (int i = 0; i < MM_SERVICE_COUNT; i++) {
        assert_null(settings->tls[i]);
    }
    mm_settings_unref(&settings);
    mm_config_unref(&config);
}

static void test_no_memory(void **state)
{
    struct mm_config *config = rig_config(NULL);
    struct mm_settings *settings = NULL;

    (void)state;
    mm_mem_set_fault(1, 0);
    assert_int_equal(mm_settings_new(&settings, config, NULL),
                     MAILMOD_ERROR_MEMORY);
    mm_mem_set_fault(0, 0);
    assert_null(settings);
    mm_config_unref(&config);
}

static void test_services(void **state)
{
    static const struct {
        enum mm_service service;
        const char *name;
        bool is_pop3, is_implicit;
        unsigned port;
    } rows[] = {
        {MM_SERVICE_SMTP, "smtp", false, false, PORT_SMTP},
        {MM_SERVICE_SUBMISSION, "submission", false, false, PORT_SUBMISSION},
        {MM_SERVICE_SUBMISSIONS, "submissions", false, true, PORT_SUBMISSIONS},
        {MM_SERVICE_POP3, "pop3", true, false, PORT_POP3},
        {MM_SERVICE_POP3S, "pop3s", true, true, PORT_POP3S}};
    struct mm_config *config = rig_config(NULL);

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const struct mm_address_list *list = &config->listen[rows[i].service];

        assert_string_equal(mm_service_name(rows[i].service), rows[i].name);
        assert_int_equal(mm_service_find(rows[i].name), rows[i].service);
        assert_int_equal(mm_service_row(rows[i].service)->protocol ==
                             MM_PROTOCOL_POP3,
                         rows[i].is_pop3);
        assert_int_equal(mm_service_has_implicit_tls(rows[i].service),
                         rows[i].is_implicit);
        assert_int_equal(list->count, 1);
        assert_int_equal(list->items[0].port, rows[i].port);
    }
    assert_int_equal(mm_service_find("SMTP"), MM_SERVICE_COUNT);
    assert_int_equal(mm_service_find(""), MM_SERVICE_COUNT);
    mm_config_unref(&config);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_contexts, begin, end),
        cmocka_unit_test_setup_teardown(test_bad_certificate, begin, end),
        cmocka_unit_test_setup_teardown(test_no_certificate, begin, end),
        cmocka_unit_test_setup_teardown(test_no_memory, begin, end),
        cmocka_unit_test_setup_teardown(test_services, begin, end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
