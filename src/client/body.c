/* body.c - a message's octets on their way from the store to the engine.
 *
 * Owns the delivery's encoder, made with the first message that needs one.
 * Promises: a message that has shrunk or vanished in the store is not sent as
 * half of itself; to a host without 8BITMIME one of 8 bits goes encoded, as
 * delivery.eight_bit says, and one with long lines as delivery.long_lines does.
 * Thread: the delivery's loop; mm_body_measure a worker. RFC 6152 3, RFC 5322
 * 2.1.1. */
#include "client/delivery_internal.h"

#include "base/mem.h"
#include "wire/msg/seven_bit.h"

#include <string.h>

struct mm_encoder {
    struct mm_seven_bit message;
    struct mm_buf out;
    bool is_over; /* what the message's end gave is in `out` */
};

/* Who sends it on, in front of what is stored: so that it is known when it
 * comes back. */
static const char delivered_to[] = "Delivered-To: ";

size_t mm_body_fields_size(const struct mm_delivery *delivery)
{
    const char *text = delivery->batch->recipients[0].delivered_to;

    return text[0] != '\0' ? sizeof delivered_to - 1 + strlen(text) + 2 : 0;
}

static enum mailmod_error write_fields(struct mm_delivery *delivery)
{
    const char *text = delivery->batch->recipients[0].delivered_to;

    return text[0] != '\0' ? mm_buf_appendf(&delivery->chunk, "%s%s\r\n",
                                            delivered_to, text)
                           : MAILMOD_OK;
}

enum mailmod_error mm_body_begin(struct mm_delivery *delivery, bool encodes)
{
    delivery->encodes = encodes;
    delivery->chunk_number = 0;
    delivery->octets_sent = 0;
    delivery->chunk_error = MAILMOD_OK;
    mm_buf_clear(&delivery->chunk);
    enum mailmod_error error = write_fields(delivery);
    if (error != MAILMOD_OK) {
        return error;
    }
    if (!encodes) {
        return MAILMOD_OK;
    }
    if (delivery->encoder == NULL) {
        delivery->encoder = mm_alloc(sizeof *delivery->encoder);
        if (delivery->encoder == NULL) {
            return MAILMOD_ERROR_MEMORY;
        }
        mm_buf_init(&delivery->encoder->out, MM_LIMIT_CHUNK);
    }
    mm_seven_bit_init(&delivery->encoder->message);
    mm_buf_clear(&delivery->encoder->out);
    delivery->encoder->is_over = false;
    return MAILMOD_OK;
}

void mm_body_fini(struct mm_delivery *delivery)
{
    if (delivery->encoder != NULL) {
        mm_buf_fini(&delivery->encoder->out);
        mm_free(delivery->encoder);
        delivery->encoder = NULL;
    }
}

/* RFC 5322 2.1.1: octets of a line, without its end. */
#define LINE_MAX_OCTETS 998

/* The longest so far; `size` is that of the line now read. */
static bool has_long_line(struct mm_span octets, size_t *size)
{
    for (size_t i = 0; i < octets.size; i++) {
        bool is_end = octets.data[i] == '\r' || octets.data[i] == '\n';
        *size = is_end ? 0 : *size + 1;
        if (*size > LINE_MAX_OCTETS) {
            return true;
        }
    }
    return false;
}

void mm_body_measure(struct mm_delivery *delivery)
{
    size_t size = 0;
    delivery->chunk_number = 0;
    mm_hop_read_chunk(delivery);
    while (delivery->chunk_error == MAILMOD_OK) {
        if (has_long_line(mm_buf_span(&delivery->chunk), &size)) {
            delivery->lines = MM_LINES_LONG;
            return;
        }
        delivery->chunk_number++;
        mm_hop_read_chunk(delivery);
    }
    if (delivery->chunk_error == MAILMOD_ERROR_NOT_FOUND) {
        delivery->lines = MM_LINES_SHORT; /* its end was reached */
    }
}

/* All chunks are read. */
static bool end_body(struct mm_delivery *delivery)
{
    if (delivery->octets_sent !=
        delivery->batch->message.size + mm_body_fields_size(delivery)) {
        mm_delivery_break_batch(delivery, MAILMOD_ERROR_STORAGE_DAMAGED,
                                "4.3.0", "the message cannot be read whole");
        return false;
    }
    enum mailmod_error error = mm_smtpc_body_end(delivery->engine);
    if (error != MAILMOD_OK) {
        mm_delivery_break_batch(delivery, error, "4.3.0",
                                "the message could not be ended");
        return false;
    }
    return true;
}

static void encode(struct mm_delivery *delivery)
{
    struct mm_encoder *encoder = delivery->encoder;
    struct mm_span left = mm_buf_span(&delivery->chunk);
    size_t taken = mm_seven_bit_write(&encoder->message, &encoder->out,
                                      left.data, left.size);
    mm_buf_consume(&delivery->chunk, taken);
    delivery->octets_sent += taken;
    if (delivery->chunk_error == MAILMOD_ERROR_NOT_FOUND &&
        mm_buf_size(&delivery->chunk) == 0 && !encoder->is_over &&
        mm_buf_room(&encoder->out) >= MM_SEVEN_BIT_ROOM) {
        encoder->is_over = true;
        mm_seven_bit_end(&encoder->message, &encoder->out);
    }
}

/* What the engine takes next. */
static struct mm_buf *next_octets(struct mm_delivery *delivery)
{
    if (!delivery->encodes) {
        return &delivery->chunk;
    }
    encode(delivery);
    return &delivery->encoder->out;
}

bool mm_body_on_need(struct mm_delivery *delivery)
{
    struct mm_buf *next = next_octets(delivery);
    struct mm_span left = mm_buf_span(next);
    if (left.size > 0) {
        size_t taken = mm_smtpc_body(delivery->engine, left.data, left.size);
        mm_buf_consume(next, taken);
        delivery->octets_sent += delivery->encodes ? 0 : taken;
        mm_delivery_note(delivery, MAILMOD_SENDING);
        return taken > 0;
    }
    if (delivery->chunk_error == MAILMOD_ERROR_NOT_FOUND) {
        return end_body(delivery);
    }
    mm_delivery_note(delivery, MAILMOD_SENDING);
    enum mailmod_error error = mm_delivery_start_work(delivery, MM_WORK_CHUNK);
    if (error != MAILMOD_OK) {
        mm_delivery_break_batch(delivery, error, "4.3.2",
                                "too busy to read the message");
    }
    return false;
}
