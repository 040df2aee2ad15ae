/* client.c - the mail server's side of the milter protocol.
 *
 * Owns one packet of the filter and what it is owed. Promises: no packet is
 * larger than MM_MILTER_DATA_MAX and a letter, nothing is kept of one that says
 * to be; an answer that was not asked for, a change that was not negotiated or
 * comes at another step than END, a reply code that is none, and a text without
 * its NUL break the conversation off in words.
 * Any thread, one conversation at a time. libmilter's mfdef.h (letters, bits),
 * mfapi.h; RFC 5321 4.2 (reply codes). */
#include "wire/milter/client.h"

#include "wire/smtp/reply.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

enum state { STATE_NEGOTIATING, STATE_IDLE, STATE_WAITING, STATE_BROKEN };

enum { VERSION = 6, VERSION_MIN = 2, HEAD_SIZE = 4 };
/* So much may be owed when a step begins: macros and a packet have room. */
#define OWED_MAX 65536
#define OUTPUT_MAX (OWED_MAX + 3 * (HEAD_SIZE + 1 + MM_MILTER_DATA_MAX))

/* SMFIF_: what the filter may do. */
enum {
    ACTION_ADD_FIELDS = 0x01,
    ACTION_SET_BODY = 0x02,
    ACTION_ADD_RCPT = 0x04,
    ACTION_REMOVE_RCPT = 0x08,
    ACTION_SET_FIELDS = 0x10,
    ACTION_QUARANTINE = 0x20,
    ACTION_SENDER = 0x40,
    ACTION_ADD_RCPT_WITH = 0x80,
    ACTION_MACROS = 0x100,
    ACTIONS = 0x1ff
};

/* SMFIP_: what it does not want to hear (NO), or not to answer (NR). */
enum {
    STEP_SKIP = 0x400,
    STEP_BLANK = 0x100000,
    /* All but RCPT_REJ (it hears of refused recipients) and large packets. */
    STEPS = 0x1ff7ff & ~0x800
};
static const struct {
    char letter;
    uint32_t no, nr;
} steps[] = {
    [MM_MILTER_CONNECT] = {'C', 0x1, 0x1000},
    [MM_MILTER_HELO] = {'H', 0x2, 0x2000},
    [MM_MILTER_MAIL] = {'M', 0x4, 0x4000},
    [MM_MILTER_RCPT] = {'R', 0x8, 0x8000},
    [MM_MILTER_DATA] = {'T', 0x200, 0x10000},
    [MM_MILTER_FIELD] = {'L', 0x20, 0x80},
    [MM_MILTER_FIELDS_END] = {'N', 0x40, 0x40000},
    [MM_MILTER_BODY] = {'B', 0x10, 0x80000},
    [MM_MILTER_END] = {'E', 0, 0},
};

static void break_off(struct mm_milter *milter, const char *words)
{
    if (milter->state != STATE_BROKEN) {
        milter->state = STATE_BROKEN;
        (void)mm_span_copy(mm_span_cstr(words), milter->failure,
                           sizeof milter->failure);
    }
}

/* ---- out ---- */

static void put_u32(struct mm_buf *out, uint32_t value)
{
    const char octets[] = {(char)(value >> 24), (char)(value >> 16),
                           (char)(value >> 8), (char)value};

    (void)mm_buf_append(out, octets, sizeof octets);
}

static uint32_t get_u32(const char *octets)
{
    const unsigned char *o = (const unsigned char *)octets;

    return (uint32_t)o[0] << 24 | (uint32_t)o[1] << 16 | (uint32_t)o[2] << 8 |
           o[3];
}

/* A text with its NUL; the packet's size is set by `end`. */
static void put_text(struct mm_milter *milter, const char *text)
{
    (void)mm_buf_append(&milter->output, text, strlen(text) + 1);
}

static size_t begin(struct mm_milter *milter, char letter)
{
    size_t at = mm_buf_size(&milter->output);

    put_u32(&milter->output, 0);
    (void)mm_buf_append_char(&milter->output, letter);
    return at;
}

