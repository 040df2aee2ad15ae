/* fuzz_reply.c - any octets as a server's reply, and any text as ours.
 * The result does not depend on how the octets were cut; the text is safe to
 * show; what the writer makes of it is one reply with the same code. */
#include "base/limits.h"
#include "tests/fuzz/fuzz.h"
#include "wire/smtp/asked_wait.h"
#include "wire/smtp/reply.h"

#include <string.h>

static enum mailmod_error parse(struct mm_reply_parser *parser,
                                struct mm_span input, size_t piece_size,
                                size_t *used_out)
{
    enum mailmod_error error = MAILMOD_OK;
    size_t total = 0;
    mm_reply_parser_init(parser);
    while (input.size > 0 && error == MAILMOD_OK && !parser->is_complete) {
        struct mm_span piece = fuzz_piece(&input, piece_size);
        size_t used = 0;
        error = mm_reply_parser_feed(parser, piece.data, piece.size, &used);
        FUZZ_CHECK(used <= piece.size);
        FUZZ_CHECK(error != MAILMOD_OK || parser->is_complete ||
                   used == piece.size);
        total += used;
    }
    *used_out = total;
    return error;
}

static void check_written(const struct mm_reply_in *reply, const char *text)
{
    struct mm_reply out = {reply->code, reply->enhanced, text};
    struct mm_reply_parser parser;
    struct mm_buf wire;
    size_t used = 0;
    mm_buf_init(&wire, 1024 * 1024);
    enum mailmod_error error = mm_reply_write(&wire, &out, true);
    FUZZ_CHECK(error == MAILMOD_OK);
    struct mm_span bytes = mm_buf_span(&wire);
    for (size_t i = 0; i < bytes.size; i++) {
        unsigned char c = (unsigned char)bytes.data[i];
        FUZZ_CHECK(c < 127 && (c >= 32 || c == '\t' || c == '\r' || c == '\n'));
        FUZZ_CHECK(c != '\r' || bytes.data[i + 1] == '\n');
        FUZZ_CHECK(c != '\n' || bytes.data[i - 1] == '\r');
    }
    mm_reply_parser_init(&parser);
    error = mm_reply_parser_feed(&parser, bytes.data, bytes.size, &used);
    FUZZ_CHECK(error == MAILMOD_ERROR_LIMIT ||
               (error == MAILMOD_OK && used == bytes.size &&
                parser.is_complete && parser.reply.code == reply->code));
    mm_reply_parser_fini(&parser);
    mm_buf_fini(&wire);
}

static void check_reply(struct mm_reply_in *reply)
{
    const char *text = mm_buf_cstr(&reply->text);
    FUZZ_CHECK(text != NULL);
    FUZZ_CHECK(strlen(text) == mm_buf_size(&reply->text));
    FUZZ_CHECK(mm_buf_size(&reply->text) <= MM_LIMIT_REPLY);
    FUZZ_CHECK(reply->code >= 200 && reply->code <= 599);
    FUZZ_CHECK(reply->enhanced[0] == '\0' ||
               reply->enhanced[0] == '0' + reply->code / 100);
    FUZZ_CHECK(mm_span_is_utf8(mm_span_cstr(text)));
    unsigned lines = 1;
    for (const char *c = text; *c != '\0'; c++) {
        FUZZ_CHECK((unsigned char)*c >= 32 || *c == '\n');
        lines += *c == '\n' ? 1 : 0;
    }
    FUZZ_CHECK(lines == reply->line_count);
    FUZZ_CHECK(mm_asked_wait_ms(mm_span_cstr(text)) <= MM_LIMIT_ASKED_WAIT_MS);
    check_written(reply, text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct mm_span input = mm_span((const char *)data, size);
    size_t piece_size = fuzz_octet(&input);
    struct mm_reply_parser whole;
    struct mm_reply_parser cut;
    size_t used_whole;
    size_t used_cut;
    enum mailmod_error error =
        parse(&whole, input, input.size + 1, &used_whole);
    FUZZ_CHECK(parse(&cut, input, piece_size, &used_cut) == error);
    FUZZ_CHECK(whole.is_complete == cut.is_complete);
    if (whole.is_complete) {
        FUZZ_CHECK(used_whole == used_cut);
        FUZZ_CHECK(mm_span_equal(mm_buf_span(&whole.reply.text),
                                 mm_buf_span(&cut.reply.text)));
        FUZZ_CHECK(strcmp(whole.reply.enhanced, cut.reply.enhanced) == 0);
        check_reply(&whole.reply);
    }
    mm_reply_parser_fini(&whole);
    mm_reply_parser_fini(&cut);
    return 0;
}
