/* clock.c - the two clocks on Windows.
 *
 * The performance counter, which never goes back and is finer than the 16 ms
 * of the tick count; the precise system time, in 100 ns since 1601.
 * Thread: any. */
#include "platform/clock.h"
#include "platform/windows/system.h"

#define FILETIME_OF_1970 INT64_C(116444736000000000)

uint64_t mm_clock_monotonic_ms(void)
{
    LARGE_INTEGER frequency;
    /* Neither can fail from Windows XP on. */
    QueryPerformanceFrequency(&frequency);
    LARGE_INTEGER count;
    QueryPerformanceCounter(&count);
    uint64_t hertz = (uint64_t)frequency.QuadPart;
    uint64_t ticks = (uint64_t)count.QuadPart;
    /* In two parts: ticks * 1000 would overflow after some months. */
    return ticks / hertz * 1000 + ticks % hertz * 1000 / hertz;
}

int64_t mm_clock_wall_ms(void)
{
    FILETIME now;
    GetSystemTimePreciseAsFileTime(&now);
    uint64_t units = (uint64_t)now.dwHighDateTime << 32 | now.dwLowDateTime;
    return ((int64_t)units - FILETIME_OF_1970) / 10000;
}

void mm_clock_sleep_ms(uint64_t wait_ms)
{
    uint64_t until_ms = mm_clock_monotonic_ms() + wait_ms;
    /* Sleep may end a tick early, and takes 49 days at most. */
    while (wait_ms > 0) {
        Sleep(wait_ms < 0x7fffffff ? (DWORD)wait_ms : 0x7fffffff);
        uint64_t now_ms = mm_clock_monotonic_ms();
        wait_ms = now_ms < until_ms ? until_ms - now_ms : 0;
    }
}
