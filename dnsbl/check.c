/* check.c - one peer and all lists: the sum of their weights.
 *
 * Owns a question for each list, and one for the reason. Promises: it is over
 * as soon as no open answer can change it; an answer of a list that was never
 * tested waits for the test; the reason is the heaviest list's, in printable
 * ASCII, and never holds the zone's name where its label hides that.
 * Thread: the lists' (dnsbl.h). RFC 5782 2.1 (TXT), 5. */
#include "base/mem.h"
#include "dnsbl/dnsbl_internal.h"

#include <string.h>

#define KEY_MIN 8

struct answer {
    struct dnsbl_check *check;
    struct dnsbl_member *member;
    void *query;
    bool is_asked;
    bool counts; /* against the peer, at the last weighing */
    enum dnsbl_verdict verdict;
};

struct dnsbl_check {
    struct mm_list node; /* in the lists', while it is open */
    struct dnsbl *lists;
    struct mm_netaddr peer;
    struct answer answers[DNSBL_ZONES_MAX];
    bool is_beginning; /* inside dnsbl_check_begin */
    bool is_done;
    const struct dnsbl_member *heaviest; /* of those that have the peer */
    bool is_listed;
    void *text_query;
    char reason[DNSBL_REASON_MAX];
    void (*on_done)(void *context);
    void *context;
};

static enum dnsbl_health health_of(const struct answer *answer)
{
    int family =
        answer->check->peer.family == MM_NETADDR_V6 ? DNSBL_V6 : DNSBL_V4;
    return answer->member->tests[family].health;
}

static void stop(struct dnsbl_check *check)
{
    const struct dnsbl_names *names = &check->lists->names;
    for (size_t i = 0; i < check->lists->count; i++) {
        if (check->answers[i].query != NULL) {
            names->cancel(names->context, check->answers[i].query);
            check->answers[i].query = NULL;
        }
    }
    if (check->text_query != NULL) {
        names->cancel(names->context, check->text_query);
        check->text_query = NULL;
    }
}

/* Tells; the owner may free it from there. */
static void finish(struct dnsbl_check *check)
{
    stop(check);
    mm_list_remove(&check->node);
    check->is_done = true;
    if (!check->is_beginning) {
        check->on_done(check->context);
    }
}

static bool has_word(struct mm_span text, struct mm_span wanted)
{
    for (size_t i = 0; i + wanted.size <= text.size; i++) {
        if (mm_span_equal_nocase(mm_span(text.data + i, wanted.size), wanted)) {
            return true;
        }
    }
    return false;
}

/* Some lists quote the question. A short first label is no key. */
static bool tells_key(const struct dnsbl_zone *zone, struct mm_span text)
{
    struct mm_span name = mm_span_cstr(zone->name);
    struct mm_span first;
    struct mm_span rest;
    bool has_first =
        mm_span_cut(name, '.', &first, &rest) && first.size >= KEY_MIN;
    return strcmp(zone->name, zone->label) != 0 &&
           (has_word(text, name) || (has_first && has_word(text, first)));
}

static void on_text(void *context, enum mailmod_error error,
                    struct mm_span text)
{
    struct dnsbl_check *check = context;
    bool is_good =
        error == MAILMOD_OK && !tells_key(&check->heaviest->zone, text);
    size_t size = 0;
    check->text_query = NULL;
    for (size_t i = 0;
         is_good && i < text.size && size + 1 < sizeof check->reason; i++) {
        char octet = text.data[i];
        check->reason[size++] = octet >= ' ' && octet <= '~' ? octet : '?';
    }
    finish(check);
}

/* RFC 5782 2.1: a TXT record beside the address may say why. */
static void ask_reason(struct dnsbl_check *check)
{
    const struct dnsbl_names *names = &check->lists->names;
    char name[DNSBL_NAME_MAX];
    stop(check);
    if (dnsbl_query_name(&check->peer, check->heaviest->zone.name, name) !=
            MAILMOD_OK ||
        names->ask_text(names->context, name, on_text, check,
                        &check->text_query) != MAILMOD_OK) {
        finish(check);
    }
}

struct sum {
    int score;
    int maybe;         /* what open answers could add */
    bool is_uncertain; /* an open answer could take away, or is wanted */
};

static void weigh(struct dnsbl_check *check, struct sum *sum)
{
    int heaviest = 0;
    check->heaviest = NULL;
    for (size_t i = 0; i < check->lists->count; i++) {
        struct answer *answer = &check->answers[i];
        int weight = answer->member->zone.weight;
        enum dnsbl_health health = health_of(answer);
        bool lists = answer->verdict == DNSBL_LISTED;
        bool is_open =
            answer->query != NULL || (lists && health == DNSBL_UNTESTED);
        answer->counts = false;
        if (!answer->is_asked ||
            (health != DNSBL_GOOD && health != DNSBL_UNTESTED)) {
            continue;
        }
        if (is_open) {
            sum->maybe += weight > 0 ? weight : 0;
            sum->is_uncertain = sum->is_uncertain || weight < 0 ||
                                check->lists->options.wants_labels;
        } else if (lists) {
            sum->score += weight;
            answer->counts = weight > 0;
            if (weight > heaviest) {
                heaviest = weight;
                check->heaviest = answer->member;
            }
        }
    }
}

