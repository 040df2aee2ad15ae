/* thread: any
 * standard.h - the places of standard input, output and error in the host's
 * process. A host may have closed them: the next file that anyone opens would
 * take such a place, what the host prints would go into it, and libuv ends the
 * process when one of its own is there. */
#ifndef MM_PLATFORM_STANDARD_H
#define MM_PLATFORM_STANDARD_H

#include "base/error.h"

#include <stdint.h>

/* From now on the places that the host left empty are taken, until the last
 * mm_standard_let. For the host they stay closed files: it can read and write
 * nothing there, no program that it starts has them, and what it puts there
 * itself is left alone. */
MM_CHECK enum mailmod_error mm_standard_hold(void);
/* The same for what the host has closed since. */
MM_CHECK enum mailmod_error mm_standard_fill(void);
/* After a connection that stood in such a place: closes it, and takes the
 * place. Any other descriptor is left alone. */
void mm_standard_close(intptr_t descriptor);
void mm_standard_let(void);

#endif
