/* maildir_folders.c - an open Maildir, and what is done with several messages.
 *
 * Owns the folders that it holds open. Promises: from the operator's part of
 * the path on no link is followed, so that the owner of a Maildir leads us into
 * no other; a removal is a promise once its list has its name in the root
 * folder, and is finished by whoever opens the Maildir next when this process
 * ends in the middle.
 *
 * The list is a file in the Maildir's own folder, where programs that read
 * Maildirs look for folders alone. A single message needs none.
 * Thread: worker, one at a time for each Maildir of ours. */
#include "mailbox/maildir_folders.h"

#include "base/mem.h"
#include "mailbox/maildir_flags.h"
#include "mailbox/maildir_subfolder.h"
#include "platform/random.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define REMOVAL_NAME "mailmod-removal"
/* Of Maildir++: by it a program that delivers knows a folder. */
#define FOLDER_MARK "maildirfolder"
/* Names of some 800 000 messages. */
#define REMOVAL_MAX ((size_t)64 * 1024 * 1024)

/* The folder `below` ("alice/Maildir"; "": itself) of one that is held, step by
 * step. */
static enum mailmod_error descend(struct mm_folder **folder, const char *below,
                                  bool makes)
{
    struct mm_span rest = mm_span_cstr(below);
    enum mailmod_error error = MAILMOD_OK;
    bool goes_on = rest.size > 0;

    while (error == MAILMOD_OK && goes_on) {
        char name[MM_MAILDIR_NAME_MAX];
        struct mm_span one;
        struct mm_folder *next = NULL;

        goes_on = mm_span_cut(rest, '/', &one, &rest);
        error = mm_span_copy(one, name, sizeof name)
                    ? mm_folder_open_in(&next, *folder, name, makes)
                    : MAILMOD_ERROR_ARGUMENT;
        mm_folder_close(folder);
        *folder = next;
    }
    return error;
}

static enum mailmod_error open_parts(struct mm_maildir *maildir, bool makes)
{
    enum mailmod_error error =
        mm_folder_open_in(&maildir->tmp, maildir->root, "tmp", makes);
    if (error == MAILMOD_OK) {
        error = mm_folder_open_in(&maildir->new, maildir->root, "new", makes);
    }
    if (error == MAILMOD_OK) {
        error = mm_folder_open_in(&maildir->cur, maildir->root, "cur", makes);
    }
    return error;
}

static enum mailmod_error put_mark(struct mm_folder *folder)
{
    struct mm_file *file = NULL;
    enum mailmod_error error = mm_file_make_in(&file, folder, FOLDER_MARK);

    mm_file_close(&file);
    return error == MAILMOD_ERROR_EXISTS ? MAILMOD_OK : error;
}

/* From the Maildir into a folder of it; after an error it is where it was. */
static enum mailmod_error enter(struct mm_maildir *maildir, const char *folder,
                                bool makes)
{
    char name[MM_MAILDIR_NAME_MAX];
    struct mm_maildir inner = {.root = NULL};
    enum mailmod_error error =
        mm_maildir_find_subfolder(maildir->root, folder, name);

    if (error == MAILMOD_OK ||
        (error == MAILMOD_ERROR_NOT_FOUND && makes && name[0] != '\0')) {
        error = mm_folder_open_in(&inner.root, maildir->root, name, makes);
    }
    if (error == MAILMOD_OK) {
        error = open_parts(&inner, makes);
    }
    if (error == MAILMOD_OK && makes) {
        error = put_mark(inner.root);
    }
    if (error != MAILMOD_OK) {
        mm_maildir_close(&inner);
        return error;
    }
    mm_maildir_close(maildir);
    *maildir = inner;
    return MAILMOD_OK;
}

enum mailmod_error mm_maildir_open(struct mm_maildir *maildir,
                                   const struct mm_maildir_place *place,
                                   bool makes)
{
    memset(maildir, 0, sizeof *maildir);
    enum mailmod_error error = mm_folder_open(&maildir->root, place->base);
    if (error == MAILMOD_OK) {
        error = descend(&maildir->root, place->below, makes);
    }
    if (error == MAILMOD_OK && place->folder != NULL &&
        place->folder[0] != '\0') {
        error = enter(maildir, place->folder, makes && place->makes_folder);
        /* A file or a link is no folder either. */
        bool is_none =
            error == MAILMOD_ERROR_NOT_FOUND || error == MAILMOD_ERROR_ACCESS;
        if (!makes || place->makes_folder || !is_none) {
            return error;
        }
        error = MAILMOD_OK;
    }
    return error == MAILMOD_OK ? open_parts(maildir, makes) : error;
}

void mm_maildir_close(struct mm_maildir *maildir)
{
    mm_folder_close(&maildir->cur);
    mm_folder_close(&maildir->new);
    mm_folder_close(&maildir->tmp);
    mm_folder_close(&maildir->root);
}

