/* source.c - reads a configuration file and puts its includes in.
 *
 * Follows libconfig's lexical rules as far as needed to know what is a string
 * and what a comment: # and // to the end of the line, slash-star, strings in
 * double quotes with backslash escapes. An include is a line of its own,
 * @include "name", relative to the folder of the file that it stands in; any
 * other at-sign outside strings and comments is refused, so libconfig never
 * sees one. Integers of 10 to 18 digits get the L that libconfig wants, longer
 * ones are refused. Promises an end: the octets, files and depth are bounded.
 * Thread: the caller's. */
#include "config/source.h"
#include "base/mem.h"
#include "config/old_file.h"
#include "platform/fs.h"

#include <string.h>

enum lexical { IN_PLAIN, IN_STRING, IN_LINE_COMMENT, IN_BLOCK_COMMENT };

/* One open file; the chain of `outer` is what includes it. */
struct reader {
    struct mm_config_source *source;
    struct mm_buf *mistake;
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
                                    struct mm_buf *mistake);

void mm_config_source_init(struct mm_config_source *source)
{
    memset(source, 0, sizeof *source);
    mm_buf_init(&source->text, MM_CONFIG_SOURCE_MAX);
    source->lines = 1;
}

static void wipe(struct mm_buf *buf)
{
    /* A file may hold a password. */
    if (buf->data != NULL) {
        mm_secret_clear(buf->data, buf->capacity);
    }
    mm_buf_fini(buf);
}

void mm_config_source_fini(struct mm_config_source *source)
{
    for (size_t i = 0; i < source->file_count; i++) {
        mm_free(source->files[i]);
    }
    mm_free(source->pieces);
    wipe(&source->text);
    memset(source, 0, sizeof *source);
}

void mm_config_source_locate(const struct mm_config_source *source, size_t line,
                             const char **file_out, size_t *file_line_out)
{
    const struct mm_config_source_piece *piece = &source->pieces[0];
    for (size_t i = 1; i < source->piece_count; i++) {
        if (source->pieces[i].line <= line) {
            piece = &source->pieces[i];
        }
    }
    *file_out = source->files[piece->file];
    *file_line_out =
        piece->file_line + (line > piece->line ? line - piece->line : 0);
}

static enum mailmod_error refuse_file(struct mm_buf *mistake, const char *file,
                                      size_t line, const char *words)
{
    /* Without room for the words the error alone must do. */
    (void)mm_buf_appendf(mistake, "%s:%zu: %s", file, line, words);
    return MAILMOD_ERROR_CONFIG;
}

