/* main.c - mailmodd: the daemon, a host program on the public header.
 *
 * Owns the one instance and its life: settings, listeners, rights, start, wait,
 * reload, stop, drain. Stays in the foreground; whoever starts it supervises
 * it. A reload proves the new settings on an instance of their own first, so
 * that a mistake leaves the running one untouched. Thread: the main thread
 * alone; log lines come from all of the library's threads. */
#include "arguments.h"
#include "content.h"
#include "identity.h"
#include "options.h"
#include "system.h"
#include "token.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { EXIT_USAGE = 2, EXIT_CONFIG = 78 /* EX_CONFIG of sysexits.h */ };

#define VALUE_MAX 4200
/* How long the end waits for a log that is not read. */
#define LOG_END_MS 1000
/* How often the service manager is told what is in the queue: counting a long
 * one takes a hundredth of the time at most. */
#define STATUS_MS 5000
#define STATUS_SHARE 100

/* Each line of the last error's words as a line of the log. */
static void log_words(enum mailmod_log_level level, const char *head,
                      const char *words)
{
    char line[4096];
    while (*words != '\0') {
        size_t size = strcspn(words, "\n");
        snprintf(line, sizeof line, "mailmodd: %s: %.*s", head, (int)size,
                 words);
        system_log(NULL, level, line);
        words += size;
        words += strspn(words, "\n");
    }
}

static void log_failure(const char *head)
{
    log_words(MAILMOD_LOG_ERROR, head, mailmod_last_error_text());
}

/* A mistake in the settings: to a person who checks them as it is. */
static void tell_mistake(const struct options *options, const char *head)
{
    const char *words = mailmod_last_error_text();
    size_t size = strlen(words);
    if (options->task != OPTIONS_CHECK) {
        log_failure(head);
        return;
    }
    if (strcmp(head, "--set") == 0) {
        fprintf(stderr, "%s ", head);
    }
    fprintf(stderr, "%s%s", words,
            size > 0 && words[size - 1] == '\n' ? "" : "\n");
}

/* The file, then the settings of the command line over it. Whatever is wrong
 * with the file, it is the configuration that is. */
static enum mailmod_error apply(mailmod *instance,
                                const struct options *options)
{
    enum mailmod_error error = MAILMOD_OK;
    if (options->config_file != NULL) {
        error = mailmod_config_load(instance, options->config_file);
        if (error != MAILMOD_OK) {
            tell_mistake(options, "configuration");
            error = MAILMOD_ERROR_CONFIG;
        }
    }
    for (size_t i = 0; i < options->setting_count; i++) {
        const char *name = options->settings[i];
        enum mailmod_error set_error =
            mailmod_config_set(instance, name, name + strlen(name) + 1);
        if (set_error != MAILMOD_OK) {
            tell_mistake(options, "--set");
            error = set_error;
        }
    }
    return error;
}

/* To a person who checks the settings: warnings, and what is good to know. */
static void tell_warning(void *context, enum mailmod_log_level level,
                         const char *line)
{
    (void)context;
    if (level == MAILMOD_LOG_WARNING) {
        fprintf(stderr, "%s\n", line);
    } else if (level == MAILMOD_LOG_INFO) {
        puts(line);
    }
}

/* What the daemon's user cannot read is a mistake, though root could. */
static enum mailmod_error check_as_user(mailmod *probe)
{
    char user[VALUE_MAX];
    enum mailmod_error error =
        mailmod_config_get(probe, "general.run_as_user", user, sizeof user);
    char words[512];
    if (error == MAILMOD_OK && user[0] != '\0' && identity_can_change() &&
        identity_become(user, words, sizeof words) != 0) {
        fprintf(stderr, "general.run_as_user: %s\n", words);
        return MAILMOD_ERROR_CONFIG;
    }
    return error;
}

