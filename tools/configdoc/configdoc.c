/* configdoc.c - writes docs/config.md and mailmod.cfg from the schema.
 *
 * mailmod-config-doc page | sample    on standard output
 *
 * The two files are checked in; the tests config.page_is_current and
 * config.sample_is_current compare them with what this prints, so that a key,
 * a range or a default is changed in src/config/schema.c and nowhere else.
 * A build tool: it links the config module, not the library. */
#include "config/config.h"
#include "config/smallsrv/name.h"
#include "config/value.h"

#include <stdio.h>
#include <string.h>

static const struct group {
    const char *name;
    const char *title;
} groups[] = {
    {"general", "The instance as a whole."},
    {"tls", "TLS of all listeners."},
    {"local", "Domains and users that are at home here."},
#define ROW(id, name, protocol, submission, tls, listen, help, title)          \
    {name, title},
    MM_SERVICES(ROW){"logins",
                     "Brakes on wrong passwords, for SMTP and POP3 together."},
    {"lists", "White, black and grey lists of peers and senders."},
    {"greylisting", "Putting off mail servers that nobody knows."},
    {"checks", "Checks of the names that peers bring."},
    {"milters", "Filters of mail by the milter protocol."},
    {"content", "Rules about what mail may be, for those without a filter."},
    {"traps", "Addresses that only spam programs write to."},
    {"spam", "A memory of spam that was refused."},
    {"rates", "How much mail may come in a window of time."},
    {"dnsbl", "Block lists of the DNS that are asked about peers."},
    {"sending", "Mail that the host program hands in."},
    {"queue", "When mail that goes out is tried again."},
    {"archive", "What is kept of mail that has left the queue."},
    {"delivery", "How mail goes out."},
    {"smarthost", "A relay for all mail that goes out."},
    {"proxy", "A proxy for all connections that go out."},
    {"fetch", "Mail that is fetched from mailboxes elsewhere."},
    {"dns", "How names are looked up."},
};

static bool is_in(const struct mm_config_key *key, const char *group)
{
    size_t size = strlen(group);
    return strncmp(key->name, group, size) == 0 && key->name[size] == '.';
}

static const char *short_name(const struct mm_config_key *key)
{
    return strchr(key->name, '.') + 1;
}

static void print_quantity(enum mm_config_type type, uint64_t value)
{
    struct mm_buf text;
    mm_buf_init(&text, 64);
    if (type == MM_CONFIG_SIZE) {
        (void)mm_config_format_size(&text, value);
    } else if (type == MM_CONFIG_DURATION) {
        (void)mm_config_format_duration(&text, value);
    } else {
        (void)mm_buf_append_u64(&text, value);
    }
    const char *words = mm_buf_cstr(&text);
    printf("%s", words == NULL ? "" : words);
    mm_buf_fini(&text);
}

/* "number, 1 to 100" */
static void print_type(const struct mm_config_key *key)
{
    static const char *const names[] = {
        [MM_CONFIG_BOOL] = "true or false",
        [MM_CONFIG_INT] = "number",
        [MM_CONFIG_SIZE] = "size",
        [MM_CONFIG_DURATION] = "time",
        [MM_CONFIG_TEXT] = "text",
        [MM_CONFIG_SECRET] = "secret text",
        [MM_CONFIG_CHOICE] = "one of",
        [MM_CONFIG_TEXT_LIST] = "list of domains",
        [MM_CONFIG_ADDRESS_LIST] = "list of addresses",
        [MM_CONFIG_RANGE_LIST] = "list of networks",
        [MM_CONFIG_STEP_LIST] = "list of times",
        [MM_CONFIG_LETTER] = "one sign or none",
    };
    printf("%s", names[key->type]);
    switch (key->type) {
    case MM_CONFIG_BOOL:
    case MM_CONFIG_LETTER:
        break;
    case MM_CONFIG_CHOICE:
        printf(" %s", key->choices);
        break;
    case MM_CONFIG_INT:
    case MM_CONFIG_SIZE:
    case MM_CONFIG_DURATION:
        printf(", ");
        print_quantity(key->type, key->minimum);
        printf(" to ");
        print_quantity(key->type, key->maximum);
        break;
    case MM_CONFIG_TEXT:
    case MM_CONFIG_SECRET:
        printf(", up to %u octets", (unsigned)key->maximum);
        break;
    default:
        printf(", up to %u", (unsigned)key->maximum);
        break;
    }
}

