/* world.c - the world that the programs of the pages run in.
 *
 * Linked into each of them. Before main it loads the test's configuration into
 * the default instance, and it does the same to every instance that the program
 * makes (the linker wraps mailmod_new), so that a program that asks for the
 * mail host of example.org finds the test's. What the program sets counts
 * after that. Output comes a line at a time. */
#include "mailmod/srv.h"

#include <stdio.h>
#include <stdlib.h>

enum mailmod_error __real_mailmod_new(mailmod **instance_out);
enum mailmod_error __wrap_mailmod_new(mailmod **instance_out);

static const char *world_file(void)
{
    return getenv("MAILMOD_DOCS_WORLD");
}

static void check(int error)
{
    if (error != 0) {
        printf("the test's world: %s\n", mailmod_last_error_text());
        exit(99);
    }
}

enum mailmod_error __wrap_mailmod_new(mailmod **instance_out)
{
    enum mailmod_error error = __real_mailmod_new(instance_out);

    if (error == MAILMOD_OK) {
        check(mailmod_config_load(*instance_out, world_file()));
    }
    return error;
}

__attribute__((constructor)) static void make_world(void)
{
    (void)setvbuf(stdout, NULL, _IOLBF, BUFSIZ);
    check(LoadConfig(world_file()));
}