static enum mailmod_error refuse(const struct reader *reader, const char *words)
{
    return refuse_file(reader->mistake, reader->source->files[reader->file],
                       reader->line, words);
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
    if (error == MAILMOD_ERROR_LIMIT) {
        return refuse(reader, "the configuration is larger than 1 MiB");
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

static bool is_digits(const struct mm_span text, size_t at, bool is_hex)
{
    if (at >= text.size) {
        return false;
    }
    int c = mm_ascii_lower((unsigned char)text.data[at]);
    return mm_ascii_is_digit(c) || (is_hex && c >= 'a' && c <= 'f');
}

/* An integer; see the opening. */
static enum mailmod_error pass_number(struct reader *reader)
{
    struct mm_span rest = rest_of(reader);
    bool is_hex = rest.size > 1 && rest.data[0] == '0' &&
                  mm_ascii_lower((unsigned char)rest.data[1]) == 'x';
    size_t start = is_hex ? 2 : 0;
    size_t size = start;
    while (is_digits(rest, size, is_hex)) {
        size++;
    }
    char next = size < rest.size ? rest.data[size] : '\n';
    if (size - start > (is_hex ? 7U : 18U)) {
        return refuse(reader, "the number is too large");
    }
    enum mailmod_error error = pass(reader, size);
    bool is_whole = next != 'L' && next != '.' && next != 'e' && next != 'E';
    if (error == MAILMOD_OK && !is_hex && size > 9 && is_whole) {
        error = put(reader, "L", 1);
    }
    return error;
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
        error = read_file(reader->source, text, reader, reader->mistake);
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

/* @include 1*WSP DQUOTE name DQUOTE */
static enum mailmod_error read_include(struct reader *reader)
{
    struct mm_span rest = rest_of(reader);
    if (!reader->is_line_start || !mm_span_starts_nocase(rest, "@include")) {
        return refuse(reader, "an @ must begin a line @include \"file\"");
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
        return refuse(reader, "an include is written @include \"file\"");
    }
    reader->at = (size_t)(after.data - reader->text.data);
    reader->is_line_start = false;
    return include(reader, name);
}

static bool is_name_octet(unsigned char c)
{
    return mm_ascii_is_alnum(c) || c == '_' || c == '-' || c == '*';
}

static enum mailmod_error step_plain(struct reader *reader)
{
    struct mm_span rest = rest_of(reader);
    unsigned char c = (unsigned char)rest.data[0];
    size_t size = 1;
    if (c == '@') {
        return read_include(reader);
    }
    if (mm_ascii_is_digit(c)) {
        return pass_number(reader);
    }
    if (c == '"') {
        reader->lexical = IN_STRING;
    } else if (c == '#' || mm_span_starts_nocase(rest, "//")) {
        reader->lexical = IN_LINE_COMMENT;
    } else if (mm_span_starts_nocase(rest, "/*")) {
        reader->lexical = IN_BLOCK_COMMENT;
        size = 2;
    } else if (mm_ascii_is_alpha(c) || c == '*') {
        /* A name whole: the digits in it are no number. */
        while (size < rest.size &&
               is_name_octet((unsigned char)rest.data[size])) {
            size++;
        }
    }
    return pass(reader, size);
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
        if (rest.data[0] == '"') {
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

static enum mailmod_error read_text(struct reader *reader)
{
    enum mailmod_error error = MAILMOD_OK;
    while (error == MAILMOD_OK && reader->at < reader->text.size) {
        error = step(reader);
    }
    if (error != MAILMOD_OK) {
        return error;
    }
    if (reader->lexical == IN_STRING) {
        return refuse(reader, "a text is not closed");
    }
    if (reader->lexical == IN_BLOCK_COMMENT) {
        return refuse(reader, "a comment is not closed");
    }
    return MAILMOD_OK;
}

/* In the original engine's syntax: whole lines, @file is an include. */
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
    if (!mm_config_old_include(line, &name)) {
        return pass(reader, line.size);
    }
    if (name.size == 0) {
        return refuse(reader, "an include is written @file");
    }
    reader->at += line.size;
    return include(reader, name);
}

static enum mailmod_error read_lines(struct reader *reader)
{
    enum mailmod_error error = MAILMOD_OK;
    while (error == MAILMOD_OK && reader->at < reader->text.size) {
        error = step_line(reader);
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
        return "this is a folder, or no name of a file";
    case MAILMOD_ERROR_TOO_LARGE:
        return "the file is larger than 1 MiB";
    default:
        return "the file cannot be read";
    }
}

static enum mailmod_error load_bytes(const char *name, struct mm_buf *bytes,
                                     const struct reader *outer,
                                     struct mm_buf *mistake)
{
    enum mailmod_error error = mm_fs_read(name, bytes);
    if (error == MAILMOD_ERROR_MEMORY) {
        return error;
    }
    if (outer != NULL &&
        (error == MAILMOD_ERROR_NOT_FOUND || error == MAILMOD_ERROR_ACCESS)) {
        /* The line of the include says more than the name alone. */
        return refuse(outer, trouble(error));
    }
    if (error != MAILMOD_OK) {
        return refuse_file(mistake, name, 0, trouble(error));
    }
    struct mm_span text = mm_buf_span(bytes);
    if (error == MAILMOD_OK && text.size > 0 &&
        memchr(text.data, '\0', text.size) != NULL) {
        error = refuse_file(mistake, name, 0, "this is not a text file");
    }
    return error;
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

static enum mailmod_error add_file(struct mm_config_source *source,
                                   const char *name, const struct reader *outer)
{
    if (outer != NULL && is_open(outer, name)) {
        return refuse(outer, "the include goes round in a circle");
    }
    if (outer != NULL && outer->depth >= MM_CONFIG_SOURCE_DEPTH_MAX) {
        return refuse(outer, "includes are nested too deep");
    }
    if (outer != NULL && source->file_count == MM_CONFIG_SOURCE_FILES_MAX) {
        return refuse(outer, "there are too many includes");
    }
    char *copy = mm_strdup(name);
    if (copy == NULL) {
        return MAILMOD_ERROR_MEMORY;
    }
    source->files[source->file_count] = copy;
    source->file_count++;
    return MAILMOD_OK;
}

static enum mailmod_error read_file(struct mm_config_source *source,
                                    const char *name,
                                    const struct reader *outer,
                                    struct mm_buf *mistake)
{
    enum mailmod_error error = add_file(source, name, outer);
    if (error != MAILMOD_OK) {
        return error;
    }
    struct mm_buf bytes;
    mm_buf_init(&bytes, MM_CONFIG_SOURCE_MAX);
    error = load_bytes(name, &bytes, outer, mistake);
    if (error == MAILMOD_OK) {
        struct reader reader = {.source = source,
                                .mistake = mistake,
                                .outer = outer,
                                .depth = outer == NULL ? 0 : outer->depth + 1,
                                .file = source->file_count - 1,
                                .line = 1,
                                .text = mm_buf_span(&bytes),
                                .lexical = IN_PLAIN,
                                .is_line_start = true};
        if (outer == NULL) {
            source->is_old = mm_config_is_old(reader.text);
        }
        error = add_piece(&reader);
        if (error == MAILMOD_OK) {
            error = source->is_old ? read_lines(&reader) : read_text(&reader);
        }
    }
    wipe(&bytes);
    return error;
}

enum mailmod_error mm_config_source_read(struct mm_config_source *source,
                                         const char *file,
                                         struct mm_buf *mistake_out)
{
    return read_file(source, file, NULL, mistake_out);
}
