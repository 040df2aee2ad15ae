/* settings.c - every setting read, changed and put back through the SRV* names.
 *
 * settings CONFIG [NAME]...: loads CONFIG, then walks all keys that the library
 * lists: each must read as listed, take another value, read as that value, and
 * go back to its default. NAMEs are old names of the original engine: each must
 * be known too. Prints what is wrong; ends with 0 when nothing is. Secrets read
 * as asterisks, which is all that can be seen of them. A host program: it may
 * print. */
#include "show.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#define KEYS_MAX 400

struct key {
    char name[80];
    char value[4200];
    char default_value[4200];
};

static struct key keys[KEYS_MAX];
static int key_count;
static int mistakes;

/* The callback must not call the library: it only notes what there is. */
static void on_setting(void *context, const struct mailmod_setting *setting)
{
    struct key *key = &keys[key_count];

    (void)context;
    if (key_count == KEYS_MAX) {
        printf("more than %d keys\n", KEYS_MAX);
        mistakes++;
        return;
    }
    snprintf(key->name, sizeof key->name, "%s", setting->name);
    snprintf(key->value, sizeof key->value, "%s", setting->value);
    snprintf(key->default_value, sizeof key->default_value, "%s",
             setting->default_value);
    key_count++;
}

static void wrong(const char *name, const char *what, const char *detail)
{
    printf("wrong: %s: %s: %s\n", name, what, detail != NULL ? detail : "NULL");
    mistakes++;
}

/* A value of its own that the key takes, or NULL. */
static const char *change(const struct key *key)
{
    static const char *const values[] = {
        "7",
        "true",
        "false",
        "off",
        "may",
        "must",
        "42s",
        "11m",
        "9K",
        "234",
        "7777",
        "info",
        "always",
        "normalize",
        "127.0.0.9",
        "127.0.0.9:259",
        "10.0.0.0/8",
        "x.test",
        "-",
        "some text",
        "fast",
        "tag",
        "accept",
        "1=refuse",
        "keep",
        "*:/x",
        "as_is",
        "encode",
        "warn",
        "listed",
        "http",
        "ipv6",
        "42h",
        "@a.test=b.test",
        "name=a at=127.0.0.1:1",
        "PLAIN",
        "abababababababababababababababababababababababababababababababab"};

    for (size_t i = 0; i < sizeof values / sizeof values[0]; i++) {
        if (SRVSetConfigParam(key->name, values[i]) == 0) {
            const char *now = GetConfigParamStr(key->name);

            if (now != NULL && strcmp(now, key->value) != 0) {
                return values[i];
            }
        } else if (SRVLastError() == 0 || SRVLastErrorText()[0] == '\0') {
            wrong(key->name, "no error for", values[i]);
        }
    }
    return NULL;
}

/* The number that a text stands for in its natural unit, seconds or octets, 0
 * or 1 for flags; -1: none. */
static long long number_of(const char *text)
{
    static const char units[] = "smhdKMGT";
    static const long long factors[] = {
        1, 60, 3600, 86400, 1LL << 10, 1LL << 20, 1LL << 30, 1LL << 40};
    char *end;
    long long number = strtoll(text, &end, 10);
    const char *unit = *end != '\0' ? strchr(units, *end) : NULL;

    if (strcmp(text, "true") == 0 || strcmp(text, "false") == 0) {
        return text[0] == 't';
    }
    if (end == text || (*end != '\0' && (unit == NULL || end[1] != '\0'))) {
        return -1;
    }
    number *= unit != NULL ? factors[unit - units] : 1;
    return number < INT_MAX ? number : INT_MAX;
}

/* A line with a password, of a key that is a list of them; else NULL. */
static const char *line_of(const struct key *key)
{
    if (strcmp(key->name, "delivery.routes") == 0) {
        return "name=a to=b relay=c user=u password=secret";
    }
    return strcmp(key->name, "fetch.accounts") == 0
               ? "name=a host=h user=u to=u password=secret"
               : NULL;
}

static void walk_secret(const struct key *key)
{
    const char *line = line_of(key);

    SetConfigParam(key->name, line != NULL ? line : "some secret");
    if (SRVLastError() != 0 ||
        strstr(GetConfigParamStr(key->name), "secret") != NULL) {
        wrong(key->name, "a secret shows", GetConfigParamStr(key->name));
    }
    SetConfigParam(key->name, "");
}

