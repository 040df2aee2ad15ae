/* source.c - reads a configuration file and puts its includes in.
 *
 * Of our own syntax it knows what is a text and what a comment: # and // to the
 * end of the line, slash-star, texts in double quotes with backslash escapes,
 * which end with their line. An include is a line of its own, @include "name",
 * relative to the folder of the file that it stands in; other dialects have
 * theirs. What is wrong is noted and left out, and the rest is read all the
 * same. Promises an end: the octets, files and depth are bounded.
 * Thread: the caller's. */
#include "config/source.h"
#include "base/mem.h"
#include "config/note.h"
#include "config/smallsrv/smallsrv.h"
#include "platform/fs.h"

#include <string.h>

enum lexical { IN_PLAIN, IN_STRING, IN_LINE_COMMENT, IN_BLOCK_COMMENT };

/* One open file; the chain of `outer` is what includes it. */
struct reader {
    struct mm_config_source *source;
    struct mm_config_notes *notes;
    const struct reader *outer;
    unsigned depth;
    size_t file;
    size_t line;
    struct mm_span text;
    size_t at;
    enum lexical lexical;
    bool is_line_start; /* nothing but blanks since the last line end */
};

static enum mailmod_error read_file(struct mm_config_source *source,
                                    const char *name,
                                    const struct reader *outer,
                                    struct mm_config_notes *notes);

void mm_config_source_init(struct mm_config_source *source)
{
    memset(source, 0, sizeof *source);
    mm_buf_init(&source->text, MM_CONFIG_SOURCE_MAX);
    source->lines = 1;
}

void mm_config_source_fini(struct mm_config_source *source)
{
    for (size_t i = 0; i < source->file_count; i++) {
        mm_free(source->files[i]);
    }
    mm_free(source->pieces);
    mm_buf_wipe(&source->text);
    memset(source, 0, sizeof *source);
}

void mm_config_source_locate(const struct mm_config_source *source, size_t line,
                             const char **file_out, size_t *file_line_out)
{
    static const struct mm_config_source_piece none = {.line = 0};
    const struct mm_config_source_piece *piece =
        source->piece_count > 0 ? &source->pieces[0] : &none;
    for (size_t i = 1; i < source->piece_count; i++) {
        if (source->pieces[i].line <= line) {
            piece = &source->pieces[i];
        }
    }
    *file_out = source->files[piece->file];
    *file_line_out =
        line == 0
            ? 0
            : piece->file_line + (line > piece->line ? line - piece->line : 0);
}

/* Where the reader stands. */
static void note(const struct reader *reader, const char *name,
                 const char *words)
{
    mm_config_notes_add(reader->notes, MM_CONFIG_MISTAKE, reader->source->lines,
                        name, words);
}

static enum mailmod_error add_piece(struct reader *reader)
{
    struct mm_config_source *source = reader->source;
    struct mm_config_source_piece *pieces =
        mm_realloc(source->pieces, (source->piece_count + 1) * sizeof *pieces);
    if (pieces == NULL) {
        return MAILMOD_ERROR_MEMORY;
    }
    source->pieces = pieces;
    pieces[source->piece_count].line = source->lines;
    pieces[source->piece_count].file = reader->file;
    pieces[source->piece_count].file_line = reader->line;
    source->piece_count++;
    return MAILMOD_OK;
}

static enum mailmod_error put(struct reader *reader, const char *octets,
                              size_t size)
{
    enum mailmod_error error =
        mm_buf_append(&reader->source->text, octets, size);
    if (error == MAILMOD_ERROR_LIMIT && !reader->source->is_full) {
        reader->source->is_full = true;
        note(reader, "", "the configuration is larger than 1 MiB");
    }
    return error;
}

static struct mm_span rest_of(const struct reader *reader)
{
    return mm_span_from(reader->text, reader->at);
}

/* Hands `size` octets on, none of them a line end but perhaps the first. */
static enum mailmod_error pass(struct reader *reader, size_t size)
{
    const char *octets = reader->text.data + reader->at;
    enum mailmod_error error = put(reader, octets, size);
    if (error != MAILMOD_OK) {
        return error;
    }
    reader->at += size;
    if (octets[0] == '\n') {
        reader->line++;
        reader->source->lines++;
        reader->is_line_start = true;
    } else if (octets[0] != ' ' && octets[0] != '\t') {
        reader->is_line_start = false;
    }
    return MAILMOD_OK;
}

static bool is_absolute(struct mm_span name)
{
    return (name.size > 0 && (name.data[0] == '/' || name.data[0] == '\\')) ||
           (name.size > 1 && name.data[1] == ':');
}

/* The folder of the including file, with its separator. */
static struct mm_span folder_of(const char *file)
{
    size_t size = strlen(file);
    while (size > 0 && file[size - 1] != '/' && file[size - 1] != '\\') {
        size--;
    }
    return mm_span(file, size);
}

