/* dialogue.c - reads dialogue files and drives an engine through them.
 *
 * Owns the steps of the file at hand. Promises: a mismatch is told with file,
 * line, and the way the client's octets were cut; nothing is skipped in
 * silence: a file without steps and a folder without files fail.
 * One thread. */
#include "dialogue.h"

#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define LINE_SIZE 65536
#define OUTPUT_SIZE (1 << 20)
#define RANDOM_RUNS 50
/* A client that says more is cut at so many positions only: time is squared. */
#define ALL_CUTS_MAX 4096

static int hex_digit(int c)
{
    const char *digits = "0123456789abcdef";
    int lower = c >= 'A' && c <= 'F' ? c - 'A' + 'a' : c;
    const char *found = c != '\0' ? strchr(digits, lower) : NULL;
    return found != NULL ? (int)(found - digits) : -1;
}

/* One escape at `in`; returns how many of `in` it took, 0 for none. */
static size_t unescape_one(const char *in, char *out)
{
    static const char names[] = "rnt0\\";
    static const char values[] = "\r\n\t\0\\";
    const char *found = in[1] != '\0' ? strchr(names, in[1]) : NULL;
    if (found != NULL) {
        *out = values[found - names];
        return 2;
    }
    if (in[1] == 'x' && hex_digit(in[2]) >= 0 && hex_digit(in[3]) >= 0) {
        *out = (char)(hex_digit(in[2]) * 16 + hex_digit(in[3]));
        return 4;
    }
    return 0;
}

size_t dialogue_unescape(char *text, size_t size)
{
    char *copy = strdup(text);
    size_t at = 0;
    size_t used = 0;
    while (copy != NULL && copy[at] != '\0' && used < size) {
        size_t taken = 1;
        if (copy[at] == '\\') {
            taken = unescape_one(copy + at, text + used);
        } else {
            text[used] = copy[at];
        }
        if (taken == 0) {
            used = (size_t)-1;
            break;
        }
        at += taken;
        used++;
    }
    free(copy);
    return used;
}

void dialogue_escape(const char *bytes, size_t size, char *text_out,
                     size_t text_size)
{
    size_t used = 0;
    for (size_t i = 0; i < size && used + 5 < text_size; i++) {
        unsigned char c = (unsigned char)bytes[i];
        if (c == '\r' || c == '\n' || c == '\0') {
            text_out[used++] = '\\';
            text_out[used++] = c == '\r' ? 'r' : c == '\n' ? 'n' : '0';
        } else if (c < 32 || c > 126) {
            snprintf(text_out + used, 5, "\\x%02x", c);
            used += 4;
        } else {
            text_out[used++] = (char)c;
        }
    }
    text_out[used] = '\0';
}

const char *dialogue_option(const struct dialogue *dialogue, const char *name,
                            const char *standard)
{
    size_t length = strlen(name);
    for (size_t i = 0; i < dialogue->count; i++) {
        const struct dialogue_step *step = &dialogue->steps[i];
        if (step->kind == DIALOGUE_OPTION &&
            strncmp(step->text, name, length) == 0 &&
            step->text[length] == ' ') {
            return step->text + length + 1;
        }
    }
    return standard;
}

static void free_dialogue(struct dialogue *dialogue)
{
    for (size_t i = 0; i < dialogue->count; i++) {
        free(dialogue->steps[i].text);
        free(dialogue->steps[i].answer);
    }
    free(dialogue->steps);
    *dialogue = (struct dialogue){NULL, NULL, 0};
}

static bool add_step(struct dialogue *dialogue, enum dialogue_kind kind,
                     unsigned line, const char *text, size_t size,
                     const char *answer)
{
    struct dialogue_step *steps = realloc(
        dialogue->steps, (dialogue->count + 1) * sizeof *dialogue->steps);
    if (steps == NULL) {
        return false;
    }
    dialogue->steps = steps;
    struct dialogue_step *step = &steps[dialogue->count];
    *step = (struct dialogue_step){kind, line, malloc(size + 1), size,
                                   strdup(answer)};
    dialogue->count++;
    if (step->text == NULL || step->answer == NULL) {
        return false;
    }
    memcpy(step->text, text, size);
    step->text[size] = '\0';
    return true;
}

