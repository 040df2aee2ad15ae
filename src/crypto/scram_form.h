/* thread: any
 * scram_form.h - the text of SCRAM's messages, for scram's own files alone. */
#ifndef MM_CRYPTO_SCRAM_FORM_H
#define MM_CRYPTO_SCRAM_FORM_H

#include "crypto/scram.h"

/* One message; real ones have some 200 octets. A name of 255 octets that are
 * all escaped, twice (with an authorization identity), is 1530. */
#define MM_SCRAM_MESSAGE_MAX 4096
/* The nonce that we make: 18 octets in base64. */
#define MM_SCRAM_NONCE_SIZE 24

/* Takes "<name>=<value>" up to the next comma; false when the text does not
 * begin with that attribute or its value is empty, no UTF-8 or has NUL. */
bool mm_scram_take(struct mm_span *text, char name, struct mm_span *value_out);
/* Each of the rest has the form of an attribute (RFC 5802 7, extensions);
 * true for an empty text. */
bool mm_scram_are_extensions(struct mm_span text);
/* nonce: printable ASCII without a comma, not empty. */
bool mm_scram_is_nonce(struct mm_span text);
/* A name or password that we take: UTF-8, not empty, no controls. */
bool mm_scram_is_credential(struct mm_span text);

/* saslname: "," and "=" written as "=2C" and "=3D". */
enum mailmod_error mm_scram_encode_name(struct mm_buf *out,
                                        struct mm_span name);
enum mailmod_error mm_scram_decode_name(struct mm_span text, char *name_out,
                                        size_t size);
/* Base64 of exactly `size` octets. */
bool mm_scram_decode_exact(struct mm_span text, uint8_t *bytes_out,
                           size_t size);
enum mailmod_error mm_scram_append_nonce(struct mm_buf *out,
                                         const uint8_t random[18]);

#endif
