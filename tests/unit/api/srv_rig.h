/* thread: any (the test's)
 * srv_rig.h - the default instance in a folder of its own, nothing delivered:
 * for tests of the SRV* calls. */
#ifndef MM_TEST_API_SRV_RIG_H
#define MM_TEST_API_SRV_RIG_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "mailmod/srv.h"

/* Setup and teardown of a test. The instance is made and set, not started:
 * listeners on free ports of 127.0.0.1, a queue that holds, a.test local. */
int srv_rig_open(void **state);
int srv_rig_close(void **state);
/* A file of that name in the folder. */
void srv_rig_write_file(const char *name, const char *text, char *path_out,
                        size_t size);

#endif
