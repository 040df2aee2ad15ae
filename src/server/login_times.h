/* thread: any
 * login_times.h - when each user logged in last, for LOGIN-DELAY. */
#ifndef MM_SERVER_LOGIN_TIMES_H
#define MM_SERVER_LOGIN_TIMES_H

#include "base/error.h"

#include <stdbool.h>
#include <stdint.h>

struct mm_login_times;

MM_CHECK enum mailmod_error mm_login_times_new(struct mm_login_times **out,
                                               uint64_t seed);
void mm_login_times_free(struct mm_login_times **times); /* NULL: nothing */
/* Within so many milliseconds before `now_ms`, a loop's? */
bool mm_login_times_is_within(struct mm_login_times *times, const char *user,
                              uint64_t delay_ms, uint64_t now_ms);
/* `delay_ms`: older times are of no use any more; 0: none is kept. */
void mm_login_times_note(struct mm_login_times *times, const char *user,
                         uint64_t delay_ms, uint64_t now_ms);

#endif
