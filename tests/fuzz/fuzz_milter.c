/* fuzz_milter.c - any octets as a filter's answers: the same events in pieces
 * of any size as octet by octet; and any octets as a message for it: the same
 * fields and the same body however it is cut. */
#include "tests/fuzz/fuzz.h"
#include "wire/milter/text.h"

static uint64_t mix(uint64_t sum, uint64_t value)
{
    return (sum ^ value) * UINT64_C(1099511628211);
}

static uint64_t mix_text(uint64_t sum, struct mm_span text)
{
    for (size_t i = 0; i < text.size; i++) {
        sum = mix(sum, (unsigned char)text.data[i]);
    }
    return sum;
}

static uint64_t answers(struct mm_span input, size_t piece_size)
{
    struct mm_milter milter;
    uint64_t sum = 1;

    mm_milter_init(&milter);
    struct mm_span piece = mm_span(NULL, 0);
    while (input.size + piece.size > 0) {
        struct mm_milter_info info;

        if (piece.size == 0) {
            piece = fuzz_piece(&input, piece_size);
        }
        size_t used = mm_milter_feed(&milter, piece);
        piece = mm_span_from(piece, used);
        enum mm_milter_event event = mm_milter_next(&milter, &info);
        if (event == MM_MILTER_BROKEN) {
            FUZZ_CHECK(mm_milter_failure(&milter)[0] != '\0');
            break;
        }
        if (event == MM_MILTER_NEED_INPUT) {
            FUZZ_CHECK(used > 0);
            continue;
        }
        sum = mix(sum, event);
        sum = mix(mix(mix(sum, info.answer), (unsigned)info.code), info.number);
        sum = mix_text(mix_text(sum, mm_span_cstr(info.name)),
                       mm_span_cstr(info.value));
        sum = mix_text(mix_text(sum, mm_span_cstr(info.text)), info.data);
        FUZZ_CHECK(event != MM_MILTER_ANSWER || info.code == 0 ||
                   (info.code >= 400 && info.code <= 599));
        mm_milter_sent(&milter, mm_milter_output(&milter).size);
        if (mm_milter_can_send(&milter)) {
            mm_milter_plain(&milter, MM_MILTER_END, NULL, 0);
        }
    }
    mm_milter_fini(&milter);
    return sum;
}

static uint64_t message(struct mm_span input, size_t piece_size)
{
    struct mm_milter_text text;
    uint64_t sum = 1;
    bool is_over = false;

    mm_milter_text_init(&text);
    while (!is_over) {
        struct mm_span piece = fuzz_piece(&input, piece_size);
        enum mm_milter_item item;

        is_over = piece.size == 0;
        do {
            const char *name;
            struct mm_span value;
            enum mailmod_error error;

            item = mm_milter_text_next(&text, &piece, is_over, &name, &value,
                                       &error);
            FUZZ_CHECK(error == MAILMOD_OK);
            if (item == MM_MILTER_ITEM_FIELD ||
                item == MM_MILTER_ITEM_FIELDS_END) {
                sum = mix_text(mix(sum, item), mm_span_cstr(name));
            }
            sum = mix_text(sum, value);
        } while (item != MM_MILTER_ITEM_NONE);
        FUZZ_CHECK(piece.size == 0);
    }
    mm_milter_text_fini(&text);
    return sum;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct mm_span input = mm_span((const char *)data, size);
    uint8_t steering = fuzz_octet(&input);
    size_t piece_size = 2 + steering / 2;

    if ((steering & 1) != 0) {
        FUZZ_CHECK(answers(input, 1) == answers(input, piece_size));
    } else {
        FUZZ_CHECK(message(input, 1) == message(input, piece_size));
    }
    return 0;
}
