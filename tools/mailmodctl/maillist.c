/* maillist.c - mailmodctl maillist: mailing lists and their members.
 *
 * Prints a line a list or a member. What waits for a moderator is in the queue:
 * mailmodctl queue list, release, delete. */
#include "control.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const rules[] = {"open", "members", "moderated"};
enum { RULES = sizeof rules / sizeof rules[0] };

static void on_list(void *context, const struct mailmod_maillist *list)
{
    ++*(int *)context;
    control_print_text(list->name);
    printf("  post %s%s%s", rules[list->rule],
           (list->flags & MAILMOD_MAILLIST_REWRITES_FROM) != 0
               ? ", rewrites from"
               : "",
           (list->flags & MAILMOD_MAILLIST_CLOSED) != 0 ? ", closed" : "");
    if (list->digest_hours > 0) {
        printf(", digest every %u h or %u KiB", list->digest_hours,
               list->digest_kib > 0 ? list->digest_kib : 256);
    }
    if (list->owner[0] != '\0') {
        printf(", owner ");
        control_print_text(list->owner);
    }
    printf("\n");
}

static void on_member(void *context, const struct mailmod_member *member)
{
    ++*(int *)context;
    control_print_text(member->address);
    printf("%s%s%s",
           (member->flags & MAILMOD_MEMBER_MODERATOR) != 0 ? ", moderator" : "",
           (member->flags & MAILMOD_MEMBER_DIGEST) != 0 ? ", digest" : "",
           (member->flags & MAILMOD_MEMBER_SUSPENDED) != 0 ? ", suspended"
                                                           : "");
    if (member->bounces > 0) {
        printf(", bounces %u", member->bounces);
    }
    printf("\n");
}

static int finish(enum mailmod_error error, const int *count)
{
    if (error != MAILMOD_OK) {
        return control_failure("maillist", error);
    }
    if (count != NULL && *count == 0) {
        puts("there is none");
    }
    return EXIT_SUCCESS;
}

static int usage(void)
{
    return control_usage(
        "maillist list, maillist set NAME open|members|moderated [owner "
        "ADDRESS] [rewrites-from] [closed], maillist remove NAME, maillist "
        "members NAME, maillist digests NAME HOURS|off [KIB], maillist "
        "join|digest|leave|moderator|resume NAME ADDRESS...");
}

static int set(struct control *control)
{
    const char *owner = NULL;
    unsigned flags = 0;
    int rule = 0;

    while (rule < RULES && strcmp(control->words[2], rules[rule]) != 0) {
        rule++;
    }
    for (int i = 3; i < control->word_count; i++) {
        const char *word = control->words[i];

        if (strcmp(word, "owner") == 0 && i + 1 < control->word_count) {
            owner = control->words[++i];
        } else if (strcmp(word, "rewrites-from") == 0) {
            flags |= MAILMOD_MAILLIST_REWRITES_FROM;
        } else if (strcmp(word, "closed") == 0) {
            flags |= MAILMOD_MAILLIST_CLOSED;
        } else {
            return usage();
        }
    }
    return rule == RULES
               ? usage()
               : finish(mailmod_maillist_set(
                            control->instance, control->words[1], owner,
                            (enum mailmod_maillist_rule)rule, flags),
                        NULL);
}

static const struct verb {
    const char *word;
    int removes;
    unsigned adds;    /* flags that the member gets ... */
    unsigned keeps;   /* ... beside those of its own */
    int wants_member; /* an address that is none is a mistake */
} verbs[] = {
    {"join", 0, 0, 0, 0},
    {"digest", 0, MAILMOD_MEMBER_DIGEST, MAILMOD_MEMBER_MODERATOR, 0},
    {"moderator", 0, MAILMOD_MEMBER_MODERATOR, MAILMOD_MEMBER_DIGEST, 0},
    /* what came back is forgotten */
    {"resume", 0, 0, MAILMOD_MEMBER_MODERATOR | MAILMOD_MEMBER_DIGEST, 1},
    {"leave", 1, 0, 0, 0},
};

