/* users.c - makes a user, or gives her a new password, and serves POP3. */
#include <mailmod/srv.h>
#include <stdio.h>

static void make_user(void)
{
#include "calls.inc"
}

int main(void)
{
    SetConfigParam("local.domains", "example.com");
    make_user();
    make_user(); /* who exists now */
    if (SetPOP3Server(NULL, 2110, ALL_ACTIONS) != 0) {
        puts(SRVLastErrorText());
    }
    puts("serving");
    getchar();
    return SRVShutdown() == 0 ? 0 : 1;
}
