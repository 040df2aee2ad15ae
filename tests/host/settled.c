/* settled.c - a host that changes its folder, and its settings by mistake.
 *
 * settled CONFIG OTHER_FOLDER: starts on relative names, goes to the other
 * folder, and changes settings there; a file that is not there, one that cannot
 * be read, and values that do not fit. Prints what went wrong, one a line.
 * A host program: it may print. */
#include "show.h"

#include <string.h>
#include <unistd.h>

static int mistakes;

static void expect(int is_right, const char *what)
{
    if (!is_right) {
        mistakes++;
        printf("wrong: %s: %d %s\n", what, SRVLastError(), SRVLastErrorText());
    }
}

static int is(const char *key, const char *value)
{
    const char *text = GetConfigParamStr(key);

    return text != NULL && strcmp(text, value) == 0;
}

static void try_files(void)
{
    expect(LoadConfig("none.cfg") < 0 &&
               SRVLastError() == MAILMOD_ERROR_NOT_FOUND,
           "a missing file is NOT_FOUND");
    expect(strstr(SRVLastErrorText(), "none.cfg") != NULL, "it is named");
    expect(LoadConfig(".") < 0 && SRVLastError() == MAILMOD_ERROR_CONFIG,
           "a folder is CONFIG");
}

int main(int argc, char **argv)
{
    show_lines_at_once();
    if (argc != 3 || LoadConfig(argv[1]) != 0) {
        return show_failure("LoadConfig");
    }
    try_files();
    SetConfigParam("general.data_folder", "here");
    SetConfigParam("queue.lifetime", 3600);
    expect(SRVLastError() == 0, "queue.lifetime alone");
    if (SetSMTPServer(NULL, -1, ALL_ACTIONS) != 0) {
        return show_failure("the server");
    }
    expect(chdir(argv[2]) == 0, "chdir");
    SetConfigParam("smtp.errors_max", 7);
    expect(SRVLastError() == 0, "a change after chdir");
    expect(is("smtp.errors_max", "7"), "it is shown");
    expect(mailmod_user_add(SRVInstance(), "anna", "secret", 0) == MAILMOD_OK,
           "a user after chdir");
    SetConfigParam("smarthost.authority_file", "none.pem");
    expect(SRVLastError() != 0, "a file that is not there");
    expect(is("smarthost.authority_file", ""), "it is not shown");
    SetConfigParam("queue.warn_after", "2h");
    expect(SRVLastError() == MAILMOD_ERROR_CONFIG, "it does not fit");
    expect(strstr(SRVLastErrorText(),
                  "queue.warn_after: 2h is not below queue.lifetime, which is "
                  "1h") != NULL,
           "it is told");
    SetConfigParam("queue.warn_after", "10m");
    expect(SRVLastError() == 0, "it fits");
    show_ports();
    wait_for_end_of_input();
    expect(SRVShutdown() == 0, "SRVShutdown");
    return mistakes;
}
