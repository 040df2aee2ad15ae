/* letters.c - a program for libESMTP that does as its test tells it.
 *
 * letters: reads one command a line from standard input, its words split by
 * tabs, and answers each on standard output: what was told meanwhile, then the
 * command, what its function returned, smtp_errno and its words. It knows the
 * headers of libESMTP alone. A program: it may print. */
#define LIBESMTP_ENABLE_DEPRECATED_SYMBOLS
#include <auth-client.h>
#include <libesmtp.h>

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { WORDS_MAX = 8, LINE_SIZE = 65536, PLACES = 10, FILE_MAX = 4194304 };

static smtp_session_t session;
static auth_context_t login;
static char user[64], password[64];
static smtp_message_t messages[PLACES];
static smtp_recipient_t recipients[PLACES];
static char *texts[PLACES];
static FILE *files[PLACES];
/* What the events that ask are answered. */
static int quits, trusts;

static int number(const char *text)
{
    return (int)strtol(text, NULL, 0);
}

/* "", a text that is not there. */
static const char *maybe(const char *text)
{
    return text[0] != '\0' ? text : NULL;
}

static void show(const char *what, const char *octets, size_t size)
{
    printf("%s\t", what);
    for (size_t i = 0; i < size; i++) {
        if (octets[i] == '\r') {
            printf("\\r");
        } else if (octets[i] == '\n') {
            printf("\\n");
        } else if (octets[i] == '\t') {
            printf(" ");
        } else {
            putchar(octets[i]);
        }
    }
    printf("\n");
}

/* ---- what the library calls ---------------------------------------------- */

static int give_login(auth_client_request_t request, char **result, int fields,
                      void *arg)
{
    (void)arg;
    for (int i = 0; i < fields; i++) {
        printf("asked\t%s\t%u\n", request[i].name, request[i].flags);
        result[i] = (request[i].flags & AUTH_PASS) != 0 ? password : user;
    }
    return user[0] != '\0';
}

static void on_event(smtp_session_t which, int event, void *arg, ...)
{
    const smtp_status_t *status = NULL;
    const char *mailbox = "";
    long count = 0;
    va_list more;

    (void)which;
    va_start(more, arg);
    switch (event) {
    case SMTP_EV_MAILSTATUS:
        mailbox = va_arg(more, const char *);
        status = smtp_reverse_path_status(va_arg(more, smtp_message_t));
        break;
    case SMTP_EV_RCPTSTATUS:
        mailbox = va_arg(more, const char *);
        status = smtp_recipient_status(va_arg(more, smtp_recipient_t));
        break;
    case SMTP_EV_MESSAGEDATA:
        (void)va_arg(more, smtp_message_t);
        count = va_arg(more, int);
        break;
    case SMTP_EV_MESSAGESENT:
        status = smtp_message_transfer_status(va_arg(more, smtp_message_t));
        break;
    case SMTP_EV_EXTNA_DSN:
        *va_arg(more, int *) = quits;
        break;
    case SMTP_EV_DELIVERBY_EXPIRED:
        count = va_arg(more, long);
        *va_arg(more, int *) = quits;
        break;
    case SMTP_EV_ETRNSTATUS:
        count = va_arg(more, int);
        mailbox = va_arg(more, const char *);
        break;
    case SMTP_EV_EXTNA_ETRN:
        *va_arg(more, int *) = quits;
        break;
    case SMTP_EV_INVALID_PEER_CERTIFICATE:
        count = va_arg(more, long);
        *va_arg(more, int *) = trusts;
        break;
    default:
        break;
    }
    va_end(more);
    printf("event\t%d\t%s\t%ld\t%d\n", event, mailbox, count,
           status != NULL ? status->code : 0);
}

static void on_line(const char *buf, int buflen, int writing, void *arg)
{
    static const char *const ways[] = {"S", "C", "H"};

    (void)arg;
    show(ways[writing], buf, (size_t)buflen);
}

/* A text that can be read once: as from a pipe. */
static const char *read_once(void **ctx, int *len, void *arg)
{
    FILE *file = arg;

    if (*ctx == NULL) {
        *ctx = malloc(100);
    }
    if (len == NULL) {
        printf("begun\n");
        return NULL;
    }
    *len = (int)fread(*ctx, 1, 100, file);
    return *ctx;
}

