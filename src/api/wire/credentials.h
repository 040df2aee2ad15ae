/* thread: any, one at a time for a conversation
 * credentials.h - what a client of the host's server shows to log in, whichever
 * way it says it: RFC 4616 (PLAIN), LOGIN, POP3's USER and PASS. */
#ifndef MM_API_WIRE_CREDENTIALS_H
#define MM_API_WIRE_CREDENTIALS_H

#include "base/limits.h"
#include "wire/sasl/sasl.h"

struct mm_wire_credentials {
    bool has_user;
    bool is_whole; /* a name and a password */
    char user[MM_LIMIT_USER_NAME + 1];
    char password[MM_LIMIT_PASSWORD + 1];
};

/* One message of an exchange by PLAIN or LOGIN; what is to be asked next unless
 * it is whole. False: it is none. */
bool mm_wire_credentials_take(struct mm_wire_credentials *credentials,
                              enum mm_sasl_mechanism mechanism, bool has_data,
                              struct mm_span data, const char **prompt_out);
/* A name and a password that came apart. */
bool mm_wire_credentials_set(struct mm_wire_credentials *credentials,
                             struct mm_span user, struct mm_span password);
void mm_wire_credentials_forget(struct mm_wire_credentials *credentials);

#endif
