/* load_and_unload.c - a host that loads mailmod.dll while it runs, uses it with
 * its listeners, TLS and store, frees it, and does all that again, three times.
 * Its end must be clean too: nothing may be left that points into a library
 * which is gone. Thread: the main thread. */
#include "mailmod.h"

#include <winsock2.h>

#include <stdio.h>
#include <string.h>
#include <windows.h>

struct library {
    HMODULE module;
    enum mailmod_error (*new_instance)(mailmod **instance_out);
    enum mailmod_error (*set)(mailmod *instance, const char *name,
                              const char *value);
    enum mailmod_error (*start)(mailmod *instance);
    enum mailmod_error (*user_add)(mailmod *instance, const char *name,
                                   const char *password, unsigned flags);
    int (*port)(mailmod *instance, const char *service);
    void (*free_instance)(mailmod **instance);
    const char *(*words)(void);
};

/* A name that is missing shows itself at the call. */
static void *find(struct library *library, const char *name)
{
    void *address = (void *)(uintptr_t)GetProcAddress(library->module, name);
    if (address == NULL) {
        printf("%s is not exported under that name\n", name);
    }
    return address;
}

static int load(struct library *library, const char *path)
{
    library->module = LoadLibraryA(path);
    if (library->module == NULL) {
        printf("LoadLibrary: %lu\n", GetLastError());
        return -1;
    }
    *(void **)&library->new_instance = find(library, "mailmod_new");
    *(void **)&library->set = find(library, "mailmod_config_set");
    *(void **)&library->start = find(library, "mailmod_start");
    *(void **)&library->user_add = find(library, "mailmod_user_add");
    *(void **)&library->port = find(library, "mailmod_service_port");
    *(void **)&library->free_instance = find(library, "mailmod_free");
    *(void **)&library->words = find(library, "mailmod_last_error_text");
    return library->new_instance != NULL && library->set != NULL &&
                   library->start != NULL && library->user_add != NULL &&
                   library->port != NULL && library->free_instance != NULL &&
                   library->words != NULL
               ? 0
               : -1;
}

static int greets(int port)
{
    char greeting[64];
    struct sockaddr_in address = {.sin_family = AF_INET};
    address.sin_port = htons((u_short)port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    SOCKET peer = WSASocketW(AF_INET, SOCK_STREAM, 0, NULL, 0, 0);
    int is_greeted =
        connect(peer, (struct sockaddr *)&address, sizeof address) == 0 &&
        recv(peer, greeting, sizeof greeting, 0) > 4 &&
        strncmp(greeting, "220 ", 4) == 0;
    closesocket(peer);
    return is_greeted;
}

static int use(struct library *library, const char *folder, int round)
{
    static const char *const services[] = {"smtp.listen", "submission.listen",
                                           "submissions.listen", "pop3.listen",
                                           "pop3s.listen"};
    mailmod *instance;
    char user[32];
    int is_good = 0;
    if (library->new_instance(&instance) != MAILMOD_OK) {
        return 0;
    }
    snprintf(user, sizeof user, "user%d", round);
    enum mailmod_error error =
        library->set(instance, "general.data_folder", folder);
    for (size_t i = 0; i < sizeof services / sizeof services[0]; i++) {
        if (error == MAILMOD_OK) {
            error = library->set(instance, services[i], "127.0.0.1:0");
        }
    }
    if (error == MAILMOD_OK) {
        error = library->start(instance);
    }
    if (error == MAILMOD_OK) {
        error = library->user_add(instance, user, "secret", 0);
    }
    if (error == MAILMOD_OK) {
        is_good = greets(library->port(instance, "smtp"));
    } else {
        printf("round %d: %s\n", round, library->words());
    }
    library->free_instance(&instance);
    return is_good;
}

/* The files of a data folder and the folder itself. */
static void remove_folder(const char *folder)
{
    char name[MAX_PATH];
    WIN32_FIND_DATAA entry;
    snprintf(name, sizeof name, "%s/*", folder);
    HANDLE search = FindFirstFileA(name, &entry);
    if (search != INVALID_HANDLE_VALUE) {
        do {
            snprintf(name, sizeof name, "%s/%s", folder, entry.cFileName);
            (void)DeleteFileA(name);
        } while (FindNextFileA(search, &entry));
        (void)FindClose(search);
    }
    (void)RemoveDirectoryA(folder);
}

int main(int argc, char **argv)
{
    WSADATA data;
    char folder[64];
    if (argc != 2 || WSAStartup(MAKEWORD(2, 2), &data) != 0) {
        return 2;
    }
    snprintf(folder, sizeof folder, "load-%lu", GetCurrentProcessId());
    int good = 0;
    for (int round = 0; round < 3; round++) {
        struct library library;
        if (load(&library, argv[1]) == 0) {
            good += use(&library, folder, round);
        }
        if (library.module != NULL && !FreeLibrary(library.module)) {
            printf("FreeLibrary: %lu\n", GetLastError());
            good = 0;
        }
    }
    remove_folder(folder);
    printf("%d of 3 rounds were good\n", good);
    return good == 3 ? 0 : 1;
}
