/* fuzz_dnsbl.c - block lists whose zones, answers, order of answers, texts and
 * silence are the data's: what a name server sent goes through the reader of
 * answers, as it does on its way.
 *
 * Each check is done once, and never from inside the question; without an
 * answer that lists, nobody is listed; a list that fails its own test counts
 * for nothing; a reason is printable; what is known of an earlier peer changes
 * nothing; nothing stays open. A zone that is taken shows no key. */
#include "dnsbl/dnsbl.h"
#include "io/resolver_internal.h"
#include "tests/fuzz/fuzz.h"

#include <string.h>

enum { QUESTIONS_MAX = 256, PEERS = 3, STEPS_MAX = 300 };

struct question {
    char name[DNSBL_NAME_MAX];
    dnsbl_on_addresses *on_addresses;
    dnsbl_on_text *on_text;
    void *context;
    bool is_open;
};
static struct {
    struct question questions[QUESTIONS_MAX];
    size_t count;
    uint64_t now_ms;
    bool is_inside; /* of a question */
    bool has_listed;
    bool refuses;
    int done[PEERS];
    bool was_done[PEERS]; /* when the question was put: nothing comes then */
} world;

static enum mailmod_error put(const char *name, void *context,
                              struct question **question_out, void **query_out)
{
    if (world.count == QUESTIONS_MAX || world.refuses) {
        return MAILMOD_ERROR_LIMIT;
    }
    struct question *question = &world.questions[world.count++];
    FUZZ_CHECK(strlen(name) < DNSBL_NAME_MAX);
    memset(question, 0, sizeof *question);
    (void)snprintf(question->name, sizeof question->name, "%s", name);
    question->context = context;
    question->is_open = true;
    *question_out = question;
    *query_out = question;
    return MAILMOD_OK;
}

static enum mailmod_error ask_addresses(void *names, const char *name,
                                        dnsbl_on_addresses *on_addresses,
                                        void *context, void **query_out)
{
    struct question *question;
    enum mailmod_error error = put(name, context, &question, query_out);

    (void)names;
    if (error == MAILMOD_OK) {
        question->on_addresses = on_addresses;
    }
    return error;
}

static enum mailmod_error ask_text(void *names, const char *name,
                                   dnsbl_on_text *on_text, void *context,
                                   void **query_out)
{
    struct question *question;
    enum mailmod_error error = put(name, context, &question, query_out);

    (void)names;
    if (error == MAILMOD_OK) {
        question->on_text = on_text;
    }
    return error;
}

static void cancel(void *names, void *query)
{
    struct question *question = query;

    (void)names;
    FUZZ_CHECK(question->is_open);
    question->is_open = false;
}

static uint64_t now_ms(void *names)
{
    (void)names;
    return world.now_ms;
}

static void tell(void *names, const char *label, bool is_v6,
                 enum dnsbl_health health)
{
    (void)names;
    (void)is_v6;
    FUZZ_CHECK(label[0] != '\0' && health <= DNSBL_LYING);
}

static void on_done(void *context)
{
    FUZZ_CHECK(!world.is_inside);
    ++*(int *)context;
}

/* Octets of a server's answer, or a code of 127.0.0.0/8. */
static void answer(struct question *question, struct mm_span *script)
{
    uint8_t kind = fuzz_octet(script);
    struct mm_dns_result result;
    struct mm_netaddr address = {.family = MM_NETADDR_V4, .bytes = {127}};

    question->is_open = false;
    if (question->on_text != NULL) {
        struct mm_span text = fuzz_piece(script, 1 + kind);
        question->on_text(question->context,
                          kind == 0 ? MAILMOD_ERROR_TIMEOUT : MAILMOD_OK, text);
        return;
    }
    switch (kind % 4) {
    case 0:
        question->on_addresses(question->context, MAILMOD_ERROR_DNS_NO_NAME,
                               NULL, 0);
        break;
    case 1:
        question->on_addresses(question->context, MAILMOD_ERROR_TIMEOUT, NULL,
                               0);
        break;
    case 2:
        address.bytes[2] = (uint8_t)(kind >> 7 != 0 ? 255 : 0);
        address.bytes[3] = fuzz_octet(script);
        world.has_listed = true;
        question->on_addresses(question->context, MAILMOD_OK, &address, 1);
        break;
    default: {
        struct mm_span octets = fuzz_piece(script, fuzz_octet(script));
        mm_dns_result_init(&result);
        mm_dns_read_answer(&result, MM_DNS_A, (const uint8_t *)octets.data,
                           octets.size);
        world.has_listed = world.has_listed || result.error == MAILMOD_OK;
        question->on_addresses(question->context, result.error,
                               result.addresses, result.count);
        mm_dns_result_fini(&result);
        break;
    }
    }
}

static void answer_one(struct mm_span *script, size_t at)
{
    for (size_t i = 0; i < world.count; i++) {
        struct question *question = &world.questions[(at + i) % world.count];
        if (question->is_open) {
            answer(question, script);
            return;
        }
    }
}

