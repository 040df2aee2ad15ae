/* options.c - the command line of sendmail: words in, a value out.
 *
 * Owns nothing; the texts are argv's. A letter's value may stand in the same
 * word or be the next one, as getopt has it; options may stand after
 * recipients, as programs write them; "--" ends them. What sendmail has and
 * means nothing here is taken and does nothing, so that no program that calls
 * sendmail fails for it; what would be another program (a daemon, a dialogue)
 * is refused. */
#include "options.h"

#include "mailmod.h"

#include <stdio.h>
#include <string.h>

/* A value always follows, in the word or as the next one. */
static const char with_value[] = "ABCFLNORVXbfhopr";
/* Nothing follows, and several may stand in one word. */
static const char flags[] = "GIUimnstv";
/* A value may follow in the same word, and never is the next one. */
static const char with_rest[] = "deq";

void options_print_help(void)
{
    puts("mailmod-sendmail - puts a message into mailmod's queue, as "
         "sendmail does\n"
         "\n"
         "usage: mailmod-sendmail [OPTION]... [RECIPIENT]...\n"
         "\n"
         "  -t           recipients from To, Cc and Bcc, too; Bcc goes\n"
         "  -i, -oi      a line with a dot alone does not end the message\n"
         "  -f, -r FROM  the envelope's sender; -f '' or '<>': none\n"
         "  -F NAME      the sender's full name, where there is no field From\n"
         "  -N LIST      never, or success,failure,delay: reports (RFC 3461)\n"
         "  -R full|hdrs what of the message comes back in a report\n"
         "  -V ID        an identifier that comes back in reports\n"
         "  -C FILE      the daemon's configuration\n"
         "  -v           tell the message's identifier\n"
         "  -bm          send a message: the default\n"
         "  -bp          show the queue, as mailq\n"
         "  -bi          nothing, as newaliases\n"
         "  -q           try all that waits now; -qI ID, -qR DOMAIN, -qS "
         "SENDER\n"
         "  -o, -O, -A, -B, -G, -L, -U, -X, -d, -e, -h, -m, -n, -p\n"
         "               taken, without effect\n"
         "  --help, --version\n"
         "\n"
         "Exit codes are those of sysexits.h; 0: the message is on disk.");
}

static void refuse(struct options *options, const char *what, const char *word)
{
    fprintf(stderr, "mailmod-sendmail: %s %s (try --help)\n", what, word);
    options->task = OPTIONS_WRONG;
}

/* RFC 3461 4.1; without case, as sendmail takes it. */
static int is_word(const char *text, size_t size, const char *word)
{
    for (size_t i = 0; i < size; i++) {
        char c = text[i];
        c = c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
        if (word[i] == '\0' || c != word[i]) {
            return 0;
        }
    }
    return word[size] == '\0';
}

static unsigned notify_of(const char *text, size_t size)
{
    static const struct {
        const char *name;
        unsigned bit;
    } words[] = {{"never", MAILMOD_DSN_NEVER},
                 {"success", MAILMOD_DSN_SUCCESS},
                 {"failure", MAILMOD_DSN_FAILURE},
                 {"delay", MAILMOD_DSN_DELAY}};
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        if (is_word(text, size, words[i].name)) {
            return words[i].bit;
        }
    }
    return 0;
}

static void take_notify(struct options *options, const char *value)
{
    options->notify = 0;
    for (const char *at = value; options->task != OPTIONS_WRONG;) {
        size_t size = strcspn(at, ",");
        unsigned bit = notify_of(at, size);
        if (bit == 0) {
            refuse(options, "-N is never, success, failure, delay, not", value);
        }
        options->notify |= bit;
        if (at[size] == '\0') {
            break;
        }
        at += size + 1;
    }
    if ((options->notify & MAILMOD_DSN_NEVER) != 0 &&
        options->notify != MAILMOD_DSN_NEVER) {
        refuse(options, "-N never stands alone:", value);
    }
}

static void take_return(struct options *options, const char *value)
{
    if (is_word(value, strlen(value), "full")) {
        options->returns = MAILMOD_DSN_RETURN_FULL;
    } else if (is_word(value, strlen(value), "hdrs")) {
        options->returns = MAILMOD_DSN_RETURN_HEADERS;
    } else {
        refuse(options, "-R is full or hdrs, not", value);
    }
}

