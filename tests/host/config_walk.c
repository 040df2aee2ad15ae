/* config_walk.c - every setting through the public names, by text and by file.
 *
 * config_walk SAMPLE FOLDER [NAME]...: walks all keys that the library lists:
 * each reads as listed, takes its default, takes another value and reads as
 * that; then all of them go through a file in each of the two syntaxes into a
 * second instance, and back to the defaults through SAMPLE. NAMEs are those of
 * the original engine: each takes back what it gives, or says why there is
 * none. Prints what is wrong; ends with 0 when nothing is. A host program: it
 * may print. */
#include "mailmod.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { KEYS_MAX = 300, TEXT_SIZE = 4200 };

struct key {
    char name[80];
    char default_value[TEXT_SIZE];
    char listed[TEXT_SIZE];
    char changed[TEXT_SIZE]; /* as it reads */
};

static struct key keys[KEYS_MAX];
static int key_count;
static int mistakes;

static void wrong(const char *name, const char *what, const char *detail)
{
    printf("wrong: %s: %s: %s\n", name, what, detail);
    mistakes++;
}

static void expect(int is_right, const char *name, const char *what)
{
    if (!is_right) {
        wrong(name, what, mailmod_last_error_text());
    }
}

static void on_setting(void *context, const struct mailmod_setting *setting)
{
    struct key *key = &keys[key_count];

    (void)context;
    if (key_count == KEYS_MAX || setting->help[0] == '\0') {
        wrong(setting->name, "too many, or without help", "");
        return;
    }
    snprintf(key->name, sizeof key->name, "%s", setting->name);
    snprintf(key->listed, sizeof key->listed, "%s", setting->value);
    snprintf(key->default_value, sizeof key->default_value, "%s",
             setting->default_value);
    key_count++;
}

static void list_keys(mailmod *mail)
{
    key_count = 0;
    expect(mailmod_config_list(mail, on_setting, NULL) == MAILMOD_OK, "all",
           "cannot be listed");
}

static void check_reads(mailmod *mail, const char *name, const char *wanted)
{
    char value[TEXT_SIZE] = "";

    expect(mailmod_config_get(mail, name, value, sizeof value) == MAILMOD_OK,
           name, "cannot be read");
    if (strcmp(value, wanted) != 0) {
        wrong(name, wanted, value);
    }
}

/* Values of keys that are lists of lines with passwords in them. */
#define ACCOUNT "name=a host=h user=u to=u password=cret"
#define FILTER "name=a at=127.0.0.1:1"
#define ROUTE "name=a to=b relay=c user=u password=cret"

/* NULL: it is no such key. */
static const char *line_of(const struct key *key)
{
    if (strcmp(key->name, "delivery.routes") == 0) {
        return ROUTE;
    }
    return strcmp(key->name, "fetch.accounts") == 0 ? ACCOUNT : NULL;
}

static int is_secret(const struct key *key)
{
    if (line_of(key) != NULL) {
        return 1;
    }
    return strstr(key->name, "password") != NULL &&
           strstr(key->name, "keeps") == NULL;
}

/* A value that the key takes and that is not its default; as it reads. */
static int change(mailmod *mail, struct key *key)
{
    static const char *const values[] = {
        "7",
        "77",
        "7777",
        "true",
        "false",
        "off",
        "may",
        "42s",
        "11m",
        "9K",
        "x.org",
        "127.0.0.9:259",
        "10.0.0.0/8",
        "-",
        "debug",
        "always",
        "normalize",
        "192.0.2.200",
        "some text",
        "3h",
        "tag",
        "accept",
        "1=refuse",
        "fast",
        "keep",
        "*:/x",
        ACCOUNT,
        "as_is",
        "encode",
        "warn",
        "listed",
        "http",
        "ipv6",
        ROUTE,
        FILTER,
        "PLAIN",
        "abababababababababababababababababababababababababababababababab"};

    for (size_t i = 0; i < sizeof values / sizeof values[0]; i++) {
        if (mailmod_config_set(mail, key->name, values[i]) == MAILMOD_OK) {
            (void)mailmod_config_get(mail, key->name, key->changed,
                                     sizeof key->changed);
            if (strcmp(key->changed, key->default_value) != 0) {
                return 1;
            }
        } else {
            expect(mailmod_last_error_text()[0] != '\0', key->name,
                   "was refused without words");
        }
    }
    return 0;
}

