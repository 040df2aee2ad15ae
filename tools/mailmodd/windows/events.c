/* events.c - the operator's wishes: Ctrl-C, Ctrl-Break, a closed console, or
 * the service manager's, as two events of the system.
 *
 * The console's handler runs on a thread of the system's and only sets an
 * event. When the console is closed or the user logs off, the process ends as
 * soon as the handler returns: it does not, so that the time that the system
 * gives is there for the stop. Everything else is the main thread's. */
#include "process.h"

#include <stdint.h>

/* How long the last line of a cut may take. */
#define CUT_LOG_MS 100

/* One process, one daemon; the console's handler is given no context. */
static HANDLE stop_event;
static HANDLE reload_event;

int events_open(void)
{
    stop_event = CreateEventW(NULL, FALSE, FALSE, NULL);
    reload_event = CreateEventW(NULL, FALSE, FALSE, NULL);
    return stop_event != NULL && reload_event != NULL ? 0 : -1;
}

void events_stop(void)
{
    (void)SetEvent(stop_event);
}

void events_reload(void)
{
    (void)SetEvent(reload_event);
}

static BOOL WINAPI on_console_event(DWORD event)
{
    switch (event) {
    case CTRL_C_EVENT:
        events_stop();
        return TRUE;
    case CTRL_BREAK_EVENT:
        events_reload();
        return TRUE;
    default: /* closed, logged off, shut down */
        events_stop();
        Sleep(INFINITE);
        return TRUE;
    }
}

void events_listen_to_console(void)
{
    /* A parent may have had Ctrl-C ignored, which is inherited. */
    (void)SetConsoleCtrlHandler(NULL, FALSE);
    (void)SetConsoleCtrlHandler(on_console_event, TRUE);
}

enum system_event system_wait(unsigned wait_ms)
{
    HANDLE events[2] = {stop_event, reload_event};
    DWORD which = WaitForMultipleObjects(2, events, FALSE, wait_ms);
    if (which == WAIT_OBJECT_0 + 1) {
        return SYSTEM_RELOAD;
    }
    return which == WAIT_OBJECT_0 ? SYSTEM_STOP : SYSTEM_NOTHING;
}

static DWORD WINAPI wait_and_cut(void *context)
{
    UINT exit_code = (UINT)(uintptr_t)context;
    (void)WaitForSingleObject(stop_event, INFINITE);
    system_log(NULL, MAILMOD_LOG_WARNING, "mailmodd: cut by a second stop");
    system_log_end(CUT_LOG_MS);
    (void)TerminateProcess(GetCurrentProcess(), exit_code);
    return 0;
}

void system_cut_on_stop(int exit_code)
{
    HANDLE thread = CreateThread(NULL, 0, wait_and_cut,
                                 (void *)(uintptr_t)exit_code, 0, NULL);
    if (thread != NULL) {
        (void)CloseHandle(thread);
    }
}
