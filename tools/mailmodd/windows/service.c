/* service.c - mailmodd as a service of Windows.
 *
 * Installing: an account of its own without a password (NT SERVICE\mailmodd),
 * started with the system, started anew after a failure, its words in the
 * event log, and the folder %ProgramData%\mailmod, which is the service's
 * current folder and its account's alone beside system and administrators.
 * Running: the manager is told of start, stop and end; while the daemon waits
 * for open sessions it hears every two seconds that this goes on.
 * Threads: the manager's handler only sets events and tells the state; the
 * daemon runs on the service's thread. */
#include "process.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    EXIT_USAGE = 2,
    COMMAND_MAX = 8000,
    STARTING_MS = 30000,
    STOPPING_MS = 10000,
    TELL_EVERY_MS = 2000,
    STOP_WAIT_MS = 60000
};

#define EVENT_SOURCE_KEY                                                       \
    L"SYSTEM\\CurrentControlSet\\Services\\EventLog\\Application\\mailmodd"
/* A file of the system's whose messages 1 to 1000 are "%1". */
#define EVENT_MESSAGES L"%SystemRoot%\\System32\\EventCreate.exe"

/* The one service of this process; the manager gives its calls no context. */
static struct {
    SERVICE_STATUS_HANDLE handle;
    SERVICE_STATUS status;
    SRWLOCK lock;
    int argc;
    char **argv;
    program run;
    int exit_code;
} service = {.lock = SRWLOCK_INIT};

static int fail(const char *what, DWORD number)
{
    fprintf(stderr, "mailmodd: %s: error %lu of the system%s\n", what, number,
            number == ERROR_ACCESS_DENIED
                ? " (access denied: this needs an administrator)"
                : "");
    return EXIT_FAILURE;
}

/* Appends a word so that the C library and the shell read it back as it is:
 * in quotes, with backslashes doubled before a quote. */
static int append_word(WCHAR *command, const WCHAR *word)
{
    size_t at = wcslen(command);
    size_t slashes = 0;
    if (at + 2 * wcslen(word) + 4 > COMMAND_MAX) {
        return -1;
    }
    command[at++] = L' ';
    command[at++] = L'"';
    for (; *word != L'\0'; word++) {
        size_t extra = *word == L'"' ? slashes + 1 : 0;
        for (; extra > 0; extra--) {
            command[at++] = L'\\';
        }
        slashes = *word == L'\\' ? slashes + 1 : 0;
        command[at++] = *word;
    }
    for (; slashes > 0; slashes--) {
        command[at++] = L'\\';
    }
    command[at++] = L'"';
    command[at] = L'\0';
    return 0;
}

/* A file's name is made absolute: the service has another current folder. */
static int append_argument(WCHAR *command, const char *word, int is_file)
{
    WCHAR *wide = wide_of(word);
    int result = -1;
    WCHAR full[COMMAND_MAX / 2];
    if (wide != NULL) {
        const WCHAR *name = wide;
        DWORD size = 1;
        if (is_file) {
            size = GetFullPathNameW(wide, COMMAND_MAX / 2, full, NULL);
            name = full;
        }
        if (size > 0 && size < COMMAND_MAX / 2) {
            result = append_word(command, name);
        }
    }
    free(wide);
    return result;
}

static int build_command(WCHAR *command, int argc, char **argv)
{
    WCHAR own[COMMAND_MAX / 2];
    DWORD size = GetModuleFileNameW(NULL, own, COMMAND_MAX / 2);
    if (size == 0 || size == COMMAND_MAX / 2) {
        return -1;
    }
    command[0] = L'\0';
    int result = append_word(command, own);
    if (result == 0) {
        result = append_word(command, L"--service");
    }
    for (int i = 1; i < argc && result == 0; i++) {
        const char *before = argv[i - 1];
        int is_file = strcmp(before, "-c") == 0 ||
                      strcmp(before, "--config") == 0 ||
                      strcmp(before, "--log-file") == 0;
        result = append_argument(command, argv[i], is_file);
    }
    /* The blank in front. */
    memmove(command, command + 1, wcslen(command) * sizeof *command);
    return result;
}

