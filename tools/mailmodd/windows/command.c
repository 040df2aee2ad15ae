/* command.c - a program that prints a line, on Windows: started, read, and
 * ended in time.
 *
 * It has our environment and the variables that it is told, a file as its input
 * or none, our stderr, and no other handle of ours; no window; a job of its
 * own, which ends with all that it started when its time is over or it prints
 * too much. No shell reads the line: a program is an .exe that is named by a
 * path or lies in PATH, never in the working folder, and a batch file is
 * refused, for Windows would hand it to cmd.exe with words that mean something
 * there. */
#include "process.h"

#include <fcntl.h>
#include <io.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <wchar.h>

enum {
    WORDS_MAX = 64,
    LINE_MAX = 32767, /* of CreateProcess, with its NUL */
    STEP_MS = 10,
    PIPE_SIZE = 64 * 1024, /* as Linux has it: a step takes so much at most */
    VARIABLES_MAX = 16
};

struct started {
    HANDLE job;
    HANDLE process;
    HANDLE read_end;
};

static int fail(struct system_command *command, const char *words, DWORD error)
{
    if (error != 0) {
        snprintf(command->words, sizeof command->words,
                 "%s: error %lu of Windows", words, error);
    } else {
        snprintf(command->words, sizeof command->words, "%s", words);
    }
    return -1;
}

/* ---- the line ---- */

/* Splits it at its blanks; 0: there is no word, or too many. */
static int split(WCHAR *line, WCHAR *words[WORDS_MAX])
{
    int count = 0;
    WCHAR *rest = NULL;
    for (WCHAR *word = wcstok_s(line, L" \t", &rest); word != NULL;
         word = wcstok_s(NULL, L" \t", &rest)) {
        if (count == WORDS_MAX) {
            return 0;
        }
        words[count++] = word;
    }
    return count;
}

static int is_batch(const WCHAR *path)
{
    const WCHAR *end = wcsrchr(path, L'.');
    return end != NULL &&
           (_wcsicmp(end, L".bat") == 0 || _wcsicmp(end, L".cmd") == 0);
}

/* The whole name of the program; 0 when it is there. */
static int find_program(const WCHAR *name, WCHAR *path_out, DWORD size)
{
    WCHAR *folders = NULL;
    DWORD used = 0;
    if (wcspbrk(name, L"/\\:") != NULL) {
        used = SearchPathW(NULL, name, L".exe", size, path_out, NULL);
        return used > 0 && used < size ? 0 : -1;
    }
    DWORD wanted = GetEnvironmentVariableW(L"PATH", NULL, 0);
    if (wanted > 0) {
        folders = calloc(wanted, sizeof *folders);
    }
    if (folders != NULL &&
        GetEnvironmentVariableW(L"PATH", folders, wanted) == wanted - 1) {
        used = SearchPathW(folders, name, L".exe", size, path_out, NULL);
    }
    free(folders);
    return used > 0 && used < size ? 0 : -1;
}

/* As CommandLineToArgvW reads it again: a word has no blank, but quotation
 * marks need a backslash, and backslashes ahead of one are doubled. */
static WCHAR *write_word(WCHAR *at, const WCHAR *end, const WCHAR *word)
{
    size_t backslashes = 0;
    for (; at != NULL && *word != L'\0'; word++) {
        size_t more = *word == L'"' ? backslashes + 1 : 0;
        if ((size_t)(end - at) < more + 2) {
            return NULL;
        }
        for (size_t i = 0; i < more; i++) {
            *at++ = L'\\';
        }
        backslashes = *word == L'\\' ? backslashes + 1 : 0;
        *at++ = *word;
    }
    return at;
}