/* C: and S: lines: the text without escapes, and CRLF unless it is raw. */
static bool parse_octets(struct dialogue *dialogue, enum dialogue_kind kind,
                         unsigned number, const char *text, bool has_crlf)
{
    static char octets[LINE_SIZE];
    snprintf(octets, sizeof octets, "%s", text);
    size_t size = dialogue_unescape(octets, sizeof octets - 2);
    if (size == (size_t)-1) {
        return false;
    }
    if (has_crlf) {
        memcpy(octets + size, "\r\n", 2);
        size += 2;
    }
    return add_step(dialogue, kind, number, octets, size, "");
}

static bool parse_event(struct dialogue *dialogue, unsigned number, char *text)
{
    char *arrow = strstr(text, " => ");
    const char *answer = "";
    if (arrow != NULL) {
        *arrow = '\0';
        answer = arrow + 4;
    }
    return add_step(dialogue, DIALOGUE_EVENT, number, text, strlen(text),
                    answer);
}

/* Writes every \{n:text} out n times. */
static bool repeat(char *line, size_t size)
{
    char *mark = strstr(line, "\\{");
    while (mark != NULL) {
        char *text = NULL;
        unsigned long count = strtoul(mark + 2, &text, 10);
        char *end = strchr(mark, '}');
        char *rest = end != NULL ? strdup(end + 1) : NULL;
        char *unit = rest != NULL ? strdup(text + 1) : NULL;
        bool is_good = unit != NULL && *text == ':' && end > text;
        size_t length = is_good ? (size_t)(end - text) - 1 : 0;
        is_good = is_good &&
                  count * length + strlen(rest) < size - (size_t)(mark - line);
        for (unsigned long i = 0; is_good && i < count; i++) {
            memcpy(mark + i * length, unit, length);
        }
        if (is_good) {
            memcpy(mark + count * length, rest, strlen(rest) + 1);
        }
        mark = is_good ? strstr(mark + count * length, "\\{") : NULL;
        free(unit);
        free(rest);
        if (!is_good) {
            return false;
        }
    }
    return true;
}

static bool parse_line(struct dialogue *dialogue, unsigned number, char *line)
{
    line[strcspn(line, "\n")] = '\0';
    if (!repeat(line, LINE_SIZE)) {
        return false;
    }
    if (line[0] == '#' || line[0] == '\0') {
        return true;
    }
    const char *text = strchr(line, ' ');
    char *rest = text != NULL ? line + (text - line) + 1 : line + strlen(line);
    if (strncmp(line, "C:", 2) == 0) {
        return parse_octets(dialogue, DIALOGUE_CLIENT, number, rest, true);
    }
    if (strncmp(line, "C-", 2) == 0) {
        return parse_octets(dialogue, DIALOGUE_CLIENT, number, rest, false);
    }
    if (strncmp(line, "S:", 2) == 0) {
        return parse_octets(dialogue, DIALOGUE_SERVER, number, rest, true);
    }
    if (strncmp(line, "S-", 2) == 0) {
        return parse_octets(dialogue, DIALOGUE_SERVER, number, rest, false);
    }
    if (line[0] == '!') {
        return parse_event(dialogue, number, rest);
    }
    if (line[0] == '@' || line[0] == '~') {
        return add_step(dialogue,
                        line[0] == '@' ? DIALOGUE_OPTION : DIALOGUE_WAIT,
                        number, rest, strlen(rest), "");
    }
    return false;
}

static bool load(struct dialogue *dialogue, const char *path)
{
    static char line[LINE_SIZE];
    *dialogue = (struct dialogue){path, NULL, 0};
    FILE *file = fopen(path, "rb");
    unsigned number = 0;
    bool is_good = file != NULL;
    while (is_good && fgets(line, sizeof line, file) != NULL) {
        number++;
        is_good = parse_line(dialogue, number, line);
    }
    if (file != NULL) {
        fclose(file);
    }
    if (!is_good || dialogue->count == 0) {
        fprintf(stderr, "%s:%u: cannot be read\n", path, number);
        return false;
    }
    return true;
}

/* How the client's octets are cut: a piece ends where this says so. */
enum cut { CUT_NOWHERE, CUT_OCTETS, CUT_LINES, CUT_ONCE, CUT_AT_RANDOM };
static const char *const cut_names[] = {"whole", "octet by octet",
                                        "line by line", "cut at", "random"};

