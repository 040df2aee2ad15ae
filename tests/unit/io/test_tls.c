/* test_tls.c - handshakes good and bad, both sides; certificates; ALPN. */
#include "helpers.h"

#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>

#define TLS_MS 10000

static char folder[] = "/tmp/mailmod-tls-XXXXXX";
static char certificate_file[64];
static char key_file[64];

static void write_file(const char *path, struct mm_span data)
{
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(data.data, 1, data.size, file), data.size);
    assert_int_equal(fclose(file), 0);
}

static void make_self_signed(const char *name)
{
    struct mm_buf certificate;
    struct mm_buf key;
    mm_buf_init(&certificate, 65536);
    mm_buf_init(&key, 65536);
    assert_int_equal(
        mm_tls_self_signed(name, MM_TLS_KEY_P256, &certificate, &key),
        MAILMOD_OK);
    write_file(certificate_file, mm_buf_span(&certificate));
    write_file(key_file, mm_buf_span(&key));
    mm_buf_fini(&certificate);
    mm_buf_fini(&key);
}

/* A certificate that mm_tls_self_signed would not make. `names` as OpenSSL's
 * configuration writes them, or NULL. */
static void make_odd(const char *common, const char *names, long begin_s,
                     long end_s)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *certificate = X509_new();
    X509_set_version(certificate, X509_VERSION_3);
    ASN1_INTEGER_set(X509_get_serialNumber(certificate), 7);
    X509_gmtime_adj(X509_getm_notBefore(certificate), begin_s);
    X509_gmtime_adj(X509_getm_notAfter(certificate), end_s);
    X509_NAME *name = X509_get_subject_name(certificate);
    X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC,
                               (const unsigned char *)common, -1, -1, 0);
    X509_set_issuer_name(certificate, name);
    X509_set_pubkey(certificate, key);
    if (names != NULL) {
        X509_EXTENSION *extension =
            X509V3_EXT_conf_nid(NULL, NULL, NID_subject_alt_name, names);
        assert_non_null(extension);
        X509_add_ext(certificate, extension, -1);
        X509_EXTENSION_free(extension);
    }
    assert_true(X509_sign(certificate, key, EVP_sha256()) > 0);
    FILE *file = fopen(certificate_file, "wb");
    PEM_write_X509(file, certificate);
    fclose(file);
    file = fopen(key_file, "wb");
    PEM_write_PrivateKey(file, key, NULL, NULL, 0, NULL, NULL);
    fclose(file);
    X509_free(certificate);
    EVP_PKEY_free(key);
}

static struct mm_tls *server_context(const char *service)
{
    struct mm_tls *tls;
    assert_int_equal(server_tls_new(&tls, certificate_file, key_file, service,
                                    MM_TLS_OLDEST_1_2, NULL),
                     MAILMOD_OK);
    return tls;
}

static struct mm_tls *client_context(const char *authority_file)
{
    struct mm_tls *tls;
    struct mm_tls_client_options options = {.authority_file = authority_file};
    assert_int_equal(mm_tls_client_new(&tls, &options, NULL), MAILMOD_OK);
    return tls;
}

struct meeting {
    struct server server;
    struct mm_loop *loop;
    struct side client;
    struct mm_tls *server_tls;
    struct mm_tls *client_tls;
    const char *name;
    bool verifies;
};

static struct meeting meeting;

static size_t server_took(struct side *side, const char *bytes, size_t size)
{
    if (!mm_conn_is_tls(side->conn)) {
        assert_true(mm_span_is(mm_span(bytes, size), "STARTTLS\r\n"));
        assert_int_equal(mm_conn_write(side->conn, "220 go\r\n", 8),
                         MAILMOD_OK);
        assert_int_equal(
            mm_conn_start_tls_server(side->conn, meeting.server_tls, TLS_MS),
            MAILMOD_OK);
        return size;
    }
    assert_int_equal(mm_conn_write(side->conn, bytes, size), MAILMOD_OK);
    return size;
}

static void client_opened(struct side *side)
{
    assert_int_equal(mm_conn_write(side->conn, "STARTTLS\r\n", 10), MAILMOD_OK);
}

