/* syntax.c - our own syntax of a file: libconfig's, read here.
 *
 *   file    = *setting
 *   setting = name ("=" / ":") (value / group) [";" / ","]
 *   group   = "{" *setting "}"             only in the file itself
 *   value   = scalar / "[" list "]" / "(" list ")"
 *   list    = [scalar *("," scalar) [","]]
 *   scalar  = 1*text / number / "true" / "false"
 *
 * with #, // and slash-star comments between any two of them. Groups become
 * the parts of dotted names: smtp: { recipients_max = 100; } is
 * smtp.recipients_max. Why not the library of that name: it stops at the first
 * mistake and does not say which setting that is, loses numbers past 32 bits,
 * and ends the process at an include of a folder.
 *
 * Owns the value that it collects. Promises to go on behind a mistake, at the
 * next setting, and never to look beyond the text.
 * Thread: the builder's owner. */
#include "config/load.h"

#include "base/mem.h"
#include "config/value.h"

#include <string.h>

enum {
    NAME_MAX_SIZE = 127,
    VALUE_MAX_SIZE = 256 * 1024,
    GROUPS_MAX = 64 /* more than the schema has */
};

struct syntax {
    struct mm_config_load *load;
    struct mm_span rest;
    size_t line;
    struct mm_span group;              /* "": the file itself */
    struct mm_span groups[GROUPS_MAX]; /* seen so far */
    size_t group_count;
    struct mm_buf value;
};

static void note(struct syntax *s, size_t line, const char *name,
                 const char *words)
{
    mm_config_load_note(s->load, line, name, words);
}

static int peek(const struct syntax *s)
{
    return s->rest.size > 0 ? (unsigned char)s->rest.data[0] : -1;
}

static void skip(struct syntax *s, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        s->line += s->rest.data[i] == '\n';
    }
    s->rest = mm_span_from(s->rest, size);
}

static bool is_blank(int c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n' || c == '\f';
}

static void skip_comment(struct syntax *s, bool is_block)
{
    size_t line = s->line;
    while (peek(s) >= 0) {
        if (is_block && mm_span_starts_nocase(s->rest, "*/")) {
            skip(s, 2);
            return;
        }
        if (!is_block && peek(s) == '\n') {
            return;
        }
        skip(s, 1);
    }
    if (is_block) {
        note(s, line, "", "a comment is not closed");
    }
}

/* Blanks and comments. */
static void skip_space(struct syntax *s)
{
    for (;;) {
        if (is_blank(peek(s))) {
            skip(s, 1);
        } else if (mm_span_starts_nocase(s->rest, "/*")) {
            skip(s, 2);
            skip_comment(s, true);
        } else if (peek(s) == '#' || mm_span_starts_nocase(s->rest, "//")) {
            skip_comment(s, false);
        } else {
            return;
        }
    }
}

static bool is_word_octet(int c)
{
    return c >= 0 && (mm_ascii_is_alnum((unsigned char)c) || c == '_' ||
                      c == '-' || c == '*' || c == '+' || c == '.');
}

static struct mm_span take_word(struct syntax *s)
{
    size_t size = 0;
    while (size < s->rest.size &&
           is_word_octet((unsigned char)s->rest.data[size])) {
        size++;
    }
    struct mm_span word = mm_span(s->rest.data, size);
    skip(s, size);
    return word;
}

/* To where the next setting may begin: past a semicolon, at a line's end or at
 * a bracket that closes the group. */
static void recover(struct syntax *s)
{
    bool is_quoted = false;
    while (peek(s) >= 0 && peek(s) != '\n' && (is_quoted || peek(s) != '}')) {
        int c = peek(s);
        is_quoted = is_quoted != (c == '"');
        skip(s, 1);
        if (c == ';' && !is_quoted) {
            return;
        }
    }
}

/* ---- values ---- */

/* Behind a backslash; false: it is kept as it stands, as "\\x00" is, since no
 * value has a NUL. */
static bool unescape(struct mm_span rest, char *octet_out, size_t *size_out)
{
    static const char codes[] = "\\\"nrtfabv";
    static const char octets[] = "\\\"\n\r\t\f\a\b\v";
    const char *code = rest.size > 0 && rest.data[0] != '\0'
                           ? strchr(codes, rest.data[0])
                           : NULL;
    if (code != NULL) {
        *octet_out = octets[code - codes];
        *size_out = 1;
        return true;
    }
    if (rest.size > 2 && rest.data[0] == 'x' &&
        mm_ascii_hex_value((unsigned char)rest.data[1]) >= 0 &&
        mm_ascii_hex_value((unsigned char)rest.data[2]) >= 0 &&
        (rest.data[1] != '0' || rest.data[2] != '0')) {
        *octet_out =
            (char)(mm_ascii_hex_value((unsigned char)rest.data[1]) * 16 +
                   mm_ascii_hex_value((unsigned char)rest.data[2]));
        *size_out = 3;
        return true;
    }
    return false;
}

/* One text in quotes. No value has a line end, so one that is not closed ends
 * with its line and hides nothing of what follows. */