static enum mailmod_error include(struct reader *reader, struct mm_span name)
{
    struct mm_buf path;
    mm_buf_init(&path, 8192);
    if (!is_absolute(name)) {
        (void)mm_buf_append_span(
            &path, folder_of(reader->source->files[reader->file]));
    }
    (void)mm_buf_append_span(&path, name);
    const char *text = mm_buf_cstr(&path);
    enum mailmod_error error = mm_buf_error(&path);
    if (error == MAILMOD_OK) {
        error = read_file(reader->source, text, reader, reader->notes);
    }
    mm_buf_fini(&path);
    if (error != MAILMOD_OK) {
        return error;
    }
    /* What follows begins on a line of its own, and so the map stays true. */
    error = put(reader, "\n", 1);
    reader->source->lines++;
    return error == MAILMOD_OK ? add_piece(reader) : error;
}

/* Leaves out what is left of the line. */
static enum mailmod_error skip_line(struct reader *reader)
{
    struct mm_span line;
    struct mm_span after;
    (void)mm_span_cut(rest_of(reader), '\n', &line, &after);
    reader->at += line.size;
    return MAILMOD_OK;
}

/* @include 1*WSP DQUOTE name DQUOTE */
static enum mailmod_error read_include(struct reader *reader)
{
    struct mm_span rest = rest_of(reader);
    if (!reader->is_line_start || !mm_span_starts_nocase(rest, "@include")) {
        note(reader, "", "an @ must begin a line @include \"file\"");
        return skip_line(reader);
    }
    size_t at = strlen("@include");
    while (at < rest.size && (rest.data[at] == ' ' || rest.data[at] == '\t')) {
        at++;
    }
    struct mm_span name;
    struct mm_span after;
    if (at >= rest.size || rest.data[at] != '"' ||
        !mm_span_cut(mm_span_from(rest, at + 1), '"', &name, &after) ||
        name.size == 0 || memchr(name.data, '\n', name.size) != NULL) {
        note(reader, "", "an include is written @include \"file\"");
        return skip_line(reader);
    }
    reader->at = (size_t)(after.data - reader->text.data);
    reader->is_line_start = false;
    return include(reader, name);
}

static enum mailmod_error step_plain(struct reader *reader)
{
    struct mm_span rest = rest_of(reader);
    char c = rest.data[0];
    if (c == '@') {
        return read_include(reader);
    }
    if (c == '"') {
        reader->lexical = IN_STRING;
    } else if (c == '#' || mm_span_starts_nocase(rest, "//")) {
        reader->lexical = IN_LINE_COMMENT;
    } else if (mm_span_starts_nocase(rest, "/*")) {
        reader->lexical = IN_BLOCK_COMMENT;
        return pass(reader, 2);
    }
    return pass(reader, 1);
}

static enum mailmod_error step(struct reader *reader)
{
    struct mm_span rest = rest_of(reader);
    if (reader->lexical == IN_PLAIN) {
        return step_plain(reader);
    }
    if (reader->lexical == IN_STRING) {
        bool is_escape = rest.size > 1 && rest.data[0] == '\\' &&
                         (rest.data[1] == '"' || rest.data[1] == '\\');
        if (rest.data[0] == '"' || rest.data[0] == '\n') {
            reader->lexical = IN_PLAIN;
        }
        return pass(reader, is_escape ? 2 : 1);
    }
    if (reader->lexical == IN_LINE_COMMENT) {
        if (rest.data[0] == '\n') {
            reader->lexical = IN_PLAIN;
        }
        return pass(reader, 1);
    }
    bool is_end = mm_span_starts_nocase(rest, "*/");
    if (is_end) {
        reader->lexical = IN_PLAIN;
    }
    return pass(reader, is_end ? 2 : 1);
}

/* In another dialect: whole lines. */
static enum mailmod_error step_line(struct reader *reader)
{
    struct mm_span rest = rest_of(reader);
    struct mm_span line;
    struct mm_span after;
    (void)mm_span_cut(rest, '\n', &line, &after);
    if (line.size == 0) {
        return pass(reader, 1);
    }
    struct mm_span name;
    if (!reader->source->dialect->find_include(line, &name)) {
        return pass(reader, line.size);
    }
    if (name.size == 0) {
        note(reader, "", "an include is written @file");
        return skip_line(reader);
    }
    reader->at += line.size;
    return include(reader, name);
}

static enum mailmod_error read_all(struct reader *reader)
{
    enum mailmod_error error = MAILMOD_OK;
    while (error == MAILMOD_OK && reader->at < reader->text.size) {
        error =
            reader->source->dialect != NULL ? step_line(reader) : step(reader);
    }
    return error;
}

