/* guest_by_name.c - a host that knows the library by its file name alone.
 *
 * guest_by_name LIBRARY FOLDER ROUNDS: so many times it loads the library,
 * starts an instance, delivers one message, sends another, is refused a third
 * after a TLS handshake with itself, reads both, stops and unloads. What
 * the process holds after the last round must be what it held after the second:
 * the first leaves what OpenSSL keeps for the process, by its design. */
#include "guest.h"

#include <dlfcn.h>

#define CALLS(X)                                                               \
    X(mailmod_new)                                                             \
    X(mailmod_config_set)                                                      \
    X(mailmod_user_add)                                                        \
    X(mailmod_start)                                                           \
    X(mailmod_service_port)                                                    \
    X(mailmod_message_submit)                                                  \
    X(mailmod_stop)                                                            \
    X(mailmod_drain)                                                           \
    X(mailmod_free)                                                            \
    X(mailmod_last_error_text)

struct library {
    void *handle;
#define DECLARE(name) __typeof__(&name) name;
    CALLS(DECLARE)
#undef DECLARE
};

static int load(struct library *library, const char *path)
{
    library->handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (library->handle == NULL) {
        printf("%s\n", dlerror());
        return 0;
    }
#define FIND(name)                                                             \
    *(void **)&library->name = dlsym(library->handle, #name);                  \
    if (library->name == NULL) {                                               \
        printf("%s\n", dlerror());                                             \
        return 0;                                                              \
    }
    CALLS(FIND)
#undef FIND
    return 1;
}

static int set_all(struct library *library, mailmod *mail, const char *folder)
{
    int is_bad =
        library->mailmod_config_set(mail, "general.data_folder", folder);

    for (size_t i = 0; !is_bad && guest_settings[i] != NULL; i += 2) {
        is_bad = library->mailmod_config_set(mail, guest_settings[i],
                                             guest_settings[i + 1]);
    }
    return !is_bad && library->mailmod_config_set(mail, "submissions.listen",
                                                  "127.0.0.1:0") == MAILMOD_OK;
}

/* One into the mailbox itself; and one to our own listener, whose certificate
 * is our own too and not to be trusted. */
static int send_two(struct library *library, mailmod *mail)
{
    static const char text[] = "Subject: x\r\n\r\nhello\r\n";
    struct mailmod_envelope envelope = {.size = sizeof envelope,
                                        .mode = MAILMOD_SEND_NOW,
                                        .reverse_path = "a@mail.test",
                                        .recipients = "demo@mail.test",
                                        .relay_host = "127.0.0.1",
                                        .relay_tls =
                                            MAILMOD_RELAY_TLS_IMPLICIT};
    struct mailmod_envelope relayed = envelope;

    envelope.relay_host = NULL;
    relayed.mode = MAILMOD_SEND_RELAY;
    relayed.relay_port = library->mailmod_service_port(mail, "submissions");
    if (library->mailmod_message_submit(mail, &envelope, text, sizeof text - 1,
                                        NULL) != MAILMOD_OK ||
        library->mailmod_message_submit(mail, &relayed, text, sizeof text - 1,
                                        NULL) !=
            MAILMOD_ERROR_TLS_CERTIFICATE) {
        printf("sending: %s\n", library->mailmod_last_error_text());
        return 0;
    }
    return 1;
}

static int live(struct library *library, const char *folder, int is_first)
{
    mailmod *mail = NULL;
    int is_good = library->mailmod_new(&mail) == MAILMOD_OK &&
                  set_all(library, mail, folder) &&
                  (!is_first || library->mailmod_user_add(
                                    mail, "demo", "secret", 0) == MAILMOD_OK) &&
                  library->mailmod_start(mail) == MAILMOD_OK;

    if (!is_good) {
        printf("%s\n", library->mailmod_last_error_text());
    }
    is_good = is_good &&
              guest_deliver(library->mailmod_service_port(mail, "smtp")) &&
              send_two(library, mail) &&
              guest_read_back(library->mailmod_service_port(mail, "pop3")) &&
              guest_read_back(library->mailmod_service_port(mail, "pop3")) &&
              library->mailmod_stop(mail) == MAILMOD_OK &&
              library->mailmod_drain(mail, 10000) == MAILMOD_OK;
    library->mailmod_free(&mail);
    return is_good;
}

/* Is a file of that name still mapped? */
static int is_mapped(const char *name)
{
    char line[512];
    int is_found = 0;
    FILE *file = fopen("/proc/self/maps", "r");

    while (file != NULL && fgets(line, sizeof line, file) != NULL) {
        is_found = is_found || strstr(line, name) != NULL;
    }
    if (file != NULL) {
        fclose(file);
    }
    return is_found;
}

static int do_round(const char *path, const char *folder, int is_first)
{
    struct library library;

    if (!load(&library, path) || !live(&library, folder, is_first)) {
        return 0;
    }
    if (dlclose(library.handle) != 0) {
        printf("%s\n", dlerror());
        return 0;
    }
    if (is_mapped("libmailmod")) {
        printf("the library stays in the process\n");
        return 0;
    }
    return 1;
}

static void print(const char *when, const struct guest_holdings *held)
{
    printf("%s: %zu threads, %zu descriptors, %zu regions, heap %zu, "
           "resident %zu KiB\n",
           when, held->threads, held->descriptors, held->regions, held->heap,
           held->resident_kb);
}

/* What a round may leave: nothing. The regions are those of the C library's
 * arenas too, of which the threads of a round may meet one more; the heap may
 * hold what it cached for them. A leak of 16 octets a round is found in 300. */
static int is_as_before(const struct guest_holdings *now,
                        const struct guest_holdings *before)
{
    return now->threads == before->threads &&
           now->descriptors == before->descriptors &&
           (GUEST_IS_SANITIZED || now->regions <= before->regions + 8) &&
           now->heap <= before->heap + 4096;
}

int main(int argc, char **argv)
{
    struct guest_holdings before = {0};
    struct guest_holdings now = {0};
    int rounds = argc == 4 ? atoi(argv[3]) : 0;

    setvbuf(stdout, NULL, _IONBF, 0);
    if (rounds < 3) {
        return 2;
    }
    for (int round = 1; round <= rounds; round++) {
        if (!do_round(argv[1], argv[2], round == 1)) {
            printf("round %d failed\n", round);
            return 1;
        }
        if (round == 2) {
            guest_measure(&before);
            print("round 2", &before);
        } else if (round % 100 == 0 || round == rounds) {
            guest_measure(&now);
            printf("round %d", round);
            print("", &now);
        }
    }
    if (!is_as_before(&now, &before)) {
        printf("the process holds more than before\n");
        return 1;
    }
    printf("%d rounds left nothing\n", rounds);
    return 0;
}
