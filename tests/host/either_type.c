/* either_type.c - C11's SetConfigParam takes an int and a text alike, and the
 * names as they are spelled rightly are the documented ones.
 *
 * either_type CONFIG. A host program: it may print. */
#include "show.h"

#include <string.h>

/* Through memory: a compiler that sees two names may take it for granted that
 * they are two functions. */
static int is_same(ServerStream (*volatile one)(const char *, const char *,
                                                MsgCallback, void *),
                   ServerStream (*volatile other)(const char *, const char *,
                                                  MsgCallback, void *))
{
    return one == other;
}

static int check(int is_right, const char *what)
{
    printf("%s: %s\n", what, is_right ? "right" : "wrong");
    return is_right ? 0 : 1;
}

int main(int argc, char **argv)
{
    char name[] = "a.test"; /* an array, not a const char * */
    const short few = 12;
    int wrong = 0;

    if (argc != 2 || LoadConfig(argv[1]) != 0) {
        return show_failure("LoadConfig");
    }
    SetConfigParam("general.host_name", name);
    wrong += check(strcmp(GetConfigParamStr("general.host_name"), name) == 0,
                   "an array of char");
    SetConfigParam("general.host_name", "b.test");
    wrong +=
        check(strcmp(GetConfigParamStr("general.host_name"), "b.test") == 0,
              "a text");
    SetConfigParam("smtp.recipients_max", 111);
    wrong += check(GetConfigParamInt("smtp.recipients_max") == 111, "an int");
    SetConfigParam("smtp.recipients_max", few);
    wrong += check(GetConfigParamInt("smtp.recipients_max") == 12, "a short");
    (SetConfigParam)("smtp.recipients_max", "99"); /* the symbol itself */
    wrong += check(GetConfigParamInt("smtp.recipients_max") == 99,
                   "the function behind the macro");
    wrong +=
        check(is_same(SRVInitSendMsgImidiatly, SRVInitSendMsgImmediately) &&
                  is_same(SRVInitSendMsgBackgaund, SRVInitSendMsgBackground),
              "one address under both spellings");
    SRVShutdown();
    return wrong;
}
