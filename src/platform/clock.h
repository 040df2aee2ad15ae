/* thread: any
 * clock.h - the two clocks of the system. */
#ifndef MM_PLATFORM_CLOCK_H
#define MM_PLATFORM_CLOCK_H

#include <stdint.h>

uint64_t mm_clock_monotonic_ms(void);
int64_t mm_clock_wall_ms(void); /* since 1970-01-01 UTC */
void mm_clock_sleep_ms(uint64_t wait_ms);

#endif