static void check_zone(struct mm_span text)
{
    struct dnsbl_zone zone;
    struct mm_buf masked;
    struct mm_netaddr address = {.family = MM_NETADDR_V6, .bytes = {1, 2}};
    char name[DNSBL_NAME_MAX];

    if (dnsbl_zone_parse(text, &zone) != MAILMOD_OK) {
        return;
    }
    FUZZ_CHECK(zone.name[0] != '\0' && zone.label[0] != '\0');
    FUZZ_CHECK(zone.code_count <= DNSBL_CODES_MAX);
    for (size_t i = 0; i < zone.code_count; i++) {
        FUZZ_CHECK(zone.codes[i].first <= zone.codes[i].last &&
                   zone.codes[i].first >> 24 == 127);
    }
    mm_buf_init(&masked, 4096);
    FUZZ_CHECK(dnsbl_zone_mask(text, &masked) == MAILMOD_OK);
    FUZZ_CHECK(mm_span_has_nocase(mm_buf_span(&masked), zone.label));
    mm_buf_fini(&masked);
    if (dnsbl_query_name(&address, zone.name, name) == MAILMOD_OK) {
        FUZZ_CHECK(strlen(name) < sizeof name);
    }
}

static void check_done(const struct dnsbl_check *check, int done)
{
    FUZZ_CHECK(dnsbl_check_is_done(check) && done <= 1);
    FUZZ_CHECK(dnsbl_check_label(check) == NULL || world.has_listed);
    for (const char *c = dnsbl_check_reason(check); *c != '\0'; c++) {
        FUZZ_CHECK(*c >= ' ' && *c <= '~');
    }
    FUZZ_CHECK(strlen(dnsbl_check_reason(check)) < DNSBL_REASON_MAX);
    size_t labels = 0;
    while (dnsbl_check_label_at(check, labels) != NULL) {
        labels++;
    }
    FUZZ_CHECK(labels <= DNSBL_ZONES_MAX);
}

static void step(struct dnsbl *lists, struct dnsbl_check *checks[PEERS],
                 struct mm_span *script)
{
    uint8_t octet = fuzz_octet(script);
    size_t which = octet / 8u % PEERS;
    struct mm_netaddr peer = {.family =
                                  octet > 200 ? MM_NETADDR_V6 : MM_NETADDR_V4,
                              .bytes = {192, 0, 2, (uint8_t)which}};

    switch (octet % 8) {
    case 0:
    case 1:
        if (checks[which] == NULL) {
            world.done[which] = 0;
            world.is_inside = true;
            if (dnsbl_check_begin(&checks[which], lists, &peer, on_done,
                                  &world.done[which]) != MAILMOD_OK) {
                FUZZ_CHECK(checks[which] == NULL);
            }
            world.was_done[which] =
                checks[which] != NULL && dnsbl_check_is_done(checks[which]);
            world.is_inside = false;
        }
        break;
    case 2:
        if (checks[which] != NULL) {
            dnsbl_check_end(checks[which]);
            check_done(checks[which], world.done[which]);
        }
        break;
    case 3:
        if (checks[which] != NULL) {
            dnsbl_check_free(&checks[which]);
        }
        break;
    case 4:
        world.now_ms += (uint64_t)fuzz_octet(script) * 60000;
        break;
    case 5:
        world.refuses = (octet & 0x80) != 0;
        break;
    default:
        answer_one(script, octet / 8u);
        break;
    }
    FUZZ_CHECK(world.done[which] <= 1);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct dnsbl_names names = {NULL,   ask_addresses, ask_text,
                                             cancel, now_ms,        tell};
    struct mm_span script = mm_span((const char *)data, size);
    struct mm_span zones;
    struct mm_span zone;
    uint8_t flags = fuzz_octet(&script);
    const struct dnsbl_options options = {.threshold = 1 + flags % 4,
                                          .tests = (flags & 4) != 0,
                                          .cache_ms = flags & 8 ? 60000 : 0,
                                          .seed = {1, 2},
                                          .wants_labels = (flags & 16) != 0};
    struct dnsbl_check *checks[PEERS] = {NULL};
    struct dnsbl *lists;

    memset(&world, 0, sizeof world);
    world.now_ms = 1000;
    FUZZ_CHECK(dnsbl_new(&lists, &names, &options) == MAILMOD_OK);
    (void)mm_span_cut(script, '\n', &zones, &script);
    while (zones.size > 0) {
        (void)mm_span_cut(zones, ' ', &zone, &zones);
        check_zone(zone);
        enum mailmod_error error = dnsbl_add(lists, zone);
        FUZZ_CHECK(error == MAILMOD_OK || error == MAILMOD_ERROR_SYNTAX ||
                   error == MAILMOD_ERROR_LIMIT);
    }
    for (unsigned i = 0; i < STEPS_MAX && script.size > 0; i++) {
        step(lists, checks, &script);
    }
    for (size_t i = 0; i < PEERS; i++) {
        if (checks[i] != NULL) {
            dnsbl_check_end(checks[i]);
            check_done(checks[i], world.done[i]);
            FUZZ_CHECK(world.done[i] == !world.was_done[i]);
            dnsbl_check_free(&checks[i]);
        }
    }
    dnsbl_free(&lists);
    for (size_t i = 0; i < world.count; i++) {
        FUZZ_CHECK(!world.questions[i].is_open);
    }
    return 0;
}
