/* allocator.c - a host program that gives mailmod its memory, and counts it.
 *
 * allocator FOLDER own|all|late: embeds mailmod with its data in FOLDER. "own"
 * gives memory to mailmod alone and wants every piece back when nothing of it
 * is left; "all" gives it to the libraries below as well, which keep some, but
 * not more with each life; "late" comes too late. Prints what is wrong and then
 * "done"; ends with 0 when nothing was. A host program: it may print. */
#include "mailmod/srv.h"

#include <stdalign.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MARK 0x6d61696cu
#define GONE 0xdeadu

/* In front of each piece. */
union front {
    struct {
        unsigned mark;
        size_t size;
    } piece;
    max_align_t aligned;
};

static atomic_ulong taken; /* pieces so far */
static atomic_long here;   /* pieces now */
static atomic_long octets; /* in them */
static atomic_uint foreign;
static atomic_bool is_scarce;
static int mistakes;
static int checks;

static void expect(int is_right, const char *what)
{
    checks++;
    if (!is_right) {
        printf("wrong: %s: %s\n", what, mailmod_last_error_text());
        mistakes++;
    }
}

static void *allocate(void *context, size_t size)
{
    union front *front = NULL;

    if (context == &here && size > 0 && !atomic_load(&is_scarce)) {
        front = malloc(sizeof *front + size);
    }
    if (front == NULL) {
        return NULL;
    }
    front->piece.mark = MARK;
    front->piece.size = size;
    atomic_fetch_add(&taken, 1);
    atomic_fetch_add(&here, 1);
    atomic_fetch_add(&octets, (long)size);
    return memset(front + 1, 0xa5, size);
}

static void release(void *context, void *memory)
{
    union front *front = memory;

    if (context != &here || memory == NULL || (--front)->piece.mark != MARK) {
        atomic_fetch_add(&foreign, 1);
        return;
    }
    front->piece.mark = GONE;
    atomic_fetch_sub(&here, 1);
    atomic_fetch_sub(&octets, (long)front->piece.size);
    free(front);
}

static void *resize(void *context, void *memory, size_t size)
{
    if (memory == NULL) {
        atomic_fetch_add(&foreign, 1);
        return NULL;
    }
    size_t former = ((union front *)memory)[-1].piece.size;
    void *larger = allocate(context, size);
    if (larger != NULL) {
        memcpy(larger, memory, former < size ? former : size);
        release(context, memory);
    }
    return larger;
}

static struct mailmod_allocator counting = {.size = sizeof counting,
                                            .allocate = allocate,
                                            .resize = resize,
                                            .release = release,
                                            .context = &here};

static void set_wrongly(void)
{
    struct mailmod_allocator wrong = counting;

    expect(mailmod_allocator_set(NULL) == MAILMOD_ERROR_ARGUMENT, "none");
    wrong.resize = NULL;
    expect(mailmod_allocator_set(&wrong) == MAILMOD_ERROR_ARGUMENT,
           "one without a function");
    wrong = counting;
    wrong.covers = 1024;
    expect(mailmod_allocator_set(&wrong) == MAILMOD_ERROR_ARGUMENT,
           "one for a library that there is not");
}

