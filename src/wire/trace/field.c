/* field.c - reads, writes and compares Received fields.
 *
 * Reading goes once over the text, a word, a comment or a semicolon at a time;
 * `struct reading` says which clause stands open. The law: a word that is a
 * clause's name opens that clause once the one before it has its value; the
 * word behind a name is the value, a clause's name too; "via" and "with" take
 * all words up to a comment or the next clause, as programs name themselves
 * there; any other pair of words is a clause registered elsewhere (RFC
 * 5321 4.4.1, Additional-Registered-Clauses), which is passed over. Pure.
 * Thread: any. RFC 5321 4.4, RFC 3848, RFC 6531 4.3. */
#include "wire/trace/field.h"

#include "base/datetime.h"
#include "base/netaddr.h"

#include <stddef.h>
#include <string.h>

static const char *const fault_texts[MM_TRACE_FAULT_COUNT] = {
    "says not by whom",
    "has no date",
    "has a date that no calendar has",
    "has no semicolon before its date",
    "has its clauses in another order",
    "has a clause twice",
    "has a clause without a value",
    "has words that belong to no clause",
    "has a comment, quote or bracket without an end",
    "has octets that no header may have",
    "is too long to be read whole",
};

const char *mm_trace_fault_text(unsigned index)
{
    return index < MM_TRACE_FAULT_COUNT ? fault_texts[index] : NULL;
}

static const struct clause {
    const char *name;
    size_t offset; /* of its value */
    bool has_many_words;
} clauses[] = {
    {"from", offsetof(struct mm_trace_field, from), false},
    {"by", offsetof(struct mm_trace_field, by), false},
    {"via", offsetof(struct mm_trace_field, via), true},
    {"with", offsetof(struct mm_trace_field, with), true},
    {"id", offsetof(struct mm_trace_field, id), false},
    {"for", offsetof(struct mm_trace_field, recipient), false},
};
enum { CLAUSES = sizeof clauses / sizeof clauses[0], FROM = 0, BY = 1 };

static struct mm_span *value_of(struct mm_trace_field *field, int clause)
{
    return (struct mm_span *)(void *)((char *)field + clauses[clause].offset);
}

unsigned mm_trace_unfold(struct mm_span body, struct mm_buf *text_out)
{
    unsigned faults = 0;
    bool is_clean = mm_span_is_utf8(body);
    bool has_blank = true; /* none at the front */

    if (body.size > MM_TRACE_FIELD_MAX) {
        body = mm_span(body.data, MM_TRACE_FIELD_MAX);
        faults |= MAILMOD_RECEIVED_CUT;
    }
    for (size_t i = 0; i < body.size; i++) {
        unsigned char c = (unsigned char)body.data[i];
        if (c == ' ' || c == '\t' || c == '\r' || c == '\n') {
            if (!has_blank) {
                (void)mm_buf_append_char(text_out, ' ');
            }
            has_blank = true;
            continue;
        }
        bool is_kept = mm_ascii_is_printable(c) || (c >= 0x80 && is_clean);
        faults |= is_kept ? 0 : MAILMOD_RECEIVED_OCTETS;
        (void)mm_buf_append_char(text_out, is_kept ? (char)c : '?');
        has_blank = false;
    }
    return faults;
}

enum token_kind { TOKEN_END, TOKEN_WORD, TOKEN_COMMENT, TOKEN_SEMICOLON };

struct token {
    enum token_kind kind;
    struct mm_span text;
};

/* The size of a comment; it nests and may quote (RFC 5322 3.2.2). One without
 * an end leaves the date alone. */
static size_t comment_size(struct mm_span text, unsigned *faults)
{
    size_t end = text.size;
    size_t depth = 0;
    for (size_t i = 0; i < text.size; i++) {
        char c = text.data[i];
        if (c == '\\') {
            i++;
        } else if (c == '(') {
            depth++;
        } else if (c == ')' && --depth == 0) {
            return i + 1;
        } else if (c == ';') {
            end = i;
        }
    }
    *faults |= MAILMOD_RECEIVED_OPEN;
    return end;
}

static bool ends_word(char c)
{
    return c == ' ' || c == '(' || c == ';';
}

/* A word ends at a blank, a comment or a semicolon, but not within quotes,
 * brackets or angle brackets; where they have no end, they count for nothing.
 */
