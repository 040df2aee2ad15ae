/* fetch.c - mail from elsewhere, in both faces. */
#include <mailmod/srv.h>
#include <stdio.h>

#include "functions.inc"

static void make_user(void)
{
    mailmod_user_add(SRVInstance(), "alice", "wonderland", 0);
}

static void receive(void)
{
#include "receive.inc"
}

static void keep_at_it(mailmod *mail)
{
#include "accounts.inc"
}

int main(void)
{
    SetConfigParam("local.domains", "example.com");
    make_user();
    receive();
    puts("--");
    keep_at_it(SRVInstance());
    return SRVShutdown() == 0 ? 0 : 1;
}