static size_t client_took(struct side *side, const char *bytes, size_t size)
{
    if (!mm_conn_is_tls(side->conn)) {
        assert_true(mm_span_is(mm_span(bytes, size), "220 go\r\n"));
        assert_int_equal(
            mm_conn_start_tls_client(side->conn, meeting.client_tls,
                                     meeting.name, meeting.verifies, TLS_MS),
            MAILMOD_OK);
        /* Kept until the handshake is done. */
        assert_int_equal(mm_conn_write(side->conn, "EHLO", 4), MAILMOD_OK);
        return size;
    }
    assert_int_equal(mm_buf_append(&side->input, bytes, size), MAILMOD_OK);
    if (mm_span_is(mm_buf_span(&side->input), "EHLO")) {
        mm_conn_close(side->conn);
    }
    return size;
}

static void meet(const char *name, bool verifies, const char *authority_file)
{
    memset(&meeting, 0, sizeof meeting);
    meeting.name = name;
    meeting.verifies = verifies;
    meeting.server_tls = server_context("smtp");
    meeting.client_tls = client_context(authority_file);
    server_begin(&meeting.server);
    meeting.server.side.took = server_took;
    side_init(&meeting.client);
    meeting.client.opened = client_opened;
    meeting.client.took = client_took;
    meeting.loop = loop_begin();
    dial(meeting.loop, &meeting.client, server_port(&meeting.server));
    wait_flag(&meeting.client.is_closed);
    wait_flag_for(&meeting.server.side.is_closed, 5000);
    loop_end(&meeting.loop);
    server_end(&meeting.server);
    mm_tls_unref(&meeting.server_tls);
    mm_tls_unref(&meeting.client_tls);
    side_fini(&meeting.client);
    assert_int_equal(meeting.client.closed_count, 1);
    assert_int_equal(meeting.server.side.closed_count, 1);
}

static void test_verified(void **state)
{
    (void)state;
    make_self_signed("mail.example.org");
    meet("mail.example.org", true, certificate_file);
    assert_int_equal(meeting.client.reason, MAILMOD_OK);
    assert_true(meeting.client.is_tls);
    assert_true(strncmp(meeting.client.tls_text, "TLSv1.3 TLS_", 12) == 0);
    assert_string_equal(meeting.client.tls_text, meeting.server.side.tls_text);
    /* The client's close_notify arrived: an end, not a cut. */
    assert_true(meeting.server.side.has_end);

    make_self_signed("127.0.0.1");
    meet("127.0.0.1", true, certificate_file);
    assert_int_equal(meeting.client.reason, MAILMOD_OK);
}

static void test_opportunistic(void **state)
{
    (void)state;
    make_odd("x", NULL, -200, -100);
    meet("mail.example.org", false, NULL);
    assert_int_equal(meeting.client.reason, MAILMOD_OK);
    assert_true(meeting.client.is_tls);
}

static void test_untrusted(void **state)
{
    (void)state;
    static const struct {
        const char *names;
        const char *asked;
        long end_s;
        bool is_known;
        const char *reason;
    } table[] = {
        {"DNS:a.example", "b.example", 1000, true, "it names a.example"},
        {"DNS:a.example", "a.example", -100, true, "expired"},
        {"DNS:a.example", "a.example", 1000, false, "self-signed"},
        {NULL, "a.example", 1000, true, "it names no host"},
        {"DNS:*.example.org", "a.b.example.org", 1000, true, "mismatch"},
        {"DNS:m*.example.org", "mail.example.org", 1000, true, "mismatch"},
        {"DNS:127.0.0.1", "127.0.0.1", 1000, true, "IP address mismatch"},
        {"IP:127.0.0.2", "127.0.0.1", 1000, true, "IP address mismatch"},
    };
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        make_odd("a.example", table[i].names, -1000, table[i].end_s);
        meet(table[i].asked, true, table[i].is_known ? certificate_file : NULL);
        if (meeting.client.reason != MAILMOD_ERROR_TLS_CERTIFICATE ||
            strstr(meeting.client.failure, table[i].reason) == NULL) {
            fail_msg("%zu: %d %s", i, meeting.client.reason,
                     meeting.client.failure);
        }
        assert_false(meeting.client.is_tls);
        assert_int_equal(meeting.server.side.reason, MAILMOD_ERROR_TLS);
    }
}

