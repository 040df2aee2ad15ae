/* options.c - the command line of mailmodd: words in, a value out.
 *
 * Owns nothing; the texts are argv's. Reads options by hand, because getopt is
 * not everywhere and there are few. The last of --check, --help and --version
 * counts; a word that is no option is a mistake. */
#include "options.h"
#include "system.h"

#include <stdio.h>
#include <string.h>

void options_print_help(void)
{
    puts("mailmodd - receives, keeps, serves and delivers mail\n"
         "\n"
         "usage: mailmodd [-c FILE] [--set KEY=VALUE]... [--check]\n"
         "                [--log-file FILE] [--local-time]\n"
         "\n"
         "  -c, --config FILE  the configuration; without it the embedded "
         "defaults\n"
         "  --set KEY=VALUE    one setting over the file's, as often as "
         "needed\n"
         "  --check            tell every mistake and end: 0 good, 78 not\n"
         "  --log-file FILE    append the log to a file, opened anew at a "
         "reload\n"
         "  --local-time       local times in the log, with their offset; "
         "else UTC\n"
         "  --foreground       stay in the foreground (always so)\n"
         "  --version, --help");
    puts(system_help());
    puts("\n"
         "Exit codes: 0 stopped, 1 could not run, 2 wrong use, 78 wrong "
         "configuration.");
}

static void refuse(struct options *options, const char *what, const char *word)
{
    fprintf(stderr, "mailmodd: %s %s (try --help)\n", what, word);
    options->task = OPTIONS_WRONG;
}

static void add_setting(struct options *options, char *setting)
{
    char *sign = strchr(setting, '=');
    if (sign == NULL || sign == setting) {
        refuse(options, "--set needs KEY=VALUE, not", setting);
        return;
    }
    if (options->setting_count == OPTIONS_SETTINGS_MAX) {
        refuse(options, "there are too many settings from", setting);
        return;
    }
    *sign = '\0';
    options->settings[options->setting_count] = setting;
    options->setting_count++;
}

/* An option that needs a value; what it took of argv is returned. */
static int parse_with_value(struct options *options, const char *word,
                            char *value)
{
    if (value == NULL) {
        refuse(options, "a value is missing after", word);
        return 1;
    }
    if (strcmp(word, "--set") == 0) {
        add_setting(options, value);
    } else if (strcmp(word, "--log-file") == 0) {
        options->log_file = value;
    } else {
        options->config_file = value;
    }
    return 2;
}

static void parse_flag(struct options *options, const char *word)
{
    if (strcmp(word, "--check") == 0) {
        options->task = OPTIONS_CHECK;
    } else if (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0) {
        options->task = OPTIONS_SHOW_HELP;
    } else if (strcmp(word, "--version") == 0) {
        options->task = OPTIONS_SHOW_VERSION;
    } else if (strcmp(word, "--local-time") == 0) {
        options->has_local_time = 1;
    } else if (strcmp(word, "--foreground") != 0) {
        refuse(options, "there is no option", word);
    }
}

void options_parse(struct options *options, int argc, char **argv)
{
    memset(options, 0, sizeof *options);
    int i = 1;
    while (i < argc && options->task != OPTIONS_WRONG) {
        const char *word = argv[i];
        if (strcmp(word, "-c") == 0 || strcmp(word, "--config") == 0 ||
            strcmp(word, "--set") == 0 || strcmp(word, "--log-file") == 0) {
            i += parse_with_value(options, word,
                                  i + 1 < argc ? argv[i + 1] : NULL);
        } else {
            parse_flag(options, word);
            i++;
        }
    }
}
