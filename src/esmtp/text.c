/* text.c - the text of a message: read once from the program, as often as need
 * be from here.
 *
 * A program's callback gives its text once in a session, and may not be able to
 * do it again: it reads a pipe, or forgets. mailmod reads a text for its size,
 * and again at each attempt. So it is kept: SPOOL_MEMORY_MAX octets in memory,
 * more in a file without a name that the system removes by itself.
 * Thread: that of smtp_start_session. */
#include "esmtp/esmtp.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#define SPOOL_MEMORY_MAX ((size_t)1024 * 1024)
#define SPOOL_STEP ((size_t)64 * 1024)
#define READ_SIZE 8192

struct mm_esmtp_spool {
    char *octets;
    size_t size, capacity; /* of what is in memory */
    size_t at;             /* read so far */
    FILE *file;            /* NULL: it is in memory; else all is in it */
};

static int write_file(FILE *file, const char *octets, size_t size)
{
    return fwrite(octets, 1, size, file) == size
               ? 1
               : mm_esmtp_fail(-EIO, "the text of the message cannot be kept");
}

static int move_to_file(struct mm_esmtp_spool *spool)
{
    spool->file = tmpfile();
    if (spool->file == NULL) {
        return mm_esmtp_fail(-EIO, "there is no room for a temporary file");
    }
    int is_done = write_file(spool->file, spool->octets, spool->size);
    mm_esmtp_free(spool->octets);
    spool->octets = NULL;
    return is_done;
}

static int grow(struct mm_esmtp_spool *spool, size_t wanted)
{
    size_t capacity = spool->capacity != 0 ? spool->capacity : SPOOL_STEP;

    while (capacity < wanted) {
        capacity *= 2;
    }
    if (capacity == spool->capacity) {
        return 1;
    }
    char *octets = mm_esmtp_alloc(capacity);
    if (octets == NULL) {
        return 0;
    }
    if (spool->size > 0) {
        memcpy(octets, spool->octets, spool->size);
    }
    mm_esmtp_free(spool->octets);
    spool->octets = octets;
    spool->capacity = capacity;
    return 1;
}

static int keep(struct mm_esmtp_spool *spool, const char *octets, size_t size)
{
    if (spool->file == NULL && spool->size + size > SPOOL_MEMORY_MAX &&
        !move_to_file(spool)) {
        return 0;
    }
    if (spool->file != NULL) {
        return write_file(spool->file, octets, size);
    }
    if (!grow(spool, spool->size + size)) {
        return 0;
    }
    memcpy(spool->octets + spool->size, octets, size);
    spool->size += size;
    return 1;
}

int mm_esmtp_spool_fill(smtp_message_t message)
{
    int is_good = 1;

    mm_esmtp_spool_free(message);
    message->spool = mm_esmtp_alloc(sizeof *message->spool);
    if (message->spool == NULL) {
        return 0;
    }
    (void)message->callback(&message->callback_context, NULL,
                            message->callback_arg);
    while (is_good) {
        int size = 0;
        const char *octets = message->callback(&message->callback_context,
                                               &size, message->callback_arg);
        if (octets == NULL || size <= 0) {
            break;
        }
        is_good = keep(message->spool, octets, (size_t)size);
    }
    if (!is_good) {
        mm_esmtp_spool_free(message);
    }
    return is_good;
}

void mm_esmtp_spool_free(smtp_message_t message)
{
    struct mm_esmtp_spool *spool = message->spool;

    if (spool == NULL) {
        return;
    }
    if (spool->file != NULL) {
        (void)fclose(spool->file);
    }
    mm_esmtp_free(spool->octets);
    mm_esmtp_free(spool);
    message->spool = NULL;
}

int mm_esmtp_spool_rewind(void *context)
{
    smtp_message_t message = context;
    struct mm_esmtp_spool *spool = message->spool;

    if (spool == NULL) {
        return 0;
    }
    spool->at = 0;
    message->session->watch.is_in_header = true;
    message->session->watch.is_line_begun = false;
    return spool->file == NULL || fseek(spool->file, 0, SEEK_SET) == 0;
}

size_t mm_esmtp_spool_read(void *context, void *buffer, size_t size)
{
    smtp_message_t message = context;
    struct mm_esmtp_spool *spool = message->spool;

    if (spool->file != NULL) {
        size_t count = fread(buffer, 1, size, spool->file);
        return count == 0 && ferror(spool->file) ? (size_t)-1 : count;
    }
    size_t count = spool->size - spool->at;
    if (count > size) {
        count = size;
    }
    if (count > 0) {
        memcpy(buffer, spool->octets + spool->at, count);
    }
    spool->at += count;
    return count;
}

/* ---- the callbacks that are ready ---------------------------------------- */

const char *_smtp_message_fp_cb(void **ctx, int *len, void *arg)
{
    FILE *file = arg;

    if (*ctx == NULL) {
        *ctx = mm_esmtp_alloc(READ_SIZE);
    }
    if (len == NULL) {
        rewind(file);
        return NULL;
    }
    *len = *ctx != NULL ? (int)fread(*ctx, 1, READ_SIZE, file) : 0;
    return *ctx;
}

/* The context is what is left of the text. */
const char *_smtp_message_str_cb(void **ctx, int *len, void *arg)
{
    const char *text = arg;

    if (*ctx == NULL) {
        *ctx = mm_esmtp_alloc(sizeof text);
    }
    const char **rest = *ctx;
    if (rest == NULL) {
        if (len != NULL) {
            *len = 0;
        }
        return NULL;
    }
    if (len == NULL) {
        *rest = text;
        return NULL;
    }
    const char *piece = *rest;
    size_t size = strlen(piece);
    *len = size < INT_MAX ? (int)size : INT_MAX;
    *rest = piece + *len;
    return piece;
}
