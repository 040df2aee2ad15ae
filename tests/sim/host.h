/* host.h - scripted mail hosts x0.test, x1.test ... Thread: the run's. */
#ifndef MM_SIM_HOST_H
#define MM_SIM_HOST_H

#include "sim.h"

enum { SIM_HOSTS_MAX = 6, SIM_HOST_CONNECTIONS_MAX = 4 };

void sim_hosts_begin(void);
unsigned sim_host_count(void);

#endif
