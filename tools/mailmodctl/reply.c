/* reply.c - mailmodctl reply: what is answered to mail automatically.
 *
 * Prints a line a reply, of one that is named the text too. Times are UTC, or
 * local ones with --local-time. */
#include "control.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* One octet more than there may be, so that too much is seen. */
enum { TEXT_MAX = 32768 + 1, DAY_SECONDS = 24 * 3600 };

static void print_moment(const struct control *control, const char *head,
                         int64_t unix_ms)
{
    char text[32] = "";
    time_t seconds = (time_t)(unix_ms / 1000);
    const struct tm *parts =
        control->has_local_time ? localtime(&seconds) : gmtime(&seconds);

    if (unix_ms != 0 && parts != NULL) {
        (void)strftime(text, sizeof text, "%Y-%m-%dT%H:%M", parts);
        printf(", %s %s", head, text);
    }
}

struct list {
    const struct control *control;
    int is_whole;
    int count;
};

static void on_reply(void *context, const struct mailmod_auto_reply *reply)
{
    struct list *list = context;

    ++list->count;
    control_print_text(reply->name);
    printf("  once in %d days", (int)reply->days);
    print_moment(list->control, "from", reply->from_ms);
    print_moment(list->control, "until", reply->until_ms);
    if (reply->subject[0] != '\0') {
        printf(", subject ");
        control_print_text(reply->subject);
    }
    printf("\n");
    if (list->is_whole) {
        char line[1024];
        const char *at = reply->text;

        while (*at != '\0') {
            size_t size = strcspn(at, "\r\n");
            size_t part = size < sizeof line ? size : sizeof line - 1;

            memcpy(line, at, part);
            line[part] = '\0';
            printf("%s", part == size ? "    " : "");
            control_print_text(line);
            at += part;
            if (part == size) {
                printf("\n");
                at += *at == '\r' ? 1 : 0;
                at += *at == '\n' ? 1 : 0;
            }
        }
    }
}

static int list_all(struct control *control)
{
    const char *name = control->word_count > 1 ? control->words[1] : NULL;
    struct list list = {control, name != NULL, 0};
    enum mailmod_error error =
        mailmod_auto_reply_list(control->instance, name, on_reply, &list);

    if (error != MAILMOD_OK) {
        return control_failure("reply", error);
    }
    if (list.count == 0) {
        puts("there is none");
    }
    return EXIT_SUCCESS;
}

/* Of the civil calendar, since 1970. */
static int64_t days_since_1970(int year, int month, int day)
{
    static const int before[] = {0,   31,  59,  90,  120, 151,
                                 181, 212, 243, 273, 304, 334};
    int64_t past = year - 1;
    int is_leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;

    return past * 365 + past / 4 - past / 100 + past / 400 + before[month - 1] +
           (is_leap && month > 2) + day - 1 - 719162;
}

/* "2026-12-24" or "2026-12-24T18:00"; `is_end`: a day's end. 0: it is none. */
static int64_t read_moment(const struct control *control, const char *text,
                           int is_end)
{
    int year = 0;
    int month = 0;
    int day = 0;
    int hour = 0;
    int minute = 0;
    int used = 0;
    int fields = sscanf(text, "%4d-%2d-%2d%n", &year, &month, &day, &used);
    const char *rest = text + used;

    if (fields != 3 || year < 1971 || month < 1 || month > 12 || day < 1 ||
        day > 31) {
        return 0;
    }
    if (*rest != '\0') {
        used = 0;
        fields = sscanf(rest, "T%2d:%2d%n", &hour, &minute, &used);
        if (fields != 2 || rest[used] != '\0' || hour < 0 || hour > 23 ||
            minute < 0 || minute > 59) {
            return 0;
        }
        is_end = 0;
    }
    int64_t seconds = days_since_1970(year, month, day) * DAY_SECONDS +
                      hour * 3600 + minute * 60;
    if (control->has_local_time) {
        struct tm parts = {.tm_year = year - 1900,
                           .tm_mon = month - 1,
                           .tm_mday = day,
                           .tm_hour = hour,
                           .tm_min = minute,
                           .tm_isdst = -1};

        seconds = (int64_t)mktime(&parts);
    }
    return (seconds + (is_end ? DAY_SECONDS : 0)) * 1000;
}

/* "subject WORDS", "from TIME", "until TIME", "days N", in any order. */
static int take_words(const struct control *control,
                      struct mailmod_auto_reply *reply)
{
    for (int i = 3; i < control->word_count; i += 2) {
        const char *word = control->words[i];
        const char *value =
            i + 1 < control->word_count ? control->words[i + 1] : "";

        if (strcmp(word, "subject") == 0 && value[0] != '\0') {
            reply->subject = value;
        } else if (strcmp(word, "from") == 0) {
            reply->from_ms = read_moment(control, value, 0);
            if (reply->from_ms == 0) {
                return -1;
            }
        } else if (strcmp(word, "until") == 0) {
            reply->until_ms = read_moment(control, value, 1);
            if (reply->until_ms == 0) {
                return -1;
            }
        } else if (strcmp(word, "days") == 0) {
            char *end = NULL;
            unsigned long days = strtoul(value, &end, 10);

            if (days < 1 || days > 365 || *end != '\0') {
                return -1;
            }
            reply->days = (int64_t)days;
        } else {
            return -1;
        }
    }
    return 0;
}

/* 0 when it worked. */
static int read_text(const char *path, char text_out[TEXT_MAX + 1])
{
    int is_input = strcmp(path, "-") == 0;
    FILE *file = is_input ? stdin : terminal_open(path);

    if (file == NULL) {
        fprintf(stderr, "mailmodctl: %s: %s\n", path, strerror(errno));
        return -1;
    }
    size_t size = fread(text_out, 1, TEXT_MAX, file);
    int failed = ferror(file);
    if (!is_input) {
        (void)fclose(file);
    }
    text_out[size] = '\0';
    if (failed != 0 || strlen(text_out) != size) {
        fprintf(stderr, "mailmodctl: %s: %s\n", path,
                failed != 0 ? "it cannot be read" : "that is no text");
        return -1;
    }
    return 0;
}

static int usage(void)
{
    return control_usage(
        "reply list [NAME], reply set NAME FILE [subject WORDS] [from TIME] "
        "[until TIME] [days N], or reply remove NAME; TIME: 2026-12-24 or "
        "2026-12-24T18:00, N: 1 to 365");
}

static int set(struct control *control)
{
    static char text[TEXT_MAX + 1];
    struct mailmod_auto_reply reply = {
        .size = sizeof reply, .name = control->words[1], .text = text};

    if (take_words(control, &reply) != 0) {
        return usage();
    }
    if (read_text(control->words[2], text) != 0) {
        return EXIT_FAILURE;
    }
    enum mailmod_error error =
        mailmod_auto_reply_set(control->instance, &reply);
    return error == MAILMOD_OK ? EXIT_SUCCESS : control_failure("reply", error);
}

int control_reply(struct control *control)
{
    const char *word = control->word_count > 0 ? control->words[0] : "";

    if (strcmp(word, "list") == 0 && control->word_count <= 2) {
        return list_all(control);
    }
    if (strcmp(word, "set") == 0 && control->word_count >= 3 &&
        control->word_count % 2 == 1) {
        return set(control);
    }
    if (strcmp(word, "remove") == 0 && control->word_count == 2) {
        enum mailmod_error error =
            mailmod_auto_reply_remove(control->instance, control->words[1]);

        return error == MAILMOD_OK ? EXIT_SUCCESS
                                   : control_failure("reply", error);
    }
    return usage();
}
