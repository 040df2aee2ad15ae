/* provided.c - a host whose mailboxes are its own, good ones and bad ones.
 *
 * provided FOLDER: two providers, one of the domain "odd.test" and one of all
 * others. What a user is called says what becomes of the calls; some are
 * answered later, from another thread. The peer is test_providers.py. A host
 * program: it may print. */
#include <mailmod.h>

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { COUNT = 3 };

/* A login of the host's own: the tag. */
struct login {
    char user[64];
    int is_removed[COUNT];
};

static mailmod *mail;
static int is_removed[COUNT]; /* of the user "good" */
static int logins, readings;

static const char *const texts[COUNT] = {
    "Subject: one\n\nbare line ends\n.dot\n", "", "Subject: three\r\n\r\n"};

static int is_user(const mailmod_mailbox_call *call, const char *name)
{
    const struct login *login = mailmod_mailbox_call_tag(call);

    return login != NULL && strcmp(login->user, name) == 0;
}

static enum mailmod_mailbox_answer on_login(void *context,
                                            mailmod_mailbox_call *call)
{
    struct login *login = calloc(1, sizeof *login);
    const char *user = mailmod_mailbox_call_user(call);
    size_t length = strcspn(user, "@");

    (void)context;
    if (login == NULL) {
        return MAILMOD_MAILBOX_FAILED;
    }
    memcpy(login->user, user, length < 63 ? length : 63);
    (void)mailmod_mailbox_call_set_tag(call, login);
    logins++;
    printf("login %s %s tls=%d connection=%d later=%d\n", user,
           mailmod_mailbox_call_peer(call), mailmod_mailbox_call_is_tls(call),
           mailmod_mailbox_call_connection(call) != 0,
           mailmod_mailbox_call_add(call, "x", 1) == MAILMOD_ERROR_STATE);
    if (is_user(call, "busy")) {
        (void)mailmod_mailbox_call_set_error(call, "IN-USE", "not twice", 0);
        return MAILMOD_MAILBOX_REFUSED;
    }
    if (is_user(call, "banned")) {
        (void)mailmod_mailbox_call_set_error(call, "AUTH", "go away", 1);
        return MAILMOD_MAILBOX_REFUSED;
    }
    if (is_user(call, "broken")) {
        return MAILMOD_MAILBOX_FAILED;
    }
    if (is_user(call, "frozen")) {
        (void)mailmod_mailbox_call_set_read_only(call);
    }
    return strcmp(mailmod_mailbox_call_password(call), "secret") == 0
               ? MAILMOD_MAILBOX_OK
               : MAILMOD_MAILBOX_REFUSED;
}

static int add(mailmod_mailbox_call *call, const char *id, uint64_t octets)
{
    return mailmod_mailbox_call_add(call, id, octets) == MAILMOD_OK;
}

static void *list_later(void *context)
{
    mailmod_mailbox_call *call = context;
    char id[8];

    for (int i = 0; i < COUNT; i++) {
        (void)snprintf(id, sizeof id, "id-%d", i);
        if (!is_removed[i]) {
            (void)add(call, id, MAILMOD_MAILBOX_OCTETS_UNKNOWN);
        }
    }
    if (mailmod_mailbox_call_answer(call, MAILMOD_MAILBOX_OK) != MAILMOD_OK ||
        mailmod_mailbox_call_answer(call, MAILMOD_MAILBOX_OK) == MAILMOD_OK) {
        printf("FAULT answer\n");
    }
    return NULL;
}

