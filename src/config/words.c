/* words.c - a line of words "setting=value" with blanks between.
 *
 * Owns nothing. Promises: a word is there once; who may not stand beside
 * another one does not; words about a mistake name the setting and never show
 * what was given for it.
 * Thread: any. */
#include "config/words.h"

#include "config/mistake.h"
#include "config/proxy.h"
#include "config/value.h"

bool mm_config_next_line(struct mm_span *rest, struct mm_span *line_out)
{
    *line_out = mm_span(NULL, 0);
    while (rest->size > 0 && line_out->size == 0) {
        (void)mm_span_cut(*rest, '\n', line_out, rest);
        *line_out = mm_span_trim(*line_out);
    }
    return line_out->size > 0;
}

struct parse {
    const struct mm_config_words *words;
    void *record;
    struct mm_buf *mistake;
    bool is_set[MM_CONFIG_WORDS_MAX];
};

static const struct mm_config_word *find(const struct mm_config_words *words,
                                         struct mm_span name, bool is_flag)
{
    for (size_t i = 0; i < words->count; i++) {
        const struct mm_config_word *row = &words->rows[i];
        if (mm_span_is(name, row->name) && row->is_flag == is_flag) {
            return row;
        }
    }
    return NULL;
}

static enum mailmod_error take(struct parse *p, struct mm_span name,
                               bool is_flag, struct mm_span value)
{
    const struct mm_config_word *word = find(p->words, name, is_flag);
    const char *what = p->words->what;
    if (word == NULL) {
        return mm_config_refuse(p->mistake, "%s has a word that is no setting",
                                what);
    }
    size_t row = (size_t)(word - p->words->rows);
    size_t place = word->same != 0 ? word->same : row;
    if (p->is_set[place]) {
        return mm_config_refuse(p->mistake, "%s is there twice in %s",
                                word->name, what);
    }
    p->is_set[place] = true;
    if (!word->read(value, (char *)p->record + word->offset, word->size)) {
        return mm_config_refuse(p->mistake, "%s of %s must be %s", word->name,
                                what, word->form);
    }
    return MAILMOD_OK;
}

static enum mailmod_error take_words(struct parse *p, struct mm_span line)
{
    enum mailmod_error error = MAILMOD_OK;
    line = mm_span_trim(line);
    while (error == MAILMOD_OK && line.size > 0) {
        struct mm_span word;
        struct mm_span rest;
        struct mm_span name;
        struct mm_span value;
        (void)mm_span_cut(line, ' ', &word, &rest);
        bool is_flag = !mm_span_cut(word, '=', &name, &value);
        if (mm_span_is(name, "password") && !is_flag) {
            value = mm_span(value.data,
                            (size_t)(line.data + line.size - value.data));
            rest = mm_span(NULL, 0);
        }
        error = take(p, name, is_flag, value);
        line = mm_span_trim(rest);
    }
    return error;
}

enum mailmod_error mm_config_words_read(const struct mm_config_words *words,
                                        struct mm_span line, void *record,
                                        struct mm_buf *mistake_out)
{
    struct parse p = {.words = words, .record = record, .mistake = mistake_out};
    enum mailmod_error error = take_words(&p, line);
    for (size_t i = 0; error == MAILMOD_OK && i < words->count; i++) {
        if (words->rows[i].is_wanted && !p.is_set[i]) {
            error = mm_config_refuse(mistake_out, "%s is missing in %s",
                                     words->rows[i].name, words->what);
        }
    }
    return error;
}

/* ---- values ---- */

bool mm_config_read_name(struct mm_span value, void *name_out, size_t size)
{
    for (size_t i = 0; i < value.size; i++) {
        char c = value.data[i];
        if (!mm_ascii_is_alnum(c) && c != '-' && c != '_' && c != '.') {
            return false;
        }
    }
    return value.size > 0 && mm_span_copy(value, name_out, size);
}

bool mm_config_read_text(struct mm_span value, void *text_out, size_t size)
{
    return value.size > 0 && mm_config_form_has(MM_CONFIG_FORM_ANY, value) &&
           mm_span_copy(value, text_out, size);
}

bool mm_config_read_port(struct mm_span value, void *port_out, size_t size)
{
    uint64_t port;
    (void)size;
    if (!mm_span_to_u64(value, &port) || port == 0 || port > 65535) {
        return false;
    }
    *(unsigned *)port_out = (unsigned)port;
    return true;
}

static const char *const tls_names[] = {[MM_CONFIG_TLS_OFF] = "off",
                                        [MM_CONFIG_TLS_MAY] = "may",
                                        [MM_CONFIG_TLS_MUST] = "must",
                                        [MM_CONFIG_TLS_IMPLICIT] = "implicit"};

const char *mm_config_tls_name(enum mm_config_tls_policy tls)
{
    return tls_names[tls];
}

bool mm_config_read_tls(struct mm_span value, void *tls_out, size_t size)
{
    (void)size;
    for (unsigned i = 0; i < sizeof tls_names / sizeof tls_names[0]; i++) {
        if (mm_span_is(value, tls_names[i])) {
            *(enum mm_config_tls_policy *)tls_out =
                (enum mm_config_tls_policy)i;
            return true;
        }
    }
    return false;
}

bool mm_config_read_flag(struct mm_span value, void *flag_out, size_t size)
{
    (void)size;
    return mm_config_parse_flag(value, flag_out);
}

bool mm_config_read_set(struct mm_span value, void *flag_out, size_t size)
{
    (void)value;
    (void)size;
    *(bool *)flag_out = true;
    return true;
}

bool mm_config_read_mechanisms(struct mm_span value, void *mechanisms_out,
                               size_t size)
{
    (void)size;
    return mm_sasl_read_names(value, mechanisms_out);
}

bool mm_config_read_proxy(struct mm_span value, void *proxy_out, size_t size)
{
    (void)size;
    return mm_config_proxy_parse(value, proxy_out);
}
