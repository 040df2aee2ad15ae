/* guest_failing.c - a host whose starts fail, each for a reason of its own.
 *
 * guest_failing FOLDER: for every reason one error with a text that names the
 * thing, the same at the second attempt; no thread, no descriptor and no file
 * but the documented ones is left; and once the reason is gone the same
 * instance starts and serves. As root it first becomes nobody, whom a folder
 * can refuse. FOLDER is that user's, FOLDER/foreign is not. */
#define _GNU_SOURCE /* setresuid */
#include "guest.h"

#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>

#define NOBODY 65534
#define PATH_SIZE 4096

struct stage {
    const char *folder;
    char data[PATH_SIZE];   /* the data folder of this scene */
    char needle[PATH_SIZE]; /* what the error's text must name */
    mailmod *mail;
    mailmod *other;
    int taken; /* a listening socket */
};

struct scene {
    const char *name;
    enum mailmod_error error;
    int (*prepare)(struct stage *stage);
    int (*repair)(struct stage *stage);
};

static int set(struct stage *stage, const char *key, const char *value)
{
    return mailmod_config_set(stage->mail, key, value) == MAILMOD_OK;
}

static int put_file(const char *path, const char *text)
{
    int file = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    int is_good = file >= 0 && write(file, text, strlen(text)) >= 0;

    if (file >= 0) {
        close(file);
    }
    return is_good;
}

static void below(char *path_out, const char *folder, const char *name)
{
    snprintf(path_out, PATH_SIZE, "%.3000s/%.500s", folder, name);
}

/* ---- reasons, and their ends --------------------------------------------- */

static int take_port(struct stage *stage)
{
    struct sockaddr_in address = {.sin_family = AF_INET};
    socklen_t size = sizeof address;

    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    stage->taken = socket(AF_INET, SOCK_STREAM, 0);
    if (bind(stage->taken, (struct sockaddr *)&address, size) != 0 ||
        listen(stage->taken, 1) != 0 ||
        getsockname(stage->taken, (struct sockaddr *)&address, &size) != 0) {
        return 0;
    }
    snprintf(stage->needle, sizeof stage->needle, "127.0.0.1:%d",
             ntohs(address.sin_port));
    return 1;
}

static int take_smtp(struct stage *stage)
{
    return take_port(stage) && set(stage, "smtp.listen", stage->needle);
}

/* The last listener of all: those before it are bound already. */
static int take_pop3(struct stage *stage)
{
    return take_port(stage) && set(stage, "pop3.listen", stage->needle);
}

static int give_port(struct stage *stage)
{
    return close(stage->taken) == 0;
}

static int name_no_certificate(struct stage *stage)
{
    below(stage->needle, stage->folder, "none.crt");
    return set(stage, "tls.certificate_file", stage->needle) &&
           set(stage, "tls.key_file", stage->needle);
}

static int name_bad_certificate(struct stage *stage)
{
    below(stage->needle, stage->folder, "bad.crt");
    return put_file(stage->needle, "-----BEGIN CERTIFICATE-----\nAAAA\n") &&
           set(stage, "tls.certificate_file", stage->needle) &&
           set(stage, "tls.key_file", stage->needle);
}

static int name_certificate(struct stage *stage)
{
    return set(stage, "tls.certificate_file", "") &&
           set(stage, "tls.key_file", "");
}

static int name_file_as_folder(struct stage *stage)
{
    snprintf(stage->needle, sizeof stage->needle, "%s", stage->data);
    return put_file(stage->data, "a file\n");
}

static int name_folder_below_file(struct stage *stage)
{
    char file[PATH_SIZE];

    below(file, stage->folder, "file");
    below(stage->needle, file, "data");
    return put_file(file, "a file\n") &&
           set(stage, "general.data_folder", stage->needle);
}

static int remove_file(struct stage *stage)
{
    return unlink(stage->data) == 0;
}

static int name_foreign_folder(struct stage *stage)
{
    below(stage->needle, stage->folder, "foreign");
    return set(stage, "general.data_folder", stage->needle);
}

