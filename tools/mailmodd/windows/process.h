/* process.h - what the files of this folder share. */
#ifndef MAILMODD_WINDOWS_PROCESS_H
#define MAILMODD_WINDOWS_PROCESS_H

#include "../system.h"

#include <windows.h>

#define SERVICE_NAME L"mailmodd"
#define SERVICE_ACCOUNT L"NT SERVICE\\mailmodd"

typedef int (*program)(int argc, char **argv);

/* UTF-8 to wide on the heap, free() it; NULL without memory. */
WCHAR *wide_of(const char *text);

/* events.c */
int events_open(void);
void events_stop(void);
void events_reload(void);
void events_listen_to_console(void);

/* log.c: as a service without a file, to the event log. */
void log_open_event_log(void);

/* folder.c: its name, 0 when it fits; an error of the system, 0 for none */
int folder_name(WCHAR *folder, DWORD size);
DWORD folder_make(void);

/* service.c */
int service_install(int argc, char **argv);
int service_remove(void);
int service_run(int argc, char **argv, program run);

#endif