/* Not 0: it is too long. */
static int write_line(WCHAR line_out[LINE_MAX], const WCHAR *path,
                      WCHAR *const *words, int count)
{
    WCHAR *at = line_out;
    const WCHAR *end = line_out + LINE_MAX - 2;
    if (wcslen(path) + 4 > LINE_MAX) {
        return -1;
    }
    *at++ = L'"'; /* its path may have blanks, and has no quotation mark */
    memcpy(at, path, wcslen(path) * sizeof *at);
    at += wcslen(path);
    *at++ = L'"';
    for (int i = 1; at != NULL && i < count; i++) {
        if (at >= end) {
            return -1;
        }
        *at++ = L' ';
        at = write_word(at, end, words[i]);
    }
    if (at == NULL) {
        return -1;
    }
    *at = L'\0';
    return 0;
}

/* ---- the environment ---- */

static int compare(const void *a, const void *b)
{
    const WCHAR *const *x = a;
    const WCHAR *const *y = b;
    return _wcsicmp(*x, *y);
}

/* All, sorted, as CreateProcess wants it; free() it. */
static WCHAR *join(WCHAR **texts, size_t count)
{
    size_t size = 1;
    for (size_t i = 0; i < count; i++) {
        size += wcslen(texts[i]) + 1;
    }
    WCHAR *block = malloc((size + 1) * sizeof *block);
    WCHAR *at = block;
    qsort(texts, count, sizeof *texts, compare);
    for (size_t i = 0; block != NULL && i < count; i++) {
        size_t length = wcslen(texts[i]) + 1;
        memcpy(at, texts[i], length * sizeof *at);
        at += length;
    }
    if (block != NULL) {
        at[0] = L'\0';
        at[1] = L'\0'; /* an empty block ends with two */
    }
    return block;
}

/* Is it told anew? */
static int is_replaced(const WCHAR *text, WCHAR *const *more, size_t count)
{
    const WCHAR *end = wcschr(text + 1, L'='); /* "=C:=..." begins with one */
    for (size_t i = 0; end != NULL && i < count; i++) {
        if (_wcsnicmp(text, more[i], (size_t)(end - text) + 1) == 0) {
            return 1;
        }
    }
    return 0;
}

/* Those of the system but for the replaced, and `more`; free() it. */
static WCHAR **list_variables(WCHAR *system, WCHAR *const *more, size_t added,
                              size_t *count_out)
{
    size_t count = added;
    for (WCHAR *at = system; *at != L'\0'; at += wcslen(at) + 1) {
        count++;
    }
    WCHAR **texts = calloc(count + 1, sizeof *texts);
    size_t used = 0;
    for (; texts != NULL && used < added; used++) {
        texts[used] = more[used];
    }
    for (WCHAR *at = system; texts != NULL && *at != L'\0';
         at += wcslen(at) + 1) {
        if (!is_replaced(at, more, added)) {
            texts[used++] = at;
        }
    }
    *count_out = used;
    return texts;
}

static WCHAR *join_environment(char *const *more)
{
    WCHAR *made[VARIABLES_MAX];
    WCHAR *system = GetEnvironmentStringsW();
    WCHAR *block = NULL;
    size_t count = 0;
    size_t added = 0;
    int is_good = system != NULL;
    for (; is_good && added < VARIABLES_MAX && more[added] != NULL; added++) {
        made[added] = wide_of(more[added]);
        is_good = made[added] != NULL;
    }
    if (is_good) {
        WCHAR **texts = list_variables(system, made, added, &count);
        block = texts != NULL ? join(texts, count) : NULL;
        free(texts);
    }
    while (added > 0) {
        free(made[--added]);
    }
    if (system != NULL) {
        FreeEnvironmentStringsW(system);
    }
    return block;
}

/* ---- its life ---- */

/* What it inherits: these handles and no other of ours. */
static LPPROC_THREAD_ATTRIBUTE_LIST list_handles(HANDLE *handles, size_t count)
{
    SIZE_T size = 0;
    (void)InitializeProcThreadAttributeList(NULL, 1, 0, &size);
    LPPROC_THREAD_ATTRIBUTE_LIST list = malloc(size);
    if (list == NULL || !InitializeProcThreadAttributeList(list, 1, 0, &size)) {
        free(list);
        return NULL;
    }
    if (!UpdateProcThreadAttribute(list, 0, PROC_THREAD_ATTRIBUTE_HANDLE_LIST,
                                   handles, count * sizeof *handles, NULL,
                                   NULL)) {
        DeleteProcThreadAttributeList(list);
        free(list);
        return NULL;
    }
    return list;
}

