/* rule_expression.c - expressions of rules: parsed once, asked often.
 *
 * Owns a tree of nodes in one array, in which each node stands behind those
 * that it is made of. Promises: neither depth nor length can make an answer
 * take more than one look at each node; a variable or a function that there is
 * not is a mistake, not a text.
 * Thread: any. */
#include "server/rule_expression.h"

#include "base/mem.h"
#include "base/pattern.h"

#include <string.h>

enum { NODES_MAX = 200, DEPTH_MAX = 32 };

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

enum variable { SENDER, HELLO, CONTROL, CHECK_HELLO, VARIABLES };

struct node {
    enum kind kind;
    enum variable variable;
    size_t left, right; /* indexes */
    char *text;         /* VALUE */
    struct mm_pattern *pattern;
};

struct mm_rule_expression {
    struct node *nodes; /* the last one is the whole */
    size_t count;
    size_t capacity;
    bool wants_helo;
};

struct parser {
    struct mm_rule_expression *expression;
    struct mm_span rest;
    unsigned depth;
    struct mm_buf *mistake;
};

static const char *const variables[VARIABLES] = {[SENDER] = "$sender",
                                                 [HELLO] = "$hello",
                                                 [CONTROL] = "$control",
                                                 [CHECK_HELLO] = "$checkhello"};

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
    struct mm_rule_expression *e = p->expression;
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

static enum mailmod_error parse_variable(struct parser *p, size_t *index_out)
{
    struct mm_span word = take_word(p);

    for (int i = 0; i < VARIABLES; i++) {
        if (mm_span_is_nocase(word, variables[i])) {
            p->expression->wants_helo |= i == CHECK_HELLO;
            return add(
                p,
                (struct node){.kind = VARIABLE, .variable = (enum variable)i},
                index_out);
        }
    }
    return refuse(p, "names a variable that there is not: there are $sender, "
                     "$hello, $control and $checkhello");
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

enum mailmod_error
mm_rule_expression_new(struct mm_rule_expression **expression_out,
                       struct mm_span text, struct mm_buf *mistake_out)
{
    struct mm_rule_expression *expression = mm_alloc(sizeof *expression);
    struct parser parser = {
        .expression = expression, .rest = text, .mistake = mistake_out};
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
        mm_rule_expression_free(&expression);
        return error;
    }
    *expression_out = expression;
    return MAILMOD_OK;
}

void mm_rule_expression_free(struct mm_rule_expression **expression_in)
{
    struct mm_rule_expression *expression = *expression_in;

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

static const char *value_of(const struct node *node,
                            const struct mm_rule_facts *facts)
{
    if (node->kind == VALUE) {
        return node->text;
    }
    switch (node->variable) {
    case SENDER:
        return facts->sender;
    case HELLO:
        return facts->helo;
    case CONTROL:
        return facts->control;
    default:
        return facts->helo_is_peers == MM_RULE_YES ? "1" : "0";
    }
}

static int compare(const char *a, const char *b)
{
    uint64_t x;
    uint64_t y;

    if (mm_span_to_u64(mm_span_cstr(a), &x) &&
        mm_span_to_u64(mm_span_cstr(b), &y)) {
        return x < y ? -1 : x > y;
    }
    while (*a != '\0' && mm_ascii_lower(*a) == mm_ascii_lower(*b)) {
        a++;
        b++;
    }
    return mm_ascii_lower((unsigned char)*a) -
           mm_ascii_lower((unsigned char)*b);
}

/* Operands of comparisons are values; those of the others were answered. */
static bool answer(const struct mm_rule_expression *e, size_t index,
                   const bool *answers, const struct mm_rule_facts *facts)
{
    const struct node *node = &e->nodes[index];

    switch (node->kind) {
    case NOT:
        return !answers[node->left];
    case AND:
        return answers[node->left] && answers[node->right];
    case OR:
        return answers[node->left] || answers[node->right];
    case VALUE:
    case VARIABLE:
        return value_of(node, facts)[0] != '\0' &&
               strcmp(value_of(node, facts), "0") != 0;
    default:
        break;
    }
    const char *left = value_of(&e->nodes[node->left], facts);
    if (node->kind == MATCH) {
        return mm_pattern_matches(node->pattern, mm_span_cstr(left));
    }
    const char *right = value_of(&e->nodes[node->right], facts);
    switch (node->kind) {
    case EQUAL:
        return compare(left, right) == 0;
    case UNEQUAL:
        return compare(left, right) != 0;
    case LESS:
        return compare(left, right) < 0;
    case GREATER:
        return compare(left, right) > 0;
    case LESS_EQUAL:
        return compare(left, right) <= 0;
    case GREATER_EQUAL:
        return compare(left, right) >= 0;
    default: /* PART */
        return mm_span_has_nocase(mm_span_cstr(left), right);
    }
}

enum mm_rule_answer
mm_rule_expression_ask(const struct mm_rule_expression *expression,
                       const struct mm_rule_facts *facts)
{
    bool answers[NODES_MAX];

    if (expression->wants_helo && facts->helo_is_peers == MM_RULE_WANTS_HELO) {
        return MM_RULE_WANTS_HELO;
    }
    for (size_t i = 0; i < expression->count; i++) {
        answers[i] = answer(expression, i, answers, facts);
    }
    return answers[expression->count - 1] ? MM_RULE_YES : MM_RULE_NO;
}
