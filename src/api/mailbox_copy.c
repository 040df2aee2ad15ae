/* mailbox_copy.c - mail from a Maildir or an mbox into a mailbox, and back.
 *
 * Owns the source's place and the count. Promises: a message comes in by the
 * post office's one door, in one transaction with the row that says so (as
 * fetched mail does), so that a copy that was killed goes on where it was when
 * it is made again: nothing twice, nothing lost; memory is that of a piece and
 * of the names, whatever the size of a message. The unique-ids that clients
 * know are kept where the source tells them, and so are the marks of readers
 * (seen, answered ...). What is exported is in the target as a whole or not at
 * all.
 * Thread: any that may wait. RFC 4155; Maildirs as Dovecot has them. */
#include "api/mailbox_copy.h"

#include "base/limits.h"
#include "base/mem.h"
#include "base/siphash.h"
#include "platform/clock.h"
#include "platform/folder.h"
#include "platform/fs.h"
#include "post/deposit.h"
#include "post/mailboxes.h"
#include "wire/msg/mbox.h"

#include <stdio.h>
#include <string.h>

#define READ_SIZE 16384

static bool note_seen(void *context, const struct mm_store_seen *seen)
{
    struct mm_mailbox_copy *copy = context;

    copy->error = mm_map_put(&copy->seen, mm_span_cstr(seen->key), copy);
    return copy->error == MAILMOD_OK;
}

/* What a former try has taken over from this file or folder. */
static enum mailmod_error read_seen(struct mm_mailbox_copy *copy,
                                    const char *path)
{
    struct mm_fs_identity identity;
    enum mailmod_error error = mm_fs_identify(path, &identity);

    if (error != MAILMOD_OK) {
        return error;
    }
    (void)snprintf(copy->account, sizeof copy->account, "import %llu %llx.%llx",
                   (unsigned long long)copy->mailbox_id,
                   (unsigned long long)identity.volume,
                   (unsigned long long)identity.file);
    error =
        mm_store_each_seen(copy->post->store, copy->account, note_seen, copy);
    return error == MAILMOD_OK ? copy->error : error;
}

static void on_finished(void *context, enum mailmod_error error)
{
    ((struct mm_mailbox_copy *)context)->error = error;
}

/* One message begins. */
static enum mailmod_error begin_message(struct mm_mailbox_copy *copy,
                                        const char *key, bool keeps_unique_id,
                                        struct mm_span sender,
                                        int64_t arrival_ms)
{
    char path[MM_STORE_REVERSE_PATH_MAX] = "";
    const struct mm_deposit_options options = {.post = copy->post,
                                               .config = copy->config,
                                               .edits =
                                                   MM_HEADER_DROPS_RETURN_PATH,
                                               .on_finished = on_finished,
                                               .context = copy};
    const struct mm_target target = {.kind = MM_TARGET_MAILBOX,
                                     .path = copy->user,
                                     .mailbox_id = copy->mailbox_id,
                                     .mailbox_name = copy->user};
    struct mm_store_seen seen = {.seen_ms = mm_clock_wall_ms()};
    const struct mm_deposit_origin origin = {.account = copy->account,
                                             .seen = &seen,
                                             .keeps_unique_id =
                                                 keeps_unique_id};

    (void)mm_span_copy(sender, path, sizeof path);
    (void)mm_span_copy(mm_span_cstr(key), seen.key, sizeof seen.key);
    const struct mm_envelope envelope = {
        .reverse_path = path,
        .arrival_ms = arrival_ms > 0 ? arrival_ms : mm_clock_wall_ms(),
        .session = "import",
        .peer = "file",
        .user = copy->user};
    copy->has_8bit = false;
    copy->last = '\n';
    enum mailmod_error error =
        mm_deposit_new(&copy->deposit, &options, &envelope);
    if (error == MAILMOD_OK) {
        error = mm_deposit_set_origin(copy->deposit, &origin);
    }
    return error == MAILMOD_OK ? mm_deposit_add(copy->deposit, &target) : error;
}

static enum mailmod_error put_text(struct mm_mailbox_copy *copy,
                                   struct mm_span text)
{
    size_t used = 0; /* all of it, on this thread */

    if (text.size == 0) {
        return MAILMOD_OK;
    }
    copy->has_8bit = copy->has_8bit || mm_span_has_8bit(text);
    copy->last = text.data[text.size - 1];
    return mm_deposit_write(copy->deposit, text, &used);
}

