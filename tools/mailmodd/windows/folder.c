/* folder.c - the service's own folder, %ProgramData%\mailmod.
 *
 * Every user may read what lies in ProgramData, so this folder inherits
 * nothing: full access for the service's account, the system and the
 * administrators, handed on to all that comes to lie in it. */
#include "process.h"

#include <aclapi.h>
#include <sddl.h>
#include <stdio.h>
#include <string.h>

/* A SID as text: S-1-, 15 numbers at most, hyphens. */
enum { SID_TEXT_MAX = 200, RIGHTS_MAX = 320 };

int folder_name(WCHAR *folder, DWORD size)
{
    DWORD used =
        ExpandEnvironmentStringsW(L"%ProgramData%\\mailmod", folder, size);
    return used > 0 && used <= size && folder[0] != L'%' ? 0 : -1;
}

/* The account's SID as text; 0 when the system knows the account. */
static int find_account(char text_out[SID_TEXT_MAX])
{
    BYTE sid[SECURITY_MAX_SID_SIZE];
    DWORD sid_size = sizeof sid;
    WCHAR domain[256];
    DWORD domain_size = sizeof domain / sizeof domain[0];
    SID_NAME_USE use;
    char *text;
    if (!LookupAccountNameW(NULL, SERVICE_ACCOUNT, sid, &sid_size, domain,
                            &domain_size, &use) ||
        !ConvertSidToStringSidA(sid, &text)) {
        return -1;
    }
    snprintf(text_out, SID_TEXT_MAX, "%s", text);
    (void)LocalFree(text);
    return 0;
}

/* P: inherits nothing; OI, CI: handed on to files and folders; FA: all. */
static void describe_rights(char text_out[RIGHTS_MAX])
{
    int size = snprintf(text_out, RIGHTS_MAX, "%s",
                        "D:P(A;OICI;FA;;;SY)(A;OICI;FA;;;BA)");
    char account[SID_TEXT_MAX];
    if (find_account(account) == 0) {
        snprintf(text_out + size, RIGHTS_MAX - (size_t)size, "(A;OICI;FA;;;%s)",
                 account);
    } else {
        fprintf(stderr,
                "mailmodd: the system does not know the account %ls: "
                "give it access to its folder\n",
                SERVICE_ACCOUNT);
    }
}

static DWORD set_rights(WCHAR *folder)
{
    char text[RIGHTS_MAX];
    describe_rights(text);
    PSECURITY_DESCRIPTOR rights;
    if (!ConvertStringSecurityDescriptorToSecurityDescriptorA(
            text, SDDL_REVISION_1, &rights, NULL)) {
        return GetLastError();
    }
    DWORD number = ERROR_INVALID_SECURITY_DESCR;
    ACL *list;
    BOOL is_there;
    BOOL is_default;
    if (GetSecurityDescriptorDacl(rights, &is_there, &list, &is_default) &&
        is_there) {
        /* Hands it on to what lies in the folder already. */
        number = SetNamedSecurityInfoW(folder, SE_FILE_OBJECT,
                                       DACL_SECURITY_INFORMATION |
                                           PROTECTED_DACL_SECURITY_INFORMATION,
                                       NULL, NULL, list, NULL);
    }
    (void)LocalFree(rights);
    return number;
}

DWORD folder_make(void)
{
    WCHAR folder[MAX_PATH];
    if (folder_name(folder, MAX_PATH) != 0) {
        return ERROR_ENVVAR_NOT_FOUND;
    }
    if (!CreateDirectoryW(folder, NULL) &&
        GetLastError() != ERROR_ALREADY_EXISTS) {
        return GetLastError();
    }
    return set_rights(folder);
}