static int name_folder(struct stage *stage)
{
    return set(stage, "general.data_folder", stage->data);
}

static int close_folder(struct stage *stage)
{
    snprintf(stage->needle, sizeof stage->needle, "%s", stage->data);
    return mkdir(stage->data, 0500) == 0;
}

static int open_folder(struct stage *stage)
{
    return chmod(stage->data, 0700) == 0;
}

static int damage_store(struct stage *stage)
{
    below(stage->needle, stage->data, "mailmod.db");
    return mkdir(stage->data, 0700) == 0 &&
           put_file(stage->needle, "this was never a database\n");
}

static int empty_store(struct stage *stage)
{
    below(stage->needle, stage->data, "mailmod.db");
    return mkdir(stage->data, 0700) == 0 && put_file(stage->needle, "");
}

static int remove_store(struct stage *stage)
{
    return unlink(stage->needle) == 0;
}

static int set_all(mailmod *mail, const char *data)
{
    int is_bad = mailmod_config_set(mail, "general.data_folder", data);

    for (size_t i = 0; !is_bad && guest_settings[i] != NULL; i += 2) {
        is_bad =
            mailmod_config_set(mail, guest_settings[i], guest_settings[i + 1]);
    }
    return !is_bad;
}

static int start_other(struct stage *stage)
{
    snprintf(stage->needle, sizeof stage->needle, "%s", stage->data);
    return mailmod_new(&stage->other) == MAILMOD_OK &&
           set_all(stage->other, stage->data) &&
           mailmod_start(stage->other) == MAILMOD_OK;
}

static int end_other(struct stage *stage)
{
    mailmod_free(&stage->other);
    return 1;
}

/* Room for the listeners, perhaps, but not for all the rest. */
static int limit(int which, rlim_t value)
{
    struct rlimit now;

    if (getrlimit((__rlimit_resource_t)which, &now) != 0) {
        return 0;
    }
    now.rlim_cur = value < now.rlim_max ? value : now.rlim_max;
    return setrlimit((__rlimit_resource_t)which, &now) == 0;
}

static int limit_descriptors(struct stage *stage)
{
    struct guest_holdings held;

    guest_measure(&held);
    stage->needle[0] = '\0';
    return limit(RLIMIT_NOFILE, held.descriptors + 8);
}

static int free_descriptors(struct stage *stage)
{
    (void)stage;
    return limit(RLIMIT_NOFILE, 1024);
}

static int limit_threads(struct stage *stage)
{
    snprintf(stage->needle, sizeof stage->needle, "thread");
    return limit(RLIMIT_NPROC, 1);
}

static int free_threads(struct stage *stage)
{
    (void)stage;
    return limit(RLIMIT_NPROC, RLIM_INFINITY);
}

static const struct scene scenes[] = {
    {"smtp port", MAILMOD_ERROR_ADDRESS_IN_USE, take_smtp, give_port},
    {"pop3 port", MAILMOD_ERROR_ADDRESS_IN_USE, take_pop3, give_port},
    {"no certificate", MAILMOD_ERROR_CONFIG, name_no_certificate,
     name_certificate},
    {"bad certificate", MAILMOD_ERROR_CONFIG, name_bad_certificate,
     name_certificate},
    {"a file", MAILMOD_ERROR_EXISTS, name_file_as_folder, remove_file},
    {"below a file", MAILMOD_ERROR_EXISTS, name_folder_below_file, name_folder},
    {"not ours", MAILMOD_ERROR_ACCESS, name_foreign_folder, name_folder},
    {"closed", MAILMOD_ERROR_ACCESS, close_folder, open_folder},
    {"damaged", MAILMOD_ERROR_STORAGE_DAMAGED, damage_store, remove_store},
    {"empty", MAILMOD_ERROR_STORAGE_DAMAGED, empty_store, remove_store},
    {"two", MAILMOD_ERROR_BUSY, start_other, end_other},
    {"descriptors", MAILMOD_ERROR_DESCRIPTORS, limit_descriptors,
     free_descriptors},
    {"threads", MAILMOD_ERROR_SYSTEM, limit_threads, free_threads},
};

