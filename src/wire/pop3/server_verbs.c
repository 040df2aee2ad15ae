/* server_verbs.c - the verb table: the only statement of which command may be
 * given when, with how many arguments of which kind.
 *
 * Owns nothing. Promises: a line that is no good command changes nothing but
 * the count of errors; a verb's check has passed before its do runs; a line
 * that held a password and was refused is overwritten. Lives on its
 * conversation's thread.
 *
 * RFC 1939 3 (keywords of three or four letters in any case, arguments parted
 * by one blank, printable ASCII) and 5 to 7, RFC 2449 4 (255 octets a line)
 * and 5, RFC 2595 4, RFC 5034 4, RFC 6856 2 and 3. The rows with an extension
 * are pop3svc's: its README, and what billpg.com says about POP3. */
#include "wire/pop3/server_internal.h"

#define IN_AUTHORIZATION (1U << MM_POP3D_IN_AUTHORIZATION)
#define IN_TRANSACTION (1U << MM_POP3D_IN_TRANSACTION)
#define IN_ASLEEP (1U << MM_POP3D_IN_ASLEEP)
#define IN_BOTH (IN_AUTHORIZATION | IN_TRANSACTION)

/* An argument rule: how many words, and which of them are numbers. */
enum argument_kind {
    TAKES_NOTHING,
    TAKES_NUMBER,
    TAKES_NUMBER_OR_NOTHING,
    TAKES_NUMBER_AND_LINES,
    TAKES_WORD,
    TAKES_WORD_OR_NOTHING,
    TAKES_TWO_WORDS,
    TAKES_UP_TO_TWO_WORDS,
    TAKES_REST,          /* of the line, blanks and all */
    TAKES_WORD_AND_REST, /* likewise, behind a word */
    TAKES_REST_OR_NOTHING
};

static const struct {
    unsigned count_min;
    unsigned count_max;
    bool has_number;
    bool has_lines;
    bool has_rest; /* the last word goes to the end of the line */
} argument_rules[] = {
    [TAKES_NOTHING] = {0, 0, false, false, false},
    [TAKES_NUMBER] = {1, 1, true, false, false},
    [TAKES_NUMBER_OR_NOTHING] = {0, 1, true, false, false},
    [TAKES_NUMBER_AND_LINES] = {2, 2, true, true, false},
    [TAKES_WORD] = {1, 1, false, false, false},
    [TAKES_WORD_OR_NOTHING] = {0, 1, false, false, false},
    [TAKES_TWO_WORDS] = {2, 2, false, false, false},
    [TAKES_UP_TO_TWO_WORDS] = {0, 2, false, false, false},
    [TAKES_REST] = {1, 1, false, false, true},
    [TAKES_WORD_AND_REST] = {2, 2, false, false, true},
    [TAKES_REST_OR_NOTHING] = {0, 1, false, false, true},
};

enum verb_flag {
    IS_SECRET = 1 << 0, /* the line is overwritten when it was refused */
    IS_LONG = 1 << 1,   /* up to MM_LIMIT_POP3_AUTH_LINE */
    IS_LOGIN = 1 << 2   /* up to MM_LIMIT_POP3_LOGIN_LINE, in UTF-8 */
};

struct verb {
    const char *name;
    unsigned states;
    enum argument_kind arguments;
    unsigned flags;
    mm_pop3d_check *check; /* NULL: order and arguments are all */
    mm_pop3d_do *run;
    unsigned extension; /* enum mm_pop3d_extension; 0: an RFC's */
};

