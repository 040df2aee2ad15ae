/* file.c - files in the syntax of the original engine.
 *
 *   line    = *WSP [ *(setting 1*WSP) setting / "@" value ] *WSP [ comment ]
 *   setting = name *WSP [ "=" *WSP value ]
 *   value   = <"> text <"> / "'" text "'" / "`" text "`" / word text
 *   comment = "#" text, at the start of a line or after a blank
 *
 * A name alone sets a flag. A value without quotes ends with its line, or where
 * a blank and name= follow. Nothing is escaped; a quoted value ends at the next
 * quote of its kind. Owns nothing; promises that no octet outside of the text
 * is looked at.
 * Thread: any. */
#include "config/smallsrv/file.h"

#include <string.h>

enum { NAME_MAX_SIZE = 63 };

enum form {
    EMPTY, /* or a comment */
    WORD,  /* a name alone, or "name=value" */
    OPEN,  /* a quote is not closed */
    WRONG  /* none of these */
};
struct line {
    struct mm_span name;
    struct mm_span value; /* without quotes; "true" for a name alone */
    struct mm_span more;  /* settings behind it, of the same line */
    bool has_value;       /* not a name alone */
    bool is_quoted;
};

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r';
}

static struct mm_span trim(struct mm_span text)
{
    while (text.size > 0 && is_blank(text.data[0])) {
        text = mm_span_from(text, 1);
    }
    while (text.size > 0 && is_blank(text.data[text.size - 1])) {
        text.size--;
    }
    return text;
}

static bool is_quote(char c)
{
    return c == '"' || c == '\'' || c == '`';
}

/* What follows a value; nothing when that is a comment. */
static struct mm_span behind(struct mm_span after)
{
    after = trim(after);
    return after.size > 0 && after.data[0] == '#' ? mm_span(NULL, 0) : after;
}

/* Takes a name off the front. */
static struct mm_span take_name(struct mm_span *rest)
{
    size_t size = 0;
    while (size < rest->size) {
        unsigned char c = (unsigned char)rest->data[size];
        if (!mm_ascii_is_alnum(c) && c != '_' && c != '.' && c != '-') {
            break;
        }
        size++;
    }
    struct mm_span name = mm_span(rest->data, size);
    *rest = mm_span_from(*rest, size);
    return name;
}

/* Is it a name and "="? */
static bool is_assignment(struct mm_span text)
{
    return take_name(&text).size > 0 && text.size > 0 && text.data[0] == '=';
}

/* Without quotes: up to a comment, or to the next setting. Looks no further,
 * so that a long line costs its length and no more. */
static void read_plain(struct mm_span text, struct line *line_out)
{
    size_t size = 0;
    for (; size < text.size; size++) {
        struct mm_span rest = mm_span_from(text, size);
        if (size > 0 && !is_blank(text.data[size - 1])) {
            continue;
        }
        if (text.data[size] == '#') {
            break;
        }
        if (size > 0 && is_assignment(rest)) {
            line_out->more = rest;
            break;
        }
    }
    line_out->value = trim(mm_span(text.data, size));
}

static enum form read_value(struct mm_span text, struct line *line_out)
{
    text = trim(text);
    line_out->is_quoted = text.size > 0 && is_quote(text.data[0]);
    if (!line_out->is_quoted) {
        read_plain(text, line_out);
        return WORD;
    }
    struct mm_span after;
    if (!mm_span_cut(mm_span_from(text, 1), text.data[0], &line_out->value,
                     &after)) {
        return OPEN;
    }
    bool has_blank = after.size > 0 && is_blank(after.data[0]);
    line_out->more = behind(after);
    return line_out->more.size == 0 || has_blank ? WORD : WRONG;
}

static enum form read_line(struct mm_span line, struct line *line_out)
{
    struct mm_span rest = trim(line);
    *line_out = (struct line){.value = mm_span_cstr("true")};
    if (rest.size == 0 || rest.data[0] == '#') {
        return EMPTY;
    }
    line_out->name = take_name(&rest);
    bool has_blank = rest.size > 0 && is_blank(rest.data[0]);
    rest = trim(rest);
    if (line_out->name.size == 0) {
        return WRONG;
    }
    if (rest.size == 0 || (has_blank && rest.data[0] == '#')) {
        return WORD;
    }
    if (rest.data[0] != '=') {
        line_out->more = rest;
        return has_blank && mm_ascii_is_alnum((unsigned char)rest.data[0])
                   ? WORD
                   : WRONG;
    }
    line_out->has_value = true;
    return read_value(mm_span_from(rest, 1), line_out);
}

bool mm_smallsrv_find_include(struct mm_span line, struct mm_span *name_out)
{
    line = trim(line);
    if (line.size == 0 || line.data[0] != '@') {
        return false;
    }
    struct line include;
    bool is_read = read_value(mm_span_from(line, 1), &include) == WORD;
    *name_out = is_read ? include.value : mm_span(NULL, 0);
    return true;
}

