/* expression.c - expressions over texts: parsed once, asked often.
 *
 * Owns a tree of nodes in one array, in which each node stands behind those
 * that it is made of. Promises: neither depth nor length can make an answer
 * take more than one look at each node; what need not be known is not asked
 * for; a variable or a function that there is not is a mistake, not a text.
 * Thread: any. */
#include "base/expression.h"

#include "base/mem.h"
#include "base/pattern.h"

#include <string.h>

/* PART_MAX: a longer part is in no text. */
enum { NODES_MAX = 200, DEPTH_MAX = 32, PART_MAX = 1000 };

enum kind {
    VALUE,
    VARIABLE,
    NOT,
    AND,
    OR,
    EQUAL,
    UNEQUAL,
    LESS,
    GREATER,
    LESS_EQUAL,
    GREATER_EQUAL,
    PART,
    MATCH
};

struct node {
    enum kind kind;
    size_t variable;    /* VARIABLE */
    size_t left, right; /* indexes */
    char *text;         /* VALUE; VARIABLE: its word, NULL for none */
    struct mm_pattern *pattern;
};

struct mm_expression {
    struct node *nodes; /* the last one is the whole */
    size_t count;
    size_t capacity;
};

struct parser {
    struct mm_expression *expression;
    const struct mm_expression_names *names;
    struct mm_span rest;
    unsigned depth;
    struct mm_buf *mistake;
};

static enum mailmod_error refuse(const struct parser *p, const char *words)
{
    if (p->mistake != NULL) {
        (void)mm_buf_append_cstr(p->mistake, words);
    }
    return MAILMOD_ERROR_SYNTAX;
}

/* On an error the node's own memory is given back. */
static enum mailmod_error add(struct parser *p, struct node node,
                              size_t *index_out)
{
    struct mm_expression *e = p->expression;
    struct node *nodes = NULL;
    enum mailmod_error error = MAILMOD_ERROR_MEMORY;

    if (e->count >= NODES_MAX) {
        error = refuse(p, "is too long");
    } else {
        nodes = mm_array_grow(e->nodes, e->count, &e->capacity, sizeof *nodes);
    }
    if (nodes == NULL) {
        mm_free(node.text);
        mm_pattern_free(&node.pattern);
        return error;
    }
    e->nodes = nodes;
    *index_out = e->count;
    nodes[e->count++] = node;
    return MAILMOD_OK;
}

static void skip_blanks(struct parser *p)
{
    while (p->rest.size > 0 && strchr(" \t", p->rest.data[0]) != NULL) {
        p->rest = mm_span_from(p->rest, 1);
    }
}

static bool take(struct parser *p, const char *token)
{
    skip_blanks(p);
    bool is_there = mm_span_starts_nocase(p->rest, token);
    if (is_there) {
        p->rest = mm_span_from(p->rest, strlen(token));
    }
    return is_there;
}

static enum mailmod_error add_text(struct parser *p, struct mm_span text,
                                   size_t *index_out)
{
    struct node node = {.kind = VALUE,
                        .text = mm_memdup0(text.data, text.size)};

    return node.text == NULL ? MAILMOD_ERROR_MEMORY : add(p, node, index_out);
}

/* Up to the next octet that is none of a word. */
static struct mm_span take_word(struct parser *p)
{
    size_t size = 0;

    while (size < p->rest.size &&
           strchr(" \t=!<>~&|()\"'", p->rest.data[size]) == NULL) {
        size++;
    }
    struct mm_span word = mm_span(p->rest.data, size);
    p->rest = mm_span_from(p->rest, size);
    return word;
}

/* $in_text: its words are up to the next bracket, whatever they are. */
static enum mailmod_error parse_in_text(struct parser *p, size_t *index_out)
{
    struct node node = {.kind = PART};
    struct mm_span words;

    if (!mm_span_cut(mm_span_from(p->rest, 1), ')', &words, &p->rest)) {
        return refuse(p, "has a ( that is not closed");
    }
    enum mailmod_error error =
        add(p, (struct node){.kind = VARIABLE, .variable = p->names->in_text},
            &node.left);
    if (error == MAILMOD_OK) {
        error = add_text(p, words, &node.right);
    }
    return error == MAILMOD_OK ? add(p, node, index_out) : error;
}

