/* note.c - what there is to say about a file, in the order of its lines.
 *
 * Owns the words. Promises a bound: so many of each kind, then one line that
 * there are more. Out of memory is remembered and told at the end.
 * Thread: any. */
#include "config/note.h"

#include "base/mem.h"

/* A screen or two of mistakes; a real file of the original engine may have
 * most of its names in what there is not here. */
enum { MISTAKES_MAX = 50, WARNINGS_MAX = 250, WORDS_MAX = 1024 };

static const size_t maximum[] = {
    [MM_CONFIG_MISTAKE] = MISTAKES_MAX, [MM_CONFIG_WARNING] = WARNINGS_MAX};
static const char *const more[] = {
    [MM_CONFIG_MISTAKE] = "there are more mistakes\n",
    [MM_CONFIG_WARNING] = "there are more warnings\n"};

void mm_config_notes_fini(struct mm_config_notes *notes)
{
    for (size_t i = 0; i < notes->count; i++) {
        mm_free(notes->items[i].words);
    }
    mm_free(notes->items);
    *notes = (struct mm_config_notes){.items = NULL};
}

static char *join(const char *name, const char *words)
{
    struct mm_buf text;
    mm_buf_init(&text, WORDS_MAX);
    (void)mm_buf_appendf(&text, "%s%s%s", name, name[0] == '\0' ? "" : ": ",
                         words);
    struct mm_span span = mm_buf_span(&text);
    char *copy = mm_buf_error(&text) == MAILMOD_OK
                     ? mm_memdup0(span.data, span.size)
                     : NULL;
    mm_buf_fini(&text);
    return copy;
}

void mm_config_notes_add(struct mm_config_notes *notes,
                         enum mm_config_note_kind kind, size_t line,
                         const char *name, const char *words)
{
    notes->counts[kind]++;
    if (notes->counts[kind] > maximum[kind]) {
        return;
    }
    struct mm_config_note *items =
        mm_realloc(notes->items, (notes->count + 1) * sizeof *items);
    if (items == NULL) {
        notes->is_out_of_memory = true;
        return;
    }
    notes->items = items;
    char *copy = join(name, words);
    if (copy == NULL) {
        notes->is_out_of_memory = true;
        return;
    }
    /* In the order of the lines; of one line, in the order they came. */
    size_t at = notes->count;
    while (at > 0 && items[at - 1].line > line) {
        items[at] = items[at - 1];
        at--;
    }
    items[at] =
        (struct mm_config_note){.kind = kind, .line = line, .words = copy};
    notes->count++;
}

enum mailmod_error mm_config_notes_write(struct mm_config_notes *notes,
                                         enum mm_config_note_kind kind,
                                         const struct mm_config_source *source,
                                         struct mm_buf *out)
{
    if (notes->is_out_of_memory) {
        return MAILMOD_ERROR_MEMORY;
    }
    for (size_t i = 0; out != NULL && i < notes->count; i++) {
        const struct mm_config_note *note = &notes->items[i];
        if (note->kind != kind) {
            continue;
        }
        const char *file;
        size_t line;
        mm_config_source_locate(source, note->line, &file, &line);
        if (line > 0) {
            (void)mm_buf_appendf(out, "%s:%zu: %s\n", file, line, note->words);
        } else {
            (void)mm_buf_appendf(out, "%s: %s\n", file, note->words);
        }
    }
    if (out != NULL && notes->counts[kind] > maximum[kind]) {
        (void)mm_buf_append_cstr(out, more[kind]);
    }
    /* Words that do not fit are cut by whoever gave the room. */
    return MAILMOD_OK;
}