/* A message into a mailbox, and all is ended. */
static void live(const char *folder)
{
    static const char text[] = "Subject: x\r\n\r\nhello\r\n";
    mailmod *mail = NULL;
    mailmod_message *message = NULL;
    struct mailmod_envelope envelope = {.size = sizeof envelope,
                                        .mode = MAILMOD_SEND_QUEUE,
                                        .recipients = "demo@mail.test"};
    enum mailmod_error error;

    expect(mailmod_new(&mail) == MAILMOD_OK &&
               mailmod_config_set(mail, "general.data_folder", folder) ==
                   MAILMOD_OK &&
               mailmod_config_set(mail, "local.domains", "mail.test") ==
                   MAILMOD_OK &&
               mailmod_config_set(mail, "smtp.listen", "127.0.0.1:0") ==
                   MAILMOD_OK,
           "an instance");
    error = mailmod_user_add(mail, "demo", "secret", 0);
    expect(error == MAILMOD_OK || error == MAILMOD_ERROR_EXISTS, "a user");
    expect(mailmod_start(mail) == MAILMOD_OK, "its start");
    expect(mailmod_message_submit(mail, &envelope, text, sizeof text - 1,
                                  &message) == MAILMOD_OK &&
               mailmod_message_wait(message, 60000) == MAILMOD_OK,
           "a message");
    expect(mailmod_free(&mail) == MAILMOD_OK &&
               mailmod_message_free(&message) == MAILMOD_OK,
           "the end");
}

static void give_own(const char *folder)
{
    mailmod *mail = NULL;

    set_wrongly();
    expect(mailmod_allocator_set(&counting) == MAILMOD_OK, "a source");
    atomic_store(&is_scarce, true);
    expect(mailmod_new(&mail) == MAILMOD_ERROR_MEMORY, "a source without any");
    atomic_store(&is_scarce, false);
    live(folder);
    SetConfigParam("general.data_folder", folder);
    SetConfigParam("local.domains", "mail.test");
    expect(SRVStart() == 0 && SRVShutdown() == 0, "the default instance");
    expect(mailmod_sqlite_stop_counting() == MAILMOD_ERROR_STATE,
           "SQLite was used");
    printf("%lu pieces, %ld left\n", atomic_load(&taken), atomic_load(&here));
    expect(atomic_load(&taken) > 500, "pieces that were taken");
    expect(atomic_load(&here) == 0 && atomic_load(&octets) == 0,
           "pieces that were not given back");
    expect(mailmod_allocator_set(&counting) == MAILMOD_ERROR_STATE,
           "another source, later");
}

static void give_to_all(const char *folder)
{
    enum { LIVES = 6 };
    long left[LIVES];

    counting.covers = MAILMOD_MEMORY_OPENSSL | MAILMOD_MEMORY_SQLITE |
                      MAILMOD_MEMORY_LIBUV | MAILMOD_MEMORY_CARES;
    expect(mailmod_sqlite_stop_counting() == MAILMOD_OK, "no count");
    expect(mailmod_allocator_set(&counting) == MAILMOD_OK, "a source for all");
    for (int i = 0; i < LIVES; i++) {
        unsigned long before = atomic_load(&taken);

        live(folder);
        left[i] = atomic_load(&here);
        printf("%lu pieces, %ld left\n", atomic_load(&taken) - before, left[i]);
    }
    expect(left[0] > 0, "libraries below have memory");
    expect(left[LIVES - 1] <= left[1], "more is left after each life");
}

static void come_late(void)
{
    mailmod *mail = NULL;

    expect(mailmod_new(&mail) == MAILMOD_OK, "an instance");
    expect(mailmod_allocator_set(&counting) == MAILMOD_ERROR_STATE,
           "a source that comes late");
    expect(mailmod_sqlite_stop_counting() == MAILMOD_OK,
           "no store yet, no count");
    expect(mailmod_free(&mail) == MAILMOD_OK, "the end");
    expect(mailmod_allocator_set(&counting) == MAILMOD_ERROR_STATE,
           "and after the end");
    expect(atomic_load(&taken) == 0, "nothing came from it");
}

int main(int argc, char **argv)
{
    if (argc != 3) {
        return 2;
    }
    if (strcmp(argv[2], "own") == 0) {
        give_own(argv[1]);
    } else if (strcmp(argv[2], "all") == 0) {
        give_to_all(argv[1]);
    } else {
        come_late();
    }
    expect(atomic_load(&foreign) == 0, "pieces that are none of ours");
    printf("%d checks, %d mistakes\ndone\n", checks, mistakes);
    return mistakes == 0 ? 0 : 1;
}