static void print_page_head(void)
{
    puts("# Configuration\n"
         "\n"
         "This page is made from `src/config/schema.c` by "
         "`mailmod-config-doc page`; change it there.\n"
         "\n"
         "`mailmodd` without a file runs with the defaults below: it listens "
         "on 127.0.0.1 alone, on ports\n"
         "that need no privilege, with a certificate of its own making and "
         "its data in the folder\n"
         "`mailmod-data` of the working directory. The file "
         "[`mailmod.cfg`](../mailmod.cfg) sets every key to\n"
         "its default; copy it and keep the lines that you change.\n"
         "\n"
         "The syntax is that of libconfig. A group holds the keys of one "
         "service:\n"
         "\n"
         "```\n"
         "smtp: {\n"
         "    listen = \"*:25, [::]:25\";    # a text, or a list of texts\n"
         "    recipients_max = 200;        # a number\n"
         "    command_timeout = \"2m\";      # ms s m h d; a number: seconds\n"
         "    message_size_max = \"64M\";    # K M G T, powers of 1024; a "
         "number: octets\n"
         "};\n"
         "@include \"secrets.cfg\"          # a line of its own; relative to "
         "this file\n"
         "```\n"
         "\n"
         "An unknown key, a key or a group that is there twice, a wrong type "
         "or a value out of its range is a\n"
         "mistake that is told with file, line and key; then nothing of the "
         "file counts. All mistakes are told at\n"
         "once, those of the syntax too. `mailmodd --check` and `mailmodctl "
         "config check` tell them; as root they look with the eyes of\n"
         "`general.run_as_user`. They read the files that settings name, too, "
         "and tell each line of aliases, lists and rules that a start would "
         "leave out. A configuration with its includes may "
         "have 1 MiB. Texts are UTF-8\n"
         "without control characters. A file that sets a password must be "
         "readable by its owner alone, or it\n"
         "is refused; an included file of its own will do. Passwords are never "
         "shown, neither by `mailmodctl config show` nor "
         "in a mistake.\n"
         "\n"
         "Listeners, `general.data_folder`, `general.loops` and "
         "`general.workers` change with a restart,\n"
         "everything else with a reload (SIGHUP).\n"
         "\n"
         "Old names are those of the original engine; the end of this page "
         "lists them all.\n");
}

static const char *old_name_of(const struct mm_config_key *key)
{
    size_t count;
    const struct mm_smallsrv_name *names = mm_smallsrv_names(&count);
    for (size_t i = 0; i < count; i++) {
        if (names[i].kind == MM_SMALLSRV_SAME &&
            strcmp(names[i].key, key->name) == 0) {
            return names[i].name;
        }
    }
    return NULL;
}

static bool is_gone(const struct mm_smallsrv_name *name)
{
    return name->kind == MM_SMALLSRV_GONE ||
           name->kind == MM_SMALLSRV_GONE_FLAG;
}

static void print_old_head(void)
{
    puts("## Old names\n"
         "\n"
         "The names of the original engine may stand in the file outside of "
         "all groups and are taken by\n"
         "every function that takes a key. `no` in front of the name of a flag "
         "switches it off. Several\n"
         "names may each say a part of one key; in a file they count before "
         "the keys themselves, whatever\n"
         "the order.\n"
         "\n"
         "A file of that engine is read too:\n"
         "\n"
         "```\n"
         "# one setting a line\n"
         "smtp_name=mail.example.com   # a comment after a blank\n"
         "smtp_port=25\n"
         "smtponlytls                  # a name alone sets a flag\n"
         "nosmtpproxy                  # and \"no\" switches off\n"
         "smtp_range='192.0.2.0/24, 198.51.100.1-198.51.100.9'\n"
         "@more.cfg                    # an include\n"
         "```\n"
         "\n"
         "The first line that is neither empty nor a comment tells such a "
         "file: it is a name alone, `name=value`\n"
         "without a semicolon (outside of double quotes) and without a "
         "bracket at the value's start, a line\n"
         "`user=...`, or `@file`; anything else is the syntax above. Values "
         "may be quoted with `\"`, `'` or a\n"
         "backquote; nothing is escaped. Mistakes are told as in any other "
         "file, but a name that is not known,\n"
         "as those of that engine's web server, is a warning and no mistake.\n"
         "\n"
         "| name | what became of it |\n"
         "|---|---|");
}

/* All names with the reason of this one, at the first of them. */
static void print_gone(const struct mm_smallsrv_name *names, size_t count,
                       size_t at)
{
    bool is_first = true;
    for (size_t i = 0; i < count; i++) {
        if (!is_gone(&names[at]) || !is_gone(&names[i]) ||
            strcmp(names[i].words, names[at].words) != 0) {
            continue;
        }
        if (i < at) {
            return;
        }
        printf("%s`%s`", is_first ? "| " : ", ", names[i].name);
        is_first = false;
    }
    if (!is_first) {
        printf(" | %s |\n", names[at].words);
    }
}

