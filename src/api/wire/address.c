/* address.c - the host's view of domains, mailboxes and paths.
 *
 * Owns nothing: all is in the host's structures. Promises: what is read keeps
 * the host's own spelling beside the one form that equals it; what is written
 * reads back to the same value, or is refused.
 * Thread: any. RFC 5321 4.1.2, 4.1.3, appendix C; RFC 6531 3.3. */
#include "mailmod/wire.h"

#include "api/instance.h"
#include "api/sized.h"

#include "wire/addr/address.h"

#include <string.h>

_Static_assert(sizeof((struct mailmod_domain *)0)->text > MM_LIMIT_DOMAIN &&
                   sizeof((struct mailmod_address *)0)->domain >
                       MM_LIMIT_DOMAIN,
               "a domain has room");
_Static_assert(sizeof((struct mailmod_address *)0)->local_part >
                   MM_LIMIT_LOCAL_PART,
               "a local part has room");
_Static_assert(sizeof((struct mailmod_address *)0)->text >= MM_ADDRESS_TEXT_MAX,
               "a mailbox has room");
_Static_assert(MAILMOD_DOMAIN_NONE == (int)MM_DOMAIN_NONE &&
                   MAILMOD_DOMAIN_NAME == (int)MM_DOMAIN_NAME &&
                   MAILMOD_DOMAIN_ADDRESS == (int)MM_DOMAIN_ADDRESS &&
                   MAILMOD_DOMAIN_GENERAL == (int)MM_DOMAIN_GENERAL,
               "forms are given as they are");

static int family_of(const struct mm_netaddr *address, unsigned char octets[16])
{
    memcpy(octets, address->bytes, 16);
    switch (address->family) {
    case MM_NETADDR_V4:
        return 4;
    case MM_NETADDR_V6:
        return 6;
    default:
        return 0;
    }
}

enum mailmod_error mailmod_domain_parse(const char *text, size_t size,
                                        unsigned flags,
                                        struct mailmod_domain *domain_out)
{
    struct mailmod_domain domain = {.size = sizeof domain};
    struct mm_netaddr literal = {.family = MM_NETADDR_NONE};
    enum mm_domain_form form = MM_DOMAIN_NAME;
    enum mailmod_error error =
        mm_sized_check(domain_out, MM_DOMAIN_SIZE_1, "mailmod_domain");
    if (error != MAILMOD_OK) {
        return error;
    }
    struct mm_span span = mm_span(text, text != NULL ? size : 0);
    bool is_good =
        span.size > 0 && span.data[0] == '['
            ? mm_domain_literal_parse(span, &form, domain.lower, &literal)
        : (flags & MAILMOD_WIRE_PATH) != 0
            ? mm_domain_parse(span, (flags & MAILMOD_WIRE_UTF8) != 0,
                              domain.lower)
            : mm_domain_parse_lenient(span, (flags & MAILMOD_WIRE_UTF8) != 0,
                                      domain.lower);
    if (!is_good || !mm_span_copy(span, domain.text, sizeof domain.text)) {
        return mm_fail(MAILMOD_ERROR_SYNTAX,
                       "this is no domain and no address in brackets");
    }
    domain.form = (enum mailmod_domain_form)form;
    domain.family = family_of(&literal, domain.octets);
    mm_sized_give(domain_out, &domain, sizeof domain);
    return MAILMOD_OK;
}

/* Where the domain begins in a mailbox that was parsed: behind the "@" that
 * stands outside of quotes. */
static struct mm_span domain_of(struct mm_span mailbox)
{
    bool is_quoted = false;
    for (size_t i = 0; i < mailbox.size; i++) {
        char c = mailbox.data[i];
        if (c == '\\' && is_quoted) {
            i++;
        } else if (c == '"') {
            is_quoted = !is_quoted;
        } else if (c == '@' && !is_quoted) {
            return mm_span_from(mailbox, i + 1);
        }
    }
    return mm_span(NULL, 0);
}

/* The spelling that the host gave, of a text that was parsed. */
static enum mailmod_error keep_spelling(struct mm_span text,
                                        struct mailmod_address *address)
{
    if (text.size > 0 && text.data[0] == '<') {
        text = mm_span(text.data + 1, text.size - 2);
    }
    if (text.size > 0 && text.data[0] == '@') {
        struct mm_span route;
        (void)mm_span_cut(text, ':', &route, &text);
        if (!mm_span_copy(route, address->route, sizeof address->route)) {
            return MAILMOD_ERROR_TOO_LARGE;
        }
    }
    return mm_span_copy(domain_of(text), address->domain,
                        sizeof address->domain)
               ? MAILMOD_OK
               : MAILMOD_ERROR_TOO_LARGE;
}

static enum mailmod_error parse(struct mm_span text, unsigned flags,
                                struct mm_address *address_out)
{
    bool is_reverse = (flags & MAILMOD_WIRE_REVERSE) != 0;
    bool allow_utf8 = (flags & MAILMOD_WIRE_UTF8) != 0;
    if ((flags & MAILMOD_WIRE_PATH) == 0) {
        return mm_address_parse(text, is_reverse, allow_utf8, address_out);
    }
    struct mm_span rest;
    enum mailmod_error error =
        mm_path_parse(text, is_reverse, allow_utf8, address_out, &rest);
    return error == MAILMOD_OK && rest.size > 0 ? MAILMOD_ERROR_SYNTAX : error;
}

