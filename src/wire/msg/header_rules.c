/* header_rules.c - the header of a sender's message, by one table.
 *
 * Owns what was set for a message. Promises: a field of the text that the
 * table does not speak of goes out octet by octet; what the host set cannot
 * end, continue or make another field; Date and From go out exactly once,
 * Message-ID unless it was prohibited; nobody sees Bcc.
 *
 * Thread: any, one message at a time. RFC 5322 2.2, 3.4 (mailboxes), 3.6;
 * RFC 6409 8; RFC 8098 2.1 (Disposition-Notification-To). A line "From ..." in
 * front, as mailbox files have it, becomes a field, as on mail's way in. */
#include "wire/msg/header_rules.h"

#include "base/datetime.h"
#include "base/limits.h"
#include "base/mem.h"

#include <string.h>

static const struct {
    const char *name;
    bool is_prefix;
    struct mm_header_rule rule;
} rules[] = {
    {"Date", false, {MM_HEADER_TIME, true, true}},
    {"From", false, {MM_HEADER_MAILBOXES, true, true}},
    {"Message-ID", false, {MM_HEADER_TEXT, false, true}},
    {"Sender", false, {MM_HEADER_MAILBOX, false, true}},
    {"Reply-To", false, {MM_HEADER_MAILBOXES, false, true}},
    {"To", false, {MM_HEADER_MAILBOXES, false, true}},
    {"Cc", false, {MM_HEADER_MAILBOXES, false, true}},
    {"Disposition-Notification-To", false, {MM_HEADER_MAILBOX, false, true}},
    {"In-Reply-To", false, {MM_HEADER_TEXT, false, true}},
    {"References", false, {MM_HEADER_TEXT, false, true}},
    {"Subject", false, {MM_HEADER_TEXT, false, true}},
    /* RFC 5322 3.6.3, 3.6.6: who gets it unseen. */
    {"Bcc", false, {MM_HEADER_NEVER, false, false}},
    {"Resent-Bcc", false, {MM_HEADER_NEVER, false, false}},
    /* RFC 5321 4.4, RFC 8098 2.3: of the last server. */
    {"Return-Path", false, {MM_HEADER_NEVER, false, false}},
    {"Original-Recipient", false, {MM_HEADER_NEVER, false, false}},
    /* RFC 5322 A: it was a field of RFC 822 and is none any more. */
    {"Resent-Reply-To", false, {MM_HEADER_NEVER, false, false}},
    {"Received", false, {MM_HEADER_KEPT, false, false}},
    {"Resent-", true, {MM_HEADER_KEPT, false, false}},
    {"Content-", true, {MM_HEADER_KEPT, false, false}},
    {"MIME-", true, {MM_HEADER_KEPT, false, false}}};

struct mm_header_rule mm_header_rule_of(struct mm_span name)
{
    for (size_t i = 0; i < sizeof rules / sizeof rules[0]; i++) {
        if (rules[i].is_prefix ? mm_span_starts_nocase(name, rules[i].name)
                               : mm_span_is_nocase(name, rules[i].name)) {
            return rules[i].rule;
        }
    }
    return (struct mm_header_rule){.kind = MM_HEADER_TEXT};
}

void mm_header_set_fini(struct mm_header_set *set)
{
    for (size_t i = 0; i < set->count; i++) {
        mm_buf_fini(&set->entries[i].value);
        mm_free(set->entries[i].name);
    }
    mm_free(set->entries);
    *set = (struct mm_header_set){.entries = NULL};
}

static struct mm_header_entry *find(const struct mm_header_set *set,
                                    struct mm_span name)
{
    for (size_t i = 0; i < set->count; i++) {
        if (mm_span_is_nocase(name, set->entries[i].name)) {
            return &set->entries[i];
        }
    }
    return NULL;
}

/* ---- what the host sets -------------------------------------------------- */

/* What may be set at all. */
static enum mm_header_mistake check_name(const char *name)
{
    struct mm_buf scratch;

    mm_buf_init(&scratch, MM_HEADER_FIELD_NAME_MAX + 8);
    enum mm_header_field_fault fault =
        mm_header_field_write(&scratch, mm_span_cstr(name), mm_span("x", 1));
    mm_buf_fini(&scratch);
    if (fault != MM_HEADER_FIELD_OK) {
        return fault == MM_HEADER_FIELD_ROOM ? MM_HEADER_SET_MEMORY
                                             : MM_HEADER_SET_NAME;
    }
    switch (mm_header_rule_of(mm_span_cstr(name)).kind) {
    case MM_HEADER_KEPT:
        return MM_HEADER_SET_KEPT;
    case MM_HEADER_NEVER:
        return MM_HEADER_SET_NEVER;
    default:
        return MM_HEADER_SET_OK;
    }
}

