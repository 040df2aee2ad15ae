/* contexts.c - a host program with pointers of its own on everything.
 *
 * contexts FOLDER: embeds mailmod with its data in FOLDER, gives messages,
 * requests, the callback of requests and the instance a context each, and looks
 * when, how often and on which thread each is released. Prints what is wrong
 * and then "done"; ends with 0 when nothing was. A host program: it may print.
 */
#include "mailmod/srv.h"

#include <arpa/inet.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* A context. `thread` is of the release, `is_inside` of a callback that has it.
 */
struct own {
    int released;
    int is_inside;
    int was_inside; /* when it was released */
    pthread_t thread;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static mailmod *mail;
static int mistakes;
static int checks;

/* Also in callbacks. */
static void expect(int is_right, const char *what)
{
    pthread_mutex_lock(&lock);
    checks++;
    if (!is_right) {
        printf("wrong: %s: %s\n", what, mailmod_last_error_text());
        mistakes++;
    }
    pthread_mutex_unlock(&lock);
}

static void on_release(void *context)
{
    struct own *own = context;

    pthread_mutex_lock(&lock);
    own->released++;
    own->was_inside = own->is_inside;
    own->thread = pthread_self();
    pthread_cond_broadcast(&changed);
    pthread_mutex_unlock(&lock);
}

static void wait_released(struct own *own)
{
    pthread_mutex_lock(&lock);
    while (own->released == 0) {
        pthread_cond_wait(&changed, &lock);
    }
    pthread_mutex_unlock(&lock);
}

static int released(struct own *own)
{
    pthread_mutex_lock(&lock);
    int count = own->released;
    pthread_mutex_unlock(&lock);
    return count;
}

/* In the call that has just returned: once, on this thread. */
static void expect_here(struct own *own, const char *what)
{
    expect(released(own) == 1 && pthread_equal(own->thread, pthread_self()),
           what);
}

/* ---- messages ---------------------------------------------------------- */

static int frees_itself;

static void on_progress(void *context,
                        const struct mailmod_progress_report *report)
{
    struct own *own = context;
    mailmod_message *message = report->message;

    own->is_inside = 1;
    expect(mailmod_message_context(message) == context,
           "the context of a message");
    if (frees_itself && report->progress == MAILMOD_DONE) {
        expect(mailmod_message_free(&message) == MAILMOD_OK, "a free inside");
        expect(released(own) == 0, "a release while the callback has it");
    }
    own->is_inside = 0;
}

static struct mailmod_envelope envelope_of(struct own *own, int has_progress)
{
    struct mailmod_envelope envelope = {.size = sizeof envelope,
                                        .mode = MAILMOD_SEND_NOW,
                                        .recipients = "demo@mail.test",
                                        .context = own,
                                        .on_release = on_release};