static void print_old_names(void)
{
    size_t count;
    const struct mm_smallsrv_name *names = mm_smallsrv_names(&count);
    print_old_head();
    for (size_t i = 0; i < count; i++) {
        const char *words = names[i].words != NULL ? names[i].words : "";
        const char *colon = words[0] != '\0' ? ": " : "";
        if (names[i].key != NULL) {
            printf("| `%s` | `%s`%s%s |\n", names[i].name, names[i].key, colon,
                   words);
        } else if (names[i].kind == MM_SMALLSRV_ALWAYS) {
            printf("| `%s` | always so: %s |\n", names[i].name, words);
        } else if (names[i].kind == MM_SMALLSRV_NEVER) {
            printf("| `%s` | never so: %s |\n", names[i].name, words);
        }
    }
    puts("\n"
         "One of these that is set in a file is left out, with a warning that "
         "says why; a function that sets it\n"
         "gets an error. Switching it off is all right:\n"
         "\n"
         "| names | why not supported |\n"
         "|---|---|");
    for (size_t i = 0; i < count; i++) {
        print_gone(names, count, i);
    }
}

static void print_page_key(const struct mm_config_key *key)
{
    const char *old_name = old_name_of(key);
    printf("| `%s`", key->name);
    if (old_name != NULL) {
        printf("<br>old: `%s`", old_name);
    }
    printf(" | ");
    print_type(key);
    if (key->default_text[0] == '\0') {
        printf(" | empty | %s |\n", key->help);
    } else {
        printf(" | `%s` | %s |\n", key->default_text, key->help);
    }
}

static void print_page(void)
{
    size_t count;
    const struct mm_config_key *keys = mm_config_keys(&count);
    print_page_head();
    for (size_t i = 0; i < sizeof groups / sizeof groups[0]; i++) {
        printf("## %s\n\n%s\n\n| key | type and range | default | meaning |\n"
               "|---|---|---|---|\n",
               groups[i].name, groups[i].title);
        for (size_t j = 0; j < count; j++) {
            if (is_in(&keys[j], groups[i].name)) {
                print_page_key(&keys[j]);
            }
        }
        putchar('\n');
    }
    print_old_names();
}

/* The words of `text` as comment lines of at most 76 columns. */
static void print_comment(const char *text)
{
    size_t column = 0;
    while (*text != '\0') {
        size_t size = strcspn(text, " ");
        if (column == 0 || column + 1 + size > 76) {
            printf("%s    #", column == 0 ? "" : "\n");
            column = 5;
        }
        printf(" %.*s", (int)size, text);
        column += 1 + size;
        text += size;
        text += strspn(text, " ");
    }
    putchar('\n');
}

static bool is_quoted(const struct mm_config_key *key)
{
    return key->type != MM_CONFIG_BOOL && key->type != MM_CONFIG_INT;
}

static void print_sample_key(const struct mm_config_key *key)
{
    print_comment(key->help);
    printf("    # (");
    print_type(key);
    printf(")\n    %s = %s%s%s;\n", short_name(key), is_quoted(key) ? "\"" : "",
           key->default_text, is_quoted(key) ? "\"" : "");
}

static void print_sample(void)
{
    size_t count;
    const struct mm_config_key *keys = mm_config_keys(&count);
    puts("# mailmod.cfg - every key with its default.\n"
         "#\n"
         "# Copy this file and keep what you change: what is not set has the "
         "default\n"
         "# that stands here. Sizes take K M G T (powers of 1024), times take "
         "ms s m h d,\n"
         "# lists are texts with commas or [\"a\", \"b\"]. docs/config.md says "
         "more.\n"
         "# Prove it with: mailmodd -c mailmod.cfg --check");
    for (size_t i = 0; i < sizeof groups / sizeof groups[0]; i++) {
        bool is_first = true;
        printf("\n# %s\n%s: {\n", groups[i].title, groups[i].name);
        for (size_t j = 0; j < count; j++) {
            if (!is_in(&keys[j], groups[i].name)) {
                continue;
            }
            if (!is_first) {
                putchar('\n');
            }
            is_first = false;
            print_sample_key(&keys[j]);
        }
        puts("};");
    }
}

int main(int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[1], "page") == 0) {
        print_page();
    } else if (argc == 2 && strcmp(argv[1], "sample") == 0) {
        print_sample();
    } else {
        fprintf(stderr, "usage: mailmod-config-doc page | sample\n");
        return 2;
    }
    if (fflush(stdout) != 0 || ferror(stdout)) {
        return 1;
    }
    return 0;
}