/* The entry of the name, a new one if need be; NULL with the mistake. */
static struct mm_header_entry *entry_of(struct mm_header_set *set,
                                        const char *name,
                                        enum mm_header_mistake *mistake)
{
    *mistake = check_name(name);
    struct mm_header_entry *entry = find(set, mm_span_cstr(name));
    if (*mistake != MM_HEADER_SET_OK || entry != NULL) {
        return *mistake == MM_HEADER_SET_OK ? entry : NULL;
    }
    if (set->count == MM_HEADER_SET_MAX) {
        *mistake = MM_HEADER_SET_FULL;
        return NULL;
    }
    *mistake = MM_HEADER_SET_MEMORY;
    struct mm_header_entry *entries = mm_array_grow(
        set->entries, set->count, &set->capacity, sizeof *set->entries);
    if (entries == NULL) {
        return NULL;
    }
    set->entries = entries;
    entry = &set->entries[set->count];
    *entry = (struct mm_header_entry){.name = mm_strdup(name)};
    if (entry->name == NULL) {
        return NULL;
    }
    mm_buf_init(&entry->value, MM_LIMIT_CHUNK);
    set->count++;
    *mistake = MM_HEADER_SET_OK;
    return entry;
}

/* Can it be written? */
static enum mm_header_mistake check_value(const char *name,
                                          struct mm_span value)
{
    struct mm_buf scratch;

    mm_buf_init(&scratch, MM_LIMIT_CHUNK);
    enum mm_header_field_fault fault =
        mm_header_field_write(&scratch, mm_span_cstr(name), value);
    mm_buf_fini(&scratch);
    switch (fault) {
    case MM_HEADER_FIELD_OK:
        return MM_HEADER_SET_OK;
    case MM_HEADER_FIELD_NAME:
        return MM_HEADER_SET_NAME;
    case MM_HEADER_FIELD_VALUE:
        return MM_HEADER_SET_VALUE;
    case MM_HEADER_FIELD_ADDRESS:
        return MM_HEADER_SET_ADDRESS;
    case MM_HEADER_FIELD_LONG:
    case MM_HEADER_FIELD_ROOM:
        break;
    }
    return MM_HEADER_SET_LONG;
}

enum mm_header_mistake mm_header_set_text(struct mm_header_set *set,
                                          const char *name, const char *value)
{
    enum mm_header_mistake mistake = check_name(name);

    if (mistake == MM_HEADER_SET_OK) {
        mistake = check_value(name, mm_span_cstr(value));
    }
    if (mistake != MM_HEADER_SET_OK) {
        return mistake;
    }
    struct mm_header_entry *entry = entry_of(set, name, &mistake);
    if (entry == NULL) {
        return mistake;
    }
    struct mm_buf fresh;
    mm_buf_init(&fresh, MM_LIMIT_CHUNK);
    if (mm_buf_append_cstr(&fresh, value) != MAILMOD_OK) {
        mm_buf_fini(&fresh);
        return MM_HEADER_SET_MEMORY;
    }
    mm_buf_fini(&entry->value);
    entry->value = fresh;
    entry->has_value = true;
    entry->names_recipients = false;
    return MM_HEADER_SET_OK;
}

/* RFC 5322 3.2.3 */
static bool is_atom(struct mm_span word)
{
    for (size_t i = 0; i < word.size; i++) {
        char c = word.data[i];
        if (!mm_ascii_is_alnum((unsigned char)c) &&
            strchr("!#$%&'*+-/=?^_`{|}~", c) == NULL) {
            return false;
        }
    }
    return word.size > 0;
}

/* Words with other letters become encoded words, which may not be quoted (RFC
 * 2047 5); any other that is no atom is quoted. */
static void put_phrase_word(struct mm_buf *out, struct mm_span word)
{
    if (mm_span_has_8bit(word) || is_atom(word)) {
        (void)mm_buf_append_span(out, word);
        return;
    }
    (void)mm_buf_append_char(out, '"');
    for (size_t i = 0; i < word.size; i++) {
        if (word.data[i] == '"' || word.data[i] == '\\') {
            (void)mm_buf_append_char(out, '\\');
        }
        (void)mm_buf_append_char(out, word.data[i]);
    }
    (void)mm_buf_append_char(out, '"');
}

