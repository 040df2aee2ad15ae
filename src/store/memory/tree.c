/* tree.c - see tree.h. Two rules keep the balance: a left child is one level
 * below its parent, a right one at most as high, and never two right ones of
 * the same level in a row. Thread: any (the owner's). */
#include "store/memory/tree.h"

#include <stdbool.h>
#include <stddef.h>

/* A left child of the same level becomes the parent. */
static struct mm_tree_node *skew(struct mm_tree_node *at)
{
    struct mm_tree_node *left = at->left;
    if (left == NULL || left->level != at->level) {
        return at;
    }
    at->left = left->right;
    left->right = at;
    return left;
}

/* Of three in a row on one level the middle one rises. */
static struct mm_tree_node *split(struct mm_tree_node *at)
{
    struct mm_tree_node *right = at->right;
    if (right == NULL || right->right == NULL ||
        right->right->level != at->level) {
        return at;
    }
    at->right = right->left;
    right->left = at;
    right->level++;
    return right;
}

static struct mm_tree_node *
insert(struct mm_tree *tree, struct mm_tree_node *at, struct mm_tree_node *node)
{
    if (at == NULL) {
        *node = (struct mm_tree_node){NULL, NULL, 1};
        return node;
    }
    if (tree->compare(node, at) < 0) {
        at->left = insert(tree, at->left, node);
    } else {
        at->right = insert(tree, at->right, node);
    }
    return split(skew(at));
}

void mm_tree_insert(struct mm_tree *tree, struct mm_tree_node *node)
{
    tree->root = insert(tree, tree->root, node);
}

static unsigned level_of(const struct mm_tree_node *node)
{
    return node != NULL ? node->level : 0;
}

/* After a removal below. */
static struct mm_tree_node *rebalance(struct mm_tree_node *at)
{
    unsigned left = level_of(at->left);
    unsigned right = level_of(at->right);
    unsigned level = (left < right ? left : right) + 1;
    if (level < at->level) {
        at->level = level;
        if (at->right != NULL && level < at->right->level) {
            at->right->level = level;
        }
    }
    at = skew(at);
    if (at->right != NULL) {
        at->right = skew(at->right);
        if (at->right->right != NULL) {
            at->right->right = skew(at->right->right);
        }
    }
    at = split(at);
    if (at->right != NULL) {
        at->right = split(at->right);
    }
    return at;
}

static struct mm_tree_node *take_first(struct mm_tree_node *at,
                                       struct mm_tree_node **first_out)
{
    if (at->left == NULL) {
        *first_out = at;
        return at->right;
    }
    at->left = take_first(at->left, first_out);
    return rebalance(at);
}

static struct mm_tree_node *drop(struct mm_tree *tree, struct mm_tree_node *at,
                                 struct mm_tree_node *node)
{
    int order = tree->compare(node, at);
    if (order < 0) {
        at->left = drop(tree, at->left, node);
    } else if (order > 0) {
        at->right = drop(tree, at->right, node);
    } else if (at->left == NULL) {
        return at->right;
    } else if (at->right == NULL) {
        return at->left;
    } else {
        struct mm_tree_node *next;
        struct mm_tree_node *right = take_first(at->right, &next);
        *next = (struct mm_tree_node){at->left, right, at->level};
        at = next;
    }
    return rebalance(at);
}

void mm_tree_remove(struct mm_tree *tree, struct mm_tree_node *node)
{
    tree->root = drop(tree, tree->root, node);
}

/* The first that is behind `key`, or is not before it. */
static struct mm_tree_node *seek(const struct mm_tree *tree,
                                 const struct mm_tree_node *key, bool is_behind)
{
    struct mm_tree_node *found = NULL;
    struct mm_tree_node *at = tree->root;
    while (at != NULL) {
        int order = tree->compare(key, at);
        if (order < 0 || (order == 0 && !is_behind)) {
            found = at;
            at = at->left;
        } else {
            at = at->right;
        }
    }
    return found;
}

struct mm_tree_node *mm_tree_from(const struct mm_tree *tree,
                                  const struct mm_tree_node *key)
{
    return seek(tree, key, false);
}

struct mm_tree_node *mm_tree_behind(const struct mm_tree *tree,
                                    const struct mm_tree_node *key)
{
    return seek(tree, key, true);
}

struct mm_tree_node *mm_tree_find(const struct mm_tree *tree,
                                  const struct mm_tree_node *key)
{
    struct mm_tree_node *found = seek(tree, key, false);
    return found != NULL && tree->compare(key, found) == 0 ? found : NULL;
}

struct mm_tree_node *mm_tree_first(const struct mm_tree *tree)
{
    struct mm_tree_node *at = tree->root;
    while (at != NULL && at->left != NULL) {
        at = at->left;
    }
    return at;
}