/* Is all of it good? Tells every mistake. */
static enum mailmod_error prove(const struct options *options)
{
    mailmod *probe;
    enum mailmod_error error = mailmod_new(&probe);
    if (error != MAILMOD_OK) {
        tell_mistake(options, "configuration");
        return error;
    }
    if (options->task == OPTIONS_CHECK) {
        error = mailmod_log_set_callback(probe, tell_warning, NULL);
    }
    if (error == MAILMOD_OK) {
        error = apply(probe, options);
    }
    if (error == MAILMOD_OK && options->task == OPTIONS_CHECK) {
        error = check_as_user(probe);
    }
    if (error == MAILMOD_OK) {
        error = mailmod_config_check(probe);
        if (error != MAILMOD_OK) {
            tell_mistake(options, "configuration");
        }
    }
    (void)mailmod_free(&probe);
    return error;
}

static int exit_code_of(enum mailmod_error error)
{
    switch (error) {
    case MAILMOD_OK:
        return EXIT_SUCCESS;
    case MAILMOD_ERROR_CONFIG:
    case MAILMOD_ERROR_ARGUMENT:
    case MAILMOD_ERROR_UNKNOWN_NAME:
        return EXIT_CONFIG;
    default:
        return EXIT_FAILURE;
    }
}

/* What `systemctl status` shows: the first line of the mistakes. */
static void notify_reloaded(enum mailmod_error error, char *trouble_out,
                            size_t size)
{
    const char *words = mailmod_last_error_text();
    char state[VALUE_MAX];
    trouble_out[0] = '\0';
    if (error == MAILMOD_OK) {
        system_notify("READY=1\nSTATUS=reloaded");
        return;
    }
    snprintf(trouble_out, size, "not reloaded: %.*s", (int)strcspn(words, "\n"),
             words);
    snprintf(state, sizeof state, "READY=1\nSTATUS=%s", trouble_out);
    system_notify(state);
}

static void reload(mailmod *instance, const struct options *options,
                   char *trouble_out, size_t size)
{
    system_notify_reloading();
    system_log_reopen();
    enum mailmod_error error = prove(options);
    if (error == MAILMOD_OK) {
        error = mailmod_config_reset(instance);
        if (error == MAILMOD_OK) {
            error = apply(instance, options);
        }
        if (error == MAILMOD_OK) {
            error = mailmod_reload(instance);
        }
        if (error == MAILMOD_OK) {
            error = content_begin(instance);
        }
        if (error != MAILMOD_OK) {
            log_failure("reload");
        }
    }
    system_log(NULL, error == MAILMOD_OK ? MAILMOD_LOG_INFO : MAILMOD_LOG_ERROR,
               error == MAILMOD_OK
                   ? "mailmodd: reloaded"
                   : "mailmodd: not reloaded, the former settings stay");
    notify_reloaded(error, trouble_out, size);
}

/* "30s", as mailmod_config_get writes times. */
static uint64_t duration_ms(const char *text)
{
    char *unit;
    uint64_t value = strtoull(text, &unit, 10);
    if (strcmp(unit, "ms") == 0) {
        return value;
    }
    uint64_t factor = *unit == 'h' ? 3600 : *unit == 'm' ? 60 : 1;
    return value * factor * 1000;
}

static uint64_t drain_ms(mailmod *instance)
{
    char text[64];
    if (mailmod_config_get(instance, "general.drain", text, sizeof text) !=
        MAILMOD_OK) {
        return 0;
    }
    return duration_ms(text);
}

static enum mailmod_error become_user(mailmod *instance)
{
    char user[VALUE_MAX];
    enum mailmod_error error =
        mailmod_config_get(instance, "general.run_as_user", user, sizeof user);
    char folder[VALUE_MAX];
    if (error == MAILMOD_OK) {
        error = mailmod_config_get(instance, "general.data_folder", folder,
                                   sizeof folder);
    }
    if (error != MAILMOD_OK) {
        log_failure("start");
        return error;
    }
    char words[512];
    if (system_become_user(user, folder, words, sizeof words) != 0) {
        log_words(MAILMOD_LOG_ERROR, "general.run_as_user", words);
        return MAILMOD_ERROR_ACCESS;
    }
    return MAILMOD_OK;
}

