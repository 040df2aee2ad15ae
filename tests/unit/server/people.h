/* thread: any (the test's)
 * people.h - configurations, users and addresses, for tests of server and post.
 */
#ifndef MM_TEST_SERVER_PEOPLE_H
#define MM_TEST_SERVER_PEOPLE_H

#include "config/config.h"
#include "fake_world.h"
#include "wire/addr/address.h"

/* Local domain example.org, listeners on the ports above; `settings` are
 * "key=value" texts, ended by NULL, over the defaults. */
struct mm_config *rig_config(const char *const *settings);

/* Password "secret-" and the name, kept for APOP unless `keeps` is false. */
uint64_t rig_add_user(struct mm_store *store, const char *name, bool keeps);
void rig_remove_user(struct mm_store *store, const char *name);
/* As a tool does. */
void rig_change_user(struct mm_store *store, const char *name, bool is_disabled,
                     uint64_t quota);
void rig_set_password(struct mm_store *store, const char *name,
                      const char *password);
void rig_rename_user(struct mm_store *store, const char *name,
                     const char *new_name);
void rig_put_secret(struct mm_store *store, const char *name, const char *label,
                    const char *password);
void rig_remove_secret(struct mm_store *store, const char *name,
                       const char *label);

/* Of "<...>". */
struct mm_address rig_address(const char *text);

#endif
