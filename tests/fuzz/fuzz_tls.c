/* fuzz_tls.c - a TLS session over octets that arrive in pieces of any size,
 * are changed, dropped, repeated or made up on their way, and are taken slowly.
 *
 * Two sessions of ours are the peers of each other: a server and a client that
 * trusts its certificate by a pin. What a side reads is always the beginning of
 * what the other has written, whatever was done to the octets between; where
 * nothing was done it is all of it, and the end is told. The way is the data's;
 * the connections and their pump are made here, in the order of conn_pump.c. */
#define _GNU_SOURCE /* memfd_create: this target runs on Linux alone */

#include "io/conn_internal.h"
#include "io/tls_internal.h"
#include "tests/fuzz/fuzz.h"

#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { STEPS_MAX = 300, TEXT_MAX = 200000, WAY_MAX = 1 << 20 };

struct side {
    struct mm_conn conn;
    struct mm_loop loop;
    char plain[MM_LOOP_PLAIN_SIZE];
    char text[TEXT_MAX]; /* what it writes, all of it known beforehand */
    size_t written;
    size_t read;       /* of the other's */
    struct mm_buf way; /* to the other side */
    bool is_over, is_ended, is_closed;
};

static struct {
    struct mm_certificates *certificates;
    struct mm_tls *server;
    struct mm_tls *clients[2]; /* one has another's pin */
} tls;
static struct side sides[2];
static bool is_meddled; /* with the octets, or the buffers were too small */

/* ---- what a connection gives ---- */

void mm_conn_explain(struct mm_conn *conn, const char *what, const char *detail)
{
    FUZZ_CHECK(conn == &sides[0].conn || conn == &sides[1].conn);
    FUZZ_CHECK(what[0] != '\0' && detail != NULL);
}

void mm_conn_begin_close(struct mm_conn *conn, enum mailmod_error reason)
{
    struct side *side = conn == &sides[0].conn ? &sides[0] : &sides[1];

    FUZZ_CHECK(reason != MAILMOD_OK && !side->is_over);
    side->is_over = true;
}

/* ---- the pump ---- */

/* How many octets went. */
static size_t flush(struct side *side, size_t size)
{
    mm_tls_write_pending(&side->conn);
    struct mm_span owed = mm_buf_span(&side->conn.output);
    owed.size = owed.size < size ? owed.size : size;
    if (mm_buf_append_span(&side->way, owed) != MAILMOD_OK) {
        is_meddled = true;
    }
    mm_buf_consume(&side->conn.output, owed.size);
    return owed.size;
}

static void read_all(struct side *side, const struct side *other)
{
    struct mm_span clear;

    if (!mm_tls_is_established(side->conn.tls) &&
        mm_tls_shake_hands(&side->conn) != MM_TLS_DONE) {
        return;
    }
    while (!side->is_over) {
        enum mm_tls_step step = mm_tls_read(&side->conn, &clear);
        if (step == MM_TLS_ENDED) {
            FUZZ_CHECK(is_meddled || other->is_closed);
            FUZZ_CHECK(side->read == other->written);
            side->is_ended = true;
        }
        if (step != MM_TLS_DONE) {
            break;
        }
        FUZZ_CHECK(clear.size > 0 && side->read + clear.size <= other->written);
        FUZZ_CHECK(memcmp(other->text + side->read, clear.data, clear.size) ==
                   0);
        side->read += clear.size;
    }
}

static void pump(struct side *side, struct mm_span arrived)
{
    const struct side *other = side == &sides[0] ? &sides[1] : &sides[0];

    if (side->is_over || side->is_closed || side->is_ended) {
        return;
    }
    if (mm_tls_has_kept(side->conn.tls)) {
        if (mm_tls_keep(side->conn.tls, arrived) != MAILMOD_OK) {
            is_meddled = true; /* conn_pump.c ends the connection then */
            side->is_over = true;
            return;
        }
        arrived.size = 0;
    }
    side->conn.arrived = arrived;
    read_all(side, other);
    arrived = side->conn.arrived;
    side->conn.arrived = mm_span(NULL, 0);
    if (!side->is_over && !side->is_ended && arrived.size > 0 &&
        mm_tls_keep(side->conn.tls, arrived) != MAILMOD_OK) {
        is_meddled = true;
        side->is_over = true;
    }
}