static size_t word_size(struct mm_span text, unsigned *faults)
{
    size_t size = 0;
    char end = '\0'; /* what ends the present quote or bracket */
    for (size_t i = 0; i < text.size; i++) {
        char c = text.data[i];
        if (end != '\0') {
            if (c == '\\' && end == '"') {
                i++;
            } else if (c == end) {
                end = '\0';
            }
        } else if (c == '"') {
            end = '"';
        } else if (c == '[') {
            end = ']';
        } else if (c == '<') {
            end = '>';
        } else if (ends_word(c)) {
            return i;
        }
    }
    if (end == '\0') {
        return text.size;
    }
    *faults |= MAILMOD_RECEIVED_OPEN;
    while (size < text.size && !ends_word(text.data[size])) {
        size++;
    }
    return size;
}

static struct token next_token(struct mm_span *text, unsigned *faults)
{
    struct token token = {TOKEN_END, mm_span("", 0)};
    size_t size = 0;

    *text = mm_span_trim(*text);
    if (text->size == 0) {
        return token;
    }
    if (text->data[0] == '(') {
        token.kind = TOKEN_COMMENT;
        size = comment_size(*text, faults);
    } else if (text->data[0] == ';') {
        token.kind = TOKEN_SEMICOLON;
        size = 1;
    } else {
        token.kind = TOKEN_WORD;
        size = word_size(*text, faults);
    }
    token.text = mm_span(text->data, size);
    *text = mm_span_from(*text, size);
    return token;
}

struct reading {
    struct mm_trace_field *field;
    int clause;     /* that stands open; -1: none */
    int last;       /* the one farthest in the grammar's order */
    unsigned seen;  /* bits */
    bool is_joined; /* the value's last word was just before */
    bool has_name;  /* of a clause registered elsewhere: its value comes */
};

static int find_clause(struct mm_span word)
{
    for (int i = 0; i < CLAUSES; i++) {
        if (mm_span_is_nocase(word, clauses[i].name)) {
            return i;
        }
    }
    return -1;
}

/* From the start of the one to the end of the other, which is behind it. */
static void extend(struct mm_span *value, struct mm_span by)
{
    *value =
        value->size == 0
            ? by
            : mm_span(value->data, (size_t)(by.data + by.size - value->data));
}

static bool is_waiting(const struct reading *reading)
{
    return reading->clause >= 0 &&
           value_of(reading->field, reading->clause)->size == 0;
}

static void open_clause(struct reading *reading, int clause)
{
    unsigned *faults = &reading->field->faults;

    *faults |= reading->has_name ? MAILMOD_RECEIVED_WORDS : 0;
    reading->has_name = false;
    if ((reading->seen & 1U << clause) != 0) {
        *faults |= MAILMOD_RECEIVED_TWICE;
        reading->clause = -1;
        reading->has_name = true; /* its value is passed over */
        return;
    }
    *faults |= clause < reading->last ? MAILMOD_RECEIVED_ORDER : 0;
    reading->last = clause > reading->last ? clause : reading->last;
    reading->seen |= 1U << clause;
    reading->clause = clause;
}

/* A name of a clause where a value is due. Servers may be called "id" or "by",
 * so it opens its clause only before a word that can be its value. */
static bool skips_value(const struct reading *reading, int clause,
                        struct mm_span rest)
{
    unsigned faults = 0;
    struct token next = next_token(&rest, &faults);

    return clause > reading->clause && next.kind == TOKEN_WORD &&
           find_clause(next.text) < 0;
}

/* `rest`: what is behind the word. */
static void take_word(struct reading *reading, struct mm_span word,
                      struct mm_span rest)
{
    int clause = find_clause(word);
    bool is_joined = reading->is_joined;

    reading->is_joined = false;
    if (is_waiting(reading)) {
        if (skips_value(reading, clause, rest)) { /* "from by mx.example" */
            reading->field->faults |= MAILMOD_RECEIVED_NO_VALUE;
            open_clause(reading, clause);
            return;
        }
        *value_of(reading->field, reading->clause) = word;
        reading->is_joined = true;
    } else if (clause >= 0) {
        open_clause(reading, clause);
    } else if (is_joined && clauses[reading->clause].has_many_words) {
        extend(value_of(reading->field, reading->clause), word);
        reading->is_joined = true;
    } else {
        reading->has_name = !reading->has_name;
    }
}

static void take_comment(struct reading *reading, struct mm_span comment)
{
    reading->is_joined = false;
    if (reading->seen == 0 || (reading->clause == FROM && !reading->has_name)) {
        extend(&reading->field->from_info, comment);
    } else if (reading->clause == BY && !reading->has_name) {
        extend(&reading->field->by_info, comment);
    }
}

static bool take_date(struct mm_trace_field *field, struct mm_span text)
{
    struct mm_datetime date;

    if (!mm_datetime_parse(text, &date)) {
        return false;
    }
    field->has_time = true;
    field->time_ms = date.unix_ms;
    field->zone_minutes = date.zone_minutes;
    return true;
}

