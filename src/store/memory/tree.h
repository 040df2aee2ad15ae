/* thread: any (the owner's)
 * tree.h - an ordered set of nodes that lie in their owner's objects.
 *
 * A balanced tree (Andersson's): every call takes a number of steps that grows
 * with the logarithm of the size, and the same calls give the same tree. */
#ifndef MM_STORE_MEMORY_TREE_H
#define MM_STORE_MEMORY_TREE_H

struct mm_tree_node {
    struct mm_tree_node *left;
    struct mm_tree_node *right;
    unsigned level; /* 1 at the leaves */
};

struct mm_tree {
    struct mm_tree_node *root;
    int (*compare)(const struct mm_tree_node *a, const struct mm_tree_node *b);
};

/* No equal one may be in it. */
void mm_tree_insert(struct mm_tree *tree, struct mm_tree_node *node);
/* It must be in it. */
void mm_tree_remove(struct mm_tree *tree, struct mm_tree_node *node);
/* NULL when there is none. */
struct mm_tree_node *mm_tree_find(const struct mm_tree *tree,
                                  const struct mm_tree_node *key);
/* The first that is not before `key`; the first one behind it. */
struct mm_tree_node *mm_tree_from(const struct mm_tree *tree,
                                  const struct mm_tree_node *key);
struct mm_tree_node *mm_tree_behind(const struct mm_tree *tree,
                                    const struct mm_tree_node *key);
struct mm_tree_node *mm_tree_first(const struct mm_tree *tree);

#endif
