/* config.c - settings from code, from a file and by their old names. */
#include <mailmod/srv.h>
#include <stdio.h>

int main(void)
{
#include "code.inc"

    puts("--");
#include "file.inc"

    printf("-- %d\n", GetConfigParamInt("smtp.recipients_max"));
#include "old.inc"

    printf("%d %s\n", GetConfigParamInt("smtp.message_size_max"),
           GetConfigParamStr("pop3.listen"));
    return SRVShutdown() == 0 ? 0 : 1;
}