static enum mailmod_mailbox_answer on_list(void *context,
                                           mailmod_mailbox_call *call)
{
    pthread_t thread;

    (void)context;
    if (is_user(call, "twice")) {
        (void)add(call, "same", 1);
        (void)add(call, "same", 1);
        return MAILMOD_MAILBOX_OK;
    }
    if (is_user(call, "blank")) {
        return add(call, "not one", 1) ? MAILMOD_MAILBOX_FAILED
                                       : MAILMOD_MAILBOX_OK;
    }
    if (is_user(call, "strange")) {
        return (enum mailmod_mailbox_answer)99;
    }
    if (is_user(call, "silent")) {
        return MAILMOD_MAILBOX_UNSUPPORTED;
    }
    if (is_user(call, "cut") || is_user(call, "endless") ||
        is_user(call, "mute") || is_user(call, "gone")) {
        return add(call, "only", 100) ? MAILMOD_MAILBOX_OK
                                      : MAILMOD_MAILBOX_FAILED;
    }
    if (pthread_create(&thread, NULL, list_later, call) != 0) {
        return MAILMOD_MAILBOX_FAILED;
    }
    (void)pthread_detach(thread);
    return MAILMOD_MAILBOX_LATER;
}

static int index_of(const mailmod_mailbox_call *call, size_t at)
{
    const char *id = mailmod_mailbox_call_unique_id(call, at);

    return id[strlen(id) - 1] - '0';
}

static enum mailmod_mailbox_answer on_size(void *context,
                                           mailmod_mailbox_call *call)
{
    const char *text = texts[index_of(call, 0)];
    uint64_t octets = 0;

    (void)context;
    for (; *text != '\0'; text++) {
        octets += *text == '\n' && (octets == 0 || text[-1] != '\r') ? 2 : 1;
    }
    (void)mailmod_mailbox_call_set_octets(call, octets);
    return MAILMOD_MAILBOX_OK;
}

/* What came since: late-0 with its size, late-2 without. */
static enum mailmod_mailbox_answer on_find(void *context,
                                           mailmod_mailbox_call *call)
{
    const char *id = mailmod_mailbox_call_unique_id(call, 0);

    (void)context;
    printf("find %s\n", id);
    if (strcmp(id, "broken") == 0) {
        return MAILMOD_MAILBOX_FAILED;
    }
    if (strcmp(id, "moved") == 0) {
        (void)mailmod_mailbox_call_set_error(call, "SYS/PERM", "elsewhere", 0);
    }
    if (strcmp(id, "late-0") == 0) {
        (void)mailmod_mailbox_call_set_octets(call, 38);
    }
    return strncmp(id, "late-", 5) == 0 ? MAILMOD_MAILBOX_OK
                                        : MAILMOD_MAILBOX_REFUSED;
}

static enum mailmod_mailbox_answer on_read(void *context,
                                           mailmod_mailbox_call *call)
{
    static char large[65537];
    uint64_t offset = mailmod_mailbox_call_offset(call);

    (void)context;
    readings += offset == 0 ? 1 : 0;
    if (is_user(call, "mute")) {
        readings--;
        return MAILMOD_MAILBOX_UNSUPPORTED;
    }
    if (is_user(call, "gone")) {
        readings--;
        (void)mailmod_mailbox_call_set_error(call, NULL, "it went", 0);
        return MAILMOD_MAILBOX_REFUSED;
    }
    if (is_user(call, "endless")) { /* until the client has enough */
        if (mailmod_mailbox_call_write(call, large, sizeof large) !=
            MAILMOD_ERROR_LIMIT) {
            return MAILMOD_MAILBOX_FAILED;
        }
        return mailmod_mailbox_call_write_line(
                   call, offset == 0 ? "" : "line") == MAILMOD_OK
                   ? MAILMOD_MAILBOX_OK
                   : MAILMOD_MAILBOX_FAILED;
    }
    if (is_user(call, "cut") && offset > 0) {
        return MAILMOD_MAILBOX_FAILED;
    }
    const char *text = is_user(call, "cut") ? "Subject: cut\r\n\r\nhalf\r\n"
                                            : texts[index_of(call, 0)];
    /* One line at a time; nothing at the end. */
    const char *end = strchr(text + offset, '\n');
    return mailmod_mailbox_call_write(
               call, text + offset,
               end == NULL ? 0 : (size_t)(end + 1 - text) - offset) ==
                   MAILMOD_OK
               ? MAILMOD_MAILBOX_OK
               : MAILMOD_MAILBOX_FAILED;
}

