/* thread: any
 * dsn.h - what a sender may ask about reports of delivery, in the words that
 * SMTP, the store, the queue and the reports share: RFC 3461 4.1 to 4.4, RFC
 * 2852 4. The values of the bits stand in stores of version 0.1 and stay. */
#ifndef MM_BASE_DSN_H
#define MM_BASE_DSN_H

#include <stdbool.h>
#include <stdint.h>

/* NOTIFY of a recipient; 0: not given. */
enum mm_dsn_notify {
    MM_DSN_NOTIFY_NEVER = 1 << 0,
    MM_DSN_NOTIFY_SUCCESS = 1 << 1,
    MM_DSN_NOTIFY_FAILURE = 1 << 2,
    MM_DSN_NOTIFY_DELAY = 1 << 3
};

/* RET of a message: what of it comes back in a report. */
enum mm_dsn_return {
    MM_DSN_RETURN_UNSET,
    MM_DSN_RETURN_FULL,
    MM_DSN_RETURN_HEADERS
};

/* BY of a message: what is to happen when its time is over (RFC 2852 4). */
enum mm_deliver_by_mode {
    MM_DELIVER_BY_UNSET,
    MM_DELIVER_BY_NOTIFY, /* the sender is told, and it goes on */
    MM_DELIVER_BY_RETURN  /* it goes no further */
};

struct mm_deliver_by {
    enum mm_deliver_by_mode mode;
    int64_t seconds; /* that are left; below 0: it is over, NOTIFY alone */
    bool is_traced;  /* each relay that passes it on reports that */
};

#define MM_DELIVER_BY_SECONDS_MAX 999999999 /* 1*9DIGIT */
#define MM_DSN_ENVELOPE_ID_MAX 100          /* RFC 3461 4.4 */
#define MM_DSN_ORIGINAL_RECIPIENT_MAX 500   /* RFC 3461 4.2 */

#endif