static void end(struct mm_milter *milter, size_t at)
{
    struct mm_buf *output = &milter->output;

    if (mm_buf_error(output) != MAILMOD_OK) {
        break_off(milter, "out of memory");
        return;
    }
    size_t size = mm_buf_size(output) - at - HEAD_SIZE;
    if (size > MM_MILTER_DATA_MAX + 1) {
        break_off(milter, "a packet would be too large");
        return;
    }
    char *head = output->data + output->start + at;
    head[0] = (char)(size >> 24);
    head[1] = (char)(size >> 16);
    head[2] = (char)(size >> 8);
    head[3] = (char)size;
}

static void put_macros(struct mm_milter *milter, enum mm_milter_step step,
                       const struct mm_milter_macro *macros, size_t count)
{
    if (count == 0) {
        return;
    }
    size_t at = begin(milter, 'D');
    (void)mm_buf_append_char(&milter->output, steps[step].letter);
    for (size_t i = 0; i < count; i++) {
        if (macros[i].value != NULL) {
            put_text(milter, macros[i].name);
            put_text(milter, macros[i].value);
        }
    }
    end(milter, at);
}

/* An answer is awaited, unless none was to come. */
static void sent_step(struct mm_milter *milter, enum mm_milter_step step)
{
    if (milter->state == STATE_IDLE &&
        (steps[step].nr == 0 || (milter->steps & steps[step].nr) == 0)) {
        milter->state = STATE_WAITING;
        milter->is_end = step == MM_MILTER_END;
        milter->takes_skip = step == MM_MILTER_BODY;
    }
}

void mm_milter_init(struct mm_milter *milter)
{
    *milter = (struct mm_milter){.state = STATE_NEGOTIATING};
    mm_buf_init(&milter->output, OUTPUT_MAX);
    mm_buf_init(&milter->input, HEAD_SIZE + 1 + MM_MILTER_DATA_MAX + 1);
    size_t at = begin(milter, 'O');
    put_u32(&milter->output, VERSION);
    put_u32(&milter->output, ACTIONS);
    put_u32(&milter->output, STEPS);
    end(milter, at);
}

void mm_milter_fini(struct mm_milter *milter)
{
    mm_buf_fini(&milter->output);
    mm_buf_fini(&milter->input);
}

struct mm_span mm_milter_output(const struct mm_milter *milter)
{
    return mm_buf_span(&milter->output);
}

void mm_milter_sent(struct mm_milter *milter, size_t size)
{
    mm_buf_consume(&milter->output, size);
}

const char *mm_milter_failure(const struct mm_milter *milter)
{
    return milter->failure;
}

bool mm_milter_wants(const struct mm_milter *milter, enum mm_milter_step step)
{
    /* DATA came with version 4. */
    return (milter->steps & steps[step].no) == 0 &&
           (step != MM_MILTER_DATA || milter->version >= 4);
}

bool mm_milter_wants_blank(const struct mm_milter *milter)
{
    return (milter->steps & STEP_BLANK) != 0;
}

bool mm_milter_can_send(const struct mm_milter *milter)
{
    return milter->state == STATE_IDLE &&
           mm_buf_size(&milter->output) < OWED_MAX;
}

bool mm_milter_is_waiting(const struct mm_milter *milter)
{
    return milter->state == STATE_WAITING;
}

void mm_milter_connect(struct mm_milter *milter, const char *host,
                       const struct mm_netaddr *peer,
                       const struct mm_milter_macro *macros, size_t count)
{
    char address[MM_NETADDR_TEXT_MAX];
    const char port[] = {(char)(peer->port >> 8), (char)peer->port};

    put_macros(milter, MM_MILTER_CONNECT, macros, count);
    size_t at = begin(milter, 'C');
    put_text(milter, host);
    if (peer->family == MM_NETADDR_NONE) {
        (void)mm_buf_append_char(&milter->output, 'U');
    } else {
        mm_netaddr_format_ip(peer, address);
        (void)mm_buf_append_char(&milter->output,
                                 peer->family == MM_NETADDR_V4 ? '4' : '6');
        (void)mm_buf_append(&milter->output, port, sizeof port);
        put_text(milter, address);
    }
    end(milter, at);
    sent_step(milter, MM_MILTER_CONNECT);
}