/* ---- what is checked ----------------------------------------------------- */

/* docs/store-format.md and docs/config.md name these and no other. */
static int are_files_documented(const char *folder)
{
    static const char *const known[] = {".",
                                        "..",
                                        "mailmod.db",
                                        "mailmod.db-wal",
                                        "mailmod.db-shm",
                                        "mailmod.lock",
                                        "self-signed.crt",
                                        "self-signed.key",
                                        "self-signed-rsa.crt",
                                        "self-signed-rsa.key"};
    DIR *handle = opendir(folder);
    struct dirent *entry;
    int is_good = 1;

    while (handle != NULL && (entry = readdir(handle)) != NULL) {
        size_t i = 0;

        while (i < sizeof known / sizeof known[0] &&
               strcmp(known[i], entry->d_name) != 0) {
            i++;
        }
        if (i == sizeof known / sizeof known[0]) {
            printf("the file %s was left\n", entry->d_name);
            is_good = 0;
        }
    }
    if (handle != NULL) {
        closedir(handle);
    }
    return is_good;
}

static int fails(const struct scene *scene, struct stage *stage)
{
    struct guest_holdings before;
    struct guest_holdings now;
    enum mailmod_error error;
    const char *text = mailmod_last_error_text();
    int is_good;

    guest_measure(&before);
    error = mailmod_start(stage->mail);
    guest_measure(&now);
    is_good =
        error == scene->error && text[0] != '\0' &&
        strchr(text, '\n') == NULL && strstr(text, stage->needle) != NULL &&
        /* Another instance that runs may open something at any moment; what
         * is left after its end tells the end of the scene. */
        (stage->other != NULL || (now.threads == before.threads &&
                                  now.descriptors == before.descriptors)) &&
        mailmod_service_port(stage->mail, "smtp") == 0 &&
        are_files_documented(stage->data);
    printf("%s: %d %s%s\n", scene->name, (int)error, text,
           is_good ? "" : " -- wrong");
    if (!is_good) {
        printf("threads %zu to %zu, descriptors %zu to %zu, needle %s\n",
               before.threads, now.threads, before.descriptors, now.descriptors,
               stage->needle);
    }
    return is_good;
}

static int serves(struct stage *stage)
{
    int is_good =
        mailmod_start(stage->mail) == MAILMOD_OK &&
        mailmod_user_add(stage->mail, "demo", "secret", 0) == MAILMOD_OK &&
        guest_deliver(mailmod_service_port(stage->mail, "smtp")) &&
        guest_read_back(mailmod_service_port(stage->mail, "pop3")) &&
        mailmod_stop(stage->mail) == MAILMOD_OK &&
        mailmod_drain(stage->mail, 10000) == MAILMOD_OK;

    if (!is_good) {
        printf("after the repair: %s\n", mailmod_last_error_text());
    }
    return is_good;
}

static int play(const struct scene *scene, const char *folder, int is_measured)
{
    struct stage stage = {.folder = folder};
    struct guest_holdings before;
    struct guest_holdings now;
    int is_good;

    below(stage.data, folder, scene->name);
    guest_measure(&before);
    is_good = mailmod_new(&stage.mail) == MAILMOD_OK &&
              set_all(stage.mail, stage.data);
    if (scene->prepare != NULL) {
        is_good = is_good && scene->prepare(&stage) && fails(scene, &stage) &&
                  fails(scene, &stage);
        is_good = scene->repair(&stage) && is_good;
    }
    is_good = is_good && serves(&stage);
    mailmod_free(&stage.mail);
    guest_measure(&now);
    return is_good && (!is_measured || (now.threads == before.threads &&
                                        now.descriptors == before.descriptors));
}