/* All that it starts belongs to the job, and ends with it. */
static HANDLE make_job(void)
{
    HANDLE job = CreateJobObjectW(NULL, NULL);
    JOBOBJECT_EXTENDED_LIMIT_INFORMATION limits;
    memset(&limits, 0, sizeof limits);
    limits.BasicLimitInformation.LimitFlags =
        JOB_OBJECT_LIMIT_KILL_ON_JOB_CLOSE;
    if (job != NULL &&
        !SetInformationJobObject(job, JobObjectExtendedLimitInformation,
                                 &limits, sizeof limits)) {
        (void)CloseHandle(job);
        job = NULL;
    }
    return job;
}

/* An inheritable copy of our stderr, or of NUL where there is none. */
static HANDLE copy_stderr(HANDLE nothing)
{
    HANDLE own = GetStdHandle(STD_ERROR_HANDLE);
    HANDLE copy = NULL;
    if (own == NULL || own == INVALID_HANDLE_VALUE) {
        own = nothing;
    }
    return DuplicateHandle(GetCurrentProcess(), own, GetCurrentProcess(), &copy,
                           0, TRUE, DUPLICATE_SAME_ACCESS)
               ? copy
               : NULL;
}

/* Begun in its job before its first step; an error of the system, 0 for none.
 */
static DWORD create(struct started *started, const WCHAR *path, WCHAR *line,
                    WCHAR *environment, HANDLE handles[3])
{
    STARTUPINFOEXW how;
    PROCESS_INFORMATION made;
    memset(&how, 0, sizeof how);
    how.StartupInfo.cb = sizeof how;
    how.StartupInfo.dwFlags = STARTF_USESTDHANDLES;
    how.StartupInfo.hStdInput = handles[0];
    how.StartupInfo.hStdOutput = handles[1];
    how.StartupInfo.hStdError = handles[2];
    how.lpAttributeList = list_handles(handles, 3);
    if (how.lpAttributeList == NULL) {
        return GetLastError();
    }
    DWORD error = CreateProcessW(path, line, NULL, NULL, TRUE,
                                 CREATE_SUSPENDED | CREATE_NO_WINDOW |
                                     CREATE_UNICODE_ENVIRONMENT |
                                     EXTENDED_STARTUPINFO_PRESENT,
                                 environment, NULL, &how.StartupInfo, &made)
                      ? 0
                      : GetLastError();
    DeleteProcThreadAttributeList(how.lpAttributeList);
    free(how.lpAttributeList);
    if (error != 0) {
        return error;
    }
    started->process = made.hProcess;
    if (!AssignProcessToJobObject(started->job, made.hProcess) ||
        ResumeThread(made.hThread) == (DWORD)-1) {
        error = GetLastError();
        (void)TerminateProcess(made.hProcess, 1);
    }
    (void)CloseHandle(made.hThread);
    return error;
}

static void close_all(HANDLE *handles, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (handles[i] != NULL && handles[i] != INVALID_HANDLE_VALUE) {
            (void)CloseHandle(handles[i]);
        }
    }
}

/* An inheritable copy of the file, from its start, or of NUL. */
static HANDLE open_input(FILE *input, SECURITY_ATTRIBUTES *inherited)
{
    HANDLE copy = NULL;
    if (input == NULL) {
        return CreateFileW(L"NUL", GENERIC_READ,
                           FILE_SHARE_READ | FILE_SHARE_WRITE, inherited,
                           OPEN_EXISTING, 0, NULL);
    }
    LARGE_INTEGER start = {.QuadPart = 0};
    HANDLE own = (HANDLE)_get_osfhandle(_fileno(input));
    return SetFilePointerEx(own, start, NULL, FILE_BEGIN) &&
                   DuplicateHandle(GetCurrentProcess(), own,
                                   GetCurrentProcess(), &copy, 0, TRUE,
                                   DUPLICATE_SAME_ACCESS)
               ? copy
               : INVALID_HANDLE_VALUE;
}

