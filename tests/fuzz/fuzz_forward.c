/* fuzz_forward.c - any octets as a forward file and as a message: up to the
 * first NUL it is the file, behind it the message. What it says is the same
 * twice, addresses are addresses, folders have names, and each warning names a
 * line that there is.
 */
#include "mailbox/plus_folder.h"
#include "post/forward_file.h"
#include "tests/fuzz/fuzz.h"
#include "wire/addr/address.h"

#include <string.h>

struct heard {
    size_t acts;
    size_t warnings;
    size_t lines;
};

static enum mailmod_error on_act(void *context, enum mm_forward_act act,
                                 struct mm_span text)
{
    struct heard *heard = context;
    struct mm_address address;

    heard->acts++;
    FUZZ_CHECK(act != MM_FORWARD_TO ||
               mm_address_parse(text, false, true, &address) == MAILMOD_OK);
    FUZZ_CHECK(act != MM_FORWARD_FOLDER || mm_plus_folder_is_name(text));
    return heard->acts < 1000 ? MAILMOD_OK : MAILMOD_ERROR_LIMIT;
}

static void on_warn(void *context, unsigned line, const char *cause)
{
    struct heard *heard = context;

    heard->warnings++;
    FUZZ_CHECK(line >= 1 && line <= heard->lines && cause[0] != '\0');
}

static struct heard run(struct mm_span file, struct mm_span text)
{
    struct heard heard = {.lines = 1};
    const struct mm_forward_message message = {.text = text,
                                               .size = text.size * 100,
                                               .act = on_act,
                                               .warn = on_warn,
                                               .context = &heard};

    for (size_t i = 0; i < file.size; i++) {
        heard.lines += file.data[i] == '\n';
    }
    enum mailmod_error error = mm_forward_file_run(file, &message);
    FUZZ_CHECK(error == MAILMOD_OK || heard.acts == 1000);
    return heard;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct mm_span file;
    struct mm_span text;

    (void)mm_span_cut(mm_span((const char *)data, size), '\0', &file, &text);
    struct heard first = run(file, text);
    struct heard second = run(file, text);
    FUZZ_CHECK(first.acts == second.acts && first.warnings == second.warnings);
    return 0;
}
