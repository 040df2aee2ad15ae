/* test_tls_versions.c - which versions of TLS are spoken, by either side: RFC
 * 8996 leaves 1.2 and 1.3, whatever the peer and its ciphers are ready for,
 * but where TLS 1.0 is asked for. */
#include "../helpers.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <signal.h>
#include <stdlib.h>

#define TLS_MS 10000
/* Debian's OpenSSL forbids the old versions by this level alone. */
#define ANY_CIPHER "ALL:@SECLEVEL=0"

static char folder[] = "/tmp/mailmod-versions-XXXXXX";
static char certificate_file[64];
static char key_file[64];

static const int versions[] = {TLS1_VERSION, TLS1_1_VERSION, TLS1_2_VERSION,
                               TLS1_3_VERSION};
#define VERSION_COUNT (sizeof versions / sizeof versions[0])

static struct mm_tls *tls;

static void write_file(const char *path, struct mm_span data)
{
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(data.data, 1, data.size, file), data.size);
    assert_int_equal(fclose(file), 0);
}

/* A peer that speaks this version alone. */
static SSL_CTX *peer_context(const SSL_METHOD *method, int version)
{
    SSL_CTX *context = SSL_CTX_new(method);
    assert_non_null(context);
    assert_int_equal(SSL_CTX_set_min_proto_version(context, version), 1);
    assert_int_equal(SSL_CTX_set_max_proto_version(context, version), 1);
    assert_int_equal(SSL_CTX_set_cipher_list(context, ANY_CIPHER), 1);
    return context;
}

static void server_opened(struct side *side)
{
    assert_int_equal(mm_conn_start_tls_server(side->conn, tls, TLS_MS),
                     MAILMOD_OK);
}

static bool connect_with(int version)
{
    struct server server;
    SSL_CTX *context = peer_context(TLS_client_method(), version);
    server_begin(&server);
    server.handler = &endless_handler;
    server.side.opened = server_opened;
    int fd = peer_connect(server_port(&server));
    SSL *ssl = SSL_new(context);
    SSL_set_fd(ssl, fd);
    bool is_connected = SSL_connect(ssl) == 1;
    ERR_clear_error();
    SSL_free(ssl);
    close(fd);
    wait_flag(&server.side.is_closed);
    if (!is_connected) { /* the server's refusal, not the peer's */
        assert_non_null(strstr(server.side.failure, "unsupported protocol"));
    }
    server_end(&server);
    SSL_CTX_free(context);
    return is_connected;
}

static void test_server(void **state)
{
    (void)state;
    static const struct {
        enum mm_tls_oldest oldest;
        int version;
    } rows[] = {{MM_TLS_OLDEST_1_3, TLS1_3_VERSION},
                {MM_TLS_OLDEST_1_2, TLS1_2_VERSION},
                {MM_TLS_OLDEST_1_0, TLS1_VERSION}};
    for (size_t row = 0; row < sizeof rows / sizeof rows[0]; row++) {
        assert_int_equal(server_tls_new(&tls, certificate_file, key_file,
                                        "smtp", rows[row].oldest, NULL),
                         MAILMOD_OK);
        for (size_t i = 0; i < VERSION_COUNT; i++) {
            assert_int_equal(connect_with(versions[i]),
                             versions[i] >= rows[row].version);
        }
        mm_tls_unref(&tls);
    }
}

static void client_opened(struct side *side)
{
    assert_int_equal(mm_conn_start_tls_client(side->conn, tls, "mail.example",
                                              false, TLS_MS),
                     MAILMOD_OK);
}

static void client_secured(struct side *side)
{
    mm_conn_close(side->conn);
}

static int peer_listen(uint16_t *port_out)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in in4 = {.sin_family = AF_INET};
    socklen_t length = sizeof in4;
    in4.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    assert_int_equal(bind(fd, (struct sockaddr *)&in4, sizeof in4), 0);
    assert_int_equal(listen(fd, 1), 0);
    getsockname(fd, (struct sockaddr *)&in4, &length);
    *port_out = ntohs(in4.sin_port);
    return fd;
}

static bool dial_to(int version)
{
    struct side client;
    uint16_t port;
    SSL_CTX *context = peer_context(TLS_server_method(), version);
    assert_int_equal(
        SSL_CTX_use_certificate_chain_file(context, certificate_file), 1);
    assert_int_equal(
        SSL_CTX_use_PrivateKey_file(context, key_file, SSL_FILETYPE_PEM), 1);
    int listening = peer_listen(&port);
    struct mm_loop *loop = loop_begin();
    side_init(&client);
    client.opened = client_opened;
    client.secured = client_secured;
    dial(loop, &client, port);
    int fd = accept(listening, NULL, NULL);
    assert_true(fd >= 0);
    SSL *ssl = SSL_new(context);
    SSL_set_fd(ssl, fd);
    bool is_accepted = SSL_accept(ssl) == 1;
    ERR_clear_error();
    SSL_free(ssl);
    close(fd);
    close(listening);
    wait_flag(&client.is_closed);
    loop_end(&loop);
    assert_int_equal(client.is_tls, is_accepted);
    if (!is_accepted) {
        assert_int_equal(client.reason, MAILMOD_ERROR_TLS);
    }
    side_fini(&client);
    SSL_CTX_free(context);
    return is_accepted;
}

/* Opportunistic or not. */
static void test_client(void **state)
{
    (void)state;
    for (int allows = 0; allows <= 1; allows++) {
        struct mm_tls_client_options options = {
            .authority_file = certificate_file, .allows_old = allows == 1};
        assert_int_equal(mm_tls_client_new(&tls, &options, NULL), MAILMOD_OK);
        for (size_t i = 0; i < VERSION_COUNT; i++) {
            assert_int_equal(dial_to(versions[i]),
                             versions[i] >= TLS1_2_VERSION);
        }
        mm_tls_unref(&tls);
    }
}

static int set_up(void **state)
{
    (void)state;
    struct mm_buf certificate;
    struct mm_buf key;
    if (mkdtemp(folder) == NULL) {
        return -1;
    }
    snprintf(certificate_file, sizeof certificate_file, "%s/cert", folder);
    snprintf(key_file, sizeof key_file, "%s/key", folder);
    mm_buf_init(&certificate, 65536);
    mm_buf_init(&key, 65536);
    assert_int_equal(
        mm_tls_self_signed("mail.example", MM_TLS_KEY_P256, &certificate, &key),
        MAILMOD_OK);
    write_file(certificate_file, mm_buf_span(&certificate));
    write_file(key_file, mm_buf_span(&key));
    mm_buf_fini(&certificate);
    mm_buf_fini(&key);
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
        cmocka_unit_test(test_server),
        cmocka_unit_test(test_client),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
