/* header_scan.c - looks at header fields while a message streams past.
 *
 * Owns a few octets of state and no memory. Promises: the same result however
 * the message is cut; time linear in the octets, values skipped by memchr;
 * a field is counted once however often it is folded.
 *
 * Any thread, one message at a time. RFC 5321 6.3 (loops by counting
 * Received), RFC 5322 2.2 and 3.6 (fields), 2.2.3 (folding), 4.5 (blanks
 * before the colon). An LF alone ends a line too: messages from the host's
 * API come so. */
#include "wire/msg/message.h"

#include <string.h>

/* Law: LINE_START -> NAME -> SKIP -> LINE_START, once a line; a line that is
 * empty but for its end leads to is_done, from which nothing leads back. */
enum scan_state {
    SCAN_LINE_START,
    SCAN_AFTER_CR, /* a CR began the line: an empty line if an LF follows */
    SCAN_NAME,
    SCAN_SKIP /* to the line's end */
};

void mm_header_scan_init(struct mm_header_scan *scan)
{
    *scan = (struct mm_header_scan){.state = SCAN_LINE_START};
}

/* RFC 5322 4.5: field-name *WSP ":" */
static void count_field(struct mm_header_scan *scan)
{
    struct mm_span name = mm_span_trim(mm_span(scan->name, scan->name_size));
    if (mm_span_is_nocase(name, "Received")) {
        scan->received_count += scan->received_count < UINT32_MAX ? 1 : 0;
    } else if (mm_span_is_nocase(name, "Date")) {
        scan->has_date = true;
    } else if (mm_span_is_nocase(name, "From")) {
        scan->has_from = true;
    } else if (mm_span_is_nocase(name, "Message-ID")) {
        scan->has_message_id = true;
    }
}

static void start_line(struct mm_header_scan *scan, char c)
{
    scan->name_size = 0;
    if (c == '\n') {
        scan->is_done = true;
    } else if (c == '\r') {
        scan->state = SCAN_AFTER_CR;
    } else if (c == ' ' || c == '\t' || c == ':') {
        scan->state = SCAN_SKIP; /* folded, or a field without a name */
    } else {
        scan->name[scan->name_size++] = c;
        scan->state = SCAN_NAME;
    }
}

static void take_name_octet(struct mm_header_scan *scan, char c)
{
    if (c == ':') {
        count_field(scan);
        scan->state = SCAN_SKIP;
    } else if (c == '\n') {
        scan->state = SCAN_LINE_START; /* a line that is no field */
    } else if (scan->name_size == sizeof scan->name) {
        scan->state = SCAN_SKIP; /* no name of ours is so long */
    } else {
        scan->name[scan->name_size++] = c;
    }
}

void mm_header_scan_feed(struct mm_header_scan *scan, struct mm_span data)
{
    for (size_t at = 0; at < data.size && !scan->is_done; at++) {
        char c = data.data[at];
        switch ((enum scan_state)scan->state) {
        case SCAN_LINE_START:
            start_line(scan, c);
            break;
        case SCAN_AFTER_CR:
            scan->is_done = c == '\n';
            scan->state = SCAN_SKIP;
            break;
        case SCAN_NAME:
            take_name_octet(scan, c);
            break;
        case SCAN_SKIP: {
            const char *lf = memchr(data.data + at, '\n', data.size - at);
            if (lf == NULL) {
                return;
            }
            at = (size_t)(lf - data.data);
            scan->state = SCAN_LINE_START;
            break;
        }
        }
    }
}