static void begin_nameless(struct side *side)
{
    assert_int_equal(mm_conn_start_tls_client(side->conn, meeting.client_tls,
                                              "", true, TLS_MS),
                     MAILMOD_ERROR_ARGUMENT);
    assert_int_equal(mm_conn_start_tls_client(side->conn, meeting.client_tls,
                                              NULL, true, TLS_MS),
                     MAILMOD_ERROR_ARGUMENT);
    assert_int_equal(
        mm_conn_start_tls_server(side->conn, meeting.client_tls, TLS_MS),
        MAILMOD_ERROR_ARGUMENT);
}

/* A name left out must not switch the check off. */
static void test_no_name_to_verify(void **state)
{
    (void)state;
    meeting.client_tls = client_context(NULL);
    struct server server;
    server_begin(&server);
    server.side.opened = begin_nameless;
    int fd = peer_connect(server_port(&server));
    wait_flag(&server.side.is_open);
    close(fd);
    server_end(&server);
    mm_tls_unref(&meeting.client_tls);
}

#define FLOOD (3u * 1024 * 1024)

static char pattern_at(size_t at)
{
    return (char)((at * 17 + at / 509) & 0xff);
}

static size_t flood_echo(struct side *side, const char *bytes, size_t size)
{
    size_t room = mm_conn_write_room(side->conn);
    size_t count = size < room ? size : room;
    assert_int_equal(mm_conn_write(side->conn, bytes, count), MAILMOD_OK);
    return count;
}

static void flood_resume(struct side *side)
{
    mm_conn_resume(side->conn);
}

static void flood_server_begin(struct side *side)
{
    assert_int_equal(
        mm_conn_start_tls_server(side->conn, meeting.server_tls, TLS_MS),
        MAILMOD_OK);
}

static void flood_client_begin(struct side *side)
{
    assert_int_equal(mm_conn_start_tls_client(side->conn, meeting.client_tls,
                                              "mail.example.org", true, TLS_MS),
                     MAILMOD_OK);
}

static void flood_more(struct side *side)
{
    char bytes[20000];
    while (side->sent < FLOOD) {
        size_t count = sizeof bytes;
        if (count > FLOOD - side->sent) {
            count = FLOOD - side->sent;
        }
        if (mm_conn_write_room(side->conn) < count) {
            return;
        }
        for (size_t i = 0; i < count; i++) {
            bytes[i] = pattern_at(side->sent + i);
        }
        assert_int_equal(mm_conn_write(side->conn, bytes, count), MAILMOD_OK);
        side->sent += count;
    }
}

static size_t flood_took(struct side *side, const char *bytes, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        if (bytes[i] != pattern_at(side->received + i)) {
            fail_msg("octet %zu differs", side->received + i);
        }
    }
    if (side->received + size == FLOOD) {
        mm_conn_close(side->conn);
    }
    return size;
}

static void test_flood(void **state)
{
    (void)state;
    make_self_signed("mail.example.org");
    memset(&meeting, 0, sizeof meeting);
    meeting.server_tls = server_context("smtp");
    meeting.client_tls = client_context(certificate_file);
    server_begin(&meeting.server);
    meeting.server.side.opened = flood_server_begin;
    meeting.server.side.took = flood_echo;
    meeting.server.side.drained = flood_resume;
    side_init(&meeting.client);
    meeting.client.opened = flood_client_begin;
    meeting.client.secured = flood_more;
    meeting.client.drained = flood_more;
    meeting.client.took = flood_took;
    meeting.loop = loop_begin();
    dial(meeting.loop, &meeting.client, server_port(&meeting.server));
    wait_flag(&meeting.client.is_closed);
    loop_end(&meeting.loop);
    server_end(&meeting.server);
    mm_tls_unref(&meeting.server_tls);
    mm_tls_unref(&meeting.client_tls);
    assert_int_equal(meeting.client.received, FLOOD);
    assert_int_equal(meeting.client.reason, MAILMOD_OK);
    side_fini(&meeting.client);
}