/* ---- which syntax? ---- */

static bool has_semicolon(struct mm_span text)
{
    bool is_quoted = false;
    for (size_t i = 0; i < text.size; i++) {
        char c = text.data[i];
        if (c == '"') {
            is_quoted = !is_quoted;
        } else if (c == ';' && !is_quoted) {
            return true;
        } else if (c == '#' && !is_quoted) {
            return false;
        }
    }
    return false;
}

/* "@include" is our own; so is an "@" with nothing behind it. */
static bool is_include(struct mm_span line)
{
    if (!mm_span_starts_nocase(line, "@include")) {
        return line.size > 1;
    }
    struct mm_span rest = mm_span_from(line, strlen("@include"));
    return rest.size > 0 && !is_blank(rest.data[0]) && rest.data[0] != '"';
}

/* Is the first octet that is no blank and no line end one of `octets`? */
static bool begins_with(struct mm_span text, const char *octets)
{
    while (text.size > 0 && (is_blank(text.data[0]) || text.data[0] == '\n')) {
        text = mm_span_from(text, 1);
    }
    return text.size > 0 && strchr(octets, text.data[0]) != NULL;
}

/* In our own syntax what follows a name may be on the next line. */
static bool is_setting(struct mm_span line, struct mm_span after)
{
    struct line setting;
    enum form form = read_line(line, &setting);
    bool has_more = form == WORD && setting.more.size > 0;
    if (form == WRONG ||
        (has_more && (setting.is_quoted || !setting.has_value))) {
        return false;
    }
    if (mm_span_is(setting.name, "user")) {
        return true;
    }
    if (setting.has_value && setting.value.size > 0) {
        after = setting.value;
    }
    return !begins_with(after, setting.has_value ? "{[(" : ":=") &&
           !has_semicolon(line);
}

bool mm_smallsrv_is_written_in(struct mm_span text)
{
    struct mm_span rest = text;
    bool has_more = true;
    struct mm_span line;
    while (has_more) {
        has_more = mm_span_cut(rest, '\n', &line, &rest);
        line = trim(line);
        if (line.size > 0 && line.data[0] != '#') {
            return line.data[0] == '@'
                       ? is_include(line)
                       : is_setting(line, has_more ? rest : mm_span(NULL, 0));
        }
    }
    return false;
}

/* ---- all of it ---- */

/* A quoted value goes on in the lines below when one of them ends it: the
 * header fields of that engine's web server are written so. `first` is the line
 * that opens it, as read into `line`, and `rest` what is below. */
static bool read_on(struct mm_span first, struct mm_span *rest,
                    struct line *line)
{
    char quote = line->value.data[-1];
    struct mm_span value;
    struct mm_span after;
    if (!mm_span_cut(*rest, quote, &value, &after)) {
        return false;
    }
    struct mm_span tail;
    bool has_more = mm_span_cut(after, '\n', &tail, &after);
    struct mm_span whole =
        mm_span(first.data, (size_t)(tail.data - first.data) + tail.size);
    if (read_line(whole, line) != WORD) {
        return false;
    }
    *rest = has_more ? after : mm_span(NULL, 0);
    return true;
}

static size_t count_lines(const char *from, const char *to)
{
    size_t count = 0;
    for (; from < to; from++) {
        count += *from == '\n';
    }
    return count;
}

static void add(struct mm_config_load *load, size_t number,
                const struct line *line)
{
    if (line->name.size > NAME_MAX_SIZE) {
        mm_config_load_note(load, number, "", "the name is too long");
        return;
    }
    mm_config_load_add(load, number, line->name, 0, line->value);
}

/* What was read of a line, and what follows in it. */
static void add_line(struct mm_config_load *load, size_t number, enum form form,
                     struct line line)
{
    while (form == WORD && !mm_config_load_is_over(load)) {
        add(load, number, &line);
        form = read_line(line.more, &line);
    }
    if (form == OPEN) {
        mm_config_load_note(load, number, "", "a text is not closed");
    } else if (form == WRONG) {
        mm_config_load_note(
            load, number, "",
            "must be name=value: the file's first line is, so all are (a "
            "semicolon there makes it our own syntax)");
    }
}

void mm_smallsrv_read(struct mm_config_load *load)
{
    struct mm_span rest = mm_buf_span(&load->source.text);
    bool has_more = true;
    size_t number = 1;
    while (has_more && !mm_config_load_is_over(load)) {
        struct mm_span text;
        has_more = mm_span_cut(rest, '\n', &text, &rest);
        struct line line;
        enum form form = read_line(text, &line);
        size_t used = 1;
        if (form == OPEN && has_more && read_on(text, &rest, &line)) {
            has_more = rest.data != NULL;
            used = has_more ? count_lines(text.data, rest.data) : 1;
            form = WORD;
        }
        add_line(load, number, form, line);
        number += used;
    }
}
