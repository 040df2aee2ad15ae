/* token_giver.c - a program for fetch.token_command and
 * smarthost.token_command, on every system.
 *
 * token_giver FILE PREFIX: adds to the file who asked, and prints
 * PREFIX.MAILMOD_REFRESH; by the name of the account it does wrong instead. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char *variable(const char *name)
{
    const char *value = getenv(name);
    return value != NULL ? value : "(not set)";
}

static int answer(const char *account, const char *prefix)
{
    if (strcmp(account, "slow") == 0) {
        sleep(60);
    } else if (strcmp(account, "none") == 0) {
        return 7;
    } else if (strcmp(account, "odd") == 0) {
        printf("no token at all\n");
    } else if (strcmp(account, "long") == 0) {
        for (int i = 0; i < 9000; i++) {
            putchar('x');
        }
    } else {
        printf("%s.%s\n", prefix, variable("MAILMOD_REFRESH"));
    }
    return 0;
}

int main(int argc, char **argv)
{
    FILE *file = argc == 3 ? fopen(argv[1], "a") : NULL;
    if (file == NULL || getchar() != EOF) { /* and there is no input */
        return 2;
    }
    fprintf(file, "%s %s %s %s %s\n", variable("MAILMOD_ACCOUNT"),
            variable("MAILMOD_USER"), variable("MAILMOD_HOST"),
            variable("MAILMOD_PORT"), variable("MAILMOD_REFRESH"));
    fclose(file);
    return answer(variable("MAILMOD_ACCOUNT"), argv[2]);
}
