/* fuzz_proxy.c - any octets as a PROXY header: what is whole stays whole with
 * more behind it and was wanted at each octet before; nothing is kept waiting
 * for ever. */
#include "tests/fuzz/fuzz.h"
#include "wire/proxy/header.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct mm_span input = mm_span((const char *)data, size);
    struct mm_proxy_header header;
    enum mm_proxy_result result = mm_proxy_header_parse(input, &header);
    FUZZ_CHECK(result == MM_PROXY_WHOLE || header.size == 0);
    FUZZ_CHECK(result != MM_PROXY_MORE || size < MM_PROXY_HEADER_MAX);
    if (result == MM_PROXY_WHOLE) {
        struct mm_proxy_header again;
        FUZZ_CHECK(header.size > 0 && header.size <= size &&
                   header.size <= MM_PROXY_HEADER_MAX);
        FUZZ_CHECK(mm_proxy_header_parse(mm_span(input.data, header.size),
                                         &again) == MM_PROXY_WHOLE);
        FUZZ_CHECK(again.size == header.size);
        for (size_t i = 0; i < header.size; i++) {
            FUZZ_CHECK(mm_proxy_header_parse(mm_span(input.data, i), &again) ==
                       MM_PROXY_MORE);
        }
    }
    struct mm_proxy_start start = {0};
    struct mm_span rest = input;
    bool is_header = false;
    while (rest.size > 0 && !is_header) {
        is_header = mm_proxy_start_is_header(&start, fuzz_piece(&rest, 3));
    }
    FUZZ_CHECK(is_header || result != MM_PROXY_WHOLE);
    return 0;
}
