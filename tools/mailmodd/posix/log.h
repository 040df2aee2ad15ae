/* log.h - the log's part in becoming another user. */
#ifndef MAILMODD_POSIX_LOG_H
#define MAILMODD_POSIX_LOG_H

#include <sys/types.h>

/* Gives a log file that root made to the user who will open it anew; 0 also
 * where there is none. */
int system_log_give(uid_t user, gid_t group);

#endif
