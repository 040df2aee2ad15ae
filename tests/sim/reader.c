/* reader.c - POP3 clients: one reads each mailbox every some minutes, deletes
 * some of what it has read, and holds the server to it.
 *
 * Invariants: a unique-id is there in each session until it is deleted, and
 * never again after a QUIT that was answered; it is there once, and it is the
 * same message. When the answer to a QUIT was not heard, either is right.
 * Thread: the run's. */
#include "base/mem.h"
#include "client.h"
#include "look.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LINE_MAX = 1200, TEXT_MAX = 1 << 20, WAIT_MS = 180000 };

enum state {
    MAIL_THERE,
    MAIL_MARKED, /* DELE was answered in this session */
    MAIL_UNSURE, /* QUIT was said and not answered */
    MAIL_GONE
};
struct mail {
    char uidl[72];
    unsigned token;
    bool is_read;
    enum state state;
    bool is_listed; /* in this session */
    unsigned number;
};

enum stage {
    GREETING,
    USER,
    PASS,
    UIDL,
    UIDL_LIST,
    RETR,
    RETR_TEXT,
    DELE,
    QUIT
};

struct reader {
    struct mm_list node;
    unsigned machine;
    const char *user;
    struct mail *mails;
    size_t count, capacity;
    size_t current;
    enum stage stage;
    struct mm_conn *conn;
    struct mm_timer timer;
    char line[LINE_MAX];
    size_t line_size;
    struct mm_buf text;
};

static struct mm_list readers = {&readers, &readers};

static void come(void *context);

static void say(struct reader *reader, enum stage stage, const char *text)
{
    reader->stage = stage;
    if (mm_conn_write(reader->conn, text, strlen(text)) != MAILMOD_OK) {
        sim_fail("a reader's command has no room");
    }
    mm_timer_set(&reader->timer, WAIT_MS);
}

static void say_quit(struct reader *reader)
{
    for (size_t i = 0; i < reader->count; i++) {
        if (reader->mails[i].state == MAIL_MARKED) {
            reader->mails[i].state = MAIL_UNSURE;
        }
    }
    say(reader, QUIT, "QUIT\r\n");
}

static void say_next(struct reader *reader)
{
    char text[32];
    while (reader->current < reader->count) {
        const struct mail *mail = &reader->mails[reader->current];
        bool is_wanted = mail->is_listed && (!mail->is_read || sim_chance(100));
        if (is_wanted) {
            (void)snprintf(text, sizeof text, "RETR %u\r\n", mail->number);
            mm_buf_clear(&reader->text);
            say(reader, RETR, text);
            return;
        }
        if (mail->is_listed && mail->state == MAIL_THERE && sim_chance(600)) {
            (void)snprintf(text, sizeof text, "DELE %u\r\n", mail->number);
            say(reader, DELE, text);
            return;
        }
        reader->current++;
    }
    if (sim_chance(50)) {
        mm_conn_abort(reader->conn); /* what it marked is not deleted */
        return;
    }
    say_quit(reader);
}

static struct mail *find_mail(struct reader *reader, const char *uidl)
{
    for (size_t i = 0; i < reader->count; i++) {
        if (strcmp(reader->mails[i].uidl, uidl) == 0) {
            return &reader->mails[i];
        }
    }
    struct mail *mails = mm_array_grow(reader->mails, reader->count,
                                       &reader->capacity, sizeof *mails);
    if (mails == NULL) {
        sim_fail("no memory for a mailbox");
    }
    reader->mails = mails;
    struct mail *mail = &mails[reader->count++];
    memset(mail, 0, sizeof *mail);
    (void)snprintf(mail->uidl, sizeof mail->uidl, "%s", uidl);
    return mail;
}