static size_t take_command(struct side *side, const char *bytes, size_t size)
{
    (void)bytes;
    assert_false(mm_conn_is_tls(side->conn));
    assert_int_equal(mm_conn_write(side->conn, "220 go\r\n", 8), MAILMOD_OK);
    assert_int_equal(
        mm_conn_start_tls_server(side->conn, meeting.server_tls, TLS_MS),
        MAILMOD_OK);
    return size < 10 ? size : 10;
}

static void test_injection_into_server(void **state)
{
    (void)state;
    make_self_signed("mail.example.org");
    meeting.server_tls = server_context("smtp");
    server_begin(&meeting.server);
    meeting.server.side.took = take_command;
    int fd = peer_connect(server_port(&meeting.server));
    peer_send(fd, "STARTTLS\r\nNOOP\r\n");
    wait_flag(&meeting.server.side.is_closed);
    close(fd);
    assert_int_equal(meeting.server.side.reason, MAILMOD_ERROR_PROTOCOL);
    server_end(&meeting.server);
    mm_tls_unref(&meeting.server_tls);
}

static size_t take_answer(struct side *side, const char *bytes, size_t size)
{
    (void)bytes;
    (void)size;
    assert_int_equal(mm_conn_start_tls_client(side->conn, meeting.client_tls,
                                              "a.example", false, TLS_MS),
                     MAILMOD_OK);
    return 8;
}

static void inject(struct side *side)
{
    static const char bytes[] = "220 go\r\n250 injected\r\n";
    assert_int_equal(mm_conn_write(side->conn, bytes, sizeof bytes - 1),
                     MAILMOD_OK);
}

static void test_injection_into_client(void **state)
{
    (void)state;
    struct mm_loop *loop = loop_begin();
    struct side client;
    meeting.client_tls = client_context(NULL);
    server_begin(&meeting.server);
    meeting.server.side.opened = inject;
    side_init(&client);
    client.took = take_answer;
    dial(loop, &client, server_port(&meeting.server));
    wait_flag(&client.is_closed);
    assert_int_equal(client.reason, MAILMOD_ERROR_PROTOCOL);
    loop_end(&loop);
    server_end(&meeting.server);
    mm_tls_unref(&meeting.client_tls);
    side_fini(&client);
}

static void begin_briefly(struct side *side)
{
    assert_int_equal(
        mm_conn_start_tls_server(side->conn, meeting.server_tls, 300),
        MAILMOD_OK);
    assert_int_equal(
        mm_conn_start_tls_server(side->conn, meeting.server_tls, 300),
        MAILMOD_ERROR_STATE);
}

static void server_tls_begin(void)
{
    make_self_signed("mail.example.org");
    meeting.server_tls = server_context("smtp");
    server_begin(&meeting.server);
    meeting.server.side.opened = begin_briefly;
}

static void server_tls_end(void)
{
    server_end(&meeting.server);
    mm_tls_unref(&meeting.server_tls);
}

static void test_plain_to_tls_port(void **state)
{
    (void)state;
    static const char request[] = "GET /secret HTTP/1.1\r\nHost: x\r\n\r\n";
    char bytes[512];
    server_tls_begin();
    int fd = peer_connect(server_port(&meeting.server));
    peer_send(fd, request);
    ssize_t size = peer_read(fd, bytes, sizeof bytes - 1, NULL);
    bytes[size < 0 ? 0 : size] = '\0';
    assert_null(strstr(bytes, "secret"));
    close(fd);
    wait_flag(&meeting.server.side.is_closed);
    assert_int_equal(meeting.server.side.reason, MAILMOD_ERROR_TLS);
    assert_non_null(strstr(meeting.server.side.failure, "TLS handshake: "));
    server_tls_end();
}

static void test_silent_and_cut_handshake(void **state)
{
    (void)state;
    server_tls_begin();
    int fd = peer_connect(server_port(&meeting.server));
    wait_flag(&meeting.server.side.is_closed);
    close(fd);
    assert_int_equal(meeting.server.side.reason, MAILMOD_ERROR_TIMEOUT);
    server_tls_end();

    server_tls_begin();
    fd = peer_connect(server_port(&meeting.server));
    assert_int_equal(send(fd, "\x16\x03\x01\x00", 4, MSG_NOSIGNAL), 4);
    close(fd);
    wait_flag(&meeting.server.side.is_closed);
    assert_int_equal(meeting.server.side.reason, MAILMOD_ERROR_TLS);
    server_tls_end();
}

