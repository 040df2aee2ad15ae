/* terminal.c - a password from the terminal, without echo.
 *
 * On /dev/tty, so that it works with input and output redirected. Signals of
 * the keyboard are off while it waits: an interrupt reads as an empty answer,
 * and the terminal is never left mute. */
#include "../control.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

void terminal_begin(void)
{
}

const char *terminal_default_config(void)
{
    static const char installed[] = "/etc/mailmod/mailmod.cfg";
    const char *named = getenv("MAILMOD_CONFIG");
    if (named != NULL) {
        return named[0] != '\0' ? named : NULL;
    }
    /* One that is there and cannot be read is told by who reads it. */
    return access(installed, F_OK) == 0 ? installed : NULL;
}

FILE *terminal_open(const char *path)
{
    return fopen(path, "rb");
}

int terminal_is_output(void)
{
    return isatty(STDOUT_FILENO);
}

/* Up to the line end; not 0 at an interrupt, the end, or when it is too long.
 * The terminal gives each octet at once, so editing is done here. */
static int read_quiet(int tty, char *text, size_t size)
{
    enum { INTERRUPT = 3, END = 4, BACKSPACE = 8, CLEAR = 21, DELETE = 127 };
    size_t length = 0;
    char c = '\0';
    while (read(tty, &c, 1) == 1 && c != '\n' && c != '\r') {
        if (c == INTERRUPT || c == END || length + 1 >= size) {
            return -1;
        }
        if (c == CLEAR) {
            length = 0;
        } else if (c == BACKSPACE || c == DELETE) {
            length -= length > 0;
        } else {
            text[length] = c;
            length++;
        }
    }
    text[length] = '\0';
    return c == '\n' || c == '\r' ? 0 : -1;
}

int terminal_read_password(const char *prompt, char *password_out, size_t size)
{
    int tty = open("/dev/tty", O_RDWR | O_NOCTTY | O_CLOEXEC);
    int result = -1;
    if (tty < 0) {
        return -1;
    }
    struct termios former;
    if (tcgetattr(tty, &former) == 0) {
        struct termios quiet = former;
        quiet.c_lflag &= ~(tcflag_t)(ECHO | ISIG | ICANON);
        quiet.c_cc[VMIN] = 1;
        quiet.c_cc[VTIME] = 0;
        if (tcsetattr(tty, TCSAFLUSH, &quiet) == 0) {
            ssize_t written = write(tty, prompt, strlen(prompt));
            result = written < 0 ? -1 : read_quiet(tty, password_out, size);
            (void)tcsetattr(tty, TCSAFLUSH, &former);
            written = write(tty, "\n", 1);
            (void)written;
        }
    }
    (void)close(tty);
    return result;
}
