/* srv.h - the documented SRV* callback API, misspelled names and all.
 *
 * A host program owns a mail system in a few lines: send with one of three
 * SRVInit... calls, SRVSend or SRVprintf, SRVEndOfMsg; receive with
 * SetSMTPServer; serve with SetPOP3Server. All of it acts on one default
 * instance, which starts at the first call that needs it and ends with
 * SRVShutdown. Each name is a few lines onto mailmod.h.
 *
 * Handles. A ServerStream is the pointer value that a SRVInit... call returned
 * or a callback was given. Every function takes it as such; NULL, a finished or
 * foreign handle, or the address of a handle gives the function's error result.
 *
 * Results. Functions without room for an error leave it for SRVLastError().
 *
 * C++ gets the documented default arguments and the SetConfigParam overloads,
 * C11 a SetConfigParam that takes int and string alike. */
#ifndef MAILMOD_SRV_H
#define MAILMOD_SRV_H

#include "mailmod.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef void *ServerStream;

/* What a callback is asked for; bits of a mask. */
#define ACTION_SMTP_CONNECT 1 /* before the greeting; reqname: the peer */
#define ACTION_SMTP_SENDMSG 2 /* before 354; reqname: reverse-path */
#define ACTION_POP_LOGIN 4    /* before the check; reqname: user name */
#define ACTION_POP_GETMSG 8   /* RETR, TOP; reqname: unique-id */
#define ACTION_POP_DELMSG 16  /* DELE; reqname: unique-id */
#define ALL_ACTIONS 31

/* Zero: go on. Below zero: the host has dealt with it. Above zero: refused; 400
 * to 599 is the reply code, anything else 554. Must be declared variadic. Extra
 * arguments: SENDMSG: const char *reverse_path, const char *recipients (split
 * by commas); GETMSG and DELMSG: unsigned message_number; else none. */
typedef int (*SMTPReqCallback)(ServerStream *stream, char *reqname, int action,
                               ...);

#define STATE_SMTP_FINDHOST 1
#define STATE_SMTP_CONNECTING 2
#define STATE_SMTP_DIALOG 3
#define STATE_SMTP_SENDING 4
#define STATE_SMTP_DONE 5 /* exactly once; SRVGetResult has the outcome */

typedef void (*MsgCallback)(ServerStream *stream, void *usr_par, int state,
                            int sent); /* `sent` stops at INT_MAX */

struct MailHostInfo {
    char name[64]; /* longer names are left out: FindMXFull has them */
    int prior;
    uint32_t ip[12]; /* network order; unused: 0 */
};
#ifndef __cplusplus
typedef struct MailHostInfo MailHostInfo;
#endif

#ifdef __cplusplus
#define MAILMOD_DEFAULT(value) = value
#else
#define MAILMOD_DEFAULT(value)
#endif

/* ---- sending: NULL on error ---------------------------------------------- */

/* Straight to the recipient's MX hosts, one try, nothing on disk. Without a
 * callback SRVEndOfMsg waits for the outcome. */
MAILMOD_API ServerStream
SRVInitSendMsgImidiatly(const char *from, const char *to,
                        MsgCallback callback MAILMOD_DEFAULT(NULL),
                        void *callback_param MAILMOD_DEFAULT(NULL));
MAILMOD_API ServerStream
SRVInitSendMsgImmediately(const char *from, const char *to,
                          MsgCallback callback MAILMOD_DEFAULT(NULL),
                          void *callback_param MAILMOD_DEFAULT(NULL));
/* Through an external SMTP server. */
MAILMOD_API ServerStream SRVInitSendMsgSMTP(
    const char *from, const char *to, const char *smtp_host,
    int port MAILMOD_DEFAULT(25), MsgCallback callback MAILMOD_DEFAULT(NULL),
    void *callback_param MAILMOD_DEFAULT(NULL));
/* Through the queue: on disk when SRVEndOfMsg returns, retried for 24 hours.
 * DONE comes when it was delivered or given up. */
MAILMOD_API ServerStream
SRVInitSendMsgBackgaund(const char *from, const char *to,
                        MsgCallback callback MAILMOD_DEFAULT(NULL),
                        void *callback_param MAILMOD_DEFAULT(NULL));
MAILMOD_API ServerStream
SRVInitSendMsgBackground(const char *from, const char *to,
                         MsgCallback callback MAILMOD_DEFAULT(NULL),
                         void *callback_param MAILMOD_DEFAULT(NULL));
/* Ends the message and the stream; its outcome stays readable by SRVGetResult
 * on this thread until its next SRVEndOfMsg. */
MAILMOD_API void SRVEndOfMsg(ServerStream stream);

/* ---- serving: zero, or below zero on failure -------------------------------
 */

/* Port 0: the configured one; below 0: any free one, told by SRVGetPort. A
 * second call replaces callback and mask, and the port if it differs. */
MAILMOD_API int SetSMTPServer(SMTPReqCallback callback MAILMOD_DEFAULT(NULL),
                              int port MAILMOD_DEFAULT(0),
                              int mask MAILMOD_DEFAULT(ALL_ACTIONS));