void mm_milter_helo(struct mm_milter *milter, const char *name,
                    const struct mm_milter_macro *macros, size_t count)
{
    put_macros(milter, MM_MILTER_HELO, macros, count);
    size_t at = begin(milter, 'H');
    put_text(milter, name);
    end(milter, at);
    sent_step(milter, MM_MILTER_HELO);
}

void mm_milter_path(struct mm_milter *milter, enum mm_milter_step step,
                    const char *path, const char *parameters,
                    const struct mm_milter_macro *macros, size_t count)
{
    struct mm_span rest = mm_span_cstr(parameters);

    if (step == MM_MILTER_MAIL) {
        milter->answers = 0;
    }
    put_macros(milter, step, macros, count);
    size_t at = begin(milter, steps[step].letter);
    (void)mm_buf_append_char(&milter->output, '<');
    (void)mm_buf_append_cstr(&milter->output, path);
    put_text(milter, ">");
    while (rest.size > 0) {
        struct mm_span one;

        (void)mm_span_cut(rest, ' ', &one, &rest);
        if (one.size > 0) {
            (void)mm_buf_append_span(&milter->output, one);
            (void)mm_buf_append_char(&milter->output, '\0');
        }
    }
    end(milter, at);
    sent_step(milter, step);
}

void mm_milter_field(struct mm_milter *milter, const char *name,
                     struct mm_span value)
{
    size_t at = begin(milter, 'L');

    put_text(milter, name);
    (void)mm_buf_append_span(&milter->output, value);
    (void)mm_buf_append_char(&milter->output, '\0');
    end(milter, at);
    sent_step(milter, MM_MILTER_FIELD);
}

void mm_milter_plain(struct mm_milter *milter, enum mm_milter_step step,
                     const struct mm_milter_macro *macros, size_t count)
{
    put_macros(milter, step, macros, count);
    end(milter, begin(milter, steps[step].letter));
    sent_step(milter, step);
}

void mm_milter_body(struct mm_milter *milter, struct mm_span data)
{
    size_t at = begin(milter, 'B');

    (void)mm_buf_append_span(&milter->output, data);
    end(milter, at);
    sent_step(milter, MM_MILTER_BODY);
}

void mm_milter_abort(struct mm_milter *milter)
{
    end(milter, begin(milter, 'A'));
}

void mm_milter_quit(struct mm_milter *milter)
{
    end(milter, begin(milter, 'Q'));
}

/* ---- in ---- */

/* The packet that its owner has looked at. */
static void drop_taken(struct mm_milter *milter)
{
    if (milter->is_taken) {
        milter->is_taken = false;
        mm_buf_clear(&milter->input);
    }
}

size_t mm_milter_feed(struct mm_milter *milter, struct mm_span bytes)
{
    size_t wanted = HEAD_SIZE;

    if (milter->state == STATE_BROKEN) {
        return bytes.size; /* nobody listens any more */
    }
    drop_taken(milter);
    size_t have = mm_buf_size(&milter->input);
    if (have >= HEAD_SIZE) {
        wanted += get_u32(mm_buf_span(&milter->input).data);
    }
    size_t size = wanted - have < bytes.size ? wanted - have : bytes.size;
    if (mm_buf_append(&milter->input, bytes.data, size) != MAILMOD_OK) {
        break_off(milter, "out of memory");
        return bytes.size;
    }
    if (have < HEAD_SIZE && have + size == HEAD_SIZE) {
        uint32_t length = get_u32(mm_buf_span(&milter->input).data);

        if (length == 0 || length > MM_MILTER_DATA_MAX + 1) {
            break_off(milter, "a packet has a wrong length");
        }
    }
    return size;
}

