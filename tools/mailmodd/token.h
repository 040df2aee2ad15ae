/* token.h - tokens to log in elsewhere with, from fetch.token_command and
 * smarthost.token_command. */
#ifndef MAILMODD_TOKEN_H
#define MAILMODD_TOKEN_H

#include "mailmod.h"

/* Fits mailmod_on_token; `context` is the instance. */
enum mailmod_error token_get(void *context,
                             const struct mailmod_token_question *question,
                             char *token_out, size_t size);

#endif
