/* addresses.c - the addresses in a list of mailboxes and groups.
 *
 * Owns nothing but what it adds. Reads the value of a field or a word of the
 * command line: comments, quoted strings, display names, routes in angle
 * brackets and groups, folded or not (RFC 5322 3.4, 4.4). An address without a
 * domain, as cron and mail programs on one machine write it, gets the
 * machine's. What is no address is handed on as it is: the library refuses it
 * in words. */
#include "addresses.h"

#include <stdlib.h>
#include <string.h>

int text_add(struct text *text, const char *octets, size_t size)
{
    if (size >= (size_t)-1 / 2 - text->size) {
        return -1;
    }
    if (text->size + size + 1 > text->capacity) {
        size_t capacity = 2 * (text->size + size + 1);
        char *larger = realloc(text->octets, capacity);
        if (larger == NULL) {
            return -1;
        }
        text->octets = larger;
        text->capacity = capacity;
    }
    if (size > 0) {
        memcpy(text->octets + text->size, octets, size);
    }
    text->size += size;
    text->octets[text->size] = '\0';
    return 0;
}

void text_free(struct text *text)
{
    free(text->octets);
    *text = (struct text){.octets = NULL};
}

struct walk {
    const char *list;
    size_t size;
    size_t at;
    const char *domain;
    struct text *copy;
    size_t copied; /* of the list */
    struct addresses *found;
    int failed;
};

/* One mailbox: the part in angle brackets, or its words without comments. */
struct element {
    size_t begin, end;             /* words */
    size_t angle_begin, angle_end; /* inside the brackets */
    int has_words, has_angle;
};

static int is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* Behind a quoted string, whose quotation mark is at the place. */
static size_t skip_quoted(const struct walk *walk, size_t at)
{
    at++;
    while (at < walk->size && walk->list[at] != '"') {
        at += walk->list[at] == '\\' && at + 1 < walk->size ? 2 : 1;
    }
    return at < walk->size ? at + 1 : walk->size;
}

/* Behind a comment; they nest (RFC 5322 3.2.2). */
static size_t skip_comment(const struct walk *walk, size_t at)
{
    size_t depth = 0;

    while (at < walk->size) {
        char c = walk->list[at];
        if (c == '\\' && at + 1 < walk->size) {
            at++;
        } else if (c == '(') {
            depth++;
        } else if (c == ')') {
            depth--;
        }
        at++;
        if (depth == 0) {
            break;
        }
    }
    return at;
}

/* Up to the closing bracket, or the end. */
static size_t skip_angle(const struct walk *walk, size_t at)
{
    while (at < walk->size && walk->list[at] != '>') {
        at = walk->list[at] == '"' ? skip_quoted(walk, at) : at + 1;
    }
    return at;
}

static int has_domain(const struct walk *walk, size_t begin, size_t end)
{
    for (size_t at = begin; at < end;) {
        if (walk->list[at] == '"') {
            at = skip_quoted(walk, at);
            continue;
        }
        if (walk->list[at] == '@') {
            return 1;
        }
        at++;
    }
    return 0;
}

static void copy_to(struct walk *walk, size_t at)
{
    if (walk->copy != NULL && at > walk->copied) {
        walk->failed |= text_add(walk->copy, walk->list + walk->copied,
                                 at - walk->copied) != 0;
        walk->copied = at;
    }
}

static void use_address(struct walk *walk, size_t begin, size_t end)
{
    while (begin < end && is_blank(walk->list[begin])) {
        begin++;
    }
    while (end > begin && is_blank(walk->list[end - 1])) {
        end--;
    }
    if (begin == end) {
        return; /* "<>", or nothing between two commas */
    }
    int is_bare = !has_domain(walk, begin, end);
    size_t domain_size = strlen(walk->domain);
    copy_to(walk, end);
    if (is_bare && walk->copy != NULL) {
        walk->failed |= text_add(walk->copy, "@", 1) != 0;
        walk->failed |= text_add(walk->copy, walk->domain, domain_size) != 0;
    }
    if (walk->found == NULL) {
        return;
    }
    struct text *texts = &walk->found->texts;
    walk->failed |= text_add(texts, walk->list + begin, end - begin) != 0;
    if (is_bare) {
        walk->failed |= text_add(texts, "@", 1) != 0;
        walk->failed |= text_add(texts, walk->domain, domain_size) != 0;
    }
    walk->failed |= text_add(texts, "", 1) != 0;
    walk->found->count++;
}

static void end_element(struct walk *walk, struct element *element)
{
    if (element->has_angle) {
        use_address(walk, element->angle_begin, element->angle_end);
    } else if (element->has_words) {
        use_address(walk, element->begin, element->end);
    }
    *element = (struct element){.begin = 0};
}

static void add_word(struct element *element, size_t begin, size_t end)
{
    if (!element->has_words) {
        element->begin = begin;
        element->has_words = 1;
    }
    element->end = end;
}

/* One token, and where the next one begins. */
static void take_token(struct walk *walk, struct element *element)
{
    size_t at = walk->at;
    char c = walk->list[at];

    walk->at = at + 1;
    if (c == '(') {
        walk->at = skip_comment(walk, at);
    } else if (c == '"') {
        walk->at = skip_quoted(walk, at);
        add_word(element, at, walk->at);
    } else if (c == '<') {
        element->has_angle = 1;
        element->angle_begin = at + 1;
        element->angle_end = skip_angle(walk, at + 1);
        walk->at = element->angle_end < walk->size ? element->angle_end + 1
                                                   : walk->size;
    } else if (c == ',' || c == ';') {
        end_element(walk, element);
    } else if (c == '[') {
        while (walk->at < walk->size && walk->list[walk->at - 1] != ']') {
            walk->at++; /* an address literal has colons */
        }
        add_word(element, at, walk->at);
    } else if (c == ':') {
        *element = (struct element){.begin = 0}; /* it was a group's name */
    } else if (!is_blank(c)) {
        add_word(element, at, at + 1);
    }
}

int addresses_read(const char *list, size_t size, const char *domain,
                   struct text *copy_out, struct addresses *found)
{
    struct walk walk = {.list = list,
                        .size = size,
                        .domain = domain,
                        .copy = copy_out,
                        .found = found};
    struct element element = {.begin = 0};

    while (walk.at < size) {
        take_token(&walk, &element);
    }
    end_element(&walk, &element);
    copy_to(&walk, size);
    return walk.failed ? -1 : 0;
}
