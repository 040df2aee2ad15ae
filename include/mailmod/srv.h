/* srv.h - the documented SRV* callback API, misspelled names and all.
 *
 * A host program owns a mail system in a few lines: send with one of three
 * SRVInit... calls, SRVSend or SRVprintf, SRVEndOfMsg; receive with
 * SetSMTPServer; serve with SetPOP3Server; let callbacks decide. Each name is a
 * few lines onto mailmod.h, and both may be used side by side.
 *
 * The default instance. All of it acts on one instance in the process. Any call
 * that needs it makes it; sending, serving, FindMX and SRVStart also start it,
 * with no server open. SRVShutdown ends it, and the next call begins anew with
 * the defaults: those of docs/config.md, but smtp.listen "*:25" and pop3.listen
 * "*:110".
 *
 * Streams. A ServerStream is the pointer value that a SRVInit... call returned
 * (a mailmod_message) or that a callback was given (a mailmod_message or a
 * mailmod_request, whose calls in mailmod.h work on it, too, but for those that
 * send, free or answer it). Every function takes that value, whether the host
 * keeps it as ServerStream or as ServerStream *. NULL, a finished or foreign
 * handle, or the address of a handle gives the function's error result, never a
 * crash.
 *
 * Errors. Functions without room for an error leave it for SRVLastError().
 *
 * Threads. Every function may be called from any thread; a stream that is being
 * written belongs to one thread at a time. Callbacks come on threads of the
 * library, several at once; they may call everything here but SRVShutdown, and
 * a callback that is slow holds up its own session or message alone.
 *
 * C++ gets the documented default arguments and the SetConfigParam overloads,
 * C11 a SetConfigParam that takes numbers and texts alike. */
#ifndef MAILMOD_SRV_H
#define MAILMOD_SRV_H

#include "mailmod.h"