struct search {
    const char *address;
    unsigned flags; /* of the member */
    int is_found;
};

static int is_same_domain(const char *one, const char *other)
{
    while (*one != '\0' &&
           tolower((unsigned char)*one) == tolower((unsigned char)*other)) {
        one++;
        other++;
    }
    return *one == *other;
}

static void on_searched(void *context, const struct mailmod_member *member)
{
    struct search *search = context;
    const char *domain = strrchr(member->address, '@');
    size_t local = domain != NULL ? (size_t)(domain - member->address) : 0;

    if (domain != NULL &&
        strncmp(member->address, search->address, local) == 0 &&
        is_same_domain(domain, search->address + local)) {
        search->flags = member->flags;
        search->is_found = 1;
    }
}

static int set_digests(struct control *control)
{
    const char *const *words = (const char *const *)control->words;
    char *end = NULL;
    int is_off = strcmp(words[2], "off") == 0;
    unsigned long hours = is_off ? 0 : strtoul(words[2], &end, 10);
    unsigned long kib = 0;

    if (!is_off && (*end != '\0' || hours == 0 || hours > 100000)) {
        return usage();
    }
    if (control->word_count == 4) {
        kib = strtoul(words[3], &end, 10);
        if (*end != '\0' || kib == 0 || kib > 1000000) {
            return usage();
        }
    }
    return finish(mailmod_maillist_set_digest(control->instance, words[1],
                                              (unsigned)hours, (unsigned)kib),
                  NULL);
}

static int change_member(struct control *control, const struct verb *verb,
                         const char *address)
{
    const char *list = control->words[1];
    struct search search = {.address = address};
    enum mailmod_error error = MAILMOD_OK;

    if (verb->removes) {
        return finish(mailmod_member_remove(control->instance, list, address),
                      NULL);
    }
    if (verb->keeps != 0) {
        error =
            mailmod_member_list(control->instance, list, on_searched, &search);
    }
    if (error == MAILMOD_OK && verb->wants_member && !search.is_found) {
        fprintf(stderr, "mailmodctl: maillist: %s is no member of %s\n",
                address, list);
        return EXIT_FAILURE;
    }
    if (error == MAILMOD_OK) {
        error = mailmod_member_set(control->instance, list, address,
                                   verb->adds | (search.flags & verb->keeps));
    }
    return finish(error, NULL);
}

static int change_members(struct control *control, const struct verb *verb)
{
    for (int i = 2; i < control->word_count; i++) {
        if (change_member(control, verb, control->words[i]) != EXIT_SUCCESS) {
            return EXIT_FAILURE;
        }
    }
    return EXIT_SUCCESS;
}

int control_maillist(struct control *control)
{
    const char *word = control->word_count > 0 ? control->words[0] : "";
    int count = 0;

    if (control->word_count == 1 && strcmp(word, "list") == 0) {
        return finish(mailmod_maillist_list(control->instance, on_list, &count),
                      &count);
    }
    if (control->word_count == 2 && strcmp(word, "members") == 0) {
        return finish(mailmod_member_list(control->instance, control->words[1],
                                          on_member, &count),
                      &count);
    }
    if (control->word_count == 2 && strcmp(word, "remove") == 0) {
        return finish(
            mailmod_maillist_remove(control->instance, control->words[1]),
            NULL);
    }
    if (control->word_count >= 3 && strcmp(word, "set") == 0) {
        return set(control);
    }
    if ((control->word_count == 3 || control->word_count == 4) &&
        strcmp(word, "digests") == 0) {
        return set_digests(control);
    }
    for (size_t i = 0;
         control->word_count >= 3 && i < sizeof verbs / sizeof verbs[0]; i++) {
        if (strcmp(word, verbs[i].word) == 0) {
            return change_members(control, &verbs[i]);
        }
    }
    return usage();
}
