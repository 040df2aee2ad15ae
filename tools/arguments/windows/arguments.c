/* arguments.c - the words of the command line from the system's wide one.
 *
 * main's own are in the code page of the machine, which has not every name.
 * The memory is never given back: the words live as long as the program. */
#include "../arguments.h"

#include <stdlib.h>
#include <windows.h>

#include <shellapi.h>

/* Handles are no numbers of places there. */
int arguments_open_standard_files(void)
{
    return 0;
}

static char *to_utf8(const WCHAR *wide)
{
    int size = WideCharToMultiByte(CP_UTF8, 0, wide, -1, NULL, 0, NULL, NULL);
    char *text = size > 0 ? malloc((size_t)size) : NULL;
    if (text != NULL) {
        (void)WideCharToMultiByte(CP_UTF8, 0, wide, -1, text, size, NULL, NULL);
    }
    return text;
}

int arguments_read(int *argc, char ***argv)
{
    int count = 0;
    WCHAR **wide = CommandLineToArgvW(GetCommandLineW(), &count);
    if (wide == NULL) {
        return -1;
    }
    char **words = calloc((size_t)count + 1, sizeof *words);
    int is_whole = words != NULL;
    for (int i = 0; i < count && is_whole; i++) {
        words[i] = to_utf8(wide[i]);
        is_whole = words[i] != NULL;
    }
    (void)LocalFree(wide);
    if (!is_whole) {
        return -1;
    }
    *argc = count;
    *argv = words;
    return 0;
}