static DWORD start(struct started *started, const WCHAR *path, WCHAR *line,
                   WCHAR *environment, FILE *input)
{
    SECURITY_ATTRIBUTES inherited = {sizeof inherited, NULL, TRUE};
    HANDLE handles[3] = {NULL, NULL, NULL};
    DWORD error = ERROR_NOT_ENOUGH_MEMORY;
    started->job = make_job();
    handles[0] = open_input(input, &inherited);
    handles[2] = copy_stderr(handles[0]);
    if (started->job != NULL && handles[0] != INVALID_HANDLE_VALUE &&
        handles[2] != NULL &&
        CreatePipe(&started->read_end, &handles[1], &inherited, PIPE_SIZE)) {
        (void)SetHandleInformation(started->read_end, HANDLE_FLAG_INHERIT, 0);
        error = create(started, path, line, environment, handles);
    }
    close_all(handles, 3);
    return error;
}

/* Until its end: what it printed, or -1: too much, or too late. */
static long read_all(const struct started *started,
                     const struct system_command *command, ULONGLONG end_ms)
{
    char *text = command->text_out;
    size_t size = command->size - 1;
    size_t used = 0;
    char dropped[512];
    for (;;) {
        int drops = command->drops_more && used == size;
        DWORD there = 0;
        DWORD count = 0;
        if (GetTickCount64() >= end_ms) {
            return -1;
        }
        if (!PeekNamedPipe(started->read_end, NULL, 0, NULL, &there, NULL)) {
            return GetLastError() == ERROR_BROKEN_PIPE ? (long)used : -1;
        }
        if (there == 0) {
            Sleep(STEP_MS);
            continue;
        }
        size_t room = drops ? sizeof dropped : size - used;
        DWORD wanted = there < room ? there : (DWORD)room;
        if (!ReadFile(started->read_end, drops ? dropped : text + used, wanted,
                      &count, NULL)) {
            return -1;
        }
        used += drops ? 0 : count;
        if (used == size && !command->drops_more) {
            return -1;
        }
    }
}

/* Its exit code, or -1 when it did not end by itself in time. */
static int wait_for(const struct started *started, int is_late,
                    ULONGLONG end_ms)
{
    DWORD code = 0;
    ULONGLONG now_ms = GetTickCount64();
    DWORD left_ms = now_ms < end_ms ? (DWORD)(end_ms - now_ms) : 0;
    is_late = is_late ||
              WaitForSingleObject(started->process, left_ms) != WAIT_OBJECT_0;
    if (!is_late) {
        (void)GetExitCodeProcess(started->process, &code);
    }
    (void)TerminateJobObject(started->job, 1); /* what it left behind, too */
    if (is_late) {
        (void)WaitForSingleObject(started->process, INFINITE);
        return -1;
    }
    return code <= INT_MAX ? (int)code : INT_MAX;
}

static DWORD run(struct system_command *command, const WCHAR *path, WCHAR *line,
                 WCHAR *environment)
{
    struct started started = {NULL, NULL, NULL};
    ULONGLONG end_ms = GetTickCount64() + command->wait_ms;
    DWORD error = start(&started, path, line, environment, command->input);
    if (error == 0) {
        long size = read_all(&started, command, end_ms);
        command->text_out[size > 0 ? size : 0] = '\0';
        command->exit_code = wait_for(&started, size < 0, end_ms);
        command->is_late = command->exit_code < 0 && GetTickCount64() >= end_ms;
    }
    HANDLE handles[] = {started.job, started.process, started.read_end};
    close_all(handles, sizeof handles / sizeof handles[0]);
    return error;
}

