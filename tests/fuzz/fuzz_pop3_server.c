/* fuzz_pop3_server.c - any octets as a POP3 client.
 *
 * The first octet chooses the options (its highest bit: pop3svc's extensions),
 * the second how the rest is cut and in
 * which pieces the message is offered. The rest is what the client says; if it
 * has an octet 0xff, that ends it, and what stands behind is the message that
 * RETR and TOP tell. Whatever comes: the bounds hold, nobody is logged in
 * where no login is allowed, nothing that is marked is deleted but by QUIT,
 * only CRLF ends what the server says, and the same octets cut in another way
 * get the same replies. */
#include "tests/fuzz/fuzz.h"
#include "tests/unit/wire/pop3_host.h"

#include "base/limits.h"

static struct pop3_host first;
static struct pop3_host second;

static struct mm_pop3d_options choose(uint8_t octet)
{
    return (struct mm_pop3d_options){
        .host_name = "mail.example",
        .apop_stamp = (octet & 1) != 0 ? POP3_HOST_STAMP : NULL,
        .implementation = (octet & 2) != 0 ? "mailmod" : NULL,
        .extensions = (octet & 128) != 0 ? ~0u : 0,
        .errors_max = (octet & 4) != 0 ? 5 : 0,
        .mechanisms_clear = (octet & 8) != 0 ? MM_SASL_PLAIN : 0,
        .mechanisms_tls = MM_SASL_PLAIN,
        .has_stls = (octet & 16) != 0,
        .is_tls = (octet & 32) != 0,
        .allows_clear_login = (octet & 64) != 0,
    };
}

/* Feeds `input` in pieces of at most `cut` octets. */
static void run(struct pop3_host *host, const struct mm_pop3d_options *options,
                struct mm_span input, struct mm_span message, size_t cut,
                size_t piece)
{
    FUZZ_CHECK(pop3_host_open(host, options) == MAILMOD_OK);
    host->messages[0] = message;
    host->piece = piece;
    pop3_host_pump(host);
    while (input.size > 0) {
        struct mm_span part = fuzz_piece(&input, cut);
        size_t taken = pop3_host_feed(host, part.data, part.size);
        FUZZ_CHECK(taken == part.size);
        FUZZ_CHECK(mm_pop3d_output(host->engine).size <= MM_LIMIT_OUTPUT);
    }
}

static bool is_login_possible(const struct mm_pop3d_options *options)
{
    return options->is_tls || options->allows_clear_login ||
           options->mechanisms_clear != 0;
}

/* Only CRLF, only at the end of a line, but in a message: its NULs and 8-bit
 * octets are its own. */
static void check_lines(const struct pop3_host *host)
{
    FUZZ_CHECK(host->output_size >= 2);
    for (size_t i = 0; i < host->output_size; i++) {
        char before = i > 0 ? host->output[i - 1] : '\0';
        char after = i + 1 < host->output_size ? host->output[i + 1] : '\n';
        FUZZ_CHECK(host->output[i] != '\n' || before == '\r');
        FUZZ_CHECK(host->output[i] != '\r' || after == '\n');
    }
    FUZZ_CHECK(host->output[host->output_size - 1] == '\n');
}

static void check(const struct pop3_host *host,
                  const struct mm_pop3d_options *options)
{
    bool is_in = mm_pop3d_is_authenticated(host->engine);
    FUZZ_CHECK(!host->is_starved);
    FUZZ_CHECK(host->output_lost == 0);
    FUZZ_CHECK(!is_in || is_login_possible(options));
    FUZZ_CHECK(!host->is_updated || (is_in && host->is_closed));
    check_lines(host);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    /* What 4096 octets of commands can make the host say fits its space. */
    if (size > 4096) {
        return 0;
    }
    struct mm_span input = mm_span((const char *)data, size);
    struct mm_pop3d_options options = choose(fuzz_octet(&input));
    uint8_t steer = fuzz_octet(&input);
    struct mm_span commands = input;
    struct mm_span message = mm_span_cstr("A: b\r\n\r\n.\r\n");
    struct mm_span tail;
    if (mm_span_cut(input, '\xff', &commands, &tail)) {
        message = tail;
    }
    run(&first, &options, commands, message, 4096, 0);
    check(&first, &options);
    run(&second, &options, commands, message, 1 + steer % 16, 1 + steer / 16);
    check(&second, &options);
    /* Behind STLS the cut decides whether it is early or too late. */
    if (!options.has_stls || options.is_tls) {
        FUZZ_CHECK(first.output_size == second.output_size);
        FUZZ_CHECK(memcmp(first.output, second.output, first.output_size) == 0);
    }
    FUZZ_CHECK(strcmp(mm_pop3d_state_name(first.engine),
                      mm_pop3d_state_name(second.engine)) == 0 ||
               options.has_stls);
    pop3_host_close(&first);
    pop3_host_close(&second);
    return 0;
}
