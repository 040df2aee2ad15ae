/* alias_text.c - reads the form of /etc/aliases, as sendmail and Postfix do.
 *
 * Pure: gives parts of the text that it was handed. "#" begins a comment, as a
 * line and where a target may stand; a line that begins with a blank goes on
 * with the one before; commas part the targets; what stands in double quotes is
 * one word. Promises: an end for every text, and no octet behind it is read.
 * Thread: any. */
#include "post/alias_text.h"

#include <string.h>

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
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

/* The line, with its end. */
static struct mm_span next_line(struct mm_span *rest)
{
    const char *lf = memchr(rest->data, '\n', rest->size);
    size_t size = lf != NULL ? (size_t)(lf - rest->data) + 1 : rest->size;
    struct mm_span line = mm_span(rest->data, size);

    *rest = mm_span_from(*rest, size);
    return line;
}

static bool is_comment(struct mm_span line)
{
    struct mm_span text = trim(line);

    return text.size == 0 || text.data[0] == '#';
}

/* It goes on with the line before. A comment between two parts is of them. */
static bool goes_on(struct mm_span line)
{
    return line.size > 0 && (is_blank(line.data[0]) || line.data[0] == '#');
}

static struct mm_span unquote(struct mm_span text)
{
    text = trim(text);
    if (text.size >= 2 && text.data[0] == '"' &&
        text.data[text.size - 1] == '"') {
        text = trim(mm_span(text.data + 1, text.size - 2));
    }
    return text;
}

/* Where `c` stands outside of quotes; the size when nowhere. */
static size_t find_bare(struct mm_span text, char c)
{
    bool is_quoted = false;
    size_t at = 0;

    while (at < text.size && (is_quoted || text.data[at] != c)) {
        is_quoted = is_quoted != (text.data[at] == '"');
        at++;
    }
    return at;
}

bool mm_alias_text_next(struct mm_alias_text *text,
                        struct mm_alias_entry *entry_out)
{
    struct mm_span whole = mm_span(NULL, 0);

    while (whole.size == 0 && text->rest.size > 0) {
        struct mm_span line = next_line(&text->rest);

        text->line += 1 + text->passed;
        text->passed = 0;
        if (!is_comment(line)) {
            whole = line;
        }
    }
    while (whole.size > 0 && goes_on(text->rest)) {
        whole.size += next_line(&text->rest).size;
        text->passed++;
    }
    size_t colon = find_bare(whole, ':');
    *entry_out = (struct mm_alias_entry){.targets = mm_span(NULL, 0)};
    if (colon < whole.size) {
        entry_out->name = unquote(mm_span(whole.data, colon));
        entry_out->targets = mm_span_from(whole, colon + 1);
    }
    return whole.size > 0;
}

/* Blanks, commas and comments before the next target. */
static void skip_to_target(struct mm_span *rest)
{
    while (rest->size > 0 && (is_blank(rest->data[0]) || rest->data[0] == ',' ||
                              rest->data[0] == '#')) {
        if (rest->data[0] == '#') {
            (void)next_line(rest);
        } else {
            *rest = mm_span_from(*rest, 1);
        }
    }
}

/* The next one as it stands; empty at the end. */
static struct mm_span next_target(struct mm_span *rest)
{
    struct mm_span text = mm_span(NULL, 0);

    skip_to_target(rest);
    while (text.size == 0 && rest->size > 0) {
        size_t size = find_bare(*rest, ',');
        size_t line = find_bare(*rest, '\n');

        size = line < size ? line : size;
        text = unquote(mm_span(rest->data, size));
        *rest = mm_span_from(*rest, size);
        skip_to_target(rest);
    }
    return text;
}

bool mm_alias_target_next(struct mm_span *rest,
                          struct mm_alias_target *target_out)
{
    static const char include[] = ":include:";
    struct mm_span text = next_target(rest);

    target_out->kind = MM_ALIAS_ADDRESS;
    if (mm_span_starts_nocase(text, include)) {
        target_out->kind = MM_ALIAS_INCLUDE;
        text = unquote(mm_span_from(text, sizeof include - 1));
    } else if (mm_span_is_nocase(text, ":hidden:")) {
        target_out->kind = MM_ALIAS_HIDDEN;
    } else if (mm_span_is_nocase(text, ":shown:")) {
        target_out->kind = MM_ALIAS_SHOWN;
    } else if (text.size > 0 && (text.data[0] == '|' || text.data[0] == '/')) {
        target_out->kind = MM_ALIAS_FOREIGN;
    }
    target_out->text = text;
    return text.size > 0;
}