/* Takes so many octets off the way and gives them to the other side. */
static void move(unsigned from, size_t size)
{
    struct side *side = &sides[from];
    struct mm_span octets = mm_buf_span(&side->way);
    char copy[MM_LOOP_LENT_SIZE];

    octets.size = octets.size < size ? octets.size : size;
    octets.size = octets.size < sizeof copy ? octets.size : sizeof copy;
    if (octets.size > 0) {
        memcpy(copy, octets.data, octets.size);
        mm_buf_consume(&side->way, octets.size);
        pump(&sides[1 - from], mm_span(copy, octets.size));
    }
}

static void write_some(unsigned which, size_t size)
{
    struct side *side = &sides[which];

    if (side->is_over || side->is_closed || side->is_ended ||
        side->written + size > TEXT_MAX ||
        mm_tls_pending(side->conn.tls) + size > MM_LIMIT_OUTPUT) {
        return;
    }
    enum mailmod_error error =
        mm_tls_write(&side->conn, side->text + side->written, size);
    FUZZ_CHECK(error == MAILMOD_OK || side->is_over);
    side->written += size;
}

/* ---- the script ---- */

static void meddle(unsigned from, uint8_t how, struct mm_span *script)
{
    struct mm_buf *way = &sides[from].way;
    size_t size = mm_buf_size(way);
    char *octets = size > 0 ? way->data + way->start : NULL;
    size_t at = fuzz_octet(script) * (size_t)4;
    struct mm_span made;

    at = size > 0 ? at % size : 0;
    is_meddled = true;
    switch (how % 4) {
    case 0:
        if (size > 0) {
            octets[at] = (char)(octets[at] ^ (fuzz_octet(script) | 1));
        }
        break;
    case 1: /* lost */
        mm_buf_consume(way, at);
        break;
    case 2: /* sent again, behind all */
        if (size > 0) {
            char again[512];
            size_t count = size - at < sizeof again ? size - at : sizeof again;
            memcpy(again, octets + at, count);
            (void)mm_buf_append(way, again, count);
        }
        break;
    default: /* a record that is made up, with a true head */
        made = fuzz_piece(script, fuzz_octet(script));
        (void)mm_buf_append_char(way, (char)(20 + at % 5));
        (void)mm_buf_append(way, "\3\3\0", 3);
        (void)mm_buf_append_char(way, (char)(unsigned char)made.size);
        (void)mm_buf_append_span(way, made);
        break;
    }
}

static void step(struct mm_span *script)
{
    uint8_t octet = fuzz_octet(script);
    unsigned which = octet >> 7;
    struct side *side = &sides[which];

    switch (octet % 8) {
    case 0:
        (void)flush(side, 1 + fuzz_octet(script));
        break;
    case 1:
        (void)flush(side, WAY_MAX);
        break;
    case 2:
        move(which, 1 + fuzz_octet(script));
        break;
    case 3:
        move(which, WAY_MAX);
        break;
    case 4:
        write_some(which, 1 + fuzz_octet(script));
        break;
    case 5:
        write_some(which, 1 + fuzz_octet(script) * (size_t)150);
        break;
    case 6:
        if ((octet & 0x10) != 0) {
            meddle(which, octet >> 5, script);
        } else {
            (void)flush(side, WAY_MAX);
            move(which, WAY_MAX);
        }
        break;
    default:
        if ((octet & 0x30) == 0x30 && !side->is_over && !side->is_closed &&
            mm_tls_is_established(side->conn.tls) &&
            mm_tls_pending(side->conn.tls) == 0) {
            mm_tls_notify_close(&side->conn);
            side->is_closed = true;
        }
        break;
    }
}

/* ---- the whole ---- */

static void make_file(struct mm_span text, char path_out[64])
{
    int file = memfd_create("fuzz", MFD_CLOEXEC);

    FUZZ_CHECK(file >= 0);
    FUZZ_CHECK(write(file, text.data, text.size) == (ssize_t)text.size);
    (void)snprintf(path_out, 64, "/proc/self/fd/%d", file);
}

static void take_pin(const struct mm_certificate_files *files,
                     uint8_t pin_out[MM_TLS_PIN_SIZE])
{
    unsigned size = MM_TLS_PIN_SIZE;
    BIO *bio = BIO_new_file(files->certificate.data, "r");
    X509 *certificate = PEM_read_bio_X509(bio, NULL, NULL, NULL);

    FUZZ_CHECK(certificate != NULL);
    FUZZ_CHECK(X509_digest(certificate, EVP_sha256(), pin_out, &size) == 1);
    X509_free(certificate);
    BIO_free(bio);
}