static const struct verb verbs[] = {
    {"USER", IN_AUTHORIZATION, TAKES_WORD, IS_LOGIN, mm_pop3d_check_user,
     mm_pop3d_do_user, 0},
    {"PASS", IN_AUTHORIZATION, TAKES_REST, IS_SECRET | IS_LOGIN,
     mm_pop3d_check_pass, mm_pop3d_do_pass, 0},
    {"APOP", IN_AUTHORIZATION, TAKES_TWO_WORDS, IS_SECRET | IS_LOGIN,
     mm_pop3d_check_apop, mm_pop3d_do_apop, 0},
    {"UTF8", IN_AUTHORIZATION, TAKES_NOTHING, 0, NULL, mm_pop3d_do_utf8, 0},
    {"LANG", IN_BOTH, TAKES_WORD_OR_NOTHING, 0, mm_pop3d_check_lang,
     mm_pop3d_do_lang, 0},
    {"AUTH", IN_AUTHORIZATION, TAKES_UP_TO_TWO_WORDS, IS_SECRET | IS_LONG,
     mm_pop3d_check_auth, mm_pop3d_do_auth, 0},
    {"STLS", IN_AUTHORIZATION, TAKES_NOTHING, 0, mm_pop3d_check_stls,
     mm_pop3d_do_stls, 0},
    {"CAPA", IN_BOTH, TAKES_NOTHING, 0, NULL, mm_pop3d_do_capa, 0},
    {"STAT", IN_TRANSACTION, TAKES_NOTHING, 0, NULL, mm_pop3d_do_stat, 0},
    {"LIST", IN_TRANSACTION, TAKES_NUMBER_OR_NOTHING, 0, NULL, mm_pop3d_do_list,
     0},
    {"UIDL", IN_TRANSACTION, TAKES_NUMBER_OR_NOTHING, 0, NULL, mm_pop3d_do_uidl,
     0},
    {"RETR", IN_TRANSACTION, TAKES_NUMBER, 0, NULL, mm_pop3d_do_retr, 0},
    {"TOP", IN_TRANSACTION, TAKES_NUMBER_AND_LINES, 0, NULL, mm_pop3d_do_top,
     0},
    {"DELE", IN_TRANSACTION, TAKES_NUMBER, 0, NULL, mm_pop3d_do_dele, 0},
    {"RSET", IN_TRANSACTION, TAKES_NOTHING, 0, NULL, mm_pop3d_do_rset, 0},
    {"NOOP", IN_TRANSACTION | IN_ASLEEP, TAKES_NOTHING, 0, NULL,
     mm_pop3d_do_noop, 0},
    {"QUIT", IN_BOTH | IN_ASLEEP, TAKES_NOTHING, 0, NULL, mm_pop3d_do_quit, 0},
    /* pop3svc, README: user and password in one command. */
    {"XLOG", IN_AUTHORIZATION, TAKES_WORD_AND_REST, IS_SECRET | IS_LOGIN,
     mm_pop3d_check_xlog, mm_pop3d_do_xlog, MM_POP3D_WITH_XLOG},
    /* pop3svc, "delete immediate" (draft deli-00): not undone by RSET or a
     * dropped line; the number becomes a gap. */
    {"DELI", IN_TRANSACTION, TAKES_NUMBER, 0, NULL, mm_pop3d_do_deli,
     MM_POP3D_WITH_DELI},
    /* pop3svc, "refresh mechanism" (draft sleeping-00): commit and release the
     * mailbox; come back as after a new login. */
    {"SLEE", IN_TRANSACTION, TAKES_NOTHING, 0, NULL, mm_pop3d_do_slee,
     MM_POP3D_WITH_SLEE},
    {"WAKE", IN_ASLEEP, TAKES_NOTHING, 0, NULL, mm_pop3d_do_wake,
     MM_POP3D_WITH_SLEE},
    /* pop3svc before SLEE and WAKE: both in one command, and by its first
     * name. */
    {"CORE", IN_TRANSACTION, TAKES_NOTHING, 0, NULL, mm_pop3d_do_core,
     MM_POP3D_WITH_CORE},
    {"REFR", IN_TRANSACTION, TAKES_NOTHING, 0, NULL, mm_pop3d_do_core,
     MM_POP3D_WITH_REFR},
    /* POP3Listener, pop3svc's successor: QUIT without the end of the line. */
    {"QAUT", IN_TRANSACTION, TAKES_NOTHING, 0, NULL, mm_pop3d_do_qaut,
     MM_POP3D_WITH_QAUT},
};

/* All of the owner's. */
static const struct verb own_verb = {
    "", IN_BOTH, TAKES_REST_OR_NOTHING, 0, NULL, mm_pop3d_do_own, 0};

