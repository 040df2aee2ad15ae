/* content_judge.c - a program for content.command, on every system.
 *
 * content_judge FILE: adds to the file what it was told of the envelope, and
 * how many octets the message has. Does what the message wants: "verdict=77"
 * anywhere in it ends it with that code, "say=WORDS" prints the line; and it
 * may be slow, loud, or deaf. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char message[1 << 20];

static const char *variable(const char *name)
{
    const char *value = getenv(name);
    return value != NULL ? value : "(not set)";
}

static void print_line(void)
{
    const char *say = strstr(message, "say=");
    if (say != NULL) {
        printf("%.*s\n", (int)strcspn(say + 4, "\n"), say + 4);
    }
    if (strstr(message, "loud") != NULL) {
        for (int i = 0; i < 300000; i++) {
            puts("another line");
        }
    }
}

int main(int argc, char **argv)
{
    size_t size = 0;
    const char *verdict;
    setvbuf(stdin, NULL, _IOFBF, BUFSIZ); /* on Windows binary: lines.h */
    size_t count = fread(message, 1, 64, stdin);
    if (strstr(message, "deaf") == NULL) {
        for (size = count; count > 0; size += count) {
            count = fread(message + size, 1, sizeof message - 1 - size, stdin);
        }
    }
    FILE *file = argc == 2 ? fopen(argv[1], "a") : NULL;
    if (file == NULL) {
        return 3;
    }
    fprintf(file, "%s|%s|%s|%s|%zu\n", variable("MAILMOD_SENDER"),
            variable("MAILMOD_RECIPIENTS"), variable("MAILMOD_USER"),
            variable("MAILMOD_PEER"), size);
    fclose(file);
    if (strstr(message, "slow") != NULL) {
        sleep(60);
    }
    print_line();
    verdict = strstr(message, "verdict=");
    return verdict != NULL ? atoi(verdict + 8) : 0;
}
