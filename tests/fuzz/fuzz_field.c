/* fuzz_field.c - any octets as a message of which one field is read, and as an
 * address list. The values do not depend on how the octets were cut, a value
 * too many is left out whole, and each address lies inside its value. */
#include "tests/fuzz/fuzz.h"
#include "wire/msg/field.h"

static void read_values(struct mm_field_reader *reader, struct mm_span input,
                        size_t piece_size)
{
    mm_field_reader_init(reader, "To", 200);
    while (input.size > 0) {
        struct mm_span piece = fuzz_piece(&input, piece_size);
        FUZZ_CHECK(mm_field_reader_add(reader, piece) == MAILMOD_OK);
    }
    FUZZ_CHECK(mm_field_reader_end(reader) == MAILMOD_OK);
    FUZZ_CHECK(mm_buf_size(&reader->values) <= 200);
}

static size_t count_addresses(struct mm_span text)
{
    struct mm_span rest = text;
    struct mm_span address;
    size_t count = 0;
    while (mm_field_next_address(&rest, &address)) {
        FUZZ_CHECK(address.size > 0);
        FUZZ_CHECK(address.data >= text.data &&
                   address.data + address.size <= text.data + text.size);
        count++;
    }
    FUZZ_CHECK(count <= text.size);
    return count;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct mm_span input = mm_span((const char *)data, size);
    unsigned piece_size = fuzz_octet(&input);
    struct mm_field_reader whole;
    struct mm_field_reader cut;
    read_values(&whole, input, input.size);
    read_values(&cut, input, piece_size);
    FUZZ_CHECK(
        mm_span_equal(mm_buf_span(&whole.values), mm_buf_span(&cut.values)));
    FUZZ_CHECK(whole.count == cut.count && whole.is_done == cut.is_done);
    struct mm_span values = mm_buf_span(&whole.values);
    struct mm_span value;
    unsigned count = 0;
    while (mm_field_next(&values, &value)) {
        (void)count_addresses(value);
        count++;
    }
    FUZZ_CHECK(count <= whole.count);
    (void)count_addresses(input);
    mm_field_reader_fini(&whole);
    mm_field_reader_fini(&cut);
    return 0;
}
