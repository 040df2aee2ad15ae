/* main.c - mailmodctl: users, queue, store and settings from the command line.
 *
 * A host program on the public header; it works on the data folder that the
 * configuration names, whether a daemon runs on it or not. Reads the options,
 * loads the settings, hands the command to its file. */
#include "control.h"

#include "arguments.h"
#include "identity.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FOLDER_MAX_SIZE 4200

struct command {
    const char *name;
    int (*run)(struct control *control);
};

static const struct command commands[] = {
    {"user", control_user},         {"queue", control_queue},
    {"store", control_store},       {"backup", control_backup},
    {"restore", control_restore},   {"config", control_config},
    {"alias", control_alias},       {"forward", control_forward},
    {"maillist", control_maillist}, {"fetch", control_fetch},
    {"list", control_list},         {"mailbox", control_mailbox},
    {"trace", control_trace},       {"reply", control_reply},
    {"kept", control_kept},         {"ban", control_ban},
    {"spam", control_spam},
};

static void print_help_of_names(void)
{
    puts("  alias list [NAME]          whom addresses stand for\n"
         "  alias add NAME TARGET...   NAME: info@example.org, info,\n"
         "                             or @example.org for all others there\n"
         "  alias remove NAME [TARGET...]\n"
         "  alias hide|show|unmark NAME  whether reports tell its targets\n"
         "  forward list [USER]        where users' mail is sent on to\n"
         "  forward add USER ADDRESS... keep: the mailbox gets a copy\n"
         "  forward remove USER [ADDRESS...]\n"
         "  forward hide|show|unmark USER\n"
         "  reply list [NAME]          automatic replies; of one name, whole\n"
         "  reply set NAME FILE [subject WORDS] [from TIME] [until TIME] "
         "[days N]\n"
         "                             FILE has the text (-: standard "
         "input);\n"
         "                             TIME: 2026-12-24 or "
         "2026-12-24T18:00, UTC\n"
         "  reply remove NAME\n"
         "  list show                  rules of the store\n"
         "  list add white|black|grey RULE [USER]   a rule, common or a "
         "user's\n"
         "  list del white|black|grey RULE [USER]\n"
         "  ban list                   networks whose logins are refused\n"
         "  ban add ADDRESS [TIME]     30m, 2h, 1d; else logins.ban_time\n"
         "  ban lift ADDRESS\n"
         "  spam list                  bodies that were refused as spam\n"
         "  spam forget BODY           its hash; it is judged anew\n"
         "  spam clear                 all of them\n"
         "  mailbox import NAME maildir|mbox PATH\n"
         "                             mail of files into the mailbox; again: "
         "the rest\n"
         "  mailbox export NAME maildir|mbox PATH\n"
         "                             the mailbox into files\n"
         "  mailbox deleted NAME       what its sessions deleted and is kept\n"
         "  mailbox restore NAME UNIQUE-ID...|all\n"
         "                             back into the mailbox, as new mail\n"
         "  maillist list              mailing lists\n"
         "  maillist set NAME open|members|moderated [owner ADDRESS]...\n"
         "  maillist remove NAME       the members go with it\n"
         "  maillist members NAME      who came back too often is suspended\n"
         "  maillist join|leave|moderator|resume NAME ADDRESS...");
}

static void print_help(void)
{
    puts("mailmodctl - users, queue, store and settings of mailmod\n"
         "\n"
         "usage: mailmodctl [-c FILE] [--data FOLDER] COMMAND\n"
         "\n"
         "  user add NAME [--apop] [--password-stdin] [--create]\n"
         "  user passwd NAME [--apop] [--password-stdin]\n"
         "  user del NAME [--yes]      the mailbox goes with the user\n"
         "  user rename NAME NEW       the mailbox stays as it is\n"
         "  user disable|enable NAME   a disabled user cannot log in\n"
         "  user list                  with use and quota\n"
         "  user quota NAME SIZE       500M, 2G, none, or default: "
         "local.quota\n"
         "  user password add NAME LABEL [--password-stdin]\n"
         "                             one more, for an application\n"
         "  user password remove NAME LABEL\n"
         "  user password list NAME\n"
         "  queue list [ID] [FILTER]   what waits, a line a recipient\n"
         "  queue summary [FILTER]     the same, a line a destination\n"
         "  queue show ID              one message, whole\n"
         "  queue flush [ID|all|FILTER]\n"
         "                             try now\n"
         "  queue hold|release|delete ID|all|FILTER\n"
         "                             delete makes no report to the sender\n"
         "  kept list sent|dead [ID]   what left the queue and is kept: taken "
         "by\n"
         "                             other hosts, or dead letters\n"
         "  kept show ID               one message, whole\n"
         "  kept release sent|dead ID|all\n"
         "                             into the queue again\n"
         "  kept delete sent|dead ID|all");
    print_help_of_names();
    puts("  fetch list                 accounts elsewhere, their last visits\n"
         "  fetch run NAME|all         fetch now\n"
         "  fetch check NAME|all       count what is there, fetch nothing\n"
         "  fetch forget NAME|all      what was seen: all there is new again\n"
         "  store verify               check the store's integrity\n"
         "  store repair               make a damaged store serviceable, with\n"
         "                             mailmodd stopped; says what is lost\n"
         "  backup FILE                a copy of the store, beside the daemon\n"
         "  restore FILE               the store from a copy, daemon stopped\n"
         "  trace FILE [--dot]         a message's way, out of its Received "
         "fields;\n"
         "                             as a graph for dot of Graphviz\n"
         "  config check               tell every mistake\n"
         "  config show                every key and its value\n"
         "  config get KEY");
}