static enum mailmod_error refuse_variable(const struct parser *p)
{
    size_t count = p->names->count;

    if (p->mistake != NULL) {
        (void)mm_buf_append_cstr(
            p->mistake, "names a variable that there is not: there are ");
        for (size_t i = 0; i < count; i++) {
            (void)mm_buf_append_cstr(p->mistake, i == 0           ? ""
                                                 : i + 1 == count ? " and "
                                                                  : ", ");
            (void)mm_buf_append_cstr(p->mistake, p->names->variables[i]);
        }
    }
    return MAILMOD_ERROR_SYNTAX;
}

/* One that takes a word must have it. */
static enum mailmod_error add_variable(struct parser *p, size_t variable,
                                       struct mm_span word, size_t *index_out)
{
    const char *name = p->names->variables[variable];
    struct node node = {.kind = VARIABLE, .variable = variable};

    if (name[strlen(name) - 1] == ':') {
        if (word.size == 0) {
            return refuse(p, "lacks a name behind a variable and a :");
        }
        node.text = mm_memdup0(word.data, word.size);
        if (node.text == NULL) {
            return MAILMOD_ERROR_MEMORY;
        }
    }
    return add(p, node, index_out);
}

static enum mailmod_error parse_variable(struct parser *p, size_t *index_out)
{
    struct mm_span word = take_word(p);

    if (p->names->has_in_text && mm_span_is_nocase(word, "$in_text") &&
        p->rest.size > 0 && p->rest.data[0] == '(') {
        return parse_in_text(p, index_out);
    }
    for (size_t i = 0; i < p->names->count; i++) {
        if (mm_span_is_nocase(word, p->names->variables[i])) {
            return add_variable(p, i, mm_span("", 0), index_out);
        }
        size_t size = strlen(p->names->variables[i]);
        if (p->names->variables[i][size - 1] == ':' && word.size > size &&
            mm_span_starts_nocase(word, p->names->variables[i])) {
            return add_variable(p, i, mm_span_from(word, size), index_out);
        }
    }
    return refuse_variable(p);
}

static enum mailmod_error parse_value(struct parser *p, size_t *index_out)
{
    skip_blanks(p);
    char first = p->rest.size > 0 ? p->rest.data[0] : '\0';
    struct mm_span text;
    if (first == '$') {
        return parse_variable(p, index_out);
    }
    if (first == '"' || first == '\'') {
        p->rest = mm_span_from(p->rest, 1);
        if (!mm_span_cut(p->rest, first, &text, &p->rest)) {
            return refuse(p, "has a quotation mark that is not closed");
        }
        return add_text(p, text, index_out);
    }
    text = take_word(p);
    if (text.size == 0) {
        return refuse(p, "lacks a value");
    }
    if (p->rest.size > 0 && p->rest.data[0] == '(') {
        return refuse(p, "calls a function, and there is none");
    }
    return add_text(p, text, index_out);
}

/* Behind "=~". A "/" inside has a "\" before it. */
static enum mailmod_error parse_pattern(struct parser *p, struct node *node)
{
    size_t size = 0;
    bool ignores_case = false;

    if (!take(p, "/")) {
        return refuse(p, "lacks a /pattern/ behind =~");
    }
    while (size < p->rest.size && p->rest.data[size] != '/') {
        size += p->rest.data[size] == '\\' && size + 1 < p->rest.size ? 2 : 1;
    }
    if (size >= p->rest.size) {
        return refuse(p, "has a pattern that is not closed");
    }
    struct mm_span text = mm_span(p->rest.data, size);
    p->rest = mm_span_from(p->rest, size + 1);
    while (p->rest.size > 0 && strchr("igvcIGVC", p->rest.data[0]) != NULL) {
        ignores_case |= mm_ascii_lower(p->rest.data[0]) == 'i';
        p->rest = mm_span_from(p->rest, 1);
    }
    return mm_pattern_new(&node->pattern, text, ignores_case, p->mistake);
}

