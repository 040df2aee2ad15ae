/* thread: any
 * module.h - the code of this library in the host's process. */
#ifndef MM_PLATFORM_MODULE_H
#define MM_PLATFORM_MODULE_H

#include "base/error.h"

/* From now on the code stays mapped until the process ends, although the host
 * unloads the library; loading it again finds it as it was. Needed before the
 * first use of what leaves its functions with the process. */
MM_CHECK enum mailmod_error mm_module_keep(void);

#endif