bool mm_pop3d_may_add_verb(struct mm_span name)
{
    for (size_t i = 0; i < name.size; i++) {
        if (!mm_ascii_is_alnum((unsigned char)name.data[i])) {
            return false;
        }
    }
    for (size_t i = 0; i < sizeof verbs / sizeof verbs[0]; i++) {
        if (mm_span_is_nocase(name, verbs[i].name)) {
            return false;
        }
    }
    return name.size > 0;
}

static const struct verb *find_verb(const struct mm_pop3d *pop3d,
                                    struct mm_span name)
{
    for (size_t i = 0; i < sizeof verbs / sizeof verbs[0]; i++) {
        const struct verb *verb = &verbs[i];
        if (mm_span_is_nocase(name, verb->name)) {
            bool is_on = verb->extension == 0 ||
                         (verb->extension & pop3d->options.extensions) != 0;
            return is_on ? verb : NULL;
        }
    }
    return mm_pop3d_find_own(pop3d, name) != NULL ? &own_verb : NULL;
}

/* `allows_utf8`: RFC 6856 2.2, names and passwords. What its client has not
 * said before (UTF8) is taken all the same: AUTH PLAIN takes it too. */
static bool is_clean(struct mm_span text, bool allows_utf8)
{
    for (size_t i = 0; i < text.size; i++) {
        unsigned char c = (unsigned char)text.data[i];
        if (!mm_ascii_is_printable(c) && (c < 0x80 || !allows_utf8)) {
            return false;
        }
    }
    return mm_span_is_utf8(text);
}

static size_t size_max_of(const struct verb *verb)
{
    unsigned flags = verb != NULL ? verb->flags : 0;
    return (flags & IS_LONG) != 0    ? MM_LIMIT_POP3_AUTH_LINE - 2
           : (flags & IS_LOGIN) != 0 ? MM_LIMIT_POP3_LOGIN_LINE - 2
                                     : MM_LIMIT_POP3_COMMAND - 2;
}

/* What is wrong with the line before its meaning is asked for. */
static enum mm_pop3d_text check_line(const struct mm_line *line,
                                     const struct verb *verb)
{
    bool is_login = verb != NULL && (verb->flags & IS_LOGIN) != 0;
    if ((line->flaws & MM_LINE_TOO_LONG) != 0 ||
        line->text.size > size_max_of(verb)) {
        return MM_POP3D_ERR_TOO_LONG;
    }
    if ((line->flaws & MM_LINE_BARE) != 0) {
        return MM_POP3D_ERR_LINE_END;
    }
    return is_clean(line->text, is_login) ? MM_POP3D_OK_PLAIN
                                          : MM_POP3D_ERR_OCTETS;
}

static enum mm_pop3d_text check_state(const struct mm_pop3d *pop3d,
                                      const struct verb *verb)
{
    if (verb == NULL) {
        return MM_POP3D_ERR_UNKNOWN;
    }
    if ((verb->states & (1U << pop3d->state)) != 0) {
        return MM_POP3D_OK_PLAIN;
    }
    if (pop3d->state == MM_POP3D_IN_ASLEEP) {
        return MM_POP3D_ERR_ASLEEP;
    }
    if (!pop3d->is_authenticated) {
        return MM_POP3D_ERR_LOGIN_FIRST;
    }
    return verb->states == IN_ASLEEP ? MM_POP3D_ERR_AWAKE
                                     : MM_POP3D_ERR_LOGGED_IN;
}

/* Cuts the words apart; an empty word or a third one is too many. The word
 * number `rest` goes to the end of the line. */
static bool split(struct mm_span text, unsigned rest,
                  struct mm_pop3d_arguments *arguments_out, unsigned *count_out)
{
    struct mm_span words[2] = {{NULL, 0}, {NULL, 0}};
    unsigned count = 0;
    bool has_more = true;
    while (has_more && count < 2) {
        if (count + 1 == rest) {
            words[count] = text;
            has_more = false;
        } else {
            has_more = mm_span_cut(text, ' ', &words[count], &text);
        }
        if (words[count].size == 0) {
            return false;
        }
        count++;
    }
    arguments_out->first = words[0];
    arguments_out->second = words[1];
    arguments_out->has_first = true;
    arguments_out->has_second = count == 2;
    *count_out = count;
    return !has_more;
}