static void walk(mailmod *mail, struct key *key)
{
    static const char *const never[] = {"99999999999999999999", "\x01", "\xff"};

    check_reads(mail, key->name, key->listed);
    check_reads(mail, key->name, key->default_value);
    expect(mailmod_config_set(mail, key->name, key->default_value) ==
               MAILMOD_OK,
           key->name, "does not take its default");
    check_reads(mail, key->name, key->default_value);
    if (!change(mail, key)) {
        wrong(key->name, "takes no other value", "");
        return;
    }
    if (is_secret(key) && strcmp(key->changed, "********") != 0) {
        wrong(key->name, "a secret is shown", key->changed);
    }
    for (size_t i = 0; i < sizeof never / sizeof never[0]; i++) {
        enum mailmod_error error =
            mailmod_config_set(mail, key->name, never[i]);
        /* A text may well be those digits. */
        if (i > 0 || isdigit((unsigned char)key->default_value[0])) {
            expect(error == MAILMOD_ERROR_ARGUMENT, key->name,
                   "takes what it must not");
            check_reads(mail, key->name, key->changed);
        } else if (error == MAILMOD_OK) {
            (void)mailmod_config_set(mail, key->name, key->changed);
        }
    }
}

/* Numbers and flags stand without quotes in the file's syntax. */
static int is_bare(const struct key *key)
{
    const char *text = key->default_value;

    return strcmp(text, "true") == 0 || strcmp(text, "false") == 0 ||
           (text[0] != '\0' && text[strspn(text, "0123456789")] == '\0');
}

static void write_key(FILE *file, const struct key *key, int is_old)
{
    const char *line = line_of(key);
    const char *value = line != NULL     ? line
                        : is_secret(key) ? "cret"
                                         : key->changed;
    const char *dot = strchr(key->name, '.');
    const char *quote = is_old ? "'" : is_bare(key) ? "" : "\"";

    if (is_old) {
        fprintf(file, "%s=%s%s%s\n", key->name, quote, value, quote);
    } else {
        fprintf(file, "    %s = %s%s%s;\n", dot + 1, quote, value, quote);
    }
}

static int is_same_group(const struct key *a, const struct key *b)
{
    size_t size = strcspn(a->name, ".") + 1;

    return strncmp(a->name, b->name, size) == 0;
}

/* A group is written whole where its first key stands. */
static void write_group(FILE *file, int first)
{
    for (int i = 0; i < first; i++) {
        if (is_same_group(&keys[first], &keys[i])) {
            return;
        }
    }
    fprintf(file, "%.*s: {\n", (int)strcspn(keys[first].name, "."),
            keys[first].name);
    for (int i = first; i < key_count; i++) {
        if (is_same_group(&keys[first], &keys[i])) {
            write_key(file, &keys[i], 0);
        }
    }
    fprintf(file, "};\n");
}

static void write_keys(FILE *file, int is_old)
{
    for (int i = 0; i < key_count; i++) {
        if (is_old) {
            write_key(file, &keys[i], 1);
        } else {
            write_group(file, i);
        }
    }
}

static void go_through_file(const char *folder, int is_old)
{
    char path[TEXT_SIZE];
    mailmod *other = NULL;
    FILE *file;

    snprintf(path, sizeof path, "%s/walk%d.cfg", folder, is_old);
    file = fopen(path, "w");
    if (file == NULL || mailmod_new(&other) != MAILMOD_OK) {
        wrong(path, "cannot be written", "");
        return;
    }
    write_keys(file, is_old);
    fclose(file);
    expect(mailmod_config_load(other, path) == MAILMOD_OK, path,
           "cannot be loaded");
    for (int i = 0; i < key_count; i++) {
        check_reads(other, keys[i].name, keys[i].changed);
    }
    (void)mailmod_free(&other);
}

