/* lists.c - the lists of one configuration.
 *
 * Owns the zones, what is known of their health, and the memory of answers.
 * Thread: the owner's, one at a time. */
#include "base/mem.h"
#include "dnsbl/dnsbl_internal.h"

enum mailmod_error dnsbl_new(struct dnsbl **lists_out,
                             const struct dnsbl_names *names,
                             const struct dnsbl_options *options)
{
    struct dnsbl *lists = mm_alloc(sizeof *lists);
    *lists_out = lists;
    if (lists == NULL) {
        return MAILMOD_ERROR_MEMORY;
    }
    lists->names = *names;
    lists->options = *options;
    mm_list_init(&lists->checks);
    /* Without memory for it, each answer is asked for. */
    lists->cache = dnsbl_cache_new(options);
    return MAILMOD_OK;
}

enum mailmod_error dnsbl_add(struct dnsbl *lists, struct mm_span text)
{
    if (lists->count == DNSBL_ZONES_MAX) {
        return MAILMOD_ERROR_LIMIT;
    }
    struct dnsbl_member *member = &lists->members[lists->count];
    enum mailmod_error error = dnsbl_zone_parse(text, &member->zone);
    if (error != MAILMOD_OK) {
        return error;
    }
    member->lists = lists;
    member->index = lists->count;
    for (int i = 0; i < DNSBL_FAMILIES; i++) {
        member->tests[i] = (struct dnsbl_test){
            .member = member,
            .is_v6 = i == DNSBL_V6,
            .health = lists->options.tests ? DNSBL_UNTESTED : DNSBL_GOOD};
    }
    lists->count++;
    return MAILMOD_OK;
}

void dnsbl_free(struct dnsbl **lists_in)
{
    struct dnsbl *lists = *lists_in;
    *lists_in = NULL;
    if (lists == NULL) {
        return;
    }
    for (size_t i = 0; i < lists->count; i++) {
        for (int f = 0; f < DNSBL_FAMILIES; f++) {
            dnsbl_test_cancel(&lists->members[i].tests[f]);
        }
    }
    mm_free(lists->cache);
    mm_secret_clear(lists, sizeof *lists); /* a zone may hold a key */
    mm_free(lists);
}
