/* list.c - the intrusive circular list.
 *
 * Owns nothing: nodes are members of their owners' objects. Promises that a
 * removed node is left as a list of its own, so that removing it again does
 * no harm and an owner may always remove its node before it is freed.
 * Thread: any (the owner's). */
#include "base/list.h"

void mm_list_init(struct mm_list *list)
{
    list->next = list;
    list->previous = list;
}

bool mm_list_is_empty(const struct mm_list *list)
{
    return list->next == list;
}

static void insert_between(struct mm_list *previous, struct mm_list *node,
                           struct mm_list *next)
{
    node->previous = previous;
    node->next = next;
    previous->next = node;
    next->previous = node;
}

void mm_list_append(struct mm_list *list, struct mm_list *node)
{
    insert_between(list->previous, node, list);
}

void mm_list_prepend(struct mm_list *list, struct mm_list *node)
{
    insert_between(list, node, list->next);
}

void mm_list_remove(struct mm_list *node)
{
    node->previous->next = node->next;
    node->next->previous = node->previous;
    mm_list_init(node);
}

struct mm_list *mm_list_first(struct mm_list *list)
{
    return mm_list_is_empty(list) ? NULL : list->next;
}

struct mm_list *mm_list_take_first(struct mm_list *list)
{
    struct mm_list *node = mm_list_first(list);
    if (node != NULL) {
        mm_list_remove(node);
    }
    return node;
}
