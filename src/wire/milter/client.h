/* thread: any
 * client.h - the mail server's side of the milter protocol, version 6 and down
 * to 2: what is said to a filter of mail and what it answers. Sans-IO.
 *
 * There is no RFC: the protocol is that of Sendmail's libmilter (mfdef.h,
 * mfapi.h). A packet is a length of four octets, a letter, and data.
 *
 * Law: NEGOTIATING -> IDLE; IDLE -> WAITING with each step that is answered,
 * back with its answer; all -> BROKEN, which is final. One step at a time; the
 * next one only when the output has room (mm_milter_can_send). */
#ifndef MM_WIRE_MILTER_CLIENT_H
#define MM_WIRE_MILTER_CLIENT_H

#include "base/buf.h"
#include "base/netaddr.h"

/* MILTER_CHUNK_SIZE: data of a packet; larger ones were not negotiated. */
#define MM_MILTER_DATA_MAX 65535
/* What is kept of one field for a filter, name and value. */
#define MM_MILTER_FIELD_MAX 60000
/* Answers and changes to one message: more is no filter. */
#define MM_MILTER_ANSWERS_MAX 20000
#define MM_MILTER_FAILURE_MAX 160
#define MM_MILTER_REPLY_MAX 1024

enum mm_milter_step {
    MM_MILTER_CONNECT,
    MM_MILTER_HELO,
    MM_MILTER_MAIL,
    MM_MILTER_RCPT,
    MM_MILTER_DATA,
    MM_MILTER_FIELD,
    MM_MILTER_FIELDS_END,
    MM_MILTER_BODY,
    MM_MILTER_END
};

enum mm_milter_event {
    MM_MILTER_NEED_INPUT, /* or the next step, when it can be sent */
    MM_MILTER_READY,      /* the filter has said what it wants */
    MM_MILTER_ANSWER,     /* to the step: info->answer */
    MM_MILTER_CHANGE,     /* before the answer to END: info->change */
    MM_MILTER_PROGRESS,   /* it needs more time */
    MM_MILTER_BROKEN      /* mm_milter_failure has the words */
};

enum mm_milter_answer {
    MM_MILTER_CONTINUE,
    MM_MILTER_ACCEPT, /* no more is asked about connection or message */
    MM_MILTER_REJECT,
    MM_MILTER_TEMPFAIL,
    MM_MILTER_REPLY,   /* code and text */
    MM_MILTER_DISCARD, /* taken, and given to nobody */
    MM_MILTER_SKIP     /* no more of this kind */
};

enum mm_milter_change {
    MM_MILTER_ADD_FIELD,    /* name, value */
    MM_MILTER_INSERT_FIELD, /* number, name, value */
    MM_MILTER_SET_FIELD,    /* number from 1, name, value ("": goes) */
    MM_MILTER_SENDER,       /* value, arguments (may be "") */
    MM_MILTER_ADD_RCPT,     /* value, arguments */
    MM_MILTER_REMOVE_RCPT,  /* value */
    MM_MILTER_SET_BODY,     /* data: a piece of it */
    MM_MILTER_QUARANTINE    /* value: why */
};

/* Of the last event; texts live until the next call of the engine. */
struct mm_milter_info {
    enum mm_milter_answer answer;
    int code;         /* REPLY: 400 to 599 */
    const char *text; /* ... without the code; lines with a LF between */
    enum mm_milter_change change;
    unsigned number;
    const char *name;
    const char *value;
    const char *arguments;
    struct mm_span data;
};

struct mm_milter_macro {
    const char *name; /* "i", "{auth_type}" */
    const char *value;
};

/* Lives in its owner's object; its fields are client.c's. */
struct mm_milter {
    int state;
    uint32_t actions, steps, version;
    bool is_end;      /* the step that waits is END */
    bool takes_skip;  /* ... or BODY */
    unsigned answers; /* since the last message began */
    struct mm_buf output;
    struct mm_buf input; /* one packet, with its length */
    bool is_taken;       /* the packet was given to the owner */
    char reply[MM_MILTER_REPLY_MAX];
    char failure[MM_MILTER_FAILURE_MAX];
};

/* The output has the offer. */
void mm_milter_init(struct mm_milter *milter);
void mm_milter_fini(struct mm_milter *milter);
/* Octets of the filter; how many were taken: at most those of one packet, and
 * none while there is one that mm_milter_next has not given out. */
size_t mm_milter_feed(struct mm_milter *milter, struct mm_span bytes);
enum mm_milter_event mm_milter_next(struct mm_milter *milter,
                                    struct mm_milter_info *info_out);
struct mm_span mm_milter_output(const struct mm_milter *milter);
void mm_milter_sent(struct mm_milter *milter, size_t size);
/* For a person, once it is BROKEN. */
const char *mm_milter_failure(const struct mm_milter *milter);

/* The filter wants to hear of the step. */
bool mm_milter_wants(const struct mm_milter *milter, enum mm_milter_step step);
/* Values of fields with the blank behind the colon. */
bool mm_milter_wants_blank(const struct mm_milter *milter);
bool mm_milter_can_send(const struct mm_milter *milter);
bool mm_milter_is_waiting(const struct mm_milter *milter);

/* To be sent when mm_milter_can_send. Each becomes one packet, and one more for
 * its macros; afterwards mm_milter_is_waiting tells whether an answer comes. An
 * error (MEMORY, LIMIT for what no packet holds) is BROKEN, too. */
void mm_milter_connect(struct mm_milter *milter, const char *host,
                       const struct mm_netaddr *peer,
                       const struct mm_milter_macro *macros, size_t count);
void mm_milter_helo(struct mm_milter *milter, const char *name,
                    const struct mm_milter_macro *macros, size_t count);
/* MAIL or RCPT: the path without its brackets, the parameters ("SIZE=12") with
 * blanks between. */
void mm_milter_path(struct mm_milter *milter, enum mm_milter_step step,
                    const char *path, const char *parameters,
                    const struct mm_milter_macro *macros, size_t count);
void mm_milter_field(struct mm_milter *milter, const char *name,
                     struct mm_span value);
/* DATA, FIELDS_END, END. */
void mm_milter_plain(struct mm_milter *milter, enum mm_milter_step step,
                     const struct mm_milter_macro *macros, size_t count);
/* At most MM_MILTER_DATA_MAX octets. */
void mm_milter_body(struct mm_milter *milter, struct mm_span data);
/* The message is over, whatever became of it; also while an answer is awaited,
 * which must have come before. */
void mm_milter_abort(struct mm_milter *milter);
void mm_milter_quit(struct mm_milter *milter);

#endif