static enum mailmod_error end_message(struct mm_mailbox_copy *copy)
{
    enum mailmod_error error =
        copy->last != '\n' ? put_text(copy, mm_span("\r\n", 2)) : MAILMOD_OK;

    if (error == MAILMOD_OK) {
        mm_deposit_finish(copy->deposit, copy->has_8bit);
        error = copy->error;
    }
    mm_deposit_abandon(&copy->deposit);
    copy->copied += error == MAILMOD_OK ? 1 : 0;
    return error;
}

/* "Return-Path: <a@b>" at the beginning, as programs that deliver write it. */
struct mm_span mm_mailbox_return_path(struct mm_span text)
{
    static const char name[] = "Return-Path: <";
    const char *end = NULL;

    if (mm_span_starts_nocase(text, name)) {
        text = mm_span_from(text, sizeof name - 1);
        end = memchr(text.data, '>', text.size);
    }
    return end != NULL ? mm_span(text.data, (size_t)(end - text.data))
                       : mm_span("", 0);
}

/* ---- a Maildir ---- */

/* A line of dovecot-uidlist, version 3: "1 P0000000151b2a :17012.M1.host";
 * without P the UIDL is made of uid and validity ("%08Xu%08Xv"). */
static enum mailmod_error keep_uidl(struct mm_mailbox_copy *copy,
                                    struct mm_span line)
{
    struct mm_span head;
    struct mm_span word;
    char text[MM_UNIQUE_ID_MAX] = "";
    uint64_t uid = 0;

    if (!mm_span_cut(line, ':', &head, &line) || line.size == 0) {
        return MAILMOD_OK;
    }
    (void)mm_span_cut(head, ' ', &word, &head);
    if (!mm_span_to_u64_capped(word, &uid)) {
        return MAILMOD_OK;
    }
    (void)snprintf(text, sizeof text, "%08llx%08llx", (unsigned long long)uid,
                   (unsigned long long)copy->uid_validity);
    while (head.size > 0) {
        (void)mm_span_cut(head, ' ', &word, &head);
        if (word.size > 1 && word.data[0] == 'P') {
            (void)mm_span_copy(mm_span_from(word, 1), text, sizeof text);
        }
    }
    char *value = mm_strdup(text);
    enum mailmod_error error = value == NULL
                                   ? MAILMOD_ERROR_MEMORY
                                   : mm_map_put(&copy->uidls, line, value);
    if (error != MAILMOD_OK) {
        mm_free(value);
    }
    return error;
}

static enum mailmod_error take_uid_line(struct mm_mailbox_copy *copy,
                                        struct mm_span line, bool is_first)
{
    if (!is_first) {
        return keep_uidl(copy, line);
    }
    while (line.size > 0) {
        struct mm_span word;

        (void)mm_span_cut(line, ' ', &word, &line);
        if (word.size > 1 && word.data[0] == 'V') {
            (void)mm_span_to_u64_capped(mm_span_from(word, 1),
                                        &copy->uid_validity);
        }
    }
    return MAILMOD_OK;
}

/* A folder without that file is no Dovecot's. */
static enum mailmod_error read_uidlist(struct mm_mailbox_copy *copy,
                                       struct mm_file *file)
{
    char octets[READ_SIZE];
    struct mm_buf line;
    size_t used = 1;
    bool is_first = true;
    enum mailmod_error error = MAILMOD_OK;

    mm_buf_init(&line, 2 * READ_SIZE);
    while (error == MAILMOD_OK && used > 0) {
        error = mm_file_read(file, octets, sizeof octets, &used);
        struct mm_span rest = mm_span(octets, used);
        while (error == MAILMOD_OK && rest.size > 0) {
            struct mm_span part;
            bool has_end = mm_span_cut(rest, '\n', &part, &rest);

            error = mm_buf_append_span(&line, part);
            if (error == MAILMOD_OK && has_end) {
                error = take_uid_line(copy, mm_buf_span(&line), is_first);
                is_first = false;
                mm_buf_clear(&line);
            }
        }
    }
    mm_buf_fini(&line);
    return error;
}

static enum mailmod_error find_uidls(struct mm_mailbox_copy *copy,
                                     const char *path)
{
    struct mm_folder *folder = NULL;
    struct mm_file *file = NULL;
    enum mailmod_error error = mm_folder_open(&folder, path);

    if (error != MAILMOD_OK) {
        return error;
    }
    error = mm_file_open_in(&file, folder, "dovecot-uidlist");
    if (error == MAILMOD_OK) {
        error = read_uidlist(copy, file);
        mm_file_close(&file);
    } else if (error == MAILMOD_ERROR_NOT_FOUND) {
        error = MAILMOD_OK;
    }
    mm_folder_close(&folder);
    return error;
}