MAILMOD_API int SetPOP3Server(SMTPReqCallback callback MAILMOD_DEFAULT(NULL),
                              int port MAILMOD_DEFAULT(0),
                              int mask MAILMOD_DEFAULT(ALL_ACTIONS));
MAILMOD_API int SRVStopSMTPServer(void);
MAILMOD_API int SRVStopPOP3Server(void);
/* Drains and frees the default instance; the queue stays on disk. The next call
 * begins anew. Not from a callback. */
MAILMOD_API int SRVShutdown(void);
MAILMOD_API int SRVGetPort(const char *service); /* as mailmod_port */

/* ---- streams: octets moved, 0 on error or at the end -----------------------
 */

MAILMOD_API int SRVSend(ServerStream stream, const void *bufer, int size);
MAILMOD_API int SRVprintf(ServerStream stream, const char *format, ...);
/* In ACTION_SMTP_SENDMSG: the body, dots unstuffed. */
MAILMOD_API int SRVRecv(ServerStream stream, void *bufer, int size);

/* ---- the connection of a callback's stream ----------------------------------
 */

/* NULL without a login. The texts live as long as the stream. */
MAILMOD_API char *GetAUTHName(ServerStream stream);
MAILMOD_API char *GetAUTHPassw(ServerStream stream);
/* IPv4 in network order in the low 32 bits; 0 for IPv6. */
MAILMOD_API unsigned long GetRemoteIP(ServerStream stream);
/* Copies a sockaddr_in or sockaddr_in6, returns its length; negated when
 * `buflen` is too small; 0 on error. */
MAILMOD_API int GetRemoteAddr(ServerStream stream, void *addr, int buflen);
/* For options and inspection only; -1 without one, or (64-bit Windows) when
 * the handle does not fit an int. */
MAILMOD_API int GetSocket(ServerStream stream);

/* ---- names
 * -------------------------------------------------------------------- */

/* MX hosts by preference, at most `size`; without MX records the domain itself
 * with preference 0 when it has an address; 0: none (the last error says why,
 * null MX included). Waits for the name server. */
MAILMOD_API int FindMX(const char *domain, struct MailHostInfo *ret, int size);
struct MailHostInfoFull {
    char name[256];
    int prior;
    int address_count;
    char address[16][64]; /* IPv4 and IPv6 as text */
};
MAILMOD_API int FindMXFull(const char *domain, struct MailHostInfoFull *ret,
                           int size);

/* ---- configuration
 * ---------------------------------------------------------------- */

/* NULL: "mailmod.cfg". Zero, or below zero and nothing changed. */
MAILMOD_API int LoadConfig(const char *filename MAILMOD_DEFAULT(NULL));
MAILMOD_API void SetConfigParamString(const char *param, const char *val);
MAILMOD_API void SetConfigParamInt(const char *param, int val);
/* The same with a result: zero, or below zero. */
MAILMOD_API int SRVSetConfigParam(const char *param, const char *val);
/* 0 and a last error for unknown names and texts. */
MAILMOD_API int GetConfigParamInt(const char *param);
/* NULL and a last error for unknown names. Lives until the thread's next call.
 */
MAILMOD_API char *GetConfigParamStr(const char *param);
/* As documented: in spite of its name it gets, like GetConfigParamStr. */
MAILMOD_API char *SetConfigParamStr(const char *param);

/* ---- what the page forgot
 * ------------------------------------------------------------ */

/* The last error of a SRV* call on this thread, 0 after a success. */
MAILMOD_API int SRVLastError(void);
MAILMOD_API const char *SRVLastErrorText(void);
/* The outcome for recipient `index` of a stream in DONE's callback, or of this
 * thread's last SRVEndOfMsg (stream NULL). Zero, or below zero past the last.
 */
MAILMOD_API int SRVGetResult(ServerStream stream, int index,
                             struct mailmod_result *result);
MAILMOD_API const char *SRVVersion(void);
MAILMOD_API int SRVSetLog(mailmod_on_log on_log, void *context);
/* The default instance, for the calls of mailmod.h. NULL on failure. */
MAILMOD_API mailmod *SRVInstance(void);

#ifndef MAILMOD_NO_SETCONFIGPARAM_MACRO
#ifndef __cplusplus
/* The exported symbol takes a text; see the macro or the overloads for int. */
MAILMOD_API void SetConfigParam(const char *param, const char *val);
#if defined(__STDC_VERSION__) && __STDC_VERSION__ >= 201112L
#define SetConfigParam(param, val)                                             \
    _Generic((val), char *                                                     \
             : SetConfigParamString, const char *                              \
             : SetConfigParamString, default                                   \
             : SetConfigParamInt)(param, val)
#endif
#endif
#endif

#ifdef __cplusplus
}

inline void SetConfigParam(const char *param, int val)
{
    SetConfigParamInt(param, val);
}

inline void SetConfigParam(const char *param, const char *val)
{
    SetConfigParamString(param, val);
}
#endif

#endif