static void make_tls(void)
{
    struct mm_buf texts[2];
    char paths[2][64];
    static uint8_t pins[2][MM_TLS_PIN_SIZE];
    struct mm_certificate_files files;

    mm_buf_init(&texts[0], 65536);
    mm_buf_init(&texts[1], 65536);
    FUZZ_CHECK(mm_tls_self_signed("mx.example", MM_TLS_KEY_P256, &texts[0],
                                  &texts[1]) == MAILMOD_OK);
    make_file(mm_buf_span(&texts[0]), paths[0]);
    make_file(mm_buf_span(&texts[1]), paths[1]);
    files.certificate = mm_span_cstr(paths[0]);
    files.key = mm_span_cstr(paths[1]);
    FUZZ_CHECK(mm_certificates_new(&tls.certificates, &files, 1, NULL, NULL) ==
               MAILMOD_OK);
    const struct mm_tls_server_options server = {
        .certificates = tls.certificates, .service = "smtp"};
    FUZZ_CHECK(mm_tls_server_new(&tls.server, &server, NULL) == MAILMOD_OK);
    take_pin(&files, pins[0]);
    for (size_t i = 0; i < 2; i++) {
        const struct mm_tls_client_options client = {
            .pins = (const uint8_t(*)[MM_TLS_PIN_SIZE]) & pins[i],
            .pin_count = 1};
        FUZZ_CHECK(mm_tls_client_new(&tls.clients[i], &client, NULL) ==
                   MAILMOD_OK);
    }
    mm_buf_fini(&texts[0]);
    mm_buf_fini(&texts[1]);
}

static void begin(struct side *side, struct mm_tls *context, const char *name,
                  size_t output_max)
{
    memset(&side->conn, 0, sizeof side->conn);
    side->loop.plain = side->plain;
    side->conn.loop = &side->loop;
    side->conn.phase = MM_CONN_OPEN;
    side->written = 0;
    side->read = 0;
    side->is_over = false;
    side->is_ended = false;
    side->is_closed = false;
    mm_buf_init(&side->conn.output, output_max);
    mm_buf_init(&side->way, WAY_MAX);
    FUZZ_CHECK(mm_tls_session_new(&side->conn, context, name, name != NULL) ==
               MAILMOD_OK);
    pump(side, mm_span(NULL, 0));
}

static void end(struct side *side)
{
    mm_tls_session_free(&side->conn.tls);
    mm_buf_fini(&side->conn.output);
    mm_buf_fini(&side->way);
}

/* All that is on its way arrives, until nothing moves. */
static void settle(void)
{
    unsigned quiet = 0;

    for (unsigned i = 0; quiet < 6; i++) {
        struct side *side = &sides[i % 2];

        pump(side, mm_span(NULL, 0));
        quiet =
            flush(side, WAY_MAX) + mm_buf_size(&side->way) == 0 ? quiet + 1 : 0;
        move(i % 2, WAY_MAX);
        FUZZ_CHECK(i < 100000);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct mm_span script = mm_span((const char *)data, size);
    uint8_t options = fuzz_octet(&script);
    bool is_foreign = (options & 1) != 0;

    if (tls.server == NULL) {
        make_tls();
        for (size_t i = 0; i < TEXT_MAX; i++) {
            sides[0].text[i] = (char)(i * 7 + i / 251);
            sides[1].text[i] = (char)(i * 11 + i / 241);
        }
    }
    is_meddled = false;
    size_t output_max =
        (options & 2) != 0 ? 600 : MM_LIMIT_OUTPUT + MM_CONN_OUTPUT_SLACK;
    begin(&sides[0], tls.server, NULL, output_max);
    begin(&sides[1], tls.clients[is_foreign], "mx.example", output_max);
    for (unsigned i = 0; i < STEPS_MAX && script.size > 0; i++) {
        step(&script);
    }
    settle();
    if (is_foreign) {
        FUZZ_CHECK(!mm_tls_is_established(sides[1].conn.tls));
        FUZZ_CHECK(sides[0].read == 0);
    } else if (!is_meddled) {
        FUZZ_CHECK(!sides[0].is_over && !sides[1].is_over);
        for (unsigned i = 0; i < 2; i++) {
            const struct side *other = &sides[1 - i];
            FUZZ_CHECK(sides[i].is_closed || sides[i].read == other->written);
            FUZZ_CHECK(sides[i].is_closed || other->is_ended ||
                       sides[i].is_ended == other->is_closed);
        }
    }
    end(&sides[0]);
    end(&sides[1]);
    return 0;
}
