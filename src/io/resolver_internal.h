/* thread: loop (resolver_answer.c and hosts_file.c: any)
 * resolver_internal.h - between the resolver, its channels of c-ares and the
 * readers of answers and of the hosts file. */
#ifndef MM_IO_RESOLVER_INTERNAL_H
#define MM_IO_RESOLVER_INTERNAL_H

#include "base/limits.h"
#include "base/list.h"
#include "io/io.h"

/* RFC 1035 3.2.2 and 3.3.14, RFC 3596 2.1, RFC 2782. */
enum mm_dns_type {
    MM_DNS_A = 1,
    MM_DNS_MX = 15,
    MM_DNS_TXT = 16,
    MM_DNS_AAAA = 28,
    MM_DNS_SRV = 33
};

/* What an answer came to; only the part of the question's type is used. */
struct mm_dns_result {
    enum mailmod_error error;
    size_t count;
    struct mm_mx *hosts;            /* MM_LIMIT_MX_HOSTS at most */
    struct mm_srv_record *services; /* MM_LIMIT_MX_HOSTS at most */
    struct mm_netaddr *addresses;   /* MM_LIMIT_HOST_ADDRESSES at most */
    struct mm_buf text;             /* TXT; or the whole answer, as it came */
    bool is_authenticated; /* the server says so (AD, RFC 4035 3.2.3) */
};

void mm_dns_result_init(struct mm_dns_result *result);
void mm_dns_result_fini(struct mm_dns_result *result);
/* Reads an answer of the asked type; all that it holds is copied and
 * checked. */
void mm_dns_read_answer(struct mm_dns_result *result, enum mm_dns_type type,
                        const uint8_t *answer, size_t size);
/* Keeps the answer whole, and what its header says of it. */
void mm_dns_keep_answer(struct mm_dns_result *result, const uint8_t *answer,
                        size_t size);
/* Letters, digits, hyphens, underscores in labels of 1 to 63, 253 in all. A
 * final dot is allowed; `host_out` gets the name in lower case without it. */
bool mm_dns_is_name(struct mm_span name, char host_out[256]);

/* A hosts file's addresses of a host, in its order; how many there are, at
 * most `count_max`. Lines "address name alias...", "#" begins a comment. */
size_t mm_hosts_find(struct mm_span file, const char *host,
                     enum mm_netaddr_family family,
                     struct mm_netaddr *addresses_out, size_t count_max);
/* What is known of a host without the DNS. */
struct mm_dns_known {
    bool is_there; /* so no name server is asked, for the other family too */
    struct mm_netaddr addresses[MM_LIMIT_HOST_ADDRESSES];
    size_t count;
};
/* Literal addresses and "localhost". */
void mm_dns_find_known(struct mm_dns_known *known, const char *host,
                       enum mm_netaddr_family family);
/* `name` in the hosts file; `path` NULL: the system's. */
void mm_dns_read_hosts(struct mm_dns_known *known, const char *path,
                       const char *name, enum mm_netaddr_family family);

/* Of options.servers; at most MM_DNS_SERVERS_MAX. SYNTAX, LIMIT. */
#define MM_DNS_SERVERS_MAX 16
MM_CHECK enum mailmod_error
mm_dns_parse_servers(const char *text,
                     struct mm_netaddr servers_out[MM_DNS_SERVERS_MAX],
                     size_t *count_out);

/* What an answer's header says; OK where records follow. */
enum mailmod_error mm_dns_answer_error(const uint8_t *answer, size_t size);

struct mm_dns_stream;

/* One channel: c-ares with sockets of its own, or a stream; the servers of one
 * moment. Its questions finish on it when another one has taken its place. */
struct mm_dns_channel {
    struct mm_list node;
    void *ares;                   /* ares_channel; NULL with a stream */
    struct mm_dns_stream *stream; /* options.way */
    struct mm_loop *loop;
    struct mm_timer timer;
    struct mm_list polls;
    size_t users; /* questions that have no answer */
};
MM_CHECK enum mailmod_error
mm_dns_channel_open(struct mm_dns_channel **channel_out, struct mm_loop *loop,
                    const struct mm_resolver_options *options);
/* Every open question is answered CANCELLED in here. Never inside a callback
 * of c-ares. */
void mm_dns_channel_close(struct mm_dns_channel **channel);
/* `on_answer` as c-ares has it, perhaps inside these calls. With `is_whole`
 * the question asks for the AD bit, and an answer of any code is handed on. */
typedef void mm_on_dns_answer(void *context, enum mailmod_error error,
                              const uint8_t *answer, size_t size);
struct mm_dns_question {
    const char *name;
    unsigned type;
    bool is_whole;
    mm_on_dns_answer *on_answer;
    void *context;
    struct mm_dns_channel *channel; /* set by mm_dns_channel_ask */
};
MM_CHECK enum mailmod_error
mm_dns_channel_ask(struct mm_dns_channel *channel,
                   struct mm_dns_question *question);
/* For who carries the question: its end. */
void mm_dns_question_done(struct mm_dns_question *question,
                          enum mailmod_error error, const uint8_t *answer,
                          size_t size);

/* resolver_stream.c: questions over TCP, by a way of the owner's. */
MM_CHECK enum mailmod_error
mm_dns_stream_open(struct mm_dns_stream **stream_out, struct mm_loop *loop,
                   const struct mm_resolver_options *options);
/* What is open is answered CANCELLED in here. */
void mm_dns_stream_close(struct mm_dns_stream **stream);
/* Takes the octets of the question, whose id it chooses itself. */
MM_CHECK enum mailmod_error mm_dns_stream_ask(struct mm_dns_stream *stream,
                                              struct mm_dns_question *question,
                                              const uint8_t *octets,
                                              size_t size);

#endif
