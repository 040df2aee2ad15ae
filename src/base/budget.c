/* budget.c - octets that are taken and given back.
 *
 * Owns one counter. Promises that what is taken never exceeds the maximum,
 * whoever takes at the same time. What is counted orders nothing: the counter
 * is relaxed.
 * Thread: any. */
#include "base/budget.h"

void mm_budget_init(struct mm_budget *budget, size_t max)
{
    budget->max = max;
    atomic_init(&budget->used, 0);
}

bool mm_budget_take(struct mm_budget *budget, size_t size, size_t reserve)
{
    size_t used = atomic_load_explicit(&budget->used, memory_order_relaxed);

    do {
        size_t left = budget->max - used;

        if (left < size || left - size < reserve) {
            return false;
        }
    } while (!atomic_compare_exchange_weak_explicit(
        &budget->used, &used, used + size, memory_order_relaxed,
        memory_order_relaxed));
    return true;
}

void mm_budget_give(struct mm_budget *budget, size_t size)
{
    atomic_fetch_sub_explicit(&budget->used, size, memory_order_relaxed);
}

bool mm_budget_is_short(const struct mm_budget *budget)
{
    return atomic_load_explicit(&budget->used, memory_order_relaxed) >
           budget->max / 2;
}