enum mailmod_error mailmod_address_parse(const char *text, size_t size,
                                         unsigned flags,
                                         struct mailmod_address *address_out)
{
    struct mailmod_address address = {.size = sizeof address};
    struct mm_address inner;
    enum mailmod_error error =
        mm_sized_check(address_out, MM_ADDRESS_SIZE_1, "mailmod_address");
    if (error != MAILMOD_OK) {
        return error;
    }
    struct mm_span span = mm_span(text, text != NULL ? size : 0);
    error = parse(span, flags, &inner);
    if (error == MAILMOD_OK) {
        error = keep_spelling(span, &address);
    }
    if (error != MAILMOD_OK) {
        return mm_fail(error, "%s",
                       error == MAILMOD_ERROR_TOO_LARGE
                           ? "a part of the mailbox is too long"
                           : "this is no mailbox");
    }
    address.kind = inner.is_null ? MAILMOD_ADDRESS_NULL
                   : inner.domain_form == MM_DOMAIN_NONE
                       ? MAILMOD_ADDRESS_POSTMASTER
                       : MAILMOD_ADDRESS_MAILBOX;
    address.domain_form = (enum mailmod_domain_form)inner.domain_form;
    address.family = family_of(&inner.literal, address.octets);
    address.needs_smtputf8 = inner.needs_smtputf8;
    memcpy(address.text, inner.text, sizeof inner.text);
    memcpy(address.local_part, inner.local_part, sizeof inner.local_part);
    mm_sized_give(address_out, &address, sizeof address);
    return MAILMOD_OK;
}

/* The parts as a path; ARGUMENT: a local part that is longer than any. */
static enum mailmod_error write_path(struct mm_buf *out, const char *route,
                                     const char *local_part, const char *domain)
{
    char local[2 * MM_LIMIT_LOCAL_PART + 3];
    if (strlen(local_part) > MM_LIMIT_LOCAL_PART) {
        return MAILMOD_ERROR_TOO_LARGE;
    }
    if (local_part[0] != '\0' || domain[0] != '\0') {
        (void)mm_local_part_write(local_part, local);
    } else {
        local[0] = '\0';
    }
    (void)mm_buf_appendf(out, "<%s%s%s%s%s>", route,
                         route[0] != '\0' ? ":" : "", local,
                         domain[0] != '\0' ? "@" : "", domain);
    return mm_buf_error(out) == MAILMOD_ERROR_LIMIT ? MAILMOD_ERROR_TOO_LARGE
                                                    : mm_buf_error(out);
}

enum mailmod_error mailmod_address_make(const char *local_part,
                                        const char *domain, unsigned flags,
                                        struct mailmod_address *address_out)
{
    struct mm_buf path;

    mm_buf_init(&path, 4096);
    enum mailmod_error error =
        write_path(&path, "", local_part != NULL ? local_part : "",
                   domain != NULL ? domain : "");
    if (error == MAILMOD_OK) {
        error = mailmod_address_parse(mm_buf_span(&path).data,
                                      mm_buf_size(&path), flags, address_out);
    } else {
        error = mm_fail(error, "%s", mm_error_text(error));
    }
    mm_buf_fini(&path);
    return error;
}

/* Does the path read back to the host's value? */
static bool reads_back(struct mm_span path, const struct mailmod_address *given)
{
    struct mailmod_address read = {.size = sizeof read};
    unsigned flags = MAILMOD_WIRE_UTF8 | (given->kind == MAILMOD_ADDRESS_NULL
                                              ? (unsigned)MAILMOD_WIRE_REVERSE
                                              : 0);
    return mailmod_address_parse(path.data, path.size, flags, &read) ==
               MAILMOD_OK &&
           read.kind == given->kind &&
           strcmp(read.local_part, given->local_part) == 0 &&
           strcmp(read.domain, given->domain) == 0 &&
           strcmp(read.route, given->route) == 0;
}

static bool has_end(const char *text, size_t size)
{
    return memchr(text, '\0', size) != NULL;
}

enum mailmod_error mailmod_address_write(const struct mailmod_address *address,
                                         char *path_out, size_t size)
{
    struct mailmod_address given;
    struct mm_buf path;
    enum mailmod_error error = mm_sized_take(
        &given, sizeof given, address, MM_ADDRESS_SIZE_1, "mailmod_address");
    if (error == MAILMOD_OK &&
        (path_out == NULL ||
         !has_end(given.local_part, sizeof given.local_part) ||
         !has_end(given.domain, sizeof given.domain) ||
         !has_end(given.route, sizeof given.route))) {
        error = mm_fail(MAILMOD_ERROR_ARGUMENT,
                        "path_out: NULL, or a text without its end");
    }
    if (error != MAILMOD_OK) {
        return error;
    }
    mm_buf_init(&path, 4096);
    error = write_path(&path, given.route, given.local_part, given.domain);
    if (error == MAILMOD_OK && !reads_back(mm_buf_span(&path), &given)) {
        error = MAILMOD_ERROR_ARGUMENT;
    }
    if (error == MAILMOD_OK &&
        !mm_span_copy(mm_buf_span(&path), path_out, size)) {
        error = MAILMOD_ERROR_TOO_LARGE;
    }
    mm_buf_fini(&path);
    return error == MAILMOD_OK
               ? MAILMOD_OK
               : mm_fail(error, "%s",
                         error == MAILMOD_ERROR_ARGUMENT
                             ? "the path would not read back as it is"
                             : mm_error_text(error));
}