/* What does not fit is left out. */
static void append(char *line, size_t line_size, const char *text)
{
    size_t used = strlen(line);
    size_t size = strlen(text);
    if (size > line_size - used - 1) {
        size = line_size - used - 1;
    }
    memcpy(line + used, text, size);
    line[used + size] = '\0';
}

/* " key=value", in quotes where it has a blank. */
static void add_field(char *line, size_t line_size, const char *key,
                      const char *value)
{
    const char *quote = strchr(value, ' ') != NULL ? "\"" : "";
    if (value[0] == '\0') {
        return;
    }
    append(line, line_size, " ");
    append(line, line_size, key);
    append(line, line_size, "=");
    append(line, line_size, quote);
    append(line, line_size, value);
    append(line, line_size, quote);
}

static void add_setting(char *line, size_t line_size, mailmod *instance,
                        const char *key, const char *name)
{
    char value[VALUE_MAX];
    if (mailmod_config_get(instance, name, value, sizeof value) == MAILMOD_OK) {
        add_field(line, line_size, key, value);
    }
}

/* One line with all that one asks first; the addresses for systemctl too. */
static void tell_started(mailmod *instance)
{
    char line[2 * VALUE_MAX] = "";
    char listeners[VALUE_MAX] = "";
    char state[VALUE_MAX + 64];
    snprintf(line, sizeof line, "mailmodd: started version=%s",
             mailmod_version());
    char name[VALUE_MAX];
    if (mailmod_host_name(instance, name, sizeof name) == MAILMOD_OK) {
        add_field(line, sizeof line, "host", name);
    }
    add_setting(line, sizeof line, instance, "data_folder",
                "general.data_folder");
    const char *service;
    for (size_t i = 0; (service = mailmod_service_name(i)) != NULL; i++) {
        char addresses[VALUE_MAX];
        if (mailmod_service_addresses(instance, service, addresses,
                                      sizeof addresses) == MAILMOD_OK) {
            add_field(listeners, sizeof listeners, service, addresses);
        }
    }
    append(line, sizeof line, listeners);
    system_log(NULL, MAILMOD_LOG_INFO, line);
    snprintf(state, sizeof state, "READY=1\nSTATUS=running:%s", listeners);
    system_notify(state);
}

struct queue_count {
    unsigned long long recipients;
    unsigned long long held;
    unsigned long long destinations;
};

static void on_destination(void *context,
                           const struct mailmod_queue_destination *destination)
{
    struct queue_count *count = context;
    count->recipients += destination->recipients;
    count->held += destination->held;
    count->destinations++;
}

/* What systemctl shows is so; a reload that failed stays to be seen. How long
 * to wait until the next time. */
static unsigned tell_status(mailmod *instance, const char *trouble)
{
    struct queue_count count = {0, 0, 0};
    char state[VALUE_MAX];
    clock_t begin = clock();
    if (!system_has_status() ||
        mailmod_queue_summary(instance, NULL, on_destination, &count) !=
            MAILMOD_OK) {
        return STATUS_MS;
    }
    snprintf(state, sizeof state,
             "STATUS=%s%s%llu in the queue for %llu destination%s, %llu held",
             trouble, trouble[0] != '\0' ? "; " : "", count.recipients,
             count.destinations, count.destinations == 1 ? "" : "s",
             count.held);
    system_notify(state);
    clock_t taken = (clock() - begin) * 1000 / CLOCKS_PER_SEC;
    return taken * STATUS_SHARE > STATUS_MS ? (unsigned)taken * STATUS_SHARE
                                            : STATUS_MS;
}

/* Until the operator ends it. */
static void serve(mailmod *instance, const struct options *options)
{
    char trouble[VALUE_MAX / 2] = "";
    enum system_event event = SYSTEM_NOTHING;
    while (event != SYSTEM_STOP) {
        if (event == SYSTEM_RELOAD) {
            reload(instance, options, trouble, sizeof trouble);
        }
        event = system_wait(tell_status(instance, trouble));
    }
}

