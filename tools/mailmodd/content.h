/* content.h - what content.command says of each message. */
#ifndef MAILMODD_CONTENT_H
#define MAILMODD_CONTENT_H

#include "mailmod.h"

/* From now on by the settings that there are: with a command each message is
 * shown to it. */
enum mailmod_error content_begin(mailmod *instance);

#endif