static int run_words(struct system_command *command, WCHAR **words, int count,
                     WCHAR *environment)
{
    WCHAR path[MAX_PATH * 2];
    WCHAR *line = malloc(LINE_MAX * sizeof *line);
    DWORD error = ERROR_NOT_ENOUGH_MEMORY;
    int result = -1;
    if (line == NULL || environment == NULL) {
        result = fail(command, "out of memory", 0);
    } else if (find_program(words[0], path, sizeof path / sizeof path[0]) !=
               0) {
        result = fail(command, "the program is not found", 0);
    } else if (is_batch(path)) {
        result = fail(command, "a batch file is not run: name a program", 0);
    } else if (write_line(line, path, words, count) != 0) {
        result = fail(command, "the line is too long", 0);
    } else {
        error = run(command, path, line, environment);
        result = error == 0
                     ? 0
                     : fail(command, "the program cannot be started", error);
    }
    free(line);
    return result;
}

int system_run(struct system_command *command)
{
    WCHAR *words[WORDS_MAX];
    WCHAR *copy = wide_of(command->line);
    command->exit_code = -1;
    command->is_late = 0;
    command->text_out[0] = '\0';
    command->words[0] = '\0';
    int count = copy != NULL ? split(copy, words) : 0;
    if (count == 0) {
        free(copy);
        return fail(command, "there is no program in it, or too many words", 0);
    }
    WCHAR *environment = join_environment(command->environment);
    int result = run_words(command, words, count, environment);
    free(environment);
    free(copy);
    return result;
}

FILE *system_spool(const char *folder)
{
    WCHAR path[MAX_PATH];
    WCHAR *wide = wide_of(folder);
    UINT number = wide != NULL ? GetTempFileNameW(wide, L"spl", 0, path) : 0;
    free(wide);
    if (number == 0) {
        return NULL;
    }
    HANDLE handle =
        CreateFileW(path, GENERIC_READ | GENERIC_WRITE,
                    FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE,
                    NULL, CREATE_ALWAYS,
                    FILE_ATTRIBUTE_TEMPORARY | FILE_FLAG_DELETE_ON_CLOSE, NULL);
    if (handle == INVALID_HANDLE_VALUE) {
        (void)DeleteFileW(path);
        return NULL;
    }
    int fd = _open_osfhandle((intptr_t)handle, _O_RDWR | _O_BINARY);
    FILE *file = fd >= 0 ? _fdopen(fd, "w+b") : NULL;
    if (file == NULL && fd >= 0) {
        (void)_close(fd);
    } else if (file == NULL) {
        (void)CloseHandle(handle);
    }
    return file;
}

/* ---- turns ---- */

static SRWLOCK turn_lock = SRWLOCK_INIT;
static CONDITION_VARIABLE turn_over = CONDITION_VARIABLE_INIT;
static unsigned turns; /* the lock */

int system_turn_begin(unsigned count_max, unsigned wait_ms,
                      unsigned *left_ms_out)
{
    ULONGLONG end_ms = GetTickCount64() + wait_ms;
    DWORD left_ms = wait_ms;
    AcquireSRWLockExclusive(&turn_lock);
    while (turns >= count_max && left_ms > 0) {
        (void)SleepConditionVariableSRW(&turn_over, &turn_lock, left_ms, 0);
        ULONGLONG now_ms = GetTickCount64();
        left_ms = now_ms < end_ms ? (DWORD)(end_ms - now_ms) : 0;
    }
    int has_turn = turns < count_max && left_ms > 0;
    turns += has_turn ? 1 : 0;
    ReleaseSRWLockExclusive(&turn_lock);
    *left_ms_out = has_turn ? left_ms : 0;
    return has_turn ? 0 : -1;
}

void system_turn_end(void)
{
    AcquireSRWLockExclusive(&turn_lock);
    turns--;
    ReleaseSRWLockExclusive(&turn_lock);
    WakeConditionVariable(&turn_over);
}