static void put_phrase(struct mm_buf *out, struct mm_span phrase)
{
    struct mm_span word;

    while (phrase.size > 0) {
        (void)mm_span_cut(phrase, ' ', &word, &phrase);
        if (word.size > 0) {
            put_phrase_word(out, word);
            (void)mm_buf_append_char(out, ' ');
        }
    }
}

/* What would end it, and what it must have; the envelope's addresses are
 * checked by their own grammar, those of a header need not be anybody's. */
static bool is_mailbox(const char *mailbox)
{
    return mailbox != NULL && mailbox[0] != '\0' &&
           strpbrk(mailbox, " \t\r\n<>(),;\\\"") == NULL &&
           strchr(mailbox, '@') != NULL;
}

/* RFC 5321 4.1.2: a local part may be quoted, and holds its specials then. */
static bool is_quoted_mailbox(const char *mailbox)
{
    const char *at = mailbox != NULL ? strrchr(mailbox, '@') : NULL;

    if (at == NULL || mailbox[0] != '"' || at - mailbox < 2 || at[-1] != '"' ||
        strpbrk(at, " \t\r\n<>(),;\\\"") != NULL) {
        return false;
    }
    for (const char *c = mailbox + 1; c < at - 1; c++) {
        c += *c == '\\' ? 1 : 0;
        if (c >= at - 1 || *c == '\r' || *c == '\n' ||
            (*c == '"' && c[-1] != '\\')) {
            return false;
        }
    }
    return true;
}

enum mm_header_mistake mm_header_set_add_mailbox(struct mm_header_set *set,
                                                 const char *name,
                                                 const char *phrase,
                                                 const char *mailbox)
{
    enum mm_header_mistake mistake = check_name(name);
    enum mm_header_kind kind = mm_header_rule_of(mm_span_cstr(name)).kind;

    if (mistake != MM_HEADER_SET_OK) {
        return mistake;
    }
    if (kind != MM_HEADER_MAILBOX && kind != MM_HEADER_MAILBOXES) {
        return MM_HEADER_SET_KIND;
    }
    if (!is_mailbox(mailbox) && !is_quoted_mailbox(mailbox)) {
        return MM_HEADER_SET_VALUE;
    }
    const struct mm_header_entry *former = find(set, mm_span_cstr(name));
    bool has_former = former != NULL && former->has_value;
    if (kind == MM_HEADER_MAILBOX && has_former) {
        return MM_HEADER_SET_TWICE;
    }
    struct mm_buf value;
    mm_buf_init(&value, MM_LIMIT_CHUNK);
    if (has_former) {
        (void)mm_buf_append_span(&value, mm_buf_span(&former->value));
        (void)mm_buf_append_cstr(&value, ", ");
    }
    put_phrase(&value, mm_span_cstr(phrase));
    (void)mm_buf_appendf(&value, "<%s>", mailbox);
    const char *text =
        mm_buf_error(&value) == MAILMOD_OK ? mm_buf_cstr(&value) : NULL;
    mistake = text != NULL ? mm_header_set_text(set, name, text)
              : mm_buf_error(&value) == MAILMOD_ERROR_MEMORY
                  ? MM_HEADER_SET_MEMORY
                  : MM_HEADER_SET_LONG;
    mm_buf_fini(&value);
    return mistake;
}

enum mm_header_mistake mm_header_set_name_recipients(struct mm_header_set *set,
                                                     const char *name)
{
    enum mm_header_mistake mistake;

    if (mm_header_rule_of(mm_span_cstr(name)).kind != MM_HEADER_MAILBOXES) {
        mistake = check_name(name);
        return mistake == MM_HEADER_SET_OK ? MM_HEADER_SET_KIND : mistake;
    }
    struct mm_header_entry *entry = entry_of(set, name, &mistake);
    if (entry != NULL) {
        mm_buf_clear(&entry->value);
        entry->has_value = true;
        entry->names_recipients = true;
    }
    return mistake;
}

enum mm_header_mistake mm_header_set_option(struct mm_header_set *set,
                                            const char *name,
                                            enum mm_header_option option,
                                            bool is_on)
{
    enum mm_header_mistake mistake;

    if (option == MM_HEADER_PROHIBITS && is_on &&
        mm_header_rule_of(mm_span_cstr(name)).is_required) {
        return MM_HEADER_SET_REQUIRED;
    }
    struct mm_header_entry *entry = entry_of(set, name, &mistake);
    if (entry != NULL) {
        entry->options = is_on ? entry->options | (unsigned)option
                               : entry->options & ~(unsigned)option;
    }
    return mistake;
}