struct run {
    const struct dialogue *dialogue;
    const struct dialogue_peer *peer;
    void *engine;
    enum cut cut;
    size_t cut_at;
    uint32_t random;
    size_t next_event; /* the step at which the search for it begins */
    char *expected;    /* all that the server is to say */
    size_t expected_size;
    size_t seen;
    size_t fed; /* octets of the client so far */
};

static bool complain(const struct run *run, unsigned line, const char *what,
                     const char *expected, const char *got)
{
    fprintf(stderr,
            "%s:%u: [%s %zu, random %u] %s\n  expected: %s\n  got: %s\n",
            run->dialogue->path, line, cut_names[run->cut], run->cut_at,
            (unsigned)run->random, what, expected, got);
    return false;
}

/* The line of the file whose octets the server was to say at `offset`. */
static unsigned line_of_output(const struct run *run, size_t offset)
{
    for (size_t i = 0; i < run->dialogue->count; i++) {
        const struct dialogue_step *step = &run->dialogue->steps[i];
        if (step->kind == DIALOGUE_SERVER) {
            if (offset < step->size) {
                return step->line;
            }
            offset -= step->size;
        }
    }
    return 0;
}

static bool take_output(struct run *run)
{
    static char bytes[OUTPUT_SIZE];
    char expected[512];
    char got[512];
    size_t size = run->peer->take(run->engine, bytes, sizeof bytes);
    const char *wanted = run->expected + run->seen;
    size_t left = run->expected_size - run->seen;
    if (size <= left && memcmp(bytes, wanted, size) == 0) {
        run->seen += size;
        return true;
    }
    size_t same = 0;
    while (same < size && same < left && bytes[same] == wanted[same]) {
        same++;
    }
    size_t tail = left - same < 80 ? left - same : 80;
    dialogue_escape(wanted + same, tail, expected, sizeof expected);
    dialogue_escape(bytes + same, size - same < 80 ? size - same : 80, got,
                    sizeof got);
    return complain(run, line_of_output(run, run->seen + same),
                    "something else is said", expected, got);
}

static bool settle_event(struct run *run, const char *text)
{
    const struct dialogue *dialogue = run->dialogue;
    while (run->next_event < dialogue->count &&
           dialogue->steps[run->next_event].kind != DIALOGUE_EVENT) {
        run->next_event++;
    }
    if (run->next_event == dialogue->count) {
        return complain(run, 0, "an event too many", "none", text);
    }
    const struct dialogue_step *step = &dialogue->steps[run->next_event];
    run->next_event++;
    if (strcmp(step->text, text) != 0) {
        return complain(run, step->line, "another event", step->text, text);
    }
    if (!run->peer->answer(run->engine, step->answer)) {
        return complain(run, step->line, "the answer is refused", step->answer,
                        "an error");
    }
    return true;
}

/* Until the engine has nothing to tell and nothing to say. */
static bool pump(struct run *run)
{
    static char text[LINE_SIZE];
    do {
        if (!take_output(run)) {
            return false;
        }
        while (run->peer->event(run->engine, text, sizeof text)) {
            if (!settle_event(run, text)) {
                return false;
            }
        }
        if (!take_output(run)) {
            return false;
        }
    } while (run->peer->event(run->engine, text, sizeof text));
    return true;
}

static uint32_t next_random(uint32_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 17;
    *state ^= *state << 5;
    return *state;
}

static bool ends_piece(struct run *run, size_t position)
{
    switch (run->cut) {
    case CUT_OCTETS:
        return true;
    case CUT_ONCE:
        return position == run->cut_at;
    case CUT_AT_RANDOM:
        return next_random(&run->random) % 7 == 0;
    default:
        return false;
    }
}

static bool feed(struct run *run, const char *bytes, size_t size)
{
    while (size > 0) {
        size_t taken = run->peer->feed(run->engine, bytes, size);
        if (!pump(run)) {
            return false;
        }
        if (taken == 0) {
            return complain(run, 0, "the engine takes no octets", "some",
                            "none");
        }
        bytes += taken;
        size -= taken;
    }
    return true;
}

/* Feeds what the client says between two waits, in the run's pieces. */
static bool feed_stretch(struct run *run, size_t from, size_t to)
{
    static char piece[OUTPUT_SIZE];
    size_t size = 0;
    for (size_t i = from; i < to; i++) {
        const struct dialogue_step *step = &run->dialogue->steps[i];
        for (size_t k = 0; step->kind == DIALOGUE_CLIENT && k < step->size;
             k++) {
            piece[size++] = step->text[k];
            run->fed++;
            if (ends_piece(run, run->fed)) {
                if (!feed(run, piece, size)) {
                    return false;
                }
                size = 0;
            }
        }
    }
    return feed(run, piece, size);
}

