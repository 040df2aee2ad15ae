/* own_verbs.c - the verbs that a host adds to a server of its own.
 *
 * Owns nothing: the conversation has them, and the engine is lent their texts.
 * Promises: a verb is there once, whatever its letters' case, and is none of
 * the server's. Thread: any, one at a time. */
#include "api/wire/own_verbs.h"

#include "api/instance.h"
#include "api/wire/wire.h"

enum mailmod_error mm_wire_own_verbs_add(struct mm_wire_own_verbs *verbs,
                                         const char *verb, const char *line,
                                         bool (*may_add)(struct mm_span verb),
                                         const char *line_name)
{
    size_t i = verbs->count;
    if (i == MM_WIRE_OWN_VERBS_MAX) {
        return mm_fail(MAILMOD_ERROR_LIMIT, "there are %d own verbs already",
                       MM_WIRE_OWN_VERBS_MAX);
    }
    if (!mm_span_copy(mm_span_cstr(verb), verbs->names[i],
                      sizeof verbs->names[i]) ||
        !may_add(mm_span_cstr(verb))) {
        return mm_fail(MAILMOD_ERROR_ARGUMENT,
                       "the verb is none, or one of the server's");
    }
    for (size_t other = 0; other < i; other++) {
        if (mm_cstr_equal_nocase(verbs->names[other], verb)) {
            return mm_fail(MAILMOD_ERROR_EXISTS, "%s: it is there already",
                           verb);
        }
    }
    if (!mm_wire_copy_line(line, verbs->lines[i], sizeof verbs->lines[i])) {
        return mm_fail(MAILMOD_ERROR_ARGUMENT, "the %s is no line, or too long",
                       line_name);
    }
    for (char *c = verbs->names[i]; *c != '\0'; c++) {
        *c = (char)mm_ascii_upper((unsigned char)*c);
    }
    verbs->count++;
    return MAILMOD_OK;
}
