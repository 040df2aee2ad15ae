/* thread: any
 * smallsrv.h - the original engine's way to write a configuration; the one
 * header of this folder that others include. */
#ifndef MM_CONFIG_SMALLSRV_SMALLSRV_H
#define MM_CONFIG_SMALLSRV_SMALLSRV_H

#include "config/dialect.h"

const struct mm_config_dialect *mm_smallsrv(void);

#endif
