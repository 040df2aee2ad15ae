/* keep.c - holds wine's server and its services while tests run.
 *
 * They are started by the first program of a prefix and inherit its output; a
 * test runner that waits for the end of that output would wait seconds for
 * each test. So this one goes first, with no output of anybody's. Ends on the
 * named event or after the seconds of its first word; "stop" sets the event.
 * Thread: the main thread alone. */
#include <stdlib.h>
#include <string.h>
#include <windows.h>

int main(int argc, char **argv)
{
    const char *word = argc > 1 ? argv[1] : "600";
    HANDLE event =
        CreateEventA(NULL, TRUE, FALSE, "Local\\mailmod_tests_are_over");
    if (event == NULL) {
        return 1;
    }
    if (strcmp(word, "stop") == 0) {
        return SetEvent(event) ? 0 : 1;
    }
    WaitForSingleObject(event, (DWORD)strtoul(word, NULL, 10) * 1000);
    return 0;
}
