/* test_policy.c - who may relay: attack 41 as a table of 1080, built by parsing
 * every form of a path as a peer would write it; and whose sender is whose.
 * Thread: the test's. */
#include "post/directory.h"
#include "rig.h"
#include "server/policy.h"

#define INSIDE "10.1.2.3"
#define OUTSIDE "198.51.100.7"

/* 30 forms of a forward-path; %s is the domain. `is_local` is what a form is
 * with the local domain; with the foreign one none is. */
static const struct form {
    const char *text;
    bool is_local; /* with a local domain in it */
} forms[] = {
    {"<alice@%s>", true},
    {"<ALICE@%s>", true},
    {"<alice+box@%s>", true},
    {"<\"alice\"@%s>", true},
    {"<\"alice bob\"@%s>", true},
    {"<\"alice@victim.example\"@%s>", true},
    {"<alice%%victim.example@%s>", true},
    {"<victim.example!alice@%s>", true},
    {"<alice%%%%victim.example@%s>", true},
    {"<\"victim.example!alice\"@%s>", true},
    {"<\"alice%%victim.example\"@%s>", true},
    {"<@relay.example:alice@%s>", true},
    {"<@relay.example,@other.example:alice@%s>", true},
    {"<@%s:alice@victim.example>", false},
    {"<@%s,@relay.example:alice@victim.example>", false},
    {"<\"alice@%s\"@victim.example>", false},
    {"<alice%%%s@victim.example>", false},
    {"<%s!alice@victim.example>", false},
    {"<\"@%s:alice\"@victim.example>", false},
    {"<alice@sub.%s>", false},
    {"<alice@%s.victim.example>", false},
    {"<alice@x%s>", false},
    {"<alice@[198.51.100.99]>", false},
    {"<alice@[IPv6:2001:db8::99]>", false},
    {"<alice@[127.0.0.1]>", false},
    {"<alice@[tag:%s]>", false},
    {"<postmaster@%s>", true},
    {"<POSTMASTER@%s>", true},
    {"<alice@victim.example>", false},
    {"<%s@victim.example>", false},
};
#define FORM_COUNT (sizeof forms / sizeof forms[0])

static const char *const domains[] = {"example.org", "EXAMPLE.ORG",
                                      "foreign.example"};

static struct mm_config *make_config(void)
{
    static const char *const texts[] = {"smtp.relay_from=10.0.0.0/8", NULL};

    return rig_config(texts);
}

/* The law, written apart from policy.c: a path that is not local is taken on
 * the submission services alone, from a login or from the inside. */
static bool may(enum mm_service service, bool is_inside, bool has_login,
                bool is_local, bool nowhere)
{
    bool is_submission =
        service == MM_SERVICE_SUBMISSION || service == MM_SERVICE_SUBMISSIONS;

    return is_local || (is_submission && (is_inside || has_login) && !nowhere);
}

/* A literal that no mail goes to: of no known kind, or this machine's own. */
static bool is_nowhere(const struct mm_address *path)
{
    return path->domain_form == MM_DOMAIN_GENERAL ||
           (path->domain_form == MM_DOMAIN_ADDRESS &&
            mm_netaddr_is_loopback(&path->literal));
}

static unsigned try_path(const struct mm_policy_facts *facts, bool is_inside,
                         const struct form *form, const char *domain)
{
    char text[200];
    struct mm_address path;
    struct mm_netaddr local;
    const struct mm_reply *refusal = NULL;
    bool wanted_local = form->is_local && strcmp(domain, domains[2]) != 0;
    bool is_local;

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
    snprintf(text, sizeof text, form->text, domain, domain);
#pragma GCC diagnostic pop
    path = rig_address(text);
    assert_true(mm_netaddr_parse_ip(mm_span_cstr("192.0.2.25"), &local));
    is_local = mm_directory_is_local(facts->config, &path, &local);
    if (is_local != wanted_local) {
        fail_msg("%s: local %d", text, is_local);
    }
    if (!is_local) {
        refusal = mm_policy_check_remote(facts, &path);
    }
    if ((refusal == NULL) != may(facts->service, is_inside, facts->user != NULL,
                                 is_local, is_nowhere(&path))) {
        fail_msg("%s from %s login %d on %s: %d", text,
                 is_inside ? "inside" : "outside", facts->user != NULL,
                 mm_service_name(facts->service),
                 refusal != NULL ? refusal->code : 250);
    }
    if (refusal != NULL) {
        assert_int_equal(refusal->code, 550);
    }
    return 1;
}