/* ---- the text's own header ----------------------------------------------- */

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

/* The line's name, or nothing when it is no field. RFC 5322 4.5: blanks may
 * stand before the colon. */
static struct mm_span name_of(struct mm_span line)
{
    size_t size = 0;

    while (size < line.size && line.data[size] > ' ' && line.data[size] < 127 &&
           line.data[size] != ':') {
        size++;
    }
    size_t colon = size;
    while (colon < line.size && is_blank(line.data[colon])) {
        colon++;
    }
    return mm_span(line.data,
                   colon < line.size && line.data[colon] == ':' ? size : 0);
}

static bool is_mailbox_line(struct mm_span line, size_t at)
{
    return at == 0 && line.size > 5 && memcmp(line.data, "From ", 5) == 0;
}

/* The line at the front, without its end; false: it is not whole. */
static bool take_line(struct mm_span text, bool is_whole,
                      struct mm_span *line_out, size_t *size_out)
{
    const char *end = memchr(text.data, '\n', text.size);

    if (end == NULL && !is_whole) {
        return false;
    }
    *size_out = end != NULL ? (size_t)(end - text.data) + 1 : text.size;
    size_t size = *size_out - (end != NULL ? 1 : 0);
    size -= size > 0 && text.data[size - 1] == '\r' ? 1 : 0;
    *line_out = mm_span(text.data, size);
    return true;
}

bool mm_header_scan(struct mm_header_scan *scan, struct mm_span text,
                    bool is_whole)
{
    struct mm_span line;
    size_t size;

    while (scan->at < text.size &&
           take_line(mm_span_from(text, scan->at), is_whole, &line, &size)) {
        bool continues =
            line.size > 0 && is_blank(line.data[0]) && scan->has_field;
        bool is_field = continues || is_mailbox_line(line, scan->at) ||
                        name_of(line).size > 0;
        if (!is_field) {
            scan->size = scan->at;
            scan->body_at = scan->at + (line.size == 0 ? size : 0);
            return true;
        }
        scan->has_field = true;
        scan->at += size;
    }
    scan->size = scan->at;
    scan->body_at = scan->at;
    return is_whole;
}

/* ---- what goes out ------------------------------------------------------- */

struct output {
    const struct mm_header_set *set;
    const struct mm_header_facts *facts;
    struct mm_buf *out;
    enum mailmod_error error;
    /* Of the table's rows, and of the set's entries: it went out. */
    bool has_rule[sizeof rules / sizeof rules[0]];
    bool has_entry[MM_HEADER_SET_MAX];
};

static void put_recipients(struct output *output, struct mm_buf *value)
{
    const struct mm_header_facts *facts = output->facts;

    for (size_t i = 0; i < facts->recipient_count; i++) {
        (void)mm_buf_appendf(value, "%s<%s>", i > 0 ? ", " : "",
                             facts->recipients[i]);
    }
}

static void put_field(struct output *output, const char *name,
                      struct mm_span value)
{
    if (mm_header_field_write(output->out, mm_span_cstr(name), value) !=
        MM_HEADER_FIELD_OK) {
        output->error = mm_buf_error(output->out) != MAILMOD_OK
                            ? mm_buf_error(output->out)
                            : MAILMOD_ERROR_ARGUMENT;
    }
}

static void put_entry(struct output *output,
                      const struct mm_header_entry *entry)
{
    struct mm_buf list;

    output->has_entry[entry - output->set->entries] = true;
    if (!entry->names_recipients) {
        put_field(output, entry->name, mm_buf_span(&entry->value));
        return;
    }
    mm_buf_init(&list, MM_HEADER_SECTION_MAX);
    put_recipients(output, &list);
    put_field(output, entry->name, mm_buf_span(&list));
    if (mm_buf_error(&list) != MAILMOD_OK) {
        output->error = mm_buf_error(&list);
    }
    mm_buf_fini(&list);
}

/* The row of a field that may be there once, or the count of rows. */
static size_t row_of(struct mm_span name)
{
    size_t row = 0;

    while (row < sizeof rules / sizeof rules[0] &&
           (!rules[row].rule.is_once ||
            !mm_span_is_nocase(name, rules[row].name))) {
        row++;
    }
    return row;
}