static void on_release(void *data)
{
    printf("released\t%s\n", (const char *)data);
}

static void on_recipient(smtp_recipient_t recipient, const char *mailbox,
                         void *arg)
{
    const smtp_status_t *status = smtp_recipient_status(recipient);

    (void)arg;
    printf("rcpt\t%s\t%d\t%d.%d.%d\t%d\n", mailbox, status->code,
           status->enh_class, status->enh_subject, status->enh_detail,
           smtp_recipient_check_complete(recipient));
    show("said", status->text != NULL ? status->text : "",
         status->text != NULL ? strlen(status->text) : 0);
}

static void on_message(smtp_message_t message, void *arg)
{
    const smtp_status_t *status = smtp_reverse_path_status(message);

    printf("mail\t%d\n", status->code);
    status = smtp_message_transfer_status(message);
    printf("text\t%d\t%d.%d.%d\n", status->code, status->enh_class,
           status->enh_subject, status->enh_detail);
    smtp_enumerate_recipients(message, on_recipient, arg);
}

/* ---- commands: what the function returned -------------------------------- */

static long make(char **w)
{
    session = smtp_create_session();
    smtp_set_eventcb(session, on_event, NULL);
    smtp_set_monitorcb(session, on_line, NULL, number(w[1]));
    quits = 0;
    trusts = 0;
    return session != NULL;
}

static long destroy(char **w)
{
    (void)w;
    long is_done = smtp_destroy_session(session);

    for (int i = 0; i < PLACES; i++) {
        free(texts[i]);
        texts[i] = NULL;
        if (files[i] != NULL) {
            fclose(files[i]);
            files[i] = NULL;
        }
    }
    if (login != NULL) {
        auth_destroy_context(login);
        login = NULL;
    }
    return is_done;
}

static long give_auth(char **w)
{
    snprintf(user, sizeof user, "%s", w[1]);
    snprintf(password, sizeof password, "%s", w[2]);
    login = login != NULL ? login : auth_create_context();
    auth_set_mechanism_flags(login, (unsigned)number(w[3]),
                             ~(unsigned)number(w[3]));
    auth_set_mechanism_ssf(login, number(w[4]));
    auth_set_interact_cb(login, give_login, NULL);
    return smtp_auth_set_context(session, login);
}

static long add_message(char **w)
{
    int at = number(w[1]);

    messages[at] = smtp_add_message(session);
    smtp_message_set_application_data_release(messages[at], strdup(w[2]), free);
    return messages[at] != NULL &&
           strcmp(smtp_message_get_application_data(messages[at]), w[2]) == 0;
}

static long set_text(char **w)
{
    int at = number(w[1]);
    FILE *file = fopen(w[3], "rb");

    if (strcmp(w[2], "str") == 0) {
        texts[at] = calloc(1, FILE_MAX);
        size_t size = fread(texts[at], 1, FILE_MAX - 1, file);
        fclose(file);
        return size > 0 && smtp_set_message_str(messages[at], texts[at]);
    }
    files[at] = file;
    return strcmp(w[2], "fp") == 0
               ? smtp_set_message_fp(messages[at], file)
               : smtp_set_messagecb(messages[at], read_once, file);
}

static long add_recipient(char **w)
{
    smtp_recipient_t recipient =
        smtp_add_recipient(messages[number(w[1])], w[3]);

    recipients[number(w[2])] = recipient;
    return recipient != NULL;
}

static long set_header(char **w)
{
    smtp_message_t message = messages[number(w[1])];

    if (strcmp(w[2], "Date") == 0) {
        time_t when = (time_t)number(w[3]);

        return smtp_set_header(message, w[2], &when);
    }
    return smtp_set_header(message, w[2], maybe(w[3]), maybe(w[4]));
}

static void on_node(smtp_etrn_node_t node, int option, const char *domain,
                    void *arg)
{
    (void)arg;
    printf("node\t%d\t%s\t%d\n", option, domain,
           smtp_etrn_node_status(node)->code);
}

static long enumerate_nodes(char **w)
{
    (void)w;
    return smtp_etrn_enumerate_nodes(session, on_node, NULL);
}

static long enumerate(char **w)
{
    (void)w;
    return smtp_enumerate_messages(session, on_message, NULL);
}