    envelope.on_progress = has_progress ? on_progress : NULL;
    return envelope;
}

static enum mailmod_error submit(const struct mailmod_envelope *envelope,
                                 mailmod_message **message_out)
{
    static const char text[] = "Subject: x\r\n\r\nhello\r\n";

    return mailmod_message_submit(mail, envelope, text, sizeof text - 1,
                                  message_out);
}

static void free_messages(void)
{
    struct own unsent = {.released = 0};
    struct own sent = {.released = 0};
    mailmod_message *message = NULL;
    struct mailmod_envelope envelope = envelope_of(&unsent, 1);

    expect(mailmod_message_new(mail, &envelope, &message) == MAILMOD_OK &&
               released(&unsent) == 0,
           "a message");
    expect(mailmod_message_free(&message) == MAILMOD_OK, "its free");
    expect_here(&unsent, "a message that was not sent");
    envelope = envelope_of(&sent, 1);
    expect(submit(&envelope, &message) == MAILMOD_OK &&
               mailmod_message_wait(message, 60000) == MAILMOD_OK &&
               released(&sent) == 0,
           "a message that is done");
    expect(mailmod_message_free(&message) == MAILMOD_OK, "its free");
    expect_here(&sent, "a message that was sent");
}

static void free_by_itself(void)
{
    struct own inside = {.released = 0};
    struct own nobodys = {.released = 0};
    struct own silent = {.released = 0};
    mailmod_message *message = NULL;
    struct mailmod_envelope envelope = envelope_of(&inside, 1);

    frees_itself = 1;
    expect(submit(&envelope, &message) == MAILMOD_OK, "one that goes inside");
    wait_released(&inside);
    expect(!inside.was_inside && !pthread_equal(inside.thread, pthread_self()),
           "after the callback that freed it, on its thread");
    frees_itself = 0;
    envelope = envelope_of(&nobodys, 1);
    expect(submit(&envelope, NULL) == MAILMOD_OK, "one without a handle");
    wait_released(&nobodys);
    expect(released(&nobodys) == 1 && !nobodys.was_inside,
           "after DONE, on its thread or in the call");
    envelope = envelope_of(&silent, 0);
    expect(submit(&envelope, NULL) == MAILMOD_OK, "one that nobody follows");
    expect_here(&silent, "in the call that submits");
}

/* A call that fails has not taken it. */
static void fail_messages(void)
{
    static char much[300 * 1024];
    struct own own = {.released = 0};
    mailmod_message *message = NULL;
    struct mailmod_envelope envelope = envelope_of(&own, 0);

    expect(mailmod_message_submit(mail, &envelope, much, sizeof much, NULL) ==
               MAILMOD_ERROR_TOO_LARGE,
           "a text that is too large");
    envelope.recipients = "nobody";
    expect(mailmod_message_new(mail, &envelope, &message) ==
               MAILMOD_ERROR_ARGUMENT,
           "an address that is none");
    envelope = envelope_of(&own, 0);
    envelope.mode = MAILMOD_SEND_RELAY;
    envelope.relay_host = "127.0.0.1";
    envelope.relay_port = 9;
    expect(submit(&envelope, NULL) != MAILMOD_OK, "nobody listens there");
    expect(released(&own) == 0, "calls that failed");
}

static void on_state(ServerStream *stream, void *usr_par, int state, int sent)
{
    (void)sent;
    expect(mailmod_message_context((mailmod_message *)stream) == usr_par,
           "the callback_param of a stream");
    if (state == STATE_SMTP_DONE) {
        on_release(usr_par);
    }
}

static void ask_stream(const char *folder)
{
    struct own own = {.released = 0};

    SetConfigParam("general.data_folder", folder);
    SetConfigParam("local.domains", "mail.test");
    ServerStream stream =
        SRVInitSendMsgBackground("", "postmaster@mail.test", on_state, &own);
    expect(mailmod_message_context(stream) == &own, "the stream's parameter");
    SRVprintf(stream, "Subject: x\n\nhello\n");
    SRVEndOfMsg(stream);
    wait_released(&own);
    expect(SRVShutdown() == 0, "the default instance's end");
}

/* ---- requests ---------------------------------------------------------- */

static mailmod_request *waiting;
static struct own first;
static struct own second;
static struct own of_callback[2];

static void greet(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET};
    char line[512] = "";
    int peer = socket(AF_INET, SOCK_STREAM, 0);

    address.sin_port = htons((uint16_t)mailmod_service_port(mail, "smtp"));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    expect(connect(peer, (struct sockaddr *)&address, sizeof address) == 0 &&
               recv(peer, line, sizeof line - 1, 0) > 0 &&
               strncmp(line, "554", 3) == 0,
           "a peer is refused");
    close(peer);
}

static enum mailmod_verdict refuse(void *context, mailmod_request *request)
{
    struct own *own = context;

    own->is_inside = 1;
    first.is_inside = 1;
    second.is_inside = 1;
    expect(mailmod_request_context(request) == NULL, "no context at first");
    expect(mailmod_request_set_context(request, &first, on_release) ==
                   MAILMOD_OK &&
               mailmod_request_context(request) == &first &&
               released(&first) == 0,
           "a request's context");
    expect(mailmod_request_set_context(request, &second, on_release) ==
                   MAILMOD_OK &&
               mailmod_request_context(request) == &second,
           "another one");
    expect_here(&first, "the former one, in the call");
    second.is_inside = 0;
    own->is_inside = 0;
    return MAILMOD_REJECT;
}

static enum mailmod_verdict wait_for_answer(void *context,
                                            mailmod_request *request)
{
    (void)context;
    expect(mailmod_request_set_context(request, &first, on_release) ==
               MAILMOD_OK,
           "a context over the callback");
    pthread_mutex_lock(&lock);
    waiting = request;
    pthread_cond_broadcast(&changed);
    pthread_mutex_unlock(&lock);
    return MAILMOD_LATER;
}