/* A date without the semicolon begins with a digit or a day. */
static bool is_date_here(struct mm_trace_field *field, const char *start,
                         struct mm_span rest)
{
    struct mm_span all =
        mm_span(start, (size_t)(rest.data + rest.size - start));
    bool may_be = mm_ascii_is_digit((unsigned char)start[0]) ||
                  (all.size > 3 && (start[3] == ',' || start[3] == ' '));
    return may_be && take_date(field, all);
}

static void read_clauses(struct reading *reading, struct mm_span text)
{
    struct mm_trace_field *field = reading->field;
    bool has_semicolon = false;

    for (;;) {
        struct token token = next_token(&text, &field->faults);
        if (token.kind == TOKEN_END) {
            field->faults |= has_semicolon ? MAILMOD_RECEIVED_BAD_DATE
                                           : MAILMOD_RECEIVED_NO_DATE;
            return;
        }
        if (token.kind == TOKEN_SEMICOLON) {
            if (take_date(field, text)) {
                field->faults |= has_semicolon ? MAILMOD_RECEIVED_WORDS : 0;
                return;
            }
            has_semicolon = true;
        } else if (token.kind == TOKEN_COMMENT) {
            take_comment(reading, token.text);
        } else if (!is_waiting(reading) &&
                   is_date_here(field, token.text.data, text)) {
            field->faults |= MAILMOD_RECEIVED_NO_SEMICOLON;
            return;
        } else if (!has_semicolon) {
            take_word(reading, token.text, text);
        }
    }
}

void mm_trace_field_read(struct mm_span text, struct mm_trace_field *field_out)
{
    *field_out = (struct mm_trace_field){.faults = 0};
    for (int i = 0; i < CLAUSES; i++) {
        *value_of(field_out, i) = mm_span("", 0);
    }
    field_out->from_info = field_out->by_info = mm_span("", 0);
    struct reading reading = {.field = field_out, .clause = -1, .last = -1};
    read_clauses(&reading, text);
    field_out->faults |= is_waiting(&reading) ? MAILMOD_RECEIVED_NO_VALUE : 0;
    field_out->faults |= reading.has_name ? MAILMOD_RECEIVED_WORDS : 0;
    field_out->faults |= field_out->by.size == 0 ? MAILMOD_RECEIVED_NO_BY : 0;
}

/* The words that are registered behind "with"; others stay as they are. */
static void write_with(struct mm_buf *out, struct mm_span word)
{
    static const char *const registered[] = {
        "SMTP",      "ESMTP",      "ESMTPA",     "ESMTPS",   "ESMTPSA",
        "LMTP",      "LMTPA",      "LMTPS",      "LMTPSA",   "UTF8SMTP",
        "UTF8SMTPA", "UTF8SMTPS",  "UTF8SMTPSA", "UTF8LMTP", "UTF8LMTPA",
        "UTF8LMTPS", "UTF8LMTPSA", "MMS",        NULL};
    for (size_t i = 0; registered[i] != NULL; i++) {
        if (mm_span_is_nocase(word, registered[i])) {
            word = mm_span_cstr(registered[i]);
        }
    }
    (void)mm_buf_append_span(out, word);
}

static void write_clause(struct mm_buf *out, int clause, struct mm_span value,
                         struct mm_span info)
{
    static const char *const starts[CLAUSES] = {"",  "\r\n\t", " ",
                                                " ", " ",      "\r\n\t"};
    if (value.size == 0) {
        return;
    }
    (void)mm_buf_append_cstr(out, mm_buf_size(out) > 0 ? starts[clause] : "");
    (void)mm_buf_append_cstr(out, clauses[clause].name);
    (void)mm_buf_append_char(out, ' ');
    if (strcmp(clauses[clause].name, "with") == 0) {
        write_with(out, value);
    } else {
        (void)mm_buf_append_span(out, value);
    }
    if (info.size > 0) {
        (void)mm_buf_append_char(out, ' ');
        (void)mm_buf_append_span(out, info);
    }
}

static void write_body(struct mm_buf *out, const struct mm_trace_field *field)
{
    struct mm_trace_field values = *field;
    struct mm_span none = mm_span("", 0);

    if (field->from.size == 0) { /* a comment that stands alone */
        (void)mm_buf_append_span(out, field->from_info);
    }
    write_clause(out, FROM, field->from, field->from_info);
    write_clause(out, BY, field->by, field->by_info);
    for (int i = BY + 1; i < CLAUSES; i++) {
        write_clause(out, i, *value_of(&values, i), none);
    }
    if (field->has_time) {
        (void)mm_buf_append_cstr(out, ";\r\n\t");
        enum mailmod_error error =
            mm_datetime_rfc5322_in(out, field->time_ms, field->zone_minutes);
        out->error = error != MAILMOD_OK ? error : out->error;
    }
}

