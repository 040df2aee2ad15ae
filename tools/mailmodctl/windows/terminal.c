/* terminal.c - a password from the console, without echo.
 *
 * On the console itself, so that it works with input and output redirected.
 * The console edits the line; an interrupt ends the program as elsewhere,
 * after which the console's own mode is the shell's business. */
#include "../control.h"

#include <errno.h>
#include <fcntl.h>
#include <io.h>
#include <stdio.h>
#include <string.h>
#include <windows.h>

/* The service is installed with the path of its own, which nothing else
 * knows. */
const char *terminal_default_config(void)
{
    return NULL;
}

int terminal_is_output(void)
{
    DWORD mode;
    return GetConsoleMode(GetStdHandle(STD_OUTPUT_HANDLE), &mode) ? 1 : 0;
}

void terminal_begin(void)
{
    /* A message is read and printed octet for octet. */
    (void)_setmode(_fileno(stdin), _O_BINARY);
    (void)_setmode(_fileno(stdout), _O_BINARY);
    if (terminal_is_output()) {
        (void)SetConsoleOutputCP(CP_UTF8);
    }
}

FILE *terminal_open(const char *path)
{
    WCHAR wide[MAX_PATH * 4];
    if (MultiByteToWideChar(CP_UTF8, MB_ERR_INVALID_CHARS, path, -1, wide,
                            sizeof wide / sizeof wide[0]) == 0) {
        errno = EINVAL;
        return NULL;
    }
    return _wfopen(wide, L"rb");
}

static HANDLE open_console(const WCHAR *name)
{
    return CreateFileW(name, GENERIC_READ | GENERIC_WRITE,
                       FILE_SHARE_READ | FILE_SHARE_WRITE, NULL, OPEN_EXISTING,
                       0, NULL);
}

static void write_text(HANDLE console, const char *text)
{
    DWORD written;
    (void)WriteConsoleA(console, text, (DWORD)strlen(text), &written, NULL);
}

/* Up to the line end; not 0 when there is none or it is too long. */
static int read_quiet(HANDLE console, char *text, size_t size)
{
    DWORD count = 0;
    int result = -1;
    WCHAR wide[PASSWORD_MAX_SIZE + 2];
    if (ReadConsoleW(console, wide, sizeof wide / sizeof wide[0] - 1, &count,
                     NULL)) {
        wide[count] = L'\0';
        size_t length = wcscspn(wide, L"\r\n");
        if (length < count) {
            wide[length] = L'\0';
            result = WideCharToMultiByte(CP_UTF8, 0, wide, -1, text, (int)size,
                                         NULL, NULL) > 0
                         ? 0
                         : -1;
        }
    }
    SecureZeroMemory(wide, sizeof wide);
    return result;
}

int terminal_read_password(const char *prompt, char *password_out, size_t size)
{
    HANDLE input = open_console(L"CONIN$");
    HANDLE output = open_console(L"CONOUT$");
    int result = -1;
    DWORD former;
    if (input != INVALID_HANDLE_VALUE && output != INVALID_HANDLE_VALUE &&
        GetConsoleMode(input, &former) &&
        SetConsoleMode(input, ENABLE_LINE_INPUT | ENABLE_PROCESSED_INPUT)) {
        write_text(output, prompt);
        result = read_quiet(input, password_out, size);
        write_text(output, "\r\n");
        (void)SetConsoleMode(input, former);
    }
    if (input != INVALID_HANDLE_VALUE) {
        (void)CloseHandle(input);
    }
    if (output != INVALID_HANDLE_VALUE) {
        (void)CloseHandle(output);
    }
    return result;
}