static long keep_data(char **w)
{
    static char one[] = "one", two[] = "two";

    (void)w;
    smtp_set_application_data_release(session, one, on_release);
    smtp_set_application_data_release(session, two, on_release);
    return smtp_get_application_data(session) == two;
}

static long show_version(char **w)
{
    char text[64] = "";
    long is_there = smtp_version(text, (size_t)number(w[2]), number(w[1]));

    show("version", text, strlen(text));
    return is_there;
}

static long answer(char **w)
{
    quits = number(w[1]);
    trusts = number(w[2]);
    return 1;
}

#define M messages[number(w[1])]
#define R recipients[number(w[1])]
/* A command that is one call. */
#define ONE(name, call)                                                        \
    static long name##_(char **w)                                              \
    {                                                                          \
        (void)w;                                                               \
        return (long)(call);                                                   \
    }
ONE(server, smtp_set_server(session, w[1]))
ONE(hostname, smtp_set_hostname(session, maybe(w[1])))
ONE(tls, smtp_starttls_enable(session, (enum starttls_option)number(w[1])))
ONE(timeout, smtp_set_timeout(session, number(w[1]), number(w[2])))
ONE(all, smtp_option_require_all_recipients(session, number(w[1])))
ONE(from, smtp_set_reverse_path(M, maybe(w[2])))
ONE(option, smtp_set_header_option(M, w[2], (enum header_option)number(w[3]),
                                   number(w[4])))
ONE(ret, smtp_dsn_set_ret(M, (enum ret_flags)number(w[2])))
ONE(envid, smtp_dsn_set_envid(M, maybe(w[2])))
ONE(notify, smtp_dsn_set_notify(R, (enum notify_flags)number(w[2])))
ONE(orcpt, smtp_dsn_set_orcpt(R, maybe(w[2]), maybe(w[3])))
ONE(body, smtp_8bitmime_set_body(M, (enum e8bitmime_body)number(w[2])))
ONE(by, smtp_deliverby_set_mode(M, number(w[2]), (enum by_mode)number(w[3]),
                                number(w[4])))
ONE(etrn, smtp_etrn_add_node(session, w[1][0], w[2]) != NULL)
ONE(start, smtp_start_session(session))
ONE(reset, smtp_message_reset_status(M))
ONE(reset_one, smtp_recipient_reset_status(R))

static const struct {
    const char *name;
    long (*run)(char **w);
} commands[] = {{"make", make},
                {"destroy", destroy},
                {"auth", give_auth},
                {"message", add_message},
                {"text", set_text},
                {"rcpt", add_recipient},
                {"header", set_header},
                {"status", enumerate},
                {"nodes", enumerate_nodes},
                {"data", keep_data},
                {"version", show_version},
                {"answer", answer},
                {"server", server_},
                {"hostname", hostname_},
                {"tls", tls_},
                {"timeout", timeout_},
                {"all", all_},
                {"from", from_},
                {"option", option_},
                {"ret", ret_},
                {"envid", envid_},
                {"notify", notify_},
                {"orcpt", orcpt_},
                {"body", body_},
                {"by", by_},
                {"etrn", etrn_},
                {"start", start_},
                {"reset", reset_},
                {"reset_one", reset_one_}};

static void run(char **w)
{
    char words[256];

    for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++) {
        if (strcmp(commands[i].name, w[0]) == 0) {
            long value = commands[i].run(w);
            int error = value != 0 ? 0 : smtp_errno();

            printf("%s\t%ld\t%d\t%s\n", w[0], value, error,
                   value != 0 ? "" : smtp_strerror(error, words, sizeof words));
            fflush(stdout);
            return;
        }
    }
    exit(3);
}

int main(void)
{
    static char line[LINE_SIZE];

    while (fgets(line, sizeof line, stdin) != NULL) {
        static char nothing[] = "";
        char *w[WORDS_MAX];
        char *rest = line;

        line[strcspn(line, "\n")] = '\0';
        for (int i = 0; i < WORDS_MAX; i++) {
            w[i] = rest != NULL ? rest : nothing;
            rest = rest != NULL ? strchr(rest, '\t') : NULL;
            if (rest != NULL) {
                *rest++ = '\0';
            }
        }
        run(w);
    }
    return 0;
}