static void check_defaults(mailmod *mail)
{
    for (int i = 0; i < key_count; i++) {
        check_reads(mail, keys[i].name, keys[i].default_value);
    }
}

static void walk_errors(mailmod *mail)
{
    char small[2];

    expect(mailmod_config_set(mail, "no.such_key", "1") ==
               MAILMOD_ERROR_UNKNOWN_NAME,
           "no.such_key", "was set");
    expect(mailmod_config_get(mail, "no.such_key", small, sizeof small) ==
               MAILMOD_ERROR_UNKNOWN_NAME,
           "no.such_key", "was read");
    expect(mailmod_config_get(mail, "general.data_folder", small,
                              sizeof small) == MAILMOD_ERROR_LIMIT,
           "general.data_folder", "fits into two octets");
    expect(mailmod_config_set(mail, "dns.tries", NULL) ==
               MAILMOD_ERROR_ARGUMENT,
           "dns.tries", "took NULL");
    expect(mailmod_config_set(mail, NULL, "1") == MAILMOD_ERROR_ARGUMENT,
           "NULL", "was set");
    expect(mailmod_config_load(mail, "no-such-file.cfg") ==
               MAILMOD_ERROR_NOT_FOUND,
           "no-such-file.cfg", "was loaded");
    expect(strstr(mailmod_last_error_text(), "no-such-file.cfg") != NULL,
           "no-such-file.cfg", "is not named");
    expect(mailmod_config_set(mail, "smarthost.password", "cret\nx") ==
               MAILMOD_ERROR_ARGUMENT,
           "smarthost.password", "took a line end");
    expect(strstr(mailmod_last_error_text(), "cret") == NULL,
           "smarthost.password", "is told");
}

/* Those with a value take it back; the others say why there is none. */
static int walk_old_name(mailmod *mail, const char *name)
{
    char value[TEXT_SIZE];
    char wanted[TEXT_SIZE];

    if (mailmod_config_get(mail, name, value, sizeof value) == MAILMOD_OK) {
        expect(mailmod_config_set(mail, name, value) == MAILMOD_OK, name,
               "does not take back what it gave");
        check_reads(mail, name, value);
        if (mailmod_config_set(mail, name, "1") == MAILMOD_OK ||
            strstr(mailmod_last_error_text(), "not supported") == NULL) {
            return 1;
        }
    }
    snprintf(wanted, sizeof wanted, "%s: not supported by mailmod; ", name);
    expect(mailmod_config_set(mail, name, "secret words") ==
               MAILMOD_ERROR_ARGUMENT,
           name, "was set");
    expect(strncmp(mailmod_last_error_text(), wanted, strlen(wanted)) == 0,
           name, "has no reason");
    expect(strstr(mailmod_last_error_text(), "secret") == NULL, name,
           "repeats its value");
    return 0;
}

int main(int argc, char **argv)
{
    mailmod *mail = NULL;
    int supported = 0;

    if (argc < 3 || mailmod_new(&mail) != MAILMOD_OK) {
        return 2;
    }
    list_keys(mail);
    for (int i = 0; i < key_count; i++) {
        walk(mail, &keys[i]);
    }
    go_through_file(argv[2], 0);
    go_through_file(argv[2], 1);
    expect(mailmod_config_load(mail, argv[1]) == MAILMOD_OK, argv[1],
           "cannot be loaded");
    check_defaults(mail);
    expect(mailmod_config_check(mail) == MAILMOD_OK, argv[1], "is not right");
    walk_errors(mail);
    for (int i = 3; i < argc; i++) {
        supported += walk_old_name(mail, argv[i]);
    }
    expect(mailmod_config_reset(mail) == MAILMOD_OK, "all", "was not reset");
    check_defaults(mail);
    printf("%d keys, %d old names, %d supported, %d mistakes\n", key_count,
           argc - 3, supported, mistakes);
    (void)mailmod_free(&mail);
    return mistakes == 0 && key_count > 0 ? 0 : 1;
}