static void on_listed(struct reader *reader, const char *line)
{
    char uidl[72];
    unsigned number = 0;
    if (sscanf(line, "%u %70s", &number, uidl) != 2) {
        sim_broken("a line of UIDL that is none: %s", line);
        return;
    }
    struct mail *mail = find_mail(reader, uidl);
    if (mail->is_listed) {
        sim_broken("%s is listed twice for %s of n%u", uidl, reader->user,
                   reader->machine);
    }
    if (mail->state == MAIL_GONE) {
        sim_broken("%s was deleted by %s of n%u and is there again", uidl,
                   reader->user, reader->machine);
    }
    mail->state = MAIL_THERE;
    mail->is_listed = true;
    mail->number = number;
}

static void on_list_end(struct reader *reader)
{
    for (size_t i = 0; i < reader->count; i++) {
        struct mail *mail = &reader->mails[i];
        if (mail->is_listed) {
            continue;
        }
        if (mail->state == MAIL_THERE) {
            sim_broken("%s of %s of n%u is gone, and nobody deleted it",
                       mail->uidl, reader->user, reader->machine);
        }
        mail->state = MAIL_GONE;
    }
    reader->current = 0;
    say_next(reader);
}

static void on_text_end(struct reader *reader)
{
    struct mail *mail = &reader->mails[reader->current];
    struct mm_span text = mm_buf_span(&reader->text);
    unsigned token = sim_ledger_token(text.data, text.size);
    if (mail->is_read && mail->token != token) {
        sim_broken("%s of %s of n%u was message %u and is %u", mail->uidl,
                   reader->user, reader->machine, mail->token, token);
    }
    if (!mail->is_read) {
        char address[SIM_ADDRESS_MAX];
        mail->is_read = true;
        mail->token = token;
        sim_mailbox_address(reader->machine, text.data, text.size, reader->user,
                            address);
        sim_ledger_arrived(text.data, text.size, address);
    }
    if (mail->state == MAIL_THERE && sim_chance(700)) {
        char command[32];
        (void)snprintf(command, sizeof command, "DELE %u\r\n", mail->number);
        say(reader, DELE, command);
        return;
    }
    reader->current++;
    say_next(reader);
}

static void on_quit(struct reader *reader, bool is_good)
{
    for (size_t i = 0; is_good && i < reader->count; i++) {
        if (reader->mails[i].state == MAIL_UNSURE) {
            reader->mails[i].state = MAIL_GONE;
        }
    }
    mm_timer_cancel(&reader->timer);
    mm_conn_close(reader->conn);
}

static void on_reply(struct reader *reader, const char *line)
{
    char text[32];
    bool is_good = strncmp(line, "+OK", 3) == 0;
    if (!is_good && reader->stage != QUIT) {
        mm_conn_close(reader->conn);
        return;
    }
    switch (reader->stage) {
    case GREETING:
        (void)snprintf(text, sizeof text, "USER %s\r\n", reader->user);
        say(reader, USER, text);
        break;
    case USER:
        say(reader, PASS, "PASS secret\r\n");
        break;
    case PASS:
        say(reader, UIDL, "UIDL\r\n");
        break;
    case UIDL:
        reader->stage = UIDL_LIST;
        break;
    case RETR:
        reader->stage = RETR_TEXT;
        break;
    case DELE:
        reader->mails[reader->current++].state = MAIL_MARKED;
        say_next(reader);
        break;
    case QUIT:
        on_quit(reader, is_good);
        break;
    case UIDL_LIST:
    case RETR_TEXT:
        break;
    }
}

static void on_line(struct reader *reader)
{
    const char *line = reader->line;
    mm_timer_set(&reader->timer, WAIT_MS);
    if (reader->stage == UIDL_LIST) {
        if (strcmp(line, ".") == 0) {
            on_list_end(reader);
        } else {
            on_listed(reader, line);
        }
    } else if (reader->stage == RETR_TEXT) {
        if (strcmp(line, ".") == 0) {
            on_text_end(reader);
        } else {
            (void)mm_buf_append_cstr(&reader->text, line);
            (void)mm_buf_append_cstr(&reader->text, "\r\n");
        }
    } else {
        on_reply(reader, line);
    }
}

