/* thread: any
 * budget.h - memory that many share: so many octets, and no more.
 *
 * Who is refused must do with what it has. Nothing is allocated here, only
 * counted. */
#ifndef MM_BASE_BUDGET_H
#define MM_BASE_BUDGET_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

struct mm_budget {
    size_t max;
    atomic_size_t used;
};

void mm_budget_init(struct mm_budget *budget, size_t max);
/* Takes `size` octets, if `reserve` are left for others then. */
bool mm_budget_take(struct mm_budget *budget, size_t size, size_t reserve);
void mm_budget_give(struct mm_budget *budget, size_t size);
/* More than half is taken: the time to hold less. */
bool mm_budget_is_short(const struct mm_budget *budget);

#endif