static const char *trouble(enum mailmod_error error)
{
    switch (error) {
    case MAILMOD_ERROR_NOT_FOUND:
        return "there is no such file";
    case MAILMOD_ERROR_ACCESS:
        return "the file cannot be read: permission denied";
    case MAILMOD_ERROR_ARGUMENT:
        return "this is no regular file";
    case MAILMOD_ERROR_TOO_LARGE:
        return "the file is larger than 1 MiB";
    default:
        return "the file cannot be read";
    }
}

/* Of a file that is included it is said where that stands. */
static void note_file(struct mm_config_notes *notes, const char *name,
                      const struct reader *outer, const char *words)
{
    if (outer != NULL) {
        note(outer, name, words);
    } else {
        mm_config_notes_add(notes, MM_CONFIG_MISTAKE, 0, "", words);
    }
}

/* CONFIG, NOT_FOUND or ACCESS when the file is left out. */
static enum mailmod_error load_bytes(const char *name, struct mm_buf *bytes,
                                     const struct reader *outer,
                                     struct mm_config_notes *notes)
{
    enum mailmod_error error = mm_fs_read(name, bytes);
    if (error == MAILMOD_ERROR_MEMORY) {
        return error;
    }
    if (error != MAILMOD_OK) {
        note_file(notes, name, outer, trouble(error));
        return error == MAILMOD_ERROR_NOT_FOUND || error == MAILMOD_ERROR_ACCESS
                   ? error
                   : MAILMOD_ERROR_CONFIG;
    }
    struct mm_span text = mm_buf_span(bytes);
    if (text.size > 0 && memchr(text.data, '\0', text.size) != NULL) {
        note_file(notes, name, outer, "this is not a text file");
        return MAILMOD_ERROR_CONFIG;
    }
    return MAILMOD_OK;
}

static bool is_open(const struct reader *reader, const char *name)
{
    while (reader != NULL) {
        if (strcmp(reader->source->files[reader->file], name) == 0) {
            return true;
        }
        reader = reader->outer;
    }
    return false;
}

/* CONFIG when the file is left out. */
static enum mailmod_error add_file(struct mm_config_source *source,
                                   const char *name, const struct reader *outer)
{
    const char *words = NULL;
    if (outer != NULL && is_open(outer, name)) {
        words = "the include goes round in a circle";
    } else if (outer != NULL && outer->depth >= MM_CONFIG_SOURCE_DEPTH_MAX) {
        words = "includes are nested too deep";
    } else if (source->file_count == MM_CONFIG_SOURCE_FILES_MAX) {
        words = "there are too many includes";
    }
    if (words != NULL) {
        note(outer, name, words);
        return MAILMOD_ERROR_CONFIG;
    }
    char *copy = mm_strdup(name);
    if (copy == NULL) {
        return MAILMOD_ERROR_MEMORY;
    }
    source->files[source->file_count] = copy;
    source->file_count++;
    return MAILMOD_OK;
}

static enum mailmod_error read_bytes(struct mm_config_source *source,
                                     struct mm_span text,
                                     const struct reader *outer,
                                     struct mm_config_notes *notes)
{
    struct reader reader = {.source = source,
                            .notes = notes,
                            .outer = outer,
                            .depth = outer == NULL ? 0 : outer->depth + 1,
                            .file = source->file_count - 1,
                            .line = 1,
                            .text = text,
                            .lexical = IN_PLAIN,
                            .is_line_start = true};
    if (outer == NULL && mm_smallsrv()->is_written_in(text)) {
        source->dialect = mm_smallsrv();
    }
    enum mailmod_error error = add_piece(&reader);
    return error == MAILMOD_OK ? read_all(&reader) : error;
}

static enum mailmod_error read_file(struct mm_config_source *source,
                                    const char *name,
                                    const struct reader *outer,
                                    struct mm_config_notes *notes)
{
    struct mm_buf bytes;
    mm_buf_init(&bytes, MM_CONFIG_SOURCE_MAX);
    enum mailmod_error error = add_file(source, name, outer);
    if (error == MAILMOD_OK) {
        error = load_bytes(name, &bytes, outer, notes);
        source->unread = outer == NULL && error != MAILMOD_ERROR_MEMORY
                             ? error
                             : source->unread;
        error = error == MAILMOD_ERROR_MEMORY || error == MAILMOD_OK
                    ? error
                    : MAILMOD_ERROR_CONFIG;
    }
    if (error == MAILMOD_OK) {
        error = read_bytes(source, mm_buf_span(&bytes), outer, notes);
    }
    mm_buf_wipe(&bytes);
    return error == MAILMOD_ERROR_CONFIG ? MAILMOD_OK : error;
}

enum mailmod_error mm_config_source_read(struct mm_config_source *source,
                                         const char *file,
                                         struct mm_config_notes *notes)
{
    enum mailmod_error error = read_file(source, file, NULL, notes);
    /* It was noted. */
    return error == MAILMOD_ERROR_LIMIT ? MAILMOD_OK : error;
}