static void print_options(void)
{
    puts("\n"
         "  -c, --config FILE   the daemon's configuration; without it and "
         "--data the\n"
         "                      one that is installed, "
         "/etc/mailmod/mailmod.cfg\n"
         "  --data FOLDER       the data folder, over the configuration's\n"
         "  --create            make a store where there is none\n"
         "  --apop              keep the password recoverable, for APOP\n"
         "  --password-stdin    read the password as one line\n"
         "  --yes               delete a user whose mailbox has mail\n"
         "  --local-time        local times in lists; else UTC\n"
         "  --version, --help\n"
         "\n"
         "FILTER is any of these, about recipients in the queue:\n"
         "  --domain DOMAIN     of the recipient or of the destination\n"
         "  --sender ADDRESS    or @DOMAIN, or '' for reports\n"
         "  --recipient ADDRESS or @DOMAIN\n"
         "  --state STATE       waiting, tried or held\n"
         "  --older TIME        arrived at least so long ago: 90s, 30m, 2h, "
         "1d\n"
         "\n"
         "Exit codes: 0 done, 1 failed, 2 wrong use, 78 wrong configuration.");
}

int control_usage(const char *words)
{
    fprintf(stderr, "mailmodctl: %s (try --help)\n", words);
    return EXIT_USAGE;
}

/* The data folder, once it is known: for words about it. */
static char data_folder[FOLDER_MAX_SIZE];

/* Who may, and how. */
static void tell_owner(void)
{
    char owner[128];
    if (identity_is_other(data_folder, owner, sizeof owner)) {
        fprintf(stderr,
                "mailmodctl: the data folder %s belongs to %s: run this as "
                "root, or as sudo -u %s mailmodctl ...\n",
                data_folder, owner, owner);
    }
}

int control_failure(const char *head, enum mailmod_error error)
{
    const char *words = mailmod_last_error_text();
    if (words[0] == '\0') {
        words = mailmod_error_text(error);
    }
    size_t size = strlen(words);
    fprintf(stderr, "mailmodctl: %s: %s%s", head, words,
            size > 0 && words[size - 1] == '\n' ? "" : "\n");
    if (error == MAILMOD_ERROR_ACCESS) {
        tell_owner();
    }
    return error == MAILMOD_ERROR_CONFIG ? EXIT_CONFIG : EXIT_FAILURE;
}

void control_print_text(const char *text)
{
    for (const unsigned char *at = (const unsigned char *)text; *at != '\0';
         at++) {
        /* C0 and DEL, and C1 as UTF-8 writes it (U+0080 to U+009F). */
        int is_c1 = at[0] == 0xc2 && at[1] >= 0x80 && at[1] < 0xa0;
        putchar(*at < 32 || *at == 127 || is_c1 ? '?' : *at);
        at += is_c1;
    }
}

struct line { /* the command line, read */
    const char *config_file;
    const char *data_folder;
    int keeps_password;
    int reads_password;
    int creates;
    int wants_help;
    int wants_version;
    int is_sure;
    int has_local_time;
    int draws_graph;
    struct control_filter filter;
    char **words;
    int word_count;
};

/* Flags; 0 when there is no such one. */
static int take_flag(struct line *line, const char *word)
{
    if (strcmp(word, "--apop") == 0) {
        line->keeps_password = 1;
    } else if (strcmp(word, "--password-stdin") == 0) {
        line->reads_password = 1;
    } else if (strcmp(word, "--create") == 0) {
        line->creates = 1;
    } else if (strcmp(word, "--yes") == 0) {
        line->is_sure = 1;
    } else if (strcmp(word, "--local-time") == 0) {
        line->has_local_time = 1;
    } else if (strcmp(word, "--dot") == 0) {
        line->draws_graph = 1;
    } else if (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0) {
        line->wants_help = 1;
    } else if (strcmp(word, "--version") == 0) {
        line->wants_version = 1;
    } else {
        return 0;
    }
    return 1;
}

/* Where the value of an option goes; NULL: it has none. */
static const char **value_of(struct line *line, const char *word)
{
    const struct {
        const char *name;
        const char **value;
    } options[] = {{"-c", &line->config_file},
                   {"--config", &line->config_file},
                   {"--data", &line->data_folder},
                   {"--domain", &line->filter.domain},
                   {"--sender", &line->filter.sender},
                   {"--recipient", &line->filter.recipient},
                   {"--state", &line->filter.state},
                   {"--older", &line->filter.older}};
    for (size_t i = 0; i < sizeof options / sizeof options[0]; i++) {
        if (strcmp(word, options[i].name) == 0) {
            return options[i].value;
        }
    }
    return NULL;
}

