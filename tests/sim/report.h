/* report.h - reports (RFC 3464) as a sender reads them. Thread: the run's. */
#ifndef MM_SIM_REPORT_H
#define MM_SIM_REPORT_H

#include "ledger.h"

struct sim_report_line {
    bool is_failed, is_delayed;
    unsigned machine; /* whose report it is; SIM_MACHINES_MAX: another's */
};
bool sim_report_is(const char *text, size_t size);
/* Each recipient that it is about; a report about a report, or about a message
 * from the null path, breaks the run. */
void sim_report_read(const char *text, size_t size,
                     void (*on_line)(void *context, struct sim_message *message,
                                     struct sim_recipient *recipient,
                                     const struct sim_report_line *line),
                     void *context);

#endif
