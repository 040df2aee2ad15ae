/* look.h - a look at all disks. Thread: the run's. */
#ifndef MM_SIM_LOOK_H
#define MM_SIM_LOOK_H

#include "ledger.h"

void sim_look_begin(void);
void sim_look_end(void);
/* While all machines are up; else nothing. */
void sim_look(void);
/* All that waits on it may come once more. */
void sim_look_at_dying(struct sim_machine *machine);
/* Which recipient of the message it is in whose mailbox the text lies. */
void sim_mailbox_address(unsigned machine, const char *text, size_t size,
                         const char *user, char address_out[SIM_ADDRESS_MAX]);

#endif