static void describe(SC_HANDLE handle)
{
    WCHAR words[] = L"Receives, keeps, serves and delivers mail.";
    SERVICE_DESCRIPTIONW description = {words};
    SC_ACTION actions[3] = {{SC_ACTION_RESTART, 5000},
                            {SC_ACTION_RESTART, 60000},
                            {SC_ACTION_NONE, 0}};
    SERVICE_FAILURE_ACTIONSW failure = {
        .dwResetPeriod = 86400, .cActions = 3, .lpsaActions = actions};
    SERVICE_FAILURE_ACTIONS_FLAG also_exit_codes = {TRUE};
    (void)ChangeServiceConfig2W(handle, SERVICE_CONFIG_DESCRIPTION,
                                &description);
    (void)ChangeServiceConfig2W(handle, SERVICE_CONFIG_FAILURE_ACTIONS,
                                &failure);
    (void)ChangeServiceConfig2W(handle, SERVICE_CONFIG_FAILURE_ACTIONS_FLAG,
                                &also_exit_codes);
}

static void add_event_source(void)
{
    static const WCHAR messages[] = EVENT_MESSAGES;
    DWORD types =
        EVENTLOG_ERROR_TYPE | EVENTLOG_WARNING_TYPE | EVENTLOG_INFORMATION_TYPE;
    HKEY key;
    if (RegCreateKeyExW(HKEY_LOCAL_MACHINE, EVENT_SOURCE_KEY, 0, NULL, 0,
                        KEY_SET_VALUE, NULL, &key, NULL) != ERROR_SUCCESS) {
        fprintf(stderr, "mailmodd: the event log will show its words without "
                        "their form\n");
        return;
    }
    (void)RegSetValueExW(key, L"EventMessageFile", 0, REG_EXPAND_SZ,
                         (const BYTE *)messages, sizeof messages);
    (void)RegSetValueExW(key, L"TypesSupported", 0, REG_DWORD,
                         (const BYTE *)&types, sizeof types);
    (void)RegCloseKey(key);
}

int service_install(int argc, char **argv)
{
    static WCHAR command[COMMAND_MAX];
    if (build_command(command, argc, argv) != 0) {
        fprintf(stderr, "mailmodd: the command line is too long\n");
        return EXIT_USAGE;
    }
    SC_HANDLE manager = OpenSCManagerW(NULL, NULL, SC_MANAGER_CREATE_SERVICE);
    if (manager == NULL) {
        return fail("the service manager", GetLastError());
    }
    SC_HANDLE handle = CreateServiceW(
        manager, SERVICE_NAME, L"mailmod mail system", SERVICE_ALL_ACCESS,
        SERVICE_WIN32_OWN_PROCESS, SERVICE_AUTO_START, SERVICE_ERROR_NORMAL,
        command, NULL, NULL, L"Tcpip\0", SERVICE_ACCOUNT, NULL);
    DWORD number = handle == NULL ? GetLastError() : ERROR_SUCCESS;
    (void)CloseServiceHandle(manager);
    if (handle == NULL) {
        return fail(number == ERROR_SERVICE_EXISTS ? "it is installed already"
                                                   : "install",
                    number);
    }
    describe(handle);
    add_event_source();
    int code = EXIT_SUCCESS;
    number = folder_make();
    if (number != ERROR_SUCCESS) {
        /* All or nothing: without its folder it could not start. */
        (void)DeleteService(handle);
        code = fail("the service's folder", number);
    } else {
        puts("the service mailmodd is installed; sc start mailmodd starts it");
    }
    (void)CloseServiceHandle(handle);
    return code;
}

static void stop_and_wait(SC_HANDLE handle)
{
    int is_asked = 0;
    SERVICE_STATUS status;
    for (int waited_ms = 0; waited_ms < STOP_WAIT_MS; waited_ms += 200) {
        /* While it starts it takes no stop: that is said again then. */
        if (!is_asked) {
            is_asked = ControlService(handle, SERVICE_CONTROL_STOP, &status);
        }
        if (!QueryServiceStatus(handle, &status) ||
            status.dwCurrentState == SERVICE_STOPPED) {
            return;
        }
        Sleep(200);
    }
}

int service_remove(void)
{
    SC_HANDLE manager = OpenSCManagerW(NULL, NULL, SC_MANAGER_CONNECT);
    if (manager == NULL) {
        return fail("the service manager", GetLastError());
    }
    SC_HANDLE handle = OpenServiceW(
        manager, SERVICE_NAME, SERVICE_STOP | SERVICE_QUERY_STATUS | DELETE);
    DWORD number = handle == NULL ? GetLastError() : ERROR_SUCCESS;
    (void)CloseServiceHandle(manager);
    if (handle == NULL) {
        return fail("the service", number);
    }
    stop_and_wait(handle);
    number = DeleteService(handle) ? ERROR_SUCCESS : GetLastError();
    (void)CloseServiceHandle(handle);
    if (number != ERROR_SUCCESS) {
        return fail("remove", number);
    }
    (void)RegDeleteKeyW(HKEY_LOCAL_MACHINE, EVENT_SOURCE_KEY);
    puts("the service mailmodd is removed; its data folder stays");
    return EXIT_SUCCESS;
}