/* One field of the text, with the lines that continue it. */
static void take_field(struct output *output, struct mm_span name,
                       struct mm_span field)
{
    const struct mm_header_entry *entry = find(output->set, name);
    size_t row = row_of(name);
    bool is_known = row < sizeof rules / sizeof rules[0];

    if (mm_header_rule_of(name).kind == MM_HEADER_NEVER ||
        (is_known && output->has_rule[row])) {
        return;
    }
    if (entry != NULL && (entry->options & MM_HEADER_PROHIBITS) != 0) {
        return;
    }
    if (is_known) {
        output->has_rule[row] = true;
    }
    if (entry != NULL && entry->has_value &&
        (entry->options & MM_HEADER_OVERRIDES) != 0) {
        if (!output->has_entry[entry - output->set->entries]) {
            put_entry(output, entry);
        }
        return;
    }
    if (entry != NULL) {
        output->has_entry[entry - output->set->entries] = true;
    }
    (void)mm_buf_append_span(output->out, field);
}

/* The first field in `header`, which loses it. */
static void next_field(struct mm_span *header, bool is_first,
                       struct mm_span *name_out, struct mm_span *field_out)
{
    struct mm_span line;
    size_t size = 0;
    size_t field_size;

    (void)take_line(*header, true, &line, &field_size);
    *name_out =
        is_first && is_mailbox_line(line, 0) ? mm_span(NULL, 0) : name_of(line);
    while (field_size < header->size && is_blank(header->data[field_size]) &&
           take_line(mm_span_from(*header, field_size), true, &line, &size)) {
        field_size += size;
    }
    *field_out = mm_span(header->data, field_size);
    *header = mm_span_from(*header, field_size);
}

static void put_missing(struct output *output)
{
    const struct mm_header_facts *facts = output->facts;
    struct mm_buf value;

    for (size_t i = 0; i < output->set->count; i++) {
        const struct mm_header_entry *entry = &output->set->entries[i];
        size_t row = row_of(mm_span_cstr(entry->name));

        if (entry->has_value && !output->has_entry[i] &&
            (entry->options & MM_HEADER_PROHIBITS) == 0) {
            put_entry(output, entry);
            if (row < sizeof rules / sizeof rules[0]) {
                output->has_rule[row] = true;
            }
        }
    }
    mm_buf_init(&value, MM_LIMIT_CHUNK);
    if (!output->has_rule[row_of(mm_span_cstr("Date"))]) {
        (void)mm_datetime_rfc5322(&value, facts->now_ms);
        put_field(output, "Date", mm_buf_span(&value));
    }
    if (!output->has_rule[row_of(mm_span_cstr("From"))]) {
        (void)mm_buf_appendf(output->out, "From: <%s>\r\n",
                             facts->reverse_path);
    }
    const struct mm_header_entry *id =
        find(output->set, mm_span_cstr("Message-ID"));
    if (!output->has_rule[row_of(mm_span_cstr("Message-ID"))] &&
        (id == NULL || (id->options & MM_HEADER_PROHIBITS) == 0)) {
        (void)mm_buf_appendf(output->out, "Message-ID: <%s@%s>\r\n",
                             facts->identifier, facts->host_name);
    }
    if (mm_buf_error(&value) != MAILMOD_OK) {
        output->error = mm_buf_error(&value);
    }
    mm_buf_fini(&value);
}

enum mailmod_error mm_header_set_write(const struct mm_header_set *set,
                                       struct mm_span header,
                                       const struct mm_header_facts *facts,
                                       struct mm_buf *out)
{
    struct output *output = mm_alloc(sizeof *output);
    bool is_first = true;

    if (output == NULL) {
        return MAILMOD_ERROR_MEMORY;
    }
    output->set = set;
    output->facts = facts;
    output->out = out;
    while (header.size > 0) {
        struct mm_span name;
        struct mm_span field;

        next_field(&header, is_first, &name, &field);
        if (is_first && name.size == 0) {
            (void)mm_buf_append_cstr(out, "X-Mailbox-Line: ");
            (void)mm_buf_append_span(out, field);
        } else {
            take_field(output, name, field);
        }
        is_first = false;
    }
    put_missing(output);
    (void)mm_buf_append_cstr(out, "\r\n");
    enum mailmod_error error =
        output->error != MAILMOD_OK ? output->error : mm_buf_error(out);
    mm_free(output);
    return error;
}