static enum mailmod_error take_mail(struct mm_mailbox_copy *copy,
                                    struct mm_mailbox *from, size_t index,
                                    const char *key)
{
    struct mm_mailbox_detail detail = {.received_ms = 0};
    struct mm_buf piece;
    uint64_t size = 0;
    unsigned number = 0;

    mm_buf_init(&piece, 2 * MM_LIMIT_CHUNK);
    enum mailmod_error error =
        mm_mailbox_read(from, index, number++, &piece, &size);
    if (error == MAILMOD_OK) {
        error = mm_mailbox_detail(from, index, &detail);
    }
    if (error == MAILMOD_OK) {
        error = begin_message(copy, key, true,
                              mm_mailbox_return_path(mm_buf_span(&piece)),
                              detail.received_ms);
    }
    if (error == MAILMOD_OK) {
        mm_deposit_set_marks(copy->deposit, detail.flags);
    }
    while (error == MAILMOD_OK) {
        error = put_text(copy, mm_buf_span(&piece));
        if (error == MAILMOD_OK) {
            error = mm_mailbox_read(from, index, number++, &piece, &size);
        }
    }
    mm_buf_fini(&piece);
    if (error == MAILMOD_ERROR_NOT_FOUND && copy->deposit != NULL) {
        return end_message(copy);
    }
    mm_deposit_abandon(&copy->deposit);
    /* Gone meanwhile: whoever has the Maildir removed it. */
    return error == MAILMOD_ERROR_CANCELLED ? MAILMOD_OK : error;
}

static enum mailmod_error import_maildir(struct mm_mailbox_copy *copy,
                                         const char *path)
{
    const struct mm_mailbox_owner owner = {.user = copy->user,
                                           .mailbox_id = copy->mailbox_id,
                                           .base = path,
                                           .below = ""};
    struct mm_mailbox *from = NULL;
    enum mailmod_error error = find_uidls(copy, path);

    if (error == MAILMOD_OK) {
        error = mm_mailbox_open(&copy->post->maildirs, &owner, &from);
    }
    for (size_t i = 0; error == MAILMOD_OK && i < mm_mailbox_count(from); i++) {
        char name[MM_UNIQUE_ID_MAX];

        mm_mailbox_unique_id(from, i, name);
        const char *known = mm_map_get(&copy->uidls, mm_span_cstr(name));
        const char *key = known != NULL ? known : name;
        if (mm_map_get(&copy->seen, mm_span_cstr(key)) != NULL) {
            copy->skipped++;
        } else {
            error = take_mail(copy, from, i, key);
        }
    }
    mm_mailbox_close(&from);
    return error;
}

/* ---- an mbox ---- */

/* The place in the file names a message, as long as the file stays. */
static enum mailmod_error begin_of_mbox(struct mm_mailbox_copy *copy,
                                        struct mm_span line, uint64_t offset)
{
    char key[MM_STORE_SEEN_KEY_MAX];
    struct mm_span sender;
    int64_t unix_ms = 0;

    (void)snprintf(key, sizeof key, " %llx.%016llx", (unsigned long long)offset,
                   (unsigned long long)mm_siphash(line, 0, 0));
    copy->skips = mm_map_get(&copy->seen, mm_span_cstr(key)) != NULL;
    copy->skipped += copy->skips ? 1 : 0;
    mm_mbox_from(line, &sender, &unix_ms);
    copy->status = (struct mm_mbox_status){.marks = 0};
    return copy->skips ? MAILMOD_OK
                       : begin_message(copy, key, false, sender, unix_ms);
}

/* NULL: its end. */
static enum mailmod_error put_of_mbox(struct mm_mailbox_copy *copy,
                                      const struct mm_span *text)
{
    mm_buf_clear(&copy->text);
    enum mailmod_error error =
        text != NULL ? mm_mbox_status_take(&copy->status, *text, &copy->text)
                     : mm_mbox_status_end(&copy->status, &copy->text);
    return error == MAILMOD_OK ? put_text(copy, mm_buf_span(&copy->text))
                               : error;
}