/* The client's first message, as octets. */
static size_t client_hello(char *out, size_t size)
{
    SSL_CTX *context = SSL_CTX_new(TLS_client_method());
    SSL *ssl = SSL_new(context);
    BIO *in = BIO_new(BIO_s_mem());
    BIO *sent = BIO_new(BIO_s_mem());
    SSL_set_bio(ssl, in, sent);
    SSL_set_tlsext_host_name(ssl, "mail.example.org\\");
    assert_int_equal(SSL_connect(ssl), -1);
    int count = BIO_read(sent, out, (int)size);
    assert_true(count > 100);
    SSL_free(ssl);
    SSL_CTX_free(context);
    return (size_t)count;
}

static void test_cut_at_each_octet(void **state)
{
    (void)state;
    char hello[1024];
    size_t size = client_hello(hello, sizeof hello);
    server_tls_begin();
    for (size_t cut = 1; cut <= size; cut++) {
        int fd = peer_connect(server_port(&meeting.server));
        assert_int_equal(send(fd, hello, cut, MSG_NOSIGNAL), (ssize_t)cut);
        shutdown(fd, SHUT_WR);
        char rest[4096];
        peer_read(fd, rest, sizeof rest, NULL);
        close(fd);
    }
    wait_flag(&meeting.server.side.is_closed);
    assert_false(meeting.server.side.is_tls);
    server_tls_end();
    assert_int_equal(meeting.server.side.closed_count, size);
}

static void say_hello(struct side *side)
{
    assert_int_equal(mm_conn_write(side->conn, "220 hello\r\n", 11),
                     MAILMOD_OK);
}

static void test_tls_to_plain_port(void **state)
{
    (void)state;
    struct mm_loop *loop = loop_begin();
    struct side client;
    meeting.client_tls = client_context(NULL);
    server_begin(&meeting.server);
    meeting.server.side.opened = say_hello;
    side_init(&client);
    client.opened = flood_client_begin;
    dial(loop, &client, server_port(&meeting.server));
    wait_flag(&client.is_closed);
    assert_int_equal(client.reason, MAILMOD_ERROR_TLS);
    assert_false(client.is_tls);
    loop_end(&loop);
    server_end(&meeting.server);
    mm_tls_unref(&meeting.client_tls);
    side_fini(&client);
}

static SSL *peer_tls(SSL_CTX *context, uint16_t port, int *fd_out)
{
    *fd_out = peer_connect(port);
    SSL *ssl = SSL_new(context);
    SSL_set_fd(ssl, *fd_out);
    return ssl;
}

/* To a handler that hears of no ends. */
static void test_cut_without_notice(void **state)
{
    (void)state;
    int fd;
    SSL_CTX *context = SSL_CTX_new(TLS_client_method());
    server_tls_begin();
    meeting.server.handler = &endless_handler;
    SSL *ssl = peer_tls(context, server_port(&meeting.server), &fd);
    assert_int_equal(SSL_connect(ssl), 1);
    assert_int_equal(SSL_write(ssl, "half", 4), 4);
    shutdown(fd, SHUT_WR);
    wait_flag(&meeting.server.side.is_closed);
    assert_int_equal(meeting.server.side.reason, MAILMOD_ERROR_CLOSED);
    assert_non_null(strstr(meeting.server.side.failure, "without notice"));
    assert_int_equal(meeting.server.side.received, 4);
    SSL_free(ssl);
    close(fd);
    server_tls_end();
    SSL_CTX_free(context);
}

static void test_garbage_after_handshake(void **state)
{
    (void)state;
    int fd;
    SSL_CTX *context = SSL_CTX_new(TLS_client_method());
    server_tls_begin();
    SSL *ssl = peer_tls(context, server_port(&meeting.server), &fd);
    assert_int_equal(SSL_connect(ssl), 1);
    peer_send(fd, "QUIT in clear, in the middle of the session\r\n");
    wait_flag(&meeting.server.side.is_closed);
    assert_int_equal(meeting.server.side.reason, MAILMOD_ERROR_TLS);
    SSL_free(ssl);
    close(fd);
    server_tls_end();
    SSL_CTX_free(context);
}

