/* thread: any (the owner's)
 * list.h - a circular doubly linked list whose nodes live in their objects. */
#ifndef MM_BASE_LIST_H
#define MM_BASE_LIST_H

#include <stdbool.h>
#include <stddef.h>

struct mm_list {
    struct mm_list *next;
    struct mm_list *previous;
};

void mm_list_init(struct mm_list *list); /* a head, or a node in no list */
bool mm_list_is_empty(const struct mm_list *list);
void mm_list_append(struct mm_list *list, struct mm_list *node);
void mm_list_prepend(struct mm_list *list, struct mm_list *node);
void mm_list_remove(struct mm_list *node); /* harmless on a lone node */
struct mm_list *mm_list_first(struct mm_list *list); /* NULL when empty */
struct mm_list *mm_list_take_first(struct mm_list *list);

/* The object of `type` that holds `node` as its member `member`. */
#define MM_LIST_OBJECT(node, type, member)                                     \
    ((type *)(void *)((char *)(node)-offsetof(type, member)))
#define MM_LIST_EACH(node, list)                                               \
    for (struct mm_list *node = (list)->next, *node##_next = node->next;       \
         node != (list); node = node##_next, node##_next = node->next)

#endif