static enum mailmod_error end_of_mbox(struct mm_mailbox_copy *copy)
{
    if (copy->deposit == NULL) {
        return MAILMOD_OK;
    }
    enum mailmod_error error = put_of_mbox(copy, NULL);
    mm_deposit_set_marks(copy->deposit, copy->status.marks);
    return error == MAILMOD_OK ? end_message(copy) : error;
}

static enum mailmod_error use_event(struct mm_mailbox_copy *copy,
                                    enum mm_mbox_event event,
                                    struct mm_span text, uint64_t offset)
{
    if (event == MM_MBOX_TEXT && !copy->skips) {
        return put_of_mbox(copy, &text);
    }
    if (event != MM_MBOX_BEGIN) {
        return MAILMOD_OK;
    }
    enum mailmod_error error = end_of_mbox(copy);
    return error == MAILMOD_OK ? begin_of_mbox(copy, text, offset) : error;
}

static enum mailmod_error read_mbox(struct mm_mailbox_copy *copy,
                                    struct mm_file *file)
{
    struct mm_mbox_reader reader;
    char octets[READ_SIZE];
    uint64_t offset = 0;
    size_t size = 1;
    enum mailmod_error error = MAILMOD_OK;

    mm_mbox_reader_init(&reader);
    mm_buf_init(&copy->text, MM_MBOX_LINE_MAX + 8 + sizeof copy->status.line);
    while (error == MAILMOD_OK && size > 0) {
        enum mm_mbox_event event = MM_MBOX_TEXT;

        error = mm_file_read(file, octets, sizeof octets, &size);
        struct mm_span rest = mm_span(octets, size);
        while (error == MAILMOD_OK && event != MM_MBOX_MORE) {
            struct mm_span text;
            size_t used = 0;

            error = mm_mbox_read(&reader, rest, &used, &event, &text);
            rest = mm_span_from(rest, used);
            offset += used;
            if (error == MAILMOD_OK) {
                error = use_event(copy, event, text, offset);
            }
        }
    }
    mm_mbox_reader_fini(&reader);
    if (error == MAILMOD_OK) {
        error = end_of_mbox(copy);
    }
    mm_buf_fini(&copy->text);
    mm_deposit_abandon(&copy->deposit);
    return error;
}

enum mailmod_error mm_mailbox_copy_split(const char *path, char **folder_out,
                                         const char **name_out)
{
    const char *slash = strrchr(path, '/');

    *name_out = slash != NULL ? slash + 1 : path;
    *folder_out = slash == NULL ? mm_strdup(".")
                                : mm_memdup0(path, (size_t)(slash - path) + 1);
    return *folder_out == NULL  ? MAILMOD_ERROR_MEMORY
           : **name_out == '\0' ? MAILMOD_ERROR_ARGUMENT
                                : MAILMOD_OK;
}

enum mailmod_error mm_mailbox_copy_folder(const char *path,
                                          struct mm_folder **folder_out,
                                          const char **name_out)
{
    char *folder = NULL;
    enum mailmod_error error = mm_mailbox_copy_split(path, &folder, name_out);

    if (error == MAILMOD_OK) {
        error = mm_folder_open(folder_out, folder);
    }
    mm_free(folder);
    return error;
}

static enum mailmod_error import_mbox(struct mm_mailbox_copy *copy,
                                      const char *path)
{
    struct mm_folder *folder = NULL;
    struct mm_file *file = NULL;
    const char *name;
    enum mailmod_error error = mm_mailbox_copy_folder(path, &folder, &name);

    if (error == MAILMOD_OK) {
        error = mm_file_open_in(&file, folder, name);
    }
    if (error == MAILMOD_OK) {
        error = read_mbox(copy, file);
        mm_file_close(&file);
    }
    mm_folder_close(&folder);
    return error;
}

static void free_uidl(void *context, struct mm_span key, void *value)
{
    (void)context;
    (void)key;
    mm_free(value);
}

enum mailmod_error mm_mailbox_copy_in(struct mm_mailbox_copy *copy,
                                      bool is_mbox, const char *path)
{
    mm_map_init(&copy->seen, MM_LIMIT_MAILBOX_ENTRIES, 1);
    mm_map_init(&copy->uidls, MM_LIMIT_MAILBOX_ENTRIES, 2);
    enum mailmod_error error = read_seen(copy, path);
    if (error == MAILMOD_OK) {
        error = is_mbox ? import_mbox(copy, path) : import_maildir(copy, path);
    }
    mm_map_each(&copy->uidls, free_uidl, NULL);
    mm_map_fini(&copy->uidls);
    mm_map_fini(&copy->seen);
    return error;
}