/* Value [operator value] */
static enum mailmod_error parse_comparison(struct parser *p, size_t *index_out)
{
    static const struct {
        const char *token;
        enum kind kind;
    } operators[] = {{"=~", MATCH},      {"==", EQUAL},         {"!=", UNEQUAL},
                     {"<=", LESS_EQUAL}, {">=", GREATER_EQUAL}, {"=", EQUAL},
                     {"<", LESS},        {">", GREATER},        {"~", PART}};
    struct node node = {.kind = VALUE};
    enum mailmod_error error = parse_value(p, &node.left);

    for (size_t i = 0; error == MAILMOD_OK && node.kind == VALUE &&
                       i < sizeof operators / sizeof operators[0];
         i++) {
        if (take(p, operators[i].token)) {
            node.kind = operators[i].kind;
        }
    }
    if (error != MAILMOD_OK || node.kind == VALUE) {
        *index_out = node.left;
        return error;
    }
    error = node.kind == MATCH ? parse_pattern(p, &node)
                               : parse_value(p, &node.right);
    return error == MAILMOD_OK ? add(p, node, index_out) : error;
}

static enum mailmod_error parse_or(struct parser *p, size_t *index_out);

static enum mailmod_error parse_factor(struct parser *p, size_t *index_out)
{
    struct node node = {.kind = NOT};
    enum mailmod_error error;

    if (++p->depth > DEPTH_MAX) {
        return refuse(p, "nests too deep");
    }
    if (take(p, "(")) {
        error = parse_or(p, index_out);
        if (error == MAILMOD_OK && !take(p, ")")) {
            error = refuse(p, "has a ( that is not closed");
        }
    } else if (take(p, "!")) {
        error = parse_factor(p, &node.left);
        error = error == MAILMOD_OK ? add(p, node, index_out) : error;
    } else {
        error = parse_comparison(p, index_out);
    }
    p->depth--;
    return error;
}

static enum mailmod_error
parse_chain(struct parser *p, const char *token, enum kind kind,
            enum mailmod_error (*parse)(struct parser *, size_t *),
            size_t *index_out)
{
    enum mailmod_error error = parse(p, index_out);

    while (error == MAILMOD_OK && take(p, token)) {
        struct node node = {.kind = kind, .left = *index_out};
        error = parse(p, &node.right);
        error = error == MAILMOD_OK ? add(p, node, index_out) : error;
    }
    return error;
}

static enum mailmod_error parse_and(struct parser *p, size_t *index_out)
{
    return parse_chain(p, "&&", AND, parse_factor, index_out);
}

static enum mailmod_error parse_or(struct parser *p, size_t *index_out)
{
    return parse_chain(p, "||", OR, parse_and, index_out);
}

enum mailmod_error mm_expression_new(struct mm_expression **expression_out,
                                     struct mm_span text,
                                     const struct mm_expression_names *names,
                                     struct mm_buf *mistake_out)
{
    struct mm_expression *expression = mm_alloc(sizeof *expression);
    struct parser parser = {.expression = expression,
                            .names = names,
                            .rest = text,
                            .mistake = mistake_out};
    size_t whole;

    *expression_out = NULL;
    if (expression == NULL) {
        return MAILMOD_ERROR_MEMORY;
    }
    enum mailmod_error error = parse_or(&parser, &whole);
    skip_blanks(&parser);
    if (error == MAILMOD_OK && parser.rest.size > 0) {
        error = refuse(&parser, "has something behind its end");
    }
    if (error != MAILMOD_OK) {
        mm_expression_free(&expression);
        return error;
    }
    *expression_out = expression;
    return MAILMOD_OK;
}

void mm_expression_free(struct mm_expression **expression_in)
{
    struct mm_expression *expression = *expression_in;

    *expression_in = NULL;
    if (expression == NULL) {
        return;
    }
    for (size_t i = 0; i < expression->count; i++) {
        mm_free(expression->nodes[i].text);
        mm_pattern_free(&expression->nodes[i].pattern);
    }
    mm_free(expression->nodes);
    mm_free(expression);
}

