/* trace.c - mailmodctl trace: the way of a message, out of its header.
 *
 * Reads a file, or standard input for "-"; needs no settings and no store. */
#include "control.h"

#include "mailmod/received.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void on_octets(void *context, const char *octets, size_t size)
{
    (void)context;
    (void)fwrite(octets, 1, size, stdout);
}

static int draw(FILE *file, enum mailmod_trace_drawing drawing)
{
    mailmod_trace *trace;
    enum mailmod_error error =
        mailmod_trace_new(mailmod_file_read, file, &trace);
    if (error == MAILMOD_OK) {
        error = mailmod_trace_draw(trace, drawing, on_octets, NULL);
        (void)mailmod_trace_free(&trace);
    }
    return error == MAILMOD_OK ? EXIT_SUCCESS : control_failure("trace", error);
}

int control_trace(struct control *control)
{
    const char *path = control->word_count == 1 ? control->words[0] : NULL;
    if (path == NULL) {
        return control_usage("trace FILE, or trace - for standard input");
    }
    int is_input = strcmp(path, "-") == 0;
    FILE *file = is_input ? stdin : terminal_open(path);
    if (file == NULL) {
        fprintf(stderr, "mailmodctl: %s: %s\n", path, strerror(errno));
        return EXIT_FAILURE;
    }
    int code = draw(file, control->draws_graph ? MAILMOD_TRACE_DOT
                                               : MAILMOD_TRACE_TEXT);
    if (!is_input) {
        (void)fclose(file);
    }
    return code;
}
