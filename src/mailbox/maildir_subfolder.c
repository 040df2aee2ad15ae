/* maildir_subfolder.c - from a folder's name to that of its directory.
 *
 * Owns nothing. Promises: what is found is an entry of the Maildir, so no name
 * leads out of it, whoever chose it (the sender of mail to user+name may); the
 * name that is written as it is goes before one that differs in case. Letters
 * outside of ASCII stand in modified UTF-7, as IMAP servers write them.
 * Thread: worker. Maildir++ (courier-mta.org/imap/README.maildirquota.html);
 * RFC 3501 5.1.3. */
#include "mailbox/maildir_subfolder.h"

#include "base/base64.h"

#include <string.h>

/* The run of code points above ASCII that `text` begins with. */
static enum mailmod_error encode_run(struct mm_buf *out, struct mm_span *text)
{
    char units[4 * MM_MAILDIR_NAME_MAX];
    struct mm_buf encoded;
    size_t size = 0;

    while (text->size > 0 && (unsigned char)text->data[0] > 127 &&
           size + 4 <= sizeof units) {
        uint32_t point = mm_span_take_code_point(text);
        uint32_t high = point > 0xffff ? 0xd7c0 + (point >> 10) : 0;
        uint32_t unit = point > 0xffff ? 0xdc00 + (point & 0x3ff) : point;

        if (high != 0) {
            units[size++] = (char)(high >> 8);
            units[size++] = (char)high;
        }
        units[size++] = (char)(unit >> 8);
        units[size++] = (char)unit;
    }
    mm_buf_init(&encoded, 8 * MM_MAILDIR_NAME_MAX);
    enum mailmod_error error = mm_base64_encode(&encoded, units, size);
    struct mm_span rest = mm_buf_span(&encoded);
    (void)mm_buf_append_char(out, '&');
    for (size_t i = 0; i < rest.size && rest.data[i] != '='; i++) {
        (void)mm_buf_append_char(out, rest.data[i] == '/' ? ',' : rest.data[i]);
    }
    (void)mm_buf_append_char(out, '-');
    mm_buf_fini(&encoded);
    return error == MAILMOD_OK ? mm_buf_error(out) : error;
}

/* A name of one directory: it may have dots inside, which are levels. */
static bool is_name(struct mm_span name)
{
    bool is_good = name.size > 0 && name.data[0] != '.' &&
                   name.data[name.size - 1] != '.' && mm_span_is_utf8(name);

    for (size_t i = 0; is_good && i < name.size; i++) {
        unsigned char c = (unsigned char)name.data[i];

        is_good = c >= ' ' && c != 127 && strchr("/\\:;", c) == NULL;
    }
    return is_good;
}

/* "" for what can be none. */
static enum mailmod_error encode(struct mm_span name,
                                 char name_out[MM_MAILDIR_NAME_MAX])
{
    struct mm_buf text;
    enum mailmod_error error = MAILMOD_OK;

    name_out[0] = '\0';
    if (!is_name(name)) {
        return MAILMOD_OK;
    }
    mm_buf_init(&text, MM_MAILDIR_NAME_MAX - 1);
    (void)mm_buf_append_char(&text, '.');
    while (error == MAILMOD_OK && name.size > 0) {
        if ((unsigned char)name.data[0] > 127) {
            error = encode_run(&text, &name);
            continue;
        }
        error = mm_buf_append_cstr(&text, name.data[0] == '&' ? "&-" : "");
        if (name.data[0] != '&') {
            error = mm_buf_append_char(&text, name.data[0]);
        }
        name = mm_span_from(name, 1);
    }
    if (error == MAILMOD_OK) {
        (void)mm_span_copy(mm_buf_span(&text), name_out, MM_MAILDIR_NAME_MAX);
    }
    mm_buf_fini(&text);
    return error == MAILMOD_ERROR_LIMIT ? MAILMOD_OK : error;
}

struct look {
    const char *name;
    bool has_code; /* base64 in it, whose letters differ by case */
    char *found;
    bool is_exact;
};

static bool look_at(void *context, const char *name)
{
    struct look *look = context;

    look->is_exact = strcmp(name, look->name) == 0;
    if (look->is_exact || (look->found[0] == '\0' && !look->has_code &&
                           mm_span_is_nocase(mm_span_cstr(name), look->name))) {
        (void)mm_span_copy(mm_span_cstr(name), look->found,
                           MM_MAILDIR_NAME_MAX);
    }
    return !look->is_exact;
}

enum mailmod_error mm_maildir_find_subfolder(struct mm_folder *root,
                                             const char *name,
                                             char name_out[MM_MAILDIR_NAME_MAX])
{
    char found[MM_MAILDIR_NAME_MAX] = "";
    enum mailmod_error error = encode(mm_span_cstr(name), name_out);
    struct look look = {.name = name_out,
                        .has_code = strchr(name_out, '&') != NULL,
                        .found = found};

    if (error == MAILMOD_OK && name_out[0] != '\0') {
        error = mm_folder_each(root, look_at, &look);
    }
    if (error == MAILMOD_OK && found[0] == '\0') {
        return MAILMOD_ERROR_NOT_FOUND;
    }
    if (error == MAILMOD_OK) {
        memcpy(name_out, found, sizeof found);
    }
    return error;
}