static bool is_relay_client(const struct mm_config *config, const char *text)
{
    struct mm_netaddr peer;

    assert_true(mm_netaddr_parse_ip(mm_span_cstr(text), &peer));
    return mm_range_list_has(&config->smtp.relay_from, &peer);
}

static void test_relay_matrix(void **state)
{
    static const enum mm_service services[] = {
        MM_SERVICE_SMTP, MM_SERVICE_SUBMISSION, MM_SERVICE_SUBMISSIONS};
    struct mm_config *config = make_config();
    unsigned count = 0;

    (void)state;
    for (unsigned i = 0; i < 3 * 2 * 2; i++) {
        struct mm_policy_facts facts = {.config = config,
                                        .service = services[i / 4],
                                        .user = i & 1 ? "alice" : NULL};
        bool is_inside = (i & 2) != 0;

        facts.is_relay_client =
            is_relay_client(config, is_inside ? INSIDE : OUTSIDE);
        for (size_t form = 0; form < FORM_COUNT; form++) {
            for (size_t domain = 0; domain < 3; domain++) {
                count +=
                    try_path(&facts, is_inside, &forms[form], domains[domain]);
            }
        }
    }
    assert_true(FORM_COUNT == 30);
    assert_int_equal(count, 1080);
    mm_config_unref(&config);
}

/* D15: what only this machine reaches is nothing for a submitter. */
static void test_D15_literals(void **state)
{
    static const struct {
        const char *setting;
        const char *path;
        bool is_taken;
    } rows[] = {
        {"", "<a@[192.0.2.1]>", true},
        {"", "<a@[10.1.2.3]>", true},
        {"", "<a@[127.0.0.9]>", false},
        {"", "<a@[169.254.169.254]>", false},
        {"", "<a@[IPv6:::1]>", false},
        {"", "<a@[IPv6:fe80::1]>", false},
        {"", "<a@[IPv6:::ffff:127.0.0.9]>", false},
        {"delivery.refuses=10.0.0.0/8", "<a@[10.1.2.3]>", false},
        {"delivery.refuses=", "<a@[127.0.0.9]>", true},
        {"smarthost.host=relay.example.net", "<a@[127.0.0.9]>", true},
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const char *settings[] = {
            rows[i].setting[0] != '\0' ? rows[i].setting : NULL, NULL};
        struct mm_config *config = rig_config(settings);
        struct mm_policy_facts facts = {.config = config,
                                        .service = MM_SERVICE_SUBMISSION,
                                        .user = "alice"};
        struct mm_address path = rig_address(rows[i].path);
        const struct mm_reply *refusal = mm_policy_check_remote(&facts, &path);
        if ((refusal == NULL) != rows[i].is_taken) {
            fail_msg("%s with \"%s\"", rows[i].path, rows[i].setting);
        }
        if (refusal != NULL) {
            assert_int_equal(refusal->code, 550);
            assert_string_equal(refusal->enhanced, "5.7.1");
        }
        mm_config_unref(&config);
    }
}

static void test_pop3_relays_nothing(void **state)
{
    struct mm_config *config = make_config();
    struct mm_policy_facts facts = {
        .config = config, .service = MM_SERVICE_POP3, .user = "alice"};

    (void)state;
    facts.is_relay_client = is_relay_client(config, INSIDE);
    assert_false(mm_policy_may_relay(&facts));
    mm_config_unref(&config);
}

