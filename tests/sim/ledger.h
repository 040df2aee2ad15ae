/* ledger.h - what was handed in, and what became of each recipient: the
 * invariants of a run. Thread: the run's. */
#ifndef MM_SIM_LEDGER_H
#define MM_SIM_LEDGER_H

#include "sim.h"

enum { SIM_RECIPIENTS_MAX = 4, SIM_ADDRESS_MAX = 48 };

struct sim_recipient {
    char address[SIM_ADDRESS_MAX];
    bool is_refused;  /* for good, before anything was promised */
    bool is_accepted; /* 250 for the message was heard */
    unsigned deliveries;
    unsigned failures;                    /* reports that it failed */
    unsigned delays[SIM_MACHINES_MAX];    /* notices, by who sent them */
    bool is_seen;                         /* at the last look: somewhere */
    bool is_kept;                         /* an operator's, as a dead letter */
    int64_t refused_ms[SIM_MACHINES_MAX]; /* the last 4xx of a steady host */
    int64_t first_refused_ms[SIM_MACHINES_MAX];
    unsigned refusals[SIM_MACHINES_MAX];
};
struct sim_message {
    unsigned token;               /* from 1 */
    char sender[SIM_ADDRESS_MAX]; /* "" the null path */
    struct sim_recipient recipients[SIM_RECIPIENTS_MAX];
    unsigned recipient_count;
    unsigned allowed; /* how many copies more than one may come */
    bool is_over;     /* its sender has nothing more to do with it */
    bool is_done;     /* and each recipient is delivered or reported */
};

void sim_ledger_begin(unsigned messages);
void sim_ledger_end(void);
struct sim_message *sim_ledger_message(unsigned token); /* NULL: none */
struct sim_recipient *sim_ledger_recipient(struct sim_message *message,
                                           const char *address);
/* It may come once more from now on: its end was not heard. */
void sim_ledger_allow(unsigned token, const char *why);
void sim_ledger_allow_all(const char *why);
/* 250 was heard for who was taken (bits by number). */
void sim_ledger_accepted(unsigned token, unsigned recipients);
/* The recipient has it, for good: a host outside took it, or a POP3 client read
 * it and had it deleted. A report is taken note of. */
void sim_ledger_arrived(const char *text, size_t size, const char *recipient);
/* A host that never fails otherwise refused the recipient for now. */
void sim_ledger_refused(const char *text_address, unsigned token,
                        unsigned machine);
/* The token of a text, 0: none. */
unsigned sim_ledger_token(const char *text, size_t size);
/* A look at all disks begins, and ends: who was promised was seen, or is done.
 */
void sim_ledger_forget_seen(void);
void sim_ledger_check_seen(void);
/* Nobody waits any more, or must have been told. True: all are done. */
bool sim_ledger_is_done(void);
/* Prints who is neither. */
void sim_ledger_show_open(void);
void sim_ledger_count(unsigned *delivered_out, unsigned *reported_out,
                      unsigned *twice_out);

#endif
