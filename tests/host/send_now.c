/* send_now.c - a message straight to the mail hosts of its recipient, and how
 * it gets on.
 *
 * send_now CONFIG FROM TO: three header lines, an empty line and a body of one
 * MiB in pieces of odd sizes. With a callback SRVEndOfMsg returns at once and
 * the outcome comes with STATE_SMTP_DONE. A host program: it may print. */
#include "show.h"

#include <semaphore.h>
#include <string.h>

#define LINE_SIZE 64
#define LINE_COUNT 16384

static char body[LINE_COUNT * LINE_SIZE];

/* Numbered lines; each tenth begins with a dot. */
static void write_body(void)
{
    for (int i = 0; i < LINE_COUNT; i++) {
        char *line = body + i * LINE_SIZE;
        char number[16];

        memset(line, 'a' + i % 26, LINE_SIZE - 2);
        snprintf(number, sizeof number, "%c%06d", i % 10 == 0 ? '.' : ' ', i);
        memcpy(line, number, 7);
        memcpy(line + LINE_SIZE - 2, "\r\n", 2);
    }
}

static int send_body(ServerStream mail)
{
    static const int sizes[] = {1, 63, 65, 2, 1021, 65537, 3, 4096};
    int at = 0;

    for (int i = 0; at < (int)sizeof body; i++) {
        int left = (int)sizeof body - at;
        int size = sizes[i % 8] < left ? sizes[i % 8] : left;

        if (SRVSend(mail, body + at, size) != size) {
            return -1;
        }
        at += size;
    }
    return 0;
}

static void on_state(ServerStream *stream, void *done, int state, int sent)
{
    printf("state %d %d\n", state, sent);
    if (state == STATE_SMTP_DONE) {
        show_results(stream);
        sem_post(done);
    }
}

int main(int argc, char **argv)
{
    ServerStream mail;
    sem_t done;

    show_lines_at_once();
    if (argc != 4 || LoadConfig(argv[1]) != 0) {
        return show_failure("LoadConfig");
    }
    sem_init(&done, 0, 0);
    write_body();
    mail = SRVInitSendMsgImidiatly(argv[2], argv[3], on_state, &done);
    if (mail == NULL) {
        return show_failure("SRVInitSendMsgImidiatly");
    }
    if (SRVprintf(mail, "From: <%s>\r\n", argv[2]) == 0 ||
        SRVprintf(mail, "To: <%s>\r\n", argv[3]) == 0 ||
        SRVprintf(mail, "Subject: %d octets\r\n", (int)sizeof body) == 0 ||
        SRVprintf(mail, "\r\n") != 2 || send_body(mail) != 0) {
        return show_failure("writing the message");
    }
    SRVEndOfMsg(mail);
    printf("ended %d\n", SRVLastError());
    sem_wait(&done);
    return SRVShutdown() == 0 ? 0 : show_failure("SRVShutdown");
}