static enum mailmod_error start(mailmod *instance)
{
    enum mailmod_error error = mailmod_listeners_open(instance);
    if (error != MAILMOD_OK) {
        log_failure("start");
        return error;
    }
    error = become_user(instance);
    if (error != MAILMOD_OK) {
        return error;
    }
    error = mailmod_start(instance);
    if (error != MAILMOD_OK) {
        log_failure("start");
        return error;
    }
    tell_started(instance);
    return MAILMOD_OK;
}

static void stop(mailmod *instance)
{
    system_notify("STOPPING=1\nSTATUS=waiting for open sessions");
    system_log(NULL, MAILMOD_LOG_INFO, "mailmodd: stopping");
    /* What was acknowledged is on disk, so a cut loses nothing. */
    system_cut_on_stop(EXIT_FAILURE);
    (void)mailmod_stop(instance);
    enum mailmod_error error = mailmod_drain(instance, drain_ms(instance));
    if (error == MAILMOD_ERROR_TIMEOUT) {
        log_words(MAILMOD_LOG_WARNING, "general.drain was over",
                  mailmod_last_error_text());
    } else if (error != MAILMOD_OK) {
        log_failure("stop");
    }
    system_log(NULL, MAILMOD_LOG_INFO, "mailmodd: stopped");
}

static int run(const struct options *options)
{
    mailmod *instance;
    /* Nobody here asks for that count, and nothing has used SQLite yet. */
    (void)mailmod_sqlite_stop_counting();
    enum mailmod_error error = mailmod_new(&instance);
    if (error != MAILMOD_OK) {
        log_failure("start");
        return exit_code_of(error);
    }
    error = mailmod_log_set_callback(instance, system_log, NULL);
    if (error == MAILMOD_OK) {
        error = mailmod_token_set_callback(instance, token_get, instance, NULL);
    }
    if (error == MAILMOD_OK) {
        error = apply(instance, options);
    }
    if (error == MAILMOD_OK) {
        error = content_begin(instance);
    }
    if (error == MAILMOD_OK) {
        error = start(instance);
    }
    if (error == MAILMOD_OK) {
        serve(instance, options);
        stop(instance);
    }
    (void)mailmod_free(&instance);
    return exit_code_of(error);
}

static int run_logged(const struct options *options)
{
    char words[512] = "";
    if (system_log_begin(options->log_file, options->has_local_time, words,
                         sizeof words) != 0) {
        fprintf(stderr, "mailmodd: the log file %s cannot be opened: %s\n",
                options->log_file, words);
        return EXIT_FAILURE;
    }
    int code = run(options);
    system_log_end(LOG_END_MS);
    return code;
}

static int run_program(int argc, char **argv)
{
    struct options options;
    options_parse(&options, argc, argv);
    switch (options.task) {
    case OPTIONS_WRONG:
        return EXIT_USAGE;
    case OPTIONS_SHOW_HELP:
        options_print_help();
        return EXIT_SUCCESS;
    case OPTIONS_SHOW_VERSION:
        printf("mailmodd %s\n", mailmod_version());
        return EXIT_SUCCESS;
    case OPTIONS_CHECK:
    case OPTIONS_RUN:
        break;
    }
    if (system_init() != 0) {
        fprintf(stderr, "mailmodd: the system refused its signals\n");
        return EXIT_FAILURE;
    }
    if (options.task == OPTIONS_RUN) {
        return run_logged(&options);
    }
    enum mailmod_error error = prove(&options);
    if (error == MAILMOD_OK) {
        puts("the configuration is good");
    }
    return exit_code_of(error);
}

int main(int argc, char **argv)
{
    if (arguments_open_standard_files() != 0) {
        return EXIT_FAILURE;
    }
    if (arguments_read(&argc, &argv) != 0) {
        fprintf(stderr, "mailmodd: the command line cannot be read\n");
        return EXIT_USAGE;
    }
    return system_main(argc, argv, run_program);
}
