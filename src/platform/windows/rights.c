/* rights.c - rights of new files and folders that are for the owner alone.
 *
 * The counterpart of modes 0700 and 0600: an access list that inherits nothing
 * from the folder above (what lies in ProgramData can be read by every user)
 * and names the user of this process, the system and the administrators, who
 * could take what they are not given. Owns the descriptor between open and
 * close.
 * Thread: any. */
#include "base/mem.h"
#include "platform/windows/system.h"

#include <sddl.h>
#include <stdio.h>
#include <string.h>

/* A SID of 15 sub-authorities, S-1-<48 bits>-<32 bits>..., and the rest. */
enum { RIGHTS_SIZE = 320 };

static enum mailmod_error read_user(TOKEN_USER **user_out)
{
    HANDLE token;
    if (!OpenProcessToken(GetCurrentProcess(), TOKEN_QUERY, &token)) {
        return mm_windows_error(GetLastError());
    }
    enum mailmod_error error = MAILMOD_OK;
    DWORD size = 0;
    (void)GetTokenInformation(token, TokenUser, NULL, 0, &size);
    TOKEN_USER *user = mm_alloc(size > 0 ? size : 1);
    if (user == NULL) {
        error = MAILMOD_ERROR_MEMORY;
    } else if (!GetTokenInformation(token, TokenUser, user, size, &size)) {
        error = mm_windows_error(GetLastError());
        mm_free(user);
    } else {
        *user_out = user;
    }
    (void)CloseHandle(token);
    return error;
}

/* The access list in the system's own words: D for it, P for no inheritance;
 * A allows, OI and CI hand it on to files and folders, FA is full access. */
static enum mailmod_error describe(WCHAR text_out[RIGHTS_SIZE])
{
    static const char form[] = "D:P(A;OICI;FA;;;%ls)(A;OICI;FA;;;SY)"
                               "(A;OICI;FA;;;BA)";
    TOKEN_USER *user = NULL;
    char text[RIGHTS_SIZE];
    enum mailmod_error error = read_user(&user);
    if (error != MAILMOD_OK) {
        return error;
    }
    WCHAR *sid;
    if (!ConvertSidToStringSidW(user->User.Sid, &sid)) {
        error = mm_windows_error(GetLastError());
        goto done;
    }
    int length = snprintf(text, sizeof text, form, sid);
    (void)LocalFree(sid);
    if (length < 0 || length >= RIGHTS_SIZE ||
        MultiByteToWideChar(CP_UTF8, 0, text, -1, text_out, RIGHTS_SIZE) == 0) {
        error = MAILMOD_ERROR_SYSTEM;
    }
done:
    mm_free(user);
    return error;
}

enum mailmod_error mm_windows_private_open(struct mm_windows_private *rights)
{
    memset(rights, 0, sizeof *rights);
    WCHAR text[RIGHTS_SIZE];
    enum mailmod_error error = describe(text);
    if (error != MAILMOD_OK) {
        return error;
    }
    rights->attributes.nLength = sizeof rights->attributes;
    if (!ConvertStringSecurityDescriptorToSecurityDescriptorW(
            text, SDDL_REVISION_1, &rights->attributes.lpSecurityDescriptor,
            NULL)) {
        return mm_windows_error(GetLastError());
    }
    return MAILMOD_OK;
}

void mm_windows_private_close(struct mm_windows_private *rights)
{
    (void)LocalFree(rights->attributes.lpSecurityDescriptor);
    rights->attributes.lpSecurityDescriptor = NULL;
}
