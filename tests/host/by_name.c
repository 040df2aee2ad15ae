/* by_name.c - a host that knows the library by name alone.
 *
 * by_name CONFIG LIBRARY ROUNDS [stays]: the names of all exports come on
 * standard input, one a line. Each round opens the library with dlopen, finds
 * every name, starts both servers, is greeted by them, shuts down and closes
 * the library; then tells the threads, descriptors and heap that are left. With
 * "stays" the closed library must still be there, else it must be gone. It is
 * linked with nothing of ours. A host program: it may print. */
#include "mailmod/srv.h"

#include <arpa/inet.h>
#include <dlfcn.h>
#include <left.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define NAMES_MAX 500

struct library {
    void *handle;
    int (*load_config)(const char *filename);
    int (*set_smtp_server)(SMTPReqCallback callback, int port, int mask);
    int (*set_pop3_server)(SMTPReqCallback callback, int port, int mask);
    int (*get_port)(const char *service);
    int (*shut_down)(void);
    const char *(*last_error_text)(void);
};

static char names[NAMES_MAX][64];
static int name_count;

static void read_names(void)
{
    while (name_count < NAMES_MAX && scanf("%63s", names[name_count]) == 1) {
        name_count++;
    }
}

static int find_all(const struct library *library)
{
    int missing = 0;

    for (int i = 0; i < name_count; i++) {
        if (dlsym(library->handle, names[i]) == NULL) {
            printf("missing: %s\n", names[i]);
            missing++;
        }
    }
    if (dlsym(library->handle, "SRVInitSendMsgImidiatly") !=
            dlsym(library->handle, "SRVInitSendMsgImmediately") ||
        dlsym(library->handle, "SRVInitSendMsgBackgaund") !=
            dlsym(library->handle, "SRVInitSendMsgBackground")) {
        printf("the right spelling is another function\n");
        missing++;
    }
    return missing == 0 && name_count > 0 ? 0 : -1;
}

/* POSIX lets a pointer to an object hold a function's address. */
static void bind_names(struct library *library)
{
    void *handle = library->handle;

    *(void **)&library->load_config = dlsym(handle, "LoadConfig");
    *(void **)&library->set_smtp_server = dlsym(handle, "SetSMTPServer");
    *(void **)&library->set_pop3_server = dlsym(handle, "SetPOP3Server");
    *(void **)&library->get_port = dlsym(handle, "SRVGetPort");
    *(void **)&library->shut_down = dlsym(handle, "SRVShutdown");
    *(void **)&library->last_error_text = dlsym(handle, "SRVLastErrorText");
}

static int greets(int port, const char *greeting)
{
    struct sockaddr_in address = {.sin_family = AF_INET};
    char octets[16] = "";
    int peer = socket(AF_INET, SOCK_STREAM, 0);
    int is_greeted;

    address.sin_port = htons((uint16_t)port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    is_greeted =
        connect(peer, (struct sockaddr *)&address, sizeof address) == 0 &&
        recv(peer, octets, sizeof octets - 1, 0) > 0 &&
        strncmp(octets, greeting, strlen(greeting)) == 0;
    close(peer);
    return is_greeted;
}

static int serve(const struct library *library, const char *config)
{
    int is_good = library->load_config(config) == 0 &&
                  library->set_smtp_server(NULL, -1, ALL_ACTIONS) == 0 &&
                  library->set_pop3_server(NULL, -1, ALL_ACTIONS) == 0 &&
                  greets(library->get_port("smtp"), "220 ") &&
                  greets(library->get_port("pop3"), "+OK ");

    if (!is_good) {
        printf("the servers: %s\n", library->last_error_text());
    }
    return library->shut_down() == 0 && is_good ? 0 : -1;
}

static int run_round(const char *name, const char *config, int stays)
{
    struct library library = {.handle = dlopen(name, RTLD_NOW | RTLD_LOCAL)};
    int result;

    if (library.handle == NULL) {
        printf("dlopen: %s\n", dlerror());
        return -1;
    }
    result = find_all(&library);
    bind_names(&library);
    if (result == 0) {
        result = serve(&library, config);
    }
    if (dlclose(library.handle) != 0 ||
        (dlopen(name, RTLD_NOW | RTLD_NOLOAD) != NULL) != stays) {
        printf("the library %s\n", stays ? "went" : "did not go");
        result = -1;
    }
    return result;
}

int main(int argc, char **argv)
{
    int failures = 0;
    int stays = argc == 5 && strcmp(argv[4], "stays") == 0;

    (void)setvbuf(stdout, NULL, _IOLBF, BUFSIZ);
    if (argc != 4 && !stays) {
        return 2;
    }
    read_names();
    for (long i = 0; i < strtol(argv[3], NULL, 10) && failures == 0; i++) {
        failures += run_round(argv[2], argv[1], stays) != 0;
        printf("round %ld threads=%d descriptors=%d heap=%lu\n", i,
               count_threads(), count_descriptors(), count_heap());
    }
    printf("%d names\n", name_count);
    return failures;
}