/* How much must have been said when step `from` is reached. */
static size_t due_at(const struct dialogue *dialogue, size_t from)
{
    size_t due = 0;
    for (size_t i = 0; i < from; i++) {
        const struct dialogue_step *step = &dialogue->steps[i];
        due += step->kind == DIALOGUE_SERVER ? step->size : 0;
    }
    return due;
}

/* Line by line: what stands above a client's line must have been said. */
static bool feed_lines(struct run *run, size_t from, size_t to)
{
    size_t due = due_at(run->dialogue, from);
    for (size_t i = from; i < to; i++) {
        const struct dialogue_step *step = &run->dialogue->steps[i];
        if (step->kind == DIALOGUE_CLIENT) {
            if (!run->peer->is_client && run->seen != due) {
                return complain(run, step->line, "not in step", "the replies",
                                "more or less before this line");
            }
            if (!feed(run, step->text, step->size)) {
                return false;
            }
        }
        due += step->kind == DIALOGUE_SERVER ? step->size : 0;
    }
    return true;
}

static bool finish(struct run *run)
{
    while (run->next_event < run->dialogue->count) {
        const struct dialogue_step *step =
            &run->dialogue->steps[run->next_event];
        if (step->kind == DIALOGUE_EVENT) {
            return complain(run, step->line, "an event is missing", step->text,
                            "none");
        }
        run->next_event++;
    }
    if (run->seen != run->expected_size) {
        return complain(run, line_of_output(run, run->seen),
                        "too little is said", "more", "nothing");
    }
    return true;
}

/* The step behind the stretch that begins at `from`: a wait, or, of a client,
 * what is fed after it has said something. */
static size_t end_of_stretch(const struct run *run, size_t from)
{
    const struct dialogue_step *steps = run->dialogue->steps;
    bool has_said = false;
    size_t to = from;
    while (to < run->dialogue->count && steps[to].kind != DIALOGUE_WAIT) {
        has_said = has_said || steps[to].kind == DIALOGUE_SERVER;
        if (run->peer->is_client && has_said &&
            steps[to].kind == DIALOGUE_CLIENT) {
            break;
        }
        to++;
    }
    return to;
}

/* A client must have said all that stands above what the server says. */
static bool is_in_step(const struct run *run, size_t from, size_t to)
{
    const struct dialogue *dialogue = run->dialogue;
    while (from < to && dialogue->steps[from].kind != DIALOGUE_CLIENT) {
        from++;
    }
    return from == to || run->seen == due_at(dialogue, from) ||
           complain(run, dialogue->steps[from].line, "not in step",
                    "the commands", "more or less before this line");
}

static bool run_stretch(struct run *run, size_t from, size_t to)
{
    if (run->peer->is_client && !is_in_step(run, from, to)) {
        return false;
    }
    return run->cut == CUT_LINES ? feed_lines(run, from, to)
                                 : feed_stretch(run, from, to);
}

static bool run_once(struct run *run)
{
    const struct dialogue *dialogue = run->dialogue;
    run->next_event = 0;
    run->seen = 0;
    run->fed = 0;
    run->engine = run->peer->open(dialogue);
    bool is_good = run->engine != NULL && pump(run);
    size_t from = 0;
    while (is_good && from < dialogue->count) {
        size_t to = end_of_stretch(run, from);
        is_good = run_stretch(run, from, to);
        bool is_wait =
            to < dialogue->count && dialogue->steps[to].kind == DIALOGUE_WAIT;
        if (is_good && is_wait) {
            is_good = run->peer->wait(run->engine, dialogue->steps[to].text) &&
                      pump(run);
        }
        from = to + (is_wait ? 1 : 0);
    }
    is_good = is_good && finish(run);
    if (run->engine != NULL) {
        run->peer->close(run->engine);
    }
    return is_good;
}

