/* paramchange.c - asks the service mailmodd to read its settings anew, as
 * sc control mailmodd paramchange does where sc knows that word.
 * Thread: the main thread alone. */
#include <windows.h>

int main(void)
{
    SERVICE_STATUS status;
    SC_HANDLE manager = OpenSCManagerW(NULL, NULL, SC_MANAGER_CONNECT);
    SC_HANDLE service =
        OpenServiceW(manager, L"mailmodd", SERVICE_PAUSE_CONTINUE);
    return ControlService(service, SERVICE_CONTROL_PARAMCHANGE, &status) ? 0
                                                                         : 1;
}