static void tell_state(DWORD state, DWORD wait_ms)
{
    AcquireSRWLockExclusive(&service.lock);
    SERVICE_STATUS *status = &service.status;
    status->dwCheckPoint =
        status->dwCurrentState == state ? status->dwCheckPoint + 1 : 0;
    status->dwCurrentState = state;
    status->dwWaitHint = wait_ms;
    status->dwControlsAccepted = 0;
    if (state == SERVICE_RUNNING) {
        status->dwControlsAccepted = SERVICE_ACCEPT_STOP |
                                     SERVICE_ACCEPT_PRESHUTDOWN |
                                     SERVICE_ACCEPT_PARAMCHANGE;
    }
    if (state == SERVICE_STOPPED && service.exit_code != 0) {
        status->dwWin32ExitCode = ERROR_SERVICE_SPECIFIC_ERROR;
        status->dwServiceSpecificExitCode = (DWORD)service.exit_code;
    }
    (void)SetServiceStatus(service.handle, status);
    ReleaseSRWLockExclusive(&service.lock);
}

/* Until the process ends. */
static DWORD WINAPI tell_stopping(void *context)
{
    (void)context;
    for (;;) {
        Sleep(TELL_EVERY_MS);
        AcquireSRWLockShared(&service.lock);
        int is_over = service.status.dwCurrentState == SERVICE_STOPPED;
        ReleaseSRWLockShared(&service.lock);
        if (is_over) {
            return 0;
        }
        tell_state(SERVICE_STOP_PENDING, STOPPING_MS);
    }
}

static DWORD WINAPI on_control(DWORD control, DWORD event, void *data,
                               void *context)
{
    (void)event;
    (void)data;
    (void)context;
    switch (control) {
    case SERVICE_CONTROL_STOP:
    case SERVICE_CONTROL_PRESHUTDOWN:
        tell_state(SERVICE_STOP_PENDING, STOPPING_MS);
        events_stop();
        return NO_ERROR;
    case SERVICE_CONTROL_PARAMCHANGE:
        events_reload();
        return NO_ERROR;
    case SERVICE_CONTROL_INTERROGATE:
        return NO_ERROR;
    default:
        return ERROR_CALL_NOT_IMPLEMENTED;
    }
}

void system_notify(const char *state)
{
    if (service.handle == NULL) {
        return; /* in a console */
    }
    if (strncmp(state, "READY=1", 7) == 0) {
        tell_state(SERVICE_RUNNING, 0);
    } else if (strncmp(state, "STOPPING=1", 10) == 0) {
        tell_state(SERVICE_STOP_PENDING, STOPPING_MS);
        HANDLE thread = CreateThread(NULL, 0, tell_stopping, NULL, 0, NULL);
        if (thread != NULL) {
            (void)CloseHandle(thread);
        }
    }
}

/* The manager has no words for it. */
int system_has_status(void)
{
    return 0;
}

/* The manager knows no state for it: the service runs on. */
void system_notify_reloading(void)
{
}

static void WINAPI run_service(DWORD argc, WCHAR **argv)
{
    (void)argc;
    (void)argv;
    service.status.dwServiceType = SERVICE_WIN32_OWN_PROCESS;
    service.handle =
        RegisterServiceCtrlHandlerExW(SERVICE_NAME, on_control, NULL);
    if (service.handle == NULL) {
        service.exit_code = EXIT_FAILURE;
        return;
    }
    tell_state(SERVICE_START_PENDING, STARTING_MS);
    WCHAR folder[MAX_PATH];
    if (folder_name(folder, MAX_PATH) == 0) {
        (void)SetCurrentDirectoryW(folder);
    }
    service.exit_code = service.run(service.argc, service.argv);
    tell_state(SERVICE_STOPPED, 0);
}

int service_run(int argc, char **argv, program run)
{
    static const SERVICE_TABLE_ENTRYW table[] = {
        {(WCHAR *)(void *)SERVICE_NAME, run_service}, {NULL, NULL}};
    service.argc = argc;
    service.argv = argv;
    service.run = run;
    if (!StartServiceCtrlDispatcherW(table)) {
        return fail("--service is for the service manager", GetLastError());
    }
    return service.exit_code;
}