/* Attack 16: no second handshake inside the session (RFC 9325 3.5). */
static void test_no_renegotiation(void **state)
{
    (void)state;
    int fd;
    SSL_CTX *context = SSL_CTX_new(TLS_client_method());
    SSL_CTX_set_max_proto_version(context, TLS1_2_VERSION);
    server_tls_begin();
    SSL *ssl = peer_tls(context, server_port(&meeting.server), &fd);
    assert_int_equal(SSL_connect(ssl), 1);
    assert_int_equal(SSL_renegotiate(ssl), 1);
    assert_int_not_equal(SSL_do_handshake(ssl), 1);
    assert_int_equal(ERR_GET_REASON(ERR_peek_error()), SSL_R_NO_RENEGOTIATION);
    ERR_clear_error();
    SSL_free(ssl);
    close(fd);
    wait_flag(&meeting.server.side.is_closed);
    server_tls_end();
    SSL_CTX_free(context);
}

static void test_alpn(void **state)
{
    (void)state;
    static const struct {
        const char *offered;
        bool is_taken;
    } table[] = {
        {"\x08http/1.1", false},
        {"\x04pop3", false},
        {"\x04smtp", true},
        {"\x08http/1.1\x04smtp", true},
    };
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        int fd;
        SSL_CTX *context = SSL_CTX_new(TLS_client_method());
        SSL_CTX_set_alpn_protos(context,
                                (const unsigned char *)table[i].offered,
                                (unsigned)strlen(table[i].offered));
        server_tls_begin();
        meeting.server.handler = &endless_handler;
        SSL *ssl = peer_tls(context, server_port(&meeting.server), &fd);
        assert_int_equal(SSL_connect(ssl) == 1, table[i].is_taken);
        ERR_clear_error();
        SSL_free(ssl);
        close(fd);
        wait_flag(&meeting.server.side.is_closed);
        server_tls_end();
        SSL_CTX_free(context);
    }
}

static void begin_first(struct side *side)
{
    assert_int_equal(mm_conn_start_tls_server(side->conn, side->data, TLS_MS),
                     MAILMOD_OK);
}

/* Connects once with the session of before; true when it was resumed. */
static bool connect_resuming(SSL_CTX *context, struct server *server,
                             SSL_SESSION **session)
{
    int fd;
    char byte;
    SSL *ssl = peer_tls(context, server_port(server), &fd);
    if (*session != NULL) {
        SSL_set_session(ssl, *session);
    }
    assert_int_equal(SSL_connect(ssl), 1);
    bool is_resumed = SSL_session_reused(ssl) == 1;
    assert_int_equal(SSL_write(ssl, "x", 1), 1);
    assert_int_equal(SSL_read(ssl, &byte, 1), 1); /* brings the tickets */
    SSL_SESSION_free(*session);
    *session = SSL_get1_session(ssl);
    SSL_shutdown(ssl);
    SSL_free(ssl);
    close(fd);
    return is_resumed;
}

static void check_tickets(int version)
{
    SSL_SESSION *session = NULL;
    struct server smtp;
    struct server pop3;
    make_self_signed("mail.example.org");
    struct mm_tls *smtp_tls = server_context("smtp");
    struct mm_tls *pop3_tls = server_context("pop3");
    server_begin(&smtp);
    server_begin(&pop3);
    smtp.side.data = smtp_tls;
    pop3.side.data = pop3_tls;
    smtp.side.opened = begin_first;
    pop3.side.opened = begin_first;
    smtp.side.took = flood_echo;
    pop3.side.took = flood_echo;
    SSL_CTX *context = SSL_CTX_new(TLS_client_method());
    SSL_CTX_set_max_proto_version(context, version);
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_CLIENT);
    assert_false(connect_resuming(context, &smtp, &session));
    assert_true(connect_resuming(context, &smtp, &session));
    assert_false(connect_resuming(context, &pop3, &session));
    SSL_SESSION_free(session);
    SSL_CTX_free(context);
    server_end(&smtp);
    server_end(&pop3);
    mm_tls_unref(&smtp_tls);
    mm_tls_unref(&pop3_tls);
}

