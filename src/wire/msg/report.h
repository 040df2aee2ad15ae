/* thread: any
 * report.h - writes a delivery status notification: RFC 3464, RFC 3461 6,
 * RFC 6522, with the original's header (RFC 3461 4.3 RET=HDRS) or whole. */
#ifndef MM_WIRE_MSG_REPORT_H
#define MM_WIRE_MSG_REPORT_H

#include "base/buf.h"

enum mm_report_action {
    MM_REPORT_FAILED,
    MM_REPORT_DELAYED,
    MM_REPORT_DELIVERED,
    MM_REPORT_EXPANDED, /* an alias of many: RFC 3461 5.2.7 */
    MM_REPORT_RELAYED
};

struct mm_report_recipient {
    const char *recipient;          /* canonical address */
    const char *original_recipient; /* "rfc822;..." or "" */
    enum mm_report_action action;
    const char *status;      /* "5.1.1" */
    const char *remote_host; /* who said it, or "" */
    const char *diagnostic;  /* "550 5.1.1 no such user", cleaned, or "" */
    bool is_reply;           /* the diagnostic is the remote host's own */
    /* Who may have the message all the same, NULL or "": nobody. */
    const char *unsure_host;
};

struct mm_report {
    const char *host_name;         /* reporting MTA */
    const char *identifier;        /* of the original message */
    const char *report_identifier; /* for Message-ID and the boundary */
    const char *reverse_path;      /* to whom the report goes */
    const char *envelope_id;       /* "" none */
    int64_t arrival_ms;
    int64_t now_ms;
    int64_t retry_until_ms; /* delayed reports: Will-Retry-Until */
    const struct mm_report_recipient *recipients;
    size_t recipient_count;
    bool is_original_smtputf8; /* its header may hold UTF-8: RFC 6533 types */
    bool is_original_8bit;
    bool includes_body; /* message/rfc822, else text/rfc822-headers */
};
/* The report can go to SMTPUTF8 hosts alone: its own To holds UTF-8. What it
 * tells of, and the original, never make it so. */
bool mm_report_is_smtputf8(const struct mm_report *report);
/* All up to the original's octets; then the caller appends them; then the end
 * with the same report. Text lines are cleaned and folded. */
enum mailmod_error mm_report_write_begin(struct mm_buf *out,
                                         const struct mm_report *report);
enum mailmod_error mm_report_write_end(struct mm_buf *out,
                                       const struct mm_report *report);

#endif
