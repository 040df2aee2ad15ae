/* thread: any (the test's)
 * rig.h - a server with its store and users on the fake io, for tests of
 * sessions and of what they are made of. */
#ifndef MM_TEST_SERVER_RIG_H
#define MM_TEST_SERVER_RIG_H

#include "fake_world.h"
#include "people.h"
#include "server/server_internal.h"

enum {
    PORT_SMTP = 25,
    PORT_POP3 = 110,
    PORT_SUBMISSIONS = 465,
    PORT_SUBMISSION = 587,
    PORT_POP3S = 995
};

struct rig {
    struct mm_store *store;
    struct mm_config *config;
    struct mm_settings *settings;
    struct mm_post *post;
    struct mm_server *server;
    struct mm_loop *loop;
    struct mm_resolver *resolver;
    unsigned wakes;
    uint64_t alice, bob; /* mailboxes */
};

/* Users alice and bob. `hooks` may be NULL. */
void rig_open(struct rig *rig, const char *const *settings,
              const struct mm_hooks *hooks);
/* Checks that nothing is left: no session, no message in work. */
void rig_close(struct rig *rig);
/* Says it; what comes begins with `reply`. */
void rig_expect(struct fake_peer *peer, const char *text, const char *reply);
/* A message of carol@example.net with this body. */
void rig_deliver(struct rig *rig, uint64_t mailbox_id, const char *body);

/* A rig and two who may talk to it: the whole state of most tests of sessions.
 */
struct rig_talk {
    struct rig rig;
    struct fake_peer peer;
    struct fake_peer other;
};

struct rig_talk *rig_talk_open(const char *const *settings);
int rig_talk_end(void **state);

size_t rig_entries(struct rig *rig, uint64_t mailbox_id);
/* The newest message of a mailbox, as stored; "" when there is none. */
const char *rig_newest(struct rig *rig, uint64_t mailbox_id,
                       struct mm_buf *text_out);
size_t rig_recipients(struct rig *rig);
#endif