static bool is_equal(const struct mm_trace_field *a,
                     const struct mm_trace_field *b)
{
    return mm_span_equal(a->from, b->from) &&
           mm_span_equal(a->from_info, b->from_info) &&
           mm_span_equal(a->by, b->by) &&
           mm_span_equal(a->by_info, b->by_info) &&
           mm_span_equal(a->via, b->via) &&
           mm_span_equal_nocase(a->with, b->with) &&
           mm_span_equal(a->id, b->id) &&
           mm_span_equal(a->recipient, b->recipient) &&
           a->has_time == b->has_time &&
           (!a->has_time || (a->time_ms / 1000 == b->time_ms / 1000 &&
                             a->zone_minutes == b->zone_minutes));
}

enum {
    FIELD_TEXT_MAX = 2 * MM_TRACE_FIELD_MAX,
    LINE_MAX_SIZE = 998 /* RFC 5322 2.1.1 */
};

/* What was written says the same, and has no line that is too long. */
static bool reads_back(const struct mm_trace_field *field, struct mm_span body)
{
    struct mm_trace_field read;
    struct mm_buf text;
    struct mm_span line;
    struct mm_span rest = body;
    bool is_short = true;

    while (rest.size > 0) {
        (void)mm_span_cut(rest, '\n', &line, &rest);
        is_short = is_short && line.size <= LINE_MAX_SIZE - 10;
    }
    mm_buf_init(&text, MM_TRACE_FIELD_MAX);
    unsigned faults = mm_trace_unfold(body, &text);
    mm_trace_field_read(mm_buf_span(&text), &read);
    bool is_good = is_short && faults == 0 && is_equal(field, &read) &&
                   mm_buf_error(&text) == MAILMOD_OK;
    mm_buf_fini(&text);
    return is_good;
}

enum mailmod_error mm_trace_field_write(struct mm_buf *out,
                                        const struct mm_trace_field *field)
{
    struct mm_buf body;

    mm_buf_init(&body, FIELD_TEXT_MAX);
    write_body(&body, field);
    enum mailmod_error error = mm_buf_error(&body);
    if (error == MAILMOD_OK && !reads_back(field, mm_buf_span(&body))) {
        error = MAILMOD_ERROR_ARGUMENT;
    }
    if (error == MAILMOD_OK) {
        (void)mm_buf_append_cstr(out, "Received: ");
        (void)mm_buf_append_span(out, mm_buf_span(&body));
        error = mm_buf_append_cstr(out, "\r\n");
    }
    mm_buf_fini(&body);
    return error == MAILMOD_OK ? mm_buf_error(out) : error;
}

/* Domains compare without regard to case, identifiers with it. */
static int compare_spans(struct mm_span a, struct mm_span b, bool folds)
{
    size_t size = a.size < b.size ? a.size : b.size;
    for (size_t i = 0; i < size; i++) {
        int left = (unsigned char)a.data[i];
        int right = (unsigned char)b.data[i];
        if (folds) {
            left = mm_ascii_lower(left);
            right = mm_ascii_lower(right);
        }
        if (left != right) {
            return left < right ? -1 : 1;
        }
    }
    return a.size == b.size ? 0 : a.size < b.size ? -1 : 1;
}

int mm_trace_field_compare(const struct mm_trace_field *a,
                           const struct mm_trace_field *b)
{
    int order = compare_spans(a->by, b->by, true);
    if (order == 0) {
        order = compare_spans(a->id, b->id, false);
    }
    if (order == 0 && a->id.size == 0) { /* never the same */
        order = a->time_ms < b->time_ms ? -1 : 1;
    }
    return order;
}

/* An address; "IPv6:" in front of it (RFC 5321 4.1.3) goes. */
static bool take_address(struct mm_span *text)
{
    struct mm_netaddr address;
    if (mm_span_starts_nocase(*text, "IPv6:")) {
        *text = mm_span_from(*text, 5);
    }
    return mm_netaddr_parse_ip(*text, &address);
}

struct mm_span mm_trace_field_address(const struct mm_trace_field *field)
{
    struct mm_span rest = field->from_info;

    while (rest.size > 0) {
        size_t size = 0;
        while (size < rest.size &&
               strchr(" ()[]<>@,;=", rest.data[size]) == NULL) {
            size++;
        }
        struct mm_span word = mm_span(rest.data, size);
        if (size > 0 && take_address(&word)) {
            return word;
        }
        rest = mm_span_from(rest, size < rest.size ? size + 1 : size);
    }
    return mm_span("", 0);
}