/* RFC 1939 5: messages are numbered from 1. No sign, no overflow: what is no
 * number names no message. pop3svc's UID-PARAM: digits only are a number. */
static enum mm_pop3d_text check_message(const struct mm_pop3d *pop3d,
                                        struct mm_pop3d_arguments *arguments)
{
    static const char prefix[] = "UID:";
    struct mm_span word = arguments->first;
    if (mm_pop3d_has(pop3d, MM_POP3D_UID_PARAM) &&
        mm_span_starts_nocase(word, prefix)) {
        arguments->unique_id = mm_span_from(word, sizeof prefix - 1);
        return mm_pop3d_is_unique_id(arguments->unique_id)
                   ? MM_POP3D_OK_PLAIN
                   : MM_POP3D_ERR_UNIQUE_ID;
    }
    return mm_span_to_u64(word, &arguments->number) && arguments->number != 0
               ? MM_POP3D_OK_PLAIN
               : MM_POP3D_ERR_NUMBER;
}

/* `tail` is what stands after the verb and its blank. */
static enum mm_pop3d_text
check_arguments(const struct mm_pop3d *pop3d, const struct verb *verb,
                const struct mm_pop3d_verb *own, struct mm_span tail,
                bool has_tail, struct mm_pop3d_arguments *arguments_out)
{
    unsigned count = 0;
    unsigned rest = argument_rules[verb->arguments].has_rest
                        ? argument_rules[verb->arguments].count_max
                        : 0;
    *arguments_out = (struct mm_pop3d_arguments){.own_verb = own};
    if (rest == 0) {
        /* A blank at the end is common and means nothing. */
        while (tail.size > 0 && tail.data[tail.size - 1] == ' ') {
            tail.size--;
        }
        has_tail = tail.size > 0;
    }
    if (has_tail && !split(tail, rest, arguments_out, &count)) {
        return MM_POP3D_ERR_ARGUMENTS;
    }
    if (count < argument_rules[verb->arguments].count_min ||
        count > argument_rules[verb->arguments].count_max) {
        return MM_POP3D_ERR_ARGUMENTS;
    }
    /* RFC 1939 7: TOP's lines are not less than zero. */
    if (argument_rules[verb->arguments].has_lines &&
        !mm_span_to_u64(arguments_out->second, &arguments_out->lines)) {
        return MM_POP3D_ERR_NUMBER;
    }
    return argument_rules[verb->arguments].has_number && count > 0
               ? check_message(pop3d, arguments_out)
               : MM_POP3D_OK_PLAIN;
}

void mm_pop3d_take_command(struct mm_pop3d *pop3d, const struct mm_line *line)
{
    struct mm_span name;
    struct mm_span tail;
    bool has_tail = mm_span_cut(line->text, ' ', &name, &tail);
    const struct verb *verb = find_verb(pop3d, name);
    enum mm_pop3d_text verdict = check_line(line, verb);
    if (verdict == MM_POP3D_OK_PLAIN) {
        verdict = check_state(pop3d, verb);
    }
    struct mm_pop3d_arguments arguments;
    if (verdict == MM_POP3D_OK_PLAIN) {
        verdict = check_arguments(pop3d, verb, mm_pop3d_find_own(pop3d, name),
                                  tail, has_tail, &arguments);
    }
    if (verdict == MM_POP3D_OK_PLAIN && verb->check != NULL) {
        verdict = verb->check(pop3d, &arguments);
    }
    if (verdict == MM_POP3D_OK_PLAIN) {
        verb->run(pop3d, &arguments);
        return;
    }
    if (verb != NULL && (verb->flags & IS_SECRET) != 0) {
        mm_pop3d_wipe_secrets(pop3d);
    }
    mm_pop3d_refuse(pop3d, verdict);
}
