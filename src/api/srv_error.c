/* srv_error.c - the last error of the SRV* calls, and the version.
 *
 * Owns: one number a thread. Promises: every SRV* call that can fail notes its
 * outcome here as its last act, so that 0 means the call before went well. The
 * words are those of mailmod_last_error_text().
 * Thread: any. */
#include "api/srv_state.h"

static _Thread_local enum mailmod_error last_error;

enum mailmod_error mm_srv_note(enum mailmod_error error)
{
    last_error = error;
    return error;
}

int SRVLastError(void)
{
    return last_error;
}

const char *SRVLastErrorText(void)
{
    return last_error == MAILMOD_OK ? mailmod_error_text(MAILMOD_OK)
                                    : mailmod_last_error_text();
}

const char *SRVVersion(void)
{
    return mailmod_version();
}