static void test_tickets_stay_with_their_service(void **state)
{
    (void)state;
    check_tickets(TLS1_2_VERSION);
    check_tickets(TLS1_3_VERSION);
}

static void test_bad_files(void **state)
{
    (void)state;
    struct mm_tls *tls;
    struct mm_buf reason;
    char other_key[64];
    mm_buf_init(&reason, 512);
    assert_int_equal(server_tls_new(&tls, "/nonexistent", NULL, "smtp",
                                    MM_TLS_OLDEST_1_2, &reason),
                     MAILMOD_ERROR_CONFIG);
    assert_null(tls);
    assert_non_null(strstr(mm_buf_cstr(&reason), "/nonexistent"));
    make_self_signed("one.example");
    snprintf(other_key, sizeof other_key, "%s/other", folder);
    assert_int_equal(rename(key_file, other_key), 0);
    make_self_signed("two.example");
    mm_buf_clear(&reason);
    assert_int_equal(server_tls_new(&tls, certificate_file, other_key, "smtp",
                                    MM_TLS_OLDEST_1_2, &reason),
                     MAILMOD_ERROR_CONFIG);
    assert_non_null(strstr(mm_buf_cstr(&reason), "does not fit"));
    /* No key in the certificate's file. */
    assert_int_equal(server_tls_new(&tls, certificate_file, NULL, "smtp",
                                    MM_TLS_OLDEST_1_2, NULL),
                     MAILMOD_ERROR_CONFIG);
    struct mm_tls_client_options client = {.authority_file = "/nonexistent"};
    assert_int_equal(mm_tls_client_new(&tls, &client, NULL),
                     MAILMOD_ERROR_CONFIG);
    mm_buf_fini(&reason);
    unlink(other_key);
}

static void test_self_signed_names(void **state)
{
    (void)state;
    static const char *const bad[] = {"", "a,DNS:b", "a b", "a\nb", "*.x"};
    struct mm_buf certificate;
    struct mm_buf key;
    mm_buf_init(&certificate, 65536);
    mm_buf_init(&key, 65536);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_int_equal(
            mm_tls_self_signed(bad[i], MM_TLS_KEY_P256, &certificate, &key),
            MAILMOD_ERROR_ARGUMENT);
    }
    assert_int_equal(
        mm_tls_self_signed("::1", MM_TLS_KEY_RSA, &certificate, &key),
        MAILMOD_OK);
    mm_buf_fini(&certificate);
    mm_buf_fini(&key);
}

static int set_up(void **state)
{
    (void)state;
    if (mkdtemp(folder) == NULL) {
        return -1;
    }
    snprintf(certificate_file, sizeof certificate_file, "%s/cert", folder);
    snprintf(key_file, sizeof key_file, "%s/key", folder);
    signal(SIGPIPE, SIG_IGN); /* for OpenSSL as the peer, in this thread */
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    unlink(certificate_file);
    unlink(key_file);
    return rmdir(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_verified),
        cmocka_unit_test(test_opportunistic),
        cmocka_unit_test(test_untrusted),
        cmocka_unit_test(test_no_name_to_verify),
        cmocka_unit_test(test_flood),
        cmocka_unit_test(test_injection_into_server),
        cmocka_unit_test(test_injection_into_client),
        cmocka_unit_test(test_plain_to_tls_port),
        cmocka_unit_test(test_silent_and_cut_handshake),
        cmocka_unit_test(test_cut_at_each_octet),
        cmocka_unit_test(test_tls_to_plain_port),
        cmocka_unit_test(test_cut_without_notice),
        cmocka_unit_test(test_garbage_after_handshake),
        cmocka_unit_test(test_no_renegotiation),
        cmocka_unit_test(test_alpn),
        cmocka_unit_test(test_tickets_stay_with_their_service),
        cmocka_unit_test(test_bad_files),
        cmocka_unit_test(test_self_signed_names),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
