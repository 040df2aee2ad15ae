/* verify.c - whether the store in memory holds together.
 *
 * Promises what sqlite/verify.c promises of what lies between sound pages; each
 * complaint is one line, and nothing is repaired. Thread: any. */
#include "base/checksum.h"
#include "store/memory/internal.h"

#define EACH_ROW(row, disk, table)                                             \
    for (struct mm_row *row = mm_table_first(disk, table); row != NULL;        \
         row = mm_table_behind(disk, table, row))

struct report {
    struct mm_memory_disk *disk;
    struct mm_buf *out;
    bool is_sound;
};

static void say(struct report *report, const char *words, uint64_t id)
{
    report->is_sound = false;
    (void)mm_buf_appendf(report->out, "memory: %s: %llu\n", words,
                         (unsigned long long)id);
}

static uint64_t count_references(struct mm_memory_disk *disk, uint64_t id)
{
    uint64_t count = 0;
    for (struct mm_recipient_row *row = mm_recipient_row_from(disk, id, 0);
         row != NULL && row->recipient.message_id == id;
         row = mm_recipient_row_from(disk, id,
                                     (int64_t)row->recipient.number + 1)) {
        count++;
    }
    EACH_ROW(row, disk, MM_TABLE_KEPT)
    {
        count +=
            MM_ROW(struct mm_kept_row, row)->kept.recipient.message_id == id;
    }
    EACH_ROW(row, disk, MM_TABLE_ENTRY)
    {
        count += MM_ROW(struct mm_entry_row, row)->entry.message_id == id;
    }
    EACH_ROW(row, disk, MM_TABLE_DELETED)
    {
        count += MM_ROW(struct mm_entry_row, row)->entry.message_id == id;
    }
    return count;
}

static void check_body(struct report *report,
                       const struct mm_store_message *message)
{
    uint64_t size = 0;
    int64_t number = 0;
    for (struct mm_chunk_row *chunk =
             mm_chunk_row_from(report->disk, message->id, 0);
         chunk != NULL && chunk->message_id == message->id;
         chunk = mm_chunk_row_from(report->disk, message->id, number)) {
        if (chunk->number != number++) {
            say(report, "a piece of a body is missing", message->id);
            return;
        }
        if (mm_checksum(mm_span(chunk->data, chunk->size)) != chunk->checksum) {
            say(report, "a piece of a body was changed", message->id);
        }
        size += chunk->size;
    }
    if (size != message->size) {
        say(report, "the chunks do not add up to the size", message->id);
    }
}

static void check_messages(struct report *report)
{
    EACH_ROW(row, report->disk, MM_TABLE_MESSAGE)
    {
        struct mm_message_row *message = MM_ROW(struct mm_message_row, row);
        uint64_t id = message->message.id;
        if (message->references != count_references(report->disk, id)) {
            say(report, "references are counted wrong", id);
        }
        check_body(report, &message->message);
    }
    EACH_ROW(row, report->disk, MM_TABLE_RECIPIENT)
    {
        uint64_t id =
            MM_ROW(struct mm_recipient_row, row)->recipient.message_id;
        if (mm_find_message_row(report->disk, id) == NULL) {
            say(report, "a recipient without its message", id);
        }
    }
    EACH_ROW(row, report->disk, MM_TABLE_KEPT)
    {
        uint64_t id =
            MM_ROW(struct mm_kept_row, row)->kept.recipient.message_id;
        if (mm_find_message_row(report->disk, id) == NULL) {
            say(report, "a kept recipient without its message", id);
        }
    }
}

static void check_mailboxes(struct report *report)
{
    EACH_ROW(row, report->disk, MM_TABLE_MAILBOX)
    {
        struct mm_mailbox_row *mailbox = MM_ROW(struct mm_mailbox_row, row);
        uint64_t entries = 0;
        uint64_t octets = 0;
        uint64_t number = 0;
        for (struct mm_entry_row *entry =
                 mm_entry_row_from(report->disk, mailbox->id, 0);
             entry != NULL && entry->mailbox_id == mailbox->id;
             entry = mm_entry_row_from(report->disk, mailbox->id, number + 1)) {
            number = entry->entry.unique_number;
            entries++;
            octets += entry->entry.size;
        }
        if (entries != mailbox->entries || octets != mailbox->octets) {
            say(report, "entries or octets are counted wrong", mailbox->id);
        }
        if (number >= mailbox->next_number) {
            say(report, "a number beyond the next one", mailbox->id);
        }
    }
}

static void check_deleted(struct report *report)
{
    EACH_ROW(row, report->disk, MM_TABLE_DELETED)
    {
        struct mm_entry_row *kept = MM_ROW(struct mm_entry_row, row);
        if (mm_find_message_row(report->disk, kept->entry.message_id) == NULL) {
            say(report, "deleted mail without its message",
                kept->entry.message_id);
        }
        if (mm_find_mailbox_row(report->disk, kept->mailbox_id) == NULL) {
            say(report, "deleted mail without its mailbox", kept->mailbox_id);
        }
        if (mm_table_find(report->disk, MM_TABLE_ENTRY, &kept->row) != NULL) {
            say(report, "mail that is deleted and in the mailbox",
                kept->mailbox_id);
        }
    }
}

static void check_entries_and_users(struct report *report)
{
    EACH_ROW(row, report->disk, MM_TABLE_ENTRY)
    {
        struct mm_entry_row *entry = MM_ROW(struct mm_entry_row, row);
        uint64_t id = entry->entry.message_id;
        if (mm_find_message_row(report->disk, id) == NULL) {
            say(report, "an entry without its message", id);
        }
        if (mm_find_mailbox_row(report->disk, entry->mailbox_id) == NULL) {
            say(report, "an entry without its mailbox", entry->mailbox_id);
        }
    }
    EACH_ROW(row, report->disk, MM_TABLE_USER)
    {
        uint64_t id = MM_ROW(struct mm_user_row, row)->user.mailbox_id;
        if (mm_find_mailbox_row(report->disk, id) == NULL) {
            say(report, "a user without its mailbox", id);
        }
    }
}

enum mailmod_error mm_memory_verify(struct mm_store *base,
                                    struct mm_buf *report_out)
{
    struct report report = {mm_memory_read(base), report_out, true};
    check_messages(&report);
    check_mailboxes(&report);
    check_deleted(&report);
    check_entries_and_users(&report);
    mm_memory_read_end(base);
    return report.is_sound ? MAILMOD_OK : MAILMOD_ERROR_STORAGE_DAMAGED;
}
