/* old_file.c - files in the syntax of the original engine.
 *
 *   line    = *WSP [ setting / "@" value ] *WSP [ comment ]
 *   setting = name *WSP [ "=" *WSP value ]
 *   value   = <"> text <"> / "'" text "'" / "`" text "`" / word text
 *   comment = "#" text, at the start of a line or after a blank
 *
 * A name alone sets a flag. Nothing is escaped; a quoted value ends at the next
 * quote of its kind. Owns nothing; promises that no octet outside of the text
 * is looked at.
 * Thread: any. */
#include "config/old_file.h"

#include "base/mem.h"
#include "config/load.h"

#include <string.h>

#define NAME_SIZE 64

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

/* Up to a "#" after a blank. */
static struct mm_span without_comment(struct mm_span text)
{
    for (size_t i = 0; i < text.size; i++) {
        if (text.data[i] == '#' && (i == 0 || is_blank(text.data[i - 1]))) {
            text.size = i;
        }
    }
    return trim(text);
}

static enum mm_config_old_form read_value(struct mm_span text,
                                          struct mm_span *value_out)
{
    text = trim(text);
    if (text.size == 0 || !is_quote(text.data[0])) {
        *value_out = without_comment(text);
        return MM_CONFIG_OLD_WORD;
    }
    struct mm_span after;
    if (!mm_span_cut(mm_span_from(text, 1), text.data[0], value_out, &after)) {
        return MM_CONFIG_OLD_OPEN;
    }
    return without_comment(after).size == 0 ? MM_CONFIG_OLD_WORD
                                            : MM_CONFIG_OLD_WRONG;
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

enum mm_config_old_form mm_config_old_read(struct mm_span line,
                                           struct mm_config_old_line *line_out)
{
    struct mm_span rest = trim(line);
    if (rest.size == 0 || rest.data[0] == '#') {
        return MM_CONFIG_OLD_EMPTY;
    }
    line_out->name = take_name(&rest);
    line_out->value = mm_span_cstr("true");
    line_out->has_value = false;
    bool has_blank = rest.size > 0 && is_blank(rest.data[0]);
    rest = trim(rest);
    if (line_out->name.size == 0) {
        return MM_CONFIG_OLD_WRONG;
    }
    if (rest.size == 0 || (has_blank && rest.data[0] == '#')) {
        return MM_CONFIG_OLD_WORD;
    }
    if (rest.data[0] != '=') {
        return MM_CONFIG_OLD_WRONG;
    }
    line_out->has_value = true;
    return read_value(mm_span_from(rest, 1), &line_out->value);
}

bool mm_config_old_include(struct mm_span line, struct mm_span *name_out)
{
    line = trim(line);
    if (line.size == 0 || line.data[0] != '@') {
        return false;
    }
    if (read_value(mm_span_from(line, 1), name_out) != MM_CONFIG_OLD_WORD) {
        *name_out = mm_span(NULL, 0);
    }
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

/* "@include" is libconfig's own; so is an "@" with nothing behind it. */
static bool is_old_include(struct mm_span line)
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

/* In libconfig's syntax what follows a name may be on the next line. */
static bool is_old_setting(struct mm_span line, struct mm_span after)
{
    struct mm_config_old_line setting;
    enum mm_config_old_form form = mm_config_old_read(line, &setting);
    if (form == MM_CONFIG_OLD_WRONG) {
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

bool mm_config_is_old(struct mm_span text)
{
    struct mm_span rest = text;
    bool has_more = true;
    struct mm_span line;
    while (has_more) {
        has_more = mm_span_cut(rest, '\n', &line, &rest);
        line = trim(line);
        if (line.size > 0 && line.data[0] != '#') {
            return line.data[0] == '@'
                       ? is_old_include(line)
                       : is_old_setting(line,
                                        has_more ? rest : mm_span(NULL, 0));
        }
    }
    return false;
}

/* ---- onto a builder ---- */

static void load_setting(struct mm_config_load *load, size_t line,
                         const struct mm_config_old_line *setting, int turn)
{
    char name[NAME_SIZE];
    if (!mm_span_copy(setting->name, name, sizeof name)) {
        if (turn == 0) {
            mm_config_load_note(load, line, "", "the name is too long");
        }
        return;
    }
    if (mm_config_load_turn(name) != turn ||
        !mm_config_load_may_set(load, line, name)) {
        return;
    }
    char *value = mm_memdup0(setting->value.data, setting->value.size);
    if (value == NULL) {
        load->error = MAILMOD_ERROR_MEMORY;
        return;
    }
    mm_config_load_set(load, line, name, value);
    mm_secret_clear(value, setting->value.size);
    mm_free(value);
}

static void load_line(struct mm_config_load *load, size_t number,
                      struct mm_span line, int turn)
{
    struct mm_config_old_line setting;
    switch (mm_config_old_read(line, &setting)) {
    case MM_CONFIG_OLD_WORD:
        load_setting(load, number, &setting, turn);
        break;
    case MM_CONFIG_OLD_OPEN:
        if (turn == 0) {
            mm_config_load_note(load, number, "", "a text is not closed");
        }
        break;
    case MM_CONFIG_OLD_WRONG:
        if (turn == 0) {
            mm_config_load_note(
                load, number, "",
                "must be name=value: the file's first line is, so all are (a "
                "semicolon there makes it libconfig's syntax)");
        }
        break;
    case MM_CONFIG_OLD_EMPTY:
        break;
    }
}

void mm_config_load_old(struct mm_config_load *load)
{
    for (int turn = 0; turn < MM_CONFIG_LOAD_TURNS; turn++) {
        struct mm_span rest = mm_buf_span(&load->source.text);
        bool has_more = true;
        for (size_t number = 1; has_more && load->error == MAILMOD_OK;
             number++) {
            struct mm_span line;
            has_more = mm_span_cut(rest, '\n', &line, &rest);
            load_line(load, number, line, turn);
        }
    }
}