static void walk(const struct key *key)
{
    const char *now = GetConfigParamStr(key->name);
    const char *value;
    char copy[4200];
    long long number;

    if (now == NULL || strcmp(now, key->value) != 0) {
        wrong(key->name, "does not read as listed", now);
        return;
    }
    if (line_of(key) != NULL || (strstr(key->name, "password") != NULL &&
                                 strstr(key->name, "apop") == NULL)) {
        walk_secret(key);
        return;
    }
    value = change(key);
    if (value == NULL) {
        wrong(key->name, "takes no other value than", key->value);
        return;
    }
    snprintf(copy, sizeof copy, "%s", GetConfigParamStr(key->name));
    /* 7 may be a text, but then the default is no number. */
    number = number_of(key->default_value) >= 0 ? number_of(copy) : -1;
    if (number >= 0 && GetConfigParamInt(key->name) != (int)number) {
        wrong(key->name, "differs as a number from", copy);
    }
    if (SRVSetConfigParam(key->name, copy) != 0 ||
        strcmp(GetConfigParamStr(key->name), copy) != 0) {
        wrong(key->name, "does not take back what it gave", copy);
    }
    if (SRVSetConfigParam(key->name, key->default_value) != 0 ||
        strcmp(GetConfigParamStr(key->name), key->default_value) != 0) {
        wrong(key->name, "does not go back to", key->default_value);
    }
}

/* An int goes in and out as one, and a text out of the misnamed getter. */
static void walk_types(void)
{
    SetConfigParamInt("smtp.recipients_max", 123);
    if (GetConfigParamInt("smtp.recipients_max") != 123 ||
        strcmp(SetConfigParamStr("smtp.recipients_max"), "123") != 0) {
        wrong("smtp.recipients_max", "is not", "123");
    }
    SetConfigParam("smtp.recipients_max", 321);
    SetConfigParam("general.host_name", "other.test");
    if (GetConfigParamInt("smtp.recipients_max") != 321 ||
        strcmp(GetConfigParamStr("general.host_name"), "other.test") != 0) {
        wrong("SetConfigParam", "took", GetConfigParamStr("general.host_name"));
    }
    SetConfigParamInt("smtp.recipients_max", -1);
    if (SRVLastError() == 0 ||
        GetConfigParamInt("smtp.recipients_max") != 321) {
        wrong("smtp.recipients_max", "took", "-1");
    }
}

static void walk_errors(const char *config)
{
    if (GetConfigParamStr("no.such_key") != NULL ||
        SRVLastError() != MAILMOD_ERROR_UNKNOWN_NAME) {
        wrong("no.such_key", "was read", SRVLastErrorText());
    }
    if (GetConfigParamInt("no.such_key") != 0 ||
        SRVLastError() != MAILMOD_ERROR_UNKNOWN_NAME) {
        wrong("no.such_key", "was a number", SRVLastErrorText());
    }
    if (SRVSetConfigParam("no.such_key", "1") >= 0 ||
        SRVLastError() != MAILMOD_ERROR_UNKNOWN_NAME) {
        wrong("no.such_key", "was set", SRVLastErrorText());
    }
    if (GetConfigParamInt("general.host_name") != 0 || SRVLastError() == 0) {
        wrong("general.host_name", "was a number", SRVLastErrorText());
    }
    if (LoadConfig("no-such-file.cfg") >= 0 || SRVLastError() == 0) {
        wrong("no-such-file.cfg", "was loaded", SRVLastErrorText());
    }
    if (LoadConfig(config) != 0 || SRVLastError() != 0) {
        wrong(config, "was not loaded again", SRVLastErrorText());
    }
}

/* A few say a part of a key, as a number: smtp_port is one of smtp.listen. */
static void walk_old_name(const char *name)
{
    const char *value = GetConfigParamStr(name);
    char copy[4200];
    int number;

    if (value == NULL) {
        wrong(name, "is not known", SRVLastErrorText());
        return;
    }
    snprintf(copy, sizeof copy, "%s", value);
    if (strchr(copy, '*') != NULL || SRVSetConfigParam(name, copy) == 0) {
        return;
    }
    number = GetConfigParamInt(name);
    SetConfigParamInt(name, number);
    if (SRVLastError() != 0 || GetConfigParamInt(name) != number) {
        wrong(name, "does not take back what it gave", copy);
    }
}

int main(int argc, char **argv)
{
    show_lines_at_once();
    if (argc < 2 || LoadConfig(argv[1]) != 0) {
        return show_failure("LoadConfig");
    }
    mailmod_config_list(SRVInstance(), on_setting, NULL);
    for (int i = 0; i < key_count; i++) {
        walk(&keys[i]);
    }
    walk_types();
    walk_errors(argv[1]);
    for (int i = 2; i < argc; i++) {
        walk_old_name(argv[i]);
    }
    printf("%d keys, %d old names, %d mistakes\n", key_count, argc - 2,
           mistakes);
    SRVShutdown();
    return mistakes == 0 && key_count > 0 ? 0 : 1;
}