struct mm_span mm_maildir_unique(const char *name)
{
    const char *mark = strchr(name, mm_folder_flag_mark);

    return mm_span(name, mark != NULL ? (size_t)(mark - name) : strlen(name));
}

int mm_maildir_compare(const void *left, const void *right)
{
    const struct mm_span *a = left;
    const struct mm_span *b = right;
    int order = memcmp(a->data, b->data, a->size < b->size ? a->size : b->size);

    return order != 0 ? order : (a->size > b->size) - (a->size < b->size);
}

/* One of these in a folder, and what is done with it. */
struct search {
    const struct mm_span *uniques; /* sorted */
    size_t count;
    struct mm_folder *folder;
    enum { NAME_FIRST, REMOVE, MARK_SEEN } act;
    char *name_out;        /* NAME_FIRST */
    struct mm_folder *cur; /* MARK_SEEN */
    enum mailmod_error error;
    size_t found;
};

/* Nothing that another program did meanwhile is an error. */
static enum mailmod_error act(const struct search *search, const char *name)
{
    char marked[MM_MAILDIR_NAME_MAX];
    enum mailmod_error error = MAILMOD_OK;

    if (search->act == REMOVE) {
        error = mm_folder_remove(search->folder, name);
    } else if (mm_maildir_flags_add_seen(name, marked)) {
        error = mm_folder_move(search->folder, name, search->cur, marked);
        error = error == MAILMOD_ERROR_EXISTS ? MAILMOD_OK : error;
    }
    return error == MAILMOD_ERROR_NOT_FOUND ? MAILMOD_OK : error;
}

static bool look(void *context, const char *name)
{
    struct search *search = context;
    struct mm_span unique = mm_maildir_unique(name);

    if (bsearch(&unique, search->uniques, search->count, sizeof unique,
                mm_maildir_compare) == NULL) {
        return true;
    }
    if (search->act != NAME_FIRST) {
        search->found++;
        search->error = act(search, name);
        return search->error == MAILMOD_OK;
    }
    bool fits =
        mm_span_copy(mm_span_cstr(name), search->name_out, MM_MAILDIR_NAME_MAX);
    search->found += fits;
    return !fits;
}

static enum mailmod_error run_search(struct search *search,
                                     struct mm_folder *folder)
{
    search->folder = folder;
    enum mailmod_error error = mm_folder_each(folder, look, search);
    return error == MAILMOD_OK ? search->error : error;
}

enum mailmod_error mm_maildir_find(struct mm_maildir *maildir,
                                   struct mm_span unique,
                                   struct mm_folder **folder_out,
                                   char name_out[MM_MAILDIR_NAME_MAX])
{
    /* What is moved goes from new to cur; what is renamed may be missed by one
     * look, so cur is looked at twice. */
    struct mm_folder *const folders[] = {maildir->new, maildir->cur,
                                         maildir->cur};
    struct search search = {
        .uniques = &unique, .count = 1, .name_out = name_out};
    enum mailmod_error error = MAILMOD_OK;

    for (size_t i = 0; error == MAILMOD_OK && i < 3; i++) {
        error = run_search(&search, folders[i]);
        if (error == MAILMOD_OK && search.found > 0) {
            *folder_out = folders[i];
            return MAILMOD_OK;
        }
    }
    return error == MAILMOD_OK ? MAILMOD_ERROR_NOT_FOUND : error;
}

/* The files go; new before cur, for that is the way they move, and cur twice:
 * a file that is renamed meanwhile may be missed by one look. */
static enum mailmod_error remove_files(struct mm_maildir *maildir,
                                       const struct mm_span *uniques,
                                       size_t count)
{
    struct search search = {.uniques = uniques, .count = count, .act = REMOVE};
    enum mailmod_error error = run_search(&search, maildir->new);

    if (error == MAILMOD_OK) {
        error = run_search(&search, maildir->cur);
    }
    if (error == MAILMOD_OK && search.found < count) {
        error = run_search(&search, maildir->cur);
    }
    if (error == MAILMOD_OK) {
        error = mm_folder_sync(maildir->new);
    }
    return error == MAILMOD_OK ? mm_folder_sync(maildir->cur) : error;
}

enum mailmod_error mm_maildir_mark_seen(struct mm_maildir *maildir,
                                        const struct mm_span *uniques,
                                        size_t count)
{
    struct search search = {.uniques = uniques,
                            .count = count,
                            .act = MARK_SEEN,
                            .cur = maildir->cur};
    enum mailmod_error error = run_search(&search, maildir->new);

    /* All are in cur now, but for those that are gone. */
    search.found = 0;
    if (error == MAILMOD_OK) {
        error = run_search(&search, maildir->cur);
    }
    if (error == MAILMOD_OK && search.found < count) {
        error = run_search(&search, maildir->cur);
    }
    return error;
}

