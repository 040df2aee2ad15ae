/* fetch_mail.c - a host that checks and receives mail from elsewhere.
 *
 * fetch_mail CONFIG; then lines on standard input, each confirmed by "told":
 *   check|recv PORT USER PASSWORD TO FLAGS    waits, "result N ERROR WORDS"
 *   later check|recv ...                      with a callback: "state S N ALL"
 *   set WORDS      stop NAME                  "result N ERROR WORDS"
 *   run NAME                                  mailmod_fetch_visit, "now ..."
 *   list                                      "account ..." each
 *   box USER                                  "mail UNIQUE-ID OCTETS" each
 * Events of visits are told, too. A host program: it may print. */
#include "show.h"

#include <stdlib.h>
#include <string.h>

#define HOST "127.0.0.1"

static void show_result(int result)
{
    printf("result %d %d %s\n", result, SRVLastError(), SRVLastErrorText());
}

static void on_state(void *usr_par, int state, int number, int all)
{
    printf("state %s %d %d %d\n", (const char *)usr_par, state, number, all);
}

static void on_event(void *context, const struct mailmod_event *event)
{
    const struct mailmod_fetch_account *fetch = event->fetch;
    (void)context;
    printf("event %d %s fetched=%d/%d message=%d error=%d %s\n",
           (int)event->kind, fetch->name, (int)fetch->fetched,
           (int)fetch->fresh, event->message[0] != '\0', (int)event->error,
           event->text);
}

static enum mailmod_error on_token(void *context,
                                   const struct mailmod_token_question *asked,
                                   char *token_out, size_t size)
{
    (void)context;
    printf("token %s %s %d\n", asked->user, asked->host, asked->is_refresh);
    snprintf(token_out, size, "host.%d", asked->is_refresh);
    return MAILMOD_OK;
}

static void on_account(void *context,
                       const struct mailmod_fetch_account *account)
{
    printf("%s %s listed=%d fresh=%d fetched=%d left=%d is_configured=%d "
           "%s; %s\n",
           (const char *)context, account->name, (int)account->listed,
           (int)account->fresh, (int)account->fetched, (int)account->left,
           account->is_configured, account->settings, account->result);
}

static void on_mail(void *context, const struct mailmod_mailbox_entry *entry)
{
    (void)context;
    printf("mail %s %d\n", entry->unique_id, (int)entry->octets);
}

static void show_box(const char *user)
{
    mailmod_mailbox *box = NULL;
    if (mailmod_mailbox_open(SRVInstance(), user, &box) != MAILMOD_OK ||
        mailmod_mailbox_list(box, on_mail, NULL) != MAILMOD_OK) {
        printf("box: %s\n", mailmod_last_error_text());
    }
    (void)mailmod_mailbox_close(&box);
}

static void run(const char *name)
{
    enum mailmod_error error = mailmod_fetch_visit(
        SRVInstance(), name, MAILMOD_FETCH_RUN, on_account, (void *)"now");
    printf("result %d %d %s\n", (int)error, 0,
           error != MAILMOD_OK ? mailmod_last_error_text() : "");
}

/* "check PORT USER PASSWORD TO FLAGS" */
static void visit(char *line, FetchCallback callback)
{
    static char tag[] = "tag";
    char verb[8] = "";
    char user[64] = "";
    char password[64] = "";
    char to[64] = "";
    int port = 0;
    int flags = 0;
    if (sscanf(line, "%7s %d %63s %63s %63s %d", verb, &port, user, password,
               to, &flags) != 6) {
        printf("what?\n");
        return;
    }
    show_result(strcmp(verb, "check") == 0
                    ? SRVCheckMsgPOP3(HOST, port, user, password, to, flags,
                                      callback, tag)
                    : SRVRecvMsgPOP3(HOST, port, user, password, to, flags,
                                     callback, tag));
}

static void act(char *line)
{
    if (strncmp(line, "later ", 6) == 0) {
        visit(line + 6, on_state);
    } else if (strncmp(line, "set ", 4) == 0) {
        show_result(SRVSetFetch(line + 4));
    } else if (strncmp(line, "stop ", 5) == 0) {
        show_result(SRVStopFetch(line + 5));
    } else if (strncmp(line, "run ", 4) == 0) {
        run(line + 4);
    } else if (strncmp(line, "box ", 4) == 0) {
        show_box(line + 4);
    } else if (strcmp(line, "list") == 0) {
        (void)mailmod_fetch_list(SRVInstance(), on_account, (void *)"account");
    } else {
        visit(line, NULL);
    }
    printf("told %s\n", line);
}

int main(int argc, char **argv)
{
    char line[1024];
    show_lines_at_once();
    if (argc != 2 || LoadConfig(argv[1]) != 0) {
        return show_failure("LoadConfig");
    }
    if (SRVStart() != 0 ||
        mailmod_event_set_callback(
            SRVInstance(),
            MAILMOD_EVENT_FETCH_BEGUN | MAILMOD_EVENT_FETCHED |
                MAILMOD_EVENT_FETCH_LEFT | MAILMOD_EVENT_FETCH_ENDED,
            on_event, NULL, NULL) != MAILMOD_OK ||
        mailmod_token_set_callback(SRVInstance(), on_token, NULL, NULL) !=
            MAILMOD_OK) {
        return show_failure("SRVStart");
    }
    printf("ready\n");
    while (fgets(line, sizeof line, stdin) != NULL) {
        line[strcspn(line, "\r\n")] = '\0';
        act(line);
    }
    return SRVShutdown() == 0 ? 0 : show_failure("SRVShutdown");
}
