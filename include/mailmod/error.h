/* error.h - every error that mailmod returns, declared once.
 *
 * The list is an X-macro of name, code and text; the enum below and the table
 * behind mailmod_error_text() are both made from it, so that a code, its name
 * and its text cannot drift apart. Zero is success; codes are negative and
 * grouped by cause in steps of one hundred. Codes are part of the ABI: new
 * ones are added, none is ever changed or reused.
 *
 * An answer that an SMTP or POP3 peer gives is not an error: it is a reply. */
#ifndef MAILMOD_ERROR_H
#define MAILMOD_ERROR_H

#define MAILMOD_ERROR_LIST(X)                                                  \
    X(ARGUMENT, -100, "an argument is missing or has no allowed value")        \
    X(HANDLE, -101, "the handle is not one of ours or is already finished")    \
    X(UNKNOWN_NAME, -102, "no such name")                                      \
    X(SYNTAX, -103, "the text does not have the form it must have")            \
    X(STATE, -200, "the call is not allowed in this state")                    \
    X(BUSY, -201, "the object is in use by another session or process")        \
    X(STOPPED, -202, "the object has been stopped")                            \
    X(CANCELLED, -203, "the operation was cancelled")                          \
    X(EXISTS, -204, "it exists already")                                       \
    X(LIMIT, -300, "a documented limit was reached")                           \
    X(TOO_LARGE, -301, "the data is larger than its limit")                    \
    X(MEMORY, -400, "out of memory")                                           \
    X(SYSTEM, -500, "the operating system refused the operation")              \
    X(ACCESS, -501, "permission denied")                                       \
    X(NOT_FOUND, -502, "it does not exist")                                    \
    X(DESCRIPTORS, -503, "no more descriptors can be opened")                  \
    X(NETWORK, -600, "a network error ended the connection")                   \
    X(CONNECTION_REFUSED, -601, "the connection was refused")                  \
    X(UNREACHABLE, -602, "the host or network cannot be reached")              \
    X(TIMEOUT, -603, "the time for the operation is over")                     \
    X(CLOSED, -604, "the peer closed the connection")                          \
    X(ADDRESS_IN_USE, -605, "the address and port are in use already")         \
    X(ADDRESS_UNAVAILABLE, -606, "the address is none of this machine's")      \
    X(PROXY, -607, "the proxy refused, or cannot be used")                     \
    X(DNS, -700, "no name server gave a usable answer")                        \
    X(DNS_NO_NAME, -701, "the domain name does not exist")                     \
    X(DNS_NO_DATA, -702, "the domain name has no record of that type")         \
    X(DNS_NULL_MX, -703, "the domain accepts no mail (null MX)")               \
    X(DNS_SERVFAIL, -704, "the name server failed (SERVFAIL)")                 \
    X(DNS_REFUSED, -705, "the name server refused the question (REFUSED)")     \
    X(TLS, -800, "the TLS handshake or session failed")                        \
    X(TLS_CERTIFICATE, -801, "the certificate cannot be trusted")              \
    X(TLS_UNAVAILABLE, -802, "TLS is required and not available")              \
    X(PROTOCOL, -900, "the peer broke the protocol")                           \
    X(AUTHENTICATION, -901, "the credentials were refused")                    \
    X(REFUSED, -902, "a host said no")                                         \
    X(UNSUPPORTED, -903, "the peer does not offer what is needed")             \
    X(UNSURE, -904, "no answer came to the whole message: it may be taken")    \
    X(CONFIG, -1000, "the configuration is not valid")                         \
    X(STORAGE, -1100, "the store failed")                                      \
    X(STORAGE_FULL, -1101, "there is no room left in the store")               \
    X(STORAGE_DAMAGED, -1102, "the store is damaged")                          \
    X(STORAGE_VERSION, -1103, "the store was written by a newer version")

enum mailmod_error {
    MAILMOD_OK = 0,
#define MAILMOD_ERROR_ENUM(name, code, text) MAILMOD_ERROR_##name = code,
    MAILMOD_ERROR_LIST(MAILMOD_ERROR_ENUM)
#undef MAILMOD_ERROR_ENUM
        MAILMOD_ERROR_LAST_ = -9999
};

#endif
