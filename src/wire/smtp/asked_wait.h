/* thread: any
 * asked_wait.h - the time after which a host that refuses for now wants to see
 * us again, as greylisting says it in its words. No RFC has a form for it. */
#ifndef MM_WIRE_SMTP_ASKED_WAIT_H
#define MM_WIRE_SMTP_ASKED_WAIT_H

#include "base/span.h"

/* Of a 4xx reply's text; 0: it names none. MM_LIMIT_ASKED_WAIT_MS at most. */
uint64_t mm_asked_wait_ms(struct mm_span text);

#endif