/* One descriptor more each time, and one thread more, until it starts. */
static int sweep(const char *folder, int which, enum mailmod_error expected)
{
    struct stage stage = {.folder = folder};
    struct guest_holdings before;
    struct guest_holdings now;
    enum mailmod_error error = expected;
    rlim_t room = 0;

    below(stage.data, folder, "sweep");
    guest_measure(&before);
    if (mailmod_new(&stage.mail) != MAILMOD_OK ||
        !set_all(stage.mail, stage.data)) {
        return 0;
    }
    while (error != MAILMOD_OK && room < 200) {
        room++;
        if (!limit(which, room + (which == RLIMIT_NOFILE ? before.descriptors
                                                         : before.threads))) {
            return 0;
        }
        error = mailmod_start(stage.mail);
        (void)limit(which, 1024);
        guest_measure(&now);
        if (error != MAILMOD_OK && (now.threads != before.threads ||
                                    now.descriptors != before.descriptors)) {
            printf("room for %lu: %s: threads %zu, descriptors %zu\n",
                   (unsigned long)room, mailmod_last_error_text(), now.threads,
                   now.descriptors);
            return 0;
        }
        if (error != MAILMOD_OK && error != expected) {
            printf("room for %lu: %d %s\n", (unsigned long)room, (int)error,
                   mailmod_last_error_text());
            return 0;
        }
    }
    printf("starts with room for %lu\n", (unsigned long)room);
    mailmod_free(&stage.mail);
    guest_measure(&now);
    return error == MAILMOD_OK && room > 3 &&
           now.descriptors == before.descriptors &&
           now.threads == before.threads;
}

/* The first start of the process, with room for next to nothing: what a library
 * below us makes once for the process cannot be made. */
static int fails_first(const char *folder)
{
    struct stage stage = {.folder = folder};
    struct guest_holdings before;
    enum mailmod_error error = MAILMOD_ERROR_DESCRIPTORS;

    below(stage.data, folder, "first");
    guest_measure(&before);
    if (mailmod_new(&stage.mail) != MAILMOD_OK ||
        !set_all(stage.mail, stage.data)) {
        return 0;
    }
    for (rlim_t room = 0; room < 7 && error == MAILMOD_ERROR_DESCRIPTORS;
         room++) {
        (void)limit(RLIMIT_NOFILE, before.descriptors + room);
        error = mailmod_start(stage.mail);
    }
    (void)limit(RLIMIT_NOFILE, 1024);
    printf("first: %d %s\n", (int)error, mailmod_last_error_text());
    mailmod_free(&stage.mail);
    return error == MAILMOD_ERROR_DESCRIPTORS;
}

static int become_nobody(void)
{
    return geteuid() != 0 || (setresgid(NOBODY, NOBODY, NOBODY) == 0 &&
                              setresuid(NOBODY, NOBODY, NOBODY) == 0 &&
                              /* Else /proc/self is root's. */
                              prctl(PR_SET_DUMPABLE, 1) == 0);
}

int main(int argc, char **argv)
{
    static const struct scene none = {"none", MAILMOD_OK, NULL, NULL};
    int failed = 0;

    setvbuf(stdout, NULL, _IONBF, 0);
    if (argc != 2 || !become_nobody()) {
        return 2;
    }
    if (!fails_first(argv[1])) {
        return 1;
    }
    /* libuv keeps one pipe for the process from its first loop on. */
    if (!play(&none, argv[1], 0)) {
        return 1;
    }
    for (size_t i = 0; i < sizeof scenes / sizeof scenes[0]; i++) {
        if (!play(&scenes[i], argv[1], 1)) {
            printf("%s: failed\n", scenes[i].name);
            failed = 1;
        }
    }
    if (!sweep(argv[1], RLIMIT_NOFILE, MAILMOD_ERROR_DESCRIPTORS)) {
        failed = 1;
    }
    /* The limit counts all that the user runs: nobody runs nothing else. */
    if (getuid() != NOBODY) {
        printf("SKIPPED: threads one by one, which only root can try\n");
    } else if (!sweep(argv[1], RLIMIT_NPROC, MAILMOD_ERROR_SYSTEM)) {
        failed = 1;
    }
    return failed;
}