static size_t on_input(void *context, struct mm_conn *conn, const char *bytes,
                       size_t size)
{
    struct reader *reader = context;
    (void)conn;
    for (size_t i = 0; i < size; i++) {
        if (bytes[i] != '\n' && reader->line_size + 1 < LINE_MAX) {
            reader->line[reader->line_size++] = bytes[i];
        }
        if (bytes[i] == '\n') {
            size_t length = reader->line_size > 0 ? reader->line_size - 1 : 0;
            reader->line[length] = '\0';
            reader->line_size = 0;
            on_line(reader);
        }
    }
    return size;
}

static void on_open(void *context, struct mm_conn *conn)
{
    struct reader *reader = context;
    (void)conn;
    mm_timer_set(&reader->timer, WAIT_MS);
}

static void ignore(void *context, struct mm_conn *conn)
{
    (void)context;
    (void)conn;
}

static void on_closed(void *context, struct mm_conn *conn,
                      enum mailmod_error reason)
{
    struct reader *reader = context;
    (void)conn;
    (void)reason;
    reader->conn = NULL;
    mm_timer_cancel(&reader->timer);
    for (size_t i = 0; i < reader->count; i++) {
        struct mail *mail = &reader->mails[i];
        mail->is_listed = false;
        /* RFC 1939 6: without QUIT nothing is deleted. */
        mail->state = mail->state == MAIL_MARKED ? MAIL_THERE : mail->state;
    }
    sim_after(sim_between(600000, 2400000), come, reader);
}

static void on_time(struct mm_timer *timer)
{
    struct reader *reader = MM_LIST_OBJECT(timer, struct reader, timer);
    mm_conn_abort(reader->conn);
}

static const struct mm_conn_handler handler = {.on_open = on_open,
                                               .on_input = on_input,
                                               .on_drained = ignore,
                                               .on_tls = ignore,
                                               .on_closed = on_closed};

static void come(void *context)
{
    struct reader *reader = context;
    char server[32];
    reader->stage = GREETING;
    reader->line_size = 0;
    (void)snprintf(server, sizeof server, "%s:110",
                   sim_machine(reader->machine)->address);
    reader->conn = sim_dial("10.9.1.1", server, &handler, reader);
}

static bool is_fetched(unsigned machine)
{
    for (unsigned i = 0; i < sim_machine_count(); i++) {
        if (sim_machine(i)->fetches_from == machine) {
            return true;
        }
    }
    return false;
}

static void begin_reader(unsigned machine, const char *user)
{
    struct reader *reader = mm_alloc(sizeof *reader);
    if (reader == NULL || mm_timer_open(&reader->timer, sim_world_loop(),
                                        on_time) != MAILMOD_OK) {
        sim_fail("no memory for a reader");
    }
    reader->machine = machine;
    reader->user = user;
    mm_buf_init(&reader->text, TEXT_MAX);
    mm_list_append(&readers, &reader->node);
    sim_after(sim_between(60000, 900000), come, reader);
}

void sim_readers_begin(void)
{
    static const char *const users[SIM_USERS] = {"u0", "u1"};
    for (unsigned i = 0; i < sim_machine_count(); i++) {
        for (size_t k = 0; k < SIM_USERS; k++) {
            begin_reader(i, users[k]);
        }
        if (!is_fetched(i)) {
            begin_reader(i, "pop");
        }
    }
}

void sim_readers_end(void)
{
    struct mm_list *node = NULL;
    while ((node = mm_list_take_first(&readers)) != NULL) {
        struct reader *reader = MM_LIST_OBJECT(node, struct reader, node);
        mm_timer_close(&reader->timer);
        mm_buf_fini(&reader->text);
        mm_free(reader->mails);
        mm_free(reader);
    }
}
