/* fuzz_lists.c - any octets as the three files of lists, and as facts that they
 * are asked about.
 *
 * Lines end as they may; what is no rule is left out, and all others stay: the
 * same file with a line that is none between each two answers the same, and so
 * does the file with other line ends. A file that is changed is read anew, and
 * an empty one has no rules. */
#define _GNU_SOURCE /* memfd_create: this target runs on Linux alone */

#include "server/lists.h"
#include "tests/fuzz/fuzz.h"

#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { LISTS = MM_RULE_LISTS };

static struct {
    struct mm_store *store;
    struct mm_config *config;
    int files[LISTS];
} world;

static void begin(void)
{
    static const char *const keys[LISTS] = {
        "lists.white_file", "lists.black_file", "lists.grey_file"};
    struct mm_config_builder *builder;

    FUZZ_CHECK(mm_config_builder_new(&builder) == MAILMOD_OK);
    for (size_t i = 0; i < LISTS; i++) {
        char path[64];

        world.files[i] = memfd_create("fuzz", MFD_CLOEXEC);
        FUZZ_CHECK(world.files[i] >= 0);
        (void)snprintf(path, sizeof path, "/proc/self/fd/%d", world.files[i]);
        FUZZ_CHECK(mm_config_set(builder, keys[i], path, NULL) == MAILMOD_OK);
    }
    FUZZ_CHECK(mm_config_draft(builder, &world.config) == MAILMOD_OK);
    mm_config_builder_free(&builder);
    FUZZ_CHECK(mm_store_open_memory(&world.store, NULL) == MAILMOD_OK);
}

static void put(size_t which, struct mm_span text)
{
    FUZZ_CHECK(ftruncate(world.files[which], 0) == 0);
    FUZZ_CHECK(pwrite(world.files[which], text.data, text.size, 0) ==
               (ssize_t)text.size);
}

/* Each line with `between` behind it. */
static void put_lines(size_t which, struct mm_span text, const char *between)
{
    struct mm_buf out;
    struct mm_span line;

    mm_buf_init(&out, 1 << 22);
    while (text.size > 0) {
        (void)mm_span_cut(text, '\n', &line, &text);
        while (line.size > 0 && line.data[line.size - 1] == '\r') {
            line.size--;
        }
        (void)mm_buf_append_span(&out, line);
        (void)mm_buf_append_cstr(&out, between);
    }
    put(which, mm_buf_span(&out));
    mm_buf_fini(&out);
}

/* All answers, as a number. */
static uint64_t ask_all(struct mm_lists *lists, struct mm_span facts_text)
{
    static const uint8_t bytes[2][4] = {{192, 0, 2, 7}, {10, 1, 2, 3}};
    static const char *const peers[] = {"192.0.2.7", "10.1.2.3"};
    struct mm_rules *rules = mm_lists_use(lists, 1);
    uint64_t sum = rules == NULL ? 0 : 1;
    struct mm_span helo;
    struct mm_span sender;
    char texts[2][512];

    (void)mm_span_cut(facts_text, ' ', &helo, &sender);
    if (!mm_span_copy(helo, texts[0], sizeof texts[0]) ||
        !mm_span_copy(sender, texts[1], sizeof texts[1])) {
        texts[1][0] = '\0';
    }
    for (size_t i = 0; rules != NULL && i < 2 * LISTS; i++) {
        struct mm_netaddr peer = mm_netaddr_v4(bytes[i % 2], 0);
        const struct mm_rule_facts facts = {.peer = &peer,
                                            .peer_text = peers[i % 2],
                                            .helo = texts[0],
                                            .sender = texts[1],
                                            .control = ""};
        const char *text = NULL;
        enum mm_rule_answer answer =
            mm_rules_ask(rules, (enum mm_rule_list)(i / 2), 0, &facts, &text);

        FUZZ_CHECK((answer == MM_RULE_NO) == (text == NULL));
        sum = sum * 7 + (uint64_t)answer;
        sum =
            sum * 31 + mm_rules_zones(rules, (enum mm_rule_list)(i / 2))->count;
        FUZZ_CHECK(!mm_rules_have_users(rules));
    }
    if (rules != NULL) {
        mm_rules_unref(&rules);
    }
    return sum;
}

/* Of all that are read from now on. */
static uint64_t read_all(struct mm_span facts_text)
{
    struct mm_lists lists;

    memset(&lists, 0, sizeof lists);
    FUZZ_CHECK(mm_lists_init(&lists, NULL) == MAILMOD_OK);
    mm_lists_set_config(&lists, world.config);
    mm_lists_attach(&lists, world.store, NULL);
    uint64_t sum = ask_all(&lists, facts_text);
    /* Read again: the same. Without text: nothing. */
    mm_lists_set_config(&lists, world.config);
    FUZZ_CHECK(ask_all(&lists, facts_text) == sum);
    for (size_t i = 0; i < LISTS; i++) {
        put(i, mm_span("", 0));
    }
    mm_lists_set_config(&lists, world.config);
    FUZZ_CHECK(ask_all(&lists, facts_text) == 0);
    mm_lists_fini(&lists);
    return sum;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    /* The last one ends the line as other systems do. */
    static const char *const between[] = {"\n", "\r\n", "\n# none\n\n"};
    struct mm_span texts[LISTS];
    struct mm_span rest = mm_span((const char *)data, size);
    struct mm_span facts;
    uint64_t sums[3];

    if (world.store == NULL) {
        begin();
    }
    (void)mm_span_cut(rest, '\n', &facts, &rest);
    for (size_t i = 0; i < LISTS; i++) {
        (void)mm_span_cut(rest, '\f', &texts[i], &rest);
    }
    for (size_t how = 0; how < 3; how++) {
        for (size_t i = 0; i < LISTS; i++) {
            put_lines(i, texts[i], between[how]);
        }
        sums[how] = read_all(facts);
    }
    FUZZ_CHECK(sums[0] == sums[1] && sums[0] == sums[2]);
    return 0;
}