/* Options may stand anywhere; the other words are moved to the front. After
 * "--" everything is a word. */
static int parse(struct line *line, int argc, char **argv)
{
    int is_all_words = 0;
    line->words = argv + 1;
    for (int i = 1; i < argc; i++) {
        char *word = argv[i];
        const char **value = value_of(line, word);
        if (is_all_words || word[0] != '-' || strcmp(word, "-") == 0) {
            line->words[line->word_count] = word;
            line->word_count++;
        } else if (strcmp(word, "--") == 0) {
            is_all_words = 1;
        } else if (value != NULL) {
            if (i + 1 == argc) {
                return control_usage("a value is missing at the end");
            }
            *value = argv[i + 1];
            i++;
        } else if (!take_flag(line, word)) {
            fprintf(stderr, "mailmodctl: there is no option %s\n", word);
            return EXIT_USAGE;
        }
    }
    return EXIT_SUCCESS;
}

/* What a file sets and has no effect; the other commands leave it to the
 * daemon's log. */
static void tell_warning(void *context, enum mailmod_log_level level,
                         const char *line)
{
    (void)context;
    if (level == MAILMOD_LOG_WARNING) {
        fprintf(stderr, "mailmodctl: %s\n", line);
    }
}

const char *control_folder(struct control *control)
{
    if (mailmod_config_get(control->instance, "general.data_folder",
                           data_folder, sizeof data_folder) != MAILMOD_OK) {
        data_folder[0] = '\0';
    }
    return data_folder;
}

/* As root, what is made in the daemon's folder must be the daemon's. */
static int become_owner(struct control *control)
{
    char words[512] = "";
    if (identity_become_owner(control_folder(control), words, sizeof words) !=
        0) {
        fprintf(stderr, "mailmodctl: %s\n", words);
        return -1;
    }
    return 0;
}

static enum mailmod_error load(struct control *control, const struct line *line)
{
    enum mailmod_error error = MAILMOD_OK;
    if (line->config_file != NULL) {
        error = mailmod_config_load(control->instance, line->config_file);
    }
    if (error == MAILMOD_OK && line->data_folder != NULL) {
        error = mailmod_config_set(control->instance, "general.data_folder",
                                   line->data_folder);
    }
    return error;
}

static int run(const struct line *line, const struct command *command)
{
    const struct line named = {.config_file = line->config_file == NULL &&
                                                      line->data_folder == NULL
                                                  ? terminal_default_config()
                                                  : line->config_file,
                               .data_folder = line->data_folder};
    struct control control = {
        .config_file = named.config_file,
        /* A folder that the operator's own configuration names is meant. */
        .may_create = line->creates ||
                      (line->config_file != NULL && line->data_folder == NULL),
        .words = line->words + 1,
        .word_count = line->word_count - 1,
        .keeps_password = line->keeps_password,
        .reads_password = line->reads_password,
        .is_sure = line->is_sure,
        .has_local_time = line->has_local_time,
        .draws_graph = line->draws_graph,
        .filter = line->filter};
    if (command->run == control_trace) {
        return control_trace(&control);
    }
    enum mailmod_error error = mailmod_new(&control.instance);
    if (error != MAILMOD_OK) {
        return control_failure("start", error);
    }
    if (command->run == control_config) {
        error = mailmod_log_set_callback(control.instance, tell_warning, NULL);
    }
    if (error == MAILMOD_OK) {
        error = load(&control, &named);
    }
    int code = EXIT_CONFIG;
    if (error != MAILMOD_OK) {
        (void)control_failure("configuration", error);
    } else if (become_owner(&control) != 0) {
        code = EXIT_FAILURE;
    } else {
        code = command->run(&control);
    }
    (void)mailmod_free(&control.instance);
    return code;
}

int main(int argc, char **argv)
{
    struct line line;
    memset(&line, 0, sizeof line);
    if (arguments_open_standard_files() != 0) {
        return EXIT_FAILURE;
    }
    if (arguments_read(&argc, &argv) != 0) {
        return control_usage("the command line cannot be read");
    }
    terminal_begin();
    int code = parse(&line, argc, argv);
    if (code != EXIT_SUCCESS) {
        return code;
    }
    if (line.wants_help) {
        print_help();
        print_options();
        return EXIT_SUCCESS;
    }
    if (line.wants_version) {
        printf("mailmodctl %s\n", mailmod_version());
        return EXIT_SUCCESS;
    }
    if (line.word_count == 0) {
        return control_usage("a command is missing");
    }
    for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++) {
        if (strcmp(line.words[0], commands[i].name) == 0) {
            code = run(&line, &commands[i]);
            /* What was printed must have gone out. */
            return fflush(stdout) != 0 && code == EXIT_SUCCESS ? EXIT_FAILURE
                                                               : code;
        }
    }
    fprintf(stderr, "mailmodctl: there is no command %s\n", line.words[0]);
    return EXIT_USAGE;
}
