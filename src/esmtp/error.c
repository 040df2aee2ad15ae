/* error.c - smtp_errno and smtp_strerror: what failed last on this thread.
 *
 * Each error of mailmod's has its number of libESMTP's in one table; what that
 * library has no number for is an errno of the system's, below 0. The words of
 * the last error are mailmod's own, which name the host and the cause.
 * Thread: any; each has its own last error. */
#include "esmtp/esmtp.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static _Thread_local int last_error;
static _Thread_local char last_words[MM_ESMTP_TEXT_MAX];

static const struct {
    enum mailmod_error error;
    int number;
} numbers[] = {
    {MAILMOD_ERROR_NOT_FOUND, SMTP_ERR_NOTHING_TO_DO},
    {MAILMOD_ERROR_ARGUMENT, SMTP_ERR_INVAL},
    {MAILMOD_ERROR_HANDLE, SMTP_ERR_INVAL},
    {MAILMOD_ERROR_STATE, SMTP_ERR_INVAL},
    {MAILMOD_ERROR_EXISTS, SMTP_ERR_INVAL},
    {MAILMOD_ERROR_LIMIT, SMTP_ERR_INVAL},
    {MAILMOD_ERROR_SYNTAX, SMTP_ERR_INVAL},
    {MAILMOD_ERROR_MEMORY, -ENOMEM},
    {MAILMOD_ERROR_ACCESS, -EACCES},
    {MAILMOD_ERROR_DESCRIPTORS, -EMFILE},
    {MAILMOD_ERROR_NETWORK, SMTP_ERR_DROPPED_CONNECTION},
    {MAILMOD_ERROR_CLOSED, SMTP_ERR_DROPPED_CONNECTION},
    {MAILMOD_ERROR_CONNECTION_REFUSED, -ECONNREFUSED},
    {MAILMOD_ERROR_UNREACHABLE, -EHOSTUNREACH},
    {MAILMOD_ERROR_TIMEOUT, -ETIMEDOUT},
    {MAILMOD_ERROR_UNSURE, SMTP_ERR_DROPPED_CONNECTION},
    {MAILMOD_ERROR_DNS, SMTP_ERR_EAI_AGAIN},
    {MAILMOD_ERROR_DNS_SERVFAIL, SMTP_ERR_EAI_AGAIN},
    {MAILMOD_ERROR_DNS_REFUSED, SMTP_ERR_EAI_FAIL},
    {MAILMOD_ERROR_DNS_NO_NAME, SMTP_ERR_EAI_NONAME},
    {MAILMOD_ERROR_DNS_NO_DATA, SMTP_ERR_EAI_NODATA},
    {MAILMOD_ERROR_TLS_UNAVAILABLE, SMTP_ERR_EXTENSION_NOT_AVAILABLE},
    {MAILMOD_ERROR_UNSUPPORTED, SMTP_ERR_EXTENSION_NOT_AVAILABLE},
    {MAILMOD_ERROR_PROTOCOL, SMTP_ERR_INVALID_RESPONSE_SYNTAX},
    {MAILMOD_ERROR_AUTHENTICATION, SMTP_ERR_INVALID_RESPONSE_STATUS},
    {MAILMOD_ERROR_REFUSED, SMTP_ERR_INVALID_RESPONSE_STATUS},
};

static const struct {
    int number;
    const char *words;
} texts[] = {
    {0, "no error"},
    {SMTP_ERR_NOTHING_TO_DO, "there is nothing to send"},
    {SMTP_ERR_DROPPED_CONNECTION, "the connection was lost"},
    {SMTP_ERR_INVALID_RESPONSE_SYNTAX, "a reply of the server has no meaning"},
    {SMTP_ERR_STATUS_MISMATCH, "the codes in a reply contradict each other"},
    {SMTP_ERR_INVALID_RESPONSE_STATUS, "the server said no"},
    {SMTP_ERR_INVAL, "an argument has no allowed value"},
    {SMTP_ERR_EXTENSION_NOT_AVAILABLE, "the extension is not available"},
    {SMTP_ERR_EAI_ADDRFAMILY, "the host has no address of this kind"},
    {SMTP_ERR_EAI_NODATA, "the host has no address"},
    {SMTP_ERR_EAI_FAIL, "the name server refused the question"},
    {SMTP_ERR_EAI_AGAIN, "no name server answered"},
    {SMTP_ERR_EAI_MEMORY, "out of memory while a name was looked up"},
    {SMTP_ERR_EAI_FAMILY, "addresses of this kind cannot be used"},
    {SMTP_ERR_EAI_BADFLAGS, "a name was looked up in a wrong way"},
    {SMTP_ERR_EAI_NONAME, "the host does not exist"},
    {SMTP_ERR_EAI_SERVICE, "the service is not known"},
    {SMTP_ERR_EAI_SOCKTYPE, "the service is none of TCP"},
    {SMTP_ERR_UNTERMINATED_RESPONSE, "a reply of the server has no end"},
    {SMTP_ERR_CLIENT_ERROR, "the client failed"},
    {-ENOMEM, "out of memory"},
    {-EACCES, "permission denied"},
    {-EMFILE, "no more files can be opened"},
    {-EIO, "a file cannot be read or written"},
    {-ECONNREFUSED, "the connection was refused"},
    {-EHOSTUNREACH, "the host cannot be reached"},
    {-ETIMEDOUT, "the time is over"},
};

static const char *text_of(int number)
{
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        if (texts[i].number == number) {
            return texts[i].words;
        }
    }
    return "an error that has no words here";
}

int mm_esmtp_fail(int error, const char *words)
{
    last_error = error;
    if (snprintf(last_words, sizeof last_words, "%s",
                 words != NULL ? words : text_of(error)) < 0) {
        last_words[0] = '\0';
    }
    return 0;
}

int mm_esmtp_result(enum mailmod_error error)
{
    int number = SMTP_ERR_CLIENT_ERROR;

    if (error == MAILMOD_OK) {
        return 1;
    }
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        if (numbers[i].error == error) {
            number = numbers[i].number;
        }
    }
    return mm_esmtp_fail(number, mailmod_last_error_text());
}

static char lower(char c)
{
    return (char)(c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c);
}

bool mm_esmtp_is_name(const char *text, const char *name)
{
    while (*text != '\0' && lower(*text) == lower(*name)) {
        text++;
        name++;
    }
    return *text == '\0' && *name == '\0';
}

int smtp_errno(void)
{
    return last_error;
}

char *smtp_strerror(int error, char buf[], size_t buflen)
{
    if (buf == NULL || buflen == 0) {
        (void)mm_esmtp_fail(SMTP_ERR_INVAL, NULL);
        return NULL;
    }
    if (snprintf(buf, buflen, "%s",
                 error == last_error && last_words[0] != '\0'
                     ? last_words
                     : text_of(error)) < 0) {
        buf[0] = '\0';
    }
    return buf;
}
