/* look.c - looks at the disks of all machines: whoever was promised must be in
 * a queue, in a mailbox, or be told of by a report that is in one.
 *
 * A message's first piece is read once for each machine and remembered by its
 * identifier. Thread: the run's. */
#include "look.h"
#include "base/map.h"
#include "base/mem.h"
#include "report.h"

#include <stdio.h>
#include <string.h>

enum { TEXTS_MAX = 4000000, REPORT_LINES_MAX = SIM_RECIPIENTS_MAX };

/* What a message in a store is about. */
struct text {
    unsigned token;
    bool is_report;
    bool fails[SIM_RECIPIENTS_MAX]; /* a report: that these failed */
};

static struct mm_map texts[SIM_MACHINES_MAX];

static void read_line(void *context, struct sim_message *message,
                      struct sim_recipient *recipient,
                      const struct sim_report_line *line)
{
    struct text *text = context;
    if (line->is_failed) {
        text->fails[recipient - message->recipients] = true;
    }
}

static struct text *read_text(struct mm_store *store, uint64_t message_id)
{
    struct mm_buf chunk;
    struct text *text = mm_alloc(sizeof *text);
    mm_buf_init(&chunk, MM_LIMIT_CHUNK);
    if (text == NULL) {
        sim_fail("no memory for a text");
    }
    if (mm_store_read_chunk(store, message_id, 0, &chunk) == MAILMOD_OK) {
        struct mm_span span = mm_buf_span(&chunk);
        text->token = sim_ledger_token(span.data, span.size);
        text->is_report = sim_report_is(span.data, span.size);
        if (text->is_report) {
            sim_report_read(span.data, span.size, read_line, text);
        }
    }
    mm_buf_fini(&chunk);
    return text;
}

static const struct text *text_of(const struct sim_machine *machine,
                                  uint64_t message_id)
{
    struct mm_map *map = &texts[machine->number];
    struct mm_span key = mm_span((const char *)&message_id, sizeof message_id);
    struct text *text = mm_map_get(map, key);
    if (text == NULL) {
        text = read_text(machine->store, message_id);
        if (mm_map_put(map, key, text) != MAILMOD_OK) {
            sim_fail("no memory for a text");
        }
    }
    return text;
}

static void see(const struct text *text, const char *address, bool is_kept)
{
    struct sim_message *message = sim_ledger_message(text->token);
    for (unsigned i = 0; message != NULL && i < message->recipient_count; i++) {
        struct sim_recipient *recipient = &message->recipients[i];
        bool is_it = text->is_report ? text->fails[i]
                                     : strcmp(recipient->address, address) == 0;
        recipient->is_seen = recipient->is_seen || is_it;
        recipient->is_kept = recipient->is_kept || (is_it && is_kept);
    }
}

static bool see_row(void *context, const struct mm_store_message *message,
                    const struct mm_store_recipient *recipient)
{
    const struct sim_machine *machine = context;
    see(text_of(machine, message->id), recipient->path, false);
    return true;
}

static bool see_kept(void *context, const struct mm_store_message *message,
                     const struct mm_store_kept *kept)
{
    const struct sim_machine *machine = context;
    see(text_of(machine, message->id), kept->recipient.path, true);
    return true;
}

/* Who is fetched for has what was written to the other one. */
static void mailbox_address(const struct sim_machine *machine,
                            const struct text *text, const char *user,
                            char address_out[SIM_ADDRESS_MAX])
{
    struct sim_message *message = sim_ledger_message(text->token);
    (void)snprintf(address_out, SIM_ADDRESS_MAX, "%s@%s", user,
                   machine->domain);
    if (message != NULL && machine->fetches_from < SIM_MACHINES_MAX &&
        strcmp(user, "u0") == 0 &&
        sim_ledger_recipient(message, address_out) == NULL) {
        (void)snprintf(address_out, SIM_ADDRESS_MAX, "pop@%s",
                       sim_machine(machine->fetches_from)->domain);
    }
}

void sim_mailbox_address(unsigned machine, const char *text, size_t size,
                         const char *user, char address_out[SIM_ADDRESS_MAX])
{
    const struct text about = {.token = sim_ledger_token(text, size)};
    mailbox_address(sim_machine(machine), &about, user, address_out);
}

static void see_mailbox(const struct sim_machine *machine, const char *user)
{
    struct mm_store_user row;
    struct mm_store_entry *entries = NULL;
    size_t count = 0;
    if (mm_store_find_user(machine->store, user, &row) != MAILMOD_OK ||
        mm_store_list_entries(machine->store, row.mailbox_id, &entries,
                              &count) != MAILMOD_OK) {
        sim_fail("the mailbox of %s cannot be looked at", user);
    }
    for (size_t i = 0; i < count; i++) {
        char address[SIM_ADDRESS_MAX];
        const struct text *text = text_of(machine, entries[i].message_id);
        mailbox_address(machine, text, user, address);
        see(text, address, false);
    }
    mm_free(entries);
}

static void see_machine(struct sim_machine *machine)
{
    static const char *const users[] = {"u0", "u1", "pop"};
    if (mm_store_each_recipient(machine->store, 0, see_row, machine) !=
            MAILMOD_OK ||
        mm_store_each_kept(machine->store, MAILMOD_KEPT_DEAD, 0, see_kept,
                           machine) != MAILMOD_OK) {
        sim_fail("the queue of n%u cannot be looked at", machine->number);
    }
    for (size_t i = 0; i < sizeof users / sizeof users[0]; i++) {
        see_mailbox(machine, users[i]);
    }
}

void sim_look(void)
{
    if (!sim_machines_are_up()) {
        return;
    }
    sim_ledger_forget_seen();
    for (unsigned i = 0; i < sim_machine_count(); i++) {
        see_machine(sim_machine(i));
    }
    sim_ledger_check_seen();
}

/* Delivered by it, and its row not settled: it will be sent again. */
static bool allow_row(void *context, const struct mm_store_message *message,
                      const struct mm_store_recipient *recipient)
{
    const struct sim_machine *machine = context;
    (void)recipient;
    const struct text *text = text_of(machine, message->id);
    sim_ledger_allow(text->token, "its machine lost its power");
    return true;
}

void sim_look_at_dying(struct sim_machine *machine)
{
    if (mm_store_each_recipient(machine->store, 0, allow_row, machine) !=
        MAILMOD_OK) {
        sim_fail("the queue of n%u cannot be looked at", machine->number);
    }
}

void sim_look_begin(void)
{
    for (unsigned i = 0; i < SIM_MACHINES_MAX; i++) {
        mm_map_init(&texts[i], TEXTS_MAX, 1);
    }
}

static void free_text(void *context, struct mm_span key, void *value)
{
    (void)context;
    (void)key;
    mm_free(value);
}

void sim_look_end(void)
{
    for (unsigned i = 0; i < SIM_MACHINES_MAX; i++) {
        mm_map_each(&texts[i], free_text, NULL);
        mm_map_fini(&texts[i]);
    }
}