static enum mailmod_mailbox_answer on_read_end(void *context,
                                               mailmod_mailbox_call *call)
{
    (void)context;
    readings--;
    printf("read end %s readings=%d\n", mailmod_mailbox_call_unique_id(call, 0),
           readings);
    return MAILMOD_MAILBOX_OK;
}

static enum mailmod_mailbox_answer on_remove(void *context,
                                             mailmod_mailbox_call *call)
{
    (void)context;
    if (is_user(call, "cut")) {
        (void)mailmod_mailbox_call_set_error(call, "SYS/PERM", "never", 0);
        return MAILMOD_MAILBOX_REFUSED;
    }
    for (size_t i = 0; mailmod_mailbox_call_unique_id(call, i) != NULL; i++) {
        is_removed[index_of(call, i)] = 1;
        printf("removed %s\n", mailmod_mailbox_call_unique_id(call, i));
    }
    return MAILMOD_MAILBOX_OK;
}

static enum mailmod_mailbox_answer on_close(void *context,
                                            mailmod_mailbox_call *call)
{
    struct login *login = mailmod_mailbox_call_tag(call);

    (void)context;
    logins--;
    printf("close %s\n", login->user);
    free(login);
    return MAILMOD_MAILBOX_OK;
}

static void on_release(void *context)
{
    printf("released %s\n", (const char *)context);
}

static void on_log(void *context, enum mailmod_log_level level,
                   const char *line)
{
    (void)context;
    if (level == MAILMOD_LOG_ERROR) {
        printf("log %s\n", line);
    }
}

static enum mailmod_error provide(void)
{
    struct mailmod_mailbox_provider provider = {.size = sizeof provider,
                                                .name = "mail of the host",
                                                .authenticate = on_login,
                                                .list = on_list,
                                                .message_size = on_size,
                                                .find = on_find,
                                                .read = on_read,
                                                .read_end = on_read_end,
                                                .remove = on_remove,
                                                .close = on_close,
                                                .context =
                                                    (void *)(size_t) "all",
                                                .on_release = on_release};
    enum mailmod_error error = mailmod_mailbox_provider_add(mail, &provider);

    if (error != MAILMOD_OK ||
        mailmod_mailbox_provider_add(mail, &provider) != MAILMOD_ERROR_EXISTS) {
        return MAILMOD_ERROR_STATE;
    }
    provider.domain = "odd.test";
    provider.remove = NULL;
    provider.context = (void *)(size_t) "odd";
    return mailmod_mailbox_provider_add(mail, &provider);
}

int main(int argc, char **argv)
{
    (void)setvbuf(stdout, NULL, _IOLBF, BUFSIZ);
    if (argc != 2 || mailmod_new(&mail) != MAILMOD_OK ||
        mailmod_config_set(mail, "general.data_folder", argv[1]) ||
        mailmod_config_set(mail, "pop3.listen", "127.0.0.1:0") ||
        mailmod_config_set(mail, "pop3.allows_clear_login", "true") ||
        mailmod_config_set(mail, "pop3.login_failures_max", "100") ||
        mailmod_config_set(mail, "smtp.listen", "") ||
        mailmod_log_set_callback(mail, on_log, NULL) ||
        mailmod_user_add(mail, "demo", "secret", 0) ||
        provide() != MAILMOD_OK || mailmod_start(mail) != MAILMOD_OK) {
        printf("FAULT start: %s\n", mailmod_last_error_text());
        return 1;
    }
    printf("port %d\n", mailmod_service_port(mail, "pop3"));
    int c;
    while ((c = getchar()) != EOF) {
        if (c == 't') { /* takes it away: the store's users are back */
            printf("taken %d\n",
                   mailmod_mailbox_provider_remove(mail, NULL, NULL, 0));
        }
    }
    (void)mailmod_stop(mail);
    (void)mailmod_drain(mail, 1000);
    (void)mailmod_free(&mail);
    printf("left logins=%d readings=%d\n", logins, readings);
    return logins != 0 || readings != 0;
}
