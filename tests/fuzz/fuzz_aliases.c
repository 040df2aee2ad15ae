/* fuzz_aliases.c - any octets as a file of aliases: each part lies inside the
 * text, parts come in order, and there is an end. */
#include "post/alias_text.h"
#include "tests/fuzz/fuzz.h"

static void check_inside(struct mm_span part, struct mm_span whole)
{
    FUZZ_CHECK(part.size == 0 ||
               (part.data >= whole.data &&
                part.data + part.size <= whole.data + whole.size));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct mm_span whole = mm_span((const char *)data, size);
    struct mm_alias_text text = {.rest = whole};
    struct mm_alias_entry entry;
    size_t count = 0;

    while (mm_alias_text_next(&text, &entry)) {
        struct mm_alias_target target;

        check_inside(entry.name, whole);
        check_inside(entry.targets, whole);
        FUZZ_CHECK(++count <= size && text.line <= size + 1);
        size_t targets = 0;
        while (mm_alias_target_next(&entry.targets, &target)) {
            check_inside(target.text, whole);
            FUZZ_CHECK(target.kind == MM_ALIAS_INCLUDE || target.text.size > 0);
            FUZZ_CHECK(++targets <= size);
        }
    }
    FUZZ_CHECK(text.rest.size == 0);
    return 0;
}
