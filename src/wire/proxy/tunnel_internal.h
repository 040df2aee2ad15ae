/* thread: any
 * tunnel_internal.h - between the tunnel and its three kinds. */
#ifndef MM_WIRE_PROXY_TUNNEL_INTERNAL_H
#define MM_WIRE_PROXY_TUNNEL_INTERNAL_H

#include "wire/proxy/tunnel.h"

struct mm_tunnel_protocol {
    /* Is there a way to say it? */
    enum mailmod_error (*check)(const struct mm_tunnel_options *options);
    enum mailmod_error (*begin)(struct mm_tunnel *tunnel);
    /* One octet of a reply, while the tunnel waits for it. */
    void (*take)(struct mm_tunnel *tunnel, char octet);
};
extern const struct mm_tunnel_protocol mm_tunnel_socks4a;
extern const struct mm_tunnel_protocol mm_tunnel_socks5;
extern const struct mm_tunnel_protocol mm_tunnel_http;

/* What a reply's code means. */
struct mm_tunnel_refusal {
    enum mm_tunnel_kind kind;
    unsigned code;
    enum mailmod_error error;
    const char *words;
};
/* Of a code that no table has: PROXY, and no words. */
const struct mm_tunnel_refusal *mm_tunnel_find_refusal(enum mm_tunnel_kind kind,
                                                       unsigned code);

bool mm_tunnel_is_by_name(const struct mm_tunnel_options *options);
bool mm_tunnel_has_login(const struct mm_tunnel_options *options);
/* The reply is read; the next one begins. */
void mm_tunnel_next_reply(struct mm_tunnel *tunnel);
void mm_tunnel_open(struct mm_tunnel *tunnel);
void mm_tunnel_fail(struct mm_tunnel *tunnel, enum mailmod_error error,
                    const char *format, ...) MM_PRINTF(3, 4);

#endif