static bool negotiate(struct mm_milter *milter, struct mm_span data)
{
    if (data.size < 12) {
        break_off(milter, "the answer to the offer is too short");
        return false;
    }
    milter->version = get_u32(data.data);
    milter->actions = get_u32(data.data + 4);
    milter->steps = get_u32(data.data + 8);
    if (milter->version < VERSION_MIN || milter->version > VERSION) {
        break_off(milter, "the version is none of 2 to 6");
    } else if ((milter->actions & ~(uint32_t)ACTIONS) != 0) {
        break_off(milter, "it wants to do what was not offered");
    } else if ((milter->steps & ~(uint32_t)STEPS) != 0) {
        break_off(milter, "it wants steps that were not offered");
    } else {
        milter->state = STATE_IDLE;
        return true;
    }
    return false;
}

/* The next text of the data with its NUL; false: there is none. */
static bool take_text(struct mm_span *data, const char **text_out)
{
    const char *nul =
        data->size > 0 ? memchr(data->data, '\0', data->size) : NULL;

    *text_out = "";
    if (nul == NULL) {
        return false;
    }
    *text_out = data->data;
    *data = mm_span_from(*data, (size_t)(nul - data->data) + 1);
    return true;
}

/* The reply of its own: one code on all lines, 4xx or 5xx. */
static bool read_reply(struct mm_milter *milter, struct mm_span data,
                       struct mm_milter_info *info)
{
    struct mm_reply_parser parser;
    const char *text;
    size_t used = 0;
    bool is_good = take_text(&data, &text);

    mm_reply_parser_init(&parser);
    is_good = is_good &&
              mm_reply_parser_feed(&parser, text, strlen(text), &used) ==
                  MAILMOD_OK &&
              (parser.is_complete ||
               mm_reply_parser_feed(&parser, "\r\n", 2, &used) == MAILMOD_OK);
    is_good = is_good && parser.is_complete && parser.reply.code >= 400 &&
              parser.reply.code <= 599;
    if (is_good) {
        const char *words = mm_buf_cstr(&parser.reply.text);
        size_t size = words != NULL ? strlen(words) : 0;

        info->answer = MM_MILTER_REPLY;
        info->code = parser.reply.code;
        (void)mm_span_copy(mm_span(words, size < sizeof milter->reply
                                              ? size
                                              : sizeof milter->reply - 1),
                           milter->reply, sizeof milter->reply);
        info->text = milter->reply;
    }
    mm_reply_parser_fini(&parser);
    return is_good;
}

static const struct {
    char letter;
    enum mm_milter_answer answer;
} answers[] = {
    {'c', MM_MILTER_CONTINUE}, {'a', MM_MILTER_ACCEPT},
    {'r', MM_MILTER_REJECT},   {'t', MM_MILTER_TEMPFAIL},
    {'d', MM_MILTER_DISCARD},  {'s', MM_MILTER_SKIP},
    {'4', MM_MILTER_TEMPFAIL}, /* 421 and the end of the connection */
    {'f', MM_MILTER_TEMPFAIL}, /* the connection failed */
};

static const struct change_row {
    char letter;
    enum mm_milter_change change;
    uint32_t actions; /* one of them */
    bool has_number, has_name, has_value, has_arguments;
} changes[] = {
    {'h', MM_MILTER_ADD_FIELD, ACTION_ADD_FIELDS, false, true, true, false},
    {'i', MM_MILTER_INSERT_FIELD, ACTION_ADD_FIELDS, true, true, true, false},
    {'m', MM_MILTER_SET_FIELD, ACTION_SET_FIELDS, true, true, true, false},
    {'e', MM_MILTER_SENDER, ACTION_SENDER, false, false, true, true},
    {'+', MM_MILTER_ADD_RCPT, ACTION_ADD_RCPT, false, false, true, false},
    {'2', MM_MILTER_ADD_RCPT, ACTION_ADD_RCPT_WITH, false, false, true, true},
    {'-', MM_MILTER_REMOVE_RCPT, ACTION_REMOVE_RCPT, false, false, true, false},
    {'b', MM_MILTER_SET_BODY, ACTION_SET_BODY, false, false, false, false},
    {'q', MM_MILTER_QUARANTINE, ACTION_QUARANTINE, false, false, true, false},
};

