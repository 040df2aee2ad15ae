/* maildir_flags.c - the flags of a Maildir's file, read and written.
 *
 * Owns the table of letters. Promises: a letter that has no meaning here (the
 * keywords of Dovecot are the small ones) stays where it is when another one is
 * added, and so does what some programs write behind a comma. Flags of another
 * form than "2," are nobody's to touch.
 * Thread: any. The Maildir's own page (cr.yp.to/proto/maildir.html). */
#include "mailbox/maildir_flags.h"

#include <string.h>

static const struct {
    char letter;
    unsigned flag;
} letters[] = {{'D', MAILMOD_MAIL_DRAFT},  {'F', MAILMOD_MAIL_FLAGGED},
               {'P', MAILMOD_MAIL_PASSED}, {'R', MAILMOD_MAIL_ANSWERED},
               {'S', MAILMOD_MAIL_SEEN},   {'T', MAILMOD_MAIL_TRASHED}};
enum { COUNT = sizeof letters / sizeof letters[0] };

/* The letters, with what may follow a comma; empty: there are none. */
static struct mm_span letters_of(const char *name)
{
    struct mm_span rest =
        mm_span_from(mm_span_cstr(name), mm_maildir_unique(name).size);
    bool has_form =
        rest.size >= 3 && rest.data[1] == '2' && rest.data[2] == ',';

    return has_form ? mm_span_from(rest, 3) : mm_span("", 0);
}

unsigned mm_maildir_flags(const char *name)
{
    struct mm_span text = letters_of(name);
    unsigned flags = 0;

    for (size_t i = 0; i < text.size && text.data[i] != ','; i++) {
        for (size_t j = 0; j < COUNT; j++) {
            flags |= text.data[i] == letters[j].letter ? letters[j].flag : 0;
        }
    }
    return flags;
}

void mm_maildir_flags_write(unsigned flags, char out[MM_MAILDIR_FLAGS_MAX])
{
    for (size_t i = 0; i < COUNT; i++) {
        if ((flags & letters[i].flag) != 0) {
            *out++ = letters[i].letter;
        }
    }
    *out = '\0';
}

bool mm_maildir_flags_add_seen(const char *name, char out[MM_MAILDIR_NAME_MAX])
{
    struct mm_span unique = mm_maildir_unique(name);
    struct mm_span text = letters_of(name);
    bool has_flags = name[unique.size] != '\0';
    bool has_form = !has_flags || text.data == name + unique.size + 3;
    size_t size = strlen(name) + (has_flags ? 1 : 4);
    size_t at = 0;

    if (!has_form || (mm_maildir_flags(name) & MAILMOD_MAIL_SEEN) != 0 ||
        size >= MM_MAILDIR_NAME_MAX) {
        return false;
    }
    while (at < text.size && text.data[at] < 'S' && text.data[at] != ',') {
        at++;
    }
    memcpy(out, name, unique.size);
    out += unique.size;
    *out++ = mm_folder_flag_mark;
    *out++ = '2';
    *out++ = ',';
    memcpy(out, text.data, at);
    out[at] = 'S';
    memcpy(out + at + 1, text.data + at, text.size - at);
    out[text.size + 1] = '\0';
    return true;
}