static enum mailmod_error
write_list(struct mm_file *file, const struct mm_span *uniques, size_t count)
{
    struct mm_buf text;

    mm_buf_init(&text, REMOVAL_MAX);
    for (size_t i = 0; i < count; i++) {
        (void)mm_buf_append_span(&text, uniques[i]);
        (void)mm_buf_append_char(&text, '\0');
    }
    enum mailmod_error error = mm_buf_error(&text);
    if (error == MAILMOD_OK) {
        error = mm_file_write(file, mm_buf_span(&text));
    }
    mm_buf_fini(&text);
    return error == MAILMOD_OK ? mm_file_sync(file) : error;
}

/* Whole under its name, or not there. */
static enum mailmod_error promise(struct mm_maildir *maildir,
                                  const struct mm_span *uniques, size_t count)
{
    uint64_t random = 0;
    char name[64];
    struct mm_file *file = NULL;
    enum mailmod_error error = mm_random(&random, sizeof random);

    (void)snprintf(name, sizeof name, "removal.%016llx",
                   (unsigned long long)random);
    if (error == MAILMOD_OK) {
        error = mm_file_make_in(&file, maildir->tmp, name);
    }
    if (error != MAILMOD_OK) {
        return error;
    }
    error = write_list(file, uniques, count);
    mm_file_close(&file);
    if (error == MAILMOD_OK) {
        error = mm_folder_move(maildir->tmp, name, maildir->root, REMOVAL_NAME);
    }
    if (error == MAILMOD_OK) {
        error = mm_folder_sync(maildir->root);
    }
    if (error != MAILMOD_OK) {
        (void)mm_folder_remove(maildir->tmp, name);
        (void)mm_folder_remove(maildir->root, REMOVAL_NAME);
    }
    return error;
}

static enum mailmod_error forget_promise(struct mm_maildir *maildir)
{
    enum mailmod_error error = mm_folder_remove(maildir->root, REMOVAL_NAME);

    return error == MAILMOD_OK ? mm_folder_sync(maildir->root) : error;
}

enum mailmod_error mm_maildir_remove_all(struct mm_maildir *maildir,
                                         const struct mm_span *uniques,
                                         size_t count)
{
    if (count == 0) {
        return MAILMOD_OK;
    }
    if (count == 1) {
        return remove_files(maildir, uniques, count);
    }
    enum mailmod_error error = promise(maildir, uniques, count);
    if (error == MAILMOD_OK &&
        remove_files(maildir, uniques, count) == MAILMOD_OK) {
        /* What fails from the promise on, the next opening does. */
        (void)forget_promise(maildir);
    }
    return error;
}

static enum mailmod_error read_list(struct mm_maildir *maildir,
                                    struct mm_buf *text)
{
    struct mm_file *file = NULL;
    enum mailmod_error error =
        mm_file_open_in(&file, maildir->root, REMOVAL_NAME);
    size_t used = 1;

    while (error == MAILMOD_OK && used > 0) {
        char piece[16384];

        error = mm_file_read(file, piece, sizeof piece, &used);
        if (error == MAILMOD_OK) {
            error = mm_buf_append(text, piece, used);
        }
    }
    mm_file_close(&file);
    return error;
}

/* The names of the list, sorted; mm_free the array. */
static enum mailmod_error
split_list(struct mm_span text, struct mm_span **uniques_out, size_t *count_out)
{
    size_t count = 0;

    for (size_t i = 0; i < text.size; i++) {
        count += text.data[i] == '\0';
    }
    *uniques_out = mm_alloc_array(count + 1, sizeof **uniques_out);
    if (*uniques_out == NULL) {
        return MAILMOD_ERROR_MEMORY;
    }
    for (size_t i = 0; i < count; i++) {
        (void)mm_span_cut(text, '\0', &(*uniques_out)[i], &text);
    }
    qsort(*uniques_out, count, sizeof **uniques_out, mm_maildir_compare);
    *count_out = count;
    return MAILMOD_OK;
}

enum mailmod_error mm_maildir_finish_removal(struct mm_maildir *maildir)
{
    struct mm_buf text;
    struct mm_span *uniques = NULL;
    size_t count = 0;

    mm_buf_init(&text, REMOVAL_MAX);
    enum mailmod_error error = read_list(maildir, &text);
    if (error == MAILMOD_OK) {
        error = split_list(mm_buf_span(&text), &uniques, &count);
    }
    if (error == MAILMOD_OK) {
        error = remove_files(maildir, uniques, count);
    }
    if (error == MAILMOD_OK) {
        error = forget_promise(maildir);
    }
    mm_free(uniques);
    mm_buf_fini(&text);
    return error == MAILMOD_ERROR_NOT_FOUND ? MAILMOD_OK : error;
}
