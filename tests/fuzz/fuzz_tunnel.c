/* fuzz_tunnel.c - any octets as a proxy's answers: the same end in pieces of
 * any size as octet by octet, at the same octet; nothing is taken behind it,
 * and nothing is read without end. */
#include "tests/fuzz/fuzz.h"
#include "wire/proxy/tunnel.h"

#include <string.h>

static size_t run(const struct mm_tunnel_options *options, struct mm_span input,
                  size_t piece_size, struct mm_tunnel *tunnel)
{
    size_t taken = 0;
    size_t said = 0;
    FUZZ_CHECK(mm_tunnel_init(tunnel, options) == MAILMOD_OK);
    FUZZ_CHECK(mm_tunnel_feed(tunnel, "x", 1) == 0); /* it is owed something */
    struct mm_span piece = mm_span(NULL, 0);
    while (tunnel->state == MM_TUNNEL_WAITS && input.size + piece.size > 0) {
        said += mm_tunnel_output(tunnel).size;
        mm_tunnel_sent(tunnel, mm_tunnel_output(tunnel).size);
        if (piece.size == 0) {
            piece = fuzz_piece(&input, piece_size);
        }
        size_t used = mm_tunnel_feed(tunnel, piece.data, piece.size);
        FUZZ_CHECK(used > 0);
        piece = mm_span_from(piece, used);
        taken += used;
    }
    FUZZ_CHECK(tunnel->state == MM_TUNNEL_WAITS ||
               mm_tunnel_feed(tunnel, "x", 1) == 0);
    FUZZ_CHECK(said < 4096 && taken <= MM_TUNNEL_HTTP_REPLY_MAX + 1);
    return taken;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct mm_span input = mm_span((const char *)data, size);
    uint8_t steering = fuzz_octet(&input);
    bool has_login = (steering & 4) != 0;
    struct mm_tunnel_options options = {
        .kind = (enum mm_tunnel_kind)((steering & 3) % 3),
        .host = "mx.example",
        .user = has_login ? "joe" : NULL,
        .password = has_login ? "secret" : NULL};
    options.address.port = 25;

    struct mm_tunnel slow;
    struct mm_tunnel fast;
    size_t slow_taken = run(&options, input, 1, &slow);
    size_t fast_taken = run(&options, input, 1 + steering / 8, &fast);
    FUZZ_CHECK(slow_taken == fast_taken);
    FUZZ_CHECK(slow.state == fast.state && slow.error == fast.error);
    FUZZ_CHECK(strcmp(slow.failure, fast.failure) == 0);
    FUZZ_CHECK((slow.state == MM_TUNNEL_FAILED) == (slow.failure[0] != '\0'));
    mm_tunnel_fini(&slow);
    mm_tunnel_fini(&fast);
    return 0;
}