static void *greet_beside(void *unused)
{
    (void)unused;
    greet();
    return NULL;
}

static void ask_and_refuse(void)
{
    memset(of_callback, 0, sizeof of_callback);
    expect(mailmod_request_set_callback(mail, MAILMOD_SMTP_CONNECT, refuse,
                                        &of_callback[0],
                                        on_release) == MAILMOD_OK,
           "a callback");
    greet();
    wait_released(&second);
    expect(second.released == 1 && !second.was_inside &&
               !pthread_equal(second.thread, pthread_self()),
           "with the end of the callback, on its thread");
    expect(released(&of_callback[0]) == 0, "the callback's own context");
}

static void answer_later(void)
{
    pthread_t peer;

    memset(&first, 0, sizeof first);
    expect(mailmod_request_set_callback(mail, MAILMOD_SMTP_CONNECT,
                                        wait_for_answer, &of_callback[1],
                                        on_release) == MAILMOD_OK,
           "another callback");
    expect_here(&of_callback[0], "the former callback's, in the call");
    if (pthread_create(&peer, NULL, greet_beside, NULL) != 0) {
        expect(0, "a thread");
        return;
    }
    pthread_mutex_lock(&lock);
    while (waiting == NULL) {
        pthread_cond_wait(&changed, &lock);
    }
    pthread_mutex_unlock(&lock);
    expect(mailmod_request_context(waiting) == &first, "it is still there");
    expect(mailmod_request_set_callback(mail, 0, NULL, NULL, NULL) ==
                   MAILMOD_OK &&
               released(&of_callback[1]) == 0,
           "an open question has the callback's context");
    expect(mailmod_request_answer(waiting, MAILMOD_REJECT, 0, NULL) ==
               MAILMOD_OK,
           "the answer");
    expect_here(&first, "the request's, in the answer");
    expect_here(&of_callback[1], "and with the last question the callback's");
    pthread_join(peer, NULL);
}

/* ---- the instance ------------------------------------------------------ */

static void end_all(void)
{
    static struct own former;
    static struct own last;
    static struct own callbacks;
    static struct own kept;
    mailmod_message *message = NULL;
    struct mailmod_envelope envelope = envelope_of(&kept, 0);

    expect(mailmod_instance_context(mail) == NULL, "no context at first");
    expect(mailmod_instance_set_context(mail, &former, on_release) ==
                   MAILMOD_OK &&
               mailmod_instance_set_context(mail, &last, on_release) ==
                   MAILMOD_OK &&
               mailmod_instance_context(mail) == &last,
           "contexts of the instance");
    expect_here(&former, "the former one, in the call");
    expect(mailmod_request_set_callback(mail, MAILMOD_SMTP_CONNECT, refuse,
                                        &callbacks, on_release) == MAILMOD_OK,
           "a last callback");
    expect(submit(&envelope, &message) == MAILMOD_OK, "a message that stays");
    expect(mailmod_free(&mail) == MAILMOD_OK, "the end");
    expect_here(&last, "the instance's, in its free");
    expect_here(&callbacks, "the callback's, in the instance's free");
    expect(released(&kept) == 0, "a message outlives its instance");
    expect(mailmod_message_free(&message) == MAILMOD_OK, "its free");
    expect_here(&kept, "and its context with it");
}

int main(int argc, char **argv)
{
    char folder[256];

    if (argc != 2 || mailmod_new(&mail) ||
        mailmod_config_set(mail, "general.data_folder", argv[1]) ||
        mailmod_config_set(mail, "general.host_name", "mail.test") ||
        mailmod_config_set(mail, "local.domains", "mail.test") ||
        mailmod_config_set(mail, "smtp.listen", "127.0.0.1:0") ||
        mailmod_config_set(mail, "smtp.message_size_max", "256K") ||
        mailmod_services_set_wait(mail, 1) ||
        mailmod_user_add(mail, "demo", "secret", 0) || mailmod_start(mail) ||
        mailmod_service_start(mail, "smtp", 0)) {
        printf("cannot start: %s\n", mailmod_last_error_text());
        return 1;
    }
    snprintf(folder, sizeof folder, "%s/default", argv[1]);
    free_messages();
    free_by_itself();
    fail_messages();
    ask_stream(folder);
    ask_and_refuse();
    answer_later();
    end_all();
    printf("%d checks, %d mistakes\ndone\n", checks, mistakes);
    return mistakes == 0 ? 0 : 1;
}
