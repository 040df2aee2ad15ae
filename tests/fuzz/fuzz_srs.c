/* fuzz_srs.c - any octets as reverse-paths that are rewritten, and as addresses
 * that claim to be rewritten ones.
 *
 * What we write leads back to what it was written for, for 21 days; with one
 * character changed it does not, and neither does what another host wrote or
 * what somebody made up. Likewise a list's return paths and tokens. */
#include "post/maillist.h"
#include "post/srs.h"
#include "tests/fuzz/fuzz.h"
#include "wire/addr/address.h"

#include <string.h>

#define DAY_MS (INT64_C(24) * 3600 * 1000)
#define NOW_MS (INT64_C(20000) * DAY_MS + 5)

static struct {
    struct mm_store *stores[2];
    struct mm_config *config;
    struct mm_maillist list;
} world;

static void begin(void)
{
    struct mm_config_builder *builder;

    FUZZ_CHECK(mm_config_builder_new(&builder) == MAILMOD_OK);
    FUZZ_CHECK(mm_config_set(builder, "local.domains", "example.org", NULL) ==
               MAILMOD_OK);
    FUZZ_CHECK(mm_config_set(builder, "local.srs_domain", "example.org",
                             NULL) == MAILMOD_OK);
    FUZZ_CHECK(mm_config_draft(builder, &world.config) == MAILMOD_OK);
    mm_config_builder_free(&builder);
    for (size_t i = 0; i < 2; i++) {
        FUZZ_CHECK(mm_store_open_memory(&world.stores[i], NULL) == MAILMOD_OK);
    }
    FUZZ_CHECK(mm_maillist_name(mm_span_cstr("news@example.org"),
                                world.list.name) == MAILMOD_OK);
}

static enum mm_srs_verdict back(struct mm_store *store, const char *path,
                                int64_t now_ms,
                                char out[MM_STORE_REVERSE_PATH_MAX])
{
    struct mm_address address;

    FUZZ_CHECK(mm_address_parse(mm_span_cstr(path), false, true, &address) ==
               MAILMOD_OK);
    return mm_srs_reverse(store, &address, now_ms, out);
}

static void check_forward(const char *path, uint8_t at)
{
    char forth[MM_STORE_REVERSE_PATH_MAX];
    char home[MM_STORE_REVERSE_PATH_MAX];
    char twice[MM_STORE_REVERSE_PATH_MAX];

    if (mm_srs_forward(world.stores[0], world.config, path, NOW_MS, forth) !=
        MAILMOD_OK) {
        return;
    }
    /* A chain has the time that another host wrote. */
    bool is_plain = strncmp(forth, "SRS0", 4) == 0;
    FUZZ_CHECK(back(world.stores[0], forth, NOW_MS, home) == MM_SRS_OURS);
    FUZZ_CHECK(back(world.stores[0], forth, NOW_MS + 20 * DAY_MS, twice) ==
               MM_SRS_OURS);
    FUZZ_CHECK(strcmp(home, twice) == 0);
    FUZZ_CHECK(back(world.stores[0], forth, NOW_MS + 23 * DAY_MS, twice) ==
               (is_plain ? MM_SRS_EXPIRED : MM_SRS_OURS));
    FUZZ_CHECK(back(world.stores[1], forth, NOW_MS, twice) == MM_SRS_FORGED);
    struct mm_address address;
    FUZZ_CHECK(mm_address_parse(mm_span_cstr(path), false, true, &address) ==
               MAILMOD_OK);
    FUZZ_CHECK(!is_plain || strcmp(home, address.text) == 0);
    /* Ours is not rewritten again. */
    FUZZ_CHECK(mm_srs_forward(world.stores[0], world.config, forth, NOW_MS,
                              twice) == MAILMOD_ERROR_NOT_FOUND);
    /* One character of the hash, which has 8 behind "SRS0=". */
    char *changed = &forth[5 + at % 8];
    *changed = *changed == 'a' || *changed == 'A' ? 'b' : 'a';
    enum mm_srs_verdict verdict = back(world.stores[0], forth, NOW_MS, twice);
    FUZZ_CHECK(verdict != MM_SRS_OURS);
}

static void check_claim(const char *text)
{
    struct mm_address address;
    char home[MM_STORE_REVERSE_PATH_MAX];

    if (mm_address_parse(mm_span_cstr(text), false, true, &address) !=
        MAILMOD_OK) {
        return;
    }
    FUZZ_CHECK(mm_srs_reverse(world.stores[0], &address, NOW_MS, home) !=
               MM_SRS_OURS);
    check_forward(address.text, (uint8_t)text[0]);
}

static bool is_same_member(const char *found, const char *given)
{
    char names[2][MM_STORE_USER_MAX];

    return mm_user_name_canonical(mm_span_cstr(found), names[0]) ==
               MAILMOD_OK &&
           mm_user_name_canonical(mm_span_cstr(given), names[1]) ==
               MAILMOD_OK &&
           strcmp(names[0], names[1]) == 0;
}

static void check_list(const char *member, uint8_t at)
{
    char path[MM_STORE_REVERSE_PATH_MAX];
    char found[MM_STORE_REVERSE_PATH_MAX];
    char argument[MM_LIMIT_LOCAL_PART + 1];
    enum mm_maillist_command command;

    FUZZ_CHECK(
        !mm_maillist_read_verp(world.stores[0], &world.list, member, found));
    FUZZ_CHECK(!mm_maillist_read_token(world.stores[0], &world.list, member,
                                       NOW_MS, &command, found));
    struct mm_address address;
    if (mm_address_parse(mm_span_cstr(member), false, true, &address) !=
        MAILMOD_OK) {
        return;
    }
    mm_maillist_verp(world.stores[0], &world.list, address.text, path);
    const char *plus = strchr(path, '+');
    const char *end = strrchr(path, '@');
    if (plus != NULL && plus < end &&
        mm_span_copy(mm_span(plus + 1, (size_t)(end - plus - 1)), argument,
                     sizeof argument)) {
        FUZZ_CHECK(mm_maillist_read_verp(world.stores[0], &world.list, argument,
                                         found));
        FUZZ_CHECK(is_same_member(found, address.text));
        FUZZ_CHECK(!mm_maillist_read_verp(world.stores[1], &world.list,
                                          argument, found));
    }
    enum mm_maillist_command given =
        at % 2 != 0 ? MM_MAILLIST_SUBSCRIBE : MM_MAILLIST_UNSUBSCRIBE;
    if (mm_maillist_token(world.stores[0], &world.list, given, address.text,
                          NOW_MS, argument) == MAILMOD_OK) {
        FUZZ_CHECK(mm_maillist_read_token(world.stores[0], &world.list,
                                          argument, NOW_MS, &command, found));
        FUZZ_CHECK(command == given && is_same_member(found, address.text));
        FUZZ_CHECK(!mm_maillist_read_token(world.stores[0], &world.list,
                                           argument, NOW_MS + 9 * DAY_MS,
                                           &command, found));
        FUZZ_CHECK(!mm_maillist_read_token(world.stores[1], &world.list,
                                           argument, NOW_MS, &command, found));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct mm_span input = mm_span((const char *)data, size);
    uint8_t at = fuzz_octet(&input);
    char text[MM_STORE_REVERSE_PATH_MAX];

    if (world.config == NULL) {
        begin();
    }
    if (mm_span_copy(input, text, sizeof text)) {
        uint64_t id;
        unsigned number;

        check_forward(text, at);
        check_claim(text);
        check_list(text, at);
        (void)mm_maillist_read_held(text, &id, &number);
    }
    return 0;
}
