/* thread: any (the test's, but for mm_loop_post)
 * fake_io.h - io.h on virtual time, for the server's tests: peers that connect,
 * say and hear; a clock that moves when nothing is left to do.
 *
 * One world a test: fake_open() to fake_close(). The store beside it is real:
 * fake_run() waits for its writer before it lets time go on, unless the test
 * holds the writer. */
#ifndef MM_TEST_SERVER_FAKE_IO_H
#define MM_TEST_SERVER_FAKE_IO_H

#include "io/io.h"
#include "store/store.h"

#define FAKE_WALL_MS INT64_C(1800000000000)
#define FAKE_PORT_FIRST 40000

void fake_open(struct mm_store *store); /* NULL: there is none to wait for */
void fake_close(void);
struct mm_loop *fake_loop(void);
struct mm_workers *fake_workers(void);
const struct mm_log *fake_log(void);
const char *fake_log_text(void); /* rendered, one line each */

/* Runs until nothing is left that happens before `for_ms` from now, then the
 * clock stands there. */
void fake_run(uint64_t for_ms);
/* One round of what is posted; for tests that are the loop themselves. */
bool fake_run_tasks(void);
uint64_t fake_now_ms(void);
void fake_set_workers_full(bool is_full);
void fake_hold_jobs(bool holds); /* they wait, as if on a slow worker */
void fake_set_store_held(bool is_held);
/* Runs a job and keeps it until fake_release_store(). */
void fake_hold_store(struct mm_store *store);
void fake_release_store(void);

struct fake_peer {
    struct mm_conn *conn; /* NULL once it is closed */
    struct mm_buf heard;
    size_t mark; /* what fake_heard() has shown already */
    bool is_closed;
    enum mailmod_error reason;
    bool is_tls;
    bool has_lenient_tls; /* TLS 1.0 may be spoken */
    bool reads_nothing;
    bool fails_tls;
    const char *certificate; /* whom it names; NULL: it has none */
    bool is_asked_for_certificate;
};

/* From "192.0.2.1:4000" to the listener with this port. */
void fake_connect(struct fake_peer *peer, unsigned port, const char *from);
void fake_say(struct fake_peer *peer, const char *text);
void fake_say_octets(struct fake_peer *peer, const char *octets, size_t size);
/* What came since the last call. */
const char *fake_heard(struct fake_peer *peer);
/* Says, runs a moment, gives what came. */
const char *fake_talk(struct fake_peer *peer, const char *text);
void fake_hang_up(struct fake_peer *peer);
void fake_forget_peer(struct fake_peer *peer);
unsigned fake_listener_count(void);

/* The answer to questions for a name, "127.0.0.2" or an error. */
void fake_dns_say(const char *name, enum mailmod_error error,
                  const char *address, uint64_t delay_ms);
/* The TXT record of the last name. */
void fake_dns_say_text(const char *text);
unsigned fake_dns_asked(void); /* for addresses */
/* Checks that no question and no resolver is left. */
void fake_dns_forget(void);

#endif