static void test_empty_relay_from(void **state)
{
    struct mm_config *config = rig_config(NULL);
    struct mm_policy_facts facts = {.config = config,
                                    .service = MM_SERVICE_SUBMISSION};

    (void)state;
    facts.is_relay_client = is_relay_client(config, "127.0.0.1");
    assert_false(mm_policy_may_relay(&facts));
    facts.user = "alice";
    assert_true(mm_policy_may_relay(&facts));
    mm_config_unref(&config);
}

static void test_senders(void **state)
{
    static const struct {
        const char *user;
        const char *path;
        bool is_taken;
    } rows[] = {
        {"alice", "<alice@example.org>", true},
        {"alice", "<Alice@Example.ORG>", true},
        {"alice", "<alice+list@example.org>", true},
        {"alice", "<>", true},
        {"alice", "<bob@example.org>", false},
        {"alice", "<bob+alice@example.org>", false},
        {"alice", "<alice@example.net>", false},
        {"alice", "<alice@[192.0.2.1]>", false},
        /* A namesake of that domain alone gets its mail. */
        {"carol", "<carol@example.org>", false},
        {"carol@example.org", "<carol@example.org>", true},
        {"carol", "<carol@mx.example.org>", true},
        {"bob", "<bob+tag@example.org>", false}, /* the user bob+tag */
        {"bob", "<bob+other@example.org>", true},
        {"bob", "<postmaster@example.org>", true}, /* the stand-in */
        {"alice", "<postmaster@example.org>", false},
        {"alice", "<unknown@example.org>", false},
        {"gone", "<gone@example.org>", false},
        {"alice", "<alic@example.org>", false},
        {"alice", "<alicee@example.org>", false},
        {"alice", "<\"alice@example.org\"@example.org>", false},
        {"carol@example.org", "<carol+x@example.org>", true},
        {"carol@example.com", "<carol@example.org>", false},
        {NULL, "<bob@example.org>", true}, /* not logged in: not asked */
    };
    struct mm_config *loose =
        rig_config((const char *const[]){"smtp.sender_must_match=false", NULL});
    struct mm_config *strict = rig_config((const char *const[]){
        "smtp.sender_must_match=true", "local.postmaster=bob", NULL});
    static const char *const users[] = {"alice",
                                        "bob",
                                        "bob+tag",
                                        "carol",
                                        "carol@example.org",
                                        "carol@example.com"};
    struct mm_store *store = NULL;
    struct mm_post *post = NULL;

    (void)state;
    assert_int_equal(mm_store_open_memory(&store, NULL), MAILMOD_OK);
    assert_int_equal(mm_post_new(&post, &(struct mm_post_options){.log = NULL}),
                     MAILMOD_OK);
    mm_post_attach(post, store, NULL);
    for (size_t i = 0; i < sizeof users / sizeof users[0]; i++) {
        rig_add_user(store, users[i], false);
    }
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct mm_policy_facts facts = {.post = post,
                                        .config = strict,
                                        .service = MM_SERVICE_SUBMISSION,
                                        .user = rows[i].user};
        struct mm_address path = rig_address(rows[i].path);
        const struct mm_reply *refusal = mm_policy_check_sender(&facts, &path);

        if ((refusal == NULL) != rows[i].is_taken) {
            fail_msg("%s as %s", rows[i].user, rows[i].path);
        }
        assert_true(refusal == NULL || refusal->code == 550);
        facts.config = loose;
        assert_null(mm_policy_check_sender(&facts, &path));
    }
    mm_post_free(&post);
    mm_store_close(&store);
    mm_config_unref(&loose);
    mm_config_unref(&strict);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_relay_matrix),
        cmocka_unit_test(test_D15_literals),
        cmocka_unit_test(test_pop3_relays_nothing),
        cmocka_unit_test(test_empty_relay_from),
        cmocka_unit_test(test_senders),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