static bool take_text(struct syntax *s, const char *name)
{
    skip(s, 1);
    while (peek(s) >= 0 && peek(s) != '"' && peek(s) != '\n') {
        char octet = s->rest.data[0];
        size_t size = 0;
        skip(s, 1);
        if (octet == '\\' && unescape(s->rest, &octet, &size)) {
            skip(s, size);
        }
        (void)mm_buf_append_char(&s->value, octet);
    }
    if (peek(s) != '"') {
        note(s, s->line, name, "a text is not closed");
        return false;
    }
    skip(s, 1);
    return true;
}

/* Digits as they stand, hexadecimal ones as decimal ones, without the L of a
 * long number; false: too large. */
static bool append_number(struct mm_buf *value, struct mm_span word)
{
    while (word.size > 1 && word.data[word.size - 1] == 'L') {
        word.size--;
    }
    if (!mm_span_starts_nocase(word, "0x")) {
        uint64_t number;
        bool is_negative = word.data[0] == '-';
        (void)mm_buf_append_span(value, word);
        return mm_span_to_u64(mm_span_from(word, is_negative ? 1 : 0),
                              &number) &&
               number <= INT64_MAX;
    }
    uint64_t number = 0;
    for (size_t i = 2; i < word.size; i++) {
        if (number > INT64_MAX / 16) {
            return false;
        }
        number = number * 16 +
                 (uint64_t)mm_ascii_hex_value((unsigned char)word.data[i]);
    }
    (void)mm_buf_append_u64(value, number);
    return true;
}

/* An integer; 1.5 and 1e3 are none. */
static bool is_number(struct mm_span word)
{
    bool is_hex = mm_span_starts_nocase(word, "0x");
    size_t at = is_hex ? 2 : word.size > 0 && word.data[0] == '-';
    while (word.size > at + 1 && word.data[word.size - 1] == 'L') {
        word.size--;
    }
    if (at >= word.size) {
        return false;
    }
    for (; at < word.size; at++) {
        if (is_hex ? mm_ascii_hex_value((unsigned char)word.data[at]) < 0
                   : !mm_ascii_is_digit((unsigned char)word.data[at])) {
            return false;
        }
    }
    return true;
}

/* A value without quotes; 0 when it is none. */
static unsigned take_bare(struct syntax *s, const char *name)
{
    size_t line = s->line;
    struct mm_span word = take_word(s);
    if (mm_span_equal_nocase(word, mm_span_cstr("true")) ||
        mm_span_equal_nocase(word, mm_span_cstr("false"))) {
        (void)mm_buf_append_span(&s->value, word);
        return MM_CONFIG_AS_FLAG;
    }
    if (is_number(word)) {
        if (append_number(&s->value, word)) {
            return MM_CONFIG_AS_NUMBER;
        }
        note(s, line, name, "the number is too large");
        return 0;
    }
    if (word.size > 0 && (mm_ascii_is_digit((unsigned char)word.data[0]) ||
                          strchr("+-.", word.data[0]) != NULL)) {
        return MM_CONFIG_AS_OTHER;
    }
    note(s, line, name,
         word.size > 0 ? "a text stands in quotes" : "the value is missing");
    return 0;
}

/* Texts side by side are one. */
static unsigned take_scalar(struct syntax *s, const char *name)
{
    if (peek(s) != '"') {
        return take_bare(s, name);
    }
    while (peek(s) == '"') {
        if (!take_text(s, name)) {
            return 0;
        }
        skip_space(s);
    }
    return MM_CONFIG_AS_TEXT;
}

/* Past the bracket that closes the one we stand at. */
static void skip_brackets(struct syntax *s)
{
    size_t depth = 0;
    bool is_quoted = false;
    while (peek(s) >= 0) {
        int c = peek(s);
        is_quoted = is_quoted != (c == '"');
        if (!is_quoted && strchr("{[(", c) != NULL) {
            depth++;
        } else if (!is_quoted && strchr("}])", c) != NULL) {
            depth--;
        }
        skip(s, 1);
        if (depth == 0) {
            return;
        }
    }
}

static unsigned take_list(struct syntax *s, const char *name)
{
    size_t line = s->line;
    int end = peek(s) == '[' ? ']' : ')';
    unsigned forms = MM_CONFIG_AS_LIST;
    const struct mm_config_key *key = mm_config_find_key(name);
    const char *between =
        key != NULL && mm_config_form_has_lines(key->form) ? "\n" : ", ";
    skip(s, 1);
    skip_space(s);
    while (peek(s) != end) {
        if (peek(s) < 0) {
            note(s, line, name, "the list is not closed");
            return 0;
        }
        if ((forms & ~(unsigned)MM_CONFIG_AS_LIST) != 0) {
            (void)mm_buf_append_cstr(&s->value, between);
        }
        unsigned form;
        if (strchr("{[(", peek(s)) != NULL) {
            skip_brackets(s);
            form = MM_CONFIG_AS_OTHER;
        } else {
            form = take_scalar(s, name);
        }
        if (form == 0) {
            return 0;
        }
        forms |= form;
        skip_space(s);
        if (peek(s) == ',') {
            skip(s, 1);
            skip_space(s);
        } else if (peek(s) != end) {
            note(s, s->line, name, "a comma is missing in the list");
            return 0;
        }
    }
    skip(s, 1);
    return forms;
}

