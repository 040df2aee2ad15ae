/* thread: any; before the first use of io
 * memory.h - the memory of the libraries that io stands on. */
#ifndef MM_IO_MEMORY_H
#define MM_IO_MEMORY_H

#include "base/error.h"

/* From now on libuv, or c-ares, takes memory from base/mem.h, for whoever in
 * this process uses it. Neither can tell whether it was used before. */
MM_CHECK enum mailmod_error mm_io_use_memory_uv(void);
MM_CHECK enum mailmod_error mm_io_use_memory_ares(void);

#endif
