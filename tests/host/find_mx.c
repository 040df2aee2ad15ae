/* find_mx.c - the mail hosts of a domain.
 *
 * find_mx CONFIG DOMAIN SIZE: at most SIZE of them, by preference, first those
 * that the documented structure has room for, then in full. A host program: it
 * may print. */
#include "show.h"

#include <stdlib.h>

#define HOSTS_MAX 20

static void show_hosts(const char *domain, int size)
{
    static struct MailHostInfo hosts[HOSTS_MAX];
    int count = FindMX(domain, hosts, size);

    if (count == 0) {
        printf("host none %d\n", SRVLastError());
    }
    for (int i = 0; i < count; i++) {
        printf("host %d %s", hosts[i].prior, hosts[i].name);
        for (int k = 0; k < 12 && hosts[i].ip[k] != 0; k++) {
            const unsigned char *ip = (const unsigned char *)&hosts[i].ip[k];

            printf(" %d.%d.%d.%d", ip[0], ip[1], ip[2], ip[3]);
        }
        printf("\n");
    }
}

static void show_full_hosts(const char *domain, int size)
{
    static struct MailHostInfoFull hosts[HOSTS_MAX];
    int count = FindMXFull(domain, hosts, size);

    for (int i = 0; i < count; i++) {
        printf("full %d %s", hosts[i].prior, hosts[i].name);
        for (int k = 0; k < hosts[i].address_count; k++) {
            printf(" %s", hosts[i].address[k]);
        }
        printf("\n");
    }
}

int main(int argc, char **argv)
{
    int size;

    show_lines_at_once();
    if (argc != 4 || LoadConfig(argv[1]) != 0) {
        return show_failure("LoadConfig");
    }
    size = (int)strtol(argv[3], NULL, 10);
    if (size > HOSTS_MAX) {
        return 2;
    }
    show_hosts(argv[2], size);
    show_full_hosts(argv[2], size);
    return SRVShutdown() == 0 ? 0 : show_failure("SRVShutdown");
}
