/* fake_io.h - io.h on virtual time, for the client's tests: a clock that moves
 * when nothing is left to do, name servers and mail hosts that follow a script.
 *
 * One world a test: fake_open() to fake_close(). The store beside it is real;
 * fake_run() waits for its writer before it lets time go on. */
#ifndef MM_TEST_FAKE_IO_H
#define MM_TEST_FAKE_IO_H

#include "io/io.h"
#include "store/store.h"

#define FAKE_WALL_MS INT64_C(1800000000000)

/* The store is waited for; may be NULL. */
void fake_open(struct mm_store *store);
void fake_close(void);
struct mm_loop *fake_loop(void);
struct mm_workers *fake_workers(void);
const struct mm_log *fake_log(void);
void fake_log_from(enum mm_log_level level); /* DEBUG at first */
/* What was logged, rendered, one line each. */
const char *fake_log_text(void);

/* Runs until nothing is left that happens before `for_ms` from now, then the
 * clock stands there. */
void fake_run(uint64_t for_ms);
uint64_t fake_now_ms(void);
void fake_shift_wall(int64_t by_ms); /* somebody sets the clock */
void fake_set_workers_full(bool is_full);
/* The n-th allocation that the client or the store makes inside fake_run()
 * from now fails; 0 switches it off. The fake's own never do. */
void fake_fail_allocation(unsigned long number);
bool fake_has_failed_allocation(void);

/* "10 mx1.example.net, 20 mx2.example.net"; "0 ." is the null MX. */
void fake_dns_mx(const char *name, const char *records);
/* One record more; `host` "" as of the root. */
void fake_dns_srv(const char *name, unsigned priority, unsigned weight,
                  unsigned port, const char *host);
/* "192.0.2.1, 2001:db8::1": each goes to its family; a family without any
 * answers DNS_NO_DATA. */
void fake_dns_addresses(const char *name, const char *addresses);
/* Every question for the name, or for one type: 'M', '4', '6', 0 all. */
void fake_dns_error(const char *name, char type, enum mailmod_error error);
/* Nobody answers for 20 s, then TIMEOUT. */
void fake_dns_silence(const char *name);
/* Unknown names answer DNS_NO_NAME. */
unsigned fake_dns_questions(void);

enum fake_deed {
    FAKE_REPLY,
    FAKE_REPLY_AND_CLOSE,
    FAKE_CLOSE,  /* without a word */
    FAKE_SILENCE /* never answers */
};
/* The first rule whose prefix fits and whose `times` are not used up answers
 * instead of the standard. Commands: as they come; ".": the end of a body;
 * "": the greeting; "*": every octet of the body (a close in mid-DATA). */
struct fake_rule {
    const char *command;
    const char *reply; /* with its CRLFs */
    enum fake_deed deed;
    unsigned times; /* 0: always */
    uint64_t delay_ms;
};
struct fake_host {
    const char *address; /* "192.0.2.1:25", "[2001:db8::1]:25" */
    enum { FAKE_SERVES, FAKE_REFUSES, FAKE_HANGS } manner;
    bool fails_tls;
    unsigned open_max;      /* connections at once, then 421; 0: no limit */
    const char *extensions; /* EHLO lines after the first: "PIPELINING|SIZE" */
    struct fake_rule rules[8];
};
/* The host is copied with its pointers. Unknown addresses refuse. */
void fake_add_host(const struct fake_host *host);
void fake_remove_hosts(void);
/* From the message after `count` on, a connection to it gets `rule`. */
void fake_limit_session(const char *address, unsigned count,
                        const struct fake_rule *rule);

/* What clients said to the host (or to all, NULL), a line each. */
const char *fake_said(const char *address);
void fake_forget(void);
/* Connections opened to it, or to all. */
unsigned fake_connections(const char *address);
unsigned fake_open_connections(void);
/* Bodies that the host took with 2xx, and the last one, unstuffed. */
unsigned fake_taken(const char *address);
const char *fake_body(void);
/* Ends an idle or running connection from the host's side. */
void fake_drop_connections(void);

#endif
