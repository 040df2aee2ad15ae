/* splitmix.c - splitmix64 (Steele, Lea, Flood: "Fast splittable pseudorandom
 * number generators", 2014).
 *
 * Pure but for the state that the caller owns. Any thread. */
#include "base/splitmix.h"

uint64_t mm_splitmix_next(uint64_t *state)
{
    *state += UINT64_C(0x9e3779b97f4a7c15);
    uint64_t z = *state;
    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}
