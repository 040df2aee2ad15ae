/* client.h - who hands mail in, and who reads it. Thread: the run's. */
#ifndef MM_SIM_CLIENT_H
#define MM_SIM_CLIENT_H

#include "sim.h"

/* client.c: sim_options.messages of them. */
void sim_clients_begin(void);
void sim_clients_end(void);
/* reader.c: one reader of each mailbox, who comes every some minutes. */
void sim_readers_begin(void);
void sim_readers_end(void);

#endif
