/* show.h - what the example hosts share: they tell what happens, a line each,
 * and live until their standard input ends. */
#ifndef TESTS_HOST_SHOW_H
#define TESTS_HOST_SHOW_H

#include "mailmod/srv.h"

#include <stdio.h>

/* The outcome of each recipient of `stream`, or, with NULL, of the message that
 * this thread ended last. */
static inline void show_results(ServerStream stream)
{
    struct mailmod_result result;
    int i;

    result.size = sizeof result;
    for (i = 0; SRVGetResult(stream, i, &result) == 0; i++) {
        printf("result %s outcome=%d code=%d %s host=%s %s\n", result.recipient,
               (int)result.outcome, result.code, result.enhanced, result.host,
               result.text);
    }
}

static inline int show_failure(const char *what)
{
    printf("%s failed: %d %s\n", what, SRVLastError(), SRVLastErrorText());
    return 1;
}

/* Whoever reads our output wants each line at once. */
static inline void show_lines_at_once(void)
{
    (void)setvbuf(stdout, NULL, _IOLBF, BUFSIZ);
}

static inline void show_ports(void)
{
    printf("ports smtp=%d pop3=%d\n", SRVGetPort("smtp"), SRVGetPort("pop3"));
}

static inline void wait_for_end_of_input(void)
{
    while (getchar() != EOF) {
    }
}

#endif