static bool collect(struct run *run, size_t *client_size_out)
{
    size_t expected_size = 0;
    *client_size_out = 0;
    for (size_t i = 0; i < run->dialogue->count; i++) {
        const struct dialogue_step *step = &run->dialogue->steps[i];
        expected_size += step->kind == DIALOGUE_SERVER ? step->size : 0;
        *client_size_out += step->kind == DIALOGUE_CLIENT ? step->size : 0;
    }
    run->expected = malloc(expected_size + 1);
    run->expected_size = 0;
    for (size_t i = 0; run->expected != NULL && i < run->dialogue->count; i++) {
        const struct dialogue_step *step = &run->dialogue->steps[i];
        if (step->kind == DIALOGUE_SERVER) {
            memcpy(run->expected + run->expected_size, step->text, step->size);
            run->expected_size += step->size;
        }
    }
    return run->expected != NULL;
}

/* A client engine is fed what the server says, and says the client's. */
static void turn_round(struct dialogue *dialogue)
{
    for (size_t i = 0; i < dialogue->count; i++) {
        enum dialogue_kind *kind = &dialogue->steps[i].kind;
        if (*kind == DIALOGUE_CLIENT) {
            *kind = DIALOGUE_SERVER;
        } else if (*kind == DIALOGUE_SERVER) {
            *kind = DIALOGUE_CLIENT;
        }
    }
}

static bool run_all_cuts(const struct dialogue *dialogue,
                         const struct dialogue_peer *peer, uint32_t seed)
{
    struct run run = {.dialogue = dialogue, .peer = peer};
    size_t client_size = 0;
    bool is_good = collect(&run, &client_size);
    for (run.cut = CUT_NOWHERE; is_good && run.cut <= CUT_LINES; run.cut++) {
        is_good = run_once(&run);
    }
    run.cut = CUT_ONCE;
    size_t step = 1 + client_size / ALL_CUTS_MAX;
    for (run.cut_at = 1; is_good && run.cut_at < client_size;
         run.cut_at += step) {
        is_good = run_once(&run);
    }
    run.cut = CUT_AT_RANDOM;
    for (uint32_t i = 0; is_good && i < RANDOM_RUNS; i++) {
        run.random = (seed + i) | 1;
        is_good = run_once(&run);
    }
    free(run.expected);
    return is_good;
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* The names of the folder's dialogues, sorted; the caller frees each. */
static size_t list_files(const char *folder, char **names, size_t count_max)
{
    size_t count = 0;
    DIR *open_folder = opendir(folder);
    struct dirent *entry;
    while (open_folder != NULL && count < count_max &&
           (entry = readdir(open_folder)) != NULL) {
        size_t length = strlen(entry->d_name);
        if (length < 5 || strcmp(entry->d_name + length - 4, ".txt") != 0) {
            continue;
        }
        size_t size = strlen(folder) + length + 2;
        names[count] = malloc(size);
        if (names[count] != NULL) {
            snprintf(names[count], size, "%s/%s", folder, entry->d_name);
            count++;
        }
    }
    if (open_folder != NULL) {
        closedir(open_folder);
    }
    qsort(names, count, sizeof *names, compare_names);
    return count;
}

int dialogue_main(int argc, char **argv, const struct dialogue_peer *peer)
{
    char *names[256];
    if (argc < 2) {
        fprintf(stderr, "usage: %s folder-or-file [seed]\n", argv[0]);
        return 2;
    }
    uint32_t seed =
        argc > 2 ? (uint32_t)strtoul(argv[2], NULL, 10) : (uint32_t)time(NULL);
    printf("seed %u\n", (unsigned)seed);
    size_t length = strlen(argv[1]);
    bool is_file = length > 4 && strcmp(argv[1] + length - 4, ".txt") == 0;
    names[0] = is_file ? strdup(argv[1]) : NULL;
    size_t count = is_file ? names[0] != NULL : list_files(argv[1], names, 256);
    size_t failed = 0;
    for (size_t i = 0; i < count; i++) {
        struct dialogue dialogue;
        bool is_good = load(&dialogue, names[i]);
        if (peer->is_client) {
            turn_round(&dialogue);
        }
        is_good = is_good && run_all_cuts(&dialogue, peer, seed);
        printf("%s %s\n", is_good ? "ok  " : "FAIL", names[i]);
        failed += is_good ? 0 : 1;
        free_dialogue(&dialogue);
        free(names[i]);
    }
    printf("%zu dialogues, %zu failed\n", count, failed);
    return count > 0 && failed == 0 ? 0 : 1;
}