/* ---- settings ---- */

static void add_setting(struct syntax *s, size_t line, const char *name,
                        unsigned form)
{
    enum mailmod_error error = mm_buf_error(&s->value);
    if (error == MAILMOD_ERROR_LIMIT) {
        note(s, line, name, "is too long");
    } else if (error != MAILMOD_OK) {
        s->load->error = error;
    } else {
        mm_config_load_add(s->load, line, mm_span_cstr(name), form,
                           mm_buf_span(&s->value));
    }
}

static void read_value(struct syntax *s, size_t line, const char *name)
{
    if (s->value.data != NULL) { /* it may be a secret */
        mm_secret_clear(s->value.data, s->value.capacity);
    }
    mm_buf_clear(&s->value);
    bool is_list = peek(s) == '[' || peek(s) == '(';
    unsigned form = is_list ? take_list(s, name) : take_scalar(s, name);
    if (form == 0) {
        recover(s);
        return;
    }
    add_setting(s, line, name, form);
    size_t end = s->line;
    skip_space(s);
    if (peek(s) == ';' || peek(s) == ',') {
        skip(s, 1);
    } else if (s->line == end && peek(s) >= 0 && peek(s) != '}' &&
               !mm_ascii_is_alpha((unsigned char)peek(s))) {
        note(s, s->line, name, "a semicolon is missing behind the value");
        recover(s);
    }
}

static void open_group(struct syntax *s, size_t line, struct mm_span name,
                       const char *full_name)
{
    if (s->group.size > 0) {
        note(s, line, full_name, "there is no such group");
        skip_brackets(s);
        return;
    }
    skip(s, 1);
    s->group = name;
    for (size_t i = 0; i < s->group_count; i++) {
        if (mm_span_equal(s->groups[i], name)) {
            note(s, line, full_name, "the group is there for a second time");
            return;
        }
    }
    if (s->group_count < GROUPS_MAX) {
        s->groups[s->group_count++] = name;
    }
}

static void close_group(struct syntax *s)
{
    if (s->group.size == 0) {
        note(s, s->line, "", "this } closes no group");
    }
    s->group = mm_span(NULL, 0);
    skip(s, 1);
}

static void read_setting(struct syntax *s)
{
    size_t line = s->line;
    struct mm_span word = take_word(s);
    if (word.size == 0 || (!mm_ascii_is_alpha((unsigned char)word.data[0]) &&
                           word.data[0] != '*')) {
        note(s, line, "", "a setting must begin with its name");
        recover(s);
        return;
    }
    char name[NAME_MAX_SIZE + 1];
    struct mm_buf text;
    mm_buf_init(&text, NAME_MAX_SIZE);
    (void)mm_buf_append_span(&text, s->group);
    (void)mm_buf_append_cstr(&text, s->group.size > 0 ? "." : "");
    (void)mm_buf_append_span(&text, word);
    bool fits = mm_buf_error(&text) == MAILMOD_OK &&
                mm_span_copy(mm_buf_span(&text), name, sizeof name);
    if (mm_buf_error(&text) == MAILMOD_ERROR_MEMORY) {
        s->load->error = MAILMOD_ERROR_MEMORY;
    }
    mm_buf_fini(&text);
    skip_space(s);
    if (!fits) {
        note(s, line, "", "the name is too long");
        recover(s);
    } else if (peek(s) != '=' && peek(s) != ':') {
        note(s, line, name, "must have a = and a value behind it");
        recover(s);
    } else {
        skip(s, 1);
        skip_space(s);
        if (peek(s) == '{') {
            open_group(s, line, word, name);
        } else {
            read_value(s, line, name);
        }
    }
}

void mm_config_load_text(struct mm_config_load *load)
{
    struct syntax s = {
        .load = load, .rest = mm_buf_span(&load->source.text), .line = 1};
    size_t group_line = 1;
    mm_buf_init(&s.value, VALUE_MAX_SIZE);
    /* One block for all but long lists: growing would leave a secret behind. */
    if (mm_buf_reserve(&s.value, 4096) == NULL) {
        load->error = MAILMOD_ERROR_MEMORY;
    }
    for (skip_space(&s); peek(&s) >= 0 && !mm_config_load_is_over(load);
         skip_space(&s)) {
        bool was_outside = s.group.size == 0;
        size_t line = s.line;
        if (peek(&s) == '}') {
            close_group(&s);
        } else if (peek(&s) == ';' || peek(&s) == ',') {
            skip(&s, 1);
        } else {
            read_setting(&s);
        }
        if (was_outside && s.group.size > 0) {
            group_line = line;
        }
    }
    if (s.group.size > 0) {
        char name[NAME_MAX_SIZE + 1];
        (void)mm_span_copy(s.group, name, sizeof name);
        note(&s, group_line, name, "the group is not closed");
    }
    mm_buf_wipe(&s.value);
}
