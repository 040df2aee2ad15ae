/* outbound_settings.h - configurations for the client's tests. */
#ifndef MM_TEST_CLIENT_SETTINGS_H
#define MM_TEST_CLIENT_SETTINGS_H

#include "config/config.h"

/* Defaults with the host name "here.example.org", the local domain
 * "example.org" and `settings`: "key=value" texts, ended by NULL. */
struct mm_config *test_config(const char *const *settings);

#endif