static bool read_change(const struct change_row *row, struct mm_span data,
                        struct mm_milter_info *info)
{
    info->change = row->change;
    info->data = data;
    if (row->has_number) {
        if (data.size < 4) {
            return false;
        }
        info->number = get_u32(data.data);
        data = mm_span_from(data, 4);
    }
    if ((row->has_name && !take_text(&data, &info->name)) ||
        (row->has_value && !take_text(&data, &info->value))) {
        return false;
    }
    if (row->has_arguments) {
        (void)take_text(&data, &info->arguments); /* may be left out */
    }
    return true;
}

static enum mm_milter_event broken(struct mm_milter *milter, const char *words)
{
    break_off(milter, words);
    return MM_MILTER_BROKEN;
}

static enum mm_milter_event take_change(struct mm_milter *milter, char letter,
                                        struct mm_span data,
                                        struct mm_milter_info *info)
{
    const struct change_row *row = NULL;

    for (size_t i = 0; i < sizeof changes / sizeof changes[0]; i++) {
        row = changes[i].letter == letter ? &changes[i] : row;
    }
    if (row == NULL) {
        return broken(milter, "it says what the protocol does not know");
    }
    if (!milter->is_end || (milter->actions & row->actions) == 0) {
        return broken(milter,
                      "it changes what it did not ask for, or too early");
    }
    return read_change(row, data, info)
               ? MM_MILTER_CHANGE
               : broken(milter, "a change is cut short");
}

static enum mm_milter_event take_packet(struct mm_milter *milter, char letter,
                                        struct mm_span data,
                                        struct mm_milter_info *info)
{
    if (milter->state == STATE_NEGOTIATING) {
        if (letter != 'O') {
            return broken(milter, "it does not answer the offer");
        }
        return negotiate(milter, data) ? MM_MILTER_READY : MM_MILTER_BROKEN;
    }
    if (milter->state != STATE_WAITING) {
        return broken(milter, "it speaks without being asked");
    }
    if (++milter->answers > MM_MILTER_ANSWERS_MAX) {
        return broken(milter, "it answers without an end");
    }
    if (letter == 'p') {
        return MM_MILTER_PROGRESS;
    }
    for (size_t i = 0; i < sizeof answers / sizeof answers[0]; i++) {
        if (answers[i].letter == letter &&
            (letter != 's' || milter->takes_skip)) {
            milter->state = STATE_IDLE;
            info->answer = answers[i].answer;
            return MM_MILTER_ANSWER;
        }
    }
    if (letter == 'y') {
        milter->state = STATE_IDLE;
        return read_reply(milter, data, info)
                   ? MM_MILTER_ANSWER
                   : broken(milter, "its reply has no code of 400 to 599");
    }
    return take_change(milter, letter, data, info);
}

enum mm_milter_event mm_milter_next(struct mm_milter *milter,
                                    struct mm_milter_info *info_out)
{
    *info_out = (struct mm_milter_info){
        .text = "", .name = "", .value = "", .arguments = ""};
    drop_taken(milter);
    if (milter->state == STATE_BROKEN) {
        return MM_MILTER_BROKEN;
    }
    struct mm_span packet = mm_buf_span(&milter->input);
    if (packet.size < HEAD_SIZE ||
        packet.size - HEAD_SIZE < get_u32(packet.data)) {
        return MM_MILTER_NEED_INPUT;
    }
    milter->is_taken = true;
    return take_packet(milter, packet.data[HEAD_SIZE],
                       mm_span_from(packet, HEAD_SIZE + 1), info_out);
}