bool mm_expression_uses(const struct mm_expression *expression, size_t variable)
{
    for (size_t i = 0; i < expression->count; i++) {
        if (expression->nodes[i].kind == VARIABLE &&
            expression->nodes[i].variable == variable) {
            return true;
        }
    }
    return false;
}

size_t mm_expression_cost(const struct mm_expression *expression)
{
    size_t cost = 1;

    for (size_t i = 0; i < expression->count; i++) {
        const struct node *node = &expression->nodes[i];

        if (node->kind == MATCH) {
            cost += mm_pattern_steps(node->pattern);
        } else if (node->kind == PART) {
            const struct node *part = &expression->nodes[node->right];
            cost += part->kind == VALUE ? strlen(part->text) : PART_MAX;
        } else {
            cost++;
        }
    }
    return cost;
}

/* ---- asking ---- */

struct question {
    const struct mm_expression *expression;
    mm_expression_value value;
    void *context;
};

static struct mm_span value_of(const struct question *q, size_t index)
{
    const struct node *node = &q->expression->nodes[index];

    return node->kind == VALUE ? mm_span_cstr(node->text)
                               : q->value(q->context, node->variable,
                                          node->text != NULL ? node->text : "");
}

static int compare(struct mm_span a, struct mm_span b)
{
    uint64_t x;
    uint64_t y;
    size_t i = 0;

    if (mm_span_to_u64(a, &x) && mm_span_to_u64(b, &y)) {
        return x < y ? -1 : x > y;
    }
    while (i < a.size && i < b.size &&
           mm_ascii_lower(a.data[i]) == mm_ascii_lower(b.data[i])) {
        i++;
    }
    int left = i < a.size ? mm_ascii_lower((unsigned char)a.data[i]) : 0;
    int right = i < b.size ? mm_ascii_lower((unsigned char)b.data[i]) : 0;
    return left - right;
}

static bool has_part(struct mm_span text, struct mm_span part)
{
    for (size_t i = 0; part.size <= PART_MAX && i + part.size <= text.size;
         i++) {
        if (mm_span_equal_nocase(mm_span(text.data + i, part.size), part)) {
            return true;
        }
    }
    return false;
}

static bool is_order(enum kind kind, int order)
{
    switch (kind) {
    case EQUAL:
        return order == 0;
    case UNEQUAL:
        return order != 0;
    case LESS:
        return order < 0;
    case GREATER:
        return order > 0;
    case LESS_EQUAL:
        return order <= 0;
    default: /* GREATER_EQUAL */
        return order >= 0;
    }
}

/* As deep as the tree, which has NODES_MAX nodes. */
static bool is_true(const struct question *q, size_t index)
{
    const struct node *node = &q->expression->nodes[index];
    struct mm_span value;

    switch (node->kind) {
    case NOT:
        return !is_true(q, node->left);
    case AND:
        return is_true(q, node->left) && is_true(q, node->right);
    case OR:
        return is_true(q, node->left) || is_true(q, node->right);
    case VALUE:
    case VARIABLE:
        value = value_of(q, index);
        return value.size > 0 && !mm_span_is(value, "0");
    case MATCH:
        return mm_pattern_matches(node->pattern, value_of(q, node->left));
    case PART:
        return has_part(value_of(q, node->left), value_of(q, node->right));
    default:
        return is_order(node->kind, compare(value_of(q, node->left),
                                            value_of(q, node->right)));
    }
}

bool mm_expression_is_true_for(const struct mm_expression *expression,
                               mm_expression_value value, void *context)
{
    const struct question question = {expression, value, context};

    return is_true(&question, expression->count - 1);
}

static struct mm_span value_at(void *context, size_t variable, const char *word)
{
    const struct mm_span *const *values = context;

    (void)word;
    return (*values)[variable];
}

bool mm_expression_is_true(const struct mm_expression *expression,
                           const struct mm_span *values)
{
    return mm_expression_is_true_for(expression, value_at, &values);
}
