/* terms.h - words that the interface and the inside share.
 *
 * mailmod.h includes it. The numbers are part of the binary interface and
 * never change. */
#ifndef MAILMOD_TERMS_H
#define MAILMOD_TERMS_H

/* How far a message is on its way out. */
enum mailmod_progress {
    MAILMOD_FINDING_HOST = 1, /* names are looked up */
    MAILMOD_CONNECTING,
    MAILMOD_IN_DIALOG, /* greeting to RCPT */
    MAILMOD_SENDING,   /* octets of the text go out: `sent` grows */
    MAILMOD_DONE       /* once and last: every recipient has its outcome */
};

/* What an operator does to waiting mail. */
enum mailmod_queue_action {
    MAILMOD_QUEUE_HOLD,
    MAILMOD_QUEUE_RELEASE,
    MAILMOD_QUEUE_FLUSH, /* try now */
    MAILMOD_QUEUE_DELETE /* without a report to the sender */
};

#endif