#ifdef __cplusplus
extern "C" {
#endif

#ifdef __cplusplus
#define MAILMOD_DEFAULT(value) = value
#else
#define MAILMOD_DEFAULT(value)
#endif

/* ---- types ----------------------------------------------------------- */

typedef void *ServerStream;

/* What a request callback is asked about; bits of its mask. */
#define ACTION_SMTP_CONNECT                                                    \
    1 /* before the greeting; reqname: the peer's IP                           \
       */
#define ACTION_SMTP_SENDMSG                                                    \
    2                        /* before 354; reqname: reverse-path, "" if null */
#define ACTION_POP_LOGIN 4   /* before the check; reqname: user name */
#define ACTION_POP_GETMSG 8  /* RETR and TOP; reqname: the unique-id */
#define ACTION_POP_DELMSG 16 /* DELE; reqname: the unique-id */
#define ALL_ACTIONS 31

/* One question of a server's, on a thread of its own while the session waits.
 * It must be declared variadic, as here. The extra arguments:
 *   ACTION_SMTP_SENDMSG   const char *reverse_path, const char *recipients
 *                         (split by commas)
 *   ACTION_POP_GETMSG     unsigned message_number
 *   ACTION_POP_DELMSG     unsigned message_number
 * `stream`, `reqname` and the extra texts live until it returns, and are not to
 * be written to.
 *
 * Returns 0: the server goes on as without a callback. What SRVRecv read of a
 * message is stored all the same.
 *
 * Returns below 0: the host has dealt with it.
 *   SMTP_CONNECT   the session goes on; words that SRVSend wrote as "220 hello"
 *                  join the greeting, 4xx and 5xx are it
 *   SMTP_SENDMSG   the message is not stored; the peer gets what SRVSend wrote
 *                  ("250 2.6.0 mine"), else 250; 4xx or 5xx that was written
 *                  before a SRVRecv comes instead of 354
 *   POP_LOGIN      the host vouches for the user: the password is not looked
 *                  at, and a mailbox is made when there is none. Not with
 *                  SCRAM, where only the password's owner can prove it
 *   POP_GETMSG     what SRVSend wrote is the message: dots are stuffed and the
 *                  end is marked for it
 *   POP_DELMSG     +OK, and the message stays: it is the host's affair
 *   In POP_LOGIN and POP_DELMSG a "+OK text" or "-ERR text" that SRVSend wrote
 *   is the reply; -ERR refuses.
 *
 * Returns above 0: refused. SMTP: 400 to 599 is the reply code, given with an
 * enhanced code (RFC 3463) of its class, and 421 closes the session; any other
 * number is 554. For a message that SRVRecv has begun to read it is the reply
 * to the end of the data. POP3: -ERR with the number in its text, [AUTH]
 * (RFC 3206) for a login, [SYS/TEMP] for 400 to 499, else [SYS/PERM]. */
typedef int (*SMTPReqCallback)(ServerStream *stream, char *reqname, int action,
                               ...);

/* How far a message is: that of the recipient who is furthest. */
#define STATE_SMTP_FINDHOST 1   /* names are looked up */
#define STATE_SMTP_CONNECTING 2 /* a connection is being made */
#define STATE_SMTP_DIALOG 3     /* from the greeting to RCPT */
#define STATE_SMTP_SENDING 4    /* the text goes out: `sent` grows */
#define STATE_SMTP_DONE 5 /* once and last; SRVGetResult has the outcome */

/* Each change of a message's state, in order, one at a time, on a thread of the
 * library (STATE_SMTP_DONE of a message that could not even be begun: in
 * SRVEndOfMsg). A further attempt of the queue's begins anew. `sent`: octets of
 * the text that went out, with line ends as CRLF; it never falls and stops at
 * INT_MAX. `usr_par` is the callback_param. SRVShutdown ends the waiting for a
 * message of the queue: STATE_SMTP_DONE comes with the outcome so far, and the
 * message stays queued. */
typedef void (*MsgCallback)(ServerStream *stream, void *usr_par, int state,
                            int sent);

/* One mail host. Of a fixed size on every system. */
struct MailHostInfo {
    char name[64];   /* longer names are left out: FindMXFull has them */
    int prior;       /* preference (RFC 5321 5.1): the lowest comes first */
    uint32_t ip[12]; /* IPv4 in network order; unused: 0 */
};
#ifndef __cplusplus
typedef struct MailHostInfo MailHostInfo;
#endif

/* ---- sending: NULL on error ------------------------------------------ */

/* A message straight to the MX hosts of its recipients: one attempt, nothing on
 * disk. Recipients with a mailbox here get it there. `from`: NULL, "" or "<>"
 * is the null path. `to`: one address or several, split by commas, semicolons
 * or blanks, with or without angle brackets. The text (header, empty line,
 * body) goes out as it is written. ARGUMENT, LIMIT, MEMORY, STOPPED, and the
 * errors of mailmod_start. */
MAILMOD_API ServerStream
SRVInitSendMsgImidiatly(const char *from, const char *to,
                        MsgCallback callback MAILMOD_DEFAULT(NULL),
                        void *callback_param MAILMOD_DEFAULT(NULL));
/* The same function under its right name. */
MAILMOD_API ServerStream
SRVInitSendMsgImmediately(const char *from, const char *to,
                          MsgCallback callback MAILMOD_DEFAULT(NULL),
                          void *callback_param MAILMOD_DEFAULT(NULL));
/* Through an external SMTP server, whoever the recipients are; one attempt,
 * nothing on disk. `smtp_host` is a name or an address and is not looked up as
 * a mail domain; `port` is from 1 to 65535. A host that is the configured
 * smarthost.host is talked to as configured, with its TLS and its login; any
 * other without a login (mailmod_message_new takes one). */
MAILMOD_API ServerStream SRVInitSendMsgSMTP(
    const char *from, const char *to, const char *smtp_host,
    int port MAILMOD_DEFAULT(25), MsgCallback callback MAILMOD_DEFAULT(NULL),
    void *callback_param MAILMOD_DEFAULT(NULL));
/* Through the queue: on disk when SRVEndOfMsg returns, then tried until it is
 * delivered or 24 hours (queue.lifetime) are over, also after the process ended
 * and began again. What cannot be delivered goes back to `from` as a report
 * (RFC 3464). STATE_SMTP_DONE comes when the last recipient was delivered or
 * given up. Also the store's errors. */
MAILMOD_API ServerStream
SRVInitSendMsgBackgaund(const char *from, const char *to,
                        MsgCallback callback MAILMOD_DEFAULT(NULL),
                        void *callback_param MAILMOD_DEFAULT(NULL));
/* The same function under its right name. */
MAILMOD_API ServerStream
SRVInitSendMsgBackground(const char *from, const char *to,
                         MsgCallback callback MAILMOD_DEFAULT(NULL),
                         void *callback_param MAILMOD_DEFAULT(NULL));
/* Of a stream of SRVInitSendMsgSMTP, before SRVEndOfMsg. Not 0: where the
 * server refuses one recipient nobody gets the message. Zero, or ARGUMENT,
 * HANDLE, STATE. */
MAILMOD_API int SRVRequireAll(ServerStream stream, int requires_all);
/* The text is whole: sends it and ends the stream, on success and on failure.
 * A missing last line end is added. Without a callback an immediate or SMTP
 * message is waited for; with one, and for the queue, it returns at once. The
 * setting sending.waits changes what waits. SRVLastError: of the first
 * recipient who did not get it (when it waited), HANDLE, STATE, TOO_LARGE, the
 * store's errors. Not in a callback where it waits: STATE.
 *
 * The message's outcome stays readable by SRVGetResult(NULL, ...) on this
 * thread until its next SRVEndOfMsg, or until 256 other threads have ended
 * one. A stream that is never ended is given back by SRVShutdown. On the stream
 * of a request callback it does nothing: the callback's return ends that. */
MAILMOD_API void SRVEndOfMsg(ServerStream stream);

/* ---- serving: zero, or an error below zero --------------------------- */

/* Opens the SMTP server: mail for local.domains comes into the mailboxes.
 * `callback` is asked about the actions in `mask`, before the server does
 * anything else; NULL: nobody is asked. `port` 0: as smtp.listen (or the old
 * smtp_port) says, first "*:25"; above 0: that port on the addresses of
 * smtp.listen; below 0: any free one, told by SRVGetPort.
 *
 * A second call replaces callback and mask at once; a question that is open is
 * finished by the callback that was asked. The port changes if another one is
 * asked for (below 0: if the open one was asked for by number): the old one is
 * closed, its sessions are told 421 between two commands, and when the new one
 * cannot be opened the old one is opened again and everything is as before.
 *
 * One service is opened. Submission (AUTH, RFC 6409) and TLS from the first
 * octet are mailmod_service_start(SRVInstance(), "submission", 0) and its like;
 * their sessions are asked about by the same callbacks.
 * ADDRESS_IN_USE, ACCESS, ARGUMENT, CONFIG, STOPPED, and mailmod_start's. */
MAILMOD_API int SetSMTPServer(SMTPReqCallback callback MAILMOD_DEFAULT(NULL),
                              int port MAILMOD_DEFAULT(0),
                              int mask MAILMOD_DEFAULT(ALL_ACTIONS));
/* The same for POP3 (RFC 1939), pop3.listen and the old pop_port, first
 * "*:110". A password goes in clear only where pop3.allows_clear_login says so;
 * else STLS comes first. Each server has its own callback and mask. */
MAILMOD_API int SetPOP3Server(SMTPReqCallback callback MAILMOD_DEFAULT(NULL),
                              int port MAILMOD_DEFAULT(0),
                              int mask MAILMOD_DEFAULT(ALL_ACTIONS));
/* Closes a server: its sessions are told so between two commands, and are asked
 * about until they end. Returns at once. NOT_FOUND when it is not open. */
MAILMOD_API int SRVStopSMTPServer(void);
MAILMOD_API int SRVStopPOP3Server(void);
/* The port of an open service ("smtp", "pop3", ...), 0 for others. */
MAILMOD_API int SRVGetPort(const char *service);

/* Starts the default instance without a server, so that the queue of an earlier
 * run goes on. Zero, also when it runs already. */
MAILMOD_API int SRVStart(void);
/* Ends the default instance: no new work, then waits until sessions and
 * deliveries are over, at most general.drain, cuts what is left (SRVLastError
 * is TIMEOUT then), joins every thread and gives back all memory. The queue
 * stays on disk. Zero, also when there was none; STATE in a callback, or while
 * another thread shuts down. Until it is over, what would start the instance
 * fails with STOPPED. */
MAILMOD_API int SRVShutdown(void);

/* ---- checking and receiving from an external POP3 --------------------- */

/* How far it is. */
#define STATE_POP3_CONNECTING 1 /* until what lies there is known */
#define STATE_POP3_RECEIVING 2  /* messages come: `number` of `all` new ones */
#define STATE_POP3_DONE 3 /* once and last: `number` is the call's result */

/* On a thread of the library, one at a time and in order; several steps may be
 * told together. `usr_par` is the callback_param. */
typedef void (*FetchCallback)(void *usr_par, int state, int number, int all);

#define POP3_DELETE 1 /* what was received is deleted there */
#define POP3_NO_TLS 2 /* everything in clear, the password too */

/* Looks what lies in the mailbox of `user` at `pop_host`, and receives nothing.
 * `port` 995 begins with TLS, on any other STLS must be offered, and the
 * certificate must be the host's; `flags`: POP3_NO_TLS. `to`, a user here or an
 * address, is who would get it: what is new is counted for him.
 *
 * Without a callback it waits, and returns how many messages are new, or an
 * error below zero. With one it returns zero at once, or an error below zero;
 * STATE_POP3_DONE then tells the rest. The default instance is started if need
 * be; SRVShutdown ends the wait with STOPPED. ARGUMENT (a NULL, a blank in a
 * text other than the password, a port out of range), AUTHENTICATION, REFUSED,
 * TIMEOUT, CLOSED, PROTOCOL, LIMIT (too many at once), the network's, the name
 * server's, TLS's and the store's errors, and mailmod_start's. */
MAILMOD_API int SRVCheckMsgPOP3(const char *pop_host, int port,
                                const char *user, const char *passw,
                                const char *to, int flags MAILMOD_DEFAULT(0),
                                FetchCallback callback MAILMOD_DEFAULT(NULL),
                                void *callback_param MAILMOD_DEFAULT(NULL));
/* The same, and receives what is new for `to`: each message once, also after a
 * crash, with the next call and in a later process (the data folder remembers
 * what was received). Returns how many came; a message that cannot be kept here
 * stays there. `flags`: POP3_DELETE, POP3_NO_TLS. */
MAILMOD_API int SRVRecvMsgPOP3(const char *pop_host, int port, const char *user,
                               const char *passw, const char *to,
                               int flags MAILMOD_DEFAULT(0),
                               FetchCallback callback MAILMOD_DEFAULT(NULL),
                               void *callback_param MAILMOD_DEFAULT(NULL));
/* An account that is visited again and again: the words of mailmod_fetch_set.
 * Zero, or below zero: ARGUMENT, CONFIG, MEMORY. */
MAILMOD_API int SRVSetFetch(const char *account);
/* Takes it away. NOT_FOUND. */
MAILMOD_API int SRVStopFetch(const char *name);

/* ---- streams: octets moved; 0 on error or at the end ------------------ */

/* Between SRVInit... and SRVEndOfMsg: adds to the message's text; lone CR and
 * LF go out as CRLF, pieces may be cut anywhere. In a request callback: adds to
 * the host's own reply or message, see SMTPReqCallback. All `size` octets or
 * none. ARGUMENT, HANDLE, TOO_LARGE, LIMIT (a reply of several KiB, a message
 * past smtp.message_size_max), MEMORY, the store's errors. */
MAILMOD_API int SRVSend(ServerStream stream, const void *bufer, int size);
/* The same with a format of the C library's, of any length. */
MAILMOD_API int SRVprintf(ServerStream stream, const char *format, ...);
/* In ACTION_SMTP_SENDMSG: the message as it arrives, its dots unstuffed and
 * without the final one. The first call sends 354. Waits for the peer. 0 with
 * SRVLastError 0 is the end. CLOSED when the peer or the server went away,
 * STATE in other actions, HANDLE, ARGUMENT. */
MAILMOD_API int SRVRecv(ServerStream stream, void *bufer, int size);

/* ---- the connection of a request callback's stream -------------------- */

/* The name of the login (SMTP: of AUTH; POP3: of USER, APOP or AUTH). NULL
 * without one, and on a message that is being sent. Lives as long as the
 * callback's stream. */
MAILMOD_API char *GetAUTHName(ServerStream stream);
/* The password of ACTION_POP_LOGIN. NULL besides, and with a mechanism that
 * does not show it (APOP, SCRAM). */
MAILMOD_API char *GetAUTHPassw(ServerStream stream);
/* The peer's IPv4 address in network order in the low 32 bits, also when it
 * came mapped into IPv6; 0 for IPv6 and on error. */
MAILMOD_API unsigned long GetRemoteIP(ServerStream stream);
/* Copies the peer's sockaddr_in or sockaddr_in6 and returns its length; the
 * length negated, and nothing written, when `buflen` is too small; 0 on
 * error. */
MAILMOD_API int GetRemoteAddr(ServerStream stream, void *addr, int buflen);
/* For options and inspection only: never read, write or close it. -1 without
 * one, or (64-bit Windows) when the handle does not fit an int. */
MAILMOD_API int GetSocket(ServerStream stream);

/* ---- mail hosts of a domain ------------------------------------------ */

/* The MX hosts by preference (RFC 5321 5.1), at most `size`, and how many were
 * written; without MX records the domain itself with preference 0 when it has
 * an address. 0: none, and SRVLastError says why: ARGUMENT, DNS_NO_NAME,
 * DNS_NO_DATA, DNS_NULL_MX (RFC 7505), DNS_SERVFAIL, DNS_REFUSED, DNS, TIMEOUT.
 * Waits for the name server. */
MAILMOD_API int FindMX(const char *domain, struct MailHostInfo *ret, int size);
struct MailHostInfoFull {
    char name[256];
    int prior;
    int address_count;
    char address[16][64]; /* IPv4 and IPv6 as text */
};
/* The same with long names and IPv6. */
MAILMOD_API int FindMXFull(const char *domain, struct MailHostInfoFull *ret,
                           int size);

/* ---- configuration --------------------------------------------------- */

/* `param` is a key of docs/config.md ("smtp.message_size_max") or a name of the
 * original engine ("smtp_msg_limit"). What is set while the instance runs takes
 * effect at once; but the data folder, the numbers of threads, and the
 * addresses of a server that is open take effect at the next start of it. A
 * running instance keeps all it has while the settings contradict each other
 * (SRVLastError is CONFIG), until a further change makes them whole. */

/* Reads a file over the present settings. NULL: "mailmod.cfg". Zero, or below
 * zero: NOT_FOUND, ACCESS, CONFIG (SRVLastErrorText has every mistake on a line
 * with file and line), and nothing was read. */
MAILMOD_API int LoadConfig(const char *filename MAILMOD_DEFAULT(NULL));
/* Sets a key from text or from a number in its natural unit: seconds, octets, 0
 * and 1 for flags. Errors are left for SRVLastError: UNKNOWN_NAME, ARGUMENT. */
MAILMOD_API void SetConfigParamString(const char *param, const char *val);
MAILMOD_API void SetConfigParamInt(const char *param, int val);
/* The same from text with a result: zero, or below zero. */
MAILMOD_API int SRVSetConfigParam(const char *param, const char *val);
/* A number in its natural unit, INT_MAX when it is larger. 0 and a last error
 * for unknown names (UNKNOWN_NAME) and for texts (ARGUMENT). */
MAILMOD_API int GetConfigParamInt(const char *param);
/* Any key as text; secrets as asterisks. Lives until this thread's next call of
 * it. NULL and a last error: UNKNOWN_NAME, LIMIT (longer than 4 KiB, which
 * mailmod_config_get takes). */
MAILMOD_API char *GetConfigParamStr(const char *param);
/* The same function as documented: in spite of its name it gets. */
MAILMOD_API char *SetConfigParamStr(const char *param);

/* ---- what the page forgot -------------------------------------------- */

/* The error (enum mailmod_error) of this thread's last call of a function here
 * other than these two, 0 after a success; and its words, which live until the
 * thread's next call of the library. */
MAILMOD_API int SRVLastError(void);
MAILMOD_API const char *SRVLastErrorText(void);
/* The outcome for recipient `index`, from 0, in the order given: of a stream in
 * its MsgCallback, or (NULL) of this thread's last SRVEndOfMsg. `size` of the
 * result is to be set before; its texts live until this thread's next call of
 * it or SRVEndOfMsg, in a callback until that returns. Zero, or below zero:
 * NOT_FOUND past the last, HANDLE, ARGUMENT. */
MAILMOD_API int SRVGetResult(ServerStream stream, int index,
                             struct mailmod_result *result);
/* The version of the library that is loaded, such as "0.2.0"; static. */
MAILMOD_API const char *SRVVersion(void);
/* Where log lines go (see mailmod_log_set_callback); general.log_level says
 * which. STATE once the instance has started. */
MAILMOD_API int SRVSetLog(mailmod_on_log on_log, void *context);
/* The default instance for the calls of mailmod.h, made if there is none; it is
 * SRVShutdown's to free. NULL on failure. */
MAILMOD_API mailmod *SRVInstance(void);

/* ---- SetConfigParam, which takes texts and numbers -------------------- */

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
#else
/* The exported symbol takes a text, as SetConfigParamString; numbers go through
 * SetConfigParamInt, which C before C11 has to name. */
MAILMOD_API void SetConfigParam(const char *param, const char *val);
#if !defined(MAILMOD_NO_SETCONFIGPARAM_MACRO) && defined(__STDC_VERSION__)
#if __STDC_VERSION__ >= 201112L
#define SetConfigParam(param, val)                                             \
    _Generic((val), char *                                                     \
             : SetConfigParamString, const char *                              \
             : SetConfigParamString, void *                                    \
             : SetConfigParamString, default                                   \
             : SetConfigParamInt)(param, val)
#endif
#endif
#endif

#endif
