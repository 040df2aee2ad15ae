/* collectd.c - as much of collectd as its module notify_email needs.
 *
 * collectd MODULE PORT: loads the module that Debian compiled, as collectd
 * does, sets it to a server at PORT of this machine, and gives it two
 * notifications. tests/dropin/run compiles it; the names and the structure are
 * collectd's interface to its modules (5.12). A program: it may print. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

struct notification {
    int severity;  /* 2: a warning */
    uint64_t time; /* in 2^-30 s */
    char message[256];
    char host[128], plugin[128], plugin_instance[128], type[128],
        type_instance[128];
    void *meta;
};

char *hostname_g;
static int (*initialize)(void);
static int (*shut_down)(void);
static int (*configure)(const char *key, const char *value);
static int (*notify)(const struct notification *n, void *user_data);

int plugin_register_init(const char *name, int (*call)(void))
{
    initialize = call;
    return name == NULL;
}

int plugin_register_shutdown(const char *name, int (*call)(void))
{
    shut_down = call;
    return name == NULL;
}

int plugin_register_config(const char *name,
                           int (*call)(const char *, const char *),
                           const char **keys, int count)
{
    configure = call;
    return name == NULL || keys == NULL || count == 0;
}

int plugin_register_notification(const char *name,
                                 int (*call)(const struct notification *,
                                             void *),
                                 void *user_data)
{
    notify = call;
    return name == NULL || user_data != NULL;
}

void plugin_log(int level, const char *format, ...)
{
    va_list more;

    (void)level;
    va_start(more, format);
    vprintf(format, more);
    va_end(more);
    putchar('\n');
}

int ssnprintf(char *out, size_t size, const char *format, ...)
{
    va_list more;

    va_start(more, format);
    int used = vsnprintf(out, size, format, more);
    va_end(more);
    return used;
}

char *sstrncpy(char *out, const char *text, size_t size)
{
    snprintf(out, size, "%s", text);
    return out;
}

int main(int argc, char **argv)
{
    static char host[] = "box.test";
    struct notification news = {.severity = 2,
                                .time = (uint64_t)86400 << 30,
                                .message = "the disk is full",
                                .host = "box.test",
                                .plugin = "df"};
    void *module = argc == 3 ? dlopen(argv[1], RTLD_NOW) : NULL;

    if (module == NULL) {
        printf("%s\n", argc == 3 ? dlerror() : "collectd MODULE PORT");
        return 2;
    }
    void (*begin)(void) = NULL;
    *(void **)&begin = dlsym(module, "module_register");
    hostname_g = host;
    begin();
    if (configure("SMTPServer", "127.0.0.1") ||
        configure("SMTPPort", argv[2]) || configure("SMTPUser", "alice") ||
        configure("SMTPPassword", "wonderland") ||
        configure("From", "box@box.test") ||
        configure("Recipient", "admin@box.test") || initialize()) {
        return 3;
    }
    int is_bad = notify(&news, NULL);
    snprintf(news.message, sizeof news.message, "the disk is empty");
    return is_bad || notify(&news, NULL) || shut_down() ? 4 : 0;
}