static void take_mode(struct options *options, const char *value)
{
    if (strcmp(value, "m") == 0) {
        options->task = OPTIONS_SEND;
    } else if (strcmp(value, "p") == 0) {
        options->task = OPTIONS_LIST_QUEUE;
    } else if (strcmp(value, "i") == 0) {
        options->task = OPTIONS_NOTHING;
    } else if (strcmp(value, "d") == 0 || strcmp(value, "D") == 0) {
        refuse(options, "the daemon is mailmodd, not", "-bd");
    } else if (strcmp(value, "s") == 0) {
        refuse(options, "SMTP is spoken by mailmodd's services, not by", "-bs");
    } else {
        refuse(options, "there is no mode -b", value);
    }
}

/* -q30m asks sendmail for a daemon that does it again and again: the queue does
 * that by itself here. */
static void take_queue(struct options *options, const char *value)
{
    if (options->task == OPTIONS_WRONG) {
        return;
    }
    options->task = OPTIONS_RUN_QUEUE;
    if (value[0] == 'I' && value[1] != '\0') {
        options->message = value + 1;
    } else if (value[0] == 'R' && value[1] != '\0') {
        options->domain = value[1] == '@' ? value + 2 : value + 1;
    } else if (value[0] == 'S' && value[1] != '\0') {
        options->queue_sender = value + 1;
    } else if (value[0] != '\0' && (value[0] < '0' || value[0] > '9')) {
        refuse(options, "there is no queue run -q", value);
    }
}

/* "IgnoreDots" is -i's long name (sendmail's operations guide, 5.6). */
static void take_option(struct options *options, char letter, const char *value)
{
    if (letter == 'o' && value[0] == 'i') {
        options->ignores_dots =
            value[1] == '\0' || strchr("tTyY", value[1]) != NULL;
    } else if (letter == 'O' && strncmp(value, "IgnoreDots", 10) == 0) {
        options->ignores_dots =
            value[10] != '=' || strchr("tTyY", value[11]) != NULL;
    }
}

static void take_value(struct options *options, char letter, const char *value)
{
    switch (letter) {
    case 'C':
        options->config_file = value;
        break;
    case 'F':
        options->full_name = value;
        break;
    case 'N':
        take_notify(options, value);
        break;
    case 'R':
        take_return(options, value);
        break;
    case 'V':
        options->envelope_id = value;
        break;
    case 'b':
        take_mode(options, value);
        break;
    case 'f':
    case 'r':
        options->sender = value;
        break;
    case 'q':
        take_queue(options, value);
        break;
    default:
        take_option(options, letter, value);
        break;
    }
}

static void take_flag(struct options *options, char letter)
{
    switch (letter) {
    case 'I':
        options->task = OPTIONS_NOTHING;
        break;
    case 'i':
        options->ignores_dots = 1;
        break;
    case 't':
        options->takes_recipients = 1;
        break;
    case 'v':
        options->is_verbose = 1;
        break;
    default:
        break;
    }
}

/* The letters of one word; what it took of argv besides is returned. */
static int take_letters(struct options *options, const char *word, char *next)
{
    for (const char *at = word + 1; *at != '\0'; at++) {
        if (strchr(flags, *at) != NULL) {
            take_flag(options, *at);
        } else if (strchr(with_rest, *at) != NULL) {
            take_value(options, *at, at + 1);
            return 0;
        } else if (strchr(with_value, *at) == NULL) {
            refuse(options, "there is no option", word);
            return 0;
        } else if (at[1] != '\0') {
            take_value(options, *at, at + 1);
            return 0;
        } else if (next == NULL) {
            refuse(options, "a value is missing after", word);
            return 0;
        } else {
            take_value(options, *at, next);
            return 1;
        }
    }
    return 0;
}

/* Programs look for these names. */
static enum options_task task_of(const char *name)
{
    const char *slash = strrchr(name, '/');
    name = slash != NULL ? slash + 1 : name;
    return strcmp(name, "mailq") == 0        ? OPTIONS_LIST_QUEUE
           : strcmp(name, "newaliases") == 0 ? OPTIONS_NOTHING
                                             : OPTIONS_SEND;
}

void options_parse(struct options *options, int argc, char **argv)
{
    int is_all_words = 0;

    *options = (struct options){.words = argv + 1};
    options->task = task_of(argc > 0 ? argv[0] : "");
    for (int i = 1; i < argc && options->task != OPTIONS_WRONG; i++) {
        char *word = argv[i];
        if (is_all_words || word[0] != '-' || word[1] == '\0') {
            options->words[options->word_count] = word;
            options->word_count++;
        } else if (strcmp(word, "--") == 0) {
            is_all_words = 1;
        } else if (strcmp(word, "--help") == 0) {
            options->task = OPTIONS_HELP;
            return;
        } else if (strcmp(word, "--version") == 0) {
            options->task = OPTIONS_VERSION;
            return;
        } else {
            i += take_letters(options, word, i + 1 < argc ? argv[i + 1] : NULL);
        }
    }
}