static void settle(struct dnsbl_check *check, bool is_late)
{
    struct sum sum = {0, 0, false};
    int threshold = check->lists->options.threshold;
    weigh(check, &sum);
    bool is_over = sum.score >= threshold ? !sum.is_uncertain
                                          : sum.score + sum.maybe < threshold;
    if (!is_over && !is_late) {
        return;
    }
    check->is_listed = sum.score >= threshold && check->heaviest != NULL;
    if (check->is_listed && !is_late && !check->lists->options.wants_labels) {
        ask_reason(check);
    } else {
        finish(check);
    }
}

static void on_answer(void *context, enum mailmod_error error,
                      const struct mm_netaddr *addresses, size_t count)
{
    struct answer *answer = context;
    struct dnsbl_check *check = answer->check;
    struct dnsbl *lists = check->lists;
    answer->query = NULL;
    answer->verdict =
        dnsbl_judge(&answer->member->zone, error, addresses, count);
    dnsbl_cache_put(lists->cache, &check->peer, answer->member->index,
                    answer->verdict, lists->names.now_ms(lists->names.context));
    settle(check, false);
}

/* True when there is an answer or one comes. */
static bool ask(struct dnsbl_check *check, struct answer *answer)
{
    const struct dnsbl_names *names = &check->lists->names;
    char name[DNSBL_NAME_MAX];
    answer->verdict =
        dnsbl_cache_find(check->lists->cache, &check->peer,
                         answer->member->index, names->now_ms(names->context));
    answer->is_asked =
        answer->verdict != DNSBL_UNKNOWN ||
        (dnsbl_query_name(&check->peer, answer->member->zone.name, name) ==
             MAILMOD_OK &&
         names->ask_addresses(names->context, name, on_answer, answer,
                              &answer->query) == MAILMOD_OK);
    return answer->is_asked;
}

static bool ask_all(struct dnsbl_check *check)
{
    struct dnsbl *lists = check->lists;
    int family = check->peer.family == MM_NETADDR_V6 ? DNSBL_V6 : DNSBL_V4;
    bool has_any = false;
    for (size_t i = 0; i < lists->count; i++) {
        struct answer *answer = &check->answers[i];
        struct dnsbl_test *test = &lists->members[i].tests[family];
        answer->check = check;
        answer->member = &lists->members[i];
        dnsbl_test_when_due(test);
        if (test->health == DNSBL_GOOD || test->health == DNSBL_UNTESTED) {
            has_any = ask(check, answer) || has_any;
        }
    }
    return has_any;
}

enum mailmod_error dnsbl_check_begin(struct dnsbl_check **check_out,
                                     struct dnsbl *lists,
                                     const struct mm_netaddr *peer,
                                     void (*on_done)(void *context),
                                     void *context)
{
    *check_out = NULL;
    struct dnsbl_check *check = mm_alloc(sizeof *check);
    if (check == NULL) {
        return MAILMOD_ERROR_MEMORY;
    }
    check->lists = lists;
    check->peer = *peer;
    check->on_done = on_done;
    check->context = context;
    mm_list_init(&check->node);
    if (!ask_all(check)) {
        mm_free(check);
        return MAILMOD_ERROR_STATE;
    }
    mm_list_append(&lists->checks, &check->node);
    check->is_beginning = true;
    settle(check, false);
    check->is_beginning = false;
    *check_out = check;
    return MAILMOD_OK;
}

void dnsbl_check_again(struct dnsbl *lists)
{
    MM_LIST_EACH(node, &lists->checks)
    {
        struct dnsbl_check *check =
            MM_LIST_OBJECT(node, struct dnsbl_check, node);
        if (check->text_query == NULL) {
            settle(check, false);
        }
    }
}

void dnsbl_check_end(struct dnsbl_check *check)
{
    if (check->is_done) {
        return;
    }
    if (check->is_listed) {
        finish(check); /* without the reason */
    } else {
        settle(check, true);
    }
}

void dnsbl_check_free(struct dnsbl_check **check_in)
{
    struct dnsbl_check *check = *check_in;
    *check_in = NULL;
    if (check == NULL) {
        return;
    }
    stop(check);
    mm_list_remove(&check->node);
    mm_free(check);
}

bool dnsbl_check_is_done(const struct dnsbl_check *check)
{
    return check->is_done;
}

const char *dnsbl_check_label(const struct dnsbl_check *check)
{
    return check->is_done && check->is_listed ? check->heaviest->zone.label
                                              : NULL;
}

const char *dnsbl_check_label_at(const struct dnsbl_check *check, size_t index)
{
    size_t count = 0;
    for (size_t i = 0; check->is_listed && i < check->lists->count; i++) {
        if (check->answers[i].counts && count++ == index) {
            return check->answers[i].member->zone.label;
        }
    }
    return NULL;
}

const char *dnsbl_check_reason(const struct dnsbl_check *check)
{
    return check->reason;
}
